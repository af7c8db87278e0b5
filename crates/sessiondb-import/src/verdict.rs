//! [`Verdict`]: what came of importing one file.

use std::collections::BTreeMap;

use sessiondb::SessionKey;

/// What came of importing one file. The numbers are those of this run, not of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The session that the file is imported into. It exists unless the file has no complete record yet.
    pub key: SessionKey,
    /// What was done with it.
    pub outcome: Outcome,
    /// How many messages were appended.
    pub messages: u64,
    /// How many records that are no messages were kept, by their `type`, of Codex with that of the payload
    /// (`event_msg/token_count`); `(none)` for records without one.
    pub records: BTreeMap<String, u64>,
    /// How many lines bear the id of another line's message. They are kept as records, and counted there too.
    pub duplicates: u64,
    /// The lines that could not be kept, in the order of the file. The next import of the file does not report them
    /// again, unless the file has nothing else.
    pub bad_lines: Vec<BadLine>,
    /// The bytes of a last line that is not complete. They are left for the next import of the file.
    pub torn_bytes: u64,
}

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was imported for the first time.
    New,
    /// It had grown; its new lines were read.
    Grown,
    /// What was imported before does not stand in it any more; it was read again from the start. What the store had
    /// already stayed as it was.
    Rewritten,
    /// It had nothing new; the store was not written to.
    Unchanged,
}

/// A line that could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why not.
    pub reason: String,
}

impl Verdict {
    pub(crate) fn new(key: SessionKey) -> Verdict {
        Verdict {
            key,
            outcome: Outcome::Unchanged,
            messages: 0,
            records: BTreeMap::new(),
            duplicates: 0,
            bad_lines: Vec::new(),
            torn_bytes: 0,
        }
    }
}
