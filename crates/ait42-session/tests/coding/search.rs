//! Finding sessions.

use ait42_session::{SessionFilters, SummaryOrder, SummaryQuery, SummarySort};

use super::*;

async fn filled() -> SqliteSessionRepository {
    let repo = in_memory().await;
    for (id, kind, status, created, agent) in [
        ("s1", "competition", "running", "2025-01-10T00:00:00Z", "backend-developer"),
        ("s2", "ensemble", "completed", "2025-01-11T12:00:00Z", "テスト担当"),
        ("s3", "debate", "completed", "2025-01-12T23:59:59.999Z", "Reviewer"),
        ("s4", "debate", "paused", "2025-01-13T00:00:00Z", "reviewer-2"),
    ] {
        let mut one = WorktreeSession {
            r#type: kind.into(),
            status: status.into(),
            created_at: created.into(),
            updated_at: created.into(),
            total_files_changed: id.strip_prefix('s').unwrap().parse().ok(),
            ..session(WS, id)
        };
        one.instances[1].agent_name = agent.into();
        repo.create_session(one).await.unwrap();
    }
    repo
}

fn list(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(|&value| value.to_owned()).collect())
}

#[tokio::test]
async fn all_conditions_hold_together() {
    let repo = filled().await;
    let none = SessionFilters::default;
    let text = |query: &str| SessionFilters { search_query: Some(query.into()), ..none() };
    for (filters, expected) in [
        (none(), vec!["s4", "s3", "s2", "s1"]),
        (SessionFilters { session_type: list(&["debate"]), ..none() }, vec!["s4", "s3"]),
        (SessionFilters { session_type: list(&["debate", "ensemble"]), ..none() }, vec!["s4", "s3", "s2"]),
        (SessionFilters { status: list(&["completed", "running"]), ..none() }, vec!["s3", "s2", "s1"]),
        (
            SessionFilters { session_type: list(&["debate"]), status: list(&["completed"]), ..none() },
            vec!["s3"],
        ),
        (SessionFilters { session_type: list(&["unknown"]), ..none() }, vec![]),
        (SessionFilters { date_from: Some("2025-01-12".into()), ..none() }, vec!["s4", "s3"]),
        (SessionFilters { date_to: Some("2025-01-12".into()), ..none() }, vec!["s3", "s2", "s1"]),
        (SessionFilters { date_to: Some("2025-01-11T12:00:00Z".into()), ..none() }, vec!["s2", "s1"]),
        (text("LOGIN"), vec!["s4", "s3", "s2", "s1"]),
        (text("s2"), vec!["s2"]),
        (text("rEVIEWER"), vec!["s4", "s3"]),
        (text("テスト"), vec!["s2"]),
        (SessionFilters { date_from: Some("2025-01-13".into()), ..text("reviewer") }, vec!["s4"]),
    ] {
        let shown = format!("{filters:?}");
        assert_eq!(ids(&repo.search_sessions(WS, filters).await.unwrap()), expected, "{shown}");
    }
    let bad = SessionFilters { date_from: Some("last week".into()), ..none() };
    assert!(validation(repo.search_sessions(WS, bad.clone()).await).starts_with("date_from: 'last week'"));
    let query = SummaryQuery { filters: bad, ..SummaryQuery::default() };
    assert!(validation(repo.search_summaries(WS, &query).await).starts_with("date_from"));
}

#[tokio::test]
async fn what_is_found_is_whole() {
    let repo = filled().await;
    let filters = SessionFilters { status: list(&["completed"]), ..SessionFilters::default() };
    let found = repo.search_sessions(WS, filters).await.unwrap();
    let (s3, s2) = (repo.get_session(WS, "s3").await.unwrap(), repo.get_session(WS, "s2").await.unwrap());
    assert_eq!(found, [s3, s2]);
    assert_eq!(found[0].chat_history.len(), 2);
}

/// What is found has more messages than the store answers at once.
#[tokio::test]
async fn what_is_found_is_whole_however_large_it_is() {
    let repo = in_memory().await;
    for id in ["a", "b", "c"] {
        let chat_history = (0..4_000).map(|i| message(&format!("m{i}"), "user", "…")).collect();
        repo.create_session(WorktreeSession { chat_history, ..session(WS, id) }).await.unwrap();
    }
    let filters = SessionFilters { search_query: Some("login".into()), ..Default::default() };
    let found = repo.search_sessions(WS, filters).await.unwrap();
    assert_eq!(ids(&found), ["c", "b", "a"]);
    assert!(found.iter().all(|session| session.chat_history.len() == 4_000));
    assert_eq!(found, all(&repo, WS).await);
}

#[tokio::test]
async fn summaries_say_what_sessions_say_but_for_outputs_and_messages() {
    let repo = filled().await;
    repo.add_chat_message("s2", message("m3", "user", "Wake up")).await.unwrap();
    let summaries = repo.list_summaries(WS).await.unwrap();
    let sessions = all(&repo, WS).await;
    assert_eq!(ids(&sessions), ["s2", "s4", "s3", "s1"], "a message is a change");
    for (summary, session) in summaries.iter().zip(&sessions) {
        assert_eq!(summary.id, session.id);
        assert_eq!(summary.updated_at, session.updated_at);
        assert_eq!(summary.r#type, session.r#type);
        assert_eq!(summary.message_count, session.chat_history.len() as u64);
        let agents: Vec<_> = summary.instances.iter().map(|instance| &instance.agent_name).collect();
        assert_eq!(agents, session.instances.iter().map(|instance| &instance.agent_name).collect::<Vec<_>>());
    }
    assert_eq!(summaries.len(), sessions.len());
    let query = SummaryQuery {
        filters: SessionFilters { search_query: Some("REVIEWER".into()), ..SessionFilters::default() },
        sort: SummarySort::FilesChanged,
        order: SummaryOrder::Ascending,
        limit: Some(1),
    };
    let found = repo.search_summaries(WS, &query).await.unwrap();
    assert_eq!(found.iter().map(|summary| summary.id.as_str()).collect::<Vec<_>>(), ["s3"]);
}
