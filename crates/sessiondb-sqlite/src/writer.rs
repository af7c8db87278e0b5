//! The writer: one connection that writes, and the queue before it.
//!
//! Many callers, one transaction: whoever waits while a transaction is written is written with the next one, all of
//! them for the price of one sync (group commit). Each call has a savepoint of its own, so one that fails takes
//! nothing from the others.
//!
//! A caller that may block its thread, and is alone, does the work itself: two thread switches would add to the one
//! thing it waits for, the sync. An async caller always hands over, since a runtime with one thread
//! would never have two calls in the queue otherwise.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread::JoinHandle,
};

use futures_channel::oneshot;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::{Connection, ErrorCode, MAIN_DB, wal::CheckpointMode};
use sessiondb_core::{Commit, Error, Receipt, Result, time};

use crate::{
    apply, connection,
    error::{Failure, must_stop, store_error},
    lock::SideLock,
    migrate,
    options::{
        BATCH_BYTES_MAX, BATCH_CALLS_MAX, BATCH_CHANGES_MAX, CHECKPOINT_PAGES, CHECKPOINT_RETRY_PAGES,
    },
};

type Answer = Result<Vec<Receipt>>;

/// The write side of a store.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something came into the queue, or it is closing.
    arrived: Condvar,
    /// Whoever holds this writes; `None` once closed.
    engine: Mutex<Option<Engine>>,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Call>,
    closing: bool,
    /// A caller who committed for itself leaves the checkpoint that came due to the writer's thread.
    checkpoint: bool,
    /// The last transaction held more than one call: callers are many, so none commits for itself alone.
    crowded: bool,
}

/// One call of `commit`.
struct Call {
    commits: Vec<Commit>,
    bytes: usize,
    changes: usize,
    answer: oneshot::Sender<Answer>,
}

impl Writer {
    pub(crate) fn start(path: &Path, mut conn: Connection, lock: SideLock) -> Result<Writer> {
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(|e| store_error(&e))?;
        let identity = connection::identity(path).map_err(|e| Error::Storage(e.to_string()))?;
        let file = (path.to_owned(), identity);
        let engine = Engine { conn, file, lock, wal_pages, checkpoint_at: CHECKPOINT_PAGES, stopped: None };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            engine: Mutex::new(Some(engine)),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sessiondb-writer".into())
            .spawn(move || own.serve())
            .map_err(|e| Error::Storage(format!("the writer's thread did not start: {e}")))?;
        Ok(Writer { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands the commits over and waits for the answer without blocking the thread. Dropping the future changes
    /// nothing: what was handed over is done once.
    pub(crate) async fn commit(&self, commits: Vec<Commit>) -> Answer {
        let answer = self.shared.hand_over(commits)?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Commits on this thread if nobody else is waiting, and hands over otherwise.
    pub(crate) fn commit_blocking(&self, commits: Vec<Commit>) -> Answer {
        if let Some(engine) = self.shared.idle_engine() {
            return self.shared.commit_alone(engine, commits);
        }
        let answer = self.shared.hand_over(commits)?;
        pollster::block_on(answer).unwrap_or_else(|_| Err(lost()))
    }

    /// Writes what is in the queue, then closes the connection. Every later call is answered [`Error::Closed`].
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.queue.lock().closing = true;
        self.shared.arrived.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            return Err(Error::Storage("the writer's thread had panicked".into()));
        }
        let Some(engine) = self.shared.engine.lock().take() else { return Ok(()) };
        engine.conn.close().map_err(|(_, error)| store_error(&error))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

fn lost() -> Error {
    Error::Unknown("the writer ended before it answered".into())
}

impl Shared {
    fn hand_over(&self, commits: Vec<Commit>) -> Result<oneshot::Receiver<Answer>> {
        let (answer, receiver) = oneshot::channel();
        let bytes = commits.iter().map(Commit::bytes).sum();
        let changes = commits.iter().map(Commit::changes).sum();
        let mut queue = self.queue.lock();
        if queue.closing {
            return Err(Error::Closed);
        }
        queue.calls.push_back(Call { commits, bytes, changes, answer });
        drop(queue);
        self.arrived.notify_one();
        Ok(receiver)
    }

    /// The engine, if nobody has it and nobody waits for it.
    fn idle_engine(&self) -> Option<MutexGuard<'_, Option<Engine>>> {
        let engine = self.engine.try_lock()?;
        let queue = self.queue.lock();
        (queue.calls.is_empty() && !queue.crowded && !queue.closing).then_some(engine)
    }

    fn commit_alone(&self, mut engine: MutexGuard<'_, Option<Engine>>, commits: Vec<Commit>) -> Answer {
        let Some(engine) = engine.as_mut() else { return Err(Error::Closed) };
        let mut answers = engine.write_guarded(std::slice::from_ref(&commits));
        if engine.checkpoint_is_due() {
            self.queue.lock().checkpoint = true;
            self.arrived.notify_one();
        }
        answers.pop().unwrap_or_else(|| Err(lost()))
    }

    /// The writer's thread.
    fn serve(&self) {
        loop {
            let mut queue = self.queue.lock();
            while queue.calls.is_empty() && !queue.checkpoint {
                if queue.closing {
                    return;
                }
                self.arrived.wait(&mut queue);
            }
            queue.checkpoint = false;
            drop(queue);
            // The engine first and then the queue: what is taken from the queue is written next, by this thread,
            // so that no later call can overtake it.
            let mut engine = self.engine.lock();
            let calls = self.take_batch();
            let (commits, answers): (Vec<_>, Vec<_>) =
                calls.into_iter().map(|call| (call.commits, call.answer)).unzip();
            let Some(engine) = engine.as_mut() else { return };
            let results = if commits.is_empty() { Vec::new() } else { engine.write_guarded(&commits) };
            for (answer, result) in answers.into_iter().zip(results) {
                // A caller who has dropped its future is not there to be told.
                let _ = answer.send(result);
            }
            engine.checkpoint_guarded();
        }
    }

    fn take_batch(&self) -> Vec<Call> {
        let mut queue = self.queue.lock();
        let (mut batch, mut bytes, mut changes) = (Vec::new(), 0, 0);
        while let Some(call) = queue.calls.front() {
            bytes += call.bytes;
            changes += call.changes;
            let full =
                bytes > BATCH_BYTES_MAX || changes > BATCH_CHANGES_MAX || batch.len() == BATCH_CALLS_MAX;
            if !batch.is_empty() && full {
                break;
            }
            batch.extend(queue.calls.pop_front());
        }
        queue.crowded = batch.len() > 1;
        batch
    }
}

/// The connection that writes, and what must be known to write with it.
struct Engine {
    conn: Connection,
    /// The database's path, and what must be found there.
    file: (PathBuf, (u64, u64)),
    lock: SideLock,
    /// Pages in the write-ahead log after the last commit.
    wal_pages: Arc<AtomicI32>,
    /// The next checkpoint is due when the log has this many pages.
    checkpoint_at: i32,
    /// Why writes are refused, after a disk error.
    stopped: Option<String>,
}

impl Engine {
    /// Writes each call's commits, and answers each. A panic on the way is answered too: nobody waits for ever.
    fn write_guarded(&mut self, calls: &[Vec<Commit>]) -> Vec<Answer> {
        match catch_unwind(AssertUnwindSafe(|| self.write(calls))) {
            Ok(answers) => answers,
            Err(_) => {
                self.stopped = Some("the writer panicked".into());
                let _ = self.conn.execute_batch("ROLLBACK");
                calls.iter().map(|_| Err(Error::Unknown("the writer panicked".into()))).collect()
            }
        }
    }

    fn write(&mut self, calls: &[Vec<Commit>]) -> Vec<Answer> {
        let all = |error: Error| calls.iter().map(|_| Err(error.clone())).collect();
        if let Some(reason) = &self.stopped {
            return all(Error::Stopped(reason.clone()));
        }
        let _turn = match self.lock.acquire() {
            Ok(turn) => turn,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return all(Error::Busy(error.to_string()));
            }
            Err(error) => return all(Error::Storage(format!("the side lock: {error}"))),
        };
        // A file that was deleted, moved or replaced would take what is written now with it, acknowledged.
        if connection::identity(&self.file.0).ok() != Some(self.file.1) {
            let path = self.file.0.display();
            let reason = format!("{path} was deleted, moved or replaced while the store was open");
            self.stopped = Some(reason.clone());
            return all(Error::Stopped(reason));
        }
        if let Err(error) = execute(&self.conn, "BEGIN IMMEDIATE") {
            note_disk_error(&mut self.stopped, &error);
            return all(store_error(&error));
        }
        if let Err(error) = refuse_newer_schema(&self.conn, &mut self.stopped) {
            let _ = execute(&self.conn, "ROLLBACK");
            return all(error);
        }
        let mut answers = Vec::with_capacity(calls.len());
        for commits in calls {
            match apply_call(&self.conn, commits) {
                Ok(receipts) => answers.push(Ok(receipts)),
                Err(failed) => {
                    if let Failure::Sqlite(error) = &failed.failure {
                        note_disk_error(&mut self.stopped, error);
                    }
                    let error = Error::from(failed.failure);
                    if self.stopped.is_some() && !self.conn.is_autocommit() {
                        // The disk is in doubt: nothing of this is committed.
                        let _ = execute(&self.conn, "ROLLBACK");
                    }
                    if !failed.alone || self.stopped.is_some() {
                        // A transaction that could not be rolled back must never be committed.
                        if !self.conn.is_autocommit() {
                            self.stopped.get_or_insert("a transaction could not be rolled back".into());
                        }
                        return all(error);
                    }
                    answers.push(Err(error));
                }
            }
        }
        if answers.iter().all(Result::is_err) {
            if let Err(error) = execute(&self.conn, "ROLLBACK")
                && !self.conn.is_autocommit()
            {
                self.stopped.get_or_insert(error.to_string());
            }
            return answers;
        }
        let Err(error) = execute(&self.conn, "COMMIT") else { return answers };
        let error = commit_failed(&self.conn, &mut self.stopped, &error);
        answers.into_iter().map(|answer| answer.and_then(|_| Err(error.clone()))).collect()
    }

    fn checkpoint_is_due(&self) -> bool {
        self.wal_pages.load(Ordering::Relaxed) >= self.checkpoint_at
    }

    /// A panic in what is told of a checkpoint must not end the thread that others wait for.
    fn checkpoint_guarded(&mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.checkpoint_if_due())).is_err() {
            self.stopped.get_or_insert("the writer panicked".into());
        }
    }

    /// Copies the log into the database when it has grown. Passive: it takes what no reader needs and waits for
    /// nobody; when all is copied, the next write begins the log anew. It has its own turn after the callers have
    /// their answers, since an error here takes nothing back.
    fn checkpoint_if_due(&mut self) {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if !self.checkpoint_is_due() {
            self.checkpoint_at = self.checkpoint_at.min(CHECKPOINT_PAGES.max(pages));
            return;
        }
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
                note_disk_error(&mut self.stopped, &error);
            }
        }
    }
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
fn commit_failed(conn: &Connection, stopped: &mut Option<String>, error: &rusqlite::Error) -> Error {
    if !conn.is_autocommit()
        && let Err(error) = execute(conn, "ROLLBACK")
    {
        *stopped = Some(error.to_string());
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => store_error(error),
        _ => {
            *stopped = Some(error.to_string());
            Error::Unknown(error.to_string())
        }
    }
}

/// A call that failed.
struct Failed {
    failure: Failure,
    /// Only this call was taken back, and the transaction goes on. A full disk, for one, makes SQLite roll back the
    /// whole transaction, and with it the calls before.
    alone: bool,
}

/// Applies one call's commits, all or none.
fn apply_call(conn: &Connection, commits: &[Commit]) -> Result<Vec<Receipt>, Failed> {
    let now = time::now();
    let apply = || {
        execute(conn, "SAVEPOINT call")?;
        let receipts =
            commits.iter().map(|commit| apply::commit(conn, commit, now)).collect::<Result<_, Failure>>()?;
        execute(conn, "RELEASE call")?;
        Ok(receipts)
    };
    apply().map_err(|failure| {
        let alone = !conn.is_autocommit()
            && execute(conn, "ROLLBACK TO call").and_then(|()| execute(conn, "RELEASE call")).is_ok();
        if !alone && !conn.is_autocommit() {
            let _ = execute(conn, "ROLLBACK");
        }
        Failed { failure, alone }
    })
}

fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn note_disk_error(stopped: &mut Option<String>, error: &rusqlite::Error) {
    if must_stop(error) {
        tracing::error!(%error, "writes are refused from now on");
        stopped.get_or_insert(error.to_string());
    }
}
