//! A store as schema version 1 had it.

use std::path::Path;

use anyhow::Result;
use rusqlite::Connection;
use sessiondb_core::{Commit, NewMessage, Time, Write, time};

use crate::draft::key;

/// Makes a store as schema version 1 had it, with sessions and messages in it. Answers the calls that would have led there.
pub(crate) fn make(path: &Path) -> Result<Vec<Vec<Commit>>> {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = OFF;
         PRAGMA application_id = 0x53455344; PRAGMA journal_mode = WAL;
         CREATE TABLE schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);",
    )?;
    conn.execute_batch(include_str!("../../sessiondb-sqlite/migrations/0001_initial.sql"))?;
    conn.execute_batch("INSERT INTO schema_version VALUES (1, 'initial', '2026-11-19T00:00:00.000000Z')")?;
    let mut base = Vec::new();
    let second = |second: i64| Time::from_timestamp(1_700_000_000 + second, 0).unwrap_or_default();
    for number in 0..3_i64 {
        let at = second(number);
        let key = key(u32::try_from(number)?);
        let [agent, channel, account, kind, peer] = key.parts();
        let text = time::to_text(at);
        conn.execute(
            "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            (agent, channel, account, kind, peer, text),
        )?;
        base.push(vec![Commit::new(key.clone()).at(at).write(Write::open())]);
        for seq in 1..=40 {
            let at = second(100 * number + seq);
            let message = NewMessage::new("user", format!("{seq} {}", "m".repeat(200)).as_str());
            conn.execute(
                "INSERT INTO messages (session_id, role, content, created_at) VALUES (?1, 'user', ?2, ?3)",
                (number + 1, message.content.get(), time::to_text(at)),
            )?;
            let message = NewMessage { created_at: Some(at), ..message };
            base.push(vec![Commit::new(key.clone()).at(at).write(Write::Append(vec![message]))]);
        }
    }
    conn.close().map_err(|(_, error)| error)?;
    Ok(base)
}
