//! Conversations in OpenAI's chat form, from the file to the store and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unimplemented,
    reason = "a panic is how a test fails"
)]

mod desk;
mod dying;

mod finding;
mod growth;
mod identity;
mod limits;
mod lines;
mod mapping;
mod packed;
mod rehearsal;
mod together;
