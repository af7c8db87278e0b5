//! Conversations in OpenAI's chat form.

use sessiondb_import::Format;

use crate::transcript;

/// See `transcript.rs`.
pub fn holds(data: &[u8]) {
    transcript::holds(Format::OpenAi, "train.jsonl", data);
}
