//! Reads: each a prepared statement that touches one range of one index.

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Params, Row, params, params_from_iter, types::Value,
};
use sessiondb_core::{
    Ancestor, Cursor, Document, DocumentFilter, DocumentPage, FAMILY_SCOPE, ForkedFrom, Inherited, Json,
    KEPT, Lineage, LogId, SCOPE, Session, SessionFilter, SessionKey, SessionPage, Time, ViewChange, time,
};

use crate::{
    error::Failure,
    row::{self, DOCUMENT_COLUMNS, LATEST_COLUMNS, Latest, SESSION_COLUMNS, VIEW_CHANGE_COLUMNS},
};

type Read<T> = Result<T, Failure>;

/// The session under this key.
pub(crate) fn session(conn: &Connection, key: &SessionKey) -> Read<Option<Session>> {
    let mut statement = conn.prepare_cached(&session_sql())?;
    first(&mut statement, params_from_iter(key.parts()), row::session)
}

/// The session under this key, and its message that has the latest time: what an append must know.
pub(crate) fn session_and_latest(
    conn: &Connection,
    key: &SessionKey,
) -> Read<Option<(Session, Option<Latest>)>> {
    let mut statement = conn.prepare_cached(&session_sql())?;
    first(&mut statement, params_from_iter(key.parts()), |row| Ok((row::session(row)?, row::latest(row)?)))
}

pub(crate) fn session_sql() -> String {
    format!(
        "SELECT {SESSION_COLUMNS}, {LATEST_COLUMNS} FROM sessions \
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
/// whole key leads to its one session; and an agent's sessions with one peer, or in one account, have an index of the order
/// in which they were opened.
pub(crate) fn session_list_sql(filter: &SessionFilter, range: Range) -> (String, Vec<Value>) {
    let mut params: Vec<Value> = Vec::new();
    // What is the store's own is listed only for who asks for it, and deleted sessions that forks read for nobody.
    let own = filter.agent_id.as_deref().is_some_and(|agent| agent.starts_with('~'));
    let of_scopes = filter.family.as_deref() == Some(FAMILY_SCOPE);
    let mut conditions = match own {
        true => vec![format!("+agent_id <> '{KEPT}'")],
        false if of_scopes => vec![format!("(+agent_id NOT GLOB '~*' OR +agent_id = '{SCOPE}')")],
        false => vec!["+agent_id NOT GLOB '~*'".into()],
    };
    let mut condition = |sql: &str, value: Value| {
        params.push(value);
        conditions.push(sql.replace('?', &format!("?{}", params.len())));
    };
    let whole_key = filter.key_parts().iter().all(|part| part.is_some());
    let [agent, channel, account, _, peer] = filter.key_parts().map(Option::is_some);
    // The index that leads to a part of the agent's sessions in the list's order, and the parts of the key in it.
    let (index, indexed): (_, &[usize]) = match filter.order.by_update() {
        _ if whole_key => ("", &[0, 1, 2, 3, 4]),
        false if agent && peer => ("INDEXED BY idx_sessions_peer_id", &[0, 4]),
        false if agent && channel && account => ("INDEXED BY idx_sessions_channel", &[0, 1, 2]),
        _ => ("", &[0]),
    };
    let columns = ["agent_id = ?", "+channel = ?", "+account_id = ?", "+peer_kind = ?", "+peer_id = ?"];
    for (place, (sql, part)) in columns.into_iter().zip(filter.key_parts()).enumerate() {
        if let Some(part) = part {
            let sql = if indexed.contains(&place) { sql.trim_start_matches('+') } else { sql };
            condition(sql, Value::Text(part.clone()));
        }
    }
    match &filter.family {
        Some(family) => condition("+family = ?", Value::Text(family.clone())),
        None => condition("+family <> ?", Value::Text(FAMILY_SCOPE.into())),
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
    let conditions = conditions.join(" AND ");
    let limit = params.len() + 1;
    let sql = format!(
        "SELECT {SESSION_COLUMNS} FROM sessions {index} WHERE {conditions} ORDER BY {by} {direction}, id {direction} LIMIT ?{limit}"
    );
    (sql, params)
}

/// An end of a range, in the precision of what it is compared with; none if it lies after all that can be kept.
pub(crate) fn before(bound: Time) -> Option<Time> {
    Some(time::round_up(bound)).filter(|bound| time::validate(*bound).is_ok())
}

/// The number of the session under this key.
pub(crate) fn session_id(conn: &Connection, key: &SessionKey) -> Read<Option<LogId>> {
    let mut statement = conn.prepare_cached(
        "SELECT id FROM sessions \
         WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
    )?;
    Ok(statement.query_row(params_from_iter(key.parts()), |row| row.get(0)).optional()?.map(LogId))
}

/// What a session inherited as a fork, in the order of the numbers.
pub(crate) fn ancestors(conn: &Connection, log: LogId) -> Read<Vec<Ancestor>> {
    all(&mut conn.prepare_cached(ANCESTORS_SQL)?, [log.0], row::ancestor)
}

pub(crate) const ANCESTORS_SQL: &str =
    "SELECT session_id, log_id, first_seq, last_seq FROM ancestors WHERE session_id = ?1 ORDER BY first_seq";

/// Where a session's history comes from.
pub(crate) fn lineage(conn: &Connection, log: LogId) -> Read<Lineage> {
    let mut statement = conn.prepare_cached(
        "SELECT s.forked_at, p.id, p.agent_id, p.channel, p.account_id, p.peer_kind, p.peer_id \
         FROM sessions s LEFT JOIN sessions p ON p.id = s.forked_from AND p.agent_id <> ?2 \
         WHERE s.id = ?1 AND s.forked_from IS NOT NULL",
    )?;
    let forked_from = statement.query_row(params![log.0, KEPT], |row| {
        let at: i64 = row.get(0)?;
        let there: Option<i64> = row.get(1)?;
        Ok(ForkedFrom { key: there.map(|_| row::key(row, 2)).transpose()?, at: at.cast_unsigned() })
    });
    let mut statement = conn.prepare_cached(
        "SELECT a.log_id, a.first_seq, a.last_seq, s.agent_id, s.channel, s.account_id, s.peer_kind, s.peer_id \
         FROM ancestors a JOIN sessions s ON s.id = a.log_id WHERE a.session_id = ?1 ORDER BY a.first_seq",
    )?;
    let inherited = statement.query_map([log.0], |row| {
        let (first, last): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
        Ok(Inherited { log: LogId(row.get(0)?), key: Some(row::key(row, 3)?), first, last })
    })?;
    let inherited = inherited.collect::<Result<_, _>>()?;
    let mut statement = conn.prepare_cached("SELECT count(*) FROM ancestors WHERE log_id = ?1")?;
    let readers: i64 = statement.query_row([log.0], |row| row.get(0))?;
    Ok(Lineage { forked_from: forked_from.optional()?, inherited, readers: readers.cast_unsigned() })
}

/// How a session's view changed, the newest change first.
pub(crate) fn view_changes(
    conn: &Connection,
    log: LogId,
    before: Option<u64>,
    limit: usize,
) -> Read<Vec<ViewChange>> {
    let mut statement = conn.prepare_cached(&view_changes_sql())?;
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    all(&mut statement, params![log.0, before, limit as i64], row::view_change)
}

pub(crate) fn view_changes_sql() -> String {
    format!(
        "SELECT {VIEW_CHANGE_COLUMNS} FROM view_changes \
         WHERE session_id = ?1 AND revision < ?2 ORDER BY revision DESC LIMIT ?3"
    )
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
pub(crate) fn first<T>(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Option<T>> {
    statement.query(params)?.next()?.map(read).transpose()
}

/// All rows. The first that cannot be read is the answer.
pub(crate) fn all<T>(
    statement: &mut CachedStatement<'_>,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Read<T>,
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

    use sessiondb_core::SessionOrder;

    use super::*;
    use crate::{Options, connection, ends, feed, parts, search, times, window};

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
        add("newest messages of a span", &window::newest_sql());
        add("oldest messages of a span", &window::oldest_sql());
        add("edits of a log", ends::EDITS);
        add("numbers of the newest messages of a span", ends::NUMBERS);
        add("newest outlines of a span", &window::newest_outlines_sql());
        add("oldest outlines of a span", &window::oldest_outlines_sql());
        add("last message up to a number", &times::place_sql());
        add("messages up to a number", &times::down_sql());
        add("late messages of a log", &times::late_sql());
        add("whether late messages follow", &times::late_follow_sql());
        add("messages of a short span by time", &times::short_sql());
        add("whether messages of a short span follow", &times::short_follow_sql());
        add("message by the writer's id", &window::message_by_id_sql());
        add("ancestors", ANCESTORS_SQL);
        add("who reads a log", "SELECT 1 FROM ancestors WHERE log_id = ?1");
        add("how far a log is read", "SELECT max(last_seq) FROM ancestors WHERE log_id = ?1");
        add("changes of a view", &view_changes_sql());
        add("the feed", &feed::changes_sql());
        add("document", &document_sql());
        add("documents of a collection", &document_list_sql(true));
        add("documents of a session", &document_list_sql(false));
        add("sessions by their keys", &parts::sessions_sql());
        add("documents of a page of sessions", &parts::documents_sql());
        add("messages of a page of sessions", &parts::messages_sql());
        add("messages that are not in the index", &search::newest_sql());
        add("messages that the index names", search::named_sql());
        add("a message by its row", &search::one_sql());
        add("a session by its row", &search::own_sql());
        add("forks that have a log", &search::forks_sql());
        add("logs that an agent inherited from", search::inherited_sql());
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
            let account = SessionFilter { account_id: Some("t".into()), ..channel.clone() };
            let peer = SessionFilter { peer_id: Some("p".into()), ..agent.clone() };
            let updated = SessionFilter { updated_after: Some(time::now()), ..agent.clone() };
            for (name, filter) in [
                ("all", everyone),
                ("agent", agent),
                ("agent and channel", channel),
                ("agent, channel and account", account),
                ("agent and peer", peer),
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
        let sorted = plans.matches("TEMP B-TREE").count();
        assert_eq!(
            sorted, 2,
            "nothing is sorted but a short span by time and the few logs of a search:\n{plans}"
        );
        insta::assert_snapshot!(plans);
    }
}
