//! How often the store is asked: that it does not grow with what is in it. And what happens if others write between two
//! questions.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use ait42_session::{
    SessionFilters,
    sessiondb::{
        Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Json, Lineage,
        MemoryBackend, MessagePage, NewDocument, NewMessage, Parts, PartsPage, Receipt, Result, Session,
        SessionFilter, SessionKey, SessionPage, SessionParts, Store, ViewChange, Window, Write, limits,
    },
};
use async_trait::async_trait;

use super::*;

/// An engine that counts how often it is asked, and how many messages and documents it gave; and that lets another writer
/// come right after the next list, or before the next window.
#[derive(Clone)]
struct Counting {
    inner: MemoryBackend,
    calls: Arc<AtomicUsize>,
    parts: Arc<AtomicUsize>,
    after_list: Arc<Mutex<Vec<Commit>>>,
}

impl Counting {
    async fn let_another_write(&self) {
        let commits = std::mem::take(&mut *self.after_list.lock().unwrap());
        if !commits.is_empty() {
            self.inner.commit(commits).await.unwrap();
        }
    }

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
        let page = self.asked().session_list(filter).await;
        self.let_another_write().await;
        page
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        let page = self.asked().session_list_parts(filter, parts).await?;
        self.gave(page.sessions.iter().map(|one| one.documents.len() + one.messages.len()).sum());
        self.let_another_write().await;
        Ok(page)
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        let answers = self.asked().session_parts(keys, parts).await?;
        self.gave(answers.iter().flatten().map(|one| one.documents.len() + one.messages.len()).sum());
        self.let_another_write().await;
        Ok(answers)
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.let_another_write().await;
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

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.asked().changes(after, limit).await
    }

    async fn search(&self, search: &sessiondb::Search) -> Result<sessiondb::HitPage> {
        self.asked().search(search).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.asked().check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.asked().optimize().await
    }

    async fn status(&self) -> Result<sessiondb::Status> {
        self.asked().status().await
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
        after_list: Arc::new(Mutex::new(Vec::new())),
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
async fn defect_09_a_list_takes_one_call_for_250_sessions() {
    for (sessions, pages) in [(10, 1), (250, 1), (600, 3)] {
        let (repo, counting) = workspace_of(sessions).await;
        assert_eq!(counted!(counting, repo.get_all_sessions(WS)).0, pages);
        let (calls, parts) = counted!(counting, repo.list_summaries(WS));
        assert_eq!((calls, parts), (pages, 2 * sessions), "neither outputs nor messages");
        let filters = |query: &str| SessionFilters { search_query: Some(query.into()), ..Default::default() };
        assert_eq!(counted!(counting, repo.search_sessions(WS, filters("login"))).0, pages + 1);
        assert_eq!(counted!(counting, repo.search_sessions(WS, filters("nothing"))).0, pages);
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

fn key(id: &str) -> SessionKey {
    SessionKey::new("ait42", "worktree", WS, "session", id)
}

/// A session is created while the workspace is deleted, between the list of what to delete and the deletion: it goes too, and
/// does not stay behind without a workspace.
#[tokio::test]
async fn a_workspace_is_deleted_with_the_session_that_was_created_meanwhile() {
    let (repo, counting) = workspace_of(2).await;
    let workspace = SessionKey::new("ait42", "worktree", WS, "workspace", WS);
    // What a creation writes to the workspace, and to the session.
    let access = NewDocument::new("access", "last", Json::string("2026-01-01T00:00:00Z"));
    *counting.after_list.lock().unwrap() = vec![
        Commit::new(workspace).write(Write::PutDocument(access)),
        Commit::new(key("late")).write(Write::open_family("ait42")),
    ];
    repo.delete_workspace(WS).await.unwrap();
    assert_eq!(all(&repo, WS).await, []);
    assert_eq!(repo.workspaces().await.unwrap(), []);
}

/// A session that no longer matches when it is read whole is not found.
#[tokio::test]
async fn what_changes_between_finding_and_reading_is_looked_at_again() {
    let (repo, counting) = workspace_of(3).await;
    let paused = Commit::new(key("s1")).write(Write::SetStatus("paused".into()));
    *counting.after_list.lock().unwrap() = vec![paused];
    let filters = SessionFilters { status: Some(vec!["running".into()]), ..Default::default() };
    let found = repo.search_sessions(WS, filters).await.unwrap();
    assert_eq!(ids(&found), ["s2", "s0"]);
}

/// A session that is too large for one page is read anew if it is changed between two pages.
#[tokio::test]
async fn a_large_session_is_read_as_it_was_at_one_moment() {
    let (repo, counting) = workspace_of(1).await;
    let attributes = Json::parse(r#"{"timestamp":"2025-01-13T09:00:00Z"}"#).unwrap();
    let one = |i: usize| {
        let mut one = NewMessage::new("user", "…").message_id(format!("more-{i}"));
        one.attributes = Some(attributes.clone());
        one
    };
    for half in 0..2 {
        let count = limits::PARTS_MAX / 2 + 10;
        let some = (half * count..(half + 1) * count).map(one).collect();
        let commit = Commit::new(key("s0")).write(Write::Append(some));
        repo.pool().commit_one(commit).await.unwrap();
    }
    // What was read is still shown then, or it is hidden.
    let status = |status: &str| Commit::new(key("s0")).write(Write::SetStatus(status.into()));
    for (change, expected) in [
        (status("paused"), ("paused", 2 + 10_020)),
        // What is appended meanwhile came after the moment.
        (Commit::new(key("s0")).write(Write::Append(vec![one(99_999)])), ("paused", 2 + 10_020)),
        (status("failed").write(Write::Rewind { seq: 1 }), ("failed", 1)),
    ] {
        *counting.after_list.lock().unwrap() = vec![change];
        let read = repo.get_session(WS, "s0").await.unwrap();
        assert_eq!((read.status.as_str(), read.chat_history.len()), expected);
    }
}

/// A message's id is taken, and the session or that message is gone before it is looked at what it says.
#[tokio::test]
async fn a_message_is_decided_anew_if_what_stood_in_its_way_is_gone() {
    let (repo, counting) = workspace_of(2).await;
    *counting.after_list.lock().unwrap() = vec![Commit::new(key("s0")).write(Write::Rewind { seq: 1 })];
    let added = repo.add_chat_message_in(WS, "s0", message("m2", "user", "another")).await.unwrap();
    let texts: Vec<&str> = added.chat_history.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts, ["Fix the login", "another"]);
    *counting.after_list.lock().unwrap() = vec![Commit::new(key("s1")).write(Write::Delete)];
    let gone = repo.add_chat_message_in(WS, "s1", message("m2", "user", "another")).await;
    assert_eq!(not_found(gone), "s1");
}

/// A session is deleted after it was read and before it is changed: it is not found, whichever verb it was.
#[tokio::test]
async fn what_is_deleted_before_it_is_changed_is_not_found() {
    let (repo, counting) = workspace_of(2).await;
    let (read, revision) = repo.get_session_revised(WS, "s0").await.unwrap();
    let changed = WorktreeSession { task: "other".into(), ..read };
    *counting.after_list.lock().unwrap() = vec![Commit::new(key("s0")).write(Write::Delete)];
    assert_eq!(not_found(repo.update_session_at(changed, revision).await), "s0");
    *counting.after_list.lock().unwrap() = vec![Commit::new(key("s1")).write(Write::Delete)];
    assert_eq!(not_found(repo.select_winner(WS, "s1", 1, None).await), "s1");
}
