//! The writer: one connection that writes, and the queue before it.
//!
//! Many callers, one transaction: whoever waits while a transaction is written is written with the next one, all of
//! them for the price of one sync (group commit). Each call has a savepoint of its own, so one that fails takes
//! nothing from the others.
//!
//! A caller that may block its thread, and is alone, does the work itself: two thread switches would add to the one
//! thing it waits for, the sync. An async caller always hands over, since a runtime with one thread
//! would never have two calls in the queue otherwise.

use std::{collections::VecDeque, sync::Arc, thread::JoinHandle};

use futures_channel::oneshot;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;
use sessiondb_core::{Commit, Error, Result};

use crate::{
    connection::Place,
    lock::SideLock,
    options::{BATCH_BYTES_MAX, BATCH_CALLS_MAX, BATCH_CHANGES_MAX},
    transaction::{Answer, WriteConnection},
};

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
    connection: Mutex<Option<WriteConnection>>,
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
    pub(crate) fn start(place: Place, conn: Connection, lock: SideLock) -> Result<Writer> {
        let connection = WriteConnection::new(place, conn, lock)?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            connection: Mutex::new(Some(connection)),
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
        if let Some(connection) = self.shared.idle_connection() {
            return self.shared.commit_alone(connection, commits);
        }
        let answer = self.shared.hand_over(commits)?;
        pollster::block_on(answer).unwrap_or_else(|_| Err(lost()))
    }

    /// Lends the connection that writes, in the turn of whoever writes. Those who wait for it come first.
    pub(crate) fn with_connection<T>(
        &self,
        work: impl FnOnce(&mut WriteConnection) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.shared.connection.lock();
        let done = connection.as_mut().map_or(Err(Error::Closed), work);
        MutexGuard::unlock_fair(connection);
        done
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
        let Some(connection) = self.shared.connection.lock().take() else { return Ok(()) };
        connection.close()
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

    /// The connection, if nobody has it and nobody waits for it.
    fn idle_connection(&self) -> Option<MutexGuard<'_, Option<WriteConnection>>> {
        let connection = self.connection.try_lock()?;
        let queue = self.queue.lock();
        (queue.calls.is_empty() && !queue.crowded && !queue.closing).then_some(connection)
    }

    fn commit_alone(
        &self,
        mut connection: MutexGuard<'_, Option<WriteConnection>>,
        commits: Vec<Commit>,
    ) -> Answer {
        let Some(connection) = connection.as_mut() else { return Err(Error::Closed) };
        let mut answers = connection.write_guarded(vec![commits]);
        if connection.checkpoint_is_due() {
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
            // The connection first and then the queue: what is taken from the queue is written next, by this thread,
            // so that no later call can overtake it.
            let mut connection = self.connection.lock();
            let calls = self.take_batch();
            let (commits, answers): (Vec<_>, Vec<_>) =
                calls.into_iter().map(|call| (call.commits, call.answer)).unzip();
            let Some(connection) = connection.as_mut() else { return };
            let results = if commits.is_empty() { Vec::new() } else { connection.write_guarded(commits) };
            for (answer, result) in answers.into_iter().zip(results) {
                // A caller who has dropped its future is not there to be told.
                let _ = answer.send(result);
            }
            connection.checkpoint_guarded();
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
