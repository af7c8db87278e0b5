//! [`Change`]: what is done to one session, as a value. Every repository applies the same ones.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    ChatMessage, RepositoryError, WorktreeSession,
    instant::instant,
    models::legal::{shown, validate, validate_instance_status, validate_message},
    record::Record,
    writes::is_same,
};

/// A change of the session of this id in this workspace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Creates it.
    Create(Box<WorktreeSession>),
    /// Replaces its own values and its instances, and adds the messages that are new.
    Update(Box<WorktreeSession>),
    /// Deletes it.
    Delete,
    /// Adds a message.
    AddMessage(ChatMessage),
    /// Sets the status of an instance.
    SetInstanceStatus { instance_id: i64, status: String },
    /// Makes an instance the winner, archives the others, and keeps how they were judged.
    SelectWinner { instance_id: i64, evaluation: Option<Value> },
}

/// The member in which a session keeps how its instances were judged.
const EVALUATION: &str = "evaluation";

impl Change {
    /// The session after this change, from what it was before; `None` is no session. `id` is the session's, for errors
    /// where there is none. `now` is the time of changes that do not bring one along, as RFC 3339 text.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] or [`RepositoryError::Validation`], naming what is wrong.
    pub(crate) fn apply(
        &self,
        id: &str,
        before: Option<Record>,
        now: &str,
    ) -> Result<Option<Record>, RepositoryError> {
        let before = match (self, before) {
            (Change::Create(session), None) => return create(session).map(Some),
            (Change::Create(session), Some(_)) => return Err(exists(session)),
            (_, None) => return Err(RepositoryError::NotFound(shown(id))),
            (_, Some(before)) => before,
        };
        match self {
            Change::Create(_) | Change::Delete => Ok(None),
            Change::Update(session) => update(before, session).map(Some),
            Change::AddMessage(message) => add_message(before, message, now).map(Some),
            Change::SetInstanceStatus { instance_id, status } => {
                set_instance_status(before, *instance_id, status, now).map(Some)
            }
            Change::SelectWinner { instance_id, evaluation } => {
                select_winner(before, *instance_id, evaluation.as_ref(), now).map(Some)
            }
        }
    }
}

fn create(session: &WorktreeSession) -> Result<Record, RepositoryError> {
    validate(session)?;
    let others = Default::default();
    let record = Record {
        session: session.clone(),
        others,
        instance_others: BTreeMap::new(),
        message_others: BTreeMap::new(),
    };
    Ok(whole(record))
}

/// That the workspace has a session of this id already.
pub(crate) fn exists(session: &WorktreeSession) -> RepositoryError {
    RepositoryError::Validation(format!(
        "sessions.id: workspace {} has a session {} already; update it, or give the new one another id",
        shown(&session.workspace_hash),
        shown(&session.id)
    ))
}

/// That the session has no such instance.
pub(crate) fn no_instance(session: &str, instance_id: i64) -> RepositoryError {
    RepositoryError::NotFound(format!("instance {instance_id} in session {}", shown(session)))
}

/// That the session has another message of this id.
pub(crate) fn other_message(session: &str, id: &str) -> RepositoryError {
    RepositoryError::Validation(format!(
        "chat_messages.id: session {} has a message {} already, with other content; messages never change",
        shown(session),
        shown(id)
    ))
}

fn update(before: Record, session: &WorktreeSession) -> Result<Record, RepositoryError> {
    validate(session)?;
    let Record { session: old, others, mut instance_others, message_others } = before;
    let mut chat_history = old.chat_history;
    let known: BTreeMap<&str, &ChatMessage> =
        chat_history.iter().map(|message| (message.id.as_str(), message)).collect();
    let mut new = Vec::new();
    for message in &session.chat_history {
        match known.get(message.id.as_str()) {
            None => new.push(message.clone()),
            Some(known) if is_same(known, message) => {}
            Some(_) => return Err(other_message(&session.id, &message.id)),
        }
    }
    chat_history.append(&mut new);
    instance_others.retain(|id, _| session.instances.iter().any(|instance| instance.instance_id == *id));
    // However old what the caller had read.
    let updated_at = later(&old.updated_at, &session.updated_at);
    let session = WorktreeSession {
        created_at: old.created_at,
        updated_at,
        chat_history,
        ..WorktreeSession { chat_history: Vec::new(), ..session.clone() }
    };
    Ok(whole(Record { session, others, instance_others, message_others }))
}

/// When a session was last changed, if it was now: that does not go back, whatever the clock does.
pub(crate) fn later(before: &str, now: &str) -> String {
    let ahead = instant(before) > instant(now);
    (if ahead { before } else { now }).to_owned()
}

fn add_message(mut before: Record, message: &ChatMessage, now: &str) -> Result<Record, RepositoryError> {
    let session = &mut before.session;
    validate_message(&session.id, message)?;
    match session.chat_history.iter().find(|known| known.id == message.id) {
        Some(known) if is_same(known, message) => return Ok(before),
        Some(_) => return Err(other_message(&session.id, &message.id)),
        None => {}
    }
    session.chat_history.push(message.clone());
    session.updated_at = later(&session.updated_at, now);
    Ok(whole(before))
}

fn set_instance_status(
    mut before: Record,
    instance_id: i64,
    status: &str,
    now: &str,
) -> Result<Record, RepositoryError> {
    let session = &mut before.session;
    validate_instance_status(&session.id, instance_id, status)?;
    match session.instances.iter_mut().find(|instance| instance.instance_id == instance_id) {
        Some(instance) => instance.status = status.into(),
        None => return Err(no_instance(&session.id, instance_id)),
    }
    session.updated_at = later(&session.updated_at, now);
    Ok(before)
}

fn select_winner(
    mut before: Record,
    winner: i64,
    evaluation: Option<&Value>,
    now: &str,
) -> Result<Record, RepositoryError> {
    let session = &mut before.session;
    if !session.instances.iter().any(|instance| instance.instance_id == winner) {
        return Err(no_instance(&session.id, winner));
    }
    for instance in session.instances.iter_mut().filter(|instance| instance.instance_id != winner) {
        instance.status = "archived".into();
    }
    session.winner_id = Some(winner);
    session.updated_at = later(&session.updated_at, now);
    if let Some(evaluation) = evaluation {
        before.others.insert(EVALUATION.into(), evaluation.clone());
    }
    Ok(before)
}

/// With its instances in their order, and everything in it naming the session.
fn whole(mut record: Record) -> Record {
    let session = &mut record.session;
    session.instances.sort_by_key(|instance| instance.instance_id);
    for instance in &mut session.instances {
        instance.session_id.clone_from(&session.id);
    }
    for message in &mut session.chat_history {
        message.session_id.clone_from(&session.id);
    }
    record
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

    use std::sync::Arc;

    use serde_json::json;
    use sessiondb::{MemoryBackend, Store, time};

    use super::*;
    use crate::{DbPool, SqliteSessionRepository, WorktreeInstance, writes};

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn session() -> WorktreeSession {
        let instances = r#"[{"instanceId":2,"worktreePath":"","branch":"","agentName":"a","status":"idle","tmuxSessionId":""},
                            {"instanceId":1,"worktreePath":"","branch":"","agentName":"b","status":"idle","tmuxSessionId":"","output":"o"}]"#;
        WorktreeSession {
            instances: serde_json::from_str::<Vec<WorktreeInstance>>(instances).unwrap(),
            chat_history: vec![message("m1", "one")],
            created_at: "2025-01-01T00:00:00Z".into(),
            updated_at: "2025-01-01T00:00:00Z".into(),
            ..WorktreeSession::new("s1".into(), "w".into(), "debate".into(), "t".into())
        }
    }

    fn message(id: &str, content: &str) -> ChatMessage {
        ChatMessage {
            id: id.into(),
            session_id: String::new(),
            role: "user".into(),
            content: content.into(),
            timestamp: "2025-01-01T00:00:00Z".into(),
            instance_id: None,
        }
    }

    /// The store takes shorter ways for some changes: it must come to the same end, in what is stored and in what is refused.
    #[tokio::test]
    async fn the_store_does_what_apply_does() {
        let status =
            |instance_id: i64, status: &str| Change::SetInstanceStatus { instance_id, status: status.into() };
        let winner =
            |instance_id: i64, evaluation: Option<Value>| Change::SelectWinner { instance_id, evaluation };
        let update = |change: fn(&mut WorktreeSession)| {
            let mut session = session();
            session.updated_at = NOW.into();
            change(&mut session);
            Change::Update(Box::new(session))
        };
        let changes = [
            Change::AddMessage(message("m2", "two")),
            Change::AddMessage(message("m1", "one")),
            Change::AddMessage(message("m1", "two")),
            Change::AddMessage(ChatMessage { session_id: "s2".into(), ..message("m2", "two") }),
            status(1, "running"),
            status(3, "running"),
            status(1, "done"),
            winner(2, None),
            winner(2, Some(json!({ "score": null }))),
            winner(3, None),
            update(|_| {}),
            update(|session| session.instances.truncate(1)),
            update(|session| session.instances[1].output = None),
            update(|session| session.chat_history = vec![message("m2", "two")]),
            update(|session| session.chat_history[0].content = "two".into()),
            update(|session| session.status = "done".into()),
            update(|session| session.updated_at = "2020-01-01T00:00:00Z".into()),
            Change::Create(Box::new(session())),
            Change::Delete,
        ];
        for change in changes {
            let store = Store::new(Arc::new(MemoryBackend::new()));
            let repository = SqliteSessionRepository::from_pool(Arc::new(DbPool::from(store)));
            let mut first = Change::Create(Box::new(session())).apply("s1", None, NOW).unwrap().unwrap();
            let others = json!({ "testsPassed": 3 }).as_object().unwrap().clone();
            first.others.clone_from(&others);
            first.instance_others = BTreeMap::from([(1, others.clone()), (2, others.clone())]);
            first.message_others = BTreeMap::from([("m1".to_owned(), others)]);
            let created = writes::commits(None, Some(&first), time::now()).unwrap();
            repository.pool().commit(created).await.unwrap();
            let before = repository.stored("w", "s1").await.unwrap().map(|stored| stored.record);
            let expected = change.apply("s1", before.clone(), NOW);
            let answer = repository.change("w", "s1", &change, &[]).await;
            let mut stored = repository.stored("w", "s1").await.unwrap().map(|stored| stored.record);
            match expected {
                Err(expected) => {
                    assert_eq!(answer.map_err(|error| error.to_string()), Err(expected.to_string()));
                    assert_eq!(stored, before, "{change:?}");
                }
                Ok(expected) => {
                    answer.unwrap();
                    if let (Some(stored), Some(expected)) = (&mut stored, &expected)
                        && expected.session.updated_at == NOW
                    {
                        // The store has a clock of its own.
                        assert!(instant(&stored.session.updated_at) >= instant(NOW), "{change:?}");
                        stored.session.updated_at = NOW.into();
                    }
                    assert_eq!(stored, expected, "{change:?}");
                }
            }
            // What is not there cannot be changed, either way.
            if !matches!(change, Change::Create(_)) {
                let gone = change.apply("s1", None, NOW).map_err(|error| error.to_string());
                assert_eq!(gone, Err("Session not found: s1".into()));
            }
        }
    }
}
