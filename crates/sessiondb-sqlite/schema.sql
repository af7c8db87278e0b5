-- Today's schema in one file: where all migrations lead. A test holds the two together. Read this to know the
-- tables; read migrations/ to know how they came about.

CREATE TABLE schema_version (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL
);

CREATE TABLE sessions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id       TEXT    NOT NULL,
    channel        TEXT    NOT NULL,
    account_id     TEXT    NOT NULL,
    peer_kind      TEXT    NOT NULL,
    peer_id        TEXT    NOT NULL,
    created_at     TEXT    NOT NULL,
    updated_at     TEXT    NOT NULL,
    message_count  INTEGER NOT NULL DEFAULT 0,  -- messages in the view
    token_usage    INTEGER NOT NULL DEFAULT 0,
    status         TEXT    NOT NULL DEFAULT 'active',
    family         TEXT    NOT NULL DEFAULT 'chat',
    state_revision INTEGER NOT NULL DEFAULT 0,  -- counts changes that do not commute
    next_seq       INTEGER NOT NULL DEFAULT 1,  -- the number of the next message
    log_count      INTEGER NOT NULL DEFAULT 0,  -- messages in the session's own log
    view           TEXT,                        -- [[session id, first seq, last seq or null], …]; NULL = the whole own log
    metadata       TEXT    NOT NULL DEFAULT '{}' CHECK (json_type(metadata) = 'object'), log_first INTEGER NOT NULL DEFAULT 1, forked_from INTEGER, forked_at INTEGER, latest_at TEXT, latest_seq INTEGER, edits INTEGER NOT NULL DEFAULT 0,
    UNIQUE (agent_id, channel, account_id, peer_kind, peer_id)
);

-- The lists: newest or oldest first, of one agent or of all. `id` breaks ties.
CREATE INDEX idx_sessions_agent_id      ON sessions (agent_id, updated_at DESC, id DESC);
CREATE INDEX idx_sessions_agent_created ON sessions (agent_id, created_at DESC, id DESC);
CREATE INDEX idx_sessions_updated_at    ON sessions (updated_at DESC, id DESC);
CREATE INDEX idx_sessions_created_at    ON sessions (created_at DESC, id DESC);
CREATE INDEX idx_sessions_channel       ON sessions (channel, account_id, agent_id, created_at DESC, id DESC);
CREATE INDEX idx_sessions_peer_id       ON sessions (peer_id, agent_id, created_at DESC, id DESC);
CREATE INDEX idx_sessions_status        ON sessions (status);

CREATE TABLE messages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id  INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq         INTEGER,           -- 1, 2, 3, … in the session; never NULL once a statement is done
    role        TEXT    NOT NULL,
    created_at  TEXT    NOT NULL,
    message_id  TEXT,              -- the writer's own id
    token_count INTEGER,
    checksum    INTEGER,           -- XXH3 of the row; NULL in a row inserted by hand
    opens       TEXT,              -- JSON array of the tool call ids it makes; NULL = none
    closes      TEXT,              -- JSON array of the tool call ids it answers; NULL = none
    content     TEXT    NOT NULL,  -- JSON, byte for byte as it came
    tool_calls  TEXT,              -- JSON
    attributes  TEXT               -- JSON object
, later_seq INTEGER);

CREATE UNIQUE INDEX idx_messages_session_id ON messages (session_id, seq);
-- Messages nearly always come in the order of their times. One that is earlier than another before it is late: its
-- `later_seq` is the number of the one before it that has the latest time, which the session has in `latest_at` and `latest_seq`
-- for its whole log. Only late messages are in this index; among the others the numbers are in the order of time.
CREATE INDEX idx_messages_created_at        ON messages (session_id, created_at) WHERE later_seq IS NOT NULL;
CREATE INDEX idx_messages_message_id        ON messages (session_id, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE documents (
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    collection TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    revision   INTEGER NOT NULL,  -- the session's state_revision that wrote it
    updated_at TEXT    NOT NULL,
    checksum   INTEGER,           -- XXH3 of the row; NULL in a row inserted by hand
    body       TEXT    NOT NULL,  -- JSON, byte for byte as it came
    blob       BLOB,
    PRIMARY KEY (session_id, collection, id)
);

-- What a fork inherited: stretches of other sessions' logs, in the order of the numbers, without gaps from 1 on. It is
-- also who reads a log: a session that is deleted stays, without its key and its documents, while it is read.
CREATE TABLE ancestors (
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    log_id     INTEGER NOT NULL REFERENCES sessions (id),
    first_seq  INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,
    PRIMARY KEY (session_id, first_seq)
) WITHOUT ROWID;

CREATE INDEX idx_ancestors_log_id ON ancestors (log_id, last_seq);

-- How views changed, so that each change can be taken back.
CREATE TABLE view_changes (
    session_id    INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    revision      INTEGER NOT NULL,  -- the session's state_revision that it made
    at            TEXT    NOT NULL,
    kind          TEXT    NOT NULL,  -- compact, uncompact, pop, rewind, reset, set
    head_before   INTEGER NOT NULL,  -- the last message before the commit
    head_after    INTEGER NOT NULL,  -- the last message after it
    through       INTEGER,           -- of a compaction: the last message that it hid
    summary_first INTEGER,           -- of a compaction: its summary
    summary_last  INTEGER,
    reverses      INTEGER,           -- of an uncompaction: the revision of the compaction
    undone        INTEGER,           -- the revision that took it back
    before        TEXT    NOT NULL,  -- the view before, as in sessions.view
    PRIMARY KEY (session_id, revision)
);

-- Every change, in order. It holds no content and outlives its session, so it has no foreign key.
CREATE TABLE commits (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL,
    revision   INTEGER NOT NULL,  -- the session's state_revision after it
    at         TEXT    NOT NULL,
    what       TEXT    NOT NULL,  -- which kinds of writes: 'open append'
    seqs       TEXT,              -- the receipt's message numbers: '5-9,12'; NULL = none
    commit_id  TEXT,              -- the caller's own id, which makes the commit repeatable
    digest     BLOB,              -- of the commit's content, beside a commit_id; its first byte is its version
    key        TEXT               -- the session's key as text, where it was opened or deleted
);

CREATE UNIQUE INDEX idx_commits_commit_id ON commits (commit_id, session_id) WHERE commit_id IS NOT NULL;
CREATE INDEX idx_commits_key              ON commits (session_id) WHERE key IS NOT NULL;

-- Rows by hand. The engine's own messages have a checksum and pass by all of this. A plain INSERT that names only
-- (session_id, role, content, tool_calls, created_at) is numbered and counted, its time brought to the one width; what
-- could not be read back is refused, and so is what would take another row's place.
CREATE TRIGGER messages_before_by_hand BEFORE INSERT ON messages WHEN NEW.checksum IS NULL BEGIN
    SELECT RAISE(ABORT, 'messages.seq is given by the store') WHERE NEW.seq IS NOT NULL;
    SELECT RAISE(ABORT, 'messages.id is taken') WHERE EXISTS (SELECT 1 FROM messages WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'messages.role is not text') WHERE typeof(NEW.role) <> 'text';
    SELECT RAISE(ABORT, 'messages.content is not JSON')
     WHERE typeof(NEW.content) <> 'text' OR NOT json_valid(NEW.content);
    SELECT RAISE(ABORT, 'messages.tool_calls is not JSON')
     WHERE NEW.tool_calls IS NOT NULL AND (typeof(NEW.tool_calls) <> 'text' OR NOT json_valid(NEW.tool_calls));
    SELECT RAISE(ABORT, 'messages.created_at is not an ISO 8601 time')
     WHERE NEW.created_at NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' OR strftime('%s', NEW.created_at) IS NULL;
END;

CREATE TRIGGER messages_by_hand AFTER INSERT ON messages WHEN NEW.checksum IS NULL BEGIN
    UPDATE messages
       SET seq = (SELECT next_seq FROM sessions WHERE id = NEW.session_id),
           created_at = CASE
               WHEN created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' THEN created_at
               WHEN created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]*'
                    AND (created_at GLOB '*Z' OR created_at GLOB '*+00:00') THEN substr(created_at, 1, 26) || 'Z'
               ELSE strftime('%Y-%m-%dT%H:%M:%f', created_at) || '000Z'
           END
     WHERE id = NEW.id;
    UPDATE messages
       SET later_seq = (SELECT latest_seq FROM sessions WHERE id = messages.session_id AND latest_at > messages.created_at)
     WHERE id = NEW.id;
    UPDATE sessions
       SET next_seq = next_seq + 1, log_count = log_count + 1, message_count = message_count + 1,
           updated_at = max(updated_at, (SELECT created_at FROM messages WHERE id = NEW.id))
     WHERE id = NEW.session_id;
    UPDATE sessions
       SET (latest_at, latest_seq) = (SELECT created_at, seq FROM messages WHERE id = NEW.id)
     WHERE id = NEW.session_id AND (SELECT later_seq FROM messages WHERE id = NEW.id) IS NULL;
END;

-- A DELETE by hand is counted too, in the session itself and in the forks that show the message. When the session
-- itself goes, there is nothing left to count in.
CREATE TRIGGER messages_deleted AFTER DELETE ON messages
WHEN EXISTS (SELECT 1 FROM sessions WHERE id = OLD.session_id)
BEGIN
    UPDATE sessions SET log_count = log_count - 1 WHERE id = OLD.session_id;
    UPDATE sessions SET message_count = message_count - 1
     WHERE (id = OLD.session_id
            OR id IN (SELECT session_id FROM ancestors
                       WHERE log_id = OLD.session_id AND OLD.seq BETWEEN first_seq AND last_seq))
       AND CASE WHEN view IS NULL THEN id = OLD.session_id
                ELSE EXISTS (SELECT 1 FROM json_each(view)
                              WHERE json_extract(value, '$[0]') = OLD.session_id
                                AND json_extract(value, '$[1]') <= OLD.seq
                                AND coalesce(json_extract(value, '$[2]'), OLD.seq) >= OLD.seq) END;
END;

CREATE TRIGGER sessions_deleted BEFORE DELETE ON sessions BEGIN
    SELECT RAISE(ABORT, 'a fork shows messages of this session')
     WHERE EXISTS (SELECT 1 FROM ancestors WHERE log_id = OLD.id);
END;

-- What is kept of a deleted session goes with the last fork that reads it, also if that is deleted by hand.
CREATE TRIGGER ancestors_deleted AFTER DELETE ON ancestors BEGIN
    DELETE FROM sessions
     WHERE id = OLD.log_id AND agent_id = '~kept'
       AND NOT EXISTS (SELECT 1 FROM ancestors WHERE log_id = OLD.log_id);
END;

-- A session by hand has the messages that are inserted after it, whatever count it was given.
CREATE TRIGGER sessions_by_hand AFTER INSERT ON sessions
WHEN NEW.message_count <> 0 OR NEW.log_count <> 0 OR NEW.next_seq <> 1
     OR NEW.created_at NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
     OR NEW.updated_at NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
     OR strftime('%s', NEW.created_at) IS NULL OR strftime('%s', NEW.updated_at) IS NULL
BEGIN
    SELECT RAISE(ABORT, 'sessions.created_at is not an ISO 8601 time')
     WHERE NEW.created_at NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' OR strftime('%s', NEW.created_at) IS NULL;
    SELECT RAISE(ABORT, 'sessions.updated_at is not an ISO 8601 time')
     WHERE NEW.updated_at NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*' OR strftime('%s', NEW.updated_at) IS NULL;
    UPDATE sessions
       SET message_count = 0, log_count = 0, next_seq = 1,
           created_at = CASE
               WHEN created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' THEN created_at
               WHEN created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]*'
                    AND (created_at GLOB '*Z' OR created_at GLOB '*+00:00') THEN substr(created_at, 1, 26) || 'Z'
               ELSE strftime('%Y-%m-%dT%H:%M:%f', created_at) || '000Z'
           END,
           updated_at = CASE
               WHEN updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' THEN updated_at
               WHEN updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]*'
                    AND (updated_at GLOB '*Z' OR updated_at GLOB '*+00:00') THEN substr(updated_at, 1, 26) || 'Z'
               ELSE strftime('%Y-%m-%dT%H:%M:%f', updated_at) || '000Z'
           END
     WHERE id = NEW.id;
END;

-- Which messages have which words. A message comes into the index some time after it was stored, since an append would take
-- a third longer otherwise; `search_state` says how far it has come, and what comes later is looked at by whoever searches.
-- The index has no content of its own. `place` has words of the engine's: the agent's, and the log's.
CREATE VIRTUAL TABLE search USING fts5 (place, words, content = '', contentless_delete = 1, tokenize = 'ascii');
-- Its pieces are merged by the engine, a little at a time, and not within the transaction that happens to make one too many.
INSERT INTO search (search, rank) VALUES ('automerge', 0);
INSERT INTO search (search, rank) VALUES ('crisismerge', 512);

CREATE TABLE search_state (
    indexed INTEGER NOT NULL  -- the messages with row ids up to this are in the index
);

INSERT INTO search_state (indexed) VALUES (0);

-- Messages that are in the index and not in the store any more.
CREATE TABLE search_gone (
    id INTEGER PRIMARY KEY
);

CREATE TRIGGER messages_gone AFTER DELETE ON messages WHEN OLD.id <= (SELECT indexed FROM search_state) BEGIN
    INSERT OR IGNORE INTO search_gone (id) VALUES (OLD.id);
END;

-- An agent's sessions that have inherited something: a search in the agent's sessions finds it too.
CREATE INDEX idx_sessions_inherits ON sessions (agent_id) WHERE log_first > 1;

CREATE TRIGGER messages_edited
AFTER UPDATE OF session_id, seq, role, created_at, message_id, token_count, opens, closes, content, tool_calls, attributes ON messages
WHEN OLD.seq IS NOT NULL
BEGIN
    UPDATE sessions SET edits = random() WHERE id IN (OLD.session_id, NEW.session_id);
END;

CREATE TRIGGER messages_put AFTER INSERT ON messages WHEN NEW.checksum IS NOT NULL BEGIN
    UPDATE sessions SET edits = random() WHERE id = NEW.session_id;
END;
