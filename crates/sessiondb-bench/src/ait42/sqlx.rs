//! Seed 003's own design, a program of its own.

use std::{ffi::OsStr, path::Path, time::Duration};

use ait42_session::{ChatMessage, WorktreeSession};

use super::{Design, WORKSPACE};
use crate::{Outcome, peer::Peer};

pub(super) struct Sqlx(Peer);

impl Sqlx {
    /// Durability is `normal`, as the seed has it, or `full`.
    pub fn start(peer: &Path, file: &Path, durability: &str) -> Outcome<Self> {
        Ok(Self(Peer::start(peer, "ait42-sqlx", [file.as_os_str(), OsStr::new(durability)])?))
    }

    fn time(&mut self, line: &str) -> Outcome<Duration> {
        Ok(Duration::from_nanos(self.0.ask(line)?.parse()?))
    }

    fn time_and_count(&mut self, line: &str) -> Outcome<(Duration, usize)> {
        let answer = self.0.ask(line)?;
        let (time, count) = answer.split_once(' ').ok_or("an answer without a count")?;
        Ok((Duration::from_nanos(time.parse()?), count.parse()?))
    }
}

impl Design for Sqlx {
    fn create(&mut self, session: WorktreeSession) -> Outcome<Duration> {
        self.time(&format!("create {}", serde_json::to_string(&session)?))
    }

    fn add(&mut self, session: &str, message: ChatMessage) -> Outcome<Duration> {
        self.time(&format!("add {session} {}", serde_json::to_string(&message)?))
    }

    fn get_all(&mut self) -> Outcome<(Duration, usize)> {
        self.time_and_count(&format!("get-all {WORKSPACE}"))
    }

    fn search(&mut self, text: &str) -> Outcome<(Duration, usize)> {
        self.time_and_count(&format!("search {WORKSPACE} {text}"))
    }

    fn kept(&mut self) -> Outcome<Vec<WorktreeSession>> {
        Ok(serde_json::from_str(&self.0.ask(&format!("show {WORKSPACE}"))?)?)
    }
}
