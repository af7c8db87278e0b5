//! [`Cli`]: the command line as a whole.

use clap::{Parser, Subcommand};

use crate::{
    command::{append, check, export, import, ls, new, patch, rm, show},
    exit::{Exit, Failure},
};

const ABOUT: &str = "\
A durable store of AI agents' sessions, on the command line.

A session has a key of five parts, agent:channel:account:kind:peer, as in main:cli::dm:ann. Where a command takes a \
KEY of an existing session, the beginning of its peer (the last part) will do, as long as no other session's peer \
begins so.

Data goes to stdout; progress, hints and errors go to stderr.";

#[derive(Debug, Parser)]
#[command(name = "sessiondb", version, about = "A durable store of AI agents' sessions", long_about = ABOUT)]
#[command(after_help = Exit::table(), max_term_width = 100)]
pub struct Cli {
    /// The store: sqlite:PATH [default: sessiondb/sessions.db in the user's data directory, as ~/.local/share]
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "URL",
        env = "SESSIONDB_URL",
        hide_env_values = true
    )]
    pub db: Option<String>,
    /// Tell only errors: no progress, no summaries, no hints
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Import(import::Args),
    Export(export::Args),
    New(new::Args),
    Append(append::Args),
    Ls(ls::Args),
    Show(show::Args),
    Patch(patch::Args),
    Rm(rm::Args),
    Check(check::Args),
}

impl Command {
    /// Whether the command puts something into a store, so that one which is not there is made.
    ///
    /// # Errors
    /// If it cannot be done in any store.
    pub fn makes_store(&self) -> Result<bool, Failure> {
        match self {
            Command::Import(_) => Ok(true),
            Command::New(args) => args.check().map(|()| true),
            Command::Append(args) => args.check(),
            Command::Export(_)
            | Command::Ls(_)
            | Command::Show(_)
            | Command::Patch(_)
            | Command::Rm(_)
            | Command::Check(_) => Ok(false),
        }
    }
}
