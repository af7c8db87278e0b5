//! The schema and its history: one transaction a step, the version written in the same transaction.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sessiondb_core::time;

use crate::error::Failure;

/// A step: its number, its name, its SQL.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// Every step there ever was, in order. A step that has shipped never changes.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", sql: include_str!("../migrations/0001_initial.sql") },
    Migration { version: 2, name: "views", sql: include_str!("../migrations/0002_views.sql") },
    Migration { version: 3, name: "lists", sql: include_str!("../migrations/0003_lists.sql") },
    Migration { version: 4, name: "times", sql: include_str!("../migrations/0004_times.sql") },
    Migration { version: 5, name: "search", sql: include_str!("../migrations/0005_search.sql") },
    Migration { version: 6, name: "edits", sql: include_str!("../migrations/0006_edits.sql") },
];

/// The version this program writes.
pub const SCHEMA_VERSION: i64 = 6;

/// Marks a file as SessionDB's (`PRAGMA application_id`): "SESD".
pub(crate) const APPLICATION_ID: i64 = 0x5345_5344;

/// One row for each step that was done; the newest is the version.
const SCHEMA_VERSION_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS schema_version (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL
)";

/// What a file is, before anything in it is touched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A database without any table.
    Empty,
    /// A store of this schema version.
    Store(i64),
    /// A database that is somebody else's.
    Foreign,
}

/// Looks at a database without changing it.
pub(crate) fn kind(conn: &Connection) -> rusqlite::Result<Kind> {
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application_id: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    match (tables, application_id) {
        (0, 0 | APPLICATION_ID) => Ok(Kind::Empty),
        (_, APPLICATION_ID) => Ok(Kind::Store(version(conn)?)),
        _ => Ok(Kind::Foreign),
    }
}

/// The version of a store, which another program may have raised since it was opened.
pub(crate) fn version_of_store(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("SELECT max(version) FROM schema_version")?.query_row([], |row| row.get(0))
}

fn version(conn: &Connection) -> rusqlite::Result<i64> {
    let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
    if conn.query_row(there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    conn.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))
}

/// Brings a database to [`SCHEMA_VERSION`]. On one that is there already nothing is written.
///
/// # Errors
/// `CannotOpen` if the database is somebody else's or of a newer version; nothing is changed then. A step that fails
/// leaves the version before it.
pub(crate) fn run(conn: &Connection) -> Result<(), Failure> {
    if ours(conn)? == Kind::Store(SCHEMA_VERSION) {
        return Ok(());
    }
    for migration in MIGRATIONS {
        let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        // Inside the transaction, since another process may have done this step meanwhile.
        if version(&tx)? >= migration.version {
            continue;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.execute_batch(SCHEMA_VERSION_TABLE)?;
        tx.execute_batch(migration.sql)?;
        tx.execute(
            "INSERT INTO schema_version (version, name, applied_at) VALUES (?1, ?2, ?3)",
            params![migration.version, migration.name, time::to_text(time::now())],
        )?;
        tx.commit()?;
    }
    Ok(())
}

/// What the database is, if it may be opened.
///
/// # Errors
/// `CannotOpen` if it is somebody else's or of a newer version.
pub(crate) fn ours(conn: &Connection) -> Result<Kind, Failure> {
    let location = conn.path().filter(|path| !path.is_empty()).unwrap_or(":memory:").to_owned();
    let reason = match kind(conn)? {
        Kind::Empty => return Ok(Kind::Empty),
        Kind::Store(version) if version <= SCHEMA_VERSION => return Ok(Kind::Store(version)),
        Kind::Store(version) => format!(
            "its schema is version {version}, and this program knows up to version {SCHEMA_VERSION}; \
             nothing was changed; use a newer program"
        ),
        Kind::Foreign => "it is a SQLite database, but not a SessionDB store; nothing was changed".into(),
    };
    Err(sessiondb_core::Error::CannotOpen { location, reason }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(conn: &Connection) -> Vec<(String, String, String)> {
        let mut statement = conn
            .prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn the_migrations_reach_schema_sql() {
        let migrated = Connection::open_in_memory().unwrap();
        run(&migrated).unwrap();
        let direct = Connection::open_in_memory().unwrap();
        direct.execute_batch(include_str!("../schema.sql")).unwrap();
        assert_eq!(schema(&migrated), schema(&direct));
        assert_eq!(MIGRATIONS.last().unwrap().version, SCHEMA_VERSION);
    }

    /// Defect d of the upstream chat store: the runner was not per version, and ran steps again that were done.
    #[test]
    fn defect_d_each_step_runs_once_and_is_recorded() {
        let conn = Connection::open_in_memory().unwrap();
        run(&conn).unwrap();
        let steps =
            || conn.query_row("SELECT count(*) FROM schema_version", [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!(steps(), MIGRATIONS.len() as i64);
        let before = conn.total_changes();
        run(&conn).unwrap();
        assert_eq!((steps(), conn.total_changes()), (MIGRATIONS.len() as i64, before));
    }

    #[test]
    fn a_step_that_fails_leaves_nothing() {
        let conn = Connection::open_in_memory().unwrap();
        // Half of the step's tables can be made, then one is in the way.
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn.execute_batch("CREATE TABLE documents (x)").unwrap();
        let before = schema(&conn);
        assert!(run(&conn).is_err());
        assert_eq!(schema(&conn), before);
    }
}
