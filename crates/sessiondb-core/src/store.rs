//! [`Store`]: what callers use.

use std::sync::Arc;

use crate::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage,
    MessagePage, NewMessage, Opening, Parts, PartsPage, Receipt, Result, SYSTEM, Scope, Search, Session,
    SessionFilter, SessionKey, SessionPage, SessionParts, Status, Window, Write, commit,
    window::validate_limit,
};

/// A handle to a store. It is cheap to clone; all clones are the same store.
///
/// Every method checks limits and [`Scope`] before the storage engine is asked.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    scope: Scope,
    /// Whether this handle is for the store's own addresses, and for nothing else.
    system: bool,
}

impl Store {
    /// A handle to this engine that sees everything.
    pub fn new(backend: Arc<dyn Backend>) -> Store {
        Store { backend, scope: Scope::all(), system: false }
    }

    /// A handle that sees only what is inside `scope`, and inside this handle's own scope.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the scope is not within this handle's own.
    pub fn scoped(&self, scope: Scope) -> Result<Store> {
        if !scope.parts().starts_with(self.scope.parts()) {
            return Err(Error::Invalid(format!("the scope {scope} is not within {}", self.scope)));
        }
        Ok(Store { backend: Arc::clone(&self.backend), scope, system: self.system })
    }

    /// A handle to what programs around the store keep in it for themselves, as a server its tokens: sessions of the agent
    /// [`SYSTEM`], which no other handle reads, lists, follows or writes, and which no archive has.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a scoped handle.
    pub fn system(&self) -> Result<Store> {
        if self.scope != Scope::all() {
            return Err(Error::Invalid(format!(
                "this handle sees {} and nothing of the store's own",
                self.scope
            )));
        }
        Ok(Store { backend: Arc::clone(&self.backend), scope: Scope::agent(SYSTEM), system: true })
    }

    /// What this handle may see.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The same store for callers that may block their thread; see [`Backend::blocking`].
    pub fn for_blocking(&self) -> Store {
        Store { backend: self.backend.blocking(), scope: self.scope.clone(), system: self.system }
    }

    /// Applies commits in order, all or none. When it answers, they are durable.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::OutOfScope`] before anything is tried; [`Error::NotFound`] for a write to a
    /// session that nobody opened; [`Error::Conflict`] when an expectation does not hold or an id comes again with
    /// other content; [`Error::Busy`], [`Error::Full`], [`Error::Stopped`] or [`Error::Storage`] if the store could
    /// not write; [`Error::Unknown`] if it cannot tell whether it did.
    pub async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        self.may_commit(&commits)?;
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        self.backend.commit(commits).await
    }

    /// Applies commits as another handle does, and beside them commits to the store's own addresses, all or none: what a program
    /// does for somebody, and its note of it. Answers the receipts of the former. Only for a handle to the store's own
    /// ([`system`](Store::system)).
    ///
    /// # Errors
    /// [`Error::Invalid`] for another handle; otherwise as [`commit`](Store::commit).
    pub async fn commit_beside(
        &self,
        other: &Store,
        commits: Vec<Commit>,
        own: Vec<Commit>,
    ) -> Result<Vec<Receipt>> {
        if !self.system {
            return Err(Error::Invalid("this handle is not one to the store's own addresses".into()));
        }
        other.may_commit(&commits)?;
        self.may_commit(&own)?;
        // The notes first, so that the feed ends with what others may see.
        let count = own.len();
        let mut receipts = self.backend.commit([own, commits].concat()).await?;
        Ok(receipts.split_off(count.min(receipts.len())))
    }

    /// Whether these are within the scope and the limits.
    fn may_commit(&self, commits: &[Commit]) -> Result<()> {
        for commit in commits {
            commit.reads().try_for_each(|key| self.scope.admit(key))?;
        }
        commit::validate_all(commits, self.system)
    }

    /// Applies one commit; see [`commit`](Store::commit).
    pub async fn commit_one(&self, commit: Commit) -> Result<Receipt> {
        let receipts = self.commit(vec![commit]).await?;
        receipts.into_iter().next().ok_or_else(|| Error::Storage("the engine gave no receipt".into()))
    }

    /// The session under this key, opened as a plain conversation if there is none.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn session_open(&self, key: &SessionKey) -> Result<Session> {
        self.session_open_with(key, Opening::default()).await
    }

    /// The session under this key, opened in this way if there is none. Finding it writes nothing.
    ///
    /// # Errors
    /// As [`commit`](Store::commit); a [`Conflict::Family`](crate::Conflict::Family) if it is of another family.
    pub async fn session_open_with(&self, key: &SessionKey, opening: Opening) -> Result<Session> {
        loop {
            if let Some(session) = self.session(key).await?
                && opening.family.as_ref().is_none_or(|family| *family == session.family)
            {
                return Ok(session);
            }
            // A session deleted between the two calls is opened again.
            self.commit_one(Commit::new(key.clone()).write(Write::Open(opening.clone()))).await?;
        }
    }

    /// The session under this key, if there is one.
    ///
    /// # Errors
    /// [`Error::OutOfScope`]; [`Error::Undecodable`] if its row is damaged; [`Error::Busy`] or [`Error::Storage`].
    pub async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.admit(key)?;
        self.backend.session(key).await
    }

    /// A page of the sessions that match, within the scope.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit or cursor that cannot be; otherwise as [`session`](Store::session).
    pub async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        match self.within(filter)? {
            Some(filter) => self.backend.session_list(&filter).await,
            None => Ok(SessionPage { sessions: Vec::new(), next: None }),
        }
    }

    /// A page of the sessions that match, within the scope, each with its documents and messages as asked for: all in
    /// one read, as they were at one moment. The sessions are found as in [`session_list`](Store::session_list); their parts
    /// cost what they bring.
    ///
    /// A page ends after [`limit`](SessionFilter::limit) sessions, or before the one with which it would have more than
    /// [`PARTS_MAX`](crate::limits::PARTS_MAX) messages or documents.
    ///
    /// # Errors
    /// As [`session_list`](Store::session_list).
    pub async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        parts.validate()?;
        match self.within(filter)? {
            Some(filter) => self.backend.session_list_parts(&filter, parts).await,
            None => Ok(PartsPage { sessions: Vec::new(), next: None }),
        }
    }

    /// The session under this key with its documents and messages as asked for, all as they were at one moment.
    ///
    /// # Errors
    /// As [`session`](Store::session).
    pub async fn session_parts(&self, key: &SessionKey, parts: &Parts) -> Result<Option<SessionParts>> {
        Ok(self.session_parts_of(std::slice::from_ref(key), parts).await?.pop().flatten())
    }

    /// The sessions under these keys with their documents and messages as asked for, in the order of the keys: all in one
    /// read, as they were at one moment. `None` stands for a key under which there is no session.
    ///
    /// The answer is of the first keys: of all, or of as many as together have at most
    /// [`PARTS_MAX`](crate::limits::PARTS_MAX) messages or documents, and at least of one. Ask again for the others.
    ///
    /// # Errors
    /// As [`session`](Store::session); [`Error::Invalid`] for more than [`PAGE_MAX`](crate::limits::PAGE_MAX) keys.
    pub async fn session_parts_of(
        &self,
        keys: &[SessionKey],
        parts: &Parts,
    ) -> Result<Vec<Option<SessionParts>>> {
        keys.iter().try_for_each(|key| self.admit(key))?;
        parts.validate()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        validate_limit(keys.len())?;
        self.backend.session_parts(keys, parts).await
    }

    /// The filter narrowed to the scope; `None` if nothing can be in both.
    fn within(&self, filter: &SessionFilter) -> Result<Option<SessionFilter>> {
        filter.validate()?;
        let reserved = |part: &&Option<String>| part.as_ref().is_some_and(|part| part.starts_with('~'));
        if !self.system && filter.key_parts().iter().any(reserved) {
            return Ok(None);
        }
        let mut filter = filter.clone();
        for (part, fixed) in filter.key_parts_mut().into_iter().zip(self.scope.parts()) {
            if part.as_ref().is_some_and(|part| part != fixed) {
                return Ok(None);
            }
            *part = Some(fixed.clone());
        }
        Ok(Some(filter))
    }

    /// Deletes a session with everything in it. Answers whether there was one.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn session_delete(&self, key: &SessionKey) -> Result<bool> {
        match self.commit_one(Commit::new(key.clone()).write(Write::Delete)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends messages, in this order, all or none. A session that does not exist is opened as a plain conversation.
    ///
    /// # Errors
    /// As [`commit`](Store::commit).
    pub async fn append(&self, key: &SessionKey, messages: Vec<NewMessage>) -> Result<Receipt> {
        self.commit_one(Commit::new(key.clone()).write(Write::open()).write(Write::Append(messages))).await
    }

    /// A part of a session's history, oldest message first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; otherwise as [`session_list`](Store::session_list).
    pub async fn message_window(&self, key: &SessionKey, window: Window) -> Result<MessagePage> {
        self.admit(key)?;
        window.validate()?;
        let page = self.backend.message_window(key, window).await?;
        page.ok_or_else(|| Error::NotFound(Box::new(key.clone())))
    }

    /// One document, if it and the session exist.
    ///
    /// # Errors
    /// As [`session`](Store::session).
    pub async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.admit(key)?;
        self.backend.document(key, collection, id).await
    }

    /// A page of a session's documents, ordered by collection and id.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such session; otherwise as [`session_list`](Store::session_list).
    pub async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<DocumentPage> {
        self.admit(key)?;
        filter.validate()?;
        let page = self.backend.document_list(key, filter).await?;
        page.ok_or_else(|| Error::NotFound(Box::new(key.clone())))
    }

    /// What was committed after this place of the feed, by whomever, to sessions within the scope: at most `limit` (1 to
    /// [`PAGE_MAX`](crate::limits::PAGE_MAX)) changes, in their order. Ask again from [`last`](ChangePage::last). Without a
    /// place it answers nothing but where the feed ends now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit that cannot be, or a place behind the end; otherwise as [`session`](Store::session).
    pub async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        validate_limit(limit)?;
        let mut page = self.backend.changes(after, limit).await?;
        page.changes
            .retain(|change| self.scope.contains(&change.key) && change.key.is_reserved() == self.system);
        Ok(page)
    }

    /// A page of the messages within the scope that say this, in whichever session, the last stored first; also of those that
    /// a view does not show. What was committed before the call is found.
    ///
    /// A page may have fewer messages than were asked for, or none, although there are more: ask again from
    /// [`next`](HitPage::next).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit that cannot be; otherwise as [`session`](Store::session).
    pub async fn search(&self, search: &Search) -> Result<HitPage> {
        search.validate()?;
        match search.scope.within(&self.scope).filter(|_| !self.system) {
            Some(scope) => self.backend.search(&Search { scope, ..search.clone() }).await,
            None => Ok(HitPage::default()),
        }
    }

    /// Looks at everything in the store: recounts, re-reads, compares checksums. Only for a handle that sees all.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a scoped handle; [`Error::Storage`] if the store cannot be read at all.
    pub async fn check(&self) -> Result<CheckReport> {
        self.must_see_all("a check looks at the whole store")?;
        self.backend.check().await
    }

    /// Gives space that deleted sessions left back to the file system, while the store is in use; answers how many bytes.
    /// A reader that was begun before may keep some of it until the next time. Only for a handle that sees all.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a scoped handle; otherwise as [`commit`](Store::commit).
    pub async fn optimize(&self) -> Result<u64> {
        self.must_see_all("optimizing is for the whole store")?;
        self.backend.optimize().await
    }

    /// How the store does: its size, what waits, how far the index is behind. Only for a handle that sees all.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a scoped handle; otherwise as [`session`](Store::session).
    pub async fn status(&self) -> Result<Status> {
        self.must_see_all("the status is of the whole store")?;
        self.backend.status().await
    }

    /// Finishes what was accepted, then closes the store for all its handles.
    ///
    /// # Errors
    /// [`Error::Storage`] if the last of it could not be written.
    pub async fn close(&self) -> Result<()> {
        self.backend.close().await
    }

    /// For what is about the whole store.
    fn must_see_all(&self, why: &str) -> Result<()> {
        if self.scope == Scope::all() {
            return Ok(());
        }
        Err(Error::Invalid(format!("{why}; this handle sees {}", self.scope)))
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    pub(crate) fn admit(&self, key: &SessionKey) -> Result<()> {
        self.scope.admit(key)?;
        if self.system { key.validate_any() } else { key.validate() }
    }
}
