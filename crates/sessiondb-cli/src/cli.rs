//! [`Cli`]: the command line as a whole.

use clap::{Parser, Subcommand};

use crate::{
    command::{
        ait42, append, check, compact, completions, export, fork, import, ls, new, optimize, patch, pop,
        recover, repair, reset, rewind, rm, search, serve, show, state, stats, token, uncompact, undo,
    },
    exit::{Exit, Failure},
};

const ABOUT: &str = "\
A durable store of AI agents' sessions, on the command line.

A session has a key of five parts, agent:channel:account:kind:peer, as in main:cli::dm:ann. Where a command takes a \
KEY of an existing session, the beginning of its peer (the last part) will do, as long as no other session's peer \
begins so.

Through a server (http://… or https://…) the token is SESSIONDB_TOKEN, or that of the user's own store for a server on this \
machine; SESSIONDB_CA names a file of certificates (PEM) to trust instead of the public authorities.

Data goes to stdout; progress, hints and errors go to stderr.";

#[derive(Debug, Parser)]
#[command(name = "sessiondb", version, about = "A durable store of AI agents' sessions", long_about = ABOUT)]
#[command(after_help = Exit::table(), max_term_width = 100)]
pub struct Cli {
    /// The store: sqlite:PATH, or a server of one, http://HOST:PORT [default: sessiondb/sessions.db in the user's data
    /// directory, as ~/.local/share]
    #[arg(
        long,
        visible_alias = "url",
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
    #[command(flatten)]
    Store(StoreCommand),
    Recover(recover::Args),
    Ait42(ait42::Args),
    Completions(completions::Args),
}

/// What is done with a store. An import is not among these, since it opens one only when it has found something to put in.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    Export(export::Args),
    New(new::Args),
    Append(append::Args),
    Ls(ls::Args),
    Show(show::Args),
    Search(search::Args),
    State(state::Args),
    Stats(stats::Args),
    Patch(patch::Args),
    Compact(compact::Args),
    Uncompact(uncompact::Args),
    Fork(fork::Args),
    Rewind(rewind::Args),
    Pop(pop::Args),
    Reset(reset::Args),
    Undo(undo::Args),
    Repair(repair::Args),
    Rm(rm::Args),
    Check(check::Args),
    Optimize(optimize::Args),
    Serve(serve::Args),
    Token(token::Args),
}

impl StoreCommand {
    /// Whether the command puts something into a store, so that one which is not there is made.
    ///
    /// # Errors
    /// If it cannot be done in any store.
    pub fn makes_store(&self) -> Result<bool, Failure> {
        match self {
            StoreCommand::New(args) => args.check().map(|()| true),
            StoreCommand::Append(args) => args.check(),
            StoreCommand::Serve(_) => Ok(true),
            StoreCommand::State(args) => args.makes(),
            StoreCommand::Token(args) => Ok(args.makes()),
            StoreCommand::Export(_)
            | StoreCommand::Ls(_)
            | StoreCommand::Show(_)
            | StoreCommand::Search(_)
            | StoreCommand::Stats(_)
            | StoreCommand::Patch(_)
            | StoreCommand::Compact(_)
            | StoreCommand::Uncompact(_)
            | StoreCommand::Fork(_)
            | StoreCommand::Rewind(_)
            | StoreCommand::Pop(_)
            | StoreCommand::Reset(_)
            | StoreCommand::Undo(_)
            | StoreCommand::Repair(_)
            | StoreCommand::Rm(_)
            | StoreCommand::Check(_)
            | StoreCommand::Optimize(_) => Ok(false),
        }
    }
}
