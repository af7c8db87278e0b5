//! The engine beside what else one could do: SQLite by hand (the limit), `Mutex<Connection>`, a pool of connections, and sqlx.
//! All in one run, in rounds, every candidate once a round, in turns.

mod append;
mod callers;
mod fill;
mod load;
mod mutex;
mod ours;
mod pool;
mod raw;
mod report;
mod schema;

use std::{collections::HashMap, fs, path::PathBuf, process::Command, sync::Arc, time::Duration};

use clap::Args;
use sessiondb::sqlite::Durability;

use self::{
    append::Appender,
    load::{Arrivals, Sample},
    report::Report,
    schema::Schema,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Messages in the store before anything is measured.
    #[arg(long, default_value_t = 500_000)]
    messages: u64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long appends are measured, in seconds, each time.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How many callers append.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64,256")]
    callers: Vec<usize>,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Workload::ALL)]
    only: Vec<Workload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// Appends at FULL in bursts.
    Append,
    /// Appends at FULL all over the store.
    AppendUniform,
    /// Appends at NORMAL, of both kinds.
    AppendNormal,
}

impl Workload {
    const ALL: [Workload; 3] = [Workload::Append, Workload::AppendUniform, Workload::AppendNormal];

    /// The loads of appends in it.
    fn loads(self) -> &'static [(Durability, Arrivals)] {
        match self {
            Workload::Append => &[(Durability::Full, Arrivals::Bursty)],
            Workload::AppendUniform => &[(Durability::Full, Arrivals::Uniform)],
            Workload::AppendNormal => {
                &[(Durability::Normal, Arrivals::Bursty), (Durability::Normal, Arrivals::Uniform)]
            }
        }
    }
}

/// What all workloads go by.
struct Plan {
    sample: Arc<Sample>,
    seed: u64,
    callers: Vec<usize>,
    time: Duration,
}

pub(crate) fn run(options: &Options, seed: u64) -> Outcome<()> {
    let plan = Plan {
        sample: Arc::new(Sample::new()?),
        seed,
        callers: options.callers.clone(),
        time: Duration::from_secs_f64(options.seconds),
    };
    let dir = tempfile::tempdir()?;
    let mut filled = HashMap::new();
    for schema in [Schema::SessionDb, Schema::Seed001] {
        let file = dir.path().join(format!("{}.db", schema.name()));
        fill::fill(schema, &file, &plan.sample, options.messages, seed)?;
        filled.insert(schema.name(), file);
    }
    let mut candidates: Vec<(Box<dyn Appender>, PathBuf)> = Vec::new();
    for (n, candidate) in append::candidates().into_iter().enumerate() {
        let file = dir.path().join(format!("append-{n}.db"));
        fs::copy(&filled[candidate.schema().name()], &file)?;
        candidates.push((candidate, file));
    }
    settle()?;
    let mut report = Report::default();
    let loads: Vec<_> = options.only.iter().flat_map(|workload| workload.loads()).copied().collect();
    for round in 0..options.rounds {
        append::round(&plan, &mut candidates, &loads, round, &mut report)?;
    }
    report.print();
    Ok(())
}

/// Waits until the system has written what it was given, so that it does not do so while something else is measured.
fn settle() -> Outcome<()> {
    if Command::new("sync").status()?.success() { Ok(()) } else { Err("sync failed".into()) }
}
