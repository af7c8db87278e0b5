//! [`Options`]: where the store is and what it promises.

use std::{path::PathBuf, time::Duration};

use crate::SqlView;

/// When a commit is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was acknowledged survives power loss: the log is synced before a commit is answered
    /// (`synchronous=FULL`).
    #[default]
    Full,
    /// What was acknowledged survives the end of the process, however it ends. A power cut may take the last commits
    /// back, but never leaves a torn one (`synchronous=NORMAL`).
    Normal,
}

impl Durability {
    /// The value of `PRAGMA synchronous`.
    pub(crate) fn synchronous(self) -> i64 {
        match self {
            Durability::Full => 2,
            Durability::Normal => 1,
        }
    }
}

/// How to open a store.
///
/// ```
/// use sessiondb_sqlite::{Durability, Options};
///
/// let options = Options::new("sessions.db").durability(Durability::Normal);
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) path: PathBuf,
    pub(crate) vfs: Option<String>,
    pub(crate) durability: Durability,
    pub(crate) create: bool,
    pub(crate) sql_views: &'static [SqlView],
}

impl Options {
    /// The store in this file. It is made if it is not there: the file readable for its owner alone (0600), missing
    /// directories too (0700).
    pub fn new(path: impl Into<PathBuf>) -> Options {
        Options {
            path: path.into(),
            vfs: None,
            durability: Durability::default(),
            create: true,
            sql_views: &[],
        }
    }

    /// Only if it is there: a file that is missing is an error, and nothing is made.
    pub fn existing(mut self) -> Options {
        self.create = false;
        self
    }

    /// Through this SQLite VFS instead of the default one.
    pub fn vfs(mut self, name: impl Into<String>) -> Options {
        self.vfs = Some(name.into());
        self
    }

    /// With these SQL views in the file. They are made when it is opened and does not have them yet.
    pub fn sql_views(mut self, views: &'static [SqlView]) -> Options {
        self.sql_views = views;
        self
    }

    /// With this promise instead of [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Options {
        self.durability = durability;
        self
    }
}

/// How long a statement waits for another process or connection before the store answers that it is busy.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process waits for its turn to write among processes of ours. Longer than any write takes.
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// The log is copied into the database when it has this many pages: 32 MiB.
pub(crate) const CHECKPOINT_PAGES: i32 = 8192;
/// The writer copies it in its turn when it has this many, since copying beside it does not keep up: 64 MiB.
pub(crate) const CHECKPOINT_PAGES_MAX: i32 = 2 * CHECKPOINT_PAGES;
/// While a reader keeps the log from being begun anew, it is copied again after this many further pages: 4 MiB.
pub(crate) const CHECKPOINT_RETRY_PAGES: i32 = 1024;
/// Passes over the log beside the writer, before it does the last one in its turn.
pub(crate) const CHECKPOINT_PASSES: usize = 3;
/// What the writer may be left to copy in its turn: 2 MiB.
pub(crate) const CHECKPOINT_REST_PAGES: i32 = 512;
/// A connection that is handed out copies the log when it has this many pages, as SQLite does by itself: 4 MiB.
pub(crate) const GUEST_CHECKPOINT_PAGES: i32 = 1_000;
/// Page cache of the writer, in KiB. It holds the index pages that scattered appends touch.
pub(crate) const WRITER_CACHE_KIB: i64 = 64 * 1024;
/// Page cache of each reader, in KiB: a workspace of a thousand sessions, or the histories that a busy agent goes back to.
pub(crate) const READER_CACHE_KIB: i64 = 8 * 1024;
/// What is kept in memory of the ends of logs, in bytes: the last hundred messages of 400 bytes each of some 500 sessions.
pub(crate) const ENDS_BYTES: usize = 32 << 20;
/// What is kept of one log: so many messages, and so many bytes.
pub(crate) const END_MESSAGES: usize = 256;
pub(crate) const END_BYTES: usize = 512 << 10;
/// What is kept of a short one.
pub(crate) const END_BYTES_LEAST: usize = 4 << 10;
/// Connections that read at the same time.
pub(crate) const READERS_MAX: usize = 4;
/// Most calls of `commit` in one transaction of the writer.
pub(crate) const BATCH_CALLS_MAX: usize = 1024;
/// Most single changes that further calls may add to a transaction.
pub(crate) const BATCH_CHANGES_MAX: usize = 10_000;
/// The log file is cut to this length when it is begun anew.
pub(crate) const LOG_BYTES_KEPT: i64 = 64 << 20;
/// Most bytes of content that further calls may add to a transaction.
pub(crate) const BATCH_BYTES_MAX: usize = 32 << 20;
