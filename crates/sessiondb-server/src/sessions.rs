//! Sessions: found, opened, changed, deleted.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Conflict, Cursor, Error, Expect, Json as Text, Opening, Session, SessionFilter, SessionKey,
    Write, limits,
};
use utoipa::ToSchema;

use crate::{
    access::Access,
    app::App,
    audit,
    problem::{Details, Problem},
    request::{
        Body, Condition, KeyInPath, Named, Object, Query, Repeatable, expected_state, idempotency_key, key,
        location,
    },
    right::Right,
};

/// How often a merge is tried again while others change the session.
const MERGE_TRIES_MAX: u32 = 20;

/// A session, and its key as text.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionJson {
    /// The key as text: what stands in paths.
    #[schema(example = "main:cli::dm:ann")]
    id: String,
    #[serde(flatten)]
    session: Session,
}

impl From<Session> for SessionJson {
    fn from(session: Session) -> SessionJson {
        SessionJson { id: session.key.to_string(), session }
    }
}

/// A page of sessions.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionsJson {
    sessions: Vec<SessionJson>,
    /// What to give as `cursor` for the next page; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<Cursor>,
}

pub(crate) fn limit_default() -> usize {
    limits::PAGE_DEFAULT
}

/// Sessions, a page at a time. `Link` has the address of the next page.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(SessionFilter),
    responses((status = 200, body = SessionsJson)))]
pub(crate) async fn list(
    access: Access,
    uri: axum::http::Uri,
    Query(filter): Query<SessionFilter>,
) -> Result<Response, Problem> {
    let page = access.store.session_list(&filter).await?;
    let link = page.next.map(|next| link(&uri, &[("cursor", &next.to_string())], "next"));
    let body = SessionsJson {
        sessions: page.sessions.into_iter().map(SessionJson::from).collect(),
        next: page.next,
    };
    let mut response = Json(body).into_response();
    response.headers_mut().extend(link.into_iter().map(|link| (header::LINK, link)));
    Ok(response)
}

/// A `Link` to the same address with these parameters in place of the ones of their names.
pub(crate) fn link(uri: &axum::http::Uri, with: &[(&str, &str)], rel: &str) -> axum::http::HeaderValue {
    let pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or("")).unwrap_or_default();
    let kept = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let kept = kept.filter(|(name, _)| with.iter().all(|(new, _)| new != name));
    let pairs: Vec<(&str, &str)> = kept.chain(with.iter().copied()).collect();
    let query = serde_html_form::to_string(pairs).unwrap_or_default();
    let text = format!("<{}?{query}>; rel=\"{rel}\"", uri.path());
    axum::http::HeaderValue::try_from(text).unwrap_or_else(|_| axum::http::HeaderValue::from_static(""))
}

/// Which session to open, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// Its key: as text, or its five parts.
    #[schema(value_type = String, example = "main:cli::dm:ann")]
    key: SessionKey,
    /// Its family; `chat` if it is a new session and nothing is said.
    family: Option<String>,
    /// The status of a new session; `active` if nothing is said.
    status: Option<String>,
    /// The metadata of a new session, an object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Text>,
}

/// Opens a session, or finds it: 201 if it is new, 200 if it was there, which changes nothing.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = NewSession,
    responses((status = 200, description = "it was there", body = SessionJson),
              (status = 201, description = "it was opened", body = SessionJson)))]
pub(crate) async fn open(
    State(app): State<App>,
    access: Access,
    Body(Object(new)): Body<Object<NewSession>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let opening = Opening { family: new.family, status: new.status, metadata: new.metadata };
    let commit = Commit::new(new.key.clone()).write(Write::Open(opening));
    let receipt = access.store.commit_one(commit).await?;
    app.feed.written();
    let session = found(&access, &new.key).await?;
    let status = if receipt.changed { StatusCode::CREATED } else { StatusCode::OK };
    let location = location(&["v1", "sessions", &new.key.to_string()]);
    Ok((status, [(header::LOCATION, location)], answer(session)).into_response())
}

/// A session. `ETag` says in which state: it changes with every change, also with appended messages.
#[utoipa::path(get, path = "/v1/sessions/{key}", tag = "sessions", params(KeyInPath),
    responses((status = 200, body = SessionJson), (status = 304, description = "as in If-None-Match")))]
pub(crate) async fn get(
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Response, Problem> {
    let session = found(&access, &key(&text)?).await?;
    if let Some(condition) = Condition::read(&headers, &header::IF_NONE_MATCH)?
        && condition.matches(&tag(&session))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, quoted(&tag(&session)))]).into_response());
    }
    Ok(answer(session))
}

/// What of a session to change. What is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionPatch {
    /// Its new status.
    status: Option<String>,
    /// A merge patch of its metadata (RFC 7396): members replace, null removes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Text>,
    /// The count of tokens used.
    token_usage: Option<u64>,
}

/// Changes a session's status, metadata or tokens, together or not at all. With `If-Match`, only if nobody changed its state
/// since; what was appended meanwhile does not count.
#[utoipa::path(patch, path = "/v1/sessions/{key}", tag = "sessions", params(KeyInPath, Repeatable),
    request_body(content = SessionPatch, example = json!({"status": "idle", "metadata": {"title": "The weather in Rome"}})), responses((status = 200, body = SessionJson), (status = 412, body = Details)))]
pub(crate) async fn patch(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(patch)): Body<Object<SessionPatch>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let key = key(&text)?;
    let expected = expected_state(&headers)?;
    let id = idempotency_key(&headers)?;
    if id.is_some() && patch.metadata.is_some() {
        let detail = "a merge of metadata takes no Idempotency-Key: it can be sent again as it is";
        return Err(Problem::invalid(detail));
    }
    for _ in 0..MERGE_TRIES_MAX {
        let mut commit = Commit::new(key.clone());
        commit.id.clone_from(&id);
        commit.expect.extend(expected.clone());
        if let Some(metadata) = &patch.metadata {
            let session = found(&access, &key).await?;
            commit.expect.push(Expect::State(session.revision));
            commit.writes.push(Write::SetMetadata(session.metadata.merge_patch(metadata)?));
        }
        commit.writes.extend(patch.status.clone().map(Write::SetStatus));
        commit.writes.extend(patch.token_usage.map(Write::SetTokens));
        match access.store.commit_one(commit).await {
            Err(Error::Conflict { conflict: Conflict::State { .. }, .. }) if expected.is_empty() => {}
            done => {
                done.map_err(Problem::of_condition)?;
                app.feed.written();
                return Ok(answer(found(&access, &key).await?));
            }
        }
    }
    Err(Error::Busy(format!("session {key} is changed all the time")).into())
}

/// Deletes a session with all that is in it. What forks show of it stays readable through them.
#[utoipa::path(delete, path = "/v1/sessions/{key}", tag = "sessions", params(KeyInPath, Repeatable),
    responses((status = 204, description = "it is deleted")))]
pub(crate) async fn delete(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Response, Problem> {
    let key = key(&text)?;
    let mut commit = Commit::new(key.clone()).write(Write::Delete);
    commit.id = idempotency_key(&headers)?;
    commit.expect.extend(expected_state(&headers)?);
    // With a name it may be sent again when the session is gone.
    if commit.id.is_none() {
        found(&access, &key).await?;
    }
    let noted = vec![("delete", key.to_string())];
    audit::commit(&app, &access, vec![commit], noted).await.map_err(Problem::of_condition)?;
    app.feed.written();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The session, or why not.
pub(crate) async fn found(access: &Access, key: &SessionKey) -> Result<Session, Problem> {
    access.store.session(key).await?.ok_or_else(|| Problem::no_session(key))
}

fn answer(session: Session) -> Response {
    let tag = quoted(&tag(&session));
    ([(header::ETAG, tag)], Json(SessionJson::from(session))).into_response()
}

/// The revision, and what else may change; and which session it is, if another had the key before.
fn tag(session: &Session) -> String {
    format!("{}.{}.{}.{}", session.revision, session.head, session.token_usage, session.log.0)
}

pub(crate) fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}
