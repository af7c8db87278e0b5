//! Transcripts of Codex.

use sessiondb_import::Format;

use crate::transcript;

/// The name of a file that tells its thread.
pub(crate) const NAME: &str = "rollout-2026-08-20T10-00-00-019c0000-0000-7000-8000-00000000000a.jsonl";

/// See `transcript.rs`.
pub fn holds(data: &[u8]) {
    transcript::holds(Format::Codex, NAME, data);
}
