//! [`Restored`]: what came of reading an archive.

use std::io;

use sessiondb::SessionKey;

/// What came of reading an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// How many sessions are in the store now and were not before, or not whole.
    pub sessions: u64,
    /// How many were there already, and equal.
    pub unchanged: u64,
    /// How many messages came with them, those too that are kept for forks alone.
    pub messages: u64,
    /// How many documents came with them.
    pub documents: u64,
    /// Sessions that were left out, in the order of the archive.
    pub failed: Vec<FailedSession>,
    /// Lines that cannot be read, in the order of the archive. The session in which one stands failed.
    pub bad_lines: Vec<BadLine>,
    /// How many more such lines there are than the first thousand, which are named.
    pub more_bad_lines: u64,
    /// How many sessions the archive says could not be written into it.
    pub dropped: u64,
    /// Why the archive is not whole, if it is not: it ends early, or lines of it are missing.
    pub incomplete: Option<String>,
}

impl Restored {
    /// Whether all that the archive was to have is in the store.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.bad_lines.is_empty() && self.incomplete.is_none()
    }
}

/// So many bad lines are named.
const BAD_LINES_MAX: usize = 1_000;

impl Restored {
    /// This line cannot be read.
    pub(crate) fn bad_line(&mut self, line: u64, reason: String) {
        match self.bad_lines.len() < BAD_LINES_MAX {
            true => self.bad_lines.push(BadLine { line, reason }),
            false => self.more_bad_lines += 1,
        }
    }
}

/// A session that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSession {
    /// The line of the archive with which it begins.
    pub line: u64,
    /// Which.
    pub key: SessionKey,
    /// Why.
    pub reason: String,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// Why not.
    pub reason: String,
}

/// Why an archive was not read to its end. What was restored before stays; restoring it again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It could not be read.
    #[error("cannot read after line {line}: {source}")]
    Read {
        /// How many lines were read.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Its first line is not that of an archive, or that of one which a later version wrote. Nothing was written.
    #[error("{0}")]
    NotAnArchive(String),
    /// The store failed.
    #[error("at line {line}: {source}")]
    Store {
        /// The line that had been read.
        line: u64,
        /// What the store said.
        source: sessiondb::Error,
    },
}
