//! Measures SessionDB. Each benchmark prints what it did, its raw medians and the ratios between them: absolute figures
//! are those of one machine, ratios within one run travel. What the project shows is under `docs/measured`.

#![allow(clippy::print_stdout, reason = "a benchmark's output")]

mod import;
mod sample;
mod views;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures SessionDB.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
    /// What random numbers begin with.
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
}

#[derive(Subcommand)]
enum Bench {
    /// Windows at the start, the middle and the end of a long session and of a fork of it; forks of a long session and of
    /// a short one.
    Views {
        /// How many messages the long session has.
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        /// How often each thing is measured.
        #[arg(long, default_value_t = 500)]
        samples: usize,
    },
    /// Imports of long transcripts, made from the samples.
    Import {
        /// How many records a transcript has.
        #[arg(long, default_value_t = 100_000)]
        records: usize,
        /// Where the samples are.
        #[arg(long, default_value = "samples")]
        samples: PathBuf,
        /// How often each is imported.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { bench, seed } = Args::parse();
    match bench {
        Bench::Views { messages, samples } => Ok(views::run(messages, samples, seed)?),
        Bench::Import { records, samples, runs } => import::run(records, &samples, runs, seed),
    }
}
