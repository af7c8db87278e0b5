//! How a workspace lies in the store: the keys of its sessions, the collections of their documents, and what each JSON has.
//!
//! | what | where |
//! |---|---|
//! | a session | the key `ait42`, `worktree`, the workspace's hash, `session`, its id; its own values are the metadata |
//! | an instance | a document of the collection `instances`, by its number |
//! | its output | a document of the collection `outputs`, by the same number |
//! | a message | a message, by its `message_id`; its timestamp and instance are attributes |
//! | a workspace | the key `ait42`, `worktree`, its hash, `workspace`, its hash; its path is the metadata |
//! | when it was last accessed | its document `last` of the collection `access` |
//! | that a path is taken | the key `ait42`, `worktree`, nothing, `path`, the SHA-256 of the path |
//!
//! Outputs are documents of their own so that lists need not read them. A path is a session of its own since what is
//! unique in a store are keys.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sessiondb::{Json, SessionKey};
use sha2::{Digest, Sha256};

use crate::{ChatMessage, WorktreeInstance, WorktreeSession};

/// The agent and the channel of all keys here.
pub(crate) const AGENT: &str = "ait42";
pub(crate) const CHANNEL: &str = "worktree";
/// The kinds of keys.
pub(crate) const SESSION: &str = "session";
pub(crate) const WORKSPACE: &str = "workspace";
const PATH: &str = "path";
/// The families of sessions, and of workspaces and paths.
pub(crate) const FAMILY: &str = "ait42";
pub(crate) const WORKSPACE_FAMILY: &str = "ait42-workspace";
/// The collections of documents.
pub(crate) const INSTANCES: &str = "instances";
pub(crate) const OUTPUTS: &str = "outputs";
pub(crate) const ACCESS: &str = "access";
/// The one document of the collection [`ACCESS`].
pub(crate) const LAST: &str = "last";

/// The key of a session.
pub(crate) fn session_key(workspace: &str, id: &str) -> SessionKey {
    SessionKey::new(AGENT, CHANNEL, workspace, SESSION, id)
}

/// The key of a workspace.
pub(crate) fn workspace_key(hash: &str) -> SessionKey {
    SessionKey::new(AGENT, CHANNEL, hash, WORKSPACE, hash)
}

/// The key that says which workspace has this path.
pub(crate) fn path_key(path: &str) -> SessionKey {
    SessionKey::new(AGENT, CHANNEL, "", PATH, sha256_hex(path.as_bytes()))
}

/// SHA-256 in 64 hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A session's metadata: its own values, without what its key and its status say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionMembers<'a> {
    pub r#type: Cow<'a, str>,
    pub task: Cow<'a, str>,
    pub created_at: Cow<'a, str>,
    pub updated_at: Cow<'a, str>,
    /// The session's last message when `updated_at` was written. If there are later ones, the session was last changed
    /// when the last of them came, which the store knows: so a message is appended without writing anything else.
    pub updated_at_head: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_worktrees: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_mix: Option<Cow<'a, [String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_duration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_files_changed: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_lines_added: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_lines_deleted: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_phase: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_instance_id: Option<i64>,
}

/// The names of [`SessionMembers`] in JSON.
pub(crate) const SESSION_MEMBERS: &[&str] = &[
    "type",
    "task",
    "createdAt",
    "updatedAt",
    UPDATED_AT_HEAD,
    "completedAt",
    "model",
    "timeoutSeconds",
    "preserveWorktrees",
    "winnerId",
    "runtimeMix",
    "totalDuration",
    "totalFilesChanged",
    "totalLinesAdded",
    "totalLinesDeleted",
    "integrationPhase",
    "integrationInstanceId",
];

/// The one member of the metadata that is the store's own.
pub(crate) const UPDATED_AT_HEAD: &str = "updatedAtHead";

impl<'a> SessionMembers<'a> {
    pub(crate) fn of(session: &'a WorktreeSession, updated_at_head: u64) -> SessionMembers<'a> {
        SessionMembers {
            r#type: session.r#type.as_str().into(),
            task: session.task.as_str().into(),
            created_at: session.created_at.as_str().into(),
            updated_at: session.updated_at.as_str().into(),
            updated_at_head,
            completed_at: text(&session.completed_at),
            model: text(&session.model),
            timeout_seconds: session.timeout_seconds,
            preserve_worktrees: session.preserve_worktrees,
            winner_id: session.winner_id,
            runtime_mix: session.runtime_mix.as_deref().map(Cow::Borrowed),
            total_duration: session.total_duration,
            total_files_changed: session.total_files_changed,
            total_lines_added: session.total_lines_added,
            total_lines_deleted: session.total_lines_deleted,
            integration_phase: text(&session.integration_phase),
            integration_instance_id: session.integration_instance_id,
        }
    }

    /// The session with these values, and with no instances and messages yet.
    pub(crate) fn into_session(self, workspace_hash: String, id: String, status: String) -> WorktreeSession {
        WorktreeSession {
            id,
            workspace_hash,
            r#type: self.r#type.into_owned(),
            task: self.task.into_owned(),
            status,
            created_at: self.created_at.into_owned(),
            updated_at: self.updated_at.into_owned(),
            completed_at: self.completed_at.map(Cow::into_owned),
            model: self.model.map(Cow::into_owned),
            timeout_seconds: self.timeout_seconds,
            preserve_worktrees: self.preserve_worktrees,
            winner_id: self.winner_id,
            runtime_mix: self.runtime_mix.map(Cow::into_owned),
            total_duration: self.total_duration,
            total_files_changed: self.total_files_changed,
            total_lines_added: self.total_lines_added,
            total_lines_deleted: self.total_lines_deleted,
            integration_phase: self.integration_phase.map(Cow::into_owned),
            integration_instance_id: self.integration_instance_id,
            instances: Vec::new(),
            chat_history: Vec::new(),
        }
    }
}

/// The body of an instance's document: its values, without its number and its output.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceMembers<'a> {
    pub worktree_path: Cow<'a, str>,
    pub branch: Cow<'a, str>,
    pub agent_name: Cow<'a, str>,
    pub status: Cow<'a, str>,
    pub tmux_session_id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_label: Option<Cow<'a, str>>,
}

/// The names of [`InstanceMembers`] in JSON.
pub(crate) const INSTANCE_MEMBERS: &[&str] = &[
    "worktreePath",
    "branch",
    "agentName",
    "status",
    "tmuxSessionId",
    "startTime",
    "endTime",
    "filesChanged",
    "linesAdded",
    "linesDeleted",
    "runtime",
    "model",
    "runtimeLabel",
];

impl<'a> InstanceMembers<'a> {
    pub(crate) fn of(instance: &'a WorktreeInstance) -> InstanceMembers<'a> {
        InstanceMembers {
            worktree_path: instance.worktree_path.as_str().into(),
            branch: instance.branch.as_str().into(),
            agent_name: instance.agent_name.as_str().into(),
            status: instance.status.as_str().into(),
            tmux_session_id: instance.tmux_session_id.as_str().into(),
            start_time: text(&instance.start_time),
            end_time: text(&instance.end_time),
            files_changed: instance.files_changed,
            lines_added: instance.lines_added,
            lines_deleted: instance.lines_deleted,
            runtime: text(&instance.runtime),
            model: text(&instance.model),
            runtime_label: text(&instance.runtime_label),
        }
    }

    /// The instance with these values, and with no output yet.
    pub(crate) fn into_instance(self, session_id: String, instance_id: i64) -> WorktreeInstance {
        WorktreeInstance {
            instance_id,
            session_id,
            worktree_path: self.worktree_path.into_owned(),
            branch: self.branch.into_owned(),
            agent_name: self.agent_name.into_owned(),
            status: self.status.into_owned(),
            tmux_session_id: self.tmux_session_id.into_owned(),
            output: None,
            start_time: self.start_time.map(Cow::into_owned),
            end_time: self.end_time.map(Cow::into_owned),
            files_changed: self.files_changed,
            lines_added: self.lines_added,
            lines_deleted: self.lines_deleted,
            runtime: self.runtime.map(Cow::into_owned),
            model: self.model.map(Cow::into_owned),
            runtime_label: self.runtime_label.map(Cow::into_owned),
        }
    }
}

/// A message's attributes: what the store has no column for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageMembers<'a> {
    /// The text as it came. The store's own time of the message is the same moment.
    pub timestamp: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
}

/// The names of [`MessageMembers`] in JSON.
pub(crate) const MESSAGE_MEMBERS: &[&str] = &["timestamp", "instanceId"];

impl<'a> MessageMembers<'a> {
    pub(crate) fn of(message: &'a ChatMessage) -> MessageMembers<'a> {
        MessageMembers { timestamp: message.timestamp.as_str().into(), instance_id: message.instance_id }
    }
}

/// A workspace's metadata, and that of the claim of its path.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkspaceMembers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// In the claim of a path: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Members with others beside them, in one object.
#[derive(Serialize)]
struct WithOthers<'a, T> {
    #[serde(flatten)]
    members: &'a T,
    #[serde(flatten)]
    others: &'a Map<String, Value>,
}

/// The JSON object of these members and these others.
///
/// # Errors
/// [`sessiondb::Error::Invalid`] if the others are nested too deep.
pub(crate) fn object(
    members: &impl Serialize,
    others: Option<&Map<String, Value>>,
) -> Result<Json, sessiondb::Error> {
    match others.filter(|others| !others.is_empty()) {
        Some(others) => Json::from_value(&WithOthers { members, others }),
        None => Json::from_value(members),
    }
}

/// The members of a JSON object but for these.
///
/// # Errors
/// [`sessiondb::Error::Invalid`] if it is no object.
pub(crate) fn others(object: &Json, known: &[&str]) -> Result<Map<String, Value>, sessiondb::Error> {
    let mut members: Map<String, Value> = object.read()?;
    members.retain(|name, _| !known.contains(&name.as_str()));
    Ok(members)
}

fn text(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(object: &impl Serialize) -> Vec<String> {
        let Ok(Value::Object(members)) = serde_json::to_value(object) else { return Vec::new() };
        members.into_iter().map(|(name, _)| name).collect()
    }

    fn sorted(known: &[&str]) -> Vec<String> {
        let mut known: Vec<String> = known.iter().map(|&name| name.into()).collect();
        known.sort();
        known
    }

    /// What is not in these lists would be kept twice, as a member of its own and among the others.
    #[test]
    fn the_lists_of_names_are_complete() {
        let session = WorktreeSession {
            completed_at: Some(String::new()),
            model: Some(String::new()),
            timeout_seconds: Some(0),
            preserve_worktrees: Some(false),
            winner_id: Some(0),
            runtime_mix: Some(Vec::new()),
            total_duration: Some(0),
            total_files_changed: Some(0),
            total_lines_added: Some(0),
            total_lines_deleted: Some(0),
            integration_phase: Some(String::new()),
            integration_instance_id: Some(0),
            ..WorktreeSession::new("s".into(), "w".into(), "debate".into(), "t".into())
        };
        assert_eq!(names(&SessionMembers::of(&session, 0)), sorted(SESSION_MEMBERS));
        let instance = WorktreeInstance {
            instance_id: 1,
            session_id: String::new(),
            worktree_path: String::new(),
            branch: String::new(),
            agent_name: String::new(),
            status: String::new(),
            tmux_session_id: String::new(),
            output: None,
            start_time: Some(String::new()),
            end_time: Some(String::new()),
            files_changed: Some(0),
            lines_added: Some(0),
            lines_deleted: Some(0),
            runtime: Some(String::new()),
            model: Some(String::new()),
            runtime_label: Some(String::new()),
        };
        assert_eq!(names(&InstanceMembers::of(&instance)), sorted(INSTANCE_MEMBERS));
        let members = MessageMembers { timestamp: "".into(), instance_id: Some(0) };
        assert_eq!(names(&members), sorted(MESSAGE_MEMBERS));
    }
}
