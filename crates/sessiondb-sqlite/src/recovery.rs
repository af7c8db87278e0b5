//! What is done about the write-ahead log before SQLite sees it: damage is told and nothing lost without a word, and what
//! an earlier process could not sync is written again before anything is built on it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Seek},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, config::DbConfig, wal::CheckpointMode};
use serde::Serialize;
use sessiondb_core::{Error, Result};

use crate::{
    Durability, Options,
    connection::{self, connect, describe, relocate},
    lock::SideLock,
    migrate,
    wal::{self, Copied, Damage},
};

/// How often a log is read until two readings say the same: a program that does not take the side lock may be writing.
const READINGS_MAX: usize = 5;

/// What [`recover`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Recovery {
    /// Where the log was copied to before anything was changed; `None` if nothing in it is damaged, and nothing was done.
    pub copy: Option<PathBuf>,
    /// Damaged frames that were put right, since the checksums prove what they were. Nothing is lost with them.
    pub mended: u64,
    /// Transactions that were in the log and are in the store.
    pub kept: u64,
    /// Transactions behind damage that could not be put right, as far as the checksums prove them. They are in the copy,
    /// and, as far as they were copied before the damage, in the database, perhaps in part: [`check`] tells.
    ///
    /// [`check`]: sessiondb_core::Store::check
    pub left_out: u64,
    /// Pages of the log that were left out with them.
    pub pages_left_out: u64,
}

/// Makes a store whose log is damaged usable again: copies the log to `<database>-wal-damaged-<n>`, puts right what the
/// checksums prove, and if that is not all, goes on with what comes before the damage. A store that is sound is left as it
/// is.
///
/// What was left out may have been copied into the database in part already, so [`check`](sessiondb_core::Store::check)
/// should follow.
///
/// # Errors
/// [`Error::CannotOpen`], with the reason, as [`SqliteBackend::open`](crate::SqliteBackend::open); also if another program
/// has the store open and still sees what is behind the damage. [`Error::Busy`] if somebody is reading it.
pub fn recover(options: Options) -> Result<Recovery> {
    let options = options.existing();
    let path = connection::locate(&options)?;
    let cannot = |reason| cannot_open(&path, reason);
    let lock = SideLock::open(&path).map_err(|e| cannot(format!("its side lock: {e}")))?;
    let _turn = lock.acquire().map_err(|e| cannot(e.to_string()))?;
    recover_in_turn(&path, &options, &lock)
}

/// Makes sure that SQLite may open the log at `path`: neither is it damaged, nor is what it says in memory only.
///
/// # Errors
/// [`Error::CannotOpen`] if the log is damaged and the store promises more than its consistency. Nothing was changed.
pub(crate) fn before_opening(path: &Path, options: &Options) -> Result<()> {
    let cannot = |reason| cannot_open(path, reason);
    let log = beside(path, "-wal");
    let unreadable = |e: io::Error| cannot(format!("its log, {}, cannot be read: {e}", log.display()));
    let suspect = wal::examine(&log).map_err(unreadable)?.is_some();
    if !suspect && !SideLock::is_marked_at(path) {
        return sync(path, &log);
    }
    let lock = SideLock::open(path).map_err(|e| cannot(format!("its side lock: {e}")))?;
    let _turn = lock.acquire().map_err(|e| cannot(e.to_string()))?;
    let damage = steady(&log).map_err(unreadable)?;
    if damage.is_some() {
        // Of somebody else's database there is nothing else to say.
        let conn = connect(path, options, OpenFlags::SQLITE_OPEN_READ_ONLY);
        refuse_others(path, &conn.map_err(|e| cannot(describe(&e)))?)?;
    }
    match damage {
        None => {}
        // A power cut may have left this: several transactions were in flight.
        Some(damage) if options.durability == Durability::Normal => {
            tracing::error!(store = %path.display(), %damage, "the log is damaged, or a power cut tore it");
            let recovery = recover_in_turn(path, options, &lock)?;
            tracing::error!(?recovery, "the store goes on with what could be kept");
        }
        Some(damage) => {
            let way = match damage.patch {
                Some(_) => "puts it right: what was there can be told from the checksums",
                None => "goes on without what is behind the damage",
            };
            return Err(cannot(format!(
                "its write-ahead log is damaged: {damage}. (A power cut leaves this too where a program writes with \
                 durability=normal.) Nothing was changed. `sessiondb recover` keeps a copy of the log and {way}"
            )));
        }
    }
    if SideLock::is_marked_at(path) {
        write_again(path, options)?;
        lock.clear_mark().map_err(|e| cannot(format!("its side lock: {e}")))?;
    }
    sync(path, &log)
}

/// A process that was killed before its sync leaves a transaction in the system's memory, which the next process finds in
/// the log. It must be on the disk before anything is answered from it: a commit that comes again with its id is answered
/// without a sync of its own.
fn sync(path: &Path, log: &Path) -> Result<()> {
    let cannot = |e: io::Error| cannot_open(path, format!("its log cannot be synced: {e}"));
    let file = match File::open(log) {
        Ok(file) => file,
        // There is none, or whoever closed the store last has just deleted it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
    };
    if file.metadata().map_err(cannot)?.len() == 0 {
        return Ok(());
    }
    file.sync_all().map_err(|error| {
        match SideLock::open(path) {
            Ok(lock) => lock.mark(),
            Err(error) => {
                tracing::error!(%error, "whoever opens the store next cannot be told that the disk failed");
            }
        }
        cannot(error)
    })
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            0 => write!(f, "its header does not check, before {} frames", self.frames)?,
            frame => write!(f, "frame {frame} of {} does not check", self.frames)?,
        }
        write!(
            f,
            "; {} transactions before it can be read, {} behind it would be lost",
            self.commits_before, self.commits_behind
        )
    }
}

fn recover_in_turn(path: &Path, options: &Options, lock: &SideLock) -> Result<Recovery> {
    let cannot = |what: &str, e: io::Error| cannot_open(path, format!("{what}: {e}"));
    let log = beside(path, "-wal");
    let examine = || steady(&log).map_err(|e| cannot("its log cannot be read", e));
    let mut recovery = Recovery::default();
    let mut rest = examine()?;
    if rest.is_some() {
        let _alone = alone(path, options)?;
        recovery.copy = Some(set_aside(&log).map_err(|e| cannot("its damaged log cannot be copied", e))?);
        while let Some(Damage { patch: Some(patch), commits_before, commits_behind, .. }) = &rest {
            wal::mend(&log, patch).map_err(|e| {
                // What is read now may not be what is on the disk.
                lock.mark();
                cannot("its log cannot be put right", e)
            })?;
            recovery.mended += 1;
            recovery.kept = commits_before + commits_behind;
            rest = examine()?;
        }
    }
    let marked = SideLock::is_marked_at(path);
    if marked {
        write_again(path, options)?;
    }
    if let Some(damage) = rest {
        cut(path, options, &damage, marked, &mut recovery)?;
    }
    if marked {
        lock.clear_mark().map_err(|e| cannot("its side lock", e))?;
    }
    Ok(recovery)
}

/// The damage that two readings in a row agree on. One reading alone may meet the log while somebody writes it.
fn steady(log: &Path) -> io::Result<Option<Damage>> {
    let mut found = wal::examine(log)?;
    for _ in 0..READINGS_MAX {
        let again = wal::examine(log)?;
        if found == again {
            return Ok(found);
        }
        found = again;
    }
    Err(io::Error::other("another program keeps writing it"))
}

/// Gives a file the owner and the rights of another.
fn belong_as(other: &Path, file: &Path) -> io::Result<()> {
    let meta = fs::metadata(other)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let ours = fs::metadata(file)?;
        if (meta.uid(), meta.gid()) != (ours.uid(), ours.gid()) {
            chown(file, Some(meta.uid()), Some(meta.gid()))?;
        }
    }
    fs::set_permissions(file, meta.permissions())
}

/// Copies the log beside itself, under the first name that is free; durable when this returns.
fn set_aside(log: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let copy = beside(log, &format!("-damaged-{number}"));
        match copy_durably(log, &copy).and_then(|()| connection::sync_parent(&copy)) {
            Ok(()) => return Ok(copy),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Copies a file to one that is not there yet, for its owner alone, and syncs it. Half a copy is none.
fn copy_durably(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut copy = options.open(to)?;
    let copied = wal::open_to_read(from).and_then(|from| {
        let mut from = &*from;
        from.rewind()?;
        io::copy(&mut from, &mut copy)?;
        copy.sync_all()
    });
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

/// Brings what comes before the damage into the database and empties the log: what is behind must not stay there, where the
/// next frames would be written over its beginning.
///
/// But SQLite may have copied the log before it was damaged. If the database has all that is in the log, nothing is lost
/// with it; and if it has a part of what is behind the damage, what comes before must not be copied over that.
fn cut(
    path: &Path,
    options: &Options,
    damage: &Damage,
    in_doubt: bool,
    recovery: &mut Recovery,
) -> Result<()> {
    let cannot = |what: &str, e: io::Error| cannot_open(path, format!("{what}: {e}"));
    let log = beside(path, "-wal");
    let alone = alone(path, options)?;
    match wal::copied(&log, path, damage).map_err(|e| cannot("it cannot be compared with its log", e))? {
        Copied::All => {
            // What was compared may be in the system's memory only.
            let synced = match in_doubt {
                true => replace(path),
                false => wal::sync_database(path),
            };
            synced.map_err(|e| cannot("it cannot be synced", e))?;
            wal::empty(&log).map_err(|e| cannot("its log cannot be emptied", e))?;
            recovery.kept = damage.commits_before + damage.commits_behind;
        }
        Copied::NothingBehind => {
            let seen = checkpoint(&alone, CheckpointMode::NOOP)?;
            if u64::try_from(seen) != Ok(damage.frames_before) {
                let reason = format!("SQLite reads {seen} frames of its log, and {damage}");
                return Err(cannot_open(path, reason));
            }
            checkpoint(&alone, CheckpointMode::TRUNCATE)?;
            recovery.kept = damage.commits_before;
            recovery.left_out = damage.commits_behind;
            recovery.pages_left_out = damage.frames_behind;
        }
        Copied::InPart => {
            return Err(cannot_open(
                path,
                format!(
                    "a part of what is behind the damage in its log was copied into the database already ({damage}), so \
                     the database is right neither with the rest nor without it. Bring it back from an archive, or \
                     copy the file and its log and let SQLite's shell read what it can (`.recover`)"
                ),
            ));
        }
    }
    Ok(())
}

/// Puts a log with the same bytes in the place of this one, which is on the disk when it has the name.
///
/// What a checkpoint had copied into the database before the sync failed is in doubt as well, and in the log. It is copied
/// again with the rest, since nobody has the store open: SQLite makes the index of the log anew, in which nothing counts as
/// copied.
fn write_again(path: &Path, options: &Options) -> Result<()> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 {
        return Ok(());
    }
    let _alone = alone(path, options)?;
    replace(&log).map_err(|e| {
        cannot_open(path, format!("its log could not be synced, and now not be written: {e}"))
    })?;
    // The system tells an error once to each descriptor, and this one's was seen to.
    wal::forget_errors(path);
    Ok(())
}

/// Puts a file with the same bytes in the place of this one, durably.
///
/// After a sync that failed, the system holds the pages for clean that it could not write: they are in its memory, where the
/// next process reads them as if they were on the disk. Written into another file they are dirty again, and its sync is a
/// true one. In their own place they would be as well, but a power cut could then leave neither what was there nor what is
/// written.
fn replace(file: &Path) -> io::Result<()> {
    let again = beside(file, "-again");
    match fs::remove_file(&again) {
        // One that was broken off.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    copy_durably(file, &again)?;
    belong_as(file, &again)?;
    fs::rename(&again, file)?;
    connection::sync_parent(file)
}

/// A connection to a store of ours while nobody else has it open, and nobody can open it. SQLite keeps the index of the log
/// to itself then, and makes it anew from the log: nothing in it counts as copied.
fn alone(path: &Path, options: &Options) -> Result<Connection> {
    let conn = connect(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let locked = conn.and_then(|conn| {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        conn.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(conn)
    });
    let conn = locked.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let reason = "another program has it open, and what the disk did to its log can be put right only while \
                          nobody has: close it there first";
            cannot_open(path, reason.into())
        }
        _ => cannot_open(path, describe(&error)),
    })?;
    refuse_others(path, &conn)?;
    Ok(conn)
}

fn refuse_others(path: &Path, conn: &Connection) -> Result<()> {
    migrate::ours(conn).map(drop).map_err(|failure| relocate(failure, &|reason| cannot_open(path, reason)))
}

/// How many frames the log has for SQLite.
fn checkpoint(conn: &Connection, mode: CheckpointMode) -> Result<i32> {
    let (frames, _) =
        conn.wal_checkpoint_v2(Some(MAIN_DB), mode).map_err(|e| crate::error::store_error(&e))?;
    Ok(frames)
}

fn cannot_open(path: &Path, reason: String) -> Error {
    Error::CannotOpen { location: path.display().to_string(), reason }
}

/// The file whose name is that of `path` and then `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
