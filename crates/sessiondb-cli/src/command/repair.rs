//! `sessiondb repair`: close tool calls that have no result.

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    change::{Change, Form},
    exit::{Exit, Failure},
    header::counted,
    output::Output,
    stretch::{self, Stretch},
};

const ABOUT: &str = "\
Makes a history acceptable to a model again: for the calls of tools without a result it appends messages of the role \
tool that say they were interrupted, and shows them right behind the calls; results whose call is not shown are hidden.

A call that is still running has no result either: repair a session only when nobody works in it. undo takes it back.";

const EXAMPLES: &str = "\
Examples:
  sessiondb repair main:cli::dm:ann";

/// Closes tool calls that have no result, and hides results that have no call
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let (appended, mut change) = Change::of(store, &key, || store.repair(&key))?;
    let mut parts = Vec::new();
    if !appended.is_empty() {
        let numbers = appended.iter().map(|&seq| Stretch { first: seq, last: seq }).collect();
        let numbers = stretch::named(&stretch::joined(numbers));
        parts.push(format!("{} appended ({numbers})", counted(appended.len() as u64, "result")));
    }
    if change.changed {
        parts.push(change.sentence());
    }
    change.changed = !parts.is_empty();
    change.appended = Some(appended);
    let sentence = if parts.is_empty() { "nothing to repair".to_owned() } else { parts.join(", ") };
    change.print(sentence, args.output, out)?;
    Ok(Exit::Done)
}
