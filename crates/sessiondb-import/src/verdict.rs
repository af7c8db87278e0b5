//! [`Verdict`]: what came of importing one file.

use std::{collections::BTreeMap, ops::AddAssign};

use sessiondb::SessionKey;

/// What came of importing one file. The numbers are those of this run, not of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The session that the file is imported into. It exists unless the file has no complete record yet. `None` for a
    /// file of conversations, of which each has its own.
    pub key: Option<SessionKey>,
    /// What was done with the file.
    pub outcome: Outcome,
    /// What was done with the sessions that it holds: with the one that it is, or with each of its conversations.
    pub sessions: Sessions,
    /// How many messages were appended.
    pub messages: u64,
    /// How many records that are no messages were kept, by their `type`, of Codex with that of the payload
    /// (`event_msg/token_count`); `(none)` for records without one.
    pub records: BTreeMap<String, u64>,
    /// How many lines bear the id of another line's message. They are kept as records, and counted there too. In a file
    /// of conversations: how many lines are the same as one before them.
    pub duplicates: u64,
    /// The lines that could not be kept, in the order of the file. The next import of the file does not report them
    /// again, unless the file has nothing else; a file of conversations is read as a whole each time, and its bad lines
    /// are named each time.
    pub bad_lines: Vec<BadLine>,
    /// The conversations of this run that bear the id of another one, in the order of the file.
    pub variants: Vec<Variant>,
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

/// How many sessions were dealt with in which way; see [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sessions {
    /// Made by this import.
    pub new: u64,
    /// Grown.
    pub grown: u64,
    /// Not what they were. A conversation of which that is true is a [`Variant`].
    pub rewritten: u64,
    /// As they were.
    pub unchanged: u64,
}

/// A conversation that bears the id of another one and is not that one grown: it was changed since it was imported, or
/// two have one id. The one that was there first stays as it is, and this one is a session beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The number of its line in the file, from 1.
    pub line: u64,
    /// The session that it is.
    pub key: SessionKey,
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
    pub(crate) fn new(key: Option<SessionKey>) -> Verdict {
        Verdict {
            key,
            outcome: Outcome::Unchanged,
            sessions: Sessions::default(),
            messages: 0,
            records: BTreeMap::new(),
            duplicates: 0,
            bad_lines: Vec::new(),
            variants: Vec::new(),
            torn_bytes: 0,
        }
    }
}

impl AddAssign for Sessions {
    fn add_assign(&mut self, other: Sessions) {
        self.new += other.new;
        self.grown += other.grown;
        self.rewritten += other.rewritten;
        self.unchanged += other.unchanged;
    }
}

impl Sessions {
    /// Counts one more.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::New => self.new += 1,
            Outcome::Grown => self.grown += 1,
            Outcome::Rewritten => self.rewritten += 1,
            Outcome::Unchanged => self.unchanged += 1,
        }
    }

    /// What these together are: of a file whose sessions they are.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Sessions { new: 0, grown: 0, rewritten: 0, .. } => Outcome::Unchanged,
            Sessions { rewritten: 1.., .. } => Outcome::Rewritten,
            Sessions { new: 1.., grown: 0, unchanged: 0, .. } => Outcome::New,
            _ => Outcome::Grown,
        }
    }
}
