//! A store that has been in use: ten thousand sessions, and messages as they came, in bursts. Made once for each
//! schema; every candidate gets a copy.

use std::path::Path;

use rusqlite::{Connection, params};
use sessiondb::{Commit, NewMessage, Time, Write, sqlite::Durability, time};

use super::{
    Outcome,
    load::{Arrivals, SESSIONS, Sample, key},
    ours,
    schema::{self, SEED_001, Schema},
};

/// Messages in one transaction while a store is filled.
const BATCH: u64 = 2_000;

/// When the `n`th message came: a second after the one before, all in the past.
pub(super) fn at(n: u64) -> Time {
    let start = Time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600);
    start + std::time::Duration::from_secs(n)
}

pub(super) fn fill(schema: Schema, file: &Path, sample: &Sample, messages: u64, seed: u64) -> Outcome<()> {
    match schema {
        Schema::SessionDb => session_db(file, sample, messages, seed),
        Schema::Seed001 => seed_001(file, sample, messages, seed),
    }
}

/// Through SessionDB itself, so that what raw SQLite is measured on is a store.
fn session_db(file: &Path, sample: &Sample, messages: u64, seed: u64) -> Outcome<()> {
    let store = ours::open(file, Durability::Normal)?;
    let commit = |commits| pollster::block_on(store.commit(commits));
    for from in (0..SESSIONS).step_by(BATCH as usize) {
        let opened =
            (from..(from + BATCH).min(SESSIONS)).map(|n| Commit::new(key(n)).at(at(0)).write(Write::open()));
        commit(opened.collect())?;
    }
    for from in (0..messages).step_by(BATCH as usize) {
        let appended = (from..(from + BATCH).min(messages)).map(|n| {
            let message = NewMessage::new("user", sample.content(n).clone());
            Commit::new(key(Arrivals::Bursty.session(seed, n))).at(at(n)).write(Write::Append(vec![message]))
        });
        commit(appended.collect())?;
    }
    Ok(pollster::block_on(store.close())?)
}

fn seed_001(file: &Path, sample: &Sample, messages: u64, seed: u64) -> Outcome<()> {
    let conn = Connection::open(file)?;
    conn.pragma_update(None, "page_size", 4096)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    schema::configure(&conn, Durability::Normal)?;
    conn.execute_batch(SEED_001)?;
    schema::execute(&conn, "BEGIN IMMEDIATE")?;
    for n in 0..SESSIONS {
        let [agent, channel, account, kind, peer] = sample.keys[n as usize].parts();
        conn.prepare_cached(
            "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        )?
        .execute(params![agent, channel, account, kind, peer, time::to_text(at(0))])?;
    }
    schema::execute(&conn, "COMMIT")?;
    for from in (0..messages).step_by(BATCH as usize) {
        schema::execute(&conn, "BEGIN IMMEDIATE")?;
        for n in from..(from + BATCH).min(messages) {
            let session = Arrivals::Bursty.session(seed, n);
            let content = sample.content(n).get();
            Schema::Seed001.append(&conn, &sample.keys[session as usize], content, &time::to_text(at(n)))?;
        }
        schema::execute(&conn, "COMMIT")?;
    }
    conn.close().map_err(|(_, error)| error.into())
}
