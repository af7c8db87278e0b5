//! [`WorktreeSummary`]: a session as a list shows it.

use serde::{Deserialize, Serialize};

use crate::models::WorktreeSession;

/// A session without its outputs and messages, which may be long. It is another type than the session so that nobody stores
/// it in the session's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorktreeSummary {
    /// The session's id.
    pub id: String,
    /// The workspace, by its hash.
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
    /// The instance that won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner_id: Option<i64>,
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
    /// How far the winner's work is integrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_phase: Option<String>,
    /// Its instances, ordered by their ids.
    pub instances: Vec<InstanceSummary>,
    /// How many messages it has.
    pub message_count: u64,
}

/// An instance without its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSummary {
    /// Its number within the session.
    pub instance_id: i64,
    /// Which agent it is an instance of.
    pub agent_name: String,
    /// `idle`, `running`, `completed`, `failed`, `paused` or `archived`.
    pub status: String,
    /// The model it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the runtime is called on the screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_label: Option<String>,
    /// Files it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<i64>,
    /// Lines it added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<i64>,
    /// Lines it deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<i64>,
}

impl WorktreeSummary {
    /// Of this session, which has so many messages, whether they were read or not.
    pub(crate) fn of(session: WorktreeSession, message_count: u64) -> WorktreeSummary {
        let instances = session.instances.into_iter().map(|instance| InstanceSummary {
            instance_id: instance.instance_id,
            agent_name: instance.agent_name,
            status: instance.status,
            model: instance.model,
            runtime_label: instance.runtime_label,
            files_changed: instance.files_changed,
            lines_added: instance.lines_added,
            lines_deleted: instance.lines_deleted,
        });
        WorktreeSummary {
            instances: instances.collect(),
            message_count,
            id: session.id,
            workspace_hash: session.workspace_hash,
            r#type: session.r#type,
            task: session.task,
            status: session.status,
            created_at: session.created_at,
            updated_at: session.updated_at,
            completed_at: session.completed_at,
            model: session.model,
            winner_id: session.winner_id,
            total_duration: session.total_duration,
            total_files_changed: session.total_files_changed,
            total_lines_added: session.total_lines_added,
            total_lines_deleted: session.total_lines_deleted,
            integration_phase: session.integration_phase,
        }
    }
}
