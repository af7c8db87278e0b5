//! Killed while a store is made, and while one of an older version is brought up to date.

use std::{env, fs, path::Path, process::Command};

use pollster::block_on;
use sessiondb::{NewMessage, SessionKey, Window};

use crate::strace::{CALLS, Call, Program, Tally};

/// Where the process that is killed opens a store.
const OPEN: &str = "SESSIONDB_TEST_OPEN";

/// The process that is killed.
#[test]
fn opens_until_it_is_killed() {
    let Ok(path) = env::var(OPEN) else { return };
    let store = block_on(sessiondb::open(&path)).unwrap();
    block_on(store.close()).unwrap();
}

fn opens(path: &Path) -> Program {
    Program::test("opening::opens_until_it_is_killed", OPEN, path.display().to_string())
}

/// Kills at every call, each time on what `prepare` makes of an empty directory, and has `judge` look at what is left.
fn at_every_call(prepare: impl Fn(&Path), judge: impl Fn(&Path)) -> Tally {
    let (tally, scratch) = (Tally::default(), tempfile::tempdir().unwrap());
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        dir
    };
    for call in CALLS {
        let dir = fresh();
        for at in 1..=opens(&dir.path().join("new/s.db")).count(call, scratch.path()) {
            let dir = fresh();
            let path = dir.path().join("new/s.db");
            let run = opens(&path).killed(call, at);
            assert!(run.killed, "{call:?} {at}: {run}");
            tally.note(call);
            judge(&path);
        }
    }
    tally
}

fn key() -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", "ann")
}

/// Whoever comes next makes it, whatever is there of it already. A new file is first written over with a rollback journal
/// beside it; whoever was killed then left a store that nobody could open any more, since the look before opening cannot
/// write and so could not take back what was begun.
#[test]
fn a_store_that_was_killed_as_it_was_made_is_made_by_the_next() {
    let tally = at_every_call(
        |_| {},
        |path| {
            let store = block_on(sessiondb::open(&path.display().to_string())).unwrap();
            block_on(store.append(&key(), vec![NewMessage::new("user", "hello")])).unwrap();
            assert!(block_on(store.check()).unwrap().is_clean());
            block_on(store.close()).unwrap();
            let names = fs::read_dir(path.parent().unwrap()).unwrap();
            let mut names: Vec<_> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["s.db", "s.db-lock", "s.db-next"], "what is left of a store that was closed");
        },
    );
    tally.must_have(&[Call::Pwrite, Call::Sync, Call::Remove, Call::Open, Call::MakeDirectory]);
}

/// A store of version 1 keeps all that it had, and is of the newest version for whoever opens it next.
#[test]
fn a_store_that_was_killed_as_it_was_brought_up_to_date_loses_nothing() {
    let tally = at_every_call(
        |dir| {
            fs::create_dir(dir.join("new")).unwrap();
            let conn = rusqlite::Connection::open(dir.join("new/s.db")).unwrap();
            conn.execute_batch(
                "PRAGMA application_id = 0x53455344;
                 PRAGMA journal_mode = WAL;
                 CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);",
            )
            .unwrap();
            conn.execute_batch(include_str!("../../../sessiondb-sqlite/migrations/0001_initial.sql"))
                .unwrap();
            conn.execute_batch(
                "INSERT INTO schema_version VALUES (1, 'initial', '2026-11-19T00:00:00.000000Z');
                 INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
                 VALUES ('main', 'cli', '', 'dm', 'ann', '2026-11-19T00:00:00Z', '2026-11-19T00:00:00Z');
                 INSERT INTO messages (session_id, role, content, created_at)
                 VALUES (1, 'user', '\"1\"', '2026-11-19T00:00:01Z'), (1, 'user', '\"2\"', '2026-11-19T00:00:02Z');",
            )
            .unwrap();
        },
        |path| {
            let store = block_on(sessiondb::open(&path.display().to_string())).unwrap();
            let page = block_on(store.message_window(&key(), Window::last(9))).unwrap();
            let shown: Vec<&str> = page.messages.iter().map(|message| message.content.get()).collect();
            assert_eq!(shown, ["\"1\"", "\"2\""]);
            block_on(store.fork(&key(), &SessionKey::new("main", "cli", "", "dm", "bob"), Some(1))).unwrap();
            assert!(block_on(store.check()).unwrap().is_clean());
            block_on(store.close()).unwrap();
        },
    );
    tally.must_have(&[Call::Pwrite, Call::Sync, Call::Remove, Call::Open]);
}

/// A process that was killed between its write and its sync leaves a commit in the system's memory alone. The next process
/// finds it in the log, and answers who sends it again that it is there; so it must be on the disk by then.
#[test]
fn a_log_that_is_found_is_synced_before_anything_is_answered_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let (live, left) = (dir.path().join("live.db"), dir.path().join("s.db"));
    let store = block_on(sessiondb::open(&live.display().to_string())).unwrap();
    block_on(store.append(&key(), vec![NewMessage::new("user", "hello")])).unwrap();
    for end in ["", "-wal"] {
        fs::copy(format!("{}{end}", live.display()), format!("{}{end}", left.display())).unwrap();
    }
    let calls = dir.path().join("calls");
    let output = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o"])
        .arg(&calls)
        .args([env!("CARGO_BIN_EXE_sessiondb"), "ls", "--db"])
        .arg(&left)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let calls = fs::read_to_string(&calls).unwrap();
    let place =
        |what: &dyn Fn(&str) -> bool| calls.lines().position(what).unwrap_or_else(|| panic!("{calls}"));
    let synced = place(&|line| line.contains("sync(") && line.contains("s.db-wal>") && line.contains("= 0"));
    let answered = place(&|line| line.contains("write(1<"));
    assert!(synced < answered, "{calls}");
}
