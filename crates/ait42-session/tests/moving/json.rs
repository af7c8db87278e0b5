//! `JsonSessionRepository`: the files alone.

use std::fs;

use ait42_session::{
    JsonSessionRepository, RepositoryError, SessionFilters, SessionRepository, WorktreeSession,
};
use serde_json::json;

use crate::support::{Place, Watcher, message, session, sessions, with};

fn new(id: &str, workspace: &str) -> WorktreeSession {
    WorktreeSession::new(id.into(), workspace.into(), "ensemble".into(), "task".into())
}

#[tokio::test]
async fn what_is_done_is_in_the_file() {
    let place = Place::new().await;
    let dir = place.root().join("made/when needed");
    let files = JsonSessionRepository::new(&dir);
    assert!(files.get_all_sessions("abc").await.unwrap().is_empty());
    let created = files.create_session(new("s1", "abc")).await.unwrap();
    assert_eq!(files.get_session("abc", "s1").await.unwrap(), created);
    files.create_session(new("s2", "abc")).await.unwrap();
    files.create_session(new("s2", "def")).await.unwrap();

    let updated = WorktreeSession { task: "other".into(), status: "paused".into(), ..created.clone() };
    assert_eq!(files.update_session(updated).await.unwrap().task, "other");
    files.add_chat_message("s1", message("m1", "hello")).await.unwrap();
    let session = files.add_chat_message_in("abc", "s2", message("m1", "hello")).await.unwrap();
    assert_eq!((session.chat_history.len(), session.chat_history[0].session_id.as_str()), (1, "s2"));
    assert!(session.updated_at > created.updated_at);

    let ids = |sessions: Vec<WorktreeSession>| sessions.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(files.get_all_sessions("abc").await.unwrap()), ["s2", "s1"], "the last changed first");
    let paused = SessionFilters { status: Some(vec!["paused".into()]), ..SessionFilters::default() };
    assert_eq!(ids(files.search_sessions("abc", paused).await.unwrap()), ["s1"]);

    files.delete_session("abc", "s2").await.unwrap();
    let text = fs::read_to_string(dir.join("abc.json")).unwrap();
    assert!(text.contains("\"status\": \"paused\"") && !text.contains("workspaceHash"), "{text}");
    assert!(matches!(files.get_session("abc", "s2").await, Err(RepositoryError::NotFound(_))));
}

/// Defect 19, its third part: deleting what is not there was a success.
#[tokio::test]
async fn defect_19_what_is_missing_is_not_found() {
    let place = Place::new().await;
    place.put("abc", &[session(1)]);
    let files = JsonSessionRepository::new(place.dir());
    let missing = [
        files.delete_session("abc", "none").await.unwrap_err(),
        files.delete_session("none", "comp-1").await.unwrap_err(),
        files.update_session(new("none", "abc")).await.unwrap_err(),
        files.add_chat_message("none", message("m", "")).await.unwrap_err(),
        files.update_instance_status("comp-1", 9, "idle").await.unwrap_err(),
        files.select_winner("abc", "comp-1", 9, None).await.unwrap_err(),
    ];
    assert!(missing.iter().all(|error| matches!(error, RepositoryError::NotFound(_))), "{missing:?}");
    assert_eq!(place.file("abc"), json!([session(1)]));
}

#[tokio::test]
async fn what_is_not_legal_changes_nothing() {
    let place = Place::new().await;
    place.put("abc", &[session(1)]);
    place.put("def", &[session(1)]);
    let files = JsonSessionRepository::new(place.dir());
    let bad = WorktreeSession { status: "done".into(), ..new("s1", "abc") };
    let refused = [
        files.create_session(bad).await.unwrap_err(),
        files.create_session(new("comp-1", "abc")).await.unwrap_err(),
        files.create_session(new("s1", "../abc")).await.unwrap_err(),
        files.create_session(new("s1", "")).await.unwrap_err(),
        files.update_instance_status_in("abc", "comp-1", 1, "asleep").await.unwrap_err(),
        // Two workspaces have it.
        files.add_chat_message("comp-1", message("m", "")).await.unwrap_err(),
        files.add_chat_message_in("abc", "comp-1", message("msg-0", "other content")).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| matches!(error, RepositoryError::Validation(_))), "{refused:?}");
    assert_eq!(place.file("abc"), json!([session(1)]));
    assert!(!place.root().join("abc.json").exists());
}

#[tokio::test]
async fn members_and_items_that_are_not_known_stay_where_they_are() {
    let place = Place::new().await;
    let bad = json!({"id": "bad", "huge": 1});
    place.put("abc", &[session(3), bad.clone(), session(4)]);
    let files = JsonSessionRepository::new(place.dir());
    files.add_chat_message_in("abc", "comp-4", message("m", "hi")).await.unwrap();
    let selected = files.select_winner("abc", "comp-3", 2, Some(json!({"score": 0.1}))).await.unwrap();
    assert_eq!(selected.winner_id, Some(2));
    let file = place.file("abc");
    assert_eq!(file[1], bad);
    assert_eq!(file[2]["evaluation"], session(4)["evaluation"]);
    assert_eq!(file[2]["instances"], session(4)["instances"]);
    assert_eq!(file[2]["chatHistory"].as_array().unwrap().len(), 5);
    assert_eq!(file[0]["evaluation"], json!({"score": 0.1}));
    assert_eq!(file[0]["instances"][0]["testsPassed"], session(3)["instances"][0]["testsPassed"]);
    assert_eq!(file[0]["instances"][0]["status"], "archived");
    // What cannot be read is neither changed nor made a second time, and does not hide.
    let error = files.create_session(new("bad", "abc")).await.unwrap_err().to_string();
    assert!(error.contains("abc.json: session 1 (bad)") && error.contains("mend it there"), "{error}");
    assert!(matches!(files.get_session("abc", "bad").await, Err(RepositoryError::Internal(_))));
    let error = files.get_all_sessions("abc").await.unwrap_err().to_string();
    assert!(error.contains("abc.json: session 1 (bad): type: it is missing"), "{error}");
    assert!(files.get_session("abc", "comp-4").await.is_ok());
}

/// Defect 19, its first part: the file was read, changed and written without a lock, and in place, so of changes that
/// came together all but one were lost, and a reader found half a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn defect_19_changes_that_come_together_are_all_kept() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..20));
    let watcher = Watcher::of(place.dir());
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let files = JsonSessionRepository::new(place.dir());
            tokio::spawn(async move {
                for n in 0..5 {
                    let message = message(&format!("{task}-{n}"), "");
                    files.add_chat_message_in("abc", "comp-0", message).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(place.file("abc")[0]["chatHistory"].as_array().unwrap().len(), 40);
    assert_eq!(place.file("abc")[19], session(19));
    assert!(watcher.finish() > 0);
}

#[tokio::test]
async fn sessions_of_the_seeds_models_are_written_as_they_are_read() {
    let place = Place::new().await;
    let session = with(session(6), "/evaluation", json!(null));
    let mut model: WorktreeSession = serde_json::from_value(session).unwrap();
    model.workspace_hash = "abc".into();
    let files = JsonSessionRepository::new(place.dir());
    let created = files.create_session(model.clone()).await.unwrap();
    let stored = place.store.create_session(model).await.unwrap();
    assert_eq!(created, stored);
}

#[tokio::test]
async fn where_there_is_no_directory_yet_no_session_is_found() {
    let place = Place::new().await;
    let files = JsonSessionRepository::new(place.root().join("none"));
    let error = files.add_chat_message("s1", message("m", "")).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NotFound(_)), "{error}");
}

/// One that cannot be read is there all the same: it is not unknown, and makes its id ambiguous.
#[tokio::test]
async fn a_session_that_cannot_be_read_is_found_by_its_id() {
    let place = Place::new().await;
    place.put("abc", &[json!({"id": "bad"})]);
    let files = JsonSessionRepository::new(place.dir());
    let error = files.add_chat_message("bad", message("m", "")).await.unwrap_err().to_string();
    assert!(error.contains("abc.json: session 0 (bad)") && error.contains("mend it there"), "{error}");
    place.put("def", &[with(session(1), "/id", json!("bad"))]);
    let error = files.add_chat_message("bad", message("m", "")).await.unwrap_err().to_string();
    assert!(error.contains("ambiguous"), "{error}");
}

/// A clock that was put back, or a file whose times lie ahead, does not make a session older by changing it.
#[tokio::test]
async fn when_a_session_was_last_changed_does_not_go_back() {
    let ahead = "2999-01-01T00:00:00Z";
    let mut model: WorktreeSession =
        serde_json::from_value(with(session(1), "/updatedAt", json!(ahead))).unwrap();
    model.workspace_hash = "abc".into();
    let place = Place::new().await;
    let files = JsonSessionRepository::new(place.dir());
    let both: [&dyn SessionRepository; 2] = [&files, &place.store];
    for repository in both {
        repository.create_session(model.clone()).await.unwrap();
        repository.add_chat_message("comp-1", message("m", "")).await.unwrap();
        assert_eq!(repository.get_session("abc", "comp-1").await.unwrap().updated_at, ahead);
        repository.update_instance_status("comp-1", 1, "idle").await.unwrap();
        assert_eq!(repository.get_session("abc", "comp-1").await.unwrap().updated_at, ahead);
    }
    assert_eq!(files.select_winner("abc", "comp-1", 1, None).await.unwrap().updated_at, ahead);
    assert_eq!(place.store.select_winner("abc", "comp-1", 1, None).await.unwrap().updated_at, ahead);
}

#[tokio::test]
async fn a_change_that_changes_nothing_does_not_write_the_file() {
    let place = Place::new().await;
    fs::write(place.path("abc"), json!([session(1)]).to_string()).unwrap();
    let files = JsonSessionRepository::new(place.dir());
    let said = files.get_session("abc", "comp-1").await.unwrap().chat_history.remove(0);
    files.add_chat_message_in("abc", "comp-1", said).await.unwrap();
    assert_eq!(fs::read_to_string(place.path("abc")).unwrap(), json!([session(1)]).to_string());
}
