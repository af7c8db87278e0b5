//! The checkpoint: copies the write-ahead log into the database, beside whoever writes.
//!
//! SQLite begins the log anew when a write finds all of it copied into the database and synced there. To copy 32 MiB and sync
//! them takes as long as many commits, so a thread does it, with a connection of its own, while others read and write. What is
//! written meanwhile is left for the next pass, which is shorter. When little is left, the writer does the last pass in
//! its turn, where nobody adds to the log, and the next write begins it anew.
//!
//! SQLite syncs the database only when it comes to the end of the log, which is in the writer's turn then. So that it has little to
//! sync there, the thread syncs the database after each pass by itself.
//!
//! If the thread does not keep up, the writer copies in its turn at [`CHECKPOINT_PAGES_MAX`], however much is left: the log is
//! never much longer than that, but for a reader.
//!
//! Nothing here waits for a reader: what a reader may still need is left for later (`SQLITE_CHECKPOINT_PASSIVE`).
//!
//! A pass that SQLite did not sync counts as copied all the same, and SQLite goes on from there. That is right as long as
//! whoever comes to the end of the log syncs the database, and no sync of it has failed before. So after a disk error nobody
//! copies any more, neither this thread nor the writer, also not when it closes, nor another program; whoever opens the store
//! next copies the whole log again (`recovery`).

use std::{
    fmt, mem,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Instant,
};

use metrics::histogram;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, ErrorCode, MAIN_DB, hooks::Wal, wal::CheckpointMode};
use sessiondb_core::Error;

use crate::{
    descriptor::{self, KEPT_MAX},
    error::{Failure, puts_the_disk_in_doubt},
    lock::SideLock,
    options::{
        CHECKPOINT_PAGES, CHECKPOINT_PAGES_MAX, CHECKPOINT_PASSES, CHECKPOINT_REST_PAGES,
        CHECKPOINT_RETRY_PAGES, GUEST_CHECKPOINT_PAGES,
    },
};

/// Opens the thread's connection.
pub(crate) type Open = Box<dyn Fn() -> Result<Connection, Failure> + Send + Sync>;

/// Has the log copied when it has grown. The thread is started, and its connection opened, when they are first needed.
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Pages that the log had after the commit before.
    pages_before: i32,
}

struct Shared {
    open: Open,
    /// The database's file, if it is one of the system's.
    database: Option<PathBuf>,
    lock: Arc<SideLock>,
    /// Pages in the log after the last commit.
    pages: AtomicI32,
    /// Copying begins when the log has this many pages.
    due_at: AtomicI32,
    /// The writer copies when the log has this many pages.
    writers_at: AtomicI32,
    /// Little is left, and the last pass is the writer's, in its turn.
    rest_is_due: AtomicBool,
    /// Held for a pass: SQLite answers whoever copies at the same time that it is busy, and nobody may copy after a pass that
    /// failed.
    passing: Mutex<()>,
    /// What the disk answered when it failed.
    failed: OnceLock<String>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread copies, or shall begin to.
    at_work: bool,
    closing: bool,
}

/// Lets a connection that is handed out copy the log by itself, as SQLite does, but not after the disk has failed.
pub(crate) fn of_guest(conn: &mut Connection, lock: SideLock) -> rusqlite::Result<()> {
    conn.wal_hook(Some(move |wal: &mut Wal, pages| {
        let due = pages >= GUEST_CHECKPOINT_PAGES && !lock.is_marked().unwrap_or(true);
        let copied = if due { wal.checkpoint_v2(CheckpointMode::PASSIVE).map(drop) } else { Ok(()) };
        // The commit was made, whatever became of this.
        match copied {
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
                tracing::error!(%error, "the checkpoint failed");
                if puts_the_disk_in_doubt(&error) {
                    lock.mark();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }))
}

impl Checkpointer {
    /// `database` is where the file is, if it is one of the system's and not of a VFS of its own.
    pub(crate) fn new(open: Open, database: Option<PathBuf>, lock: Arc<SideLock>) -> Checkpointer {
        let shared = Shared {
            open,
            database,
            lock,
            pages: AtomicI32::new(0),
            due_at: AtomicI32::new(CHECKPOINT_PAGES),
            writers_at: AtomicI32::new(CHECKPOINT_PAGES_MAX),
            passing: Mutex::default(),
            failed: OnceLock::new(),
            rest_is_due: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Checkpointer { shared: Arc::new(shared), thread: None, pages_before: 0 }
    }

    /// What SQLite is to tell after each commit: how many pages the log has.
    pub(crate) fn log_has(&self) -> impl Fn(i32) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |pages| shared.pages.store(pages, Ordering::Release)
    }

    /// A commit was made.
    pub(crate) fn committed(&mut self) {
        let shared = &self.shared;
        let pages = shared.pages.load(Ordering::Acquire);
        if pages < self.pages_before {
            // The log was begun anew.
            shared.rest_is_due.store(false, Ordering::Release);
            shared.due_at.store(CHECKPOINT_PAGES, Ordering::Release);
            shared.writers_at.store(CHECKPOINT_PAGES_MAX, Ordering::Release);
        }
        self.pages_before = pages;
        if pages < shared.due_at.load(Ordering::Acquire) {
            return;
        }
        if !mem::replace(&mut shared.state.lock().at_work, true) {
            // Time for it, also where the log was much longer already.
            shared.writers_at.fetch_max(pages.saturating_add(CHECKPOINT_PAGES), Ordering::AcqRel);
        }
        shared.changed.notify_one();
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            match Builder::new().name("sessiondb-checkpoint".into()).spawn(move || shared.serve()) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    tracing::error!(%error, "the thread that copies the log did not start");
                    self.shared.rest_is_due.store(true, Ordering::Release);
                }
            }
        }
    }

    /// Whether the writer should copy in its turn.
    pub(crate) fn is_the_writers(&self) -> bool {
        let pages = self.shared.pages.load(Ordering::Acquire);
        self.shared.rest_is_due.load(Ordering::Acquire)
            || pages >= self.shared.writers_at.load(Ordering::Acquire)
    }

    /// A pass of the writer's, in its turn.
    pub(crate) fn pass_in_turn(&self, conn: &Connection) -> rusqlite::Result<()> {
        let passed = self.shared.pass(conn);
        self.put_off();
        passed.map(drop)
    }

    /// When the log is copied the next time, if it is not begun anew before: a reader may still need what is in it.
    pub(crate) fn put_off(&self) {
        self.shared.rest_is_due.store(false, Ordering::Release);
        let at = self.shared.pages.load(Ordering::Acquire).saturating_add(CHECKPOINT_RETRY_PAGES);
        self.shared.due_at.store(at.max(CHECKPOINT_PAGES), Ordering::Release);
        let writers_at = at.saturating_add(CHECKPOINT_PAGES).max(CHECKPOINT_PAGES_MAX);
        self.shared.writers_at.store(writers_at, Ordering::Release);
    }

    /// What the disk answered, if it failed while the log was copied.
    pub(crate) fn failed(&self) -> Option<&String> {
        self.shared.failed.get()
    }

    /// Ends the thread, after the pass that it is at.
    pub(crate) fn close(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that copies the log had panicked");
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// The thread.
    fn serve(&self) {
        let mut conn = None;
        loop {
            let mut state = self.state.lock();
            while !state.at_work && !state.closing {
                self.changed.wait(&mut state);
            }
            if state.closing || self.failed.get().is_some() {
                return;
            }
            drop(state);
            match self.copy(&mut conn) {
                Ok(left) => self.rest_is_due.store(left <= CHECKPOINT_REST_PAGES, Ordering::Release),
                Err(failure) => tracing::error!(error = %Error::from(failure), "the checkpoint failed"),
            }
            let pages = self.pages.load(Ordering::Acquire);
            self.due_at.store(pages.saturating_add(CHECKPOINT_RETRY_PAGES), Ordering::Release);
            self.state.lock().at_work = false;
        }
    }

    /// Pass after pass, until little is left. Answers how much the last one has left, in pages.
    fn copy(&self, conn: &mut Option<Connection>) -> Result<i32, Failure> {
        let conn = match conn {
            Some(conn) => conn,
            None => conn.insert((self.open)()?),
        };
        let mut left = i32::MAX;
        for _ in 0..CHECKPOINT_PASSES {
            left = self.pass(conn)?;
            self.sync()?;
            if self.state.lock().closing {
                break;
            }
        }
        Ok(left)
    }

    /// Syncs the database, so that the writer needs not.
    fn sync(&self) -> Result<(), Failure> {
        let Some(database) = &self.database else { return Ok(()) };
        let _passing = self.passing.lock();
        let file = match descriptor::kept_open(database, KEPT_MAX) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(error) => {
                // SQLite syncs it when it comes to the end of the log.
                tracing::warn!(%error, "the database cannot be opened to be synced");
                return Ok(());
            }
        };
        file.sync_data().map_err(|error| {
            self.fail(&error);
            Error::Storage(format!("the database cannot be synced: {error}")).into()
        })
    }

    /// One pass over what is in the log; none after the disk has failed, under this program or another. Answers how many
    /// pages it has left: a reader may still need what they would be written over, or another program is copying.
    fn pass(&self, conn: &Connection) -> rusqlite::Result<i32> {
        let _passing = self.passing.lock();
        if self.lock.is_marked().unwrap_or(true) {
            return Ok(i32::MAX);
        }
        let begun = Instant::now();
        let passed = conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
        histogram!("sessiondb_checkpoint_seconds").record(begun.elapsed());
        match passed {
            Ok((log, copied)) => Ok(log - copied),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(i32::MAX),
            Err(error) => {
                if puts_the_disk_in_doubt(&error) {
                    self.fail(&error);
                }
                Err(error)
            }
        }
    }

    fn fail(&self, error: &dyn fmt::Display) {
        self.lock.mark();
        self.failed.get_or_init(|| error.to_string());
    }
}
