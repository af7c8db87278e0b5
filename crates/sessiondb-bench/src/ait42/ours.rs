//! `ait42-session`, as a program on tokio calls it: with full durability, its default.

use std::{path::Path, time::Duration};

use ait42_session::{
    ChatMessage, SessionFilters, SessionRepository, SqliteSessionRepository, WorktreeSession,
};
use tokio::runtime::Runtime;

use super::{Design, WORKSPACE, timed};
use crate::Outcome;

pub(super) struct Ours {
    runtime: Runtime,
    repository: SqliteSessionRepository,
}

impl Ours {
    pub fn open(file: &Path) -> Outcome<Self> {
        let runtime = Runtime::new()?;
        let url = format!("sqlite://{}", file.display());
        let repository = runtime.block_on(SqliteSessionRepository::new(&url))?;
        Ok(Self { runtime, repository })
    }
}

impl Design for Ours {
    fn create(&mut self, session: WorktreeSession) -> Outcome<Duration> {
        let (time, created) = timed(|| self.runtime.block_on(self.repository.create_session(session)));
        created?;
        Ok(time)
    }

    fn add(&mut self, session: &str, message: ChatMessage) -> Outcome<Duration> {
        let (time, added) =
            timed(|| self.runtime.block_on(self.repository.add_chat_message(session, message)));
        added?;
        Ok(time)
    }

    fn get_all(&mut self) -> Outcome<(Duration, usize)> {
        let (time, sessions) = timed(|| self.runtime.block_on(self.repository.get_all_sessions(WORKSPACE)));
        Ok((time, sessions?.len()))
    }

    fn search(&mut self, text: &str) -> Outcome<(Duration, usize)> {
        let filters = SessionFilters { search_query: Some(text.to_owned()), ..SessionFilters::default() };
        let (time, found) =
            timed(|| self.runtime.block_on(self.repository.search_sessions(WORKSPACE, filters)));
        Ok((time, found?.len()))
    }

    fn kept(&mut self) -> Outcome<Vec<WorktreeSession>> {
        Ok(self.runtime.block_on(self.repository.get_all_sessions(WORKSPACE))?)
    }
}
