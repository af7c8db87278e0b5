//! `sessiondb`, the command line.
//!
//! One file a command in `command`. The streams are `output`'s, the exit codes `exit`'s; what is read from the command
//! line beyond what clap reads is in `argument`; what sessions and messages look like, in `json`, `transcript` and
//! `table`.

mod argument;
mod block;
mod cli;
mod command;
mod exit;
mod file;
mod json;
mod ndjson;
mod output;
mod place;
mod progress;
mod raw;
mod search;
mod summary;
mod table;
mod title;
mod transcript;
mod usage;
mod visible;

use std::process::ExitCode;

use clap::Parser;
use sessiondb::blocking;

use crate::{
    cli::{Cli, Command},
    exit::{Exit, Failure},
    output::Output,
};

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
    let (url, make) = (cli.db.as_deref(), cli.command.makes_store()?);
    match cli.command {
        // It opens a store itself, once it has found something to put in.
        Command::Import(args) => command::import::run(args, url, out),
        Command::New(args) => in_store(url, make, |store| command::new::run(args, store, out)),
        Command::Append(args) => in_store(url, make, |store| command::append::run(args, store, out)),
        Command::Ls(args) => in_store(url, make, |store| command::ls::run(args, store, out)),
        Command::Show(args) => in_store(url, make, |store| command::show::run(args, store, out)),
        Command::Patch(args) => in_store(url, make, |store| command::patch::run(args, store, out)),
        Command::Rm(args) => in_store(url, make, |store| command::rm::run(args, store, out)),
        Command::Check(args) => in_store(url, make, |store| command::check::run(args, store, out)),
    }
}

/// Opens the store, does something in it, and closes it.
fn in_store(
    url: Option<&str>,
    make: bool,
    act: impl FnOnce(&blocking::Store) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let store = blocking::Store::from(place::open(url, make)?);
    let exit = act(&store)?;
    store.close()?;
    Ok(exit)
}
