//! The index of words, as it is written: some time behind the log, a stretch of messages a transaction.
//!
//! An append that put its own words into the index would take a third longer (docs/storage.md). So a thread does it: it reads
//! what was stored since, splits it into words beside whoever writes, and takes the writer for a moment to put them in. How much
//! of the time it may take from others says `pause`. What is not in the index yet is looked at by whoever searches
//! (`search`).
//!
//! It is an FTS5 table that is given words and no text: what a word is, `sessiondb_core::search` says for all engines. Its own
//! tokenizer (`ascii`) does no more than split at the spaces between them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use metrics::histogram;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, ErrorCode, params};
use sessiondb_core::{
    Error, LogId, Result, SYSTEM,
    search::{Words, said},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    error::{Failure, is_of_the_index},
    parts,
    queue::{Queue, Writer},
    reader::Readers,
    row::{self, MESSAGE_COLUMNS},
    transaction::WriteConnection,
};

/// What one transaction of the index does, and what is read for it: little while others write, who wait for it a few milliseconds; more where nobody does.
const LITTLE: Size = Size { messages: 128, bytes: 128 << 10, pages: 24 };
const MUCH: Size = Size { messages: 1_000, bytes: 1 << 20, pages: 200 };

#[derive(Clone, Copy)]
struct Size {
    /// Messages that are put in, and about how many bytes of text and words.
    messages: usize,
    bytes: usize,
    /// Or pages that a merge of pieces writes.
    pages: i64,
}

/// Rows that leave the index in one transaction.
const STEP_GONE: usize = 2_000;
/// How long after a commit the index follows: whoever writes much is served in fewer transactions.
const DELAY: Duration = Duration::from_millis(250);
/// How long it rests after an error.
const REST: Duration = Duration::from_secs(5);
/// With so many commits a second it is left for later: each step would make all of them wait.
const BUSY: f64 = 1_000.0;
/// But more messages than this are not left to be looked at by searches (4,000 take some 8 ms), and of ten times as many the index
/// takes a larger share of the time.
const BEHIND_MAX: u64 = 50_000;
/// Who searches has the index brought up to date if it is so far behind, though nobody commits here: another program may have
/// stored much, or an older one all of it.
pub(crate) const BEHIND_SOME: u64 = 1_000;
/// Whoever closes the store does so many steps for the index, if it is so far behind; half a second's work at most.
const CLOSING_BEHIND: u64 = 1_000;
const CLOSING_STEPS: usize = 20;

/// The words under which a message is found by where it is.
pub(crate) fn agent_word(agent_id: &str) -> String {
    format!("a{:016x}", xxh3_64(agent_id.as_bytes()))
}

/// The same for one log.
pub(crate) fn log_word(log: i64) -> String {
    format!("l{log}")
}

/// How far the index has come.
pub(crate) fn indexed(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("SELECT indexed FROM search_state")?.query_row([], |row| row.get(0))
}

/// About how many messages it is behind.
pub(crate) fn behind(conn: &Connection) -> rusqlite::Result<u64> {
    after(conn, indexed(conn)?)
}

/// About how many messages there are with greater row ids.
fn after(conn: &Connection, id: i64) -> rusqlite::Result<u64> {
    let last: Option<i64> =
        conn.prepare_cached("SELECT max(id) FROM messages")?.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last.saturating_sub(id).max(0).cast_unsigned()))
}

/// Whether something is to leave it.
fn has_gone(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM search_gone LIMIT 1")?.exists([])
}

/// Notes that the messages of a log behind this number are about to be deleted.
pub(crate) fn forget(conn: &Connection, log: LogId, after: i64) -> Result<(), Failure> {
    conn.prepare_cached(
        "INSERT INTO search_gone (id) SELECT id FROM messages \
         WHERE session_id = ?1 AND seq > ?2 AND id <= (SELECT indexed FROM search_state)",
    )?
    .execute(params![log.0, after])?;
    Ok(())
}

/// What the index shall have next.
struct Step {
    /// How far it had come when this was read.
    from: i64,
    /// How far it will have come.
    to: i64,
    /// Row, place and words.
    rows: Vec<(i64, String, String)>,
    gone: Vec<i64>,
    /// About how many messages are still behind that.
    behind: u64,
}

impl Step {
    fn read(conn: &Connection, size: Size) -> Result<Option<Step>, Failure> {
        let from = indexed(conn)?;
        let gone = conn
            .prepare_cached("SELECT id FROM search_gone ORDER BY id LIMIT ?1")?
            .query_map([STEP_GONE as i64], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut step = Step { from, to: from, rows: Vec::new(), gone, behind: 0 };
        let mut statement = conn.prepare_cached(&format!(
            "SELECT {}, s.agent_id FROM messages m CROSS JOIN sessions s ON s.id = m.session_id \
             WHERE m.id > ?1 ORDER BY m.id LIMIT ?2",
            parts::qualified(MESSAGE_COLUMNS, "m")
        ))?;
        let mut rows = statement.query(params![from, size.messages as i64])?;
        let (mut words, mut bytes) = (Words::default(), 0);
        while let Some(row) = rows.next()?
            && bytes < size.bytes
        {
            step.to = row.get(0)?;
            let agent: String = row.get("agent_id")?;
            if agent == SYSTEM {
                continue;
            }
            match row::message(row) {
                Ok(message) => {
                    // While it is read nothing before it in the log can be written over.
                    bytes += message.content.get().len()
                        + message.tool_calls.as_ref().map_or(0, |calls| calls.get().len());
                    words.read(&said(&message));
                }
                Err(failure) => {
                    // Whoever reads the message is told; the index goes on.
                    tracing::warn!(error = %Error::from(failure), "a message cannot be put into the index");
                    words.read("");
                }
            }
            bytes += words.compared().len();
            let place = format!("{} {}", agent_word(&agent), log_word(row.get("session_id")?));
            step.rows.push((step.to, place, words.compared().to_owned()));
        }
        step.behind = after(conn, step.to)?;
        Ok((step.to > from || !step.gone.is_empty()).then_some(step))
    }

    /// In the writer's transaction. Another process may have done it meanwhile; then nothing is done.
    fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        or_anew(conn, self.put(conn))
    }

    fn put(&self, conn: &Connection) -> rusqlite::Result<()> {
        if indexed(conn)? != self.from {
            return Ok(());
        }
        // What was deleted since it was read must not come in: nothing would ever take it out.
        let mut insert = conn.prepare_cached(
            "INSERT INTO search (rowid, place, words) SELECT ?1, ?2, ?3 FROM messages WHERE id = ?1",
        )?;
        for (id, place, words) in &self.rows {
            insert.execute(params![id, place, words])?;
        }
        for id in &self.gone {
            conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([id])?;
            conn.prepare_cached("DELETE FROM search_gone WHERE id = ?1")?.execute([id])?;
        }
        conn.prepare_cached("UPDATE search_state SET indexed = ?1")?.execute([self.to])?;
        Ok(())
    }
}

/// What is damaged in the index, and not in what it was made of, is no reason to stop: it is emptied, and made anew by and by.
fn or_anew<T: Default>(conn: &Connection, done: rusqlite::Result<T>) -> rusqlite::Result<T> {
    // FTS5 keeps what it is given until the transaction ends, and would tell then what is wrong, as an error of the COMMIT.
    let written = done.and_then(|done| conn.execute_batch("SAVEPOINT given; RELEASE given").map(|()| done));
    match written {
        Err(error)
            if is_of_the_index(&error)
                || error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
        {
            tracing::error!(%error, "the index of words is damaged, and is made anew");
            conn.execute("INSERT INTO search (search) VALUES ('delete-all')", [])?;
            conn.execute("DELETE FROM search_gone", [])?;
            conn.execute("UPDATE search_state SET indexed = 0", [])?;
            Ok(T::default())
        }
        done => done,
    }
}

/// Puts the next stretch into the index. Answers how many messages are still behind; `None` if there was nothing to do.
fn step(readers: &Readers, queue: &Queue<WriteConnection>, size: Size) -> Result<Option<u64>> {
    let Some(step) = readers.read_blocking(|conn| Step::read(conn, size))? else { return Ok(None) };
    timed(queue, |conn| step.write(conn))?;
    Ok(Some(step.behind))
}

/// Does this in a transaction, and measures it.
fn timed<T>(
    queue: &Queue<WriteConnection>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T> {
    queue.with_writer(|writer| {
        let begun = Instant::now();
        let done = writer.transact(work);
        histogram!("sessiondb_index_write_seconds").record(begun.elapsed());
        writer.checkpoint_if_due();
        done
    })
}

/// Merges pieces of the index a little, which each transaction makes more of. Answers whether there is more to merge.
fn merge(queue: &Queue<WriteConnection>, pages: i64) -> Result<bool> {
    let changed = timed(queue, |conn| {
        let before = conn.total_changes();
        let merge = conn.prepare_cached("INSERT INTO search (search, rank) VALUES ('merge', ?1)");
        or_anew(conn, merge.and_then(|mut merge| merge.execute([pages])))?;
        Ok(conn.total_changes() - before)
    })?;
    // As FTS5's documentation says: a merge that had nothing to do changes one row, or none.
    // <https://www.sqlite.org/fts5.html#the_merge_command>
    Ok(changed >= 2)
}

/// Brings the index up to what is stored now, and makes one piece of it, in which nothing is left of what was deleted. What others
/// store meanwhile is left for later.
///
/// # Errors
/// As a commit's.
pub(crate) fn bring_up_to_date(readers: &Readers, queue: &Queue<WriteConnection>) -> Result<()> {
    let (indexed, behind) = readers.read_blocking(|conn| Ok((indexed(conn)?, behind(conn)?)))?;
    let end = indexed.saturating_add_unsigned(behind);
    while step(readers, queue, MUCH)?.is_some() {
        // It may have been made anew, and begins at 0 then.
        if readers.read_blocking(|conn| Ok(self::indexed(conn)? >= end && !has_gone(conn)?))? {
            break;
        }
    }
    // A negative number begins with all pieces, however few; positive ones go on.
    let mut pages = -MUCH.pages;
    while merge(queue, pages)? {
        pages = MUCH.pages;
    }
    Ok(())
}

/// How long the index waits after a step, so that it takes no more than its share of the time: a quarter while nobody else
/// writes, for others may read; a twentieth while others write, and a fifth when it is far behind.
fn pause(took: Duration, others_write: bool, behind: u64) -> Duration {
    match (others_write, behind > 10 * BEHIND_MAX) {
        (false, _) => took * 3,
        (true, false) => took * 19,
        (true, true) => took * 4,
    }
}

/// Has the index follow. The thread is started by the first commit.
pub(crate) struct Indexer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// Since the thread looked.
    commits: AtomicU64,
    /// Something was committed since the thread looked.
    behind: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: bool,
    closing: bool,
}

impl Indexer {
    pub(crate) fn new() -> Indexer {
        Indexer { shared: Arc::default(), thread: Mutex::default() }
    }

    /// Something was committed.
    pub(crate) fn committed(&self, readers: &Arc<Readers>, queue: &Arc<Queue<WriteConnection>>) {
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        // Many callers come here at once, and only the first has something to tell.
        if self.shared.behind.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.shared.state.lock();
        if state.closing {
            return;
        }
        if state.started {
            drop(state);
            self.shared.changed.notify_one();
            return;
        }
        state.started = true;
        drop(state);
        let (shared, readers, queue) = (Arc::clone(&self.shared), Arc::clone(readers), Arc::clone(queue));
        match Builder::new().name("sessiondb-index".into()).spawn(move || shared.serve(&readers, &queue)) {
            Ok(thread) => *self.thread.lock() = Some(thread),
            Err(error) => tracing::error!(%error, "the thread of the index did not start"),
        }
    }

    /// Ends the thread, which first brings the index up to date if it is far behind.
    pub(crate) fn close(&self) {
        self.shared.state.lock().closing = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread of the index had panicked");
        }
    }
}

impl Shared {
    /// The thread.
    fn serve(&self, readers: &Readers, queue: &Queue<WriteConnection>) {
        let (mut wait, mut size, mut pieces) = (DELAY, LITTLE, false);
        let mut looked = Instant::now();
        loop {
            if self.closes_within(wait) {
                return self.finish(readers, queue);
            }
            let commits = self.commits.swap(0, Ordering::Relaxed);
            let busy = commits as f64 > BUSY * looked.elapsed().as_secs_f64();
            looked = Instant::now();
            if busy
                && readers.read_blocking(|conn| Ok(behind(conn)?)).is_ok_and(|behind| behind <= BEHIND_MAX)
            {
                wait = DELAY;
                continue;
            }
            self.behind.store(false, Ordering::Release);
            let begun = Instant::now();
            let done = step(readers, queue, size).and_then(|behind| {
                // In turns, so that neither waits for the end of the other.
                if behind.is_some() || pieces {
                    pieces = merge(queue, size.pages)?;
                }
                Ok(behind)
            });
            wait = match done {
                Ok(behind) if behind.is_some() || pieces => {
                    let others_write = self.behind.load(Ordering::Acquire);
                    size = if others_write { LITTLE } else { MUCH };
                    // It may have waited for its turn.
                    pause(begun.elapsed(), others_write, behind.unwrap_or(0)).min(REST)
                }
                Ok(_) => {
                    size = LITTLE;
                    let mut state = self.state.lock();
                    while !self.behind.load(Ordering::Acquire) && !state.closing {
                        self.changed.wait(&mut state);
                    }
                    DELAY
                }
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the index of words is not brought up to date for a while");
                    REST
                }
            };
        }
    }

    /// Waits; answers whether the store is closing.
    fn closes_within(&self, wait: Duration) -> bool {
        let mut state = self.state.lock();
        let until = Instant::now() + wait;
        while !state.closing && !self.changed.wait_until(&mut state, until).timed_out() {}
        state.closing
    }

    fn finish(&self, readers: &Readers, queue: &Queue<WriteConnection>) {
        let behind =
            readers.read_blocking(|conn| Ok(Step::read(conn, LITTLE)?.map_or(0, |step| step.behind)));
        if behind.is_ok_and(|behind| behind >= CLOSING_BEHIND) {
            // Others may go on writing; what is left is the next one's.
            for _ in 0..CLOSING_STEPS {
                if !step(readers, queue, MUCH).is_ok_and(|more| more.is_some()) {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_takes_its_share_of_the_time_and_no_more() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(20), false, 1_000_000), ms(60));
        assert_eq!(pause(ms(20), true, 10), ms(380));
        assert_eq!(pause(ms(20), true, 10 * BEHIND_MAX + 1), ms(80));
    }

    /// A message that was deleted while its words were made ready came into the index, and stayed there.
    #[test]
    fn what_is_deleted_meanwhile_does_not_come_into_the_index() {
        let conn = Connection::open_in_memory().unwrap();
        crate::migrate::run(&conn).unwrap();
        let session = "INSERT INTO sessions (agent_id, channel, account_id, peer_kind, peer_id, created_at, updated_at) \
                       VALUES ('main', '', '', '', '', '2026-11-19T00:00:00.000000Z', '2026-11-19T00:00:00.000000Z')";
        conn.execute(session, []).unwrap();
        for text in ["\"one\"", "\"two\""] {
            let message = "INSERT INTO messages (session_id, role, content, created_at) VALUES (1, 'user', ?1, '2026-11-19')";
            conn.execute(message, [text]).unwrap();
        }
        let step = Step::read(&conn, LITTLE).unwrap().unwrap();
        conn.execute("DELETE FROM messages WHERE seq = 1", []).unwrap();
        step.write(&conn).unwrap();
        let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM search_docsize"), 1);
        assert_eq!(count("SELECT count(*) FROM search WHERE search MATCH 'one'"), 0);
        // What is deleted later leaves it with the next step, and a step that comes too late does nothing.
        conn.execute("DELETE FROM messages", []).unwrap();
        assert_eq!(count("SELECT count(*) FROM search_gone"), 1);
        step.write(&conn).unwrap();
        Step::read(&conn, LITTLE).unwrap().unwrap().write(&conn).unwrap();
        assert_eq!(
            (count("SELECT count(*) FROM search_docsize"), count("SELECT count(*) FROM search_gone")),
            (0, 0)
        );
        assert!(Step::read(&conn, LITTLE).unwrap().is_none());
    }

    #[test]
    fn words_of_places_are_words_of_the_index() {
        for word in [agent_word("main"), agent_word(""), agent_word("agent: é"), log_word(17)] {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{word}");
        }
    }
}
