//! How often the store is asked: that it does not grow with what is in it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ait42_session::{
    SessionFilters,
    sessiondb::{
        Backend, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Lineage, MemoryBackend,
        MessagePage, Parts, PartsPage, Receipt, Result, Session, SessionFilter, SessionKey, SessionPage,
        Store, ViewChange, Window,
    },
};
use async_trait::async_trait;

use super::*;

/// An engine that counts how often it is asked, and how many messages and documents it gave.
#[derive(Clone)]
struct Counting {
    inner: MemoryBackend,
    calls: Arc<AtomicUsize>,
    parts: Arc<AtomicUsize>,
}

impl Counting {
    fn asked(&self) -> &MemoryBackend {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }

    fn gave(&self, parts: usize) {
        self.parts.fetch_add(parts, Ordering::SeqCst);
    }
}

#[async_trait]
impl Backend for Counting {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        self.asked().commit(commits).await
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.asked().session(key).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.asked().session_list(filter).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        let page = self.asked().session_list_parts(filter, parts).await?;
        self.gave(page.sessions.iter().map(|one| one.documents.len() + one.messages.len()).sum());
        Ok(page)
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        let page = self.asked().message_window(key, window).await?;
        self.gave(page.as_ref().map_or(0, |page| page.messages.len()));
        Ok(page)
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        self.asked().lineage(key).await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.asked().view_changes(key, before, limit).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.gave(1);
        self.asked().document(key, collection, id).await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.asked().document_list(key, filter).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.asked().check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.asked().optimize().await
    }

    async fn close(&self) -> Result<()> {
        self.asked().close().await
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }
}

/// A workspace with so many sessions, and what counts.
async fn workspace_of(sessions: usize) -> (SqliteSessionRepository, Counting) {
    let counting = Counting {
        inner: MemoryBackend::new(),
        calls: Arc::new(AtomicUsize::new(0)),
        parts: Arc::new(AtomicUsize::new(0)),
    };
    let store = Store::new(Arc::new(counting.clone()));
    let repo = SqliteSessionRepository::from_pool(Arc::new(DbPool::from(store)));
    for i in 0..sessions {
        repo.create_session(session(WS, &format!("s{i}"))).await.unwrap();
    }
    (repo, counting)
}

/// How often the store was asked meanwhile, and what it gave.
macro_rules! counted {
    ($counting:expr, $what:expr) => {{
        $counting.calls.store(0, Ordering::SeqCst);
        $counting.parts.store(0, Ordering::SeqCst);
        $what.await.unwrap();
        ($counting.calls.load(Ordering::SeqCst), $counting.parts.load(Ordering::SeqCst))
    }};
}

/// A workspace of n sessions was read with 1 + 2n queries, each of which loaded every output.
#[tokio::test]
async fn defect_09_a_list_takes_as_many_calls_however_many_sessions_there_are() {
    for sessions in [10, 300] {
        let (repo, counting) = workspace_of(sessions).await;
        assert_eq!(counted!(counting, repo.get_all_sessions(WS)).0, 1);
        let (calls, parts) = counted!(counting, repo.list_summaries(WS));
        assert_eq!((calls, parts), (1, 2 * sessions), "neither outputs nor messages");
        let filters = |query: &str| SessionFilters { search_query: Some(query.into()), ..Default::default() };
        assert_eq!(counted!(counting, repo.search_sessions(WS, filters("login"))).0, 2);
        assert_eq!(counted!(counting, repo.search_sessions(WS, filters("nothing"))).0, 1);
    }
}

/// Adding a message costs the same in a workspace of any size and a session of any length: it finds the session's
/// workspace, and appends.
#[tokio::test]
async fn a_message_is_added_without_reading_a_session() {
    for sessions in [1, 100] {
        let (repo, counting) = workspace_of(sessions).await;
        for i in 0..3 {
            let one = message(&format!("new-{i}"), "user", "…");
            assert_eq!(counted!(counting, repo.add_chat_message("s0", one)), (2, 0));
        }
        // The session, the instance, the commit.
        assert_eq!(counted!(counting, repo.update_instance_status("s0", 1, "idle")), (4, 1));
    }
}
