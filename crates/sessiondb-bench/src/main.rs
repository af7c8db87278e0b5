//! Measures SessionDB. Each benchmark prints what it did, its raw medians and the ratios between them: absolute figures
//! are those of one machine, ratios within one run travel. What the project shows is under `docs/measured`.

#![allow(clippy::print_stdout, reason = "a benchmark's output")]

mod sample;
mod views;

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
}

fn main() -> sessiondb::Result<()> {
    let Args { bench, seed } = Args::parse();
    match bench {
        Bench::Views { messages, samples } => views::run(messages, samples, seed),
    }
}
