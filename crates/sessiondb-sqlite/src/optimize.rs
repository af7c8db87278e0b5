//! Giving unused space back to the file system, a piece at a time, while the store is in use.

use rusqlite::Connection;
use sessiondb_core::Result;

use crate::{queue::Queue, transaction::WriteConnection};

/// Pages that one transaction gives back: 4 MiB, which takes about as long as a large commit.
const PAGES_AT_ONCE: i64 = 1_024;

impl Queue<WriteConnection> {
    /// Gives all unused pages back; answers how many bytes they were. Between two pieces those who wait write. The file
    /// shrinks with the checkpoint at the end, if no reader still needs what is in it.
    ///
    /// The planner's statistics (`PRAGMA optimize`) are not made: every statement of the engine is written for one plan,
    /// and statistics could only lead to another.
    pub(crate) fn optimize(&self) -> Result<u64> {
        let bytes = all(|| self.with_writer(|writer| writer.transact(give_back)))?;
        self.with_writer(|writer| {
            writer.checkpoint();
            Ok(())
        })?;
        Ok(bytes)
    }
}

/// Piece after piece, until none is left. Each answers how many bytes it gave, and how many pages are left: these may be more
/// than before, where others deleted meanwhile. A piece that gave nothing is the last: the next one would not either.
fn all(mut piece: impl FnMut() -> Result<(u64, i64)>) -> Result<u64> {
    let mut bytes = 0;
    loop {
        let (given, left) = piece()?;
        bytes += given;
        if left == 0 || given == 0 {
            return Ok(bytes);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody deletes between two pieces is given back too, and what SQLite keeps is not asked for again.
    #[test]
    fn pieces_are_given_until_none_is_left() {
        let of = |pieces: &[(u64, i64)]| {
            let mut left = pieces.iter();
            let bytes = all(|| Ok(*left.next().unwrap())).unwrap();
            (bytes, left.len())
        };
        assert_eq!(of(&[(0, 0), (1, 0)]), (0, 1));
        assert_eq!(of(&[(4, 2_000), (4, 976), (3, 0), (1, 0)]), (11, 1));
        assert_eq!(of(&[(4, 1_000), (4, 5_000), (4, 4_000), (2, 0)]), (14, 0));
        assert_eq!(of(&[(4, 1_000), (0, 1_000), (1, 0)]), (4, 1));
    }
}
