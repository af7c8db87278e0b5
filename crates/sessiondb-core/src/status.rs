//! [`Status`]: how a store does.

use serde::{Deserialize, Serialize};

/// How a store does, for whoever watches it. It costs next to nothing to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StoreStatus))]
pub struct Status {
    /// Bytes of the database's file; `None` for a store that is not in a file.
    pub database_bytes: Option<u64>,
    /// Bytes of the log beside it, which has what is not in the database's file yet.
    pub log_bytes: Option<u64>,
    /// Calls of `commit` that wait to be written in this process.
    pub waiting: u64,
    /// About how many messages the index of words is behind. They are found all the same; searches look at each.
    pub unindexed: u64,
}
