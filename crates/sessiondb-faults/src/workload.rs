//! [`record`]: a random life of a real store on a simulated disk, from a seed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use pollster::block_on;
use sessiondb_core::{Commit, NewMessage, SessionKey, Store, Write};
use sessiondb_import::{Format, find, import};
use sessiondb_sqlite::{Durability, Options, SqliteBackend};

use crate::{
    calls::{Answers, Calls},
    disk::{Disk, Event, FileName},
    draft::{Drafts, KEYS, key},
    fault::{Fault, FaultKind, Lasting, Op},
    history::{History, feed},
    operation::Operation,
    rewritten,
    span::{Span, spans_of},
    version_1,
};

/// The database's name in its directory.
pub const NAME: &str = "s.db";

/// A store's life: everything that is needed to say what a power cut may do to it.
pub struct Recording {
    /// The files that were there, whole and synced.
    pub start: BTreeMap<FileName, Vec<u8>>,
    /// What was done to the disk.
    pub log: Vec<Event>,
    /// What was going on when.
    pub spans: Vec<Span>,
    /// What the store was, call by call.
    pub history: History,
}

/// How long a checkpoint may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a life begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// There is no store.
    Nothing,
    /// There is a store of schema version 1.
    Version1,
}

/// How a life is lived.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Everything random comes from it.
    pub seed: u64,
    /// What it begins with.
    pub start: Start,
    /// Whether so much is written that the log is checkpointed by itself, at 32 MiB.
    pub large: bool,
    /// What the store promises; [`Durability::Full`] but for a store that shall be found out.
    pub durability: Durability,
    /// When calls count as answered; [`Answers::WhenAnswered`] but for a store that shall be found out.
    pub answers: Answers,
}

impl Plan {
    /// The life of this seed. Every third begins with an old store, and every tenth is large.
    pub fn new(number: u64, seed: u64) -> Plan {
        Plan {
            seed,
            start: if number % 3 == 1 { Start::Version1 } else { Start::Nothing },
            large: number % 10 == 2,
            durability: Durability::Full,
            answers: Answers::WhenAnswered,
        }
    }
}

struct Life<'a> {
    plan: Plan,
    rng: Rng,
    disk: &'a Arc<Disk>,
    calls: Arc<Calls>,
    path: PathBuf,
    spans: Vec<Span>,
    ids: u64,
}

/// Lives a life in an empty directory.
///
/// # Errors
/// If the store does what it should not while all is well.
pub fn record(plan: Plan, disk: &Arc<Disk>, directory: &Path) -> Result<Recording> {
    let path = directory.join(NAME);
    let base = match plan.start {
        Start::Nothing => Vec::new(),
        Start::Version1 => version_1::make(&path)?,
    };
    // The engine makes a database file that is not there, and syncs it and its directory, before SQLite opens it.
    let bytes = if path.exists() { fs::read(&path)? } else { Vec::new() };
    let start = BTreeMap::from([(NAME.into(), bytes)]);
    disk.record();
    let calls = Calls::new(Arc::clone(disk), plan.answers, 0);
    let rng = Rng::with_seed(plan.seed);
    let mut life = Life { plan, rng, disk, calls, path, spans: Vec::new(), ids: 0 };
    block_on(life.live())?;
    let (log, path, calls) = (disk.take(), life.path, life.calls.list());
    let mut spans = life.spans;
    spans.extend(spans_of(&log, &calls));
    let history = block_on(History::new(base, calls, feed(&path, disk.vfs())?, None))?;
    Ok(Recording { start, log, spans, history })
}

impl Life<'_> {
    async fn live(&mut self) -> Result<()> {
        let first = match self.plan.start {
            Start::Nothing => Operation::Create,
            Start::Version1 => Operation::Migrate,
        };
        let mut store = self.open(first)?;
        for operation in self.steps() {
            match operation {
                Operation::Batch => {
                    let call = self.drafts(&store).batch().await;
                    let again = call.clone();
                    self.send(&store, call).await?;
                    self.send_again(&store, &again).await?;
                }
                Operation::Crowd => self.crowd(&store).await?,
                Operation::Import => self.import(&store).await?,
                Operation::Optimize => {
                    self.span(operation, || block_on(store.optimize()).map(drop).map_err(Into::into))?;
                }
                Operation::Close | Operation::Reopen | Operation::Create | Operation::Migrate => {
                    self.span(Operation::Close, || block_on(store.close()).map_err(Into::into))?;
                    store = self.open(Operation::Reopen)?;
                }
                Operation::Checkpoint => {
                    self.fill(&store).await?;
                    self.span(Operation::Optimize, || {
                        block_on(store.optimize()).map(drop).map_err(Into::into)
                    })?;
                }
                Operation::FailedSync => store = self.fail_a_sync(store).await?,
                write => {
                    for call in self.drafts(&store).calls(write).await {
                        self.send(&store, call).await?;
                    }
                }
            }
            if self.rng.u8(..8) == 0 {
                let refused = self.drafts(&store).refused().await;
                ensure!(store.commit(refused).await.is_err(), "a call was not refused");
            }
        }
        self.span(Operation::Close, || block_on(store.close()).map_err(Into::into))
    }

    /// Every operation at least once, in random order.
    fn steps(&mut self) -> Vec<Operation> {
        let mut steps: Vec<Operation> = Operation::WRITES.into_iter().chain(Operation::WRITES).collect();
        steps.extend([Operation::Batch; 4]);
        steps.extend([Operation::Crowd; 3]);
        steps.extend([Operation::Optimize, Operation::Optimize, Operation::Import, Operation::Reopen]);
        steps.push(Operation::FailedSync);
        if self.plan.large {
            steps.push(Operation::Checkpoint);
        }
        self.rng.shuffle(&mut steps);
        steps
    }

    fn drafts<'b>(&'b mut self, store: &'b Store) -> Drafts<'b> {
        Drafts { rng: &mut self.rng, store, ids: &mut self.ids }
    }

    fn open(&mut self, operation: Operation) -> Result<Store> {
        let options = Options::new(&self.path).vfs(self.disk.vfs()).durability(self.plan.durability);
        let mut backend = None;
        self.span(operation, || {
            backend = Some(SqliteBackend::open(options)?);
            Ok(())
        })?;
        let store = Store::new(self.calls.note(Arc::new(backend.context("no store")?)));
        // A caller who blocks commits on its own thread, an async one on the writer's.
        Ok(if self.rng.bool() { store.for_blocking() } else { store })
    }

    fn span(&mut self, operation: Operation, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let begun = self.disk.recorded();
        work()?;
        self.spans.push(Span { operation, begun, ended: self.disk.recorded() });
        Ok(())
    }

    /// Sends a call. The store may refuse it, but must not fail.
    async fn send(&mut self, store: &Store, call: Vec<Commit>) -> Result<()> {
        use sessiondb_core::Error::{Conflict, Invalid, NotFound};
        match store.commit(call).await {
            Ok(_) | Err(Conflict { .. } | Invalid(_) | NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a call again which is in the store, as a caller does who lost the answer; of its commits those with an id.
    async fn send_again(&mut self, store: &Store, call: &[Commit]) -> Result<()> {
        let sent = self.calls.list().into_iter().rev().find(|sent| sent.commits.len() == call.len());
        let Some(sent) = sent.filter(|sent| matches!(sent.answer, Some(Ok(_)))) else { return Ok(()) };
        let again: Vec<Commit> = sent.commits.into_iter().filter(|commit| commit.id.is_some()).collect();
        if again.is_empty() {
            return Ok(());
        }
        let receipts = store.commit(again).await?;
        ensure!(receipts.iter().all(|receipt| receipt.replayed), "a commit with an id was done twice");
        Ok(())
    }

    /// Several callers at once.
    async fn crowd(&mut self, store: &Store) -> Result<()> {
        let mut callers = Vec::new();
        for _ in 0..self.rng.usize(2..=4) {
            let mut calls = Vec::new();
            for _ in 0..self.rng.usize(1..=3) {
                let key = key(self.rng.u32(..KEYS));
                let messages = (0..self.rng.usize(1..=2)).map(|_| self.drafts(store).message()).collect();
                calls.push(vec![Commit::new(key).write(Write::open()).write(Write::Append(messages))]);
            }
            callers.push(calls);
        }
        self.span(Operation::Crowd, || {
            std::thread::scope(|scope| {
                let caller = |calls: Vec<Vec<Commit>>| {
                    calls.into_iter().try_for_each(|call| block_on(store.commit(call)).map(drop))
                };
                let threads: Vec<_> =
                    callers.into_iter().map(|calls| scope.spawn(move || caller(calls))).collect();
                threads.into_iter().try_for_each(|thread| match thread.join() {
                    Ok(answer) => answer.map_err(Into::into),
                    Err(_) => Err(anyhow::anyhow!("a caller panicked")),
                })
            })
        })
    }

    /// A sync fails, of a commit or of a checkpoint. What is written then is in doubt, and the store refuses to write until it
    /// is opened again.
    async fn fail_a_sync(&mut self, store: Store) -> Result<Store> {
        let nth = self.rng.u64(1..=4);
        self.disk.fail(Fault { op: Op::Sync, nth, kind: FaultKind::Eio, lasting: Lasting::Once });
        let begun = self.disk.recorded();
        for number in 0..4 {
            let messages = vec![self.drafts(&store).message()];
            let call = vec![Commit::new(key(number)).write(Write::open()).write(Write::Append(messages))];
            let checkpointed = self.rng.bool() && store.optimize().await.is_err();
            let answer = store.commit(call).await;
            let struck = checkpointed || self.disk.struck() > 0;
            ensure!(answer.is_ok() || struck, "without a fault: {answer:?}");
        }
        self.disk.heal();
        // It may say that it could not sync.
        let _ = store.close().await;
        drop(store);
        rewritten::before_opening(&self.path, self.disk)?;
        let store = self.open(Operation::Reopen)?;
        self.spans.push(Span { operation: Operation::FailedSync, begun, ended: self.disk.recorded() });
        Ok(store)
    }

    /// A transcript of some messages is imported, and once more when it has grown.
    async fn import(&mut self, store: &Store) -> Result<()> {
        let projects = self.path.with_file_name("projects/-home-ann");
        fs::create_dir_all(&projects)?;
        let mut text = String::new();
        for part in 0..2 {
            for number in 0..self.rng.usize(2..8) {
                let said = self.rng.u64(..);
                text += &format!(
                    "{{\"type\":\"user\",\"uuid\":\"u-{part}-{number}\",\"timestamp\":\"2026-11-20T10:0{part}:0{number}Z\",\
                     \"message\":{{\"role\":\"user\",\"content\":\"said {said}\"}}}}\n"
                );
            }
            fs::write(projects.join("s-1.jsonl"), &text)?;
            let found = find(Some(Format::Claude), std::slice::from_ref(&projects))?;
            ensure!(found.sources.len() == 1, "the transcript is not found");
            self.span(Operation::Import, || {
                block_on(import(store, &found.sources[0], &mut |_| {}))?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// So much that the writer checkpoints by itself; then most of it is deleted.
    async fn fill(&mut self, store: &Store) -> Result<()> {
        let size = || fs::metadata(&self.path).map_or(0, |file| file.len());
        let (before, begun) = (size(), Instant::now());
        for number in 0..48 {
            let text: String = (0..750_000).map(|_| self.rng.alphanumeric()).collect();
            let key = SessionKey::new("main", "large", "", "dm", format!("{}", number % 3));
            store.append(&key, vec![NewMessage::new("user", text.as_str())]).await?;
        }
        // A thread does it, beside whoever writes.
        while size() < before + (8 << 20) {
            ensure!(begun.elapsed() < PATIENCE, "the log grew past 32 MiB and was not checkpointed");
            std::thread::yield_now();
        }
        for number in 0..2 {
            store.session_delete(&SessionKey::new("main", "large", "", "dm", format!("{number}"))).await?;
        }
        Ok(())
    }
}
