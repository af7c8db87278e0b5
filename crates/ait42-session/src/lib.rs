//! Coding sessions in which several instances of an agent compete, each in a worktree of its own.

pub mod db;
pub mod models;
pub mod repository;

mod change;
mod instant;
mod layout;
mod read;
mod record;
mod search;
mod views;
mod writes;

pub use chrono;
pub use db::DbPool;
pub use models::{ChatMessage, WorktreeInstance, WorktreeSession};
pub use repository::{RepositoryError, SessionFilters, SessionRepository, SqliteSessionRepository};
/// The store underneath.
pub use sessiondb;
pub use uuid;
