-- The workspaces. The path is NULL where only the hash is known.
SELECT s.account_id                                 AS hash,
       json_extract(s.metadata, '$.path')           AS path,
       (SELECT json_extract(d.body, '$') FROM documents AS d
         WHERE d.session_id = s.id AND d.collection = 'access' AND d.id = 'last') AS last_accessed
  FROM sessions AS s
 WHERE s.agent_id = 'ait42' AND s.channel = 'worktree' AND s.peer_kind = 'workspace'
