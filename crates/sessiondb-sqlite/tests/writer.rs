//! How the writer behaves beside its promises: checkpoints, and what happens when something under it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use sessiondb_core::{Error, NewMessage, SessionKey, Store, Window};
use sessiondb_sqlite::{Options, SqliteBackend, open_connection};

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap()))
}

fn key() -> SessionKey {
    SessionKey::new("a", "c", "", "dm", "p")
}

fn append(store: &Store, text: &str) -> Result<u64, Error> {
    pollster::block_on(store.append(&key(), vec![NewMessage::new("user", text)]))
        .map(|receipt| receipt.seqs[0])
}

fn append_times(store: &Store, text: &str, times: usize) {
    for _ in 0..times {
        append(store, text).unwrap();
    }
}

fn megabytes(path: &Path, suffix: &str) -> u64 {
    fs::metadata(format!("{}{suffix}", path.display())).map_or(0, |meta| meta.len() >> 20)
}

/// The log is copied into the database when it has 32 MiB, at the latest when it has 64, and written from its start again: it
/// does not grow with what is written.
#[test]
fn the_log_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let (store, text) = (open(&path), "x".repeat(1 << 20));
    for blocking in [false, true] {
        let store = if blocking { store.for_blocking() } else { store.clone() };
        append_times(&store, &text, 160);
        let log = megabytes(&path, "-wal");
        assert!((32..=66).contains(&log), "the log has {log} MiB");
    }
    assert!(megabytes(&path, "") >= 100);
}

/// A reader that holds a snapshot keeps the log from being emptied, but neither waits for the writer nor makes it
/// wait. When it has gone, the log is used from its start again.
#[test]
fn a_reader_does_not_hold_up_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let (store, text) = (open(&path), "x".repeat(1 << 20));
    append(&store, "first").unwrap();
    let reader = open_connection(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM messages").unwrap();
    let count = || reader.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 1);
    append_times(&store, &text, 40);
    assert_eq!(count(), 1, "the reader sees what it saw");
    let grown = megabytes(&path, "-wal");
    assert!(grown >= 40, "the log has {grown} MiB");
    reader.execute_batch("COMMIT").unwrap();
    append_times(&store, &text, 40);
    assert!(megabytes(&path, "-wal") <= grown + 6, "the log goes on growing after the reader has gone");
}

/// A writer that is not ours and holds the lock: the answer is "busy", nothing is written, and later all is well.
#[test]
fn a_foreign_writer_is_waited_for_and_then_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    append(&store, "one").unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = append(&store, "two").unwrap_err();
    assert!(matches!(error, Error::Busy(_)) && error.is_retryable(), "{error:?}");
    foreign.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append(&store, "three"), Ok(2));
}

/// An index that refuses a message stands for whatever SQLite may refuse in one call of many: the others are written.
#[test]
fn a_call_that_sqlite_refuses_takes_nothing_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    append(&store, "bad").unwrap();
    let refuse = "CREATE UNIQUE INDEX refuse ON messages (content) WHERE content LIKE '%bad%'";
    Connection::open(&path).unwrap().execute_batch(refuse).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let results: Vec<Result<u64, Error>> = runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|i| {
                let (store, text) = (store.clone(), if i % 10 == 3 { "bad" } else { "good" });
                let messages = vec![NewMessage::new("user", "before"), NewMessage::new("user", text)];
                tokio::spawn(
                    async move { store.append(&key(), messages).await.map(|receipt| receipt.seqs[1]) },
                )
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    });
    let refused =
        results.iter().filter(|result| matches!(result, Err(Error::Storage(why)) if why.contains("UNIQUE")));
    assert_eq!(refused.count(), 10);
    let page = pollster::block_on(store.message_window(&key(), Window::last(1_000))).unwrap();
    assert_eq!(page.messages.len(), 1 + 2 * 90, "a refused call leaves nothing, not even its first message");
    assert!(page.messages.iter().map(|message| message.seq).eq(1..=181));
    assert!(pollster::block_on(store.check()).unwrap().is_clean());
}

/// A file that was deleted or replaced under a running writer would take with it what is acknowledged from then on.
#[test]
fn writes_stop_when_the_file_is_replaced() {
    for blocking in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let store = if blocking { open(&path).for_blocking() } else { open(&path) };
        append(&store, "one").unwrap();
        fs::rename(&path, dir.path().join("moved.db")).unwrap();
        let stopped = |result: Result<u64, Error>| match result {
            Err(Error::Stopped(reason)) => assert!(reason.contains("deleted, moved or replaced"), "{reason}"),
            other => panic!("{other:?}"),
        };
        stopped(append(&store, "two"));
        fs::rename(dir.path().join("moved.db"), &path).unwrap();
        // It may have been anything meanwhile: only opening again looks at it anew.
        stopped(append(&store, "three"));
        assert_eq!(append(&open(&path), "four"), Ok(2));
    }
}

/// A newer program may change the schema of a store that an older one has open.
#[test]
fn writes_stop_when_the_schema_becomes_newer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    append(&store, "one").unwrap();
    let newer = "INSERT INTO schema_version VALUES (99, 'future', '')";
    Connection::open(&path).unwrap().execute_batch(newer).unwrap();
    let error = append(&store, "two").unwrap_err();
    assert!(matches!(&error, Error::Stopped(reason) if reason.contains("version 99")), "{error:?}");
    assert_eq!(pollster::block_on(store.session(&key())).unwrap().unwrap().message_count, 1);
}

/// Whoever has the side lock has the turn: a write waits for it, and goes on when it is given back.
#[test]
fn a_write_waits_for_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    append(&store, "one").unwrap();
    let other = fs::File::options().write(true).open(dir.path().join("s.db-lock")).unwrap();
    let given_back = AtomicBool::new(false);
    for blocking in [false, true] {
        let store = if blocking { store.for_blocking() } else { store.clone() };
        other.lock().unwrap();
        given_back.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                append(&store, "two").unwrap();
                assert!(given_back.load(Ordering::SeqCst), "written out of turn");
            });
            // Time enough for a writer that does not wait; one that does is right whenever the lock is given back.
            thread::sleep(Duration::from_millis(200));
            given_back.store(true, Ordering::SeqCst);
            other.unlock().unwrap();
            writer.join().unwrap();
        });
    }
}

/// SQLite removes a log by its name when the last connection to a database closes. If the file was replaced meanwhile,
/// the log of that name is the new one's, with what was acknowledged in it. SQLite asks before whether the file has
/// moved; this holds it to that.
#[test]
fn closing_a_replaced_store_leaves_the_new_ones_log_alone() {
    for tries_to_write in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let old = open(&path);
        append(&old, "old").unwrap();
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
        }
        let new = open(&path);
        append(&new, "new").unwrap();
        if tries_to_write {
            assert!(matches!(append(&old, "lost"), Err(Error::Stopped(_))));
        }
        pollster::block_on(old.close()).unwrap();
        assert!(fs::metadata(format!("{}-wal", path.display())).is_ok_and(|log| log.len() > 0));
        // As a crash would leave it: nothing is tidied up by the new store itself.
        let copy = dir.path().join("copy.db");
        for suffix in ["", "-wal"] {
            fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display())).unwrap();
        }
        assert_eq!(append(&open(&copy), "next"), Ok(2));
    }
}

/// A reader is connected when it is first needed. It must not be connected to another file of the same name.
#[test]
fn a_replaced_store_is_not_read_in_place_of_the_one_that_was_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let old = open(&path);
    append(&old, "old").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
    }
    append(&open(&path), "new").unwrap();
    let error = pollster::block_on(old.message_window(&key(), Window::last(1))).unwrap_err();
    assert!(error.to_string().contains("deleted, moved or replaced"), "{error}");
}
