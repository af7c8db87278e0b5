//! SQLite by hand, the limit: one thread, one connection, the messages of N callers in one transaction. No queue, no
//! checks, nobody to answer. What SessionDB writes for an append is written here too.

use std::{path::Path, time::Instant};

use rusqlite::Connection;
use sessiondb::time;

use super::{
    append::{Appender, Load},
    by_hand::{Cache, Schema, SessionDb, connect, transact},
    callers::{Measured, Notes, Turn},
};
use crate::Outcome;

pub(super) struct Raw;

impl Raw {
    pub const NAME: &str = "raw SQLite, N in a transaction";
}

impl Appender for Raw {
    fn name(&self) -> &'static str {
        Raw::NAME
    }

    fn schema(&self) -> &'static dyn Schema {
        &SessionDb::Whole
    }

    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured> {
        append(&connect(file, load.durability, Cache::Writer)?, &SessionDb::Whole, load)
    }
}

/// The messages of as many callers as the load has in each transaction.
pub(super) fn append(conn: &Connection, schema: &dyn Schema, load: &Load) -> Outcome<Measured> {
    let (mut notes, turn) = (Notes::default(), Turn::begin(load.first, load.time));
    let mut batch = Vec::with_capacity(load.callers);
    loop {
        batch.extend(std::iter::from_fn(|| turn.next()).take(load.callers));
        if batch.is_empty() {
            return Ok(turn.sum(vec![notes]));
        }
        let start = Instant::now();
        let at = time::to_text(time::now());
        transact(conn, || {
            batch.iter().try_for_each(|n| schema.append(conn, load.key(*n), &[load.content(*n)], &at))
        })?;
        notes.answered(&turn, start, batch.len());
        batch.clear();
    }
}
