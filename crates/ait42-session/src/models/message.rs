//! [`ChatMessage`]: what was said in a session.

use serde::{Deserialize, Serialize};

/// A message of a session's chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// Its id, unique within the session.
    pub id: String,
    /// The session; empty means the one that it is in. In AIT42's files it is not a member.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session_id: String,
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// What was said.
    pub content: String,
    /// When it was said.
    pub timestamp: String,
    /// The instance that it is from or to, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
}
