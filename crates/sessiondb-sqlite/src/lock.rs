//! The side lock: whose turn it is to write, among processes.
//!
//! SQLite lets one process write at a time, but a process that waits for its turn sleeps and tries again, so one that
//! writes without pause can keep the others from ever finding it free. A lock of the operating system round each write
//! transaction queues them instead. It is taken on a file of its own beside the database, never on the database: closing
//! any descriptor of that would drop SQLite's locks. The system drops it when its holder dies, so no stale lock can
//! remain.
//!
//! The file is empty, but for the word that a process leaves in it when the disk has failed ([`mark`](SideLock::mark)).

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use crate::options::TURN_TIMEOUT;

/// The lock of one store, held between [`acquire`](SideLock::acquire) and the drop of what it returns.
pub(crate) struct SideLock {
    path: PathBuf,
    file: File,
}

/// This process's turn to write.
pub(crate) enum Turn<'a> {
    Taken(&'a File),
    /// Waited for, with a descriptor of its own, which releases the lock when it is closed.
    WaitedFor(#[expect(dead_code, reason = "it is there to be dropped")] File),
}

impl SideLock {
    /// Opens `<database>-lock`, made with mode 0600 if it is not there.
    pub(crate) fn open(database: &Path) -> io::Result<SideLock> {
        let path = beside(database);
        Ok(SideLock { file: open(&path)?, path })
    }

    /// Leaves word, for whoever opens the store next, that the disk failed: what the write-ahead log says may be in the
    /// system's memory only. The word need not reach the disk, since a power cut takes that memory too, and it is a length
    /// without content, for which a full disk has room.
    pub(crate) fn mark(&self) -> io::Result<()> {
        self.file.set_len(1)
    }

    /// Whether such a word was left. Asks by the path alone.
    pub(crate) fn is_marked(database: &Path) -> bool {
        fs::metadata(beside(database)).is_ok_and(|meta| meta.len() > 0)
    }

    /// It was seen to.
    pub(crate) fn clear_mark(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Waits for this process's turn to write.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if somebody keeps the turn for longer than [`TURN_TIMEOUT`]: a process that was
    /// stopped in the middle of a write, perhaps.
    pub(crate) fn acquire(&self) -> io::Result<Turn<'_>> {
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(Turn::Taken(&self.file)),
                Err(TryLockError::WouldBlock) => return self.wait().map(Turn::WaitedFor),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The system's lock knows no time limit, so another thread waits for it. If nobody waits for that thread any more
    /// when it has the lock, the file is closed, and the lock goes with it.
    fn wait(&self) -> io::Result<File> {
        let (path, (sender, receiver)) = (self.path.clone(), mpsc::channel());
        thread::Builder::new().name("sessiondb-turn".into()).spawn(move || {
            let _ = sender.send(open(&path).and_then(locked));
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

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    path.into()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
