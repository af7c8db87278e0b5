//! What one caller does with whole sessions: finds or makes one, appends many messages at once, reads all of it, forks
//! and deletes it.

use std::{fs, ops::Range};

use aisopod_session::{HistoryQuery, SessionStore};
use rusqlite::Connection;
use sessiondb::{NewMessage, SessionKey, Window, blocking, limits::PAGE_MAX, sqlite::Durability, time};

use super::{
    Plan,
    by_hand::{Cache, Schema, Seed001, SessionDb, connect, transact},
    load::SESSIONS,
    ours,
    report::Report,
    sample::{Sample, key},
    settle,
    turns::{Call, measure, timed},
};
use crate::Outcome;

/// Messages of the session whose whole history is read.
const LONG: u64 = 10_000;
/// Messages of a session that is forked or deleted.
const MIDDLE: u64 = 1_000;
/// Messages in one call.
const BATCH: u64 = 100;

/// A store as one caller has it. What is written is durable (FULL).
trait Caller {
    fn name(&self) -> &'static str;
    fn session_open(&self, key: &SessionKey) -> Outcome<()>;
    /// Appends the messages with these numbers, all or none.
    fn append(&self, sample: &Sample, key: &SessionKey, messages: Range<u64>) -> Outcome<()>;
    /// How many messages the session has, after all of them were read.
    fn history(&self, key: &SessionKey) -> Outcome<u64>;
    fn fork(&self, key: &SessionKey, new_key: &SessionKey) -> Outcome<()>;
    fn delete(&self, key: &SessionKey) -> Outcome<()>;
}

struct ByHand {
    name: &'static str,
    conn: Connection,
    schema: &'static dyn Schema,
}

impl Caller for ByHand {
    fn name(&self) -> &'static str {
        self.name
    }

    fn session_open(&self, key: &SessionKey) -> Outcome<()> {
        if self.schema.session(&self.conn, key)?.is_some() {
            return Ok(());
        }
        let at = time::to_text(time::now());
        transact(&self.conn, || self.schema.session_insert(&self.conn, key, &at).map(drop))
    }

    fn append(&self, sample: &Sample, key: &SessionKey, mut messages: Range<u64>) -> Outcome<()> {
        let at = time::to_text(time::now());
        transact(&self.conn, || {
            messages.try_for_each(|n| self.schema.append(&self.conn, key, sample.content(n).get(), &at))
        })
    }

    fn history(&self, key: &SessionKey) -> Outcome<u64> {
        Ok(self.schema.window(&self.conn, key, LONG as usize)?.len() as u64)
    }

    fn fork(&self, key: &SessionKey, new_key: &SessionKey) -> Outcome<()> {
        let at = time::to_text(time::now());
        transact(&self.conn, || self.schema.fork(&self.conn, key, new_key, &at))
    }

    fn delete(&self, key: &SessionKey) -> Outcome<()> {
        let at = time::to_text(time::now());
        transact(&self.conn, || self.schema.delete(&self.conn, key, &at))
    }
}

struct Ours(blocking::Store);

impl Caller for Ours {
    fn name(&self) -> &'static str {
        "SessionDB, blocking"
    }

    fn session_open(&self, key: &SessionKey) -> Outcome<()> {
        self.0.session_open(key)?;
        Ok(())
    }

    fn append(&self, sample: &Sample, key: &SessionKey, messages: Range<u64>) -> Outcome<()> {
        let messages = messages.map(|n| NewMessage::new("user", sample.content(n).clone()));
        self.0.append(key, messages.collect())?;
        Ok(())
    }

    /// Page by page: a page has 1,000 messages at most.
    fn history(&self, key: &SessionKey) -> Outcome<u64> {
        let mut messages = Vec::new();
        loop {
            let after = messages.last().map_or(0, |message: &sessiondb::Message| message.seq);
            let page = self.0.message_window(key, Window::after(after, PAGE_MAX))?;
            messages.extend(page.messages);
            if !page.has_later {
                return Ok(messages.len() as u64);
            }
        }
    }

    fn fork(&self, key: &SessionKey, new_key: &SessionKey) -> Outcome<()> {
        self.0.fork(key, new_key, None)?;
        Ok(())
    }

    fn delete(&self, key: &SessionKey) -> Outcome<()> {
        self.0.session_delete(key)?;
        Ok(())
    }
}

/// The `n`th session of a workload of its own, which is in no store yet.
fn new_key(workload: &str, n: u64) -> SessionKey {
    SessionKey { peer_kind: workload.to_owned(), ..key(n) }
}

pub(super) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let (by_hand, ours, seed) = ("sessions-raw.db", "sessions-ours.db", "sessions-seed001.db");
    let [by_hand, ours, seed] = [by_hand, ours, seed].map(|name| plan.dir.join(name));
    for (file, schema) in [(&by_hand, &SessionDb as &dyn Schema), (&ours, &SessionDb), (&seed, &Seed001)] {
        fs::copy(plan.filled(schema), file)?;
    }
    let aisopod = SessionStore::new(&ours)?;
    let connected = |file| connect(file, Durability::Full, Cache::Writer);
    let stores: [Box<dyn Caller>; 3] = [
        Box::new(ByHand { name: "raw SQLite", conn: connected(&by_hand)?, schema: &SessionDb }),
        Box::new(Ours(ours::open(&ours, Durability::Full)?.into())),
        Box::new(ByHand { name: "raw SQLite, seed 001's schema", conn: connected(&seed)?, schema: &Seed001 }),
    ];
    let filled = |store: &dyn Caller, key: &SessionKey, messages: u64| {
        store.session_open(key)?;
        (0..messages)
            .step_by(MIDDLE as usize)
            .try_for_each(|from| store.append(&plan.sample, key, from..from + MIDDLE))
    };
    let (long, parent) = (new_key("long", 0), new_key("parent", 0));
    for store in &stores {
        filled(store.as_ref(), &long, LONG)?;
        filled(store.as_ref(), &parent, MIDDLE)?;
    }
    settle()?;

    let mut each = |workload: &str, times: u64, call: &dyn Fn(&dyn Caller, u64) -> Timed| {
        let mut candidates: Vec<Call<'_>> = Vec::new();
        for store in &stores {
            candidates.push((store.name(), Box::new(|n| call(store.as_ref(), n))));
        }
        measure(report, workload, plan.rounds, times, &mut candidates)
    };
    let done = |work: &dyn Fn() -> Outcome<()>| timed(|| work().map(|()| 0));

    each("session_open, existing", 2_000, &|store, n| {
        let key = key(n % SESSIONS);
        done(&|| store.session_open(&key))
    })?;
    each("session_open, new, FULL", 300, &|store, n| {
        let key = new_key("new", n);
        done(&|| store.session_open(&key))
    })?;
    each("append of 100 messages in one call, FULL", 100, &|store, n| {
        let key = key(n % SESSIONS);
        done(&|| store.append(&plan.sample, &key, 0..BATCH))
    })?;
    each("fork of a session of 1,000 messages, FULL", 20, &|store, n| {
        let key = new_key("fork", n);
        done(&|| store.fork(&parent, &key))
    })?;
    each("delete of a session of 1,000 messages, FULL", 12, &|store, n| {
        let key = new_key("deleted", n);
        filled(store, &key, MIDDLE)?;
        done(&|| store.delete(&key))
    })?;
    let mut candidates: Vec<Call<'_>> = Vec::new();
    for store in &stores {
        candidates.push((store.name(), Box::new(|_| timed(|| store.history(&long)))));
    }
    candidates.push((
        "aisopod-session, StoredMessage",
        Box::new(|_| {
            timed(|| Ok(aisopod.get_history(&long, &HistoryQuery::default())?.messages.len() as u64))
        }),
    ));
    measure(report, "history of 10,000 messages", plan.rounds, 8, &mut candidates)
}

type Timed = Outcome<(std::time::Duration, u64)>;
