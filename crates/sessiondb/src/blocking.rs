//! The same store for code that is not async: one line a method.
//!
//! It works in any thread, inside an async runtime too (where it blocks the thread it is called on, as any file
//! access does). A lone caller's work is done on its own thread, without a switch to another.
//!
//! ```
//! use sessiondb::{NewMessage, SessionKey, Window, blocking};
//!
//! let store = blocking::open("memory:")?;
//! let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! store.append(&key, vec![NewMessage::new("user", "hello")])?;
//! assert_eq!(store.message_window(&key, Window::last(50))?.messages.len(), 1);
//! # Ok::<(), sessiondb::Error>(())
//! ```

use pollster::block_on;

use crate::{
    ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, HitPage, Json, Lineage, Message,
    MessagePage, NewMessage, Opening, Parts, PartsPage, Receipt, Result, Scope, Search, Session,
    SessionFilter, SessionKey, SessionPage, SessionParts, Status, ViewChange, Window,
};

/// Opens a store; see [`sessiondb::open`](crate::open).
///
/// # Errors
/// As [`sessiondb::open`](crate::open).
pub fn open(url: &str) -> Result<Store> {
    block_on(crate::open(url)).map(Store::from)
}

/// Opens a store that is there; see [`sessiondb::open_existing`](crate::open_existing).
///
/// # Errors
/// As [`sessiondb::open_existing`](crate::open_existing).
pub fn open_existing(url: &str) -> Result<Store> {
    block_on(crate::open_existing(url)).map(Store::from)
}

/// A [`Store`](crate::Store) whose methods block. Each does what the method of the same name does there, with the
/// same errors.
#[derive(Clone)]
pub struct Store {
    inner: crate::Store,
}

impl From<crate::Store> for Store {
    fn from(store: crate::Store) -> Store {
        Store { inner: store.for_blocking() }
    }
}

#[expect(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "each is the method of the same name of the async Store"
)]
impl Store {
    pub fn scoped(&self, scope: Scope) -> Result<Store> {
        self.inner.scoped(scope).map(|inner| Store { inner })
    }

    pub fn scope(&self) -> &Scope {
        self.inner.scope()
    }

    pub fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        block_on(self.inner.commit(commits))
    }

    pub fn commit_one(&self, commit: Commit) -> Result<Receipt> {
        block_on(self.inner.commit_one(commit))
    }

    pub fn session_open(&self, key: &SessionKey) -> Result<Session> {
        block_on(self.inner.session_open(key))
    }

    pub fn session_open_with(&self, key: &SessionKey, opening: Opening) -> Result<Session> {
        block_on(self.inner.session_open_with(key, opening))
    }

    pub fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        block_on(self.inner.session(key))
    }

    pub fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        block_on(self.inner.session_list(filter))
    }

    pub fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        block_on(self.inner.session_list_parts(filter, parts))
    }

    pub fn session_parts(&self, key: &SessionKey, parts: &Parts) -> Result<Option<SessionParts>> {
        block_on(self.inner.session_parts(key, parts))
    }

    pub fn session_parts_of(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        block_on(self.inner.session_parts_of(keys, parts))
    }

    pub fn session_delete(&self, key: &SessionKey) -> Result<bool> {
        block_on(self.inner.session_delete(key))
    }

    pub fn append(&self, key: &SessionKey, messages: Vec<NewMessage>) -> Result<Receipt> {
        block_on(self.inner.append(key, messages))
    }

    pub fn message_window(&self, key: &SessionKey, window: Window) -> Result<MessagePage> {
        block_on(self.inner.message_window(key, window))
    }

    pub fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        block_on(self.inner.changes(after, limit))
    }

    pub fn state(&self, scope: &Scope, name: &str) -> Result<Option<Document>> {
        block_on(self.inner.state(scope, name))
    }

    pub fn state_list(&self, scope: &Scope, after: Option<String>, limit: usize) -> Result<DocumentPage> {
        block_on(self.inner.state_list(scope, after, limit))
    }

    pub fn state_put(&self, scope: &Scope, name: &str, value: Json) -> Result<Receipt> {
        block_on(self.inner.state_put(scope, name, value))
    }

    pub fn state_patch(&self, scope: &Scope, name: &str, patch: Json) -> Result<Receipt> {
        block_on(self.inner.state_patch(scope, name, patch))
    }

    pub fn state_remove(&self, scope: &Scope, name: &str) -> Result<bool> {
        block_on(self.inner.state_remove(scope, name))
    }

    pub fn search(&self, search: &Search) -> Result<HitPage> {
        block_on(self.inner.search(search))
    }

    pub fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        block_on(self.inner.document(key, collection, id))
    }

    pub fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<DocumentPage> {
        block_on(self.inner.document_list(key, filter))
    }

    pub fn compact(&self, key: &SessionKey, keep: usize, summary: Option<NewMessage>) -> Result<bool> {
        block_on(self.inner.compact(key, keep, summary))
    }

    pub fn compact_through(&self, key: &SessionKey, keep: usize) -> Result<Option<u64>> {
        block_on(self.inner.compact_through(key, keep))
    }

    pub fn uncompact(&self, key: &SessionKey) -> Result<bool> {
        block_on(self.inner.uncompact(key))
    }

    pub fn reset(&self, key: &SessionKey) -> Result<bool> {
        block_on(self.inner.reset(key))
    }

    pub fn rewind(&self, key: &SessionKey, seq: u64) -> Result<bool> {
        block_on(self.inner.rewind(key, seq))
    }

    pub fn pop(&self, key: &SessionKey) -> Result<Option<Message>> {
        block_on(self.inner.pop(key))
    }

    pub fn replace_suffix(
        &self,
        key: &SessionKey,
        expected: &[u64],
        replacement: Vec<NewMessage>,
    ) -> Result<Receipt> {
        block_on(self.inner.replace_suffix(key, expected, replacement))
    }

    pub fn undo(&self, key: &SessionKey) -> Result<bool> {
        block_on(self.inner.undo(key))
    }

    pub fn fork(&self, key: &SessionKey, new_key: &SessionKey, at: Option<u64>) -> Result<Session> {
        block_on(self.inner.fork(key, new_key, at))
    }

    pub fn repair(&self, key: &SessionKey) -> Result<Vec<u64>> {
        block_on(self.inner.repair(key))
    }

    pub fn repair_with(
        &self,
        key: &SessionKey,
        result: impl Fn(&Message, &[String]) -> NewMessage + Send + Sync,
    ) -> Result<Vec<u64>> {
        block_on(self.inner.repair_with(key, result))
    }

    pub fn lineage(&self, key: &SessionKey) -> Result<Lineage> {
        block_on(self.inner.lineage(key))
    }

    pub fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ViewChange>> {
        block_on(self.inner.view_changes(key, before, limit))
    }

    pub fn status(&self) -> Result<Status> {
        block_on(self.inner.status())
    }

    pub fn check(&self) -> Result<CheckReport> {
        block_on(self.inner.check())
    }

    pub fn optimize(&self) -> Result<u64> {
        block_on(self.inner.optimize())
    }

    pub fn close(&self) -> Result<()> {
        block_on(self.inner.close())
    }
}
