//! From this family's verbs to commits, and from the store's model to this family's. Pure: no store is touched here.

use std::{collections::HashMap, fmt};

use serde_json::{Map, Value};
use sessiondb::{Commit, Expect, Json, Message, NewMessage, Opening, SessionOrder, Write, limits};

use crate::{
    Error, Result, Session, SessionFilter, SessionKey, SessionMetadata, SessionPatch, SessionStatus,
    SessionSummary, StoredMessage,
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

/// The commit that appends these messages, all or none.
pub(crate) fn append(key: &SessionKey, messages: &[StoredMessage]) -> Result<Commit> {
    let messages = messages.iter().map(|message| {
        let mut new = NewMessage::new(message.role.clone(), Json::from_value(&message.content)?);
        new.tool_calls = message.tool_calls.as_ref().map(Json::from_value).transpose()?;
        new.opens = message.tool_calls.iter().flat_map(|calls| ids(calls, None, "id")).collect();
        new.opens.extend(ids(&message.content, Some("tool_use"), "id"));
        new.closes = message.tool_call_id.iter().cloned().collect();
        new.closes.extend(results_in(&message.content));
        new.token_count = message.token_count;
        new.created_at = Some(message.created_at);
        Ok(new)
    });
    Ok(Commit::new(key.clone()).write(Write::Append(messages.collect::<Result<_>>()?)))
}

/// The tool calls whose results stand in this content.
fn results_in(content: &Value) -> impl Iterator<Item = String> {
    ids(content, Some("tool_result"), "tool_use_id")
}

/// The ids under this name in a list of objects, of this type. An id that the store would not take (some models give
/// empty ones) pairs nothing.
fn ids(list: &Value, of_type: Option<&str>, name: &str) -> impl Iterator<Item = String> {
    let items = list.as_array().into_iter().flatten();
    let items = items.filter(move |item| of_type.is_none_or(|of| item["type"] == of));
    let ids = items.filter_map(move |item| item[name].as_str());
    let usable = |id: &&str| !id.is_empty() && id.len() <= limits::ID_BYTES_MAX && !id.contains('\0');
    ids.filter(usable).map(str::to_owned)
}

/// A compaction.
pub(crate) enum Plan {
    /// Hide everything up to a message, behind a summary if there is one.
    Hide { through: u64, summary: Vec<NewMessage> },
    /// Show copies in the place of messages, which are named in the order in which they are shown.
    Shorten { copies: Vec<NewMessage>, copied: Vec<u64> },
}

impl Plan {
    pub(crate) fn hide(through: u64, summary: Option<&str>) -> Result<Plan> {
        let summary = summary.map(|text| Ok(NewMessage::new("system", Json::from_value(&text)?)));
        Ok(Plan::Hide { through, summary: summary.into_iter().collect::<Result<_>>()? })
    }
}

/// The commits, all or none, that make this compaction of a session that was read.
pub(crate) fn compacting(session: &sessiondb::Session, plan: &Plan) -> Vec<Commit> {
    let (writes, head) = match plan {
        Plan::Hide { through, summary } => {
            (vec![Write::Compact { through: *through, summary: summary.clone() }], None)
        }
        // The copies are shown by the numbers that they will get.
        Plan::Shorten { copies, copied } => {
            let view = Write::SetView(with_copies(session, copied));
            (vec![Write::Append(copies.clone()), view], Some(Expect::Head(session.head)))
        }
    };
    let mut commits = showing(session, writes, SessionStatus::Compacted);
    if let Some(first) = commits.first_mut() {
        first.expect.extend(head);
    }
    commits
}

/// What this session shows, as stretches of numbers, with these messages, in the order in which it shows them, replaced
/// by those appended next.
fn with_copies(session: &sessiondb::Session, copied: &[u64]) -> Vec<(u64, u64)> {
    let (mut stretches, mut copy) = (Vec::new(), session.head);
    let mut copied = copied.iter().copied().peekable();
    for span in session.view.closed(session.head).spans() {
        let (mut first, last) = (span.first, span.last.unwrap_or(session.head));
        while let Some(seq) = copied.next_if(|seq| (first..=last).contains(seq)) {
            copy += 1;
            if first < seq {
                stretches.push((first, seq - 1));
            }
            stretches.push((copy, copy));
            first = seq + 1;
        }
        if first <= last {
            stretches.push((first, last));
        }
    }
    stretches
}

/// The commits, all or none, that change what this session shows as these writes do, and set its status if that changes
/// it. They expect the session as it was read. If the writes turn out to change nothing, the second commit meets
/// another revision than it expects, and the status stays too: see [`changed_nothing`].
pub(crate) fn showing(
    session: &sessiondb::Session,
    writes: Vec<Write>,
    status: SessionStatus,
) -> Vec<Commit> {
    let mut change = Commit::new(session.key.clone()).expect(Expect::State(session.revision));
    change.writes = writes;
    let mut commits = vec![change];
    if session.status != status.as_str() {
        let after = Commit::new(session.key.clone()).expect(Expect::State(session.revision + 1));
        commits.push(after.write(Write::SetStatus(status.as_str().into())));
    }
    commits
}

/// Whether this conflict of [`showing`]'s commits says that there was nothing to change.
pub(crate) fn changed_nothing(session: &sessiondb::Session, conflict: &sessiondb::Conflict) -> bool {
    let (unchanged, next) = (session.revision, session.revision + 1);
    matches!(conflict, sessiondb::Conflict::State { expected, current } if (*expected, *current) == (next, unchanged))
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
/// [`Undecodable`](sessiondb::Error::Undecodable) if its status is none of this family's, or its metadata does not fit a `Value`;
/// [`Conflict`](sessiondb::Error::Conflict) if it is a session of another family.
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
/// [`Conflict`](sessiondb::Error::Conflict) if it is a session of another family.
pub(crate) fn ours(session: &sessiondb::Session) -> Result<()> {
    if session.family == FAMILY {
        return Ok(());
    }
    let conflict = sessiondb::Conflict::Family { expected: FAMILY.into(), current: session.family.clone() };
    Err(Error::Store(sessiondb::Error::Conflict { key: Box::new(session.key.clone()), conflict }))
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
    let content = read(&message.content, key, &what("content"))?;
    let in_content = results_in(&content).count();
    Ok(StoredMessage {
        id: message.id,
        seq: message.seq,
        tool_calls: message
            .tool_calls
            .as_ref()
            .map(|calls| read(calls, key, &what("tool_calls")))
            .transpose()?,
        // What is not in the content came beside it, as the first.
        tool_call_id: message.closes.into_iter().rev().nth(in_content),
        content,
        role: message.role,
        token_count: message.token_count,
        created_at: message.created_at,
    })
}

pub(crate) fn status(session: &sessiondb::Session) -> Result<SessionStatus> {
    session.status.parse().map_err(|e: Error| undecodable(&session.key, "status", &e))
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &Json, key: &SessionKey, what: &str) -> Result<T> {
    json.read().map_err(|e| undecodable(key, what, &e))
}

fn undecodable(key: &SessionKey, what: &str, error: &dyn fmt::Display) -> Error {
    let row = format!("session {key}, {what}");
    Error::Store(sessiondb::Error::Undecodable { row, reason: error.to_string() })
}
