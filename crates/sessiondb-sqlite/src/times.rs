//! Windows by time: the latest messages of an interval.
//!
//! Messages nearly always come in the order of their times. One that comes late is marked (`messages.later_seq`) with the number
//! of the one before it that has the latest time, and is found by an index that has none but such. Among the others the
//! numbers are in the order of time, so the place of a time is found by halving the numbers, and what comes before it is read
//! from there. Where late messages stand between, their marks lead past them.

use rusqlite::{Connection, params};
use sessiondb_core::{Message, MessagePage, Session, Time, Window, time};

use crate::{
    error::Failure,
    query::{self, all, first},
    row::{self, MESSAGE_COLUMNS},
    window::{Stretch, stretches},
};

type Read<T> = Result<T, Failure>;

/// A span with fewer messages is read whole and sorted by time.
const SHORT_SPAN: i64 = 2_000;

/// What is looked for: messages after one time and before another, and before a place among them.
struct Interval {
    /// As texts, which are in the order of the times; all times of the store lie between `""` and `"~"`.
    after: String,
    before: String,
    /// The page before this one began here.
    cursor: Option<(String, i64)>,
}

impl Interval {
    fn of(after: Option<Time>, before: Option<Time>, cursor: Option<(Time, u64)>) -> Interval {
        let cursor = cursor
            .map(|(time, seq)| (time::to_text(time::truncate(time)), i64::try_from(seq).unwrap_or(i64::MAX)));
        Interval {
            after: after.map_or_else(String::new, time::to_text),
            before: before.and_then(query::before).map_or_else(|| "~".to_owned(), time::to_text),
            cursor,
        }
    }

    /// Whether a message of this time and number comes before the end of the page.
    fn precedes(&self, at: &str, seq: i64) -> bool {
        at < &*self.before && !self.follows(at, seq)
    }

    /// Whether a message comes after the page, in the page before it.
    fn follows(&self, at: &str, seq: i64) -> bool {
        self.cursor.as_ref().is_some_and(|(time, of)| (at, seq) >= (time, *of))
    }

    /// The cursor, or what everything comes before.
    fn end(&self) -> (&str, i64) {
        self.cursor.as_ref().map_or(("~", i64::MAX), |(time, seq)| (time, *seq))
    }
}

/// A message, as far as its place in time goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: String,
    seq: i64,
    id: i64,
    /// Of a late message: the number of the one before it that has the latest time.
    later: Option<i64>,
}

const PLACE_COLUMNS: &str = "created_at, seq, id, later_seq";

fn place(row: &rusqlite::Row<'_>) -> Read<Place> {
    Ok(Place { at: row.get(0)?, seq: row.get(1)?, id: row.get(2)?, later: row.get(3)? })
}

/// The latest messages of an interval, in the order of the view. Their places are read first, from each span as many as may be
/// wanted, and then the messages whose times are the latest of all.
pub(crate) fn window(conn: &Connection, session: &Session, window: Window) -> Read<MessagePage> {
    let Window::Times { after, before, cursor, limit } = window else {
        return Ok(MessagePage::new(Vec::new(), false, false, false));
    };
    let interval = Interval::of(after, before, cursor);
    let spans = stretches(&session.view.closed(session.head));
    let mut found: Vec<(Place, usize)> = Vec::new();
    let mut has_later = false;
    for (number, span) in spans.iter().enumerate() {
        let (places, follow) = match span.last.saturating_sub(span.first) < SHORT_SPAN {
            true => short(conn, span, &interval, limit + 1)?,
            false => long(conn, span, &interval, limit + 1)?,
        };
        found.extend(places.into_iter().map(|place| (place, number)));
        has_later |= follow;
    }
    found.sort_unstable_by(|(a, _), (b, _)| (&b.at, b.seq).cmp(&(&a.at, a.seq)));
    let has_earlier = found.len() > limit;
    found.truncate(limit);
    found.sort_unstable_by_key(|(place, span)| (*span, place.seq));
    let mut statement =
        conn.prepare_cached(&format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?1"))?;
    let mut messages: Vec<Message> = Vec::with_capacity(found.len());
    for (place, _) in found {
        messages.extend(first(&mut statement, [place.id], row::message)?);
    }
    Ok(MessagePage::new(messages, has_earlier, has_later, false))
}

/// The latest of a stretch, and whether others follow the page: all of it is read and sorted.
fn short(conn: &Connection, span: &Stretch, interval: &Interval, limit: usize) -> Read<(Vec<Place>, bool)> {
    let places = found(conn, &short_sql(), span, interval, limit)?;
    Ok((places, interval.cursor.is_some() && any(conn, &short_follow_sql(), span, interval)?))
}

pub(crate) fn short_sql() -> String {
    format!(
        "SELECT {PLACE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 AND {} ORDER BY +created_at DESC, id DESC LIMIT ?8",
        inside("+created_at", "+seq")
    )
}

pub(crate) fn short_follow_sql() -> String {
    format!(
        "SELECT 1 FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 AND {} LIMIT 1",
        following("+created_at", "+seq")
    )
}

/// The latest of a stretch, and whether others follow the page: those that came in order, and the late ones.
fn long(conn: &Connection, span: &Stretch, interval: &Interval, limit: usize) -> Read<(Vec<Place>, bool)> {
    let end = last_in_order(conn, span, |place| interval.precedes(&place.at, place.seq))?;
    let mut places = down(conn, span, end, interval, limit)?;
    places.append(&mut found(conn, &late_sql(), span, interval, limit)?);
    if interval.cursor.is_none() {
        return Ok((places, false));
    }
    let newest = last_in_order(conn, span, |place| place.at < interval.before)?;
    let follow = newest
        .is_some_and(|place| place.at > interval.after && interval.follows(&place.at, place.seq))
        || any(conn, &late_follow_sql(), span, interval)?;
    Ok((places, follow))
}

/// Of the messages of a stretch that came in order, the last one that this holds for; it holds for all before one that
/// it holds for.
fn last_in_order(conn: &Connection, span: &Stretch, holds: impl Fn(&Place) -> bool) -> Read<Option<Place>> {
    let (mut found, mut from, mut to) = (None, span.first, span.last);
    // The commonest case: everything is before the end.
    let mut at = span.last;
    while from <= to {
        match in_order(conn, span, at)? {
            None => from = at + 1,
            Some(place) if holds(&place) => {
                from = at + 1;
                found = Some(place);
            }
            Some(place) => to = place.seq - 1,
        }
        at = from + (to - from) / 2;
    }
    Ok(found)
}

/// The last message of a stretch up to this number that came in order.
fn in_order(conn: &Connection, span: &Stretch, mut seq: i64) -> Read<Option<Place>> {
    let mut statement = conn.prepare_cached(&place_sql())?;
    loop {
        match first(&mut statement, params![span.log, span.first, seq], place)? {
            Some(Place { later: Some(later), seq: late, .. }) => seq = later.min(late - 1),
            found => return Ok(found),
        }
    }
}

pub(crate) fn place_sql() -> String {
    format!(
        "SELECT {PLACE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT 1"
    )
}

/// The messages of a stretch that came in order, from this one down to the beginning of the interval.
fn down(
    conn: &Connection,
    span: &Stretch,
    from: Option<Place>,
    interval: &Interval,
    limit: usize,
) -> Read<Vec<Place>> {
    let mut statement = conn.prepare_cached(&down_sql())?;
    let mut found = Vec::new();
    let mut next = from.map(|place| place.seq);
    while let Some(seq) = next.take().filter(|_| found.len() < limit) {
        let missing = (limit - found.len()) as i64;
        let mut rows = statement.query(params![span.log, span.first, seq, missing])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let place = place(row)?;
            read += 1;
            if let Some(later) = place.later {
                next = Some(later.min(place.seq - 1));
                break;
            }
            if place.at <= interval.after {
                return Ok(found);
            }
            next = (read == missing).then(|| place.seq - 1);
            found.push(place);
        }
    }
    Ok(found)
}

pub(crate) fn down_sql() -> String {
    format!(
        "SELECT {PLACE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4"
    )
}

/// Late messages of a stretch. Row ids grow with `seq` within a log, so among equal times their order is that of `seq`.
pub(crate) fn late_sql() -> String {
    format!(
        "SELECT {PLACE_COLUMNS} FROM messages \
         WHERE session_id = ?1 AND later_seq IS NOT NULL AND +seq BETWEEN ?2 AND ?3 AND {} \
         ORDER BY created_at DESC, id DESC LIMIT ?8",
        inside("created_at", "+seq")
    )
}

pub(crate) fn late_follow_sql() -> String {
    format!(
        "SELECT 1 FROM messages \
         WHERE session_id = ?1 AND later_seq IS NOT NULL AND +seq BETWEEN ?2 AND ?3 AND {} LIMIT 1",
        following("created_at", "+seq")
    )
}

/// In the interval and before the cursor.
fn inside(time: &str, seq: &str) -> String {
    format!("{time} > ?4 AND {time} < ?5 AND {time} <= ?6 AND NOT (+created_at = ?6 AND {seq} >= ?7)")
}

/// In the interval and not before the cursor.
fn following(time: &str, seq: &str) -> String {
    format!("{time} > ?4 AND {time} < ?5 AND {time} >= ?6 AND (+created_at > ?6 OR {seq} >= ?7)")
}

/// What one of these statements finds in a stretch and an interval.
fn found(
    conn: &Connection,
    sql: &str,
    span: &Stretch,
    interval: &Interval,
    limit: usize,
) -> Read<Vec<Place>> {
    let (Interval { after, before, .. }, (time, seq)) = (interval, interval.end());
    let params = params![span.log, span.first, span.last, after, before, time, seq, limit as i64];
    all(&mut conn.prepare_cached(sql)?, params, place)
}

/// Whether it finds anything.
fn any(conn: &Connection, sql: &str, span: &Stretch, interval: &Interval) -> Read<bool> {
    let (Interval { after, before, .. }, (time, seq)) = (interval, interval.end());
    let params = params![span.log, span.first, span.last, after, before, time, seq];
    Ok(conn.prepare_cached(sql)?.exists(params)?)
}
