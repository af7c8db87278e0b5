//! The routes, for programs that serve them. With the feature `http`.

mod answer;
mod request;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, OriginalUri, Path, Query, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use sessiondb::Cursor;

use self::{answer::detail, request::Problem};
use crate::{Error, SessionRecord, SessionRepository};

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes of interview sessions, over this repository. They can be served as they are, nested in another router
/// (`Router::new().nest("/interviews", routes(repository))`), or merged into one.
///
/// | request | answer |
/// |---|---|
/// | `POST /sessions` | 201 with the session, and its place in `Location`; 409 if its id is taken; 413 if the body has more than 1 MiB |
/// | `GET /sessions` | 200 with `{"sessions": […], "total": n, "next": …}` |
/// | `GET /sessions/{id}` | 200 with the session; 404 |
/// | `DELETE /sessions/{id}` | 204; 404 |
///
/// A **session** is a [`SessionRecord`] in JSON: the members of [`Session`](crate::Session), and `completed_at`, `config`
/// and `revision`.
///
/// The **body** of a `POST` is a JSON object, of the content type `application/json`, with `methodology`, `concept_id` and
/// `concept_name`, each a string of more than white space. There may be a `config`, an object, and an `id`, a UUID in lower case with hyphens: who
/// chooses the id can send a request again whose answer was lost, since the second one is 409 and no second interview. Any
/// other member is refused. Numbers in a config are doubles or whole numbers of 64 bits, and of a member that is given
/// twice the last counts.
///
/// The **list** has those that began last first. `status` names a status that is wanted, and may be given several times;
/// `limit` says how many, 1 to 1,000, and is 100 if not given; `after` is the `next` of the page before, which is `null` at
/// the end. `total` is how many sessions there are of these statuses on all pages, counted right after the page was read:
/// it looks at each of them. Any other parameter is refused.
///
/// **Errors** have the shape that clients of FastAPI know. What is wrong with a request is 422 with a list,
/// `{"detail": [{"loc": ["body", "methodology"], "msg": "Field required", "type": "missing"}]}`, which names everything
/// that is wrong; so is a body that is no JSON, or not said to be. All other errors have a text, `{"detail": "Session s1 not
/// found"}`: 503 if the store is busy, full or not there, and 500 if it failed, which names a session that cannot be
/// read but does not say how. That goes to [`tracing`]. [`Error`] is such an answer too, for routes of your own.
///
/// Paths are taken as they are: with a slash at the end they are others, and not found.
pub fn routes(repository: SessionRepository) -> Router {
    Router::new()
        .route("/sessions", get(list).post(create))
        .route("/sessions/{id}", get(read).delete(delete))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(repository)
}

/// A list as its clients know it.
#[derive(Serialize)]
struct SessionList {
    sessions: Vec<SessionRecord>,
    total: usize,
    next: Option<Cursor>,
}

async fn create(
    State(repository): State<SessionRepository>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Response> {
    let body = body.map_err(|rejection| detail(rejection.status(), rejection.body_text()))?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (session, config) = request::create(content_type, &body).map_err(answer::problems)?;
    let record = repository.create_with_config(session, config).await.map_err(IntoResponse::into_response)?;
    let location = format!("{}/{}", uri.path(), record.session.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(record)).into_response())
}

async fn list(
    State(repository): State<SessionRepository>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Response> {
    let unreadable = |rejection: QueryRejection| {
        answer::problems(vec![Problem::new(["query"], "value_error", rejection.body_text())])
    };
    let Query(query) = query.map_err(unreadable)?;
    let filter = request::filter(&query).map_err(answer::problems)?;
    let page = repository.list(&filter).await.map_err(IntoResponse::into_response)?;
    let total = repository.count(&filter).await.map_err(IntoResponse::into_response)?;
    Ok(Json(SessionList { sessions: page.sessions, total, next: page.next }).into_response())
}

async fn read(
    State(repository): State<SessionRepository>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Response> {
    let Path(id) = id.map_err(unreadable_path)?;
    let record = repository.get_record(&id).await.map_err(IntoResponse::into_response)?;
    record.map(|record| Json(record).into_response()).ok_or_else(|| Error::NotFound(id).into_response())
}

async fn delete(
    State(repository): State<SessionRepository>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Response> {
    let Path(id) = id.map_err(unreadable_path)?;
    match repository.delete(&id).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Error::NotFound(id).into_response()),
        Err(error) => Err(error.into_response()),
    }
}

async fn method_not_allowed() -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// The id in the path is no UTF-8.
fn unreadable_path(rejection: PathRejection) -> Response {
    answer::problems(vec![Problem::new(["path", "id"], "value_error", rejection.body_text())])
}
