//! SQL views in the file: made when it is opened, replaced when they say something else, and never in the way of data.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{fs, path::Path, sync::Arc};

use pollster::block_on;
use rusqlite::Connection;
use sessiondb_core::{Commit, Error, Json, NewDocument, NewMessage, SessionKey, Store, Write};
use sessiondb_sqlite::{Options, SqlView, SqliteBackend, open_connection};

const NOTES: SqlView =
    SqlView { name: "notes", query: "SELECT id, body FROM documents WHERE collection = 'note';\n" };
const PEERS: SqlView = SqlView { name: "peers", query: "SELECT peer_id FROM sessions" };

fn open(path: &Path, views: &'static [SqlView]) -> Result<Store, Error> {
    SqliteBackend::open(Options::new(path).sql_views(views)).map(|backend| Store::new(Arc::new(backend)))
}

fn key() -> SessionKey {
    SessionKey::new("a", "c", "", "dm", "p")
}

fn write(store: &Store, note: &str) {
    let put = Write::PutDocument(NewDocument::new("note", note, Json::object()));
    block_on(store.commit_one(Commit::new(key()).write(Write::open()).write(put))).unwrap();
}

fn column(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn views(conn: &Connection) -> Vec<String> {
    column(conn, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name")
}

#[test]
fn views_are_made_in_a_new_store_and_in_one_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path, &[NOTES]).unwrap();
    write(&store, "n1");
    let conn = open_connection(&path).unwrap();
    assert_eq!(views(&conn), ["notes"]);
    assert_eq!(column(&conn, "SELECT id FROM notes"), ["n1"]);
    // Another family, while the store is in use; the first one's views stay.
    let other = open(&path, &[PEERS]).unwrap();
    write(&store, "n2");
    write(&other, "n3");
    assert_eq!(views(&conn), ["notes", "peers"]);
    assert_eq!(column(&conn, "SELECT id FROM notes ORDER BY id"), ["n1", "n2", "n3"]);
    assert_eq!(column(&conn, "SELECT peer_id FROM peers"), ["p"]);
}

#[test]
fn a_view_that_says_something_else_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    drop(open(&path, &[SqlView { name: "notes", query: "SELECT 1 AS id" }]).unwrap());
    let store = open(&path, &[NOTES]).unwrap();
    write(&store, "n1");
    assert_eq!(column(&open_connection(&path).unwrap(), "SELECT id FROM notes"), ["n1"]);
}

#[test]
fn views_that_are_there_are_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path, &[NOTES, PEERS]).unwrap();
    block_on(store.close()).unwrap();
    let before = fs::read(&path).unwrap();
    let store = open(&path, &[NOTES, PEERS]).unwrap();
    block_on(store.close()).unwrap();
    assert!(fs::read(&path).unwrap() == before, "opening wrote");
}

#[test]
fn a_table_of_the_name_stays_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    drop(open(&path, &[]).unwrap());
    open_connection(&path).unwrap().execute_batch("CREATE TABLE peers (mine)").unwrap();
    let error = open(&path, &[NOTES, PEERS]).err().expect("must be refused");
    assert!(matches!(error, Error::CannotOpen { .. }), "{error:?}");
    assert!(error.to_string().contains("there is a table of that name"), "{error}");
    assert_eq!(views(&open_connection(&path).unwrap()), [""; 0]);
    // Without views it opens as before.
    write(&open(&path, &[]).unwrap(), "n1");
}

#[test]
fn a_view_that_cannot_be_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let error = open(&path, &[NOTES, SqlView { name: "wrong", query: "SELECT absent FROM sessions" }]);
    let error = error.err().expect("must be refused");
    assert!(error.to_string().contains("no such column: absent"), "{error}");
    assert_eq!(views(&open_connection(&path).unwrap()), [""; 0]);
}

#[test]
fn eight_threads_open_a_store_with_views() {
    let dir = tempfile::tempdir().unwrap();
    let path = &dir.path().join("s.db");
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || write(&open(path, &[NOTES, PEERS]).unwrap(), &format!("n{n}")));
        }
    });
    assert_eq!(column(&open_connection(path).unwrap(), "SELECT id FROM notes").len(), 8);
}

/// A count that a program changed by hand does not make a page of parts lose messages silently.
#[test]
fn messages_beyond_the_counts_are_an_error_and_not_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = open(&path, &[]).unwrap();
    for peer in ["ann", "bob"] {
        let many = (0..6_000).map(|n| NewMessage::new("user", n.to_string())).collect();
        block_on(store.append(&SessionKey::new("a", "c", "", "dm", peer), many)).unwrap();
    }
    let all = sessiondb_core::SessionFilter::default();
    let parts = sessiondb_core::Parts::default().with_messages();
    assert_eq!(block_on(store.session_list_parts(&all, &parts)).unwrap().sessions.len(), 1);
    open_connection(&path).unwrap().execute_batch("UPDATE sessions SET message_count = 1").unwrap();
    let error = block_on(store.session_list_parts(&all, &parts)).unwrap_err();
    assert!(matches!(&error, Error::Storage(reason) if reason.contains("check")), "{error:?}");
}
