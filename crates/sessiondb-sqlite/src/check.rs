//! Looking at everything: SQLite's own checks, then every count, number, checksum and text again.

use rusqlite::{Connection, params};
use sessiondb_core::{CheckReport, Error, Json, KEPT, Message, SYSTEM, Session};

use crate::{
    error::Failure,
    query,
    row::{self, DOCUMENT_COLUMNS, LATEST_COLUMNS, Latest, MESSAGE_COLUMNS, SESSION_COLUMNS},
};

/// Sessions, messages or documents looked at in one go.
const PAGE: i64 = 500;

/// What SQLite itself finds wrong with the file. That a part of it cannot be read is a finding too, here and below: a
/// check is for damaged files, and goes on with the rest.
pub(crate) fn file(conn: &Connection, report: &mut CheckReport) {
    if let Err(failure) = pragmas(conn, report) {
        report.found("the file", Error::from(failure));
    }
}

fn pragmas(conn: &Connection, report: &mut CheckReport) -> Result<(), Failure> {
    // FTS5 looks whether another connection has changed the index when a query of it begins, and not for this pragma: it would
    // miss parts that were merged since, and call them damaged.
    conn.query_row("SELECT count(*) FROM search WHERE rowid = 0", [], |_| Ok(()))?;
    let mut statement = conn.prepare("PRAGMA integrity_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            report.found("the file", text);
        }
    }
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, id): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
        report
            .found(format!("row {} of {table}", id.unwrap_or(0)), "belongs to a session that does not exist");
    }
    index(conn, report)
}

/// Whether each message that the index should have is in it, once, and no other.
fn index(conn: &Connection, report: &mut CheckReport) -> Result<(), Failure> {
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    let indexed = "SELECT count(*) FROM search_docsize WHERE id NOT IN (SELECT id FROM search_gone)";
    let stored = format!(
        "SELECT count(*) FROM messages m CROSS JOIN sessions s ON s.id = m.session_id \
         WHERE m.id <= (SELECT indexed FROM search_state) AND s.agent_id <> '{SYSTEM}'"
    );
    let (indexed, stored) = (count(indexed)?, count(&stored)?);
    if indexed != stored {
        report.found(
            "the index of words",
            format!("it has {indexed} messages of the {stored} that it should have"),
        );
    }
    Ok(())
}

/// The next sessions after this row id; answers the last row id looked at, `None` at the end.
pub(crate) fn sessions(conn: &Connection, after: i64, report: &mut CheckReport) -> Option<i64> {
    page(conn, after, report).unwrap_or_else(|failure| {
        report.found(format!("sessions after row {after}"), Error::from(failure));
        None
    })
}

fn page(conn: &Connection, after: i64, report: &mut CheckReport) -> Result<Option<i64>, Failure> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {SESSION_COLUMNS}, {LATEST_COLUMNS} FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![after, PAGE])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        match row::session(row).and_then(|session| Ok((session, row::latest(row)?))) {
            Ok((session, latest)) => {
                // What is kept of deleted sessions for their forks is no session, nor is a scope's state.
                report.sessions += u64::from(!session.key.is_reserved() && !session.key.is_of_scope());
                let counted = (report.messages, report.documents);
                if let Err(failure) = self::session(conn, &session, latest, report) {
                    report.found(&session.key, Error::from(failure));
                }
                // What programs around the store keep for themselves is looked at and not counted.
                if session.key.agent_id == SYSTEM {
                    (report.messages, report.documents) = counted;
                }
            }
            Err(failure) => {
                report.sessions += 1;
                report.found("a session", Error::from(failure));
            }
        }
    }
    Ok(last)
}

fn session(
    conn: &Connection,
    session: &Session,
    latest: Option<Latest>,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    let at = session.key.to_string();
    if ![KEPT, SYSTEM].contains(&session.key.agent_id.as_str())
        && let Err(error) = session.key.validate()
    {
        report.found(&at, error);
    }
    if let Err(error) = Json::parse(session.metadata.get()) {
        report.found(&at, format!("its metadata is {error}"));
    }
    let messages = messages(conn, session, &at, report)?;
    if messages.count != session.log_count {
        report
            .found(&at, format!("its log has {} messages but counts {}", messages.count, session.log_count));
    }
    if messages.last > session.head {
        report.found(&at, format!("message {} stands after {}, its head", messages.last, session.head));
    }
    let named = match (latest, messages.latest) {
        (_, None) => true,
        (None, Some(_)) => false,
        // The one that it names may have been deleted by hand.
        (Some(named), Some(there)) => named == there || (named.seq > there.seq && named.at >= there.at),
    };
    if !named {
        report.found(&at, "it does not name the message that has the latest time");
    }
    ancestry(conn, session, &at, report)?;
    documents(conn, session, &at, report)
}

/// What the session inherited, and what it shows of that and of its own log.
fn ancestry(conn: &Connection, session: &Session, at: &str, report: &mut CheckReport) -> Result<(), Failure> {
    let ancestors = query::ancestors(conn, session.log)?;
    let mut next = 1;
    for ancestor in &ancestors {
        if ancestor.first != next || ancestor.last < ancestor.first {
            report.found(at, format!("what it inherited does not follow on from message {}", next - 1));
        }
        next = ancestor.last + 1;
    }
    // A deleted session that forks read has lost its own ancestors.
    if session.key.agent_id != KEPT && session.log_first != next {
        report.found(at, format!("its log begins with message {}, not with {next}", session.log_first));
    }
    let mut shown = 0;
    for span in session.view.spans() {
        let last = span.last.map_or(i64::MAX, u64::cast_signed);
        let inherited = ancestors.iter().any(|a| {
            a.log == span.log && a.first <= span.first && span.last.is_some_and(|last| last <= a.last)
        });
        if span.log != session.log && !inherited {
            report.found(
                at,
                format!("its view shows messages of log {}, which it did not inherit", span.log.0),
            );
        }
        let count: i64 = conn
            .prepare_cached("SELECT count(*) FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3")?
            .query_row(params![span.log.0, span.first.cast_signed(), last], |row| row.get(0))?;
        shown += count.cast_unsigned();
    }
    if shown != session.message_count {
        report.found(at, format!("its view has {shown} messages but counts {}", session.message_count));
    }
    let spans = session.view.spans();
    let open = spans.last().is_some_and(|span| span.log == session.log && span.last.is_none());
    if !open {
        report.found(at, "its view does not end with what is appended to it");
    }
    let twice = spans.iter().enumerate().any(|(i, span)| {
        let (first, last) = (span.first, span.last.unwrap_or(u64::MAX));
        spans[..i].iter().any(|other| first <= other.last.unwrap_or(u64::MAX) && other.first <= last)
    });
    if twice {
        report.found(at, "its view has a number twice");
    }
    Ok(())
}

struct Messages {
    count: u64,
    last: u64,
    /// The last one that came in the order of time.
    latest: Option<Latest>,
}

fn messages(
    conn: &Connection,
    session: &Session,
    at: &str,
    report: &mut CheckReport,
) -> Result<Messages, Failure> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {MESSAGE_COLUMNS}, checksum, later_seq FROM messages WHERE session_id = ?1 ORDER BY seq"
    ))?;
    let mut rows = statement.query([session.log.0])?;
    let mut found = Messages { count: 0, last: 0, latest: None };
    while let Some(row) = rows.next()? {
        found.count += 1;
        report.messages += 1;
        let message = match row::message(row) {
            Ok(message) => message,
            Err(Failure::Store(error)) => {
                report.found(at, error);
                continue;
            }
            Err(error) => return Err(error),
        };
        found.last = found.last.max(message.seq);
        let checksum: Option<i64> = row.get("checksum")?;
        self::message(&message, checksum, at, report);
        let later: Option<i64> = row.get("later_seq")?;
        if !found.in_time(&message, later.map(i64::cast_unsigned)) {
            report.found(at, format!("message {}: its place in time is not what its mark says", message.seq));
        }
    }
    Ok(found)
}

impl Messages {
    /// Whether the next message is marked as it must be for windows by time: in order, or late and with the number of
    /// the last one before it that came in order, which may have been deleted by hand since.
    fn in_time(&mut self, message: &Message, later: Option<u64>) -> bool {
        match (later, self.latest) {
            (Some(later), latest) => latest.is_none_or(|latest| later >= latest.seq) && later < message.seq,
            (None, latest) => {
                self.latest = Some(Latest { at: message.created_at, seq: message.seq });
                latest.is_none_or(|latest| message.created_at >= latest.at)
            }
        }
    }
}

fn message(message: &Message, checksum: Option<i64>, at: &str, report: &mut CheckReport) {
    // A row inserted by hand has none.
    if checksum.is_some_and(|checksum| checksum != message.checksum()) {
        report.found(
            at,
            format!("message {}: its checksum does not match; it is not what was written", message.seq),
        );
    }
    let texts = [("content", Some(&message.content)), ("tool_calls", message.tool_calls.as_ref())];
    for (column, json) in texts.into_iter().chain([("attributes", message.attributes.as_ref())]) {
        if let Some(Err(error)) = json.map(|json| Json::parse(json.get())) {
            report.found(at, format!("message {}: its {column} is {error}", message.seq));
        }
    }
}

fn documents(
    conn: &Connection,
    session: &Session,
    at: &str,
    report: &mut CheckReport,
) -> Result<(), Failure> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {DOCUMENT_COLUMNS}, checksum FROM documents WHERE session_id = ?1 ORDER BY collection, id"
    ))?;
    let mut rows = statement.query([session.log.0])?;
    while let Some(row) = rows.next()? {
        report.documents += 1;
        let document = match row::document(row) {
            Ok(document) => document,
            Err(Failure::Store(error)) => {
                report.found(at, error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let name = format!("document {}/{}", document.collection, document.id);
        let checksum: Option<i64> = row.get("checksum")?;
        if checksum.is_some_and(|checksum| checksum != document.checksum()) {
            report.found(at, format!("{name}: its checksum does not match; it is not what was written"));
        }
        if let Err(error) = Json::parse(document.body.get()) {
            report.found(at, format!("{name}: its body is {error}"));
        }
        if document.revision > session.revision {
            report.found(
                at,
                format!("{name} is of revision {}, the session of {}", document.revision, session.revision),
            );
        }
    }
    Ok(())
}
