//! What can go wrong, sorted by what the caller can do about it.

use serde::{Deserialize, Serialize};

use crate::{LogId, Scope, SessionKey};

/// The result of every operation of the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not succeed. The variants differ in what the caller can do; the message says what happened
/// and to which session or file; [`hint`](Error::hint) says the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself is wrong, and wrong for ever: text that is no JSON, a limit exceeded, a reserved key.
    /// Nothing was written.
    #[error("{0}")]
    Invalid(String),

    /// The session does not exist. Reads that may find nothing answer `None` instead; this is met by writes to a
    /// session that nobody opened.
    #[error("session {0} does not exist")]
    NotFound(Box<SessionKey>),

    /// The store is not in the state that the write expected; the conflict says what is current. Nothing was written.
    #[error("session {key}: {conflict}")]
    Conflict {
        /// The session that the refused commit was for.
        key: Box<SessionKey>,
        /// What was expected and what is current.
        conflict: Conflict,
    },

    /// A scoped store was asked for a session outside its scope. Decided from the key alone, so it tells nothing
    /// about what exists.
    #[error("session {key} is outside the scope {scope}")]
    OutOfScope {
        /// The key that was asked for.
        key: Box<SessionKey>,
        /// The scope of the store that was asked.
        scope: Scope,
    },

    /// A stored row cannot be read. It is named, and never skipped or replaced by a default.
    #[error("{row} cannot be read: {reason}")]
    Undecodable {
        /// Which row: table, row id and session.
        row: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Somebody else holds the store (another process's write, a reader pool in full use). Nothing was written.
    #[error("the store is busy: {0}")]
    Busy(String),

    /// The disk is full. Nothing was written; the store goes on by itself when there is space again.
    #[error("the disk is full: {0}")]
    Full(String),

    /// The answer to a COMMIT was lost: the write may have happened or not. Retrying it with the same
    /// [`CommitId`](crate::CommitId) (or, for messages, the same `message_id`) makes it happen exactly once.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),

    /// After an error that leaves the disk in doubt, or when the file was moved or replaced under the open store, writes
    /// are refused until it is opened again; reads go on.
    #[error("writes are refused until the store is opened again: {0}")]
    Stopped(String),

    /// The store could not be opened. Nothing in it was changed.
    #[error("cannot open {location}: {reason}")]
    CannotOpen {
        /// The path or address that was to be opened.
        location: String,
        /// Why not.
        reason: String,
    },

    /// The store was closed.
    #[error("the store is closed")]
    Closed,

    /// The storage under the store failed in another way. Nothing was written.
    #[error("storage failed: {0}")]
    Storage(String),
}

/// What a refused commit expected, and what it met instead. Revision 0 is "never changed" or "absent".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Conflict {
    /// The commit expected no session under this key.
    #[error("it exists already, at revision {current}")]
    Exists {
        /// The session's present revision.
        current: u64,
    },
    /// The commit opens a session of another family than the one that exists.
    #[error("expected family '{expected}', but it is a session of family '{current}'")]
    Family {
        /// The family named by the commit.
        expected: String,
        /// The family of the existing session.
        current: String,
    },
    /// Somebody changed the session's state meanwhile.
    #[error("expected revision {expected}, but it is at revision {current}")]
    State {
        /// The revision that the commit expected.
        expected: u64,
        /// The session's present revision.
        current: u64,
    },
    /// Somebody appended meanwhile.
    #[error("expected message {expected} to be the last, but the last is {current}")]
    Head {
        /// The last sequence number that the commit expected.
        expected: u64,
        /// The last sequence number now.
        current: u64,
    },
    /// The session is another than the commit expected: that one was deleted, and this one opened under its key.
    #[error("expected the session with log {}, but it is another one{}", .expected.0, .current.map_or(", which does not exist".to_owned(), |log| format!(", with log {}", log.0)))]
    Log {
        /// The number of the log that the commit expected.
        expected: LogId,
        /// That of the session now; `None` if there is none.
        current: Option<LogId>,
    },
    /// The view does not end with the messages that the commit expected.
    #[error("expected the view to end with messages {expected:?}, but it ends with {current:?}")]
    Tail {
        /// The numbers that the commit expected.
        expected: Vec<u64>,
        /// As many numbers from the end of the view as were expected, or all of a shorter one.
        current: Vec<u64>,
    },
    /// A message is named that the session does not show: it was hidden, or does not exist.
    #[error("message {seq} is not in its view")]
    NotInView {
        /// The number that was named.
        seq: u64,
    },
    /// What is to be restored is not what the session has already.
    #[error("it has another {what} than the one to restore")]
    Restored {
        /// What differs: `message 7`, `revision`.
        what: String,
    },
    /// Somebody changed the document meanwhile.
    #[error("expected document {collection}/{id} at revision {expected}, but it is at revision {current}")]
    Document {
        /// The document's collection.
        collection: String,
        /// The document's id.
        id: String,
        /// The revision that the commit expected.
        expected: u64,
        /// The document's present revision.
        current: u64,
    },
    /// The commit id was used before, for other content.
    #[error("commit id '{id}' was used before with other content")]
    CommitId {
        /// The id that both commits bear.
        id: String,
    },
    /// The message id is in the session already, with other content.
    #[error("message id '{id}' is message {seq} already, with other content")]
    MessageId {
        /// The id that both messages bear.
        id: String,
        /// Where the first of them stands.
        seq: u64,
    },
}

/// An [`Error`]'s class: its variant without the details, for exit codes, status codes and statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is described at the variant of Error with its name")]
pub enum ErrorClass {
    Invalid,
    NotFound,
    Conflict,
    OutOfScope,
    Undecodable,
    Busy,
    Full,
    Unknown,
    Stopped,
    CannotOpen,
    Closed,
    Storage,
}

impl Error {
    /// The error's class.
    pub fn class(&self) -> ErrorClass {
        match self {
            Error::Invalid(_) => ErrorClass::Invalid,
            Error::NotFound(_) => ErrorClass::NotFound,
            Error::Conflict { .. } => ErrorClass::Conflict,
            Error::OutOfScope { .. } => ErrorClass::OutOfScope,
            Error::Undecodable { .. } => ErrorClass::Undecodable,
            Error::Busy(_) => ErrorClass::Busy,
            Error::Full(_) => ErrorClass::Full,
            Error::Unknown(_) => ErrorClass::Unknown,
            Error::Stopped(_) => ErrorClass::Stopped,
            Error::CannotOpen { .. } => ErrorClass::CannotOpen,
            Error::Closed => ErrorClass::Closed,
            Error::Storage(_) => ErrorClass::Storage,
        }
    }

    /// True if the very same call may succeed later, without the caller reading anything anew. An
    /// [`Unknown`](Error::Unknown) outcome is retryable only for a commit that bears an id.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Busy(_) | Error::Full(_) | Error::Unknown(_))
    }

    /// What to do next, in one sentence; `None` where the message says it already.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Error::NotFound(_) => Some("open the session first, or look for its key in the list of sessions"),
            Error::Conflict { conflict: Conflict::CommitId { .. } | Conflict::MessageId { .. }, .. } => {
                Some("use a new id for new content; the same id is for a retry of the same content")
            }
            Error::Conflict { .. } => Some("read the session again and decide anew"),
            Error::Undecodable { .. } => {
                Some("run `sessiondb check` for the whole list; the rest of the store stays readable")
            }
            Error::Busy(_) => Some("try again"),
            Error::Full(_) => Some("free some space and try again"),
            Error::Unknown(_) => Some("retry with the same commit id"),
            Error::Stopped(_) => Some("close the store, look after the disk, and open the store again"),
            _ => None,
        }
    }

    /// For backends: a place in the feed was named that lies behind its end.
    pub fn behind_the_feed(place: u64, end: u64) -> Error {
        Error::Invalid(format!(
            "place {place} lies behind the end of the feed, {end}: it is of another store, or of one that lost its last commits"
        ))
    }

    pub(crate) fn conflict(key: &SessionKey, conflict: Conflict) -> Error {
        Error::Conflict { key: Box::new(key.clone()), conflict }
    }
}
