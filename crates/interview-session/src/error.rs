//! [`Error`]: what can go wrong.

use crate::SessionStatus;

/// The result of every operation here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not succeed. With every variant but [`Store`](Error::Store), which says it itself, nothing was
/// written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no session of this id.
    #[error("Session {0} not found")]
    NotFound(String),

    /// A session was to be created under an id that another one has. Read that one, or choose another id.
    #[error("Session {0} exists already")]
    AlreadyExists(String),

    /// A value is not legal.
    #[error("{field} {reason}")]
    Invalid {
        /// Which value, as it is called in JSON: `methodology`, `state.turn_count`, `utterances[0].text`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Somebody changed the session since it was read. Read it again and decide anew.
    #[error("Session {id} was changed meanwhile: expected revision {expected}, but it is at {current}")]
    Conflict {
        /// The session.
        id: String,
        /// The revision that was expected.
        expected: u64,
        /// The revision it has.
        current: u64,
    },

    /// The session's status does not allow this: a completed session never changes again but for its config, and a paused
    /// one takes no turns until it is active.
    #[error("Session {id} is {status}: {refused} is refused")]
    NotActive {
        /// The session.
        id: String,
        /// The status it has.
        status: SessionStatus,
        /// What was refused: `update_state`, `record_turn`.
        refused: &'static str,
    },

    /// The status cannot become this one: a completed session stays completed.
    #[error("Session {id} is {from} and cannot become {to}")]
    Transition {
        /// The session.
        id: String,
        /// The status it has.
        from: SessionStatus,
        /// The status it was to have.
        to: SessionStatus,
    },

    /// The speaker said something else in this turn already. Read the session again: somebody else may have taken the
    /// turn.
    #[error("Session {id}: {speaker} said something else in turn {turn_number} already")]
    Said {
        /// The session.
        id: String,
        /// The turn.
        turn_number: u32,
        /// Who speaks.
        speaker: String,
    },

    /// The session is past this turn. Read it again: somebody else recorded a later one.
    #[error("Session {id} is at turn {current} already; turn {turn_number} cannot be recorded any more")]
    TurnPassed {
        /// The session.
        id: String,
        /// The turn that was to be recorded.
        turn_number: u32,
        /// The turn it is at.
        current: u32,
    },

    /// What SessionDB says: its variants differ in what the caller can do.
    #[error(transparent)]
    Store(#[from] sessiondb::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid { field: field.into(), reason: reason.into() }
    }
}
