//! Conversations in OpenAI's chat form.

use sessiondb_import::Format;

use crate::transcript;

/// See [`transcript::holds`](crate::transcript).
pub fn holds(data: &[u8]) {
    transcript::holds(Format::OpenAi, "train.jsonl", data);
}
