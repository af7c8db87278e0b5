//! From changes to [`Commit`]s: pure functions.

use chrono::{DateTime, Utc};
use serde_json::json;
use sessiondb::{
    Commit, Expect, Json, NewDocument, NewMessage, Opening, Session, SessionKey, Write, limits, time,
};

use crate::{
    ChatMessage, RepositoryError, WorktreeInstance, WorktreeSession,
    instant::instant,
    layout::{
        ACCESS, FAMILY, INSTANCES, InstanceMembers, LAST, MessageMembers, OUTPUTS, SessionMembers,
        UPDATED_AT_HEAD, WORKSPACE_FAMILY, object, session_key, workspace_key,
    },
    models::legal::{shown, validate},
    read::Stored,
    record::Record,
};

/// The present moment or another, as commits have it.
pub(crate) type Time = DateTime<Utc>;

/// What makes the store's session equal to `after`: creates it if there is none `before`, deletes it if there shall be none
/// `after`, else changes what differs. No commits if nothing does.
///
/// They expect the state that `before` was in, so that nothing that was written meanwhile is lost; messages that were
/// appended meanwhile are in nobody's way unless messages are taken away: then the last one must be the same too.
///
/// Of the messages, the longest common beginning is kept. If that is not all there is, the rest is hidden, and what
/// `after` has instead is appended.
///
/// # Errors
/// [`RepositoryError::Validation`] if `after` has a value that is not legal or more than the store takes.
pub(crate) fn commits(
    before: Option<&Stored>,
    after: Option<&Record>,
    now: Time,
) -> Result<Vec<Commit>, RepositoryError> {
    match (before, after) {
        (None, None) => Ok(Vec::new()),
        (None, Some(after)) => create(after, now),
        (Some(before), Some(after)) => Ok(change(before, after, now)?.into_iter().collect()),
        (Some(before), None) => {
            let WorktreeSession { workspace_hash, id, .. } = &before.record.session;
            let delete = delete(session_key(workspace_hash, id));
            Ok(vec![delete.expect(Expect::State(before.revision)).expect(Expect::Head(before.head))])
        }
    }
}

/// The workspace is opened if it is not there, and was accessed now. The session was opened when it says that it was
/// created, and last changed when it says so: two times, so two commits.
fn create(record: &Record, now: Time) -> Result<Vec<Commit>, RepositoryError> {
    let session = &record.session;
    validate(session)?;
    let key = session_key(&session.workspace_hash, &session.id);
    let opening =
        Opening { family: Some(FAMILY.into()), status: Some(session.status.clone()), metadata: None };
    let mut open = Commit::new(key.clone()).expect(Expect::Absent).write(Write::Open(opening));
    open.at = at(&session.created_at, now);
    let head = session.chat_history.len() as u64;
    let mut fill = Commit::new(key).write(Write::SetMetadata(metadata(record, head)?));
    fill.at = at(&session.updated_at, now);
    for instance in &session.instances {
        fill.writes.push(Write::PutDocument(instance_document(record, instance)?));
        fill.writes.extend(output_document(instance).map(Write::PutDocument));
    }
    if !session.chat_history.is_empty() {
        fill.writes.push(Write::Append(new_messages(record, &session.chat_history)?));
    }
    Ok(vec![access(&session.workspace_hash, now)?, open, fill])
}

fn change(before: &Stored, after: &Record, now: Time) -> Result<Option<Commit>, RepositoryError> {
    let (old, new) = (&before.record.session, &after.session);
    validate(new)?;
    let mut commit =
        Commit::new(session_key(&new.workspace_hash, &new.id)).expect(Expect::State(before.revision));
    commit.at = at(&new.updated_at, now);
    for instance in &old.instances {
        let stays = find(&new.instances, instance.instance_id);
        let id = || instance.instance_id.to_string();
        if stays.is_none() {
            commit.writes.push(Write::RemoveDocument { collection: INSTANCES.into(), id: id() });
        }
        if instance.output.is_some() && stays.is_none_or(|stays| stays.output.is_none()) {
            commit.writes.push(Write::RemoveDocument { collection: OUTPUTS.into(), id: id() });
        }
    }
    for instance in &new.instances {
        let was = find(&old.instances, instance.instance_id);
        let document = instance_document(after, instance)?;
        let same = match was {
            Some(was) => instance_document(&before.record, was)? == document,
            None => false,
        };
        if !same {
            commit.writes.push(Write::PutDocument(document));
        }
        if was.is_none_or(|was| was.output != instance.output) {
            commit.writes.extend(output_document(instance).map(Write::PutDocument));
        }
    }
    let same = |(old, new): &(&ChatMessage, &ChatMessage)| {
        is_same(old, new) && before.record.message_others.get(&old.id) == after.message_others.get(&new.id)
    };
    let kept = old.chat_history.iter().zip(&new.chat_history).take_while(same).count();
    let added = new.chat_history.get(kept..).unwrap_or(&[]);
    if kept < old.chat_history.len() {
        let last = kept.checked_sub(1).and_then(|last| before.seqs.get(last));
        commit.writes.push(Write::Rewind { seq: last.copied().unwrap_or(0) });
        commit.expect.push(Expect::Head(before.head));
    }
    if !added.is_empty() {
        commit.writes.push(Write::Append(new_messages(after, added)?));
    }
    if old.status != new.status {
        commit.writes.push(Write::SetStatus(new.status.clone()));
    }
    // What is appended after it hides the session's own time: it is written with every message.
    if !added.is_empty() || metadata(&before.record, 0)? != metadata(after, 0)? {
        let head = before.head + added.len() as u64;
        commit.writes.push(Write::SetMetadata(metadata(after, head)?));
    }
    Ok((!commit.writes.is_empty()).then_some(commit))
}

/// Appends a message: nothing else is read or written, so that it commutes with everything else.
///
/// # Errors
/// [`RepositoryError::Validation`] if the message is larger than the store takes.
pub(crate) fn append(key: SessionKey, message: &ChatMessage) -> Result<Commit, RepositoryError> {
    let message = new_message(&key.peer_id, message, None)?;
    Ok(Commit::new(key).write(Write::Append(vec![message])))
}

/// Deletes a session, whatever is in it.
pub(crate) fn delete(key: SessionKey) -> Commit {
    Commit::new(key).write(Write::Delete)
}

/// Sets the status of an instance that the session has.
///
/// # Errors
/// [`RepositoryError::Database`] if the session's metadata cannot be changed.
pub(crate) fn set_instance_status(
    session: &Session,
    instance_id: i64,
    status: &str,
    now: Time,
) -> Result<Commit, RepositoryError> {
    let patch = Json::from_value(&json!({ "status": status }))?;
    let id = instance_id.to_string();
    let updated = json!({ "updatedAt": time::to_text(now), UPDATED_AT_HEAD: session.head });
    let metadata = session.metadata.merge_patch(&Json::from_value(&updated)?)?;
    let mut commit = Commit::new(session.key.clone())
        .expect(Expect::State(session.revision))
        .write(Write::PatchDocument { collection: INSTANCES.into(), id, patch })
        .write(Write::SetMetadata(metadata));
    commit.at = Some(now);
    Ok(commit)
}

/// Opens the workspace if it is not there, and notes that it was accessed now. It expects nothing and reads nothing, so
/// any number of sessions may be created in it at once.
///
/// # Errors
/// None that can happen.
pub(crate) fn access(hash: &str, now: Time) -> Result<Commit, RepositoryError> {
    let last = NewDocument::new(ACCESS, LAST, Json::string(&time::to_text(now)));
    Ok(Commit::new(workspace_key(hash))
        .write(Write::open_family(WORKSPACE_FAMILY))
        .write(Write::PutDocument(last)))
}

/// Whether two messages of one session say the same.
pub(crate) fn is_same(a: &ChatMessage, b: &ChatMessage) -> bool {
    // Which session a message is in needs no saying.
    a.id == b.id
        && a.role == b.role
        && a.content == b.content
        && a.timestamp == b.timestamp
        && a.instance_id == b.instance_id
}

/// The moment that a text names, or now if it lies in the future: `updated_at` in the store never goes back.
fn at(text: &str, now: Time) -> Option<Time> {
    Some(instant(text).map_or(now, |at| at.min(now)))
}

fn find(instances: &[WorktreeInstance], id: i64) -> Option<&WorktreeInstance> {
    instances.iter().find(|instance| instance.instance_id == id)
}

fn metadata(record: &Record, head: u64) -> Result<Json, RepositoryError> {
    let session = &record.session;
    if record.others.contains_key(UPDATED_AT_HEAD) {
        return Err(RepositoryError::Validation(format!(
            "session {}: the member '{UPDATED_AT_HEAD}' is the store's own; give it another name",
            shown(&session.id)
        )));
    }
    let metadata = in_session(session, object(&SessionMembers::of(session, head), Some(&record.others)))?;
    fits("sessions: all values together, with the task", &metadata, limits::METADATA_BYTES_MAX, || {
        format!("session {}", shown(&session.id))
    })?;
    Ok(metadata)
}

fn instance_document(record: &Record, instance: &WorktreeInstance) -> Result<NewDocument, RepositoryError> {
    let (session, id) = (&record.session, instance.instance_id);
    let others = record.instance_others.get(&id);
    let body = in_session(session, object(&InstanceMembers::of(instance), others))?;
    fits("instances: all values together", &body, limits::DOCUMENT_BYTES_MAX, || {
        format!("instance {id} of session {}", shown(&session.id))
    })?;
    Ok(NewDocument::new(INSTANCES, id.to_string(), body))
}

fn output_document(instance: &WorktreeInstance) -> Option<NewDocument> {
    let output = instance.output.as_ref()?;
    Some(NewDocument::new(OUTPUTS, instance.instance_id.to_string(), Json::string(output)))
}

fn new_messages(record: &Record, messages: &[ChatMessage]) -> Result<Vec<NewMessage>, RepositoryError> {
    let one = |message: &ChatMessage| new_message(&record.session.id, message, Some(record));
    messages.iter().map(one).collect()
}

fn new_message(
    session: &str,
    message: &ChatMessage,
    record: Option<&Record>,
) -> Result<NewMessage, RepositoryError> {
    let others = record.and_then(|record| record.message_others.get(&message.id));
    let attributes = object(&MessageMembers::of(message), others).map_err(|error| {
        RepositoryError::Validation(format!("message {} of session {}: {error}", message.id, shown(session)))
    })?;
    let mut new = NewMessage::new(message.role.as_str(), message.content.as_str()).message_id(&message.id);
    new.created_at = instant(&message.timestamp);
    new.attributes = Some(attributes);
    if new.bytes() > limits::MESSAGE_BYTES_MAX {
        return Err(RepositoryError::Validation(format!(
            "chat_messages: all values together have {} bytes as JSON; at most {} are allowed (message {} of session {})",
            new.bytes(),
            limits::MESSAGE_BYTES_MAX,
            shown(&message.id),
            shown(session)
        )));
    }
    Ok(new)
}

fn in_session(
    session: &WorktreeSession,
    made: Result<Json, sessiondb::Error>,
) -> Result<Json, RepositoryError> {
    made.map_err(|error| RepositoryError::Validation(format!("session {}: {error}", shown(&session.id))))
}

fn fits(
    what: &str,
    json: &Json,
    bytes_max: usize,
    of: impl FnOnce() -> String,
) -> Result<(), RepositoryError> {
    let bytes = json.get().len();
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(RepositoryError::Validation(format!(
        "{what} have {bytes} bytes as JSON; at most {bytes_max} are allowed ({})",
        of()
    )))
}
