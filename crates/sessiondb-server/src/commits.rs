//! Commits: several changes of several sessions, all or none.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use sessiondb::{Commit, Receipt, SessionKey, Write};

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
    for commit in &commits {
        for write in &commit.writes {
            access.must(right_to(write, &commit.key))?;
            if matches!(write, Write::Fork(_)) {
                access.must(Right::Read)?;
            }
        }
    }
    let noted = noted(&commits);
    let receipts = audit::commit(&app, &access, commits, noted).await?;
    app.feed.written();
    Ok(Json(receipts).into_response())
}

/// What of these is noted: which session is deleted or put in from an archive.
fn noted(commits: &[Commit]) -> Vec<(&'static str, String)> {
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
fn right_to(write: &Write, key: &SessionKey) -> Right {
    match write {
        // What is opened there is state.
        Write::Open(_) if key.is_of_scope() => Right::State,
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
