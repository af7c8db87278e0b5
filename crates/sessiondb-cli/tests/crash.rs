//! `kill -9` in the middle of the work, again and again, on one store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use sessiondb::{Document, DocumentFilter, Message, SessionFilter, SessionKey, Window, blocking::Store};

const KILLS: usize = 20;

fn sessiondb(db: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiondb"));
    command.args(args).arg("--db").arg(db).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn open(db: &Path) -> Store {
    sessiondb::blocking::open(&db.display().to_string()).unwrap()
}

fn history(store: &Store, key: &SessionKey) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |last| last.seq);
        let page = store.message_window(key, Window::after(after, 1_000)).unwrap();
        messages.extend(page.messages);
        if !page.has_later {
            return messages;
        }
    }
}

/// Every message whose receipt was printed is there, once, where the receipt says, in order; what is there beyond is
/// what was sent next.
#[test]
fn append_keeps_every_acknowledged_message() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("s.db");
    let key: SessionKey = "a:cli::dm:crash".parse().unwrap();
    // What must be there, by the numbers that the receipts gave.
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = sessiondb(&db, &["append", &key.to_string()]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeder = thread::spawn(move || {
            for i in 0.. {
                let line = format!(
                    "{{\"role\":\"user\",\"content\":\"{round} {i}\",\"message_id\":\"{round}-{i}\"}}\n"
                );
                // The pipe breaks when the child is killed.
                if stdin.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let mut receipts = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut seen = 0;
        while receipts.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            let receipt: serde_json::Value = serde_json::from_str(&line).unwrap();
            acknowledged
                .insert(receipt["seq"].as_u64().unwrap(), receipt["message_id"].as_str().unwrap().to_owned());
            line.clear();
            seen += 1;
            if seen == 1 + round * 40 {
                child.kill().unwrap();
            }
        }
        assert!(seen > round * 40, "round {round} ended after {seen} receipts: {}", stderr(child));
        feeder.join().unwrap();
        child.wait().unwrap();
    }

    let store = open(&db);
    let messages = history(&store, &key);
    assert!(messages.iter().map(|message| message.seq).eq(1..=messages.len() as u64), "numbers have no gaps");
    for (seq, message_id) in &acknowledged {
        let message = &messages[*seq as usize - 1];
        assert_eq!(message.message_id.as_ref(), Some(message_id), "message {seq}");
    }
    // Within each round the messages are those that were sent, from the first on, each once.
    let mut next: BTreeMap<usize, usize> = BTreeMap::new();
    for message in &messages {
        let id = message.message_id.as_ref().unwrap();
        let (round, i) = id.split_once('-').unwrap();
        let (round, i): (usize, usize) = (round.parse().unwrap(), i.parse().unwrap());
        let expected = next.entry(round).or_insert(0_usize);
        assert_eq!(i, *expected, "round {round}");
        *expected += 1;
    }
    assert_eq!(next.len(), KILLS);
    assert!(store.check().unwrap().is_clean());
}

fn stderr(mut child: Child) -> String {
    let _ = child.kill();
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

/// A transcript of real shape: the bundled one over and over, each time with other ids.
fn long_transcript(path: &Path, lines: usize) {
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../samples/claude/projects/-Users-test-user-agent-sample/7f2abd2d-7cfc-4447-9ddd-3ca8d14e02e9.jsonl"
    );
    let sample = fs::read_to_string(sample).unwrap();
    let mut text = String::new();
    for round in 0..lines.div_ceil(sample.lines().count()) {
        for line in sample.lines() {
            let mark = format!("\"uuid\":\"{round:08}-");
            writeln!(
                text,
                "{}",
                line.replace("\"uuid\":\"", &mark)
                    .replace("\"id\":\"msg_", &format!("\"id\":\"msg_{round}_"))
            )
            .unwrap();
        }
    }
    fs::write(path, text).unwrap();
}

type Content = (Vec<Message>, Vec<Document>, u64);

/// All that an import leaves behind, but for row numbers and for revisions, which count how often it was begun anew.
fn content(store: &Store) -> BTreeMap<String, Content> {
    let sessions = store.session_list(&SessionFilter::default()).unwrap().sessions;
    let of = |session: sessiondb::Session| {
        let mut messages = history(store, &session.key);
        messages.iter_mut().for_each(|message| message.id = 0);
        let (mut documents, mut after) = (Vec::new(), None);
        loop {
            let filter = DocumentFilter { after, limit: 1_000, ..DocumentFilter::default() };
            let page = store.document_list(&session.key, &filter).unwrap();
            documents.extend(page.documents);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        documents.retain(|document| document.collection != "import");
        for document in &mut documents {
            (document.revision, document.updated_at) = (0, session.created_at);
        }
        (session.key.to_string(), (messages, documents, session.token_usage))
    };
    sessions.into_iter().map(of).collect()
}

/// One import, killed twenty times on its way, ends as if it had run through.
#[test]
fn import_goes_on_where_it_was_killed() {
    const LINES: usize = 24_000;
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("projects/-w");
    fs::create_dir_all(&project).unwrap();
    let transcript = project.join("11111111-0000-4000-8000-000000000001.jsonl");
    long_transcript(&transcript, LINES);
    let source = project.display().to_string();
    let import = |db: &Path| sessiondb(db, &["import", "claude", &source]).spawn().unwrap();

    let db = dir.path().join("killed.db");
    let store = open(&db);
    let key = SessionKey::new("claude", "-w", "", "session", "11111111-0000-4000-8000-000000000001");
    let count = || store.session(&key).unwrap().map_or(0, |session| session.message_count);
    let mut killed = 0;
    for kill in 1..=KILLS {
        let mut child = import(&db);
        let goal = count() + 1;
        // As soon as it has done one more commit, it dies.
        while count() < goal && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(killed == kill, "the import was done before kill {kill}");
        assert!(store.check().unwrap().is_clean());
    }
    let output = import(&db).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let whole = dir.path().join("whole.db");
    assert!(import(&whole).wait().unwrap().success());
    let (once, killed) = (content(&open(&whole)), content(&store));
    assert_eq!(once.keys().collect::<Vec<_>>(), killed.keys().collect::<Vec<_>>());
    assert!(once == killed, "the killed import differs from the whole one");
    assert!(count() as usize > LINES / 2);
    assert!(store.check().unwrap().is_clean());
}
