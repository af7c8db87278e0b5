use crate::db::DbPool;
use crate::models::{ChatMessage, WorktreeInstance, WorktreeSession};
use crate::repository::{RepositoryError, SessionFilters, SessionRepository};
use async_trait::async_trait;
use chrono::Utc;
use sqlx::SqlitePool;
use std::sync::Arc;

pub struct SqliteSessionRepository {
    pool: Arc<DbPool>,
}

impl SqliteSessionRepository {
    pub async fn new(database_url: &str) -> Result<Self, RepositoryError> {
        let pool = DbPool::new(database_url).await?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Added: on a pool that is open.
    pub fn from_pool(pool: Arc<DbPool>) -> Self {
        Self { pool }
    }

    pub fn pool(&self) -> &SqlitePool {
        self.pool.pool()
    }

    async fn load_instances(&self, session_id: &str) -> Result<Vec<WorktreeInstance>, RepositoryError> {
        let instances = sqlx::query_as::<_, WorktreeInstance>(
            r#"
            SELECT
                id, session_id, instance_id, worktree_path, branch,
                agent_name, status, tmux_session_id, output,
                start_time, end_time, files_changed, lines_added,
                lines_deleted, runtime, model, runtime_label
            FROM instances
            WHERE session_id = ?
            ORDER BY instance_id ASC
            "#,
        )
        .bind(session_id)
        .fetch_all(self.pool())
        .await?;

        Ok(instances)
    }

    async fn load_messages(&self, session_id: &str) -> Result<Vec<ChatMessage>, RepositoryError> {
        let messages = sqlx::query_as::<_, ChatMessage>(
            r#"
            SELECT id, session_id, role, content, timestamp, instance_id
            FROM chat_messages
            WHERE session_id = ?
            ORDER BY timestamp ASC
            "#,
        )
        .bind(session_id)
        .fetch_all(self.pool())
        .await?;

        Ok(messages)
    }
}

#[async_trait]
impl SessionRepository for SqliteSessionRepository {
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let mut tx = self.pool().begin().await?;

        // Ensure workspace exists
        sqlx::query(
            r#"
            INSERT INTO workspaces (hash, path, last_accessed)
            VALUES (?, ?, ?)
            ON CONFLICT(hash) DO UPDATE SET last_accessed = excluded.last_accessed
            "#,
        )
        .bind(&session.workspace_hash)
        .bind(&session.workspace_hash) // Use hash as path for now (will be improved)
        .bind(Utc::now().to_rfc3339())
        .execute(&mut *tx)
        .await?;

        // Insert session
        let runtime_mix_json =
            session.runtime_mix.as_ref().map(|v| serde_json::to_string(v).unwrap_or_default());

        sqlx::query(
            r#"
            INSERT INTO sessions (
                id, workspace_hash, session_type, task, status,
                created_at, updated_at, completed_at, model,
                timeout_seconds, preserve_worktrees, winner_id,
                runtime_mix, total_duration, total_files_changed,
                total_lines_added, total_lines_deleted,
                integration_phase, integration_instance_id
            ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            "#,
        )
        .bind(&session.id)
        .bind(&session.workspace_hash)
        .bind(&session.r#type)
        .bind(&session.task)
        .bind(&session.status)
        .bind(&session.created_at)
        .bind(&session.updated_at)
        .bind(&session.completed_at)
        .bind(&session.model)
        .bind(session.timeout_seconds)
        .bind(session.preserve_worktrees)
        .bind(session.winner_id)
        .bind(runtime_mix_json)
        .bind(session.total_duration)
        .bind(session.total_files_changed)
        .bind(session.total_lines_added)
        .bind(session.total_lines_deleted)
        .bind(&session.integration_phase)
        .bind(session.integration_instance_id)
        .execute(&mut *tx)
        .await?;

        // Insert instances
        for instance in &session.instances {
            sqlx::query(
                r#"
                INSERT INTO instances (
                    session_id, instance_id, worktree_path, branch,
                    agent_name, status, tmux_session_id, output,
                    start_time, end_time, files_changed, lines_added,
                    lines_deleted, runtime, model, runtime_label
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                "#,
            )
            .bind(&session.id)
            .bind(instance.instance_id)
            .bind(&instance.worktree_path)
            .bind(&instance.branch)
            .bind(&instance.agent_name)
            .bind(&instance.status)
            .bind(&instance.tmux_session_id)
            .bind(&instance.output)
            .bind(&instance.start_time)
            .bind(&instance.end_time)
            .bind(instance.files_changed)
            .bind(instance.lines_added)
            .bind(instance.lines_deleted)
            .bind(&instance.runtime)
            .bind(&instance.model)
            .bind(&instance.runtime_label)
            .execute(&mut *tx)
            .await?;
        }

        // Insert chat messages
        for message in &session.chat_history {
            sqlx::query(
                r#"
                INSERT INTO chat_messages (id, session_id, role, content, timestamp, instance_id)
                VALUES (?, ?, ?, ?, ?, ?)
                "#,
            )
            .bind(&message.id)
            .bind(&session.id)
            .bind(&message.role)
            .bind(&message.content)
            .bind(&message.timestamp)
            .bind(message.instance_id)
            .execute(&mut *tx)
            .await?;
        }

        tx.commit().await?;

        Ok(session)
    }

    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        let mut session = sqlx::query_as::<_, WorktreeSession>(
            r#"
            SELECT
                id, workspace_hash, session_type, task, status,
                created_at, updated_at, completed_at, model,
                timeout_seconds, preserve_worktrees, winner_id,
                runtime_mix, total_duration, total_files_changed,
                total_lines_added, total_lines_deleted,
                integration_phase, integration_instance_id
            FROM sessions
            WHERE workspace_hash = ? AND id = ?
            "#,
        )
        .bind(workspace_hash)
        .bind(session_id)
        .fetch_optional(self.pool())
        .await?
        .ok_or_else(|| RepositoryError::NotFound(session_id.to_string()))?;

        // Load related data
        session.instances = self.load_instances(session_id).await?;
        session.chat_history = self.load_messages(session_id).await?;

        Ok(session)
    }

    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError> {
        let sessions = sqlx::query_as::<_, WorktreeSession>(
            r#"
            SELECT
                id, workspace_hash, session_type, task, status,
                created_at, updated_at, completed_at, model,
                timeout_seconds, preserve_worktrees, winner_id,
                runtime_mix, total_duration, total_files_changed,
                total_lines_added, total_lines_deleted,
                integration_phase, integration_instance_id
            FROM sessions
            WHERE workspace_hash = ?
            ORDER BY updated_at DESC
            "#,
        )
        .bind(workspace_hash)
        .fetch_all(self.pool())
        .await?;

        // Load instances and messages for each session
        let mut result = Vec::new();
        for mut session in sessions {
            session.instances = self.load_instances(&session.id).await?;
            session.chat_history = self.load_messages(&session.id).await?;
            result.push(session);
        }

        Ok(result)
    }

    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        let mut tx = self.pool().begin().await?;

        let runtime_mix_json =
            session.runtime_mix.as_ref().map(|v| serde_json::to_string(v).unwrap_or_default());

        // Update session
        sqlx::query(
            r#"
            UPDATE sessions SET
                session_type = ?, task = ?, status = ?,
                updated_at = ?, completed_at = ?, model = ?,
                timeout_seconds = ?, preserve_worktrees = ?,
                winner_id = ?, runtime_mix = ?,
                total_duration = ?, total_files_changed = ?,
                total_lines_added = ?, total_lines_deleted = ?,
                integration_phase = ?, integration_instance_id = ?
            WHERE id = ?
            "#,
        )
        .bind(&session.r#type)
        .bind(&session.task)
        .bind(&session.status)
        .bind(&session.updated_at)
        .bind(&session.completed_at)
        .bind(&session.model)
        .bind(session.timeout_seconds)
        .bind(session.preserve_worktrees)
        .bind(session.winner_id)
        .bind(runtime_mix_json)
        .bind(session.total_duration)
        .bind(session.total_files_changed)
        .bind(session.total_lines_added)
        .bind(session.total_lines_deleted)
        .bind(&session.integration_phase)
        .bind(session.integration_instance_id)
        .bind(&session.id)
        .execute(&mut *tx)
        .await?;

        // Update instances (delete and re-insert for simplicity)
        sqlx::query("DELETE FROM instances WHERE session_id = ?").bind(&session.id).execute(&mut *tx).await?;

        for instance in &session.instances {
            sqlx::query(
                r#"
                INSERT INTO instances (
                    session_id, instance_id, worktree_path, branch,
                    agent_name, status, tmux_session_id, output,
                    start_time, end_time, files_changed, lines_added,
                    lines_deleted, runtime, model, runtime_label
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                "#,
            )
            .bind(&session.id)
            .bind(instance.instance_id)
            .bind(&instance.worktree_path)
            .bind(&instance.branch)
            .bind(&instance.agent_name)
            .bind(&instance.status)
            .bind(&instance.tmux_session_id)
            .bind(&instance.output)
            .bind(&instance.start_time)
            .bind(&instance.end_time)
            .bind(instance.files_changed)
            .bind(instance.lines_added)
            .bind(instance.lines_deleted)
            .bind(&instance.runtime)
            .bind(&instance.model)
            .bind(&instance.runtime_label)
            .execute(&mut *tx)
            .await?;
        }

        tx.commit().await?;

        Ok(session)
    }

    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError> {
        let result = sqlx::query("DELETE FROM sessions WHERE workspace_hash = ? AND id = ?")
            .bind(workspace_hash)
            .bind(session_id)
            .execute(self.pool())
            .await?;

        if result.rows_affected() == 0 {
            return Err(RepositoryError::NotFound(session_id.to_string()));
        }

        Ok(())
    }

    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError> {
        sqlx::query(
            r#"
            INSERT INTO chat_messages (id, session_id, role, content, timestamp, instance_id)
            VALUES (?, ?, ?, ?, ?, ?)
            "#,
        )
        .bind(&message.id)
        .bind(session_id)
        .bind(&message.role)
        .bind(&message.content)
        .bind(&message.timestamp)
        .bind(message.instance_id)
        .execute(self.pool())
        .await?;

        // Update session timestamp
        sqlx::query("UPDATE sessions SET updated_at = ? WHERE id = ?")
            .bind(Utc::now().to_rfc3339())
            .bind(session_id)
            .execute(self.pool())
            .await?;

        Ok(())
    }

    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError> {
        let result = sqlx::query("UPDATE instances SET status = ? WHERE session_id = ? AND instance_id = ?")
            .bind(new_status)
            .bind(session_id)
            .bind(instance_id)
            .execute(self.pool())
            .await?;

        if result.rows_affected() == 0 {
            return Err(RepositoryError::NotFound(format!(
                "Instance {} in session {}",
                instance_id, session_id
            )));
        }

        // Update session timestamp
        sqlx::query("UPDATE sessions SET updated_at = ? WHERE id = ?")
            .bind(Utc::now().to_rfc3339())
            .bind(session_id)
            .execute(self.pool())
            .await?;

        Ok(())
    }

    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError> {
        let mut query = String::from(
            r#"
            SELECT
                id, workspace_hash, session_type, task, status,
                created_at, updated_at, completed_at, model,
                timeout_seconds, preserve_worktrees, winner_id,
                runtime_mix, total_duration, total_files_changed,
                total_lines_added, total_lines_deleted,
                integration_phase, integration_instance_id
            FROM sessions
            WHERE workspace_hash = ?
            "#,
        );

        let mut conditions = Vec::new();

        if let Some(types) = &filters.session_type {
            let placeholders = types.iter().map(|_| "?").collect::<Vec<_>>().join(", ");
            conditions.push(format!("session_type IN ({})", placeholders));
        }

        if let Some(statuses) = &filters.status {
            let placeholders = statuses.iter().map(|_| "?").collect::<Vec<_>>().join(", ");
            conditions.push(format!("status IN ({})", placeholders));
        }

        if filters.date_from.is_some() {
            conditions.push("created_at >= ?".to_string());
        }

        if filters.date_to.is_some() {
            conditions.push("created_at <= ?".to_string());
        }

        if filters.search_query.is_some() {
            conditions.push("(task LIKE ? OR id LIKE ?)".to_string());
        }

        if !conditions.is_empty() {
            query.push_str(" AND ");
            query.push_str(&conditions.join(" AND "));
        }

        query.push_str(" ORDER BY updated_at DESC");

        // Note: This is a simplified version. In production, use dynamic query building
        // or a query builder library to handle complex filters safely.

        // Repaired: only the workspace was bound, so that any filter found nothing.
        let mut sessions = sqlx::query_as::<_, WorktreeSession>(&query).bind(workspace_hash);
        for value in filters.session_type.iter().chain(&filters.status).flatten() {
            sessions = sessions.bind(value);
        }
        for date in filters.date_from.iter().chain(&filters.date_to) {
            sessions = sessions.bind(date);
        }
        if let Some(text) = &filters.search_query {
            sessions = sessions.bind(format!("%{text}%")).bind(format!("%{text}%"));
        }
        let sessions = sessions.fetch_all(self.pool()).await?;

        // Load instances and messages for each session
        let mut result = Vec::new();
        for mut session in sessions {
            session.instances = self.load_instances(&session.id).await?;
            session.chat_history = self.load_messages(&session.id).await?;
            result.push(session);
        }

        Ok(result)
    }
}
