//! Descriptors of databases that are opened beside SQLite, and never closed.
//!
//! Closing any descriptor of a file drops every lock that this process has on it, those of SQLite's connections too
//! (<https://www.sqlite.org/howtocorrupt.html>, 2.2). So nothing but SQLite opens a database, with this exception: one
//! descriptor a file, kept open until the process ends or the file is deleted, and not more than [`KEPT_MAX`] of them but for
//! what cannot do without.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;

/// Most descriptors that are kept for what can be done without.
pub(crate) const KEPT_MAX: usize = 64;

static KEPT: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());

/// The descriptor of this file, for reading and syncing; `None` if there are so many already.
///
/// # Errors
/// If it cannot be opened.
pub(crate) fn kept_open(path: &Path, most: usize) -> io::Result<Option<Arc<File>>> {
    let mut kept = KEPT.lock();
    // Of a deleted file nobody can have use of a lock any more.
    kept.retain(|file| names(file).is_ok_and(|names| names > 0));
    let wanted = identity(&fs::metadata(path)?);
    for file in kept.iter() {
        if identity(&file.metadata()?) == wanted {
            return Ok(Some(Arc::clone(file)));
        }
    }
    if kept.len() >= most {
        return Ok(None);
    }
    let file = Arc::new(File::open(path)?);
    kept.push(Arc::clone(&file));
    Ok(Some(file))
}

#[cfg(unix)]
fn names(file: &File) -> io::Result<u64> {
    file.metadata().map(|meta| std::os::unix::fs::MetadataExt::nlink(&meta))
}

#[cfg(not(unix))]
fn names(_: &File) -> io::Result<u64> {
    Ok(1)
}

/// Device and inode.
#[cfg(unix)]
fn identity(meta: &fs::Metadata) -> (u64, u64) {
    (std::os::unix::fs::MetadataExt::dev(meta), std::os::unix::fs::MetadataExt::ino(meta))
}

/// Where files have no numbers, one descriptor stands for each time of creation.
#[cfg(not(unix))]
fn identity(meta: &fs::Metadata) -> Option<std::time::SystemTime> {
    meta.created().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(path: &Path) -> io::Result<Arc<File>> {
        kept_open(path, KEPT_MAX).map(Option::unwrap)
    }

    #[test]
    fn a_file_has_one_descriptor_and_it_goes_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        assert!(kept(&path).is_err());
        fs::write(&path, "1").unwrap();
        let first = kept(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &kept(&path).unwrap()));
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_some(), "it was closed");
        let other = dir.path().join("other.db");
        fs::write(&other, "2").unwrap();
        fs::remove_file(&path).unwrap();
        kept(&other).unwrap();
        assert!(weak.upgrade().is_none(), "a deleted file keeps its place on the disk");
    }
}
