//! `sessiondb`, the command line.
//!
//! One file a command in `command`. The streams are `output`'s, the exit codes `exit`'s; what is read from the command
//! line beyond what clap reads is in `argument`; what sessions and messages look like, in `json`, `header`,
//! `transcript` and `table`; what of them is hidden and why, in `hidden` and `marks`.

mod argument;
mod change;
mod cli;
mod command;
mod exit;
mod file;
mod header;
mod hidden;
mod json;
mod marks;
mod ndjson;
mod output;
mod pages;
mod place;
mod progress;
mod sources;
mod stretch;
mod summary;
mod table;
mod tally;
mod transcript;
mod usage;
mod visible;

use std::process::ExitCode;

use clap::Parser;
use sessiondb::blocking;
use sessiondb_server::Tokens;

use crate::{
    cli::{Cli, Command, StoreCommand},
    exit::{Exit, Failure},
    output::Output,
};

/// A server's messages are made by one thread and given back by another, for which the system's allocator has one lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::print(&error),
    };
    let mut out = Output::new(cli.quiet);
    let result = run(cli, &mut out);
    // What was printed before a failure is still data. A reader that went away leaves the exit code as it is.
    let flushed = Failure::unless_closed(out.flush().map_err(Failure::from));
    match result.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit().into()
        }
    }
}

fn run(cli: Cli, out: &mut Output) -> Result<Exit, Failure> {
    match cli.command {
        Command::Import(args) => command::import::run(args, cli.db.as_deref(), out),
        Command::Ait42(args) => command::ait42::run(args, cli.db.as_deref(), out),
        Command::Recover(args) => {
            let url = place::url(cli.db.as_deref())?;
            place::require_file(&url, "recover")?;
            command::recover::run(args, &url, out)
        }
        Command::Completions(args) => command::completions::run(args, out),
        Command::Store(command) => run_on_store(command, cli.db.as_deref(), out),
    }
}

fn run_on_store(command: StoreCommand, db: Option<&str>, out: &mut Output) -> Result<Exit, Failure> {
    let url = place::url(db)?;
    match command {
        StoreCommand::Serve(_) => place::require_file(&url, "serve")?,
        StoreCommand::Token(args) if place::is_server(&url) => {
            return command::token::run(args, &place::server(&url)?, out);
        }
        _ => {}
    }
    let store = place::open(&url, command.makes_store()?)?;
    let blocking = blocking::Store::from(store.clone());
    let exit = match command {
        StoreCommand::Export(args) => command::export::run(args, &store, out),
        StoreCommand::New(args) => command::new::run(args, &blocking, out),
        StoreCommand::Append(args) => command::append::run(args, &blocking, out),
        StoreCommand::Ls(args) => command::ls::run(args, &blocking, out),
        StoreCommand::Show(args) => command::show::run(args, &blocking, out),
        StoreCommand::Search(args) => command::search::run(args, &blocking, out),
        StoreCommand::State(args) => command::state::run(args, &blocking, out),
        StoreCommand::Stats(args) => command::stats::run(args, &blocking, out),
        StoreCommand::Patch(args) => command::patch::run(args, &blocking, out),
        StoreCommand::Compact(args) => command::compact::run(args, &blocking, out),
        StoreCommand::Uncompact(args) => command::uncompact::run(args, &blocking, out),
        StoreCommand::Fork(args) => command::fork::run(args, &blocking, out),
        StoreCommand::Rewind(args) => command::rewind::run(args, &blocking, out),
        StoreCommand::Pop(args) => command::pop::run(args, &blocking, out),
        StoreCommand::Reset(args) => command::reset::run(args, &blocking, out),
        StoreCommand::Undo(args) => command::undo::run(args, &blocking, out),
        StoreCommand::Repair(args) => command::repair::run(args, &blocking, out),
        StoreCommand::Rm(args) => command::rm::run(args, &blocking, out),
        StoreCommand::Check(args) => command::check::run(args, &blocking, out),
        StoreCommand::Optimize(args) => command::optimize::run(args, &blocking, out),
        StoreCommand::Serve(args) => command::serve::run(args, &store, &url, out),
        StoreCommand::Token(args) => command::token::run(args, &Tokens::of(&store)?, out),
    }?;
    blocking.close()?;
    Ok(exit)
}
