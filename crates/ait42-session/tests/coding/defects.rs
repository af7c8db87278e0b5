//! The numbered mistakes of the seed's text, one test for each that concerns the store. Number 9 is in `counting`; 5 and 19
//! are about AIT42's files.

use ait42_session::{SessionFilters, sessiondb, workspace_hash};
use serde_json::json;

use super::*;

/// The placeholders of `search_sessions` were never bound, which SQLite takes for NULL: any filter found nothing.
#[tokio::test]
async fn defect_01_a_filter_finds_what_it_names() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    let filters = SessionFilters {
        session_type: Some(vec!["competition".into()]),
        status: Some(vec!["running".into(), "paused".into()]),
        date_from: Some("2025-01-13".into()),
        date_to: Some("2025-01-13".into()),
        search_query: Some("login".into()),
    };
    assert_eq!(ids(&repo.search_sessions(WS, filters).await.unwrap()), ["s1"]);
}

/// The type was selected under one name and read under another, so every read failed.
#[tokio::test]
async fn defect_02_the_type_is_read_under_the_name_it_was_written() {
    let repo = in_memory().await;
    for kind in ["competition", "ensemble", "debate"] {
        let one = WorktreeSession { r#type: kind.into(), ..session(WS, kind) };
        repo.create_session(one).await.unwrap();
        assert_eq!(repo.get_session(WS, kind).await.unwrap().r#type, kind);
    }
}

/// The instance's number was skipped on reading: after a read and a write two instances were both number 0, which broke
/// the UNIQUE, and one was renumbered.
#[tokio::test]
async fn defect_03_instances_keep_their_numbers_when_they_are_read_and_written() {
    let repo = in_memory().await;
    repo.create_session(session(WS, "s1")).await.unwrap();
    let read = repo.get_session(WS, "s1").await.unwrap();
    let written = repo.update_session(read.clone()).await.unwrap();
    let ids: Vec<i64> = written.instances.iter().map(|instance| instance.instance_id).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(written, read);
}

/// JSON text was made JSON again by each update, and so a string of quoted strings.
#[tokio::test]
async fn defect_04_runtime_mix_is_not_encoded_twice() {
    let store = on_disk().await;
    let mut read = store.repo.create_session(session(WS, "s1")).await.unwrap();
    for task in ["one", "two", "three"] {
        read.task = task.into();
        read = store.repo.update_session(read).await.unwrap();
    }
    assert_eq!(read.runtime_mix, session(WS, "s1").runtime_mix);
    assert_eq!(serde_json::to_value(&read).unwrap()["runtimeMix"], json!(["claude", "code\"x"]));
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let sql: String = conn.query_row("SELECT runtime_mix FROM ait42_sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(sql, r#"["claude","code\"x"]"#);
}

/// The update named only the id: it changed another workspace's session, said nothing if there was none, and answered with
/// messages that it had not written.
#[tokio::test]
async fn defect_06_an_update_is_of_one_workspace_and_answers_what_is_stored() {
    let repo = in_memory().await;
    let other = repo.create_session(session("other", "s1")).await.unwrap();
    assert_eq!(not_found(repo.update_session(session(WS, "s1")).await), "s1");
    repo.create_session(session(WS, "s1")).await.unwrap();
    let mut changed = session(WS, "s1");
    changed.task = "Mine".into();
    changed.chat_history.push(message("m3", "user", "More"));
    let answered = repo.update_session(changed).await.unwrap();
    assert_eq!(answered, repo.get_session(WS, "s1").await.unwrap());
    assert_eq!(answered.chat_history.len(), 3);
    assert_eq!(repo.get_session("other", "s1").await.unwrap(), other);
    // What was added meanwhile is not undone by somebody who did not know it.
    repo.add_chat_message_in(WS, "s1", message("m4", "user", "Meanwhile")).await.unwrap();
    let stale = repo.update_session(WorktreeSession { chat_history: Vec::new(), ..answered }).await.unwrap();
    let messages: Vec<&str> = stale.chat_history.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(messages, ["m1", "m2", "m3", "m4"]);
}

/// The two verbs without a workspace hit whichever session has the id, failed with a foreign key's error if there was none,
/// and told nothing of what the session is then.
#[tokio::test]
async fn defect_07_verbs_without_a_workspace_find_the_one_session_or_say_why_not() {
    let repo = in_memory().await;
    assert_eq!(not_found(repo.add_chat_message("s1", message("m9", "user", "…")).await), "s1");
    assert_eq!(not_found(repo.update_instance_status("s1", 1, "idle").await), "s1");
    repo.create_session(session("somewhere", "s1")).await.unwrap();
    repo.add_chat_message("s1", message("m9", "user", "…")).await.unwrap();
    repo.update_instance_status("s1", 1, "idle").await.unwrap();
    let found = repo.get_session("somewhere", "s1").await.unwrap();
    assert_eq!((found.chat_history.len(), found.instances[0].status.as_str()), (3, "idle"));
    let twin = repo.create_session(session(WS, "s1")).await.unwrap();
    for reason in [
        validation(repo.add_chat_message("s1", message("m10", "user", "…")).await),
        validation(repo.update_instance_status("s1", 1, "paused").await),
    ] {
        assert!(reason.contains("ambiguous") && reason.contains("_in"), "{reason}");
    }
    assert_eq!(repo.get_session(WS, "s1").await.unwrap(), twin);
    assert_eq!(repo.get_session("somewhere", "s1").await.unwrap(), found);
    // With the workspace they work, and answer the whole session.
    let added = repo.add_chat_message_in(WS, "s1", message("m10", "user", "…")).await.unwrap();
    assert_eq!(added, repo.get_session(WS, "s1").await.unwrap());
    let set = repo.update_instance_status_in(WS, "s1", 1, "paused").await.unwrap();
    assert_eq!(set.instances[0].status, "paused");
    // A message of another session is not taken for one of this.
    let stray = ChatMessage { session_id: "s2".into(), ..message("m11", "user", "…") };
    assert!(validation(repo.add_chat_message_in(WS, "s1", stray).await).contains("'s2'"));
}

/// The workspace's path was its hash, and the real one was never kept.
#[tokio::test]
async fn defect_08_a_workspace_has_its_real_path() {
    let store = on_disk().await;
    let real = store.dir.path().canonicalize().unwrap();
    let hash = workspace_hash(&real);
    store.repo.create_session(session(&hash, "s1")).await.unwrap();
    let known = store.repo.workspaces().await.unwrap();
    assert_eq!((known[0].hash.as_str(), known[0].path.as_deref()), (hash.as_str(), None));
    let registered = store.repo.register_workspace(&real).await.unwrap();
    assert_eq!(registered.hash, hash);
    // Another session does not take it away again.
    store.repo.create_session(session(&hash, "s2")).await.unwrap();
    let known = store.repo.workspaces().await.unwrap();
    assert_eq!(known[0].path.as_deref(), real.to_str());
}

/// JavaScript's "…123Z" sorted after chrono's "…123456789+00:00" of the same millisecond, ties had no order, and a day as
/// the end of a range left that day out.
#[tokio::test]
async fn defect_10_order_is_by_moment_with_ties_by_id_and_a_day_is_all_of_it() {
    let repo = in_memory().await;
    for (id, updated_at) in [
        ("js", "2025-01-31T12:00:00.123Z"),
        ("chrono", "2025-01-31T12:00:00.123456789+00:00"),
        ("tokyo", "2025-01-31T21:00:00.2+09:00"),
        ("tie-a", "2025-01-31T11:00:00Z"),
        ("tie-b", "2025-01-31T11:00:00.000+00:00"),
    ] {
        let one = WorktreeSession {
            created_at: "2025-01-31T10:00:00Z".into(),
            updated_at: updated_at.into(),
            ..session(WS, id)
        };
        repo.create_session(one).await.unwrap();
    }
    let order = ["tokyo", "chrono", "js", "tie-b", "tie-a"];
    assert_eq!(ids(&all(&repo, WS).await), order);
    let filters = SessionFilters { date_to: Some("2025-01-31".into()), ..SessionFilters::default() };
    assert_eq!(ids(&repo.search_sessions(WS, filters).await.unwrap()), order);
}

/// Settings reached one connection of five, the vacuum did nothing since it was never allowed, and the check read one line.
#[tokio::test]
async fn defect_11_what_the_pool_promises_is_so() {
    let store = on_disk().await;
    let mut big = session(WS, "s1");
    big.instances[1].output = Some("x".repeat(8 << 20));
    store.repo.create_session(big).await.unwrap();
    store.repo.delete_session(WS, "s1").await.unwrap();
    let pool = DbPool::from(store.repo.pool().clone());
    let size = || std::fs::metadata(store.path()).unwrap().len();
    pool.optimize().await.unwrap();
    assert!(size() < 2 << 20, "{} bytes are left of 8 MiB that were deleted", size());
    assert!(pool.verify_integrity().await.unwrap());
    let other = pool.clone();
    pool.close().await.unwrap();
    assert_eq!(other.verify_integrity().await, Err(sessiondb::Error::Closed));
}

/// A damage anywhere is found, and not only what comes first.
#[tokio::test]
async fn defect_11_the_check_finds_a_damaged_message() {
    let store = on_disk().await;
    store.repo.create_session(session(WS, "s1")).await.unwrap();
    let path = store.path();
    store.repo.pool().close().await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("UPDATE messages SET content = '\"Break the login\"' WHERE message_id = 'm1'", []).unwrap();
    conn.close().unwrap();
    let pool = DbPool::new(&path).await.unwrap();
    assert!(!pool.verify_integrity().await.unwrap());
}

/// An option of the connection was built and thrown away. Here what is not taken is an error.
#[tokio::test]
async fn defect_12_an_option_is_taken_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?statement_logging=off", dir.path().join("sessions.db").display());
    let error = SqliteSessionRepository::new(&url).await.err().unwrap().to_string();
    assert!(error.contains("statement_logging=off"), "{error}");
}

/// Ids of sessions and messages were unique in the whole file, but AIT42's screen makes `comp-123` and `msg-1700000000000`
/// in every workspace.
#[tokio::test]
async fn defect_13_ids_are_unique_where_they_are_made() {
    let repo = in_memory().await;
    for workspace in [WS, "other"] {
        for id in ["comp-1", "comp-2"] {
            repo.create_session(session(workspace, id)).await.unwrap();
        }
    }
    for workspace in [WS, "other"] {
        for id in ["comp-1", "comp-2"] {
            let read = repo.get_session(workspace, id).await.unwrap();
            assert_eq!(read, as_read(session(workspace, id)));
        }
    }
}

/// `%` and `_` matched anything, an empty list made a broken statement, and only ASCII was folded.
#[tokio::test]
async fn defect_14_a_search_is_literal_and_an_empty_list_is_no_condition() {
    let repo = in_memory().await;
    for (id, task) in [("s1", "100% of a_b"), ("s2", "100 of axb"), ("s3", "ÄNDERUNG")] {
        repo.create_session(WorktreeSession { task: task.into(), ..session(WS, id) }).await.unwrap();
    }
    let found = async |query: &str| {
        let filters = SessionFilters {
            session_type: Some(Vec::new()),
            status: Some(Vec::new()),
            search_query: Some(query.into()),
            ..SessionFilters::default()
        };
        let found = repo.search_sessions(WS, filters).await.unwrap();
        let mut ids: Vec<String> = found.into_iter().map(|session| session.id).collect();
        ids.sort();
        ids.join(" ")
    };
    assert_eq!(found("0%").await, "s1");
    assert_eq!(found("a_b").await, "s1");
    assert_eq!(found("änderung").await, "s3");
    assert_eq!(found("").await, "s1 s2 s3");
    assert_eq!(found("' OR 1=1 --").await, "");
}

/// Two migrations written on one day had one version. Here each has a number of its own, and the file says which it has.
#[tokio::test]
async fn defect_15_each_migration_has_a_version_of_its_own() {
    let store = on_disk().await.reopened().await;
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let versions = "SELECT count(*), count(DISTINCT version), max(version) FROM schema_version";
    let (rows, distinct, last): (i64, i64, i64) =
        conn.query_row(versions, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!((rows, distinct), (last, last));
}

/// Running the migration twice failed at its indexes, tools could not speak, and `preserve_worktrees` was false or nothing
/// as it came.
#[tokio::test]
async fn defect_16_a_store_opens_again_and_tools_speak_and_unsaid_is_not_false() {
    let store = on_disk().await;
    for (id, preserve) in [("yes", Some(true)), ("no", Some(false)), ("unsaid", None)] {
        let one = WorktreeSession { preserve_worktrees: preserve, ..session(WS, id) };
        store.repo.create_session(one).await.unwrap();
    }
    store.repo.add_chat_message("yes", message("m3", "tool", "exit 0")).await.unwrap();
    let store = store.reopened().await.reopened().await;
    for (id, preserve) in [("yes", Some(true)), ("no", Some(false)), ("unsaid", None)] {
        assert_eq!(store.repo.get_session(WS, id).await.unwrap().preserve_worktrees, preserve);
    }
    assert_eq!(store.repo.get_session(WS, "yes").await.unwrap().chat_history[2].role, "tool");
}

/// A module was declared that had nothing in it, and one was missing: that the public ones are there and say something is
/// proved by compiling this.
#[test]
fn defect_17_every_public_module_has_content() {
    use ait42_session::{db, models, repository};
    fn is_a_repository<T: repository::SessionRepository>() {}
    is_a_repository::<repository::SqliteSessionRepository>();
    let _: fn(db::DbPool) -> DbPool = |pool| pool;
    assert_eq!(models::legal::SESSION_TYPES.len(), 3);
}

/// The seed's test of an update looked at the answer, which was its own argument: it passed whatever was stored.
#[tokio::test]
async fn defect_18_what_an_update_answers_is_what_is_read_after_the_store_is_opened_anew() {
    let store = on_disk().await;
    let mut changed = store.repo.create_session(session(WS, "s1")).await.unwrap();
    changed.task = "Updated task".into();
    changed.status = "completed".into();
    let answered = store.repo.update_session(changed).await.unwrap();
    let store = store.reopened().await;
    let read = store.repo.get_session(WS, "s1").await.unwrap();
    assert_eq!((read.task.as_str(), read.status.as_str()), ("Updated task", "completed"));
    assert_eq!(read, answered);
}
