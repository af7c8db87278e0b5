//! [`Change`]: what a command changed of what a session shows, to print.

use serde::Serialize;
use sessiondb::{Session, SessionKey, Window, blocking::Store};

use crate::{
    argument::key,
    exit::Failure,
    header::counted,
    output::{Line, Output},
    stretch::{self, Stretch},
};

/// How the change is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A sentence to read
    Text,
    /// One object: id, changed, hidden, shown_again, message_count, revision, …
    Json,
}

/// What a session shows after a change, as against before. What others append meanwhile makes no difference.
#[derive(Debug, Serialize)]
pub struct Change {
    id: String,
    /// Whether anything was written.
    pub changed: bool,
    /// What is hidden now and was not before.
    pub hidden: Vec<Stretch>,
    /// What was hidden before and is not now.
    pub shown_again: Vec<Stretch>,
    /// How many messages the session shows.
    pub message_count: u64,
    revision: u64,
    /// The summary that a compaction appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<u64>,
    /// Which kind of change was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<&'static str>,
    /// The messages that were appended to repair the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appended: Option<Vec<u64>>,
}

impl Change {
    /// Does something to the session, and sees what that changed.
    pub fn of<T>(
        store: &Store,
        key: &SessionKey,
        act: impl FnOnce() -> sessiondb::Result<T>,
    ) -> Result<(T, Change), Failure> {
        let before = key::session(store, key)?;
        let done = act()?;
        Ok((done, Change::between(&before, &key::session(store, key)?)))
    }

    fn between(before: &Session, after: &Session) -> Change {
        let shown_before = stretch::shown(&before.view, before.head);
        let (shown_after, _) =
            stretch::divided(&stretch::shown(&after.view, after.head), &stretch::up_to(before.head));
        let (_, hidden) = stretch::divided(&shown_before, &shown_after);
        let (_, shown_again) = stretch::divided(&shown_after, &shown_before);
        Change {
            id: after.key.to_string(),
            changed: !hidden.is_empty() || !shown_again.is_empty(),
            hidden,
            shown_again,
            message_count: after.message_count,
            revision: after.revision,
            summary: None,
            undone: None,
            appended: None,
        }
    }

    /// `90 messages hidden (1-90)`, `90 messages shown again (1-90), 1 hidden (101)`.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        for (stretches, done) in [(&self.shown_again, "shown again"), (&self.hidden, "hidden")] {
            if !stretches.is_empty() {
                let count = stretch::count(stretches);
                let count = if parts.is_empty() { counted(count, "message") } else { count.to_string() };
                parts.push(format!("{count} {done} ({})", stretch::named(stretches)));
            }
        }
        parts.join(", ")
    }

    /// Prints it: the sentence, or the object.
    pub fn print(&self, sentence: String, form: Form, out: &mut Output) -> Result<(), Failure> {
        match form {
            Form::Text => Ok(out.line(&Line::new().plain(sentence))?),
            Form::Json => out.json_line(self),
        }
    }
}

/// Where a change may have cut a tool's call from its result, says so and what to do.
pub fn hint_if_cut(store: &Store, key: &SessionKey, out: &mut Output) -> Result<(), Failure> {
    /// How far back it looks.
    const LOOK_BACK: usize = 20;
    let page = store.message_window(key, Window::last(LOOK_BACK))?;
    if !page.unpaired.is_empty() {
        out.flush()?;
        out.hint(format!(
            "near its end is a tool's call without its result, or the reverse; `sessiondb repair {key}` mends that"
        ));
    }
    Ok(())
}
