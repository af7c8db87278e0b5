//! The database, for those who speak SQL.
//!
//! The tables are SessionDB's own, which are the ones that seed 001 asks for: every table, column, foreign key and
//! index it names is there. Rows inserted and deleted by hand, naming only those columns, are numbered and counted by
//! triggers, so the store reads them like its own.

use std::path::Path;

use rusqlite::Connection;
use sessiondb::sqlite;

use crate::Result;

/// Opens or creates the database file: write-ahead log, foreign keys, every commit durable, today's schema.
///
/// The file is made for its owner alone (mode 0600), missing directories too (0700).
///
/// # Errors
/// [`CannotOpen`](sessiondb::Error::CannotOpen), with the reason; nothing was changed then.
pub fn open_database(path: &Path) -> Result<Connection> {
    Ok(sqlite::open_connection(path)?)
}

/// Brings a database's schema up to date: each step in a transaction of its own, with its version in
/// `schema_version`. On one that is up to date nothing is written.
///
/// # Errors
/// [`CannotOpen`](sessiondb::Error::CannotOpen) if the database is somebody else's or of a newer schema;
/// [`Storage`](sessiondb::Error::Storage) or [`Busy`](sessiondb::Error::Busy) if SQLite could not do it.
pub fn run_migrations(conn: &Connection) -> Result<()> {
    Ok(sqlite::migrate(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        run_migrations(&conn).unwrap();
        conn
    }

    /// (name, type, not null, default) of each column.
    fn columns(conn: &Connection, table: &str) -> Vec<(String, String, bool, Option<String>)> {
        let mut statement = conn
            .prepare("SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info(?1) ORDER BY cid")
            .unwrap();
        let rows = statement
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn sessions_have_every_column_of_the_seed() {
        let columns = columns(&migrated(), "sessions");
        let has = |name: &str, kind: &str, not_null: bool, default: Option<&str>| {
            let column = (name.to_owned(), kind.to_owned(), not_null, default.map(str::to_owned));
            assert!(columns.contains(&column), "{column:?} in {columns:?}");
        };
        has("id", "INTEGER", false, None);
        for part in ["agent_id", "channel", "account_id", "peer_kind", "peer_id", "created_at", "updated_at"]
        {
            has(part, "TEXT", true, None);
        }
        has("message_count", "INTEGER", true, Some("0"));
        has("token_usage", "INTEGER", true, Some("0"));
        has("metadata", "TEXT", true, Some("'{}'"));
        has("status", "TEXT", true, Some("'active'"));
    }

    #[test]
    fn messages_have_every_column_of_the_seed_and_go_with_their_session() {
        let conn = migrated();
        let columns = columns(&conn, "messages");
        for (name, kind, not_null) in [
            ("id", "INTEGER", false),
            ("session_id", "INTEGER", true),
            ("role", "TEXT", true),
            ("content", "TEXT", true),
            ("tool_calls", "TEXT", false),
            ("created_at", "TEXT", true),
        ] {
            assert!(columns.contains(&(name.into(), kind.into(), not_null, None)), "{name} in {columns:?}");
        }
        let key: (String, String, String, String) = conn
            .query_row(
                "SELECT \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list('messages')",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .unwrap();
        assert_eq!(key, ("sessions".into(), "session_id".into(), "id".into(), "CASCADE".into()));
    }

    #[test]
    fn both_tables_count_their_rows_up_for_ever() {
        let conn = migrated();
        for table in ["sessions", "messages"] {
            let sql: String = conn
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
                .unwrap();
            assert!(sql.contains("INTEGER PRIMARY KEY AUTOINCREMENT"), "{table}");
        }
    }

    #[test]
    fn the_five_parts_of_a_key_are_unique_together() {
        let conn = migrated();
        let insert = |peer: &str| {
            conn.execute(
                "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at)
                 VALUES ('a', 'c', 'x', 'dm', ?1, '2026-02-15T10:00:00Z', '2026-02-15T10:00:00Z')",
                [peer],
            )
        };
        insert("one").unwrap();
        insert("two").unwrap();
        assert!(insert("one").unwrap_err().to_string().contains("UNIQUE"));
    }

    #[test]
    fn every_index_of_the_seed_is_there_and_begins_with_the_seeds_columns() {
        let conn = migrated();
        for (index, first) in [
            ("idx_sessions_agent_id", vec!["agent_id"]),
            ("idx_sessions_channel", vec!["channel", "account_id"]),
            ("idx_sessions_status", vec!["status"]),
            ("idx_sessions_updated_at", vec!["updated_at"]),
            ("idx_messages_session_id", vec!["session_id"]),
            ("idx_messages_created_at", vec!["session_id", "created_at"]),
        ] {
            let mut statement =
                conn.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno").unwrap();
            let columns: Vec<String> =
                statement.query_map([index], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
            assert!(
                columns.len() >= first.len() && columns[..first.len()] == first[..],
                "{index}: {columns:?}"
            );
        }
    }

    #[test]
    fn migrations_run_once() {
        let conn = migrated();
        let state = || -> (i64, i64) {
            conn.query_row("SELECT count(*), max(version) FROM schema_version", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .unwrap()
        };
        let before = (state(), conn.total_changes());
        run_migrations(&conn).unwrap();
        assert_eq!((state(), conn.total_changes()), before);
        assert_eq!(state().1, sqlite::SCHEMA_VERSION);
    }

    #[test]
    fn an_opened_database_has_its_log_and_its_foreign_keys() {
        let dir = tempfile::tempdir().unwrap();
        let conn = open_database(&dir.path().join("new/sessions.db")).unwrap();
        let text = |pragma: &str| -> String {
            conn.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0)).unwrap()
        };
        let number =
            |pragma: &str| -> i64 { conn.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0)).unwrap() };
        assert_eq!(text("journal_mode"), "wal");
        assert_eq!(number("foreign_keys"), 1);
        assert_eq!(number("synchronous"), 2, "an acknowledged commit survives power loss");
    }
}
