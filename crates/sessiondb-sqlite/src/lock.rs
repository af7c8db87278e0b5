//! The side lock: whose turn it is to write, among processes.
//!
//! SQLite lets one process write at a time, but a process that waits for its turn sleeps and tries again, so one that
//! writes without pause can keep the others from ever finding it free. A lock of the operating system round each write
//! transaction queues them instead. It is taken on a file of its own beside the
//! database, never on the database: closing any descriptor of that would drop SQLite's locks. The system drops it
//! when its holder dies, so no stale lock can remain.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// The lock of one store, held between [`acquire`](SideLock::acquire) and the drop of what it returns.
pub(crate) struct SideLock {
    file: File,
}

pub(crate) struct Turn<'a> {
    file: &'a File,
}

impl SideLock {
    /// Opens `<database>-lock`, made with mode 0600 if it is not there.
    pub(crate) fn open(database: &Path) -> io::Result<SideLock> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(SideLock { file: options.open(path(database))? })
    }

    /// Waits for this process's turn to write.
    pub(crate) fn acquire(&self) -> io::Result<Turn<'_>> {
        self.file.lock()?;
        Ok(Turn { file: &self.file })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::error!(%error, "the side lock could not be released");
        }
    }
}

fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}
