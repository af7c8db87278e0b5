//! Windows by time over long logs, whose messages came in the order of their times, or late, or backwards: what is found by
//! halving and by the index of late messages is what one finds who looks at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "what a run needs to be repeated")]

use std::{path::Path, sync::Arc};

use fastrand::Rng;
use pollster::block_on;
use rusqlite::Connection;
use sessiondb_core::{Message, NewMessage, SessionKey, Store, Time, Window};
use sessiondb_sqlite::{Options, SqliteBackend, open_connection};

fn open(path: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(path)).unwrap())).for_blocking()
}

fn key(peer: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", peer)
}

fn at(second: i64) -> Time {
    Time::from_timestamp(1_795_132_800 + second, 0).unwrap()
}

/// In which order messages come.
#[derive(Debug, Clone, Copy)]
enum Manner {
    InOrder,
    /// Some are late, alone or in rows.
    SomeLate,
    /// Nobody's clock is right.
    Anyhow,
    Backwards,
    /// The first one is of the far future, and all others are late.
    FutureFirst,
}

const MANNERS: [Manner; 5] =
    [Manner::InOrder, Manner::SomeLate, Manner::Anyhow, Manner::Backwards, Manner::FutureFirst];

fn seconds(manner: Manner, rng: &mut Rng, count: i64) -> Vec<i64> {
    let mut late = 0;
    let mut second = |n: i64| match manner {
        // Several of a time.
        Manner::InOrder => n / 3,
        Manner::SomeLate => {
            if rng.u8(..40) == 0 {
                late = rng.i64(1..60);
            }
            late -= 1;
            if late >= 0 { rng.i64(0..=n) / 2 } else { n / 2 }
        }
        Manner::Anyhow => rng.i64(0..count),
        Manner::Backwards => count - n,
        Manner::FutureFirst => {
            if n == 0 {
                10 * count
            } else {
                n
            }
        }
    };
    (0..count).map(&mut second).collect()
}

/// What is right: all messages of the view, the latest of those in the interval, in the order of the view.
fn right(all: &[Message], window: Window) -> (Vec<u64>, bool, bool) {
    let Window::Times { after, before, cursor, limit } = window else { panic!() };
    let place = |message: &&Message| (message.created_at, message.seq);
    let inside = |message: &&Message| {
        after.is_none_or(|after| message.created_at > after)
            && before.is_none_or(|before| message.created_at < before)
    };
    let inside: Vec<&Message> = all.iter().filter(inside).collect();
    let mut page = inside.clone();
    page.retain(|message| cursor.is_none_or(|cursor| place(message) < cursor));
    let follow = page.len() < inside.len();
    page.sort_by_key(place);
    let earlier = page.len() > limit;
    page.drain(..page.len().saturating_sub(limit));
    page.sort_by_key(|message| message.seq);
    (page.iter().map(|message| message.seq).collect(), earlier, follow)
}

fn all(store: &Store, key: &SessionKey) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = all.last().map_or(0, |message| message.seq);
        let page = block_on(store.message_window(key, Window::log(after, 1_000))).unwrap();
        all.extend(page.messages);
        if !page.has_later {
            return all;
        }
    }
}

fn compare(store: &Store, key: &SessionKey, rng: &mut Rng, count: i64) {
    let all = all(store, key);
    for _ in 0..30 {
        let bound = |rng: &mut Rng| (rng.u8(..3) > 0).then(|| at(rng.i64(-2..count + 2)));
        let (after, before) = (bound(rng), bound(rng));
        let limit = [1, 7, 50, 1_000][rng.usize(..4)];
        let mut cursor = (rng.u8(..3) == 0).then(|| (at(rng.i64(0..count)), rng.u64(0..count as u64)));
        // A page, and those before it.
        for _ in 0..4 {
            let window = Window::Times { after, before, cursor, limit };
            let page = block_on(store.message_window(key, window)).unwrap();
            let seqs: Vec<u64> = page.messages.iter().map(|message| message.seq).collect();
            let found = (seqs, page.has_earlier, page.has_later);
            assert_eq!(found, right(&all, window), "{window:?}");
            cursor = page.messages.iter().map(|message| (message.created_at, message.seq)).min();
            if !page.has_earlier {
                break;
            }
        }
    }
    let report = block_on(store.check()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| std::process::id().into(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    seed
}

#[test]
fn windows_by_time_are_what_one_finds_who_looks_at_all() {
    let mut rng = Rng::with_seed(seed());
    for manner in MANNERS {
        println!("{manner:?}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let store = open(&path);
        let count = rng.i64(2_500..4_000);
        let messages: Vec<NewMessage> = seconds(manner, &mut rng, count)
            .into_iter()
            .map(|second| NewMessage { created_at: Some(at(second)), ..NewMessage::new("user", "x") })
            .collect();
        // Some of them a message a commit, as they come in life.
        let (first, rest) = messages.split_at(40);
        for message in first {
            block_on(store.append(&key("ann"), vec![message.clone()])).unwrap();
        }
        for some in rest.chunks(1_000) {
            block_on(store.append(&key("ann"), some.to_vec())).unwrap();
        }
        compare(&store, &key("ann"), &mut rng, count);
        // A fork, whose own messages come in an order of their own.
        block_on(store.fork(&key("ann"), &key("bob"), Some(count as u64 - 200))).unwrap();
        let own = (0..2_100)
            .map(|_| NewMessage { created_at: Some(at(rng.i64(0..count))), ..NewMessage::new("user", "y") });
        for some in own.collect::<Vec<_>>().chunks(1_000) {
            block_on(store.append(&key("bob"), some.to_vec())).unwrap();
        }
        compare(&store, &key("bob"), &mut rng, count);
        // Rows that are deleted by hand, the latest of all among them, leave marks that lead to nobody.
        block_on(store.session_delete(&key("bob"))).unwrap();
        let conn = open_connection(&path).unwrap();
        conn.execute_batch(
            "DELETE FROM messages WHERE id % 7 = 0;
             DELETE FROM messages WHERE id = (SELECT id FROM messages ORDER BY created_at DESC, id DESC LIMIT 1)",
        )
        .unwrap();
        drop(conn);
        compare(&store, &key("ann"), &mut rng, count);
        let now = vec![NewMessage { created_at: Some(at(count)), ..NewMessage::new("user", "z") }];
        block_on(store.append(&key("ann"), now)).unwrap();
        compare(&store, &key("ann"), &mut rng, count);
    }
}

/// As a store of version 3 is that people have put rows into with SQL, and as one of today: both have the same marks.
#[test]
fn rows_by_hand_and_rows_of_an_older_version_have_their_place_in_time() {
    let mut rng = Rng::with_seed(seed());
    for version in [3, 4] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA application_id = 0x53455344;
             PRAGMA journal_mode = WAL;
             CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);",
        )
        .unwrap();
        let steps = [
            include_str!("../migrations/0001_initial.sql"),
            include_str!("../migrations/0002_views.sql"),
            include_str!("../migrations/0003_lists.sql"),
            include_str!("../migrations/0004_times.sql"),
        ];
        for (step, number) in steps[..version].iter().zip(1..) {
            conn.execute_batch(step).unwrap();
            conn.execute(
                "INSERT INTO schema_version VALUES (?1, 'a step', '2026-11-19T00:00:00.000000Z')",
                [number],
            )
            .unwrap();
        }
        for peer in ["ann", "bob", "eve"] {
            conn.execute(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
                 VALUES ('main', 'cli', '', 'dm', ?1, '2026-11-19T00:00:00Z', '2026-11-19T00:00:00Z')",
                [peer],
            )
            .unwrap();
        }
        conn.execute_batch("BEGIN").unwrap();
        let count = 2_400;
        for (session, manner) in [(1, Manner::SomeLate), (2, Manner::Backwards)] {
            for second in seconds(manner, &mut rng, count) {
                conn.execute(
                    "INSERT INTO messages (session_id, role, content, created_at) VALUES (?1, 'user', '1', ?2)",
                    (session, at(second).to_rfc3339()),
                )
                .unwrap();
            }
        }
        conn.execute_batch("COMMIT").unwrap();
        drop(conn);
        let store = open(&path);
        for peer in ["ann", "bob", "eve"] {
            compare(&store, &key(peer), &mut rng, count);
        }
        let late = "SELECT count(*) FROM messages WHERE later_seq IS NOT NULL AND session_id = 2";
        let conn = open_connection(&path).unwrap();
        let late: i64 = conn.query_row(late, [], |row| row.get(0)).unwrap();
        assert_eq!(late, count - 1, "version {version}");
    }
}

#[test]
fn check_finds_a_place_in_time_that_is_wrong() {
    let wrong = [
        "UPDATE messages SET later_seq = NULL WHERE seq = 3",
        "UPDATE messages SET later_seq = 1 WHERE seq = 3",
        "UPDATE messages SET later_seq = 3 WHERE seq = 3",
        "UPDATE sessions SET latest_seq = NULL",
        "UPDATE sessions SET latest_seq = 2",
        "UPDATE sessions SET latest_at = '2020-01-01T00:00:00.000000Z'",
    ];
    for sql in wrong {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let store = open(&path);
        let messages = [10, 20, 15, 30]
            .map(|second| NewMessage { created_at: Some(at(second)), ..NewMessage::new("user", "x") });
        block_on(store.append(&key("ann"), messages.to_vec())).unwrap();
        assert!(block_on(store.check()).unwrap().is_clean());
        open_connection(&path).unwrap().execute_batch(sql).unwrap();
        assert!(!block_on(store.check()).unwrap().is_clean(), "{sql}");
    }
}
