//! The index of words: behind, damaged, and beside what others may not see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{path::Path, sync::Arc, time::Duration};

use pollster::block_on;
use rusqlite::Connection;
use sessiondb_core::{NewMessage, Scope, Search, SessionKey, Store};
use sessiondb_sqlite::{Options, SqliteBackend};

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap())).for_blocking()
}

fn key(agent: &str) -> SessionKey {
    SessionKey::new(agent, "c", "", "dm", "ann")
}

fn say(store: &Store, agent: &str, count: usize) {
    let messages = (0..count).map(|n| NewMessage::new("user", format!("word number{n}"))).collect();
    block_on(store.append(&key(agent), messages)).unwrap();
}

fn found(store: &Store, q: &str) -> usize {
    let (mut search, mut count) = (Search { limit: 1_000, ..Search::new(q).unwrap() }, 0);
    loop {
        let page = block_on(store.search(&search)).unwrap();
        count += page.hits.len();
        search.cursor = page.next;
        if search.cursor.is_none() {
            return count;
        }
    }
}

/// FTS5 says of its own damage that the database is malformed: writes stopped, and nothing made the index anew.
#[test]
fn a_damaged_index_is_made_anew_and_stops_nobody() {
    for damage in [
        "DELETE FROM search_data WHERE id > 100",
        "UPDATE search_data SET block = x'0000000000000001' WHERE id = 10",
        "UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 100",
        "DELETE FROM search_idx",
        "DELETE FROM search_docsize WHERE id % 2 = 0",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let store = open(&path);
        say(&store, "a", 500);
        block_on(store.optimize()).unwrap();
        say(&store, "a", 500);
        block_on(store.close()).unwrap();
        drop(store);
        let plain = Connection::open(&path).unwrap();
        assert!(plain.execute(damage, []).unwrap() > 0, "{damage}");
        drop(plain);
        let store = open(&path);
        say(&store, "a", 10);
        // What is told meanwhile may be an error, but not for ever, and nobody else is kept from anything.
        for _ in 0..3 {
            let _ = block_on(store.optimize());
            say(&store, "a", 10);
        }
        block_on(store.optimize()).unwrap();
        let report = block_on(store.check()).unwrap();
        if report.is_clean() {
            assert_eq!((found(&store, "word"), found(&store, "number7")), (1_040, 6), "{damage}");
        } else {
            // What only a look at everything sees is told by the check.
            assert!(
                report.findings[0].at.contains("index") || report.findings[0].what.contains("fts5"),
                "{report:?}"
            );
        }
        assert_eq!(block_on(store.session(&key("a"))).unwrap().unwrap().message_count, 1_040);
    }
}

/// A session of somebody else's that cannot be read was an error in everybody's search.
#[test]
fn what_is_damaged_elsewhere_is_nobodys_business() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    say(&store, "mine", 3);
    say(&store, "other", 3);
    let plain = Connection::open(&path).unwrap();
    plain
        .execute("UPDATE sessions SET view = 'no view', updated_at = 'never' WHERE agent_id = 'other'", [])
        .unwrap();
    let scoped = store.scoped(Scope::agent("mine")).unwrap();
    assert_eq!(found(&scoped, "word"), 3);
    assert!(block_on(store.search(&Search::new("word").unwrap())).is_err());
}

/// What another program has stored came into the index only when somebody committed here.
#[test]
fn who_searches_has_the_index_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let server = open(&path);
    let plain = Connection::open(&path).unwrap();
    let session = "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
                   VALUES ('a', '', '', '', '', '2026-11-19T00:00:00.000000Z', '2026-11-19T00:00:00.000000Z')";
    plain.execute(session, []).unwrap();
    for n in 0..1_500 {
        let message = "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', ?1, '2026-11-19')";
        plain.execute(message, [format!("\"word {n}\"")]).unwrap();
    }
    drop(plain);
    assert_eq!(block_on(server.status()).unwrap().unindexed, 1_500);
    assert_eq!(found(&server, "word"), 1_500);
    while block_on(server.status()).unwrap().unindexed > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(found(&server, "word"), 1_500);
}
