//! Transcripts of Claude Code.

use sessiondb_import::Format;

use crate::transcript;

/// See `transcript.rs`.
pub fn holds(data: &[u8]) {
    transcript::holds(Format::Claude, "s-1.jsonl", data);
}
