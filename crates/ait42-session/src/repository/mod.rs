//! [`SessionRepository`]: what can be done with coding sessions.

use async_trait::async_trait;

use crate::models::{ChatMessage, WorktreeSession};

pub mod dual;
pub mod json;
pub mod sqlite;

pub use dual::DualWrite;
pub use json::JsonSessionRepository;
pub use sqlite::SqliteSessionRepository;

/// A place where coding sessions are kept. All methods are async; a change has happened as a whole, and durably, when
/// it answers.
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Creates a session with its instances and messages. Answers what is stored.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if a value is not legal or the workspace has a session of this id.
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError>;

    /// Replaces a session's own values and its instances. Messages that are new are added; none is ever removed. When it
    /// was created stays. Answers what is stored.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if its workspace has no session of this id; [`RepositoryError::Validation`] if a value
    /// is not legal, or a message has the id of another with other content.
    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError>;

    /// A session with its instances and messages.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has none of this id.
    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError>;

    /// All sessions of a workspace with their instances and messages, the last changed first. An unknown workspace has
    /// none.
    ///
    /// # Errors
    /// [`RepositoryError::Database`] if one cannot be read; it is named.
    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError>;

    /// Deletes a session with everything in it.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has none of this id.
    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError>;

    /// Adds a message to the one session of this id, whichever its workspace. The same message again is that message.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is no session of this id; [`RepositoryError::Validation`] if several
    /// workspaces have one, a value is not legal, or the session has another message of this id.
    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError>;

    /// Sets the status of an instance of the one session of this id, whichever its workspace.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is no session of this id or no such instance in it;
    /// [`RepositoryError::Validation`] if several workspaces have one, or the status is not legal.
    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError>;

    /// The sessions of a workspace that match, with their instances and messages, the last changed first.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if a date of the filter is none.
    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError>;
}

/// Which sessions to find. All conditions must hold; the default finds every session.
#[derive(Debug, Clone, Default)]
pub struct SessionFilters {
    /// Any of these types; an empty list is no condition.
    pub session_type: Option<Vec<String>>,
    /// Any of these statuses; an empty list is no condition.
    pub status: Option<Vec<String>>,
    /// Created at this time or later: an RFC 3339 time, or a day (`2025-01-31`) from its beginning in UTC.
    pub date_from: Option<String>,
    /// Created at this time or earlier: an RFC 3339 time, or a day with all of it.
    pub date_to: Option<String>,
    /// Literal text that is in the task, the id or the name of an agent, in any case of any script.
    pub search_query: Option<String>,
}

/// Why an operation did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// What the store says: its variants differ in what the caller can do.
    #[error("Database error: {0}")]
    Database(#[from] sessiondb::Error),

    /// There is no such session, or no such instance in it.
    #[error("Session not found: {0}")]
    NotFound(String),

    /// A value is not legal. Nothing was written.
    #[error("Validation error: {0}")]
    Validation(String),

    /// Something that should not happen: a stored session that cannot be understood, a file that cannot be written.
    #[error("Internal error: {0}")]
    Internal(String),
}

impl RepositoryError {
    /// What it says, without which kind of error it is: for where that is said already.
    pub(crate) fn reason(&self) -> String {
        match self {
            RepositoryError::Database(error) => error.to_string(),
            RepositoryError::NotFound(what) => format!("{what} was not found"),
            RepositoryError::Validation(reason) | RepositoryError::Internal(reason) => reason.clone(),
        }
    }
}
