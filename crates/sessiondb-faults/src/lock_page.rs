//! [`run`]: power cuts while a store grows and shrinks across SQLite's lock page.
//!
//! SQLite never uses the page at 1 GiB (<https://www.sqlite.org/fileformat2.html#the_lock_byte_page>), so a file of that size
//! takes ways through the code that no smaller one does. A store of nearly 1 GiB is made once; what is done to it then is
//! recorded, and each image is made by changing one working copy, which is set back afterwards.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use pollster::block_on;
use sessiondb_core::{Commit, NewMessage, SessionKey, Store, Write};
use sessiondb_sqlite::{Options, SqliteBackend};

use crate::{
    calls::{Answers, Calls},
    disk::{Disk, Event},
    history::{History, feed},
    judge::judge,
    medium::{Change, Medium},
    operation::Operation,
    power::{choose, in_flight, story},
    span::{Span, spans_of},
    tally::Tally,
    workload::{NAME, Recording},
};

/// Where the page begins that SQLite does not use.
const LOCK_PAGE: u64 = 1 << 30;
const PAGE: u64 = 4096;
/// How much is written before the recording begins: a little less than that.
const FILLED: u64 = LOCK_PAGE - (1 << 20);
/// The agent whose sessions are observed after a cut. What fills the file is held by its checksums only.
const OBSERVED: &str = "work";

/// Cuts the power this many times.
///
/// # Errors
/// As [`power::run`](crate::power::run); if there is no place for some 3 GiB of files.
pub fn run(seed: u64, cuts: u64) -> Result<Tally> {
    let begun = Instant::now();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join(NAME);
    let disk = Arc::new(Disk::new().map_err(anyhow::Error::msg)?);
    let base = fill(&path, &disk)?;
    let kept = directory.path().join("base");
    fs::copy(&path, &kept)?;
    let recording = record(&path, &disk, base, seed)?;
    // The working copy is what was recorded, set back.
    let copy = Copy { path, base: File::open(&kept)?, size: fs::metadata(&kept)?.len() };
    copy.set_back(&recording.log)?;
    let mut tally = cut(&recording, &copy, &disk, seed, cuts)?;
    tally.took = begun.elapsed();
    Ok(tally)
}

fn cut(recording: &Recording, copy: &Copy, disk: &Disk, seed: u64, cuts: u64) -> Result<Tally> {
    let (mut rng, mut tally, mut played) = (Rng::with_seed(!seed), Tally::default(), 0);
    let mut moments: Vec<_> = (0..cuts as usize).map(|number| choose(recording, number, &mut rng)).collect();
    moments.sort_by_key(|cut| cut.events);
    let mut medium = Medium::of_changes(NAME.into());
    for cut in moments {
        recording.log[played..cut.events].iter().for_each(|event| medium.play(event));
        played = cut.events;
        tally.cuts += 1;
        tally.unsynced += u64::from(!medium.is_settled());
        for operation in in_flight(recording, cut.events) {
            *tally.coverage.entry((operation, cut.damage)).or_default() += 1;
        }
        let bounds = recording.history.bounds(&recording.log, cut.events, 0);
        let mut changed = Vec::new();
        for (name, file) in medium.image(cut.damage, &mut Rng::with_seed(cut.seed)) {
            file.write(&copy.path.with_file_name(&*name))?;
            changed.extend(file.changes.into_iter().filter(|_| *name == *NAME).map(as_event));
        }
        disk.record();
        let judged = judge(&copy.path, disk.vfs(), &recording.history, bounds);
        changed.extend(disk.take());
        copy.set_back(&changed)?;
        match judged {
            Ok(state) => tally.unanswered += u64::from(recording.history.state_rows(state) > bounds.least),
            Err(finding) => tally.findings.push((finding.wrong, story(recording, seed, cut, &finding))),
        }
    }
    Ok(tally)
}

fn as_event(change: Change) -> Event {
    match change {
        Change::Write { offset, bytes } => Event::Write { file: NAME.into(), offset, bytes },
        Change::Truncate(size) => Event::Truncate { file: NAME.into(), size },
    }
}

/// The database that is changed by each cut and its judgement, and what it was before.
struct Copy {
    path: PathBuf,
    base: File,
    size: u64,
}

impl Copy {
    /// Makes it what it was, after these events.
    fn set_back(&self, events: &[Event]) -> Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let restore = |from: u64, to: u64| -> Result<()> {
            let to = to.min(self.size);
            if from < to {
                let mut bytes = vec![0; usize::try_from(to - from)?];
                self.base.read_exact_at(&mut bytes, from)?;
                file.write_all_at(&bytes, from)?;
            }
            Ok(())
        };
        let mut least = self.size;
        for event in events {
            match event {
                Event::Write { file, offset, bytes } if **file == *NAME => {
                    restore(*offset, offset + bytes.len() as u64)?;
                }
                Event::Truncate { file, size } if **file == *NAME => least = least.min(*size),
                _ => {}
            }
        }
        restore(least, self.size)?;
        file.set_len(self.size)?;
        for suffix in ["-wal", "-shm", "-journal"] {
            let beside = PathBuf::from(format!("{}{suffix}", self.path.display()));
            if beside.exists() {
                fs::remove_file(beside)?;
            }
        }
        Ok(())
    }
}

fn filler(number: u32) -> SessionKey {
    SessionKey::new("filler", "", "", "", format!("{number}"))
}

/// Makes a store that ends a little before the lock page. Answers the calls that leave the same with little content.
fn fill(path: &Path, disk: &Disk) -> Result<Vec<Vec<Commit>>> {
    let store = open(path, disk)?.for_blocking();
    let mut base = Vec::new();
    let mut add = |number: u32, bytes: usize| -> Result<u64> {
        let append = |text: String| {
            let at = sessiondb_core::Time::from_timestamp(1_700_000_000, 0).unwrap_or_default();
            let append = Write::Append(vec![NewMessage::new("user", text.as_str())]);
            Commit::new(filler(number)).at(at).write(Write::open()).write(append)
        };
        base.push(vec![append(String::new())]);
        block_on(store.commit(vec![append("x".repeat(bytes))]))?;
        block_on(store.optimize())?;
        Ok(fs::metadata(path)?.len())
    };
    // What is deleted later lies at the front.
    let mut size = add(0, 1 << 20)?;
    while size < FILLED {
        let room = usize::try_from(FILLED - size)?;
        size = add(1, room.min(12 << 20))?;
    }
    ensure!(size < LOCK_PAGE, "the file was filled too far: {size} bytes");
    block_on(store.close())?;
    Ok(base)
}

fn open(path: &Path, disk: &Disk) -> Result<Store> {
    Ok(Store::new(Arc::new(SqliteBackend::open(Options::new(path).vfs(disk.vfs()))?)))
}

/// The store grows across the page, shrinks below it, and grows again.
fn record(path: &Path, disk: &Arc<Disk>, base: Vec<Vec<Commit>>, seed: u64) -> Result<Recording> {
    let mut rng = Rng::with_seed(seed);
    let key = |number: u8| SessionKey::new(OBSERVED, "", "", "", format!("{number}"));
    let calls = Calls::new(Arc::clone(disk), Answers::WhenAnswered, 0);
    disk.record();
    let mut spans = Vec::new();
    let mut span = |operation, work: &mut dyn FnMut() -> sessiondb_core::Result<()>| {
        let begun = disk.recorded();
        work()?;
        spans.push(Span { operation, begun, ended: disk.recorded() });
        anyhow::Ok(())
    };
    for _ in 0..2 {
        let backend = SqliteBackend::open(Options::new(path).vfs(disk.vfs()))?;
        let store = Store::new(calls.note(Arc::new(backend))).for_blocking();
        for number in 0..12 {
            let text: String = (0..rng.usize(200_000..300_000)).map(|_| rng.alphanumeric()).collect();
            block_on(store.append(&key(number % 3), vec![NewMessage::new("user", text.as_str())]))?;
            if number % 4 == 3 {
                span(Operation::Optimize, &mut || block_on(store.optimize()).map(drop))?;
            }
        }
        block_on(store.session_delete(&key(0)))?;
        block_on(store.session_delete(&filler(0)))?;
        block_on(store.session_delete(&key(1)))?;
        span(Operation::Optimize, &mut || block_on(store.optimize()).map(drop))?;
        span(Operation::Close, &mut || block_on(store.close()))?;
    }
    let (log, calls) = (disk.take(), calls.list());
    hold_the_page(&log)?;
    spans.extend(spans_of(&log, &calls));
    let feed = feed(path, disk.vfs())?;
    let history = block_on(History::new(base, calls, feed, Some(OBSERVED)))?;
    Ok(Recording { start: [].into(), log, spans, history })
}

/// The file was written to on both sides of the page and shrank below it; the page itself was never written.
fn hold_the_page(log: &[Event]) -> Result<()> {
    let mut writes = log.iter().filter_map(|event| match event {
        Event::Write { file, offset, .. } if **file == *NAME => Some(*offset),
        _ => None,
    });
    ensure!(writes.clone().any(|offset| offset > LOCK_PAGE), "nothing was written beyond the lock page");
    ensure!(
        !writes.any(|offset| (LOCK_PAGE..LOCK_PAGE + PAGE).contains(&offset)),
        "the lock page was written"
    );
    let cut = |event: &Event| matches!(event, Event::Truncate { file, size } if **file == *NAME && *size <= LOCK_PAGE);
    log.iter().find(|event| cut(event)).context("the file never shrank below the lock page")?;
    Ok(())
}
