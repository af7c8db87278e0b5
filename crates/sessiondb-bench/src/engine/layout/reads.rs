//! Windows and lists of each variant, and what a missing index is for.

use rusqlite::Connection;

use super::{
    super::{
        by_hand::{Schema, SessionDb},
        fill,
        list::LIMIT,
        load::{AGENTS, agent, mix},
        report::Report,
        turns::{Call, measure, timed},
        window,
    },
    Plan, Stores,
    variant::{AS_IT_IS, Variant},
};
use crate::Outcome;

pub(super) const WINDOW: &str = window::WARM;
pub(super) const LIST: &str = "list of 50 of an agent's sessions, first page, 1 caller";

/// A connection, and the name of the variant that it is of.
type Reader = (&'static str, Connection);

/// Every read of every variant in turn. Nothing is written, so that variants of the same file share it.
pub(super) fn run(plan: &Plan, variants: &[Variant], stores: &Stores, report: &mut Report) -> Outcome<()> {
    stores.0.iter().try_for_each(|(_, file)| fill::read_into_memory(file))?;
    let mut readers: Vec<Reader> = Vec::new();
    for variant in variants {
        if let Some(settings) = variant.reader {
            readers.push((variant.name, settings.connect(stores.of(variant.change)?)?));
        }
    }
    let all: Vec<&Reader> = readers.iter().collect();
    let seed = plan.content.seed;
    let sessions = window::long_sessions(plan.content.messages, seed)?;
    each(plan, &all, WINDOW, 1_000, report, &|conn, n| {
        let session = sessions[(mix(seed ^ n) % sessions.len() as u64) as usize];
        window::by_hand(conn, &SessionDb::Whole, &plan.sample.keys[session as usize])
    })?;
    each(plan, &all, LIST, 400, report, &|conn, n| {
        // After nothing: no session comes before this.
        let sessions = SessionDb::Whole.list(conn, &agent(mix(seed ^ n) % AGENTS), ("~", i64::MAX), LIMIT)?;
        Ok(sessions.iter().map(|session| session.id.cast_unsigned()).sum())
    })?;
    for variant in variants {
        if let Some(read) = variant.serves {
            let two = [AS_IT_IS, variant.name];
            let two: Vec<&Reader> = readers.iter().filter(|(name, _)| two.contains(name)).collect();
            each(plan, &two, read.what, 40, report, &|conn, n| read.run(conn, &plan.sample, seed, n))?;
        }
    }
    Ok(())
}

/// One kind of read, so many times a round, of these variants.
fn each(
    plan: &Plan,
    readers: &[&Reader],
    workload: &str,
    times: u64,
    report: &mut Report,
    read: &dyn Fn(&Connection, u64) -> Outcome<u64>,
) -> Outcome<()> {
    let mut candidates: Vec<Call<'_>> = Vec::new();
    for (name, conn) in readers {
        candidates.push((name, Box::new(move |n| timed(|| read(conn, n)))));
    }
    measure(report, workload, plan.rounds, times, &mut candidates)
}
