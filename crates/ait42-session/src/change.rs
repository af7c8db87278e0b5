//! [`Change`]: what is done to one session, as a value. Every repository applies the same ones.

use serde_json::Value;

use crate::{ChatMessage, RepositoryError, WorktreeSession, record::Record};

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

impl Change {
    /// The session after this change, from what it was before; `None` is no session. `now` is the time of changes that
    /// do not bring one along, as RFC 3339 text.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] or [`RepositoryError::Validation`], naming what is wrong.
    pub(crate) fn apply(
        &self,
        _before: Option<Record>,
        _now: &str,
    ) -> Result<Option<Record>, RepositoryError> {
        Err(RepositoryError::Internal("to be written".into()))
    }
}
