use ait42_session::*;
use chrono::Utc;
use tempfile::NamedTempFile;
use uuid::Uuid;

#[tokio::test]
async fn test_create_and_get_session() {
    let db_file = NamedTempFile::new().unwrap();
    let db_url = format!("sqlite://{}", db_file.path().display());

    let repo = SqliteSessionRepository::new(&db_url).await.unwrap();

    let session = WorktreeSession::new(
        Uuid::new_v4().to_string(),
        "test_workspace".to_string(),
        "competition".to_string(),
        "Test task".to_string(),
    );

    let created = repo.create_session(session.clone()).await.unwrap();
    assert_eq!(created.id, session.id);

    let fetched = repo.get_session("test_workspace", &session.id).await.unwrap();
    assert_eq!(fetched.id, session.id);
    assert_eq!(fetched.task, "Test task");
}

#[tokio::test]
async fn test_get_all_sessions() {
    let db_file = NamedTempFile::new().unwrap();
    let db_url = format!("sqlite://{}", db_file.path().display());

    let repo = SqliteSessionRepository::new(&db_url).await.unwrap();

    // Create multiple sessions
    for i in 0..5 {
        let session = WorktreeSession::new(
            Uuid::new_v4().to_string(),
            "test_workspace".to_string(),
            "competition".to_string(),
            format!("Task {}", i),
        );
        repo.create_session(session).await.unwrap();
    }

    let sessions = repo.get_all_sessions("test_workspace").await.unwrap();
    assert_eq!(sessions.len(), 5);
}

#[tokio::test]
async fn test_update_session() {
    let db_file = NamedTempFile::new().unwrap();
    let db_url = format!("sqlite://{}", db_file.path().display());

    let repo = SqliteSessionRepository::new(&db_url).await.unwrap();

    let mut session = WorktreeSession::new(
        Uuid::new_v4().to_string(),
        "test_workspace".to_string(),
        "competition".to_string(),
        "Original task".to_string(),
    );

    repo.create_session(session.clone()).await.unwrap();

    session.task = "Updated task".to_string();
    session.status = "completed".to_string();
    session.updated_at = Utc::now().to_rfc3339();

    let updated = repo.update_session(session.clone()).await.unwrap();
    assert_eq!(updated.task, "Updated task");
    assert_eq!(updated.status, "completed");
}

#[tokio::test]
async fn test_delete_session() {
    let db_file = NamedTempFile::new().unwrap();
    let db_url = format!("sqlite://{}", db_file.path().display());

    let repo = SqliteSessionRepository::new(&db_url).await.unwrap();

    let session = WorktreeSession::new(
        Uuid::new_v4().to_string(),
        "test_workspace".to_string(),
        "competition".to_string(),
        "Test task".to_string(),
    );

    repo.create_session(session.clone()).await.unwrap();

    repo.delete_session("test_workspace", &session.id).await.unwrap();

    let result = repo.get_session("test_workspace", &session.id).await;
    assert!(result.is_err());
}
