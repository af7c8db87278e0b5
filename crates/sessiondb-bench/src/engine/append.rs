//! Appends of one message from 1 to 256 callers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use sessiondb::{SessionKey, sqlite::Durability};

use super::{
    Plan,
    by_hand::{Schema, Seed001, SessionDb as SessionDbSchema},
    callers::Measured,
    load::Arrivals,
    mutex::MutexConnection,
    ours::SessionDb,
    pool::Pool,
    raw::Raw,
    report::{Report, Round},
    sample::Sample,
    sqlx::{Commits, Sqlx},
};
use crate::{Outcome, sample::settle};

/// A design of a store that is appended to.
pub(super) trait Appender {
    fn name(&self) -> &'static str;
    fn schema(&self) -> &'static dyn Schema;
    /// Opens the file, lets callers append for the time of the load, and closes it.
    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured>;
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

/// A candidate with a file of its own.
struct Place {
    candidate: Box<dyn Appender>,
    file: PathBuf,
    stored: u64,
}

fn candidates(plan: &Plan) -> Vec<Box<dyn Appender>> {
    vec![
        Box::new(Raw),
        Box::new(SessionDb::Blocking),
        Box::new(SessionDb::CurrentThread),
        Box::new(SessionDb::MultiThread),
        Box::new(MutexConnection { name: MutexConnection::SAME_SCHEMA, schema: &SessionDbSchema::Whole }),
        Box::new(MutexConnection { name: MutexConnection::SEED_001, schema: &Seed001 }),
        Box::new(Pool),
        Box::new(Sqlx { peer: plan.peer.clone(), commits: Commits::One }),
        Box::new(Sqlx { peer: plan.peer.clone(), commits: Commits::AsSeed003 }),
    ]
}

/// The name under which a load stands in the report.
pub(super) fn workload(durability: Durability, arrivals: Arrivals, callers: usize) -> String {
    let plural = if callers == 1 { "" } else { "s" };
    format!("append, {}, {}, {callers} caller{plural}", told(durability), arrivals.name())
}

/// SQLite's name for it.
pub(super) fn told(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    }
}

/// How many callers append in this load. Only bursts at FULL have all numbers; with every one of them for every load a run
/// would take twice as long.
fn callers<'a>(plan: &'a Plan, load: &'a (Durability, Arrivals)) -> impl Iterator<Item = usize> + 'a {
    let all = *load == (Durability::Full, Arrivals::Bursty);
    plan.callers.iter().copied().filter(move |callers| all || [1, 16, 64].contains(callers))
}

/// Every load, and within each every candidate in turn, beginning with another each round.
pub(super) fn run(plan: &Plan, loads: &[(Durability, Arrivals)], report: &mut Report) -> Outcome<()> {
    let mut places = Vec::new();
    for (n, candidate) in candidates(plan).into_iter().enumerate() {
        let file = plan.dir.join(format!("append-{n}.db"));
        fs::copy(plan.filled(candidate.schema()), &file)?;
        places.push(Place { candidate, stored: stored(&file)?, file });
    }
    settle()?;
    for round in 0..plan.rounds {
        for load in loads {
            for callers in callers(plan, load) {
                for turn in 0..places.len() {
                    let turn = (turn + round) % places.len();
                    append(plan, *load, callers, &mut places[turn], report)?;
                }
            }
        }
    }
    places.iter().try_for_each(|place| Ok(fs::remove_file(&place.file)?))
}

/// One load on one candidate: every message that was answered must be in the file afterwards, and no other.
fn append(
    plan: &Plan,
    (durability, arrivals): (Durability, Arrivals),
    callers: usize,
    place: &mut Place,
    report: &mut Report,
) -> Outcome<()> {
    let load = Load {
        sample: Arc::clone(&plan.sample),
        seed: plan.seed,
        durability,
        arrivals,
        callers,
        first: place.stored,
        time: plan.time,
    };
    let (name, measured) = (place.candidate.name(), place.candidate.append(&place.file, &load)?);
    place.stored = all_stored(name, &place.file, place.stored, &measured)?;
    report.add(&workload(durability, arrivals, callers), name, Round::new(measured));
    Ok(())
}

/// Answers how many messages are in this file now: as many as before and those that were answered.
///
/// # Errors
/// There are more or less.
pub(super) fn all_stored(name: &str, file: &Path, before: u64, measured: &Measured) -> Outcome<u64> {
    let now = stored(file)?;
    let (answered, added) = (measured.acknowledged, now - before);
    if added != answered {
        return Err(format!("{name}: {answered} messages were answered and {added} are stored").into());
    }
    Ok(now)
}

/// How many messages are in this file.
pub(super) fn stored(file: &Path) -> Outcome<u64> {
    let conn = Connection::open(file)?;
    let count: i64 = conn.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}
