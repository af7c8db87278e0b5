//! Reads: each a prepared statement that touches one range of one index.

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Params, Row, params, params_from_iter, types::Value,
};
use sessiondb_core::{
    Cursor, Document, DocumentFilter, DocumentPage, Error, Json, LogId, Message, MessagePage, Session,
    SessionFilter, SessionKey, SessionPage, Span, Time, Window, time,
};

use crate::{
    error::Failure,
    row::{self, DOCUMENT_COLUMNS, MESSAGE_COLUMNS, SESSION_COLUMNS},
};

type Read<T> = Result<T, Failure>;

/// The session under this key.
pub(crate) fn session(conn: &Connection, key: &SessionKey) -> Read<Option<Session>> {
    let mut statement = conn.prepare_cached(&session_sql())?;
    first(&mut statement, params_from_iter(key.parts()), row::session)
}

pub(crate) fn session_sql() -> String {
    format!(
        "SELECT {SESSION_COLUMNS} FROM sessions \
         WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5"
    )
}

/// A page of sessions. After a cursor it is read in two ranges: first the sessions of the cursor's own moment, then
/// those beyond it. In one condition SQLite would walk through all of that moment, and an import can put any number of
/// sessions into one.
pub(crate) fn session_list(conn: &Connection, filter: &SessionFilter) -> Read<SessionPage> {
    let ranges: &[Range] =
        if filter.after.is_some() { &[Range::SameMoment, Range::Beyond] } else { &[Range::All] };
    let mut sessions = Vec::new();
    for range in ranges {
        // One more than asked for tells whether there is more.
        let missing = filter.limit + 1 - sessions.len();
        if missing == 0 {
            break;
        }
        let (sql, mut params) = session_list_sql(filter, *range);
        params.push(Value::Integer(missing as i64));
        let mut statement = conn.prepare_cached(&sql)?;
        sessions.append(&mut all(&mut statement, params_from_iter(params), row::session)?);
    }
    let more = sessions.len() > filter.limit;
    sessions.truncate(filter.limit);
    let next = sessions.last().filter(|_| more).map(|last| Cursor::after(last, filter.order));
    Ok(SessionPage { sessions, next })
}

/// Which part of a list a statement reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Range {
    All,
    /// What has the cursor's time and comes after it.
    SameMoment,
    /// What comes after the cursor's time.
    Beyond,
}

/// The statement of a list, made of fixed pieces; every value is bound, the limit as the last.
///
/// The list is read in its order from the index of that order, and filtered as it is read. A `+` before a column keeps
/// SQLite from choosing that column's index instead, which would sort everything that matches for each page. Only a
/// whole key leads to its one session.
pub(crate) fn session_list_sql(filter: &SessionFilter, range: Range) -> (String, Vec<Value>) {
    let mut params: Vec<Value> = Vec::new();
    let mut conditions: Vec<String> = Vec::new();
    let mut condition = |sql: &str, value: Value| {
        params.push(value);
        conditions.push(sql.replace('?', &format!("?{}", params.len())));
    };
    let whole_key = filter.key_parts().iter().all(|part| part.is_some());
    let columns = ["agent_id = ?", "+channel = ?", "+account_id = ?", "+peer_kind = ?", "+peer_id = ?"];
    for (sql, part) in columns.into_iter().zip(filter.key_parts()) {
        if let Some(part) = part {
            let sql = if whole_key { sql.trim_start_matches('+') } else { sql };
            condition(sql, Value::Text(part.clone()));
        }
    }
    if let Some(family) = &filter.family {
        condition("+family = ?", Value::Text(family.clone()));
    }
    if !filter.statuses.is_empty() {
        let statuses =
            Json::from_value(&filter.statuses).map_or_else(|_| "[]".into(), |json| json.to_string());
        condition("+status IN (SELECT value FROM json_each(?))", Value::Text(statuses));
    }
    let by = if filter.order.by_update() { "updated_at" } else { "created_at" };
    let (direction, beyond) = if filter.order.newest_first() { ("DESC", "<") } else { ("ASC", ">") };
    for (sql, bound) in [
        ("created_at > ?", filter.created_after),
        ("created_at < ?", filter.created_before.and_then(before)),
        ("updated_at > ?", filter.updated_after),
        ("updated_at < ?", filter.updated_before.and_then(before)),
    ] {
        if let Some(bound) = bound {
            // Only the time that the list is ordered by may lead to an index.
            let sql = if sql.starts_with(by) { sql.to_owned() } else { format!("+{sql}") };
            condition(&sql, Value::Text(time::to_text(bound)));
        }
    }
    if let Some(Cursor { time, log, .. }) = &filter.after {
        let time = Value::Text(time::to_text(*time));
        match range {
            Range::All => {}
            Range::SameMoment => {
                condition(&format!("{by} = ?"), time);
                condition(&format!("id {beyond} ?"), Value::Integer(log.0));
            }
            Range::Beyond => condition(&format!("{by} {beyond} ?"), time),
        }
    }
    let places =
        if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    let limit = params.len() + 1;
    let sql = format!(
        "SELECT {SESSION_COLUMNS} FROM sessions {places}ORDER BY {by} {direction}, id {direction} LIMIT ?{limit}"
    );
    (sql, params)
}

/// An end of a range, in the precision of what it is compared with; none if it lies after all that can be kept.
fn before(bound: Time) -> Option<Time> {
    Some(time::round_up(bound)).filter(|bound| time::validate(*bound).is_ok())
}

/// Messages of a stretch, newest first.
pub(crate) fn newest_sql() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4"
    )
}

/// Messages of a stretch, oldest first.
pub(crate) fn oldest_sql() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4"
    )
}

/// A stretch of a log, both ends included, as SQLite's numbers.
#[derive(Clone, Copy)]
struct Stretch {
    log: i64,
    first: i64,
    last: i64,
}

impl From<&Span> for Stretch {
    fn from(span: &Span) -> Stretch {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Stretch { log: span.log.0, first: clamp(span.first), last: span.last.map_or(i64::MAX, clamp) }
    }
}

/// A part of a session's history: one range scan for each span that it touches.
pub(crate) fn message_window(conn: &Connection, session: &Session, window: Window) -> Read<MessagePage> {
    let spans: Vec<Stretch> = session.view.spans().iter().map(Stretch::from).collect();
    match window {
        Window::Last { limit } => {
            let (messages, has_earlier) = newest(conn, &spans, limit)?;
            Ok(MessagePage { messages, has_earlier, has_later: false })
        }
        Window::Before { seq, limit } => {
            let (earlier, later) = split(&spans, session, seq, seq)?;
            let (messages, has_earlier) = newest(conn, &earlier, limit)?;
            Ok(MessagePage { messages, has_earlier, has_later: any(conn, &later)? })
        }
        Window::After { seq, limit } => {
            let (earlier, later) = split(&spans, session, seq, seq.saturating_add(1))?;
            let (messages, has_later) = oldest(conn, &later, limit)?;
            Ok(MessagePage { messages, has_earlier: any(conn, &earlier)?, has_later })
        }
    }
}

/// Cuts a view in two at message `seq`: what comes before number `at` in that message's span, and the rest.
fn split(spans: &[Stretch], session: &Session, seq: u64, at: u64) -> Read<(Vec<Stretch>, Vec<Stretch>)> {
    let (seq, at) = (i64::try_from(seq).unwrap_or(i64::MAX), i64::try_from(at).unwrap_or(i64::MAX));
    if seq == 0 {
        return Ok((Vec::new(), spans.to_vec()));
    }
    let Some(i) = spans.iter().position(|span| (span.first..=span.last).contains(&seq)) else {
        let message = format!("session {}: message {seq} is not in its view", session.key);
        return Err(Error::Invalid(message).into());
    };
    let (mut earlier, mut later) = (spans[..i].to_vec(), spans[i + 1..].to_vec());
    earlier.push(Stretch { last: at - 1, ..spans[i] });
    later.insert(0, Stretch { first: at, ..spans[i] });
    Ok((earlier, later))
}

/// The newest messages of these stretches, in order, and whether there are more before them.
fn newest(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<(Vec<Message>, bool)> {
    let mut statement = conn.prepare_cached(&newest_sql())?;
    let mut messages = gather(&mut statement, spans.iter().rev(), limit + 1)?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    messages.reverse();
    Ok((messages, more))
}

/// The oldest messages of these stretches, in order, and whether there are more after them.
fn oldest(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<(Vec<Message>, bool)> {
    let mut statement = conn.prepare_cached(&oldest_sql())?;
    let mut messages = gather(&mut statement, spans.iter(), limit + 1)?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    Ok((messages, more))
}

fn gather<'a>(
    statement: &mut CachedStatement<'_>,
    spans: impl Iterator<Item = &'a Stretch>,
    limit: usize,
) -> Read<Vec<Message>> {
    let mut messages = Vec::new();
    for span in spans {
        let missing = limit - messages.len();
        if missing == 0 {
            break;
        }
        let params = params![span.log, span.first, span.last, missing as i64];
        messages.append(&mut all(statement, params, row::message)?);
    }
    Ok(messages)
}

/// Whether any message stands in these stretches.
fn any(conn: &Connection, spans: &[Stretch]) -> Read<bool> {
    let mut statement = conn
        .prepare_cached("SELECT 1 FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 LIMIT 1")?;
    for span in spans {
        if statement.exists(params![span.log, span.first, span.last])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The message with this id of the writer's, if it is in the session's view.
pub(crate) fn message_by_id(conn: &Connection, session: &Session, message_id: &str) -> Read<Option<Message>> {
    let mut statement = conn.prepare_cached(&message_by_id_sql())?;
    for span in session.view.spans().iter().rev().map(Stretch::from) {
        let params = params![span.log, message_id, span.first, span.last];
        if let Some(message) = first(&mut statement, params, row::message)? {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// The index is named because SQLite would choose the one on `seq` and walk through the whole session. Row ids grow
/// with `seq` within a log, so their order costs nothing.
pub(crate) fn message_by_id_sql() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM messages INDEXED BY idx_messages_message_id \
         WHERE session_id = ?1 AND message_id = ?2 AND +seq BETWEEN ?3 AND ?4 ORDER BY id DESC LIMIT 1"
    )
}

/// The number of the session under this key.
pub(crate) fn session_id(conn: &Connection, key: &SessionKey) -> Read<Option<LogId>> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM sessions \
         WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
    )?;
    Ok(statement.query_row(params_from_iter(key.parts()), |row| row.get(0)).optional()?.map(LogId))
}

/// One document of a session.
pub(crate) fn document(conn: &Connection, log: LogId, collection: &str, id: &str) -> Read<Option<Document>> {
    let mut statement = conn.prepare_cached(&document_sql())?;
    first(&mut statement, params![log.0, collection, id], row::document)
}

/// A document's revision; 0 if it is absent.
pub(crate) fn document_revision(conn: &Connection, log: LogId, collection: &str, id: &str) -> Read<u64> {
    let mut statement = conn.prepare_cached(
        "SELECT revision FROM documents WHERE session_id = ?1 AND collection = ?2 AND id = ?3",
    )?;
    let revision: Option<i64> =
        statement.query_row(params![log.0, collection, id], |row| row.get(0)).optional()?;
    Ok(revision.map_or(0, i64::cast_unsigned))
}

pub(crate) fn document_sql() -> String {
    format!("SELECT {DOCUMENT_COLUMNS} FROM documents WHERE session_id = ?1 AND collection = ?2 AND id = ?3")
}

/// A page of a session's documents.
pub(crate) fn document_list(conn: &Connection, log: LogId, filter: &DocumentFilter) -> Read<DocumentPage> {
    let (collection, id) = filter.after.as_ref().map_or(("", ""), |(collection, id)| (collection, id));
    let mut statement = conn.prepare_cached(&document_list_sql(filter.collection.is_some()))?;
    let limit = filter.limit as i64 + 1;
    let mut documents = match &filter.collection {
        Some(only) => {
            // Within one collection the place is an id; a place in a collection before or after decides everything.
            let id = match collection.cmp(only) {
                std::cmp::Ordering::Less => "",
                std::cmp::Ordering::Equal => id,
                std::cmp::Ordering::Greater => return Ok(DocumentPage { documents: Vec::new(), next: None }),
            };
            all(&mut statement, params![log.0, only, id, limit], row::document)?
        }
        None => all(&mut statement, params![log.0, collection, id, limit], row::document)?,
    };
    let more = documents.len() > filter.limit;
    documents.truncate(filter.limit);
    let next = documents.last().filter(|_| more).map(|last| (last.collection.clone(), last.id.clone()));
    Ok(DocumentPage { documents, next })
}

/// Ids and collections are never empty, so everything comes after `''`.
pub(crate) fn document_list_sql(one_collection: bool) -> String {
    let place = if one_collection { "collection = ?2 AND id > ?3" } else { "(collection, id) > (?2, ?3)" };
    format!(
        "SELECT {DOCUMENT_COLUMNS} FROM documents WHERE session_id = ?1 AND {place} ORDER BY collection, id LIMIT ?4"
    )
}

/// The first row, if there is one.
fn first<T>(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    read: fn(&Row<'_>) -> Read<T>,
) -> Read<Option<T>> {
    statement.query(params)?.next()?.map(read).transpose()
}

/// All rows. The first that cannot be read is the answer.
pub(crate) fn all<T>(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    read: fn(&Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    let mut rows = statement.query(params)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(read(row)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use sessiondb_core::{SessionOrder, Store};

    use super::*;
    use crate::{Options, SqliteBackend, connection};

    /// How SQLite would run a statement, a line a step.
    fn plan(conn: &Connection, sql: &str) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![Value::Null; statement.parameter_count()];
        let steps = statement.query_map(params_from_iter(unbound), |row| row.get::<_, String>(3)).unwrap();
        steps.map(|step| format!("  {}\n", step.unwrap())).collect()
    }

    /// Each hot statement touches one range of one index, and sorts nothing. A change here is a change of speed.
    #[test]
    fn the_plans_of_the_hot_statements() {
        let dir = tempfile::tempdir().unwrap();
        let (_, _, conn) =
            connection::open(&Options::new(dir.path().join("s.db")), connection::Role::Reader).unwrap();
        let mut plans = String::new();
        let mut add = |name: &str, sql: &str| write!(plans, "{name}\n{}", plan(&conn, sql)).unwrap();
        add("session by key", &session_sql());
        add("newest messages of a span", &newest_sql());
        add("oldest messages of a span", &oldest_sql());
        add("message by the writer's id", &message_by_id_sql());
        add("document", &document_sql());
        add("documents of a collection", &document_list_sql(true));
        add("documents of a session", &document_list_sql(false));
        add("replay", "SELECT digest FROM commits WHERE commit_id = ?1 AND session_id = ?2");
        add("delete a session's messages", "DELETE FROM messages WHERE session_id = ?1");
        for order in SessionOrder::ALL {
            let after = Some(Cursor { order, time: time::now(), log: LogId(1) });
            let everyone = SessionFilter { order, after, ..SessionFilter::default() };
            let statuses = vec!["active".to_owned()];
            let agent = SessionFilter {
                agent_id: Some("a".into()),
                family: Some("chat".into()),
                statuses,
                ..everyone.clone()
            };
            let channel = SessionFilter { channel: Some("c".into()), ..agent.clone() };
            let updated = SessionFilter { updated_after: Some(time::now()), ..agent.clone() };
            for (name, filter) in [
                ("all", everyone),
                ("agent", agent),
                ("agent and channel", channel),
                ("agent and time", updated),
            ] {
                for range in [Range::All, Range::SameMoment, Range::Beyond] {
                    add(
                        &format!("list of {name}, {order:?}, {range:?}"),
                        &session_list_sql(&filter, range).0,
                    );
                }
            }
        }
        assert!(!plans.contains("TEMP B-TREE"), "nothing is sorted:\n{plans}");
        insta::assert_snapshot!(plans);
    }

    /// Views of several spans come with compaction and forks. Reading them is here already, and is tested with views
    /// written by hand.
    #[test]
    fn a_window_crosses_the_spans_of_a_view() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        pollster::block_on(async {
            let store = Store::new(std::sync::Arc::new(SqliteBackend::open(Options::new(&path)).unwrap()));
            let [parent, child] = ["parent", "child"].map(|peer| SessionKey::new("a", "c", "", "dm", peer));
            let said = |texts: std::ops::RangeInclusive<u32>| {
                texts.map(|n| sessiondb_core::NewMessage::new("user", n.to_string())).collect::<Vec<_>>()
            };
            store.append(&parent, said(1..=10)).await.unwrap();
            store.append(&child, said(11..=14)).await.unwrap();
            // The child reads 9 and 10 of the parent, then 3 to 5, then its own from its second message on.
            let conn = crate::open_connection(&path).unwrap();
            conn.execute(
                "UPDATE sessions SET view = '[[1,9,10],[1,3,5],[2,2,null]]', message_count = 8 WHERE id = 2",
                [],
            )
            .unwrap();
            // Numbers within a view occur once: the child's own go on where the parent's end.
            conn.execute("UPDATE messages SET seq = seq + 10, checksum = NULL WHERE session_id = 2", [])
                .unwrap();
            conn.execute_batch(
                "UPDATE sessions SET view = '[[1,9,10],[1,3,5],[2,12,null]]', next_seq = 15 WHERE id = 2",
            )
            .unwrap();
            let read = async |window| {
                let page = store.message_window(&child, window).await.unwrap();
                let seqs: Vec<u64> = page.messages.iter().map(|message| message.seq).collect();
                (seqs, page.has_earlier, page.has_later)
            };
            assert_eq!(read(Window::last(100)).await, (vec![9, 10, 3, 4, 5, 12, 13, 14], false, false));
            assert_eq!(read(Window::last(4)).await, (vec![5, 12, 13, 14], true, false));
            assert_eq!(read(Window::before(12, 2)).await, (vec![4, 5], true, true));
            assert_eq!(read(Window::before(3, 9)).await, (vec![9, 10], false, true));
            assert_eq!(read(Window::before(9, 9)).await, (vec![], false, true));
            assert_eq!(read(Window::after(10, 4)).await, (vec![3, 4, 5, 12], true, true));
            assert_eq!(read(Window::after(14, 4)).await, (vec![], true, false));
            assert_eq!(read(Window::after(0, 3)).await, (vec![9, 10, 3], false, true));
            assert!(store.message_window(&child, Window::after(7, 1)).await.is_err(), "7 is not in the view");
            assert!(store.check().await.unwrap().is_clean());
        });
    }
}
