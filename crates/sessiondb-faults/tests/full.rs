//! A disk without room, and a checkpoint that fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{env, fmt, fs, os::unix::fs::MetadataExt, path::Path, process::Command, sync::Once};

use parking_lot::Mutex;
use pollster::block_on;
use rusqlite::{Connection, OpenFlags};
use sessiondb_core::{Error, NewMessage, Receipt, SessionKey, Store, Window};
use sessiondb_faults::{Damage, Disk, Event, Fault, FaultKind, Lasting, Medium, NAME, Op};
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

fn append(store: &Store, bytes: usize) -> Result<Receipt, Error> {
    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    block_on(store.append(&key, vec![NewMessage::new("user", "m".repeat(bytes))]))
}

fn messages(store: &Store) -> usize {
    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    block_on(store.session(&key)).unwrap().unwrap().message_count as usize
}

fn open(directory: &Path, disk: &Disk) -> Store {
    block_on(sessiondb::open(&format!("sqlite:{}/{NAME}?vfs={}", directory.display(), disk.vfs()))).unwrap()
}

/// Errors that were traced.
static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Errors;

impl Visit for Errors {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            ERRORS.lock().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Errors);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn trace() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Errors).unwrap());
}

#[test]
fn a_checkpoint_without_room_is_told_and_tried_again_by_itself() {
    trace();
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    let store = open(dir.path(), &disk);
    append(&store, 100_000).unwrap();
    disk.fail(Fault { op: Op::Write, nth: 1, kind: FaultKind::Enospc, lasting: Lasting::Sticky });
    block_on(store.optimize()).unwrap();
    assert!(disk.struck() > 0);
    assert!(ERRORS.lock().iter().any(|error| error == "the checkpoint failed"), "{:?}", ERRORS.lock());
    assert!(matches!(append(&store, 10), Err(Error::Full(_))));
    assert_eq!(messages(&store), 1);
    disk.heal();
    append(&store, 10).unwrap();
    disk.record();
    // More than the 64 MiB at which the log is copied at the latest.
    for _ in 0..140 {
        append(&store, 500_000).unwrap();
    }
    block_on(store.close()).unwrap();
    // Before the log was deleted, which is when the store is closed, it had been copied and begun anew.
    let log = disk.take();
    let begun_anew =
        |event: &Event| matches!(event, Event::Write { file, offset: 0, .. } if **file == *"s.db-wal");
    let copied =
        log.iter().position(|event| matches!(event, Event::Sync { file } if **file == *NAME)).unwrap();
    assert!(log[copied..].iter().any(begun_anew));
}

/// What was to be copied is in the log and stays there; but a disk that failed once is not trusted with more.
#[test]
fn a_checkpoint_that_cannot_be_synced_is_told_and_stops_writes() {
    trace();
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    let store = open(dir.path(), &disk);
    append(&store, 1_000).unwrap();
    // The first sync is that of the index, then come the log's and the database's.
    disk.fail(Fault { op: Op::Sync, nth: 3, kind: FaultKind::Eio, lasting: Lasting::Once });
    block_on(store.optimize()).unwrap();
    assert!(ERRORS.lock().iter().any(|error| error == "the checkpoint failed"), "{:?}", ERRORS.lock());
    assert!(matches!(append(&store, 10), Err(Error::Stopped(_))));
    assert_eq!(messages(&store), 1);
    drop(store);
    let store = open(dir.path(), &disk);
    append(&store, 10).unwrap();
    assert_eq!(messages(&store), 2);
}

/// The thread that copies the log beside the writer meets the error, and nobody waits for it.
#[test]
fn a_checkpoint_beside_the_writer_that_cannot_be_synced_stops_writes() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    let store = open(dir.path(), &disk);
    disk.fail_syncs_of(NAME);
    let mut acknowledged = 0;
    // At the latest with 64 MiB in the log the writer itself copies it, and meets the error.
    let error = loop {
        match append(&store, 500_000) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 150, "{acknowledged} appends after a database that cannot be synced");
    };
    assert!(matches!(error, Error::Stopped(_)), "{error:?}");
    assert!(acknowledged >= 60, "{acknowledged}");
    disk.heal();
    assert!(matches!(append(&store, 10), Err(Error::Stopped(_))));
    assert_eq!(messages(&store), acknowledged);
    block_on(store.close()).unwrap();
    let store = open(dir.path(), &disk);
    append(&store, 10).unwrap();
    assert_eq!(messages(&store), acknowledged + 1);
}

/// While somebody reads, a checkpoint copies what the reader does not need, does not sync it, and SQLite goes on from there
/// the next time. Then a sync failed, which may have been that of all of this. The store stopped; but when it was closed,
/// what was left was copied, its sync was a good one, and the log was deleted, with the only sound copy of what came first.
#[test]
fn what_was_copied_before_a_sync_failed_is_copied_again() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::new().unwrap());
    disk.record();
    let store = open(dir.path(), &disk);
    append(&store, 10_000).unwrap();
    let path = dir.path().join(NAME);
    let reader =
        Connection::open_with_flags_and_vfs(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, disk.vfs()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM messages").unwrap();
    append(&store, 10_000).unwrap();
    block_on(store.optimize()).unwrap();
    drop(reader);
    append(&store, 10_000).unwrap();
    disk.fail_syncs_of(NAME);
    block_on(store.optimize()).unwrap();
    assert!(disk.struck() > 0);
    disk.heal();
    assert!(matches!(append(&store, 10), Err(Error::Stopped(_))));
    block_on(store.close()).unwrap();

    let mut log = disk.take();
    let power_cut = |log: &[Event]| {
        let mut medium = Medium::new([(NAME.into(), Vec::new())]);
        log.iter().for_each(|event| medium.play(event));
        // In some of them the log is there that was deleted last.
        for seed in 0..20 {
            let place = tempfile::tempdir().unwrap();
            medium.cut(Damage::Subset, &mut fastrand::Rng::with_seed(seed), place.path()).unwrap();
            let store = block_on(sessiondb::open(&place.path().join(NAME).display().to_string())).unwrap();
            assert_eq!(messages(&store), 3);
            assert!(block_on(store.check()).unwrap().is_clean());
        }
    };
    power_cut(&log);
    // Opened again, on a disk that works, and closed, which deletes the log.
    disk.record();
    block_on(open(dir.path(), &disk).close()).unwrap();
    assert!(!dir.path().join(format!("{NAME}-wal")).exists());
    log.extend(disk.take());
    power_cut(&log);
}

/// A file system of a few megabytes, in a mount namespace of its own, in which this test runs again.
#[test]
fn a_store_on_a_disk_that_is_really_full_goes_on_when_there_is_room() {
    const DIRECTORY: &str = "SESSIONDB_TEST_DISK";
    if let Ok(directory) = env::var(DIRECTORY) {
        return fill(Path::new(&directory));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    let script = r#"set -eu
        mount -t tmpfs -o size=6m tmpfs "$SESSIONDB_TEST_DISK"
        exec "$TEST" --exact a_store_on_a_disk_that_is_really_full_goes_on_when_there_is_room --nocapture"#;
    let output = unshare
        .args(["--mount", "sh", "-c", script])
        .env("TEST", env::current_exe().unwrap())
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

fn fill(directory: &Path) {
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    let store = block_on(sessiondb::open(&directory.join(NAME).display().to_string())).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match append(&store, 4_000) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full(_)), "{error:?}");
    assert!(matches!(append(&store, 4_000), Err(Error::Full(_))));
    assert!(acknowledged > 50, "{acknowledged}");
    assert_eq!(messages(&store), acknowledged);
    fs::remove_file(ballast).unwrap();
    append(&store, 4_000).unwrap();
    assert_eq!(messages(&store), acknowledged + 1);
    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    assert_eq!(block_on(store.message_window(&key, Window::last(10))).unwrap().messages.len(), 10);
    assert!(block_on(store.check()).unwrap().is_clean());
}
