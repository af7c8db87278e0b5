//! `cut_over` and `rollback`.

use std::fs;

use ait42_session::{
    DualWrite, RepositoryError, SessionRepository as _,
    migration::{Authority, OnConflict, cut_over, import, rollback},
};
use serde_json::json;

use crate::support::{Place, counts, message, session, sessions, with};

#[tokio::test]
async fn the_authority_goes_to_the_store_and_back() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..5));
    place.put("def", &sessions(0..2));
    let dual = place.dual().await;
    assert_eq!(dual.authority().await.unwrap(), Authority::Json);
    let moved = cut_over(&place.store, place.dir()).await.unwrap();
    assert_eq!((moved.authority, moved.changed, moved.comparison.sessions), (Authority::Store, true, 7));
    let again = cut_over(&place.store, place.dir()).await.unwrap();
    assert_eq!((again.authority, again.changed), (Authority::Store, false));
    dual.add_chat_message_in("abc", "comp-0", message("m1", "")).await.unwrap();

    let moved = rollback(&place.store, place.dir()).await.unwrap();
    assert_eq!((moved.authority, moved.changed, moved.comparison.sessions), (Authority::Json, true, 7));
    assert!(!rollback(&place.store, place.dir()).await.unwrap().changed);
    assert_eq!(place.differences().await, [""; 0]);
    assert_eq!(dual.authority().await.unwrap(), Authority::Json);
    assert_eq!(dual.status().await.unwrap(), []);
    // What the mirror wrote counts as imported: what changes in the file now is taken over.
    let mut file = place.file("abc");
    file[0]["task"] = json!("changed after the rollback");
    place.put("abc", file.as_array().unwrap());
    let report = place.import().await;
    assert_eq!(report.files.iter().map(counts).collect::<Vec<_>>(), [[0, 1, 4, 0], [0, 0, 2, 0]]);
    dual.add_chat_message_in("abc", "comp-0", message("m2", "")).await.unwrap();
    assert_eq!(place.differences().await, [""; 0]);
    assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
}

#[tokio::test]
async fn nothing_is_imported_while_the_store_is_the_authority() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    cut_over(&place.store, place.dir()).await.unwrap();
    place.put("abc", &sessions(0..1));
    for on_conflict in [OnConflict::Keep, OnConflict::Overwrite] {
        let error = import(&place.store, place.dir(), on_conflict, &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Validation(_)), "{error}");
        assert!(error.to_string().contains("rollback"), "{error}");
    }
    assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_cut_over_is_refused_while_there_are_differences() {
    let place = Place::new().await;
    place.put("abc", &[session(0), with(session(1), "/status", json!("done"))]);
    place.put("def", &sessions(0..2));
    place.import().await;
    place.store.add_chat_message_in("def", "comp-1", message("mine", "")).await.unwrap();
    let moved = cut_over(&place.store, place.dir()).await.unwrap();
    assert_eq!((moved.authority, moved.changed), (Authority::Json, false));
    let differences: Vec<_> = moved.comparison.differences.iter().map(ToString::to_string).collect();
    assert!(differences[0].starts_with("abc: comp-1 in the file cannot be stored: "), "{differences:?}");
    assert!(differences[1].starts_with("def: comp-1.updatedAt: file "), "{differences:?}");
    assert!(differences[2].starts_with("def: comp-1.chatHistory[1] (mine): file nothing"), "{differences:?}");
    assert_eq!(place.dual().await.authority().await.unwrap(), Authority::Json);

    place.put("abc", &[session(0)]);
    place.overwrite().await;
    assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
}

#[tokio::test]
async fn a_rollback_is_refused_while_a_file_is_somebody_elses() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    cut_over(&place.store, place.dir()).await.unwrap();
    place.put("abc", &sessions(1..3));
    let moved = rollback(&place.store, place.dir()).await.unwrap();
    assert_eq!((moved.authority, moved.changed), (Authority::Store, false));
    assert_eq!((moved.pending.len(), moved.comparison.differences.len()), (1, 2));
    assert_eq!(place.file("abc"), json!(sessions(1..3)));
    place.dual().await.mirror_all(OnConflict::Overwrite, &mut |_| {}).await.unwrap();
    assert!(rollback(&place.store, place.dir()).await.unwrap().changed);
    // In the order of the file that was there.
    assert_eq!(place.file("abc"), json!([session(1), session(0)]));
}

#[tokio::test]
async fn a_rollback_writes_what_the_mirror_could_not() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    cut_over(&place.store, place.dir()).await.unwrap();
    let dual = place.dual().await;
    let ours = fs::read(place.path("abc")).unwrap();
    fs::remove_file(place.path("abc")).unwrap();
    fs::create_dir_all(place.path("abc").join("in the way")).unwrap();
    dual.delete_session("abc", "comp-0").await.unwrap();
    assert!(!rollback(&place.store, place.dir()).await.unwrap().changed);
    fs::remove_dir_all(place.path("abc")).unwrap();
    fs::write(place.path("abc"), ours).unwrap();
    // Somebody also changed the store by itself, and nothing noted it.
    place.store.delete_session("abc", "comp-1").await.unwrap();
    assert!(rollback(&place.store, place.dir()).await.unwrap().changed);
    assert_eq!(place.file("abc"), json!([]));
}

#[tokio::test]
async fn a_store_has_one_mirror() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    cut_over(&place.store, place.dir()).await.unwrap();
    let other = place.root().join("other");
    fs::create_dir(&other).unwrap();
    // An old copy of the files, say: taken in, it would go past the mirror, and rolled back it is the wrong one.
    fs::write(other.join("abc.json"), "[]").unwrap();
    let errors = [
        cut_over(&place.store, &other).await.unwrap_err(),
        import(&place.store, &other, OnConflict::Overwrite, &mut |_| {}).await.unwrap_err(),
        rollback(&place.store, &other).await.unwrap_err(),
        DualWrite::open(place.store.clone(), &other).await.err().expect("must be refused"),
    ];
    for error in errors {
        assert!(matches!(error, RepositoryError::Validation(_)), "{error}");
        let error = error.to_string();
        assert!(error.contains("the store is the authority for") && error.contains("rollback"), "{error}");
    }
    assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 2);
    // However it is named, it is the same directory.
    let named = place.root().join("other/../sessions");
    assert!(!cut_over(&place.store, named).await.unwrap().changed);
}

/// While people work, the authority goes back and forth; nothing is lost, and whoever reads a file finds it whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_authority_moves_under_eight_tasks_at_work() {
    const CHANGES: usize = 5;
    let place = Place::new().await;
    place.put("abc", &sessions(0..10));
    place.import().await;
    let watcher = crate::support::Watcher::of(place.dir());
    let mut tasks = Vec::new();
    for task in 0..8 {
        let dual = place.dual().await;
        tasks.push(tokio::spawn(async move {
            for n in 0..CHANGES {
                let id = format!("comp-{}", task % 3);
                dual.add_chat_message_in("abc", &id, message(&format!("{task}-{n}"), "")).await.unwrap();
            }
        }));
    }
    let mut moves = 0;
    while tasks.iter().any(|task| !task.is_finished()) {
        moves += u32::from(cut_over(&place.store, place.dir()).await.unwrap().changed);
        moves += u32::from(rollback(&place.store, place.dir()).await.unwrap().changed);
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(moves > 0);
    let dual = place.dual().await;
    assert_eq!((dual.replay().await.unwrap(), place.differences().await), (vec![], vec![]));
    let sessions = dual.get_all_sessions("abc").await.unwrap();
    let messages = sessions.iter().flat_map(|session| &session.chat_history);
    assert_eq!(
        messages.filter(|message| message.id.contains('-') && !message.id.starts_with("msg")).count(),
        8 * CHANGES
    );
    assert!(watcher.finish() > 0);
}

/// A workspace may have a name that no file can have, as long as it has no sessions.
#[tokio::test]
async fn a_workspace_without_sessions_needs_no_name_for_a_file() {
    let place = Place::new().await;
    place.put("abc", &sessions(0..2));
    place.store.name_workspace("My project", place.root()).await.unwrap();
    assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
    let dual = place.dual().await;
    dual.mirror_all(OnConflict::Keep, &mut |_| {}).await.unwrap();
    assert_eq!(dual.status().await.unwrap(), []);
    assert!(rollback(&place.store, place.dir()).await.unwrap().changed);
}
