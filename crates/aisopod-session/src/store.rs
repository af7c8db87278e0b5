//! [`SessionStore`]: the operations.

use std::{cmp::Reverse, path::Path};

use sessiondb::{Commit, Conflict, MessagePage, SessionOrder, Window, Write, blocking, limits, sqlite};

use crate::{
    Error, Result, Session, SessionFilter, SessionKey, SessionPatch, SessionSummary, StoredMessage, writes,
};

/// A store of chat sessions. It is cheap to clone; all clones are the same store, and may be used from any thread.
///
/// What a method has done when it answers survives power loss.
#[derive(Clone)]
pub struct SessionStore {
    store: blocking::Store,
}

impl SessionStore {
    /// Opens the store in this file, and creates it if it is not there.
    ///
    /// # Errors
    /// [`Error::CannotOpen`], with the reason; nothing was changed then.
    pub fn new(path: &Path) -> Result<SessionStore> {
        let backend = sqlite::SqliteBackend::open(sqlite::Options::new(path))?;
        Ok(SessionStore { store: sessiondb::Store::new(std::sync::Arc::new(backend)).into() })
    }

    /// A store in memory, which ends with its last handle. For tests.
    ///
    /// # Errors
    /// None today; a `Result` so that it can stand wherever [`new`](SessionStore::new) does.
    pub fn new_in_memory() -> Result<SessionStore> {
        Ok(SessionStore { store: blocking::open("memory:")? })
    }

    /// The session under this key, created if there is none: active, no messages, no metadata. Finding it writes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the key is too long, has a NUL, or a part that begins with `~`; [`Error::Conflict`] if
    /// it is a session of another family; otherwise as [`patch`](SessionStore::patch).
    pub fn get_or_create(&self, key: &SessionKey) -> Result<Session> {
        writes::session(self.store.session_open_with(key, writes::opening())?)
    }

    /// The session under this key, if there is one.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if its row cannot be read; [`Error::Conflict`] if it is a session of another family;
    /// [`Error::Busy`] or [`Error::Storage`] if the store cannot be read.
    pub fn get(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.store.session(key)?.map(writes::session).transpose()
    }

    /// The sessions that match, the last changed first.
    ///
    /// # Errors
    /// As [`get`](SessionStore::get).
    pub fn list(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut pages = writes::filter(filter);
        let mut sessions = match limit {
            0 => Vec::new(),
            1..=limits::PAGE_MAX => {
                pages.limit = limit;
                self.store.session_list(&pages)?.sessions
            }
            _ => {
                // In the order of creation, which stands still: a session that changes between two pages would move
                // from one that is yet to be read to one that was.
                pages.order = SessionOrder::CreatedNewest;
                let mut sessions = Vec::new();
                loop {
                    let page = self.store.session_list(&pages)?;
                    sessions.extend(page.sessions);
                    match page.next {
                        Some(next) => pages.after = Some(next),
                        None => break sessions,
                    }
                }
            }
        };
        sessions.sort_by_key(|session| Reverse((session.updated_at, session.log)));
        sessions.truncate(limit);
        sessions.into_iter().map(writes::summary).collect()
    }

    /// Changes what the patch names, and answers the session as it is then. What it names happens at once or not at
    /// all, and never undoes what somebody else changes at the same time.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; [`Error::Invalid`] if the metadata would exceed its limit;
    /// [`Error::Busy`], [`Error::Full`], [`Error::Stopped`] or [`Error::Storage`] if the store could not write;
    /// [`Error::Unknown`] if it cannot tell whether it did.
    pub fn patch(&self, key: &SessionKey, patch: &SessionPatch) -> Result<Session> {
        // Each round that fails is one in which somebody else's change came through, so all come through.
        loop {
            let session = self.existing(key)?;
            let Some(commit) = writes::patch(&session, patch)? else { return writes::session(session) };
            match self.store.commit_one(commit) {
                Ok(_) => return writes::session(self.existing(key)?),
                Err(Error::Conflict { conflict: Conflict::State { .. }, .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds to the count of tokens used, atomically, and answers the session as it is then.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch); [`Error::Invalid`] if the sum would exceed 63 bits.
    pub fn add_token_usage(&self, key: &SessionKey, tokens: u64) -> Result<Session> {
        self.existing(key)?;
        self.store.commit_one(Commit::new(key.clone()).write(Write::AddTokens(tokens)))?;
        writes::session(self.existing(key)?)
    }

    /// Deletes the session with all its messages. Answers whether there was one.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch), without [`Error::NotFound`]; as everywhere here, [`Error::Conflict`] if it is a
    /// session of another family, which is left alone.
    pub fn delete(&self, key: &SessionKey) -> Result<bool> {
        match self.existing(key) {
            Ok(_) => self.store.session_delete(key),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends messages, in this order, all or none. Each keeps its time; its `id` is given by the store.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch); [`Error::Invalid`] if a message exceeds its limit.
    pub fn append_messages(&self, key: &SessionKey, messages: &[StoredMessage]) -> Result<()> {
        self.existing(key)?;
        self.store.commit_one(writes::append(key, messages)?).map(drop)
    }

    /// The newest `limit` messages, or all of them, oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; [`Error::Undecodable`] if a message cannot be read, or its
    /// JSON does not fit a `Value` (a number like `1e400`), naming it.
    pub fn get_history(&self, key: &SessionKey, limit: Option<usize>) -> Result<Vec<StoredMessage>> {
        self.existing(key)?;
        let mut pages: Vec<MessagePage> = Vec::new();
        let mut missing = limit.unwrap_or(usize::MAX);
        while missing > 0 {
            let size = missing.min(limits::PAGE_MAX);
            let window = match pages.last().and_then(|page| page.messages.first()) {
                None => Window::last(size),
                Some(first) => Window::before(first.seq, size),
            };
            let page = self.store.message_window(key, window)?;
            missing -= page.messages.len();
            let more = page.has_earlier;
            pages.push(page);
            if !more {
                break;
            }
        }
        let messages = pages.into_iter().rev().flat_map(|page| page.messages);
        messages.map(|message| writes::message(key, message)).collect()
    }

    /// The session under this key, which must be there and one of ours.
    fn existing(&self, key: &SessionKey) -> Result<sessiondb::Session> {
        let session = self.store.session(key)?.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
        writes::ours(&session)?;
        Ok(session)
    }
}
