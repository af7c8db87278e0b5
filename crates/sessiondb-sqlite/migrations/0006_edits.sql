-- How often messages of a session's log were changed in place. The engine never does; whoever does by hand is noticed by programs
-- that have the messages in memory.
ALTER TABLE sessions ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER messages_edited
AFTER UPDATE OF session_id, seq, role, created_at, message_id, token_count, opens, closes, content, tool_calls, attributes ON messages
WHEN OLD.seq IS NOT NULL
BEGIN
    UPDATE sessions SET edits = edits + 1 WHERE id IN (OLD.session_id, NEW.session_id);
END;
