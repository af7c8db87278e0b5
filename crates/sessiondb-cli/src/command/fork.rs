//! `sessiondb fork`: begin a new session from the history of another.

use sessiondb::{Conflict, Error, SessionKey, blocking::Store};

use crate::{
    argument::key,
    change,
    exit::{Exit, Failure},
    output::{Line, Output},
};

const ABOUT: &str = "\
Makes a new session that shows the same history as another, up to message --at or all of it, and prints its key. \
Nothing is copied, however long it is; what is appended to either session is seen in that one alone.

The new session has the status and metadata of the other, and none of its tokens and documents. The other may be \
deleted: what the fork shows of it stays.";

const EXAMPLES: &str = "\
Examples:
  sessiondb fork main:cli::dm:ann main:cli::dm:ann-2
  sessiondb fork ann main:cli::dm:ann-2 --at 40";

/// Makes a new session that shows the same history as another, and prints its key
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session to fork: its key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// The new session's key, whole: agent:channel:account:kind:peer
    new_key: String,
    /// The last message that the new session shows; 0 for none [default: the newest]
    #[arg(long, value_name = "SEQ")]
    at: Option<u64>,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let new_key: SessionKey = args.new_key.parse().map_err(|error| Failure::from(error).at("NEW_KEY"))?;
    let key = key::resolve(store, &args.key)?;
    let fork = store.fork(&key, &new_key, args.at).map_err(|error| match error {
        Error::Conflict { conflict: Conflict::Exists { .. }, .. } => {
            Failure::from(error).hint("take another key")
        }
        _ => error.into(),
    })?;
    out.line(&Line::new().plain(fork.key.to_string()))?;
    change::hint_if_cut(store, &fork.key, out)?;
    Ok(Exit::Done)
}
