use crate::models::{ChatMessage, WorktreeSession};
use async_trait::async_trait;

pub mod sqlite;

pub use sqlite::SqliteSessionRepository;

#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Create a new session
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError>;

    /// Update an existing session
    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError>;

    /// Get a specific session by ID
    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError>;

    /// Get all sessions for a workspace
    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError>;

    /// Delete a session
    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError>;

    /// Add chat message to session
    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError>;

    /// Update instance status
    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError>;

    /// Search sessions by filters
    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError>;
}

#[derive(Debug, Clone, Default)]
pub struct SessionFilters {
    pub session_type: Option<Vec<String>>,
    pub status: Option<Vec<String>>,
    pub date_from: Option<String>,
    pub date_to: Option<String>,
    pub search_query: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("Database error: {0}")]
    Database(#[from] sqlx::Error),

    #[error("Session not found: {0}")]
    NotFound(String),

    #[error("Validation error: {0}")]
    Validation(String),

    #[error("Internal error: {0}")]
    Internal(String),
}
