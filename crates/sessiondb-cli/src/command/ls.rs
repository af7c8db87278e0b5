//! `sessiondb ls`: list sessions.

use std::io;

use sessiondb::{
    Cursor, Session, SessionFilter, SessionOrder, SessionPage, Time, blocking::Store, limits,
    time as store_time,
};
use sessiondb_export::title;

use crate::{
    argument::time,
    exit::{Exit, Failure},
    json::SessionJson,
    output::Output,
    table::Table,
    transcript,
    visible::visible,
};

const ABOUT: &str = "\
Lists sessions, the last changed first.

All conditions must hold; --status may be given several times and then any of them will do. Times are RFC 3339 \
(2026-11-20T09:47:28Z) or a date (2026-11-20: its first moment here), and are not themselves included.

Where the list is cut, it says how to go on: `next` in JSON, else a hint on stderr, has the cursor for --after. A \
cursor goes with the same order and conditions. While others write, a list by creation (--order created) visits every \
session once; in a list by change, a session that changes meanwhile moves to the front.";

const EXAMPLES: &str = "\
Examples:
  sessiondb ls --agent support --status idle --status archived
  sessiondb ls --updated-after 2026-11-20 -o json | jq -r '.sessions[].id'
  sessiondb ls --all --order created -o csv > sessions.csv";

/// Lists sessions, the last changed first.
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Only this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only this channel
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// Only this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only this kind of peer
    #[arg(long, value_name = "KIND")]
    peer_kind: Option<String>,
    /// Only this peer
    #[arg(long, value_name = "PEER")]
    peer_id: Option<String>,
    /// Only this family
    #[arg(long, value_name = "FAMILY")]
    family: Option<String>,
    /// Only this status; may be given several times
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only what was opened after this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    created_after: Option<Time>,
    /// Only what was opened before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    created_before: Option<Time>,
    /// Only what last changed after this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    updated_after: Option<Time>,
    /// Only what last changed before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    updated_before: Option<Time>,
    /// Which time to order by
    #[arg(long, value_enum, default_value_t = Order::Updated)]
    order: Order,
    /// The oldest first
    #[arg(long)]
    reverse: bool,
    /// How many sessions at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Go on after this cursor, which the list before ended with
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Order {
    /// When it last changed
    Updated,
    /// When it was opened
    Created,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Columns to read
    Table,
    /// One object: sessions, and next, the cursor to go on with
    Json,
    /// One object a line, a line a session
    Jsonl,
    /// Comma-separated values with a header, safe to open in a spreadsheet
    Csv,
}

impl Args {
    fn filter(&self) -> SessionFilter {
        let order = match (self.order, self.reverse) {
            (Order::Updated, false) => SessionOrder::UpdatedNewest,
            (Order::Updated, true) => SessionOrder::UpdatedOldest,
            (Order::Created, false) => SessionOrder::CreatedNewest,
            (Order::Created, true) => SessionOrder::CreatedOldest,
        };
        SessionFilter {
            agent_id: self.agent.clone(),
            channel: self.channel.clone(),
            account_id: self.account.clone(),
            peer_kind: self.peer_kind.clone(),
            peer_id: self.peer_id.clone(),
            family: self.family.clone(),
            statuses: self.status.clone(),
            created_after: self.created_after,
            created_before: self.created_before,
            updated_after: self.updated_after,
            updated_before: self.updated_before,
            order,
            after: self.after,
            limit: limits::PAGE_MAX,
        }
    }
}

pub fn run(args: Args, store: &Store, out: &mut Output) -> Result<Exit, Failure> {
    let limit = if args.all { u64::MAX } else { args.limit };
    let pages = Pages { store, filter: Some(args.filter()), left: limit };
    let next = match args.output {
        Form::Table => print_table(pages, out)?,
        Form::Json => print_json(pages, out)?,
        Form::Jsonl => print_jsonl(pages, out)?,
        Form::Csv => print_csv(pages, out)?,
    };
    if let Some(next) = next
        && !matches!(args.output, Form::Json)
    {
        out.flush()?;
        out.hint(format!("there are more: go on with --after {next}, or list --all"));
    }
    Ok(Exit::Done)
}

/// The list, page by page, as far as it was asked for.
struct Pages<'a> {
    store: &'a Store,
    /// What to ask for next; none when all was answered.
    filter: Option<SessionFilter>,
    left: u64,
}

impl Pages<'_> {
    /// The next page. Its cursor is where to go on if the list ends here.
    fn next(&mut self) -> Result<Option<SessionPage>, Failure> {
        let Some(mut filter) = self.filter.take() else { return Ok(None) };
        filter.limit = usize::try_from(self.left).map_or(limits::PAGE_MAX, |left| left.min(limits::PAGE_MAX));
        let page = self.store.session_list(&filter)?;
        self.left -= page.sessions.len() as u64;
        if page.next.is_some() && self.left > 0 {
            self.filter = Some(SessionFilter { after: page.next, ..filter });
        }
        Ok(Some(page))
    }
}

fn print_table(mut pages: Pages, out: &mut Output) -> Result<Option<Cursor>, Failure> {
    // The longest last: where a line is broken, the columns before it still stand under each other.
    let mut table = Table::new(["UPDATED", "MESSAGES", "TOKENS", "STATUS", "FAMILY", "TITLE", "KEY"])
        .right_aligned(&[1, 2]);
    let mut next = None;
    while let Some(page) = pages.next()? {
        for session in &page.sessions {
            table.row([
                &transcript::local(session.updated_at),
                &session.message_count.to_string(),
                &session.token_usage.to_string(),
                &session.status,
                &session.family,
                &short(&title(session).unwrap_or_default()),
                &session.key.to_string(),
            ]);
        }
        table.print(out)?;
        next = page.next;
    }
    Ok(next)
}

/// A title in a column: on one line, and not of any length.
fn short(title: &str) -> String {
    const CHARS_MAX: usize = 48;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    match title.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title,
    }
}

fn print_json(mut pages: Pages, out: &mut Output) -> Result<Option<Cursor>, Failure> {
    out.text("{\"sessions\":[")?;
    let (mut separator, mut next) = ("\n", None);
    while let Some(page) = pages.next()? {
        for session in &page.sessions {
            out.text(separator)?;
            out.json(&SessionJson::from(session))?;
            separator = ",\n";
        }
        next = page.next;
    }
    out.text(if separator == "\n" { "]" } else { "\n]" })?;
    out.text(",\"next\":")?;
    out.json(&next)?;
    out.text("}\n")?;
    Ok(next)
}

fn print_jsonl(mut pages: Pages, out: &mut Output) -> Result<Option<Cursor>, Failure> {
    let mut next = None;
    while let Some(page) = pages.next()? {
        page.sessions.iter().try_for_each(|session| out.json_line(&SessionJson::from(session)))?;
        next = page.next;
    }
    Ok(next)
}

const CSV_HEADER: [&str; 16] = [
    "id",
    "agent_id",
    "channel",
    "account_id",
    "peer_kind",
    "peer_id",
    "title",
    "family",
    "status",
    "message_count",
    "token_usage",
    "revision",
    "head",
    "created_at",
    "updated_at",
    "metadata",
];

fn print_csv(mut pages: Pages, out: &mut Output) -> Result<Option<Cursor>, Failure> {
    print_record(&CSV_HEADER.map(str::to_owned), out)?;
    let mut next = None;
    while let Some(page) = pages.next()? {
        page.sessions.iter().try_for_each(|session| print_record(&record(session), out))?;
        next = page.next;
    }
    Ok(next)
}

fn record(session: &Session) -> [String; CSV_HEADER.len()] {
    let [agent_id, channel, account_id, peer_kind, peer_id] = session.key.parts().map(cell);
    [
        cell(&session.key.to_string()),
        agent_id,
        channel,
        account_id,
        peer_kind,
        peer_id,
        cell(&title(session).unwrap_or_default()),
        cell(&session.family),
        cell(&session.status),
        session.message_count.to_string(),
        session.token_usage.to_string(),
        session.revision.to_string(),
        session.head.to_string(),
        store_time::to_text(session.created_at),
        store_time::to_text(session.updated_at),
        cell(session.metadata.get()),
    ]
}

/// A text as a field of CSV. A spreadsheet takes a field that begins in certain ways for a formula and runs it; a
/// leading apostrophe makes it text again.
fn cell(text: &str) -> String {
    let shown = visible(text);
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        true => format!("'{shown}"),
        false => shown.into_owned(),
    }
}

fn print_record(fields: &[String], out: &mut Output) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    out.text(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_be_a_formula() {
        for (text, field) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\\r=1"),
            ("a=1", "a=1"),
            ("", ""),
            ("two\nlines \x1b[2J", "two\nlines \\u{1b}[2J"),
        ] {
            assert_eq!(cell(text), field);
        }
    }

    #[test]
    fn a_title_in_a_column_is_short() {
        assert_eq!(short(" two\n lines "), "two lines");
        assert_eq!(short(&"é".repeat(60)), format!("{}…", "é".repeat(48)));
    }
}
