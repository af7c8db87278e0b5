//! [`Workspace`]: where sessions are worked on, and how its path and its hash belong together.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sessiondb::{
    Commit, Conflict, Error, Expect, Json, Opening, Parts, SessionFilter, SessionKey, SessionParts, Write,
    limits, time,
};

use crate::{
    RepositoryError, SqliteSessionRepository,
    layout::{ACCESS, WORKSPACE, WORKSPACE_FAMILY, WorkspaceMembers, path_key, sha256_hex, workspace_key},
    models::legal::{shown, validate_workspace},
    read,
    repository::sqlite::{ROUNDS_MAX, busy, sessions},
    writes::{self, Time},
};

/// A directory in which sessions are worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// What sessions name it by.
    pub hash: String,
    /// Its path, if somebody said it: a session alone brings only the hash along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// When a session was last created in it, or it was last named: RFC 3339.
    pub last_accessed: String,
}

/// What sessions name the workspace at this path by: the first 16 hexadecimal digits of the SHA-256 of its real path.
/// Where there is nothing at the path, it is taken as it is written, without slashes at its end. An empty path has an
/// empty hash, which no session can have.
///
/// ```
/// assert_eq!(ait42_session::workspace_hash("/no/such/place/"), ait42_session::workspace_hash("/no/such/place"));
/// assert_eq!(ait42_session::workspace_hash("/").len(), 16);
/// ```
pub fn workspace_hash(path: impl AsRef<Path>) -> String {
    let path = real(path.as_ref());
    if path.as_os_str().is_empty() {
        return String::new();
    }
    let mut hash = sha256_hex(path.as_os_str().as_encoded_bytes());
    hash.truncate(16);
    hash
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match path.to_str() {
        Some(text) => PathBuf::from(text.trim_end_matches('/')),
        None => path.to_owned(),
    })
}

/// The real path as text.
fn text(path: &Path) -> Result<String, RepositoryError> {
    let refuse = |why: &str| {
        RepositoryError::Validation(format!("workspaces.path: '{}' {why}", shown(&path.to_string_lossy())))
    };
    let real = real(path).into_os_string().into_string().map_err(|_| refuse("is not UTF-8"))?;
    if real.is_empty() { Err(refuse("is no path")) } else { Ok(real) }
}

impl SqliteSessionRepository {
    /// Keeps the workspace at this path, under its [`workspace_hash`]. It was accessed now.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if the path is empty or not UTF-8, or another workspace was given it by
    /// [`name_workspace`](SqliteSessionRepository::name_workspace).
    pub async fn register_workspace(&self, path: impl AsRef<Path>) -> Result<Workspace, RepositoryError> {
        let (hash, path) = (workspace_hash(&path), text(path.as_ref())?);
        self.name(&hash, path).await
    }

    /// Gives a workspace its path, also if its hash is not that of the path: it has moved, or the hash is a name that
    /// somebody chose. A workspace that is not there yet is kept from now on. It was accessed now.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if the hash or the path is not legal, or another workspace has the path.
    pub async fn name_workspace(
        &self,
        hash: &str,
        path: impl AsRef<Path>,
    ) -> Result<Workspace, RepositoryError> {
        validate_workspace(hash)?;
        self.name(hash, text(path.as_ref())?).await
    }

    async fn name(&self, hash: &str, path: String) -> Result<Workspace, RepositoryError> {
        for _ in 0..ROUNDS_MAX {
            let claim = self.pool().session(&path_key(&path)).await?;
            let owner = claim.as_ref().map(read::workspace_members).transpose()?;
            if let Some(owner) = owner.and_then(|members| members.hash).filter(|owner| owner != hash) {
                return Err(RepositoryError::Validation(format!(
                    "workspaces.path: '{}' is the path of workspace {} already",
                    shown(&path),
                    shown(&owner)
                )));
            }
            let before = self.pool().session(&workspace_key(hash)).await?;
            let old = before.as_ref().map(read::workspace_members).transpose()?;
            let now = time::now();
            let before = before.map(|row| row.revision).zip(old.map(|old| old.path));
            let naming = Naming { hash, path: &path, claimed: claim.is_some(), before };
            let commits = naming.commits(now)?;
            match self.pool().commit(commits).await {
                Ok(_) => {
                    let last_accessed = time::to_text(now);
                    return Ok(Workspace { hash: hash.into(), path: Some(path), last_accessed });
                }
                Err(Error::Conflict {
                    conflict: Conflict::State { .. } | Conflict::Exists { .. }, ..
                })
                | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy(format!("workspace {}", shown(hash))))
    }

    /// All workspaces, the last accessed first.
    ///
    /// # Errors
    /// [`RepositoryError::Database`] if one cannot be read.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, RepositoryError> {
        let mut filter = SessionFilter { peer_kind: Some(WORKSPACE.into()), ..sessions() };
        let mut workspaces = Vec::new();
        loop {
            let page = self.pool().session_list_parts(&filter, &Parts::documents([ACCESS])).await?;
            for SessionParts { session, documents, .. } in page.sessions {
                workspaces.push(read::workspace(&session, &documents)?);
            }
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        // All have the store's own width of times, so texts are in the order of times.
        workspaces.sort_by(|a, b| b.last_accessed.cmp(&a.last_accessed).then_with(|| a.hash.cmp(&b.hash)));
        Ok(workspaces)
    }

    /// Deletes a workspace with all of its sessions. With more than about 10,000 of them it takes several commits, of which
    /// the last deletes the workspace.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if there is no such workspace.
    pub async fn delete_workspace(&self, hash: &str) -> Result<(), RepositoryError> {
        // The workspace, its path, and what they expect stand beside the sessions.
        const SESSIONS_MAX: usize = limits::COMMIT_WRITES_MAX - 10;
        validate_workspace(hash)?;
        for _ in 0..ROUNDS_MAX {
            // This is read first: a session that is created from now on changes the workspace's revision.
            let before = self.pool().session(&workspace_key(hash)).await?;
            let before =
                before.ok_or_else(|| RepositoryError::NotFound(format!("workspace {}", shown(hash))))?;
            let path = read::workspace_members(&before)?.path;
            let mut keys = self.keys(hash).await?;
            let last = keys.len() <= SESSIONS_MAX;
            keys.truncate(SESSIONS_MAX);
            let mut commits: Vec<Commit> = keys.into_iter().map(writes::delete).collect();
            if last {
                commits.extend(path.map(|path| writes::delete(path_key(&path))));
                commits.push(writes::delete(workspace_key(hash)).expect(Expect::State(before.revision)));
            }
            match self.pool().commit(commits).await {
                Ok(_) if last => return Ok(()),
                // There are more, or somebody came between.
                Ok(_)
                | Err(Error::Conflict { conflict: Conflict::State { .. }, .. })
                | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(busy(format!("workspace {}", shown(hash))))
    }

    /// The keys of a workspace's sessions.
    async fn keys(&self, hash: &str) -> Result<Vec<SessionKey>, RepositoryError> {
        let mut filter = SessionFilter { account_id: Some(hash.into()), ..sessions() };
        let mut keys = Vec::new();
        loop {
            let page = self.pool().session_list(&filter).await?;
            keys.extend(page.sessions.into_iter().map(|session| session.key));
            filter.after = page.next;
            if filter.after.is_none() {
                return Ok(keys);
            }
        }
    }
}

/// The commits that give a workspace this path.
struct Naming<'a> {
    hash: &'a str,
    path: &'a str,
    /// Whether the path is this workspace's already.
    claimed: bool,
    /// The workspace, if it is there, and the path that it has.
    before: Option<(u64, Option<String>)>,
}

impl Naming<'_> {
    fn commits(self, now: Time) -> Result<Vec<Commit>, RepositoryError> {
        let Naming { hash, path, claimed, before } = self;
        let mut commits = Vec::new();
        if !claimed {
            let members = WorkspaceMembers { path: Some(path.into()), hash: Some(hash.into()) };
            let opening = Opening {
                family: Some(WORKSPACE_FAMILY.into()),
                status: None,
                metadata: Some(Json::from_value(&members)?),
            };
            commits.push(Commit::new(path_key(path)).expect(Expect::Absent).write(Write::Open(opening)));
        }
        let (expect, old) = match before {
            Some((revision, old)) => (Expect::State(revision), old),
            None => (Expect::Absent, None),
        };
        if let Some(old) = old.filter(|old| old != path) {
            commits.push(writes::delete(path_key(&old)));
        }
        let members = WorkspaceMembers { path: Some(path.into()), hash: None };
        let metadata = Write::SetMetadata(Json::from_value(&members)?);
        commits.push(writes::access(hash, now)?.expect(expect).write(metadata));
        Ok(commits)
    }
}
