-- The interview sessions as the table that their users know, one row each. What a session has no document for is as at
-- its beginning.
SELECT session.peer_id                                       AS id,
       json_extract(session.metadata, '$.methodology')       AS methodology,
       json_extract(session.metadata, '$.concept_id')        AS concept_id,
       json_extract(session.metadata, '$.concept_name')      AS concept_name,
       session.status                                        AS status,
       coalesce(config.body, '{}')                           AS config,
       session.created_at                                    AS created_at,
       session.updated_at                                    AS updated_at,
       json_extract(session.metadata, '$.completed_at')      AS completed_at,
       coalesce(json_extract(state.body, '$.turn_count'), 0) AS turn_count,
       coalesce(json_extract(state.body, '$.coverage_score'), 0.0) AS coverage_score,
       json_extract(state.body, '$.last_strategy')           AS last_strategy
  FROM sessions AS session
  LEFT JOIN documents AS state
         ON state.session_id = session.id AND state.collection = 'state' AND state.id = 'state'
  LEFT JOIN documents AS config
         ON config.session_id = session.id AND config.collection = 'config' AND config.id = 'config'
 WHERE session.channel = 'interview' AND session.account_id = '' AND session.agent_id = 'interview'
   AND session.peer_kind = 'session' AND session.family = 'interview'
