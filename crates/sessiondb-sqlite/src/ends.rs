//! [`Ends`]: the last messages of the logs that were read lately, in memory. An agent reads the end of its session again at every
//! turn, and to find and decode its rows once more is nearly all that such a read costs.
//!
//! What is kept is no second truth. A message never changes and its number is never given again, so a message that a snapshot has is
//! the one that was read. Which numbers a snapshot has is asked of it each time, in the index alone, and what is not kept of them is
//! read. So what others store or delete is seen at once, an older snapshot reads through the same memory as a newer one, and
//! nothing is answered that is not stored. What is written over in place by hand is counted in the session's row, by a trigger.

use std::{mem, sync::Arc};

use quick_cache::{Weighter, sync::Cache};
use rusqlite::{Connection, OptionalExtension, params};
use sessiondb_core::{Error, Message};

use crate::{
    error::Failure,
    options::{END_BYTES, END_MESSAGES, ENDS_BYTES},
    window::{Stretch, newest_of},
};

type Read<T> = Result<T, Failure>;

/// What is kept of each log.
pub(crate) struct Ends(Cache<i64, End, Bytes>);

/// Some of the last messages of a log, the oldest first.
#[derive(Clone, Default)]
struct End {
    messages: Arc<[Arc<Message>]>,
    bytes: usize,
    /// Older ones were left out.
    full: bool,
    /// The log's `edits` when they were read.
    edits: i64,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<i64, End> for Bytes {
    fn weight(&self, _: &i64, end: &End) -> u64 {
        end.bytes as u64
    }
}

impl Ends {
    pub fn new() -> Ends {
        Ends(Cache::with_weighter(ENDS_BYTES / END_BYTES, ENDS_BYTES as u64, Bytes))
    }

    /// The newest messages of a stretch, the newest first.
    pub fn newest(&self, conn: &Connection, stretch: &Stretch, limit: usize) -> Read<Vec<Message>> {
        let edits = conn.prepare_cached(EDITS)?.query_row([stretch.log], |row| row.get(0)).optional()?;
        let fresh = End { edits: edits.unwrap_or(0), ..End::default() };
        let kept = self.0.get(&stretch.log).filter(|kept| kept.edits == fresh.edits).unwrap_or(fresh);
        if !kept.reaches_into(stretch) {
            let found = newest_of(conn, stretch, limit)?;
            self.keep(stretch.log, &kept, &found);
            return Ok(found);
        }
        let stored = numbers(conn, stretch, limit)?;
        let (mut messages, mut news) = (Vec::with_capacity(stored.len()), false);
        for run in stored.chunk_by(|a, b| kept.get(*a).is_some() == kept.get(*b).is_some()) {
            let (Some(last), Some(first)) = (run.first(), run.last()) else { continue };
            if kept.get(*last).is_some() {
                messages.extend(run.iter().filter_map(|seq| kept.get(*seq).cloned()));
                continue;
            }
            let run = Stretch { first: first.cast_signed(), last: last.cast_signed(), ..*stretch };
            messages.append(&mut newest_of(conn, &run, limit)?);
            news = true;
        }
        if messages.len() != stored.len() {
            // One snapshot has both.
            let reason = "its index has other numbers than the table".into();
            return Err(
                Error::Undecodable { row: format!("messages of session {}", stretch.log), reason }.into()
            );
        }
        if news {
            self.keep(stretch.log, &kept, &messages);
        }
        Ok(messages)
    }

    /// Keeps these too, the newest first.
    fn keep(&self, log: i64, kept: &End, read: &[Message]) {
        if let Some(end) = kept.with(read) {
            self.0.insert(log, end);
        }
    }
}

impl End {
    fn get(&self, seq: u64) -> Option<&Message> {
        let place = self.messages.binary_search_by_key(&seq, |message| message.seq).ok()?;
        self.messages.get(place).map(Arc::as_ref)
    }

    /// Whether some of these are in it.
    fn reaches_into(&self, stretch: &Stretch) -> bool {
        let place = self.messages.partition_point(|message| message.seq.cast_signed() < stretch.first);
        self.messages.get(place).is_some_and(|message| message.seq.cast_signed() <= stretch.last)
    }

    /// The newest of these and of what was read, as many as are kept; `None` if that is what this is already.
    fn with(&self, read: &[Message]) -> Option<End> {
        let newest = read.first()?;
        if self.full && self.messages.first().is_some_and(|oldest| newest.seq < oldest.seq) {
            return None;
        }
        let (mut kept, mut read) = (self.messages.iter().rev().peekable(), read.iter().peekable());
        let mut end = End { full: self.full, edits: self.edits, ..End::default() };
        let mut messages = Vec::new();
        // The newer of the two that come next; of the same, the one that was kept.
        while let Some(seq) =
            kept.peek().map(|message| message.seq).max(read.peek().map(|message| message.seq))
        {
            let same = read.next_if(|message| message.seq == seq);
            let message = match kept.next_if(|message| message.seq == seq).cloned() {
                Some(message) => message,
                None => Arc::new(same?.clone()),
            };
            let bytes = end.bytes + bytes(&message);
            if bytes > END_BYTES || messages.len() == END_MESSAGES {
                end.full = true;
                break;
            }
            end.bytes = bytes;
            messages.push(message);
        }
        if messages.is_empty() {
            return None;
        }
        messages.reverse();
        end.messages = messages.into();
        Some(end)
    }
}

/// About what a message takes in memory.
fn bytes(message: &Message) -> usize {
    let json = [Some(&message.content), message.tool_calls.as_ref(), message.attributes.as_ref()];
    let calls = message.opens.iter().chain(&message.closes).map(|id| mem::size_of::<String>() + id.len());
    mem::size_of::<Message>()
        + message.role.len()
        + message.message_id.as_ref().map_or(0, String::len)
        + json.into_iter().flatten().map(|json| json.get().len()).sum::<usize>()
        + calls.sum::<usize>()
}

/// How often messages of a log were changed in place.
pub(crate) const EDITS: &str = "SELECT edits FROM sessions WHERE id = ?1";

/// The numbers of the newest messages of a stretch, the newest first.
pub(crate) const NUMBERS: &str =
    "SELECT seq FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4";

fn numbers(conn: &Connection, stretch: &Stretch, limit: usize) -> Read<Vec<u64>> {
    let Stretch { log, first, last } = *stretch;
    let mut statement = conn.prepare_cached(NUMBERS)?;
    let numbers = statement.query_map(params![log, first, last, limit as i64], |row| row.get::<_, i64>(0))?;
    numbers.map(|seq| Ok(seq?.cast_unsigned())).collect()
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;

    use super::*;

    /// A store with one session.
    fn store(path: &std::path::Path) -> Connection {
        let conn = crate::open_connection(path).unwrap();
        let session = "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
                       VALUES ('main', '', '', '', '', '2026-11-29T00:00:00.000000Z', '2026-11-29T00:00:00.000000Z')";
        conn.execute(session, []).unwrap();
        conn
    }

    fn say(conn: &Connection, text: &str) {
        let message = "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', ?1, '2026-11-29')";
        conn.execute(message, [format!("\"{text}\"")]).unwrap();
    }

    const ALL: Stretch = Stretch { log: 1, first: 1, last: i64::MAX };

    #[test]
    fn it_answers_what_is_stored_whoever_changed_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let (writer, reader) = (store(&path), crate::open_connection(&path).unwrap());
        let (ends, mut random) = (Ends::new(), fastrand::Rng::with_seed(29));
        let (mut next, mut lately, mut partly, mut deleted, mut edited) = (1, 0, 0, 0, 0);
        for _ in 0..600 {
            // Snapshots of different ages read through the same memory.
            if reader.is_autocommit() && random.bool() {
                reader.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
            } else if random.u8(..4) == 0 && !reader.is_autocommit() {
                reader.execute_batch("COMMIT").unwrap();
            }
            match random.u8(..8) {
                0..3 => {
                    for _ in 0..random.usize(1..4) {
                        say(&writer, &format!("{next} {}", "x".repeat(random.usize(..20_000))));
                        next += 1;
                    }
                }
                3 if random.bool() => {
                    let update = "UPDATE messages SET content = ?2 WHERE seq = ?1";
                    let (seq, content) = (random.i64(1..=next), format!("\"{}\"", random.u32(..)));
                    edited += writer.execute(update, params![seq, content]).unwrap();
                }
                3 => {
                    let delete = "DELETE FROM messages WHERE seq = ?1";
                    deleted += writer.execute(delete, [random.i64(1..=next)]).unwrap();
                }
                _ => {}
            }
            let first = random.i64(1..=next);
            let stretches =
                [ALL, Stretch { first, ..ALL }, Stretch { first, last: random.i64(first..=next), ..ALL }];
            for (stretch, conn) in
                stretches.iter().flat_map(|stretch| [(stretch, &writer), (stretch, &reader)])
            {
                let limit = random.usize(1..400);
                let before = ends.0.get(&1).unwrap_or_default();
                let stored = newest_of(conn, stretch, limit).unwrap();
                assert_eq!(ends.newest(conn, stretch, limit).unwrap(), stored);
                match stored.iter().filter(|message| before.get(message.seq).is_some()).count() {
                    0 => {}
                    known if known == stored.len() => lately += 1,
                    _ => partly += 1,
                }
                let end = ends.0.get(&1).unwrap_or_default();
                assert!(end.messages.is_sorted_by(|a, b| a.seq < b.seq));
                assert!(end.messages.len() <= END_MESSAGES && end.bytes <= END_BYTES);
                assert_eq!(end.bytes, end.messages.iter().map(|message| bytes(message)).sum::<usize>());
            }
        }
        assert!(
            deleted > 20 && edited > 20 && lately > 300 && partly > 300,
            "{deleted} were deleted, {edited} edited, {lately} reads were of what was kept, {partly} of some of it"
        );
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let conn = store(&dir.path().join("s.db"));
        (1..=300).for_each(|n| say(&conn, &n.to_string()));
        let ends = Ends::new();
        let said = |ends: &Ends, limit| -> Vec<String> {
            let newest = ends.newest(&conn, &ALL, limit).unwrap();
            newest.iter().map(|message| message.content.get().to_owned()).collect()
        };
        said(&ends, 300);
        // Behind the back of the trigger that counts it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        conn.execute("UPDATE messages SET content = '\"other\"'", []).unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true).unwrap();
        say(&conn, "301");
        let end = said(&ends, 301);
        assert_eq!(end[..2], ["\"301\"", "\"300\""]);
        assert_eq!(end.iter().filter(|said| *said == "\"other\"").count(), 301 - 1 - END_MESSAGES);
        assert_eq!(said(&Ends::new(), 2), ["\"301\"", "\"other\""]);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let conn = store(&dir.path().join("s.db"));
        let ends = Ends::new();
        say(&conn, &"x".repeat(END_BYTES));
        for (text, kept) in [("", 0), ("small", 1), (&*"x".repeat(END_BYTES), 1), ("small", 1)] {
            if !text.is_empty() {
                say(&conn, text);
            }
            assert_eq!(ends.newest(&conn, &ALL, 9).unwrap(), newest_of(&conn, &ALL, 9).unwrap());
            assert_eq!(ends.0.get(&1).unwrap_or_default().messages.len(), kept, "{}", text.len());
        }
    }
}
