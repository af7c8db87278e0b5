//! Each CHECK, UNIQUE, PRIMARY KEY and FOREIGN KEY of the seed's schema: what would break it is refused by name, by every
//! verb, and nothing is written.

use super::*;

/// Creating this session is refused with this text, and so is updating the legal one to it.
async fn refused(illegal: impl Fn(&mut WorktreeSession), says: &str) {
    let repo = in_memory().await;
    let legal = as_read(session(WS, "s1"));
    repo.create_session(legal.clone()).await.unwrap();
    let mut other = session(WS, "s2");
    illegal(&mut other);
    let reason = validation(repo.create_session(other).await);
    assert!(reason.contains(&says.replace("s1", "s2")), "{reason}");
    let mut changed = legal.clone();
    illegal(&mut changed);
    let reason = validation(repo.update_session(changed).await);
    assert!(reason.contains(says), "{reason}");
    assert_eq!(all(&repo, WS).await, [legal]);
}

#[tokio::test]
async fn check_sessions_session_type() {
    let says = "sessions.session_type: 'race' is not one of competition, ensemble, debate (session s1)";
    refused(|session| session.r#type = "race".into(), says).await;
}

#[tokio::test]
async fn check_sessions_status() {
    let says = "sessions.status: 'done' is not one of running, completed, failed, paused (session s1)";
    refused(|session| session.status = "done".into(), says).await;
    // Legal for an instance only.
    refused(|session| session.status = "archived".into(), "sessions.status: 'archived'").await;
}

#[tokio::test]
async fn check_sessions_integration_phase() {
    let says = "sessions.integration_phase: '' is not one of pending, in_progress, completed (session s1)";
    refused(|session| session.integration_phase = Some(String::new()), says).await;
}

#[tokio::test]
async fn check_instances_status() {
    let says = "instances.status: 'done' is not one of idle, running, completed, failed, paused, archived \
                (instance 2 of session s1)";
    refused(|session| session.instances[1].status = "done".into(), says).await;
    let repo = in_memory().await;
    let before = repo.create_session(session(WS, "s1")).await.unwrap();
    assert_eq!(validation(repo.update_instance_status("s1", 2, "done").await), says);
    assert_eq!(validation(repo.update_instance_status_in(WS, "s1", 2, "done").await), says);
    assert_eq!(all(&repo, WS).await, [before]);
}

#[tokio::test]
async fn check_chat_messages_role() {
    let says =
        "chat_messages.role: 'bot' is not one of user, assistant, system, tool (message m2 of session s1)";
    refused(|session| session.chat_history[1].role = "bot".into(), says).await;
    let repo = in_memory().await;
    let before = repo.create_session(session(WS, "s1")).await.unwrap();
    let bad = || message("m2", "bot", "…");
    assert_eq!(validation(repo.add_chat_message("s1", bad()).await), says);
    assert_eq!(validation(repo.add_chat_message_in(WS, "s1", bad()).await), says);
    assert_eq!(all(&repo, WS).await, [before]);
}

#[tokio::test]
async fn unique_instances_session_id_instance_id() {
    let says = "instances.instance_id: 1 is there twice; it is unique in a session (session s1)";
    refused(|session| session.instances[1].instance_id = 1, says).await;
}

#[tokio::test]
async fn primary_key_chat_messages_id() {
    let says = "chat_messages.id: 'm1' is there twice; it is unique in a session (session s1)";
    refused(|session| session.chat_history[1].id = "m1".into(), says).await;
    refused(|session| session.chat_history[1].id.clear(), "chat_messages.id is empty").await;
}

#[tokio::test]
async fn primary_key_sessions_id() {
    let repo = in_memory().await;
    let before = repo.create_session(session(WS, "s1")).await.unwrap();
    let again = WorktreeSession { task: "Another".into(), ..session(WS, "s1") };
    let reason = validation(repo.create_session(again).await);
    assert!(reason.contains("sessions.id: workspace 0123456789abcdef has a session s1 already"), "{reason}");
    assert_eq!(all(&repo, WS).await, [before]);
}

#[tokio::test]
async fn primary_key_sessions_id_is_not_empty() {
    let repo = in_memory().await;
    assert_eq!(validation(repo.create_session(session(WS, "")).await), "sessions.id is empty");
    let reason = validation(repo.create_session(session("", "s1")).await);
    assert_eq!(reason, "sessions.workspace_hash is empty (session s1)");
    assert!(validation(repo.update_session(session("", "s1")).await).contains("workspace_hash is empty"));
    assert!(validation(repo.get_session("", "s1").await).contains("workspace_hash is empty"));
    assert!(validation(repo.delete_session("", "s1").await).contains("workspace_hash is empty"));
    assert_eq!(all(&repo, "").await, []);
    assert_eq!(repo.search_sessions("", Default::default()).await.unwrap(), []);
    assert_eq!(repo.list_summaries("").await.unwrap(), []);
}

/// The seed has no session without a workspace, and no workspace outlives its deletion's cascade.
#[tokio::test]
async fn foreign_key_sessions_workspace_hash() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    repo.create_session(session("other", "s1")).await.unwrap();
    let known: Vec<_> = repo.workspaces().await.unwrap().into_iter().map(|w| w.hash).collect();
    assert_eq!(known, ["other", WS]);
    repo.delete_workspace(WS).await.unwrap();
    assert_eq!(all(&repo, WS).await, []);
    assert_eq!(all(&repo, "other").await.len(), 1);
}

#[tokio::test]
async fn foreign_key_instances_session_id() {
    let says = "instances.session_id: 's9' is not the session that it is in (instance 1 of session s1)";
    refused(|session| session.instances[0].session_id = "s9".into(), says).await;
}

#[tokio::test]
async fn foreign_key_chat_messages_session_id() {
    let says = "chat_messages.session_id: 's9' is not the session that it is in (message m1 of session s1)";
    refused(|session| session.chat_history[0].session_id = "s9".into(), says).await;
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    let stray = ChatMessage { session_id: "s9".into(), ..message("m1", "user", "…") };
    assert_eq!(validation(repo.add_chat_message("s1", stray).await), says);
    // A message of a session that is not there.
    assert_eq!(not_found(repo.add_chat_message("s9", message("m1", "user", "…")).await), "s9");
}

#[tokio::test]
async fn times_are_rfc_3339() {
    let no_time = |column: &str| format!("{column}: 'yesterday' is not an RFC 3339 time");
    let yesterday = || "yesterday".to_owned();
    refused(|s| s.created_at = yesterday(), &no_time("sessions.created_at")).await;
    refused(|s| s.updated_at = yesterday(), &no_time("sessions.updated_at")).await;
    refused(|s| s.completed_at = Some(yesterday()), &no_time("sessions.completed_at")).await;
    refused(|s| s.instances[0].start_time = Some(yesterday()), &no_time("instances.start_time")).await;
    refused(|s| s.instances[0].end_time = Some(yesterday()), &no_time("instances.end_time")).await;
    refused(|s| s.chat_history[0].timestamp = yesterday(), &no_time("chat_messages.timestamp")).await;
    refused(|s| s.updated_at.clear(), "sessions.updated_at: '' is not").await;
    // Legal text, but before the year 0 in UTC, which the store cannot keep.
    refused(|s| s.created_at = "0000-01-01T00:00:00+01:00".into(), "sessions.created_at").await;
}

#[tokio::test]
async fn what_the_store_cannot_keep_is_refused_by_name() {
    refused(|s| s.chat_history[0].id = "a\0b".into(), "chat_messages.id contains a NUL").await;
    refused(|s| s.chat_history[0].id = "x".repeat(513), "chat_messages.id has 513 bytes").await;
    refused(|s| s.task = "x".repeat(1 << 20), "sessions: all values together, with the task").await;
    let big = || "x".repeat(16 << 20);
    refused(|s| s.instances[1].output = Some(big()), "instances.output has 16777218 bytes as JSON").await;
    refused(|s| s.instances[0].branch = big(), "instances: all values together").await;
    refused(|s| s.chat_history[0].content = big(), "chat_messages.content has 16777218 bytes as JSON").await;
    let repo = in_memory().await;
    for (workspace, id, says) in [
        (WS, "a\0b".to_owned(), "sessions.id contains a NUL"),
        (WS, "x".repeat(513), "sessions.id has 513 bytes"),
        (WS, "~s".to_owned(), "sessions.id: '~s' begins with '~'"),
        ("~w", "s1".to_owned(), "sessions.workspace_hash: '~w' begins with '~'"),
    ] {
        let reason = validation(repo.create_session(session(workspace, &id)).await);
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(repo.workspaces().await.unwrap(), []);
}

#[tokio::test]
async fn more_than_one_commit_takes_is_refused_whole() {
    let repo = in_memory().await;
    let mut long = session(WS, "s1");
    long.chat_history = (0..10_000).map(|i| message(&format!("m{i}"), "user", "…")).collect();
    let reason = validation(repo.create_session(long).await);
    assert!(reason.contains("at most 10000 are allowed (session s1)"), "{reason}");
    assert_eq!(repo.workspaces().await.unwrap(), []);
}

/// What is just within the limits is kept.
#[tokio::test]
async fn the_largest_output_and_message_are_kept() {
    let repo = in_memory().await;
    let mut large = session(WS, "s1");
    large.instances[1].output = Some("\n".repeat((8 << 20) - 1));
    large.chat_history[0].content = "x".repeat((16 << 20) - 1024 - 2);
    let large = as_read(large);
    assert_eq!(repo.create_session(large.clone()).await.unwrap(), large);
}
