//! Chat sessions by agent and channel: who talks to which agent where, and what was said.
//!
//! ```
//! use aisopod_session::{SessionFilter, SessionKey, SessionPatch, SessionStatus, SessionStore, StoredMessage};
//! use serde_json::json;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("sessions.db");
//! let store = SessionStore::new(&path)?;
//! let key = SessionKey {
//!     agent_id: "support".into(),
//!     channel: "discord".into(),
//!     account_id: "bot-1".into(),
//!     peer_kind: "dm".into(),
//!     peer_id: "ann".into(),
//! };
//! store.get_or_create(&key)?;
//! store.append_messages(&key, &[StoredMessage::new("user", json!("Where is my order?"))])?;
//! let session = store.patch(&key, &SessionPatch { status: Some(SessionStatus::Idle), ..Default::default() })?;
//! assert_eq!((session.message_count, session.status), (1, SessionStatus::Idle));
//!
//! let of_support = SessionFilter { agent_id: Some("support".into()), ..Default::default() };
//! assert_eq!(store.list(&of_support)?.len(), 1);
//! assert_eq!(store.get_history(&key, Some(50))?[0].content, json!("Where is my order?"));
//! # Ok::<(), aisopod_session::Error>(())
//! ```
//!
//! The sessions lie in a SessionDB file as plain rows (`sessions`, `messages`), which [`open_database`] opens for those
//! who speak SQL. In terms of SessionDB they are sessions of the family `chat`.
//!
//! # What is decided
//!
//! - `get_or_create` of a session that exists writes nothing, so `updated_at` stays. Any number of threads and
//!   processes may race for a new key: there will be one session, and no error.
//! - A metadata patch is merged by key: members named replace, a `null` removes its key, what is not named stays.
//!   (SessionDB itself stores a `null`; removing by `null` is this crate's rule.)
//! - `token_usage` in a patch sets the count; [`SessionStore::add_token_usage`] adds to it atomically.
//! - A patch that names nothing changes nothing, and `updated_at` stays.
//! - Patching or appending to a session that does not exist is an error that names it.
//! - Lists are ordered by `updated_at`, newest first, ties by row id, newest first; ranges on it are exclusive at both
//!   ends. A list has no limit unless the filter names one.
//! - Histories are ordered by the number that each message got when it was stored, never by its time.
//! - A row that cannot be read is an error that names it; nothing is skipped or replaced by a default.

mod db;
mod store;
mod types;
mod writes;

pub use db::{open_database, run_migrations};
pub use sessiondb::{Error, Result};
pub use store::SessionStore;
pub use types::{
    Session, SessionFilter, SessionKey, SessionMetadata, SessionPatch, SessionStatus, SessionSummary,
    StoredMessage,
};
