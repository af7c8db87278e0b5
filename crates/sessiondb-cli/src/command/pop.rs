//! `sessiondb pop`: hide the newest message, and print it.

use sessiondb::blocking::Store;

use crate::{
    argument::key,
    change,
    exit::{Exit, Failure},
    json::MessageJson,
    output::{Line, Output},
    transcript::{self, Detail},
};

const ABOUT: &str = "\
Hides the newest message of a session and prints it. Of programs that pop at the same time, each gets another message. \
Nothing is deleted: show --all shows it, and undo brings it back.

If the session shows no message, nothing is printed, or null with -o json.";

const EXAMPLES: &str = "\
Examples:
  sessiondb pop main:cli::dm:ann
  sessiondb pop ann -o json | jq -r .content";

/// Hides the newest message of a session and prints it
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Text to read, all of it
    Text,
    /// One object
    #[value(alias = "jsonl")]
    Json,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let popped = store.pop(&key)?;
    match (&popped, args.output) {
        (Some(message), Form::Text) => {
            transcript::lines(message, Detail::Full).iter().try_for_each(|line| out.line(line))?;
        }
        (None, Form::Text) => out.talk(&Line::new().plain("nothing to pop: the session shows no message")),
        (popped, Form::Json) => out.json_line(&popped.as_ref().map(MessageJson::from))?,
    }
    if popped.is_some() {
        change::hint_if_cut(store, &key, out)?;
    }
    Ok(Exit::Done)
}
