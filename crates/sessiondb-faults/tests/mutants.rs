//! The harness is believed because it finds out stores that promise too much: each within 100 cuts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "how soon each was found out")]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pollster::block_on;
use rusqlite::{Connection, OpenFlags};
use sessiondb_core::{Commit, Message, NewMessage, Receipt, SessionKey, Store, Write, time};
use sessiondb_faults::{
    Answers, Calls, Disk, Event, History, NAME, Operation, Plan, Recording, Span, Start, Tally, Wrong, feed,
    power::Bench, record,
};
use sessiondb_sqlite::{Durability, Options, SqliteBackend};

const CUTS: u64 = 100;

fn plan() -> Plan {
    Plan {
        seed: 7,
        start: Start::Nothing,
        large: false,
        durability: Durability::Full,
        answers: Answers::WhenAnswered,
    }
}

/// Cuts a life, of whose log something was changed, or that was lived otherwise.
fn cut(plan: Plan, change: impl Fn(&mut Vec<Event>)) -> Tally {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(Disk::new().unwrap()));
    let mut recording = record(plan, &disk, dir.path()).unwrap();
    change(&mut recording.log);
    Bench::new(0).unwrap().cut(&recording, plan.seed, CUTS).unwrap()
}

/// Makes the events that are left out be nothing, so that the others keep their places.
fn without(left_out: impl Fn(&Event) -> bool) -> impl Fn(&mut Vec<Event>) {
    move |log| {
        let mut count = 0;
        for event in log.iter_mut().filter(|event| left_out(event)) {
            (*event, count) = (Event::Mark("left out".into()), count + 1);
        }
        assert!(count > 0, "nothing was left out");
    }
}

fn is_sync_of(event: &Event, name: &str) -> bool {
    matches!(event, Event::Sync { file } if **file == *name)
}

#[track_caller]
fn found_out(what: &str, tally: &Tally, as_wrong: &[Wrong]) {
    let mut kinds = BTreeMap::<Wrong, u64>::new();
    tally.findings.iter().for_each(|(wrong, _)| *kinds.entry(*wrong).or_default() += 1);
    println!("{what}: found out in {} of {} cuts: {kinds:?}", tally.findings.len(), tally.cuts);
    assert!(as_wrong.iter().any(|wrong| kinds.contains_key(wrong)), "{what} was not found out: {kinds:?}");
}

#[test]
fn a_store_that_keeps_its_promise_is_not_accused() {
    let tally = cut(plan(), |_| {});
    assert!(tally.findings.is_empty(), "{:?}", tally.findings);
}

#[test]
fn a_store_that_does_not_sync_its_commits_is_found_out() {
    let tally = cut(Plan { durability: Durability::Normal, ..plan() }, |_| {});
    found_out("synchronous=NORMAL", &tally, &[Wrong::Lost]);
}

#[test]
fn a_store_that_answers_before_it_commits_is_found_out() {
    let tally = cut(Plan { answers: Answers::WhenSent, ..plan() }, |_| {});
    found_out("an answer before the commit", &tally, &[Wrong::Lost]);
}

#[test]
fn a_store_that_does_not_sync_the_directory_is_found_out() {
    let tally = cut(plan(), without(|event| *event == Event::SyncDirectory));
    found_out("no sync of the directory", &tally, &[Wrong::Lost]);
}

#[test]
fn a_checkpoint_that_does_not_sync_the_database_is_found_out() {
    let tally = cut(plan(), without(|event| is_sync_of(event, NAME)));
    found_out("no sync of the database", &tally, &[Wrong::Lost, Wrong::Corrupt, Wrong::Unreadable]);
}

#[test]
fn a_store_that_appends_and_counts_in_two_transactions_is_found_out() {
    let cut = |halves| Bench::new(0).unwrap().cut(&pairs(halves), 7, CUTS).unwrap();
    let control = cut(Halves::Together);
    assert!(control.findings.is_empty(), "{:?}", control.findings);
    found_out("append and count apart", &cut(Halves::AppendAndCount), &[Wrong::Differs]);
}

#[test]
fn a_store_that_commits_a_call_in_two_transactions_is_found_out() {
    let tally = Bench::new(0).unwrap().cut(&pairs(Halves::Commits), 7, CUTS).unwrap();
    found_out("the commits of a call apart", &tally, &[Wrong::Torn]);
}

/// Where a call of two appends is divided into two transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halves {
    Together,
    AppendAndCount,
    Commits,
}

/// The life of a store that some SQL of ours appends to, two messages a call.
fn pairs(halves: Halves) -> Recording {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Arc::new(Disk::new().unwrap()));
    let path = dir.path().join(NAME);
    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    let calls = Calls::new(Arc::clone(&disk), Answers::WhenAnswered, 0);
    disk.record();
    let backend = SqliteBackend::open(Options::new(&path).vfs(disk.vfs())).unwrap();
    let store = Store::new(calls.note(Arc::new(backend)));
    block_on(store.session_open(&key)).unwrap();
    block_on(store.close()).unwrap();
    let conn = connect(&path, &disk);
    let mut spans = Vec::new();
    for call in 0..30 {
        let seqs = [2 * call + 1, 2 * call + 2];
        let commit = |seq: u64| {
            let new = NewMessage::new("user", format!("message {seq}").as_str());
            Commit::new(key.clone()).write(Write::Append(vec![new]))
        };
        let mut commits = seqs.map(commit).to_vec();
        let begun = disk.recorded();
        let number = calls.send(&mut commits);
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (commit, seq) in commits.iter().zip(seqs) {
            insert(&conn, commit, seq);
            if halves == Halves::AppendAndCount {
                conn.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
            }
            count(&conn, commit, seq);
            if halves == Halves::Commits && seq == seqs[0] {
                conn.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
            }
        }
        conn.execute_batch("COMMIT").unwrap();
        let receipt =
            |seq| Receipt { key: key.clone(), revision: 0, seqs: vec![seq], changed: true, replayed: false };
        spans.push(Span { operation: Operation::Append, begun, ended: disk.recorded() });
        calls.answered(number, &Ok(seqs.map(receipt).to_vec()));
    }
    conn.close().unwrap();
    let log = disk.take();
    let feed = feed(&path, disk.vfs()).unwrap();
    let history = block_on(History::new(Vec::new(), calls.list(), feed, None)).unwrap();
    Recording { start: [(NAME.into(), Vec::new())].into(), log, spans, history }
}

fn connect(path: &Path, disk: &Disk) -> Connection {
    let conn =
        Connection::open_with_flags_and_vfs(path, OpenFlags::SQLITE_OPEN_READ_WRITE, disk.vfs()).unwrap();
    conn.execute_batch("PRAGMA synchronous = FULL").unwrap();
    conn
}

fn insert(conn: &Connection, commit: &Commit, seq: u64) {
    let [Write::Append(messages)] = &commit.writes[..] else { panic!("{commit:?}") };
    let (new, at) = (&messages[0], commit.at.unwrap());
    let message = Message {
        id: 0,
        seq,
        role: new.role.clone(),
        content: new.content.clone(),
        tool_calls: None,
        created_at: at,
        message_id: None,
        opens: Vec::new(),
        closes: Vec::new(),
        token_count: None,
        attributes: None,
    };
    conn.execute(
        "INSERT INTO messages (session_id, role, content, created_at, seq, checksum) VALUES (1, 'user', ?1, ?2, ?3, ?4)",
        (new.content.get(), time::to_text(at), seq.cast_signed(), message.checksum()),
    )
    .unwrap();
}

fn count(conn: &Connection, commit: &Commit, seq: u64) {
    let (at, seq) = (time::to_text(commit.at.unwrap()), seq.cast_signed());
    conn.execute(
        "UPDATE sessions SET next_seq = ?1 + 1, log_count = ?1, message_count = ?1, updated_at = ?2, latest_at = ?2, \
         latest_seq = ?1 WHERE id = 1",
        (seq, &at),
    )
    .unwrap();
    conn.execute(
        "INSERT INTO commits (session_id, revision, at, what, seqs) VALUES (1, 0, ?1, 'append', ?2)",
        (&at, seq.to_string()),
    )
    .unwrap();
}
