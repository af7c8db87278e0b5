//! `import` and `compare`.

use std::fs;

use ait42_session::{
    RepositoryError, SessionRepository as _,
    migration::OnConflict,
    sessiondb::{Commit, Json, SessionKey, Write},
};
use serde_json::{Value, json};

use crate::support::{Place, counts, message, session, sessions, with};

#[tokio::test]
async fn what_is_imported_is_equal_and_importing_again_changes_nothing() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..12));
    place.put("def", &sessions(5..8));
    fs::write(place.dir().join("notes.txt"), "").unwrap();
    let report = place.import().await;
    assert_eq!(report.files.iter().map(counts).collect::<Vec<_>>(), [[12, 0, 0, 0], [3, 0, 0, 0]]);
    assert_eq!((report.ignored, report.files[0].is_clean()), (vec!["notes.txt".to_owned()], true));
    assert_eq!(place.differences().await, [""; 0]);
    let compared = place.compare().await;
    assert_eq!((compared.workspaces, compared.sessions), (2, 15));

    let before = place.store.pool().check().await.unwrap();
    let revision = || async { place.store.get_session_revised("abc", "comp-3").await.unwrap().1 };
    let at = revision().await;
    let again = place.import().await;
    assert_eq!(again.files.iter().map(counts).collect::<Vec<_>>(), [[0, 0, 12, 0], [0, 0, 3, 0]]);
    assert_eq!((place.store.pool().check().await.unwrap(), revision().await), (before, at));
}

/// Defect 5: what AIT42 has in its files has neither `workspaceHash` nor `sessionId`, and could not be read.
#[tokio::test]
async fn defect_05_files_of_ait42_are_imported_as_they_are() {
    let place = Place::new().await;
    place.put("abc", &[session(4)]);
    assert_eq!(counts(&place.verdict().await), [1, 0, 0, 0]);
    let stored = place.store.get_session("abc", "comp-4").await.unwrap();
    assert_eq!((stored.workspace_hash.as_str(), stored.instances[0].session_id.as_str()), ("abc", "comp-4"));
    assert_eq!(stored.updated_at, "2025-01-13T10:00:04.123456789+00:00");
    assert_eq!(stored.chat_history.len(), 4);
}

/// Defect 13: ids are made of the time or counted in each workspace, so two workspaces have the same. They were keys of
/// the whole database.
#[tokio::test]
async fn defect_13_the_same_ids_in_two_workspaces_are_two_sessions() {
    let place = Place::new().await;
    let other = with(session(4), "/task", json!("another task"));
    place.put("abc", &[session(4)]);
    place.put("def", &[other]);
    place.import().await;
    assert_eq!(place.differences().await, [""; 0]);
    assert_eq!(place.store.get_session("abc", "comp-4").await.unwrap().task, "Task 4");
    assert_eq!(place.store.get_session("def", "comp-4").await.unwrap().task, "another task");
    // The messages have the same ids too, in both workspaces and in two sessions of one.
    place.put("abc", &[session(4), with(session(4), "/id", json!("comp-5"))]);
    place.import().await;
    assert_eq!(place.differences().await, [""; 0]);
}

#[tokio::test]
async fn what_changed_in_the_file_is_taken_over() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..5));
    place.import().await;
    let mut changed = session(4);
    changed["status"] = json!("completed");
    changed["instances"][0].as_object_mut().unwrap().remove("output");
    changed["instances"][1]["testsPassed"] = json!(9);
    changed["chatHistory"].as_array_mut().unwrap().remove(1);
    changed["chatHistory"][0]["content"] = json!("edited");
    changed.as_object_mut().unwrap().remove("evaluation");
    let mut grown = session(3);
    grown["chatHistory"].as_array_mut().unwrap().push(json!(
        {"id": "new", "role": "system", "content": "", "timestamp": "2025-01-14T00:00:00Z", "by": "hand"}
    ));
    grown["instances"].as_array_mut().unwrap().pop();
    place.put("abc", &[grown, session(1), session(0), changed, session(9)]);
    assert_eq!(counts(&place.verdict().await), [1, 2, 2, 1], "comp-2 is gone from the file");
    assert_eq!(place.differences().await, [""; 0]);
    assert_eq!(counts(&place.verdict().await), [0, 0, 5, 0]);
}

#[tokio::test]
async fn sessions_that_are_the_stores_own_stay_and_are_named() {
    let place = Place::new().await;
    let own: ait42_session::WorktreeSession =
        serde_json::from_value(with(session(1), "/id", json!("own"))).unwrap();
    let own = ait42_session::WorktreeSession { workspace_hash: "abc".into(), ..own };
    place.store.create_session(own).await.unwrap();
    place.put("abc", &sessions(0..2));
    let verdict = place.verdict().await;
    assert_eq!((counts(&verdict), verdict.own.as_slice()), ([2, 0, 0, 0], &["own".to_owned()][..]));
    place.put("abc", &[]);
    assert_eq!(counts(&place.verdict().await), [0, 0, 0, 2]);
    assert_eq!(place.differences().await, ["abc: own: only the store has it"]);
    // Importing over it is no way to lose it either.
    assert_eq!(counts(&place.overwrite().await), [0, 0, 0, 0]);
    assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_changed_on_both_sides_is_a_conflict_until_the_file_shall_win() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..4));
    place.import().await;
    for id in ["comp-0", "comp-1", "comp-2"] {
        place.store.add_chat_message_in("abc", id, message("mine", "…")).await.unwrap();
    }
    // comp-0 changed in both, comp-1 in the store alone, comp-2 is gone from the file.
    place.put("abc", &[with(session(0), "/task", json!("theirs")), session(1), session(3)]);
    let verdict = place.verdict().await;
    let named: Vec<_> =
        verdict.conflicts.iter().map(|left| (left.session.as_str(), left.reason.as_str())).collect();
    assert_eq!(
        named,
        [
            ("comp-0", "it was changed in the file and in the store after it was imported"),
            ("comp-1", "it was changed in the store after it was imported"),
            ("comp-2", "it is not in the file any more, and was changed in the store after it was imported"),
        ]
    );
    assert_eq!((counts(&verdict), verdict.is_clean()), ([0, 0, 1, 0], false));
    assert_eq!(place.store.get_session("abc", "comp-0").await.unwrap().task, "Task 0");
    assert_eq!(place.verdict().await, verdict);

    assert_eq!(counts(&place.overwrite().await), [0, 2, 1, 1]);
    assert_eq!(place.differences().await, [""; 0]);
    assert_eq!(place.store.get_session("abc", "comp-0").await.unwrap().task, "theirs");
}

#[tokio::test]
async fn a_session_of_the_store_with_the_id_of_another_in_the_file_is_a_conflict() {
    let place = Place::new().await;
    let own =
        ait42_session::WorktreeSession::new("comp-1".into(), "abc".into(), "debate".into(), "mine".into());
    place.store.create_session(own).await.unwrap();
    place.put("abc", &sessions(0..2));
    let verdict = place.verdict().await;
    assert_eq!((counts(&verdict), verdict.conflicts.len()), ([1, 0, 0, 0], 1));
    assert!(verdict.conflicts[0].reason.contains("was not imported from here"), "{verdict:?}");
    assert_eq!(place.store.get_session("abc", "comp-1").await.unwrap().task, "mine");
    // One that says the same is taken for the file's from then on.
    place.overwrite().await;
    place.put("abc", &[]);
    assert_eq!(counts(&place.verdict().await), [0, 0, 0, 2]);
}

/// Defect 19, its second half: a parse error made every session of the workspace unreadable.
#[tokio::test]
async fn defect_19_bad_sessions_are_named_and_the_others_imported() {
    let place = Place::new().await;
    let bad = [
        with(session(1), "/status", json!("done")),
        with(session(2), "/instances/0/branch", Value::Null),
        session(0),
        json!("what"),
        with(session(3), "/chatHistory/0/timestamp", json!("yesterday")),
    ];
    place.put("abc", &[&[session(0)], &bad[..], &[session(5)]].concat());
    place.put("torn", &[session(0)]);
    let torn = fs::read(place.path("torn")).unwrap();
    fs::write(place.path("torn"), &torn[..torn.len() / 2]).unwrap();
    let report = place.import().await;
    let verdict = &report.files[0];
    assert_eq!((counts(verdict), verdict.is_clean(), report.is_clean()), ([2, 0, 0, 0], false, false));
    let refused: Vec<_> =
        verdict.refused.iter().map(|one| format!("{}: {}", one.session, one.reason)).collect();
    assert_eq!(
        refused[..3],
        [
            "session 2 (comp-2): instances[0].branch: it is missing",
            "session 3 (comp-0): there is another session of this id before it",
            "session 4: an object is needed, and it is \"what\"",
        ]
    );
    assert!(refused[3].starts_with("comp-1: sessions.status: 'done' is not one of"), "{refused:?}");
    assert!(refused[4].starts_with("comp-3: chat_messages.timestamp"), "{refused:?}");
    let unreadable = report.files[1].unreadable.as_deref().unwrap();
    assert!(unreadable.contains("torn.json: it is no list of sessions"), "{unreadable}");
    let differences = place.differences().await;
    assert_eq!(differences.len(), 6, "{differences:?}");
    assert!(
        differences.iter().any(|one| one.starts_with("torn: the file cannot be read")),
        "{differences:?}"
    );
}

/// A session that was readable once and is broken now is still the file's, so the store keeps it.
#[tokio::test]
async fn a_session_that_became_unreadable_is_not_removed() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..3));
    place.import().await;
    place.put("abc", &[session(0), with(session(1), "/task", json!(7)), session(2)]);
    let verdict = place.verdict().await;
    assert_eq!((counts(&verdict), verdict.refused.len()), ([0, 0, 2, 0], 1));
    // Even if nobody can say which it was.
    place.put("abc", &[session(0), json!([]), session(2)]);
    let verdict = place.verdict().await;
    assert_eq!((counts(&verdict), verdict.conflicts.len()), ([0, 0, 2, 0], 1));
    assert_eq!(counts(&place.overwrite().await), [0, 0, 2, 0]);
    assert!(place.store.get_session("abc", "comp-1").await.is_ok());
}

/// AIT42 writes a file by emptying it first: whoever reads it then must not take it for a workspace without sessions.
#[tokio::test]
async fn an_empty_or_missing_file_has_no_sessions_and_removes_none() {
    let place = Place::new().await;
    fs::write(place.path("abc"), "").unwrap();
    assert_eq!(counts(&place.verdict().await), [0, 0, 0, 0]);
    assert!(place.compare().await.is_equal());
    place.put("abc", &sessions(0..2));
    place.import().await;
    for blank in [Some(" \n"), None] {
        match blank {
            Some(text) => fs::write(place.path("abc"), text).unwrap(),
            None => fs::remove_file(place.path("abc")).unwrap(),
        }
        let verdict = place.verdict().await;
        assert_eq!((counts(&verdict), verdict.conflicts.len()), ([0, 0, 0, 0], 2));
        assert_eq!(place.compare().await.differences.len(), 2);
    }
    assert_eq!(counts(&place.overwrite().await), [0, 0, 0, 2]);
    assert!(place.compare().await.is_equal());
}

#[tokio::test]
async fn sessions_of_another_directory_are_left_alone() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    place.import().await;
    let other = place.root().join("other");
    fs::create_dir(&other).unwrap();
    let import = |on_conflict| {
        let (store, other) = (place.store.clone(), other.clone());
        async move { ait42_session::migration::import(&store, other, on_conflict, &mut |_| {}).await.unwrap() }
    };
    assert!(import(OnConflict::Overwrite).await.files.is_empty());
    fs::write(other.join("abc.json"), json!([session(3)]).to_string()).unwrap();
    let report = import(OnConflict::Keep).await;
    assert_eq!((counts(&report.files[0]), report.files[0].own.len()), ([1, 0, 0, 0], 2));
    assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 3);
    // Nor is one of the same id changed.
    fs::write(other.join("abc.json"), json!([with(session(1), "/task", json!("other"))]).to_string())
        .unwrap();
    let report = import(OnConflict::Keep).await;
    assert_eq!(report.files[0].conflicts.len(), 1, "{report:?}");
    assert!(report.files[0].conflicts[0].reason.contains("was not imported from here"), "{report:?}");
    assert_eq!(place.store.get_session("abc", "comp-1").await.unwrap().task, "Task 1");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error() {
    let place = Place::new().await;
    let none = place.root().join("none");
    let error = ait42_session::migration::import(&place.store, &none, OnConflict::Keep, &mut |_| {}).await;
    assert!(matches!(&error, Err(RepositoryError::Internal(why)) if why.contains("none")), "{error:?}");
    let error = ait42_session::migration::compare(&none, &place.store).await;
    assert!(matches!(&error, Err(RepositoryError::Internal(why)) if why.contains("none")), "{error:?}");
}

/// More than one commit may have is written in parts.
#[tokio::test]
async fn a_session_of_more_messages_than_a_commit_may_have_is_imported() {
    let place = Place::new().await;
    let messages: Vec<Value> = (0..11_000)
        .map(|n| json!({"id": format!("m{n}"), "role": "user", "content": "", "timestamp": "2025-01-13T10:00:00Z"}))
        .collect();
    let long = with(session(5), "/chatHistory", Value::Array(messages));
    place.put("abc", &[session(0), long, session(1)]);
    assert_eq!(counts(&place.verdict().await), [3, 0, 0, 0]);
    assert_eq!(place.differences().await, [""; 0]);
    assert_eq!(counts(&place.verdict().await), [0, 0, 3, 0]);
}

#[tokio::test]
async fn an_output_that_is_too_large_is_refused_by_name() {
    let place = Place::new().await;
    let too_large = with(session(2), "/instances/0/output", json!("x".repeat(16 << 20)));
    place.put("abc", &[too_large, session(3)]);
    let verdict = place.verdict().await;
    assert_eq!((counts(&verdict), verdict.refused.len()), ([1, 0, 0, 0], 1));
    let reason = &verdict.refused[0].reason;
    assert!(reason.contains("16777216") && reason.contains("instance 1"), "{reason}");
}

#[tokio::test]
async fn progress_goes_from_none_to_all() {
    let place = Place::new().await;
    place.put("abc", &[session(0)]);
    place.put("def", &[session(0)]);
    let mut seen = Vec::new();
    let progress = &mut |at: ait42_session::migration::ImportProgress| seen.push((at.files_done, at.files));
    ait42_session::migration::import(&place.store, place.dir(), OnConflict::Keep, progress).await.unwrap();
    assert_eq!(seen, [(0, 2), (1, 2), (2, 2)]);
}

/// What a round may write counts all that it writes: also messages of which only a member changed that nobody knows, and
/// all that come after them.
#[tokio::test]
async fn a_long_session_whose_first_message_has_another_unknown_member_is_imported() {
    let place = Place::new().await;
    let long = |draft: bool| {
        let message = |n: usize| {
            json!({"id": format!("m{n}"), "role": "user", "content": "", "timestamp": "2025-01-13T10:00:00Z",
                "draft": draft || n > 0})
        };
        with(session(5), "/chatHistory", Value::Array((0..11_000).map(message).collect()))
    };
    place.put("abc", &[long(true), session(1)]);
    assert_eq!(counts(&place.verdict().await), [2, 0, 0, 0]);
    place.put("abc", &[long(false), session(1)]);
    assert_eq!(counts(&place.verdict().await), [0, 1, 1, 0]);
    assert_eq!(place.differences().await, [""; 0]);
}

/// What the store refuses only when it is written is no session that the import forgot.
#[tokio::test]
async fn what_cannot_be_written_is_compared_as_refused() {
    let place = Place::new().await;
    let mut own_name = session(1);
    own_name["updatedAtHead"] = json!(1);
    let too_large = with(session(2), "/task", json!("x".repeat(1 << 20)));
    place.put("abc", &[own_name, too_large]);
    assert_eq!(place.verdict().await.refused.len(), 2);
    let differences = place.differences().await;
    assert!(differences[0].contains("comp-1 in the file cannot be stored: "), "{differences:?}");
    assert!(differences[1].contains("comp-2 in the file cannot be stored: "), "{differences:?}");
}

/// What cannot be read in the store keeps its own workspace from being imported, and no other.
#[tokio::test]
async fn a_stored_session_that_cannot_be_read_keeps_no_other_workspace_from_being_imported() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    place.import().await;
    let broken = Commit::new(SessionKey::new("ait42", "worktree", "abc", "session", "comp-0"))
        .write(Write::SetMetadata(Json::parse("{}").unwrap()));
    place.store.pool().commit_one(broken).await.unwrap();
    place.put("abc", &sessions(0..3));
    place.put("def", &sessions(0..2));
    let report = place.import().await;
    let unreadable = report.files[0].unreadable.as_deref().unwrap();
    assert!(unreadable.contains("comp-0"), "{unreadable}");
    assert_eq!((counts(&report.files[1]), report.is_clean()), ([2, 0, 0, 0], false));
}
