//! Coding sessions with competing instances: the verbs of `ait42-session`.

use ait42_session::{
    ChatMessage, DbPool, RepositoryError, SessionFilters, SessionRepository, SqliteSessionRepository,
    WorktreeSession,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::Access,
    app::App,
    audit,
    problem::{Kind, Problem},
    request::{Body, Named, Object, Query, location},
    right::Right,
};

fn sessions(access: &Access) -> SqliteSessionRepository {
    SqliteSessionRepository::from_pool(Arc::new(DbPool::from(access.store.clone())))
}

/// What is not there and what may not be seen have one answer.
fn failed(id: &str) -> impl Fn(RepositoryError) -> Problem + '_ {
    move |error| match error {
        RepositoryError::NotFound(_)
        | RepositoryError::Database(sessiondb::Error::NotFound(_) | sessiondb::Error::OutOfScope { .. }) => {
            let id = id.escape_debug();
            Problem::new(
                Kind::NotFound,
                format!("the workspace has no session {id}, or that has no such instance"),
            )
        }
        RepositoryError::Database(error) => error.into(),
        RepositoryError::Validation(reason) => Problem::invalid(reason),
        RepositoryError::Internal(reason) => sessiondb::Error::Storage(reason).into(),
    }
}

/// Creates a session with its instances and messages, in AIT42's own form (camelCase).
#[utoipa::path(post, path = "/v1/worktree/{workspace}/sessions", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef")),
    request_body(content = Object, content_type = "application/json", example = json!({
        "id": "comp-2", "type": "competition", "task": "Fix the login", "status": "running",
        "createdAt": "2026-01-13T09:00:00Z", "updatedAt": "2026-01-13T09:00:00Z", "instances": [], "chatHistory": []})),
    responses((status = 201, body = Object)))]
pub(crate) async fn create(
    State(app): State<App>,
    access: Access,
    Named(workspace): Named<String>,
    Body(Object(session)): Body<Object<WorktreeSession>>,
) -> Result<Response, Problem> {
    let session = in_workspace(session, workspace)?;
    let (id, location) =
        (session.id.clone(), location(&["v1", "worktree", &session.workspace_hash, "sessions", &session.id]));
    let created = sessions(&access).create_session(session).await.map_err(failed(&id))?;
    app.feed.written();
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)).into_response())
}

/// The session of the path's workspace: its own word may be missing, but not another one.
fn in_workspace(session: WorktreeSession, workspace: String) -> Result<WorktreeSession, Problem> {
    if !session.workspace_hash.is_empty() && session.workspace_hash != workspace {
        return Err(Problem::invalid("the body names another workspace than the path"));
    }
    Ok(WorktreeSession { workspace_hash: workspace, ..session })
}

/// Which sessions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `competition`, `ensemble` or `debate`; may be given several times.
    #[serde(default)]
    r#type: Vec<String>,
    /// `running`, `completed`, `failed` or `paused`; may be given several times.
    #[serde(default)]
    status: Vec<String>,
    /// Created at this time or later: RFC 3339, or a day.
    date_from: Option<String>,
    /// Created at this time or earlier.
    date_to: Option<String>,
    /// Text that is in the task, the id or an agent's name, in any case.
    search: Option<String>,
}

/// The sessions of a workspace, whole, the last changed first.
#[utoipa::path(get, path = "/v1/worktree/{workspace}/sessions", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), Which), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn list(
    access: Access,
    Named(workspace): Named<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let filters = SessionFilters {
        session_type: Some(which.r#type),
        status: Some(which.status),
        date_from: which.date_from,
        date_to: which.date_to,
        search_query: which.search,
    };
    let found = sessions(&access).search_sessions(&workspace, filters).await.map_err(failed("of these"))?;
    Ok(Json(found).into_response())
}

/// A session with its instances and messages.
#[utoipa::path(get, path = "/v1/worktree/{workspace}/sessions/{id}", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1")),
    responses((status = 200, body = Object)))]
pub(crate) async fn get(
    access: Access,
    Named((workspace, id)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let session = sessions(&access).get_session(&workspace, &id).await.map_err(failed(&id))?;
    Ok(Json(session).into_response())
}

/// Replaces a session's own values and its instances. Messages that are new are added; none is removed.
#[utoipa::path(put, path = "/v1/worktree/{workspace}/sessions/{id}", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1")),
    request_body(content = Object, content_type = "application/json", example = json!({
        "id": "comp-1", "type": "competition", "task": "Fix the login", "status": "completed",
        "createdAt": "2026-01-13T09:00:00Z", "updatedAt": "2026-01-13T10:00:00Z", "instances": [], "chatHistory": []})),
    responses((status = 200, body = Object)))]
pub(crate) async fn update(
    State(app): State<App>,
    access: Access,
    Named((workspace, id)): Named<(String, String)>,
    Body(Object(session)): Body<Object<WorktreeSession>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    if session.id != id {
        return Err(Problem::invalid("the body names another session than the path"));
    }
    let session = in_workspace(session, workspace)?;
    let updated = sessions(&access).update_session(session).await.map_err(failed(&id))?;
    app.feed.written();
    Ok(Json(updated).into_response())
}

/// Deletes a session with all that is in it.
#[utoipa::path(delete, path = "/v1/worktree/{workspace}/sessions/{id}", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1")),
    responses((status = 204, description = "it is deleted")))]
pub(crate) async fn delete(
    State(app): State<App>,
    access: Access,
    Named((workspace, id)): Named<(String, String)>,
) -> Result<Response, Problem> {
    audit::note(&app, &access, "delete", &format!("worktree {workspace}/{id}")).await?;
    sessions(&access).delete_session(&workspace, &id).await.map_err(failed(&id))?;
    app.feed.written();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Adds a message. The same message again is that message.
#[utoipa::path(post, path = "/v1/worktree/{workspace}/sessions/{id}/messages", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1")),
    request_body(content = Object, content_type = "application/json", example = json!({
        "id": "msg-1", "role": "user", "content": "Why does it fail?", "timestamp": "2026-01-13T09:00:00.123Z"})),
    responses((status = 200, description = "the session with it", body = Object)))]
pub(crate) async fn say(
    State(app): State<App>,
    access: Access,
    Named((workspace, id)): Named<(String, String)>,
    Body(Object(message)): Body<Object<ChatMessage>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    if !message.session_id.is_empty() && message.session_id != id {
        return Err(Problem::invalid("the body names another session than the path"));
    }
    let message = ChatMessage { session_id: id.clone(), ..message };
    let session =
        sessions(&access).add_chat_message_in(&workspace, &id, message).await.map_err(failed(&id))?;
    app.feed.written();
    Ok(Json(session).into_response())
}

/// A new status.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// `idle`, `running`, `completed`, `failed`, `paused` or `archived`.
    #[schema(example = "completed")]
    status: String,
}

/// Sets the status of an instance.
#[utoipa::path(put, path = "/v1/worktree/{workspace}/sessions/{id}/instances/{instance}/status", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1"),
           ("instance" = i64, Path, example = 1)),
    request_body = Status, responses((status = 200, body = Object)))]
pub(crate) async fn set_status(
    State(app): State<App>,
    access: Access,
    Named((workspace, id, instance)): Named<(String, String, i64)>,
    Body(Object(new)): Body<Object<Status>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let repository = sessions(&access);
    let session = repository.update_instance_status_in(&workspace, &id, instance, &new.status).await;
    let session = session.map_err(failed(&id))?;
    app.feed.written();
    Ok(Json(session).into_response())
}

/// Who has won.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Winner {
    /// The instance.
    #[schema(example = 1)]
    instance_id: i64,
    /// How the instances were judged: any JSON.
    #[schema(value_type = Option<Object>)]
    evaluation: Option<Value>,
}

/// Makes an instance the winner, and archives the others.
#[utoipa::path(post, path = "/v1/worktree/{workspace}/sessions/{id}/winner", tag = "worktree",
    params(("workspace" = String, Path, example = "0123456789abcdef"), ("id" = String, Path, example = "comp-1")),
    request_body = Winner, responses((status = 200, body = Object)))]
pub(crate) async fn select_winner(
    State(app): State<App>,
    access: Access,
    Named((workspace, id)): Named<(String, String)>,
    Body(Object(winner)): Body<Object<Winner>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let repository = sessions(&access);
    let session = repository.select_winner(&workspace, &id, winner.instance_id, winner.evaluation).await;
    let session = session.map_err(failed(&id))?;
    app.feed.written();
    Ok(Json(session).into_response())
}
