//! How a repository is opened.

use interview_session::{Error, SessionRepository, SessionStatus, sessiondb};

use crate::{File, run, session, state};

#[test]
fn a_repository_is_opened_by_its_first_call_and_once() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        assert!(!file.path().exists(), "new makes nothing");
        let tasks = (0..8).map(|task| {
            let repository = repository.clone();
            tokio::spawn(async move { repository.create(session(&format!("s{task}"))).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        assert_eq!(repository.list_active().await.unwrap().len(), 8);
    });
    // In memory a second opening would be a second, empty store.
    run(async {
        let repository = SessionRepository::new("memory:");
        let tasks = (0..8).map(|task| {
            let repository = repository.clone();
            tokio::spawn(async move { repository.create(session(&format!("s{task}"))).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        assert_eq!(repository.list_active().await.unwrap().len(), 8);
        assert_eq!(SessionRepository::new("memory:").list_active().await.unwrap(), []);
    });
}

#[test]
fn a_place_that_cannot_be_opened_is_named_and_tried_again() {
    let file = File::new();
    run(async {
        std::fs::create_dir(file.path()).unwrap();
        let repository = file.repository();
        for _ in 0..2 {
            let error = repository.get("s1").await.unwrap_err();
            assert!(matches!(error, Error::Store(sessiondb::Error::CannotOpen { .. })), "{error:?}");
            assert!(error.to_string().contains("interviews.db"), "{error}");
        }
        let path = file.path().display().to_string();
        assert!(SessionRepository::open(path.clone()).await.is_err(), "open says so at once");
        std::fs::remove_dir(file.path()).unwrap();
        assert_eq!(repository.get("s1").await, Ok(None));
        assert!(SessionRepository::open(format!("sqlite:{path}")).await.is_ok());
    });
}

/// The seed opened a connection for each call, without a log, a timeout or a lock: under load a call was refused because
/// another one wrote, and upstream ran its migrations at each start.
#[test]
fn defect_10_many_tasks_and_repositories_share_a_file() {
    let file = File::new();
    run(async {
        let repositories = [file.repository(), file.repository(), file.repository()];
        let tasks = (0..9).map(|task| {
            let repository = repositories[task % 3].clone();
            tokio::spawn(async move {
                let id = format!("s{task}");
                repository.create(session(&id)).await.unwrap();
                for turn in 1..=5 {
                    repository.update_state(&id, state(turn, 0.5)).await.unwrap();
                    assert_eq!(repository.get(&id).await.unwrap().unwrap().state.turn_count, turn);
                }
                repository.set_status(&id, SessionStatus::Completed).await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let completed = interview_session::SessionFilter::status(SessionStatus::Completed);
        assert_eq!(repositories[2].count(&completed).await.unwrap(), 9);
    });
    let mode = file.sql().query_row("PRAGMA journal_mode", [], |row| row.get(0));
    assert_eq!(mode, Ok("wal".to_owned()));
}

/// Upstream's migrations ran at each start, and ended in `except: pass`.
#[test]
fn defect_12_opening_again_migrates_nothing() {
    let file = File::new();
    let steps = || -> Vec<(i64, String)> {
        let conn = file.sql();
        let mut rows =
            conn.prepare("SELECT version, applied_at FROM schema_version ORDER BY version").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    run(async { file.repository().create(session("s1")).await.unwrap() });
    let first = steps();
    for _ in 0..3 {
        assert!(run(async { file.repository().get("s1").await }).unwrap().is_some());
        assert_eq!(steps(), first);
    }
}
