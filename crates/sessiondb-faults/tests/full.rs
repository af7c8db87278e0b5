//! A disk without room, and a checkpoint that fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{env, fmt, fs, os::unix::fs::MetadataExt, path::Path, process::Command, sync::Once};

use parking_lot::Mutex;
use pollster::block_on;
use sessiondb_core::{Error, NewMessage, Receipt, SessionKey, Store, Window};
use sessiondb_faults::{Disk, Event, Fault, FaultKind, Lasting, NAME, Op};
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
    for _ in 0..12 {
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
    // The first sync is the log's, the second the database's.
    disk.fail(Fault { op: Op::Sync, nth: 2, kind: FaultKind::Eio, lasting: Lasting::Once });
    block_on(store.optimize()).unwrap();
    assert!(ERRORS.lock().iter().any(|error| error == "the checkpoint failed"), "{:?}", ERRORS.lock());
    assert!(matches!(append(&store, 10), Err(Error::Stopped(_))));
    assert_eq!(messages(&store), 1);
    drop(store);
    let store = open(dir.path(), &disk);
    append(&store, 10).unwrap();
    assert_eq!(messages(&store), 2);
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
