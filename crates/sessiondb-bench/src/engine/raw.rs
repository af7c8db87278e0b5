//! SQLite by hand, the limit: one thread, one connection, the messages of N callers in one transaction. No queue, no
//! checks, nobody to answer. What SessionDB writes for an append is written here too.

use std::{path::Path, time::Instant};

use sessiondb::time;

use super::{
    Outcome,
    append::{Appender, Load},
    callers::{Measured, Notes, Turn},
    schema::{Schema, execute},
};

pub(super) struct Raw;

impl Appender for Raw {
    fn name(&self) -> &'static str {
        "raw SQLite, N in a transaction"
    }

    fn schema(&self) -> Schema {
        Schema::SessionDb
    }

    fn append(&self, file: &Path, load: &Load) -> Outcome<Measured> {
        let conn = Schema::open(file, load.durability)?;
        let (mut notes, turn) = (Notes::default(), Turn::begin(load.first, load.time));
        let mut batch = Vec::with_capacity(load.callers);
        loop {
            batch.extend(std::iter::from_fn(|| turn.next()).take(load.callers));
            if batch.is_empty() {
                return Ok(turn.sum(vec![notes]));
            }
            let start = Instant::now();
            let at = time::to_text(time::now());
            execute(&conn, "BEGIN IMMEDIATE")?;
            for n in &batch {
                self.schema().append(&conn, load.key(*n), load.content(*n), &at)?;
            }
            execute(&conn, "COMMIT")?;
            notes.answered(&turn, start, batch.len());
            batch.clear();
        }
    }
}
