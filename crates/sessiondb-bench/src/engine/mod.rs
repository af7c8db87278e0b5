//! The engine beside what else one could do: SQLite by hand (the limit), `Mutex<Connection>`, a pool of connections, and sqlx.
//! All in one run, in rounds, every candidate once a round, in turns.

mod append;
mod by_hand;
mod callers;
mod charts;
mod fill;
pub(crate) mod layout;
mod legend;
mod list;
mod load;
pub(crate) mod machine;
mod mutex;
mod ours;
mod plot;
mod pool;
pub(crate) mod processes;
mod raw;
mod report;
mod sample;
mod sessions;
mod sqlx;
mod target;
mod turns;
mod window;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sessiondb::sqlite::Durability;

use self::{
    by_hand::{Schema, Seed001, SessionDb},
    fill::Content,
    load::{Arrivals, SESSIONS},
    machine::Machine,
    report::Report,
    sample::Sample,
    sqlx::SqlxReader,
    target::Target,
};
use crate::{Outcome, peer::Peer, sample::settle};

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Messages in the store before anything is measured.
    #[arg(long, default_value_t = 500_000)]
    messages: u64,
    /// Sessions in the store that is listed.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long appends are measured, in seconds, each time.
    #[arg(long, default_value_t = 0.8)]
    seconds: f64,
    /// How many callers append; bursts at FULL have all of these, other loads 1, 16 and 64 of them.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64,256")]
    callers: Vec<usize>,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Workload::value_variants().to_vec())]
    only: Vec<Workload>,
    /// Where the programs on sqlx are; they are built first.
    #[arg(long, default_value = "peers/ait42-sqlx")]
    peer: PathBuf,
    /// Writes everything that was measured, round by round, into this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draws charts into this folder.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Measures nothing, and shows what is in such a file.
    #[arg(long)]
    from: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Appends at FULL in bursts.
    Append,
    /// Appends at FULL all over the store.
    AppendUniform,
    /// Appends at NORMAL, of both kinds.
    AppendNormal,
    /// The newest 50 messages of a session, in memory.
    Window,
    /// Finding, making, filling, reading, forking and deleting whole sessions.
    Sessions,
    /// Lists of 50 of an agent's sessions.
    List,
    /// The newest 50 messages of a session, on the disk. It empties the system's page cache.
    Cold,
}

impl Workload {
    /// The loads of appends in it.
    fn loads(self) -> &'static [(Durability, Arrivals)] {
        match self {
            Workload::Append => &[(Durability::Full, Arrivals::Bursty)],
            Workload::AppendUniform => &[(Durability::Full, Arrivals::Uniform)],
            Workload::AppendNormal => {
                &[(Durability::Normal, Arrivals::Bursty), (Durability::Normal, Arrivals::Uniform)]
            }
            _ => &[],
        }
    }
}

/// What all workloads go by.
struct Plan {
    /// Where files may be made.
    dir: PathBuf,
    peer: PathBuf,
    sample: Arc<Sample>,
    seed: u64,
    rounds: usize,
    /// Messages in the filled stores.
    messages: u64,
    callers: Vec<usize>,
    time: Duration,
    /// The filled stores, in the one schema and in the other.
    session_db: PathBuf,
    seed_001: PathBuf,
}

impl Plan {
    /// The filled store of this schema.
    fn filled(&self, schema: &dyn Schema) -> &Path {
        if schema.name() == SessionDb::Whole.name() { &self.session_db } else { &self.seed_001 }
    }
}

/// What was measured, on what, and what follows.
#[derive(Serialize, Deserialize)]
struct Results {
    machine: Machine,
    /// How much there was, and how often and how long it was measured.
    setting: String,
    report: Report,
    targets: Vec<Target>,
}

pub(crate) fn run(options: &Options, seed: u64) -> Outcome<()> {
    let results = match &options.from {
        Some(file) => serde_json::from_str(&fs::read_to_string(file)?)?,
        None => measure(options, seed)?,
    };
    results.machine.print();
    println!("{}\n\n{}\n", results.setting, legend::ALL);
    legend::CANDIDATES.iter().for_each(|(name, does)| println!("  {name:<42} {does}"));
    results.report.print();
    println!("\ntargets: medians of the rounds; what is divided was measured in the same round");
    results.targets.iter().for_each(Target::print);
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&results)? + "\n")?;
    }
    if let Some(dir) = &options.svg {
        charts::draw(&results.report, &options.callers, dir)?;
    }
    Ok(())
}

fn measure(options: &Options, seed: u64) -> Outcome<Results> {
    Peer::build(&options.peer)?;
    let dir = tempfile::tempdir()?;
    let (machine, start) = (Machine::here(dir.path(), seed), Instant::now());
    let plan = Plan {
        dir: dir.path().to_owned(),
        peer: options.peer.clone(),
        sample: Arc::new(Sample::new()?),
        seed,
        rounds: options.rounds,
        messages: options.messages,
        callers: options.callers.clone(),
        time: Duration::from_secs_f64(options.seconds),
        session_db: dir.path().join("session-db.db"),
        seed_001: dir.path().join("seed001.db"),
    };
    let mut report = Report::default();
    let content = Content { sessions: SESSIONS, messages: options.messages, seed };
    fill::session_db(&plan.session_db, &plan.sample, content)?;
    fill::seed_001(&plan.seed_001, &plan.sample, content)?;
    space(&plan, &mut report)?;
    version_in_sqlx(&plan, &mut report)?;
    settle()?;

    let asked = |workload| options.only.contains(&workload);
    let loads: Vec<_> = options.only.iter().flat_map(|workload| workload.loads()).copied().collect();
    if !loads.is_empty() {
        append::run(&plan, &loads, &mut report)?;
    }
    if asked(Workload::Window) {
        window::warm(&plan, 1_000, &mut report)?;
    }
    if asked(Workload::Sessions) {
        sessions::run(&plan, &mut report)?;
    }
    if asked(Workload::List) {
        list::run(&plan, options.sessions, 40, &mut report)?;
    }
    if asked(Workload::Cold) {
        window::cold(&plan, 20, &mut report)?;
    }
    let Options { messages, sessions, rounds, seconds, .. } = options;
    let setting = format!(
        "{messages} messages in {SESSIONS} sessions before anything is measured, lists among {sessions} sessions; \
         {rounds} rounds, appends for {seconds} s each; {} s in all",
        start.elapsed().as_secs()
    );
    Ok(Results { targets: target::targets(&report), machine, setting, report })
}

/// sqlx brings an SQLite of its own.
fn version_in_sqlx(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let mut sqlx = SqlxReader::start(&plan.peer, &plan.seed_001)?;
    report.note(format!("SQLite in sqlx: {}", sqlx.sqlite_version()?));
    sqlx.end()
}

/// How much of the disk the filled stores take, checkpointed and closed.
fn space(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let words = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name LIKE 'search%'";
    for schema in [&SessionDb::Whole as &dyn Schema, &Seed001] {
        let (file, each) = (plan.filled(schema), |bytes: i64| bytes as f64 / plan.messages as f64);
        let all = fs::metadata(file)?.len().cast_signed();
        let index: i64 = Connection::open(file)?.query_row(words, [], |row| row.get(0))?;
        report.note(format!("bytes on disk a message, {}: {:.0}", schema.name(), each(all - index)));
        if index > 0 {
            report.note(format!("and of the index of words: {:.0}", each(index)));
        }
    }
    Ok(())
}
