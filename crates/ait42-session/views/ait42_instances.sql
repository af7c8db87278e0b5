-- The instances. A session's id is unique in its workspace. The id is the row's number and changes when the row is written
-- anew.
SELECT d.rowid                                  AS id,
       s.peer_id                                AS session_id,
       CAST(d.id AS INTEGER)                    AS instance_id,
       json_extract(d.body, '$.worktreePath')   AS worktree_path,
       json_extract(d.body, '$.branch')         AS branch,
       json_extract(d.body, '$.agentName')      AS agent_name,
       json_extract(d.body, '$.status')         AS status,
       json_extract(d.body, '$.tmuxSessionId')  AS tmux_session_id,
       (SELECT json_extract(o.body, '$') FROM documents AS o
         WHERE o.session_id = d.session_id AND o.collection = 'outputs' AND o.id = d.id) AS output,
       json_extract(d.body, '$.startTime')      AS start_time,
       json_extract(d.body, '$.endTime')        AS end_time,
       json_extract(d.body, '$.filesChanged')   AS files_changed,
       json_extract(d.body, '$.linesAdded')     AS lines_added,
       json_extract(d.body, '$.linesDeleted')   AS lines_deleted,
       json_extract(d.body, '$.runtime')        AS runtime,
       json_extract(d.body, '$.model')          AS model,
       json_extract(d.body, '$.runtimeLabel')   AS runtime_label,
       s.account_id                             AS workspace_hash
  FROM sessions AS s
  JOIN documents AS d ON d.session_id = s.id AND d.collection = 'instances'
 WHERE s.agent_id = 'ait42' AND s.channel = 'worktree' AND s.peer_kind = 'session'
