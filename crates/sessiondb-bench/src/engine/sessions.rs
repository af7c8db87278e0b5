//! What one caller does with whole sessions: finds or makes one, appends many messages at once, reads all of it, forks
//! and deletes it.

use std::{fs, ops::Range, path::Path};

use aisopod_session::{HistoryQuery, SessionStore};
use rusqlite::Connection;
use sessiondb::{NewMessage, SessionKey, Window, blocking, limits::PAGE_MAX, sqlite::Durability, time};

use super::{
    Plan,
    append::stored,
    by_hand::{Cache, Schema, Seed001, SessionDb, connect, transact},
    load::{SESSIONS, mix},
    ours,
    report::Report,
    sample::{Sample, key},
    turns::{Call, measure, timed},
    window,
};
use crate::{Outcome, sample::settle};

/// Messages of the session whose whole history is read.
pub(super) const LONG: u64 = 10_000;
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

    fn append(&self, sample: &Sample, key: &SessionKey, messages: Range<u64>) -> Outcome<()> {
        let at = time::to_text(time::now());
        let contents: Vec<_> = messages.map(|n| sample.content(n).get()).collect();
        transact(&self.conn, || self.schema.append(&self.conn, key, &contents, &at))
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

impl Ours {
    const NAME: &str = "SessionDB, blocking";
}

const SEED_001: &str = "raw SQLite, seed 001's schema";

impl Caller for Ours {
    fn name(&self) -> &'static str {
        Ours::NAME
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
pub(super) fn new_key(workload: &str, n: u64) -> SessionKey {
    SessionKey { peer_kind: workload.to_owned(), ..key(n) }
}

type Stores = [Box<dyn Caller>; 3];

/// So many messages in a session, a thousand at a time.
fn fill(sample: &Sample, store: &dyn Caller, key: &SessionKey, messages: u64) -> Outcome<()> {
    store.session_open(key)?;
    (0..messages).step_by(MIDDLE as usize).try_for_each(|n| store.append(sample, key, n..n + MIDDLE))
}

/// Measures what is done in a call, after what is done before it.
fn each(
    (plan, stores, report): (&Plan, &Stores, &mut Report),
    workload: &str,
    times: u64,
    before: impl Fn(&dyn Caller, u64) -> Outcome<()>,
    call: impl Fn(&dyn Caller, u64) -> Outcome<()>,
) -> Outcome<()> {
    let mut candidates: Vec<Call<'_>> = Vec::new();
    for store in stores {
        let (store, before, call) = (store.as_ref(), &before, &call);
        let timed = move |n| {
            before(store, n)?;
            timed(|| call(store, n).map(|()| 0))
        };
        candidates.push((store.name(), Box::new(timed)));
    }
    measure(report, workload, plan.rounds, times, &mut candidates)
}

pub(super) fn run(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let [raw, ours, seed] =
        ["raw", "ours", "seed001"].map(|name| plan.dir.join(format!("sessions-{name}.db")));
    for (file, schema) in
        [(&raw, &SessionDb::Whole as &dyn Schema), (&ours, &SessionDb::Whole), (&seed, &Seed001)]
    {
        fs::copy(plan.filled(schema), file)?;
    }
    let connect = |file| connect(file, Durability::Full, Cache::Writer);
    let stores: Stores = [
        Box::new(ByHand { name: "raw SQLite", conn: connect(&raw)?, schema: &SessionDb::Whole }),
        Box::new(Ours(ours::open(&ours, Durability::Full)?.into())),
        Box::new(ByHand { name: SEED_001, conn: connect(&seed)?, schema: &Seed001 }),
    ];
    let (long, parent) = (new_key("long", 0), new_key("parent", 0));
    for store in &stores {
        fill(&plan.sample, store.as_ref(), &long, LONG)?;
        fill(&plan.sample, store.as_ref(), &parent, MIDDLE)?;
    }
    settle()?;

    let nothing = |_: &dyn Caller, _| Ok(());
    each((plan, &stores, report), "session_open, existing", 2_000, nothing, |store, n| {
        store.session_open(&plan.sample.keys[(n % SESSIONS) as usize])
    })?;
    each((plan, &stores, report), "session_open, new, FULL", 300, nothing, |store, n| {
        store.session_open(&new_key("new", n))
    })?;
    each((plan, &stores, report), "append of 100 messages in one call, FULL", 100, nothing, |store, n| {
        store.append(&plan.sample, &plan.sample.keys[(n % SESSIONS) as usize], 0..BATCH)
    })?;
    each((plan, &stores, report), "fork of a session of 1,000 messages, FULL", 20, nothing, |store, n| {
        store.fork(&parent, &new_key("fork", n))
    })?;
    let made = |store: &dyn Caller, n| fill(&plan.sample, store, &new_key("deleted", n), MIDDLE);
    each((plan, &stores, report), "delete of a session of 1,000 messages, FULL", 12, made, |store, n| {
        store.delete(&new_key("deleted", n))
    })?;
    history(plan, &stores, &long, &ours, report)?;
    times(plan, &long, [&ours, &seed], report)?;
    // Seed 001's forks are copies, so it has more.
    let (by_hand, in_ours) = (stored(&raw)?, stored(&ours)?);
    if by_hand == in_ours {
        return Ok(());
    }
    Err(format!("{in_ours} messages are in SessionDB, and by hand there are {by_hand}").into())
}

/// All messages of a session, also as a family reads them.
fn history(plan: &Plan, stores: &Stores, key: &SessionKey, ours: &Path, report: &mut Report) -> Outcome<()> {
    let mut candidates: Vec<Call<'_>> = Vec::new();
    for store in stores {
        candidates.push((store.name(), Box::new(move |_| timed(|| store.history(key)))));
    }
    let aisopod = SessionStore::new(ours)?;
    let all = HistoryQuery::default();
    let stored_messages = move |_| timed(|| Ok(aisopod.get_history(key, &all)?.messages.len() as u64));
    candidates.push((window::STORED_MESSAGE, Box::new(stored_messages)));
    measure(report, "history of 10,000 messages", plan.rounds, 8, &mut candidates)
}

/// The newest messages before a time. Seed 001's schema has an index of all times for it.
fn times(plan: &Plan, key: &SessionKey, [ours, seed]: [&Path; 2], report: &mut Report) -> Outcome<()> {
    let store = blocking::Store::from(ours::open(ours, Durability::Full)?);
    let seed = connect(seed, Durability::Full, Cache::Reader)?;
    let row = Seed001.session(&seed, key)?.ok_or("the long session is gone")?.id;
    let message = |n: u64| mix(plan.seed ^ n) % LONG;
    let mut statement = seed
        .prepare("SELECT created_at, id FROM messages WHERE session_id = ?1 ORDER BY id LIMIT 1 OFFSET ?2")?;
    let ours_at = |n: u64| -> Outcome<_> {
        let page = store.message_window(key, Window::range(message(n) + 1, message(n) + 1))?;
        let message = page.messages.first().ok_or("a message is gone")?;
        Ok((message.created_at, message.seq))
    };
    let mut candidates: Vec<Call<'_>> = vec![
        (
            Ours::NAME,
            Box::new(|n| {
                let cursor = Some(ours_at(n)?);
                let window = Window::Times { after: None, before: None, cursor, limit: window::LIMIT };
                timed(|| Ok(store.message_window(key, window)?.messages.len() as u64))
            }),
        ),
        (
            SEED_001,
            Box::new(|n| {
                let (time, id): (String, i64) = statement
                    .query_row((row, message(n).cast_signed()), |row| Ok((row.get(0)?, row.get(1)?)))?;
                timed(|| Ok(Seed001::before(&seed, row, (&time, id), window::LIMIT)?.len() as u64))
            }),
        ),
    ];
    measure(report, "50 messages before a time, of 10,000", plan.rounds, 200, &mut candidates)
}
