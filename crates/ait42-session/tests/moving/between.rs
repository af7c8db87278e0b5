//! What others do between two steps of a move is neither lost nor overlooked.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ait42_session::{
    DualWrite, RepositoryError, SessionRepository as _, WorktreeSession,
    migration::{Authority, OnConflict, cut_over, import},
    sessiondb::{Commit, Json, MemoryBackend, NewMessage, SessionFilter, SessionKey, Write},
};
use serde_json::{Value, json};

use crate::{
    engine::{Engine, Then, repository},
    support::{Place, counts, session, sessions, with},
};

/// Appends a message to a session, as another process would.
fn said(id: &str) -> Commit {
    let mut message = NewMessage::new("user", "meanwhile").message_id("meanwhile");
    message.attributes = Some(Json::parse(r#"{"timestamp":"2025-03-01T00:00:00Z"}"#).unwrap());
    Commit::new(SessionKey::new("ait42", "worktree", "abc", "session", id))
        .write(Write::Append(vec![message]))
}

/// Moves the authority, as another process would that could not have the lock.
async fn moved(place: &Place, to: Authority) -> Commit {
    let filter = SessionFilter { channel: Some("json".into()), ..SessionFilter::default() };
    let directory = place.store.pool().session_list(&filter).await.unwrap().sessions.remove(0);
    let mut members: Value = serde_json::from_str(directory.metadata.get()).unwrap();
    members["authority"] = json!(to);
    Commit::new(directory.key).write(Write::SetMetadata(Json::from_value(&members).unwrap()))
}

/// An import takes no lock of the directory: what it decided while the files were the authority is not written when they
/// are not any more.
#[tokio::test]
async fn nothing_is_imported_after_the_authority_moved() {
    let inner = MemoryBackend::new();
    let place = Place::with(repository(Arc::new(inner.clone())));
    place.put("abc", &sessions(0..2));
    place.import().await;
    place.put("abc", &sessions(0..3));
    let others = Mutex::new(Some(vec![moved(&place, Authority::Store).await]));
    let mut engine = Engine::new(inner);
    engine.on_commit = Box::new(move || others.lock().unwrap().take().map_or(Then::GoOn, Then::OthersFirst));
    let store = repository(Arc::new(engine));
    let error = import(&store, place.dir(), OnConflict::Keep, &mut |_| {}).await.unwrap_err();
    assert!(matches!(&error, RepositoryError::Validation(why) if why.contains("rollback")), "{error}");
    assert_eq!(place.store.get_all_sessions("abc").await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_said_while_a_file_is_imported_stays_and_is_seen() {
    // In a session that changed in the file, in one that is gone from it, and in one that is only to be noted.
    for (id, gone) in [("comp-0", false), ("comp-1", true), ("comp-2", false)] {
        let inner = MemoryBackend::new();
        let place = Place::with(repository(Arc::new(inner.clone())));
        place.put("abc", &sessions(0..2));
        place.import().await;
        let mut known: WorktreeSession = serde_json::from_value(session(2)).unwrap();
        known.workspace_hash = "abc".into();
        place.store.create_session(known).await.unwrap();
        let mut plain = session(2);
        plain.as_object_mut().unwrap().remove("evaluation");
        for instance in plain["instances"].as_array_mut().unwrap() {
            instance
                .as_object_mut()
                .unwrap()
                .retain(|name, _| name != "testsPassed" && name != "codeComplexity");
        }
        let mut file = sessions(0..2);
        match id {
            "comp-0" => file[0]["task"] = json!("theirs"),
            "comp-1" => drop(file.remove(1)),
            _ => file.push(plain),
        }
        place.put("abc", &file);
        let others = Mutex::new(Some(vec![said(id)]));
        let mut engine = Engine::new(inner);
        engine.on_commit =
            Box::new(move || others.lock().unwrap().take().map_or(Then::GoOn, Then::OthersFirst));
        let store = repository(Arc::new(engine));
        let report = import(&store, place.dir(), OnConflict::Keep, &mut |_| {}).await.unwrap();
        let conflicts = &report.files[0].conflicts;
        assert_eq!(conflicts.iter().map(|one| one.session.as_str()).collect::<Vec<_>>(), [id], "{report:?}");
        assert_eq!(conflicts[0].reason.contains("not in the file any more"), gone);
        let history = place.store.get_session("abc", id).await.unwrap().chat_history;
        assert_eq!(history.last().unwrap().id, "meanwhile");
    }
}

/// Somebody changes a session while its file is written for another change: the note of that must not be taken back.
#[tokio::test]
async fn what_is_said_while_a_file_is_written_stays_noted() {
    let inner = MemoryBackend::new();
    let place = Place::with(repository(Arc::new(inner.clone())));
    place.put("abc", &sessions(0..2));
    assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
    let (commits, mut engine) = (AtomicUsize::new(0), Engine::new(inner));
    engine.on_commit = Box::new(move || {
        let noted = Write::PatchDocument {
            collection: "mirror".into(),
            id: "pending".into(),
            patch: Json::parse(r#"{"changedAt":"2025-03-01T00:00:00Z"}"#).unwrap(),
        };
        let workspace = SessionKey::new("ait42", "worktree", "abc", "workspace", "abc");
        // The change, what is about to be written, that it was written.
        match commits.fetch_add(1, Ordering::SeqCst) {
            2 => Then::OthersFirst(vec![said("comp-0"), Commit::new(workspace).write(noted)]),
            _ => Then::GoOn,
        }
    });
    let dual = DualWrite::open(repository(Arc::new(engine)), place.dir()).await.unwrap();
    dual.delete_session("abc", "comp-1").await.unwrap();
    assert_eq!(place.differences().await.len(), 2, "its message, and when it was last changed");
    assert_eq!(dual.status().await.unwrap().len(), 1);
    assert_eq!((dual.replay().await.unwrap(), place.differences().await), (vec![], vec![]));
}

/// Another process imports one version of the file, and then comes the next, while this one is reading what was imported.
#[tokio::test]
async fn what_others_import_meanwhile_is_no_conflict() {
    let inner = MemoryBackend::new();
    let place = Place::with(repository(Arc::new(inner.clone())));
    place.put("abc", &sessions(0..2));
    place.import().await;
    let version = |task: &str| json!([with(session(0), "/task", json!(task)), session(1)]).to_string();
    let (store, dir, path) = (place.store.clone(), place.dir(), place.path("abc"));
    let others = move || {
        fs::write(&path, version("second")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report = runtime.block_on(import(&store, &dir, OnConflict::Keep, &mut |_| {})).unwrap();
        assert_eq!(report.files[0].changed, 1);
        fs::write(&path, version("third")).unwrap();
    };
    let others = Mutex::new(Some(others));
    let mut engine = Engine::new(inner);
    engine.on_read = Box::new(move |filter, _| {
        if filter.account_id.as_deref() == Some("abc")
            && let Some(others) = others.lock().unwrap().take()
        {
            thread::spawn(others).join().unwrap();
        }
    });
    let store = repository(Arc::new(engine));
    let report = import(&store, place.dir(), OnConflict::Keep, &mut |_| {}).await.unwrap();
    assert_eq!((counts(&report.files[0]), report.is_clean()), ([0, 1, 1, 0], true), "{report:?}");
    assert_eq!(place.differences().await, [""; 0]);
}

/// Where no lock can be had the authority may move between the decision and the commit: the change goes where it is then.
#[tokio::test]
async fn a_change_goes_where_the_authority_is_when_it_happens() {
    let inner = MemoryBackend::new();
    let place = Place::with(repository(Arc::new(inner.clone())));
    place.put("abc", &sessions(0..2));
    assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
    let moved = moved(&place, Authority::Json).await;
    let others = Mutex::new(Some(vec![moved]));
    let mut engine = Engine::new(inner);
    // AIT42 may be running again, too.
    let theirs = (place.path("abc"), json!([session(1), session(2)]).to_string());
    engine.on_commit = Box::new(move || match others.lock().unwrap().take() {
        Some(moved) => {
            fs::write(&theirs.0, &theirs.1).unwrap();
            Then::OthersFirst(moved)
        }
        None => Then::GoOn,
    });
    let dual = DualWrite::open(repository(Arc::new(engine)), place.dir()).await.unwrap();
    dual.delete_session("abc", "comp-1").await.unwrap();
    assert_eq!(dual.authority().await.unwrap(), Authority::Json);
    assert_eq!(place.file("abc"), json!([session(2)]));
    assert_eq!((dual.replay().await.unwrap(), place.differences().await), (vec![], vec![]));
}

/// AIT42 takes no lock: it may write a file after that was compared, and before the authority moves.
#[tokio::test]
async fn a_file_that_is_written_while_the_authority_moves_keeps_it_from_moving() {
    let mut refused = 0;
    for reading in 1..=3 {
        let inner = MemoryBackend::new();
        let place = Place::with(repository(Arc::new(inner.clone())));
        place.put("abc", &sessions(0..2));
        place.put("def", &sessions(0..2));
        let (path, text) = (place.path("abc"), json!([session(0)]).to_string());
        let (readings, mut engine) = (AtomicUsize::new(0), Engine::new(inner));
        engine.on_read = Box::new(move |filter, parts| {
            let of_last = filter.account_id.as_deref() == Some("def") && parts.messages;
            if of_last && readings.fetch_add(1, Ordering::SeqCst) + 1 == reading {
                fs::write(&path, &text).unwrap();
            }
        });
        let moved = cut_over(&repository(Arc::new(engine)), place.dir()).await;
        let authority = place.dual().await.authority().await.unwrap();
        match moved {
            Ok(moved) if moved.changed => {
                assert_eq!(authority, Authority::Store);
                assert_eq!(place.differences().await, [""; 0], "written at reading {reading}");
            }
            // It was imported before, and is found by the comparison.
            Ok(moved) => {
                refused += 1;
                assert_eq!((moved.comparison.differences.len(), authority), (1, Authority::Json));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("abc.json was changed while it was compared"), "{error}");
                assert_eq!(authority, Authority::Json);
            }
        }
    }
    assert_eq!(refused, 2);
}
