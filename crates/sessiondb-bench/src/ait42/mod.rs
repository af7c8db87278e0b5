//! Coding sessions in `ait42-session`, in seed 003's own design on sqlx, and in AIT42's files: loading a workspace, searching
//! it, creating sessions, and adding a message however many sessions there are.

mod file;
mod ours;
mod sqlx;
mod workspace;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ait42_session::{ChatMessage, WorktreeSession};

use self::{
    file::JsonFile,
    ours::Ours,
    sqlx::Sqlx,
    workspace::{FOUND, WORKSPACE, addition, session},
};
use crate::{
    Outcome,
    peer::Peer,
    sample::{Random, Times, ratio, settle},
};

/// A place where coding sessions are kept. Each method does one thing, and answers how long that alone took.
trait Design {
    fn create(&mut self, session: WorktreeSession) -> Outcome<Duration>;
    fn add(&mut self, session: &str, message: ChatMessage) -> Outcome<Duration>;
    /// Also answers how many sessions there are.
    fn get_all(&mut self) -> Outcome<(Duration, usize)>;
    /// Also answers how many sessions have this text in their task.
    fn search(&mut self, text: &str) -> Outcome<(Duration, usize)>;
    /// What is kept.
    fn kept(&mut self) -> Outcome<Vec<WorktreeSession>>;
}

/// A design, with its name and its durability.
type Named = (&'static str, Box<dyn Design>);

pub(crate) fn run(
    sessions: usize,
    rounds: usize,
    largest: usize,
    adds: usize,
    peer: &Path,
    seed: u64,
) -> Outcome<()> {
    Peer::build(peer)?;
    println!(
        "sessions of 2 instances with 200 bytes of output each, and 10 messages of 200 bytes; seed {seed}"
    );
    let dir = tempfile::tempdir()?;
    load(&dir.path().join("load"), sessions, rounds, peer)?;
    grow(&dir.path().join("grow"), largest, adds, peer, seed)
}

/// The stores, each with a file of its own in this folder.
fn stores(dir: &Path, peer: &Path) -> Outcome<Vec<Named>> {
    fs::create_dir(dir)?;
    Ok(vec![
        ("ours, FULL", Box::new(Ours::open(&dir.join("ours.db"))?)),
        ("sqlx, NORMAL", Box::new(Sqlx::start(peer, &dir.join("normal.db"), "normal")?)),
        ("sqlx, FULL", Box::new(Sqlx::start(peer, &dir.join("full.db"), "full")?)),
    ])
}

/// Creates a workspace of so many sessions, and loads and searches it.
fn load(dir: &Path, sessions: usize, rounds: usize, peer: &Path) -> Outcome<()> {
    let mut designs = stores(dir, peer)?;
    let mut created = vec![Times::default(); designs.len()];
    for n in 0..sessions {
        for ((_, design), times) in designs.iter_mut().zip(&mut created) {
            times.push(design.create(session(n))?);
        }
    }
    let all = (0..sessions).rev().map(session).collect::<Vec<_>>();
    for (name, design) in &mut designs {
        assert!(design.kept()? == all, "{name} keeps something else than what was created");
    }

    println!("a workspace of {sessions} sessions, {rounds} rounds in turns");
    told("create_session", &designs, &created);
    let mut loaded = vec![Times::default(); designs.len()];
    let mut searched = loaded.clone();
    // The first round only warms up.
    for round in 0..=rounds {
        for (((name, design), loaded), searched) in designs.iter_mut().zip(&mut loaded).zip(&mut searched) {
            let (time, count) = design.get_all()?;
            assert!(count == sessions, "{name} loads {count}");
            let (search_time, count) = design.search(FOUND)?;
            assert!(count == sessions.div_ceil(10), "{name} finds {count}");
            if round > 0 {
                loaded.push(time);
                searched.push(search_time);
            }
        }
    }
    told("get_all_sessions", &designs, &loaded);
    // Afterwards, since it is read in this process, and would leave it another heap each time.
    let mut file = JsonFile::create(&dir.join("file.json"), false)?;
    file.extend((0..sessions).map(session))?;
    let mut read = Times::default();
    for round in 0..=rounds {
        let (time, count) = file.get_all()?;
        assert!(count == sessions, "the file has {count}");
        if round > 0 {
            read.push(time);
        }
    }
    println!("get_all_sessions: file: {}", spread(&read));
    told(&format!("search_sessions ({} match)", sessions.div_ceil(10)), &designs, &searched);
    Ok(())
}

/// A line for each design, with the ratio of its median to that of the first, which is ours.
fn told(what: &str, designs: &[Named], times: &[Times]) {
    let ours = times.first().map_or(0.0, Times::median);
    for ((name, _), times) in designs.iter().zip(times) {
        println!("{what}: {name}: {}; ratio {:.2}", spread(times), times.median() / ours);
    }
}

/// The median, the least and the greatest.
fn spread(times: &Times) -> String {
    format!("median {:.0} us ({:.0} to {:.0})", times.median(), times.percentile(0), times.percentile(100))
}

/// Adds messages to one of 10 sessions, of 100, and so on.
fn grow(dir: &Path, largest: usize, adds: usize, peer: &Path, seed: u64) -> Outcome<()> {
    let mut designs = stores(dir, peer)?;
    let mut files = [
        ("file, not synced", JsonFile::create(&dir.join("file.json"), false)?),
        ("file, synced", JsonFile::create(&dir.join("synced.json"), true)?),
    ];
    let mut random = Random(seed);
    let mut medians = vec![Vec::new(); designs.len() + files.len()];
    let mut have = 0;
    println!("add_chat_message to any of so many sessions, {adds} times");
    for size in [10, 100, 1_000, 10_000, 100_000].into_iter().take_while(|size| *size <= largest) {
        for n in have..size {
            for (_, design) in &mut designs {
                design.create(session(n))?;
            }
        }
        for (_, file) in &mut files {
            file.extend((have..size).map(session))?;
        }
        have = size;
        settle()?;

        let mut times = vec![Times::default(); medians.len()];
        let added = (0..=adds).map(|n| (random.below(size as u64) as usize, n)).collect::<Vec<_>>();
        // The stores in turns, so that what else happens on the machine meets all alike; the first message only warms up.
        for (to, n) in &added {
            for ((_, design), times) in designs.iter_mut().zip(&mut times) {
                let (to, message) = addition(size, *to, *n);
                let time = design.add(&to, message)?;
                if *n > 0 {
                    times.push(time);
                }
            }
        }
        // The files afterwards: a whole file that the system has yet to write would slow the syncs of all others.
        for ((_, file), times) in files.iter_mut().zip(times.iter_mut().skip(designs.len())) {
            for (to, n) in &added {
                let (to, message) = addition(size, *to, *n);
                let time = file.add(&to, message)?;
                if *n > 0 {
                    times.push(time);
                }
            }
            settle()?;
        }

        let names = designs.iter().map(|(name, _)| name).chain(files.iter().map(|(name, _)| name));
        for ((name, times), medians) in names.zip(&times).zip(&mut medians) {
            println!("of {size}: {name}: {}", spread(times));
            medians.push(times.median());
        }
    }
    let names = designs.iter().map(|(name, _)| name).chain(files.iter().map(|(name, _)| name));
    for (name, medians) in names.zip(&medians) {
        println!("{name}: slowest median by fastest {:.2}", ratio(medians));
    }
    Ok(())
}

/// Does it, and answers how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}
