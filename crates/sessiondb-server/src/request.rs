//! What is read from a request: the session of the path, the query, the body, and the conditions in its headers.

use std::{fmt, marker::PhantomData, time::Duration};

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::PathRejection},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use sessiondb::{CommitId, Expect, LogId, NewMessage, SessionKey};
use utoipa::IntoParams;

use crate::{
    app::{App, Held},
    problem::{Kind, Problem},
};

/// Largest body of a request that is read as a whole, in bytes: room for the largest call of `commit`, with the bytes of its
/// documents in base64. A body of lines may be longer; each line has at most this.
pub const BODY_BYTES_MAX: usize = 96 << 20;

/// How long a body may take that is read as a whole.
const BODY_TIME: Duration = Duration::from_secs(60);

/// What the path names, as the parts of it that stand in braces.
pub(crate) struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(named)| Named(named))
            .map_err(|error: PathRejection| Problem::invalid(error.body_text()))
    }
}

/// A session's key in a path, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by `key`; here it is described")]
pub(crate) struct KeyInPath {
    /// The session's key as text. Where documents are meant, also that of a scope's state (`shop:~scope:::`).
    #[param(
        pattern = "^(([^:=/~]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?(:(([^:=/~]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?){4}$",
        max_length = 3076,
        example = "main:cli::dm:ann"
    )]
    key: String,
}

/// Reads a session's key out of the path.
pub(crate) fn key(text: &str) -> Result<SessionKey, Problem> {
    Ok(text.parse::<SessionKey>()?)
}

/// Where something is to be found: the parts of its path, each escaped but for what stands in paths as it is.
pub(crate) fn location(parts: &[&str]) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b':')
        .remove(b'=')
        .remove(b'@')
        .remove(b'*');
    parts.iter().map(|part| format!("/{}", utf8_percent_encode(part, ESCAPED))).collect()
}

/// The query, each parameter known and given once, but for lists.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Problem> {
        let query = parts.uri.query().unwrap_or("");
        let pairs = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        serde_path_to_error::deserialize(pairs).map(Query).map_err(|error| {
            let (name, reason) = (error.path().to_string(), error.inner());
            Problem::invalid(match name.as_str() {
                "." | "?" => format!("the query cannot be read: {reason}"),
                name => format!("the query's {name} cannot be read: {reason}"),
            })
        })
    }
}

/// A body in JSON, and its bytes read only once: what is JSON inside stays the text that it is.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Body<T>, Problem> {
        require_json(request.headers())?;
        parse(&whole(app, request).await?).map(Body)
    }
}

/// An object in JSON. Without it serde takes an array for a struct too, its items for the members in their order.
#[derive(Debug, Clone)]
pub(crate) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Object)
    }
}

/// A message, or an array of them.
#[derive(Debug)]
pub(crate) struct Messages(pub Vec<NewMessage>);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Messages, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message or an array of messages, each an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Messages, A::Error> {
                NewMessage::deserialize(MapAccessDeserializer::new(map))
                    .map(|message| Messages(vec![message]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Messages, A::Error> {
                let mut messages = Vec::new();
                while let Some(Object(message)) = items.next_element()? {
                    messages.push(message);
                }
                Ok(Messages(messages))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

impl<T: Default> Default for Object<T> {
    fn default() -> Object<T> {
        Object(T::default())
    }
}

/// As [`Body`], or `T`'s default where there is none.
pub(crate) struct BodyOr<T>(pub T);

impl<T: DeserializeOwned + Default + Send> FromRequest<App> for BodyOr<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<BodyOr<T>, Problem> {
        let json = require_json(request.headers());
        let bytes = whole(app, request).await?;
        if bytes.is_empty() {
            return Ok(BodyOr(T::default()));
        }
        json?;
        parse(&bytes).map(BodyOr)
    }
}

/// What JSON a body says.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::invalid(format!("the body cannot be read: {error}")))
}

/// The whole body. It takes room among those that are in memory at a time, until the request is answered.
pub(crate) async fn whole(app: &App, request: Request) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
        Problem::new(Kind::TooLarge, detail)
            .hint("send several smaller ones, or lines (application/x-ndjson)")
    };
    let (parts, body) = request.into_parts();
    let held = parts.extensions.get::<Held>().cloned().unwrap_or_default();
    let said = body.size_hint().upper().map(|upper| usize::try_from(upper).unwrap_or(usize::MAX));
    if said.is_some_and(|said| said > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let Some(said) = said else {
        let read = tokio::time::timeout(BODY_TIME, as_it_comes(app, &held, body, too_large)).await;
        return read.map_err(|_| Problem::invalid(LATE))?;
    };
    held.hold(app.limits.body(said)?);
    let read = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match read.map_err(|_| Problem::invalid(LATE))? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(error) => Err(broken(&error)),
    }
}

const LATE: &str = "the body did not come to its end in time";

fn broken(error: &dyn fmt::Display) -> Problem {
    Problem::invalid(format!("the body broke off: {error}"))
}

/// A body that does not say how long it is takes room as it comes.
async fn as_it_comes(
    app: &App,
    held: &Held,
    mut body: axum::body::Body,
    too_large: impl Fn() -> Problem,
) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        held.hold(app.limits.body(data.len())?);
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// A page of another site can send a form or plain text without being asked; what says that it is JSON it cannot.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type(headers) {
        Some(media)
            if media == "application/json"
                || (media.starts_with("application/") && media.ends_with("+json")) =>
        {
            Ok(())
        }
        found => Err(Problem::new(
            Kind::MediaType,
            format!(
                "the body must be application/json, but {}",
                found.map_or("it says nothing".into(), |m| format!("it says {m}"))
            ),
        )),
    }
}

/// Whether the caller asks for this media type by name.
pub(crate) fn asks_for(headers: &HeaderMap, wanted: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    accept.split(',').any(|media| media.split(';').next().is_some_and(|media| media.trim() == wanted))
}

/// The media type of the body, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

/// The revision and the log in a session's tag, `revision.head.tokens.log`.
fn expected_by(tag: &str) -> Option<Vec<Expect>> {
    let numbers: Option<Vec<i64>> = tag.split('.').map(|number| number.parse().ok()).collect();
    match numbers?.as_slice() {
        [revision, _, _, log] => {
            Some(vec![Expect::Log(LogId(*log)), Expect::State(u64::try_from(*revision).ok()?)])
        }
        _ => None,
    }
}

/// The name that makes a write repeatable, as it is described. A route that has it among its parameters takes it; all others
/// refuse it, since whoever sends it relies on it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is read by `idempotency_key`; here it is described")]
pub(crate) struct Repeatable {
    /// Names the write, so that sending it again does it once.
    #[param(rename = "Idempotency-Key", max_length = 512)]
    idempotency_key: Option<String>,
}

/// The name that makes a write repeatable, if the caller gave one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<CommitId>, Problem> {
    text(headers, &HeaderName::from_static("idempotency-key"))
}

/// A condition on what is there: `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `*`: anything that is there.
    Any,
    /// One of these tags, without their quotes and without `W/`.
    Tags(Vec<String>),
}

impl Condition {
    pub fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Condition>, Problem> {
        let Some(value) = text(headers, name)? else { return Ok(None) };
        if value.trim() == "*" {
            return Ok(Some(Condition::Any));
        }
        let tag = |text: &str| {
            let text = text.trim();
            let quoted = text.strip_prefix("W/").unwrap_or(text);
            let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            inner.map(str::to_owned).ok_or_else(|| {
                Problem::invalid(format!(
                    "the header {name} has {}, which is no tag in quotes",
                    text.escape_debug()
                ))
            })
        };
        Ok(Some(Condition::Tags(value.split(',').map(tag).collect::<Result<_, _>>()?)))
    }

    pub fn matches(&self, tag: &str) -> bool {
        match self {
            Condition::Any => true,
            Condition::Tags(tags) => tags.iter().any(|one| one == tag),
        }
    }
}

/// What `If-Match` expects of a session: that it is the one of the tag and has its revision, whatever was appended since.
pub(crate) fn expected_state(headers: &HeaderMap) -> Result<Vec<Expect>, Problem> {
    match Condition::read(headers, &header::IF_MATCH)? {
        None | Some(Condition::Any) => Ok(Vec::new()),
        Some(Condition::Tags(tags)) => match tags.as_slice() {
            [tag] => {
                let expected = expected_by(tag);
                expected.ok_or_else(|| {
                    Problem::invalid(format!(
                        "If-Match has \"{}\", which is no ETag of a session",
                        tag.escape_debug()
                    ))
                })
            }
            _ => Err(Problem::invalid("If-Match names several tags; a write is about one state")),
        },
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid(format!("the header {name} is there twice")));
    }
    let text = std::str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| Problem::invalid(format!("the header {name} is not UTF-8")))?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, value.parse().unwrap())]);
            Condition::read(&headers, &header::IF_MATCH).map_err(|_| ())
        };
        let tags = |tags: &[&str]| Ok(Some(Condition::Tags(tags.iter().map(|tag| (*tag).into()).collect())));
        assert_eq!(read("*"), Ok(Some(Condition::Any)));
        assert_eq!(read("\"7\""), tags(&["7"]));
        assert_eq!(read("W/\"7\", \"8.1\""), tags(&["7", "8.1"]));
        for bad in ["7", "\"7", "", "\"7\" \"8\""] {
            assert!(read(bad).is_err() || bad == "\"7\" \"8\"", "{bad}");
        }
    }
}
