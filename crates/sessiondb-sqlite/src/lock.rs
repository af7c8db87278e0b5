//! The side lock: whose turn it is to write, among processes.
//!
//! SQLite lets one process write at a time, but a process that waits for its turn sleeps and tries again, so one that
//! writes without pause can keep the others from ever finding it free. Two locks of the operating system round each write
//! transaction queue them instead: who wants to write first takes the lock on who is next, then the turn, and then gives up
//! being next. Who has just written must so queue behind who is next already. Only for a moment ([`RUN`]) after it has
//! queued may a process take the turn again past the others, since handing it over costs as much as a commit.
//!
//! The locks are on files of their own beside the database, never on the database: closing any descriptor of that would drop
//! SQLite's locks. The system drops them when their holder dies, so no stale lock can remain.
//!
//! The files are empty, but for the word that a process leaves in the first when the disk has failed
//! ([`mark`](SideLock::mark)).

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::options::TURN_TIMEOUT;

/// How long after it has queued a process may write again without queuing.
const RUN: Duration = Duration::from_millis(5);

/// The lock of one store, held between [`acquire`](SideLock::acquire) and the drop of what it returns.
pub(crate) struct SideLock {
    database: PathBuf,
    turn: File,
    next: File,
    /// When this process last came to its turn by queuing.
    queued: Mutex<Option<Instant>>,
    /// The disk failed under this process, also if the word of it could not be left.
    failed: AtomicBool,
}

/// This process's turn to write.
pub(crate) enum Turn<'a> {
    Taken(&'a File),
    /// Waited for, with a descriptor of its own, which releases the lock when it is closed.
    WaitedFor(#[expect(dead_code, reason = "it is there to be dropped")] File),
}

impl SideLock {
    /// Opens `<database>-lock` and `<database>-next`, made with mode 0600 if they are not there.
    pub(crate) fn open(database: &Path) -> io::Result<SideLock> {
        Ok(SideLock {
            turn: open(database, TURN)?,
            next: open(database, NEXT)?,
            database: database.to_owned(),
            queued: Mutex::default(),
            failed: AtomicBool::new(false),
        })
    }

    /// Leaves word, for others who have the store open and for whoever opens it next, that the disk failed: what the
    /// write-ahead log says may be in the system's memory only. The word need not reach the disk, since a power cut takes
    /// that memory too, and it is a length without content, for which a full disk has room.
    pub(crate) fn mark(&self) {
        self.failed.store(true, Ordering::Release);
        if let Err(error) = self.turn.set_len(1) {
            tracing::error!(%error, "whoever opens the store next cannot be told that the disk failed");
        }
    }

    /// Whether such a word was left, by this process or another.
    pub(crate) fn is_marked(&self) -> io::Result<bool> {
        Ok(self.failed.load(Ordering::Acquire) || self.turn.metadata()?.len() > 0)
    }

    /// Whether such a word was left at this database. Asks by the path alone.
    pub(crate) fn is_marked_at(database: &Path) -> bool {
        fs::metadata(beside(database, TURN)).is_ok_and(|meta| meta.len() > 0)
    }

    /// It was seen to.
    pub(crate) fn clear_mark(&self) -> io::Result<()> {
        self.turn.set_len(0)
    }

    /// Waits for this process's turn to write.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if somebody keeps the turn for longer than [`TURN_TIMEOUT`]: a process that was
    /// stopped in the middle of a write, perhaps.
    pub(crate) fn acquire(&self) -> io::Result<Turn<'_>> {
        let runs = self.queued.lock().is_some_and(|queued| queued.elapsed() < RUN);
        if runs && try_lock(&self.turn)? {
            return Ok(Turn::Taken(&self.turn));
        }
        let turn = match self.take_if_nobody_waits()? {
            true => Turn::Taken(&self.turn),
            false => Turn::WaitedFor(self.wait()?),
        };
        *self.queued.lock() = Some(Instant::now());
        Ok(turn)
    }

    fn take_if_nobody_waits(&self) -> io::Result<bool> {
        if !try_lock(&self.next)? {
            return Ok(false);
        }
        let taken = try_lock(&self.turn);
        self.next.unlock()?;
        taken
    }

    /// The system's locks know no time limit, so another thread waits for them. If nobody waits for that thread any more
    /// when it has the turn, the file is closed, and the lock goes with it.
    fn wait(&self) -> io::Result<File> {
        let (database, (sender, receiver)) = (self.database.clone(), mpsc::channel());
        let queue = move || {
            let _next = locked(open(&database, NEXT)?)?;
            locked(open(&database, TURN)?)
        };
        thread::Builder::new().name("sessiondb-turn".into()).spawn(move || {
            let _ = sender.send(queue());
        })?;
        receiver.recv_timeout(TURN_TIMEOUT).unwrap_or_else(|_| {
            let seconds = TURN_TIMEOUT.as_secs();
            let message =
                format!("another process has kept the turn to write for {seconds} s; is it stopped?");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Turn::Taken(file) = self
            && let Err(error) = file.unlock()
        {
            tracing::error!(%error, "the side lock could not be released");
        }
    }
}

/// The ends of the files' names: the lock of who writes, and of who is next.
const TURN: &str = "-lock";
const NEXT: &str = "-next";

fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn open(database: &Path, end: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let path = beside(database, end);
    options.open(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Whether it could be had at once.
fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn locked(file: File) -> io::Result<File> {
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
