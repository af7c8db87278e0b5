-- The messages that the sessions show. A session's id is unique in its workspace. A session whose view is NULL shows its
-- whole log.
SELECT m.message_id                                AS id,
       s.peer_id                                   AS session_id,
       m.role                                      AS role,
       json_extract(m.content, '$')                AS content,
       json_extract(m.attributes, '$.timestamp')   AS timestamp,
       json_extract(m.attributes, '$.instanceId')  AS instance_id,
       s.account_id                                AS workspace_hash
  FROM sessions AS s
  JOIN messages AS m ON m.session_id = s.id
 WHERE s.agent_id = 'ait42' AND s.channel = 'worktree' AND s.peer_kind = 'session' AND s.view IS NULL
UNION ALL
SELECT m.message_id,
       s.peer_id,
       m.role,
       json_extract(m.content, '$'),
       json_extract(m.attributes, '$.timestamp'),
       json_extract(m.attributes, '$.instanceId'),
       s.account_id
  FROM sessions AS s
  JOIN json_each(s.view) AS span
  JOIN messages AS m ON m.session_id = json_extract(span.value, '$[0]')
                    AND m.seq >= json_extract(span.value, '$[1]')
                    AND m.seq <= coalesce(json_extract(span.value, '$[2]'), m.seq)
 WHERE s.agent_id = 'ait42' AND s.channel = 'worktree' AND s.peer_kind = 'session'
