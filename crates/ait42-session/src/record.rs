//! [`Record`]: a session with everything that its JSON has, whether this crate knows the member or not.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::WorktreeSession;

/// A session, and the members of its JSON that the models have no field for (AIT42's screen writes `evaluation`,
/// `testsPassed` and others). They are kept wherever the session goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// The session. Its `workspace_hash` is set, and so is the `session_id` of its instances and messages.
    pub session: WorktreeSession,
    /// Other members of the session.
    pub others: Map<String, Value>,
    /// Other members of its instances, by their ids; none is empty.
    pub instance_others: BTreeMap<i64, Map<String, Value>>,
    /// Other members of its messages, by their ids; none is empty.
    pub message_others: BTreeMap<String, Map<String, Value>>,
}
