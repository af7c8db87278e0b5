//! The newest 50 messages of a session, when its pages are in memory and when they are not.

use std::{collections::HashMap, fs, path::Path};

use aisopod_session::{HistoryQuery, SessionStore};
use rusqlite::Connection;
use sessiondb::{SessionKey, Window, blocking, sqlite::Durability};

use super::{
    Plan,
    by_hand::{Cache, Message, Schema, Seed001, SessionDb, connect},
    fill::read_into_memory,
    load::{Arrivals, mix},
    ours,
    report::Report,
    sqlx::{Sqlx, SqlxReader},
    turns::{Call, measure, timed},
};
use crate::{Outcome, sample::settle};

/// Messages in a window.
pub(super) const LIMIT: usize = 50;

pub(super) const WARM: &str = "window of 50, warm, 1 caller";
pub(super) const LIVE: &str = "window of 50 of 100 sessions, again and again, 1 caller";
pub(super) const COLD: &str = "window of 50, cold, 1 caller";
pub(super) const RAW: &str = "raw SQLite";
pub(super) const RAW_PARSED: &str = "raw SQLite, content as serde_json::Value";
pub(super) const MESSAGE: &str = "SessionDB, blocking, Message";
const MESSAGE_ASYNC: &str = "SessionDB, async, 2 workers, Message";
pub(super) const STORED_MESSAGE: &str = "aisopod-session, StoredMessage";
const SEED_001: &str = "raw SQLite, seed 001's schema";

/// The sessions with at least as many messages as a window has.
pub(super) fn long_sessions(messages: u64, seed: u64) -> Outcome<Vec<u64>> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for n in 0..messages {
        *counts.entry(Arrivals::Bursty.session(seed, n)).or_default() += 1;
    }
    let mut sessions: Vec<u64> =
        counts.into_iter().filter(|(_, count)| *count >= LIMIT).map(|(session, _)| session).collect();
    if sessions.is_empty() {
        return Err("no session has 50 messages; give more --messages".into());
    }
    sessions.sort_unstable();
    Ok(sessions)
}

/// Windows of sessions all over the store, and of a few that are read again and again.
pub(super) fn warm(plan: &Plan, times: u64, report: &mut Report) -> Outcome<()> {
    let sessions = long_sessions(plan.messages, plan.seed)?;
    read_into_memory(plan.filled(&SessionDb::Whole))?;
    read_into_memory(plan.filled(&Seed001))?;
    of_these(plan, &sessions, WARM, times, report)?;
    of_these(plan, &sessions[..sessions.len().min(100)], LIVE, times, report)
}

fn of_these(plan: &Plan, sessions: &[u64], workload: &str, times: u64, report: &mut Report) -> Outcome<()> {
    let session = |n: u64| sessions[(mix(plan.seed ^ n) % sessions.len() as u64) as usize];
    let key = |n: u64| &plan.sample.keys[session(n) as usize];
    let file = plan.filled(&SessionDb::Whole);
    let raw = connect(file, Durability::Full, Cache::Reader)?;
    let seed = connect(plan.filled(&Seed001), Durability::Full, Cache::Reader)?;
    let blocking = blocking::Store::from(ours::open(file, Durability::Full)?);
    // A store of its own, which has in memory what it has read itself.
    let store = ours::open(file, Durability::Full)?;
    let runtime = ours::SessionDb::MultiThread.runtime()?;
    let aisopod = SessionStore::new(file)?;
    let mut sqlx = SqlxReader::start(&plan.peer, plan.filled(&Seed001))?;

    let mut candidates: Vec<Call<'_>> = vec![
        (RAW, Box::new(|n| timed(|| by_hand(&raw, &SessionDb::Whole, key(n))))),
        (MESSAGE, Box::new(|n| timed(|| message(&blocking, key(n))))),
        (
            MESSAGE_ASYNC,
            Box::new(|n| {
                timed(|| {
                    let page = runtime.block_on(store.message_window(key(n), Window::last(LIMIT)))?;
                    Ok(page.messages.iter().map(|message| message.id.cast_unsigned()).sum())
                })
            }),
        ),
        (RAW_PARSED, Box::new(|n| timed(|| parsed(&raw, key(n))))),
        (STORED_MESSAGE, Box::new(|n| timed(|| stored_message(&aisopod, key(n))))),
        (SEED_001, Box::new(|n| timed(|| by_hand(&seed, &Seed001, key(n))))),
        (Sqlx::ONE, Box::new(|n| sqlx.window(session(n), LIMIT))),
    ];
    measure(report, workload, plan.rounds, times, &mut candidates)?;
    drop(candidates);
    sqlx.end()
}

/// Each window through a connection or store of its own, which has found a session before; then the system forgets what
/// it has read of the file.
pub(super) fn cold(plan: &Plan, times: u64, report: &mut Report) -> Outcome<()> {
    if let Err(error) = forget() {
        report.note(format!("{COLD}: not measured, since the page cache cannot be dropped here: {error}"));
        return Ok(());
    }
    let sessions = long_sessions(plan.messages, plan.seed)?;
    let key =
        |n: u64| &plan.sample.keys[sessions[(mix(plan.seed ^ n) % sessions.len() as u64) as usize] as usize];
    let file = plan.filled(&SessionDb::Whole);
    let mut candidates: Vec<Call<'_>> = vec![
        (
            RAW,
            Box::new(|n| {
                let conn = connect(file, Durability::Full, Cache::Reader)?;
                SessionDb::Whole.session(&conn, &plan.sample.keys[0])?;
                forget()?;
                timed(|| by_hand(&conn, &SessionDb::Whole, key(n)))
            }),
        ),
        (
            MESSAGE,
            Box::new(|n| {
                let store = blocking::Store::from(ours::open(file, Durability::Full)?);
                store.session(&plan.sample.keys[0])?;
                forget()?;
                timed(|| message(&store, key(n)))
            }),
        ),
        (
            SEED_001,
            Box::new(|n| {
                let conn = connect(plan.filled(&Seed001), Durability::Full, Cache::Reader)?;
                Seed001.session(&conn, &plan.sample.keys[0])?;
                forget()?;
                timed(|| by_hand(&conn, &Seed001, key(n)))
            }),
        ),
    ];
    measure(report, COLD, plan.rounds, times, &mut candidates)
}

/// The system drops every page of a file that it has in memory.
fn forget() -> Outcome<()> {
    settle()?;
    Ok(fs::write(Path::new("/proc/sys/vm/drop_caches"), "1")?)
}

/// The sum of the rows of a window.
pub(super) fn by_hand(conn: &Connection, schema: &dyn Schema, key: &SessionKey) -> Outcome<u64> {
    let messages = schema.window(conn, key, LIMIT)?;
    Ok(messages.iter().map(|message| message.id.cast_unsigned()).sum())
}

/// What `StoredMessage` has: content and tool calls as values.
fn parsed(conn: &Connection, key: &SessionKey) -> Outcome<u64> {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    let messages = SessionDb::Whole.window(conn, key, LIMIT)?;
    let parsed = messages.into_iter().map(|message| {
        let values = (value(&message.content)?, message.tool_calls.as_deref().map(value).transpose()?);
        Ok((message, values))
    });
    let parsed = parsed.collect::<Outcome<Vec<(Message, _)>>>()?;
    Ok(parsed.iter().map(|(message, _)| message.id.cast_unsigned()).sum())
}

fn message(store: &blocking::Store, key: &SessionKey) -> Outcome<u64> {
    let page = store.message_window(key, Window::last(LIMIT))?;
    Ok(page.messages.iter().map(|message| message.id.cast_unsigned()).sum())
}

fn stored_message(store: &SessionStore, key: &SessionKey) -> Outcome<u64> {
    let history = store.get_history(key, &HistoryQuery::newest(LIMIT))?;
    Ok(history.messages.iter().map(|message| message.id.cast_unsigned()).sum())
}
