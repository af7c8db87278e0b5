//! Two instances compete for a task: they talk, one wins, and the session is found again.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use ait42_session::{
    ChatMessage, RepositoryError, SessionFilters, SessionRepository, SqliteSessionRepository,
    WorktreeInstance, WorktreeSession, chrono::Utc, uuid::Uuid,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RepositoryError> {
    let sessions = SqliteSessionRepository::new("memory:").await?;
    let here = sessions.register_workspace(".").await?;

    let mut session = WorktreeSession::new(
        Uuid::new_v4().to_string(),
        here.hash.clone(),
        "competition".into(),
        "Fix the login".into(),
    );
    session.instances = vec![instance(1, "backend-developer"), instance(2, "security-expert")];
    let session = sessions.create_session(session).await?;

    sessions.add_chat_message(&session.id, message("user", "Sessions must outlive a restart.", None)).await?;
    for (instance, said) in [(1, "Done, in a file."), (2, "Done, and durably.")] {
        sessions.add_chat_message(&session.id, message("assistant", said, Some(instance))).await?;
        sessions.update_instance_status(&session.id, instance, "completed").await?;
    }
    let evaluation = serde_json::json!({ "scores": { "1": 0.7, "2": 0.9 } });
    sessions.select_winner(&here.hash, &session.id, 2, Some(evaluation)).await?;

    let filters = SessionFilters { search_query: Some("SECURITY".into()), ..SessionFilters::default() };
    for found in sessions.search_sessions(&here.hash, filters).await? {
        println!("{}: {} ({})", found.r#type, found.task, found.status);
        for instance in &found.instances {
            let won = if found.winner_id == Some(instance.instance_id) { ", the winner" } else { "" };
            println!("  {} {}: {}{won}", instance.instance_id, instance.agent_name, instance.status);
        }
        for message in &found.chat_history {
            println!("  {}: {}", message.role, message.content);
        }
    }
    Ok(())
}

fn instance(instance_id: i64, agent: &str) -> WorktreeInstance {
    WorktreeInstance {
        instance_id,
        session_id: String::new(),
        worktree_path: format!(".worktrees/{instance_id}"),
        branch: format!("fix-login-{instance_id}"),
        agent_name: agent.into(),
        status: "running".into(),
        tmux_session_id: format!("ait42-{instance_id}"),
        output: None,
        start_time: Some(Utc::now().to_rfc3339()),
        end_time: None,
        files_changed: None,
        lines_added: None,
        lines_deleted: None,
        runtime: None,
        model: None,
        runtime_label: None,
    }
}

fn message(role: &str, content: &str, instance_id: Option<i64>) -> ChatMessage {
    ChatMessage {
        id: Uuid::new_v4().to_string(),
        session_id: String::new(),
        role: role.into(),
        content: content.into(),
        timestamp: Utc::now().to_rfc3339(),
        instance_id,
    }
}
