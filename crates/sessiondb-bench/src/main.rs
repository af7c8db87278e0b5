//! Measures SessionDB. Each benchmark prints what it did, its raw medians and the ratios between them: absolute figures
//! are those of one machine, ratios within one run travel. What the project shows is under `docs/measured`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod ait42;
mod engine;
mod import;
mod peer;
mod sample;
mod search;
mod serve;
mod views;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever goes wrong ends the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

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
    /// Appends, windows, lists and the rest in SessionDB and in what else one could do, and which targets hold.
    Engine(engine::Options),
    /// What each decision of the storage layout costs and serves.
    Layout(engine::layout::Options),
    /// The server: appends and windows over HTTP beside the library, a thousand followers, twice the load.
    Serve(serve::Options),
    /// Several processes that append to one file.
    Processes(engine::processes::Options),
    /// One of them.
    #[command(hide = true)]
    Process(engine::processes::Process),
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
    /// Searches in a large store, what the index takes, and what it would cost an append.
    Search {
        /// How many messages the store has.
        #[arg(long, default_value_t = 300_000)]
        messages: u64,
        /// How often each thing is searched for.
        #[arg(long, default_value_t = 200)]
        rounds: usize,
        /// Where the samples are, whose words are said.
        #[arg(long, default_value = "samples")]
        samples: PathBuf,
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
    /// Coding sessions in ait42-session, in seed 003's own design on sqlx (which is built first) and in AIT42's files.
    Ait42 {
        /// How many sessions are loaded and searched.
        #[arg(long, default_value_t = 1_000)]
        sessions: usize,
        /// How often they are.
        #[arg(long, default_value_t = 30)]
        rounds: usize,
        /// Up to how many sessions messages are added to one of.
        #[arg(long, default_value_t = 10_000)]
        largest: usize,
        /// How many messages are added at each number of sessions.
        #[arg(long, default_value_t = 50)]
        adds: usize,
        /// Where the program on sqlx is.
        #[arg(long, default_value = "peers/ait42-sqlx")]
        peer: PathBuf,
    },
}

fn main() -> Outcome<()> {
    let Args { bench, seed } = Args::parse();
    match bench {
        Bench::Engine(options) => engine::run(&options, seed),
        Bench::Layout(options) => engine::layout::run(&options, seed),
        Bench::Processes(options) => engine::processes::run(&options, seed),
        Bench::Serve(options) => serve::run(&options, seed),
        Bench::Process(process) => engine::processes::process(&process, seed),
        Bench::Views { messages, samples } => Ok(views::run(messages, samples, seed)?),
        Bench::Search { messages, rounds, samples } => search::run(messages, rounds, &samples, seed),
        Bench::Import { records, samples, runs } => import::run(records, &samples, runs, seed),
        Bench::Ait42 { sessions, rounds, largest, adds, peer } => {
            ait42::run(sessions, rounds, largest, adds, &peer, seed)
        }
    }
}
