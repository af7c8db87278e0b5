//! [`Hidden`]: which messages a session hides, and why.

use sessiondb::{Session, Time, ViewChange, ViewChangeKind, blocking::Store};

use crate::{
    exit::Failure,
    stretch::{self, Stretch},
};

/// Changes of the view read at a time.
const CHANGES_PAGE: usize = 100;
/// Most changes that are looked at. What was hidden by an older one is named without a reason.
const CHANGES_MAX: usize = 10_000;

/// Messages that follow each other and are hidden for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Which messages.
    pub stretch: Stretch,
    /// Why.
    pub why: Why,
}

impl Hidden {
    /// Whether that follows this and is hidden for the same reason. Popping two messages one by one is the same.
    fn goes_on(&self, next: &Hidden) -> bool {
        let same = match (self.why, next.why) {
            (Why::Change { kind, summary: None, .. }, Why::Change { kind: other, summary: None, .. }) => {
                kind == other
            }
            (why, other) => why == other,
        };
        same && self.stretch.last + 1 == next.stretch.first
    }
}

/// Why messages are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// A change of the view hid them.
    Change {
        /// What kind of change.
        kind: ViewChangeKind,
        /// When; the last time, if several such changes hid them.
        at: Time,
        /// The summary that stands in their place.
        summary: Option<Stretch>,
    },
    /// A change appended them, and was taken back.
    Undone,
    /// The session was forked without them.
    Forked,
    /// It is not known.
    Unknown,
}

impl Why {
    /// One word for it, as JSON has it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Why::Change { kind, .. } => Some(kind.name()),
            Why::Undone => Some("undo"),
            Why::Forked => Some("fork"),
            Why::Unknown => None,
        }
    }

    /// Of two that say the same, the one of the later change.
    fn later(self, other: Why) -> Why {
        match (self, other) {
            (Why::Change { at, .. }, Why::Change { at: other_at, .. }) if at > other_at => self,
            _ => other,
        }
    }

    /// The summary that stands in the place of the messages.
    pub fn summary(self) -> Option<Stretch> {
        match self {
            Why::Change { summary, .. } => summary,
            Why::Undone | Why::Forked | Why::Unknown => None,
        }
    }
}

/// What a session hides, in the order of the numbers.
pub fn of(store: &Store, session: &Session) -> Result<Vec<Hidden>, Failure> {
    let mut open = Unexplained::of(session);
    let (mut before, mut read) = (None, 0);
    while !open.left.is_empty() && read < CHANGES_MAX {
        let changes = store.view_changes(&session.key, before, CHANGES_PAGE)?;
        changes.iter().for_each(|change| open.explain(change));
        read += changes.len();
        before = changes.last().map(|change| change.revision);
        if changes.len() < CHANGES_PAGE {
            break;
        }
    }
    Ok(open.end(session.log_first))
}

/// Hidden messages whose reason is looked for, from the newest change back.
struct Unexplained {
    left: Vec<Stretch>,
    found: Vec<Hidden>,
    /// What changes appended that were taken back.
    undone: Vec<Stretch>,
}

impl Unexplained {
    fn of(session: &Session) -> Unexplained {
        let (_, left) =
            stretch::divided(&stretch::up_to(session.head), &stretch::shown(&session.view, session.head));
        Unexplained { left, found: Vec::new(), undone: Vec::new() }
    }

    /// The last change before which a message was shown is the one that hid it, if it still holds.
    fn explain(&mut self, change: &ViewChange) {
        if change.undone.is_some() {
            let (first, last) = (change.head_before + 1, change.head_after);
            self.undone.extend((first <= last).then_some(Stretch { first, last }));
            return;
        }
        let shown_before = stretch::shown(&change.before, change.head_before);
        let (explained, left) = stretch::divided(&self.left, &shown_before);
        self.left = left;
        let summary = change.summary.map(|(first, last)| Stretch { first, last });
        let why = Why::Change { kind: change.kind, at: change.at, summary };
        self.found.extend(explained.into_iter().map(|stretch| Hidden { stretch, why }));
    }

    fn end(mut self, log_first: u64) -> Vec<Hidden> {
        let (undone, left) = stretch::divided(&self.left, &stretch::joined(self.undone));
        self.found.extend(undone.into_iter().map(|stretch| Hidden { stretch, why: Why::Undone }));
        let (forked, unknown) = stretch::divided(&left, &stretch::up_to(log_first.saturating_sub(1)));
        self.found.extend(forked.into_iter().map(|stretch| Hidden { stretch, why: Why::Forked }));
        self.found.extend(unknown.into_iter().map(|stretch| Hidden { stretch, why: Why::Unknown }));
        self.found.sort_unstable_by_key(|hidden| hidden.stretch);
        let mut joined: Vec<Hidden> = Vec::with_capacity(self.found.len());
        for hidden in self.found {
            match joined.last_mut() {
                Some(end) if end.goes_on(&hidden) => {
                    end.stretch.last = hidden.stretch.last;
                    end.why = end.why.later(hidden.why);
                }
                _ => joined.push(hidden),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::{NewMessage, SessionKey, blocking};

    use super::*;

    fn key() -> SessionKey {
        SessionKey::new("main", "cli", "", "dm", "ann")
    }

    fn store(count: usize) -> Store {
        let store = blocking::open("memory:").unwrap();
        append(&store, count);
        store
    }

    fn append(store: &Store, count: usize) {
        store.append(&key(), vec![NewMessage::new("user", "x"); count]).unwrap();
    }

    fn summary() -> Option<NewMessage> {
        Some(NewMessage::new("system", "so far"))
    }

    /// What is hidden: `1-90 compact 101, 95 pop`.
    fn hidden(store: &Store, key: &SessionKey) -> String {
        let session = store.session(key).unwrap().unwrap();
        let named = of(store, &session).unwrap().into_iter().map(|hidden| {
            let summary = hidden.why.summary().map(|summary| format!(" {summary}")).unwrap_or_default();
            format!("{} {}{summary}", hidden.stretch, hidden.why.name().unwrap_or("?"))
        });
        named.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_change_is_named_by_what_it_hid() {
        let store = store(100);
        assert_eq!(hidden(&store, &key()), "");
        store.pop(&key()).unwrap();
        store.compact(&key(), 9, summary()).unwrap();
        assert_eq!(hidden(&store, &key()), "1-90 compact 101, 100 pop");
        append(&store, 9);
        store.compact(&key(), 4, summary()).unwrap();
        assert_eq!(
            hidden(&store, &key()),
            "1-90 compact 101, 91-99 compact 111, 100 pop, 101-106 compact 111"
        );
        store.rewind(&key(), 108).unwrap();
        assert_eq!(
            hidden(&store, &key()),
            "1-90 compact 101, 91-99 compact 111, 100 pop, 101-106 compact 111, 109-110 rewind"
        );
        store.reset(&key()).unwrap();
        assert!(hidden(&store, &key()).ends_with("109-110 rewind, 111 reset"), "{}", hidden(&store, &key()));
    }

    #[test]
    fn what_was_taken_back_hides_nothing_but_its_own_summary() {
        let store = store(10);
        store.compact(&key(), 2, summary()).unwrap();
        store.undo(&key()).unwrap();
        assert_eq!(hidden(&store, &key()), "11 undo");
        store.compact(&key(), 2, summary()).unwrap();
        store.uncompact(&key()).unwrap();
        assert_eq!(hidden(&store, &key()), "11 undo, 12 uncompact");
        store.undo(&key()).unwrap();
        assert_eq!(hidden(&store, &key()), "1-8 compact 12, 11 undo");
    }

    #[test]
    fn a_fork_names_what_it_left_out_and_then_what_it_hid_itself() {
        let store = store(10);
        store.compact(&key(), 4, summary()).unwrap();
        let fork = SessionKey::new("main", "cli", "", "dm", "bob");
        store.fork(&key(), &fork, Some(8)).unwrap();
        assert_eq!(hidden(&store, &fork), "1-6 fork, 9-10 fork");
        store.append(&fork, vec![NewMessage::new("user", "x"); 3]).unwrap();
        store.rewind(&fork, 7).unwrap();
        assert_eq!(hidden(&store, &fork), "1-6 fork, 8 rewind, 9-10 fork, 12-14 rewind");
    }

    #[test]
    fn the_reason_may_lie_behind_many_changes() {
        let store = store(10);
        store.rewind(&key(), 8).unwrap();
        for _ in 0..CHANGES_PAGE {
            append(&store, 1);
            store.pop(&key()).unwrap();
        }
        assert_eq!(hidden(&store, &key()), "9-10 rewind, 11-110 pop");
    }
}
