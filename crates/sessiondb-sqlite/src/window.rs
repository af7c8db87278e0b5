//! Windows: one range scan for each span of the view that they touch.

use rusqlite::{CachedStatement, Connection, params};
use sessiondb_core::{
    Conflict, Error, Message, MessagePage, Session, Span, View, Window,
    calls::{self, Outline},
    limits::{CALL_REACH, PAGE_MAX},
};

use crate::{
    ends::Ends,
    error::Failure,
    query::{self, all},
    row::{self, MESSAGE_COLUMNS, OUTLINE_COLUMNS},
    times,
};

type Read<T> = Result<T, Failure>;

/// How far around a window is looked, step by step, for the other halves of the calls in it. A call's result mostly
/// follows at once, and only where it does not is more read; the last step is all that can matter.
const REACHES: [usize; 4] = [0, 16, CALL_REACH, 2 * CALL_REACH];

/// Outlines that are read at once to find how many messages weigh so much.
const OUTLINES: usize = 64;

/// Messages of a stretch, newest first.
pub(crate) fn newest_sql() -> String {
    format!("{} ORDER BY seq DESC LIMIT ?4", stretch_sql(MESSAGE_COLUMNS))
}

/// Messages of a stretch, oldest first.
pub(crate) fn oldest_sql() -> String {
    format!("{} ORDER BY seq LIMIT ?4", stretch_sql(MESSAGE_COLUMNS))
}

/// Outlines of a stretch, newest first.
pub(crate) fn newest_outlines_sql() -> String {
    format!("{} ORDER BY seq DESC LIMIT ?4", stretch_sql(OUTLINE_COLUMNS))
}

/// Outlines of a stretch, oldest first.
pub(crate) fn oldest_outlines_sql() -> String {
    format!("{} ORDER BY seq LIMIT ?4", stretch_sql(OUTLINE_COLUMNS))
}

fn stretch_sql(columns: &str) -> String {
    format!("SELECT {columns} FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3")
}

/// A stretch of a log, both ends included, as SQLite's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub log: i64,
    pub first: i64,
    pub last: i64,
}

impl From<&Span> for Stretch {
    fn from(span: &Span) -> Stretch {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Stretch { log: span.log.0, first: clamp(span.first), last: span.last.map_or(i64::MAX, clamp) }
    }
}

/// The stretches of a view.
pub(crate) fn stretches(view: &View) -> Vec<Stretch> {
    view.spans().iter().map(Stretch::from).collect()
}

/// A part of a session's history.
pub(crate) fn message_window(
    conn: &Connection,
    ends: &Ends,
    session: &Session,
    window: Window,
) -> Read<MessagePage> {
    let not_in_view = |seq| {
        let key = Box::new(session.key.clone());
        Failure::from(Error::Conflict { key, conflict: Conflict::NotInView { seq } })
    };
    let before = |seq| session.view.split_before(seq).ok_or_else(|| not_in_view(seq));
    let after = |seq| session.view.split_after(seq).ok_or_else(|| not_in_view(seq));
    match window {
        Window::Last { limit } => {
            let (messages, has_earlier, exceeds) = ending(conn, ends, &stretches(&session.view), limit)?;
            Ok(MessagePage::new(messages, has_earlier, false, exceeds))
        }
        Window::Before { seq, limit } => {
            let (earlier, later) = before(seq)?;
            let (messages, has_earlier, exceeds) = ending(conn, ends, &stretches(&earlier), limit)?;
            Ok(MessagePage::new(messages, has_earlier, any(conn, &stretches(&later))?, exceeds))
        }
        Window::After { seq, limit } => {
            let (earlier, later) = after(seq)?;
            let (messages, has_later, exceeds) = beginning(conn, &stretches(&later), limit)?;
            Ok(MessagePage::new(messages, any(conn, &stretches(&earlier))?, has_later, exceeds))
        }
        Window::Range { first, last } => {
            let ((earlier, from), (_, later)) = (before(first)?, after(last)?);
            let inside = from.split_after(last).map(|(inside, _)| inside);
            let Some(inside) = inside else {
                let message = format!(
                    "session {}: message {last} does not come after message {first} in its view",
                    session.key
                );
                return Err(Error::Invalid(message).into());
            };
            let (messages, more, exceeds) = beginning(conn, &stretches(&inside), PAGE_MAX)?;
            let has_later = more || any(conn, &stretches(&later))?;
            Ok(MessagePage::new(messages, any(conn, &stretches(&earlier))?, has_later, exceeds))
        }
        Window::Tokens { max } => {
            let spans = stretches(&session.view);
            let limit = fitting(conn, &spans, max)?;
            let (messages, has_earlier, exceeds) = ending(conn, ends, &spans, limit)?;
            Ok(MessagePage::new(messages, has_earlier, false, exceeds))
        }
        Window::Times { .. } => times::window(conn, session, window),
        Window::Log { seq, limit } => {
            let own = Stretch { log: session.log.0, first: session.log_first.cast_signed(), last: i64::MAX };
            let ancestors = query::ancestors(conn, session.log)?;
            let inherited = ancestors.iter().map(|ancestor| Stretch {
                log: ancestor.log.0,
                first: ancestor.first.cast_signed(),
                last: ancestor.last.cast_signed(),
            });
            let log: Vec<Stretch> = inherited.chain([own]).collect();
            let seq = seq.cast_signed();
            let beyond = |s: &Stretch| Stretch { first: s.first.max(seq.saturating_add(1)), ..*s };
            let until = |s: &Stretch| Stretch { last: s.last.min(seq), ..*s };
            let (messages, has_later) = oldest(conn, &log.iter().map(beyond).collect::<Vec<_>>(), limit)?;
            let has_earlier = any(conn, &log.iter().map(until).collect::<Vec<_>>())?;
            Ok(MessagePage::new(messages, has_earlier, has_later, false))
        }
    }
}

/// The newest messages of these stretches, about as many as `limit`, beginning where no call is cut from its result;
/// whether there are more before them; and whether they are more than `limit`.
fn ending(
    conn: &Connection,
    ends: &Ends,
    spans: &[Stretch],
    limit: usize,
) -> Read<(Vec<Message>, bool, bool)> {
    let (mut messages, more) = newest(conn, ends, spans, limit)?;
    if !more {
        return Ok((messages, false, false));
    }
    let window: Vec<Outline> = messages.iter().map(Outline::from).collect();
    let mut place = (0, 0);
    for reach in REACHES {
        let mut run = if reach == 0 { Vec::new() } else { newest_outlines(conn, spans, limit + reach)? };
        run.truncate(run.len().saturating_sub(window.len()));
        let wanted = run.len();
        run.extend(window.iter().cloned());
        let begin = calls::begin(&run, wanted);
        place = (wanted, begin);
        let certain = !run.is_empty() && !calls::lacks_a_call(&run, begin);
        if certain || wanted < reach {
            break;
        }
    }
    let (wanted, begin) = place;
    if begin >= wanted {
        messages.drain(..begin - wanted);
        return Ok((messages, true, false));
    }
    let (messages, more) = newest(conn, ends, spans, limit + wanted - begin)?;
    Ok((messages, more, true))
}

/// The oldest messages of these stretches, about as many as `limit`, ending where no call is cut from its result; whether
/// there are more after them; and whether they are more than `limit`.
fn beginning(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<(Vec<Message>, bool, bool)> {
    let (mut messages, more) = oldest(conn, spans, limit)?;
    if !more {
        return Ok((messages, false, false));
    }
    let window: Vec<Outline> = messages.iter().map(Outline::from).collect();
    let mut place = limit;
    for reach in REACHES {
        let run = if reach == 0 { window.clone() } else { oldest_outlines(conn, spans, limit + reach)? };
        place = calls::end(&run, limit);
        if !calls::lacks_a_result(&run, place) || run.len() < limit + reach {
            break;
        }
    }
    if place <= limit {
        messages.truncate(place);
        return Ok((messages, true, false));
    }
    let (messages, more) = oldest(conn, spans, place)?;
    Ok((messages, more, true))
}

/// How many of the newest messages weigh at most so many tokens together.
fn fitting(conn: &Connection, spans: &[Stretch], max: u64) -> Read<usize> {
    let mut read = OUTLINES;
    loop {
        let outlines = newest_outlines(conn, spans, read.min(PAGE_MAX))?;
        let mut left = max;
        let fits = |outline: &&Outline| match left.checked_sub(outline.weight) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let fitting = outlines.iter().rev().take_while(fits).count();
        if fitting < outlines.len() || outlines.len() < read || read >= PAGE_MAX {
            return Ok(fitting);
        }
        read *= 4;
    }
}

/// The newest messages of these stretches, in order, and whether there are more before them.
fn newest(conn: &Connection, ends: &Ends, spans: &[Stretch], limit: usize) -> Read<(Vec<Message>, bool)> {
    let mut read = ends.read(conn);
    let mut messages = gather(spans.iter().rev(), limit + 1, |span, missing| read.newest(span, missing))?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    messages.reverse();
    Ok((messages, more))
}

/// The oldest messages of these stretches, in order, and whether there are more after them.
fn oldest(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<(Vec<Message>, bool)> {
    let mut statement = conn.prepare_cached(&oldest_sql())?;
    let mut messages = gather(spans.iter(), limit + 1, |span, missing| {
        of_span(&mut statement, span, missing, row::message)
    })?;
    let more = messages.len() > limit;
    messages.truncate(limit);
    Ok((messages, more))
}

/// The outlines of the newest messages of these stretches, in order.
pub(crate) fn newest_outlines(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<Vec<Outline>> {
    let mut statement = conn.prepare_cached(&newest_outlines_sql())?;
    let mut outlines = gather(spans.iter().rev(), limit, |span, missing| {
        of_span(&mut statement, span, missing, row::outline)
    })?;
    outlines.reverse();
    Ok(outlines)
}

/// The outlines of the oldest messages of these stretches, in order.
pub(crate) fn oldest_outlines(conn: &Connection, spans: &[Stretch], limit: usize) -> Read<Vec<Outline>> {
    let mut statement = conn.prepare_cached(&oldest_outlines_sql())?;
    gather(spans.iter(), limit, |span, missing| of_span(&mut statement, span, missing, row::outline))
}

fn gather<'a, T>(
    spans: impl Iterator<Item = &'a Stretch>,
    limit: usize,
    mut read: impl FnMut(&Stretch, usize) -> Read<Vec<T>>,
) -> Read<Vec<T>> {
    let mut found = Vec::new();
    for span in spans {
        let missing = limit - found.len();
        if missing == 0 {
            break;
        }
        found.append(&mut read(span, missing)?);
    }
    Ok(found)
}

fn of_span<T>(
    statement: &mut CachedStatement<'_>,
    span: &Stretch,
    limit: usize,
    read: fn(&rusqlite::Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    all(statement, params![span.log, span.first, span.last, limit as i64], read)
}

/// The newest messages of a stretch, the newest first.
pub(crate) fn newest_of(conn: &Connection, span: &Stretch, limit: usize) -> Read<Vec<Message>> {
    of_span(&mut conn.prepare_cached(&newest_sql())?, span, limit, row::message)
}

/// Whether any message stands in these stretches.
pub(crate) fn any(conn: &Connection, spans: &[Stretch]) -> Read<bool> {
    let mut statement = conn
        .prepare_cached("SELECT 1 FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 LIMIT 1")?;
    for span in spans {
        if statement.exists(params![span.log, span.first, span.last])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The message with this id of the writer's, if it is in the session's view; of several the one that is read last. An id
/// is hardly ever in a log more than once, so all that bear it are looked at.
pub(crate) fn message_by_id(conn: &Connection, session: &Session, message_id: &str) -> Read<Option<Message>> {
    let mut statement = conn.prepare_cached(&message_by_id_sql())?;
    let spans = session.view.spans();
    let mut logs: Vec<i64> = spans.iter().map(|span| span.log.0).collect();
    logs.sort_unstable();
    logs.dedup();
    let mut found: Option<(usize, Message)> = None;
    for log in logs {
        for message in all(&mut statement, params![log, message_id], row::message)? {
            let shows = |span: &Span| {
                span.log.0 == log
                    && span.first <= message.seq
                    && span.last.is_none_or(|last| message.seq <= last)
            };
            let place = spans.iter().position(shows);
            if let Some(place) = place.filter(|place| {
                found.as_ref().is_none_or(|(other, before)| (*other, before.seq) < (*place, message.seq))
            }) {
                found = Some((place, message));
            }
        }
    }
    Ok(found.map(|(_, message)| message))
}

pub(crate) fn message_by_id_sql() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session_id = ?1 AND message_id = ?2")
}
