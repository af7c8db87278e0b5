//! What people do to the tables with SQL, where forks and views are: counts stay right, and nothing is taken from a fork.
//! And a store of an older schema.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{path::Path, sync::Arc};

use pollster::block_on;
use rusqlite::Connection;
use sessiondb_core::{Commit, Error, Json, NewDocument, NewMessage, SessionKey, Store, Window, Write};
use sessiondb_sqlite::{Options, SqliteBackend, open_connection};

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap()))
}

fn key(peer: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", peer)
}

fn say(store: &Store, peer: &str, texts: &str) {
    let messages = texts.split(' ').map(|text| NewMessage::new("user", text)).collect();
    block_on(store.append(&key(peer), messages)).unwrap();
}

fn shown(store: &Store, peer: &str) -> String {
    let page = block_on(store.message_window(&key(peer), Window::last(100))).unwrap();
    let texts: Vec<_> = page.messages.iter().map(|message| message.content.get().trim_matches('"')).collect();
    let session = block_on(store.session(&key(peer))).unwrap().unwrap();
    assert_eq!(session.message_count, texts.len() as u64, "{peer} counts wrongly");
    texts.join(" ")
}

/// ann said five things; bob is a fork of the first four, of which he shows three and one of his own.
fn story(path: &Path) -> Store {
    let store = open(path);
    say(&store, "ann", "1 2 3 4 5");
    block_on(store.fork(&key("ann"), &key("bob"), Some(4))).unwrap();
    block_on(store.rewind(&key("bob"), 3)).unwrap();
    say(&store, "bob", "b");
    store
}

fn assert_clean(store: &Store) {
    let report = block_on(store.check()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_message_deleted_by_hand_is_counted_down_wherever_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = story(&path);
    let conn = open_connection(&path).unwrap();
    for (content, ann, bob) in [
        ("\"2\"", "1 3 4 5", "1 3 b"),
        // bob inherited it, but does not show it.
        ("\"4\"", "1 3 5", "1 3 b"),
        ("\"5\"", "1 3", "1 3 b"),
        ("\"b\"", "1 3", "1 3"),
    ] {
        assert_eq!(conn.execute("DELETE FROM messages WHERE content = ?1", [content]).unwrap(), 1);
        assert_eq!(
            (shown(&store, "ann"), shown(&store, "bob")),
            (ann.into(), bob.into()),
            "without {content}"
        );
        assert_clean(&store);
    }
    // Counts are right where logs have gaps: of a fork of it, of a compaction, and when that is taken back.
    say(&store, "ann", "6 7");
    block_on(store.fork(&key("ann"), &key("cem"), None)).unwrap();
    assert_eq!(shown(&store, "cem"), "1 3 6 7");
    block_on(store.compact(&key("cem"), 1, None)).unwrap();
    assert_eq!(shown(&store, "cem"), "7");
    block_on(store.uncompact(&key("cem"))).unwrap();
    assert_eq!(shown(&store, "cem"), "1 3 6 7");
    assert_clean(&store);
}

#[test]
fn a_message_inserted_by_hand_is_seen_behind_whatever_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = story(&path);
    let conn = open_connection(&path).unwrap();
    let insert = "INSERT INTO messages (session_id, role, content, created_at)
                  SELECT id, 'user', '\"by hand\"', '2026-01-02T03:04:05Z' FROM sessions WHERE peer_id = ?1";
    block_on(store.reset(&key("ann"))).unwrap();
    for peer in ["ann", "bob"] {
        assert_eq!(conn.execute(insert, [peer]).unwrap(), 1);
    }
    assert_eq!((shown(&store, "ann"), shown(&store, "bob")), ("by hand".into(), "1 2 3 b by hand".into()));
    assert_clean(&store);
}

#[test]
fn a_session_that_a_fork_shows_cannot_be_deleted_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = story(&path);
    // As any SQLite shell opens it, foreign keys not enforced.
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "foreign_keys", false).unwrap();
    let delete = "DELETE FROM sessions WHERE peer_id = ?1";
    let error = conn.execute(delete, ["ann"]).unwrap_err().to_string();
    assert!(error.contains("a fork shows messages of this session"), "{error}");
    let conn = open_connection(&path).unwrap();
    assert_eq!(conn.execute(delete, ["bob"]).unwrap(), 1);
    assert_eq!(conn.execute(delete, ["ann"]).unwrap(), 1);
    assert_clean(&store);
    assert_eq!(block_on(store.check()).unwrap().messages, 0);
}

#[test]
fn check_finds_a_view_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = story(&path);
    let conn = open_connection(&path).unwrap();
    let (ann, bob): (i64, i64) = (1, 2);
    for (view, wrong) in [
        (format!("[[{ann},1,4],[{bob},5,5]]"), "does not end with what is appended"),
        (format!("[[{ann},1,3],[{ann},2,2],[{bob},5,null]]"), "a number twice"),
        (format!("[[{ann},1,5],[{bob},6,null]]"), "which it did not inherit"),
        (format!("[[{bob},5,null]]"), "but counts 4"),
    ] {
        conn.execute("UPDATE sessions SET view = ?1 WHERE id = 2", [&view]).unwrap();
        let report = block_on(store.check()).unwrap();
        assert!(report.findings.iter().any(|finding| finding.what.contains(wrong)), "{view}: {report:?}");
    }
    conn.execute("UPDATE sessions SET view = NULL, message_count = 1, log_first = 4 WHERE id = 2", [])
        .unwrap();
    let report = block_on(store.check()).unwrap();
    assert!(
        report.findings.iter().any(|finding| finding.what.contains("begins with message 4")),
        "{report:?}"
    );
}

/// A store of version 1 had no forks. It is brought up to date where it lies, with all that is in it.
#[test]
fn a_store_of_version_1_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "PRAGMA application_id = 0x53455344;
         PRAGMA journal_mode = WAL;
         CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);",
    )
    .unwrap();
    conn.execute_batch(include_str!("../migrations/0001_initial.sql")).unwrap();
    conn.execute_batch(
        "INSERT INTO schema_version VALUES (1, 'initial', '2026-11-19T00:00:00.000000Z');
         INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
         VALUES ('main', 'cli', '', 'dm', 'ann', '2026-11-19T00:00:00Z', '2026-11-19T00:00:00Z');
         INSERT INTO messages (session_id, role, content, created_at)
         VALUES (1, 'user', '\"1\"', '2026-11-19T00:00:01Z'), (1, 'user', '\"2\"', '2026-11-19T00:00:02Z');",
    )
    .unwrap();
    drop(conn);
    let store = open(&path);
    assert_eq!(shown(&store, "ann"), "1 2");
    assert_clean(&store);
    block_on(store.fork(&key("ann"), &key("bob"), Some(1))).unwrap();
    block_on(store.compact(&key("ann"), 1, Some(NewMessage::new("system", "s")))).unwrap();
    assert_eq!((shown(&store, "ann"), shown(&store, "bob")), ("s 2".into(), "1".into()));
    assert_clean(&store);
}

/// Of a deleted session nothing stays but the messages that forks inherited: read with SQL, row by row.
#[test]
fn what_is_kept_for_a_fork_has_messages_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    say(&store, "ann", "1 2 3 4 5");
    let secret = Json::parse(r#"{"title":"secret"}"#).unwrap();
    let commit = Commit::new(key("ann"))
        .write(Write::SetMetadata(secret))
        .write(Write::AddTokens(7))
        .write(Write::PutDocument(NewDocument::new("notes", "a", Json::parse("1").unwrap())));
    block_on(store.commit_one(commit)).unwrap();
    block_on(store.pop(&key("ann"))).unwrap();
    block_on(store.fork(&key("ann"), &key("bob"), Some(3))).unwrap();
    assert!(block_on(store.session_delete(&key("ann"))).unwrap());
    let conn = open_connection(&path).unwrap();
    let kept =
        "SELECT metadata, token_usage, state_revision, next_seq, log_count, message_count, view, forked_from
                FROM sessions WHERE agent_id = '~kept'";
    type Kept = (String, i64, i64, i64, i64, i64, Option<String>, Option<i64>);
    let row: Kept = conn
        .query_row(kept, [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?))
        })
        .unwrap();
    assert_eq!(row, ("{}".into(), 0, 0, 4, 3, 3, None, None));
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table} WHERE session_id = 1");
        conn.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("documents"), count("view_changes"), count("messages")), (0, 0, 3));
    // A fork deleted by hand takes along what was kept for it alone.
    assert_eq!(conn.execute("DELETE FROM sessions WHERE peer_id = 'bob'", []).unwrap(), 1);
    assert_eq!((count("messages"), block_on(store.check()).unwrap().messages), (0, 0));
}

/// Counts stay right when rows are gone from the session's own log, whatever changes its view then.
#[test]
fn views_of_a_log_with_gaps_count_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path);
    say(&store, "ann", "1 2 3 4 5 6");
    open_connection(&path).unwrap().execute("DELETE FROM messages WHERE seq IN (2, 4)", []).unwrap();
    assert_eq!(shown(&store, "ann"), "1 3 5 6");
    block_on(store.pop(&key("ann"))).unwrap();
    assert_eq!(shown(&store, "ann"), "1 3 5");
    block_on(store.rewind(&key("ann"), 3)).unwrap();
    assert_eq!(shown(&store, "ann"), "1 3");
    block_on(store.undo(&key("ann"))).unwrap();
    block_on(store.undo(&key("ann"))).unwrap();
    assert_eq!(shown(&store, "ann"), "1 3 5 6");
    assert_clean(&store);
}

/// Rows that cannot be are named, by reads and by check, and stop nothing else.
#[test]
fn ancestors_that_cannot_be_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = story(&path);
    let conn = open_connection(&path).unwrap();
    for damage in ["last_seq = -1", "last_seq = 0", "first_seq = 0"] {
        conn.execute(&format!("UPDATE ancestors SET {damage}"), []).unwrap();
        let report = block_on(store.check()).unwrap();
        assert!(report.findings.iter().any(|finding| finding.at.contains("bob")), "{damage}: {report:?}");
        let answer = block_on(store.message_window(&key("bob"), Window::log(0, 1)));
        assert!(matches!(answer, Err(Error::Undecodable { .. })), "{damage}: {answer:?}");
        say(&store, "ann", "more");
        conn.execute("UPDATE ancestors SET first_seq = 1, last_seq = 4", []).unwrap();
    }
    assert_clean(&store);
}
