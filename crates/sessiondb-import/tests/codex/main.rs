//! Codex's transcripts, from the file to the store and back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod desk;
#[path = "../shared/kept.rs"]
mod kept;

mod address;
mod copies;
mod finding;
mod lines;
mod lossless;
mod mapping;
mod packed;
mod paginated;
mod resume;
mod usage;
