//! What a server answers, and which error of the store it stands for.

use serde::{Deserialize, de::DeserializeOwned};
use sessiondb_core::{
    Conflict, Cursor, Document, DocumentPage, Error, Result, Session, SessionKey, SessionPage,
};
use ureq::{Body, http};

/// Largest answer: a page of messages may have a thousand of 16 MiB, and none has.
const ANSWER_BYTES_MAX: u64 = 4 << 30;

/// A status and a body.
pub(crate) struct Reply {
    status: u16,
    body: Vec<u8>,
}

#[derive(Deserialize)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    next: Option<Cursor>,
}

impl From<Sessions> for SessionPage {
    fn from(page: Sessions) -> SessionPage {
        SessionPage { sessions: page.sessions, next: page.next }
    }
}

#[derive(Deserialize)]
pub(crate) struct Documents {
    documents: Vec<Document>,
    next: Option<String>,
}

impl Documents {
    pub fn page(self) -> Result<DocumentPage> {
        let next = self.next.map(|next| serde_json::from_str(&next)).transpose();
        let next = next.map_err(|e| unreadable(&e.to_string()))?;
        Ok(DocumentPage { documents: self.documents, next })
    }
}

#[derive(Deserialize)]
pub(crate) struct Freed {
    pub freed: u64,
}

/// What of a problem says which error it is.
#[derive(Deserialize)]
struct Problem {
    r#type: String,
    detail: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    conflict: Option<Conflict>,
}

impl Reply {
    pub fn of(address: &str, answer: Result<http::Response<Body>, ureq::Error>) -> Result<Reply> {
        let mut answer = answer.map_err(|error| failed(address, &error))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body =
            body.map_err(|error| Error::Unknown(format!("{address}: the answer broke off: {error}")))?;
        Ok(Reply { status, body })
    }

    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        if (200..300).contains(&self.status) {
            // It was done; what was answered is lost.
            return serde_json::from_slice(&self.body)
                .map_err(|e| Error::Unknown(format!("the server's answer cannot be read: {e}")));
        }
        Err(self.error())
    }

    /// As `read`, with `None` for what is not there.
    pub fn read_found<T: DeserializeOwned>(self) -> Result<Option<T>> {
        if self.status == 404
            && self.problem().is_some_and(|problem| problem.r#type == "urn:sessiondb:not-found")
        {
            return Ok(None);
        }
        self.read().map(Some)
    }

    fn problem(&self) -> Option<Problem> {
        serde_json::from_slice(&self.body).ok()
    }

    fn error(&self) -> Error {
        let Some(problem) = self.problem() else {
            if self.status >= 500 {
                // A proxy on the way says so, and does not know what the server has done.
                return Error::Unknown(format!("the server or a proxy answered {}", self.status));
            }
            let start: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
            return Error::Storage(format!("the server answered {}: {}", self.status, start.escape_debug()));
        };
        let Problem { r#type, detail, hint, key, conflict } = problem;
        let hinted = || hint.map_or_else(|| detail.clone(), |hint| format!("{detail}; {hint}"));
        let key = key.and_then(|key| SessionKey::from_stored(&key).ok()).map(Box::new);
        match (r#type.strip_prefix("urn:sessiondb:").unwrap_or(""), key, conflict) {
            ("conflict", Some(key), Some(conflict)) => Error::Conflict { key, conflict },
            ("not-found", Some(key), _) => Error::NotFound(key),
            ("invalid" | "too-large" | "media-type", ..) => Error::Invalid(detail),
            ("busy" | "overloaded" | "too-many-requests", ..) => Error::Busy(detail),
            ("full", ..) => Error::Full(detail),
            ("outcome-unknown", ..) => Error::Unknown(detail),
            ("stopped", ..) => Error::Stopped(detail),
            ("undecodable", ..) => {
                Error::Undecodable { row: "a row of the server's store".into(), reason: detail }
            }
            _ => Error::Storage(format!("the server answered {}: {}", self.status, hinted())),
        }
    }
}

fn unreadable(reason: &str) -> Error {
    Error::Storage(format!("the server's answer cannot be read: {reason}"))
}

/// A server that was not reached has done nothing. Of one that was, nobody knows.
fn failed(address: &str, error: &ureq::Error) -> Error {
    let never = match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::Tls(_) => true,
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => true,
        // Where the certificate is not trusted nothing was sent.
        ureq::Error::Io(error) => {
            error.kind() == std::io::ErrorKind::ConnectionRefused || error.to_string().contains("certificate")
        }
        _ => false,
    };
    match never {
        true => Error::CannotOpen {
            location: address.to_owned(),
            reason: format!("no server can be reached there ({error}); `sessiondb serve` starts one"),
        },
        false => Error::Unknown(format!("{address} did not answer: {error}")),
    }
}
