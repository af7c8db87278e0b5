//! The feed as it is read: the rows of `commits`, each with the key of its session.

use rusqlite::{Connection, params};
use sessiondb_core::{ChangePage, Error, KEPT};

use crate::{error::Failure, query, row};

/// What was committed after this place; without a place, where the feed ends.
pub(crate) fn changes(conn: &Connection, after: Option<u64>, limit: usize) -> Result<ChangePage, Failure> {
    let Some(after) = after else {
        return Ok(ChangePage { last: end(conn)?, ..ChangePage::default() });
    };
    let mut statement = conn.prepare_cached(&changes_sql())?;
    let place = i64::try_from(after).unwrap_or(i64::MAX);
    // One more than asked for tells whether there is more.
    let mut rows = query::all(&mut statement, params![place, limit as i64 + 1], row::change)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map_or(after, |(id, _)| *id);
    let end = if rows.is_empty() { end(conn)? } else { last };
    if end < after {
        return Err(Error::behind_the_feed(after, end).into());
    }
    Ok(ChangePage { changes: rows.into_iter().filter_map(|(_, change)| change).collect(), last, more })
}

fn end(conn: &Connection) -> Result<u64, Failure> {
    let last: i64 =
        conn.prepare_cached("SELECT coalesce(max(id), 0) FROM commits")?.query_row([], |row| row.get(0))?;
    Ok(last.cast_unsigned())
}

/// A session that is gone, or kept for its forks under an address of the store's own, has its key in the line with which it
/// was opened or deleted.
pub(crate) fn changes_sql() -> String {
    format!(
        "SELECT c.id, c.session_id, c.revision, c.at, c.what, c.seqs, c.commit_id, \
                coalesce(c.key, CASE WHEN s.id IS NULL OR s.agent_id = '{KEPT}' THEN \
                    (SELECT o.key FROM commits o WHERE o.session_id = c.session_id AND o.key IS NOT NULL LIMIT 1) END), \
                s.agent_id, s.channel, s.account_id, s.peer_kind, s.peer_id \
         FROM commits c LEFT JOIN sessions s ON s.id = c.session_id \
         WHERE c.id > ?1 ORDER BY c.id LIMIT ?2"
    )
}
