//! The tables and indexes that seed 001 names, and nothing else.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sessiondb::SessionKey;

use super::{Message, Schema, Session, rows};
use crate::Outcome;

/// Its steps 3 to 5.
pub(in crate::engine) const TABLES: &str = include_str!("seed001.sql");

pub(in crate::engine) struct Seed001;

fn find(conn: &Connection, key: &SessionKey) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT id FROM sessions \
         WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
    )?
    .query_row(key.parts(), |row| row.get(0))
    .optional()
}

fn existing(conn: &Connection, key: &SessionKey) -> Outcome<i64> {
    find(conn, key)?.ok_or_else(|| format!("no session {key}").into())
}

impl Schema for Seed001 {
    fn name(&self) -> &'static str {
        "seed 001's schema"
    }

    fn session(&self, conn: &Connection, key: &SessionKey) -> Outcome<Option<Session>> {
        let mut statement = conn.prepare_cached(
            "SELECT id, agent_id, channel, account_id, peer_kind, peer_id, status, metadata, message_count, token_usage, \
                    created_at, updated_at \
             FROM sessions \
             WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
        )?;
        Ok(statement.query_row(key.parts(), session).optional()?)
    }

    fn session_insert(&self, conn: &Connection, key: &SessionKey, at: &str) -> Outcome<i64> {
        let [agent, channel, account, kind, peer] = key.parts();
        Ok(conn
            .prepare_cached(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            )?
            .insert(params![agent, channel, account, kind, peer, at])?)
    }

    fn append(&self, conn: &Connection, key: &SessionKey, contents: &[&str], at: &str) -> Outcome<()> {
        let id = existing(conn, key)?;
        let mut insert = conn.prepare_cached(
            "INSERT INTO messages (session_id, role, content, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for content in contents {
            insert.execute(params![id, "user", content, at])?;
        }
        conn.prepare_cached(
            "UPDATE sessions SET message_count = message_count + ?3, updated_at = ?2 WHERE id = ?1",
        )?
        .execute(params![id, at, contents.len() as i64])?;
        Ok(())
    }

    fn window(&self, conn: &Connection, key: &SessionKey, limit: usize) -> Outcome<Vec<Message>> {
        let mut statement = conn.prepare_cached(
            "SELECT id, role, content, tool_calls, created_at FROM messages WHERE session_id = ?1 \
             ORDER BY id DESC LIMIT ?2",
        )?;
        let mut messages = rows(&mut statement, params![existing(conn, key)?, limit as i64], message)?;
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
                    created_at, updated_at \
             FROM sessions WHERE agent_id = ?1 AND (updated_at, id) < (?2, ?3) \
             ORDER BY updated_at DESC, id DESC LIMIT ?4",
        )?;
        rows(&mut statement, params![agent, after.0, after.1, limit as i64], session)
    }

    fn delete(&self, conn: &Connection, key: &SessionKey, _at: &str) -> Outcome<()> {
        conn.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([existing(conn, key)?])?;
        Ok(())
    }

    /// There is nothing to share a history with, so it is copied.
    fn fork(&self, conn: &Connection, key: &SessionKey, new_key: &SessionKey, at: &str) -> Outcome<()> {
        let (parent, id) = (existing(conn, key)?, self.session_insert(conn, new_key, at)?);
        let copied = conn
            .prepare_cached(
                "INSERT INTO messages (session_id, role, content, tool_calls, created_at) \
                 SELECT ?1, role, content, tool_calls, created_at FROM messages WHERE session_id = ?2 ORDER BY id",
            )?
            .execute([id, parent])?;
        conn.prepare_cached("UPDATE sessions SET message_count = ?2 WHERE id = ?1")?
            .execute(params![id, copied as i64])?;
        Ok(())
    }
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        role: row.get(1)?,
        content: row.get(2)?,
        tool_calls: row.get(3)?,
        created_at: row.get(4)?,
        ..Message::default()
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
        ..Session::default()
    })
}

impl Seed001 {
    /// The newest messages of a session before a time and a row, oldest first.
    pub fn before(
        conn: &Connection,
        session: i64,
        (time, row): (&str, i64),
        limit: usize,
    ) -> Outcome<Vec<Message>> {
        let mut statement = conn.prepare_cached(
            "SELECT id, role, content, tool_calls, created_at FROM messages \
             WHERE session_id = ?1 AND created_at <= ?2 AND (created_at < ?2 OR id < ?3) \
             ORDER BY created_at DESC, id DESC LIMIT ?4",
        )?;
        let mut messages = rows(&mut statement, params![session, time, row, limit as i64], message)?;
        messages.reverse();
        Ok(messages)
    }
}
