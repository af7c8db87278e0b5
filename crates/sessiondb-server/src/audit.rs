//! The audit log: who deleted what, made and revoked which token, put archives in.
//!
//! It is the session `~system:audit:::`, which no token can write or delete. A line is written, durably, before the thing is
//! done: so nothing of this kind is done without one, and one that then failed has a line too.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sessiondb::{Error, Json as Text, MessagePage, NewMessage, SYSTEM, SessionKey, Window};
use utoipa::IntoParams;

use crate::{access::Access, app::App, problem::Problem, request::Query, sessions::limit_default};

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
    note_all(app, access, vec![(action, object.to_owned())]).await
}

/// Notes several things at once.
pub(crate) async fn note_all(
    app: &App,
    access: &Access,
    things: Vec<(&'static str, String)>,
) -> Result<(), Problem> {
    let mut lines = Vec::new();
    for (action, object) in things {
        tracing::info!(token = %access.caller.token, action, object, "audit");
        let line = serde_json::json!({ "token": &*access.caller.token, "action": action, "object": object });
        lines.push(NewMessage::new("audit", Text::from_value(&line)?));
    }
    app.store.system()?.append(&key(), lines).await?;
    Ok(())
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

/// Who deleted what, made and revoked which token, put archives in. A line is a message: its content has the token's id, the
/// action, and what it was about.
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
