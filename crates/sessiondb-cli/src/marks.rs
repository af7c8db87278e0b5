//! [`Marks`]: the lines in a transcript that say where something is hidden.

use std::collections::BTreeMap;

use owo_colors::Style;
use sessiondb::Session;

use crate::{
    hidden::Hidden,
    output::Line,
    stretch::{self, Stretch},
};

/// Where hidden messages would stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Behind this message, which is their summary.
    Summary(u64),
    /// Before this message.
    Before(u64),
    /// After this message.
    After(u64),
    /// After all that is shown.
    End,
}

/// The marks of a session.
pub struct Marks {
    places: BTreeMap<Place, Vec<Stretch>>,
}

impl Marks {
    /// No marks, where nothing is left out.
    pub fn none() -> Marks {
        Marks { places: BTreeMap::new() }
    }

    /// The marks for what this session hides.
    pub fn of(session: &Session, hidden: &[Hidden]) -> Marks {
        let shows = |seq: u64| seq <= session.head && session.view.contains(seq);
        let early = Early::of(session);
        let runs = stretch::joined(hidden.iter().map(|hidden| hidden.stretch).collect());
        let by_number = |hidden: &Hidden| {
            let at = runs.partition_point(|run| run.last < hidden.stretch.last);
            let run = runs.get(at).copied().unwrap_or(hidden.stretch);
            let (before, after) = (run.first - 1, run.last + 1);
            match () {
                () if after > session.head => Place::End,
                () if early.contains(after) && before > 0 && !early.contains(before) => Place::After(before),
                () => Place::Before(after),
            }
        };
        let mut marks = Marks::none();
        for one in hidden {
            let mut summary = one.why.summary();
            // What a summary stood for stands behind the next one, when that one was compacted too.
            while let Some(seq) = summary.map(|summary| summary.first).filter(|seq| !shows(*seq)) {
                let at = hidden.partition_point(|other| other.stretch.last < seq);
                let next = hidden.get(at).and_then(|other| other.why.summary());
                // A later summary has a greater number; anything else would lead in a circle.
                summary = next.filter(|next| next.first > seq);
            }
            let place = summary.map_or_else(|| by_number(one), |summary| Place::Summary(summary.first));
            marks.places.entry(place).or_default().push(one.stretch);
        }
        marks
    }

    /// The mark before this message.
    pub fn before(&self, seq: u64) -> Option<Line> {
        let summary = self.line(Place::Summary(seq), " behind this summary");
        summary.or_else(|| self.line(Place::Before(seq), ""))
    }

    /// The mark after this message.
    pub fn after(&self, seq: u64) -> Option<Line> {
        self.line(Place::After(seq), "")
    }

    /// The mark after all messages.
    pub fn end(&self) -> Option<Line> {
        self.line(Place::End, "")
    }

    fn line(&self, place: Place, behind: &str) -> Option<Line> {
        let stretches = stretch::joined(self.places.get(&place)?.clone());
        let text = format!("⋯ {} hidden{behind}", stretch::named(&stretches));
        Some(Line::new().styled(Style::new().dimmed(), text))
    }
}

/// The messages that stand before one with a smaller number, as a summary does: they do not stand where their numbers
/// would have them.
struct Early(Vec<Stretch>);

impl Early {
    fn of(session: &Session) -> Early {
        let (mut least, mut early) = (u64::MAX, Vec::new());
        for span in session.view.closed(session.head).spans().iter().rev() {
            let last = span.last.unwrap_or(session.head);
            if span.first > least && span.first <= last {
                early.push(Stretch { first: span.first, last });
            }
            least = least.min(span.first);
        }
        Early(stretch::joined(early))
    }

    fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|early| early.last < seq);
        self.0.get(at).is_some_and(|early| early.first <= seq)
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::{NewMessage, SessionKey, Window, blocking};

    use super::*;
    use crate::hidden;

    fn key() -> SessionKey {
        SessionKey::new("main", "cli", "", "dm", "ann")
    }

    /// The numbers that are shown, and the marks between them.
    fn transcript(store: &blocking::Store) -> String {
        transcript_of(store, &key())
    }

    fn transcript_of(store: &blocking::Store, key: &SessionKey) -> String {
        let session = store.session(key).unwrap().unwrap();
        let marks = Marks::of(&session, &hidden::of(store, &session).unwrap());
        let text = |line: Option<Line>| line.map(|line| line.text(false)).into_iter();
        let mut shown = Vec::new();
        for message in store.message_window(key, Window::last(1_000)).unwrap().messages {
            shown.extend(text(marks.before(message.seq)));
            shown.push(message.seq.to_string());
            shown.extend(text(marks.after(message.seq)));
        }
        shown.extend(text(marks.end()));
        shown.join(" | ")
    }

    fn summary() -> Option<NewMessage> {
        Some(NewMessage::new("system", "so far"))
    }

    #[test]
    fn a_mark_stands_where_something_is_missing() {
        let store = blocking::open("memory:").unwrap();
        let append = |count| store.append(&key(), vec![NewMessage::new("user", "x"); count]).unwrap();
        append(6);
        assert_eq!(transcript(&store), "1 | 2 | 3 | 4 | 5 | 6");
        store.pop(&key()).unwrap();
        assert_eq!(transcript(&store), "1 | 2 | 3 | 4 | 5 | ⋯ 6 hidden");
        store.compact(&key(), 2, summary()).unwrap();
        assert_eq!(transcript(&store), "⋯ 1-3 hidden behind this summary | 7 | 4 | 5 | ⋯ 6 hidden");
        append(2);
        store.pop(&key()).unwrap();
        append(1);
        assert_eq!(
            transcript(&store),
            "⋯ 1-3 hidden behind this summary | 7 | 4 | 5 | ⋯ 6 hidden | 8 | ⋯ 9 hidden | 10"
        );
        // What the first summary stood for stands behind the second.
        store.compact(&key(), 2, summary()).unwrap();
        assert_eq!(
            transcript(&store),
            "⋯ 1-5, 7 hidden behind this summary | 11 | ⋯ 6 hidden | 8 | ⋯ 9 hidden | 10"
        );
        store.uncompact(&key()).unwrap();
        assert_eq!(
            transcript(&store),
            "⋯ 1-3 hidden behind this summary | 7 | 4 | 5 | ⋯ 6 hidden | 8 | ⋯ 9 hidden | 10 | ⋯ 11 hidden"
        );
        store.reset(&key()).unwrap();
        assert_eq!(transcript(&store), "⋯ 1-11 hidden");
        append(1);
        assert_eq!(transcript(&store), "⋯ 1-11 hidden | 12");
    }

    #[test]
    fn a_fork_has_its_marks_where_its_parent_had_them() {
        let store = blocking::open("memory:").unwrap();
        store.append(&key(), vec![NewMessage::new("user", "x"); 6]).unwrap();
        store.pop(&key()).unwrap();
        store.compact(&key(), 2, summary()).unwrap();
        let fork = SessionKey::new("main", "cli", "", "dm", "bob");
        store.fork(&key(), &fork, None).unwrap();
        store.append(&fork, vec![NewMessage::new("user", "x"); 2]).unwrap();
        assert_eq!(transcript_of(&store, &fork), "7 | ⋯ 1-3 hidden | 4 | 5 | ⋯ 6 hidden | 8 | 9");
    }

    #[test]
    fn without_a_summary_the_mark_stands_at_the_start() {
        let store = blocking::open("memory:").unwrap();
        store.append(&key(), vec![NewMessage::new("user", "x"); 4]).unwrap();
        store.compact(&key(), 2, None).unwrap();
        assert_eq!(transcript(&store), "⋯ 1-2 hidden | 3 | 4");
    }
}
