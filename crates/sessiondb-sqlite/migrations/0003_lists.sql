-- The sessions of one account of an agent in the order in which they were opened: a workspace, a tenant. Without it their
-- list passes over all other sessions of the agent. What it is ordered by never changes, so appending does not touch it.
DROP INDEX idx_sessions_channel;
CREATE INDEX idx_sessions_channel       ON sessions (channel, account_id, agent_id, created_at DESC, id DESC);
