//! The view `interview_sessions`: the same in SQL.

use interview_session::{
    NewUtterance, Session, SessionFilter, SessionRecord, SessionState, SessionStatus, sessiondb,
};
use serde_json::{Value, json};

use crate::{File, at, run, session, state};

const COLUMNS: [&str; 12] = [
    "id",
    "methodology",
    "concept_id",
    "concept_name",
    "status",
    "config",
    "created_at",
    "updated_at",
    "completed_at",
    "turn_count",
    "coverage_score",
    "last_strategy",
];

/// A session as the view shows it.
fn row(record: &SessionRecord) -> Vec<Value> {
    let session = &record.session;
    let time = sessiondb::time::to_text;
    vec![
        json!(session.id),
        json!(session.methodology),
        json!(session.concept_id),
        json!(session.concept_name),
        json!(session.status),
        Value::Object(record.config.clone()),
        json!(time(session.created_at)),
        json!(time(session.updated_at)),
        json!(record.completed_at.map(time)),
        json!(session.state.turn_count),
        json!(session.state.coverage_score),
        json!(session.state.last_strategy),
    ]
}

fn rows(file: &File) -> Vec<Vec<Value>> {
    let conn = file.sql();
    let mut select = conn.prepare("SELECT * FROM interview_sessions ORDER BY created_at DESC").unwrap();
    assert!(select.column_names().eq(COLUMNS));
    let value = |row: &rusqlite::Row<'_>, column: usize| match row.get_unwrap(column) {
        rusqlite::types::Value::Null => Value::Null,
        rusqlite::types::Value::Integer(n) => json!(n),
        rusqlite::types::Value::Real(n) => json!(n),
        rusqlite::types::Value::Text(text) if COLUMNS[column] == "config" => {
            serde_json::from_str(&text).unwrap()
        }
        rusqlite::types::Value::Text(text) => json!(text),
        rusqlite::types::Value::Blob(_) => panic!("a blob"),
    };
    let rows = select.query_map([], |row| Ok((0..COLUMNS.len()).map(|column| value(row, column)).collect()));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_view_shows_what_the_repository_answers() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        let config = serde_json::Map::from_iter([("depth".to_owned(), json!({"max": 4}))]);
        repository.create_with_config(session("new"), config).await.unwrap();
        let past = at("2025-01-31T10:00:00.000001Z");
        let state = SessionState { last_strategy: Some("l'échelle".into()), ..state(12, 0.1 + 0.2) };
        let noon = at("2025-06-01T12:00:00Z");
        let over = Session {
            created_at: noon,
            updated_at: noon,
            status: SessionStatus::Completed,
            ..session("over")
        };
        repository.create(over).await.unwrap();
        let old = Session { created_at: past, updated_at: past, state: state.clone(), ..session("old one") };
        repository.create(old).await.unwrap();
        repository.set_status("old one", SessionStatus::Paused).await.unwrap();
        repository
            .create(Session { created_at: at("2026-01-31T10:00:00Z"), ..session("done") })
            .await
            .unwrap();
        repository
            .record_turn(
                "done",
                &[NewUtterance::new("user", "Hello")],
                SessionState { turn_count: 1, ..state },
            )
            .await
            .unwrap();
        repository.set_status("done", SessionStatus::Completed).await.unwrap();
        // A fork has no documents, and a chat is no interview.
        let store = repository.sessiondb().await.unwrap();
        let key = |id: &str| sessiondb::SessionKey::new("interview", "interview", "", "session", id);
        store.fork(&key("done"), &key("fork"), None).await.unwrap();
        store.append(&key("chat"), vec![sessiondb::NewMessage::new("user", "a chat")]).await.unwrap();

        let records = repository.list(&SessionFilter::default()).await.unwrap().sessions;
        assert_eq!(records.len(), 5);
        assert_eq!(rows(&file), records.iter().map(row).collect::<Vec<_>>());
    });
}

/// What others put beside an interview's own documents is in neither, and so is a session of this family under a key that
/// is none of an interview's.
#[test]
fn what_is_no_part_of_an_interview_is_in_neither() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        let config = serde_json::Map::from_iter([("depth".to_owned(), json!(4))]);
        repository.create_with_config(session("s1"), config).await.unwrap();
        repository.update_state("s1", state(3, 0.5)).await.unwrap();
        let store = repository.sessiondb().await.unwrap();
        let key = |account: &str, kind: &str, id: &str| {
            sessiondb::SessionKey::new("interview", "interview", account, kind, id)
        };
        let own = store.session(&key("", "session", "s1")).await.unwrap().unwrap();
        let mut commits = vec![sessiondb::Commit::new(own.key)];
        for (collection, id) in [
            ("state", "a"),
            ("state", "z"),
            ("config", "a"),
            ("config", "z"),
            ("a", "state"),
            ("z", "config"),
        ] {
            let other = sessiondb::NewDocument::new(collection, id, sessiondb::Json::parse("[7]").unwrap());
            commits[0].writes.push(sessiondb::Write::PutDocument(other));
        }
        for key in [key("tenant", "session", "s2"), key("", "note", "s3")] {
            let opening = sessiondb::Opening {
                family: Some("interview".into()),
                status: None,
                metadata: Some(own.metadata.clone()),
            };
            commits.push(sessiondb::Commit::new(key).write(sessiondb::Write::Open(opening)));
        }
        store.commit(commits).await.unwrap();

        let record = repository.get_record("s1").await.unwrap().unwrap();
        assert_eq!((record.session.state.turn_count, record.config.len()), (3, 1));
        let all = SessionFilter::default();
        assert_eq!(repository.list(&all).await.unwrap().sessions, std::slice::from_ref(&record));
        assert_eq!(repository.count(&all).await.unwrap(), 1);
        assert_eq!(rows(&file), [row(&record)]);
    });
}

#[test]
fn a_session_is_found_in_the_view_without_reading_all() {
    let file = File::new();
    run(async { file.repository().create(session("s1")).await.unwrap() });
    let conn = file.sql();
    for query in [
        "SELECT status FROM interview_sessions WHERE id = 's1'",
        "SELECT id FROM interview_sessions ORDER BY created_at DESC LIMIT 10",
    ] {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let lines =
            plan.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect::<Vec<String>>();
        let plan = lines.join("\n");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{query}:\n{plan}");
    }
}
