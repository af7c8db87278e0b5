//! The feed: what was committed, to which session, in the order in which it happened.

use serde::{Deserialize, Serialize};

use crate::{CommitId, LogId, SessionKey, Time, time};

/// One line of the feed: a commit that changed something. It names the session and the kinds of writes, and has none of
/// their content: whoever is interested reads the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Its place in the feed of this store: each is greater than those before it. There may be gaps.
    pub id: u64,
    /// The number of the session's own log in this store. A session that is opened anew under the key of a deleted one has
    /// another.
    pub log: LogId,
    /// The session's key.
    pub key: SessionKey,
    /// The session's revision after the commit; after a delete, the revision it had.
    pub revision: u64,
    /// When it happened: the commit's own time, which may be an earlier one if the caller gave it.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Time,
    /// What was done, each kind once, in the order in which it was done first: `open`, `fork`, `append`, `status`,
    /// `metadata`, `tokens`, `document`, `view`, `restore`, `delete`.
    pub what: Vec<String>,
    /// The numbers of the messages in the commit's receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seqs: Vec<u64>,
    /// The caller's name for the commit, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 512))]
    pub commit_id: Option<CommitId>,
}

/// A stretch of the feed. It may have fewer changes than were asked for although there are more: `more` tells, not the count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangePage {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// The place up to which the feed was read: where to go on from. It may lie behind the last of the changes, since those
    /// of sessions that the reader may not see are left out.
    pub last: u64,
    /// Whether there is more behind it.
    pub more: bool,
}
