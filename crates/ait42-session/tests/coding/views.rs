//! The SQL views show what the methods answer.

use ait42_session::sessiondb::{Commit, SessionKey, Write};
use rusqlite::{Connection, Row, types::FromSql};

use super::*;

fn columns(conn: &Connection, view: &str) -> Vec<String> {
    let statement = conn.prepare(&format!("SELECT * FROM {view}")).unwrap();
    statement.column_names().map(Into::into).collect()
}

/// The columns of the seed's tables, in their order.
#[tokio::test]
async fn the_columns_are_those_of_the_seeds_schema() {
    let store = on_disk().await;
    let conn = Connection::open(store.path()).unwrap();
    let tables = [
        ("ait42_workspaces", "hash path last_accessed"),
        (
            "ait42_sessions",
            "id workspace_hash session_type task status created_at updated_at completed_at model timeout_seconds \
             preserve_worktrees winner_id runtime_mix total_duration total_files_changed total_lines_added \
             total_lines_deleted integration_phase integration_instance_id",
        ),
        (
            "ait42_instances",
            "id session_id instance_id worktree_path branch agent_name status tmux_session_id output start_time \
             end_time files_changed lines_added lines_deleted runtime model runtime_label workspace_hash",
        ),
        ("ait42_chat_messages", "id session_id role content timestamp instance_id workspace_hash"),
    ];
    for (view, expected) in tables {
        assert_eq!(columns(&conn, view), expected.split_whitespace().collect::<Vec<_>>(), "{view}");
    }
}

fn get<T: FromSql>(row: &Row<'_>, column: &str) -> T {
    row.get(column).unwrap()
}

fn rows<T>(conn: &Connection, sql: &str, id: &str, read: impl Fn(&Row<'_>) -> T) -> Vec<T> {
    let mut statement = conn.prepare(sql).unwrap();
    statement.query_map([id], |row| Ok(read(row))).unwrap().map(Result::unwrap).collect()
}

/// A session of the views alone.
fn read(conn: &Connection, id: &str) -> WorktreeSession {
    let instances =
        rows(conn, "SELECT * FROM ait42_instances WHERE session_id = ? ORDER BY instance_id", id, |row| {
            WorktreeInstance {
                instance_id: get(row, "instance_id"),
                session_id: get(row, "session_id"),
                worktree_path: get(row, "worktree_path"),
                branch: get(row, "branch"),
                agent_name: get(row, "agent_name"),
                status: get(row, "status"),
                tmux_session_id: get(row, "tmux_session_id"),
                output: get(row, "output"),
                start_time: get(row, "start_time"),
                end_time: get(row, "end_time"),
                files_changed: get(row, "files_changed"),
                lines_added: get(row, "lines_added"),
                lines_deleted: get(row, "lines_deleted"),
                runtime: get(row, "runtime"),
                model: get(row, "model"),
                runtime_label: get(row, "runtime_label"),
            }
        });
    let messages =
        rows(conn, "SELECT * FROM ait42_chat_messages WHERE session_id = ?", id, |row| ChatMessage {
            id: get(row, "id"),
            session_id: get(row, "session_id"),
            role: get(row, "role"),
            content: get(row, "content"),
            timestamp: get(row, "timestamp"),
            instance_id: get(row, "instance_id"),
        });
    let mut sessions = rows(conn, "SELECT * FROM ait42_sessions WHERE id = ?", id, |row| WorktreeSession {
        id: get(row, "id"),
        workspace_hash: get(row, "workspace_hash"),
        r#type: get(row, "session_type"),
        task: get(row, "task"),
        status: get(row, "status"),
        created_at: get(row, "created_at"),
        updated_at: get(row, "updated_at"),
        completed_at: get(row, "completed_at"),
        model: get(row, "model"),
        timeout_seconds: get(row, "timeout_seconds"),
        preserve_worktrees: get(row, "preserve_worktrees"),
        winner_id: get(row, "winner_id"),
        runtime_mix: get::<Option<String>>(row, "runtime_mix")
            .map(|json| serde_json::from_str(&json).unwrap()),
        total_duration: get(row, "total_duration"),
        total_files_changed: get(row, "total_files_changed"),
        total_lines_added: get(row, "total_lines_added"),
        total_lines_deleted: get(row, "total_lines_deleted"),
        integration_phase: get(row, "integration_phase"),
        integration_instance_id: get(row, "integration_instance_id"),
        instances: instances.clone(),
        chat_history: messages.clone(),
    });
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

/// Ids are unique in a workspace: the views can be joined all the same.
#[tokio::test]
async fn sessions_of_one_id_in_two_workspaces_are_told_apart() {
    let store = on_disk().await;
    for workspace in ["one", "two"] {
        store.repo.create_session(session(workspace, "same")).await.unwrap();
    }
    let conn = Connection::open(store.path()).unwrap();
    for (view, per_session) in [("ait42_instances", 2), ("ait42_chat_messages", 2)] {
        let sql = format!(
            "SELECT count(*) FROM ait42_sessions AS s JOIN {view} AS c \
             ON c.session_id = s.id AND c.workspace_hash = s.workspace_hash"
        );
        let count: i64 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2 * per_session, "{view}");
    }
}

#[tokio::test]
async fn the_views_show_what_the_methods_answer() {
    let store = on_disk().await;
    let repo = &store.repo;
    let full = WorktreeSession {
        completed_at: Some("2025-01-14T00:00:00Z".into()),
        winner_id: Some(-2),
        total_duration: Some(i64::MAX),
        total_files_changed: Some(1),
        total_lines_added: Some(2),
        total_lines_deleted: Some(3),
        integration_instance_id: Some(1),
        preserve_worktrees: Some(true),
        ..session(WS, "full")
    };
    repo.create_session(full).await.unwrap();
    let bare =
        WorktreeSession::new("bare".into(), WS.into(), "debate".into(), "'quoted' \"täsk\" 日本".into());
    repo.create_session(bare).await.unwrap();
    repo.create_session(session(WS, "spoken")).await.unwrap();
    repo.add_chat_message("spoken", message("m3", "tool", "exit 0")).await.unwrap();
    // Its clock was ahead; what is said after it does not put it back.
    let ahead = WorktreeSession { updated_at: "2999-01-01T09:00:00+09:00".into(), ..session(WS, "ahead") };
    repo.create_session(ahead).await.unwrap();
    repo.add_chat_message("ahead", message("m3", "tool", "exit 0")).await.unwrap();
    repo.create_session(session(WS, "changed")).await.unwrap();
    repo.select_winner(WS, "changed", 1, Some(serde_json::json!({ "score": 1 }))).await.unwrap();
    repo.create_session(session(WS, "deleted")).await.unwrap();
    repo.delete_session(WS, "deleted").await.unwrap();
    let conn = Connection::open(store.path()).unwrap();
    for id in ["full", "bare", "spoken", "ahead", "changed"] {
        assert_eq!(read(&conn, id), repo.get_session(WS, id).await.unwrap(), "{id}");
    }
    for view in ["ait42_sessions", "ait42_instances", "ait42_chat_messages"] {
        let all: i64 = conn.query_row(&format!("SELECT count(*) FROM {view}"), [], |row| row.get(0)).unwrap();
        let expected = match view {
            "ait42_sessions" => 5,
            "ait42_instances" => 8,
            _ => 10,
        };
        assert_eq!(all, expected, "{view}");
    }
}

/// The view of a session may hide messages, and show those of another session's log.
#[tokio::test]
async fn the_messages_are_those_that_the_session_shows() {
    let store = on_disk().await;
    let repo = &store.repo;
    for id in ["s1", "s2"] {
        repo.create_session(session(WS, id)).await.unwrap();
        for i in 3..8 {
            let one = message(&format!("m{i}"), "user", &format!("{id} {i}"));
            repo.add_chat_message_in(WS, id, one).await.unwrap();
        }
    }
    let key = |id: &str| SessionKey::new("ait42", "worktree", WS, "session", id);
    repo.pool().rewind(&key("s1"), 4).await.unwrap();
    repo.add_chat_message_in(WS, "s1", message("m9", "user", "after")).await.unwrap();
    repo.pool().fork(&key("s1"), &key("fork"), None).await.unwrap();
    repo.pool().rewind(&key("s2"), 0).await.unwrap();
    let conn = Connection::open(store.path()).unwrap();
    let shown = |id: &str| -> Vec<String> {
        rows(&conn, "SELECT * FROM ait42_chat_messages WHERE session_id = ?", id, |row| get(row, "id"))
    };
    let answered = async |id: &str| -> Vec<String> {
        let read = repo.get_session(WS, id).await.unwrap();
        read.chat_history.into_iter().map(|message| message.id).collect()
    };
    assert_eq!(shown("s1"), ["m1", "m2", "m3", "m4", "m9"]);
    assert_eq!(shown("s1"), answered("s1").await);
    assert_eq!(shown("s2"), [""; 0]);
    assert_eq!(shown("s2"), answered("s2").await);
    assert_eq!(shown("fork"), ["m1", "m2", "m3", "m4", "m9"]);
    assert_eq!(shown("fork"), answered("fork").await);
}

#[tokio::test]
async fn workspaces_are_shown_with_their_paths() {
    let store = on_disk().await;
    store.repo.create_session(session(WS, "s1")).await.unwrap();
    store.repo.register_workspace("/no/such/place").await.unwrap();
    let conn = Connection::open(store.path()).unwrap();
    let mut statement = conn
        .prepare("SELECT hash, path, last_accessed FROM ait42_workspaces ORDER BY last_accessed DESC, hash")
        .unwrap();
    let rows: Vec<(String, Option<String>, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let answered = store.repo.workspaces().await.unwrap();
    assert_eq!(rows, answered.into_iter().map(|w| (w.hash, w.path, w.last_accessed)).collect::<Vec<_>>());
    assert_eq!(rows.len(), 2);
}

/// Text with anything in it, numbers at their limits, and messages in an order that is not that of their numbers.
#[tokio::test]
async fn the_views_show_any_text_any_number_and_any_order() {
    let store = on_disk().await;
    let repo = &store.repo;
    let odd = "a\0b \u{feff}\u{10ffff}\\u0000 \"' \u{7f}\n";
    let given = WorktreeSession {
        task: odd.into(),
        runtime_mix: Some(vec![odd.into(), String::new()]),
        winner_id: Some(i64::MIN),
        total_duration: Some(i64::MIN),
        total_files_changed: Some(i64::MAX),
        preserve_worktrees: Some(false),
        model: Some(String::new()),
        instances: [i64::MIN, -1, i64::MAX]
            .map(|id| WorktreeInstance {
                agent_name: odd.into(),
                output: Some(odd.into()),
                lines_deleted: Some(i64::MIN),
                ..instance(id)
            })
            .into(),
        chat_history: ["", "null", "0", "{}", odd]
            .iter()
            .enumerate()
            .map(|(n, text)| message(&format!("m{n}{odd}").replace('\0', ""), "user", text))
            .collect(),
        ..session(WS, "odd")
    };
    repo.create_session(given).await.unwrap();
    let key = SessionKey::new("ait42", "worktree", WS, "session", "odd");
    let conn = Connection::open(store.path()).unwrap();
    assert_eq!(read(&conn, "odd"), repo.get_session(WS, "odd").await.unwrap());
    let view = Write::SetView(vec![(4, 5), (1, 2)]);
    let commit = Commit::new(key).write(view);
    repo.pool().commit_one(commit).await.unwrap();
    let shown = repo.get_session(WS, "odd").await.unwrap();
    assert_eq!(shown.chat_history.len(), 4);
    assert_eq!(shown.chat_history[0].content, "{}");
    assert_eq!(read(&conn, "odd"), shown);
    // Changed again through the API, in this order.
    let mut changed = shown.clone();
    changed.chat_history.push(message("new", "user", "new"));
    let changed = repo.update_session(changed).await.unwrap();
    assert_eq!(changed.chat_history.len(), 5);
    assert_eq!(read(&conn, "odd"), changed);
    assert_eq!(repo.list_summaries(WS).await.unwrap()[0].message_count, 5);
}
