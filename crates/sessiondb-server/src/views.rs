//! What a session shows: compacted, rewound, forked, and all of it taken back. No message is ever destroyed by these.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Expect, Fork, Json as Text, Lineage, Message, NewMessage, Receipt, SessionKey, ViewChange,
    Window, Write, limits,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::Access,
    app::App,
    problem::Problem,
    request::{
        Body, BodyOr, KeyInPath, Messages, Named, Object, Query, Repeatable, expected_state, idempotency_key,
        key, location,
    },
    right::Right,
    sessions::{SessionJson, found},
};

/// What to hide, and what to show in its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compaction {
    /// About how many of the newest messages to keep. This, or `through`.
    #[schema(maximum = 1000)]
    keep: Option<usize>,
    /// The last message to hide: the last one that the summary is of.
    through: Option<u64>,
    /// What stands in the place of what is hidden: a message, or an array of them. Without, what is hidden is hidden.
    #[schema(value_type = Option<NewMessage>)]
    summary: Option<Messages>,
}

/// Hides the older messages behind a summary. Less is hidden where a tool call would be cut from its result.
#[utoipa::path(post, path = "/v1/sessions/{key}/compact", tag = "views", params(KeyInPath, Repeatable),
    request_body(content = Compaction, example = json!({"keep": 20, "summary": {"role": "system", "content": "They spoke of the weather."}})),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn compact(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(new)): Body<Object<Compaction>>,
) -> Result<Json<Receipt>, Problem> {
    let key = key(&text)?;
    let through = match (new.through, new.keep) {
        (Some(through), None) => through,
        (None, Some(_)) if idempotency_key(&headers)?.is_some() => {
            let detail = "what 'keep' hides is another thing when it is sent again: with an Idempotency-Key name 'through'";
            return Err(Problem::invalid(detail));
        }
        (None, Some(keep)) => match access.store.compact_through(&key, keep).await? {
            Some(through) => through,
            None => {
                let revision = found(&access, &key).await?.revision;
                return Ok(Json(Receipt {
                    key,
                    revision,
                    seqs: Vec::new(),
                    changed: false,
                    replayed: false,
                }));
            }
        },
        _ => return Err(Problem::invalid("a compaction names either 'keep' or 'through'")),
    };
    let write =
        Write::Compact { through, summary: new.summary.map_or_else(Vec::new, |Messages(summary)| summary) };
    commit(&app, &access, &headers, Commit::new(key).write(write)).await
}

/// Shows again what the last compaction hid.
#[utoipa::path(post, path = "/v1/sessions/{key}/uncompact", tag = "views", params(KeyInPath, Repeatable),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn uncompact(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Json<Receipt>, Problem> {
    commit(&app, &access, &headers, Commit::new(key(&text)?).write(Write::Uncompact)).await
}

/// Hides all messages: the session begins anew, and its numbers go on.
#[utoipa::path(post, path = "/v1/sessions/{key}/reset", tag = "views", params(KeyInPath, Repeatable),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn reset(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Json<Receipt>, Problem> {
    commit(&app, &access, &headers, Commit::new(key(&text)?).write(Write::Rewind { seq: 0 })).await
}

/// Takes back the last change of what the session shows. Once more takes back the one before.
#[utoipa::path(post, path = "/v1/sessions/{key}/undo", tag = "views", params(KeyInPath, Repeatable),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn undo(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
) -> Result<Json<Receipt>, Problem> {
    commit(&app, &access, &headers, Commit::new(key(&text)?).write(Write::Undo)).await
}

/// Where to go back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewinding {
    /// The last message to show; 0 for none.
    #[schema(example = 1)]
    seq: u64,
}

/// Hides the messages after one.
#[utoipa::path(post, path = "/v1/sessions/{key}/rewind", tag = "views", params(KeyInPath, Repeatable),
    request_body = Rewinding, responses((status = 200, body = Receipt)))]
pub(crate) async fn rewind(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(to)): Body<Object<Rewinding>>,
) -> Result<Json<Receipt>, Problem> {
    commit(&app, &access, &headers, Commit::new(key(&text)?).write(Write::Rewind { seq: to.seq })).await
}

/// How many to hide.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Popping {
    /// How many of the newest messages.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    count: usize,
}

fn one() -> usize {
    1
}

impl Default for Popping {
    fn default() -> Popping {
        Popping { count: one() }
    }
}

/// What was popped.
#[derive(Serialize, ToSchema)]
pub(crate) struct Popped {
    /// The messages, the oldest first.
    messages: Vec<Message>,
}

/// Hides the newest message, or as many as `count` says, and answers them. Callers that pop at the same time get others.
#[utoipa::path(post, path = "/v1/sessions/{key}/pop", tag = "views", params(KeyInPath, Repeatable),
    request_body(content = Option<Popping>), responses((status = 200, body = Popped)))]
pub(crate) async fn pop(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    BodyOr(Object(popping)): BodyOr<Object<Popping>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let key = key(&text)?;
    let pop = Commit::new(key.clone()).write(Write::Pop { count: popping.count });
    let Json(receipt) = commit(&app, &access, &headers, pop).await?;
    let mut messages = Vec::new();
    for seq in receipt.seqs {
        messages
            .extend(access.store.message_window(&key, Window::log(seq.saturating_sub(1), 1)).await?.messages);
    }
    Ok(Json(Popped { messages }).into_response())
}

/// What to put in the place of what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replacement {
    /// The numbers of the newest messages, the oldest of them first, as they must be now.
    #[schema(example = json!([2]))]
    expected: Vec<u64>,
    /// What stands in their place.
    #[schema(value_type = Vec<NewMessage>)]
    messages: Messages,
}

/// Puts other messages in the place of the newest ones, if the session still ends with those.
#[utoipa::path(post, path = "/v1/sessions/{key}/replace-suffix", tag = "views", params(KeyInPath, Repeatable),
    request_body(content = Replacement, example = json!({"expected": [2], "messages": [{"role": "assistant", "content": "It rains."}]})),
    responses((status = 200, body = Receipt)))]
pub(crate) async fn replace_suffix(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(new)): Body<Object<Replacement>>,
) -> Result<Json<Receipt>, Problem> {
    let count = new.expected.len();
    let replace = Commit::new(key(&text)?)
        .expect(Expect::Tail(new.expected))
        .write(Write::Pop { count })
        .write(Write::Append(new.messages.0));
    commit(&app, &access, &headers, replace).await
}

/// Closes tool calls that have no result, and hides results whose call is not shown, so that a model accepts the history
/// again. Answers the numbers of the messages that it appended.
#[utoipa::path(post, path = "/v1/sessions/{key}/repair", tag = "views", params(KeyInPath),
    responses((status = 200, body = Vec<u64>)))]
pub(crate) async fn repair(
    State(app): State<App>,
    access: Access,
    Named(text): Named<String>,
) -> Result<Response, Problem> {
    let seqs = access.store.repair(&key(&text)?).await?;
    app.feed.written();
    Ok(Json(seqs).into_response())
}

/// What a session is to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stretches {
    /// Stretches of message numbers, the first and the last of each, in the order in which they are read.
    #[schema(example = json!([[1, 1]]))]
    view: Vec<(u64, u64)>,
}

/// Sets what a session shows as a whole.
#[utoipa::path(put, path = "/v1/sessions/{key}/view", tag = "views", params(KeyInPath, Repeatable),
    request_body = Stretches, responses((status = 200, body = Receipt)))]
pub(crate) async fn set(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(new)): Body<Object<Stretches>>,
) -> Result<Json<Receipt>, Problem> {
    commit(&app, &access, &headers, Commit::new(key(&text)?).write(Write::SetView(new.view))).await
}

/// How to fork.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFork {
    /// The key of the new session.
    #[schema(value_type = String, example = "main:cli::dm:ann-2")]
    key: SessionKey,
    /// The last message that it shows; all if nothing is said, 0 for none.
    at: Option<u64>,
    /// Its status; the parent's if nothing is said.
    status: Option<String>,
    /// Its metadata; the parent's if nothing is said.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Text>,
}

/// Makes a new session that shows the same history. Nothing is copied, however long it is.
#[utoipa::path(post, path = "/v1/sessions/{key}/fork", tag = "views", params(KeyInPath, Repeatable),
    request_body = NewFork, responses((status = 201, body = SessionJson)))]
pub(crate) async fn fork(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named(text): Named<String>,
    Body(Object(new)): Body<Object<NewFork>>,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let fork = Fork { parent: key(&text)?, at: new.at, status: new.status, metadata: new.metadata };
    let mut commit = Commit::new(new.key.clone()).write(Write::Fork(fork));
    commit.id = idempotency_key(&headers)?;
    access.store.commit_one(commit).await?;
    app.feed.written();
    let location = location(&["v1", "sessions", &new.key.to_string()]);
    let session = found(&access, &new.key).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(SessionJson::from(session)))
        .into_response())
}

/// Where a session's history comes from, and who reads it.
#[utoipa::path(get, path = "/v1/sessions/{key}/lineage", tag = "views", params(KeyInPath),
    responses((status = 200, body = Lineage)))]
pub(crate) async fn lineage(access: Access, Named(text): Named<String>) -> Result<Response, Problem> {
    Ok(Json(access.store.lineage(&key(&text)?).await?).into_response())
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Before {
    /// Only changes before this revision.
    before: Option<u64>,
    /// How many at most.
    #[serde(default = "crate::sessions::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// How what a session shows was changed, the newest change first.
#[utoipa::path(get, path = "/v1/sessions/{key}/view-changes", tag = "views",
    params(KeyInPath, Before), responses((status = 200, body = Vec<ViewChange>)))]
pub(crate) async fn changes(
    access: Access,
    Named(text): Named<String>,
    Query(which): Query<Before>,
) -> Result<Response, Problem> {
    if which.before.is_some_and(|before| before > limits::COUNT_MAX) {
        return Err(Problem::invalid("a revision has at most 63 bits"));
    }
    Ok(Json(access.store.view_changes(&key(&text)?, which.before, which.limit).await?).into_response())
}

/// Makes the commit, with what the headers name and expect.
async fn commit(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    mut commit: Commit,
) -> Result<Json<Receipt>, Problem> {
    commit.id = idempotency_key(headers)?;
    commit.expect.extend(expected_state(headers)?);
    let receipt = access.store.commit_one(commit).await.map_err(Problem::of_condition)?;
    app.feed.written();
    Ok(Json(receipt))
}
