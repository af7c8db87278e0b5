//! Coding sessions in which several instances of an agent compete, each in a worktree of its own.

pub mod models;
pub mod repository;

mod change;
mod record;

pub use models::{ChatMessage, WorktreeInstance, WorktreeSession};
pub use repository::{RepositoryError, SessionFilters, SessionRepository};
