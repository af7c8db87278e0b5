//! The types: sessions, their keys, and what is stored in them.

use std::{collections::HashMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, error::invalid};

pub use sessiondb::SessionKey;

/// What a session is doing. As text, in JSON and in the database: `active`, `idle`, `compacted`, `archived`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// In use.
    #[default]
    Active,
    /// Not used for a while.
    Idle,
    /// Its history was compacted.
    Compacted,
    /// Put away.
    Archived,
}

impl SessionStatus {
    /// All statuses.
    pub const ALL: [SessionStatus; 4] =
        [SessionStatus::Active, SessionStatus::Idle, SessionStatus::Compacted, SessionStatus::Archived];

    /// Its text.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStatus::Active => "active",
            SessionStatus::Idle => "idle",
            SessionStatus::Compacted => "compacted",
            SessionStatus::Archived => "archived",
        }
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionStatus {
    type Err = Error;

    /// Takes the text of [`as_str`](SessionStatus::as_str), and no other.
    fn from_str(text: &str) -> Result<SessionStatus> {
        SessionStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| invalid(format!("'{}' is not a session status", text.escape_debug())))
    }
}

/// Whatever describes a session, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionMetadata {
    /// The values.
    pub values: HashMap<String, Value>,
}

impl SessionMetadata {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// With this value, in place of one of the same name.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> SessionMetadata {
        self.values.insert(name.into(), value.into());
        self
    }
}

/// A session: everything about it but its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its address.
    pub key: SessionKey,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When anything in it last changed. It never goes back.
    pub updated_at: DateTime<Utc>,
    /// How many messages its history has: what reading all of it answers.
    pub message_count: u64,
    /// Tokens used in it.
    pub token_usage: u64,
    /// Whatever describes it.
    pub metadata: SessionMetadata,
    /// What it is doing.
    pub status: SessionStatus,
}

/// A lighter view of a session, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its address.
    pub key: SessionKey,
    /// What it is doing.
    pub status: SessionStatus,
    /// How many messages its history has.
    pub message_count: u64,
    /// When anything in it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Which sessions to list; what is `None` does not restrict. The default lists them all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionFilter {
    /// Only this agent.
    pub agent_id: Option<String>,
    /// Only this channel.
    pub channel: Option<String>,
    /// Only this status.
    pub status: Option<SessionStatus>,
    /// Only what last changed after this moment, which is not included.
    pub updated_after: Option<DateTime<Utc>>,
    /// Only what last changed before this moment, which is not included.
    pub updated_before: Option<DateTime<Utc>>,
    /// How many at most, the newest first.
    pub limit: Option<usize>,
}

/// What to change in a session; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionPatch {
    /// Values to merge by name; a `null` removes its name.
    pub metadata: Option<SessionMetadata>,
    /// The new status.
    pub status: Option<SessionStatus>,
    /// The new count of tokens used. To add to it, use
    /// [`add_token_usage`](crate::SessionStore::add_token_usage).
    pub token_usage: Option<u64>,
}

/// A message.
///
/// Which tool calls it makes is read from the `id`s in `tool_calls` and in content blocks of type `tool_use`; whose
/// results it brings, from `tool_call_id` and from the `tool_use_id`s of blocks of type `tool_result`. No history and no
/// compaction separates the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// The row it is stored in; 0 in a message that is not stored yet, whatever number stands here when it is appended.
    pub id: i64,
    /// Its number in its session: 1, 2, 3, …, which names it in [`compact_as_of`](crate::SessionStore::compact_as_of).
    /// Given by the store, as `id` is.
    #[serde(default)]
    pub seq: u64,
    /// Who speaks: `user`, `assistant`, `system`, `tool`.
    pub role: String,
    /// What is said, as JSON.
    pub content: Value,
    /// Tool calls, if any.
    pub tool_calls: Option<Value>,
    /// In a tool's result: which call it answers, where the content does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// How many tokens it weighs, if the writer knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
    /// When it was said.
    pub created_at: DateTime<Utc>,
}

impl StoredMessage {
    /// A message of now, not stored yet.
    pub fn new(role: impl Into<String>, content: Value) -> StoredMessage {
        StoredMessage {
            id: 0,
            seq: 0,
            role: role.into(),
            content,
            tool_calls: None,
            tool_call_id: None,
            token_count: None,
            created_at: Utc::now(),
        }
    }

    /// The result of a tool call, of now, not stored yet: a message of the role `tool`.
    pub fn tool_result(tool_call_id: impl Into<String>, content: Value) -> StoredMessage {
        StoredMessage { tool_call_id: Some(tool_call_id.into()), ..StoredMessage::new("tool", content) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Defect m of the upstream store: JSON said "Active" where the database said "active".
    #[test]
    fn defect_m_a_status_has_one_spelling() {
        for (status, text) in SessionStatus::ALL.into_iter().zip(["active", "idle", "compacted", "archived"])
        {
            assert_eq!(serde_json::to_value(status).unwrap(), text);
            assert_eq!(serde_json::from_value::<SessionStatus>(text.into()).unwrap(), status);
            assert_eq!((status.to_string().as_str(), text.parse().unwrap()), (text, status));
        }
        assert!("Active".parse::<SessionStatus>().is_err());
    }

    #[test]
    fn the_types_can_be_cloned_printed_compared_and_serialised() {
        fn derives<T: Clone + fmt::Debug + PartialEq + Serialize + serde::de::DeserializeOwned>() {}
        fn key_derives<T: Eq + std::hash::Hash>() {}
        key_derives::<SessionKey>();
        derives::<SessionKey>();
        derives::<Session>();
        derives::<SessionStatus>();
        derives::<SessionMetadata>();
        derives::<SessionSummary>();
        derives::<SessionFilter>();
        derives::<SessionPatch>();
        derives::<StoredMessage>();
    }

    #[test]
    fn a_session_key_has_the_five_fields_in_json() {
        let key = SessionKey {
            agent_id: "a".into(),
            channel: "discord".into(),
            account_id: "bot".into(),
            peer_kind: "dm".into(),
            peer_id: "p".into(),
        };
        let json =
            r#"{"agent_id":"a","channel":"discord","account_id":"bot","peer_kind":"dm","peer_id":"p"}"#;
        assert_eq!(serde_json::to_string(&key).unwrap(), json);
    }

    #[test]
    fn metadata_is_any_values_by_name() {
        let json = serde_json::json!({"title": "Order 66", "tags": ["a", {"b": null}], "n": 1.5});
        let metadata: SessionMetadata = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(metadata.get("tags").unwrap()[1]["b"], Value::Null);
        assert_eq!(serde_json::to_value(metadata).unwrap(), json);
    }
}
