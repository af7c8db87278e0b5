//! What the verbs do.

use ait42_session::sessiondb::{Commit, Conflict, Error, Json, NewDocument, NewMessage, SessionKey, Write};
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[tokio::test]
async fn what_is_created_is_read_back_after_the_store_was_opened_anew() {
    let store = on_disk().await;
    let expected = as_read(session(WS, "s1"));
    assert_eq!(store.repo.create_session(session(WS, "s1")).await.unwrap(), expected);
    let store = store.reopened().await;
    assert_eq!(store.repo.get_session(WS, "s1").await.unwrap(), expected);
    assert_eq!(all(&store.repo, WS).await, [expected]);
    assert!(store.repo.pool().check().await.unwrap().is_clean());
}

#[tokio::test]
async fn instances_are_ordered_by_number_and_may_have_any() {
    let repo = in_memory().await;
    let mut many = session(WS, "s1");
    many.instances = [10, 2, -3, i64::MAX, i64::MIN, 0].into_iter().map(instance).collect();
    repo.create_session(many).await.unwrap();
    let read = repo.get_session(WS, "s1").await.unwrap();
    let ids: Vec<i64> = read.instances.iter().map(|instance| instance.instance_id).collect();
    assert_eq!(ids, [i64::MIN, -3, 0, 2, 10, i64::MAX]);
}

#[tokio::test]
async fn an_update_replaces_values_and_instances_and_adds_messages() {
    let store = on_disk().await;
    store.repo.create_session(session(WS, "s1")).await.unwrap();
    let mut changed = session(WS, "s1");
    changed.status = "completed".into();
    changed.completed_at = Some("2025-01-14T00:00:00Z".into());
    changed.updated_at = "2025-01-14T00:00:00Z".into();
    changed.model = None;
    // Instance 1 goes, 2 loses its output, 3 is new.
    changed.instances = vec![
        WorktreeInstance { output: Some("built".into()), ..instance(3) },
        WorktreeInstance { status: "failed".into(), ..instance(2) },
    ];
    // Messages that are not named stay, and so does their order.
    changed.chat_history = vec![message("m3", "tool", "ok"), message("m1", "user", "Fix the login")];
    let mut expected = as_read(session(WS, "s1"));
    expected.chat_history.push(ChatMessage { session_id: "s1".into(), ..message("m3", "tool", "ok") });
    let expected = WorktreeSession {
        chat_history: expected.chat_history,
        instances: vec![
            WorktreeInstance { session_id: "s1".into(), ..changed.instances[1].clone() },
            WorktreeInstance { session_id: "s1".into(), ..changed.instances[0].clone() },
        ],
        ..changed.clone()
    };
    assert_eq!(store.repo.update_session(changed).await.unwrap(), expected);
    let store = store.reopened().await;
    assert_eq!(store.repo.get_session(WS, "s1").await.unwrap(), expected);
    let outputs = store.repo.pool().document(&key("s1"), "outputs", "2").await.unwrap();
    assert_eq!(outputs, None, "what an instance lost or took along is not kept");
}

fn key(id: &str) -> SessionKey {
    SessionKey::new("ait42", "worktree", WS, "session", id)
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let repo = in_memory().await;
    let created = repo.create_session(session(WS, "s1")).await.unwrap();
    let before = repo.pool().session(&key("s1")).await.unwrap();
    assert_eq!(repo.update_session(created.clone()).await.unwrap(), created);
    assert_eq!(repo.pool().session(&key("s1")).await.unwrap(), before);
}

#[tokio::test]
async fn when_it_was_created_stays_and_when_it_changed_does_not_go_back() {
    let repo = in_memory().await;
    let created = repo.create_session(session(WS, "s1")).await.unwrap();
    let stale = WorktreeSession {
        task: "Another".into(),
        created_at: "2030-01-01T00:00:00Z".into(),
        updated_at: "2020-01-01T00:00:00Z".into(),
        ..created.clone()
    };
    let updated = repo.update_session(stale).await.unwrap();
    assert_eq!(updated, WorktreeSession { task: "Another".into(), ..created });
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_not_made() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    assert_eq!(not_found(repo.get_session(WS, "s2").await), "s2");
    assert_eq!(not_found(repo.update_session(session(WS, "s2")).await), "s2");
    assert_eq!(not_found(repo.update_session_at(session(WS, "s2"), 1).await), "s2");
    assert_eq!(not_found(repo.delete_session(WS, "s2").await), "s2");
    assert_eq!(not_found(repo.add_chat_message("s2", message("m", "user", "…")).await), "s2");
    assert_eq!(not_found(repo.add_chat_message_in(WS, "s2", message("m", "user", "…")).await), "s2");
    assert_eq!(not_found(repo.update_instance_status("s2", 1, "idle").await), "s2");
    assert_eq!(not_found(repo.update_instance_status_in(WS, "s2", 1, "idle").await), "s2");
    assert_eq!(not_found(repo.update_instance_status("s1", 7, "idle").await), "instance 7 in session s1");
    assert_eq!(not_found(repo.select_winner(WS, "s1", 7, None).await), "instance 7 in session s1");
    assert_eq!(not_found(repo.other_members(WS, "s2").await), "s2");
    assert_eq!(not_found(repo.delete_workspace("nowhere").await), "workspace nowhere");
    assert_eq!(all(&repo, WS).await, [as_read(session(WS, "s1"))]);
    assert_eq!(all(&repo, "nowhere").await, []);
}

#[tokio::test]
async fn a_deleted_session_takes_everything_along_and_may_be_made_again() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    repo.delete_session(WS, "s1").await.unwrap();
    assert_eq!(not_found(repo.get_session(WS, "s1").await), "s1");
    let bare = WorktreeSession::new("s1".into(), WS.into(), "debate".into(), "Anew".into());
    assert_eq!(repo.create_session(bare.clone()).await.unwrap(), bare);
}

#[tokio::test]
async fn a_message_is_added_once_and_moves_the_time_of_the_last_change() {
    let store = on_disk().await;
    let repo = &store.repo;
    let created = repo.create_session(session(WS, "s1")).await.unwrap();
    let (_, revision) = repo.get_session_revised(WS, "s1").await.unwrap();
    let added = message("m3", "tool", "exit 0");
    repo.add_chat_message("s1", added.clone()).await.unwrap();
    repo.add_chat_message("s1", added.clone()).await.unwrap();
    let named = ChatMessage { session_id: "s1".into(), ..added.clone() };
    let read = repo.add_chat_message_in(WS, "s1", named.clone()).await.unwrap();
    assert_eq!(read.chat_history[2..], [named]);
    assert!(at(&read.updated_at) > at("2025-06-01T00:00:00Z"), "{}", read.updated_at);
    // It commutes with changes that were decided before it.
    assert_eq!(repo.get_session_revised(WS, "s1").await.unwrap(), (read.clone(), revision));
    let other = ChatMessage { content: "exit 1".into(), ..added };
    let reason = validation(repo.add_chat_message("s1", other).await);
    assert!(reason.contains("session s1 has a message m3 already, with other content"), "{reason}");
    // An own time that is written later counts again.
    let later = WorktreeSession { updated_at: "2999-01-01T00:00:00+09:00".into(), ..created };
    let updated = repo.update_session(later).await.unwrap();
    assert_eq!(updated.updated_at, "2999-01-01T00:00:00+09:00");
    assert_eq!(updated.chat_history.len(), 3);
}

fn at(text: &str) -> chrono::DateTime<chrono::FixedOffset> {
    chrono::DateTime::parse_from_rfc3339(text).unwrap()
}

#[tokio::test]
async fn a_known_message_with_other_content_refuses_the_whole_update() {
    let repo = in_memory().await;
    let created = repo.create_session(session(WS, "s1")).await.unwrap();
    let mut changed = WorktreeSession { task: "Another".into(), ..created.clone() };
    changed.chat_history[0].content = "Rewritten".into();
    let reason = validation(repo.update_session(changed).await);
    assert!(reason.contains("message m1 already, with other content"), "{reason}");
    assert_eq!(all(&repo, WS).await, [created]);
}

#[tokio::test]
async fn a_status_changes_nothing_but_itself_and_the_time() {
    let repo = in_memory().await;
    let mut expected = repo.create_session(session(WS, "s1")).await.unwrap();
    repo.update_instance_status("s1", 2, "completed").await.unwrap();
    let read = repo.update_instance_status_in(WS, "s1", 1, "failed").await.unwrap();
    assert!(at(&read.updated_at) > at("2025-06-01T00:00:00Z"), "{}", read.updated_at);
    expected.instances[1].status = "completed".into();
    expected.instances[0].status = "failed".into();
    expected.updated_at.clone_from(&read.updated_at);
    assert_eq!(read, expected);
}

#[tokio::test]
async fn a_winner_archives_the_others_and_keeps_how_they_were_judged() {
    let store = on_disk().await;
    store.repo.create_session(session(WS, "s1")).await.unwrap();
    let evaluation = json!({ "scores": { "1": 0.5, "2": 0.75 }, "why": "tests pass", "none": null });
    let read = store.repo.select_winner(WS, "s1", 2, Some(evaluation.clone())).await.unwrap();
    assert_eq!(read.winner_id, Some(2));
    let statuses: Vec<&str> = read.instances.iter().map(|instance| instance.status.as_str()).collect();
    assert_eq!(statuses, ["archived", "running"]);
    assert_eq!(read.instances[1].output.as_deref(), Some("line 1\nline 2\0"));
    // The judgement outlives changes that know nothing of it, and another winner without one.
    let store = store.reopened().await;
    store.repo.update_session(WorktreeSession { task: "Another".into(), ..read }).await.unwrap();
    store.repo.update_instance_status("s1", 2, "completed").await.unwrap();
    store.repo.select_winner(WS, "s1", 1, None).await.unwrap();
    let others = store.repo.other_members(WS, "s1").await.unwrap();
    assert_eq!(serde_json::Value::Object(others), json!({ "evaluation": evaluation }));
}

#[tokio::test]
async fn an_update_of_what_somebody_had_read_does_not_undo_anothers() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    let (mine, revision) = repo.get_session_revised(WS, "s1").await.unwrap();
    repo.update_instance_status("s1", 1, "completed").await.unwrap();
    let stale = WorktreeSession { task: "Mine".into(), ..mine };
    match repo.update_session_at(stale, revision).await {
        Err(RepositoryError::Database(Error::Conflict {
            conflict: Conflict::State { expected, .. },
            ..
        })) => {
            assert_eq!(expected, revision);
        }
        other => panic!("{other:?}"),
    }
    let (mine, revision) = repo.get_session_revised(WS, "s1").await.unwrap();
    // A message that comes between is in nobody's way, and stays.
    repo.add_chat_message("s1", message("m3", "user", "Wait")).await.unwrap();
    let mine = WorktreeSession { task: "Mine".into(), ..mine };
    let updated = repo.update_session_at(mine, revision).await.unwrap();
    assert_eq!((updated.task.as_str(), updated.chat_history.len()), ("Mine", 3));
    assert_eq!(updated.instances[0].status, "completed");
}

#[tokio::test]
async fn workspaces_know_nothing_of_each_others_sessions() {
    let repo = in_memory().await;
    let (mine, yours) = (session(WS, "s1"), session("other", "s2"));
    repo.create_session(mine.clone()).await.unwrap();
    repo.create_session(yours.clone()).await.unwrap();
    assert_eq!(ids(&all(&repo, WS).await), ["s1"]);
    assert_eq!(not_found(repo.get_session(WS, "s2").await), "s2");
    assert_eq!(not_found(repo.delete_session(WS, "s2").await), "s2");
    assert_eq!(not_found(repo.update_session(session(WS, "s2")).await), "s2");
    assert_eq!(not_found(repo.update_instance_status_in(WS, "s2", 1, "idle").await), "s2");
    assert_eq!(ids(&repo.search_sessions("other", Default::default()).await.unwrap()), ["s2"]);
    // A hash that another begins with, and one that differs in case.
    assert_eq!(all(&repo, "othe").await, []);
    assert_eq!(all(&repo, "OTHER").await, []);
}

/// A session that is larger than a page of the store is read whole.
#[tokio::test]
async fn a_session_larger_than_a_page_is_read_whole() {
    let store = on_disk().await;
    let repo = &store.repo;
    let mut large = session(WS, "large");
    large.instances = (0..5_100).map(instance).collect();
    large.chat_history = (0..4_000).map(|i| message(&format!("m{i}"), "user", "…")).collect();
    repo.create_session(large.clone()).await.unwrap();
    for instance in &mut large.instances {
        instance.output = Some(format!("output {}", instance.instance_id));
    }
    large.chat_history.extend((4_000..8_500).map(|i| message(&format!("m{i}"), "user", "…")));
    repo.update_session(large.clone()).await.unwrap();
    large.chat_history.extend((8_500..12_000).map(|i| message(&format!("m{i}"), "user", "…")));
    let expected = as_read(large);
    assert!(repo.update_session(expected.clone()).await.unwrap() == expected);
    repo.create_session(session(WS, "small")).await.unwrap();
    let read = all(repo, WS).await;
    assert_eq!(ids(&read), ["small", "large"]);
    assert!(read[1] == expected);
    let summaries = repo.list_summaries(WS).await.unwrap();
    assert_eq!((summaries[1].instances.len(), summaries[1].message_count), (5_100, 12_000));
}

/// Somebody opened a session of another kind under our key, or wrote nonsense into one: it is named, and nothing is passed
/// over in silence.
#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    repo.pool().session_open(&key("s2")).await.unwrap();
    let error = repo.get_all_sessions(WS).await.unwrap_err().to_string();
    assert!(error.contains("ait42:worktree:0123456789abcdef:session:s2"), "{error}");
    assert!(error.contains("family 'chat'"), "{error}");
    assert_eq!(repo.get_session(WS, "s1").await.unwrap().id, "s1", "the others can be read");
    let stray = vec![NewMessage::new("user", "no id")];
    repo.pool().commit_one(Commit::new(key("s1")).write(Write::Append(stray))).await.unwrap();
    let error = repo.get_session(WS, "s1").await.unwrap_err().to_string();
    assert!(error.contains("session:s1: message 3 cannot be read: it has no attributes"), "{error}");
}

/// A document among ours that is no part of the session: another program wrote it, and to pass it over would lose it.
#[tokio::test]
async fn a_document_that_is_no_part_of_the_session_is_named() {
    for (collection, id, why) in [
        ("outputs", "7", "there is no instance of this number"),
        ("outputs", "01", "its id is no number of an instance"),
        ("instances", "+1", "its id is no number of an instance"),
        ("instances", "main", "its id is no number of an instance"),
    ] {
        let repo = in_memory().await;
        repo.create_session(session(WS, "s1")).await.unwrap();
        let document = NewDocument::new(collection, id, Json::string("text"));
        repo.pool().commit_one(Commit::new(key("s1")).write(Write::PutDocument(document))).await.unwrap();
        let error = repo.get_session(WS, "s1").await.unwrap_err().to_string();
        let what = format!("session:s1: document {collection}/{id} cannot be read: {why}");
        assert!(error.contains(&what), "{error}");
    }
}

/// A time in the future stays as it was said: when anything last changed does not go back. What happens now is there all
/// the same.
#[tokio::test]
async fn a_time_in_the_future_stays() {
    let repo = in_memory().await;
    let future = "2999-01-01T00:00:00Z";
    repo.create_session(WorktreeSession { updated_at: future.into(), ..session(WS, "s1") }).await.unwrap();
    assert_eq!(repo.get_session(WS, "s1").await.unwrap().updated_at, future);
    let added = repo.add_chat_message_in(WS, "s1", message("m3", "user", "now")).await.unwrap();
    assert_eq!((added.updated_at.as_str(), added.chat_history.len()), (future, 3));
}

#[test]
fn any_session_is_read_back_as_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let text = || "[\\PC\0\n\"\\\\]{0,12}";
    let time = || {
        prop_oneof![
            Just("2025-01-13T09:00:00Z".to_owned()),
            Just("2024-02-29t23:59:59.123456789+14:00".to_owned()),
            Just("1969-12-31T23:59:60Z".to_owned()),
        ]
    };
    let instances = proptest::collection::btree_map(
        any::<i64>(),
        (
            text(),
            proptest::option::of(text()),
            proptest::option::of(time()),
            any::<Option<i64>>(),
            0..6_usize,
        ),
        0..4,
    );
    let messages = proptest::collection::btree_map(
        "[^\0]{1,20}",
        (text(), time(), any::<Option<i64>>(), 0..4_usize),
        0..4,
    );
    let sessions = (
        (text(), time(), time(), proptest::option::of(time())),
        (any::<Option<i64>>(), any::<Option<bool>>(), any::<Option<Vec<String>>>(), 0..3_usize, 0..4_usize),
        instances,
        messages,
    );
    let arbitrary = sessions.prop_map(
        |((task, created, updated, completed), (n, b, mix, kind, status), instances, messages)| {
            WorktreeSession {
                r#type: ["competition", "ensemble", "debate"][kind].into(),
                status: ["running", "completed", "failed", "paused"][status].into(),
                created_at: created,
                updated_at: updated,
                completed_at: completed,
                timeout_seconds: n,
                winner_id: n,
                total_duration: n,
                preserve_worktrees: b,
                runtime_mix: mix,
                instances: instances
                    .into_iter()
                    .map(|(id, (text, output, time, n, status))| WorktreeInstance {
                        branch: text,
                        output,
                        end_time: time,
                        files_changed: n,
                        status: ["idle", "running", "completed", "failed", "paused", "archived"][status]
                            .into(),
                        ..instance(id)
                    })
                    .collect(),
                chat_history: messages
                    .into_iter()
                    .map(|(id, (text, time, instance_id, role))| ChatMessage {
                        id,
                        content: text,
                        timestamp: time,
                        instance_id,
                        role: ["user", "assistant", "system", "tool"][role].into(),
                        session_id: String::new(),
                    })
                    .collect(),
                ..WorktreeSession::new("s1".into(), WS.into(), String::new(), task)
            }
        },
    );
    let store = runtime.block_on(on_disk());
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(first in arbitrary.clone(), second in arbitrary)| runtime.block_on(async {
        let repo = &store.repo;
        let expected = as_read(first.clone());
        prop_assert_eq!(&repo.create_session(first).await.unwrap(), &expected);
        prop_assert_eq!(all(repo, WS).await, [expected.clone()]);
        let mut second = as_read(second);
        let known: Vec<_> = expected.chat_history.iter().map(|m| m.id.clone()).collect();
        second.chat_history.retain(|message| !known.contains(&message.id));
        second.updated_at = "2026-01-01T00:00:00Z".into();
        let mut after = second.clone();
        after.created_at = expected.created_at.clone();
        after.chat_history = [expected.chat_history, second.chat_history.clone()].concat();
        prop_assert_eq!(&repo.update_session(second).await.unwrap(), &after);
        repo.delete_session(WS, "s1").await.unwrap();
        Ok(())
    })?);
}
