//! The store as a whole, and its tokens: for who has the right `admin`.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sessiondb::{CheckReport, Scope, Status, Time, time};
use utoipa::ToSchema;

use crate::{
    access::Access,
    app::App,
    audit,
    problem::{Kind, Problem},
    request::{Body, Named, Object},
    right::Right,
    tokens::{NewToken, TokenInfo, Tokens},
};

/// Looks at everything in the store: recounts, re-reads, compares checksums. It takes as long as reading the store.
#[utoipa::path(post, path = "/v1/check", tag = "admin", responses((status = 200, body = CheckReport)))]
pub(crate) async fn check(access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    Ok(Json(access.store.check().await?).into_response())
}

/// How the store does: its size, what waits to be written, how far the index of words is behind.
#[utoipa::path(get, path = "/v1/status", tag = "admin", responses((status = 200, body = Status)))]
pub(crate) async fn status(access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    Ok(Json(access.store.status().await?).into_response())
}

/// How much was given back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Freed {
    /// In bytes.
    freed: u64,
}

/// Gives space that deleted sessions left back to the file system.
#[utoipa::path(post, path = "/v1/optimize", tag = "admin", responses((status = 200, body = Freed)))]
pub(crate) async fn optimize(access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    Ok(Json(Freed { freed: access.store.optimize().await? }).into_response())
}

/// What a token is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// What it is for, in words.
    #[schema(example = "the Slack bot", max_length = 200)]
    name: String,
    /// What it may do; none of these rights includes another.
    #[schema(example = json!(["read", "append"]))]
    rights: Vec<Right>,
    /// The leading parts of the keys that it may see: `support:slack:*`; `*` for everything.
    #[serde(default = "everything")]
    #[schema(example = "support:*")]
    scope: String,
    /// After how many days it ends; 0 for never.
    /// Without, after 90, or with the token that makes it if that is sooner.
    #[schema(example = 90, maximum = 36500)]
    days: Option<u32>,
}

fn everything() -> String {
    "*".into()
}

/// A new token, whose text is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Made {
    /// What to send as `Authorization: Bearer …`. It is not stored and cannot be shown again.
    token: String,
    #[serde(flatten)]
    info: TokenInfo,
}

fn tokens(app: &App) -> Result<&Tokens, Problem> {
    let detail = "this server asks for no tokens";
    app.tokens.as_ref().ok_or_else(|| Problem::new(Kind::NoSuchRoute, detail))
}

/// Makes a token. It may do and see no more than the one that makes it, and for no longer.
#[utoipa::path(post, path = "/v1/tokens", tag = "admin", request_body = Asked, responses((status = 201, body = Made)))]
pub(crate) async fn create(
    State(app): State<App>,
    access: Access,
    Body(Object(asked)): Body<Object<Asked>>,
) -> Result<Response, Problem> {
    if asked.name.is_empty() || asked.name.len() > 200 {
        return Err(Problem::invalid("a token's name has 1 to 200 bytes"));
    }
    for right in &asked.rights {
        access.must(*right)?;
    }
    let scope: Scope = asked.scope.parse()?;
    // Nothing outside the maker's own.
    access.store.scoped(scope.clone())?;
    let new = NewToken {
        name: asked.name,
        rights: asked.rights.into_iter().collect(),
        scope,
        expires_at: end(asked.days, access.caller.expires_at)?,
    };
    let note = audit::line(&access, vec![("make a token", format!("{} for {}", new.name, new.scope))])?;
    let (token, info) = tokens(&app)?.create_noted(new, Some(note)).await?;
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(Made { token: token.reveal(), info })).into_response())
}

/// All tokens, without their secrets.
#[utoipa::path(get, path = "/v1/tokens", tag = "admin", responses((status = 200, body = Vec<TokenInfo>)))]
pub(crate) async fn list(State(app): State<App>, access: Access) -> Result<Response, Problem> {
    access.must_see_all()?;
    Ok(Json(tokens(&app)?.list().await?).into_response())
}

/// Revokes a token. It ends at once here, and within seconds at every server of the store.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "admin", params(("id" = String, Path, example = "4vJ8cQ2LrTz0")),
    responses((status = 200, body = TokenInfo)))]
pub(crate) async fn revoke(
    State(app): State<App>,
    access: Access,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    access.must_see_all()?;
    let note = audit::line(&access, vec![("revoke a token", id.clone())])?;
    let revoked = tokens(&app)?.revoke_noted(&id, Some(note)).await?;
    let info = revoked
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("there is no token {}", id.escape_debug())))?;
    Ok(Json(info).into_response())
}

/// When a token ends that was asked for so many days by one that ends then.
fn end(days: Option<u32>, makers: Option<Time>) -> Result<Option<Time>, Problem> {
    let end = after_days(days.unwrap_or(90))?;
    let outlives = makers.is_some_and(|makers| end.is_none_or(|end| end > makers));
    match (outlives, days) {
        (false, _) => Ok(end),
        (true, None) => Ok(makers),
        (true, Some(_)) => {
            Err(Problem::new(Kind::Forbidden, "the token would outlive the one that makes it")
                .hint("ask for fewer days, or leave them out: then it ends with its maker"))
        }
    }
}

/// When so many days are over; `None` for 0.
pub(crate) fn after_days(days: u32) -> Result<Option<Time>, Problem> {
    match days {
        0 => Ok(None),
        1..=36_500 => Ok(Some(time::now() + TimeDelta::days(days.into()))),
        _ => Err(Problem::invalid("a token ends after 1 to 36,500 days, or never (0)")),
    }
}
