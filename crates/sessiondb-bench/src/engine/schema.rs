//! The two schemas, and one append in each by hand: what the candidates do that speak SQL themselves.

use std::path::Path;

use rusqlite::{Connection, params};
use sessiondb::{SessionKey, sqlite::Durability};

use super::Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// SessionDB's own tables, with all their indexes and the feed.
    SessionDb,
    /// The tables and indexes that seed 001 names, and nothing else.
    Seed001,
}

/// Seed 001, steps 3 to 5.
pub(super) const SEED_001: &str = include_str!("seed001.sql");

/// Page cache of every connection that writes, in KiB: SessionDB's own figure, for all.
const CACHE_KIB: i64 = 64 * 1024;
/// Every candidate checkpoints when the log has this many pages: 16 MiB, SessionDB's own figure. These do it as
/// SQLite does by itself, at the end of the commit.
const CHECKPOINT_PAGES: i64 = 4096;

impl Schema {
    pub fn name(self) -> &'static str {
        match self {
            Schema::SessionDb => "SessionDB",
            Schema::Seed001 => "seed 001",
        }
    }

    /// A connection to a database of this schema that is there.
    pub fn open(path: &Path, durability: Durability) -> Outcome<Connection> {
        let conn = Connection::open(path)?;
        configure(&conn, durability)?;
        Ok(conn)
    }

    /// Appends one message, inside a transaction that is open. The session is there.
    pub fn append(self, conn: &Connection, key: &SessionKey, content: &str, at: &str) -> Outcome<()> {
        match self {
            Schema::SessionDb => append_session_db(conn, key, content, at),
            Schema::Seed001 => append_seed(conn, key, content, at),
        }
    }
}

pub(super) fn configure(conn: &Connection, durability: Durability) -> Outcome<()> {
    let synchronous = match durability {
        Durability::Full => 2,
        Durability::Normal => 1,
    };
    for (pragma, value) in [
        ("synchronous", synchronous),
        ("foreign_keys", 1),
        ("cache_size", -CACHE_KIB),
        ("wal_autocheckpoint", CHECKPOINT_PAGES),
        ("temp_store", 2),
    ] {
        conn.pragma_update(None, pragma, value)?;
        let found: i64 = conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
        if found != value {
            return Err(format!("SQLite did not take {pragma} = {value}").into());
        }
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let page: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    if mode != "wal" || page != 4096 {
        return Err(format!("the database has mode {mode} and pages of {page}").into());
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// One statement, without parameters or rows.
pub(super) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

/// The rows that SessionDB's engine writes for an append: the message, the session's counts, a line in the feed.
fn append_session_db(conn: &Connection, key: &SessionKey, content: &str, at: &str) -> Outcome<()> {
    let (id, seq): (i64, i64) = conn
        .prepare_cached(
            "SELECT id, next_seq FROM sessions \
             WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
        )?
        .query_row(key.parts(), |row| Ok((row.get(0)?, row.get(1)?)))?;
    conn.prepare_cached(
        "INSERT INTO messages (session_id, role, content, created_at, seq, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    // As long as a checksum is; it is not computed.
    .execute(params![id, "user", content, at, seq, i64::MAX - seq])?;
    conn.prepare_cached(
        "UPDATE sessions SET next_seq = next_seq + 1, log_count = log_count + 1, message_count = message_count + 1, \
                             updated_at = ?2 \
         WHERE id = ?1",
    )?
    .execute(params![id, at])?;
    conn.prepare_cached(
        "INSERT INTO commits (session_id, revision, at, what, seqs) VALUES (?1, 0, ?2, 'append', ?3)",
    )?
    .execute(params![id, at, seq.to_string()])?;
    Ok(())
}

/// An append as seed 001's tables have it: the message, and the session's count and time.
fn append_seed(conn: &Connection, key: &SessionKey, content: &str, at: &str) -> Outcome<()> {
    let id: i64 = conn
        .prepare_cached(
            "SELECT id FROM sessions \
             WHERE agent_id = ?1 AND channel = ?2 AND account_id = ?3 AND peer_kind = ?4 AND peer_id = ?5",
        )?
        .query_row(key.parts(), |row| row.get(0))?;
    conn.prepare_cached(
        "INSERT INTO messages (session_id, role, content, created_at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![id, "user", content, at])?;
    conn.prepare_cached(
        "UPDATE sessions SET message_count = message_count + 1, updated_at = ?2 WHERE id = ?1",
    )?
    .execute(params![id, at])?;
    Ok(())
}
