//! The session store for AI agents: who talked to whom, what was said, which tools ran, what state it reached. Kept
//! once, durably, in one SQLite file, without a server.
//!
//! ```
//! use sessiondb::{NewMessage, SessionKey, Window, blocking};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("sessions.db").display().to_string();
//! let store = blocking::open(&path)?;
//! let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! let receipt = store.append(&key, vec![NewMessage::new("user", "hello")])?;
//! // From here on the message survives a power cut.
//! assert_eq!(receipt.seqs, [1]);
//!
//! let page = store.message_window(&key, Window::last(50))?;
//! assert_eq!(page.messages[0].content.get(), "\"hello\"");
//! # Ok::<(), sessiondb::Error>(())
//! ```
//!
//! It is not an agent framework, and not a vector store: it keeps sessions, and gives them back as they were.
//!
//! - [`open`] opens a [`Store`], whose methods are async and run on any runtime; [`blocking`] is the same without async.
//! - A [`SessionKey`] of five parts says where a session belongs. [`Store::append`] and [`Store::message_window`] write and
//!   read its messages, [`Store::session_list`] finds sessions.
//! - Everything that changes a session is a [`Commit`]: messages, status, metadata, tokens and documents together, all or
//!   nothing, with what is expected of the session before, and with an id that makes it safe to send again.
//! - [`Store::scoped`] makes a handle that can see only one agent's sessions, or fewer.
//! - Every limit stands in [`limits`]; what an [`Error`] lets you do next, at its variants.

pub mod blocking;
mod open;

pub use open::{open, open_existing, open_with_views, recover};
pub use sessiondb_core::*;
/// The SQLite engine, for those who choose its options themselves.
pub use sessiondb_sqlite as sqlite;
pub use sessiondb_sqlite::{Recovery, SqlView};

/// The programs in the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
