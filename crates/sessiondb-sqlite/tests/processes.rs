//! Several processes write one file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use sessiondb_core::{NewMessage, SessionKey, Store, Window};
use sessiondb_sqlite::{Options, SqliteBackend};

const CHILD: &str = "SESSIONDB_TEST_CHILD";
const APPENDS: usize = 300;

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap()))
}

fn shared() -> SessionKey {
    SessionKey::new("a", "c", "", "group", "shared")
}

/// This test again, as a child process that only writes.
fn spawn(path: &Path, name: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "four_processes_write_one_file_and_nothing_is_lost_or_refused"])
        .env(CHILD, format!("{name} {}", path.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn four_processes_write_one_file_and_nothing_is_lost_or_refused() {
    if let Ok(child) = env::var(CHILD) {
        let (name, path) = child.split_once(' ').unwrap();
        let store = open(Path::new(path)).for_blocking();
        for i in 0..APPENDS {
            let message = NewMessage::new("user", format!("{name} {i}"));
            pollster::block_on(store.append(&shared(), vec![message])).unwrap();
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // The file is made by whichever child comes first.
    let path = dir.path().join("s.db");
    let names = ["one", "two", "three", "four"];
    let children: Vec<Child> = names.iter().map(|name| spawn(&path, name)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = open(&path);
    pollster::block_on(async {
        let mut texts: Vec<String> = Vec::new();
        let mut after = 0;
        loop {
            let page = store.message_window(&shared(), Window::after(after, 500)).await.unwrap();
            for message in &page.messages {
                assert_eq!(message.seq, after + 1, "numbers have no gaps");
                after = message.seq;
                texts.push(message.content.read().unwrap());
            }
            if !page.has_later {
                break;
            }
        }
        for name in names {
            let own: Vec<&String> =
                texts.iter().filter(|text| text.split(' ').next() == Some(name)).collect();
            let expected: Vec<String> = (0..APPENDS).map(|i| format!("{name} {i}")).collect();
            assert!(own.into_iter().eq(expected.iter()), "every message of {name} once and in order");
        }
        assert!(store.check().await.unwrap().is_clean());
    });
}
