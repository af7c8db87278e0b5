//! The simulated disk itself: what it notes, and what its errors are to SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use rusqlite::{Connection, OpenFlags};
use sessiondb_faults::{Disk, Event, Fault, FaultKind, Lasting, Op};

fn connect(disk: &Disk, dir: &tempfile::TempDir) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags_and_vfs(dir.path().join("s.db"), flags, disk.vfs())
}

fn table(disk: &Disk, dir: &tempfile::TempDir) -> Connection {
    let conn = connect(disk, dir).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)").unwrap();
    conn
}

fn code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().unwrap().extended_code
}

#[test]
fn a_commit_is_written_synced_and_only_then_answered() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    let conn = table(&disk, &dir);
    disk.record();
    conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
    disk.acknowledged(7);
    let log = disk.take();
    let wal = "s.db-wal".into();
    assert!(matches!(&log[0], Event::Write { file, .. } if *file == wal), "{log:?}");
    assert_eq!(log[log.len() - 2..], [Event::Sync { file: wal }, Event::Acknowledged(7)], "{log:?}");
}

#[test]
fn a_new_log_is_made_and_its_directory_synced_with_its_first_sync() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    disk.record();
    drop(table(&disk, &dir));
    let log = disk.take();
    let at =
        |event: &Event| log.iter().position(|e| e == event).unwrap_or_else(|| panic!("{event:?}: {log:?}"));
    let wal = || "s.db-wal".into();
    let made = at(&Event::Open { file: wal(), created: true });
    let synced = at(&Event::Sync { file: wal() });
    assert!(made < synced, "{log:?}");
    assert_eq!(log[synced + 1], Event::SyncDirectory);
    assert!(at(&Event::Delete { file: wal(), dir_synced: false }) > synced, "{log:?}");
}

#[test]
fn each_error_is_what_the_unix_vfs_makes_of_it() {
    use FaultKind::{Eio, Enospc, ShortWrite};
    for (op, kind, expected) in [
        (Op::Write, Eio, rusqlite::ffi::SQLITE_IOERR_WRITE),
        (Op::Write, Enospc, rusqlite::ffi::SQLITE_FULL),
        (Op::Write, ShortWrite, rusqlite::ffi::SQLITE_FULL),
        (Op::Sync, Eio, rusqlite::ffi::SQLITE_IOERR_FSYNC),
    ] {
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
        let conn = table(&disk, &dir);
        disk.fail(Fault { op, nth: 1, kind, lasting: Lasting::Once });
        assert_eq!(
            code(&conn.execute("INSERT INTO t VALUES (1)", []).unwrap_err()),
            expected,
            "{op:?} {kind:?}"
        );
        assert_eq!(disk.struck(), 1);
        conn.execute("INSERT INTO t VALUES (2)", []).unwrap();
    }
}

#[test]
fn a_sticky_fault_lasts_until_it_is_healed() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    let conn = table(&disk, &dir);
    disk.fail(Fault { op: Op::Write, nth: 2, kind: FaultKind::Enospc, lasting: Lasting::Sticky });
    for _ in 0..3 {
        assert_eq!(
            code(&conn.execute("INSERT INTO t VALUES (1)", []).unwrap_err()),
            rusqlite::ffi::SQLITE_FULL
        );
    }
    disk.heal();
    conn.execute("INSERT INTO t VALUES (1)", []).unwrap();
}

#[test]
fn a_file_on_a_read_only_disk_is_opened_for_reading() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    connect(&disk, &dir).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    disk.fail(Fault { op: Op::Open, nth: 1, kind: FaultKind::Erofs, lasting: Lasting::Sticky });
    let conn = connect(&disk, &dir).unwrap();
    assert!(conn.is_readonly(rusqlite::MAIN_DB).unwrap());
    assert_eq!(conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn an_error_while_opening_leaves_nothing_open() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    disk.fail(Fault { op: Op::Open, nth: 1, kind: FaultKind::Eio, lasting: Lasting::Once });
    assert_eq!(code(&connect(&disk, &dir).unwrap_err()), rusqlite::ffi::SQLITE_CANTOPEN);
    table(&disk, &dir);
}
