//! Commits: several changes of several sessions, all or none.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sessiondb::{Commit, Parts, PartsPage, Receipt, SessionFilter, SessionKey, SessionParts, Write, limits};
use utoipa::ToSchema;

use crate::{
    access::Access,
    app::App,
    audit,
    problem::Problem,
    request::{Body, Object},
    right::Right,
};

/// Applies commits in order, all or none; answers a receipt for each when they are durable. Each may bear an `id`, which makes
/// it repeatable, and may say what it expects.
///
/// What the commits write says which rights the token needs: `append`, `state`, `delete`, `import`.
#[utoipa::path(post, path = "/v1/commits", tag = "commits",
    request_body(content = Vec<Commit>, example = json!([{
        "key": "main:cli::dm:ann", "id": "turn-1", "writes": [
            {"open": {}}, {"append": [{"role": "user", "content": "hello"}]},
            {"put_document": {"collection": "notes", "id": "todo", "body": {"done": false}}}]}])),
    responses((status = 200, body = Vec<Receipt>)))]
pub(crate) async fn commit(
    State(app): State<App>,
    access: Access,
    Body(commits): Body<Vec<Object<Commit>>>,
) -> Result<Response, Problem> {
    let commits: Vec<Commit> = commits.into_iter().map(|Object(commit)| commit).collect();
    // What is expected tells, when it does not hold, what is there.
    if commits.iter().any(|commit| !commit.expect.is_empty() || commit.writes.is_empty()) {
        access.must(Right::Read)?;
    }
    for write in commits.iter().flat_map(|commit| &commit.writes) {
        access.must(right_to(write))?;
        if matches!(write, Write::Fork(_)) {
            access.must(Right::Read)?;
        }
    }
    let noted = noted(&access, &commits);
    if !noted.is_empty() {
        audit::note_all(&app, &access, noted).await?;
    }
    let receipts = access.store.commit(commits).await?;
    app.feed.written();
    Ok(Json(receipts).into_response())
}

/// What of these is noted: which session is deleted or put in from an archive. Nothing if the store will not take them.
fn noted(access: &Access, commits: &[Commit]) -> Vec<(&'static str, String)> {
    let taken = |commit: &Commit| access.store.scope().contains(&commit.key) && commit.validate().is_ok();
    if commits.len() > limits::COMMIT_WRITES_MAX || !commits.iter().all(taken) {
        return Vec::new();
    }
    let action = |write: &Write| match write {
        Write::Delete => Some("delete"),
        Write::Restore(_) => Some("import"),
        _ => None,
    };
    let of = |commit: &Commit| Some((commit.writes.iter().find_map(action)?, commit.key.to_string()));
    let mut noted: Vec<_> = commits.iter().filter_map(of).collect();
    noted.dedup();
    noted
}

/// What a write asks of who makes it.
pub(crate) fn right_to(write: &Write) -> Right {
    match write {
        Write::Open(_) | Write::Append(_) | Write::AddTokens(_) => Right::Append,
        Write::Delete => Right::Delete,
        Write::Restore(_) => Right::Import,
        Write::SetStatus(_)
        | Write::SetMetadata(_)
        | Write::SetTokens(_)
        | Write::PutDocument(_)
        | Write::PatchDocument { .. }
        | Write::RemoveDocument { .. }
        | Write::Fork(_)
        | Write::Compact { .. }
        | Write::Uncompact
        | Write::Pop { .. }
        | Write::Rewind { .. }
        | Write::Undo
        | Write::SetView(_) => Right::State,
    }
}

/// Which sessions, and what of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Their keys, at most 1,000.
    #[schema(value_type = Vec<String>, example = json!(["main:cli::dm:ann"]))]
    keys: Vec<SessionKey>,
    /// The documents of these collections.
    #[serde(default)]
    #[schema(example = json!(["notes"]))]
    collections: Vec<String>,
    /// Whether their messages too.
    #[serde(default)]
    messages: bool,
}

/// Reads many sessions with their documents and messages, all as they were at one moment; null stands for one that is not
/// there. The answer is of the first keys, as many as together have at most 10,000 messages or documents.
#[utoipa::path(post, path = "/v1/sessions/read", tag = "sessions", request_body = Wanted,
    responses((status = 200, body = Vec<Option<SessionParts>>)))]
pub(crate) async fn read(
    access: Access,
    Body(Object(wanted)): Body<Object<Wanted>>,
) -> Result<Response, Problem> {
    let parts = Parts { collections: wanted.collections, messages: wanted.messages };
    Ok(Json(access.store.session_parts_of(&wanted.keys, &parts).await?).into_response())
}

/// Which sessions to find, and what of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Searched {
    /// Which sessions, as in `GET /v1/sessions`.
    #[serde(default)]
    #[schema(value_type = Option<SessionFilter>)]
    filter: Object<SessionFilter>,
    /// The documents of these collections.
    #[serde(default)]
    #[schema(example = json!(["notes"]))]
    collections: Vec<String>,
    /// Whether their messages too.
    #[serde(default)]
    messages: bool,
}

/// A page of sessions with their documents and messages, all as they were at one moment. It ends before the session with
/// which it would have more than 10,000 messages or documents.
#[utoipa::path(post, path = "/v1/sessions/find", tag = "sessions", request_body = Searched,
    responses((status = 200, body = PartsPage)))]
pub(crate) async fn find(
    access: Access,
    Body(Object(searched)): Body<Object<Searched>>,
) -> Result<Response, Problem> {
    let parts = Parts { collections: searched.collections, messages: searched.messages };
    Ok(Json(access.store.session_list_parts(&searched.filter.0, &parts).await?).into_response())
}
