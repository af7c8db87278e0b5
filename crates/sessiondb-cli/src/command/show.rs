//! `sessiondb show`: read a session.

use owo_colors::Style;
use sessiondb::{Error, MessagePage, Session, SessionKey, Window, blocking::Store};
use sessiondb_export::title;

use crate::{
    argument::key,
    exit::{Exit, Failure},
    json::{MessageJson, SessionJson},
    output::{Line, Output},
    transcript::{self, Detail},
};

/// Messages read at a time: few enough to hold even if they are large.
const PAGE: u64 = 50;

const ABOUT: &str = "\
Shows a session: what it is, then its newest messages, the oldest of them first.

Thinking, calls of tools and their answers are folded to a line each; --full shows all of it. Characters that a \
terminal would obey are written out, as \\u{1b}.

With --before or --after it shows messages next to the one with that number instead of the newest; --after 0 begins \
at the start. How many it shows is said by --last.";

const EXAMPLES: &str = "\
Examples:
  sessiondb show 7f2abd2d
  sessiondb show main:cli::dm:ann --last 10 --full
  sessiondb show main:cli::dm:ann --after 0 --last 1000000 -o jsonl > transcript.jsonl";

/// Shows a session and its messages.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The session's key; or, without a ':', how the peer_id of one session begins
    key: String,
    /// How many messages at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    last: u64,
    /// The messages right before this one
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    before: Option<u64>,
    /// The messages right after this one
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
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
    /// One object: session, messages, has_earlier, has_later
    Json,
    /// One object a line, a line a message
    Jsonl,
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let key = key::resolve(store, &args.key)?;
    let session = store.session(&key)?.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
    let mut pages = Pages::new(store, key, &args)?;
    match args.output {
        Form::Text => print_text(&session, &mut pages, args.full, out)?,
        Form::Json => print_json(&session, &mut pages, out)?,
        Form::Jsonl => {
            while let Some(page) = pages.next()? {
                page.messages.iter().try_for_each(|message| out.json_line(&MessageJson::from(message)))?;
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

/// The messages asked for, page by page, the oldest first. Only one page is held, or two.
struct Pages<'a> {
    store: &'a Store,
    key: SessionKey,
    /// What to read, the next page last.
    ahead: Vec<Ahead>,
    shown: Option<Shown>,
}

enum Ahead {
    /// A page that is to be read.
    Window(Window),
    /// So many messages after those shown last.
    More(u64),
    /// The page at the end, read already.
    Read(MessagePage),
}

/// What lies around the messages that were handed out.
struct Shown {
    first: Option<u64>,
    last: Option<u64>,
    has_earlier: bool,
    has_later: bool,
}

impl<'a> Pages<'a> {
    fn new(store: &'a Store, key: SessionKey, args: &Args) -> Result<Pages<'a>, Failure> {
        let mut pages = Pages { store, key, ahead: Vec::new(), shown: None };
        match (args.after, args.before) {
            (Some(seq), _) => {
                pages.ahead.extend(args.last.checked_sub(PAGE).filter(|more| *more > 0).map(Ahead::More));
                pages.ahead.push(Ahead::Window(Window::after(seq, bounded(args.last))));
            }
            (None, Some(seq)) => pages.go_back(Window::before(seq, bounded(args.last)), args.last)?,
            (None, None) => pages.go_back(Window::last(bounded(args.last)), args.last)?,
        }
        Ok(pages)
    }

    /// Finds where `count` messages that end with this window begin, and notes the way back. Messages never change,
    /// so the pages on it are the same when they are read again.
    fn go_back(&mut self, end: Window, count: u64) -> Result<(), Failure> {
        let page = self.store.message_window(&self.key, end)?;
        let mut left = count.saturating_sub(page.messages.len() as u64);
        let mut earlier = page.messages.first().map(|first| first.seq).filter(|_| page.has_earlier);
        self.ahead.push(Ahead::Read(page));
        while let Some(seq) = earlier
            && left > 0
        {
            let window = Window::before(seq, bounded(left));
            let page = self.store.message_window(&self.key, window)?;
            left = left.saturating_sub(page.messages.len() as u64);
            earlier = page.messages.first().map(|first| first.seq).filter(|_| page.has_earlier);
            self.ahead.push(Ahead::Window(window));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<MessagePage>, Failure> {
        let Some(ahead) = self.ahead.pop() else { return Ok(None) };
        let page = match ahead {
            Ahead::Read(page) => page,
            Ahead::Window(window) => self.store.message_window(&self.key, window)?,
            Ahead::More(count) => {
                let Some(seq) = self.later() else { return Ok(None) };
                let page = self.store.message_window(&self.key, Window::after(seq, bounded(count)))?;
                let more = count.saturating_sub(page.messages.len() as u64);
                self.ahead.extend((more > 0).then_some(Ahead::More(more)));
                page
            }
        };
        let last = page.messages.last().map(|message| message.seq);
        let shown = self.shown.get_or_insert_with(|| Shown {
            first: page.messages.first().map(|message| message.seq),
            last: None,
            has_earlier: page.has_earlier,
            has_later: false,
        });
        (shown.last, shown.has_later) = (last.or(shown.last), page.has_later);
        Ok(Some(page))
    }

    /// Before which message there are more.
    fn earlier(&self) -> Option<u64> {
        self.shown.as_ref().filter(|shown| shown.has_earlier).and_then(|shown| shown.first)
    }

    /// After which message there are more.
    fn later(&self) -> Option<u64> {
        self.shown.as_ref().filter(|shown| shown.has_later).and_then(|shown| shown.last)
    }
}

/// So many messages, but at most a page.
fn bounded(count: u64) -> usize {
    count.min(PAGE) as usize
}

fn print_text(session: &Session, pages: &mut Pages, full: bool, out: &mut Output) -> Result<(), Failure> {
    for line in header(session) {
        out.line(&line)?;
    }
    let detail = if full { Detail::Full } else { Detail::Folded };
    while let Some(page) = pages.next()? {
        for message in &page.messages {
            out.text("\n")?;
            transcript::lines(message, detail).iter().try_for_each(|line| out.line(line))?;
        }
    }
    Ok(())
}

fn header(session: &Session) -> Vec<Line> {
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let facts = [
        session.family.clone(),
        session.status.clone(),
        counted(session.message_count, "message"),
        counted(session.token_usage, "token"),
        format!("revision {}", session.revision),
    ];
    let (created, updated) = (transcript::local(session.created_at), transcript::local(session.updated_at));
    let title = title(session).map(|title| Line::new().styled(Style::new().bold(), title));
    let key = Line::new().styled(Style::new().bold(), session.key.to_string());
    let facts = Line::new().plain(facts.join(" · "));
    let times = Line::new().styled(Style::new().dimmed(), format!("opened {created} · changed {updated}"));
    [key].into_iter().chain(title).chain([facts, times]).collect()
}

fn print_json(session: &Session, pages: &mut Pages, out: &mut Output) -> Result<(), Failure> {
    out.text("{\"session\":")?;
    out.json(&SessionJson::from(session))?;
    out.text(",\"messages\":[")?;
    let (mut separator, mut earlier, mut later) = ("\n", None, false);
    while let Some(page) = pages.next()? {
        for message in &page.messages {
            out.text(separator)?;
            out.json(&MessageJson::from(message))?;
            separator = ",\n";
        }
        earlier.get_or_insert(page.has_earlier);
        later = page.has_later;
    }
    let earlier = earlier.unwrap_or(false);
    let end = if separator == "\n" { "" } else { "\n" };
    out.text(&format!("{end}],\"has_earlier\":{earlier},\"has_later\":{later}}}\n"))?;
    Ok(())
}
