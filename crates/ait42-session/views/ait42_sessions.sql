-- The sessions. What was last changed by a message that came after has the time of that message's commit, unless it was
-- changed ahead of that.
SELECT s.peer_id                                             AS id,
       s.account_id                                          AS workspace_hash,
       json_extract(s.metadata, '$.type')                    AS session_type,
       json_extract(s.metadata, '$.task')                    AS task,
       s.status                                              AS status,
       json_extract(s.metadata, '$.createdAt')               AS created_at,
       CASE WHEN s.next_seq - 1 > json_extract(s.metadata, '$.updatedAtHead')
             AND julianday(s.updated_at) >= julianday(json_extract(s.metadata, '$.updatedAt')) THEN s.updated_at
            ELSE json_extract(s.metadata, '$.updatedAt') END AS updated_at,
       json_extract(s.metadata, '$.completedAt')             AS completed_at,
       json_extract(s.metadata, '$.model')                   AS model,
       json_extract(s.metadata, '$.timeoutSeconds')          AS timeout_seconds,
       json_extract(s.metadata, '$.preserveWorktrees')       AS preserve_worktrees,
       json_extract(s.metadata, '$.winnerId')                AS winner_id,
       json_extract(s.metadata, '$.runtimeMix')              AS runtime_mix,
       json_extract(s.metadata, '$.totalDuration')           AS total_duration,
       json_extract(s.metadata, '$.totalFilesChanged')       AS total_files_changed,
       json_extract(s.metadata, '$.totalLinesAdded')         AS total_lines_added,
       json_extract(s.metadata, '$.totalLinesDeleted')       AS total_lines_deleted,
       json_extract(s.metadata, '$.integrationPhase')        AS integration_phase,
       json_extract(s.metadata, '$.integrationInstanceId')   AS integration_instance_id
  FROM sessions AS s
 WHERE s.agent_id = 'ait42' AND s.channel = 'worktree' AND s.peer_kind = 'session'
