-- The sessions of one account of an agent (a workspace, a tenant) and those of an agent with one peer, in the order in which they
-- were opened. Without these their lists pass over all other sessions of the agent. What they are ordered by never
-- changes, so appending does not touch them.
DROP INDEX idx_sessions_channel;
CREATE INDEX idx_sessions_channel       ON sessions (channel, account_id, agent_id, created_at DESC, id DESC);
CREATE INDEX idx_sessions_peer_id       ON sessions (peer_id, agent_id, created_at DESC, id DESC);
