//! [`DualWrite`]: the store and AIT42's files at once, of which one is the authority.

use std::{collections::BTreeSet, path::PathBuf};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::{
    ChatMessage, JsonSessionRepository, RepositoryError, SqliteSessionRepository, WorktreeSession,
    change::Change,
    migration::{
        Authority, ImportProgress, ImportReport, OnConflict, Pending,
        directory::{Directory, ROUNDS_MAX, too_busy},
        files::{Lock, SessionFiles, on_thread},
        import::{Import, import_all},
        imported::workspaces,
        mirror::{self, MIRROR, Mirror, Which},
    },
    models::legal::shown,
    repository::{SessionFilters, SessionRepository, json::change_file},
};

/// Coding sessions in the store and in AIT42's files, so that programs which know only one of them go on working while
/// people move from one to the other.
///
/// One side is the [`Authority`]: what is asked is read there, and a change has happened when it has happened there. The
/// other follows at once. If it cannot follow, the change stands all the same, and is answered as a success;
/// [`status`](DualWrite::status) says so, and the next change of that workspace or [`replay`](DualWrite::replay) tries
/// again. [`cut_over`](crate::migration::cut_over) and [`rollback`](crate::migration::rollback) move the authority, in
/// this process or another, at any time.
///
/// ```
/// use ait42_session::{DualWrite, SessionRepository as _, SqliteSessionRepository, WorktreeSession};
/// use ait42_session::migration::{compare, cut_over};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let dir = tempfile::tempdir().unwrap();
/// # let (url, dir) = (dir.path().join("sessions.db").display().to_string(), dir.path().join("sessions"));
/// let store = SqliteSessionRepository::new(&url).await?;
/// let both = DualWrite::open(store.clone(), &dir).await?;
/// // The files are the authority as long as nobody says otherwise.
/// let session = WorktreeSession::new("s1".into(), "1f2e3d".into(), "debate".into(), "Tabs or spaces".into());
/// both.create_session(session).await?;
/// assert!(compare(&dir, &store).await?.is_equal());
///
/// assert!(cut_over(&store, &dir).await?.changed);
/// both.delete_session("1f2e3d", "s1").await?;
/// assert_eq!(std::fs::read_to_string(dir.join("1f2e3d.json")).unwrap(), "[]");
/// assert!(both.status().await?.is_empty());
/// # Ok::<(), ait42_session::RepositoryError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct DualWrite {
    repository: SqliteSessionRepository,
    files: SessionFiles,
    directory: Directory,
}

/// What came of bringing the mirror in line with the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "authority")]
pub enum Mirrored {
    /// The files are the authority: they were imported.
    Json(ImportReport),
    /// The store is the authority.
    #[serde(rename_all = "camelCase")]
    Store {
        /// How many files were written.
        written: u64,
        /// The workspaces whose files are still behind.
        pending: Vec<Pending>,
    },
}

impl DualWrite {
    /// The sessions of this store and of the files in this directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if the store is the authority for another directory;
    /// [`RepositoryError::Internal`] if the directory cannot be made; [`RepositoryError::Database`].
    pub async fn open(
        repository: SqliteSessionRepository,
        dir: impl Into<PathBuf>,
    ) -> Result<DualWrite, RepositoryError> {
        let files = SessionFiles::new(dir);
        on_thread({
            let files = files.clone();
            move || files.make()
        })
        .await?;
        let directory = Directory::of(repository.pool(), &files).await?;
        directory.must_be_alone(repository.pool()).await?;
        Ok(DualWrite { repository, files, directory })
    }

    /// Which side is the truth at present.
    ///
    /// # Errors
    /// [`RepositoryError::Database`].
    pub async fn authority(&self) -> Result<Authority, RepositoryError> {
        Ok(self.directory.again(self.repository.pool()).await?.authority)
    }

    /// The workspaces of which one side is behind the other, as far as that is known. What another program did to the side
    /// that is not the authority is found by [`compare`](crate::migration::compare).
    ///
    /// # Errors
    /// [`RepositoryError::Database`]; [`RepositoryError::Internal`] if the files are the authority and their directory cannot
    /// be read.
    pub async fn status(&self) -> Result<Vec<Pending>, RepositoryError> {
        match self.authority().await? {
            Authority::Store => mirror::pending(self.repository.pool()).await,
            Authority::Json => self.not_imported().await,
        }
    }

    /// Brings the side that is behind in line, as far as it is known to be behind, and answers the
    /// [`status`](DualWrite::status) then.
    ///
    /// # Errors
    /// As [`status`](DualWrite::status).
    pub async fn replay(&self) -> Result<Vec<Pending>, RepositoryError> {
        let _held = self.hold_authority().await;
        let directory = self.directory.again(self.repository.pool()).await?;
        for Pending { workspace_hash, .. } in self.status().await? {
            match directory.authority {
                Authority::Store => {
                    // What fails is noted, and in the status.
                    let _ = self.mirror().write(&workspace_hash, Which::Behind).await;
                }
                Authority::Json => {
                    self.import(&directory, OnConflict::Keep).file(&workspace_hash).await?;
                }
            }
        }
        self.status().await
    }

    /// Brings the whole mirror in line with the authority, whoever changed what: imports the files, or writes every file
    /// that does not say what the store says.
    ///
    /// A session or a file that was changed on the side that is not the authority is left as it is, unless
    /// `on_conflict` is to overwrite it; a file that is overwritten is first kept beside as `{hash}.json.replaced-N`.
    ///
    /// # Errors
    /// As [`status`](DualWrite::status).
    pub async fn mirror_all(
        &self,
        on_conflict: OnConflict,
        progress: &mut (dyn FnMut(ImportProgress) + Send),
    ) -> Result<Mirrored, RepositoryError> {
        let _held = self.hold_authority().await;
        let directory = self.directory.again(self.repository.pool()).await?;
        match directory.authority {
            Authority::Json => {
                Ok(Mirrored::Json(import_all(&self.import(&directory, on_conflict), progress).await?))
            }
            Authority::Store => {
                let which = match on_conflict {
                    OnConflict::Keep => Which::Differing,
                    OnConflict::Overwrite => Which::Foreign,
                };
                let (written, pending) = mirror_all(&self.mirror(), which, progress).await?;
                Ok(Mirrored::Store { written, pending })
            }
        }
    }

    /// As [`add_chat_message`](SessionRepository::add_chat_message), in this workspace. Answers the session then.
    ///
    /// # Errors
    /// As [`SqliteSessionRepository::add_chat_message_in`].
    pub async fn add_chat_message_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        message: ChatMessage,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.change(workspace_hash, session_id, Change::AddMessage(message)).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// As [`update_instance_status`](SessionRepository::update_instance_status), in this workspace. Answers the session
    /// then.
    ///
    /// # Errors
    /// As [`SqliteSessionRepository::update_instance_status_in`].
    pub async fn update_instance_status_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change(workspace_hash, session_id, change).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// Makes an instance the winner; see [`SqliteSessionRepository::select_winner`].
    ///
    /// # Errors
    /// As there.
    pub async fn select_winner(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        evaluation: Option<Value>,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.change(workspace_hash, session_id, Change::SelectWinner { instance_id, evaluation }).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// Changes the side that is the authority, then the other.
    async fn change(&self, workspace: &str, id: &str, change: Change) -> Result<(), RepositoryError> {
        // What cannot be a file cannot be mirrored in one.
        self.files.path(workspace)?;
        for _ in 0..ROUNDS_MAX {
            let held = self.hold_authority().await;
            let directory = self.directory.again(self.repository.pool()).await?;
            match directory.authority {
                Authority::Json => {
                    let _held = held?;
                    return self.change_file(&directory, workspace, id, change).await;
                }
                Authority::Store => {
                    let beside = [directory.unmoved(), mirror::behind(workspace)?];
                    match self.repository.change(workspace, id, &change, &beside).await {
                        Err(error) if directory.was_moved(&error) => {}
                        changed => {
                            changed?;
                            // The change stands; what fails now is noted in the store.
                            let _ = self.mirror().write(workspace, Which::Behind).await;
                            return Ok(());
                        }
                    }
                }
            }
        }
        Err(too_busy(&format!("the change of session {id}")))
    }

    /// Where the store is the authority, a lock that cannot be had is no reason to stop: nobody else can have it either, so
    /// nobody moves the authority.
    async fn hold_authority(&self) -> Result<Lock, RepositoryError> {
        let files = self.files.clone();
        on_thread(move || files.hold_authority()).await
    }

    /// Holds the file's lock until the store has followed, so that it follows in the same order.
    async fn change_file(
        &self,
        directory: &Directory,
        workspace: &str,
        id: &str,
        change: Change,
    ) -> Result<(), RepositoryError> {
        let import = self.import(directory, OnConflict::Keep);
        let (_lock, blank) = on_thread({
            let (files, workspace) = (self.files.clone(), workspace.to_owned());
            move || {
                let lock = files.lock(&workspace)?;
                Ok((lock, files.is_blank(&workspace)?))
            }
        })
        .await?;
        if blank && import.has_any(workspace).await? {
            return Err(RepositoryError::Validation(format!(
                "{} is gone or has nothing in it, not even an empty list, but the store has sessions that came from it, \
                 which would be lost with the next import; put the file back, or say that they shall go with \
                 `sessiondb ait42 import --overwrite`",
                self.files.path(workspace)?.display()
            )));
        }
        let changed = on_thread({
            let (files, workspace, id) = (self.files.clone(), workspace.to_owned(), id.to_owned());
            move || change_file(&files, &workspace, &id, &change)
        })
        .await?;
        let digests = (changed.digest_before.as_deref(), changed.digest.as_str());
        let followed = import.session(workspace, id, changed.after.as_ref(), digests).await;
        if let Ok(None) = followed {
            // The change stands; that the store has not followed is seen by the file's digest.
            let _ = import.file(workspace).await;
        }
        Ok(())
    }

    async fn not_imported(&self) -> Result<Vec<Pending>, RepositoryError> {
        self.import(&self.directory, OnConflict::Keep).behind().await
    }

    fn mirror(&self) -> Mirror<'_> {
        Mirror { repository: &self.repository, files: &self.files }
    }

    fn import<'a>(&'a self, directory: &'a Directory, on_conflict: OnConflict) -> Import<'a> {
        Import { repository: &self.repository, files: &self.files, directory, on_conflict }
    }

    fn json(&self) -> JsonSessionRepository {
        JsonSessionRepository::from_files(self.files.clone())
    }

    async fn workspace_of(&self, session_id: &str) -> Result<String, RepositoryError> {
        match self.authority().await? {
            Authority::Json => self.json().workspace_of(session_id).await,
            Authority::Store => self.repository.workspace_of(session_id).await,
        }
    }
}

/// Writes every file that does not say what the store says. Answers how many were written, and what is still behind.
pub(crate) async fn mirror_all(
    mirror: &Mirror<'_>,
    which: Which,
    progress: &mut (dyn FnMut(ImportProgress) + Send),
) -> Result<(u64, Vec<Pending>), RepositoryError> {
    let files = mirror.files.clone();
    // A directory that is gone has no files; it is made for the first.
    let listed = on_thread(move || files.make().and_then(|()| files.list())).await?;
    let mut hashes: BTreeSet<String> = listed.hashes.into_iter().collect();
    let store = mirror.repository.pool();
    hashes.extend(workspaces(store, MIRROR).await?.into_iter().map(|(hash, _)| hash));
    let mut written = 0;
    let files = hashes.len();
    progress(ImportProgress { files_done: 0, files });
    for (done, hash) in (1..).zip(hashes) {
        // What fails is noted, and in what is pending.
        written += u64::from(mirror.write(&hash, which).await.unwrap_or(false));
        progress(ImportProgress { files_done: done, files });
    }
    Ok((written, mirror::pending(store).await?))
}

#[async_trait]
impl SessionRepository for DualWrite {
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        let create = Change::Create(Box::new(session));
        self.change(&workspace, &id, create.clone()).await?;
        // What was created, also if somebody has changed or deleted it since.
        let created = create.apply(&id, None, "")?;
        created.map(|record| record.session).ok_or_else(|| RepositoryError::NotFound(shown(&id)))
    }

    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        self.change(&workspace, &id, Change::Update(Box::new(session))).await?;
        self.get_session(&workspace, &id).await
    }

    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        match self.authority().await? {
            Authority::Json => self.json().get_session(workspace_hash, session_id).await,
            Authority::Store => self.repository.get_session(workspace_hash, session_id).await,
        }
    }

    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError> {
        match self.authority().await? {
            Authority::Json => self.json().get_all_sessions(workspace_hash).await,
            Authority::Store => self.repository.get_all_sessions(workspace_hash).await,
        }
    }

    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError> {
        self.change(workspace_hash, session_id, Change::Delete).await
    }

    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError> {
        let workspace = self.workspace_of(session_id).await?;
        self.change(&workspace, session_id, Change::AddMessage(message)).await
    }

    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError> {
        let workspace = self.workspace_of(session_id).await?;
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change(&workspace, session_id, change).await
    }

    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError> {
        match self.authority().await? {
            Authority::Json => self.json().search_sessions(workspace_hash, filters).await,
            Authority::Store => self.repository.search_sessions(workspace_hash, filters).await,
        }
    }
}
