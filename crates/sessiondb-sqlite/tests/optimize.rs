//! Space that deleted sessions leave goes back to the file system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use pollster::block_on;
use sessiondb_core::{NewMessage, SessionKey, Store, Window};
use sessiondb_sqlite::{Options, SqliteBackend};

const MESSAGES: usize = 2_000;

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap()))
}

fn key(peer: &str) -> SessionKey {
    SessionKey::new("a", "c", "", "dm", peer)
}

/// About 8 MiB of one peer's messages.
fn fill(store: &Store, peer: &str) {
    let text = "x".repeat(4_000);
    block_on(store.append(&key(peer), (0..MESSAGES).map(|_| NewMessage::new("user", &*text)).collect()))
        .unwrap();
}

#[test]
fn the_file_shrinks_by_what_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    fill(&store, "ann");
    fill(&store, "bob");
    block_on(store.optimize()).unwrap();
    let before = fs::metadata(&path).unwrap().len();
    block_on(store.session_delete(&key("bob"))).unwrap();
    let given = block_on(store.optimize()).unwrap();
    let shrunk = before - fs::metadata(&path).unwrap().len();
    assert!(shrunk > 8_000_000, "{before} bytes shrank by {shrunk}");
    // The index of words may take a few pages before it gives others back.
    assert!((shrunk..shrunk + (1 << 18)).contains(&given), "gave {given}, shrank by {shrunk}");
    assert_eq!(block_on(store.optimize()).unwrap(), 0);
    assert!(block_on(store.check()).unwrap().is_clean());
    assert_eq!(block_on(store.session(&key("ann"))).unwrap().unwrap().message_count, MESSAGES as u64);
}

/// While it is done, others write and read, through this store and another one on the same file.
#[test]
fn others_go_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    for peer in ["ann", "bob", "eve"] {
        fill(&store, peer);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (n, own) in [store.clone(), open(&path).for_blocking()].into_iter().enumerate() {
            let done = &done;
            scope.spawn(move || {
                let key = key(&format!("writer {n}"));
                for count in 1.. {
                    // Asked before the write, so that there is at least one.
                    let last = done.load(Ordering::Acquire);
                    block_on(own.append(&key, vec![NewMessage::new("user", "hello")])).unwrap();
                    let page = block_on(own.message_window(&key, Window::last(1))).unwrap();
                    assert_eq!(page.messages[0].seq, count);
                    if last {
                        break;
                    }
                }
            });
        }
        for peer in ["ann", "bob", "eve"] {
            block_on(store.session_delete(&key(peer))).unwrap();
            assert!(block_on(store.optimize()).unwrap() > 0);
        }
        done.store(true, Ordering::Release);
    });
    assert!(block_on(store.check()).unwrap().is_clean());
}

/// The thread that had optimized held the store a moment longer than its caller, and closed it when the caller had made a
/// new one in the same place: it deleted that one's log, by its name.
#[test]
fn a_store_that_is_dropped_after_it_was_optimized_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..50 {
        let path = dir.path().join(format!("{n}.db"));
        let store = open(&path);
        block_on(store.append(&key("p"), vec![NewMessage::new("user", "x")])).unwrap();
        block_on(store.optimize()).unwrap();
        drop(store);
        assert!(!path.with_extension("db-wal").exists(), "its log is still there");
    }
}
