//! [`Authority`]: which side is the truth for a directory of session files. It is recorded in the store.

use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use sessiondb::{Commit, Expect, Json, Opening, SessionFilter, SessionKey, Store, Write, time};

use crate::{
    RepositoryError,
    layout::{AGENT, sha256_hex},
    migration::files::{SessionFiles, cannot, on_thread},
};

/// The family of the sessions that say which side is the truth.
const FAMILY: &str = "ait42-directory";
/// The channel of their keys.
const CHANNEL: &str = "json";
/// The kind of their keys.
const DIRECTORY: &str = "directory";
/// How many hexadecimal digits name a directory.
const HASH_DIGITS: usize = 16;
/// How often something is decided anew because somebody else came first.
pub(crate) const ROUNDS_MAX: usize = 100;

/// Which side is the truth for a directory of session files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// The files are. The store follows them, by importing.
    Json,
    /// The store is. The files follow it, as a mirror.
    Store,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Authority::Json => "json",
            Authority::Store => "store",
        })
    }
}

/// What the store records of a directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    /// What names it in the store, wherever it is named.
    pub hash: String,
    /// Which side is the truth.
    pub authority: Authority,
    path: String,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Members {
    path: String,
    authority: Authority,
    since: String,
}

impl Members {
    fn json(path: &str, authority: Authority) -> Result<Json, sessiondb::Error> {
        Json::from_value(&Members { path: path.to_owned(), authority, since: time::to_text(time::now()) })
    }
}

impl Directory {
    /// What the store records of this directory. One that is new to it has the files as the truth.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`] if there is no such directory; [`RepositoryError::Database`].
    pub(crate) async fn of(store: &Store, files: &SessionFiles) -> Result<Directory, RepositoryError> {
        let path = canonical(files).await?;
        let hash = sha256_hex(path.as_bytes()).chars().take(HASH_DIGITS).collect();
        Directory::read(store, path, hash).await
    }

    /// What the store records of it now. The directory itself may be gone meanwhile.
    ///
    /// # Errors
    /// [`RepositoryError::Database`].
    pub(crate) async fn again(&self, store: &Store) -> Result<Directory, RepositoryError> {
        Directory::read(store, self.path.clone(), self.hash.clone()).await
    }

    async fn read(store: &Store, path: String, hash: String) -> Result<Directory, RepositoryError> {
        let opening = Opening {
            family: Some(FAMILY.into()),
            status: None,
            metadata: Some(Members::json(&path, Authority::Json)?),
        };
        let session = store.session_open_with(&key(&hash), opening).await?;
        let members: Members = session.metadata.read().map_err(|error| {
            RepositoryError::Database(sessiondb::Error::Undecodable {
                row: format!("session {}: its metadata", session.key),
                reason: error.to_string(),
            })
        })?;
        Ok(Directory { hash, authority: members.authority, path, revision: session.revision })
    }

    /// Writes nothing, and is a conflict if the authority was moved since it was read.
    pub(crate) fn unmoved(&self) -> Commit {
        Commit::new(key(&self.hash)).expect(Expect::State(self.revision))
    }

    /// Whether this conflict is that of [`unmoved`](Directory::unmoved).
    pub(crate) fn was_moved(&self, error: &RepositoryError) -> bool {
        matches!(error, RepositoryError::Database(sessiondb::Error::Conflict { key: at, .. }) if **at == key(&self.hash))
    }

    /// Moves the authority.
    ///
    /// # Errors
    /// None that can happen.
    pub(crate) fn moved(&self, to: Authority) -> Result<Commit, RepositoryError> {
        Ok(self.unmoved().write(Write::SetMetadata(Members::json(&self.path, to)?)))
    }

    /// Refuses to go on if the authority was moved, perhaps more than once, since this was read.
    pub(crate) fn must_be(&self, now: &Directory) -> Result<(), RepositoryError> {
        if now.revision == self.revision {
            return Ok(());
        }
        now.must_follow_files()?;
        Err(RepositoryError::Database(sessiondb::Error::Busy(format!(
            "the authority for {} was moved meanwhile; try again",
            self.path
        ))))
    }

    /// Refuses to go on unless the files are the truth.
    pub(crate) fn must_follow_files(&self) -> Result<(), RepositoryError> {
        match self.authority {
            Authority::Json => Ok(()),
            Authority::Store => Err(RepositoryError::Validation(format!(
                "the store is the authority for {}, so nothing is imported from there; `sessiondb ait42 rollback` \
                 makes the files the authority again",
                self.path
            ))),
        }
    }

    /// Refuses to go on if the store is the truth for another directory: what is done for this one would go past that one's
    /// files.
    pub(crate) async fn must_be_alone(&self, store: &Store) -> Result<(), RepositoryError> {
        match self.other_that_follows_store(store).await? {
            None => Ok(()),
            Some(other) => Err(RepositoryError::Validation(format!(
                "the store is the authority for {other}, and has one mirror; `sessiondb ait42 rollback {other}` first, \
                 then go on with {}",
                self.path
            ))),
        }
    }

    /// Another directory for which the store is the truth, if there is one.
    pub(crate) async fn other_that_follows_store(
        &self,
        store: &Store,
    ) -> Result<Option<String>, RepositoryError> {
        let mut filter = SessionFilter {
            agent_id: Some(AGENT.into()),
            channel: Some(CHANNEL.into()),
            ..SessionFilter::default()
        };
        loop {
            let page = store.session_list(&filter).await?;
            for session in page.sessions.iter().filter(|session| session.key.peer_id != self.hash) {
                let members: Members = session.metadata.read()?;
                if members.authority == Authority::Store {
                    return Ok(Some(members.path));
                }
            }
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return Ok(None),
            }
        }
    }
}

fn key(hash: &str) -> SessionKey {
    SessionKey::new(AGENT, CHANNEL, "", DIRECTORY, hash)
}

/// The one path of the directory, whichever way it was named.
async fn canonical(files: &SessionFiles) -> Result<String, RepositoryError> {
    let files = files.clone();
    on_thread(move || {
        let path = fs::canonicalize(files.dir());
        let path = path.map_err(|error| cannot("find the directory", files.dir(), &error))?;
        path.into_os_string().into_string().map_err(|path| {
            RepositoryError::Validation(format!("the path of the directory {} is not UTF-8", path.display()))
        })
    })
    .await
}

/// Whether this says that somebody else came first, so that what was decided must be decided anew.
pub(crate) fn came_first(error: &sessiondb::Error) -> bool {
    use sessiondb::Conflict;
    matches!(
        error,
        sessiondb::Error::Conflict {
            conflict: Conflict::Exists { .. }
                | Conflict::State { .. }
                | Conflict::Head { .. }
                | Conflict::Log { .. }
                | Conflict::Document { .. }
                | Conflict::NotInView { .. },
            ..
        } | sessiondb::Error::NotFound(_)
    )
}

/// That every round was lost.
pub(crate) fn too_busy(what: &str) -> RepositoryError {
    RepositoryError::Database(sessiondb::Error::Busy(format!(
        "{what} was decided anew {ROUNDS_MAX} times, and somebody else came first each time"
    )))
}
