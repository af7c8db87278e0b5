//! [`JsonSessionRepository`]: coding sessions in AIT42's own files.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::Value;
use sessiondb::time;

use crate::{
    ChatMessage, RepositoryError, WorktreeSession,
    change::Change,
    migration::files::{Entry, SessionFile, SessionFiles, file_text, on_thread},
    models::legal::{shown, validate_address},
    record::{Record, sha256},
    repository::{SessionFilters, SessionRepository, sqlite::by_update},
    search::Wanted,
};

/// Coding sessions in a directory of AIT42's files, `{workspace_hash}.json`: what [`SessionRepository`] promises, with
/// nothing but files.
///
/// A change reads and writes the whole file of the workspace. It holds a lock beside the file, so that writers which use
/// this crate do not lose each other's changes, and the file is replaced as a whole, so that AIT42 reads it as it was
/// before or after. AIT42 itself heeds no lock: while it runs, a change of its own may be lost.
///
/// ```
/// use ait42_session::{JsonSessionRepository, SessionRepository as _, WorktreeSession};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// let files = JsonSessionRepository::new(dir);
/// let session = WorktreeSession::new("s1".into(), "1f2e3d".into(), "competition".into(), "Sort faster".into());
/// files.create_session(session).await?;
/// assert!(std::fs::read_to_string(dir.join("1f2e3d.json")).unwrap().contains("\"task\": \"Sort faster\""));
/// # Ok::<(), ait42_session::RepositoryError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct JsonSessionRepository {
    files: SessionFiles,
}

/// What a change did to a file.
pub(crate) struct ChangedFile {
    /// The digest of its bytes before; `None` if there was none.
    pub digest_before: Option<String>,
    /// And after.
    pub digest: String,
    /// The session after it.
    pub after: Option<Record>,
}

impl JsonSessionRepository {
    /// The sessions in this directory. It is made when the first session is created.
    pub fn new(dir: impl Into<PathBuf>) -> JsonSessionRepository {
        JsonSessionRepository { files: SessionFiles::new(dir) }
    }

    pub(crate) fn from_files(files: SessionFiles) -> JsonSessionRepository {
        JsonSessionRepository { files }
    }

    /// As [`add_chat_message`](SessionRepository::add_chat_message), in this workspace. Answers the session then.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id; [`RepositoryError::Validation`] if a
    /// value is not legal, or the session has another message of this id.
    pub async fn add_chat_message_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        message: ChatMessage,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.change_whole(workspace_hash, session_id, Change::AddMessage(message)).await
    }

    /// As [`update_instance_status`](SessionRepository::update_instance_status), in this workspace. Answers the session
    /// then.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id, or it has no such instance;
    /// [`RepositoryError::Validation`] if the status is not legal.
    pub async fn update_instance_status_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change_whole(workspace_hash, session_id, change).await
    }

    /// Makes an instance the winner and archives the others, and keeps how they were judged, if it is given, as the
    /// session's member `evaluation`.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id, or it has no such instance.
    pub async fn select_winner(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        evaluation: Option<Value>,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.change_whole(workspace_hash, session_id, Change::SelectWinner { instance_id, evaluation }).await
    }

    /// Changes a session and answers it as it is then.
    async fn change_whole(
        &self,
        workspace: &str,
        id: &str,
        change: Change,
    ) -> Result<WorktreeSession, RepositoryError> {
        let after = self.change(workspace, id, change).await?.after;
        after.map(|record| record.session).ok_or_else(|| RepositoryError::NotFound(shown(id)))
    }

    async fn change(
        &self,
        workspace: &str,
        id: &str,
        change: Change,
    ) -> Result<ChangedFile, RepositoryError> {
        let (files, workspace, id) = (self.files.clone(), workspace.to_owned(), id.to_owned());
        on_thread(move || {
            files.path(&workspace)?;
            files.make()?;
            let _lock = files.lock(&workspace)?;
            change_file(&files, &workspace, &id, &change)
        })
        .await
    }

    /// Does something with the sessions of a workspace's file, on a thread for files.
    async fn read<T: Send + 'static>(
        &self,
        workspace: &str,
        with: impl FnOnce(SessionFile) -> Result<T, RepositoryError> + Send + 'static,
    ) -> Result<T, RepositoryError> {
        let (files, workspace) = (self.files.clone(), workspace.to_owned());
        on_thread(move || with(files.read(&workspace)?)).await
    }

    /// The sessions of a workspace that are wanted. What in its file is no session is an error: an answer without it
    /// would say that there is no such session.
    async fn listed(&self, workspace: &str, wanted: Wanted) -> Result<Vec<WorktreeSession>, RepositoryError> {
        if workspace.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.files.path(workspace)?;
        self.read(workspace, move |file| {
            if let Some(refused) = file.refused().next() {
                let (name, reason) = (refused.name(), &refused.reason);
                return Err(RepositoryError::Internal(format!("{}: {name}: {reason}", path.display())));
            }
            let wanted = file.records().filter(|record| wanted.matches(&record.session));
            Ok(by_update(wanted.map(|record| record.session.clone())))
        })
        .await
    }

    /// The workspace of the one session of this id.
    pub(crate) async fn workspace_of(&self, id: &str) -> Result<String, RepositoryError> {
        validate_address("any", id)?;
        let (files, id) = (self.files.clone(), id.to_owned());
        on_thread(move || {
            let mut found = None;
            for hash in files.list_if_any()?.hashes {
                // Also if it is one that cannot be read: that is another error than that there is none.
                let has = files.read(&hash)?.entries.iter().any(|entry| entry.id() == Some(&id));
                if has && found.replace(hash).is_some() {
                    return Err(RepositoryError::Validation(format!(
                        "sessions.id: {} is ambiguous, several workspaces have a session of this id; \
                         name the workspace with add_chat_message_in or update_instance_status_in",
                        shown(&id)
                    )));
                }
            }
            found.ok_or_else(|| RepositoryError::NotFound(shown(&id)))
        })
        .await
    }
}

/// Changes a session in its workspace's file; only with the file's lock.
///
/// # Errors
/// As [`Change::apply`]; [`RepositoryError::Validation`] if the file has this session and it cannot be read;
/// [`RepositoryError::Internal`] if the file cannot be read or written.
pub(crate) fn change_file(
    files: &SessionFiles,
    workspace: &str,
    id: &str,
    change: &Change,
) -> Result<ChangedFile, RepositoryError> {
    validate_address(workspace, id)?;
    let SessionFile { mut entries, digest: digest_before, .. } = files.read(workspace)?;
    let unreadable = entries.iter().find_map(|entry| match entry {
        Entry::Refused(refused) if entry.id() == Some(id) => Some(refused),
        _ => None,
    });
    if let Some(refused) = unreadable {
        return Err(RepositoryError::Validation(format!(
            "{}: {} is to be changed, but cannot be read: {}; mend it there first",
            files.path(workspace)?.display(),
            refused.name(),
            refused.reason
        )));
    }
    let place = entries.iter().position(|entry| matches!(entry, Entry::Session(at) if at.session.id == id));
    let before = place.and_then(|place| match entries.get(place) {
        Some(Entry::Session(record)) => Some(record.as_ref().clone()),
        _ => None,
    });
    let after = change.apply(id, before.clone(), &time::to_text(time::now()))?;
    if before == after {
        let digest = digest_before.clone().unwrap_or_default();
        return Ok(ChangedFile { digest_before, digest, after });
    }
    let entry = after.clone().map(|record| Entry::Session(Box::new(record)));
    match (place, entry) {
        (Some(place), Some(entry)) => {
            entries.splice(place..=place, [entry]);
        }
        (Some(place), None) => {
            entries.remove(place);
        }
        (None, entry) => entries.extend(entry),
    }
    let bytes = file_text(&entries)?;
    files.write(workspace, &bytes)?;
    Ok(ChangedFile { digest_before, digest: sha256(&bytes), after })
}

#[async_trait]
impl SessionRepository for JsonSessionRepository {
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        self.change_whole(&workspace, &id, Change::Create(Box::new(session))).await
    }

    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        self.change_whole(&workspace, &id, Change::Update(Box::new(session))).await
    }

    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        validate_address(workspace_hash, session_id)?;
        let (id, path) = (session_id.to_owned(), self.files.path(workspace_hash)?);
        self.read(workspace_hash, move |file| {
            if let Some(record) = file.records().find(|record| record.session.id == id) {
                return Ok(record.session.clone());
            }
            match file.refused().find(|refused| refused.id.as_deref() == Some(&id)) {
                Some(refused) => Err(RepositoryError::Internal(format!(
                    "{}: {}: {}",
                    path.display(),
                    refused.name(),
                    refused.reason
                ))),
                None => Err(RepositoryError::NotFound(shown(&id))),
            }
        })
        .await
    }

    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError> {
        self.listed(workspace_hash, Wanted::new(&SessionFilters::default())?).await
    }

    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError> {
        self.change(workspace_hash, session_id, Change::Delete).await.map(drop)
    }

    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError> {
        let workspace = self.workspace_of(session_id).await?;
        self.change(&workspace, session_id, Change::AddMessage(message)).await.map(drop)
    }

    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError> {
        let workspace = self.workspace_of(session_id).await?;
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change(&workspace, session_id, change).await.map(drop)
    }

    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError> {
        self.listed(workspace_hash, Wanted::new(&filters)?).await
    }
}
