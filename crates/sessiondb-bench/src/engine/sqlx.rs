//! sqlx as seed 003 uses it, a pool of 5 connections, on seed 001's schema: a program of its own
//! (`peers/ait42-sqlx/src/bin/seed001-sqlx.rs`), given the same sessions and messages.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use sessiondb::sqlite::Durability;

use super::{
    append::{Appender, Load, told},
    by_hand::{Cache, Schema, Seed001},
    callers::Measured,
};
use crate::{Outcome, peer::Peer};

/// How it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    /// In one transaction, as durable as was asked for.
    One,
    /// As seed 003 adds a message: the insert and the update commit by themselves, always at NORMAL.
    AsSeed003,
}

pub(super) struct Sqlx {
    pub peer: PathBuf,
    pub commits: Commits,
}

impl Sqlx {
    pub const ONE: &str = "sqlx, 5 connections, seed 001's schema";
    pub const AS_SEED_003: &str = "sqlx as seed 003 has it: NORMAL, 2 commits";
}

impl Appender for Sqlx {
    fn name(&self) -> &'static str {
        match self.commits {
            Commits::One => Sqlx::ONE,
            Commits::AsSeed003 => Sqlx::AS_SEED_003,
        }
    }

    fn schema(&self) -> &'static dyn Schema {
        &Seed001
    }

    fn append(&mut self, file: &Path, load: &Load) -> Outcome<Measured> {
        let (durability, commits) = match self.commits {
            Commits::One => (load.durability, "one"),
            Commits::AsSeed003 => (Durability::Normal, "two"),
        };
        let mut program = start(&self.peer, file, durability, Cache::Writer)?;
        let (arrivals, nanos) = (load.arrivals.name(), load.time.as_nanos());
        let Load { callers, first, seed, .. } = load;
        let answer = program.ask(&format!("append {commits} {callers} {nanos} {first} {seed} {arrivals}"))?;
        program.end()?;
        let mut numbers = answer.split(' ').map(str::parse::<u64>);
        let (Some(acknowledged), Some(time)) = (numbers.next(), numbers.next()) else {
            return Err("an answer without counts".into());
        };
        Ok(Measured {
            acknowledged: acknowledged?,
            time: Duration::from_nanos(time?),
            latencies: numbers.map(|nanos| Ok(Duration::from_nanos(nanos?))).collect::<Outcome<_>>()?,
        })
    }
}

/// The same pool, for one caller who reads.
pub(super) struct SqlxReader(Peer);

impl SqlxReader {
    pub fn start(peer: &Path, file: &Path) -> Outcome<SqlxReader> {
        Ok(SqlxReader(start(peer, file, Durability::Full, Cache::Reader)?))
    }

    /// The newest messages of this session: how long it took, and the sum of their rows.
    pub fn window(&mut self, session: u64, limit: usize) -> Outcome<(Duration, u64)> {
        self.read(&format!("window {session} {limit}"))
    }

    /// An agent's sessions after this place: how long it took, and the sum of their rows.
    pub fn list(&mut self, agent: &str, after: (&str, i64), limit: usize) -> Outcome<(Duration, u64)> {
        self.read(&format!("list {agent} {} {} {limit}", after.0, after.1))
    }

    /// Of the SQLite that is in it.
    pub fn sqlite_version(&mut self) -> Outcome<String> {
        self.0.ask("version")
    }

    pub fn end(self) -> Outcome<()> {
        self.0.end()
    }

    fn read(&mut self, line: &str) -> Outcome<(Duration, u64)> {
        let answer = self.0.ask(line)?;
        let (time, sum) = answer.split_once(' ').ok_or("an answer without a sum")?;
        Ok((Duration::from_nanos(time.parse()?), sum.parse()?))
    }
}

fn start(peer: &Path, file: &Path, durability: Durability, cache: Cache) -> Outcome<Peer> {
    let (durability, cache) = (told(durability).to_lowercase(), (cache as i64).to_string());
    Peer::start(peer, "seed001-sqlx", [file.as_os_str(), OsStr::new(&durability), OsStr::new(&cache)])
}
