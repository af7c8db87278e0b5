//! `sessiondb-faults`: power cuts for as long as one likes. It prints its seed and what came of the cuts, and fails if one
//! of them left a store that is not what it must be.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use sessiondb_faults::{Plan, power};

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
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<ExitCode> {
    let What::Power { cuts, seed, jobs } = Arguments::parse().what;
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let tally = power::run(seed, cuts, jobs, Plan::new)?;
    tally.findings.iter().take(20).for_each(|(_, story)| println!("{story}\n"));
    println!("{tally}");
    Ok(if tally.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
