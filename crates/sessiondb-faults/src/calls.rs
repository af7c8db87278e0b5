//! [`Calls`]: what was asked of a store, and when it was answered, beside the disk's log.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use parking_lot::Mutex;
use sessiondb_core::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, HitPage, Lineage,
    MessagePage, Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter, SessionKey, SessionPage,
    SessionParts, Time, ViewChange, Window,
};

use crate::disk::Disk;

/// When the log is told that a call was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// When the store answered it.
    WhenAnswered,
    /// When it was sent: a store that promises too much, which must be found out.
    WhenSent,
}

/// A call of `commit`.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its commits, each with a time of its own, by which it is known in the store's feed.
    pub commits: Vec<Commit>,
    /// How many events the disk had seen when it was sent.
    pub sent: usize,
    /// What it was answered.
    pub answer: Option<Result<Vec<Receipt>>>,
}

/// The calls that were made to a store, numbered in the order in which they were sent.
pub struct Calls {
    disk: Arc<Disk>,
    answers: Answers,
    /// The number of the first.
    first: u64,
    calls: Mutex<Vec<Call>>,
}

/// The moment from which on the times are ours. No source of an import and no clock says one of these.
const EPOCH: i64 = 4_102_444_800;
/// Most commits in a call.
const COMMITS_MAX: i64 = 10_000;

/// The time of a commit in a call.
fn time_of(call: u64, commit: usize) -> Option<Time> {
    let micros = i64::try_from(call).ok()?.checked_mul(COMMITS_MAX)? + i64::try_from(commit).ok()?;
    Time::from_timestamp(EPOCH, 0)?.checked_add_signed(TimeDelta::microseconds(micros))
}

/// The number of the call whose commit has this time.
pub(crate) fn call_at(time: Time) -> Option<u64> {
    let since = time - Time::from_timestamp(EPOCH, 0)?;
    u64::try_from(since.num_microseconds()? / COMMITS_MAX).ok().filter(|_| since >= TimeDelta::zero())
}

impl Calls {
    /// No calls yet; the first will have this number.
    pub fn new(disk: Arc<Disk>, answers: Answers, first: u64) -> Arc<Calls> {
        Arc::new(Calls { disk, answers, first, calls: Mutex::default() })
    }

    /// The store, with its calls written down.
    pub fn note(self: &Arc<Calls>, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Noted { backend, calls: Arc::clone(self) })
    }

    /// The calls so far.
    pub fn list(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// Writes a call down. Its commits get their times, but for those that are sent again.
    pub fn send(&self, commits: &mut [Commit]) -> u64 {
        let mut calls = self.calls.lock();
        let number = self.first + calls.len() as u64;
        for (at, commit) in commits.iter_mut().enumerate() {
            if commit.at.and_then(call_at).is_none() {
                commit.at = time_of(number, at);
            }
        }
        calls.push(Call { commits: commits.to_vec(), sent: self.disk.recorded(), answer: None });
        drop(calls);
        if self.answers == Answers::WhenSent {
            self.disk.acknowledged(number);
        }
        number
    }

    /// Writes down what a call was answered.
    pub fn answered(&self, number: u64, answer: &Result<Vec<Receipt>>) {
        if answer.is_ok() && self.answers == Answers::WhenAnswered {
            self.disk.acknowledged(number);
        }
        if let Some(call) = self.calls.lock().get_mut((number - self.first) as usize) {
            call.answer = Some(answer.clone());
        }
    }
}

/// A store whose calls are written down.
struct Noted {
    backend: Arc<dyn Backend>,
    calls: Arc<Calls>,
}

#[async_trait]
impl Backend for Noted {
    async fn commit(&self, mut commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        let number = self.calls.send(&mut commits);
        let answer = self.backend.commit(commits).await;
        self.calls.answered(number, &answer);
        answer
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.backend.session(key).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.backend.session_list(filter).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        self.backend.session_list_parts(filter, parts).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.backend.session_parts(keys, parts).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.backend.message_window(key, window).await
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        self.backend.lineage(key).await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.backend.view_changes(key, before, limit).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.backend.document(key, collection, id).await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.backend.document_list(key, filter).await
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.backend.changes(after, limit).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        self.backend.search(search).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.backend.check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.backend.optimize().await
    }

    async fn status(&self) -> Result<sessiondb_core::Status> {
        self.backend.status().await
    }

    async fn close(&self) -> Result<()> {
        self.backend.close().await
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        self.calls.note(self.backend.blocking())
    }
}
