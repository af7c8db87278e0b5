//! [`Imported`]: what the store notes of what was imported, as documents beside it.

use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Document, Expect, Json, NewDocument, Parts, SessionFilter, SessionKey, SessionOrder, Store,
    Write, limits, time,
};

use crate::{
    RepositoryError,
    layout::{AGENT, CHANNEL, WORKSPACE, workspace_key},
    writes,
};

/// The collection of the documents that say what was imported, and the one document in it: of a session what was
/// imported of it, of a workspace what was imported of its file.
pub(crate) const IMPORT: &str = "import";
pub(crate) const FILE: &str = "file";

/// Of a session: what was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Imported {
    /// The directory that it came from.
    pub directory: String,
    /// The record's digest.
    pub digest: String,
}

/// Of a workspace: what was imported of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportedFile {
    /// The directory that it is in.
    pub directory: String,
    /// The digest of its bytes; `None` if there was no file.
    pub digest: Option<String>,
    /// What kept the store from having all that the file has.
    pub problems: Vec<String>,
}

/// Notes it, of the session or the workspace of the commit.
///
/// # Errors
/// None that can happen.
pub(crate) fn document(body: &impl Serialize) -> Result<Write, RepositoryError> {
    Ok(Write::PutDocument(NewDocument::new(IMPORT, FILE, Json::from_value(body)?)))
}

/// What a document says.
///
/// # Errors
/// [`RepositoryError::Database`] with an [`Undecodable`](sessiondb::Error::Undecodable) that names it.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(
    key: &SessionKey,
    document: &Document,
) -> Result<T, RepositoryError> {
    document.body.read().map_err(|error| {
        RepositoryError::Database(sessiondb::Error::Undecodable {
            row: format!("session {key}: document {}/{}", document.collection, document.id),
            reason: error.to_string(),
        })
    })
}

/// Notes what was imported of a workspace's file, unless somebody else did since.
pub(crate) fn file_commit(hash: &str, file: &ImportedFile, revision: u64) -> Result<Commit, RepositoryError> {
    let expect = Expect::Document { collection: IMPORT.into(), id: FILE.into(), revision };
    Ok(on_workspace(hash, revision > 0)?.expect(expect).write(document(file)?))
}

/// A commit on a workspace, which it opens if it is not known to be there.
pub(crate) fn on_workspace(hash: &str, is_there: bool) -> Result<Commit, RepositoryError> {
    match is_there {
        true => Ok(Commit::new(workspace_key(hash))),
        false => writes::access(hash, time::now()),
    }
}

/// The workspaces of which something was imported from this directory.
pub(crate) async fn imported_workspaces(
    store: &Store,
    directory: &str,
) -> Result<Vec<String>, RepositoryError> {
    let mut found = Vec::new();
    for (hash, documents) in workspaces(store, IMPORT).await? {
        for document in documents {
            let imported: ImportedFile = read(&workspace_key(&hash), &document)?;
            if imported.directory == directory {
                found.push(hash.clone());
            }
        }
    }
    Ok(found)
}

/// All workspaces, with their documents of this collection.
pub(crate) async fn workspaces(
    store: &Store,
    collection: &str,
) -> Result<Vec<(String, Vec<Document>)>, RepositoryError> {
    let mut filter = SessionFilter { peer_kind: Some(WORKSPACE.into()), ..ours(None) };
    let mut found = Vec::new();
    loop {
        let page = store.session_list_parts(&filter, &Parts::documents([collection])).await?;
        found.extend(page.sessions.into_iter().map(|parts| (parts.session.key.peer_id, parts.documents)));
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Everything of this workspace or of all, in the order that stands still while sessions change.
pub(crate) fn ours(workspace: Option<&str>) -> SessionFilter {
    SessionFilter {
        agent_id: Some(AGENT.into()),
        channel: Some(CHANNEL.into()),
        account_id: workspace.map(str::to_owned),
        order: SessionOrder::CreatedOldest,
        limit: limits::PAGE_MAX,
        ..SessionFilter::default()
    }
}
