//! Searching: what is not in the index yet is looked at, and then what the index names. The newest row comes first.
//!
//! The index is only where to look. Each message that it names is read and looked at as any other, so what is found is what a
//! look at all messages would find, and neither a row that was deleted since nor one of another agent can come out of it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sessiondb_core::{Hit, HitPage, Json, Message, Scope, Search, Session, search::Words};

use crate::{
    error::Failure,
    index::{self, agent_word, log_word},
    parts, query,
    row::{self, MESSAGE_COLUMNS, SESSION_COLUMNS},
};

type Read<T> = Result<T, Failure>;

/// Messages that one page looks at, and about how many bytes of them.
const LOOKED_AT_MAX: usize = 4_000;
const LOOKED_AT_BYTES: usize = 16 << 20;
/// Letters that the beginning of a word must have to be asked of the index.
const BEGINNING_MIN: usize = 3;
/// Other logs that a search in one agent's sessions names to the index; if they are more, it asks for all places.
const LOGS_MAX: usize = 1_000;

/// A page of what is found.
pub(crate) fn search(conn: &Connection, search: &Search) -> Read<HitPage> {
    let before = search.cursor.map_or(i64::MAX, |cursor| i64::try_from(cursor).unwrap_or(i64::MAX));
    let indexed = index::indexed(conn)?;
    let mut look = Look {
        conn,
        search,
        words: Words::default(),
        readers: HashMap::new(),
        page: Vec::new(),
        seen: 0,
        bytes: 0,
        stopped_at: None,
    };
    let question = question(conn, search)?;
    // What the index is not asked about is looked at, all of it.
    let looked_at = if question.is_some() { indexed } else { 0 };
    if before > looked_at + 1 {
        let mut statement = conn.prepare_cached(&newest_sql())?;
        let mut rows = statement.query(params![looked_at, before])?;
        while let Some(row) = rows.next()? {
            if look.at(row)? {
                return Ok(look.page());
            }
        }
    }
    let Some(question) = question else { return Ok(look.page()) };
    let mut named = conn.prepare_cached(named_sql())?;
    let mut one = conn.prepare_cached(&one_sql())?;
    let mut rows = named.query(params![question, before])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let mut message = one.query([id])?;
        // What was deleted leaves the index later.
        let Some(row) = message.next()? else { continue };
        if look.at(row)? {
            return Ok(look.page());
        }
    }
    Ok(look.page())
}

/// What is not in the index.
pub(crate) fn newest_sql() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE id > ?1 AND id < ?2 ORDER BY id DESC")
}

/// What the index names.
pub(crate) fn named_sql() -> &'static str {
    "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC"
}

/// A message by its row.
pub(crate) fn one_sql() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?1")
}

/// A page half way.
struct Look<'a> {
    conn: &'a Connection,
    search: &'a Search,
    words: Words,
    /// Who reads which log, of those that were met.
    readers: HashMap<i64, Vec<Reader>>,
    /// What was found, with its row.
    page: Vec<(i64, Hit)>,
    /// Messages that were looked at, and the bytes in them.
    seen: usize,
    bytes: usize,
    /// Where it stopped, having looked at enough.
    stopped_at: Option<i64>,
}

/// A session within the scope that has a stretch of a log.
struct Reader {
    session: Session,
    first: u64,
    last: u64,
}

impl Look<'_> {
    /// Looks at a message. Answers whether the page ends with it.
    fn at(&mut self, row: &Row<'_>) -> Read<bool> {
        let log: i64 = row.get("session_id")?;
        let seq: u64 = row.get::<_, i64>("seq")?.cast_unsigned();
        self.seen += 1;
        let in_scope = self.reader(log, seq)?.is_some();
        if in_scope {
            let message = row::message(row)?;
            self.bytes += message.content.get().len()
                + message.tool_calls.as_ref().map_or(0, |calls| calls.get().len());
            if let Some(hit) = self.find(log, &message)? {
                self.page.push((message.id, hit));
            }
        }
        // One more than asked for tells that there is more.
        if self.page.len() > self.search.limit {
            return Ok(true);
        }
        let ends = self.seen >= LOOKED_AT_MAX || self.bytes >= LOOKED_AT_BYTES;
        if ends {
            self.stopped_at = Some(row.get(0)?);
        }
        Ok(ends)
    }

    fn find(&mut self, log: i64, message: &Message) -> Read<Option<Hit>> {
        let Some(snippet) = self.search.find(message, &mut self.words) else { return Ok(None) };
        let Some(reader) = self.reader(log, message.seq)? else { return Ok(None) };
        Ok(Some(Hit {
            key: reader.session.key.clone(),
            seq: message.seq,
            role: message.role.clone(),
            created_at: message.created_at,
            shown: reader.session.view.contains(message.seq),
            snippet,
        }))
    }

    /// The session under which a message is found: its own, or else the oldest fork that inherited it.
    fn reader(&mut self, log: i64, seq: u64) -> Read<Option<&Reader>> {
        if !self.readers.contains_key(&log) {
            let readers = readers(self.conn, log, &self.search.scope)?;
            self.readers.insert(log, readers);
        }
        let readers = self.readers.get(&log).map_or(&[][..], Vec::as_slice);
        Ok(readers.iter().find(|reader| (reader.first..=reader.last).contains(&seq)))
    }

    fn page(mut self) -> HitPage {
        let more = self.page.len() > self.search.limit;
        self.page.truncate(self.search.limit);
        let next = match more {
            true => self.page.last().map(|(id, _)| *id),
            false => self.stopped_at,
        };
        HitPage {
            hits: self.page.into_iter().map(|(_, hit)| hit).collect(),
            next: next.map(i64::cast_unsigned),
        }
    }
}

/// The sessions within the scope that have something of a log: its own first, then its forks in their order.
fn readers(conn: &Connection, log: i64, scope: &Scope) -> Read<Vec<Reader>> {
    // The key first: what is wrong with a session out of scope is nobody's business here.
    let visible = |row: &Row<'_>| -> Read<Option<Session>> {
        let key = row::key(row, 1)?;
        if key.is_reserved() || !scope.contains(&key) {
            return Ok(None);
        }
        // Its metadata may be large, and is not asked for.
        row::session(row).map(|session| Some(Session { metadata: Json::object(), ..session }))
    };
    let mut own = conn.prepare_cached(&own_sql())?;
    if let Some(session) = query::first(&mut own, [log], visible)?.flatten() {
        return Ok(vec![Reader { session, first: 0, last: u64::MAX }]);
    }
    let mut forks = conn.prepare_cached(&forks_sql())?;
    let read = |row: &Row<'_>| {
        let Some(session) = visible(row)? else { return Ok(None) };
        let (first, last): (i64, i64) = (row.get("first_seq")?, row.get("last_seq")?);
        Ok(Some(Reader { session, first: first.cast_unsigned(), last: last.cast_unsigned() }))
    };
    let mut forks: Vec<Reader> = query::all(&mut forks, [log], read)?.into_iter().flatten().collect();
    forks.sort_by_key(|reader| reader.session.log);
    Ok(forks)
}

pub(crate) fn own_sql() -> String {
    format!("SELECT {SESSION_COLUMNS} FROM sessions WHERE id = ?1")
}

pub(crate) fn forks_sql() -> String {
    format!(
        "SELECT {}, a.first_seq, a.last_seq FROM ancestors a CROSS JOIN sessions s ON s.id = a.session_id \
         WHERE a.log_id = ?1",
        parts::qualified(SESSION_COLUMNS, "s")
    )
}

/// What is asked of the index, in FTS5's language: the words, and the places where they may be. Words have nothing in them that
/// means something there. `None` if there is nothing that it could be asked.
fn question(conn: &Connection, search: &Search) -> Read<Option<String>> {
    let terms: Vec<String> = search.q.iter().filter_map(of_term).collect();
    if terms.is_empty() {
        return Ok(None);
    }
    let words = format!("words : ({})", terms.join(" AND "));
    Ok(Some(match places(conn, &search.scope)? {
        Some(places) => format!("place : ({}) AND {words}", places.join(" OR ")),
        None => words,
    }))
}

/// One term. A word of which only a letter or two are known is not asked for: so many words begin so that FTS5 would read much of
/// the index for each page, and a look at the messages finds as many soon.
fn of_term((words, begins): (&[String], bool)) -> Option<String> {
    let (last, before) = words.split_last()?;
    match begins {
        false => Some(format!("\"{}\"", words.join(" "))),
        true if last.chars().count() >= BEGINNING_MIN => Some(format!("\"{}\" *", words.join(" "))),
        true if before.is_empty() => None,
        true => Some(format!("\"{}\"", before.join(" "))),
    }
}

/// The words of the places in a scope; `None` for all. They may be more than the scope has, never fewer.
fn places(conn: &Connection, scope: &Scope) -> Read<Option<Vec<String>>> {
    let Some(agent) = scope.parts().first() else { return Ok(None) };
    let whole_key = scope.parts().len() == 5;
    let mut places = Vec::new();
    let logs = if whole_key {
        let found: Option<i64> = conn
            .prepare_cached(
                "SELECT id FROM sessions \
                 WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
            )?
            .query_row(rusqlite::params_from_iter(scope.parts()), |row| row.get(0))
            .optional()?;
        // Where there is no session there is nothing to find, and a word that no place has says so.
        places.push(log_word(found.unwrap_or(0)));
        logs(
            conn,
            "SELECT DISTINCT log_id FROM ancestors WHERE session_id = ?1 LIMIT ?2",
            found.unwrap_or(0),
        )?
    } else {
        places.push(agent_word(agent));
        logs(conn, inherited_sql(), agent)?
    };
    if logs.len() > LOGS_MAX {
        return Ok(None);
    }
    places.extend(logs.into_iter().map(log_word));
    Ok(Some(places))
}

/// The logs of others, or of deleted sessions, from which an agent's sessions have inherited something.
pub(crate) fn inherited_sql() -> &'static str {
    "SELECT DISTINCT a.log_id FROM sessions s INDEXED BY idx_sessions_inherits \
        CROSS JOIN ancestors a ON a.session_id = s.id CROSS JOIN sessions o ON o.id = a.log_id \
     WHERE s.agent_id = ?1 AND s.log_first > 1 AND o.agent_id <> ?1 LIMIT ?2"
}

fn logs(conn: &Connection, sql: &str, of: impl rusqlite::ToSql) -> Read<Vec<i64>> {
    let mut statement = conn.prepare_cached(sql)?;
    query::all(&mut statement, params![of, LOGS_MAX as i64 + 1], |row| Ok(row.get(0)?))
}
