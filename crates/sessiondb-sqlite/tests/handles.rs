//! Eight handles change sessions, all at once, in calls of one commit or of several; the same calls one after the other, in
//! the order in which the file has them, must be answered alike and leave the same in memory. What was refused has left
//! nothing. And at no time does anyone read a tool's call without its result.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test's output, shown when it fails or is asked for")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Barrier},
    thread,
};

use pollster::block_on;
use sessiondb_core::{
    Commit, Conflict, Document, DocumentFilter, Error, Expect, Fork, Json, LogId, MemoryBackend, Message,
    NewDocument, NewMessage, Receipt, Restore, RestoredSession, RestoredState, Session, SessionKey, Store,
    Time, View, ViewChange, Window, Write,
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

/// One commit, and what it is called in the tally.
type Named = (&'static str, Commit);

/// What one handle tries next, given what it sees: a call of one commit, or of several that are all done or none.
fn draw(random: &mut Random, store: &Store, name: &str) -> Vec<Named> {
    let commits = [1, 1, 1, 2, 3][random.below(5) as usize];
    (0..commits).flat_map(|i| draw_one(random, store, &format!("{name}.{i}"))).collect()
}

/// Places are always between two pairs.
fn draw_one(random: &mut Random, store: &Store, name: &str) -> Vec<Named> {
    let peer = random.below(PEERS);
    let seqs: Vec<u64> = match block_on(store.message_window(&key(peer), Window::last(40))) {
        Ok(page) => page.messages.iter().map(|message| message.seq).filter(|seq| seq % 2 == 0).collect(),
        Err(_) => Vec::new(),
    };
    let place = match random.below(seqs.len() as u64 + 1) {
        0 => 0,
        n => seqs[n as usize - 1],
    };
    let document = || (String::from("notes"), place.to_string());
    let (what, write) = match random.below(38) {
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
        18 if random.below(2) == 0 => ("delete", Write::Delete),
        18 => {
            // Begun anew in the same call.
            let at = Time::from_timestamp(1_795_132_800, 0).unwrap();
            let commit = |part| Commit::new(key(peer)).id(format!("{name} {part}")).at(at);
            let append = commit("append").write(Write::open()).write(Write::Append(two(random, name)));
            let delete = commit("delete").write(Write::Delete);
            return vec![("delete", delete), ("append", append.expect(Expect::Absent))];
        }
        19..=23 => {
            let fork = Fork {
                parent: key(random.below(PEERS)),
                at: (random.below(2) > 0).then_some(place),
                status: (random.below(2) > 0).then(|| format!("fork {name}")),
                metadata: None,
            };
            ("fork", Write::Fork(fork))
        }
        24 | 25 => {
            let (collection, id) = document();
            ("put", Write::PutDocument(NewDocument::new(collection, id, json(name))))
        }
        26 | 27 => {
            let (collection, id) = document();
            ("patch", Write::PatchDocument { collection, id, patch: json(name) })
        }
        28 => {
            let (collection, id) = document();
            ("remove", Write::RemoveDocument { collection, id })
        }
        29 => ("status", Write::SetStatus(name.into())),
        30 => ("metadata", Write::SetMetadata(json(name))),
        31 => ("set tokens", Write::SetTokens(random.below(100))),
        32 => ("add tokens", Write::AddTokens(random.below(100))),
        33 => {
            // What restores bears no id: what follows it in the call tells where it stands in the feed.
            let restored = restored(name);
            let follows = Commit { id: Some(name.into()), ..Commit::new(restored.key.clone()) };
            let follows = Commit { at: restored.at, ..follows.write(Write::AddTokens(1)) };
            let mut call = vec![("restore", restored.clone()), ("add tokens", follows)];
            if random.below(2) == 0 && block_on(store.session(&restored.key)).unwrap().is_some() {
                let delete = Commit::new(restored.key).id(format!("{name} delete")).write(Write::Delete);
                call.insert(0, ("delete", Commit { at: restored.at, ..delete }));
            }
            return call;
        }
        34 => ("family", Write::open_family("another")),
        _ => {
            // Both sent twice; what somebody else has said with these ids is another content.
            let said = |which| NewMessage::new("user", format!("said by {name}")).message_id(which);
            ("message id", Write::Append(["one", "two", "one", "two"].map(said).into()))
        }
    };
    let commit = Commit::new(key(peer)).id(name);
    let commit = if what == "append" { commit.write(Write::open()) } else { commit };
    let at = Time::from_timestamp(1_795_132_800 + random.below(1_000) as i64, 0).unwrap();
    let commit = match random.below(4) {
        0 => commit.expect(expectation(random, store, peer, &seqs, document())),
        _ => commit,
    };
    vec![(what, commit.write(write).at(at))]
}

fn json(name: &str) -> Json {
    Json::parse(format!("{{\"{}\":\"{name}\"}}", name.len() % 3)).unwrap()
}

/// What is there as far as this handle sees, or is not; others may change it before the commit has its turn.
fn expectation(
    random: &mut Random,
    store: &Store,
    peer: u64,
    seqs: &[u64],
    (collection, id): (String, String),
) -> Expect {
    let session = block_on(store.session(&key(peer))).unwrap();
    let wrong = u64::from(random.below(4) == 0);
    let (revision, head) = session.map_or((0, 0), |session| (session.revision, session.head));
    match random.below(5) {
        0 => Expect::Absent,
        1 => Expect::State(revision + wrong),
        2 => Expect::Head(head + wrong),
        3 => Expect::Tail(seqs.last().map_or_else(Vec::new, |last| vec![last - 1, last + wrong])),
        _ => {
            let document = match block_on(store.document(&key(peer), &collection, &id)) {
                Ok(document) => document,
                Err(error) => {
                    assert!(matches!(error, Error::NotFound(_)), "{error}");
                    None
                }
            };
            let revision = document.map_or(0, |document| document.revision) + wrong;
            Expect::Document { collection, id, revision }
        }
    }
}

/// A session from elsewhere, whole, under a key of its own. Another one that is there already is a conflict.
fn restored(name: &str) -> Commit {
    let at = Time::from_timestamp(1_795_132_800, 0).unwrap();
    let session = RestoredSession {
        family: "chat".into(),
        created_at: at,
        log_first: 1,
        ancestors: Vec::new(),
        forked_from: None,
    };
    let state = RestoredState {
        status: "active".into(),
        metadata: json(name),
        token_usage: 7,
        updated_at: at,
        revision: 3,
        head: 0,
        view: Vec::new(),
        changes: Vec::new(),
    };
    let restore = [Restore::Session(Box::new(session)), Restore::State(Box::new(state))];
    let commit = Commit::new(key(PEERS + name.len() as u64 % 3)).at(at);
    restore.map(Write::Restore).into_iter().fold(commit, Commit::write)
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
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        start.wait();
        for round in 0..COMMITS {
            let (whats, call): (Vec<_>, Vec<_>) =
                draw(&mut random, &store, &format!("{n}-{round}")).into_iter().unzip();
            match block_on(store.commit(call.clone())) {
                Ok(receipts) => done.push(Done { whats, call, receipts }),
                Err(error) => refused.push((refusal(&error), call)),
            }
            look(&mut random, &store);
        }
        (done, refused)
    };
    let (done, refused): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let threads: Vec<_> = (0..HANDLES).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).unzip()
    });
    let (done, refused) = (done.concat(), refused.concat());
    tally(&done, &refused);

    // Again, in the order that the feed tells: a call's commits stand there together, and nothing of one that was refused.
    let conn = open_connection(&path).unwrap();
    let mut feed =
        conn.prepare("SELECT commit_id FROM commits WHERE commit_id IS NOT NULL ORDER BY id").unwrap();
    let feed: Vec<String> = feed.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for (_, call) in &refused {
        assert!(ids(call).all(|id| !feed.contains(id)), "was refused, and is there: {call:?}");
    }
    let by_first: HashMap<&String, &Done> =
        done.iter().map(|done| (ids(&done.call).next().unwrap(), done)).collect();
    let memory = Store::new(Arc::new(MemoryBackend::new()));
    let mut rest = feed.as_slice();
    while let [first, ..] = rest {
        let Done { call, receipts, .. } = by_first[first];
        let (together, others) = rest.split_at(ids(call).count());
        assert!(together.iter().eq(ids(call)), "{together:?} and not {call:?}");
        assert_eq!(block_on(memory.commit(call.clone())).as_ref(), Ok(receipts), "{call:?}");
        rest = others;
    }
    assert_eq!(feed.len(), done.iter().map(|done| ids(&done.call).count()).sum::<usize>());
    for peer in (0..PEERS + 3).map(key) {
        assert_eq!(seen(&shared, &peer), seen(&memory, &peer), "{peer}");
    }
    let report = block_on(shared.check()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(block_on(memory.check()).unwrap(), report);
}

/// A call that was done.
#[derive(Clone)]
struct Done {
    whats: Vec<&'static str>,
    call: Vec<Commit>,
    receipts: Vec<Receipt>,
}

fn ids(call: &[Commit]) -> impl Iterator<Item = &String> {
    call.iter().filter_map(|commit| commit.id.as_ref())
}

/// Why a call was refused; nothing but what the commits themselves may meet.
fn refusal(error: &Error) -> &'static str {
    match error {
        Error::NotFound(_) => "not found",
        Error::Conflict { conflict, .. } => match conflict {
            Conflict::Exists { .. } => "exists",
            Conflict::Family { .. } => "family",
            Conflict::State { .. } => "state",
            Conflict::Head { .. } => "head",
            Conflict::Tail { .. } => "tail",
            Conflict::NotInView { .. } => "not in view",
            Conflict::Restored { .. } => "restored",
            Conflict::Document { .. } => "document",
            Conflict::MessageId { .. } => "message id",
            conflict => panic!("{conflict}"),
        },
        error => panic!("{error}"),
    }
}

/// How often each kind of commit changed something, each expectation held, and each refusal was met; none may be rare.
fn tally(done: &[Done], refused: &[(&'static str, Vec<Commit>)]) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut count = |category, kind| *counts.entry((category, kind)).or_default() += 1;
    for done in done {
        count("commits in a call", if done.call.len() == 1 { "one" } else { "several" });
        for ((what, commit), receipt) in done.whats.iter().zip(&done.call).zip(&done.receipts) {
            commit.expect.iter().for_each(|expect| count("held", expected(expect)));
            if receipt.changed {
                count("changed", what);
            }
        }
    }
    refused.iter().for_each(|(why, _)| count("refused", why));
    println!("{counts:?}");
    let must: [(&str, &[&str]); 4] = [
        ("commits in a call", &["one", "several"]),
        (
            "changed",
            &[
                "append",
                "compact",
                "uncompact",
                "pop",
                "rewind",
                "reset",
                "undo",
                "set",
                "delete",
                "fork",
                "put",
                "patch",
                "remove",
                "status",
                "metadata",
                "set tokens",
                "add tokens",
                "restore",
                "message id",
            ],
        ),
        ("held", &["absent", "state", "head", "tail", "document"]),
        (
            "refused",
            &[
                "not found",
                "exists",
                "family",
                "state",
                "head",
                "tail",
                "not in view",
                "restored",
                "document",
                "message id",
            ],
        ),
    ];
    for (category, kinds) in must {
        for kind in kinds {
            let count = counts.get(&(category, *kind)).copied().unwrap_or(0);
            assert!(count >= 2, "{category}, {kind}: only {count} times");
        }
    }
}

fn expected(expect: &Expect) -> &'static str {
    match expect {
        Expect::Absent => "absent",
        Expect::State(_) => "state",
        Expect::Head(_) => "head",
        Expect::Tail(_) => "tail",
        Expect::Log(_) => panic!("numbers of logs are not expected here"),
        Expect::Document { .. } => "document",
    }
}

type Stretches = Vec<(u64, Option<u64>)>;
type Seen = (Option<(Session, Stretches)>, Vec<(ViewChange, Stretches)>, Vec<Document>, Vec<Vec<Message>>);

/// A view without the numbers of logs, which are each store's own.
fn stretches(view: &View) -> Stretches {
    view.spans().iter().map(|span| (span.first, span.last)).collect()
}

/// Everything of a session that must be alike in any store.
fn seen(store: &Store, key: &SessionKey) -> Seen {
    let nowhere = || View::whole(LogId(0));
    let Some(session) = block_on(store.session(key)).unwrap() else { return Seen::default() };
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
    let filter = DocumentFilter { limit: 1_000, ..DocumentFilter::default() };
    let documents = block_on(store.document_list(key, &filter)).unwrap().documents;
    (session, changes.collect(), documents, windows.map(read).collect())
}
