//! An engine that takes so many calls of `commit` and fails from then on, as a process that is killed or a disk that
//! goes away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use sessiondb::{
    Backend, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, Lineage, MessagePage,
    Receipt, Result, Session, SessionFilter, SessionKey, SessionPage, Store, ViewChange, Window,
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

    async fn session_list(&self, _: &SessionFilter) -> Result<SessionPage> {
        unimplemented!("not used by an import")
    }

    async fn message_window(&self, _: &SessionKey, _: Window) -> Result<Option<MessagePage>> {
        unimplemented!("not used by an import")
    }

    async fn lineage(&self, _: &SessionKey) -> Result<Option<Lineage>> {
        unimplemented!("not used by an import")
    }

    async fn view_changes(
        &self,
        _: &SessionKey,
        _: Option<u64>,
        _: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        unimplemented!("not used by an import")
    }

    async fn document_list(&self, _: &SessionKey, _: &DocumentFilter) -> Result<Option<DocumentPage>> {
        unimplemented!("not used by an import")
    }

    async fn check(&self) -> Result<CheckReport> {
        unimplemented!("not used by an import")
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        unimplemented!("not used by an import")
    }
}
