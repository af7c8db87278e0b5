//! [`WorktreeSession`]: a task, and the instances that work on it.

use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::models::{ChatMessage, WorktreeInstance};

/// A coding session: a task in a workspace, the instances that work on it, and what was said.
///
/// As JSON it is what AIT42 keeps in its files: members in camelCase, absent ones left out. In those files the
/// workspace's hash is the name of the file and not a member.
///
/// Times are RFC 3339 texts, and stay the texts they came as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorktreeSession {
    /// Its id, unique within the workspace.
    pub id: String,
    /// The workspace, by [`workspace_hash`](crate::workspace_hash) of its path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workspace_hash: String,
    /// `competition`, `ensemble` or `debate`.
    pub r#type: String,
    /// What is to be done.
    pub task: String,
    /// `running`, `completed`, `failed` or `paused`.
    pub status: String,
    /// When it was created.
    pub created_at: String,
    /// When anything in it last changed.
    pub updated_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// The model that the instances use, unless they say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long the instances may work, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// Whether the worktrees stay when the session ends. Absent: nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_worktrees: Option<bool>,
    /// The instance that won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner_id: Option<i64>,
    /// The runtimes that the instances are spread over: an array in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_mix: Option<Vec<String>>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_duration: Option<i64>,
    /// Files changed by all instances together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_files_changed: Option<i64>,
    /// Lines added by all instances together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_lines_added: Option<i64>,
    /// Lines deleted by all instances together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_lines_deleted: Option<i64>,
    /// How far the winner's work is integrated: `pending`, `in_progress` or `completed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_phase: Option<String>,
    /// The instance that integrates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_instance_id: Option<i64>,

    /// Its instances, ordered by their ids.
    #[serde(default)]
    pub instances: Vec<WorktreeInstance>,
    /// What was said, in the order in which it was added.
    #[serde(default)]
    pub chat_history: Vec<ChatMessage>,
}

impl WorktreeSession {
    /// A running session of this type, created now, with no instances yet.
    pub fn new(id: String, workspace_hash: String, session_type: String, task: String) -> Self {
        let now = Utc::now().to_rfc3339();
        Self {
            id,
            workspace_hash,
            r#type: session_type,
            task,
            status: "running".to_string(),
            created_at: now.clone(),
            updated_at: now,
            completed_at: None,
            model: None,
            timeout_seconds: None,
            preserve_worktrees: None,
            winner_id: None,
            runtime_mix: None,
            total_duration: None,
            total_files_changed: None,
            total_lines_added: None,
            total_lines_deleted: None,
            integration_phase: None,
            integration_instance_id: None,
            instances: Vec::new(),
            chat_history: Vec::new(),
        }
    }
}
