//! From changes to [`Commit`]s: pure functions.

use chrono::{DateTime, Utc};
use serde_json::json;
use sessiondb::{
    Commit, Expect, Json, NewDocument, NewMessage, Opening, Session, SessionKey, Write, limits, time,
};

use crate::{
    ChatMessage, RepositoryError, WorktreeInstance, WorktreeSession,
    change::later,
    instant::instant,
    layout::{
        ACCESS, FAMILY, INSTANCES, InstanceMembers, LAST, MessageMembers, OUTPUTS, SessionMembers,
        UPDATED_AT_HEAD, WORKSPACE_FAMILY, object, session_key, workspace_key,
    },
    models::legal::{shown, validate},
    read::{self, Stored},
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
/// [`RepositoryError::Database`] if the session's metadata cannot be read or changed.
pub(crate) fn set_instance_status(
    session: &Session,
    instance_id: i64,
    status: &str,
    now: Time,
) -> Result<Commit, RepositoryError> {
    let patch = Json::from_value(&json!({ "status": status }))?;
    let id = instance_id.to_string();
    let updated_at = later(&read::session(session)?.updated_at, &time::to_text(now));
    let updated = json!({ "updatedAt": updated_at, UPDATED_AT_HEAD: session.head });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

    use std::{collections::BTreeMap, sync::Arc};

    use proptest::prelude::*;
    use serde_json::{Map, Value};
    use sessiondb::{Conflict, Error, MemoryBackend, Store, Window};

    use super::*;
    use crate::{DbPool, SqliteSessionRepository};

    fn repository() -> SqliteSessionRepository {
        let store = Store::new(Arc::new(MemoryBackend::new()));
        SqliteSessionRepository::from_pool(Arc::new(DbPool::from(store)))
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn others(n: u8) -> Map<String, Value> {
        let members = json!({ "testsPassed": n, "nested": { "a": [n, null] } });
        members.as_object().unwrap().clone()
    }

    prop_compose! {
        /// Records with few values, so that two of them have much in common.
        fn records()(
            (task, status, time) in (0..2_u8, 0..3_usize, 0..3_u8),
            other in proptest::option::of(0..2_u8),
            instances in proptest::collection::btree_map(-1..3_i64, (0..2_u8, proptest::option::of(0..2_u8), proptest::option::of(0..2_u8)), 0..4),
            messages in proptest::collection::btree_map(0..6_u8, (0..8_u8, proptest::option::weighted(0.2, 0..2_u8)), 0..6),
        ) -> Record {
            let session_id = || "s1".to_owned();
            let mut session = WorktreeSession::new(session_id(), "w".into(), "debate".into(), format!("{task}"));
            session.status = ["running", "completed", "failed"][status].into();
            session.created_at = "2025-01-01T00:00:00Z".into();
            session.updated_at = format!("2025-01-0{}T00:00:00.5+09:00", time + 1);
            let mut record = Record {
                session,
                others: other.map(others).unwrap_or_default(),
                instance_others: BTreeMap::new(),
                message_others: BTreeMap::new(),
            };
            for (instance_id, (branch, output, other)) in instances {
                record.session.instances.push(WorktreeInstance {
                    instance_id,
                    session_id: session_id(),
                    worktree_path: "/w".into(),
                    branch: format!("b{branch}"),
                    agent_name: "a".into(),
                    status: "idle".into(),
                    tmux_session_id: "t".into(),
                    output: output.map(|output| format!("{output}")),
                    start_time: None,
                    end_time: None,
                    files_changed: None,
                    lines_added: None,
                    lines_deleted: None,
                    runtime: None,
                    model: None,
                    runtime_label: None,
                });
                record.instance_others.extend(other.map(|other| (instance_id, others(other))));
            }
            for (id, (content, other)) in messages {
                record.session.chat_history.push(ChatMessage {
                    id: format!("m{id}"),
                    session_id: session_id(),
                    role: "user".into(),
                    // Mostly the same.
                    content: format!("{}", content / 7),
                    timestamp: "2025-01-01T00:00:00Z".into(),
                    instance_id: None,
                });
                record.message_others.extend(other.map(|other| (format!("m{id}"), others(other))));
            }
            record
        }
    }

    proptest! {
        /// Whatever was before, the store's session is `after` then, with every member; and then there is nothing to do.
        #[test]
        fn commits_make_the_stores_session_equal(steps in proptest::collection::vec(proptest::option::weighted(0.9, records()), 1..6)) {
            run(async {
                let repository = repository();
                for after in steps {
                    let before = repository.stored("w", "s1").await.unwrap();
                    let commits = commits(before.as_ref(), after.as_ref(), time::now()).unwrap();
                    repository.pool().commit(commits).await.unwrap();
                    let stored = repository.stored("w", "s1").await.unwrap();
                    prop_assert_eq!(stored.as_ref().map(|stored| &stored.record), after.as_ref());
                    prop_assert_eq!(super::commits(stored.as_ref(), after.as_ref(), time::now()).unwrap(), []);
                }
                prop_assert!(repository.pool().check().await.unwrap().is_clean());
                Ok(())
            })?;
        }
    }

    fn record(messages: &[&str]) -> Record {
        let mut session = WorktreeSession::new("s1".into(), "w".into(), "debate".into(), "t".into());
        session.chat_history = messages
            .iter()
            .map(|id| ChatMessage {
                id: (*id).into(),
                session_id: "s1".into(),
                role: "user".into(),
                content: "…".into(),
                timestamp: "2025-01-01T00:00:00Z".into(),
                instance_id: None,
            })
            .collect();
        Record {
            session,
            others: Map::new(),
            instance_others: BTreeMap::new(),
            message_others: BTreeMap::new(),
        }
    }

    async fn outcome(
        before: &[&str],
        meanwhile: &str,
        after: Option<&[&str]>,
    ) -> Result<Vec<String>, Conflict> {
        let repository = repository();
        let store = repository.pool();
        store.commit(commits(None, Some(&record(before)), time::now()).unwrap()).await.unwrap();
        let stored = repository.stored("w", "s1").await.unwrap();
        let decided = commits(stored.as_ref(), after.map(record).as_ref(), time::now()).unwrap();
        let message = record(&[meanwhile]).session.chat_history.remove(0);
        let key = session_key("w", "s1");
        store.commit_one(append(key.clone(), &message).unwrap()).await.unwrap();
        match store.commit(decided).await {
            Ok(_) => {
                let page = store.message_window(&key, Window::last(10)).await.unwrap();
                Ok(page.messages.into_iter().filter_map(|message| message.message_id).collect())
            }
            Err(Error::Conflict { conflict, .. }) => Err(conflict),
            Err(error) => panic!("{error}"),
        }
    }

    /// A message that comes between the decision and the commit stays, or the commit is refused.
    #[test]
    fn a_message_that_comes_meanwhile_is_not_lost() {
        run(async {
            let added = outcome(&["a"], "between", Some(&["a", "b"])).await;
            assert_eq!(added, Ok(vec!["a".to_owned(), "between".to_owned(), "b".to_owned()]));
            let head = Err(Conflict::Head { expected: 2, current: 3 });
            assert_eq!(outcome(&["a", "b"], "between", Some(&["a"])).await, head);
            assert_eq!(outcome(&["a", "b"], "between", Some(&["a", "c"])).await, head);
            assert_eq!(outcome(&["a", "b"], "between", None).await, head);
        });
    }

    /// Whatever else comes between refuses the commit, so that nothing is decided from what is no longer so.
    #[test]
    fn a_change_that_comes_meanwhile_refuses_the_commit() {
        run(async {
            let (repository, before) = (repository(), record(&["a"]));
            let store = repository.pool();
            store.commit(commits(None, Some(&before), time::now()).unwrap()).await.unwrap();
            let stored = repository.stored("w", "s1").await.unwrap();
            let mut after = before.clone();
            after.session.task = "mine".into();
            let changed = commits(stored.as_ref(), Some(&after), time::now()).unwrap();
            let deleted = commits(stored.as_ref(), None, time::now()).unwrap();
            after.session.task = "another's".into();
            let row = store.session(&session_key("w", "s1")).await.unwrap().unwrap();
            let set = vec![set_instance_status(&row, 1, "idle", time::now()).unwrap()];
            let first = commits(stored.as_ref(), Some(&after), time::now()).unwrap();
            store.commit(first).await.unwrap();
            for late in [changed, deleted, set] {
                let refused = store.commit(late).await;
                let state = matches!(&refused, Err(Error::Conflict { conflict: Conflict::State { .. }, .. }));
                assert!(state, "{refused:?}");
            }
            let again = commits(None, Some(&before), time::now()).unwrap();
            let refused = store.commit(again).await;
            let exists = matches!(&refused, Err(Error::Conflict { conflict: Conflict::Exists { .. }, .. }));
            assert!(exists, "{refused:?}");
        });
    }

    #[test]
    fn the_one_name_that_is_the_stores_own_is_refused() {
        let mut record = record(&[]);
        record.others.insert(UPDATED_AT_HEAD.into(), 1.into());
        let error = commits(None, Some(&record), time::now()).unwrap_err().to_string();
        assert!(error.contains("'updatedAtHead' is the store's own"), "{error}");
    }
}
