//! The readers: a pool of connections that cannot write, and threads that read for async callers.

use std::{sync::Arc, thread, time::Instant};

use crossbeam_channel::{Sender, unbounded};
use futures_channel::oneshot;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use sessiondb_core::{Error, Result};

use crate::{
    error::{Failure, must_stop},
    options::{BUSY_TIMEOUT, READERS_MAX},
};

type Open = Box<dyn Fn() -> Result<Connection, Failure> + Send + Sync>;
type Job = Box<dyn FnOnce() + Send>;

/// The read side of a store. Connections are opened when first needed.
pub(crate) struct Readers {
    pool: Arc<Pool>,
    jobs: Mutex<Option<Sender<Job>>>,
}

struct Pool {
    open: Open,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Connections that are idle or in use.
    count: usize,
    closed: bool,
}

impl Readers {
    pub(crate) fn new(open: Open) -> Readers {
        let pool = Pool { open, state: Mutex::default(), returned: Condvar::new() };
        Readers { pool: Arc::new(pool), jobs: Mutex::default() }
    }

    /// Reads on this thread.
    pub(crate) fn read_blocking<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        self.pool.read(read)
    }

    /// Reads on a reader's thread, and waits for the answer without blocking this one.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (answer, receiver) = oneshot::channel();
        let pool = Arc::clone(&self.pool);
        let job: Job = Box::new(move || {
            // A caller who has dropped its future needs no answer.
            let _ = answer.send(pool.read(read));
        });
        self.threads()?.send(job).map_err(|_| Error::Closed)?;
        receiver.await.unwrap_or_else(|_| Err(Error::Storage("the reader's thread had panicked".into())))
    }

    /// The way to the threads, which are started by the first async read.
    fn threads(&self) -> Result<Sender<Job>> {
        if self.pool.state.lock().closed {
            return Err(Error::Closed);
        }
        let mut jobs = self.jobs.lock();
        if let Some(jobs) = jobs.as_ref() {
            return Ok(jobs.clone());
        }
        let (sender, receiver) = unbounded::<Job>();
        for i in 0..READERS_MAX {
            let receiver = receiver.clone();
            let work = move || receiver.iter().for_each(|job| job());
            thread::Builder::new()
                .name(format!("sessiondb-reader-{i}"))
                .spawn(work)
                .map_err(|e| Error::Storage(format!("a reader's thread did not start: {e}")))?;
        }
        Ok(jobs.insert(sender).clone())
    }

    /// Closes the connections that are idle, and the others as soon as they are returned. The threads end with the
    /// jobs they have.
    pub(crate) fn close(&self) {
        let mut state = self.pool.state.lock();
        state.closed = true;
        state.count -= state.idle.len();
        state.idle.clear();
        // Nobody can be reading when the writer's connection closes: the last connection to close cleans up the log.
        while state.count > 0 {
            self.pool.returned.wait(&mut state);
        }
        drop(state);
        self.jobs.lock().take();
    }
}

impl Drop for Readers {
    /// A read whose caller has gone may still run. It must not outlive the writer's connection, which cleans up.
    fn drop(&mut self) {
        self.close();
    }
}

impl Pool {
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T> {
        let lease = self.take()?;
        let Some(conn) = &lease.conn else { return Err(Error::Closed) };
        let result = in_one_snapshot(conn, read);
        if let Err(Failure::Sqlite(error)) = &result
            && must_stop(error)
        {
            // What the connection has cached may be wrong now.
            drop(lease.discard());
        }
        result.map_err(Error::from)
    }

    fn take(&self) -> Result<Lease<'_>> {
        let mut state = self.state.lock();
        let deadline = Instant::now() + BUSY_TIMEOUT;
        loop {
            if state.closed {
                return Err(Error::Closed);
            }
            if let Some(conn) = state.idle.pop() {
                return Ok(Lease { pool: self, conn: Some(conn) });
            }
            if state.count < READERS_MAX {
                state.count += 1;
                drop(state);
                let mut lease = Lease { pool: self, conn: None };
                lease.conn = Some((self.open)()?);
                return Ok(lease);
            }
            if self.returned.wait_until(&mut state, deadline).timed_out() {
                return Err(Error::Busy(format!("all {READERS_MAX} readers are in use")));
            }
        }
    }
}

/// A connection in use. However its user ends, it goes back.
struct Lease<'a> {
    pool: &'a Pool,
    conn: Option<Connection>,
}

impl Lease<'_> {
    /// Takes the connection out of the pool for good.
    fn discard(mut self) -> Option<Connection> {
        self.conn.take()
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        match self.conn.take() {
            // A read that panicked may have left its transaction open.
            Some(conn) if !state.closed && conn.is_autocommit() => state.idle.push(conn),
            _ => state.count -= 1,
        }
        drop(state);
        self.pool.returned.notify_all();
    }
}

/// Several statements see one state of the store.
fn in_one_snapshot<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = read(conn);
    // There is nothing to commit, and COMMIT would say once more that the file is damaged where the read got around it.
    // A connection that does not come out of its snapshot is not used again.
    if !conn.is_autocommit() {
        let _ = conn.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// How many connections this many reads needed.
    fn opened(reads: impl FnOnce(&Readers)) -> usize {
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&opened);
        let readers = Readers::new(Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Connection::open_in_memory()?)
        }));
        reads(&readers);
        readers.close();
        assert!(matches!(readers.read_blocking(|_| Ok(())), Err(Error::Closed)));
        opened.load(Ordering::SeqCst)
    }

    #[test]
    fn a_connection_is_used_again() {
        let one = opened(|readers| {
            for _ in 0..20 {
                readers.read_blocking(|_| Ok(())).unwrap();
                let refused = readers.read_blocking(|_| Err::<(), _>(Error::Invalid("no".into()).into()));
                assert_eq!(refused, Err(Error::Invalid("no".into())));
                pollster::block_on(readers.read(|_| Ok(()))).unwrap();
            }
        });
        assert_eq!(one, 1);
    }

    #[test]
    fn a_connection_whose_read_panicked_is_not_used_again() {
        let two = opened(|readers| {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                readers.read_blocking(|_| -> Result<(), Failure> { panic!("in a read") })
            }));
            assert!(panicked.is_err());
            readers.read_blocking(|_| Ok(())).unwrap();
        });
        assert_eq!(two, 2);
    }

    #[test]
    fn there_are_never_more_connections_than_allowed() {
        let most = opened(|readers| {
            std::thread::scope(|scope| {
                for _ in 0..32 {
                    scope.spawn(|| (0..50).for_each(|_| readers.read_blocking(|_| Ok(())).unwrap()));
                }
            });
        });
        assert!((1..=READERS_MAX).contains(&most), "{most}");
    }
}
