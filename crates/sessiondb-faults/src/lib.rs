//! A simulated disk under real SQLite, against which the whole store is tested: what was acknowledged survives power
//! cuts, torn writes and writes out of order, and errors of the disk are told as what they are.
//!
//! - [`Disk`] is a VFS over the unix one that writes down what is done to it and fails when it is told to.
//! - [`Medium`] plays such a log, and says what a power cut may leave at any moment of it.
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
pub mod sweep;
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
pub use workload::{NAME, Plan, Recording, Span, Start, record};
