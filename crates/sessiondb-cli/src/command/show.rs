//! `sessiondb show`: read a session.

use sessiondb::{Message, Session, blocking::Store};

use crate::{
    argument::key,
    exit::{Exit, Failure},
    header,
    hidden::{self, Hidden},
    json::{HiddenJson, LineageJson, MessageJson, SessionJson},
    marks::Marks,
    output::Output,
    pages::{Pages, Place},
    transcript::{self, Detail},
};

/// How many messages are shown if nobody says.
const LAST: u64 = 50;

const ABOUT: &str = "\
Shows a session: what it is, then its newest messages, the oldest of them first.

Thinking, calls of tools and their answers are folded to a line each; --full shows all of it. Characters that a \
terminal would obey are written out, as \\u{1b}.

With --before or --after it shows messages next to the one with that number instead of the newest; --after 0 begins \
at the start. How many it shows is said by --last. It never begins or ends between a call of a tool and its result, so \
there may be fewer messages; or more, where the smallest stretch that has both is longer.

What compact, rewind, reset and pop hid is named above the messages, and marked with a line between them. --all shows \
everything that the session ever had, in the order of the numbers, and says of each message whether it is hidden.";

const EXAMPLES: &str = "\
Examples:
  sessiondb show 7f2abd2d
  sessiondb show main:cli::dm:ann --last 10 --full
  sessiondb show main:cli::dm:ann --after 0 --last 1000000 -o jsonl > transcript.jsonl
  sessiondb show main:cli::dm:ann --all -o jsonl | jq 'select(.shown | not)'";

/// Shows a session and its messages.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How many messages at most [default: 50; with --all, all of them]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// The messages right before this one
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    before: Option<u64>,
    /// The messages right after this one
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Hidden messages too
    #[arg(long, visible_alias = "log")]
    all: bool,
    /// Fold nothing
    #[arg(long)]
    full: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A transcript to read
    Text,
    /// One object: session, lineage, hidden, messages, has_earlier, has_later
    Json,
    /// One object a line, a line a message
    Jsonl,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let session = key::session(store, &key)?;
    let place = match (args.after, args.before) {
        (Some(seq), _) => Place::After(seq),
        (None, Some(seq)) => Place::Before(seq),
        (None, None) => Place::Newest,
    };
    let count = args.last.unwrap_or(if args.all { u64::MAX } else { LAST });
    let mut pages = match args.all {
        true => Pages::log(store, key, session.head, place, count),
        false => Pages::shown(store, key, place, count)?,
    };
    match args.output {
        Form::Text => print_text(store, &session, &mut pages, &args, out)?,
        Form::Json => print_json(store, &session, &mut pages, &args, out)?,
        Form::Jsonl => {
            while let Some(page) = pages.next()? {
                let mut messages = page.messages.iter();
                messages.try_for_each(|message| out.json_line(&message_json(message, &session, &args)))?;
            }
        }
    }
    if args.output != Form::Json {
        out.flush()?;
        if let Some(seq) = pages.earlier() {
            out.hint(format!("there are earlier messages: --before {seq}"));
        }
        if let Some(seq) = pages.later() {
            out.hint(format!("there are later messages: --after {seq}"));
        }
    }
    Ok(Exit::Done)
}

fn message_json<'a>(message: &'a Message, session: &Session, args: &Args) -> MessageJson<'a> {
    let json = MessageJson::from(message);
    if args.all { json.shown(session.view.contains(message.seq)) } else { json }
}

fn print_text(
    store: &Store,
    session: &Session,
    pages: &mut Pages,
    args: &Args,
    out: &mut Output,
) -> Result<(), Failure> {
    let hidden = hidden::of(store, session)?;
    let lineage = store.lineage(&session.key)?;
    header::lines(session, &lineage, &hidden).iter().try_for_each(|line| out.line(line))?;
    let marks = if args.all { Marks::none() } else { Marks::of(session, &hidden) };
    let detail = if args.full { Detail::Full } else { Detail::Folded };
    while let Some(page) = pages.next()? {
        for message in &page.messages {
            let lines = match args.all && !session.view.contains(message.seq) {
                false => transcript::lines(message, detail),
                true => transcript::hidden_lines(message, detail),
            };
            out.paragraph(marks.before(message.seq).as_slice())?;
            out.paragraph(&lines)?;
            out.paragraph(marks.after(message.seq).as_slice())?;
        }
    }
    if !pages.has_later() {
        out.paragraph(marks.end().as_slice())?;
    }
    Ok(())
}

fn print_json(
    store: &Store,
    session: &Session,
    pages: &mut Pages,
    args: &Args,
    out: &mut Output,
) -> Result<(), Failure> {
    let hidden: Vec<Hidden> = hidden::of(store, session)?;
    out.text("{\"session\":")?;
    out.json(&SessionJson::from(session))?;
    out.text(",\"lineage\":")?;
    out.json(&LineageJson::from(&store.lineage(&session.key)?))?;
    out.text(",\"hidden\":")?;
    out.json(&hidden.iter().map(HiddenJson::from).collect::<Vec<_>>())?;
    out.text(",\"messages\":[")?;
    let mut separator = "\n";
    while let Some(page) = pages.next()? {
        for message in &page.messages {
            out.text(separator)?;
            out.json(&message_json(message, session, args))?;
            separator = ",\n";
        }
    }
    let (earlier, later) = (pages.has_earlier(), pages.has_later());
    let end = if separator == "\n" { "" } else { "\n" };
    out.text(&format!("{end}],\"has_earlier\":{earlier},\"has_later\":{later}}}\n"))?;
    Ok(())
}
