//! An engine that takes so many calls of `commit` and fails from then on, as a process that is killed or a disk that
//! goes away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use sessiondb::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage,
    Lineage, MessagePage, Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter, SessionKey,
    SessionPage, SessionParts, Store, ViewChange, Window,
};

struct Dying {
    store: Store,
    commits_left: AtomicUsize,
}

/// A handle to the store that takes so many calls of `commit`.
pub fn dying(store: &Store, commits: usize) -> Store {
    Store::new(Arc::new(Dying { store: store.clone(), commits_left: commits.into() }))
}

#[async_trait]
impl Backend for Dying {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        let left =
            self.commits_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::Storage("the disk is gone".into()))?;
        self.store.commit(commits).await
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.store.session(key).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.store.document(key, collection, id).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.store.session_list(filter).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        self.store.session_list_parts(filter, parts).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.store.session_parts_of(keys, parts).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        if_there(self.store.message_window(key, window).await)
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        if_there(self.store.lineage(key).await)
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        if_there(self.store.view_changes(key, before, limit).await)
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        if_there(self.store.document_list(key, filter).await)
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.store.changes(after, limit).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        self.store.search(search).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.store.check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.store.optimize().await
    }

    async fn status(&self) -> Result<sessiondb::Status> {
        self.store.status().await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        let commits_left = self.commits_left.load(Ordering::SeqCst).into();
        Arc::new(Dying { store: self.store.for_blocking(), commits_left })
    }
}

/// What a store says of a session that is not there, in the words of an engine.
fn if_there<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(Error::NotFound(_)) => Ok(None),
        answer => answer.map(Some),
    }
}
