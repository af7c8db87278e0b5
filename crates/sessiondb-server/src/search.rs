//! Searching what was said.

use axum::{
    Json,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use sessiondb::{HitPage, Search};

use crate::{access::Access, problem::Problem, request::Query, sessions::link};

/// Messages that say this, in whichever session, the last stored first. All words must be in a message, in any order; words in
/// quotes stand together, and `comp*` is how a word begins. A page may have fewer messages than were asked for, or none, although
/// there are more: `next` says so, and `Link` has the address of the next page.
#[utoipa::path(get, path = "/v1/search", tag = "messages", params(Search), responses((status = 200, body = HitPage)))]
pub(crate) async fn find(
    access: Access,
    uri: Uri,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let page = access.store.search(&search).await?;
    let next = page.next.map(|next| link(&uri, &[("cursor", &next.to_string())], "next"));
    let mut response = Json(page).into_response();
    response.headers_mut().extend(next.into_iter().map(|link| (header::LINK, link)));
    Ok(response)
}
