//! [`Mirror`]: from the store to AIT42's files, where the store is the authority.
//!
//! With each change the workspace notes, in the same atomic call, that its file is behind. Then the file is written from
//! the store, and the note is taken back if nobody has noted again meanwhile. So whatever happens in between, what is
//! not in a file yet is known. Many tasks share writings: whoever has the file's lock writes for all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sessiondb::{Commit, Document, Expect, Json, NewDocument, Store, Write, time};

use crate::{
    RepositoryError, SqliteSessionRepository,
    instant::instant,
    layout::workspace_key,
    migration::{
        directory::came_first,
        files::{Entry, SessionFile, SessionFiles, file_text, on_thread},
        imported::{self, on_workspace, workspaces},
    },
    record::{Record, sha256},
};

/// The collection of a workspace's documents about its file.
pub(crate) const MIRROR: &str = "mirror";
/// That the file is behind.
const PENDING: &str = "pending";
/// What the file is, as far as it was written from the store.
const FILE: &str = "file";

/// A workspace of which one side is behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The workspace.
    pub workspace_hash: String,
    /// Why it could not be brought in line; `None` if that was not tried yet.
    pub error: Option<String>,
    /// How often it was tried and failed.
    pub attempts: u64,
    /// When it was last changed, if that is known.
    pub changed_at: Option<String>,
    /// When it was last tried, if it was.
    pub tried_at: Option<String>,
}

/// The body of [`PENDING`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PendingBody {
    changed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_at: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The body of [`FILE`]: it is written before the file is, so that a writer which is killed between the two does not take
/// its own file for somebody else's.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct FileBody {
    /// The digest of the file's bytes after it is written.
    digest: Option<String>,
    /// And before.
    before: Option<String>,
}

/// Notes that the file of this workspace is behind.
///
/// # Errors
/// None that can happen.
pub(crate) fn behind(hash: &str) -> Result<Commit, RepositoryError> {
    // What is known of earlier attempts stays.
    let patch = Json::from_value(&json!({ "changedAt": time::to_text(time::now()) }))?;
    let (collection, id) = (MIRROR.into(), PENDING.into());
    Ok(on_workspace(hash, true)?.write(Write::PatchDocument { collection, id, patch }))
}

/// Notes that the file of this workspace has these bytes, and says what the store says.
///
/// # Errors
/// None that can happen.
pub(crate) fn in_line(hash: &str, digest: Option<String>) -> Result<Commit, RepositoryError> {
    Ok(on_workspace(hash, true)?.write(file_document(&FileBody { digest, before: None })?))
}

fn file_document(body: &FileBody) -> Result<Write, RepositoryError> {
    Ok(Write::PutDocument(NewDocument::new(MIRROR, FILE, Json::from_value(body)?)))
}

/// Every workspace whose file is behind the store.
pub(crate) async fn pending(store: &Store) -> Result<Vec<Pending>, RepositoryError> {
    let mut found = Vec::new();
    for (workspace_hash, documents) in workspaces(store, MIRROR).await? {
        for document in documents.iter().filter(|document| document.id == PENDING) {
            let PendingBody { changed_at, tried_at, attempts, error } =
                imported::read(&workspace_key(&workspace_hash), document)?;
            let workspace_hash = workspace_hash.clone();
            found.push(Pending { workspace_hash, error, attempts, changed_at, tried_at });
        }
    }
    Ok(found)
}

/// Which files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that are known to be behind.
    Behind,
    /// Any that are not what they would be written as.
    Differing,
    /// The same, also if somebody else wrote them: those are kept beside.
    Foreign,
}

/// Writes files from the store.
#[derive(Clone, Copy)]
pub(crate) struct Mirror<'a> {
    pub repository: &'a SqliteSessionRepository,
    pub files: &'a SessionFiles,
}

impl Mirror<'_> {
    /// Brings the file of this workspace in line with the store. Answers whether it was written. If that fails, it is
    /// noted in the store, as far as the store can note it.
    pub(crate) async fn write(&self, hash: &str, which: Which) -> Result<bool, RepositoryError> {
        let mut noted = 0;
        let written = self.try_write(hash, which, &mut noted).await;
        if let Err(error) = &written {
            // If the store cannot note it either, the note of the change is still there.
            let _ = self.note_failure(hash, noted, error).await;
        }
        written
    }

    async fn try_write(&self, hash: &str, which: Which, noted: &mut u64) -> Result<bool, RepositoryError> {
        let (store, key) = (self.repository.pool(), workspace_key(hash));
        if self.files.path(hash).is_err() && self.repository.stored_all(hash).await?.is_empty() {
            // What no file can be called needs none.
            return Ok(false);
        }
        *noted = revision(store.document(&key, MIRROR, PENDING).await?.as_ref());
        if *noted == 0 && which == Which::Behind {
            // Somebody else wrote for us.
            return Ok(false);
        }
        let _lock = on_thread({
            let (files, hash) = (self.files.clone(), hash.to_owned());
            move || files.make().and_then(|()| files.lock(&hash))
        })
        .await?;
        // What is noted from here on may not be in what is read after it.
        *noted = revision(store.document(&key, MIRROR, PENDING).await?.as_ref());
        if *noted == 0 && which == Which::Behind {
            return Ok(false);
        }
        let document = store.document(&key, MIRROR, FILE).await?;
        let is_there = document.is_some() || *noted != 0;
        let known: FileBody =
            document.map_or(Ok(FileBody::default()), |document| imported::read(&key, &document))?;
        let stored = self.repository.stored_all(hash).await?;
        let sessions = stored.into_iter().map(|stored| stored.record).collect();
        let mut next = on_thread({
            let (files, hash) = (self.files.clone(), hash.to_owned());
            move || next(&files, &hash, sessions)
        })
        .await?;
        if next.same {
            if *noted != 0 || known.digest != next.digest_before {
                self.finish(hash, *noted, (known.digest != next.digest_before).then_some(&next)).await?;
            }
            return Ok(false);
        }
        let ours = [&known.digest, &known.before].contains(&&next.digest_before);
        if next.digest_before.is_some() && !ours && which != Which::Foreign {
            return Err(RepositoryError::Validation(format!(
                "{} is not what was last written there from the store: somebody else changed it; \
                 `sessiondb ait42 mirror --overwrite` keeps theirs beside it and writes the store's",
                self.files.path(hash)?.display()
            )));
        }
        if !ours && next.bytes_before.is_some() {
            on_thread({
                let (files, hash, bytes) = (self.files.clone(), hash.to_owned(), next.bytes_before.take());
                move || files.keep_replaced(&hash, &bytes.unwrap_or_default())
            })
            .await?;
        }
        let body = FileBody { digest: Some(next.digest.clone()), before: next.digest_before.clone() };
        store.commit_one(on_workspace(hash, is_there)?.write(file_document(&body)?)).await?;
        on_thread({
            let (files, hash) = (self.files.clone(), hash.to_owned());
            move || files.write(&hash, &next.bytes)
        })
        .await?;
        self.finish(hash, *noted, None).await?;
        Ok(true)
    }

    /// Takes back the note, unless somebody has noted again; notes what the file is, if that is not known yet.
    async fn finish(&self, hash: &str, noted: u64, file: Option<&Next>) -> Result<(), RepositoryError> {
        let mut commits = Vec::new();
        if let Some(next) = file {
            commits.push(in_line(hash, next.digest_before.clone())?);
        }
        if noted != 0 {
            let (collection, id) = (MIRROR.to_owned(), PENDING.to_owned());
            let expect = Expect::Document { collection: MIRROR.into(), id: PENDING.into(), revision: noted };
            let remove = Commit::new(workspace_key(hash)).expect(expect);
            // First, since what is written before it would count the revision up.
            commits.insert(0, remove.write(Write::RemoveDocument { collection, id }));
        }
        match self.repository.pool().commit(commits).await {
            Err(error) if came_first(&error) => Ok(()),
            done => Ok(done.map(|_| ())?),
        }
    }

    async fn note_failure(
        &self,
        hash: &str,
        noted: u64,
        error: &RepositoryError,
    ) -> Result<(), RepositoryError> {
        let (store, key) = (self.repository.pool(), workspace_key(hash));
        let document = store.document(&key, MIRROR, PENDING).await?;
        // Another attempt has come to its end, or another change will try again.
        if revision(document.as_ref()) != noted {
            return Ok(());
        }
        let mut body: PendingBody =
            document.map_or(Ok(PendingBody::default()), |document| imported::read(&key, &document))?;
        body.tried_at = Some(time::to_text(time::now()));
        body.attempts += 1;
        body.error = Some(error.reason());
        let (collection, id) = (MIRROR.to_owned(), PENDING.to_owned());
        let put = Write::PutDocument(NewDocument::new(MIRROR, PENDING, Json::from_value(&body)?));
        let expect = Expect::Document { collection, id, revision: noted };
        match store.commit_one(on_workspace(hash, noted != 0)?.expect(expect).write(put)).await {
            Err(error) if came_first(&error) => Ok(()),
            done => Ok(done.map(|_| ())?),
        }
    }
}

fn revision(document: Option<&Document>) -> u64 {
    document.map_or(0, |document| document.revision)
}

/// What a file is and is to be.
struct Next {
    bytes_before: Option<Vec<u8>>,
    digest_before: Option<String>,
    bytes: Vec<u8>,
    digest: String,
    /// Whether it says the same, however that is written.
    same: bool,
}

/// The sessions in the order of the file as it is, the new ones after them, as they were created.
fn next(files: &SessionFiles, hash: &str, sessions: Vec<Record>) -> Result<Next, RepositoryError> {
    let bytes_before = files.bytes(hash)?;
    let digest_before = bytes_before.as_deref().map(sha256);
    // What cannot be read has no order.
    let file = bytes_before.as_deref().and_then(|bytes| SessionFile::parse(hash, bytes).ok());
    let mut sessions: BTreeMap<String, Record> =
        sessions.into_iter().map(|record| (record.session.id.clone(), record)).collect();
    let count = sessions.len();
    let mut same = false;
    let mut entries = Vec::with_capacity(count);
    if let Some(file) = &file {
        let ids: BTreeSet<&str> = file.records().map(|record| record.session.id.as_str()).collect();
        same = file.refused().next().is_none() && ids.len() == count;
        for old in file.records() {
            match sessions.remove(&old.session.id) {
                Some(record) => {
                    same &= record == *old;
                    entries.push(Entry::Session(Box::new(record)));
                }
                None => same = false,
            }
        }
    }
    let mut new: Vec<Record> = sessions.into_values().collect();
    new.sort_by_cached_key(|record| (instant(&record.session.created_at), record.session.id.clone()));
    entries.extend(new.into_iter().map(|record| Entry::Session(Box::new(record))));
    let bytes = file_text(&entries)?;
    // No file and no sessions is the same too.
    same |= bytes_before.is_none() && entries.is_empty();
    Ok(Next { digest: sha256(&bytes), bytes, bytes_before, digest_before, same })
}
