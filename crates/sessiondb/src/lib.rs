//! The session store for AI agents.
//!
//! To be written.

pub mod blocking;
mod open;

pub use open::open;
pub use sessiondb_core::*;
/// The SQLite engine, for those who choose its options themselves.
pub use sessiondb_sqlite as sqlite;
