//! [`Lineage`]: where a session's history comes from, and who else reads it.

use serde::{Deserialize, Serialize};

use crate::{LogId, SessionKey};

/// Where a session's history comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// The session that it was forked from, if it is a fork.
    pub forked_from: Option<ForkedFrom>,
    /// The logs whose messages it may show beside its own, in the order of the numbers, without gaps from 1 on.
    pub inherited: Vec<Inherited>,
    /// How many sessions may show messages of its own log: its forks, and their forks.
    pub readers: u64,
}

/// The parent of a fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForkedFrom {
    /// Its key; `None` if it was deleted since, or lies outside the scope of who asks.
    pub key: Option<SessionKey>,
    /// The last message of the parent's view that the fork shows; 0 for none.
    pub at: u64,
}

/// A stretch of another session's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inherited {
    /// Whose messages: the number of the log in this store.
    pub log: LogId,
    /// The session whose log it is. One that was deleted is kept for its forks under an address of the store's own
    /// ([`SessionKey::is_reserved`]). `None` if it lies outside the scope of who asks.
    pub key: Option<SessionKey>,
    /// The first message.
    pub first: u64,
    /// The last message.
    pub last: u64,
}
