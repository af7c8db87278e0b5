//! The model of SessionDB.
//!
//! A session is an **address** ([`SessionKey`]), an append-only **log** of numbered messages, a **view** of it
//! ([`View`]: which stretches of which logs are its present history), and a few small keyed **documents** that change
//! together with the log. Everything that changes a session is one value, a [`Commit`]; several commits can be applied
//! together, all or none.
//!
//! Callers use a [`Store`]; storage engines implement [`Backend`]. The engine in this crate, [`MemoryBackend`], keeps
//! everything in memory and is the specification of the others. This crate knows no SQL, no async runtime, and none of
//! the families of sessions built on it. To open a store on disk, use the `sessiondb` crate.
//!
//! ```
//! use std::sync::Arc;
//! use sessiondb_core::{MemoryBackend, NewMessage, SessionKey, Store, Window};
//!
//! # pollster::block_on(async {
//! let store = Store::new(Arc::new(MemoryBackend::new()));
//! let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! let receipt = store.append(&key, vec![NewMessage::new("user", "hello")]).await?;
//! assert_eq!(receipt.seqs, [1]);
//! let page = store.message_window(&key, Window::last(50)).await?;
//! assert_eq!(page.messages[0].content.get(), "\"hello\"");
//! # Ok::<(), sessiondb_core::Error>(())
//! # }).unwrap();
//! ```

mod backend;
pub mod calls;
mod check;
mod commit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod document;
mod error;
mod feed;
mod fingerprint;
mod history;
mod json;
mod key;
pub mod limits;
mod lineage;
mod memory;
mod message;
pub mod parts;
mod restore;
mod scope;
pub mod search;
mod session;
mod state;
mod status;
mod store;
pub mod time;
mod view;
mod window;

pub use backend::Backend;
pub use check::{CheckReport, FINDINGS_MAX, Finding};
pub use commit::{Commit, CommitId, Expect, Fork, Opening, Receipt, Write};
pub use document::{Document, DocumentFilter, DocumentPage, NewDocument};
pub use error::{Conflict, Error, ErrorClass, Result};
pub use feed::{Change, ChangePage};
pub use json::Json;
pub use key::{KEPT, KEY_PARTS, SCOPE, SYSTEM, SessionKey};
pub use lineage::{ForkedFrom, Inherited, Lineage};
pub use memory::MemoryBackend;
pub use message::{Message, NewMessage, Weight};
pub use parts::{Parts, PartsPage, SessionParts};
pub use restore::{Restore, RestoredAncestor, RestoredChange, RestoredSession, RestoredState};
pub use scope::Scope;
pub use search::{Hit, HitPage, Piece, Search, Terms};
pub use session::{
    Cursor, FAMILY_DEFAULT, FAMILY_SCOPE, STATUS_DEFAULT, Session, SessionFilter, SessionOrder, SessionPage,
};
pub use state::STATE;
pub use status::Status;
pub use store::Store;
pub use time::Time;
pub use view::{Ancestor, LogId, Span, View, ViewChange, ViewChangeKind, ancestors_of_fork, resolve};
pub use window::{MessagePage, Window};
