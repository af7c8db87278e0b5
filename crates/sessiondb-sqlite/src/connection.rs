//! Opening the database: the only place where a connection is made, and where its settings are made and read back.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, config::DbConfig, ffi, wal::CheckpointMode};
use sessiondb_core::{Error, Result};

use crate::{
    Options,
    error::{Failure, puts_the_disk_in_doubt},
    lock::SideLock,
    migrate::{self, Kind},
    options::{BUSY_TIMEOUT, LOG_BYTES_KEPT, READER_CACHE_KIB, WRITER_CACHE_KIB},
    recovery, sql_view,
};

/// The oldest SQLite without the WAL-reset bug, which can corrupt a database that several connections write and
/// checkpoint (<https://www.sqlite.org/wal.html#walresetbug>).
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// While a file is made or opened, no other thread of this process makes or opens one: closing the descriptor with
/// which a new file is made drops every lock that SQLite holds on that file in this process.
static OPENING: Mutex<()> = Mutex::new(());

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    /// It also copies the log into the database, which is no change of what is in it.
    Reader,
    /// Handed out to a caller who speaks SQL.
    Guest,
}

/// Makes sure that the file is there and ours and of today's schema. Answers where it is, its side lock and a connection
/// of this role to it.
pub(crate) fn open(options: &Options, role: Role) -> Result<(Place, SideLock, Connection)> {
    let cannot = |reason: String| Error::CannotOpen { location: options.path.display().to_string(), reason };
    let path = locate(options)?;
    recovery::before_opening(&path, options)?;
    let mut ready = false;
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
        // Through a connection that cannot write, so that a file which is not ours stays as it is to the last byte.
        let probe = |access| connect(&path, options, access).map_err(|e| cannot(describe(&e)));
        let mut conn = probe(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut kind = migrate::ours(&conn);
        if kind.as_ref().is_err_and(is_half_written) {
            // Of a store, that is one whose making was cut off, before it had its log. Whoever reads the file must first take
            // back what was begun, as every program with SQLite does, and only a connection that can write does it.
            conn = probe(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            kind = migrate::ours(&conn);
        }
        let kind = kind.map_err(|failure| relocate(failure, &cannot))?;
        ready = kind == Kind::Store(migrate::SCHEMA_VERSION)
            && sql_view::are_there(&conn, options.sql_views).map_err(|e| cannot(describe(&e)))?;
    }
    let lock =
        SideLock::open(&path).map_err(|e| cannot(format!("a file beside it that queues writers, {e}")))?;
    // A file that is ready needs no turn to write: whoever only reads does not wait for whoever writes. One that is not
    // is made ready by one process at a time, since SQLite does not wait when it switches a file to WAL.
    let turn = match ready {
        true => None,
        false => Some(lock.acquire().map_err(|e| cannot(e.to_string()))?),
    };
    let conn =
        connect(&path, options, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| cannot(describe(&e)))?;
    if conn.is_readonly(MAIN_DB).map_err(|e| cannot(describe(&e)))? {
        return Err(cannot("the file is read-only for this user; a store must be writable".into()));
    }
    if let Err(failure) = prepare(&conn).and_then(|()| sql_view::make(&conn, options.sql_views)) {
        // What was begun may be in the log, and not have been synced.
        if matches!(&failure, Failure::Sqlite(error) if puts_the_disk_in_doubt(error)) {
            lock.mark();
        }
        return Err(relocate(failure, &cannot));
    }
    configure(&conn, options, role).map_err(|failure| relocate(failure, &cannot))?;
    drop(turn);
    let place = Place::of(path).map_err(|e| cannot(e.to_string()))?;
    Ok((place, lock, conn))
}

/// Where the store's file is; it is made if it is not there and may be made.
pub(crate) fn locate(options: &Options) -> Result<PathBuf> {
    let cannot = |reason: String| Error::CannotOpen { location: options.path.display().to_string(), reason };
    check_sqlite_version(rusqlite::version_number()).map_err(cannot)?;
    if !options.create && !options.path.exists() {
        return Err(cannot("there is no store".into()));
    }
    make_file(&options.path).map_err(|e| cannot(e.to_string()))
}

/// One more connection of this role to a store that [`open`] has opened.
pub(crate) fn reopen(place: &Place, options: &Options, role: Role) -> Result<Connection, Failure> {
    let conn = connect(&place.path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Now that it is open: another file may have taken the name since.
    place.still_holds().map_err(Error::Storage)?;
    configure(&conn, options, role)?;
    Ok(conn)
}

fn check_sqlite_version(version: i32) -> Result<(), String> {
    if version >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(format!(
        "this program was built with SQLite {version}, which can corrupt a database in WAL mode; \
         it needs {SQLITE_VERSION_MIN} or newer"
    ))
}

/// Makes the file, and the directories it lies in, for their owner alone; a file that is there is not touched and
/// not even opened. What is made is synced into its directory, so that a power cut cannot take the file from under
/// the data that was acknowledged in it.
fn make_file(path: &Path) -> io::Result<PathBuf> {
    let _opening = OPENING.lock();
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_directory(directory)?;
    let path = directory.canonicalize()?.join(name);
    let log = format!("{}-wal", path.display());
    let orphaned = fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    match path.canonicalize() {
        // SQLite would take the log for a leftover, and delete it.
        Ok(real) if orphaned && fs::metadata(&real)?.len() == 0 => {
            let message = format!("it is empty, but its log, {log}, is not: bring the database back to it");
            return Err(io::Error::other(message));
        }
        Ok(real) if real.is_dir() => return Err(io::Error::other("it is a directory")),
        // A symbolic link is followed here, so that the files beside the database have one name. A hard link cannot be:
        // each name would have a log of its own, and what is written through one is lost to the other.
        Ok(real) if links(&real)? > 1 => {
            return Err(io::Error::other("the file has several names (hard links); copy it instead"));
        }
        Ok(real) => return Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if orphaned {
        let message = format!("there is no database here, but its log, {log}: move the database back to it");
        return Err(io::Error::other(message));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(file) => file.sync_all()?,
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sync_parent(&path)?;
    Ok(path)
}

/// How many names the file has.
fn links(path: &Path) -> io::Result<u64> {
    #[cfg(unix)]
    return fs::metadata(path).map(|meta| std::os::unix::fs::MetadataExt::nlink(&meta));
    #[cfg(not(unix))]
    return fs::metadata(path).map(|_| 1);
}

/// The file that was opened, and how to tell whether its path still leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
}

impl Place {
    fn of(path: PathBuf) -> io::Result<Place> {
        Ok(Place { identity: identity(&path)?, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks by the path alone, which opens nothing.
    ///
    /// # Errors
    /// What to tell the caller, if the file is not there any more or another is in its place.
    pub(crate) fn still_holds(&self) -> Result<(), String> {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            return Ok(());
        }
        Err(format!("{} was deleted, moved or replaced while the store was open", self.path.display()))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    #[cfg(unix)]
    return fs::metadata(path).map(|meta| {
        (std::os::unix::fs::MetadataExt::dev(&meta), std::os::unix::fs::MetadataExt::ino(&meta))
    });
    #[cfg(not(unix))]
    return fs::metadata(path).map(|_| (0, 0));
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).collect();
    for directory in missing.into_iter().rev() {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(directory) {
            Ok(()) => sync_parent(directory)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Directories can be synced on Unix only; elsewhere the file system does it by itself.
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

pub(crate) fn connect(path: &Path, options: &Options, access: OpenFlags) -> rusqlite::Result<Connection> {
    let _opening = OPENING.lock();
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(conn)
}

/// What is decided once for a file: its page size, that it can shrink, that it has a write-ahead log; then its schema.
fn prepare(conn: &Connection) -> Result<(), Failure> {
    if migrate::ours(conn)? == Kind::Empty {
        conn.pragma_update(None, "page_size", 4096)?;
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::Storage(format!(
            "the file system does not allow a write-ahead log (mode '{mode}')"
        ))
        .into());
    }
    // The switch is committed only after it was answered, and what went wrong then is told nobody: the file would go on with a
    // rollback journal, which a power cut can bring back. A file without a log has less than no frames in it. Somebody who
    // writes just now writes a log.
    match conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::NOOP) {
        Ok((frames, _)) if frames < 0 => {
            return Err(Error::Storage("the file could not be switched to a write-ahead log".into()).into());
        }
        Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => return Err(error.into()),
        _ => {}
    }
    migrate::run(conn)
}

fn configure(conn: &Connection, options: &Options, role: Role) -> Result<(), Failure> {
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // A plan that looks at what is bound is made anew for every value: an append would compile its query each time.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        conn.set_db_config(config, on)?;
    }
    // The schema's triggers are for rows by hand. With them SQLite makes every insert of a message take a copy of each page
    // that it changes, to be able to take back the statement alone; the engine keeps the counts by itself.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, role != Role::Writer)?;
    // The connection that closes last copies the log, and that may not be done by one that does not know what went wrong.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, role == Role::Reader)?;
    conn.set_prepared_statement_cache_capacity(64);
    let cache_kib = if role == Role::Reader { READER_CACHE_KIB } else { WRITER_CACHE_KIB };
    let wanted = [
        ("synchronous", options.durability.synchronous()),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("cache_size", -cache_kib),
        // What is deleted is overwritten, so that it is not in the file any more once the log is copied into it.
        ("secure_delete", 1),
        ("journal_size_limit", LOG_BYTES_KEPT),
        // What a savepoint may have to take back is kept in memory and not in a file under /tmp.
        ("temp_store", 2),
        ("query_only", i64::from(role == Role::Reader)),
        // On macOS a plain fsync leaves data in the drive's own cache.
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
    ];
    for (pragma, value) in wanted {
        conn.pragma_update(None, pragma, value)?;
        // Unknown or refused pragmas are silent: what is not read back was not set.
        let found: Option<i64> = conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).ok();
        if found.is_some_and(|found| found != value) || (found.is_none() && pragma != "mmap_size") {
            let found = found.map_or("nothing".into(), |found| found.to_string());
            return Err(
                Error::Storage(format!("SQLite did not take {pragma} = {value}: it says {found}")).into()
            );
        }
    }
    if role == Role::Writer {
        // The writer checkpoints in its own turn, where an error has somebody to be told to.
        let off: i64 = conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |row| row.get(0))?;
        debug_assert_eq!(off, 0);
    }
    Ok(())
}

/// Whether a transaction was broken off that was written over the database itself, with a rollback journal beside it.
fn is_half_written(failure: &Failure) -> bool {
    let Failure::Sqlite(error) = failure else { return false };
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

pub(crate) fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is not a SQLite database; nothing was changed".into(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            format!("{error} (is the file, and the directory it lies in, writable for this user?)")
        }
        _ => error.to_string(),
    }
}

/// What went wrong while opening, told of the file that was to be opened.
pub(crate) fn relocate(failure: Failure, cannot: &dyn Fn(String) -> Error) -> Error {
    match failure {
        Failure::Sqlite(error) => cannot(describe(&error)),
        Failure::Store(Error::CannotOpen { reason, .. }) => cannot(reason),
        Failure::Store(error) => cannot(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_with_the_wal_reset_bug_is_refused() {
        assert!(check_sqlite_version(3_051_002).unwrap_err().contains("3051002"));
        assert_eq!(check_sqlite_version(3_051_003), Ok(()));
        assert_eq!(check_sqlite_version(rusqlite::version_number()), Ok(()));
    }

    #[test]
    fn every_setting_is_read_back_for_every_role() {
        let dir = tempfile::tempdir().unwrap();
        for durability in [crate::Durability::Full, crate::Durability::Normal] {
            let options = Options::new(dir.path().join("s.db")).durability(durability);
            let (path, _, writer) = open(&options, Role::Writer).unwrap();
            let reader = reopen(&path, &options, Role::Reader).unwrap();
            let get = |conn: &Connection, pragma: &str| -> i64 {
                conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
            };
            assert_eq!(get(&writer, "synchronous"), durability.synchronous());
            assert_eq!(get(&writer, "auto_vacuum"), 2);
            assert_eq!(get(&writer, "wal_autocheckpoint"), 0);
            assert_eq!(get(&reader, "query_only"), 1);
            assert!(reader.execute("DELETE FROM sessions", []).is_err());
            for conn in [&writer, &reader] {
                assert_eq!(get(conn, "foreign_keys"), 1);
                assert_eq!(get(conn, "trusted_schema"), 0);
                assert_eq!(get(conn, "cell_size_check"), 1);
                assert!(conn.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
            }
            let guest = reopen(&path, &options, Role::Guest).unwrap();
            let triggers =
                |conn: &Connection| conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER).unwrap();
            assert!(triggers(&guest) && !triggers(&writer));
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_are_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let options = Options::new(dir.path().join("new/deeper/s.db"));
        let (path, _lock, conn) = open(&options, Role::Writer).unwrap();
        conn.execute_batch("INSERT INTO commits (session_id, revision, what, at) VALUES (1, 1, '', '')")
            .unwrap();
        let path = path.path;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);
        for suffix in ["", "-wal", "-shm", "-lock", "-next"] {
            assert_eq!(mode(Path::new(&format!("{}{suffix}", path.display()))), 0o600, "{suffix}");
        }
    }
}
