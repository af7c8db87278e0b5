-- Messages nearly always come in the order of their times, so an index of times says what the numbers say already, at the
-- price of a page of every append (docs/storage.md). A message that comes late is marked with the number of the one before
-- it that has the latest time, and only such messages are in the index. Among the others the numbers are in the order of
-- time, and a time is found by halving.
ALTER TABLE messages ADD COLUMN later_seq INTEGER;
ALTER TABLE sessions ADD COLUMN latest_at TEXT;
ALTER TABLE sessions ADD COLUMN latest_seq INTEGER;

UPDATE messages
   SET later_seq = (SELECT max(m.seq) FROM messages m
                     WHERE m.session_id = messages.session_id AND m.seq < messages.seq AND m.created_at = earlier.latest)
  FROM (SELECT id, max(created_at) OVER (PARTITION BY session_id ORDER BY seq
                                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
          FROM messages) AS earlier
 WHERE messages.id = earlier.id AND messages.created_at < earlier.latest;

UPDATE sessions
   SET (latest_at, latest_seq) = (SELECT created_at, seq FROM messages WHERE session_id = sessions.id
                                   ORDER BY created_at DESC, seq DESC LIMIT 1);

DROP INDEX idx_messages_created_at;
CREATE INDEX idx_messages_created_at        ON messages (session_id, created_at) WHERE later_seq IS NOT NULL;

DROP TRIGGER messages_by_hand;
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
