use crate::models::{ChatMessage, WorktreeInstance};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct WorktreeSession {
    pub id: String,
    pub workspace_hash: String,
    // Repaired: the statements selected it `as type`, which this name does not find (every read failed).
    #[sqlx(rename = "session_type")]
    pub r#type: String,
    pub task: String,
    pub status: String,
    pub created_at: String,
    pub updated_at: String,
    pub completed_at: Option<String>,
    pub model: Option<String>,
    pub timeout_seconds: Option<i64>,
    #[sqlx(rename = "preserve_worktrees")]
    pub preserve_worktrees: Option<bool>,
    pub winner_id: Option<i64>,
    pub runtime_mix: Option<String>, // JSON-encoded Vec<String>
    pub total_duration: Option<i64>,
    pub total_files_changed: Option<i64>,
    pub total_lines_added: Option<i64>,
    pub total_lines_deleted: Option<i64>,
    pub integration_phase: Option<String>,
    pub integration_instance_id: Option<i64>,

    // Note: instances and chat_history are loaded separately via JOINs
    #[sqlx(skip)]
    pub instances: Vec<WorktreeInstance>,
    #[sqlx(skip)]
    pub chat_history: Vec<ChatMessage>,
}

impl WorktreeSession {
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
