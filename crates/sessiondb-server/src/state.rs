//! State of scopes: of an agent, a user of it, a workspace.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sessiondb::{Commit, Document, Json as Text, NewDocument, STATE, Scope, SessionKey, Write};
use utoipa::IntoParams;

use crate::{
    access::Access,
    app::App,
    documents::{self, DocumentsJson},
    problem::{Details, Problem},
    request::{Body, Named, Query, Repeatable},
    sessions::{limit_default, link},
};

/// A scope in a path, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is read by `scope`; here it is described")]
pub(crate) struct ScopeInPath {
    /// The leading parts of keys, then `*`: `shop:*` is an agent, `shop:web:ann:*` a user of it. A whole key is a session.
    #[param(
        pattern = "^(\\*|(([^:=/~*]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?(:(([^:=/~*]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?){0,3}:\\*|(([^:=/~]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?(:(([^:=/~]|=[0-9A-F]{2})([^:=/]|=[0-9A-F]{2})*)?){4})$",
        max_length = 3076,
        example = "main:*"
    )]
    scope: String,
}

/// What has a name in the state, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is a part of the path; here it is described")]
pub(crate) struct NameInPath {
    /// The name.
    #[param(min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "theme")]
    name: String,
}

fn scope(text: &str) -> Result<Scope, Problem> {
    Ok(text.parse()?)
}

/// Which of a scope's state.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most.
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// A scope's state, by name, a page at a time: documents, each with its name as `id`. A scope that never had any has none.
#[utoipa::path(get, path = "/v1/state/{scope}", tag = "state", params(ScopeInPath, Filter),
    responses((status = 200, body = DocumentsJson)))]
pub(crate) async fn list(
    access: Access,
    uri: Uri,
    Named(text): Named<String>,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let page = access.store.state_list(&scope(&text)?, filter.cursor, filter.limit).await?;
    let next = page.next.map(|(_, name)| name);
    let link = next.as_deref().map(|next| link(&uri, &[("cursor", next)], "next"));
    let mut response = Json(DocumentsJson { documents: page.documents, next }).into_response();
    response.headers_mut().extend(link.into_iter().map(|link| (header::LINK, link)));
    Ok(response)
}

type Address = (String, String);

/// What a scope's state has under a name. `ETag` is its revision.
#[utoipa::path(get, path = "/v1/state/{scope}/{name}", tag = "state", params(ScopeInPath, NameInPath),
    responses((status = 200, body = Document), (status = 304, description = "as in If-None-Match")))]
pub(crate) async fn get(
    access: Access,
    headers: HeaderMap,
    Named((text, name)): Named<Address>,
) -> Result<Response, Problem> {
    documents::answer(&access, &headers, &SessionKey::of_scope(&scope(&text)?), STATE, &name).await
}

/// Puts this into a scope's state, in place of what has the name; the body is what it says. With `If-Match`, only if nobody changed
/// it since; with `If-None-Match: *`, only if there is none. What changes together with a session goes into `/v1/commits`, with
/// the scope's address as its key (`shop:~scope:::`).
#[utoipa::path(put, path = "/v1/state/{scope}/{name}", tag = "state", params(Repeatable, ScopeInPath, NameInPath),
    request_body(content = Text, content_type = "application/json", example = json!("dark")),
    responses((status = 200, body = Document), (status = 204, description = "done, and removed by somebody since"), (status = 412, body = Details)))]
pub(crate) async fn put(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, name)): Named<Address>,
    Body(value): Body<Text>,
) -> Result<Response, Problem> {
    let write = Write::PutDocument(NewDocument::new(STATE, name.clone(), value));
    documents::change(&app, &access, &headers, Commit::of_scope(&scope(&text)?).write(write), STATE, &name)
        .await
}

/// Changes what has this name by a merge patch (RFC 7396): members replace, null removes. What is not there is made of the patch.
#[utoipa::path(patch, path = "/v1/state/{scope}/{name}", tag = "state", params(Repeatable, ScopeInPath, NameInPath),
    request_body(content = Text, content_type = "application/json", example = json!({"colour": "red"})),
    responses((status = 200, body = Document), (status = 204, description = "done, and removed by somebody since"), (status = 412, body = Details)))]
pub(crate) async fn patch(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, name)): Named<Address>,
    Body(patch): Body<Text>,
) -> Result<Response, Problem> {
    let write = Write::PatchDocument { collection: STATE.into(), id: name.clone(), patch };
    documents::change(&app, &access, &headers, Commit::of_scope(&scope(&text)?).write(write), STATE, &name)
        .await
}

/// Removes what has this name. With `If-Match`, only if nobody changed it since.
#[utoipa::path(delete, path = "/v1/state/{scope}/{name}", tag = "state", params(Repeatable, ScopeInPath, NameInPath),
    responses((status = 204, description = "it is removed"), (status = 412, body = Details)))]
pub(crate) async fn remove(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, name)): Named<Address>,
) -> Result<StatusCode, Problem> {
    documents::take_out(&app, &access, &headers, SessionKey::of_scope(&scope(&text)?), STATE, &name).await
}
