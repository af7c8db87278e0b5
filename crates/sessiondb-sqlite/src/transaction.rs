//! The transaction: what is written at once, when it counts, and what its errors mean.

use std::{io, sync::Arc, time::Instant};

use metrics::histogram;
use rusqlite::{Connection, ErrorCode, config::DbConfig};
use sessiondb_core::{Commit, Error, Receipt, Result, time};

use crate::{
    apply,
    checkpoint::Checkpointer,
    connection::Place,
    error::{Failure, lacks_room_for_index, must_stop, puts_the_disk_in_doubt, store_error},
    lock::{SideLock, Turn},
    migrate,
    queue::{Answer, Writer},
};

/// The connection that writes, and what must be known to write with it.
pub(crate) struct WriteConnection {
    conn: Connection,
    place: Place,
    lock: Arc<SideLock>,
    checkpointer: Checkpointer,
    /// Why writes are refused, after an error that only opening anew can mend.
    stopped: Option<String>,
}

impl WriteConnection {
    /// `copies` makes the thread that copies the log.
    pub(crate) fn new(
        place: Place,
        mut conn: Connection,
        lock: SideLock,
        copies: impl FnOnce(Arc<SideLock>) -> Checkpointer,
    ) -> Result<WriteConnection> {
        let lock = Arc::new(lock);
        let checkpointer = copies(Arc::clone(&lock));
        let log_has = checkpointer.log_has();
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            log_has(pages);
            Ok(())
        }))
        .map_err(|e| store_error(&e))?;
        Ok(WriteConnection { conn, place, lock, checkpointer, stopped: None })
    }

    /// One transaction of this work, which is no commit of a caller's.
    pub(crate) fn transact<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.is_stopped();
        let _turn = begin(&self.conn, &self.place, &self.lock, &mut self.stopped)?;
        match work(&self.conn) {
            Ok(done) => match execute(&self.conn, "COMMIT") {
                Ok(()) => {
                    self.checkpointer.committed();
                    Ok(done)
                }
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

    /// Copies what is in the log into the database, in this process's turn, so that nobody adds to it meanwhile: the next
    /// write begins it anew, unless a reader still needs it.
    pub(crate) fn checkpoint(&mut self) {
        if self.is_stopped() {
            return;
        }
        let Ok(_turn) = self.lock.acquire() else {
            // Whoever has the turn adds to the log, and copies it.
            return self.checkpointer.put_off();
        };
        if let Err(error) = self.checkpointer.pass_in_turn(&self.conn) {
            tracing::error!(%error, "the checkpoint failed");
            note_disk_error(&self.lock, &mut self.stopped, &error);
        }
    }

    /// Whether writes are refused; also after an error of whoever copies the log.
    fn is_stopped(&mut self) -> bool {
        if self.stopped.is_none() {
            self.stopped = self.checkpointer.failed().cloned();
        }
        self.stopped.is_some()
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
        self.is_stopped();
        let begun = Instant::now();
        histogram!("sessiondb_commit_batch_size").record(calls.len() as f64);
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
        let applied = Instant::now();
        let committed = execute(&self.conn, "COMMIT");
        // Nearly all of a COMMIT is the sync.
        histogram!("sessiondb_sync_seconds").record(applied.elapsed());
        histogram!("sessiondb_commit_seconds").record(begun.elapsed());
        let Err(error) = committed else {
            self.checkpointer.committed();
            return answers;
        };
        let error = commit_failed(&self.conn, &self.lock, &mut self.stopped, &error);
        answers.into_iter().map(|answer| answer.and_then(|_| Err(error.clone()))).collect()
    }

    fn checkpoint_is_due(&self) -> bool {
        self.checkpointer.is_the_writers()
    }

    /// After the callers have their answers, since an error here takes nothing back.
    fn checkpoint_if_due(&mut self) {
        if self.checkpoint_is_due() {
            self.checkpoint();
        }
    }

    fn stop(&mut self, reason: &str) {
        self.stopped.get_or_insert_with(|| reason.into());
        if !self.conn.is_autocommit() {
            let _ = execute(&self.conn, "ROLLBACK");
        }
    }

    /// The last connection that closes copies the log and deletes it; but not after the disk has failed, since what was
    /// copied before may never have been synced. Then the log stays, and whoever opens the store next copies all of it.
    fn close(mut self) -> Result<()> {
        self.checkpointer.close();
        let wrote = self.conn.total_changes() > 0;
        if wrote {
            // SQLite does not tell of errors of the copying that it does as it closes.
            self.checkpoint();
        }
        // Nobody's disk may fail between the look and the closing. Who only reads waits for nobody.
        let turn = wrote.then(|| self.lock.acquire()).transpose();
        if turn.is_err() || self.lock.is_marked().unwrap_or(true) {
            self.conn
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map_err(|e| store_error(&e))?;
        }
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
    if lock.is_marked().map_err(|error| Error::Storage(format!("the side lock: {error}")))? {
        let reason = "the disk failed under another program that has the store open".to_owned();
        *stopped = Some(reason.clone());
        return Err(Error::Stopped(reason));
    }
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

/// Refuses writes from now on, and leaves word for others if the disk is in doubt.
fn stop(lock: &SideLock, stopped: &mut Option<String>, error: &rusqlite::Error) {
    tracing::error!(%error, "writes are refused from now on");
    stopped.get_or_insert(error.to_string());
    if puts_the_disk_in_doubt(error) {
        lock.mark();
    }
}
