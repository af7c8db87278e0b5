//! The harness is believed because it finds out stores that promise too much: each within 100 cuts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "how soon each was found out")]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pollster::block_on;
use rusqlite::{Connection, OpenFlags};
use sessiondb_core::{Commit, Message, NewMessage, Receipt, SessionKey, Store, Write, time};
use sessiondb_faults::{
    Answers, Calls, Disk, Event, History, NAME, Operation, Plan, Recording, Span, Start, Wrong, feed,
    power::{Bench, Tally},
    record,
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
    let control = Bench::new(0).unwrap().cut(&appends(Transactions::One), 7, CUTS).unwrap();
    assert!(control.findings.is_empty(), "{:?}", control.findings);
    let tally = Bench::new(0).unwrap().cut(&appends(Transactions::Two), 7, CUTS).unwrap();
    found_out("append and count apart", &tally, &[Wrong::Differs]);
}

/// In how many transactions a message is appended and counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transactions {
    One,
    Two,
}

/// The life of a store that some SQL of ours appends to.
fn appends(transactions: Transactions) -> Recording {
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
    for seq in 1..=40 {
        let new = NewMessage::new("user", format!("message {seq}").as_str());
        let mut commits = vec![Commit::new(key.clone()).write(Write::Append(vec![new.clone()]))];
        let begun = disk.recorded();
        let number = calls.send(&mut commits);
        append(&conn, seq, &new, &commits[0], transactions);
        let receipt =
            Receipt { key: key.clone(), revision: 0, seqs: vec![seq], changed: true, replayed: false };
        spans.push(Span { operation: Operation::Append, begun, ended: disk.recorded() });
        calls.answered(number, &Ok(vec![receipt]));
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

fn append(conn: &Connection, seq: u64, new: &NewMessage, commit: &Commit, transactions: Transactions) {
    let at = commit.at.unwrap();
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
    let (at, seq) = (time::to_text(at), seq.cast_signed());
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    conn.execute(
        "INSERT INTO messages (session_id, role, content, created_at, seq, checksum) VALUES (1, 'user', ?1, ?2, ?3, ?4)",
        (new.content.get(), &at, seq, message.checksum()),
    )
    .unwrap();
    if transactions == Transactions::Two {
        conn.execute_batch("COMMIT; BEGIN IMMEDIATE").unwrap();
    }
    conn.execute(
        "UPDATE sessions SET next_seq = ?1 + 1, log_count = ?1, message_count = ?1, updated_at = ?2 WHERE id = 1",
        (seq, &at),
    )
    .unwrap();
    conn.execute(
        "INSERT INTO commits (session_id, revision, at, what, seqs) VALUES (1, 0, ?1, 'append', ?2)",
        (&at, seq.to_string()),
    )
    .unwrap();
    conn.execute_batch("COMMIT").unwrap();
}
