//! What stands above a session's messages: what it is, where it comes from, and what it hides.

use indexmap::IndexMap;
use owo_colors::Style;
use sessiondb::{Lineage, Session, ViewChangeKind};
use sessiondb_export::title;

use crate::{
    hidden::{Hidden, Why},
    output::Line,
    stretch::{self, Stretch},
    transcript,
};

/// Most reasons why messages are hidden that are named.
const HIDDEN_MAX: usize = 8;

/// The lines of it.
pub fn lines(session: &Session, lineage: &Lineage, hidden: &[Hidden]) -> Vec<Line> {
    let facts = [
        session.family.clone(),
        session.status.clone(),
        counted(session.message_count, "message"),
        counted(session.token_usage, "token"),
        format!("revision {}", session.revision),
    ];
    let (created, updated) = (transcript::local(session.created_at), transcript::local(session.updated_at));
    let key = Line::new().styled(Style::new().bold(), session.key.to_string());
    let title = title(session).map(|title| Line::new().styled(Style::new().bold(), title));
    let facts = Line::new().plain(facts.join(" · "));
    let faint = |text: String| Line::new().styled(Style::new().dimmed(), text);
    let mut lines: Vec<_> = [key].into_iter().chain(title).chain([facts]).collect();
    lines.push(faint(format!("opened {created} · changed {updated}")));
    lines.extend(origin(lineage).map(faint));
    lines.extend(readers(lineage).map(faint));
    let reasons = by_reason(hidden);
    let named = reasons.iter().take(HIDDEN_MAX);
    lines.extend(named.map(|(why, stretches)| faint(reason(*why, &stretch::named(stretches)))));
    let rest = reasons.iter().skip(HIDDEN_MAX).flat_map(|(_, stretches)| stretches);
    let rest = stretch::count(&rest.copied().collect::<Vec<_>>());
    if rest > 0 {
        lines.push(faint(format!("… and {} more; -o json names all", counted(rest, "hidden message"))));
    }
    lines
}

/// `1 message`, `2 messages`.
pub fn counted(count: u64, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {what}{end}")
}

/// `none stay`, `1 stays`, `2 stay`.
pub fn stay(count: u64) -> String {
    match count {
        0 => "none stay".to_owned(),
        1 => "1 stays".to_owned(),
        _ => format!("{count} stay"),
    }
}

fn origin(lineage: &Lineage) -> Option<String> {
    let parent = lineage.forked_from.as_ref()?;
    let name = match &parent.key {
        Some(key) => key.to_string(),
        None => "a session that was deleted".to_owned(),
    };
    Some(format!("forked from {name} at {}", parent.at))
}

fn readers(lineage: &Lineage) -> Option<String> {
    match lineage.readers {
        0 => None,
        1 => Some("1 fork shows messages of it".to_owned()),
        count => Some(format!("{count} forks show messages of it")),
    }
}

/// What one change hid stands together, even where other messages lie between it.
fn by_reason(hidden: &[Hidden]) -> Vec<(Why, Vec<Stretch>)> {
    let mut reasons: IndexMap<Why, Vec<Stretch>> = IndexMap::new();
    hidden.iter().for_each(|hidden| reasons.entry(hidden.why).or_default().push(hidden.stretch));
    reasons.into_iter().collect()
}

fn reason(why: Why, stretches: &str) -> String {
    match why {
        Why::Change { kind, at, summary } => {
            let behind = summary.map(|summary| format!(" behind summary {summary}")).unwrap_or_default();
            format!("{stretches} hidden{behind} ({} {})", done(kind), transcript::local(at))
        }
        Why::Undone => format!("{stretches} hidden (appended by a change that was taken back)"),
        Why::Forked => format!("{stretches} hidden (not part of the fork)"),
        Why::Unknown => format!("{stretches} hidden"),
    }
}

/// What was done, as a participle.
fn done(kind: ViewChangeKind) -> &'static str {
    match kind {
        ViewChangeKind::Compact => "compacted",
        ViewChangeKind::Uncompact => "uncompacted",
        ViewChangeKind::Pop => "popped",
        ViewChangeKind::Rewind => "rewound",
        ViewChangeKind::Reset => "reset",
        ViewChangeKind::Set => "view set",
    }
}
