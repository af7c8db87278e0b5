//! `sessiondb uncompact`: show what a compaction hid.

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    change::{Change, Form},
    exit::{Exit, Failure},
    output::Output,
};

const ABOUT: &str = "\
Shows what the last compaction hid, in the place of its summary. Once more takes back the one before.

It does so whatever happened since, but for a reset: what was hidden before that, only undo can bring back.";

const EXAMPLES: &str = "\
Examples:
  sessiondb uncompact main:cli::dm:ann";

/// Shows what the last compaction hid, in the place of its summary
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
    let (_, change) = Change::of(store, &key, || store.uncompact(&key))?;
    let sentence = match change.changed {
        true => change.sentence(),
        false => "nothing to show again: there is no compaction to take back".to_owned(),
    };
    change.print(sentence, args.output, out)?;
    Ok(Exit::Done)
}
