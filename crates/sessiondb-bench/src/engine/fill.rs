//! Stores that have been in use. Each is made once for each schema, and copied for those who write.

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use sessiondb::{Commit, NewMessage, Time, Write, sqlite::Durability, time};

use super::{
    by_hand::{Cache, SEED_001_TABLES, Schema, Seed001, connect, transact},
    load::Arrivals,
    ours,
    sample::{Sample, key},
};
use crate::Outcome;

/// Sessions or messages in one transaction while a store is filled.
const BATCH: u64 = 2_000;

/// What is in a store.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub sessions: u64,
    /// As they came, in bursts; only to the first sessions of the load.
    pub messages: u64,
    pub seed: u64,
}

/// When the `n`th session was opened and the `n`th message came: a second after the one before, all in the past.
pub(super) fn at(n: u64) -> Time {
    Time::UNIX_EPOCH + Duration::from_secs(1_735_689_600 + n)
}

/// Batches of numbers up to this one.
fn batches(end: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    (0..end).step_by(BATCH as usize).map(move |from| from..(from + BATCH).min(end))
}

/// Through SessionDB itself, so that what raw SQLite is measured on is a store.
pub(super) fn session_db(file: &Path, sample: &Sample, content: Content) -> Outcome<()> {
    let store = ours::open(file, Durability::Normal)?;
    for batch in batches(content.sessions) {
        let opened = batch.map(|n| Commit::new(key(n)).at(at(n)).write(Write::open()));
        pollster::block_on(store.commit(opened.collect()))?;
    }
    for batch in batches(content.messages) {
        let appended = batch.map(|n| {
            let message = NewMessage::new("user", sample.content(n).clone());
            let session = Arrivals::Bursty.session(content.seed, n) as usize;
            Commit::new(sample.keys[session].clone()).at(at(n)).write(Write::Append(vec![message]))
        });
        pollster::block_on(store.commit(appended.collect()))?;
    }
    // A store in use has its index up to date.
    pollster::block_on(store.optimize())?;
    Ok(pollster::block_on(store.close())?)
}

pub(super) fn seed_001(file: &Path, sample: &Sample, content: Content) -> Outcome<()> {
    let conn = Connection::open(file)?;
    conn.pragma_update(None, "page_size", 4096)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.execute_batch(SEED_001_TABLES)?;
    drop(conn);
    by_hand(&connect(file, Durability::Normal, Cache::Writer)?, &Seed001, sample, content)
}

/// By hand into tables that are there and empty, as SessionDB would fill them: without `VACUUM`, which would pack the pages
/// as no store in use has them.
pub(super) fn by_hand(
    conn: &Connection,
    schema: &dyn Schema,
    sample: &Sample,
    content: Content,
) -> Outcome<()> {
    for batch in batches(content.sessions) {
        transact(conn, || {
            for n in batch {
                schema.session_insert(conn, &key(n), &time::to_text(at(n)))?;
            }
            Ok(())
        })?;
    }
    for batch in batches(content.messages) {
        transact(conn, || {
            for n in batch {
                let session = Arrivals::Bursty.session(content.seed, n) as usize;
                let (content, at) = (sample.content(n).get(), time::to_text(at(n)));
                schema.append(conn, &sample.keys[session], &[content], &at)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads the whole file, so that the system has it in memory. Not while a connection to it is open in this process: SQLite
/// would lose its locks with the descriptor that is closed here.
pub(super) fn read_into_memory(file: &Path) -> Outcome<()> {
    std::io::copy(&mut std::fs::File::open(file)?, &mut std::io::sink())?;
    Ok(())
}
