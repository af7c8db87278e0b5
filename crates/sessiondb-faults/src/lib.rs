//! A simulated disk under real SQLite, against which the whole store is tested: what was acknowledged survives power
//! cuts, torn writes and writes out of order, and errors of the disk are told as what they are.
//!
//! - [`Disk`] is a VFS over the unix one that writes down what is done to it and fails when it is told to.
//! - [`Medium`] plays such a log, and says what a power cut may leave at any moment of it.
//! - [`record`] lives a random life of a real store on such a disk; its [`History`] is what the store must be after each call,
//!   by the engine in memory.
//! - [`judge`] opens what a cut left with the real store, and holds it against the history.
//! - [`power::run`] does this by the thousand and counts what was in flight; [`lock_page::run`] at SQLite's page at 1 GiB.
//!
//! `cargo test -p sessiondb-faults` cuts 2,000 times, and shows that stores which promise too much are found out;
//! `cargo run --release -p sessiondb-faults -- power --cuts 100000` and `… -- lock-page` take longer.
//!
//! Nothing in the product depends on this crate. It is the one place in the workspace with `unsafe`: a VFS is a table of
//! C functions (`vfs.rs`).

mod calls;
mod disk;
mod draft;
mod fault;
mod history;
mod judge;
pub mod lock_page;
mod medium;
mod observe;
mod operation;
pub mod power;
mod rewritten;
mod span;
pub mod sweep;
mod tally;
mod version_1;
mod vfs;
mod workload;

pub use calls::{Answers, Call, Calls};
pub use disk::{Disk, Event, FileName};
pub use fault::{Fault, FaultKind, Lasting, Op};
pub use history::{Bounds, FeedRow, History, feed};
pub use judge::{Finding, Wrong, judge};
pub use medium::{Damage, Medium};
pub use observe::observe;
pub use operation::Operation;
pub use span::Span;
pub use tally::Tally;
pub use workload::{NAME, Plan, Recording, Start, record};
