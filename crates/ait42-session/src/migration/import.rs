//! [`import`]: from AIT42's files to the store, as often as one likes.
//!
//! With each imported session a document keeps from which directory it came and what it was like then. So it is known
//! on both sides what changed since: what changed in the file alone is taken over, what changed in the store alone or on
//! both sides is a conflict, and left as it is unless the file is to win.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sessiondb::{Error, Parts, SessionFilter};

use crate::{
    RepositoryError, SqliteSessionRepository,
    layout::{SESSION, workspace_key},
    migration::{
        batch::Batch,
        directory::{Directory, ROUNDS_MAX, came_first, too_busy},
        files::{SessionFile, SessionFiles, on_thread},
        imported::{FILE, IMPORT, Imported, ImportedFile, file_commit, imported_workspaces, ours, read},
        mirror::Pending,
        plan::{Found, Given, Outcome, Outcomes, Step, plan},
    },
    record::{Record, sha256},
};

/// What to do with sessions that were changed in the store since they were imported, or are there without having been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Leave them as they are, and name them.
    #[default]
    Keep,
    /// Take what the file has, or has no more.
    Overwrite,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// The directory.
    pub directory: PathBuf,
    /// What came of each file, in the order of their names.
    pub files: Vec<FileVerdict>,
    /// The names of what lies there and is no session file.
    pub ignored: Vec<String>,
}

impl ImportReport {
    /// Whether the store has all that the files have.
    pub fn is_clean(&self) -> bool {
        self.files.iter().all(FileVerdict::is_clean)
    }
}

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileVerdict {
    /// The workspace, which is the file's name without `.json`.
    pub workspace_hash: String,
    /// Sessions that the store did not have.
    pub new: u64,
    /// Sessions that were otherwise in the store.
    pub changed: u64,
    /// Sessions that the store had already.
    pub unchanged: u64,
    /// Sessions that came from this file once and are not in it any more.
    pub removed: u64,
    /// Items of the file that cannot be stored. They keep no other from it.
    pub refused: Vec<LeftOut>,
    /// Sessions that differ and were left as the store has them.
    pub conflicts: Vec<LeftOut>,
    /// The ids of sessions that only the store has and that never came from this file. They stay.
    pub own: Vec<String>,
    /// Why nothing of it could be imported, if so: the file cannot be read, or what the store has of the workspace.
    pub unreadable: Option<String>,
}

impl FileVerdict {
    fn unreadable(hash: &str, reason: String) -> FileVerdict {
        let (workspace_hash, unreadable) = (hash.to_owned(), Some(reason));
        FileVerdict { workspace_hash, unreadable, ..FileVerdict::default() }
    }

    /// Whether the store has all that the file has.
    pub fn is_clean(&self) -> bool {
        self.refused.is_empty() && self.conflicts.is_empty() && self.unreadable.is_none()
    }
}

/// A session that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its id; of what has none, its position in the file.
    pub session: String,
    /// Why.
    pub reason: String,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// Files that are done.
    pub files_done: usize,
    /// Files in all.
    pub files: usize,
}

/// Imports the session files of this directory. It can be run again at any time, and killed at any time: it goes on
/// where it was. The files are only read.
///
/// Sessions that came from a file and are not in it any more are removed from the store. But a file that is gone or has
/// nothing in it, not even an empty list, may be one that is just being written: then nothing is removed, unless the
/// file is to win.
///
/// # Errors
/// [`RepositoryError::Validation`] if the store is the authority for this directory; [`RepositoryError::Internal`] if there
/// is no such directory; [`RepositoryError::Database`]. A file or a session that cannot be imported is no error: it is
/// named in the report.
pub async fn import(
    repository: &SqliteSessionRepository,
    dir: impl AsRef<Path>,
    on_conflict: OnConflict,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<ImportReport, RepositoryError> {
    let files = SessionFiles::new(dir.as_ref());
    let directory = Directory::of(repository.pool(), &files).await?;
    directory.must_follow_files()?;
    directory.must_be_alone(repository.pool()).await?;
    import_all(&Import { repository, files: &files, directory: &directory, on_conflict }, progress).await
}

pub(crate) async fn import_all(
    import: &Import<'_>,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<ImportReport, RepositoryError> {
    let (hashes, ignored) = import.workspaces().await?;
    let mut report = ImportReport {
        directory: import.files.dir().to_owned(),
        files: Vec::with_capacity(hashes.len()),
        ignored,
    };
    for hash in &hashes {
        progress(ImportProgress { files_done: report.files.len(), files: hashes.len() });
        report.files.push(import.file(hash).await?);
    }
    progress(ImportProgress { files_done: hashes.len(), files: hashes.len() });
    Ok(report)
}

/// An import that is under way.
pub(crate) struct Import<'a> {
    pub repository: &'a SqliteSessionRepository,
    pub files: &'a SessionFiles,
    pub directory: &'a Directory,
    pub on_conflict: OnConflict,
}

impl Import<'_> {
    /// Imports the file of this workspace.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) async fn file(&self, hash: &str) -> Result<FileVerdict, RepositoryError> {
        match self.rounds(hash).await {
            // What cannot be read in the store keeps no other workspace from being imported.
            Err(RepositoryError::Database(error @ Error::Undecodable { .. })) => {
                Ok(FileVerdict::unreadable(hash, error.to_string()))
            }
            done => done,
        }
    }

    async fn rounds(&self, hash: &str) -> Result<FileVerdict, RepositoryError> {
        let mut outcomes = Outcomes::default();
        for _ in 0..ROUNDS_MAX {
            let Some(found) = self.found(hash, None).await? else { continue };
            let read = on_thread({
                let (files, hash) = (self.files.clone(), hash.to_owned());
                move || Ok(files.read(&hash))
            });
            let given = match read.await? {
                Ok(file) => Given::of(file),
                Err(error) => return Ok(FileVerdict::unreadable(hash, error.reason())),
            };
            if let Some(verdict) = self.round(hash, found, given, &mut outcomes).await? {
                return Ok(verdict);
            }
        }
        Err(too_busy(&format!("the import of workspace {hash}")))
    }

    /// Imports one session of which the file is known to have this now, or not to have it any more. Answers `None` if the
    /// store does not have the rest of the file as it was before, so that all of it must be imported.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) async fn session(
        &self,
        hash: &str,
        id: &str,
        after: Option<&Record>,
        digests: (Option<&str>, &str),
    ) -> Result<Option<FileVerdict>, RepositoryError> {
        let (digest_before, digest) = digests;
        let mut outcomes = Outcomes::default();
        for _ in 0..ROUNDS_MAX {
            let Some(found) = self.found(hash, Some(id)).await? else { continue };
            let in_line = found.file.0.as_ref().is_some_and(|file| {
                file.directory == self.directory.hash
                    && file.digest.as_deref() == digest_before
                    && file.problems.is_empty()
            });
            // A workspace of which there is nothing yet has nothing else either.
            if !in_line && (digest_before.is_some() || found.file.0.is_some()) {
                return Ok(None);
            }
            let given = Given {
                records: after.into_iter().cloned().collect(),
                refused: Vec::new(),
                digest: Some(digest.to_owned()),
                blank: false,
            };
            if let Some(verdict) = self.round(hash, found, given, &mut outcomes).await? {
                return Ok(Some(verdict));
            }
        }
        Err(too_busy(&format!("the import of session {id}")))
    }

    /// The workspaces that have a file or had one when it was imported, and what else lies there.
    async fn workspaces(&self) -> Result<(BTreeSet<String>, Vec<String>), RepositoryError> {
        let files = self.files.clone();
        let listing = on_thread(move || files.list()).await?;
        let mut hashes: BTreeSet<String> = listing.hashes.into_iter().collect();
        hashes.extend(imported_workspaces(self.repository.pool(), &self.directory.hash).await?);
        Ok((hashes, listing.ignored))
    }

    /// The workspaces whose files were changed since they were imported, or could not be imported.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) async fn behind(&self) -> Result<Vec<Pending>, RepositoryError> {
        let mut behind = Vec::new();
        for hash in self.workspaces().await?.0 {
            let known =
                self.file_document(&hash).await?.0.filter(|known| known.directory == self.directory.hash);
            let (digest, unreadable) = on_thread({
                let (files, hash) = (self.files.clone(), hash.clone());
                move || {
                    Ok(match files.bytes(&hash) {
                        Ok(bytes) => {
                            let parsed = bytes.as_deref().map(|bytes| SessionFile::parse(&hash, bytes));
                            (bytes.as_deref().map(sha256), parsed.and_then(Result::err))
                        }
                        Err(error) => (None, Some(error.reason())),
                    })
                }
            })
            .await?;
            let (was, mut problems) =
                known.map_or((None, Vec::new()), |known| (known.digest, known.problems));
            if was != digest || unreadable.is_some() {
                problems = unreadable.into_iter().collect();
            } else if problems.is_empty() {
                continue;
            }
            behind.push(Pending {
                workspace_hash: hash,
                attempts: u64::from(!problems.is_empty()),
                error: (!problems.is_empty()).then(|| problems.join("; ")),
                changed_at: None,
                tried_at: None,
            });
        }
        Ok(behind)
    }

    /// Notes that what the store has of this workspace is what its file has. Answers false if it is not.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) async fn note(&self, hash: &str) -> Result<bool, RepositoryError> {
        let Some(found) = self.found(hash, None).await? else { return Ok(false) };
        let file = on_thread({
            let (files, hash) = (self.files.clone(), hash.to_owned());
            move || files.read(&hash)
        })
        .await?;
        let given = Given::of(file);
        let mut stored: BTreeMap<&str, _> =
            found.stored.iter().map(|stored| (stored.record.session.id.as_str(), stored)).collect();
        let mut batch = Batch::new(self.directory);
        for record in &given.records {
            let Some(stored) = stored.remove(record.session.id.as_str()) else { return Ok(false) };
            let digest = record.digest()?;
            if stored.record.digest()? != digest {
                return Ok(false);
            }
            let imported = Imported { directory: self.directory.hash.clone(), digest };
            if found.imported.get(&record.session.id) != Some(&imported) {
                let step = Step::Note { stored: Box::new(stored.clone()), digest: imported.digest };
                let commits = step.commits(&self.directory.hash)?;
                if !batch.takes(&commits) && !self.commit(&mut batch).await? {
                    return Ok(false);
                }
                batch.add(commits);
            }
        }
        if !stored.is_empty() || !given.refused.is_empty() {
            return Ok(false);
        }
        let file = ImportedFile {
            directory: self.directory.hash.clone(),
            digest: given.digest,
            problems: Vec::new(),
        };
        if file.digest.is_some() || found.file.0.is_some() {
            batch.add(vec![file_commit(hash, &file, found.file.1)?]);
        }
        self.commit(&mut batch).await
    }

    /// Whether the store has sessions that came from the file of this workspace.
    ///
    /// # Errors
    /// As [`import`].
    pub(crate) async fn has_any(&self, hash: &str) -> Result<bool, RepositoryError> {
        for _ in 0..ROUNDS_MAX {
            if let Some(found) = self.found(hash, None).await? {
                return Ok(found.imported.values().any(|one| one.directory == self.directory.hash));
            }
        }
        Err(too_busy(&format!("the look at workspace {hash}")))
    }

    /// The document that says what was imported of a workspace's file, and its revision; 0 if there is none.
    async fn file_document(&self, hash: &str) -> Result<(Option<ImportedFile>, u64), RepositoryError> {
        let key = workspace_key(hash);
        match self.repository.pool().document(&key, IMPORT, FILE).await? {
            Some(document) => Ok((Some(read(&key, &document)?), document.revision)),
            None => Ok((None, 0)),
        }
    }

    /// What the store has of this workspace, or of one session of it. `None` if it was changed while it was read.
    async fn found(&self, hash: &str, id: Option<&str>) -> Result<Option<Found>, RepositoryError> {
        let store = self.repository.pool();
        let file = self.file_document(hash).await?;
        let mut filter = SessionFilter {
            peer_kind: Some(SESSION.into()),
            peer_id: id.map(str::to_owned),
            ..ours(Some(hash))
        };
        let (mut imported, mut revisions) = (BTreeMap::new(), BTreeMap::new());
        loop {
            let page = store.session_list_parts(&filter, &Parts::documents([IMPORT])).await?;
            for parts in page.sessions {
                let id = parts.session.key.peer_id.clone();
                for document in &parts.documents {
                    imported.insert(id.clone(), read(&parts.session.key, document)?);
                }
                revisions.insert(id, parts.session.revision);
            }
            match page.next {
                Some(next) => filter.after = Some(next),
                None => break,
            }
        }
        let stored = match id {
            Some(id) => self.repository.stored(hash, id).await?.into_iter().collect(),
            None => self.repository.stored_all(hash).await?,
        };
        let now = stored.iter().map(|one| (&one.record.session.id, one.revision));
        let as_before = revisions.iter().map(|(id, revision)| (id, *revision)).collect::<BTreeMap<_, _>>()
            == now.collect::<BTreeMap<_, _>>();
        Ok(as_before.then_some(Found { stored, imported, file }))
    }

    /// Decides what to write, and writes it. Answers `None` if somebody else came first.
    async fn round(
        &self,
        hash: &str,
        found: Found,
        given: Given,
        outcomes: &mut Outcomes,
    ) -> Result<Option<FileVerdict>, RepositoryError> {
        let (file_before, file_revision) = found.file.clone();
        let digest = given.digest.clone();
        let directory = &self.directory.hash;
        let (steps, mut verdict) = plan(hash, given, found, directory, self.on_conflict, outcomes)?;
        let mut whole = true;
        let mut batch = Batch::new(self.directory);
        for step in steps {
            let commits = match step.commits(directory) {
                Ok(commits) => commits,
                Err(RepositoryError::Validation(reason)) => {
                    outcomes.0.insert(step.id().to_owned(), Outcome::Refused(reason));
                    continue;
                }
                Err(error) => return Err(error),
            };
            whole &= step.is_whole();
            if !batch.takes(&commits) && !self.commit(&mut batch).await? {
                return Ok(None);
            }
            batch.add(commits);
        }
        outcomes.count(&mut verdict);
        let file = ImportedFile { directory: directory.clone(), digest, problems: problems(&verdict) };
        let nothing = file_before.is_none() && file.digest.is_none();
        if whole && !nothing && file_before.as_ref() != Some(&file) {
            batch.add(vec![file_commit(hash, &file, file_revision)?]);
        }
        let committed = self.commit(&mut batch).await?;
        Ok((committed && whole).then_some(verdict))
    }

    /// Answers false if somebody else came first.
    async fn commit(&self, batch: &mut Batch) -> Result<bool, RepositoryError> {
        match self.repository.pool().commit(batch.take()).await {
            Ok(_) => Ok(true),
            Err(error) if came_first(&error) => {
                // The authority may be what was moved.
                let now = self.directory.again(self.repository.pool()).await?;
                self.directory.must_be(&now)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn problems(verdict: &FileVerdict) -> Vec<String> {
    let left_out = verdict.refused.iter().chain(&verdict.conflicts);
    left_out.map(|LeftOut { session, reason }| format!("{session}: {reason}")).collect()
}
