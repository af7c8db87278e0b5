//! [`View`]: which stretches of which logs are a session's present history.
//!
//! A view is a value, and so is every change of it: pure functions from one view to the next, which all engines share.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Time,
    limits::{COMMIT_WRITES_MAX, COUNT_MAX, VIEW_SPANS_MAX},
    time,
};

/// The number of a session's log inside one store. It stays when the session's key changes, and is never reused;
/// another store gives other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogId(pub i64);

/// A stretch of a log: the messages `first` to `last`, both included; without `last` it is open, and what is appended
/// to the log belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Span {
    /// Whose messages.
    pub log: LogId,
    /// The first sequence number.
    pub first: u64,
    /// The last sequence number; `None` while the span is open.
    pub last: Option<u64>,
}

impl Span {
    fn contains(&self, seq: u64) -> bool {
        self.first <= seq && self.last.is_none_or(|last| seq <= last)
    }

    fn overlaps(&self, other: &Span) -> bool {
        self.log == other.log
            && self.last.is_none_or(|last| other.first <= last)
            && other.last.is_none_or(|last| self.first <= last)
    }

    /// What of it lies at or before `last`.
    fn until(self, last: u64) -> Option<Span> {
        let last = self.last.map_or(last, |own| own.min(last));
        (self.first <= last).then_some(Span { last: Some(last), ..self })
    }

    /// What of it lies after `seq`.
    fn beyond(self, seq: u64) -> Option<Span> {
        let first = self.first.max(seq.saturating_add(1));
        self.last.is_none_or(|last| first <= last).then_some(Span { first, ..self })
    }
}

/// A session's history: spans in the order they are read. Messages never change and are never moved; what a session
/// shows of them is its view. The last span is open and of the session's own log, so what is appended is seen.
///
/// A session starts with [`whole`](View::whole): its own log, all of it. A fork shows a stretch of its parent's history
/// first, and numbers its own messages from there on; so a message is named by its `seq` alone, which occurs once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct View(Vec<Span>);

impl View {
    /// All of the session's own log, now and in future.
    pub fn whole(log: LogId) -> View {
        View(vec![Span { log, first: 1, last: None }])
    }

    /// The spans, in the order they are read.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The text that backends store: `[[log, first, last or null], …]`.
    pub fn to_text(&self) -> String {
        let spans: Vec<_> = self.0.iter().map(|span| (span.log.0, span.first, span.last)).collect();
        // Numbers always serialise.
        serde_json::to_string(&spans).unwrap_or_default()
    }

    /// Reads [`to_text`](View::to_text)'s form.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a list of spans, a span ends before it begins, or an open span is not the last.
    pub fn from_text(text: &str) -> Result<View> {
        let spans: Vec<(i64, u64, Option<u64>)> =
            serde_json::from_str(text).map_err(|e| Error::Invalid(format!("not a view: {e}")))?;
        let count = spans.len();
        for (i, (_, first, last)) in spans.iter().enumerate() {
            if *first == 0 || *first > COUNT_MAX || last.is_some_and(|last| last < *first || last > COUNT_MAX)
            {
                return Err(Error::Invalid(format!("not a view: span {i} ends before it begins")));
            }
            if last.is_none() && i + 1 < count {
                return Err(Error::Invalid(format!("not a view: span {i} is open but not the last")));
            }
        }
        Ok(View(spans.into_iter().map(|(log, first, last)| Span { log: LogId(log), first, last }).collect()))
    }

    /// Whether this message is in the view. A number that comes after all that are given yet counts as in it.
    pub fn contains(&self, seq: u64) -> bool {
        self.0.iter().any(|span| span.contains(seq))
    }

    /// Whether any message is in both views.
    pub fn overlaps(&self, other: &View) -> bool {
        self.0.iter().any(|span| other.0.iter().any(|theirs| span.overlaps(theirs)))
    }

    /// The spans up to message `seq` and with it, and those behind it; `None` if it is not in the view. For 0, nothing
    /// and everything.
    pub fn split_after(&self, seq: u64) -> Option<(View, View)> {
        self.split(seq, seq)
    }

    /// The spans up to message `seq` without it, and those from it on. As [`split_after`](View::split_after), but for 0,
    /// which comes before everything too.
    pub fn split_before(&self, seq: u64) -> Option<(View, View)> {
        self.split(seq, seq.saturating_sub(1))
    }

    fn split(&self, seq: u64, last: u64) -> Option<(View, View)> {
        if seq == 0 {
            return Some((View(Vec::new()), self.clone()));
        }
        let at = self.0.iter().position(|span| span.contains(seq))?;
        let span = self.0[at];
        let (front, back) = (self.0[..at].iter().copied(), self.0[at + 1..].iter().copied());
        Some((
            View(front.chain(span.until(last)).collect()),
            View(span.beyond(last).into_iter().chain(back).collect()),
        ))
    }

    /// Closed: what it shows when the last message of its open log is `head`.
    pub fn closed(&self, head: u64) -> View {
        let close = |span: &Span| if span.last.is_none() { span.until(head) } else { Some(*span) };
        View(self.0.iter().filter_map(close).collect())
    }

    /// The number of messages between the spans' ends, if the last message is `head`; no more than can be counted of a
    /// view that somebody wrote by hand.
    pub fn len(&self, head: u64) -> u64 {
        let spans = self.0.iter().filter_map(|span| span.until(span.last.unwrap_or(head)));
        spans.map(|span| span.last.unwrap_or(head) - span.first + 1).fold(0, u64::saturating_add)
    }

    /// The number that is read last in a view that is closed; `None` if it is empty.
    pub fn last(&self) -> Option<u64> {
        self.0.last().and_then(|span| span.last)
    }

    /// The greatest number in it, if the last message is `head`; 0 if it is empty.
    pub fn greatest(&self, head: u64) -> u64 {
        self.closed(head).0.iter().filter_map(|span| span.last).max().unwrap_or(0)
    }

    /// This and then that, with spans joined where one goes on where the other ended.
    fn then(mut self, spans: impl IntoIterator<Item = Span>) -> View {
        for span in spans {
            match self.0.last_mut() {
                Some(end) if end.log == span.log && end.last.is_some_and(|last| last + 1 == span.first) => {
                    end.last = span.last;
                }
                _ => self.0.push(span),
            }
        }
        self
    }

    /// Closed, and then open for what comes after `head` in the session's own log.
    fn open(self, own: LogId, head: u64) -> View {
        self.closed(head).then([Span { log: own, first: head + 1, last: None }])
    }

    /// These spans, joined where they meet, and open behind `head`.
    pub fn of(spans: impl IntoIterator<Item = Span>, own: LogId, head: u64) -> View {
        View(Vec::new()).then(spans).open(own, head)
    }

    /// Without the messages after `seq`; `None` if that message is not in the view.
    pub fn rewound(&self, seq: u64, own: LogId, head: u64) -> Option<View> {
        self.split_after(seq).map(|(kept, _)| kept.open(own, head))
    }

    /// Without message `seq` and those after it; `None` if it is not in the view.
    pub fn without_suffix(&self, seq: u64, own: LogId, head: u64) -> Option<View> {
        self.split_before(seq).map(|(kept, _)| kept.open(own, head))
    }

    /// With the messages after `head` that were appended since (the summary) in the place of everything up to `through`;
    /// `None` if that message is not in the view.
    pub fn compacted(&self, through: u64, own: LogId, head: u64, head_now: u64) -> Option<View> {
        let (_, kept) = self.split_after(through)?;
        let summary = Span { log: own, first: head + 1, last: None }.until(head_now);
        Some(View(Vec::new()).then(summary).then(kept.closed(head).0).open(own, head_now))
    }

    /// With what a compaction hid in front again, and without its summary.
    pub fn uncompacted(&self, hidden: &View, summary: Option<(u64, u64)>, own: LogId, head: u64) -> View {
        let (first, last) = summary.unwrap_or((0, 0));
        let summary = |span: &Span| span.log == own && first > 0;
        let rest = self.closed(head).0.into_iter().flat_map(|span| {
            if !summary(&span) {
                return [Some(span), None];
            }
            [span.until(first - 1), span.beyond(last)]
        });
        hidden.clone().then(rest.flatten()).open(own, head)
    }

    /// What it was before a change, with what was appended since. `head_before` and `head_after` are the last messages
    /// before and after the commit that made the change: what that commit itself appended is hidden.
    pub fn undone(&self, before: &View, head_before: u64, head_after: u64, own: LogId, head: u64) -> View {
        let since = self.closed(head).0.into_iter().filter(|span| span.log == own);
        before.closed(head_before).then(since.filter_map(|span| span.beyond(head_after))).open(own, head)
    }

    /// What to do about a view that has more spans than a view may have: the consecutive spans with the fewest messages are
    /// copied to the end of the log and shown there. Answers what comes before them, them, and what comes after them.
    pub fn overflow(&self, head: u64) -> Option<(View, View, View)> {
        if self.0.len() <= VIEW_SPANS_MAX {
            return None;
        }
        // The last span is open and stays.
        let closed = &self.0[..self.0.len() - 1];
        let length = |span: &Span| u128::from(span.last.unwrap_or(head).saturating_sub(span.first)) + 1;
        let count = self.0.len() - VIEW_SPANS_MAX / 2;
        let mut messages: u128 = closed.iter().take(count).map(length).sum();
        let (mut least, mut at) = (messages, 0);
        for (from, (gone, come)) in closed.iter().zip(closed.iter().skip(count)).enumerate() {
            messages = messages - length(gone) + length(come);
            if messages < least {
                (least, at) = (messages, from + 1);
            }
        }
        let view = |spans: &[Span]| View(spans.to_vec());
        Some((view(&self.0[..at]), view(&self.0[at..at + count]), view(&self.0[at + count..])))
    }

    /// Whether a caller may set this view: rewriting it must not copy more than a commit may write.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it would.
    pub fn validate_rewrite(&self, head: u64) -> Result<()> {
        let copies = self.overflow(head).map_or(0, |(_, copied, _)| copied.len(head));
        if copies <= COMMIT_WRITES_MAX as u64 {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "a view of {} stretches: at most {VIEW_SPANS_MAX} are kept, and to join the others {copies} messages would \
             have to be copied",
            self.0.len()
        )))
    }

    /// The view with copies in the place of what was copied: those that were appended after `head`, up to `head_now`.
    pub fn rewritten(front: View, back: &View, own: LogId, head: u64, head_now: u64) -> View {
        let copies = Span { log: own, first: head + 1, last: None }.until(head_now);
        front.then(copies).then(back.closed(head).0).open(own, head_now)
    }
}

/// A stretch of another session's log that a fork may show: what was the parent's when the fork was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ancestor {
    /// Whose messages.
    pub log: LogId,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// What a session forked from this one, whose log begins at `log_first`, may show up to message `last`: its ancestors'
/// messages and its own.
pub fn ancestors_of_fork(
    ancestors: &[Ancestor],
    own: LogId,
    log_first: u64,
    head: u64,
    last: u64,
) -> Vec<Ancestor> {
    let own = Ancestor { log: own, first: log_first, last: head };
    let all = ancestors.iter().copied().chain([own]);
    let until = all.map(|a| Ancestor { last: a.last.min(last), ..a });
    until.filter(|a| a.first <= a.last).collect()
}

/// The spans that show the messages `first` to `last` of what a session may show at all: its ancestors' messages and its
/// own, from `log_first` to `head`. `None` if one of the numbers is not among them.
pub fn resolve(
    (first, last): (u64, u64),
    ancestors: &[Ancestor],
    own: LogId,
    log_first: u64,
    head: u64,
) -> Option<Vec<Span>> {
    let own = Ancestor { log: own, first: log_first, last: head };
    let all = ancestors.iter().copied().chain([own]);
    let spans: Vec<Span> = all
        .filter_map(|a| {
            let (first, last) = (a.first.max(first), a.last.min(last));
            (first <= last).then_some(Span { log: a.log, first, last: Some(last) })
        })
        .collect();
    // Ancestors' numbers follow each other without gaps, so the sum tells whether all are there.
    let found: u64 = spans.iter().map(|span| span.last.unwrap_or(span.first) - span.first + 1).sum();
    (first <= last && found == last - first + 1).then_some(spans)
}

/// What kind of change of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ViewChangeKind {
    /// Older messages were hidden behind a summary, or just hidden.
    Compact,
    /// A compaction was taken back.
    Uncompact,
    /// The newest messages were hidden.
    Pop,
    /// The messages after one were hidden.
    Rewind,
    /// All messages were hidden.
    Reset,
    /// The view was set as a whole.
    Set,
}

impl ViewChangeKind {
    /// All kinds.
    pub const ALL: [ViewChangeKind; 6] = [
        ViewChangeKind::Compact,
        ViewChangeKind::Uncompact,
        ViewChangeKind::Pop,
        ViewChangeKind::Rewind,
        ViewChangeKind::Reset,
        ViewChangeKind::Set,
    ];

    /// Its name: `compact`.
    pub fn name(self) -> &'static str {
        match self {
            ViewChangeKind::Compact => "compact",
            ViewChangeKind::Uncompact => "uncompact",
            ViewChangeKind::Pop => "pop",
            ViewChangeKind::Rewind => "rewind",
            ViewChangeKind::Reset => "reset",
            ViewChangeKind::Set => "set",
        }
    }
}

/// A change of a session's view, as it is kept so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewChange {
    /// The session's revision that it made.
    pub revision: u64,
    /// When.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Time,
    /// What kind of change.
    pub kind: ViewChangeKind,
    /// The view before it.
    pub before: View,
    /// The last message before the commit that made it.
    pub head_before: u64,
    /// The last message after that commit.
    pub head_after: u64,
    /// For a compaction: the last message that it hid.
    pub through: Option<u64>,
    /// For a compaction with a summary: the summary's first and last message.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<u64>>))]
    pub summary: Option<(u64, u64)>,
    /// For an uncompaction: the revision of the compaction that it took back.
    pub reverses: Option<u64>,
    /// The revision that took it back.
    pub undone: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counting the messages of a view that somebody wrote by hand, in which each span is as long as a span may be, panicked,
    /// and in a release came to a small number. Such a view is also more than may be copied.
    #[test]
    fn more_messages_than_can_be_counted_are_counted_as_the_most() {
        let spans = vec![format!("[1,1,{COUNT_MAX}]"); VIEW_SPANS_MAX + 1].join(",");
        let view = View::from_text(&format!("[{spans},[1,1,null]]")).unwrap();
        assert_eq!(view.len(COUNT_MAX), u64::MAX);
        assert!(view.validate_rewrite(COUNT_MAX).is_err());
    }
}
