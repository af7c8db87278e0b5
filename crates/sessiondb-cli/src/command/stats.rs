//! `sessiondb stats`: how much there is, in a store or in a session.

mod calls;
mod session;
mod store;

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    exit::{Exit, Failure},
    output::Output,
};

const ABOUT: &str = "\
Counts what is in the store: sessions by family and status, messages shown and stored, tokens, the size of the files \
on disk. With a KEY, what is in that session: messages by role, their weight, calls of tools.

Shown is what the sessions show; stored is every message in their logs, hidden or not. What a fork shows of another \
session is stored there once, and shown in both; what is kept of a deleted session for its forks is not counted. The \
weight of a message is the count of tokens that its writer gave, or else a quarter of its bytes.

With a KEY it reads all messages of that session; in memory it holds a page of them.";

const EXAMPLES: &str = "\
Examples:
  sessiondb stats
  sessiondb stats main:cli::dm:ann
  sessiondb stats -o json | jq .size.database";

/// Counts what is in the store, or in one session
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Only this session: its key; or, without a ':', how the peer_id of one session begins
    key: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Columns to read
    Table,
    /// One object
    Json,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    match args.key {
        None => {
            let stats = store::count(store)?;
            match args.output {
                Form::Table => stats.print(out)?,
                Form::Json => out.json_line(&stats.json())?,
            }
        }
        Some(text) => {
            let session = key::session(store, &key::resolve(store, &text)?)?;
            let stats = session::count(store, session)?;
            match args.output {
                Form::Table => stats.print(out)?,
                Form::Json => out.json_line(&stats.json())?,
            }
        }
    }
    Ok(Exit::Done)
}
