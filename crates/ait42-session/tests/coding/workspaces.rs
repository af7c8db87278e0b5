//! Workspaces, their hashes and their paths.

use ait42_session::{
    Workspace,
    sessiondb::{Commit, SessionKey, Write, limits},
    workspace_hash,
};

use super::*;

#[tokio::test]
async fn a_hash_is_that_of_the_real_path() {
    // As `sha256sum` says of these bytes.
    assert_eq!(workspace_hash("/no/such/place/"), "19d2e6097cf8790c");
    assert_eq!(workspace_hash(""), "");
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    std::fs::create_dir(real.join("work")).unwrap();
    let work = workspace_hash(real.join("work"));
    assert_eq!(workspace_hash(real.join("work/../work/./")), work);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(real.join("work"), real.join("link")).unwrap();
        assert_eq!(workspace_hash(real.join("link")), work);
    }
}

#[tokio::test]
async fn a_registered_workspace_is_listed_with_its_path() {
    let store = on_disk().await;
    let first = store.repo.register_workspace("/no/such/place/").await.unwrap();
    assert_eq!(first.path.as_deref(), Some("/no/such/place"));
    assert_eq!(first.hash, workspace_hash("/no/such/place"));
    let again = store.repo.register_workspace("/no/such/place").await.unwrap();
    assert!(again.last_accessed >= first.last_accessed);
    let store = store.reopened().await;
    assert_eq!(store.repo.workspaces().await.unwrap(), [again.clone()]);
    // A session is an access.
    store.repo.create_session(session(&first.hash, "s1")).await.unwrap();
    let accessed = store.repo.workspaces().await.unwrap();
    assert!(accessed[0].last_accessed >= again.last_accessed);
    assert_eq!(accessed[0].path, again.path);
    assert!(validation(store.repo.register_workspace("").await).contains("workspaces.path: '' is no path"));
    assert_eq!(validation(store.repo.name_workspace("", "/x").await), "workspaces.hash is empty");
}

/// UNIQUE (path): also when two come at once, and with any hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unique_workspaces_path() {
    let repo = in_memory().await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let repo = repo.clone();
            tokio::spawn(async move { repo.name_workspace(&format!("w{task}"), "/no/such/place").await })
        })
        .collect();
    let mut named: Vec<Workspace> = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(workspace) => named.push(workspace),
            Err(RepositoryError::Validation(reason)) => {
                assert!(reason.starts_with("workspaces.path: '/no/such/place' is the path of workspace w"));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(named.len(), 1);
    assert_eq!(repo.workspaces().await.unwrap(), named);
    let reason = validation(repo.register_workspace("/no/such/place").await);
    assert!(reason.contains(&named[0].hash), "{reason}");
}

#[tokio::test]
async fn a_path_that_is_given_up_is_free() {
    let repo = in_memory().await;
    repo.name_workspace("w1", "/no/such/place").await.unwrap();
    let moved = repo.name_workspace("w1", "/no/such/other").await.unwrap();
    assert_eq!(moved.path.as_deref(), Some("/no/such/other"));
    repo.name_workspace("w2", "/no/such/place").await.unwrap();
    assert!(validation(repo.name_workspace("w2", "/no/such/other").await).contains("workspace w1 already"));
    repo.delete_workspace("w1").await.unwrap();
    repo.name_workspace("w2", "/no/such/other").await.unwrap();
    let paths: Vec<_> = repo.workspaces().await.unwrap().into_iter().map(|w| (w.hash, w.path)).collect();
    assert_eq!(paths, [("w2".to_owned(), Some("/no/such/other".to_owned()))]);
}

/// ON DELETE CASCADE, also of more sessions than fit into one commit.
#[tokio::test]
async fn a_deleted_workspace_takes_all_its_sessions_along() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    let open = |i: usize| {
        let key = SessionKey::new("ait42", "worktree", WS, "session", format!("more-{i}"));
        Commit::new(key).write(Write::open_family("ait42"))
    };
    for batch in 0..3 {
        let half = limits::COMMIT_WRITES_MAX / 2;
        repo.pool().commit((batch * half..(batch + 1) * half).map(open).collect()).await.unwrap();
    }
    repo.create_session(session("other", "s1")).await.unwrap();
    repo.delete_workspace(WS).await.unwrap();
    assert_eq!(all(&repo, WS).await, []);
    let left: Vec<_> = repo.workspaces().await.unwrap().into_iter().map(|w| w.hash).collect();
    assert_eq!(left, ["other"]);
    assert_eq!(all(&repo, "other").await.len(), 1);
    assert_eq!(not_found(repo.delete_workspace(WS).await), format!("workspace {WS}"));
}
