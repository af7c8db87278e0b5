//! The transaction: what is written at once, when it counts, and what its errors mean.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, wal::CheckpointMode};
use sessiondb_core::{Commit, Error, Receipt, Result, time};

use crate::{
    apply,
    connection::Place,
    error::{Failure, lacks_room_for_index, must_stop, store_error},
    lock::{SideLock, Turn},
    migrate,
    options::{CHECKPOINT_PAGES, CHECKPOINT_RETRY_PAGES},
    queue::{Answer, Writer},
};

/// The connection that writes, and what must be known to write with it.
pub(crate) struct WriteConnection {
    conn: Connection,
    place: Place,
    lock: Arc<SideLock>,
    /// Pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicI32>,
    /// The next checkpoint is due when the log has this many pages.
    checkpoint_at: i32,
    /// Why writes are refused, after an error that only opening anew can mend.
    stopped: Option<String>,
}

impl WriteConnection {
    pub(crate) fn new(place: Place, mut conn: Connection, lock: SideLock) -> Result<WriteConnection> {
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(|e| store_error(&e))?;
        let lock = Arc::new(lock);
        Ok(WriteConnection { conn, place, lock, wal_pages, checkpoint_at: CHECKPOINT_PAGES, stopped: None })
    }

    /// One transaction of this work, which is no commit of a caller's.
    pub(crate) fn transact<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let _turn = begin(&self.conn, &self.place, &self.lock, &mut self.stopped)?;
        match work(&self.conn) {
            Ok(done) => match execute(&self.conn, "COMMIT") {
                Ok(()) => Ok(done),
                Err(error) => Err(commit_failed(&self.conn, &self.lock, &mut self.stopped, &error)),
            },
            Err(error) => {
                note_disk_error(&self.lock, &mut self.stopped, &error);
                if !self.conn.is_autocommit()
                    && let Err(error) = execute(&self.conn, "ROLLBACK")
                {
                    self.stopped.get_or_insert(error.to_string());
                }
                Err(store_error(&error))
            }
        }
    }

    /// Now, whether it is due or not.
    pub(crate) fn checkpoint(&mut self) {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        match self.conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
            Ok((log, copied)) if copied >= log => self.checkpoint_at = CHECKPOINT_PAGES,
            Ok(_) => self.checkpoint_at = pages.saturating_add(CHECKPOINT_RETRY_PAGES),
            // Another process is at it.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                self.checkpoint_at = pages.saturating_add(CHECKPOINT_RETRY_PAGES);
            }
            Err(error) => {
                tracing::error!(%error, "the checkpoint failed");
                self.checkpoint_at = pages.saturating_add(CHECKPOINT_RETRY_PAGES);
                note_disk_error(&self.lock, &mut self.stopped, &error);
            }
        }
    }

    /// Applies each call, all or nothing of it, and answers each; `None` if a call failed that must be taken back and cannot
    /// be taken back alone.
    ///
    /// # Errors
    /// What every call is answered, if the transaction is over: nothing of it was written.
    fn apply_each(&mut self, calls: &[Vec<Commit>], undo: Undo) -> Result<Option<Vec<Answer>>> {
        let mut answers = Vec::with_capacity(calls.len());
        for commits in calls {
            let rows_before = self.conn.total_changes();
            let failure = match apply_call(&self.conn, commits, undo) {
                Ok(receipts) => {
                    answers.push(Ok(receipts));
                    continue;
                }
                Err(failure) => failure,
            };
            if let Failure::Sqlite(error) = &failure {
                note_disk_error(&self.lock, &mut self.stopped, error);
            }
            // A full disk, for one, makes SQLite take back the whole transaction, and with it the calls before.
            let over = self.stopped.is_some() || self.conn.is_autocommit();
            let alone = match undo {
                _ if over => false,
                // Most calls that fail are refused before they write anything.
                Undo::Transaction => self.conn.total_changes() == rows_before,
                Undo::Savepoint => execute(&self.conn, "ROLLBACK TO call")
                    .and_then(|()| execute(&self.conn, "RELEASE call"))
                    .is_ok(),
            };
            match undo {
                _ if alone => answers.push(Err(failure.into())),
                Undo::Transaction if !over && calls.len() > 1 => return Ok(None),
                _ => return Err(self.take_all_back(failure)),
            }
        }
        Ok(Some(answers))
    }

    /// Takes the transaction back, for this reason. One that cannot be taken back must never be committed.
    fn take_all_back(&mut self, why: Failure) -> Error {
        if !self.conn.is_autocommit() {
            let _ = execute(&self.conn, "ROLLBACK");
        }
        if !self.conn.is_autocommit() {
            self.stopped.get_or_insert("a transaction could not be rolled back".into());
        }
        why.into()
    }
}

impl Writer for WriteConnection {
    fn write(&mut self, calls: Vec<Vec<Commit>>) -> Vec<Answer> {
        let all = |error: Error| vec![Err(error); calls.len()];
        let lock = Arc::clone(&self.lock);
        let _turn = match begin(&self.conn, &self.place, &lock, &mut self.stopped) {
            Ok(turn) => turn,
            Err(error) => return all(error),
        };
        let applied = self.apply_each(&calls, Undo::Transaction).and_then(|answers| match answers {
            Some(answers) => Ok(answers),
            None => {
                let again =
                    execute(&self.conn, "ROLLBACK").and_then(|()| execute(&self.conn, "BEGIN IMMEDIATE"));
                again.map_err(|error| self.take_all_back(Failure::Sqlite(error)))?;
                Ok(self.apply_each(&calls, Undo::Savepoint)?.unwrap_or_default())
            }
        });
        let answers = match applied {
            Ok(answers) => answers,
            Err(error) => return all(error),
        };
        if answers.iter().all(Result::is_err) {
            if let Err(error) = execute(&self.conn, "ROLLBACK")
                && !self.conn.is_autocommit()
            {
                self.stopped.get_or_insert(error.to_string());
            }
            return answers;
        }
        let Err(error) = execute(&self.conn, "COMMIT") else { return answers };
        let error = commit_failed(&self.conn, &self.lock, &mut self.stopped, &error);
        answers.into_iter().map(|answer| answer.and_then(|_| Err(error.clone()))).collect()
    }

    fn checkpoint_is_due(&self) -> bool {
        self.wal_pages.load(Ordering::Relaxed) >= self.checkpoint_at
    }

    /// Passive: it takes what no reader needs and waits for nobody; when all is copied, the next write begins the log
    /// anew. It has its own turn after the callers have their answers, since an error here takes nothing back.
    fn checkpoint_if_due(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        if self.checkpoint_is_due() {
            self.checkpoint();
        } else {
            let pages = self.wal_pages.load(Ordering::Relaxed);
            self.checkpoint_at = self.checkpoint_at.min(CHECKPOINT_PAGES.max(pages));
        }
    }

    fn stop(&mut self, reason: &str) {
        self.stopped.get_or_insert_with(|| reason.into());
        if !self.conn.is_autocommit() {
            let _ = execute(&self.conn, "ROLLBACK");
        }
    }

    fn close(self) -> Result<()> {
        self.conn.close().map_err(|(_, error)| store_error(&error))
    }
}

/// Waits for this process's turn and begins a transaction, if the file is the one that was opened and still ours.
fn begin<'a>(
    conn: &Connection,
    place: &Place,
    lock: &'a SideLock,
    stopped: &mut Option<String>,
) -> Result<Turn<'a>> {
    if let Some(reason) = stopped {
        return Err(Error::Stopped(reason.clone()));
    }
    let turn = lock.acquire().map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Error::Busy(error.to_string()),
        _ => Error::Storage(format!("the side lock: {error}")),
    })?;
    // A file that was deleted, moved or replaced would take what is written now with it, acknowledged.
    if let Err(reason) = place.still_holds() {
        *stopped = Some(reason.clone());
        return Err(Error::Stopped(reason));
    }
    if let Err(error) = execute(conn, "BEGIN IMMEDIATE") {
        note_disk_error(lock, stopped, &error);
        return Err(store_error(&error));
    }
    if let Err(error) = refuse_newer_schema(conn, stopped) {
        let _ = execute(conn, "ROLLBACK");
        return Err(error);
    }
    Ok(turn)
}

/// A newer program may have changed the schema while this one ran, and would not expect its writes.
fn refuse_newer_schema(conn: &Connection, stopped: &mut Option<String>) -> Result<()> {
    let version = migrate::version_of_store(conn).map_err(|e| store_error(&e))?;
    if version <= migrate::SCHEMA_VERSION {
        return Ok(());
    }
    let known = migrate::SCHEMA_VERSION;
    let reason = format!("its schema became version {version}, and this program knows up to version {known}");
    *stopped = Some(reason.clone());
    Err(Error::Stopped(reason))
}

/// What an error from COMMIT itself means. That it is "not written" can be known for a full disk only: SQLite meets
/// that while it writes the log, before the frame that makes the transaction count. After any other error the frames
/// may be on the disk, and appear again when the log is next read.
fn commit_failed(
    conn: &Connection,
    lock: &SideLock,
    stopped: &mut Option<String>,
    error: &rusqlite::Error,
) -> Error {
    if !conn.is_autocommit()
        && let Err(error) = execute(conn, "ROLLBACK")
    {
        *stopped = Some(error.to_string());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => store_error(error),
        // The frames are in the log, but not in its index: unless this process ends now, the next commit replaces them.
        _ if lacks_room_for_index(error) => Error::Unknown(error.to_string()),
        _ => {
            stop(lock, stopped, error);
            Error::Unknown(error.to_string())
        }
    }
}

/// How what a call wrote is taken back when it fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// With the transaction. For a savepoint SQLite keeps a copy of every page that changes.
    Transaction,
    /// Alone, so that the calls before it stay.
    Savepoint,
}

/// Applies one call's commits.
fn apply_call(conn: &Connection, commits: &[Commit], undo: Undo) -> Result<Vec<Receipt>, Failure> {
    let now = time::now();
    if undo == Undo::Savepoint {
        execute(conn, "SAVEPOINT call")?;
    }
    let receipts =
        commits.iter().map(|commit| apply::commit(conn, commit, now)).collect::<Result<_, Failure>>()?;
    if undo == Undo::Savepoint {
        execute(conn, "RELEASE call")?;
    }
    Ok(receipts)
}

fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn note_disk_error(lock: &SideLock, stopped: &mut Option<String>, error: &rusqlite::Error) {
    if must_stop(error) {
        stop(lock, stopped, error);
    }
}

/// Refuses writes from now on, and leaves word of it for the next process.
fn stop(lock: &SideLock, stopped: &mut Option<String>, error: &rusqlite::Error) {
    tracing::error!(%error, "writes are refused from now on");
    stopped.get_or_insert(error.to_string());
    if let Err(error) = lock.mark() {
        tracing::error!(%error, "whoever opens the store next cannot be told that the disk failed");
    }
}
