//! [`SessionStore`]: the operations.

use std::{cmp::Reverse, path::Path};

use sessiondb::{Commit, Conflict, SessionOrder, Write, blocking, limits, sqlite};

use crate::{
    Error, Result, Session, SessionFilter, SessionKey, SessionPatch, SessionSummary, StoredMessage, writes,
};

/// How often something that was decided on what was read is decided anew because somebody else was faster.
pub(crate) const ATTEMPTS: u32 = 100;

/// The error after [`ATTEMPTS`].
pub(crate) fn busy(key: &SessionKey) -> Error {
    Error::Store(sessiondb::Error::Busy(format!("session {key} is changed all the time")))
}

/// A store of chat sessions. It is cheap to clone; all clones are the same store, and may be used from any thread.
///
/// Methods for reading the history, compacting it and confining a handle to one agent are in files of their own; what
/// this family adds nothing to (forks, rewinding, undoing, repair) is at [`sessiondb`](SessionStore::sessiondb).
///
/// What a method has done when it answers survives power loss.
#[derive(Clone)]
pub struct SessionStore {
    pub(crate) store: blocking::Store,
}

impl SessionStore {
    /// Opens the store in this file, and creates it if it is not there.
    ///
    /// # Errors
    /// [`CannotOpen`](sessiondb::Error::CannotOpen), with the reason; nothing was changed then.
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
    /// [`Invalid`](sessiondb::Error::Invalid) if the key is too long, has a NUL, or a part that begins with `~`; [`Conflict`](sessiondb::Error::Conflict) if
    /// it is a session of another family; otherwise as [`patch`](SessionStore::patch).
    pub fn get_or_create(&self, key: &SessionKey) -> Result<Session> {
        writes::session(self.store.session_open_with(key, writes::opening())?)
    }

    /// The session under this key, if there is one.
    ///
    /// # Errors
    /// [`Undecodable`](sessiondb::Error::Undecodable) if its row cannot be read; [`Conflict`](sessiondb::Error::Conflict) if it is a session of another family;
    /// [`Busy`](sessiondb::Error::Busy) or [`Storage`](sessiondb::Error::Storage) if the store cannot be read.
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
    /// [`NotFound`](sessiondb::Error::NotFound) if there is no such session; [`Invalid`](sessiondb::Error::Invalid) if the metadata would exceed its limit;
    /// [`Busy`](sessiondb::Error::Busy), [`Full`](sessiondb::Error::Full), [`Stopped`](sessiondb::Error::Stopped) or [`Storage`](sessiondb::Error::Storage) if the store could not write;
    /// [`Unknown`](sessiondb::Error::Unknown) if it cannot tell whether it did.
    pub fn patch(&self, key: &SessionKey, patch: &SessionPatch) -> Result<Session> {
        // Each round that fails is one in which somebody else's change came through, so all come through.
        loop {
            let session = self.existing(key)?;
            let Some(commit) = writes::patch(&session, patch)? else { return writes::session(session) };
            match self.store.commit_one(commit) {
                Ok(_) => return writes::session(self.existing(key)?),
                Err(sessiondb::Error::Conflict { conflict: Conflict::State { .. }, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Adds to the count of tokens used, atomically, and answers the session as it is then.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch); [`Invalid`](sessiondb::Error::Invalid) if the sum would exceed 63 bits.
    pub fn add_token_usage(&self, key: &SessionKey, tokens: u64) -> Result<Session> {
        self.existing(key)?;
        self.store.commit_one(Commit::new(key.clone()).write(Write::AddTokens(tokens)))?;
        writes::session(self.existing(key)?)
    }

    /// Deletes the session with all its messages, those that it hides too. Answers whether there was one. What a fork
    /// shows stays readable through the fork, and goes with the last of them.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch), without [`NotFound`](sessiondb::Error::NotFound); as everywhere here, [`Conflict`](sessiondb::Error::Conflict) if it is a
    /// session of another family, which is left alone.
    pub fn delete(&self, key: &SessionKey) -> Result<bool> {
        match self.existing(key) {
            Ok(_) => Ok(self.store.session_delete(key)?),
            Err(Error::Store(sessiondb::Error::NotFound(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends messages, in this order, all or none. Each keeps its time; its `id` and `seq` are given by the store.
    ///
    /// # Errors
    /// As [`patch`](SessionStore::patch); [`Invalid`](sessiondb::Error::Invalid) if a message exceeds its limit.
    pub fn append_messages(&self, key: &SessionKey, messages: &[StoredMessage]) -> Result<()> {
        self.existing(key)?;
        self.store.commit_one(writes::append(key, messages)?)?;
        Ok(())
    }

    /// The store underneath, with the same scope: for what SessionDB does with any session, such as `fork`, `rewind`,
    /// `pop`, `reset`, `undo` and `repair`.
    ///
    /// ```
    /// # use aisopod_session::{SessionKey, SessionStore, StoredMessage};
    /// # let store = SessionStore::new_in_memory()?;
    /// # let key = SessionKey::new("support", "discord", "bot-1", "dm", "ann");
    /// # store.get_or_create(&key)?;
    /// # store.append_messages(&key, &["a", "b"].map(|text| StoredMessage::new("user", text.into())))?;
    /// // Another answer to the first message, without losing the first one.
    /// let retry = SessionKey { peer_id: "ann, again".into(), ..key.clone() };
    /// store.sessiondb().fork(&key, &retry, Some(1))?;
    /// assert_eq!(store.get(&retry)?.unwrap().message_count, 1);
    /// # Ok::<(), aisopod_session::Error>(())
    /// ```
    pub fn sessiondb(&self) -> &blocking::Store {
        &self.store
    }

    /// The session under this key, which must be there and one of ours.
    pub(crate) fn existing(&self, key: &SessionKey) -> Result<sessiondb::Session> {
        let session =
            self.store.session(key)?.ok_or_else(|| sessiondb::Error::NotFound(Box::new(key.clone())))?;
        writes::ours(&session)?;
        Ok(session)
    }
}
