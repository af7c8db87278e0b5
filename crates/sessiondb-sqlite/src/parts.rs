//! Sessions with their documents and messages: three statements a page, however many sessions are in it.

use rusqlite::{Connection, params};
use sessiondb_core::{
    Cursor, Document, Error, Json, Message, Parts, PartsPage, Session, SessionFilter, SessionKey,
    SessionPage, SessionParts, limits::PARTS_MAX, parts::fitting,
};

use crate::{
    error::Failure,
    query,
    row::{self, DOCUMENT_COLUMNS, MESSAGE_COLUMNS, SESSION_COLUMNS},
    window,
};

type Read<T> = Result<T, Failure>;

/// A page of the sessions that match, with these parts.
pub(crate) fn session_list_parts(
    conn: &Connection,
    filter: &SessionFilter,
    wanted: &Parts,
) -> Read<PartsPage> {
    let SessionPage { sessions, mut next } = query::session_list(conn, filter)?;
    let listed = sessions.len();
    let sessions = parts_of(conn, sessions.into_iter().map(Some).collect(), wanted)?;
    let sessions: Vec<SessionParts> = sessions.into_iter().flatten().collect();
    if sessions.len() < listed {
        next = sessions.last().map(|last| Cursor::after(&last.session, filter.order));
    }
    Ok(PartsPage { sessions, next })
}

/// The sessions under the first of these keys, with these parts.
pub(crate) fn session_parts(
    conn: &Connection,
    keys: &[SessionKey],
    wanted: &Parts,
) -> Read<Vec<Option<SessionParts>>> {
    let mut sessions: Vec<Option<Session>> = keys.iter().map(|_| None).collect();
    let parts: Vec<[&str; 5]> = keys.iter().map(SessionKey::parts).collect();
    let mut statement = conn.prepare_cached(&sessions_sql())?;
    let mut rows = statement.query([text(&parts)?])?;
    while let Some(row) = rows.next()? {
        // The place of the key, after the columns of the session.
        *place(&mut sessions, row.get(18)?)? = Some(row::session(row)?);
    }
    parts_of(conn, sessions, wanted)
}

/// One look into the index of keys for each.
pub(crate) fn sessions_sql() -> String {
    let columns = qualified(SESSION_COLUMNS, "s");
    format!(
        "SELECT {columns}, k.key FROM json_each(?1) AS k CROSS JOIN sessions AS s \
         WHERE s.agent_id = json_extract(k.value, '$[0]') AND s.channel = json_extract(k.value, '$[1]') \
           AND s.account_id = json_extract(k.value, '$[2]') AND s.peer_kind = json_extract(k.value, '$[3]') \
           AND s.peer_id = json_extract(k.value, '$[4]')"
    )
}

/// As many of the first of these sessions as fit into a page, with these parts.
fn parts_of(
    conn: &Connection,
    mut sessions: Vec<Option<Session>>,
    wanted: &Parts,
) -> Read<Vec<Option<SessionParts>>> {
    let mut documents = documents(conn, &sessions, &wanted.collections)?;
    let shown = |session: &Option<Session>| session.as_ref().map_or(0, |session| session.message_count);
    let sizes = sessions.iter().zip(&documents).map(|(session, documents)| {
        (documents.len() as u64, if wanted.messages { shown(session) } else { 0 })
    });
    let fitting = fitting(sizes);
    sessions.truncate(fitting);
    documents.truncate(fitting);
    let messages = match wanted.messages {
        true => messages(conn, &sessions)?,
        false => sessions.iter().map(|_| Vec::new()).collect(),
    };
    let parts = sessions.into_iter().zip(documents).zip(messages);
    let parts = parts.map(|((session, mut documents), mut messages)| {
        let (more_documents, more_messages) = (documents.len() > PARTS_MAX, messages.len() > PARTS_MAX);
        documents.truncate(PARTS_MAX);
        messages.truncate(PARTS_MAX);
        session.map(|session| SessionParts { session, documents, more_documents, messages, more_messages })
    });
    Ok(parts.collect())
}

/// The documents of each of these sessions, in these collections. Where there are more than fit into a page, those
/// of the last session that has any are not all there; and of the first session one more than fits is read, to tell.
fn documents(
    conn: &Connection,
    sessions: &[Option<Session>],
    collections: &[String],
) -> Read<Vec<Vec<Document>>> {
    let mut documents: Vec<Vec<Document>> = sessions.iter().map(|_| Vec::new()).collect();
    if collections.is_empty() {
        return Ok(documents);
    }
    let mut collections = collections.to_vec();
    collections.sort_unstable();
    collections.dedup();
    let logs: Vec<Option<i64>> =
        sessions.iter().map(|session| session.as_ref().map(|session| session.log.0)).collect();
    let mut statement = conn.prepare_cached(&documents_sql())?;
    let params = params![text(&logs)?, text(&collections)?, PARTS_MAX as i64 + 1];
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        // The place of the session, after the columns of the document.
        place(&mut documents, row.get(7)?)?.push(row::document(row)?);
    }
    Ok(documents)
}

/// The ranges come one after the other, in the order of the sessions and the collections: `CROSS JOIN` is the order
/// in which SQLite goes through them. Nothing is sorted.
pub(crate) fn documents_sql() -> String {
    let columns = qualified(DOCUMENT_COLUMNS, "d");
    format!(
        "SELECT {columns}, s.key FROM json_each(?1) AS s CROSS JOIN json_each(?2) AS c CROSS JOIN documents AS d \
         WHERE d.session_id = s.value AND d.collection = c.value LIMIT ?3"
    )
}

/// The messages that each of these sessions shows; of a single session with more than fit into a page, one more than fits.
fn messages(conn: &Connection, sessions: &[Option<Session>]) -> Read<Vec<Vec<Message>>> {
    let room = |session: &Option<Session>| {
        let shown = session.as_ref().map_or(0, |session| session.message_count);
        Vec::with_capacity(usize::try_from(shown).unwrap_or(usize::MAX).min(PARTS_MAX + 1))
    };
    let mut messages: Vec<Vec<Message>> = sessions.iter().map(room).collect();
    let spans = sessions.iter().enumerate().flat_map(|(place, session)| {
        let stretches = session.as_ref().map(|session| window::stretches(&session.view));
        stretches.into_iter().flatten().map(move |s| (place, (s.log, s.first, s.last)))
    });
    let (mut of_spans, spans): (Vec<usize>, Vec<(i64, i64, i64)>) = spans.unzip();
    let mut statement = conn.prepare_cached(&messages_sql())?;
    let mut rows = statement.query(params![text(&spans)?, PARTS_MAX as i64 + 1])?;
    while let Some(row) = rows.next()? {
        // The place of the span, after the columns of the message.
        let of = *place(&mut of_spans, row.get(12)?)?;
        place(&mut messages, of as i64)?.push(row::message(row)?);
    }
    // Only a single session may have more than fit. That several do would mean that their counts are wrong.
    if sessions.len() > 1 && messages.iter().map(Vec::len).sum::<usize>() > PARTS_MAX {
        let reason = "sessions have more messages than they count; `sessiondb check` finds which".into();
        return Err(Error::Storage(reason).into());
    }
    Ok(messages)
}

/// One range of one index for each span of the views, in their order.
pub(crate) fn messages_sql() -> String {
    let columns = qualified(MESSAGE_COLUMNS, "m");
    format!(
        "SELECT {columns}, s.key FROM json_each(?1) AS s CROSS JOIN messages AS m \
         WHERE m.session_id = json_extract(s.value, '$[0]') \
           AND m.seq BETWEEN json_extract(s.value, '$[1]') AND json_extract(s.value, '$[2]') LIMIT ?2"
    )
}

/// What `json_each` takes apart again.
fn text(list: &impl serde::Serialize) -> Read<String> {
    Ok(Json::from_value(list)?.to_string())
}

fn place<T>(parts: &mut [T], place: i64) -> Read<&mut T> {
    let part = usize::try_from(place).ok().and_then(|place| parts.get_mut(place));
    part.ok_or_else(|| Error::Storage(format!("SQLite answered for session {place} of a page")).into())
}

/// These columns of the table with this alias.
pub(crate) fn qualified(columns: &str, alias: &str) -> String {
    columns.split(", ").map(|column| format!("{alias}.{}", column.trim())).collect::<Vec<_>>().join(", ")
}
