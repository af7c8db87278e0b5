//! Eight handles change what sessions show, all at once; the same commits one after the other, in the order in which the
//! file has them, must leave the same in memory. And at no time does anyone read a call without its result.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test's output, shown when it fails or is asked for")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Barrier},
    thread,
};

use pollster::block_on;
use sessiondb_core::{
    Commit, Conflict, Error, Fork, LogId, MemoryBackend, Message, NewMessage, Receipt, Session, SessionKey,
    Store, Time, View, ViewChange, Window, Write,
};
use sessiondb_sqlite::{Options, SqliteBackend, open_connection};

const HANDLES: usize = 8;
const COMMITS: usize = 200;
const PEERS: u64 = 5;

fn key(peer: u64) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", peer.to_string())
}

/// Random numbers that a seed makes again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

/// Always two messages, so that every second place is between them: a call and its result, or two that are neither.
fn two(random: &mut Random, name: &str) -> Vec<NewMessage> {
    let call = format!("call {name}");
    let (mut first, mut second) = (NewMessage::new("assistant", name), NewMessage::new("tool", name));
    if random.below(4) > 0 {
        (first.opens, second.closes) = (vec![call.clone()], vec![call]);
    }
    vec![first, second]
}

/// What one handle tries next, given what it sees. Places are always between two pairs.
fn draw(random: &mut Random, store: &Store, name: &str) -> (&'static str, Commit) {
    let peer = random.below(PEERS);
    let seqs: Vec<u64> = match block_on(store.message_window(&key(peer), Window::last(40))) {
        Ok(page) => page.messages.iter().map(|message| message.seq).filter(|seq| seq % 2 == 0).collect(),
        Err(_) => Vec::new(),
    };
    let place = match random.below(seqs.len() as u64 + 1) {
        0 => 0,
        n => seqs[n as usize - 1],
    };
    let (what, write) = match random.below(24) {
        0..=6 => ("append", Write::Append(two(random, name))),
        7..=9 => {
            let summary =
                if random.below(3) > 0 { two(random, &format!("summary {name}")) } else { Vec::new() };
            ("compact", Write::Compact { through: place, summary })
        }
        10 | 11 => ("uncompact", Write::Uncompact),
        12 => ("pop", Write::Pop { count: 2 }),
        13 => ("rewind", Write::Rewind { seq: place }),
        14 => ("reset", Write::Rewind { seq: 0 }),
        15 | 16 => ("undo", Write::Undo),
        17 => {
            let pairs = seqs.iter().rev().step_by(2).map(|seq| (seq - 1, *seq));
            ("set", Write::SetView(pairs.collect()))
        }
        18 => ("delete", Write::Delete),
        _ => {
            let fork = Fork {
                parent: key(random.below(PEERS)),
                at: (random.below(2) > 0).then_some(place),
                status: None,
                metadata: None,
            };
            ("fork", Write::Fork(fork))
        }
    };
    let commit = Commit::new(key(peer)).id(name);
    let commit = if what == "append" { commit.write(Write::open()) } else { commit };
    let at = Time::from_timestamp(1_795_132_800 + random.below(1_000) as i64, 0).unwrap();
    (what, commit.write(write).at(at))
}

/// Any window, wherever the store chooses its ends, has both halves of every call.
fn look(random: &mut Random, store: &Store) {
    let peer = key(random.below(PEERS));
    let limit = 1 + random.below(30) as usize;
    let windows = [Window::last(limit), Window::tokens(random.below(60)), Window::after(0, limit)];
    let window = windows[random.below(3) as usize];
    match block_on(store.message_window(&peer, window)) {
        Ok(page) => assert_eq!(page.unpaired, Vec::<String>::new(), "{window:?} of {peer}: {page:?}"),
        Err(error) => assert!(matches!(error, Error::NotFound(_)), "{error}"),
    }
}

#[test]
fn eight_handles_leave_what_one_would_leave_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let seed: u64 =
        std::env::var("SEED").map_or_else(|_| std::process::id().into(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    // Half of the handles share an engine, as threads do; the others have one each, as processes do.
    let shared = Store::new(Arc::new(SqliteBackend::open(Options::new(&path)).unwrap()));
    let start = Barrier::new(HANDLES);
    let work = |n: usize| {
        let store = match n % 4 {
            0 => shared.clone(),
            1 => shared.for_blocking(),
            _ => Store::new(Arc::new(SqliteBackend::open(Options::new(&path)).unwrap())),
        };
        let mut random = Random(seed.wrapping_mul(1_000).wrapping_add(n as u64));
        let mut done = Vec::new();
        start.wait();
        for round in 0..COMMITS {
            let (what, commit) = draw(&mut random, &store, &format!("{n}-{round}"));
            match block_on(store.commit_one(commit.clone())) {
                Ok(receipt) => done.push((what, commit, receipt)),
                Err(Error::NotFound(_)) => {}
                Err(Error::Conflict { conflict, .. }) => {
                    assert!(
                        matches!(conflict, Conflict::NotInView { .. } | Conflict::Exists { .. }),
                        "{conflict}"
                    );
                }
                Err(error) => panic!("{what}: {error}"),
            }
            look(&mut random, &store);
        }
        done
    };
    let done: Vec<(&str, Commit, Receipt)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..HANDLES).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    tally(&done);

    // Again, in the order that the feed tells.
    let done: HashMap<String, (Commit, Receipt)> = done
        .into_iter()
        .map(|(_, commit, receipt)| (commit.id.clone().unwrap(), (commit, receipt)))
        .collect();
    let conn = open_connection(&path).unwrap();
    let mut feed = conn.prepare("SELECT commit_id FROM commits ORDER BY id").unwrap();
    let feed: Vec<String> = feed.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(feed.len(), done.len());
    let memory = Store::new(Arc::new(MemoryBackend::new()));
    for id in &feed {
        let (commit, receipt) = &done[id];
        assert_eq!(block_on(memory.commit_one(commit.clone())).as_ref(), Ok(receipt), "{commit:?}");
    }
    for peer in (0..PEERS).map(key) {
        assert_eq!(seen(&shared, &peer), seen(&memory, &peer), "{peer}");
    }
    let report = block_on(shared.check()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(block_on(memory.check()).unwrap(), report);
}

/// How often each kind of commit changed something; none may be rare.
fn tally(done: &[(&'static str, Commit, Receipt)]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (what, ..) in done.iter().filter(|(_, _, receipt)| receipt.changed) {
        *counts.entry(what).or_default() += 1;
    }
    println!("{counts:?}");
    for what in ["append", "compact", "uncompact", "pop", "rewind", "reset", "undo", "set", "delete", "fork"]
    {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(count >= 4, "{what} changed something only {count} times");
    }
}

type Stretches = Vec<(u64, Option<u64>)>;
type Seen = (Option<(Session, Stretches)>, Vec<(ViewChange, Stretches)>, Vec<Vec<Message>>);

/// A view without the numbers of logs, which are each store's own.
fn stretches(view: &View) -> Stretches {
    view.spans().iter().map(|span| (span.first, span.last)).collect()
}

/// Everything of a session that must be alike in any store.
fn seen(store: &Store, key: &SessionKey) -> Seen {
    let nowhere = || View::whole(LogId(0));
    let Some(session) = block_on(store.session(key)).unwrap() else { return (None, Vec::new(), Vec::new()) };
    let view = stretches(&session.view);
    let session = Some((Session { log: LogId(0), view: nowhere(), ..session }, view));
    let changes = block_on(store.view_changes(key, None, 1_000)).unwrap().into_iter();
    let changes = changes.map(|change| {
        let before = stretches(&change.before);
        (ViewChange { before: nowhere(), ..change }, before)
    });
    let windows = (1..=60).flat_map(|n| [Window::last(n), Window::after(0, n), Window::tokens(n as u64 * 5)]);
    let windows = windows.chain([Window::log(0, 1_000)]);
    let read = |window| {
        let page = block_on(store.message_window(key, window)).unwrap();
        page.messages.into_iter().map(|message| Message { id: 0, ..message }).collect()
    };
    (session, changes.collect(), windows.map(read).collect())
}
