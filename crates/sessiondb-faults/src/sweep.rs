//! [`run`]: the same life of a store again and again, in each of which one operation of the disk fails, and what is held
//! whatever fails: nobody is told what is not so, reads go on, and the store goes on when the disk does.
//!
//! After a run the store is opened on a disk that works, what was answered with an error is sent again with the same commit
//! ids, and each call must be there exactly once, whole, also in what a power cut would leave then, with the writes in doubt
//! that a failed sync left.

mod life;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use parking_lot::Mutex;
use pollster::block_on;
use sessiondb_core::Error;

use self::life::Life;
use crate::{
    disk::{Disk, Event},
    fault::{Fault, FaultKind, Lasting, Op},
    history::{Bounds, History, feed},
    judge::judge,
    medium::{Damage, Medium},
    workload::NAME,
};

/// A run that takes longer hangs.
pub const WATCHDOG: Duration = Duration::from_secs(60);

/// Which life is lived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Script {
    /// A new store, one message, closed and opened once more.
    Short,
    /// Some thirty operations of all kinds.
    Whole,
}

/// How a store ends that refuses to write, before it is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// It is closed.
    Closed,
    /// Its process is killed: what is in the files stays, as the system's memory has it.
    Killed,
}

/// A life in which something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Which life.
    pub script: Script,
    /// What fails.
    pub fault: Fault,
    /// How it ends then.
    pub end: End,
}

/// What callers saw of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the errors are the store's own")]
pub enum Seen {
    /// Nothing: SQLite could do without, or it was a checkpoint that is tried again.
    Nothing,
    CannotOpen,
    Busy,
    Full,
    Unknown,
    Stopped,
    Storage,
    Undecodable,
    /// Closing said so.
    AtClose,
}

impl Seen {
    const ALL: [Seen; 9] = [
        Seen::Nothing,
        Seen::CannotOpen,
        Seen::Busy,
        Seen::Full,
        Seen::Unknown,
        Seen::Stopped,
        Seen::Storage,
        Seen::Undecodable,
        Seen::AtClose,
    ];

    fn of(error: &Error) -> Option<Seen> {
        Some(match error {
            Error::CannotOpen { .. } => Seen::CannotOpen,
            Error::Busy(_) => Seen::Busy,
            Error::Full(_) => Seen::Full,
            Error::Unknown(_) => Seen::Unknown,
            Error::Stopped(_) => Seen::Stopped,
            Error::Storage(_) => Seen::Storage,
            Error::Undecodable { .. } => Seen::Undecodable,
            _ => return None,
        })
    }
}

/// The errors that an operation can meet.
fn kinds(op: Op) -> &'static [FaultKind] {
    use FaultKind::{Eio, Enospc, Erofs, ShortWrite};
    match op {
        Op::Write => &[Eio, Enospc, Erofs, ShortWrite],
        Op::Open | Op::Delete => &[Eio, Erofs],
        Op::ShmMap => &[Eio, Enospc, Erofs],
        Op::Read | Op::Sync | Op::Truncate | Op::FileSize => &[Eio],
        // A lock that cannot be had is waited for, which is no error of the disk.
        Op::Lock | Op::ShmLock => &[],
    }
}

/// An operation, its error, and whether it passes.
pub type Kind = (Op, FaultKind, Lasting);

/// All of them.
pub fn all_kinds() -> impl Iterator<Item = Kind> {
    let lasting = [Lasting::Once, Lasting::Sticky];
    Op::ALL.into_iter().flat_map(move |op| {
        kinds(op).iter().flat_map(move |kind| lasting.map(|lasting| (op, *kind, lasting)))
    })
}

/// What came of many lives.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many runs there were.
    pub runs: u64,
    /// In how many of them the fault struck, and what was seen of it.
    pub seen: BTreeMap<Kind, (u64, BTreeMap<Seen, u64>)>,
    /// Images of power cuts that were judged.
    pub cuts: u64,
    /// Logs that were written again since a sync of theirs had failed.
    pub written_again: u64,
    /// What was wrong, and in which life.
    pub findings: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Tally {
    /// Which faults never struck.
    pub fn gaps(&self) -> Vec<Kind> {
        all_kinds().filter(|kind| self.seen.get(kind).is_none_or(|(struck, _)| *struck == 0)).collect()
    }

    fn add(&mut self, case: Case, came: Came) {
        let Fault { op, kind, lasting, .. } = case.fault;
        self.runs += 1;
        self.cuts += came.cuts;
        self.written_again += came.written_again;
        if came.struck {
            let (struck, seen) = self.seen.entry((op, kind, lasting)).or_default();
            *struck += 1;
            let seen_of = if came.seen.is_empty() { BTreeSet::from([Seen::Nothing]) } else { came.seen };
            seen_of.into_iter().for_each(|what| *seen.entry(what).or_default() += 1);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs in {:.0} s, {} power cuts after them, {} logs written again, {} findings",
            self.runs,
            self.took.as_secs_f64(),
            self.cuts,
            self.written_again,
            self.findings.len()
        )?;
        write!(f, "{:<27}{:>7}", "fault", "struck")?;
        Seen::ALL.iter().try_for_each(|seen| write!(f, "{:>12}", format!("{seen:?}")))?;
        for kind in all_kinds() {
            let (struck, seen) = self.seen.get(&kind).cloned().unwrap_or_default();
            let name = format!("{:?} {:?} {:?}", kind.0, kind.1, kind.2);
            write!(f, "\n{name:<27}{struck:>7}")?;
            for what in Seen::ALL {
                write!(f, "{:>12}", seen.get(&what).unwrap_or(&0))?;
            }
        }
        writeln!(f)
    }
}

/// How many of each operation a life has in which nothing fails.
///
/// # Errors
/// If something does.
pub fn counts(script: Script) -> Result<BTreeMap<Op, u64>> {
    let never = Fault { op: Op::Read, nth: u64::MAX, kind: FaultKind::Eio, lasting: Lasting::Once };
    let bench = Bench::new()?;
    let before = Op::ALL.map(|op| bench.disk.count(op));
    bench.live(Case { script, fault: never, end: End::Closed })?;
    Ok(Op::ALL.into_iter().zip(before).map(|(op, before)| (op, bench.disk.count(op) - before)).collect())
}

/// Every operation of a life fails in each way it can; of more than `most` of one kind only so many, spread over them.
///
/// # Errors
/// As [`counts`].
pub fn cases(script: Script, most: u64, rng: &mut Rng) -> Result<Vec<Case>> {
    let counts = counts(script)?;
    let mut cases = Vec::new();
    for (op, kind, lasting) in all_kinds() {
        let count = counts.get(&op).copied().unwrap_or(0);
        let some = count.min(most);
        for number in 0..some {
            // One of each stretch, so that the beginning and the end are among them.
            let (from, to) = (number * count / some, (number + 1) * count / some);
            let fault = Fault { op, nth: 1 + rng.u64(from..to), kind, lasting };
            let end = if rng.bool() { End::Closed } else { End::Killed };
            cases.push(Case { script, fault, end });
        }
    }
    Ok(cases)
}

/// Every operation of a life fails once, in one of the ways it can.
///
/// # Errors
/// As [`counts`].
pub fn each_once(script: Script, rng: &mut Rng) -> Result<Vec<Case>> {
    let mut cases = cases(script, u64::MAX, rng)?;
    rng.shuffle(&mut cases);
    cases.sort_by_key(|case| (case.fault.op, case.fault.nth));
    cases.dedup_by_key(|case| (case.fault.op, case.fault.nth));
    Ok(cases)
}

/// Lives all these lives, on this many threads. A life that hangs ends the process with a word on which it was.
///
/// # Errors
/// If the machine has no place for it. What was wrong is in the tally.
pub fn run(cases: &[Case], jobs: usize) -> Result<Tally> {
    let (begun, next, total) = (Instant::now(), AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = || -> Result<()> {
        let mut bench = Bench::new()?;
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let alive = watch(*case);
            let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.live(*case)));
            alive.store(0, Ordering::Relaxed);
            let came = came.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            let mut total = total.lock();
            match came {
                Ok(came) => total.add(*case, came),
                Err(error) => {
                    total.runs += 1;
                    total.findings.push(format!("{case:?}: {error:#}"));
                    drop(total);
                    bench = Bench::new()?;
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })?;
    let mut tally = total.into_inner();
    tally.took = begun.elapsed();
    Ok(tally)
}

/// Ends the process if the life is not over in time; what it answers is set to 0 when it is.
fn watch(case: Case) -> Arc<AtomicU64> {
    let alive = Arc::new(AtomicU64::new(1));
    let seen = Arc::clone(&alive);
    std::thread::spawn(move || {
        let begun = Instant::now();
        while seen.load(Ordering::Relaxed) == 1 {
            if begun.elapsed() > WATCHDOG {
                // Not by the macro, whose output a test would keep to itself and lose.
                let _ = writeln!(std::io::stderr(), "it hangs: {case:?}");
                std::process::exit(1);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    alive
}

/// What came of one life.
#[derive(Debug, Default)]
struct Came {
    struck: bool,
    seen: BTreeSet<Seen>,
    cuts: u64,
    written_again: u64,
}

/// Disks and a place, used again and again.
struct Bench {
    place: tempfile::TempDir,
    disk: Arc<Disk>,
    judges: Arc<Disk>,
}

impl Bench {
    fn new() -> Result<Bench> {
        let disk = || Disk::new().map(Arc::new).map_err(anyhow::Error::msg);
        Ok(Bench { place: tempfile::tempdir()?, disk: disk()?, judges: disk()? })
    }

    fn live(&self, case: Case) -> Result<Came> {
        let place = tempfile::tempdir_in(self.place.path())?;
        self.disk.heal();
        let _ = self.disk.take();
        let mut life = Life::new(case, &self.disk, place.path());
        life.live()?;
        let struck = self.disk.struck() > 0;
        let cuts = self.judge(&mut life)?;
        Ok(Came { struck, seen: life.seen, cuts, written_again: life.written_again })
    }

    /// Holds what is there against what was answered, as it is and after power cuts.
    fn judge(&self, life: &mut Life<'_>) -> Result<u64> {
        let calls = life.calls.list();
        let feed = feed(&life.path, self.judges.vfs())?;
        for (call, number) in calls.iter().zip(0..) {
            let there = feed.iter().any(|row| row.call() == Some(number));
            match &call.answer {
                Some(Ok(_)) => {
                    let first =
                        feed.iter().any(|row| row.call().is_some_and(|first| same(&calls, first, call)));
                    ensure!(there || first, "call {number} was acknowledged and is not there: {call:?}");
                }
                Some(Err(Error::Unknown(_))) => {}
                Some(Err(error)) => ensure!(!there, "call {number} is there, and was answered {error}"),
                None => bail!("call {number} was not answered"),
            }
        }
        let rows = feed.len();
        let history = block_on(History::new(Vec::new(), calls, feed, None))?;
        let mut cuts = 0;
        let mut rng = Rng::with_seed(life.case.fault.nth);
        for (events, damage) in moments(&life.log) {
            let mut medium = Medium::new([(NAME.into(), Vec::new())]);
            life.log[..events].iter().for_each(|event| medium.play(event));
            let place = tempfile::tempdir_in(self.place.path())?;
            medium.cut(damage, &mut rng, place.path())?;
            let bounds = Bounds { most: rows, ..history.bounds(&life.log, events, 0) };
            if let Err(finding) = judge(&place.path().join(NAME), self.judges.vfs(), &history, bounds) {
                bail!("power cut after {events} events, {damage:?}: {finding}\n{:?}", &life.log[..events]);
            }
            cuts += 1;
        }
        let bounds = Bounds { least: rows, most: rows };
        judge(&life.path, self.judges.vfs(), &history, bounds)
            .map_err(|finding| anyhow::anyhow!("{finding}"))?;
        Ok(cuts)
    }
}

/// When the power goes: at the end, and when calls were acknowledged after a sync had failed, while the log that it was of is
/// still there.
fn moments(log: &[Event]) -> Vec<(usize, Damage)> {
    let mut moments = vec![(log.len(), Damage::Nothing), (log.len(), Damage::Torn)];
    if let Some(failed) = log.iter().position(|event| matches!(event, Event::SyncFailed { .. })) {
        let acknowledged = (failed..log.len()).filter(|at| matches!(log[*at], Event::Acknowledged(_)));
        for at in acknowledged.take(4) {
            moments.extend([Damage::Nothing, Damage::Subset, Damage::Garbage].map(|damage| (at + 1, damage)));
        }
    }
    moments
}

/// Whether this call is the first one sent again.
fn same(calls: &[crate::Call], first: u64, again: &crate::Call) -> bool {
    calls.get(first as usize).is_some_and(|first| first.commits == again.commits)
}
