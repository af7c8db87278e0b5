//! Commands of the program that are killed on their way and then run again.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ait42_session::{ChatMessage, DbPool, SqliteSessionRepository};
use pollster::block_on;
use serde_json::{Value, json};
use sessiondb::{NewMessage, SessionKey, Store};

use crate::{
    content::{content, imported, log},
    strace::{CALLS, Call, Program, Tally},
};

fn sessiondb(dir: &Path, args: &[&str]) -> Program {
    let store = dir.join("s.db").display().to_string();
    let mut program =
        Program::new(env!("CARGO_BIN_EXE_sessiondb"), args.iter().copied().chain(["--db", store.as_str()]));
    // What a command does is one thing, wherever it is tested.
    program.env = vec![("HOME", dir.display().to_string()), ("NO_COLOR", "1".into())];
    program
}

fn open(dir: &Path) -> Store {
    block_on(sessiondb::open(&dir.join("s.db").display().to_string())).unwrap()
}

/// At which of so many calls to kill: at so many of them as `SESSIONDB_KILLS` says, from the first to the last.
fn places(calls: usize) -> Vec<usize> {
    let most = env::var("SESSIONDB_KILLS").map_or(4, |number| number.parse().unwrap());
    if calls <= most {
        return (1..=calls).collect();
    }
    (0..most).map(|n| 1 + n * (calls - 1) / (most - 1).max(1)).collect()
}

/// Kills the program at calls of every kind, each time in the directory as it is now. `judge` looks at what was left, and
/// at what had been printed.
fn killed(dir: &Path, program: &Program, must: &[Call], judge: &dyn Fn(&str)) {
    let (tally, scratch) = (Tally::default(), tempfile::tempdir().unwrap());
    let template = scratch.path().join("template");
    copy_all(dir, &template);
    let again = || {
        fs::remove_dir_all(dir).unwrap();
        copy_all(&template, dir);
    };
    for call in CALLS {
        again();
        let calls = program.count(call, scratch.path());
        for at in places(calls) {
            again();
            let run = program.killed(call, at);
            assert!(run.killed || run.success, "{call:?} {at}: {run}");
            if run.killed {
                tally.note(call);
            }
            judge(&run.stdout);
        }
    }
    again();
    tally.must_have(must);
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn must_succeed(program: &Program) {
    let run = program.run();
    assert!(run.success, "{program:?}: {run}");
}

fn must_be_clean(store: &Store) {
    let report = block_on(store.check()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Every message whose receipt was printed is there, once, where the receipt says; and all of the input can be sent again.
#[test]
fn append_keeps_what_it_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let key: SessionKey = "a:cli::dm:crash".parse().unwrap();
    let line = |n| format!("{{\"role\":\"user\",\"content\":\"{n}\",\"message_id\":\"m{n}\"}}\n");
    fs::write(dir.join("input"), (0..100).map(line).collect::<String>()).unwrap();
    let append = Program { stdin: Some(dir.join("input")), ..sessiondb(dir, &["append", "a:cli::dm:crash"]) };
    killed(dir, &append, &[Call::Pwrite, Call::Write, Call::Sync, Call::Open], &|stdout| {
        let whole = stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let receipts: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        must_succeed(&append);
        let store = open(dir);
        let messages = log(&store, &key);
        let ids: Vec<_> = messages.iter().map(|message| message.message_id.clone().unwrap()).collect();
        assert!(ids.iter().cloned().eq((0..100).map(|n| format!("m{n}"))), "{ids:?}");
        assert!(messages.iter().map(|message| message.seq).eq(1..=100));
        for receipt in receipts {
            let seq = receipt["seq"].as_u64().unwrap() as usize;
            assert_eq!(receipt["message_id"], Value::from(ids[seq - 1].as_str()));
        }
        must_be_clean(&store);
    });
}

/// A transcript of real shape: the bundled one over and over, each time with other ids.
fn transcript(times: usize) -> String {
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../samples/claude/projects/-Users-test-user-agent-sample/7f2abd2d-7cfc-4447-9ddd-3ca8d14e02e9.jsonl"
    );
    let sample = fs::read_to_string(sample).unwrap();
    (0..times).map(|n| sample.replace("\"uuid\":\"", &format!("\"uuid\":\"{n}-"))).collect()
}

/// An import goes on where it was killed, and ends as if it had run through.
#[test]
fn import_goes_on_where_it_was_killed() {
    let place = tempfile::tempdir().unwrap();
    let dir = &place.path().join("killed");
    let project = dir.join("projects/-w");
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join("11111111-0000-4000-8000-000000000001.jsonl"), transcript(100)).unwrap();
    fs::write(project.join("11111111-0000-4000-8000-000000000002.jsonl"), transcript(1)).unwrap();
    let import = |to: &Path| sessiondb(to, &["import", "claude", dir.join("projects").to_str().unwrap()]);
    let whole = place.path().join("whole");
    fs::create_dir(&whole).unwrap();
    must_succeed(&import(&whole));
    let should = imported(&open(&whole), "claude");
    assert_eq!(should.len(), 2);
    let import = import(dir);
    killed(dir, &import, &[Call::Pwrite, Call::Sync, Call::Open], &|_| {
        if dir.join("s.db").exists() {
            must_be_clean(&open(dir));
        }
        must_succeed(&import);
        let store = open(dir);
        assert!(imported(&store, "claude") == should, "the killed import differs from the whole one");
        must_be_clean(&store);
    });
}

/// An archive has its name only when it is whole; restoring it goes on where that was killed.
#[test]
fn an_archive_is_whole_or_not_there_and_is_restored_by_and_by() {
    let place = tempfile::tempdir().unwrap();
    let [dir, archive] = ["killed", "archive"].map(|name| place.path().join(name));
    fs::create_dir(&dir).unwrap();
    let store = open(&dir);
    for peer in 0..20 {
        let key = SessionKey::new("a", "c", "", "dm", peer.to_string());
        let messages = (0..50).map(|n| NewMessage::new("user", format!("{peer} {n} {}", "x".repeat(200))));
        block_on(store.append(&key, messages.collect())).unwrap();
    }
    let should = content(&store, "a");
    block_on(store.close()).unwrap();
    must_succeed(&sessiondb(&dir, &["export", "--to", archive.to_str().unwrap()]));
    let whole = fs::read(&archive).unwrap();

    let target = dir.join("archive");
    let export = sessiondb(&dir, &["export", "--to", target.to_str().unwrap()]);
    killed(&dir, &export, &[Call::Write, Call::Sync, Call::Rename, Call::Open], &|_| {
        if !target.exists() {
            must_succeed(&export);
        }
        assert!(fs::read(&target).unwrap() == whole);
        must_be_clean(&open(&dir));
    });

    for name in ["s.db", "s.db-lock"] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    let restore = sessiondb(&dir, &["import", archive.to_str().unwrap()]);
    killed(&dir, &restore, &[Call::Pwrite, Call::Sync], &|_| {
        must_succeed(&restore);
        let store = open(&dir);
        assert!(content(&store, "a") == should, "the killed restore differs from the store");
        must_be_clean(&store);
    });
}

const WORKSPACES: [&str; 3] = ["abc", "def", "ghi"];

/// Sessions as AIT42 keeps them.
fn ait42_files(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for workspace in WORKSPACES {
        let session = |n: usize| {
            json!({
                "id": format!("s{n}"), "type": "competition", "task": format!("Task {n}"), "status": "running",
                "createdAt": "2025-01-13T09:00:00.123Z", "updatedAt": "2025-01-13T10:00:00.123Z",
                "instances": [{"instanceId": 1, "worktreePath": "/w/1", "branch": "b1", "agentName": "claude",
                    "status": "idle", "tmuxSessionId": "t1"}],
                "chatHistory": [{"id": "msg-1", "role": "user", "content": "go", "timestamp": "2025-01-13T09:00:01Z"}]
            })
        };
        let sessions: Vec<Value> = (0..5).map(session).collect();
        fs::write(dir.join(format!("{workspace}.json")), serde_json::to_string_pretty(&sessions).unwrap())
            .unwrap();
    }
}

fn files(dir: &Path) -> PathBuf {
    dir.join("files")
}

/// What the files say.
fn said(dir: &Path) -> [Value; 3] {
    WORKSPACES.map(|workspace| {
        let text = fs::read_to_string(files(dir).join(format!("{workspace}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

fn ait42(dir: &Path, command: &str) -> Program {
    sessiondb(dir, &["ait42", command, files(dir).to_str().unwrap()])
}

/// A move that was killed is finished by the same command; then both sides say the same, and all that was said is there.
#[test]
fn moving_ait42s_sessions_there_and_back_can_be_killed_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let dir = &place.path().join("killed");
    ait42_files(&files(dir));
    let mut should = said(dir);
    let stored = [Call::Pwrite, Call::Sync, Call::Open];
    let with_files = [Call::Pwrite, Call::Sync, Call::Open, Call::Write, Call::Rename];
    let moves =
        [("import", &stored[..]), ("cut-over", &stored), ("mirror", &with_files), ("rollback", &with_files)];
    for (command, must) in moves {
        if command == "mirror" || command == "rollback" {
            should = changed_in_the_store(dir, command);
        }
        let once_more = || {
            // A file is whole at every moment.
            said(dir);
            must_succeed(&ait42(dir, command));
            must_succeed(&ait42(dir, "compare"));
            assert_eq!(said(dir), should, "{command}");
            must_be_clean(&open(dir));
        };
        println!("{command}");
        killed(dir, &ait42(dir, command), must, &|_| once_more());
        once_more();
    }
}

/// Has something said in each workspace of the store, which is the authority, so that the files are behind. Answers what
/// they should say.
fn changed_in_the_store(dir: &Path, id: &str) -> [Value; 3] {
    let store = SqliteSessionRepository::from_pool(Arc::new(DbPool::from(open(dir))));
    for workspace in WORKSPACES {
        let message = ChatMessage {
            id: id.into(),
            session_id: "s1".into(),
            role: "user".into(),
            content: "meanwhile".into(),
            timestamp: "2026-11-20T12:00:00Z".into(),
            instance_id: None,
        };
        block_on(store.add_chat_message_in(workspace, "s1", message)).unwrap();
    }
    block_on(store.pool().close()).unwrap();
    let before = tempfile::tempdir().unwrap();
    copy_all(dir, before.path());
    must_succeed(&ait42(dir, "mirror"));
    let should = said(dir);
    for file in &should {
        assert!(file[1]["chatHistory"].as_array().unwrap().iter().any(|message| message["id"] == id));
    }
    fs::remove_dir_all(dir).unwrap();
    copy_all(before.path(), dir);
    should
}
