//! [`run`]: power cuts by the thousand, and what came of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use parking_lot::Mutex;
use pollster::block_on;
use sessiondb_core::{NewMessage, SessionKey, Store};
use sessiondb_sqlite::{Options, SqliteBackend};

use crate::{
    calls::{Answers, Calls},
    disk::{Disk, FileName},
    history::{Bounds, FeedRow, History, feed},
    judge::{Finding, Wrong, judge, reached},
    medium::{Damage, Medium},
    operation::Operation,
    tally::Tally,
    workload::{NAME, Plan, Recording, record},
};

/// Cuts in the life of one store.
pub const CUTS_EACH: u64 = 100;

/// Images with something wrong that a thread keeps for whoever looks into it.
const IMAGES_KEPT: u32 = 3;

/// Cuts the power `cuts` times, in lives of stores that all come from `seed`, on this many threads. `plan` makes a life's plan
/// from its number and its seed.
///
/// # Errors
/// If a store does what it should not while all is well, or the machine has no place for it. What is wrong after a cut is in
/// the tally.
pub fn run(seed: u64, cuts: u64, jobs: usize, plan: impl Fn(u64, u64) -> Plan + Sync) -> Result<Tally> {
    let (begun, next, total) = (Instant::now(), AtomicU64::new(0), Mutex::new(Tally::default()));
    let work = || -> Result<()> {
        let mut bench = Bench::new(IMAGES_KEPT)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let left = cuts.saturating_sub(number * CUTS_EACH);
            if left == 0 {
                return Ok(());
            }
            let tally = bench.life(plan(number, seed_of(seed, number)), left.min(CUTS_EACH))?;
            total.lock().add(tally);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
        })
    })
    .with_context(|| format!("with seed {seed}"))?;
    let mut tally = total.into_inner();
    tally.took = begun.elapsed();
    Ok(tally)
}

/// The seed of a life.
fn seed_of(seed: u64, number: u64) -> u64 {
    Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number)).u64(..)
}

/// Where cuts are made and judged: a directory and disks that are used again and again.
pub struct Bench {
    directory: tempfile::TempDir,
    recorder: Arc<Disk>,
    judges: Arc<Disk>,
    /// How many more images of findings are kept.
    keep: u32,
}

/// A moment to cut at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub events: usize,
    pub damage: Damage,
    pub seed: u64,
}

impl Bench {
    /// A bench in a new temporary directory. What is left of it are the first images with something wrong, this many.
    ///
    /// # Errors
    /// If there is no place.
    pub fn new(keep: u32) -> Result<Bench> {
        let disk = || Disk::new().map(Arc::new).map_err(anyhow::Error::msg);
        Ok(Bench { directory: tempfile::tempdir()?, recorder: disk()?, judges: disk()?, keep })
    }

    /// Records a life and cuts it.
    ///
    /// # Errors
    /// As [`run`].
    pub fn life(&mut self, plan: Plan, cuts: u64) -> Result<Tally> {
        let place = self.place("life")?;
        let recording = record(plan, &self.recorder, &place).with_context(|| format!("{plan:?}"))?;
        self.cut(&recording, plan.seed, cuts)
    }

    /// Cuts a life that was recorded.
    ///
    /// # Errors
    /// As [`run`].
    pub fn cut(&mut self, recording: &Recording, seed: u64, cuts: u64) -> Result<Tally> {
        let mut rng = Rng::with_seed(!seed);
        let mut moments: Vec<Cut> =
            (0..cuts).map(|number| choose(recording, number as usize, &mut rng)).collect();
        moments.sort_by_key(|cut| cut.events);
        let mut medium = Medium::new(recording.start.clone());
        let (mut played, mut tally) = (0, Tally::default());
        for cut in moments {
            recording.log[played..cut.events].iter().for_each(|event| medium.play(event));
            played = cut.events;
            tally.cuts += 1;
            tally.unsynced += u64::from(!medium.is_settled());
            for operation in in_flight(recording, cut.events) {
                *tally.coverage.entry((operation, cut.damage)).or_default() += 1;
            }
            let bounds = recording.history.bounds(&recording.log, cut.events, 0);
            let place = self.place("cut")?;
            let mut rng = Rng::with_seed(cut.seed);
            medium.cut(cut.damage, &mut rng, &place)?;
            let judged = if rng.u8(..8) == 0 {
                tally.nested += 1;
                self.cut_again(&place, &recording.history, bounds, cut, &mut rng)?
            } else {
                judge(&place.join(NAME), self.judges.vfs(), &recording.history, bounds)
            };
            match judged {
                Ok(state) => {
                    tally.unanswered += u64::from(recording.history.state_rows(state) > bounds.least);
                }
                Err(finding) => {
                    let kept = self.keep(&medium, cut)?;
                    let story = story(recording, seed, cut, &finding);
                    tally.findings.push((finding.wrong, story + &kept));
                }
            }
        }
        Ok(tally)
    }

    /// The power goes again while the store is opened after the first cut, written to and closed.
    fn cut_again(
        &self,
        place: &Path,
        history: &History,
        bounds: Bounds,
        cut: Cut,
        rng: &mut Rng,
    ) -> Result<Result<usize, Finding>> {
        let mut start: BTreeMap<FileName, Vec<u8>> = BTreeMap::new();
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            start.insert(entry.file_name().to_string_lossy().into(), fs::read(entry.path())?);
        }
        let path = place.join(NAME);
        let first = history.next_call();
        let calls = Calls::new(Arc::clone(&self.recorder), Answers::WhenAnswered, first);
        self.recorder.record();
        let used = self.use_again(&path, &calls, rng);
        let log = self.recorder.take();
        let state = match used {
            Ok(rows) => reached(&rows, history, bounds).map(|reached| (reached.state, rows.len())),
            Err(error) => Err(Finding { wrong: Wrong::Unreadable, seen: format!("{error:#}") }),
        };
        let (state, rows) = match state {
            Ok(state) => state,
            Err(finding) => return Ok(Err(finding)),
        };
        let longer = block_on(async {
            let store = history.replay(state).await?;
            let feed = feed(&path, self.judges.vfs())?;
            history.continued(state, &store, (first..).zip(calls.list()), feed).await
        });
        let longer = match longer {
            Ok(longer) => longer,
            Err(error) => return Ok(Err(Finding { wrong: Wrong::Differs, seen: format!("{error:#}") })),
        };
        // What was on the medium when the store was opened stays there.
        let events = rng.usize(..=log.len());
        let mut medium = Medium::new(start);
        log[..events].iter().for_each(|event| medium.play(event));
        let place = self.place("cut")?;
        medium.cut(cut.damage, rng, &place)?;
        let bounds = longer.bounds(&log, events, rows);
        let judged = judge(&place.join(NAME), self.judges.vfs(), &longer, bounds);
        Ok(judged.map(|_| state).map_err(|Finding { wrong, seen }| Finding {
            wrong,
            seen: format!("cut again after {events} of {} events: {seen}\n{:?}", log.len(), &log[..events]),
        }))
    }

    /// Opens the store, writes to it and closes it. Answers what its feed was.
    fn use_again(&self, path: &Path, calls: &Arc<Calls>, rng: &mut Rng) -> Result<Vec<FeedRow>> {
        let backend = SqliteBackend::open(Options::new(path).vfs(self.recorder.vfs()))?;
        let store = Store::new(calls.note(Arc::new(backend)));
        let rows = feed(path, self.recorder.vfs())?;
        for number in 0..rng.u8(..3) {
            let key = SessionKey::new("after", "", "", "", "the first cut");
            block_on(store.append(&key, vec![NewMessage::new("user", format!("{number}").as_str())]))?;
        }
        if rng.bool() {
            block_on(store.optimize())?;
        }
        if rng.bool() {
            block_on(store.close())?;
        }
        Ok(rows)
    }

    /// An empty directory.
    fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.directory.path().join(name);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir(&place)?;
        Ok(place)
    }

    /// Keeps an image if some are still to be kept. Answers where.
    fn keep(&mut self, medium: &Medium, cut: Cut) -> Result<String> {
        if self.keep == 0 {
            return Ok(String::new());
        }
        self.keep -= 1;
        let kept = tempfile::Builder::new().prefix("power-cut-").tempdir()?.keep();
        medium.cut(cut.damage, &mut Rng::with_seed(cut.seed), &kept)?;
        Ok(format!("\n  what the cut left is kept in {}", kept.display()))
    }
}

/// What it takes to see a finding again.
pub(crate) fn story(recording: &Recording, seed: u64, cut: Cut, finding: &Finding) -> String {
    let before = &recording.log[cut.events.saturating_sub(12)..cut.events];
    let flight: Vec<_> = in_flight(recording, cut.events).collect();
    format!(
        "{finding}\n  life of seed {seed}, {cut:?} of {} events, in flight {flight:?}\n  the last events: {before:?}",
        recording.log.len()
    )
}

/// What was going on at this moment: it had done something, and was not acknowledged.
pub(crate) fn in_flight(recording: &Recording, events: usize) -> impl Iterator<Item = Operation> {
    let spans = recording.spans.iter().filter(move |span| span.begun < events && events <= span.ended);
    let mut operations: Vec<Operation> = spans.map(|span| span.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    operations.into_iter()
}

/// Cuts in turn through all that was done, under each damage in turn, and every fourth time anywhere. What lives do only once
/// has more turns.
pub(crate) fn choose(recording: &Recording, number: usize, rng: &mut Rng) -> Cut {
    let (damage, seed) = (Damage::ALL[rng.usize(..Damage::ALL.len())], rng.u64(..));
    let anywhere = Cut { events: rng.usize(..=recording.log.len()), damage, seed };
    if number.is_multiple_of(4) {
        return anywhere;
    }
    let done = |operation: &Operation| recording.spans.iter().any(|span| span.operation == *operation);
    let turns: Vec<Operation> =
        Operation::all().chain(Operation::ONCE).chain(Operation::ONCE).filter(done).collect();
    let turn = number - number / 4 - 1;
    let Some(operation) = turns.get(turn % turns.len().max(1)) else { return anywhere };
    let spans: Vec<_> = recording.spans.iter().filter(|span| span.operation == *operation).collect();
    let span = spans[rng.usize(..spans.len())];
    let events = rng.usize(span.begun + 1..=span.ended.max(span.begun + 1));
    Cut { events: events.min(recording.log.len()), ..anywhere }
}
