//! SessionDB's own tables, with all their indexes and the feed, and the rows that its engine writes in them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sessiondb::SessionKey;

use super::{Message, Schema, Session, rows};
use crate::Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum SessionDb {
    /// As the engine has it.
    Whole,
    /// Nothing is written into the feed.
    WithoutFeed,
}

/// The row of a session, and the number of its next message.
fn find(conn: &Connection, key: &SessionKey) -> rusqlite::Result<Option<(i64, i64)>> {
    conn.prepare_cached(
        "SELECT id, next_seq FROM sessions \
         WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
    )?
    .query_row(key.parts(), |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
}

fn existing(conn: &Connection, key: &SessionKey) -> Outcome<(i64, i64)> {
    find(conn, key)?.ok_or_else(|| format!("no session {key}").into())
}

impl SessionDb {
    /// A line of the feed.
    fn feed(
        self,
        conn: &Connection,
        session: i64,
        at: &str,
        what: &str,
        seqs: Option<String>,
        key: Option<String>,
    ) -> rusqlite::Result<()> {
        if self == SessionDb::WithoutFeed {
            return Ok(());
        }
        conn.prepare_cached(
            "INSERT INTO commits (session_id, revision, at, what, seqs, key) VALUES (?1, 0, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![session, at, what, seqs, key])
        .map(drop)
    }
}

impl Schema for SessionDb {
    fn name(&self) -> &'static str {
        match self {
            SessionDb::Whole => "SessionDB's schema",
            SessionDb::WithoutFeed => "SessionDB's schema, without the feed",
        }
    }

    fn session(&self, conn: &Connection, key: &SessionKey) -> Outcome<Option<Session>> {
        let mut statement = conn.prepare_cached(
            "SELECT id, agent_id, channel, account_id, peer_kind, peer_id, status, metadata, message_count, token_usage, \
                    created_at, updated_at, family, log_count, state_revision, next_seq, log_first, view \
             FROM sessions \
             WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
        )?;
        Ok(statement.query_row(key.parts(), session).optional()?)
    }

    fn session_insert(&self, conn: &Connection, key: &SessionKey, at: &str) -> Outcome<i64> {
        let [agent, channel, account, kind, peer] = key.parts();
        let id = conn
            .prepare_cached(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            )?
            .insert(params![agent, channel, account, kind, peer, at])?;
        self.feed(conn, id, at, "open", None, Some(key.to_string()))?;
        Ok(id)
    }

    fn append(&self, conn: &Connection, key: &SessionKey, contents: &[&str], at: &str) -> Outcome<()> {
        let (id, first) = existing(conn, key)?;
        let mut insert = conn.prepare_cached(
            "INSERT INTO messages (session_id, role, content, created_at, seq, checksum) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (content, seq) in contents.iter().zip(first..) {
            // As long as a checksum is; it is not computed.
            insert.execute(params![id, "user", content, at, seq, i64::MAX - seq])?;
        }
        let count = contents.len() as i64;
        conn.prepare_cached(
            "UPDATE sessions SET next_seq = next_seq + ?3, log_count = log_count + ?3, \
                                 message_count = message_count + ?3, updated_at = ?2, latest_at = ?2, \
                                 latest_seq = next_seq + ?3 - 1 \
             WHERE id = ?1",
        )?
        .execute(params![id, at, count])?;
        let seqs = match count {
            1 => first.to_string(),
            _ => format!("{first}-{}", first + count - 1),
        };
        Ok(self.feed(conn, id, at, "append", Some(seqs), None)?)
    }

    fn window(&self, conn: &Connection, key: &SessionKey, limit: usize) -> Outcome<Vec<Message>> {
        let (id, _) = existing(conn, key)?;
        let mut statement = conn.prepare_cached(
            "SELECT id, seq, role, content, tool_calls, created_at, message_id, opens, closes, token_count, attributes \
             FROM messages WHERE session_id = ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let mut messages = rows(&mut statement, params![id, limit as i64], message)?;
        messages.reverse();
        Ok(messages)
    }

    fn list(
        &self,
        conn: &Connection,
        agent: &str,
        after: (&str, i64),
        limit: usize,
    ) -> Outcome<Vec<Session>> {
        let mut statement = conn.prepare_cached(
            "SELECT id, agent_id, channel, account_id, peer_kind, peer_id, status, metadata, message_count, token_usage, \
                    created_at, updated_at, family, log_count, state_revision, next_seq, log_first, view \
             FROM sessions WHERE agent_id = ?1 AND (updated_at, id) < (?2, ?3) \
             ORDER BY updated_at DESC, id DESC LIMIT ?4",
        )?;
        rows(&mut statement, params![agent, after.0, after.1, limit as i64], session)
    }

    fn delete(&self, conn: &Connection, key: &SessionKey, at: &str) -> Outcome<()> {
        let (id, _) = existing(conn, key)?;
        conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id])?;
        Ok(self.feed(conn, id, at, "delete", None, Some(key.to_string()))?)
    }

    fn fork(&self, conn: &Connection, key: &SessionKey, new_key: &SessionKey, at: &str) -> Outcome<()> {
        let (parent, next) = existing(conn, key)?;
        let [agent, channel, account, kind, peer] = new_key.parts();
        let id = conn
            .prepare_cached(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at, \
                                       log_first, forked_from, forked_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?7 - 1)",
            )?
            .insert(params![agent, channel, account, kind, peer, at, next, parent])?;
        conn.prepare_cached(
            "INSERT INTO ancestors (session_id, log_id, first_seq, last_seq) VALUES (?1, ?2, 1, ?3)",
        )?
        .execute(params![id, parent, next - 1])?;
        conn.prepare_cached(
            "UPDATE sessions SET next_seq = ?2, message_count = ?2 - 1, view = ?3 WHERE id = ?1",
        )?
        .execute(params![id, next, format!("[[{parent},1,{}],[{id},{next},null]]", next - 1)])?;
        Ok(self.feed(conn, id, at, "fork", None, Some(new_key.to_string()))?)
    }
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        seq: row.get(1)?,
        role: row.get(2)?,
        content: row.get(3)?,
        tool_calls: row.get(4)?,
        created_at: row.get(5)?,
        message_id: row.get(6)?,
        opens: row.get(7)?,
        closes: row.get(8)?,
        token_count: row.get(9)?,
        attributes: row.get(10)?,
    })
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        key: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?],
        status: row.get(6)?,
        metadata: row.get(7)?,
        message_count: row.get(8)?,
        token_usage: row.get(9)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
        family: row.get(12)?,
        log_count: row.get(13)?,
        state_revision: row.get(14)?,
        next_seq: row.get(15)?,
        log_first: row.get(16)?,
        view: row.get(17)?,
    })
}
