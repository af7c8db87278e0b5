-- `edits` is another number after each time that messages of a session's log were changed in place, or put in as they are. The
-- engine never does the one, and has no triggers when it does the other; whoever does so by hand is noticed by programs that
-- have the messages in memory.
ALTER TABLE sessions ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER messages_edited
AFTER UPDATE OF session_id, seq, role, created_at, message_id, token_count, opens, closes, content, tool_calls, attributes ON messages
WHEN OLD.seq IS NOT NULL
BEGIN
    UPDATE sessions SET edits = random() WHERE id IN (OLD.session_id, NEW.session_id);
END;

CREATE TRIGGER messages_put AFTER INSERT ON messages WHEN NEW.checksum IS NOT NULL BEGIN
    UPDATE sessions SET edits = random() WHERE id = NEW.session_id;
END;
