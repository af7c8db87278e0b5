//! `sessiondb search`: find what was said.

use sessiondb::{Hit, Scope, Search, SessionKey, Time, Window, blocking::Store, limits};

use owo_colors::Style;

use crate::{
    argument::{key, time},
    exit::{Exit, Failure},
    output::{Line, Output},
    transcript::{self, Detail},
};

const ABOUT: &str = "\
Finds what was said, in all sessions, what was stored last first.

All words must be in one message, in any order. Words in quotes stand together (quote them for the shell too), and so \
does what is written together, as lib.rs or 数据库; comp* is how a word begins. Case and accents do not count. Searched is \
the text of messages and of the calls of tools and their answers, hidden messages too.

Times are RFC 3339 (2026-11-20T09:47:28Z) or a date (2026-11-20: its first moment here), and are not themselves included. \
Where the list is cut, it says how to go on: `next` in JSON, else a hint on stderr, has the cursor for --after.";

const EXAMPLES: &str = "\
Examples:
  sessiondb search refund order
  sessiondb search '\"cargo test\"' --agent main -C 2
  sessiondb search 'migrat*' --role user --said-after 2026-11-01
  sessiondb search timeout --in 7f2abd2d -o jsonl | jq -r .seq";

/// Finds what was said.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The words
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// Only this agent's sessions
    #[arg(long, value_name = "AGENT", conflicts_with = "within")]
    agent: Option<String>,
    /// Only this session (its key; or, without a ':', how the peer_id of one begins), or a part of the addresses, as
    /// support:slack:*
    #[arg(long = "in", value_name = "KEY")]
    within: Option<String>,
    /// Only what this role said; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Only what was said after this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    said_after: Option<Time>,
    /// Only what was said before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    said_before: Option<Time>,
    /// How many messages at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Go on after this cursor, which the search before ended with
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// The messages around each, so many before and after it
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=100))]
    context: Option<u64>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A few lines of each message, to read
    Text,
    /// One object: hits, and next, the cursor to go on with
    Json,
    /// One object a line, a line a message
    Jsonl,
}

impl Args {
    fn search(&self, store: &Store) -> Result<Search, Failure> {
        let scope = match (&self.agent, &self.within) {
            (Some(agent), _) => Scope::agent(agent.as_str()),
            (None, Some(text)) if text.contains(':') || text == "*" => text.parse()?,
            (None, Some(text)) => of(&key::resolve(store, text)?),
            (None, None) => Scope::all(),
        };
        Ok(Search {
            scope,
            roles: self.role.clone(),
            after: self.said_after,
            before: self.said_before,
            cursor: self.after,
            ..Search::new(&self.words.join(" "))?
        })
    }
}

/// The scope of one session.
fn of(key: &SessionKey) -> Scope {
    key.parts().into_iter().fold(Scope::all(), Scope::narrow)
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let limit = if args.all { u64::MAX } else { args.limit };
    let mut hits = Hits { store, search: args.search(store)?, left: limit, next: None, ended: false };
    let mut separator = "\n";
    if args.output == Form::Json {
        out.text("{\"hits\":[")?;
    }
    let mut found = 0;
    while let Some(page) = hits.page()? {
        for hit in &page {
            match args.output {
                Form::Text => {
                    if found > 0 {
                        out.text("\n")?;
                    }
                    print_text(store, hit, args.context, out)?;
                }
                Form::Json => {
                    out.text(separator)?;
                    out.json(hit)?;
                    separator = ",\n";
                }
                Form::Jsonl => out.json_line(hit)?,
            }
            found += 1;
        }
        out.flush()?;
    }
    if args.output == Form::Json {
        out.text(if separator == "\n" { "]" } else { "\n]" })?;
        out.text(",\"next\":")?;
        out.json(&hits.next)?;
        out.text("}\n")?;
        return Ok(Exit::Done);
    }
    if let Some(next) = hits.next {
        out.hint(format!("there are more: go on with --after {next}, or find --all"));
    }
    if found == 0 && args.after.is_none() {
        out.hint("nothing was found: words are whole ones, and all of them must be in one message; comp* is how a word begins");
    }
    Ok(Exit::Done)
}

/// What is found, page by page, as far as it was asked for.
struct Hits<'a> {
    store: &'a Store,
    search: Search,
    left: u64,
    /// Where to go on if the search ends here.
    next: Option<u64>,
    ended: bool,
}

impl Hits<'_> {
    fn page(&mut self) -> Result<Option<Vec<Hit>>, Failure> {
        if self.ended || self.left == 0 {
            return Ok(None);
        }
        // Small pages first: the first hits are there before all of it was looked at.
        self.search.limit =
            usize::try_from(self.left).map_or(limits::PAGE_DEFAULT, |left| left.min(limits::PAGE_DEFAULT));
        let page = self.store.search(&self.search)?;
        self.left -= page.hits.len() as u64;
        (self.search.cursor, self.next, self.ended) = (page.next, page.next, page.next.is_none());
        Ok(Some(page.hits))
    }
}

/// A hit: the session and the message, and the text around what was found; or the messages around it.
fn print_text(store: &Store, hit: &Hit, context: Option<u64>, out: &mut Output) -> Result<(), Failure> {
    out.line(&Line::new().styled(Style::new().bold(), hit.key.to_string()))?;
    let Some(context) = context else {
        out.line(&transcript::head_of(hit))?;
        return Ok(lines_of(hit).iter().try_for_each(|line| out.line(line))?);
    };
    let first = hit.seq.saturating_sub(context.saturating_add(1));
    let count = usize::try_from(hit.seq + context - first).unwrap_or(limits::PAGE_MAX);
    let page = store.message_window(&hit.key, Window::log(first, count))?;
    let Some(session) = store.session(&hit.key)? else { return Ok(()) };
    for message in &page.messages {
        let lines = match session.view.contains(message.seq) {
            true => transcript::lines(message, Detail::Folded),
            false => transcript::hidden_lines(message, Detail::Folded),
        };
        let lines = lines.into_iter().enumerate().map(|(at, line)| match at == 0 && message.seq == hit.seq {
            true => line.styled(Style::new().bold().yellow(), " · found"),
            false => line,
        });
        lines.into_iter().try_for_each(|line| out.line(&line))?;
    }
    Ok(())
}

/// The snippet, what was found stressed: a line of the text a line.
fn lines_of(hit: &Hit) -> Vec<Line> {
    let mut lines = vec![Line::new().plain("  ")];
    for piece in &hit.snippet {
        let style = if piece.found { Style::new().bold().yellow() } else { Style::new() };
        for (at, text) in piece.text.split('\n').enumerate() {
            if at > 0 {
                lines.push(Line::new().plain("  "));
            }
            if let Some(line) = lines.last_mut() {
                *line = std::mem::take(line).styled(style, text);
            }
        }
    }
    lines.retain(|line| !line.text(false).trim().is_empty());
    lines
}
