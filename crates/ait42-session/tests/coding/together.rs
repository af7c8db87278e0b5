//! Several at once.

use super::*;

/// Eight tasks write into one session at once: messages, statuses, whole updates, the winner. Nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_tasks_lose_nothing_of_each_others() {
    const MESSAGES: usize = 12;
    let store = on_disk().await;
    let mut many = session(WS, "s1");
    many.instances = (0..8).map(instance).collect();
    store.repo.create_session(many).await.unwrap();
    let tasks = (0..8_usize).map(|task| {
        let repo = store.repo.clone();
        tokio::spawn(async move {
            for i in 0..MESSAGES {
                let one = message(&format!("{task}-{i}"), "assistant", &format!("{i}"));
                match task {
                    0..6 => repo.add_chat_message("s1", one).await.unwrap(),
                    // Whole objects, of what was read before.
                    _ => {
                        let mut read = repo.get_session(WS, "s1").await.unwrap();
                        read.chat_history.push(one);
                        repo.update_session(read).await.unwrap();
                    }
                }
            }
            repo.add_chat_message_in(WS, "s1", message(&format!("{task}-last"), "user", "…")).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let read = store.repo.get_session(WS, "s1").await.unwrap();
    for task in 0..8 {
        let mine: Vec<&str> = read
            .chat_history
            .iter()
            .filter_map(|message| message.id.strip_prefix(&format!("{task}-")))
            .collect();
        let expected: Vec<String> = (0..MESSAGES).map(|i| i.to_string()).chain(["last".into()]).collect();
        assert_eq!(mine, expected, "task {task}");
    }
    assert_eq!(read.chat_history.len(), 2 + 8 * (MESSAGES + 1));
    assert!(store.repo.pool().check().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statuses_set_at_once_are_all_set() {
    let repo = in_memory().await;
    let mut many = session(WS, "s1");
    many.instances = (0..8).map(instance).collect();
    repo.create_session(many).await.unwrap();
    let set = |id: i64| {
        let repo = repo.clone();
        tokio::spawn(async move {
            for status in ["paused", "running", "completed"] {
                repo.update_instance_status("s1", id, status).await.unwrap();
            }
        })
    };
    for task in (0..8).map(set).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let read = repo.get_session(WS, "s1").await.unwrap();
    assert!(read.instances.iter().all(|instance| instance.status == "completed"), "{read:?}");
}

/// Of eight who create the same session one succeeds, and sessions created at once in a new workspace are all there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_created_once() {
    let store = on_disk().await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let repo = store.repo.clone();
            tokio::spawn(async move {
                repo.create_session(session(WS, &format!("own-{task}"))).await.unwrap();
                let one = WorktreeSession { task: format!("{task}"), ..session(WS, "shared") };
                repo.create_session(one).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(created) => winners.push(created),
            Err(RepositoryError::Validation(reason)) => assert!(reason.contains("already"), "{reason}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.repo.get_session(WS, "shared").await.unwrap(), winners[0]);
    assert_eq!(all(&store.repo, WS).await.len(), 9);
}

/// While a workspace is deleted sessions are created in it: each is deleted with it or stands in one that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_is_left_without_its_workspace() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "first")).await.unwrap();
    let creator = {
        let repo = repo.clone();
        tokio::spawn(async move {
            for i in 0..50 {
                repo.create_session(session(WS, &format!("s{i}"))).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for _ in 0..20 {
        match repo.delete_workspace(WS).await {
            Ok(()) | Err(RepositoryError::NotFound(_)) => {}
            Err(error) => panic!("{error}"),
        }
        let there = repo.workspaces().await.unwrap().len();
        assert!(there <= 1);
    }
    creator.await.unwrap();
    let (sessions, workspaces) = (all(&repo, WS).await.len(), repo.workspaces().await.unwrap().len());
    assert!(sessions == 0 || workspaces == 1, "{sessions} sessions in {workspaces} workspaces");
}
