//! [`View`]: which stretches of which logs are a session's present history.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The number of a session's log inside one store. It stays when the session's key changes, and is never reused;
/// another store gives other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogId(pub i64);

/// A stretch of a log: the messages `first` to `last`, both included; without `last` it is open, and what is appended
/// to the log belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Whose messages.
    pub log: LogId,
    /// The first sequence number.
    pub first: u64,
    /// The last sequence number; `None` while the span is open.
    pub last: Option<u64>,
}

/// A session's history: spans in the order they are read. Messages never change and are never moved; what a session
/// shows of them is its view.
///
/// A session starts with [`whole`](View::whole): its own log, all of it. Within a view a message is named by its
/// `seq`, which occurs once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
            if *first == 0 || last.is_some_and(|last| last < *first) {
                return Err(Error::Invalid(format!("not a view: span {i} ends before it begins")));
            }
            if last.is_none() && i + 1 < count {
                return Err(Error::Invalid(format!("not a view: span {i} is open but not the last")));
            }
        }
        Ok(View(spans.into_iter().map(|(log, first, last)| Span { log: LogId(log), first, last }).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back_and_nonsense_is_refused() {
        let text = "[[7,101,101],[3,90,100],[7,102,null]]";
        assert_eq!(View::from_text(text).unwrap().to_text(), text);
        assert_eq!(View::whole(LogId(7)).to_text(), "[[7,1,null]]");
        for bad in ["", "[[1]]", "[[1,0,3]]", "[[1,5,4]]", "[[1,1,null],[1,2,3]]", "[[1,-1,3]]", "{}"] {
            assert!(View::from_text(bad).is_err(), "{bad}");
        }
    }
}
