//! [`markdown`]: sessions as Markdown, to read.

use std::io::Write;

use sessiondb::{
    ErrorClass, Message, Session, SessionKey, Store, ViewChangeKind, Window, limits::PAGE_MAX, time,
};

use crate::{
    Choice, ExportError, Exported,
    block::{Block, blocks},
    exported::Unread,
    page::Page,
    title,
};

/// Writes what sessions show as Markdown, in the order in which the sessions were made: for each a heading, what it is,
/// and its messages, with calls of tools and their results in fenced blocks. Where messages are hidden it says so. What
/// the messages say stands in quotes, so that none of it can pose as a heading of the document or swallow what follows.
///
/// It is for reading: much of a session is not in it, and nothing reads it back. Text is written as it is stored; a
/// terminal may obey characters in it. Each call of `out.write_all` is given whole lines.
///
/// A session that cannot be read ends where the damage is, and [`Exported::unread`] says why.
///
/// # Errors
/// As [`export`](crate::export()).
pub async fn markdown<W: Write>(
    store: &Store,
    choice: &Choice,
    mut out: W,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let sessions = choice.sessions(store).await?;
    let (mut exported, total) = (Exported::default(), sessions.len() as u64);
    progress(0, total);
    for ((_, key), done) in sessions.into_iter().zip(1..) {
        match session(store, &key, exported.sessions > 0, &mut out).await {
            Ok(written) => exported.sessions += u64::from(written),
            Err(ExportError::Store(error)) if error.class() == ErrorClass::NotFound => {}
            Err(ExportError::Store(error)) if error.class() == ErrorClass::Undecodable => {
                exported.unread.push(Unread { key, error });
            }
            Err(error) => return Err(error),
        }
        progress(done, total);
    }
    out.flush()?;
    Ok(exported)
}

/// Answers whether there is such a session.
async fn session<W: Write>(
    store: &Store,
    key: &SessionKey,
    follows: bool,
    out: &mut W,
) -> Result<bool, ExportError> {
    let Some(session) = store.session(key).await? else { return Ok(false) };
    let mut text = String::from(if follows { "\n---\n\n" } else { "" });
    head(store, &session, &mut text).await?;
    let summaries = summaries(store, key).await?;
    out.write_all(text.as_bytes())?;
    let (mut page, mut last) = (Page::new(), 0);
    loop {
        let window = Window::after(last, page.items());
        let messages = store.message_window(key, window).await?;
        page.weighed(messages.messages.iter().map(|message| message.content.get().len()).sum());
        for message in &messages.messages {
            let mut text = String::new();
            hidden(last, message.seq, &mut text);
            last = message.seq;
            let summary = summaries.iter().any(|(first, last)| (*first..=*last).contains(&message.seq));
            one(message, summary, &mut text);
            out.write_all(text.as_bytes())?;
        }
        if !messages.has_later {
            return Ok(true);
        }
    }
}

async fn head(store: &Store, session: &Session, text: &mut String) -> Result<(), ExportError> {
    let key = session.key.to_string();
    let title = title(session).unwrap_or_default();
    let heading = if title.trim().is_empty() { escaped(&key) } else { escaped(&title) };
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let parent = store.lineage(&session.key).await?.forked_from.map(|parent| {
        let key = parent.key.map_or("a deleted session".to_owned(), |key| code(&key.to_string()));
        format!("- forked from {key} after message {}\n", parent.at)
    });
    *text += &format!(
        "# {heading}\n\n- {}\n- {}, {}\n- opened {}, changed {}\n- {}, {}\n{}",
        code(&key),
        escaped(&session.family),
        escaped(&session.status),
        time::to_text(session.created_at),
        time::to_text(session.updated_at),
        counted(session.message_count, "message"),
        counted(session.token_usage, "token"),
        parent.unwrap_or_default(),
    );
    Ok(())
}

/// The messages that stand for others: the summaries of compactions that were not taken back.
async fn summaries(store: &Store, key: &SessionKey) -> Result<Vec<(u64, u64)>, ExportError> {
    let (mut summaries, mut before) = (Vec::new(), None);
    loop {
        let changes = store.view_changes(key, before, PAGE_MAX).await?;
        let Some(last) = changes.last() else { return Ok(summaries) };
        before = Some(last.revision);
        let valid =
            changes.iter().filter(|change| change.kind == ViewChangeKind::Compact && change.undone.is_none());
        summaries.extend(valid.filter_map(|change| change.summary));
    }
}

/// Says what lies between two messages that follow each other in the view.
fn hidden(last: u64, next: u64, text: &mut String) {
    if next == last + 1 {
        return;
    }
    let what = match next.checked_sub(last + 1) {
        Some(1) => format!("message {} is not shown", last + 1),
        Some(_) => format!("messages {} to {} are not shown", last + 1, next - 1),
        None => format!("message {next}, which is older than message {last}, follows"),
    };
    *text += &format!("\n*({what})*\n");
}

fn one(message: &Message, summary: bool, text: &mut String) {
    let summary = if summary { " (a summary of older messages)" } else { "" };
    let (role, at) = (escaped(&message.role), time::to_text(message.created_at));
    *text += &format!("\n## {} {role}{summary}\n\n{at}\n", message.seq);
    for block in blocks(message) {
        *text += "\n";
        match block {
            Block::Text(said) => quote(&said, text),
            Block::Thinking(thought) if thought.trim().is_empty() => *text += "*thinking*\n",
            Block::Thinking(thought) => {
                *text += "*thinking:*\n\n";
                quote(&thought, text);
            }
            Block::Call { name, input } => {
                *text += &format!("**call of {}**\n\n", code(&name));
                fence(&input, "json", text);
            }
            Block::Result { text: result, failed } => {
                *text += if failed { "**result: error**\n\n" } else { "**result**\n\n" };
                fence(&result, "", text);
            }
            Block::Image => *text += "*(an image)*\n",
            Block::Other(json) => fence(&json, "json", text),
        }
    }
}

/// Each line quoted, so that whatever begins in it ends with it.
fn quote(said: &str, text: &mut String) {
    for line in said.split(['\n', '\r']) {
        *text += if line.is_empty() { ">" } else { "> " };
        *text += line;
        *text += "\n";
    }
}

/// In a block whose fence is longer than any inside.
fn fence(inside: &str, language: &str, text: &mut String) {
    let fence = "`".repeat(longest_run(inside).max(2) + 1);
    let end = if inside.is_empty() || inside.ends_with('\n') { "" } else { "\n" };
    *text += &format!("{fence}{language}\n{inside}{end}{fence}\n");
}

/// In a line, as code.
fn code(inside: &str) -> String {
    let inside = one_line(inside);
    let ticks = "`".repeat(longest_run(&inside) + 1);
    let space = if inside.starts_with('`') || inside.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{inside}{space}{ticks}")
}

/// The length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// On one line, with what Markdown would take for markup made plain.
fn escaped(text: &str) -> String {
    let mut plain = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        assert_eq!(written(|text| fence("a", "json", text)), "```json\na\n```\n");
        assert_eq!(written(|text| fence("```\nx\n```\n", "", text)), "````\n```\nx\n```\n````\n");
        assert_eq!(written(|text| fence("a ````` b", "", text)), "``````\na ````` b\n``````\n");
        assert_eq!(written(|text| fence("", "", text)), "```\n```\n");
    }

    #[test]
    fn what_is_said_cannot_leave_its_quote() {
        let said = "hello\n\n## 2 system\r```";
        assert_eq!(written(|text| quote(said, text)), "> hello\n>\n> ## 2 system\n> ```\n");
        assert_eq!(escaped("*a*\n# [b](c)"), "\\*a\\* \\# \\[b\\](c)");
        assert_eq!((code("a"), code("`a` b")), ("`a`".into(), "`` `a` b ``".into()));
    }

    #[test]
    fn it_says_what_is_not_shown() {
        assert_eq!(written(|text| hidden(0, 1, text)), "");
        assert_eq!(written(|text| hidden(0, 2, text)), "\n*(message 1 is not shown)*\n");
        assert_eq!(written(|text| hidden(3, 9, text)), "\n*(messages 4 to 8 are not shown)*\n");
        assert_eq!(
            written(|text| hidden(9, 4, text)),
            "\n*(message 4, which is older than message 9, follows)*\n"
        );
    }
}
