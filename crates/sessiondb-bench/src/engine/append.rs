//! Appends of one message from 1 to 256 callers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use sessiondb::{SessionKey, sqlite::Durability};

use super::{
    Outcome, Plan,
    callers::Measured,
    load::{Arrivals, Sample},
    mutex::MutexConnection,
    ours::SessionDb,
    pool::Pool,
    raw::Raw,
    report::{Report, Round},
    schema::Schema,
};

/// A design of a store that is appended to.
pub(super) trait Appender {
    fn name(&self) -> &'static str;
    fn schema(&self) -> Schema;
    /// Opens the file, lets callers append for the time of the load, and closes it.
    fn append(&self, file: &Path, load: &Load) -> Outcome<Measured>;
}

/// What callers do.
#[derive(Clone)]
pub(super) struct Load {
    pub sample: Arc<Sample>,
    pub seed: u64,
    pub durability: Durability,
    pub arrivals: Arrivals,
    pub callers: usize,
    /// The number of the first message: as many as were sent before.
    pub first: u64,
    /// How long, after warming up.
    pub time: Duration,
}

impl Load {
    /// The session of the `n`th message.
    pub fn key(&self, n: u64) -> &SessionKey {
        &self.sample.keys[self.arrivals.session(self.seed, n) as usize]
    }

    /// The content of the `n`th message.
    pub fn content(&self, n: u64) -> &str {
        self.sample.content(n).get()
    }
}

pub(super) fn candidates() -> Vec<Box<dyn Appender>> {
    vec![
        Box::new(Raw),
        Box::new(SessionDb::Blocking),
        Box::new(SessionDb::CurrentThread),
        Box::new(SessionDb::MultiThread),
        Box::new(MutexConnection(Schema::SessionDb)),
        Box::new(MutexConnection(Schema::Seed001)),
        Box::new(Pool),
    ]
}

/// The name under which a load stands in the report.
pub(super) fn name(durability: Durability, arrivals: Arrivals, callers: usize) -> String {
    let durability = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    format!("append, {durability}, {}, {callers} callers", arrivals.name())
}

/// One round: every load, and within each every candidate in turn, beginning with another each round.
pub(super) fn round(
    plan: &Plan,
    candidates: &mut [(Box<dyn Appender>, PathBuf)],
    loads: &[(Durability, Arrivals)],
    round: usize,
    report: &mut Report,
) -> Outcome<()> {
    for (durability, arrivals) in loads {
        for callers in &plan.callers {
            for at in 0..candidates.len() {
                let (candidate, file) = &candidates[(at + round) % candidates.len()];
                let before = stored(file)?;
                let load = Load {
                    sample: Arc::clone(&plan.sample),
                    seed: plan.seed,
                    durability: *durability,
                    arrivals: *arrivals,
                    callers: *callers,
                    first: before,
                    time: plan.time,
                };
                let measured = candidate.append(file, &load)?;
                let (added, answered) = (stored(file)? - before, measured.acknowledged);
                if added != answered {
                    return Err(format!(
                        "{}: {answered} were answered, {added} are stored",
                        candidate.name()
                    )
                    .into());
                }
                report.add(&name(*durability, *arrivals, *callers), candidate.name(), Round::new(measured));
            }
        }
    }
    Ok(())
}

/// How many messages are in this file.
fn stored(file: &Path) -> Outcome<u64> {
    let conn = Connection::open(file)?;
    let count: i64 = conn.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
