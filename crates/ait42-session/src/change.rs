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
    // When anything last changed does not go back, however old what the caller had read.
    let updated_at = match instant(&session.updated_at) < instant(&old.updated_at) {
        true => old.updated_at,
        false => session.updated_at.clone(),
    };
    let session = WorktreeSession {
        created_at: old.created_at,
        updated_at,
        chat_history,
        ..WorktreeSession { chat_history: Vec::new(), ..session.clone() }
    };
    Ok(whole(Record { session, others, instance_others, message_others }))
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
    session.updated_at = now.into();
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
    session.updated_at = now.into();
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
    session.updated_at = now.into();
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
