//! `sessiondb rm`: delete sessions.

use sessiondb::{SessionKey, blocking::Store};

use crate::{
    argument::key,
    exit::{Exit, Failure},
    output::{Line, Output},
};

const EXAMPLES: &str = "\
Examples:
  sessiondb rm main:cli::dm:ann
  sessiondb rm --yes 7f2abd2d 0944e97b";

/// Deletes sessions for good, with their messages and documents, and prints their keys.
///
/// It asks before. Without a terminal to ask on, it needs --yes. A key that means no session is an error, but the
/// others are deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The sessions: keys; or, without a ':', how the peer_id of one session begins
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let mut first_failure = None;
    let mut failed = |failure: Failure, out: &Output| {
        out.failure(&failure);
        first_failure.get_or_insert(failure.exit());
    };

    let mut keys: Vec<SessionKey> = Vec::new();
    for text in &args.keys {
        match existing(store, text) {
            // Named twice, it is still one session.
            Ok(key) if keys.contains(&key) => {}
            Ok(key) => keys.push(key),
            Err(failure) => failed(failure, out),
        }
    }
    if !args.yes && !keys.is_empty() && !confirmed(&keys, out)? {
        out.talk(&Line::new().plain("nothing was deleted"));
        return Ok(Exit::Partly);
    }
    for key in keys {
        match store.session_delete(&key) {
            // A reader of the keys that goes away does not change what is to be deleted.
            Ok(true) => {
                Failure::unless_closed(out.line(&Line::new().plain(key.to_string())).map_err(Failure::from))?
            }
            Ok(false) => failed(missing(&key), out),
            Err(error) => failed(error.into(), out),
        }
    }
    Ok(first_failure.unwrap_or(Exit::Done))
}

/// The key of a session that exists.
fn existing(store: &Store, text: &str) -> Result<SessionKey, Failure> {
    let key = key::resolve(store, text)?;
    match store.session(&key)? {
        Some(_) => Ok(key),
        None => Err(missing(&key)),
    }
}

fn missing(key: &SessionKey) -> Failure {
    sessiondb::Error::NotFound(Box::new(key.clone())).into()
}

fn confirmed(keys: &[SessionKey], out: &Output) -> Result<bool, Failure> {
    let question = match keys.len() {
        1 => "delete this session for good?".to_owned(),
        count => format!("delete these {count} sessions for good?"),
    };
    let keys: Vec<_> = keys.iter().map(|key| Line::new().plain(format!("  {key}"))).collect();
    out.ask(&keys, &question).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no terminal to ask on")
            .hint("with --yes, rm deletes without asking")
    })
}
