//! Several processes write one file, and now one and now another of them is killed.

use std::{collections::BTreeMap, env, fs, path::Path, thread};

use pollster::block_on;
use sessiondb::{NewMessage, SessionKey};

use crate::{
    content::log,
    random::{Random, seed},
    strace::{Call, Program, Tally},
};

/// What the process that is killed is told: its name, the first message to append, the directory.
const WRITE: &str = "SESSIONDB_TEST_WRITE";
const MESSAGES: usize = 60;
const KILLS_EACH: usize = 12;
const PLACES: [(Call, u64); 3] = [(Call::Pwrite, 60), (Call::Write, 20), (Call::Sync, 20)];

fn shared() -> SessionKey {
    SessionKey::new("a", "c", "", "group", "shared")
}

fn open(dir: &Path) -> sessiondb::Store {
    block_on(sessiondb::open(&dir.join("s.db").display().to_string())).unwrap().for_blocking()
}

/// The process that is killed: it tells each message that was answered, with its number.
#[test]
fn writes_until_it_is_killed() {
    let Ok(what) = env::var(WRITE) else { return };
    let [name, first, dir] = what.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let store = open(Path::new(dir));
    for n in first.parse().unwrap()..MESSAGES {
        let id = format!("{name}-{n}");
        let message = NewMessage::new("user", id.as_str()).message_id(id);
        let receipt = block_on(store.append(&shared(), vec![message])).unwrap();
        println!("done {n} {}", receipt.seqs[0]);
    }
    block_on(store.close()).unwrap();
}

/// Until all its messages were answered. Answers their numbers.
fn write_all(dir: &Path, name: &str, mut random: Random, tally: &Tally) -> BTreeMap<usize, u64> {
    let mut told = BTreeMap::new();
    let mut kills = 0;
    while told.len() < MESSAGES {
        let program = Program::test(
            "together::writes_until_it_is_killed",
            WRITE,
            format!("{name} {} {}", told.len(), dir.display()),
        );
        let (call, places) = random.of(&PLACES);
        let run = match kills < KILLS_EACH {
            true => program.killed(call, 1 + random.below(places) as usize),
            false => program.run(),
        };
        assert!(run.killed || run.success, "{name} met an error: {run}");
        if run.killed {
            tally.note(call);
            kills += 1;
        }
        let whole = run.stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (_, line) in whole.lines().filter_map(|line| line.split_once("done ")) {
            let (n, seq) = line.split_once(' ').unwrap();
            told.insert(n.parse().unwrap(), seq.parse().unwrap());
        }
        assert!(told.keys().copied().eq(0..told.len()), "{name} told {told:?}");
    }
    told
}

/// Each process's messages are there once, in its order, where it was told that they are, and without gaps; and nobody
/// met an error because somebody else was killed, not even in the middle of a transaction.
#[test]
fn processes_that_are_killed_take_nothing_from_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (seed, tally, names) = (seed(), Tally::default(), ["one", "two", "three", "four"]);
    let told: Vec<BTreeMap<usize, u64>> = thread::scope(|scope| {
        let (dir, tally) = (dir.path(), &tally);
        let threads: Vec<_> = (0..)
            .zip(names)
            .map(|(n, name)| {
                scope.spawn(move || write_all(dir, name, Random(seed.wrapping_add(n << 32)), tally))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let store = open(dir.path());
    let messages = log(&store, &shared());
    assert!(messages.iter().map(|message| message.seq).eq(1..=(names.len() * MESSAGES) as u64));
    for (name, told) in names.iter().zip(told) {
        let own = messages.iter().filter(|message| {
            message.message_id.as_ref().is_some_and(|id| id.starts_with(&format!("{name}-")))
        });
        let own: Vec<(String, u64)> =
            own.map(|message| (message.message_id.clone().unwrap(), message.seq)).collect();
        let should = told.into_iter().map(|(n, seq)| (format!("{name}-{n}"), seq));
        assert!(should.eq(own.iter().cloned()), "the messages of {name}: {own:?}");
    }
    assert!(block_on(store.check()).unwrap().is_clean());
    // Nobody who was killed left something that keeps the last one from tidying up.
    block_on(store.close()).unwrap();
    assert!(!fs::exists(dir.path().join("s.db-wal")).unwrap());
    tally.must_have(&PLACES.map(|(call, _)| call));
}
