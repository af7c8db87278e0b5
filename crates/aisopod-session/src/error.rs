//! [`Error`]: what can go wrong.

use std::fmt;

/// The result of every operation here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A handle of one agent ([`scoped`](crate::SessionStore::scoped)) was asked for another agent's session. Decided
    /// from the key alone, so it tells nothing about what exists.
    AccessDenied {
        /// Whose handle it is.
        agent_id: String,
        /// Whose session it was asked for.
        owner: String,
    },
    /// What SessionDB says: its variants differ in what the caller can do.
    Store(sessiondb::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AccessDenied { agent_id, owner } => {
                write!(f, "access denied: agent '{agent_id}' cannot access sessions owned by agent '{owner}'")
            }
            Error::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::AccessDenied { .. } => None,
            Error::Store(error) => error.source(),
        }
    }
}

impl From<sessiondb::Error> for Error {
    fn from(error: sessiondb::Error) -> Error {
        match error {
            sessiondb::Error::OutOfScope { key, scope } => match scope.parts().first() {
                Some(agent_id) if *agent_id != key.agent_id => {
                    Error::AccessDenied { agent_id: agent_id.clone(), owner: key.agent_id }
                }
                _ => Error::Store(sessiondb::Error::OutOfScope { key, scope }),
            },
            error => Error::Store(error),
        }
    }
}

/// The request itself is wrong.
pub(crate) fn invalid(reason: impl Into<String>) -> Error {
    Error::Store(sessiondb::Error::Invalid(reason.into()))
}
