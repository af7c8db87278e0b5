//! `sessiondb-faults`: power cuts for as long as one likes, and every operation of the disk failing. It prints its seed and what
//! came of it, and fails if a store was not what it must be.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use fastrand::Rng;
use sessiondb_faults::{
    Plan, lock_page, power,
    sweep::{self, Script},
};

/// From so many cuts on, each operation must have been in flight under each damage this often.
const ENOUGH: u64 = 2_000;
const COVERED: u64 = 3;

#[derive(Parser)]
#[command(about = "Power cuts against the whole store, on a simulated disk")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Cuts random lives of stores at random moments.
    Power {
        /// How many cuts.
        #[arg(long, default_value_t = 10_000)]
        cuts: u64,
        /// Everything random comes from it.
        #[arg(long)]
        seed: Option<u64>,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Fails every operation of the disk in the life of a store, one a run, in every way it can fail.
    Sweep {
        /// How many operations of each kind at most, spread over the life.
        #[arg(long, default_value_t = u64::MAX)]
        most: u64,
        /// Whether a store that stopped is closed or killed comes from it.
        #[arg(long)]
        seed: Option<u64>,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Cuts a store while it grows and shrinks across the page at 1 GiB that SQLite does not use. Takes some 3 GiB of
    /// temporary files, and seconds a cut.
    LockPage {
        /// How many cuts.
        #[arg(long, default_value_t = 200)]
        cuts: u64,
        /// Everything random comes from it.
        #[arg(long)]
        seed: Option<u64>,
    },
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn sweep_all(seed: u64, most: u64, jobs: usize) -> Result<ExitCode> {
    let mut rng = Rng::with_seed(seed);
    let mut cases = sweep::cases(Script::Short, most, &mut rng)?;
    cases.extend(sweep::cases(Script::Whole, most, &mut rng)?);
    let tally = sweep::run(&cases, jobs)?;
    tally.findings.iter().take(20).for_each(|story| println!("{story}\n"));
    println!("{tally}");
    let right = tally.findings.is_empty() && tally.gaps().is_empty();
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<ExitCode> {
    let what = Arguments::parse().what;
    let (What::Power { seed, .. } | What::Sweep { seed, .. } | What::LockPage { seed, .. }) = what;
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let tally = match what {
        What::Power { cuts, jobs, .. } => power::run(seed, cuts, jobs, Plan::new)?,
        What::LockPage { cuts, .. } => lock_page::run(seed, cuts)?,
        What::Sweep { most, jobs, .. } => return sweep_all(seed, most, jobs),
    };
    tally.findings.iter().take(20).for_each(|(_, story)| println!("{story}\n"));
    println!("{tally}");
    if let What::Power { cuts: ENOUGH.., .. } = what {
        let gaps = tally.gaps(COVERED);
        ensure!(gaps.is_empty(), "less than {COVERED} times in flight: {gaps:?}");
    }
    Ok(if tally.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
