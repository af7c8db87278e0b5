//! SQL views that families add to the file: their documents as the tables that their users know.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use sessiondb_core::Error;

use crate::error::Failure;

/// A view to make in the file: for people who read it with any SQLite shell. The store itself never reads one.
///
/// ```
/// use sessiondb_sqlite::{Options, SqlView};
///
/// const VIEWS: &[SqlView] = &[SqlView { name: "notes", query: "SELECT id, body FROM documents WHERE collection = 'note'" }];
/// let options = Options::new("sessions.db").sql_views(VIEWS);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlView {
    /// Its name. A view of this name that says something else is replaced.
    pub name: &'static str,
    /// What it shows: a `SELECT` over the store's tables.
    pub query: &'static str,
}

impl SqlView {
    fn sql(&self) -> String {
        format!("CREATE VIEW \"{}\" AS\n{}", self.name, self.query.trim_end().trim_end_matches(';'))
    }
}

/// Whether all are there as they should be.
pub(crate) fn are_there(conn: &Connection, views: &[SqlView]) -> rusqlite::Result<bool> {
    for view in views {
        let there = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1";
        let sql: Option<String> = conn.query_row(there, [view.name], |row| row.get(0)).optional()?;
        if sql != Some(view.sql()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes those that are missing or say something else, all or none.
///
/// # Errors
/// If a table or index of that name is in the way.
pub(crate) fn make(conn: &Connection, views: &[SqlView]) -> Result<(), Failure> {
    if are_there(conn, views)? {
        return Ok(());
    }
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    for view in views {
        let other = "SELECT type FROM sqlite_schema WHERE name = ?1 AND type <> 'view'";
        let other: Option<String> = tx.query_row(other, [view.name], |row| row.get(0)).optional()?;
        if let Some(other) = other {
            let name = view.name;
            let reason =
                format!("the view {name} cannot be made: there is a {other} of that name; rename it");
            return Err(Error::Storage(reason).into());
        }
        tx.execute_batch(&format!("DROP VIEW IF EXISTS \"{}\"; {}", view.name, view.sql()))?;
        // A view that names what does not exist is found now, not by the one who reads it.
        tx.prepare(&format!("SELECT * FROM \"{}\"", view.name))?;
    }
    tx.commit()?;
    Ok(())
}
