//! The command line from outside: transcripts of the real binary on stores in temporary files.
//!
//! What a single function does is tested beside it; here is what only the whole program shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod ait42;
mod append;
mod check;
mod compact;
mod completions;
mod exit;
mod export;
mod fork;
mod help;
mod import;
mod key;
mod ls;
mod new;
mod optimize;
mod patch;
mod pipe;
mod recover;
mod repair;
mod rm;
mod safety;
mod search;
mod show;
mod state;
mod stats;
mod support;
mod undo;
