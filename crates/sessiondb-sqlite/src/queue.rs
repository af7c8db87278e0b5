//! The queue before the one that writes.
//!
//! Many callers, one transaction: whoever waits while a transaction is written is written with the next one, all of
//! them for the price of one sync (group commit). A call that fails takes nothing from the others.
//!
//! A caller that may block its thread, and is alone, does the work itself: two thread switches would add to the one
//! thing it waits for, the sync. An async caller always hands over, since a runtime with one thread
//! would never have two calls in the queue otherwise.
//!
//! This file is compiled a second time in `tests/queue`, which runs it through thousands of orders of its threads. So
//! whatever threads wait with comes from `sync`, and all that it knows of SQLite is [`Writer`].

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures_channel::oneshot;
use sessiondb_core::{Commit, Error, Receipt, Result};

use crate::{
    options::{BATCH_BYTES_MAX, BATCH_CALLS_MAX, BATCH_CHANGES_MAX},
    sync::{Builder, Condvar, JoinHandle, Mutex, MutexGuard, Patience, Stopwatch, block_on, yield_now},
};

/// The writer waits for callers to come again for one so-manieth of the time that the last transaction took, and not longer
/// than this.
const GATHER_SHARE: u32 = 8;
const GATHER_MAX: Duration = Duration::from_micros(100);

/// What a call of `commit` is answered.
pub(crate) type Answer = Result<Vec<Receipt>>;

/// What writes, as far as the queue knows it.
pub(crate) trait Writer: Sized + Send + 'static {
    /// Writes each call's commits, all in one transaction, and answers each in the order of the calls.
    fn write(&mut self, calls: Vec<Vec<Commit>>) -> Vec<Answer>;

    /// Whether the log has grown so far that it should be copied into the database.
    fn checkpoint_is_due(&self) -> bool;

    /// Copies the log into the database if that is due.
    fn checkpoint_if_due(&mut self);

    /// Refuses writes from now on, for this reason, and takes back what was begun.
    fn stop(&mut self, reason: &str);

    fn close(self) -> Result<()>;
}

/// The write side of a store: the writer, its thread, and the calls that wait for it.
pub(crate) struct Queue<W: Writer> {
    shared: Arc<Shared<W>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<W> {
    waiting: Mutex<Waiting>,
    /// A call or a checkpoint waits, or the queue is closing.
    arrived: Condvar,
    /// Whoever holds this writes; `None` once closed.
    writer: Mutex<Option<W>>,
}

#[derive(Default)]
struct Waiting {
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

impl<W: Writer> Queue<W> {
    pub(crate) fn start(writer: W) -> Result<Queue<W>> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            writer: Mutex::new(Some(writer)),
        });
        let own = Arc::clone(&shared);
        let thread = Builder::new()
            .name("sessiondb-writer".into())
            .spawn(move || own.serve())
            .map_err(|e| Error::Storage(format!("the writer's thread did not start: {e}")))?;
        Ok(Queue { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands the commits over and waits for the answer without blocking the thread. Dropping the future changes
    /// nothing: what was handed over is done once.
    pub(crate) async fn commit(&self, commits: Vec<Commit>) -> Answer {
        let answer = self.shared.hand_over(commits)?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Commits on this thread if nobody else is waiting, and hands over otherwise.
    pub(crate) fn commit_blocking(&self, commits: Vec<Commit>) -> Answer {
        if let Some(writer) = self.shared.idle_writer() {
            return self.shared.commit_alone(writer, commits);
        }
        let answer = self.shared.hand_over(commits)?;
        block_on(answer).unwrap_or_else(|_| Err(lost()))
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.waiting.lock().calls.len()
    }

    /// Lends the writer, in the turn of whoever writes. Those who wait for it come first.
    pub(crate) fn with_writer<T>(&self, work: impl FnOnce(&mut W) -> Result<T>) -> Result<T> {
        let mut writer = self.shared.writer.lock();
        let done = writer.as_mut().map_or(Err(Error::Closed), work);
        MutexGuard::unlock_fair(writer);
        done
    }

    /// Writes what is in the queue, then closes the writer. Every later call is answered [`Error::Closed`].
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.waiting.lock().closing = true;
        self.shared.arrived.notify_all();
        // Locked until the thread has ended, so that whoever else closes waits for it too.
        let mut thread = self.thread.lock();
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            return Err(Error::Storage("the writer's thread had panicked".into()));
        }
        let Some(writer) = self.shared.writer.lock().take() else { return Ok(()) };
        writer.close()
    }
}

impl<W: Writer> Drop for Queue<W> {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

fn lost() -> Error {
    Error::Unknown("the writer ended before it answered".into())
}

/// A panic on the way is answered too: nobody waits for ever.
fn write(writer: &mut impl Writer, calls: Vec<Vec<Commit>>) -> Vec<Answer> {
    let count = calls.len();
    catch_unwind(AssertUnwindSafe(|| writer.write(calls))).unwrap_or_else(|_| {
        writer.stop("the writer panicked");
        vec![Err(Error::Unknown("the writer panicked".into())); count]
    })
}

impl<W: Writer> Shared<W> {
    fn hand_over(&self, commits: Vec<Commit>) -> Result<oneshot::Receiver<Answer>> {
        let (answer, receiver) = oneshot::channel();
        let bytes = commits.iter().map(Commit::bytes).sum();
        let changes = commits.iter().map(Commit::changes).sum();
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return Err(Error::Closed);
        }
        waiting.calls.push_back(Call { commits, bytes, changes, answer });
        drop(waiting);
        self.arrived.notify_one();
        Ok(receiver)
    }

    /// The writer, if nobody has it and nobody waits for it.
    fn idle_writer(&self) -> Option<MutexGuard<'_, Option<W>>> {
        let writer = self.writer.try_lock()?;
        let waiting = self.waiting.lock();
        (waiting.calls.is_empty() && !waiting.crowded && !waiting.closing).then_some(writer)
    }

    fn commit_alone(&self, mut writer: MutexGuard<'_, Option<W>>, commits: Vec<Commit>) -> Answer {
        let Some(writer) = writer.as_mut() else { return Err(Error::Closed) };
        let mut answers = write(writer, vec![commits]);
        if writer.checkpoint_is_due() {
            self.waiting.lock().checkpoint = true;
            self.arrived.notify_one();
        }
        answers.pop().unwrap_or_else(|| Err(lost()))
    }

    /// The writer's thread.
    fn serve(&self) {
        let (mut answered, mut patience) = (0, Patience::none());
        loop {
            self.gather(answered, patience);
            let mut waiting = self.waiting.lock();
            while waiting.calls.is_empty() && !waiting.checkpoint {
                if waiting.closing {
                    return;
                }
                self.arrived.wait(&mut waiting);
            }
            drop(waiting);
            // The writer first and then the queue: what is taken from the queue is written next, by this thread,
            // so that no later call can overtake it.
            let mut writer = self.writer.lock();
            let calls = self.take_batch();
            let (commits, answers): (Vec<_>, Vec<_>) =
                calls.into_iter().map(|call| (call.commits, call.answer)).unzip();
            let Some(writer) = writer.as_mut() else { return };
            answered = commits.len();
            let begun = Stopwatch::start();
            let results = if commits.is_empty() { Vec::new() } else { write(writer, commits) };
            patience = begun.share(GATHER_SHARE, GATHER_MAX);
            for (answer, result) in answers.into_iter().zip(results) {
                // A caller who has dropped its future is not there to be told.
                let _ = answer.send(result);
            }
            // A panic in what is told of a checkpoint must not end the thread that others wait for.
            if catch_unwind(AssertUnwindSafe(|| writer.checkpoint_if_due())).is_err() {
                writer.stop("the writer panicked");
            }
        }
    }

    /// Waits a little for callers who were answered together, since they mostly come again together: then one transaction serves
    /// all, and not in turns one half of them and the other. It is a small part of the time that the last transaction took.
    fn gather(&self, answered: usize, patience: Patience) {
        if answered < 2 {
            return;
        }
        let expected = answered + self.waiting.lock().calls.len();
        let patience = patience.begin();
        while !patience.is_over() {
            let waiting = self.waiting.lock();
            if waiting.calls.len() >= expected || waiting.closing {
                return;
            }
            drop(waiting);
            yield_now();
        }
    }

    fn take_batch(&self) -> Vec<Call> {
        let mut waiting = self.waiting.lock();
        waiting.checkpoint = false;
        let (mut batch, mut bytes, mut changes) = (Vec::new(), 0, 0);
        while let Some(call) = waiting.calls.front() {
            bytes += call.bytes;
            changes += call.changes;
            let full =
                bytes > BATCH_BYTES_MAX || changes > BATCH_CHANGES_MAX || batch.len() == BATCH_CALLS_MAX;
            if !batch.is_empty() && full {
                break;
            }
            batch.extend(waiting.calls.pop_front());
        }
        waiting.crowded = batch.len() > 1;
        batch
    }
}
