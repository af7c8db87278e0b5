//! Interviews: the routes of `interview-session`, under `/v1/interview` and, where wanted, at the root.

use axum::{
    Router,
    extract::{Request, State},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{delete as on_delete, get as on_get, post as on_post},
};
use interview_session::{SessionRepository, routes};
use serde::Serialize;
use tower::ServiceExt;
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::{self, Access},
    app::App,
    audit,
    problem::Problem,
    right::Right,
};

/// Where the routes stand.
const PREFIX: &str = "/v1/interview";

/// An interview to begin.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewInterview {
    /// How it is led: more than white space.
    #[schema(example = "mec")]
    methodology: String,
    /// What it is about.
    #[schema(example = "oat-milk")]
    concept_id: String,
    /// The same in words.
    #[schema(example = "Oat milk")]
    concept_name: String,
    /// Whatever belongs to it: an object.
    #[schema(value_type = Option<Object>)]
    config: Option<()>,
    /// Its id, a UUID in lower case: who chooses it can send the request again.
    id: Option<String>,
}

/// Which interviews.
#[derive(Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// `active`, `paused` or `completed`; may be given several times.
    #[param(required = false)]
    status: Vec<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Begins an interview. Errors have the form of FastAPI's, `{"detail": …}`.
#[utoipa::path(post, path = "/v1/interview/sessions", tag = "interview",
    request_body(content = NewInterview, example = json!({"methodology": "mec", "concept_id": "oat-milk", "concept_name": "Oat milk"})),
    responses((status = 201, body = Object)))]
pub(crate) async fn create(
    State(app): State<App>,
    access: Access,
    request: Request,
) -> Result<Response, Problem> {
    let answer = pass(access, request).await?;
    app.feed.written();
    Ok(answer)
}

/// Interviews, the last begun first.
#[utoipa::path(get, path = "/v1/interview/sessions", tag = "interview", params(Which), responses((status = 200, body = Object)))]
pub(crate) async fn list(access: Access, request: Request) -> Result<Response, Problem> {
    pass(access, request).await
}

/// An interview.
#[utoipa::path(get, path = "/v1/interview/sessions/{id}", tag = "interview",
    params(("id" = String, Path, example = "67e55044-10b1-426f-9247-bb680e5fe0c8")), responses((status = 200, body = Object)))]
pub(crate) async fn get(access: Access, request: Request) -> Result<Response, Problem> {
    pass(access, request).await
}

/// Deletes an interview.
#[utoipa::path(delete, path = "/v1/interview/sessions/{id}", tag = "interview",
    params(("id" = String, Path, example = "67e55044-10b1-426f-9247-bb680e5fe0c8")), responses((status = 204, description = "it is deleted")))]
pub(crate) async fn delete(
    State(app): State<App>,
    access: Access,
    request: Request,
) -> Result<Response, Problem> {
    audit::note(&app, &access, "delete", &format!("interview {}", request.uri().path())).await?;
    let answer = pass(access, request).await?;
    app.feed.written();
    Ok(answer)
}

/// The same routes where front ends of the interview system look for them.
pub(crate) fn at_root() -> Router<App> {
    let guard = |right: Right| from_fn(move |request, next| access::require(right, request, next));
    let unnamed = from_fn(|request, next| access::takes_its_name(false, request, next));
    Router::new()
        .route("/sessions", on_post(create).route_layer(guard(Right::Append)))
        .route("/sessions", on_get(list).route_layer(guard(Right::Read)))
        .route("/sessions/{id}", on_get(get).route_layer(guard(Right::Read)))
        .route("/sessions/{id}", on_delete(delete).route_layer(guard(Right::Delete)))
        .route_layer(unnamed)
}

/// To the routes of the crate, over what the caller may see.
async fn pass(access: Access, request: Request) -> Result<Response, Problem> {
    let routes = routes(SessionRepository::over(access.store));
    let nested = request.uri().path().starts_with(PREFIX);
    let router: Router = if nested { Router::new().nest(PREFIX, routes) } else { routes };
    // What the routes here have found in the path is not for those.
    let (parts, body) = request.into_parts();
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
        (parts.method, parts.uri, parts.headers);
    // Routes do not fail; they answer.
    Ok(router.oneshot(request).await.into_response())
}
