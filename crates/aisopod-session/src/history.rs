//! Reading a session's history: the newest messages, page by page towards the oldest.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sessiondb::{Message, MessagePage, Window, calls, limits, time};

use crate::{
    Error, Result, SessionKey, SessionStore, StoredMessage,
    error::invalid,
    store::{ATTEMPTS, busy},
    writes,
};

/// Which messages to read; what is `None` does not restrict. The default reads them all.
///
/// Without bounds in time, a history never begins between a tool call and its result: there may be fewer messages than
/// `limit`, or more if fewer would cut a call that is more than `limit` messages long. Between bounds in time there are
/// `limit` messages, whatever they cut ([`History::unpaired`] says what).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryQuery {
    /// How many at most: the newest.
    pub limit: Option<usize>,
    /// Only what was said before this moment, which is not included.
    pub before: Option<DateTime<Utc>>,
    /// Only what was said after this moment, which is not included.
    pub after: Option<DateTime<Utc>>,
    /// Only what comes before the page that this cursor came with ([`History::next`]).
    pub cursor: Option<HistoryCursor>,
}

impl HistoryQuery {
    /// The newest `limit` messages.
    pub fn newest(limit: usize) -> HistoryQuery {
        HistoryQuery { limit: Some(limit), ..HistoryQuery::default() }
    }
}

/// A part of a session's history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The messages, oldest first, in the session's order and not by their times.
    pub messages: Vec<StoredMessage>,
    /// Where the messages before these are to be had; `None` if there are none.
    pub next: Option<HistoryCursor>,
    /// What the messages weigh together, in tokens: their `token_count`, else a quarter of their bytes.
    pub weight: u64,
    /// The tool calls of which only the call or only the result is among these messages.
    pub unpaired: Vec<String>,
}

/// A place in a history, for [`HistoryQuery::cursor`]: an opaque text. It belongs to queries of the same session, and
/// with or without bounds in time as the query had that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HistoryCursor {
    /// The time of the page's earliest message, for queries with bounds in time.
    at: Option<DateTime<Utc>>,
    /// The number of the page's first message.
    seq: u64,
}

impl HistoryCursor {
    /// The place before message `seq`.
    pub(crate) fn before(seq: u64) -> HistoryCursor {
        HistoryCursor { at: None, seq }
    }
}

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}@{}", self.seq, time::to_text(at)),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl From<HistoryCursor> for String {
    fn from(cursor: HistoryCursor) -> String {
        cursor.to_string()
    }
}

impl FromStr for HistoryCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<HistoryCursor> {
        let (seq, at) = match text.split_once('@') {
            Some((seq, at)) => (seq, Some(time::from_text(at)?)),
            None => (text, None),
        };
        match seq.parse() {
            Ok(seq) => Ok(HistoryCursor { at, seq }),
            Err(_) => Err(invalid(format!("'{}' is not a cursor of a history", text.escape_debug()))),
        }
    }
}

impl TryFrom<String> for HistoryCursor {
    type Error = Error;

    fn try_from(text: String) -> Result<HistoryCursor> {
        text.parse()
    }
}

impl HistoryQuery {
    fn by_time(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// The window of the page before this cursor.
    fn window(&self, cursor: Option<HistoryCursor>, limit: usize) -> Window {
        match cursor {
            _ if self.by_time() => Window::Times {
                after: self.after,
                before: self.before,
                cursor: cursor.and_then(|cursor| Some((cursor.at?, cursor.seq))),
                limit,
            },
            Some(cursor) => Window::before(cursor.seq, limit),
            None => Window::last(limit),
        }
    }

    /// The cursor behind which the page before this one ends.
    fn cursor_before(&self, page: &MessagePage) -> Option<HistoryCursor> {
        if self.by_time() {
            let earliest = page.messages.iter().map(|message| (message.created_at, message.seq)).min();
            return earliest.map(|(at, seq)| HistoryCursor { at: Some(at), seq });
        }
        page.messages.first().map(|message| HistoryCursor::before(message.seq))
    }
}

impl SessionStore {
    /// The newest messages that the query allows, oldest first.
    ///
    /// ```
    /// # use aisopod_session::{HistoryQuery, SessionKey, SessionStore, StoredMessage};
    /// # let store = SessionStore::new_in_memory()?;
    /// # let key = SessionKey::new("support", "discord", "bot-1", "dm", "ann");
    /// # store.get_or_create(&key)?;
    /// # store.append_messages(&key, &["a", "b", "c"].map(|text| StoredMessage::new("user", text.into())))?;
    /// let newest = store.get_history(&key, &HistoryQuery::newest(2))?;
    /// let before = HistoryQuery { cursor: newest.next, ..HistoryQuery::newest(2) };
    /// assert_eq!(store.get_history(&key, &before)?.messages[0].content, "a");
    /// # Ok::<(), aisopod_session::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](sessiondb::Error::NotFound) if there is no such session;
    /// [`Undecodable`](sessiondb::Error::Undecodable) if a message cannot be read, or its JSON does not fit a `Value` (a
    /// number like `1e400`), naming it; [`Invalid`](sessiondb::Error::Invalid) for a cursor of another kind of query;
    /// a [`NotInView`](sessiondb::Conflict::NotInView) if the message at the cursor was hidden meanwhile (by a
    /// compaction): begin at the newest again.
    pub fn get_history(&self, key: &SessionKey, query: &HistoryQuery) -> Result<History> {
        if query.cursor.is_some_and(|cursor| cursor.at.is_some() != query.by_time()) {
            return Err(invalid(
                "the cursor comes from another kind of query, with or without bounds in time",
            ));
        }
        for _ in 0..ATTEMPTS {
            let session = self.existing(key)?;
            let read = self.pages(key, query);
            // Several pages are one history only if nothing was hidden or shown in between; the revision also tells if
            // it was taken back since.
            if read.as_ref().is_ok_and(|(pages, _)| pages.len() < 2)
                || self.existing(key)?.revision == session.revision
            {
                let (pages, next) = read?;
                let count = pages.len();
                let mut messages: Vec<Message> =
                    pages.into_iter().rev().flat_map(|page| page.messages).collect();
                if query.by_time() && count > 1 {
                    // Each page is in the view's order, but they follow each other by time.
                    let spans = session.view.spans();
                    let within = |seq| {
                        spans.iter().position(|s| s.first <= seq && s.last.is_none_or(|last| seq <= last))
                    };
                    messages.sort_by_cached_key(|message| (within(message.seq), message.seq));
                }
                return Ok(History {
                    next,
                    weight: messages.iter().fold(0, |sum, m| sum.saturating_add(m.weight().tokens)),
                    unpaired: calls::unpaired_calls(&messages),
                    messages: messages.into_iter().map(|m| writes::message(key, m)).collect::<Result<_>>()?,
                });
            }
        }
        Err(busy(key))
    }

    /// The pages of the newest messages that the query allows, the newest page first, and where to go on.
    pub(crate) fn pages(
        &self,
        key: &SessionKey,
        query: &HistoryQuery,
    ) -> Result<(Vec<MessagePage>, Option<HistoryCursor>)> {
        let (mut pages, mut cursor) = (Vec::new(), query.cursor);
        let mut missing = query.limit.unwrap_or(usize::MAX);
        while missing > 0 {
            let window = query.window(cursor, missing.min(limits::PAGE_MAX));
            let page = self.sessiondb().message_window(key, window)?;
            if page.exceeds && !pages.is_empty() {
                break;
            }
            missing = missing.saturating_sub(page.messages.len());
            cursor = query.cursor_before(&page).filter(|_| page.has_earlier);
            pages.push(page);
            if cursor.is_none() {
                break;
            }
        }
        Ok((pages, cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_text() {
        let at = Some("2026-02-15T10:00:00.5Z".parse().unwrap());
        for (cursor, text) in [
            (HistoryCursor { at: None, seq: 120 }, "120"),
            (HistoryCursor { at, seq: 7 }, "7@2026-02-15T10:00:00.500000Z"),
        ] {
            assert_eq!(cursor.to_string(), text);
            assert_eq!(text.parse(), Ok(cursor));
            assert_eq!(serde_json::to_value(cursor).unwrap(), text);
            assert_eq!(serde_json::from_value::<HistoryCursor>(text.into()).unwrap(), cursor);
        }
        for text in ["", "@", "x", "7@", "7@soon", "-1"] {
            assert!(text.parse::<HistoryCursor>().is_err(), "{text}");
        }
    }
}
