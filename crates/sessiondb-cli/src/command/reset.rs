//! `sessiondb reset`: hide all messages.

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    change::{Change, Form},
    exit::{Exit, Failure},
    output::Output,
};

const ABOUT: &str = "\
Hides all messages of a session, which begins anew; its numbers go on. Nothing is deleted: show --all shows it, and \
undo brings it back. Status, metadata, tokens and documents stay as they are.";

const EXAMPLES: &str = "\
Examples:
  sessiondb reset main:cli::dm:ann";

/// Hides all messages of a session, which begins anew
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
    let (_, change) = Change::of(store, &key, || store.reset(&key))?;
    let sentence = match change.changed {
        true => change.sentence(),
        false => "nothing to hide: the session shows no message".to_owned(),
    };
    change.print(sentence, args.output, out)?;
    if change.changed {
        out.flush()?;
        out.hint(format!("nothing is deleted: `sessiondb undo {key}` brings it back"));
    }
    Ok(Exit::Done)
}
