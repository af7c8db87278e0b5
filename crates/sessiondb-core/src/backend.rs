//! [`Backend`]: what a storage engine must do.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, HitPage, Lineage, MessagePage,
    Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter, SessionKey, SessionPage, SessionParts,
    Status, ViewChange, Window,
};

/// The contract between a storage engine and the rest of SessionDB. Callers use [`Store`](crate::Store), which checks
/// limits and scope before it asks a backend; this trait is for those who write one.
///
/// It has few methods and none with a default, so that no engine promises something by accident. What each method
/// means in every case is said by [`MemoryBackend`](crate::MemoryBackend), the executable specification, and by the
/// `conformance` tests, which every engine must pass.
///
/// Promises:
/// - [`commit`](Backend::commit) applies all its commits or none. When it answers, they are durable as far as the
///   engine promises. Commits to one session are in one order, and numbers are given in that order without gaps.
/// - Dropping the future of a commit does not cancel it and does not make it happen twice.
/// - A read sees every commit that was answered before it began, and a commit wholly or not at all.
/// - Windows and lists cost the same at the start, in the middle and at the end. Windows touch no more than their answer
///   needs; a list may pass over sessions that do not match its filter, but sorts nothing.
/// - A row that cannot be read is an error that names it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Applies the commits in order, all or none.
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>>;

    /// The session under this key.
    async fn session(&self, key: &SessionKey) -> Result<Option<Session>>;

    /// A page of the sessions that match.
    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage>;

    /// A page of the sessions that match, each with parts of it, all as they were at one moment. The page ends where
    /// [`parts::fitting`](crate::parts::fitting) says.
    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage>;

    /// The sessions under these keys, each with parts of it, all as they were at one moment; `None` for a key under which
    /// there is none. The answer is of as many of the first keys as [`parts::fitting`](crate::parts::fitting) says.
    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>>;

    /// A part of a session's history; `None` if there is no such session.
    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>>;

    /// Where a session's history comes from; `None` if there is no such session.
    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>>;

    /// How a session's view changed, the newest change first: at most `limit` changes before this revision, or the newest
    /// ones. `None` if there is no such session.
    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>>;

    /// One document; `None` if it or the session does not exist.
    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>>;

    /// A page of a session's documents; `None` if there is no such session.
    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>>;

    /// What was committed after this place of the feed, at most `limit` changes, in their order; without a place, nothing but
    /// the place where the feed ends now. A change is there as soon as its commit is answered, whichever process made it.
    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage>;

    /// A page of the messages that say this, the last stored first. A commit that was answered is found. A page looks at so
    /// many messages and no further; where it stopped is its `next`.
    async fn search(&self, search: &Search) -> Result<HitPage>;

    /// Looks at everything: recounts, re-reads, compares checksums.
    async fn check(&self) -> Result<CheckReport>;

    /// Gives space that is not used any more back to the file system, as far as it can without keeping callers waiting;
    /// answers how many bytes. Nothing that can be read changes.
    async fn optimize(&self) -> Result<u64>;

    /// How the store does.
    async fn status(&self) -> Result<Status>;

    /// Finishes what was accepted, then closes. Later calls answer [`Error::Closed`](crate::Error::Closed).
    async fn close(&self) -> Result<()>;

    /// The same store for callers that may block their thread. Its futures are ready when first polled wherever the
    /// engine can do the work on the caller's own thread, which saves a lone caller two thread switches.
    fn blocking(&self) -> Arc<dyn Backend>;
}
