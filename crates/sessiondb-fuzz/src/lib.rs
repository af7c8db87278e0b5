//! What must hold for any bytes that come from outside, as one function a target: given bytes, it panics if the property
//! does not hold for them.
//!
//! `fuzz/run` gives them bytes that libFuzzer makes up, and `cargo test` the inputs in `fuzz/corpus`: beginnings from which
//! the fuzzer goes on, and every input that has broken something once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a property fails")]

pub mod ait42_files;
pub mod commits;
pub mod cursors;
pub mod export;
pub mod import_claude;
pub mod import_codex;
pub mod import_openai;
pub mod import_packed;
pub mod json;
pub mod markdown;
pub mod merge_patch;
pub mod models;
pub mod restore;
pub mod session_key;
pub mod times;
pub mod view;

mod acts;
mod observed;
mod transcript;

/// A property: it panics if it does not hold for these bytes.
pub type Property = fn(&[u8]);

/// All targets by name. Each has a program `fuzz/fuzz_targets/<name>.rs` and the inputs `fuzz/corpus/<name>/`.
pub const TARGETS: [(&str, Property); 16] = [
    ("ait42_files", ait42_files::holds),
    ("commits", commits::holds),
    ("cursors", cursors::holds),
    ("export", export::holds),
    ("import_claude", import_claude::holds),
    ("import_codex", import_codex::holds),
    ("import_openai", import_openai::holds),
    ("import_packed", import_packed::holds),
    ("json", json::holds),
    ("markdown", markdown::holds),
    ("merge_patch", merge_patch::holds),
    ("models", models::holds),
    ("restore", restore::holds),
    ("session_key", session_key::holds),
    ("times", times::holds),
    ("view", view::holds),
];
