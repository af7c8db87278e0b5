//! An engine in memory to which something happens in the middle of what somebody does with it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ait42_session::{
    DbPool, SqliteSessionRepository,
    sessiondb::{
        Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, Lineage,
        MemoryBackend, MessagePage, Parts, PartsPage, Receipt, Result, Session, SessionFilter, SessionKey,
        SessionPage, SessionParts, Store, ViewChange, Window,
    },
};
use async_trait::async_trait;

/// What happens at a commit.
pub enum Then {
    /// Nothing but the commit.
    GoOn,
    /// Somebody else's commits, right before it.
    OthersFirst(Vec<Commit>),
    /// The process is killed before it, and all is gone from there on.
    DieBefore,
    /// The process is killed after it.
    DieAfter,
}

type OnCommit = Box<dyn Fn() -> Then + Send + Sync>;
type OnRead = Box<dyn Fn(&SessionFilter, &Parts) + Send + Sync>;

/// The engine.
pub struct Engine {
    pub inner: MemoryBackend,
    /// What happens at the next commit.
    pub on_commit: OnCommit,
    /// What happens after sessions were read with their parts.
    pub on_read: OnRead,
    gone: AtomicBool,
}

impl Engine {
    pub fn new(inner: MemoryBackend) -> Engine {
        Engine {
            inner,
            on_commit: Box::new(|| Then::GoOn),
            on_read: Box::new(|_, _| ()),
            gone: AtomicBool::new(false),
        }
    }

    fn asked(&self) -> Result<&MemoryBackend> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(Error::Storage("the process is gone".into())),
            false => Ok(&self.inner),
        }
    }
}

#[async_trait]
impl Backend for Engine {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        let inner = self.asked()?;
        let then = (self.on_commit)();
        if let Then::OthersFirst(others) = &then {
            inner.commit(others.clone()).await?;
        }
        self.gone.store(matches!(then, Then::DieBefore | Then::DieAfter), Ordering::SeqCst);
        if !matches!(then, Then::DieBefore) {
            let receipts = inner.commit(commits).await?;
            return self.asked().map(|_| receipts);
        }
        self.asked().map(|_| Vec::new())
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.asked()?.session(key).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.asked()?.session_list(filter).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        let page = self.asked()?.session_list_parts(filter, parts).await;
        (self.on_read)(filter, parts);
        page
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.asked()?.session_parts(keys, parts).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.asked()?.message_window(key, window).await
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        self.asked()?.lineage(key).await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.asked()?.view_changes(key, before, limit).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.asked()?.document(key, collection, id).await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.asked()?.document_list(key, filter).await
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.asked()?.changes(after, limit).await
    }

    async fn search(&self, search: &sessiondb::Search) -> Result<sessiondb::HitPage> {
        self.asked()?.search(search).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.asked()?.check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.asked()?.optimize().await
    }

    async fn status(&self) -> Result<sessiondb::Status> {
        self.asked()?.status().await
    }

    async fn close(&self) -> Result<()> {
        self.asked()?.close().await
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        panic!("nobody asks for it")
    }
}

/// The sessions in this engine.
pub fn repository(backend: Arc<dyn Backend>) -> SqliteSessionRepository {
    SqliteSessionRepository::from_pool(Arc::new(DbPool::from(Store::new(backend))))
}
