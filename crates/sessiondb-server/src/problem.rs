//! [`Problem`]: what is answered when it did not succeed, as RFC 9457 has it. The only place with status codes of errors.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sessiondb::{Conflict, Error, SessionKey};
use utoipa::ToSchema;

/// Why a request did not succeed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Details>);

/// What a problem tells.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    /// What kind of problem: it stays the same, whatever the words.
    #[schema(example = "urn:sessiondb:not-found")]
    r#type: String,
    /// The kind in words.
    #[schema(example = "Not found")]
    title: &'static str,
    /// The status of the answer.
    #[schema(example = 404)]
    status: u16,
    /// What happened, to which session.
    #[schema(example = "session main:cli::dm:ann does not exist")]
    detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whether the very same request may succeed later.
    retryable: bool,
    /// The session that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// What was expected of the session, and what is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    conflict: Option<Box<Conflict>>,
    /// After how many seconds to try again.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// The kinds of problems that a request can meet, each with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Invalid,
    Unauthenticated,
    Forbidden,
    CrossSite,
    NotFound,
    NoSuchRoute,
    MethodNotAllowed,
    Conflict,
    Precondition,
    TooLarge,
    MediaType,
    WrongHost,
    TooManyRequests,
    Undecodable,
    Internal,
    Busy,
    Overloaded,
    Unknown,
    Stopped,
    Full,
}

impl Kind {
    #[cfg(test)]
    pub const ALL: [Kind; 20] = [
        Kind::Invalid,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::CrossSite,
        Kind::NotFound,
        Kind::NoSuchRoute,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::Precondition,
        Kind::TooLarge,
        Kind::MediaType,
        Kind::WrongHost,
        Kind::TooManyRequests,
        Kind::Undecodable,
        Kind::Internal,
        Kind::Busy,
        Kind::Overloaded,
        Kind::Unknown,
        Kind::Stopped,
        Kind::Full,
    ];

    /// Its status, the last part of its type, and its title.
    pub fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid", "Invalid request"),
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "No valid token"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token may not do this"),
            Kind::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "A request from another site"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Kind::NoSuchRoute => (StatusCode::NOT_FOUND, "no-such-route", "No such route"),
            Kind::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method")
            }
            Kind::Conflict => (StatusCode::CONFLICT, "conflict", "Not as expected"),
            Kind::Precondition => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "Changed meanwhile")
            }
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Kind::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "A body of another media type")
            }
            Kind::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "Not a name of this server"),
            Kind::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            Kind::Undecodable => {
                (StatusCode::INTERNAL_SERVER_ERROR, "undecodable", "A stored row cannot be read")
            }
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed"),
            Kind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "The store is busy"),
            Kind::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "The server has too much to do")
            }
            Kind::Unknown => (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", "The outcome is unknown"),
            Kind::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopped", "The store does not write"),
            Kind::Full => (StatusCode::INSUFFICIENT_STORAGE, "full", "The disk is full"),
        }
    }
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        let (status, name, title) = kind.parts();
        Problem(Box::new(Details {
            r#type: format!("urn:sessiondb:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            retryable: matches!(
                kind,
                Kind::Busy | Kind::Full | Kind::Unknown | Kind::Overloaded | Kind::TooManyRequests
            ),
            key: None,
            conflict: None,
            retry_after: matches!(
                kind,
                Kind::Busy | Kind::Unknown | Kind::Overloaded | Kind::TooManyRequests
            )
            .then_some(1)
            .or((kind == Kind::Full).then_some(5)),
        }))
    }

    pub fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(Kind::Invalid, detail)
    }

    /// A session that does not exist, or that the caller may not see: nobody can tell which.
    pub fn no_session(key: &SessionKey) -> Problem {
        let hint = "open it first (POST /v1/sessions), or look for its key in GET /v1/sessions";
        let mut problem = Problem::new(Kind::NotFound, format!("session {key} does not exist")).hint(hint);
        problem.0.key = Some(key.to_string());
        problem
    }

    /// What happened.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    /// Whether other content would have been accepted.
    pub fn is_about_content(&self) -> bool {
        self.0.status == StatusCode::BAD_REQUEST.as_u16() || self.0.status == StatusCode::CONFLICT.as_u16()
    }

    pub fn retry_after(mut self, seconds: u64) -> Problem {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Where a conflict answers a condition in the request's headers, it is a failed precondition.
    pub fn of_condition(error: Error) -> Problem {
        let kind = match &error {
            Error::Conflict {
                conflict:
                    Conflict::State { .. }
                    | Conflict::Log { .. }
                    | Conflict::Document { .. }
                    | Conflict::Exists { .. },
                ..
            } => Kind::Precondition,
            _ => return error.into(),
        };
        let (status, name, title) = kind.parts();
        let mut problem = Problem::from(error);
        problem.0.r#type = format!("urn:sessiondb:{name}");
        (problem.0.status, problem.0.title) = (status.as_u16(), title);
        problem
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let kind = match &error {
            Error::NotFound(key) | Error::OutOfScope { key, .. } => return Problem::no_session(key),
            Error::Invalid(_) => Kind::Invalid,
            Error::Conflict { .. } => Kind::Conflict,
            Error::Undecodable { .. } => Kind::Undecodable,
            Error::Busy(_) => Kind::Busy,
            Error::Full(_) => Kind::Full,
            Error::Unknown(_) => Kind::Unknown,
            Error::Stopped(_) | Error::Closed | Error::CannotOpen { .. } => Kind::Stopped,
            _ => Kind::Internal,
        };
        if !matches!(kind, Kind::Invalid | Kind::Conflict) {
            tracing::error!(%error, "a request failed");
        }
        // What the system said (paths, SQL) is in the log and not for clients.
        let detail = match &error {
            Error::Invalid(_) | Error::Conflict { .. } | Error::Undecodable { .. } => error.to_string(),
            Error::Busy(_) => "somebody else holds the store; nothing was written".into(),
            Error::Full(_) => "the disk is full; nothing was written".into(),
            Error::Unknown(_) => "whether it was written is not known".into(),
            Error::Stopped(_) | Error::Closed | Error::CannotOpen { .. } => {
                "the store accepts no writes until the server is started anew; the server's log says why"
                    .into()
            }
            _ => "the server's log says why".into(),
        };
        let hint = match &error {
            Error::Unknown(_) => Some("send it again with the same Idempotency-Key or message_id"),
            Error::Stopped(_) => Some("look after the server's disk, then start it again"),
            error => error.hint(),
        };
        let mut problem = Problem::new(kind, detail);
        problem.0.hint = hint.map(str::to_owned);
        if let Error::Conflict { key, conflict } = error {
            problem.0.key = Some(key.to_string());
            problem.0.conflict = Some(Box::new(conflict));
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sessiondb\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn kinds_have_names_of_their_own() {
        let names: HashSet<&str> = Kind::ALL.iter().map(|kind| kind.parts().1).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    /// Whoever may not see a session must not learn whether it exists.
    #[test]
    fn a_foreign_session_looks_like_a_missing_one() {
        let key = Box::new(SessionKey::new("a", "b", "c", "d", "e"));
        let missing: Problem = Error::NotFound(key.clone()).into();
        let foreign: Problem = Error::OutOfScope { key, scope: sessiondb::Scope::agent("other") }.into();
        assert_eq!(serde_json::to_string(&missing).unwrap(), serde_json::to_string(&foreign).unwrap());
    }

    #[test]
    fn what_the_system_said_is_not_told() {
        let secret = || "/var/lib/secret.db".to_owned();
        for error in [
            Error::Busy(secret()),
            Error::Full(secret()),
            Error::Unknown(secret()),
            Error::Stopped(secret()),
            Error::Storage(secret()),
            Error::CannotOpen { location: secret(), reason: secret() },
        ] {
            let text = serde_json::to_string(&Problem::from(error)).unwrap();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
