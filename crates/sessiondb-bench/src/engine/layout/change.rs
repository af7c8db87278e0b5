//! How the file of a variant differs, and how it is made.

use std::{fs, path::Path};

use rusqlite::Connection;
use sessiondb::{sqlite::Durability, time};

use super::super::{
    by_hand::{Cache, Schema, SessionDb, Settings, transact},
    fill::{self, Content, at},
    sample::Sample,
    sessions::{self, LONG},
};
use crate::Outcome;

/// One thing of the file that is other than SessionDB has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// There is no index of this name.
    WithoutIndex(&'static str),
    /// All messages are in the index of times, and not only late ones.
    AllTimes,
    WithoutFeed,
    /// Its pages have so many bytes.
    PagesOf(i64),
}

impl Change {
    /// How rows are written.
    pub fn schema(self) -> SessionDb {
        match self {
            Change::WithoutFeed => SessionDb::WithoutFeed,
            _ => SessionDb::Whole,
        }
    }

    /// Makes a store of SessionDB's own, changes it while nothing is in it, and fills it by hand. In the copy of a filled
    /// store a dropped index would leave free pages, and other pages would be packed full by the `VACUUM` that makes them:
    /// neither is as large or as fast as a store that has grown.
    ///
    /// After the content comes one long session, for the reads that only a long session tells something about.
    pub fn make(self, file: &Path, sample: &Sample, content: Content) -> Outcome<()> {
        fill::session_db(file, sample, Content { sessions: 0, messages: 0, ..content })?;
        self.apply(&Connection::open(file)?)?;
        let (conn, schema) = (Settings::new(Durability::Normal, Cache::Writer).connect(file)?, self.schema());
        fill::by_hand(&conn, &schema, sample, content)?;
        let long = sessions::new_key("long", 0);
        transact(&conn, || {
            schema.session_insert(&conn, &long, &time::to_text(at(0)))?;
            (0..LONG).try_for_each(|n| {
                schema.append(&conn, &long, &[sample.content(n).get()], &time::to_text(at(n)))
            })
        })
    }

    fn apply(self, conn: &Connection) -> Outcome<()> {
        match self {
            Change::Nothing | Change::WithoutFeed => Ok(()),
            Change::WithoutIndex(name) => Ok(conn.execute_batch(&format!("DROP INDEX {name}"))?),
            Change::AllTimes => Ok(conn.execute_batch(
                "DROP INDEX idx_messages_created_at;
                 CREATE INDEX idx_messages_created_at ON messages (session_id, created_at)",
            )?),
            Change::PagesOf(bytes) => {
                // With a write-ahead log pages keep their size.
                conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
                conn.pragma_update(None, "page_size", bytes)?;
                conn.execute_batch("VACUUM")?;
                conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
                match conn.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))? {
                    found if found == bytes => Ok(()),
                    found => Err(format!("pages have {found} bytes and not {bytes}").into()),
                }
            }
        }
    }
}

/// How many bytes of a file, which no connection has open, each message of its content takes.
pub(super) fn bytes_a_message(file: &Path, content: Content) -> Outcome<f64> {
    Ok(fs::metadata(file)?.len() as f64 / (content.messages + LONG) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::load::SESSIONS;

    const CONTENT: Content = Content { sessions: SESSIONS, messages: 3_000, seed: 1 };

    fn pragma(conn: &Connection, name: &str) -> i64 {
        conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_change_changes_one_thing_of_the_file() {
        let (dir, sample) = (tempfile::tempdir().unwrap(), Sample::new().unwrap());
        let changes = [
            Change::Nothing,
            Change::WithoutIndex("idx_sessions_status"),
            Change::WithoutFeed,
            Change::PagesOf(8_192),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let file = dir.path().join(n.to_string());
            change.make(&file, &sample, CONTENT).unwrap();
            let conn = Connection::open(&file).unwrap();
            let count = |of: &str| {
                conn.query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0)).unwrap()
            };
            let (messages, feed): (i64, i64) = (count("messages"), count("commits"));
            let status: i64 = count("sqlite_schema WHERE name = 'idx_sessions_status'");
            assert_eq!(messages.cast_unsigned(), CONTENT.messages + LONG);
            assert_eq!(feed == 0, change == Change::WithoutFeed);
            assert_eq!(status == 0, change == Change::WithoutIndex("idx_sessions_status"));
            let page = if change == Change::PagesOf(8_192) { 8_192 } else { 4_096 };
            assert_eq!((pragma(&conn, "page_size"), pragma(&conn, "auto_vacuum")), (page, 2));
            assert_eq!(pragma(&conn, "freelist_count"), 0);
            let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
    }

    /// What is filled by hand stands for a store that SessionDB has filled.
    #[test]
    fn a_store_filled_by_hand_is_as_large_as_one_that_the_engine_filled() {
        let (dir, sample) = (tempfile::tempdir().unwrap(), Sample::new().unwrap());
        let [ours, by_hand] = ["ours", "by-hand"].map(|name| dir.path().join(name));
        fill::session_db(&ours, &sample, CONTENT).unwrap();
        fill::session_db(&by_hand, &sample, Content { sessions: 0, messages: 0, ..CONTENT }).unwrap();
        let conn = Settings::new(Durability::Normal, Cache::Writer).connect(&by_hand).unwrap();
        fill::by_hand(&conn, &SessionDb::Whole, &sample, CONTENT).unwrap();
        drop(conn);
        // But for the index of words, which follows what the engine has filled.
        let bytes = "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name NOT LIKE 'search%'";
        let [ours, by_hand] = [ours, by_hand].map(|file| -> f64 {
            Connection::open(file).unwrap().query_row(bytes, [], |row| row.get(0)).unwrap()
        });
        assert!((0.99..1.01).contains(&(by_hand / ours)), "{by_hand} bytes by hand, {ours} by the engine");
    }
}
