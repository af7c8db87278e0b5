//! A script of thousands of steps, whose process is killed again and again, at every kind of call.

use std::{env, fs, path::Path};

use ait42_session::{SessionRepository, migration::compare};
use pollster::block_on;

use crate::{
    content::{content, imported},
    random::{Random, seed},
    script::Stage,
    strace::{Call, Program, Tally},
};

/// What the process that is killed is told: the seed, the last step, the directory.
const PLAY: &str = "SESSIONDB_TEST_PLAY";
/// Steps that a process does before it closes the store and ends, if nobody kills it.
const STEPS_AT_ONCE: u64 = 20;
/// The kinds of calls to be killed at, and the last of each kind that is drawn: about as many as half of those steps make.
const PLACES: [(Call, u64); 7] = [
    (Call::Pwrite, 300),
    (Call::Write, 20),
    (Call::Sync, 20),
    (Call::Truncate, 3),
    (Call::Rename, 1),
    (Call::Remove, 3),
    (Call::Open, 20),
];

/// The process that is killed: this test, run again by the others. It tells each step that was answered.
#[test]
fn plays_until_it_is_killed() {
    let Ok(what) = env::var(PLAY) else { return };
    let [seed, last, dir] = what.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let mut stage = Stage::on_disk(Path::new(dir), seed.parse().unwrap());
    let position = stage.position();
    if position > 0 {
        stage.repeat(position);
    }
    for n in position + 1..=last.parse().unwrap() {
        stage.play(n);
        println!("done {n}");
    }
    block_on(stage.store.close()).unwrap();
}

fn play(dir: &Path, seed: u64, last: u64) -> Program {
    let what = format!("{seed} {last} {}", dir.display());
    Program::test("scripted::plays_until_it_is_killed", PLAY, what)
}

/// The last step that a process told.
fn acknowledged(stdout: &str) -> Option<u64> {
    // Of a line without an end nobody knows whether it is whole.
    let whole = stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let line = whole.lines().rev().find_map(|line| line.split_once("done "));
    line.map(|(_, n)| n.parse().unwrap())
}

/// Holds what a process left behind to what the same steps leave in memory; answers how far it had come. `told` is the
/// last step that it told of.
fn judge(dir: &Path, seed: u64, model: &mut Stage, reached_before: u64, told: u64) -> u64 {
    let stage = Stage::on_disk(dir, seed);
    let reached = stage.position();
    assert!((told..=told + 1).contains(&reached), "after step {told} was answered the store is at {reached}");
    for n in reached_before + 1..=reached {
        model.play(n);
    }
    let (is, should) = (content(&stage.store, "a"), content(&model.store, "a"));
    for (key, content) in &should {
        assert_eq!(is.get(key), Some(content), "after step {reached}, session {key}");
    }
    assert_eq!(is.len(), should.len(), "after step {reached}: {:?}", is.keys());
    // What is begun of an import is not told by its number.
    if !model.is_import(reached + 1) {
        assert!(imported(&stage.store, "claude") == imported(&model.store, "claude"), "after step {reached}");
    }
    let report = block_on(stage.store.check()).unwrap();
    assert!(report.is_clean(), "after step {reached}: {report:?}");
    block_on(stage.store.close()).unwrap();
    reached
}

/// What was said of coding sessions is there once, and the files follow.
fn judge_coding(dir: &Path, seed: u64, reached: u64) {
    let stage = Stage::on_disk(dir, seed);
    assert_eq!(block_on(stage.dual().replay()).unwrap(), [], "after step {reached}");
    let comparison = block_on(compare(stage.sessions(), &stage.coding())).unwrap();
    assert!(comparison.is_equal(), "after step {reached}: {comparison:?}");
    for workspace in ["abc", "def"] {
        let sessions = block_on(stage.coding().get_all_sessions(workspace)).unwrap();
        let said = sessions.iter().flat_map(|session| &session.chat_history).map(|message| &message.id);
        let mut there: Vec<&String> = sessions.iter().map(|session| &session.id).chain(said).collect();
        let done = (1..=reached).filter_map(|n| stage.coded(n));
        let mut should: Vec<String> =
            done.filter(|(at, _)| *at == workspace).map(|(_, id)| id).chain(["base".into()]).collect();
        // A step that was begun may be done without its number.
        if let Some((at, id)) = stage.coded(reached + 1)
            && at == workspace
            && there.contains(&&id)
        {
            should.push(id);
        }
        there.sort_unstable();
        should.sort_unstable();
        assert!(there.iter().copied().eq(&should), "after step {reached}: {there:?} and not {should:?}");
    }
    block_on(stage.store.close()).unwrap();
}

/// As a copy of the disk would be found: without the part of the log that is in memory.
fn copied(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for name in ["s.db", "s.db-wal"] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// Every step that was answered is there, once and in order; the one in flight is there wholly or not at all; the store is
/// sound; and sending the last step again changes nothing. Half of the time the process itself is the first to open what
/// was left, and half of the time it is the test.
#[test]
fn a_script_that_is_killed_again_and_again_leaves_what_it_leaves_in_memory() {
    let steps: u64 = env::var("SESSIONDB_KILLED_STEPS").map_or(2_000, |steps| steps.parse().unwrap());
    let seed = seed();
    let mut random = Random(seed);
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = other.path().join("copy");
    let mut model = Stage::in_memory(other.path(), seed);
    let stage = Stage::on_disk(dir.path(), seed);
    stage.prepare();
    block_on(stage.store.close()).unwrap();
    let (tally, mut reached, mut runs) = (Tally::default(), 0, 0);
    while reached < steps {
        let (call, places) = random.of(&PLACES);
        let last = (reached + STEPS_AT_ONCE).min(steps);
        let run = play(dir.path(), seed, last).killed(call, 1 + random.below(places) as usize);
        assert!(run.killed || run.success, "{run}");
        if run.killed {
            tally.note(call);
        }
        let told = acknowledged(&run.stdout).unwrap_or(reached);
        assert!(run.killed || told == last, "{run}");
        let at = if random.below(2) == 0 {
            copied(dir.path(), &copy);
            &copy
        } else {
            dir.path()
        };
        let before = reached;
        reached = judge(at, seed, &mut model, before, told);
        if (before + 1..=reached + 1).any(|n| model.coded(n).is_some()) && at == dir.path() {
            judge_coding(dir.path(), seed, reached);
        }
        runs += 1;
    }
    judge_coding(dir.path(), seed, reached);
    println!("{} of {runs} processes were killed on the way through {steps} steps", tally.total());
    tally.must_have(&PLACES.map(|(call, _)| call));
}
