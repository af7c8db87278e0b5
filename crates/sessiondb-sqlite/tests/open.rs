//! What is opened, what is refused, and that a refusal changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    sync::Arc,
};

use rusqlite::Connection;
use sessiondb_core::{Error, NewMessage, SessionKey, Store};
use sessiondb_sqlite::{Options, SCHEMA_VERSION, SqliteBackend, open_connection};

fn open(path: &Path) -> Result<Store, Error> {
    SqliteBackend::open(Options::new(path)).map(|backend| Store::new(Arc::new(backend)))
}

fn key() -> SessionKey {
    SessionKey::new("a", "c", "", "dm", "p")
}

/// The store, closed, with one message.
fn filled(path: &Path) {
    pollster::block_on(async {
        let store = open(path).unwrap();
        store.append(&key(), vec![NewMessage::new("user", "hello")]).await.unwrap();
        store.close().await.unwrap();
    });
}

fn refused(path: &Path, why: &str) {
    let before = path.is_file().then(|| fs::read(path).unwrap());
    let error = open(path).err().expect("must be refused");
    assert!(matches!(error, Error::CannotOpen { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains(why), "{text}");
    if let Some(before) = before {
        assert!(fs::read(path).unwrap() == before, "the file was changed");
        // A read-only look at a database with a write-ahead log leaves an empty log behind; nothing else may be made.
        assert!(fs::metadata(format!("{}-wal", path.display())).map_or(0, |meta| meta.len()) == 0);
        assert!(!Path::new(&format!("{}-lock", path.display())).exists());
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    fs::write(&path, "these are my notes, and more than a few of them\n".repeat(100)).unwrap();
    refused(&path, "not a SQLite database");
    fs::write(&path, "short").unwrap();
    refused(&path, "not a SQLite database");
}

#[test]
fn a_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), "it is a directory");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn somebody_elses_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE sessions (id); INSERT INTO sessions VALUES (1)")
        .unwrap();
    refused(&path, "not a SessionDB store");
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    filled(&path);
    let newer = SCHEMA_VERSION + 41;
    Connection::open(&path)
        .unwrap()
        .execute("INSERT INTO schema_version VALUES (?1, 'future', '')", [newer])
        .unwrap();
    let _ = fs::remove_file(format!("{}-lock", path.display()));
    refused(&path, &format!("version {newer}, and this program knows up to version {SCHEMA_VERSION}"));
    assert!(open_connection(&path).unwrap_err().to_string().contains(&format!("version {newer}")));
}

#[test]
fn a_damaged_header_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    filled(&path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..16].fill(0xAA);
    fs::write(&path, &bytes).unwrap();
    let _ = fs::remove_file(format!("{}-lock", path.display()));
    refused(&path, "not a SQLite database");
}

#[test]
fn a_path_that_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = open(&file.join("s.db")).err().unwrap();
    assert!(matches!(error, Error::CannotOpen { .. }), "{error:?}");
    assert!(matches!(open(Path::new("..")).err().unwrap(), Error::CannotOpen { .. }));
    let unknown_vfs = SqliteBackend::open(Options::new(dir.path().join("s.db")).vfs("no-such-vfs"));
    assert!(unknown_vfs.err().unwrap().to_string().contains("no-such-vfs"), "the VFS is passed through");
}

#[test]
fn an_empty_file_becomes_a_store_and_keeps_its_inode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    fs::write(&path, "").unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    filled(&path);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn a_symbolic_link_and_its_target_are_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("s.db"), dir.path().join("link.db"));
    filled(&target);
    symlink(&target, &link).unwrap();
    pollster::block_on(async {
        let (one, two) = (open(&target).unwrap(), open(&link).unwrap());
        one.append(&key(), vec![NewMessage::new("user", "one")]).await.unwrap();
        two.append(&key(), vec![NewMessage::new("user", "two")]).await.unwrap();
        assert_eq!(one.session(&key()).await.unwrap().unwrap().message_count, 3);
    });
    assert!(!dir.path().join("link.db-wal").exists() && !dir.path().join("link.db-lock").exists());
}

#[test]
fn eight_threads_open_one_new_store() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = dir.path().join(format!("new-{round}/s.db"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let store = open(&path).unwrap();
                    pollster::block_on(store.append(&key(), vec![NewMessage::new("user", "x")])).unwrap();
                });
            }
        });
        let store = open(&path).unwrap();
        let count = pollster::block_on(store.session(&key())).unwrap().unwrap().message_count;
        assert_eq!(count, 8);
    }
}

/// `check` and the names it gives things, on a store damaged in each way that can be told.
#[test]
fn check_finds_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("UPDATE messages SET content = '\"hellp\"'", "message 1: its checksum does not match"),
        ("UPDATE messages SET role = 'system'", "message 1: its checksum does not match"),
        ("UPDATE messages SET content = '{', checksum = NULL", "message 1: its content is not JSON"),
        ("UPDATE messages SET created_at = 'noon'", "column created_at"),
        ("UPDATE sessions SET message_count = 7", "its view has 1 messages but counts 7"),
        ("UPDATE sessions SET log_count = 7", "its log has 1 messages but counts 7"),
        ("UPDATE sessions SET next_seq = 1", "message 1 stands after 0"),
        ("UPDATE sessions SET view = '[[1,5,2]]'", "column view"),
        ("UPDATE sessions SET agent_id = '~x'", "reserved"),
        ("UPDATE documents SET body = 'x'", "document todo/1: its body is not JSON"),
        ("UPDATE documents SET revision = 99", "document todo/1 is of revision 99"),
        (
            "PRAGMA foreign_keys = OFF; UPDATE messages SET session_id = 77",
            "belongs to a session that does not exist",
        ),
    ];
    for (i, (damage, finding)) in cases.into_iter().enumerate() {
        let path = dir.path().join(format!("{i}.db"));
        filled(&path);
        let store = open(&path).unwrap();
        pollster::block_on(async {
            let json = sessiondb_core::Json::object();
            let document = sessiondb_core::NewDocument::new("todo", "1", json);
            let commit =
                sessiondb_core::Commit::new(key()).write(sessiondb_core::Write::PutDocument(document));
            store.commit_one(commit).await.unwrap();
            let report = store.check().await.unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!((report.sessions, report.messages, report.documents), (1, 1, 1));
            open_connection(&path).unwrap().execute_batch(damage).unwrap();
            let report = store.check().await.unwrap();
            let said: Vec<String> = report.findings.iter().map(|f| format!("{}: {}", f.at, f.what)).collect();
            assert!(said.iter().any(|said| said.contains(finding)), "{damage}: {said:?}");
        });
    }
}

/// Two names of one file would have two logs: what is acknowledged through one is lost to the other.
#[test]
fn a_file_with_two_names_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    filled(&path);
    fs::hard_link(&path, dir.path().join("other.db")).unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("hard links"), "{error}");
    fs::remove_file(dir.path().join("other.db")).unwrap();
    open(&path).unwrap();
}

/// A log without its database is what is left when the database was moved from under a running writer.
#[test]
fn no_store_is_made_beside_a_log_that_lost_its_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let log = dir.path().join("s.db-wal");
    fs::write(&log, "frames").unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("but its log"), "{error}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "frames");
    assert!(!path.exists());
}

/// What is left when a restore failed, or somebody emptied the file: SQLite would delete the log.
#[test]
fn an_emptied_database_does_not_take_its_log_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, log) = (dir.path().join("s.db"), dir.path().join("s.db-wal"));
    fs::write(&path, "").unwrap();
    fs::write(&log, "frames").unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("it is empty, but its log"), "{error}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "frames");
}

/// Whoever writes may take his time, or be stopped in the middle: reading does not wait for him, and neither does
/// opening a store that is ready.
#[test]
fn opening_to_read_does_not_wait_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    filled(&path);
    let writer = fs::File::options().write(true).open(dir.path().join("s.db-lock")).unwrap();
    writer.lock().unwrap();
    let store = open(&path).unwrap();
    assert_eq!(pollster::block_on(store.session(&key())).unwrap().unwrap().message_count, 1);
    assert!(pollster::block_on(store.check()).unwrap().is_clean());
}

#[test]
fn check_goes_on_behind_what_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    pollster::block_on(async {
        let store = open(&path).unwrap();
        for peer in ["one", "two", "three"] {
            let key = SessionKey::new("a", "c", "", "dm", peer);
            let long = "y".repeat(60_000);
            store
                .append(&key, vec![NewMessage::new("user", long), NewMessage::new("user", "z")])
                .await
                .unwrap();
        }
        store.close().await.unwrap();
    });
    // The pages of the second message's text are broken off: its chain leads nowhere.
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    for page in pages / 2..pages / 2 + 3 {
        bytes[page * 4096..page * 4096 + 64].fill(0xEE);
    }
    fs::write(&path, bytes).unwrap();
    let report = pollster::block_on(open(&path).unwrap().check()).unwrap();
    assert!(
        !report.is_clean() && report.findings.iter().any(|finding| finding.at == "the file"),
        "{report:?}"
    );
    assert_eq!(report.sessions, 3);
}

/// What was deleted is not in the file any more once its log has been copied into it.
#[test]
fn what_is_deleted_is_gone_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let secret = b"correct horse battery staple";
    let found = || fs::read(&path).unwrap().windows(secret.len()).any(|window| window == secret);
    pollster::block_on(async {
        let store = open(&path).unwrap();
        let text = format!("{} {}", String::from_utf8_lossy(secret), "x".repeat(10_000));
        for _ in 0..20 {
            store.append(&key(), vec![NewMessage::new("user", text.as_str())]).await.unwrap();
        }
        store.close().await.unwrap();
        assert!(found());
        let store = open(&path).unwrap();
        assert!(store.session_delete(&key()).await.unwrap());
        store.close().await.unwrap();
    });
    assert!(!found());
}
