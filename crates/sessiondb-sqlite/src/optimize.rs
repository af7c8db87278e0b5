//! Giving unused space back to the file system, a piece at a time, while the store is in use.

use rusqlite::Connection;
use sessiondb_core::Result;

use crate::writer::Writer;

/// Pages that one transaction gives back: 4 MiB, which takes about as long as a large commit.
const PAGES_AT_ONCE: i64 = 1_024;

impl Writer {
    /// Gives all unused pages back; answers how many bytes they were. Between two pieces those who wait write. The file
    /// shrinks with the checkpoint at the end, if no reader still needs what is in it.
    ///
    /// The planner's statistics (`PRAGMA optimize`) are not made: every statement of the engine is written for one plan,
    /// and statistics could only lead to another.
    pub(crate) fn optimize(&self) -> Result<u64> {
        let (mut bytes, mut before) = (0, i64::MAX);
        loop {
            let (given, left) = self.with_connection(|connection| connection.transact(give_back))?;
            bytes += given;
            // Should SQLite keep some, it would keep them again.
            if left == 0 || left >= before {
                break;
            }
            before = left;
        }
        self.with_connection(|connection| {
            connection.checkpoint();
            Ok(())
        })?;
        Ok(bytes)
    }
}

/// Gives a piece back. Answers how many bytes, and how many pages are left to give.
fn give_back(conn: &Connection) -> rusqlite::Result<(u64, i64)> {
    let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?;
    let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    // It gives back a page a step.
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    let given = pages.saturating_sub(pragma("page_count")?).saturating_mul(pragma("page_size")?);
    Ok((given.cast_unsigned(), pragma("freelist_count")?))
}
