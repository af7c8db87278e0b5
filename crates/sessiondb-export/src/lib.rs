//! Writes a SessionDB store as an archive that reads back to an equal store, or as Markdown to read.
//!
//! [`export()`] and [`restore()`] are a pair: what one wrote, the other reads into an empty store, and an export of that
//! store is the same archive, byte for byte. [`markdown()`] writes for people, and is not read back.
//!
//! ```
//! use sessiondb::{NewMessage, SessionKey};
//! use sessiondb_export::{Choice, export, restore};
//!
//! # pollster::block_on(async {
//! let store = sessiondb::open("memory:").await?;
//! let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! store.append(&key, vec![NewMessage::new("user", "hello")]).await?;
//!
//! let mut archive = Vec::new();
//! export(&store, &Choice::all(), &mut archive, &mut |_done, _of| {}).await?;
//! let other = sessiondb::open("memory:").await?;
//! let restored = restore(&other, archive.as_slice(), &mut |_bytes| {}).await?;
//! assert!(restored.is_complete());
//! assert_eq!((restored.sessions, restored.messages), (1, 1));
//!
//! let mut again = Vec::new();
//! export(&other, &Choice::all(), &mut again, &mut |_done, _of| {}).await?;
//! assert_eq!(archive, again);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # The archive
//!
//! JSON Lines, in UTF-8. The first line is `{"sessiondb_archive":1}`, with the version. Every other line is an object
//! with one member, whose name says what it is:
//!
//! | line | what it is |
//! |---|---|
//! | `session` | a session begins: its key as five parts, its family, when it was opened; and of a fork the number its own log begins with, what it inherits (`ancestors`) and its parent (`forked_from`) |
//! | `message` | a message of the session's own log, shown or hidden, in the order of the numbers |
//! | `gap` | the messages `first` to `last` of that log are gone: somebody deleted their rows by hand |
//! | `document` | a document, ordered by collection and id; its bytes are `blob`, in base64 |
//! | `change` | a change of what the session shows, the newest first, with the view before it |
//! | `state` | the session is complete: status, metadata, tokens, revision, head, view, and when it changed |
//! | `kept` | the messages `first` to `last`, or gaps, follow of a log that is no session of the archive but is read by forks in it: of one that was deleted, or was not chosen. Its key is an address of the store's own |
//! | `dropped` | what began last could not be written to its end, and is to be left out |
//! | `end` | how many lines of each kind there were; without it the archive was cut |
//!
//! Sessions stand in the order in which they were made, so a fork comes after what it inherits from, and lists of a
//! restored store break ties in the same way. Times are in UTC with six digits of a second. Views are stretches of
//! message numbers. Numbers of rows and logs, and the ids of past commits, are a store's own and are not in it.
//!
//! JSON that the store was given stands as it is, byte for byte; text that has line breaks between its tokens stands in a
//! string instead, as `{"sessiondb:text":"…"}`. A program that reads an archive and writes it again must leave such
//! values alone, or numbers like `1e400` and members that occur twice are lost.

mod batch;
mod block;
mod choice;
mod export;
mod exported;
mod line;
mod markdown;
mod page;
pub mod raw;
mod reader;
mod restore;
mod restored;
mod run;
mod title;
mod verbatim;

pub use block::{Block, blocks};
pub use choice::Choice;
pub use export::{ExportError, export};
pub use exported::{Exported, Unread};
pub use line::ARCHIVE_VERSION;
pub use markdown::markdown;
pub use restore::{is_archive, restore};
pub use restored::{BadLine, FailedSession, RestoreError, Restored};
pub use title::title;
