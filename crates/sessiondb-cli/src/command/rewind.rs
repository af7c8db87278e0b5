//! `sessiondb rewind`: hide the messages after one.

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    change::{self, Change, Form},
    exit::{Exit, Failure},
    header::{counted, stay},
    output::Output,
};

const ABOUT: &str = "\
Hides the messages after message SEQ, so that the session ends with that one; after 0, all of them. Nothing is \
deleted: show --all shows it, and undo brings it back.

SEQ is the number that show prints before a message. The session must show that message. If it makes a call of a tool \
whose result is hidden now, a hint says so.";

const EXAMPLES: &str = "\
Examples:
  sessiondb rewind main:cli::dm:ann 40";

/// Hides the messages after one
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// The number of the message that shall be the last
    seq: u64,
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let (_, change) = Change::of(store, &key, || store.rewind(&key, args.seq))?;
    let sentence = match change.changed {
        true => format!("{}, {}", change.sentence(), stay(change.message_count)),
        false if args.seq == 0 => "nothing to hide: the session shows no message".to_owned(),
        false => format!(
            "nothing to hide: the session shows {}, and {} is the last",
            counted(change.message_count, "message"),
            args.seq
        ),
    };
    change.print(sentence, args.output, out)?;
    if change.changed {
        change::hint_if_cut(store, &key, out)?;
    }
    Ok(Exit::Done)
}
