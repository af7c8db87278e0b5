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
mod workspace;
mod writes;

pub use chrono;
pub use db::DbPool;
pub use models::{ChatMessage, InstanceSummary, WorktreeInstance, WorktreeSession, WorktreeSummary};
pub use repository::{RepositoryError, SessionFilters, SessionRepository, SqliteSessionRepository};
pub use search::{SummaryOrder, SummaryQuery, SummarySort};
/// The store underneath.
pub use sessiondb;
pub use uuid;
pub use workspace::{Workspace, workspace_hash};
