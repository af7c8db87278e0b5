//! [`Exported`]: what came of an export.

use sessiondb::{Error, SessionKey};

/// What came of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many sessions were written.
    pub sessions: u64,
    /// Sessions that changed while their documents were read, which are more than can be held: the documents may be of
    /// several moments. All else about them is of one.
    pub unsteady: Vec<SessionKey>,
    /// Sessions that could not be read, and are left out.
    pub unread: Vec<Unread>,
}

/// A session that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Which.
    pub key: SessionKey,
    /// Why.
    pub error: Error,
}
