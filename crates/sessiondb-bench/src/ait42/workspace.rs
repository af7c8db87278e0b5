//! The sessions that are measured with: each has a number, and its number makes it again.

use ait42_session::{ChatMessage, WorktreeInstance, WorktreeSession};

/// The workspace that they are in.
pub(super) const WORKSPACE: &str = "00000000000ait42";
/// What every tenth task has in it.
pub(super) const FOUND: &str = "refactor";

/// The session of this number: a second younger than the one before.
pub(super) fn session(n: usize) -> WorktreeSession {
    let id = format!("comp-{n:06}");
    let doing = if n.is_multiple_of(10) { FOUND } else { "test" };
    let created = format!("{}.000000000+00:00", second(n));
    WorktreeSession {
        created_at: created.clone(),
        updated_at: created,
        model: Some("sonnet".to_owned()),
        timeout_seconds: Some(3_600),
        preserve_worktrees: Some(false),
        instances: (1..=2).map(|instance| self::instance(&id, instance, n)).collect(),
        chat_history: (0..10).map(|m| message(&id, format!("msg-{n:06}-{m}"), n, m)).collect(),
        ..WorktreeSession::new(
            id,
            WORKSPACE.to_owned(),
            "competition".to_owned(),
            format!("{doing} module {n} and say what was found"),
        )
    }
}

fn instance(session: &str, instance: i64, n: usize) -> WorktreeInstance {
    WorktreeInstance {
        instance_id: instance,
        session_id: session.to_owned(),
        worktree_path: format!("/home/user/project/.worktrees/{session}-{instance}"),
        branch: format!("competition/{session}-{instance}"),
        agent_name: format!("agent-{instance}"),
        status: "running".to_owned(),
        tmux_session_id: format!("ait42-{session}-{instance}"),
        output: Some(text(200)),
        start_time: Some(format!("{}.000000000+00:00", second(n))),
        end_time: None,
        files_changed: Some(3),
        lines_added: Some(120),
        lines_deleted: Some(40),
        runtime: Some("claude".to_owned()),
        model: None,
        runtime_label: None,
    }
}

fn message(session: &str, id: String, n: usize, of_second: usize) -> ChatMessage {
    ChatMessage {
        id,
        session_id: session.to_owned(),
        role: if of_second.is_multiple_of(2) { "user" } else { "assistant" }.to_owned(),
        content: text(200),
        timestamp: format!("{}.{of_second:09}+00:00", second(n)),
        instance_id: Some(1),
    }
}

/// The message that is added as the `n`th when there are so many sessions, and the id of the session it is added to.
pub(super) fn addition(sessions: usize, to: usize, n: usize) -> (String, ChatMessage) {
    let session = format!("comp-{to:06}");
    let message = message(&session, format!("msg-of-{sessions}-{n}"), to, n + 10);
    (session, message)
}

/// A time of the first days of 2026, without what is below a second.
fn second(n: usize) -> String {
    let (day, hour, minute) = (n / 86_400 + 1, n / 3_600 % 24, n / 60 % 60);
    format!("2026-01-{day:02}T{hour:02}:{minute:02}:{:02}", n % 60)
}

/// So many bytes of what a terminal shows.
fn text(bytes: usize) -> String {
    "running 12 tests: \"all\" passed\n".chars().cycle().take(bytes).collect()
}
