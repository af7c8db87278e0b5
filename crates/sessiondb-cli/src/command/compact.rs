//! `sessiondb compact`: hide older messages behind a summary.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sessiondb::{Commit, NewMessage, Write, blocking::Store, limits};

use crate::{
    argument::key,
    change::{Change, Form},
    exit::{Exit, Failure},
    header::{counted, stay},
    output::Output,
    stretch,
};

const ABOUT: &str = "\
Hides the older messages of a session behind a summary, and leaves about the newest 20, or as many as --keep says. \
Without a summary they are just hidden. Nothing is deleted: show --all shows it, uncompact and undo take it back.

It never cuts a call of a tool from its result, so it may leave some more or fewer. The summary is appended to the \
session, and shown first. Where nothing can be hidden, nothing is appended either.

With --through it hides up to the very message that the summary was made of, whatever was appended meanwhile.";

const EXAMPLES: &str = "\
Examples:
  sessiondb compact main:cli::dm:ann --summary 'Ann asked for the weather in Rome: sunny, 31 C.'
  my-summariser ann | sessiondb compact ann --through 90 --summary-file -
  sessiondb compact main:cli::dm:ann --keep 0";

/// Hides the older messages of a session behind a summary
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How many of the newest messages stay: 0 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=limits::PAGE_MAX as u64))]
    keep: u64,
    /// Hide up to this message, and leave what comes after it
    #[arg(long, value_name = "SEQ", conflicts_with = "keep")]
    through: Option<u64>,
    /// What stands in the place of the hidden messages
    #[arg(long, value_name = "TEXT", group = "said", allow_hyphen_values = true)]
    summary: Option<String>,
    /// The same, from a file; - is stdin
    #[arg(long, value_name = "FILE", group = "said")]
    summary_file: Option<PathBuf>,
    /// Who says the summary [default: system]
    #[arg(long, requires = "said")]
    role: Option<String>,
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let summary = match (&args.summary, &args.summary_file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) => Some(read(path).map_err(|failure| failure.at("--summary-file"))?),
        (None, None) => None,
    };
    if summary.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(
            Failure::bad_input("the summary is empty").hint("without --summary, messages are just hidden")
        );
    }
    let key = key::resolve(store, &args.key)?;
    let summary =
        summary.map(|text| NewMessage::new(args.role.as_deref().unwrap_or("system"), text.as_str()));
    let (has_summary, keep) = (summary.is_some(), args.keep as usize);
    let compact = || match args.through {
        None => store.compact(&key, keep, summary),
        Some(through) => {
            let write = Write::Compact { through, summary: summary.into_iter().collect() };
            store.commit_one(Commit::new(key.clone()).write(write)).map(|receipt| receipt.changed)
        }
    };
    let (_, mut change) = Change::of(store, &key, compact)?;
    if change.changed && has_summary {
        change.summary = key::session(store, &key)?.view.spans().first().map(|span| span.first);
    }
    let sentence = match (change.changed, change.summary) {
        (false, _) => {
            format!("nothing to hide: the session shows {}", counted(change.message_count, "message"))
        }
        (true, None) => format!("{}, {}", change.sentence(), stay(change.message_count)),
        (true, Some(seq)) => {
            let stay = stay(change.message_count.saturating_sub(1));
            format!(
                "{} hidden behind summary {seq} ({}), {stay}",
                counted(stretch::count(&change.hidden), "message"),
                stretch::named(&change.hidden)
            )
        }
    };
    change.print(sentence, args.output, out)?;
    Ok(Exit::Done)
}

/// The text of a file, without the end of its last line.
fn read(path: &Path) -> Result<String, Failure> {
    let input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(|error| unreadable(path, &error))?),
    };
    let mut bytes = Vec::new();
    // No longer text can be a message.
    let limit = limits::MESSAGE_BYTES_MAX as u64 + 1;
    input.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to() + 1;
        Failure::bad_input(format!("{}: not UTF-8 from byte {place} on", path.display()))
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::bad_input(format!("{}: {error}", path.display()))
}
