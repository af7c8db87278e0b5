//! Coding sessions in a store: what the repository promises, what it refuses, and the mistakes in seed 003's own text that a
//! copy would inherit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::sync::Arc;

use ait42_session::{
    ChatMessage, DbPool, RepositoryError, SessionRepository, SqliteSessionRepository, WorktreeInstance,
    WorktreeSession,
};
use tempfile::TempDir;

mod constraints;
mod counting;
mod defects;
mod search;
mod sessions;
mod together;
mod views;
mod workspaces;

/// The workspace of tests that need only one.
const WS: &str = "0123456789abcdef";

struct OnDisk {
    dir: TempDir,
    repo: SqliteSessionRepository,
}

impl OnDisk {
    fn path(&self) -> String {
        self.dir.path().join("sessions.db").display().to_string()
    }

    /// The same file, opened anew.
    async fn reopened(self) -> OnDisk {
        let path = self.path();
        self.repo.pool().close().await.unwrap();
        OnDisk { dir: self.dir, repo: SqliteSessionRepository::new(&path).await.unwrap() }
    }
}

async fn on_disk() -> OnDisk {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("sessions.db").display());
    let repo = SqliteSessionRepository::new(&url).await.unwrap();
    OnDisk { dir, repo }
}

async fn in_memory() -> SqliteSessionRepository {
    SqliteSessionRepository::from_pool(Arc::new(DbPool::new("memory:").await.unwrap()))
}

/// A session with two instances, one of which has an output, and two messages.
fn session(workspace: &str, id: &str) -> WorktreeSession {
    WorktreeSession {
        created_at: "2025-01-13T09:00:00.123Z".into(),
        updated_at: "2025-01-13T09:30:00.123456789+00:00".into(),
        model: Some("sonnet".into()),
        timeout_seconds: Some(600),
        preserve_worktrees: Some(false),
        runtime_mix: Some(vec!["claude".into(), "code\"x".into()]),
        integration_phase: Some("pending".into()),
        instances: vec![
            instance(1),
            WorktreeInstance { output: Some("line 1\nline 2\0".into()), ..instance(2) },
        ],
        chat_history: vec![
            message("m1", "user", "Fix the login"),
            ChatMessage { instance_id: Some(1), ..message("m2", "assistant", "Done.") },
        ],
        ..WorktreeSession::new(id.into(), workspace.into(), "competition".into(), "Fix the login".into())
    }
}

fn instance(id: i64) -> WorktreeInstance {
    WorktreeInstance {
        instance_id: id,
        session_id: String::new(),
        worktree_path: format!("/src/.worktrees/{id}"),
        branch: format!("fix-{id}"),
        agent_name: "backend-developer".into(),
        status: "running".into(),
        tmux_session_id: format!("ait42-{id}"),
        output: None,
        start_time: Some("2025-01-13T09:00:01Z".into()),
        end_time: None,
        files_changed: Some(3),
        lines_added: Some(0),
        lines_deleted: None,
        runtime: Some("claude".into()),
        model: None,
        runtime_label: Some("Claude Code".into()),
    }
}

fn message(id: &str, role: &str, content: &str) -> ChatMessage {
    ChatMessage {
        id: id.into(),
        session_id: String::new(),
        role: role.into(),
        content: content.into(),
        timestamp: "2025-01-13T09:10:00.5+09:00".into(),
        instance_id: None,
    }
}

/// The session as it is read back: everything in it names it.
fn as_read(mut session: WorktreeSession) -> WorktreeSession {
    session.instances.iter_mut().for_each(|instance| instance.session_id.clone_from(&session.id));
    session.chat_history.iter_mut().for_each(|message| message.session_id.clone_from(&session.id));
    session
}

fn ids(sessions: &[WorktreeSession]) -> Vec<&str> {
    sessions.iter().map(|session| session.id.as_str()).collect()
}

/// What a validation error says.
fn validation<T: std::fmt::Debug>(answer: Result<T, RepositoryError>) -> String {
    match answer {
        Err(RepositoryError::Validation(reason)) => reason,
        other => panic!("a validation error was expected, not {other:?}"),
    }
}

fn not_found<T: std::fmt::Debug>(answer: Result<T, RepositoryError>) -> String {
    match answer {
        Err(RepositoryError::NotFound(what)) => what,
        other => panic!("NotFound was expected, not {other:?}"),
    }
}

async fn all(repo: &SqliteSessionRepository, workspace: &str) -> Vec<WorktreeSession> {
    repo.get_all_sessions(workspace).await.unwrap()
}
