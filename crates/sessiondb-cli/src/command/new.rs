//! `sessiondb new`: open a session that does not exist yet.

use sessiondb::{Commit, Error, Expect, Opening, SessionKey, Write, blocking::Store};

use crate::{
    argument::json,
    exit::{Exit, Failure},
    output::{Line, Output},
};

const EXAMPLES: &str = "\
Examples:
  sessiondb new main:cli::dm:ann
  sessiondb new main:slack:T1:group:C42 --status idle --metadata '{\"title\": \"Release\"}'";

/// Opens a new session and prints its key.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The session's key: agent:channel:account:kind:peer (a ':' inside a part is written =3A)
    key: String,
    /// What kind of session it is [default: chat]
    #[arg(long)]
    family: Option<String>,
    /// Its status [default: active]
    #[arg(long)]
    status: Option<String>,
    /// What describes it: a JSON object; a "title" in it is shown in lists
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

impl Args {
    /// Whether the key can be one.
    pub fn check(&self) -> Result<(), Failure> {
        Ok(self.key.parse::<SessionKey>().map(drop)?)
    }
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key: SessionKey = args.key.parse()?;
    let metadata = args.metadata.map(|text| json::parse("--metadata", &text)).transpose()?;
    let opening = Opening { family: args.family, status: args.status, metadata };
    let commit = Commit::new(key).write(Write::Open(opening)).expect(Expect::Absent);
    let receipt = store.commit_one(commit).map_err(|error| match error {
        Error::Conflict { .. } => Failure::from(error).hint("append to it, or take another key"),
        _ => error.into(),
    })?;
    out.line(&Line::new().plain(receipt.key.to_string()))?;
    Ok(Exit::Done)
}
