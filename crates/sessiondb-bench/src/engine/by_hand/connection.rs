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

/// Every candidate checkpoints when the log has this many bytes: SessionDB's own figure. Those by hand do it as SQLite does
/// by itself, at the end of the commit.
const CHECKPOINT_BYTES: i64 = 32 << 20;

/// What one may set of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Settings {
    pub durability: Durability,
    pub cache_kib: i64,
    pub checkpoint_bytes: i64,
    /// Whether the schema's triggers are on. They are for rows of people who write SQL.
    pub triggers: bool,
    /// Whether what is deleted is overwritten.
    pub secure_delete: bool,
    /// Whether each page that is read is looked over for damage.
    pub cell_size_check: bool,
    /// How much of the file is read as memory and not through calls of the system.
    pub mmap_bytes: i64,
    /// How many prepared statements are kept to be used again.
    pub statements_kept: usize,
}

impl Settings {
    /// What all candidates by hand have.
    pub const fn new(durability: Durability, cache: Cache) -> Settings {
        Settings {
            durability,
            cache_kib: cache as i64,
            checkpoint_bytes: CHECKPOINT_BYTES,
            // As SessionDB has it: with triggers SQLite makes every insert of a message take a copy of each page that it
            // changes, to be able to take back the statement alone. Who only reads does not meet them.
            triggers: matches!(cache, Cache::Reader),
            secure_delete: false,
            cell_size_check: false,
            mmap_bytes: 0,
            statements_kept: 64,
        }
    }

    /// A connection to a database that is there and has a write-ahead log.
    pub fn connect(&self, file: &Path) -> Outcome<Connection> {
        let conn = Connection::open(file)?;
        let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let synchronous = match self.durability {
            Durability::Full => 2,
            Durability::Normal => 1,
        };
        for (name, value) in [
            ("synchronous", synchronous),
            ("foreign_keys", 1),
            ("cache_size", -self.cache_kib),
            ("wal_autocheckpoint", self.checkpoint_bytes / pragma("page_size")?),
            ("temp_store", 2),
            ("secure_delete", i64::from(self.secure_delete)),
            ("cell_size_check", i64::from(self.cell_size_check)),
            ("mmap_size", self.mmap_bytes),
        ] {
            conn.pragma_update(None, name, value)?;
            if pragma(name)? != value {
                return Err(format!("SQLite did not take {name} = {value}").into());
            }
        }
        for (config, on) in [
            // As SessionDB has it. Otherwise SQLite looks at what is bound to a LIMIT, and compiles the statement anew
            // each time it is bound, however it was prepared.
            (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, self.triggers),
        ] {
            if conn.set_db_config(config, on)? != on {
                return Err(format!("SQLite did not take {config:?} = {on}").into());
            }
        }
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(format!("the database has mode {mode}").into());
        }
        conn.set_prepared_statement_cache_capacity(self.statements_kept);
        Ok(conn)
    }
}

/// A connection as all candidates have it, to a database that is there.
pub(in crate::engine) fn connect(file: &Path, durability: Durability, cache: Cache) -> Outcome<Connection> {
    let conn = Settings::new(durability, cache).connect(file)?;
    let page: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    if page != 4096 {
        return Err(format!("the database has pages of {page}").into());
    }
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
            SessionDb::Whole.append(&conn, kept, &["[]", "[]"], at)?;
            SessionDb::Whole.append(&conn, deleted, &["[]"], at)?;
            SessionDb::Whole.delete(&conn, deleted, at)
        })
        .unwrap();
        assert!(SessionDb::Whole.session(&conn, deleted).unwrap().is_none());
        drop(conn);
        assert_eq!(stored(&file).unwrap(), 2, "the messages went with their session");
        let ours =
            sessiondb::blocking::Store::from(crate::engine::ours::open(&file, Durability::Full).unwrap());
        let session = ours.session(kept).unwrap().unwrap();
        assert_eq!((session.message_count, session.head), (2, 2));
        assert!(ours.session(deleted).unwrap().is_none());
    }
}
