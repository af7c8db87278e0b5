//! From rows to the model. A column that cannot be read is an error that names its row; nothing gets a default.

use rusqlite::{Row, types::ValueRef};
use sessiondb_core::{
    Ancestor, Change, Document, Error, Json, KEPT, LogId, Message, Session, SessionKey, Time, View,
    ViewChange, ViewChangeKind, calls::Outline, time,
};

use crate::{apply::seqs_from_text, error::Failure};

type Read<T> = Result<T, Failure>;

/// The columns of a session, in the order that [`session`] reads them.
pub(crate) const SESSION_COLUMNS: &str = "id, agent_id, channel, account_id, peer_kind, peer_id, family, status, \
     metadata, message_count, log_count, token_usage, created_at, updated_at, state_revision, next_seq, log_first, view";

/// The columns of a message, in the order that [`message`] reads them.
pub(crate) const MESSAGE_COLUMNS: &str = "id, seq, role, content, tool_calls, created_at, message_id, opens, closes, \
     token_count, attributes, session_id";

/// The columns of a document, in the order that [`document`] reads them.
pub(crate) const DOCUMENT_COLUMNS: &str = "collection, id, body, blob, revision, updated_at, session_id";

pub(crate) fn session(row: &Row<'_>) -> Read<Session> {
    let named = Named { row, table: "sessions", id: 0 };
    let log = LogId(named.integer(0, "id")?);
    let next_seq = named.count(15, "next_seq")?;
    let view = match named.text_opt(17, "view")? {
        None => View::whole(log),
        Some(text) => View::from_text(text).map_err(|e| named.error("view", &e.to_string()))?,
    };
    Ok(Session {
        log,
        key: SessionKey {
            agent_id: named.text(1, "agent_id")?.to_owned(),
            channel: named.text(2, "channel")?.to_owned(),
            account_id: named.text(3, "account_id")?.to_owned(),
            peer_kind: named.text(4, "peer_kind")?.to_owned(),
            peer_id: named.text(5, "peer_id")?.to_owned(),
        },
        family: named.text(6, "family")?.to_owned(),
        status: named.text(7, "status")?.to_owned(),
        metadata: Json::from_stored(named.text(8, "metadata")?),
        message_count: named.count(9, "message_count")?,
        log_count: named.count(10, "log_count")?,
        token_usage: named.count(11, "token_usage")?,
        created_at: named.time(12, "created_at")?,
        updated_at: named.time(13, "updated_at")?,
        revision: named.count(14, "state_revision")?,
        head: next_seq.checked_sub(1).ok_or_else(|| named.error("next_seq", "it is 0"))?,
        log_first: named.count(16, "log_first")?,
        view,
    })
}

/// Of all messages in a session's own log the last one that none before it is later than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latest {
    pub at: Time,
    pub seq: u64,
}

/// The columns of a session, after those of [`SESSION_COLUMNS`], that [`latest`] reads.
pub(crate) const LATEST_COLUMNS: &str = "latest_at, latest_seq";

pub(crate) fn latest(row: &Row<'_>) -> Read<Option<Latest>> {
    let named = Named { row, table: "sessions", id: 0 };
    let Some(seq) = named.count_opt(19, "latest_seq")? else { return Ok(None) };
    Ok(Some(Latest { at: named.time(18, "latest_at")?, seq }))
}

pub(crate) fn message(row: &Row<'_>) -> Read<Message> {
    let named = Named { row, table: "messages", id: 0 };
    Ok(Message {
        id: named.integer(0, "id")?,
        seq: named.count(1, "seq")?,
        role: named.text(2, "role")?.to_owned(),
        content: Json::from_stored(named.text(3, "content")?),
        tool_calls: named.text_opt(4, "tool_calls")?.map(Json::from_stored),
        created_at: named.time(5, "created_at")?,
        message_id: named.text_opt(6, "message_id")?.map(str::to_owned),
        opens: named.calls(7, "opens")?,
        closes: named.calls(8, "closes")?,
        token_count: named.count_opt(9, "token_count")?,
        attributes: named.text_opt(10, "attributes")?.map(Json::from_stored),
    })
}

/// What of a message [`outline`] reads, which is little, however large the message is.
pub(crate) const OUTLINE_COLUMNS: &str = "id, seq, opens, closes, token_count, \
     octet_length(content) + coalesce(octet_length(tool_calls), 0)";

pub(crate) fn outline(row: &Row<'_>) -> Read<Outline> {
    let named = Named { row, table: "messages", id: 0 };
    let token_count = named.count_opt(4, "token_count")?;
    let (opens, closes) = (named.calls(2, "opens")?, named.calls(3, "closes")?);
    Ok(Outline::new(named.count(1, "seq")?, opens, closes, token_count, named.count(5, "content")?))
}

/// The columns of a view's change, in the order that [`view_change`] reads them.
pub(crate) const VIEW_CHANGE_COLUMNS: &str = "session_id, revision, at, kind, before, head_before, head_after, through, \
     summary_first, summary_last, reverses, undone";

pub(crate) fn view_change(row: &Row<'_>) -> Read<ViewChange> {
    let named = Named { row, table: "view_changes of session", id: 0 };
    let kind = named.text(3, "kind")?;
    let known = ViewChangeKind::ALL.into_iter().find(|known| known.name() == kind);
    let summary = named.count_opt(8, "summary_first")?.zip(named.count_opt(9, "summary_last")?);
    Ok(ViewChange {
        revision: named.count(1, "revision")?,
        at: named.time(2, "at")?,
        kind: known.ok_or_else(|| named.error("kind", &format!("'{kind}' is none that is known")))?,
        before: View::from_text(named.text(4, "before")?)
            .map_err(|e| named.error("before", &e.to_string()))?,
        head_before: named.count(5, "head_before")?,
        head_after: named.count(6, "head_after")?,
        through: named.count_opt(7, "through")?,
        summary,
        reverses: named.count_opt(10, "reverses")?,
        undone: named.count_opt(11, "undone")?,
    })
}

pub(crate) fn ancestor(row: &Row<'_>) -> Read<Ancestor> {
    let named = Named { row, table: "ancestors of session", id: 0 };
    let (first, last) = (named.count(2, "first_seq")?, named.count(3, "last_seq")?);
    if first == 0 || last < first {
        return Err(named.error("last_seq", "it comes before first_seq"));
    }
    Ok(Ancestor { log: LogId(named.integer(1, "log_id")?), first, last })
}

/// A key from five columns, the first at `index`.
pub(crate) fn key(row: &Row<'_>, index: usize) -> rusqlite::Result<SessionKey> {
    Ok(SessionKey {
        agent_id: row.get(index)?,
        channel: row.get(index + 1)?,
        account_id: row.get(index + 2)?,
        peer_kind: row.get(index + 3)?,
        peer_id: row.get(index + 4)?,
    })
}

pub(crate) fn document(row: &Row<'_>) -> Read<Document> {
    let named = Named { row, table: "documents of session", id: 6 };
    Ok(Document {
        collection: named.text(0, "collection")?.to_owned(),
        id: named.text(1, "id")?.to_owned(),
        body: Json::from_stored(named.text(2, "body")?),
        blob: match row.get_ref(3)? {
            ValueRef::Null => None,
            ValueRef::Blob(bytes) => Some(bytes.to_vec()),
            _ => return Err(named.error("blob", "it is not a blob")),
        },
        revision: named.count(4, "revision")?,
        updated_at: named.time(5, "updated_at")?,
    })
}

/// A line of the feed: its place, and what it says to others. Nothing is said of commits that changed nothing, of what is kept
/// for forks, and of a session whose key nobody knows any more, since it was made and deleted by hand.
pub(crate) fn change(row: &Row<'_>) -> Read<(u64, Option<Change>)> {
    let named = Named { row, table: "commits", id: 0 };
    let (id, what) = (named.count(0, "id")?, named.text(4, "what")?);
    let key = match named.text_opt(7, "key")? {
        Some(text) if text.starts_with(KEPT) => None,
        Some(text) => Some(SessionKey::from_stored(text).map_err(|e| named.error("key", &e.to_string()))?),
        None if named.text_opt(8, "agent_id")?.is_none_or(|agent| agent == KEPT) => None,
        None => Some(key(row, 8)?),
    };
    let Some(key) = key.filter(|_| !what.is_empty()) else { return Ok((id, None)) };
    let change = Change {
        id,
        log: LogId(named.integer(1, "session_id")?),
        key,
        revision: named.count(2, "revision")?,
        at: named.time(3, "at")?,
        what: what.split(' ').map(str::to_owned).collect(),
        seqs: seqs_from_text(named.text_opt(5, "seqs")?.unwrap_or(""))
            .map_err(|reason| named.error("seqs", &reason))?,
        commit_id: named.text_opt(6, "commit_id")?.map(str::to_owned),
    };
    Ok((id, Some(change)))
}

/// A row that knows what to call itself when a column cannot be read.
struct Named<'a> {
    row: &'a Row<'a>,
    table: &'static str,
    /// The column with the number that names the row.
    id: usize,
}

impl Named<'_> {
    fn error(&self, column: &str, reason: &str) -> Failure {
        let id = self.row.get_ref(self.id).ok().and_then(|value| value.as_i64().ok());
        let row = format!("row {} of {}", id.map_or("?".into(), |id| id.to_string()), self.table);
        Error::Undecodable { row, reason: format!("column {column}: {reason}") }.into()
    }

    fn text(&self, index: usize, column: &str) -> Read<&str> {
        self.text_opt(index, column)?.ok_or_else(|| self.error(column, "it is NULL"))
    }

    fn text_opt(&self, index: usize, column: &str) -> Read<Option<&str>> {
        match self.row.get_ref(index)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(self.error(column, "it is not UTF-8")),
            },
            other => Err(self.error(column, &format!("it is {} where text belongs", other.data_type()))),
        }
    }

    fn integer(&self, index: usize, column: &str) -> Read<i64> {
        match self.row.get_ref(index)? {
            ValueRef::Integer(number) => Ok(number),
            other => {
                Err(self.error(column, &format!("it is {} where an integer belongs", other.data_type())))
            }
        }
    }

    fn count(&self, index: usize, column: &str) -> Read<u64> {
        let number = self.integer(index, column)?;
        u64::try_from(number).map_err(|_| self.error(column, "it is negative"))
    }

    fn count_opt(&self, index: usize, column: &str) -> Read<Option<u64>> {
        match self.row.get_ref(index)? {
            ValueRef::Null => Ok(None),
            _ => self.count(index, column).map(Some),
        }
    }

    fn time(&self, index: usize, column: &str) -> Read<Time> {
        time::from_text(self.text(index, column)?).map_err(|e| self.error(column, &e.to_string()))
    }

    fn calls(&self, index: usize, column: &str) -> Read<Vec<String>> {
        let Some(text) = self.text_opt(index, column)? else { return Ok(Vec::new()) };
        Json::from_stored(text).read().map_err(|e| self.error(column, &e.to_string()))
    }
}
