//! Documents: small keyed values beside a session's messages.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Document, DocumentFilter, Error, Expect, Json as Text, NewDocument, SessionKey, Write,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    access::Access,
    app::App,
    problem::{Details, Kind, Problem},
    request::{Body, Condition, KeyInPath, Named, Query, Repeatable, idempotency_key, key},
    right::Right,
    sessions::{found, limit_default, link, quoted},
};

/// A page of documents.
#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentsJson {
    pub documents: Vec<Document>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next: Option<String>,
}

/// Which documents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this collection.
    collection: Option<String>,
    /// The `next` of the page before, asked with the same filter.
    cursor: Option<String>,
    /// How many at most.
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// A session's documents, by collection and id, a page at a time.
#[utoipa::path(get, path = "/v1/sessions/{key}/documents", tag = "documents",
    params(KeyInPath, Filter), responses((status = 200, body = DocumentsJson)))]
pub(crate) async fn list(
    access: Access,
    uri: Uri,
    Named(text): Named<String>,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let after = filter.cursor.as_deref().map(|cursor| {
        let place: Result<(String, String), _> = serde_json::from_str(cursor);
        place.map_err(|_| Problem::invalid("the cursor is not the 'next' of a page"))
    });
    let filter =
        DocumentFilter { collection: filter.collection, after: after.transpose()?, limit: filter.limit };
    let page = access.store.document_list(&key(&text)?, &filter).await?;
    let next = page.next.and_then(|place| serde_json::to_string(&place).ok());
    let link = next.as_deref().map(|next| link(&uri, &[("cursor", next)], "next"));
    let mut response = Json(DocumentsJson { documents: page.documents, next }).into_response();
    response.headers_mut().extend(link.into_iter().map(|link| (header::LINK, link)));
    Ok(response)
}

type Address = (String, String, String);

/// A document. `ETag` is its revision.
#[utoipa::path(get, path = "/v1/sessions/{key}/documents/{collection}/{id}", tag = "documents",
    params(KeyInPath, ("collection" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "notes"), ("id" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "todo")),
    responses((status = 200, body = Document), (status = 304, description = "as in If-None-Match")))]
pub(crate) async fn get(
    access: Access,
    headers: HeaderMap,
    Named((text, collection, id)): Named<Address>,
) -> Result<Response, Problem> {
    answer(&access, &headers, &key(&text)?, &collection, &id).await
}

/// The document under this name, if there is one.
pub(crate) async fn answer(
    access: &Access,
    headers: &HeaderMap,
    key: &SessionKey,
    collection: &str,
    id: &str,
) -> Result<Response, Problem> {
    let document = stored(access, key, collection, id).await?;
    let tag = quoted(&document.revision.to_string());
    if let Some(condition) = Condition::read(headers, &header::IF_NONE_MATCH)?
        && condition.matches(&document.revision.to_string())
    {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], Json(document)).into_response())
}

async fn stored(access: &Access, key: &SessionKey, collection: &str, id: &str) -> Result<Document, Problem> {
    if let Some(document) = access.store.document(key, collection, id).await? {
        return Ok(document);
    }
    // The state of a scope needs nothing to be opened first.
    if !key.is_of_scope() {
        found(access, key).await?;
    }
    Err(missing(key, collection, id))
}

fn missing(key: &SessionKey, collection: &str, id: &str) -> Problem {
    let place = if key.is_of_scope() { "the scope of" } else { "session" };
    Problem::new(Kind::NotFound, format!("{place} {key} has no document {collection}/{id}"))
}

/// Puts a document, new or in place of the one that is there; the body is what it says. With `If-Match`, only if nobody
/// changed it since; with `If-None-Match: *`, only if there is none. The session must exist.
#[utoipa::path(put, path = "/v1/sessions/{key}/documents/{collection}/{id}", tag = "documents",
    params(KeyInPath, Repeatable, ("collection" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "notes"), ("id" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "todo")),
    request_body(content = Text, content_type = "application/json", example = json!({"done": false})),
    responses((status = 200, body = Document), (status = 204, description = "done, and removed by somebody since"), (status = 412, body = Details)))]
pub(crate) async fn put(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, collection, id)): Named<Address>,
    Body(body): Body<Text>,
) -> Result<Response, Problem> {
    let write = Write::PutDocument(NewDocument::new(collection.clone(), id.clone(), body));
    change(&app, &access, &headers, Commit::new(key(&text)?).write(write), &collection, &id).await
}

/// Changes a document by a merge patch (RFC 7396): members replace, null removes. One that is not there is made of the patch.
#[utoipa::path(patch, path = "/v1/sessions/{key}/documents/{collection}/{id}", tag = "documents",
    params(KeyInPath, Repeatable, ("collection" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "notes"), ("id" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "todo")),
    request_body(content = Text, content_type = "application/json", example = json!({"done": true})),
    responses((status = 200, body = Document), (status = 204, description = "done, and removed by somebody since"), (status = 412, body = Details)))]
pub(crate) async fn patch(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, collection, id)): Named<Address>,
    Body(patch): Body<Text>,
) -> Result<Response, Problem> {
    let write = Write::PatchDocument { collection: collection.clone(), id: id.clone(), patch };
    change(&app, &access, &headers, Commit::new(key(&text)?).write(write), &collection, &id).await
}

/// Makes a commit that changes one document, under the conditions in the headers, and answers with the document.
pub(crate) async fn change(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    mut commit: Commit,
    collection: &str,
    id: &str,
) -> Result<Response, Problem> {
    access.must(Right::Read)?;
    let key = commit.key.clone();
    commit.id = idempotency_key(headers)?;
    commit.expect.extend(expected(headers, collection, id)?);
    let receipt = access.store.commit_one(commit).await.map_err(Problem::of_condition)?;
    app.feed.written();
    // Somebody else may have changed or removed it since: then this is no tag of what was written here.
    match access.store.document(&key, collection, id).await? {
        None => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(document) if document.revision != receipt.revision => Ok(Json(document).into_response()),
        Some(document) => {
            Ok(([(header::ETAG, quoted(&document.revision.to_string()))], Json(document)).into_response())
        }
    }
}

/// Removes a document. With `If-Match`, only if nobody changed it since.
#[utoipa::path(delete, path = "/v1/sessions/{key}/documents/{collection}/{id}", tag = "documents",
    params(KeyInPath, Repeatable, ("collection" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "notes"), ("id" = String, Path, min_length = 1, max_length = 512, pattern = "^[^/]+$", example = "todo")),
    responses((status = 204, description = "it is removed"), (status = 412, body = Details)))]
pub(crate) async fn remove(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Named((text, collection, id)): Named<Address>,
) -> Result<StatusCode, Problem> {
    take_out(&app, &access, &headers, key(&text)?, &collection, &id).await
}

/// Removes a document, under the conditions in the headers.
pub(crate) async fn take_out(
    app: &App,
    access: &Access,
    headers: &HeaderMap,
    key: SessionKey,
    collection: &str,
    id: &str,
) -> Result<StatusCode, Problem> {
    let write = Write::RemoveDocument { collection: collection.into(), id: id.into() };
    let mut commit = Commit::new(key.clone()).write(write);
    commit.id = idempotency_key(headers)?;
    commit.expect.extend(expected(headers, collection, id)?);
    match access.store.commit_one(commit).await {
        Err(Error::NotFound(_)) if key.is_of_scope() => return Err(missing(&key, collection, id)),
        Err(error) => return Err(Problem::of_condition(error)),
        Ok(receipt) if !receipt.changed => return Err(missing(&key, collection, id)),
        Ok(_) => {}
    }
    app.feed.written();
    Ok(StatusCode::NO_CONTENT)
}

/// What the headers expect of the document.
fn expected(headers: &HeaderMap, collection: &str, id: &str) -> Result<Option<Expect>, Problem> {
    let expect = |revision| Expect::Document { collection: collection.into(), id: id.into(), revision };
    let absent = match Condition::read(headers, &header::IF_NONE_MATCH)? {
        None => None,
        Some(Condition::Any) => Some(expect(0)),
        Some(Condition::Tags(_)) => {
            return Err(Problem::invalid("a write takes If-None-Match only as '*': if there is no document"));
        }
    };
    match Condition::read(headers, &header::IF_MATCH)? {
        None => Ok(absent),
        Some(_) if absent.is_some() => {
            Err(Problem::invalid("If-Match and If-None-Match contradict each other"))
        }
        Some(Condition::Any) => {
            Err(Problem::invalid("If-Match names the ETag of a document here, and not '*'"))
        }
        Some(Condition::Tags(tags)) => match tags.as_slice() {
            [tag] => match tag.parse() {
                Ok(revision) => Ok(Some(expect(revision))),
                Err(_) => Err(Problem::invalid(format!(
                    "If-Match has \"{}\", which is no ETag of a document",
                    tag.escape_debug()
                ))),
            },
            _ => Err(Problem::invalid("If-Match names several tags; a write is about one document")),
        },
    }
}
