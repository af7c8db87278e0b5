CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id      TEXT    NOT NULL,
    channel       TEXT    NOT NULL,
    account_id    TEXT    NOT NULL,
    peer_kind     TEXT    NOT NULL,
    peer_id       TEXT    NOT NULL,
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL,
    message_count INTEGER NOT NULL DEFAULT 0,
    token_usage   INTEGER NOT NULL DEFAULT 0,
    metadata      TEXT    NOT NULL DEFAULT '{}',
    status        TEXT    NOT NULL DEFAULT 'active',
    UNIQUE (agent_id, channel, account_id, peer_kind, peer_id)
);

CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    role       TEXT    NOT NULL,
    content    TEXT    NOT NULL,
    tool_calls TEXT,
    created_at TEXT    NOT NULL
);

CREATE INDEX idx_sessions_agent_id    ON sessions (agent_id);
CREATE INDEX idx_sessions_channel     ON sessions (channel, account_id);
CREATE INDEX idx_sessions_status      ON sessions (status);
CREATE INDEX idx_sessions_updated_at  ON sessions (updated_at);
CREATE INDEX idx_messages_session_id  ON messages (session_id);
CREATE INDEX idx_messages_created_at  ON messages (session_id, created_at);
