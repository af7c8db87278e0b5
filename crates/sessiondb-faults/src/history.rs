//! [`History`]: what a recorded store must be after a power cut at any moment.
//!
//! The order of commits is the store's own feed, the table `commits`. The calls are applied one by one in this order to the
//! engine in memory, which is the specification; what can be observed after each is what a store must show whose feed ends
//! there. A call is known in the feed by the times of its commits, each of which is used once.
//!
//! A call that leaves no row in the feed must leave nothing at all: one that was refused, and one that found all as it would
//! have it. So it has no place in the order, and is left out.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use sessiondb_core::{Commit, Error, MemoryBackend, Store, time};

use crate::{
    calls::{Call, call_at},
    disk::Event,
    observe::{digest, observe},
};

/// A row of the feed, as text, and its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    text: String,
    /// The number of the call; `None` for rows that no call of ours made.
    call: Option<u64>,
}

impl FeedRow {
    /// The number of the call that made it; `None` if no call of ours did.
    pub(crate) fn call(&self) -> Option<u64> {
        self.call
    }
}

/// Reads a store's feed by SQL.
///
/// # Errors
/// If it cannot be read.
pub fn feed(path: &Path, vfs: &str) -> Result<Vec<FeedRow>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags_and_vfs(path, flags, vfs)?;
    let mut statement = conn.prepare(
        "SELECT at, format('%d|%d|%d|%s|%s|%Q|%Q|%Q|%Q', id, session_id, revision, at, what, seqs, commit_id, \
                           hex(digest), key) FROM commits ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (at, text) = row?;
        Ok(FeedRow { text, call: time::from_text(&at).ok().and_then(call_at) })
    })
    .collect()
}

/// A store between two calls.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// How many rows its feed has.
    pub rows: usize,
    /// What can be observed.
    pub digest: u128,
    /// The call that led here.
    call: Option<u64>,
}

/// What a store was, call by call.
#[derive(Clone)]
pub struct History {
    /// What the store held before its first call, as calls that would have led there.
    base: Vec<Vec<Commit>>,
    calls: BTreeMap<u64, Call>,
    feed: Vec<FeedRow>,
    states: Vec<State>,
    /// Which agent's sessions are observed; `None` for all.
    agent_id: Option<String>,
}

/// How much of a feed must be there after a cut, in rows.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// As much as was acknowledged.
    pub least: usize,
    /// As much as was sent.
    pub most: usize,
}

impl History {
    /// The history of a store that began with `base`, was asked these calls, numbered from 0, and ended with this feed. Of an
    /// agent's sessions, or of all.
    ///
    /// # Errors
    /// If the store answered otherwise than the engine in memory does, or its feed is not of these calls.
    pub async fn new(
        base: Vec<Vec<Commit>>,
        calls: Vec<Call>,
        feed: Vec<FeedRow>,
        agent_id: Option<&str>,
    ) -> Result<History> {
        let agent_id = agent_id.map(str::to_owned);
        // What was there before the first call.
        let rows = feed.iter().take_while(|row| row.call.is_none()).count();
        let (calls_so_far, states) = (BTreeMap::new(), Vec::new());
        let history = History { base, calls: calls_so_far, feed: feed.clone(), states, agent_id };
        let store = history.replay(0).await?;
        let digest = history.digest(&store).await?;
        let begun = History { states: vec![State { rows, digest, call: None }], ..history };
        begun.continued(0, &store, (0..).zip(calls), feed).await
    }

    /// This history up to a state, and what was done then: calls with their numbers, and the feed that it ended with.
    /// `store` is the engine in memory in that state.
    ///
    /// # Errors
    /// As [`new`](History::new).
    pub(crate) async fn continued(
        &self,
        state: usize,
        store: &Store,
        calls: impl IntoIterator<Item = (u64, Call)>,
        feed: Vec<FeedRow>,
    ) -> Result<History> {
        let mut history = History { states: self.states[..=state].to_vec(), ..self.clone() };
        history.calls.extend(calls);
        let mut rows = history.states[state].rows;
        ensure!(feed[..rows.min(feed.len())] == self.feed[..rows], "the feed of a store changed");
        for run in feed[rows..].chunk_by(|a, b| a.call == b.call) {
            let number = run[0].call.with_context(|| format!("a row of nobody's: {:?}", run[0]))?;
            let call = history.calls.get(&number).context("a row of a call that was not sent")?;
            let right = store.commit(call.commits.clone()).await;
            if let Some(answer) = call.answer.as_ref().filter(|_| !history.is_unknown(number)) {
                ensure!(*answer == right, "call {number}\n{call:?}\nshould be answered {right:?}");
            }
            ensure!(right.is_ok(), "call {number} is in the feed, but should be refused: {right:?}");
            rows += run.len();
            let digest = history.digest(store).await?;
            history.states.push(State { rows, digest, call: Some(number) });
        }
        let mut numbers: Vec<Option<u64>> = history.states.iter().map(|state| state.call).collect();
        numbers.sort_unstable();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("call {pair:?} is in the feed twice");
        }
        history.feed = feed;
        Ok(history)
    }

    async fn digest(&self, store: &Store) -> Result<u128> {
        Ok(digest(&observe(store, self.agent_id.as_deref()).await?))
    }

    /// The engine in memory in this state.
    ///
    /// # Errors
    /// If a call that succeeded once does not now.
    pub(crate) async fn replay(&self, state: usize) -> Result<Store> {
        let store = Store::new(Arc::new(MemoryBackend::new()));
        for commits in &self.base {
            store.commit(commits.clone()).await?;
        }
        for number in self.states.iter().take(state + 1).filter_map(|state| state.call) {
            self.apply(&store, number).await?;
        }
        Ok(store)
    }

    /// What a cut after the first `events` of this log may leave. `known` is the feed that was there before the log began.
    pub fn bounds(&self, log: &[Event], events: usize, known: usize) -> Bounds {
        let known = known.max(self.states[0].rows);
        let mut bounds = Bounds { least: known, most: known };
        for event in &log[..events] {
            if let Event::Acknowledged(number) = event {
                bounds.least = bounds.least.max(self.end_of(*number));
            }
        }
        for (number, call) in &self.calls {
            if call.sent <= events {
                bounds.most = bounds.most.max(self.end_of(*number));
            }
        }
        bounds.most = bounds.most.max(bounds.least);
        bounds
    }

    /// Where the rows of a call end, or those of the call that it repeated; 0 if it has none.
    fn end_of(&self, number: u64) -> usize {
        let Some(call) = self.calls.get(&number) else { return 0 };
        let first_sent = call.commits.iter().filter_map(|commit| commit.at.and_then(call_at));
        let ends = first_sent.filter_map(|number| {
            self.states.iter().find(|state| state.call == Some(number)).map(|state| state.rows)
        });
        ends.max().unwrap_or(0)
    }

    /// The state that ends with this many rows.
    pub(crate) fn state_of(&self, rows: usize) -> Option<usize> {
        self.states.iter().position(|state| state.rows == rows)
    }

    /// How many rows the feed has in a state.
    pub(crate) fn state_rows(&self, state: usize) -> usize {
        self.states[state].rows
    }

    pub(crate) fn state(&self, state: usize) -> &State {
        &self.states[state]
    }

    pub(crate) fn feed(&self) -> &[FeedRow] {
        &self.feed
    }

    pub(crate) fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// Whether a call was answered that its outcome is unknown.
    pub(crate) fn is_unknown(&self, call: u64) -> bool {
        let call = self.calls.get(&call);
        matches!(call, Some(Call { answer: Some(Err(Error::Unknown(_))), .. }))
    }

    /// Makes a call once more.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) async fn apply(&self, store: &Store, call: u64) -> Result<()> {
        store.commit(self.calls[&call].commits.clone()).await?;
        Ok(())
    }

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.keys().next_back().map_or(0, |last| last + 1)
    }

    /// The calls and their numbers.
    pub fn calls(&self) -> impl Iterator<Item = (u64, &Call)> {
        self.calls.iter().map(|(number, call)| (*number, call))
    }
}
