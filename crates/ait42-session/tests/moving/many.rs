//! As many sessions as people have, many tasks at once, and somebody who reads the files all the time.

use ait42_session::{
    DualWrite, SessionRepository, WorktreeSession,
    migration::{Authority, cut_over},
};
use serde_json::json;

use crate::support::{Place, Watcher, counts, message, sessions};

const WORKSPACES: usize = 5;
const SESSIONS: usize = 200;
const TASKS: usize = 8;

fn hash(workspace: usize) -> String {
    format!("{workspace:016x}")
}

/// One of eight: each does all verbs, in workspaces that others change too.
async fn work(dual: DualWrite, task: usize, round: usize) {
    let workspace = hash((task + round) % WORKSPACES);
    let id = |n: usize| format!("comp-{}", n % SESSIONS);
    // The same session for all.
    let said = message(&format!("{task}-{round}"), "…");
    dual.add_chat_message_in(&hash(0), &id(round), said).await.unwrap();
    let made = format!("made-{task}-{round}");
    let session = WorktreeSession::new(made.clone(), workspace.clone(), "debate".into(), "task".into());
    let made = dual.create_session(session).await.unwrap();
    dual.select_winner(&workspace, &id(10 * task), 2, Some(json!({"by": task}))).await.unwrap();
    match round {
        0 => dual.delete_session(&workspace, &made.id).await.unwrap(),
        _ => drop(dual.update_session(WorktreeSession { status: "paused".into(), ..made }).await.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_sessions_stay_equal_on_both_sides() {
    let place = Place::new().await;
    for workspace in 0..WORKSPACES {
        place.put(&hash(workspace), &sessions(workspace * 31..workspace * 31 + SESSIONS));
    }
    // Ids that each workspace has.
    for workspace in 0..WORKSPACES {
        let mut file = place.file(&hash(workspace));
        for (number, session) in file.as_array_mut().unwrap().iter_mut().enumerate() {
            session["id"] = json!(format!("comp-{number}"));
        }
        place.put(&hash(workspace), file.as_array().unwrap());
    }
    let report = place.import().await;
    assert!(report.files.iter().all(|file| counts(file) == [SESSIONS as u64, 0, 0, 0]), "{report:?}");
    assert!(place.compare().await.is_equal());
    let again = place.import().await;
    assert!(again.files.iter().all(|file| counts(file) == [0, 0, SESSIONS as u64, 0]), "{again:?}");

    let watcher = Watcher::of(place.dir());
    for authority in [Authority::Json, Authority::Store] {
        let dual = place.dual().await;
        if authority == Authority::Store {
            assert!(cut_over(&place.store, place.dir()).await.unwrap().changed);
        }
        let round = usize::from(authority == Authority::Store);
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(dual.clone(), task, round))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(
            (dual.status().await.unwrap(), place.differences().await),
            (vec![], vec![]),
            "{authority}"
        );
    }
    let said = place.store.get_session(&hash(0), "comp-0").await.unwrap().chat_history;
    assert_eq!(
        said.iter().filter(|message| message.id.ends_with("-0")).count(),
        TASKS + usize::from(said[0].id == "msg-0")
    );
    assert!(watcher.finish() > 0);
    assert!(place.store.pool().check().await.unwrap().is_clean());
}
