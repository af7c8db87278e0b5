//! SQL written by hand for the two schemas: what the candidates do that are SQLite and nothing else. Every statement is
//! prepared once; nothing is checked that SQLite does not check.

mod connection;
mod seed001;
mod session_db;

use rusqlite::{Connection, Statement};
use sessiondb::SessionKey;

use crate::Outcome;

pub(super) use connection::{Cache, Settings, connect};
pub(super) use seed001::{Seed001, TABLES as SEED_001_TABLES};
pub(super) use session_db::SessionDb;

/// A schema, and what is done in it. A method that writes runs inside a transaction of the caller's.
pub(super) trait Schema: Sync {
    fn name(&self) -> &'static str;

    /// The session under this key, if there is one.
    fn session(&self, conn: &Connection, key: &SessionKey) -> Outcome<Option<Session>>;

    /// Makes a session. Answers its row.
    fn session_insert(&self, conn: &Connection, key: &SessionKey, at: &str) -> Outcome<i64>;

    /// Appends messages to a session that is there.
    fn append(&self, conn: &Connection, key: &SessionKey, contents: &[&str], at: &str) -> Outcome<()>;

    /// The newest messages of a session, oldest first.
    fn window(&self, conn: &Connection, key: &SessionKey, limit: usize) -> Outcome<Vec<Message>>;

    /// An agent's sessions, the last changed first, after the session with this time and row.
    fn list(&self, conn: &Connection, agent: &str, after: (&str, i64), limit: usize)
    -> Outcome<Vec<Session>>;

    /// Deletes a session with its messages.
    fn delete(&self, conn: &Connection, key: &SessionKey, at: &str) -> Outcome<()>;

    /// A new session with the history of another.
    fn fork(&self, conn: &Connection, key: &SessionKey, new_key: &SessionKey, at: &str) -> Outcome<()>;
}

/// A message, every column that the schema has. What a schema does not have stays empty.
#[derive(Default)]
#[expect(dead_code, reason = "read from the database, as a program would, and dropped")]
pub(super) struct Message {
    pub id: i64,
    pub seq: i64,
    pub role: String,
    pub content: String,
    pub tool_calls: Option<String>,
    pub created_at: String,
    pub message_id: Option<String>,
    pub opens: Option<String>,
    pub closes: Option<String>,
    pub token_count: Option<i64>,
    pub attributes: Option<String>,
}

/// A session, every column that the schema has.
#[derive(Default)]
#[expect(dead_code, reason = "read from the database, as a program would, and dropped")]
pub(super) struct Session {
    pub id: i64,
    pub key: [String; 5],
    pub status: String,
    pub metadata: String,
    pub message_count: i64,
    pub token_usage: i64,
    pub created_at: String,
    pub updated_at: String,
    pub family: String,
    pub log_count: i64,
    pub state_revision: i64,
    pub next_seq: i64,
    pub log_first: i64,
    pub view: Option<String>,
}

/// One transaction.
pub(super) fn transact<T>(conn: &Connection, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    execute(conn, "BEGIN IMMEDIATE")?;
    let done = work()?;
    execute(conn, "COMMIT")?;
    Ok(done)
}

/// One statement, without parameters or rows.
pub(super) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

/// All rows.
fn rows<T>(
    statement: &mut Statement<'_>,
    params: impl rusqlite::Params,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Outcome<Vec<T>> {
    Ok(statement.query_map(params, read)?.collect::<Result<_, _>>()?)
}
