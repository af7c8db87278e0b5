//! [`run`]: the same life of a store again and again, in each of which one operation of the disk fails, and what is held
//! whatever fails: nobody is told what is not so, reads go on, and the store goes on when the disk does.
//!
//! After a run the store is opened on a disk that works, what was answered with an error is sent again with the same commit
//! ids, and each call must be there exactly once, whole, also in what a power cut would leave then, with the writes in doubt
//! that a failed sync left. The store writes such a log again with the operating system and not through the VFS; that it did is
//! seen by the file's time, and only then told to the [`Medium`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use parking_lot::Mutex;
use pollster::block_on;
use sessiondb_core::{
    Commit, DocumentFilter, Error, Fork, Json, NewDocument, NewMessage, SessionFilter, SessionKey, Store,
    Window, Write,
};
use sessiondb_sqlite::{Options, SqliteBackend, recover};

use crate::{
    calls::{Answers, Calls},
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
        let mut life = Life {
            case,
            disk: &self.disk,
            calls: Calls::new(Arc::clone(&self.disk), Answers::WhenAnswered, 0),
            place: place.path().to_owned(),
            path: PathBuf::new(),
            log: Vec::new(),
            store: None,
            seen: BTreeSet::new(),
            ids: 0,
            seen_to: 0,
            written_again: 0,
        };
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
                // A call that was sent again bears the times of the first.
                Some(Ok(receipts)) if receipts.iter().all(|receipt| receipt.replayed) => {}
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

struct Life<'a> {
    case: Case,
    disk: &'a Arc<Disk>,
    calls: Arc<Calls>,
    /// Where its directories are, one for each process that was killed.
    place: PathBuf,
    path: PathBuf,
    /// What was done to the disk until now.
    log: Vec<Event>,
    store: Option<Store>,
    seen: BTreeSet<Seen>,
    ids: u64,
    /// Up to which call those that failed were sent again.
    seen_to: usize,
    written_again: u64,
}

fn key(name: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", name)
}

fn text(text: &str) -> Vec<NewMessage> {
    vec![NewMessage::new("user", text)]
}

impl Life<'_> {
    fn live(&mut self) -> Result<()> {
        let first = self.place.join("0");
        fs::create_dir(&first)?;
        self.path = first.join(NAME);
        self.disk.record();
        self.disk.fail(self.case.fault);
        self.open()?;
        match self.case.script {
            Script::Short => {
                self.write("ann", vec![Write::Append(text("one"))])?;
                self.close()?;
                self.open()?;
                self.read()?;
            }
            Script::Whole => self.whole()?,
        }
        self.disk_is_well()?;
        let report = block_on(self.store()?.check())?;
        ensure!(report.is_clean(), "{report:?}");
        self.log.extend(self.disk.take());
        // The medium is judged as it is now, before anything is tidied up.
        let place = self.place.join("last");
        copy(&self.path, &place)?;
        self.forget()?;
        self.path = place.join(NAME);
        Ok(())
    }

    /// The store of a process that is no more is closed, unseen, over files that are looked at no more. That it is dropped
    /// would not be enough: one of its threads may be the last to do so, when the next process is seen already.
    fn forget(&mut self) -> Result<()> {
        let _ = block_on(self.store.take().context("the store is not open")?.close());
        Ok(())
    }

    fn whole(&mut self) -> Result<()> {
        let document = |id: &str, bytes: usize| {
            let blob = Some(vec![7; bytes]);
            Write::PutDocument(NewDocument { blob, ..NewDocument::new("notes", id, Json::object()) })
        };
        self.write("ann", vec![Write::Append(text("one"))])?;
        self.write("ann", vec![Write::Append(text(&"a long one ".repeat(900)))])?;
        let batch = vec![
            self.commit("bob", vec![Write::Append(text("b"))]),
            self.commit("ann", vec![document("first", 10)]),
        ];
        self.send(batch)?;
        let patch = Json::parse(r#"{"a":1}"#)?;
        self.write(
            "ann",
            vec![Write::PatchDocument { collection: "notes".into(), id: "first".into(), patch }],
        )?;
        let metadata = Json::parse(r#"{"title":"t"}"#)?;
        let state = vec![Write::SetStatus("idle".into()), Write::SetMetadata(metadata), Write::AddTokens(3)];
        self.write("bob", state)?;
        self.write("carl", vec![document("large", 150_000), Write::Append(text("c"))])?;
        self.crowd()?;
        self.optimize()?;
        self.read()?;
        self.write("ann", vec![Write::Compact { through: 2, summary: text("a summary") }])?;
        let fork = Fork { parent: key("ann"), at: None, status: None, metadata: None };
        let id = self.id();
        self.send(vec![Commit::new(key("fork")).id(id).write(Write::Fork(fork))])?;
        self.write("bob", vec![Write::Pop { count: 1 }])?;
        self.write("bob", vec![Write::Undo])?;
        self.close()?;
        self.open()?;
        self.read()?;
        self.write("ann", vec![document("second", 30_000), Write::Append(text("after opening"))])?;
        self.write("ann", vec![Write::Uncompact])?;
        self.write("carl", vec![Write::Delete])?;
        self.optimize()?;
        self.crowd()?;
        self.write("ann", vec![Write::RemoveDocument { collection: "notes".into(), id: "first".into() }])?;
        self.write("fork", vec![Write::Append(text("in the fork"))])?;
        self.optimize()?;
        self.write("bob", vec![Write::SetTokens(9), Write::Rewind { seq: 1 }])?;
        self.read()
    }

    fn store(&self) -> Result<&Store> {
        self.store.as_ref().context("the store is not open")
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("id-{}", self.ids)
    }

    /// Every commit has an id, so that it can be sent again, and opens its session, so that none needs another's success.
    fn commit(&mut self, name: &str, writes: Vec<Write>) -> Commit {
        let opened = if writes == [Write::Delete] { Vec::new() } else { vec![Write::open()] };
        Commit { writes: [opened, writes].concat(), ..Commit::new(key(name)).id(self.id()) }
    }

    fn write(&mut self, name: &str, writes: Vec<Write>) -> Result<()> {
        let commit = self.commit(name, writes);
        self.send(vec![commit])
    }

    fn send(&mut self, call: Vec<Commit>) -> Result<()> {
        match block_on(self.store()?.commit(call)) {
            Ok(_) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    /// Several callers at once, so that calls share transactions.
    fn crowd(&mut self) -> Result<()> {
        let mut calls = Vec::new();
        for name in ["ann", "bob", "dora", "emil"] {
            calls.push(vec![self.commit(name, vec![Write::Append(text("at once"))])]);
        }
        let store = self.store()?;
        let errors = std::thread::scope(|scope| {
            let threads: Vec<_> =
                calls.into_iter().map(|call| scope.spawn(|| block_on(store.commit(call)).err())).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a caller panicked")))
                .collect::<Result<Vec<_>>>()
        })?;
        // The first cause before what followed from it.
        let mut errors: Vec<Error> = errors.into_iter().flatten().collect();
        errors.sort_by_key(|error| matches!(error, Error::Stopped(_)));
        self.seen.extend(errors.iter().filter_map(Seen::of));
        errors.first().map_or(Ok(()), |error| self.failed(error))
    }

    fn optimize(&mut self) -> Result<()> {
        match block_on(self.store()?.optimize()) {
            Ok(_) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    fn reading(&self) -> Result<(), Error> {
        let store = self.store.as_ref().ok_or(Error::Closed)?;
        block_on(async {
            let sessions = store.session_list(&SessionFilter::default()).await?;
            for session in &sessions.sessions {
                store.message_window(&session.key, Window::last(20)).await?;
                store.document_list(&session.key, &DocumentFilter::default()).await?;
            }
            Ok(())
        })
    }

    fn read(&mut self) -> Result<()> {
        match self.reading() {
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error),
        }
    }

    /// Opens the store. If the disk fails just then, it says so, and can be opened when the disk is well.
    fn open(&mut self) -> Result<()> {
        let options = Options::new(&self.path).vfs(self.disk.vfs());
        let backend = match SqliteBackend::open(options.clone()) {
            Ok(backend) => backend,
            Err(error) => {
                ensure!(self.disk.struck() > 0, "opened without a fault: {error}");
                ensure!(matches!(error, Error::CannotOpen { .. }), "opening is answered {error:?}");
                self.seen.insert(Seen::CannotOpen);
                self.disk.heal();
                self.see_what_is_written_again()?;
                SqliteBackend::open(options).context("opened again")?
            }
        };
        let store = Store::new(self.calls.note(Arc::new(backend)));
        // A caller who blocks commits on its own thread.
        self.store = Some(if self.case.fault.nth.is_multiple_of(2) { store.for_blocking() } else { store });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let store = self.store.take().context("the store is not open")?;
        if let Err(error) = block_on(store.close()) {
            ensure!(self.disk.struck() > 0, "closed without a fault: {error}");
            self.seen.insert(Seen::AtClose);
            self.disk.heal();
        }
        Ok(())
    }

    /// A call was answered with an error: it must be the right one, and the store must go on as it says.
    fn failed(&mut self, error: &Error) -> Result<()> {
        let Fault { op, kind, .. } = self.case.fault;
        ensure!(self.disk.struck() > 0, "without a fault: {error}");
        self.seen.insert(Seen::of(error).with_context(|| format!("answered {error:?}"))?);
        let no_room = op == Op::Write && matches!(kind, FaultKind::Enospc | FaultKind::ShortWrite);
        ensure!(!no_room || matches!(error, Error::Full(_)), "without room: {error:?}");
        // What only writes need has no part in reading.
        if matches!(op, Op::Write | Op::Sync | Op::Truncate | Op::Delete) {
            self.reading().with_context(|| format!("reads do not go on after {error:?}"))?;
        }
        let another = self.commit("ann", vec![Write::Append(text("after an error"))]);
        match error {
            Error::Unknown(_) if op != Op::ShmMap => {
                let answer = block_on(self.store()?.commit(vec![another]));
                ensure!(matches!(answer, Err(Error::Stopped(_))), "after {error:?}: {answer:?}");
            }
            _ => {}
        }
        self.disk_is_well()
    }

    /// The disk works again. The store goes on by itself if it did not say that it stopped, else it is opened again; then
    /// what failed is sent again.
    fn disk_is_well(&mut self) -> Result<()> {
        self.disk.heal();
        let another = self.commit("ann", vec![Write::Append(text("the disk is well"))]);
        let mut answer = block_on(self.store()?.commit(vec![another.clone()]));
        // A log that could only be opened for reading is met by the first who writes, and opened again like any other.
        if matches!(answer, Err(Error::Storage(_))) && self.case.fault.kind == FaultKind::Erofs {
            self.seen.insert(Seen::Storage);
            answer = block_on(self.store()?.commit(vec![another]));
        }
        match answer {
            Ok(_) => {}
            Err(error @ Error::Stopped(_)) => {
                let Fault { op, kind, .. } = self.case.fault;
                let full = matches!(kind, FaultKind::Enospc | FaultKind::ShortWrite);
                ensure!(!full || !matches!(op, Op::Write | Op::ShmMap), "a full disk stopped it: {error}");
                self.seen.insert(Seen::Stopped);
                self.reopen()?;
            }
            Err(error) => bail!("the disk is well again: {error:?}"),
        }
        self.send_again()
    }

    fn send_again(&mut self) -> Result<()> {
        let calls = self.calls.list();
        let failed = calls[self.seen_to..].iter().filter_map(|call| match &call.answer {
            // The very same call, which is the one in the feed if it is there.
            Some(Err(Error::Unknown(_))) => Some(call.commits.clone()),
            // It must not be there: another one with the same id.
            Some(Err(_)) => {
                Some(call.commits.iter().map(|commit| Commit { at: None, ..commit.clone() }).collect())
            }
            _ => None,
        });
        for call in failed {
            let ids: Vec<_> = call.iter().map(|commit| commit.id.clone()).collect();
            block_on(self.store()?.commit(call)).with_context(|| format!("{ids:?} sent again"))?;
        }
        self.seen_to = self.calls.list().len();
        Ok(())
    }

    /// Ends the process that has the store open, and opens it again.
    fn reopen(&mut self) -> Result<()> {
        match self.case.end {
            End::Closed => drop(block_on(self.store.take().context("the store is not open")?.close())),
            End::Killed => {
                self.log.extend(self.disk.take());
                let place = self.place.join(self.log.len().to_string());
                copy(&self.path, &place)?;
                self.forget()?;
                self.path = place.join(NAME);
                self.disk.record();
            }
        }
        self.see_what_is_written_again()?;
        self.open()
    }

    /// Whether opening writes the log again. It does not do so through the VFS, so it is told to the log here.
    fn see_what_is_written_again(&mut self) -> Result<()> {
        let beside = |suffix: &str| self.path.with_file_name(format!("{NAME}{suffix}"));
        let log = beside("-wal");
        if fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 {
            return Ok(());
        }
        fs::File::options().write(true).open(&log)?.set_modified(SystemTime::UNIX_EPOCH)?;
        let recovery = recover(Options::new(&self.path).vfs(self.disk.vfs()))?;
        ensure!(recovery.copy.is_none(), "the log is called damaged: {recovery:?}");
        if fs::metadata(&log)?.modified()? != SystemTime::UNIX_EPOCH {
            self.log.extend(self.disk.take());
            let file: Arc<str> = format!("{NAME}-wal").into();
            let bytes = fs::read(&log)?.into();
            self.log.push(Event::Write { file: Arc::clone(&file), offset: 0, bytes });
            self.log.extend([Event::Sync { file }, Event::SyncDirectory]);
            self.disk.record();
            self.written_again += 1;
        }
        Ok(())
    }
}

/// The files of a store as another process finds them whose one was killed.
fn copy(path: &Path, place: &Path) -> Result<()> {
    fs::create_dir(place)?;
    for suffix in ["", "-wal", "-journal", "-lock"] {
        let from = path.with_file_name(format!("{NAME}{suffix}"));
        if from.exists() {
            fs::copy(&from, place.join(format!("{NAME}{suffix}")))?;
        }
    }
    Ok(())
}
