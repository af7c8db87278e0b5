//! `DualWrite`: one side is the authority, and the other follows.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;

use ait42_session::{
    DualWrite, RepositoryError, SessionFilters, SessionRepository, WorktreeSession,
    migration::{Authority, OnConflict, cut_over},
    repository::dual::Mirrored,
};
use serde_json::json;

use crate::support::{Place, message, session, sessions, with};

fn new(id: &str, workspace: &str) -> WorktreeSession {
    WorktreeSession::new(id.into(), workspace.into(), "ensemble".into(), "task".into())
}

/// A place whose files are imported, with the authority on this side.
async fn place(authority: Authority) -> (Place, DualWrite) {
    let place = Place::new().await;
    place.put("abc", &sessions(0..6));
    place.import().await;
    let dual = place.dual().await;
    if authority == Authority::Store {
        assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
    }
    assert_eq!(dual.authority().await.unwrap(), authority);
    (place, dual)
}

/// Whichever side it is, every verb is done on both.
#[tokio::test]
async fn every_change_is_on_both_sides() {
    for authority in [Authority::Json, Authority::Store] {
        let (place, dual) = place(authority).await;
        let same = async |what: &str| {
            assert_eq!(place.differences().await, [""; 0], "{what} with {authority}");
            assert_eq!(dual.status().await.unwrap(), [], "{what} with {authority}");
        };
        let created = dual.create_session(new("s1", "new")).await.unwrap();
        same("create").await;
        let updated = WorktreeSession { task: "other".into(), ..created };
        assert_eq!(dual.update_session(updated).await.unwrap().task, "other");
        same("update").await;
        dual.add_chat_message("comp-2", message("m1", "hi")).await.unwrap();
        same("add").await;
        let now = dual.add_chat_message_in("abc", "comp-2", message("m2", "hi")).await.unwrap();
        assert_eq!(now.chat_history.len(), 4);
        same("add in").await;
        dual.update_instance_status("comp-3", 1, "idle").await.unwrap();
        let now = dual.update_instance_status_in("abc", "comp-3", 2, "failed").await.unwrap();
        assert_eq!((now.instances[0].status.as_str(), now.instances[1].status.as_str()), ("idle", "failed"));
        same("status").await;
        let now = dual.select_winner("abc", "comp-5", 2, Some(json!({"why": "fast"}))).await.unwrap();
        assert_eq!((now.winner_id, now.instances[0].status.as_str()), (Some(2), "archived"));
        same("winner").await;
        dual.delete_session("abc", "comp-4").await.unwrap();
        same("delete").await;
        assert!(matches!(dual.delete_session("abc", "comp-4").await, Err(RepositoryError::NotFound(_))));
        assert!(matches!(dual.get_session("abc", "comp-4").await, Err(RepositoryError::NotFound(_))));
        assert_eq!(dual.get_all_sessions("abc").await.unwrap().len(), 5);
        let found = SessionFilters { search_query: Some("task 3".into()), ..SessionFilters::default() };
        assert_eq!(dual.search_sessions("abc", found).await.unwrap().len(), 1);
        // The file keeps its order, and what is not known in it.
        let file = place.file("abc");
        let ids: Vec<_> = file.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["comp-0", "comp-1", "comp-2", "comp-3", "comp-5"]);
        assert_eq!((&file[1], &file[2]["evaluation"]), (&session(1), &session(2)["evaluation"]));
        let refused = dual.create_session(new("s1", "no/file")).await;
        assert!(matches!(refused, Err(RepositoryError::Validation(_))), "{refused:?}");
        same("refused").await;
    }
}

#[tokio::test]
async fn unknown_members_go_from_the_file_through_the_store_and_back() {
    let (place, dual) = place(Authority::Store).await;
    let before = place.file("abc");
    dual.add_chat_message_in("abc", "comp-0", message("m", "")).await.unwrap();
    dual.delete_session("abc", "comp-5").await.unwrap();
    let after = place.file("abc");
    for number in 1..5 {
        assert_eq!(after[number], before[number]);
        assert_eq!(after[number], session(number));
    }
}

/// AIT42 does not know that the store is the authority now: what it writes to a file must not be lost in silence.
#[tokio::test]
async fn a_file_that_somebody_else_wrote_is_not_overwritten() {
    let (place, dual) = place(Authority::Store).await;
    let theirs = with(session(1), "/task", json!("theirs"));
    place.put("abc", std::slice::from_ref(&theirs));
    dual.add_chat_message_in("abc", "comp-0", message("m1", "")).await.unwrap();
    assert_eq!(place.file("abc"), json!([theirs]));
    let status = dual.status().await.unwrap();
    assert_eq!((status.len(), status[0].workspace_hash.as_str(), status[0].attempts), (1, "abc", 1));
    let error = status[0].error.as_deref().unwrap();
    assert!(error.contains("abc.json is not what was last written there"), "{error}");
    assert_eq!(dual.replay().await.unwrap()[0].attempts, 2);
    dual.add_chat_message_in("abc", "comp-0", message("m2", "")).await.unwrap();
    assert_eq!(dual.status().await.unwrap()[0].attempts, 3, "what is known of earlier attempts stays");
    let kept = dual.mirror_all(OnConflict::Keep, &mut |_| {}).await.unwrap();
    assert!(matches!(kept, Mirrored::Store { written: 0, ref pending } if pending.len() == 1), "{kept:?}");

    let written = dual.mirror_all(OnConflict::Overwrite, &mut |_| {}).await.unwrap();
    assert_eq!(written, Mirrored::Store { written: 1, pending: Vec::new() });
    assert_eq!(place.differences().await, [""; 0]);
    let kept = fs::read_to_string(place.dir().join("abc.json.replaced-1")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&kept).unwrap(), json!([theirs]));
    // From here on it is ours again.
    dual.add_chat_message_in("abc", "comp-0", message("m3", "")).await.unwrap();
    assert_eq!(dual.status().await.unwrap(), []);
}

#[tokio::test]
async fn a_file_that_says_the_same_is_nobodys_concern() {
    let (place, dual) = place(Authority::Store).await;
    let compact = serde_json::to_string(&place.file("abc")).unwrap();
    fs::write(place.path("abc"), &compact).unwrap();
    assert_eq!(
        dual.mirror_all(OnConflict::Keep, &mut |_| {}).await.unwrap(),
        Mirrored::Store { written: 0, pending: Vec::new() }
    );
    assert_eq!(fs::read_to_string(place.path("abc")).unwrap(), compact);
    dual.delete_session("abc", "comp-0").await.unwrap();
    assert_eq!(place.differences().await, [""; 0]);
    // One that is gone is written again.
    fs::remove_file(place.path("abc")).unwrap();
    dual.mirror_all(OnConflict::Keep, &mut |_| {}).await.unwrap();
    assert_eq!(place.differences().await, [""; 0]);
}

#[tokio::test]
async fn a_change_stands_when_the_file_cannot_be_written() {
    let (place, dual) = place(Authority::Store).await;
    let ours = fs::read(place.path("abc")).unwrap();
    fs::remove_file(place.path("abc")).unwrap();
    fs::create_dir_all(place.path("abc").join("in the way")).unwrap();
    dual.add_chat_message_in("abc", "comp-0", message("m1", "")).await.unwrap();
    assert_eq!(dual.get_session("abc", "comp-0").await.unwrap().chat_history.len(), 1);
    let status = dual.status().await.unwrap();
    assert_eq!((status.len(), status[0].attempts), (1, 1));
    assert!(status[0].error.as_deref().unwrap().contains("abc.json"), "{status:?}");
    assert!(status[0].changed_at.is_some() && status[0].tried_at.is_some(), "{status:?}");
    assert_eq!(dual.replay().await.unwrap().len(), 1);

    fs::remove_dir_all(place.path("abc")).unwrap();
    fs::write(place.path("abc"), ours).unwrap();
    assert_eq!(dual.replay().await.unwrap(), []);
    assert_eq!(place.differences().await, [""; 0]);
}

/// What is about to be written is noted before it is: a writer that ends in between finds its own file there.
#[tokio::test]
async fn a_writing_that_was_broken_off_is_not_somebody_elses() {
    let (place, dual) = place(Authority::Store).await;
    let in_the_way = place.dir().join(".abc.tmp");
    fs::create_dir(&in_the_way).unwrap();
    for id in ["m1", "m2"] {
        dual.add_chat_message_in("abc", "comp-0", message(id, "")).await.unwrap();
    }
    assert_eq!(dual.status().await.unwrap()[0].attempts, 2);
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!((dual.replay().await.unwrap(), place.differences().await), (vec![], vec![]));
}

#[tokio::test]
async fn a_change_stands_when_the_directory_is_gone() {
    let (place, dual) = place(Authority::Store).await;
    fs::remove_dir_all(place.dir()).unwrap();
    fs::write(place.dir(), "a file in its place").unwrap();
    dual.create_session(new("s1", "abc")).await.unwrap();
    assert_eq!(dual.status().await.unwrap().len(), 1);
    fs::remove_file(place.dir()).unwrap();
    assert_eq!(dual.replay().await.unwrap(), []);
    assert_eq!(place.differences().await, [""; 0]);
}

#[tokio::test]
async fn where_the_files_are_the_authority_a_store_that_cannot_follow_is_told() {
    let (place, dual) = place(Authority::Json).await;
    // Somebody changes the store by itself.
    place.store.add_chat_message_in("abc", "comp-0", message("mine", "")).await.unwrap();
    dual.add_chat_message_in("abc", "comp-0", message("theirs", "")).await.unwrap();
    assert_eq!(dual.get_session("abc", "comp-0").await.unwrap().chat_history[0].id, "theirs");
    let status = dual.status().await.unwrap();
    assert_eq!(status.len(), 1);
    assert!(
        status[0].error.as_deref().unwrap().contains("comp-0: it was changed in the file and in the store")
    );
    // Others follow all the same.
    dual.add_chat_message_in("abc", "comp-1", message("m", "")).await.unwrap();
    assert!(place.differences().await.iter().all(|one| one.starts_with("abc: comp-0.")));
    let Mirrored::Json(report) = dual.mirror_all(OnConflict::Overwrite, &mut |_| {}).await.unwrap() else {
        panic!("the files are the authority")
    };
    assert!(report.is_clean());
    assert_eq!((dual.status().await.unwrap(), place.differences().await), (vec![], vec![]));
}

#[tokio::test]
async fn what_ait42_wrote_is_pending_until_it_is_imported() {
    let (place, dual) = place(Authority::Json).await;
    place.put("abc", &sessions(0..3));
    place.put("new", &[session(1)]);
    fs::write(place.path("torn"), "[{").unwrap();
    let hashes = |status: Vec<ait42_session::migration::Pending>| {
        status.into_iter().map(|one| (one.workspace_hash, one.error.is_some())).collect::<Vec<_>>()
    };
    let named = |hash: &str, error| (hash.to_owned(), error);
    assert_eq!(
        hashes(dual.status().await.unwrap()),
        [named("abc", false), named("new", false), named("torn", true)]
    );
    assert_eq!(hashes(dual.replay().await.unwrap()), [named("torn", true)]);
    fs::remove_file(place.path("torn")).unwrap();
    assert_eq!((dual.status().await.unwrap(), place.differences().await), (vec![], vec![]));
    // A change imports what came before it too.
    place.put("abc", &sessions(1..4));
    dual.add_chat_message_in("abc", "comp-3", message("m", "")).await.unwrap();
    assert_eq!((dual.status().await.unwrap(), place.differences().await), (vec![], vec![]));
}

/// What is noted of a workspace does not make it one that cannot be listed.
#[tokio::test]
async fn a_workspace_without_sessions_is_a_workspace() {
    let place = Place::new().await;
    place.put("empty", &[]);
    place.put("bad", &[json!(7)]);
    place.import().await;
    assert_eq!(place.store.workspaces().await.unwrap().len(), 2);
    fs::remove_file(place.path("bad")).unwrap();
    cut_over(&place.store, place.dir()).await.unwrap();
    place.put("late", &[session(1)]);
    let dual = place.dual().await;
    let kept = dual.mirror_all(OnConflict::Keep, &mut |_| {}).await.unwrap();
    assert!(matches!(kept, Mirrored::Store { written: 0, ref pending } if pending.len() == 1), "{kept:?}");
    assert_eq!(place.store.workspaces().await.unwrap().len(), 3);
    dual.mirror_all(OnConflict::Overwrite, &mut |_| {}).await.unwrap();
    assert_eq!((place.file("late"), dual.status().await.unwrap()), (json!([]), vec![]));
    assert!(place.dir().join("late.json.replaced-1").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn links_and_permissions_stay_what_they_are() {
    let (place, dual) = place(Authority::Store).await;
    let real = place.root().join("real.json");
    fs::rename(place.path("abc"), &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, place.path("abc")).unwrap();
    dual.add_chat_message_in("abc", "comp-0", message("m", "")).await.unwrap();
    assert_eq!((dual.status().await.unwrap(), place.differences().await), (vec![], vec![]));
    assert!(fs::symlink_metadata(place.path("abc")).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o644);
}

/// AIT42 ends while it writes, and leaves an empty file: what the store has of it is the last copy there is. A change that
/// began the file anew would make the import take that for what is gone.
#[tokio::test]
async fn a_file_that_was_emptied_is_not_begun_anew_while_the_store_has_its_sessions() {
    for blank in [Some(""), None] {
        let (place, dual) = place(Authority::Json).await;
        match blank {
            Some(text) => fs::write(place.path("abc"), text).unwrap(),
            None => fs::remove_file(place.path("abc")).unwrap(),
        }
        let error = dual.create_session(new("s1", "abc")).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Validation(_)), "{error}");
        assert!(
            error.to_string().contains("abc.json") && error.to_string().contains("--overwrite"),
            "{error}"
        );
        assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 6);
        assert_eq!(fs::read_to_string(place.path("abc")).ok().as_deref(), blank);
        // Whoever means it says so.
        place.overwrite().await;
        dual.create_session(new("s1", "abc")).await.unwrap();
        assert_eq!((dual.status().await.unwrap(), place.differences().await), (vec![], vec![]));
        // Those of another directory are in nobody's way.
        let other = DualWrite::open(place.store.clone(), place.root().join("other")).await.unwrap();
        other.create_session(new("s2", "abc")).await.unwrap();
    }
}

/// A file that cannot be read is behind, and keeps no other from being told of and imported.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_with_the_others() {
    let (place, dual) = place(Authority::Json).await;
    std::os::unix::fs::symlink("aaa.json", place.path("aaa")).unwrap();
    place.put("new", &[session(1)]);
    let status = dual.status().await.unwrap();
    let hashes: Vec<_> = status.iter().map(|one| one.workspace_hash.as_str()).collect();
    assert_eq!(hashes, ["aaa", "new"]);
    assert!(status[0].error.as_deref().unwrap().contains("aaa.json"), "{status:?}");
    let left = dual.replay().await.unwrap();
    assert_eq!(left.iter().map(|one| one.workspace_hash.as_str()).collect::<Vec<_>>(), ["aaa"]);
}
