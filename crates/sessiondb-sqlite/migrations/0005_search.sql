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
