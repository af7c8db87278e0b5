//! `sessiondb`, the command line.
//!
//! One file a command in `command`. The streams are `output`'s, the exit codes `exit`'s; what is read from the command
//! line beyond what clap reads is in `argument`; what sessions and messages look like, in `json`, `transcript` and
//! `table`.

mod argument;
mod cli;
mod command;
mod exit;
mod json;
mod ndjson;
mod output;
mod place;
mod progress;
mod table;
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
    let store = place::open(cli.db.as_deref(), cli.command.makes_store()?)?;
    let blocking = blocking::Store::from(store.clone());
    let exit = match cli.command {
        Command::Import(args) => command::import::run(args, &store, out),
        Command::Export(args) => command::export::run(args, &store, out),
        Command::New(args) => command::new::run(args, &blocking, out),
        Command::Append(args) => command::append::run(args, &blocking, out),
        Command::Ls(args) => command::ls::run(args, &blocking, out),
        Command::Show(args) => command::show::run(args, &blocking, out),
        Command::Patch(args) => command::patch::run(args, &blocking, out),
        Command::Rm(args) => command::rm::run(args, &blocking, out),
        Command::Check(args) => command::check::run(args, &blocking, out),
    }?;
    blocking.close()?;
    Ok(exit)
}
