//! [`WorktreeInstance`]: one of those that work on a task.

use serde::{Deserialize, Serialize};

/// An instance of an agent in a worktree of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorktreeInstance {
    /// Its number within the session.
    pub instance_id: i64,
    /// The session; empty means the one that it is in. In AIT42's files it is not a member.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session_id: String,
    /// Where it works.
    pub worktree_path: String,
    /// The branch it works on.
    pub branch: String,
    /// Which agent it is an instance of.
    pub agent_name: String,
    /// `idle`, `running`, `completed`, `failed`, `paused` or `archived`.
    pub status: String,
    /// The tmux session it runs in.
    pub tmux_session_id: String,
    /// What it wrote to its terminal, at most 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Files it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<i64>,
    /// Lines it added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<i64>,
    /// Lines it deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<i64>,
    /// The runtime it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The model it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the runtime is called on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_label: Option<String>,
}
