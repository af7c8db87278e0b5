//! The audit log: who deleted what, made and revoked which token, put archives in; and which tokens were refused.
//!
//! It is the session `~system:audit:::`, which no token can write or delete. A line is written in the transaction of what it is
//! about, so that there is never one without the other. What is no single transaction (an import, an export, what the families'
//! own routes delete) has its line before it begins, and one that then failed has one too.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sessiondb::{
    Commit, Error, Json as Text, MessagePage, NewMessage, Receipt, Result, SYSTEM, SessionKey, Window, Write,
};
use utoipa::IntoParams;

use crate::{
    access::{Access, Sender},
    app::App,
    problem::Problem,
    request::Query,
    sessions::limit_default,
    tokens::Refused,
};

fn key() -> SessionKey {
    SessionKey::new(SYSTEM, "audit", "", "", "")
}

/// Notes that this caller is about to do this to that.
pub(crate) async fn note(
    app: &App,
    access: &Access,
    action: &'static str,
    object: &str,
) -> Result<(), Problem> {
    app.store.system()?.commit_one(line(access, vec![(action, object.to_owned())])?).await?;
    Ok(())
}

/// Makes this caller's commits, and notes what they do, all or none.
pub(crate) async fn commit(
    app: &App,
    access: &Access,
    commits: Vec<Commit>,
    things: Vec<(&'static str, String)>,
) -> Result<Vec<Receipt>> {
    if things.is_empty() {
        return access.store.commit(commits).await;
    }
    let note = line(access, things)?;
    let receipts = app.store.system()?.commit_beside(&access.store, commits, vec![note]).await?;
    tracing::info!(token = %access.caller.token, commits = receipts.len(), "something was deleted or put in: see the audit log");
    Ok(receipts)
}

/// Sessions that are named in one line.
const OBJECTS_MAX: usize = 1_000;

/// The commit that notes these things.
pub(crate) fn line(access: &Access, things: Vec<(&'static str, String)>) -> Result<Commit> {
    let mut lines = Vec::new();
    for action in things.chunk_by(|one, next| one.0 == next.0) {
        for some in action.chunks(OBJECTS_MAX) {
            let mut line = begin(&access.caller.token, some[0].0, &access.sender);
            match some {
                [(_, object)] => line["object"] = object.as_str().into(),
                several => line["objects"] = several.iter().map(|(_, object)| object.as_str()).collect(),
            }
            lines.push(NewMessage::new("audit", Text::from_value(&line)?));
        }
    }
    Ok(Commit::new(key()).write(Write::open()).write(Write::Append(lines)))
}

/// Who it was, what it was, and where it came from.
fn begin(token: &str, action: &str, sender: &Sender) -> serde_json::Value {
    let mut line = serde_json::json!({ "token": token, "action": action });
    if let Some(address) = sender.address {
        line["address"] = address.to_string().into();
    }
    if let Some(request) = &sender.request {
        line["request"] = request.text().into();
    }
    line
}

/// Notes that this token was shown and not accepted. Of tokens that there never were nothing is noted, since anybody can make
/// them up. Where it cannot be noted the token is refused all the same.
pub(crate) async fn note_refused(app: &App, token: &str, why: Refused, sender: &Sender) {
    let mut line = begin(token, "refused", sender);
    line["why"] = match why {
        Refused::Unknown => "unknown",
        Refused::WrongSecret => "another secret",
        Refused::Expired => "expired",
        Refused::Revoked => "revoked",
    }
    .into();
    let noted = async {
        let line = NewMessage::new("audit", Text::from_value(&line)?);
        let commit = Commit::new(key()).write(Write::open()).write(Write::Append(vec![line]));
        app.store.system()?.commit_one(commit).await
    };
    if let Err(error) = noted.await {
        tracing::error!(%error, token, ?why, "a token was refused, which could not be noted");
    }
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Those after this number; without one, the newest.
    after: Option<u64>,
    /// How many at most.
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// Who deleted what, made and revoked which token, put archives in, and which known tokens were refused. A line is a message: its
/// content has the token's id, the action, what it was about (`object`, or `objects` of one request; of a token that was refused, `why`), and where
/// it came from: `address`, and the id of the `request`.
#[utoipa::path(get, path = "/v1/audit", tag = "admin", params(Which), responses((status = 200, body = MessagePage)))]
pub(crate) async fn list(
    State(app): State<App>,
    access: Access,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    access.must_see_all()?;
    let window = match which.after {
        Some(seq) => Window::After { seq, limit: which.limit },
        None => Window::Last { limit: which.limit },
    };
    let page = match app.store.system()?.message_window(&key(), window).await {
        // Nothing was noted yet.
        Err(Error::NotFound(_)) => MessagePage::new(Vec::new(), false, false, false),
        page => page?,
    };
    Ok(Json(page).into_response())
}
