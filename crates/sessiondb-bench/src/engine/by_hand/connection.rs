//! Connections of those who use SQLite by hand, set as SessionDB sets its own where that makes a difference in speed.

use std::path::Path;

use rusqlite::{Connection, config::DbConfig};
use sessiondb::sqlite::Durability;

use crate::Outcome;

/// Page cache of a connection that writes, and of one that reads, in KiB: SessionDB's own figures, for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Cache {
    Writer = 64 * 1024,
    Reader = 8 * 1024,
}

/// Every candidate checkpoints when the log has this many pages: 16 MiB, SessionDB's own figure. These do it as
/// SQLite does by itself, at the end of the commit.
const CHECKPOINT_PAGES: i64 = 4096;

/// A connection to a database that is there.
pub(in crate::engine) fn connect(file: &Path, durability: Durability, cache: Cache) -> Outcome<Connection> {
    let conn = Connection::open(file)?;
    let synchronous = match durability {
        Durability::Full => 2,
        Durability::Normal => 1,
    };
    for (pragma, value) in [
        ("synchronous", synchronous),
        ("foreign_keys", 1),
        ("cache_size", -(cache as i64)),
        ("wal_autocheckpoint", CHECKPOINT_PAGES),
        ("temp_store", 2),
    ] {
        conn.pragma_update(None, pragma, value)?;
        let found: i64 = conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
        if found != value {
            return Err(format!("SQLite did not take {pragma} = {value}").into());
        }
    }
    for (config, on) in [
        // Otherwise SQLite looks at what is bound to a LIMIT, and compiles the statement anew each time it is bound, however it
        // was prepared.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        // With triggers in the schema SQLite makes every insert of a message take a copy of each page that it changes, to be
        // able to take back the statement alone. SessionDB's are for rows of people who write SQL.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, cache != Cache::Writer),
    ] {
        if conn.set_db_config(config, on)? != on {
            return Err(format!("SQLite did not take {config:?} = {on}").into());
        }
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let page: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    if mode != "wal" || page != 4096 {
        return Err(format!("the database has mode {mode} and pages of {page}").into());
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use tempfile::TempDir;

    use super::*;
    use crate::engine::{
        append::stored,
        by_hand::{Schema, SessionDb, transact},
        fill::{self, Content},
        sample::Sample,
    };

    /// A store of SessionDB's own with a few sessions in it.
    fn store(dir: &TempDir, sample: &Sample) -> std::path::PathBuf {
        let file = dir.path().join("s.db");
        fill::session_db(&file, sample, Content { sessions: 300, messages: 0, seed: 1 }).unwrap();
        file
    }

    /// Statements that ended in a LIMIT were compiled at every call, so that what is measured beside SessionDB was slower than
    /// it had to be.
    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let conn = connect(&store(&dir, &Sample::new().unwrap()), Durability::Full, Cache::Reader).unwrap();
        let mut statement = conn
            .prepare("SELECT id FROM sessions WHERE agent_id = ?1 ORDER BY updated_at DESC, id DESC LIMIT ?2")
            .unwrap();
        for (limit, sessions) in [(1, 1), (2, 2), (0, 0), (50, 3)] {
            let rows = statement.query_map(("agent-07", limit), |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(rows.count(), sessions);
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    /// Foreign keys delete what hangs on a session, and counts are written by hand: nothing by hand needs the triggers that are
    /// off.
    #[test]
    fn what_is_written_without_triggers_is_what_the_engine_has() {
        let (dir, sample) = (tempfile::tempdir().unwrap(), Sample::new().unwrap());
        let file = store(&dir, &sample);
        let conn = connect(&file, Durability::Full, Cache::Writer).unwrap();
        let (kept, deleted) = (&sample.keys[0], &sample.keys[1]);
        let at = "2026-01-01T00:00:00.000000Z";
        transact(&conn, || {
            SessionDb.append(&conn, kept, &["[]", "[]"], at)?;
            SessionDb.append(&conn, deleted, &["[]"], at)?;
            SessionDb.delete(&conn, deleted, at)
        })
        .unwrap();
        assert!(SessionDb.session(&conn, deleted).unwrap().is_none());
        drop(conn);
        assert_eq!(stored(&file).unwrap(), 2, "the messages went with their session");
        let ours =
            sessiondb::blocking::Store::from(crate::engine::ours::open(&file, Durability::Full).unwrap());
        let session = ours.session(kept).unwrap().unwrap();
        assert_eq!((session.message_count, session.head), (2, 2));
        assert!(ours.session(deleted).unwrap().is_none());
    }
}
