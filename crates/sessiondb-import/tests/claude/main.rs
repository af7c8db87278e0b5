//! Claude Code's transcripts, from the file to the store and back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod desk;
#[path = "../shared/kept.rs"]
mod kept;

mod address;
mod finding;
mod lines;
mod lossless;
mod mapping;
mod rehearsal;
mod resume;
mod rewritten;
mod together;
mod usage;
