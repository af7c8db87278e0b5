//! A log that is written again by whoever opens the store after a failed sync: another file takes its place. The engine does so
//! with the operating system and not through the VFS; that it did is seen by the file's number, and only then told to the
//! disk's log.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::{Result, ensure};
use sessiondb_sqlite::{Options, recover};

use crate::disk::Disk;

/// Does what opening does first, and answers whether the log was written again.
pub(crate) fn before_opening(path: &Path, disk: &Disk) -> Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let log = path.with_file_name(format!("{name}-wal"));
    let number = || fs::metadata(&log).ok().filter(|meta| meta.len() > 0).map(|meta| meta.ino());
    let before = number();
    let recovery = recover(Options::new(path).vfs(disk.vfs()))?;
    ensure!(recovery.copy.is_none(), "the log is called damaged: {recovery:?}");
    let written = number() != before;
    if written {
        disk.written_again(&format!("{name}-wal"), fs::read(&log)?);
    }
    Ok(written)
}
