//! Many sessions read at once, with their documents and messages, all as they were at one moment.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sessiondb::{Parts, PartsPage, SessionFilter, SessionKey, SessionParts};
use utoipa::ToSchema;

use crate::{
    access::Access,
    problem::Problem,
    request::{Body, Object},
};

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
