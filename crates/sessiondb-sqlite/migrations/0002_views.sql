-- Views: forks, changes that can be taken back, deleted sessions that forks still read.

ALTER TABLE sessions ADD COLUMN log_first INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN forked_from INTEGER;
ALTER TABLE sessions ADD COLUMN forked_at INTEGER;

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

-- A DELETE by hand is counted too, in the session itself and in the forks that show the message. When the session
-- itself goes, there is nothing left to count in.
DROP TRIGGER messages_deleted;
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
