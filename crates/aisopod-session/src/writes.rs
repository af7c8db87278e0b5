//! From this family's verbs to commits, and from the store's model to this family's. Pure: no store is touched here.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sessiondb::{Commit, Expect, Json, Message, NewMessage, Opening, SessionOrder, Write, limits};

use crate::{
    Error, Result, Session, SessionFilter, SessionKey, SessionMetadata, SessionPatch, SessionSummary,
    StoredMessage,
};

/// What these sessions are in SessionDB.
pub(crate) const FAMILY: &str = sessiondb::FAMILY_DEFAULT;

pub(crate) fn opening() -> Opening {
    Opening { family: Some(FAMILY.into()), ..Opening::default() }
}

/// The commit that makes this patch of a session that was read; `None` if the patch names nothing. It expects the
/// session as it was read, since the metadata is merged into what it had.
pub(crate) fn patch(session: &sessiondb::Session, patch: &SessionPatch) -> Result<Option<Commit>> {
    let mut commit = Commit::new(session.key.clone()).expect(Expect::State(session.revision));
    if let Some(changes) = &patch.metadata {
        let mut metadata: Map<String, Value> = read(&session.metadata, &session.key, "metadata")?;
        for (name, value) in &changes.values {
            match value {
                Value::Null => drop(metadata.remove(name)),
                value => drop(metadata.insert(name.clone(), value.clone())),
            }
        }
        commit = commit.write(Write::SetMetadata(Json::from_value(&metadata)?));
    }
    if let Some(status) = patch.status {
        commit = commit.write(Write::SetStatus(status.as_str().into()));
    }
    if let Some(tokens) = patch.token_usage {
        commit = commit.write(Write::SetTokens(tokens));
    }
    Ok((!commit.writes.is_empty()).then_some(commit))
}

/// The commits that append these messages, all or none.
pub(crate) fn append(key: &SessionKey, messages: &[StoredMessage]) -> Result<Commit> {
    let messages = messages.iter().map(|message| {
        let mut new = NewMessage::new(message.role.clone(), Json::from_value(&message.content)?);
        new.tool_calls = message.tool_calls.as_ref().map(Json::from_value).transpose()?;
        new.created_at = Some(message.created_at);
        Ok(new)
    });
    Ok(Commit::new(key.clone()).write(Write::Append(messages.collect::<Result<_>>()?)))
}

pub(crate) fn filter(filter: &SessionFilter) -> sessiondb::SessionFilter {
    sessiondb::SessionFilter {
        agent_id: filter.agent_id.clone(),
        channel: filter.channel.clone(),
        family: Some(FAMILY.into()),
        statuses: filter.status.iter().map(ToString::to_string).collect(),
        updated_after: filter.updated_after,
        updated_before: filter.updated_before,
        order: SessionOrder::UpdatedNewest,
        limit: limits::PAGE_MAX,
        ..sessiondb::SessionFilter::default()
    }
}

/// # Errors
/// [`Error::Undecodable`] if its status is none of this family's, or its metadata does not fit a `Value`;
/// [`Error::Conflict`] if it is a session of another family.
pub(crate) fn session(session: sessiondb::Session) -> Result<Session> {
    ours(&session)?;
    let values: HashMap<String, Value> = read(&session.metadata, &session.key, "metadata")?;
    Ok(Session {
        status: status(&session)?,
        created_at: session.created_at,
        updated_at: session.updated_at,
        message_count: session.message_count,
        token_usage: session.token_usage,
        metadata: SessionMetadata { values },
        key: session.key,
    })
}

/// # Errors
/// [`Error::Conflict`] if it is a session of another family.
pub(crate) fn ours(session: &sessiondb::Session) -> Result<()> {
    if session.family == FAMILY {
        return Ok(());
    }
    let conflict = sessiondb::Conflict::Family { expected: FAMILY.into(), current: session.family.clone() };
    Err(Error::Conflict { key: Box::new(session.key.clone()), conflict })
}

pub(crate) fn summary(session: sessiondb::Session) -> Result<SessionSummary> {
    Ok(SessionSummary {
        status: status(&session)?,
        message_count: session.message_count,
        updated_at: session.updated_at,
        key: session.key,
    })
}

pub(crate) fn message(key: &SessionKey, message: Message) -> Result<StoredMessage> {
    let what = |column: &str| format!("{column} of message {} (row {})", message.seq, message.id);
    Ok(StoredMessage {
        id: message.id,
        content: read(&message.content, key, &what("content"))?,
        tool_calls: message
            .tool_calls
            .as_ref()
            .map(|calls| read(calls, key, &what("tool_calls")))
            .transpose()?,
        role: message.role,
        created_at: message.created_at,
    })
}

fn status(session: &sessiondb::Session) -> Result<crate::SessionStatus> {
    session.status.parse().map_err(|e: Error| undecodable(&session.key, "status", &e))
}

fn read<T: serde::de::DeserializeOwned>(json: &Json, key: &SessionKey, what: &str) -> Result<T> {
    json.read().map_err(|e| undecodable(key, what, &e))
}

fn undecodable(key: &SessionKey, what: &str, error: &Error) -> Error {
    Error::Undecodable { row: format!("session {key}, {what}"), reason: error.to_string() }
}
