//! Chat sessions by agent and channel: who talks to which agent where, and what was said.
//!
//! A turn of an agent: find the session that a message belongs to, append, read what the model shall see, and compact
//! before it no longer fits.
//!
//! ```
//! use aisopod_session::{
//!     ChannelContext, CompactionStrategy, ContextFit, ContextWindowGuard, HistoryQuery, PeerKind, SessionStatus,
//!     SessionStore, StoredMessage, resolve_session_key,
//! };
//! use serde_json::json;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("sessions.db");
//! # let model = |_: &[StoredMessage]| json!("On its way.");
//! # let summarise = |_: &[StoredMessage]| "Ann asked for her order, which is on its way.".to_owned();
//! // This agent's handle sees no other agent's sessions.
//! let store = SessionStore::new(&path)?.scoped("support")?;
//! let from = ChannelContext {
//!     channel: "discord".into(),
//!     account_id: "bot-1".into(),
//!     peer_kind: PeerKind::Dm,
//!     peer_id: "ann".into(),
//! };
//! let key = resolve_session_key("support", &from);
//! store.get_or_create(&key)?;
//! store.append_messages(&key, &[StoredMessage::new("user", json!("Where is my order?"))])?;
//!
//! let history = store.get_history(&key, &HistoryQuery::default())?;
//! let answer = model(&history.messages);
//! store.append_messages(&key, &[StoredMessage::new("assistant", answer)])?;
//!
//! let guard = ContextWindowGuard { warn_threshold: 8, hard_limit: 100, min_available: 20 };
//! let history = store.get_history(&key, &HistoryQuery::default())?;
//! if guard.check(history.weight) >= ContextFit::Warn {
//!     let summary = summarise(&history.messages);
//!     # store.append_messages(&key, &[StoredMessage::new("user", json!("Thanks!"))])?;
//!     // What came in while the summary was written is not in it, and stays.
//!     if let Some(last) = history.messages.last() {
//!         let strategy = CompactionStrategy::Summarize { keep_recent: 0 };
//!         store.compact_as_of(&key, last.seq, &strategy, Some(&summary))?;
//!     }
//! }
//! let history = store.get_history(&key, &HistoryQuery::default())?;
//! assert_eq!(history.messages[0].content, "Ann asked for her order, which is on its way.");
//! assert_eq!(history.messages[1].content, "Thanks!");
//! assert_eq!(store.get(&key)?.unwrap().status, SessionStatus::Compacted);
//!
//! // Nothing is gone.
//! store.uncompact(&key)?;
//! assert_eq!(store.get_history(&key, &HistoryQuery::default())?.messages.len(), 3);
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
//! - A history is in the order of the session, which is that of appending, never that of times. A limit takes the newest
//!   messages; bounds in time are exclusive at both ends; without a limit there is none.
//! - Keys are taken byte for byte, and kinds of peers are an open vocabulary: [`normalize`] and [`main_session_key`] are
//!   choices of the caller.
//! - A compaction hides and never deletes: [`uncompact`](SessionStore::uncompact) shows again what it hid. It sets the
//!   status `compacted` together with what it hides; if there is nothing to hide, neither happens. The status stays when
//!   messages are appended, until somebody patches it.
//! - A handle of one agent ([`scoped`](SessionStore::scoped)) is denied every other agent's session, whether it exists or
//!   not, and lists its own alone.
//! - Deleting is final, but what a fork shows stays readable through the fork.
//! - Moving a session to another key when bindings change is not there yet.
//! - A row that cannot be read is an error that names it; nothing is skipped or replaced by a default.

mod compaction;
mod db;
mod error;
mod guard;
mod history;
mod routing;
mod scoped;
mod store;
mod truncation;
mod types;
mod writes;

pub use compaction::{CompactionRecord, CompactionStrategy};
pub use db::{open_database, run_migrations};
pub use error::{Error, Result};
pub use guard::{ContextFit, ContextWindowGuard};
pub use history::{History, HistoryCursor, HistoryQuery};
pub use routing::{
    CanonicalString, ChannelContext, PeerKind, main_session_key, normalize, resolve_session_key,
};
/// The store underneath, for what [`SessionStore::sessiondb`] takes and answers.
pub use sessiondb;
pub use store::SessionStore;
pub use types::{
    Session, SessionFilter, SessionKey, SessionMetadata, SessionPatch, SessionStatus, SessionSummary,
    StoredMessage,
};
