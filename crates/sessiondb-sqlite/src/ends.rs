//! [`Ends`]: the last messages of the logs that were read lately, in memory. An agent reads the end of its session again at every
//! turn, and to find and decode its rows once more is nearly all that such a read costs.
//!
//! What is kept is no second truth. A message never changes, and the id of its row is never given again; so a message that a
//! snapshot has under an id is the one that was read. Which numbers and ids a snapshot has is asked of it each time, in the index
//! alone, and what is not kept of them is read. So what others store or delete is seen at once, an older snapshot reads through
//! the same memory as a newer one, and nothing is answered that is not stored. What is written over in place by hand leaves its mark
//! in the session's row, by a trigger.

use std::{mem, sync::Arc};

use quick_cache::{Weighter, sync::Cache};
use rusqlite::{Connection, OptionalExtension, params};
use sessiondb_core::{Error, Message};

use crate::{
    error::Failure,
    options::{END_BYTES, END_BYTES_LEAST, END_MESSAGES, ENDS_BYTES},
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
    /// The log's `edits` as they were read.
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
        // Told too few logs, it would remember too few of those that it dropped to know which come again.
        Ends(Cache::with_weighter(ENDS_BYTES / END_BYTES_LEAST, ENDS_BYTES as u64, Bytes))
    }

    /// For one read: through this connection, of one snapshot.
    pub fn read<'a>(&'a self, conn: &'a Connection) -> Reading<'a> {
        Reading { ends: self, conn, log: None }
    }
}

/// One read.
pub(crate) struct Reading<'a> {
    ends: &'a Ends,
    conn: &'a Connection,
    /// The log that was looked up last, and what is kept of it.
    log: Option<(i64, End)>,
}

impl Reading<'_> {
    /// The newest messages of a stretch, the newest first.
    pub fn newest(&mut self, stretch: &Stretch, limit: usize) -> Read<Vec<Message>> {
        let conn = self.conn;
        let kept = self.kept(stretch.log)?;
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
                messages.extend(run.iter().filter_map(|stored| kept.get(*stored).cloned()));
                continue;
            }
            let run = Stretch { first: first.seq.cast_signed(), last: last.seq.cast_signed(), ..*stretch };
            messages.append(&mut newest_of(conn, &run, limit)?);
            news = true;
        }
        if messages.len() != stored.len() {
            // One snapshot has both.
            let reason = "its index has other numbers than the table".into();
            let row = format!("messages of session {}", stretch.log);
            return Err(Error::Undecodable { row, reason }.into());
        }
        if news {
            self.keep(stretch.log, &kept, &messages);
        }
        Ok(messages)
    }

    /// What is kept of a log.
    fn kept(&mut self, log: i64) -> Read<End> {
        if let Some((_, end)) = self.log.as_ref().filter(|(known, _)| *known == log) {
            return Ok(end.clone());
        }
        let edits = self.conn.prepare_cached(EDITS)?.query_row([log], |row| row.get(0)).optional()?;
        let fresh = End { edits: edits.unwrap_or(0), ..End::default() };
        let end = self.ends.0.get(&log).filter(|kept| kept.edits == fresh.edits).unwrap_or(fresh);
        self.log = Some((log, end.clone()));
        Ok(end)
    }

    /// Keeps these too, the newest first.
    fn keep(&mut self, log: i64, kept: &End, read: &[Message]) {
        if let Some(end) = kept.with(read) {
            self.log = Some((log, end.clone()));
            self.ends.0.insert(log, end);
        }
    }
}

/// Where a message is, as the index says it.
#[derive(Clone, Copy)]
struct Place {
    seq: u64,
    id: i64,
}

impl End {
    fn get(&self, stored: Place) -> Option<&Message> {
        let place = self.messages.binary_search_by_key(&stored.seq, |message| message.seq).ok()?;
        self.messages.get(place).map(Arc::as_ref).filter(|message| message.id == stored.id)
    }

    /// Whether some of these are in it.
    fn reaches_into(&self, stretch: &Stretch) -> bool {
        let place = self.messages.partition_point(|message| message.seq.cast_signed() < stretch.first);
        self.messages.get(place).is_some_and(|message| message.seq.cast_signed() <= stretch.last)
    }

    /// The newest of these and of what was read, as many as are kept; `None` if nothing of what was read is among them that was
    /// not before.
    fn with(&self, read: &[Message]) -> Option<End> {
        let newest = read.first()?;
        if self.full && self.messages.first().is_some_and(|oldest| newest.seq < oldest.seq) {
            return None;
        }
        let (mut kept, mut read) = (self.messages.iter().rev().peekable(), read.iter().peekable());
        let mut end = End { full: self.full, edits: self.edits, ..End::default() };
        let (mut messages, mut news) = (Vec::new(), false);
        // The newer of the two that come next. Of the same number what was read counts: the other may be gone.
        while let Some(seq) =
            kept.peek().map(|message| message.seq).max(read.peek().map(|message| message.seq))
        {
            let known = kept.next_if(|message| message.seq == seq);
            let other = read.next_if(|message| message.seq == seq);
            let same = known.filter(|known| other.is_none_or(|other| other.id == known.id));
            let bytes = same.map(Arc::as_ref).or(other).map_or(0, bytes);
            if end.bytes + bytes > END_BYTES || messages.len() == END_MESSAGES {
                end.full = true;
                break;
            }
            end.bytes += bytes;
            news |= same.is_none();
            messages.extend(same.cloned().or_else(|| Some(Arc::new(other?.clone()))));
        }
        if !news {
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

/// Another number after each time that messages of a log were changed in place.
pub(crate) const EDITS: &str = "SELECT edits FROM sessions WHERE id = ?1";

/// The numbers of the newest messages of a stretch, the newest first, and the ids of their rows.
pub(crate) const NUMBERS: &str =
    "SELECT seq, id FROM messages WHERE session_id = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT ?4";

fn numbers(conn: &Connection, stretch: &Stretch, limit: usize) -> Read<Vec<Place>> {
    let Stretch { log, first, last } = *stretch;
    let mut statement = conn.prepare_cached(NUMBERS)?;
    let numbers = statement.query_map(params![log, first, last, limit as i64], |row| {
        Ok(Place { seq: row.get::<_, i64>(0)?.cast_unsigned(), id: row.get(1)? })
    })?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;

    use super::*;

    const OPEN: &str = "INSERT INTO sessions (id, agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
         VALUES (?1, 'main', ?1, '', '', '', '2026-11-29T00:00:00.000000Z', '2026-11-29T00:00:00.000000Z')";

    /// A store with two sessions.
    fn store(path: &std::path::Path) -> Connection {
        let conn = crate::open_connection(path).unwrap();
        for log in [1, 2] {
            conn.execute(OPEN, [log]).unwrap();
        }
        conn
    }

    fn say(conn: &Connection, log: i64, text: &str) {
        let message = "INSERT INTO messages (session_id, role, content, created_at) VALUES (?1, 'user', ?2, '2026-11-29')";
        conn.execute(message, params![log, format!("\"{text}\"")]).unwrap();
    }

    const ALL: Stretch = Stretch { log: 1, first: 1, last: i64::MAX };

    #[test]
    fn it_answers_what_is_stored_whoever_changed_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.db");
        let (writer, reader) = (store(&path), crate::open_connection(&path).unwrap());
        let (ends, mut random) = (Ends::new(), fastrand::Rng::with_seed(29));
        let (mut wholly, mut partly, mut done) = (0, 0, [0; 6]);
        for n in 0..900 {
            // Snapshots of different ages read through the same memory.
            if reader.is_autocommit() && random.bool() {
                reader.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
            } else if random.u8(..4) == 0 && !reader.is_autocommit() {
                reader.execute_batch("COMMIT").unwrap();
            }
            let log = random.i64(1..=2);
            let next = "SELECT next_seq FROM sessions WHERE id = ?1";
            let next: i64 = writer.query_row(next, [log], |row| row.get(0)).unwrap();
            let (kind, some) = (random.usize(..40), params![log, random.i64(1..=next)]);
            let (place, write) = match kind {
                0..16 => {
                    for _ in 0..random.usize(1..6) {
                        say(&writer, log, &format!("{n} {}", "x".repeat(random.usize(..20_000))));
                    }
                    done[0] += 1;
                    (0, "")
                }
                16..20 => {
                    (1, "UPDATE messages SET content = '\"edited\"' WHERE session_id = ?1 AND seq = ?2")
                }
                20..24 => (2, "DELETE FROM messages WHERE session_id = ?1 AND seq = ?2"),
                24..26 => (
                    3,
                    "INSERT OR REPLACE INTO messages (id, session_id, seq, role, content, created_at, checksum) \
                     SELECT id, session_id, seq, role, '\"put\"', created_at, 7 FROM messages WHERE session_id = ?1 AND seq = ?2",
                ),
                26 => {
                    // The last numbers are given again.
                    let delete = "DELETE FROM messages WHERE session_id = ?1 AND seq >= ?2";
                    writer.execute(delete, some).unwrap();
                    (4, "UPDATE sessions SET next_seq = ?2 WHERE id = ?1")
                }
                27 if random.u8(..4) == 0 => {
                    // And all of them, to another session.
                    writer.execute("DELETE FROM sessions WHERE id = ?1", [log]).unwrap();
                    writer.execute(OPEN, [log]).unwrap();
                    done[5] += 1;
                    (5, "")
                }
                _ => (0, ""),
            };
            if !write.is_empty() {
                done[place] += writer.execute(write, some).unwrap();
            }
            let first = random.i64(1..=next);
            let last = random.i64(first..=next);
            for (first, last) in [(1, i64::MAX), (first, i64::MAX), (first, last)] {
                for conn in [&writer, &reader] {
                    let (stretch, limit) = (Stretch { log, first, last }, random.usize(1..400));
                    let before = ends.0.get(&log).unwrap_or_default();
                    let stored = newest_of(conn, &stretch, limit).unwrap();
                    assert_eq!(ends.read(conn).newest(&stretch, limit).unwrap(), stored);
                    let known =
                        |message: &&Message| before.get(Place { seq: message.seq, id: message.id }).is_some();
                    match stored.iter().filter(known).count() {
                        0 => {}
                        known if known == stored.len() => wholly += 1,
                        _ => partly += 1,
                    }
                    let end = ends.0.get(&log).unwrap_or_default();
                    assert!(end.messages.is_sorted_by(|a, b| a.seq < b.seq));
                    assert!(end.messages.len() <= END_MESSAGES && end.bytes <= END_BYTES);
                    assert_eq!(end.bytes, end.messages.iter().map(|message| bytes(message)).sum::<usize>());
                }
            }
        }
        let often = done.iter().zip([100, 20, 20, 10, 3, 3]).all(|(done, least)| *done >= least);
        assert!(
            often && wholly > 300 && partly > 300,
            "{done:?} writes of each kind, {wholly} reads of what was kept, {partly} of some of it"
        );
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let conn = store(&dir.path().join("s.db"));
        (1..=300).for_each(|n| say(&conn, 1, &n.to_string()));
        let ends = Ends::new();
        let said = |ends: &Ends, limit| -> Vec<String> {
            let newest = ends.read(&conn).newest(&ALL, limit).unwrap();
            newest.iter().map(|message| message.content.get().to_owned()).collect()
        };
        said(&ends, 300);
        // Behind the back of the trigger that tells it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        conn.execute("UPDATE messages SET content = '\"other\"'", []).unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true).unwrap();
        say(&conn, 1, "301");
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
        say(&conn, 1, &"x".repeat(END_BYTES));
        for (text, kept) in [("", 0), ("small", 1), (&*"x".repeat(END_BYTES), 1), ("small", 1)] {
            if !text.is_empty() {
                say(&conn, 1, text);
            }
            assert_eq!(ends.read(&conn).newest(&ALL, 9).unwrap(), newest_of(&conn, &ALL, 9).unwrap());
            assert_eq!(ends.0.get(&1).unwrap_or_default().messages.len(), kept, "{}", text.len());
        }
    }
}
