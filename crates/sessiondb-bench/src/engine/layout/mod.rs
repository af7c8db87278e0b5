//! What each decision of the storage layout costs and serves: SQLite by hand on stores in which one thing is other, in rounds,
//! each variant once a round, in turns.

mod appends;
mod change;
mod reads;
mod serves;
mod table;
mod variant;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use self::{
    change::{Change, bytes_a_message},
    table::{Column, Figure, Line},
    variant::Variant,
};
use super::{
    fill::Content, load::SESSIONS, machine::Machine, report::Report, sample::Sample, sessions::LONG,
};
use crate::{Outcome, sample::settle};

/// On how much, how often and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Messages in each store before anything is measured.
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long appends are measured, in seconds, each time.
    #[arg(long, default_value_t = 0.8)]
    seconds: f64,
    /// Writes everything that was measured, round by round, into this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What holds for all variants, for whoever reads the table.
const LEGEND: &str = "\
SQLite by hand: one thread, SessionDB's schema, the rows that its engine writes, connections set as it sets its own; in each
line one thing is other. Each store is made empty by SessionDB, changed, and filled by hand in the order in which messages
came, so its size is that of a store that has grown. In the last table a cell is the median of the rounds and, behind it, how
many times as fast that is as the layout as it is in the same round, with the least and the greatest round: below 1 is slower.
Bytes stand beside those of the layout as it is: below 1 is less. What a variant makes no difference to is not measured.
Appends: FULL, bursty, messages of 400 bytes; a quarter of the time warms up. Each round is on a new copy of the store;
afterwards every message that was answered must be stored, and no other. A checkpoint is made at the end of the commit that
fills the log, within the measured time. Windows and lists are in the system's memory, and all must have read the same.";

/// What the last table shows.
const COLUMNS: [Column; 4] = [
    Column { heading: "64 a transaction, a second", workload: appends::BATCHES, figure: Figure::Rate },
    Column { heading: "1 a transaction, a second", workload: appends::ALONE, figure: Figure::Rate },
    Column { heading: "window of 50, p50 us", workload: reads::WINDOW, figure: Figure::P50 },
    Column { heading: "list of 50, p50 us", workload: reads::LIST, figure: Figure::P50 },
];

/// What all of it goes by.
struct Plan {
    dir: PathBuf,
    sample: Arc<Sample>,
    content: Content,
    rounds: usize,
    time: Duration,
}

/// The filled stores: one for each change, which all variants with that change are measured on.
struct Stores(Vec<(Change, PathBuf)>);

impl Stores {
    fn make(plan: &Plan, variants: &[Variant]) -> Outcome<Stores> {
        let mut stores = Stores(Vec::new());
        for change in variants.iter().map(|variant| variant.change) {
            if stores.of(change).is_err() {
                let file = plan.dir.join(format!("layout-{}.db", stores.0.len()));
                change.make(&file, &plan.sample, plan.content)?;
                stores.0.push((change, file));
            }
        }
        Ok(stores)
    }

    fn of(&self, change: Change) -> Outcome<&Path> {
        let found = self.0.iter().find(|(made, _)| *made == change);
        found.map(|(_, file)| file.as_path()).ok_or_else(|| format!("no store with {change:?}").into())
    }
}

/// What was measured, on what, and what follows.
#[derive(Serialize)]
struct Results {
    machine: Machine,
    setting: String,
    report: Report,
    lines: Vec<Line>,
}

pub(crate) fn run(options: &Options, seed: u64) -> Outcome<()> {
    let variants = variant::all();
    let results = measure(options, &variants, seed)?;
    results.machine.print();
    println!("{}\n\n{LEGEND}\n", results.setting);
    variants.iter().for_each(|variant| println!("  {:<30} {}", variant.name, variant.why));
    results.report.print();
    table::print(&results.lines, &COLUMNS);
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&results)? + "\n")?;
    }
    Ok(())
}

fn measure(options: &Options, variants: &[Variant], seed: u64) -> Outcome<Results> {
    let Options { messages, rounds, seconds, .. } = options;
    let dir = tempfile::tempdir()?;
    let (machine, start) = (Machine::here(dir.path(), seed), Instant::now());
    let plan = Plan {
        dir: dir.path().to_owned(),
        sample: Arc::new(Sample::new()?),
        content: Content { sessions: SESSIONS, messages: *messages, seed },
        rounds: *rounds,
        time: Duration::from_secs_f64(*seconds),
    };
    let stores = Stores::make(&plan, variants)?;
    settle()?;
    let mut report = Report::default();
    appends::run(&plan, variants, &stores, &mut report)?;
    reads::run(&plan, variants, &stores, &mut report)?;
    let sized = variants
        .iter()
        .map(|variant| Ok((variant, bytes_a_message(stores.of(variant.change)?, plan.content)?)));
    let lines = table::lines(&report, &COLUMNS, &sized.collect::<Outcome<Vec<_>>>()?);
    let setting = format!(
        "{messages} messages in {SESSIONS} sessions and {LONG} in one more before anything is measured; \
         {rounds} rounds, appends for {seconds} s each; {} s in all",
        start.elapsed().as_secs()
    );
    Ok(Results { machine, setting, report, lines })
}
