//! Coding sessions in which several instances of an agent compete, each in a worktree of its own.
//!
//! ```
//! use ait42_session::{
//!     ChatMessage, SessionFilters, SessionRepository, SqliteSessionRepository, WorktreeSession, workspace_hash,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let dir = tempfile::tempdir().unwrap();
//! # let project = dir.path();
//! # let url = format!("sqlite://{}", dir.path().join("sessions.db").display());
//! let sessions = SqliteSessionRepository::new(&url).await?;
//! let workspace = workspace_hash(project);
//! let session =
//!     WorktreeSession::new("comp-1".into(), workspace.clone(), "competition".into(), "Fix the login".into());
//! let mut session = sessions.create_session(session).await?;
//!
//! let question = ChatMessage {
//!     id: "msg-1".into(),
//!     session_id: session.id.clone(),
//!     role: "user".into(),
//!     content: "Why does it fail?".into(),
//!     timestamp: "2025-01-13T09:00:00.123Z".into(),
//!     instance_id: None,
//! };
//! // From here on the message survives a power cut.
//! sessions.add_chat_message("comp-1", question).await?;
//!
//! // This was read before the message came. The update replaces what the session says of itself; the message stays.
//! session.status = "completed".into();
//! let session = sessions.update_session(session).await?;
//! assert_eq!(session.chat_history.len(), 1);
//!
//! let filters = SessionFilters { search_query: Some("LOGIN".into()), ..SessionFilters::default() };
//! assert_eq!(sessions.search_sessions(&workspace, filters).await?, [session]);
//! # Ok::<(), ait42_session::RepositoryError>(())
//! # }).unwrap();
//! ```
//!
//! [`SessionRepository`] is what every repository can do; [`SqliteSessionRepository`] keeps the sessions in a SessionDB
//! store and can do more. For people who read the file with any SQLite shell it has the views `ait42_workspaces`,
//! `ait42_sessions`, `ait42_instances` and `ait42_chat_messages`, with the columns of AIT42's own schema.
//!
//! [`migration`] takes over what AIT42 has in its files, and goes back if one likes. [`JsonSessionRepository`] keeps sessions
//! in those files, and [`DualWrite`] in both places at once, of which one is the truth.
//!
//! # What is decided
//!
//! - A session's id is unique in its workspace, a message's and an instance's in their session. The verbs without a
//!   workspace find the one session of the id, and refuse if there are several.
//! - What is not legal is refused before anything is written, with the column, the value and what is legal:
//!   [`models::legal`] has the vocabularies.
//! - An update replaces the session's own values and its instances as a whole: an instance that is not in it is removed, and
//!   so is an output that it does not have. Messages are never removed nor changed: new ones are added, in their order.
//!   What the models have no field for stays with the session, with the instances that stay, and with the messages.
//! - `created_at` stays as it was created. `updated_at` is the update's own, but never goes back; adding a message, setting
//!   a status and selecting a winner set it to now.
//! - Times are kept as the text they came as, and ordered by the moment that they name; of the same moment, by id.
//! - Without a revision the last update wins. With one ([`update_session_at`](SqliteSessionRepository::update_session_at))
//!   an update of what somebody else has changed meanwhile is refused.
//! - An empty workspace has no sessions: lists of it are empty, and everything else is refused.
//! - A search is literal text in any case of any script. A day as the end of a range is all of that day, in UTC.
//! - A session whose values, instances and messages are more than one commit takes (10,000 changes, 64 MiB) cannot be
//!   created at once; messages can be added one by one without end.
//! - What is stored and cannot be read is an error that names it; nothing is skipped or replaced by a default.

pub mod db;
pub mod migration;
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
pub use repository::{
    DualWrite, JsonSessionRepository, RepositoryError, SessionFilters, SessionRepository,
    SqliteSessionRepository,
};
pub use search::{SummaryOrder, SummaryQuery, SummarySort};
/// The store underneath.
pub use sessiondb;
pub use uuid;
pub use workspace::{Workspace, workspace_hash};
