//! The JSON forms in which the commands print sessions and messages. Times have one width, so that the order of texts
//! is the order of times.

use serde::Serialize;
use sessiondb::{Json, Lineage, LogId, Message, Session, SessionKey, Span, Time, time};

use crate::{
    hidden::{Hidden, Why},
    stretch::Stretch,
};

/// A session: every field it has, and `id`, the canonical text of its key.
#[derive(Serialize)]
pub struct SessionJson<'a> {
    id: String,
    key: &'a SessionKey,
    family: &'a str,
    status: &'a str,
    metadata: &'a Json,
    message_count: u64,
    log_count: u64,
    token_usage: u64,
    #[serde(serialize_with = "time::text::serialize")]
    created_at: Time,
    #[serde(serialize_with = "time::text::serialize")]
    updated_at: Time,
    revision: u64,
    head: u64,
    log: LogId,
    view: &'a [Span],
}

impl<'a> From<&'a Session> for SessionJson<'a> {
    fn from(session: &'a Session) -> SessionJson<'a> {
        SessionJson {
            id: session.key.to_string(),
            key: &session.key,
            family: &session.family,
            status: &session.status,
            metadata: &session.metadata,
            message_count: session.message_count,
            log_count: session.log_count,
            token_usage: session.token_usage,
            created_at: session.created_at,
            updated_at: session.updated_at,
            revision: session.revision,
            head: session.head,
            log: session.log,
            view: session.view.spans(),
        }
    }
}

/// A message: every field that it has.
#[derive(Serialize)]
pub struct MessageJson<'a> {
    seq: u64,
    id: i64,
    role: &'a str,
    content: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'a Json>,
    #[serde(serialize_with = "time::text::serialize")]
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    opens: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    closes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Json>,
    /// Whether the session shows it; said where others are printed too.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<bool>,
}

impl MessageJson<'_> {
    /// With the word whether the session shows it.
    pub fn shown(self, shown: bool) -> Self {
        MessageJson { shown: Some(shown), ..self }
    }
}

impl<'a> From<&'a Message> for MessageJson<'a> {
    fn from(message: &'a Message) -> MessageJson<'a> {
        MessageJson {
            seq: message.seq,
            id: message.id,
            role: &message.role,
            content: &message.content,
            tool_calls: message.tool_calls.as_ref(),
            created_at: message.created_at,
            message_id: message.message_id.as_deref(),
            opens: &message.opens,
            closes: &message.closes,
            token_count: message.token_count,
            attributes: message.attributes.as_ref(),
            shown: None,
        }
    }
}

/// Where a session's history comes from. The `id` of a session that was deleted is null.
#[derive(Serialize)]
pub struct LineageJson {
    forked_from: Option<ForkedFromJson>,
    inherited: Vec<InheritedJson>,
    readers: u64,
}

#[derive(Serialize)]
struct ForkedFromJson {
    id: Option<String>,
    at: u64,
}

#[derive(Serialize)]
struct InheritedJson {
    log: LogId,
    id: Option<String>,
    first: u64,
    last: u64,
}

impl From<&Lineage> for LineageJson {
    fn from(lineage: &Lineage) -> LineageJson {
        // A deleted session is kept for its forks under an address that nobody can use.
        let id = |key: &Option<SessionKey>| {
            key.as_ref().filter(|key| !key.is_reserved()).map(SessionKey::to_string)
        };
        LineageJson {
            forked_from: lineage
                .forked_from
                .as_ref()
                .map(|from| ForkedFromJson { id: id(&from.key), at: from.at }),
            inherited: lineage
                .inherited
                .iter()
                .map(|one| InheritedJson { log: one.log, id: id(&one.key), first: one.first, last: one.last })
                .collect(),
            readers: lineage.readers,
        }
    }
}

/// Messages that are hidden, and by what: the name of a change of the view, `undo` or `fork`.
#[derive(Serialize)]
pub struct HiddenJson {
    #[serde(flatten)]
    stretch: Stretch,
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Stretch>,
}

impl From<&Hidden> for HiddenJson {
    fn from(hidden: &Hidden) -> HiddenJson {
        let at = match hidden.why {
            Why::Change { at, .. } => Some(time::to_text(at)),
            Why::Undone | Why::Forked | Why::Unknown => None,
        };
        HiddenJson { stretch: hidden.stretch, by: hidden.why.name(), at, summary: hidden.why.summary() }
    }
}
