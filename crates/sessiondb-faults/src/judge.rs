//! [`judge`]: whether a store that a power cut left is what it must be.

use std::{fmt, path::Path};

use pollster::block_on;
use rusqlite::{Connection, OpenFlags};
use sessiondb_core::{NewMessage, SessionKey, Store, Window};

use crate::{
    history::{Bounds, FeedRow, History, feed},
    observe::{difference, digest, observe},
};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wrong {
    /// It cannot be opened or read.
    Unreadable,
    /// Something is missing that was acknowledged.
    Lost,
    /// A part of a call is there.
    Torn,
    /// Its feed is not what was written, or has what was not sent yet.
    Invented,
    /// Its feed is right, and what can be read does not agree with it.
    Differs,
    /// Its own check, or SQLite's, finds something.
    Corrupt,
    /// It cannot be written to.
    Stuck,
}

/// What is wrong with a store, and what was seen of it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it is.
    pub wrong: Wrong,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.wrong, self.seen)
    }
}

fn found(wrong: Wrong) -> impl Fn(&dyn fmt::Display) -> Finding {
    move |seen| Finding { wrong, seen: format!("{seen:#}") }
}

/// Opens the store at `path`, and holds it against its history: it must end with a whole call, have what was acknowledged and
/// nothing that was not sent, be in all that can be read what these calls make of a store, be clean in its own eyes and in
/// SQLite's, and take another message. Answers which state it is in.
///
/// # Errors
/// What is wrong with it.
pub fn judge(path: &Path, vfs: &str, history: &History, bounds: Bounds) -> Result<usize, Finding> {
    let url = format!("sqlite:{}?vfs={vfs}", path.display());
    let store = block_on(sessiondb::open(&url)).map_err(|e| found(Wrong::Unreadable)(&e))?.for_blocking();
    let state = judge_open(&store, path, vfs, history, bounds)?;
    block_on(store.close()).map_err(|e| found(Wrong::Stuck)(&e))?;
    Ok(state)
}

/// As [`judge`], of a store that is open.
pub(crate) fn judge_open(
    store: &Store,
    path: &Path,
    vfs: &str,
    history: &History,
    bounds: Bounds,
) -> Result<usize, Finding> {
    let unreadable = |e: &dyn fmt::Display| found(Wrong::Unreadable)(e);
    let rows = feed(path, vfs).map_err(|e| unreadable(&e))?;
    let reached = reached(&rows, history, bounds)?;
    let lines = block_on(observe(store, history.agent_id())).map_err(|e| unreadable(&e))?;
    if reached.unknown.is_some() || digest(&lines) != history.state(reached.state).digest {
        let right = block_on(async {
            let right = history.replay(reached.state).await?;
            if let Some(call) = reached.unknown {
                history.apply(&right, call).await?;
            }
            observe(&right, history.agent_id()).await
        });
        let right = right.map_err(|e| unreadable(&e))?;
        if right != lines {
            return Err(Finding { wrong: Wrong::Differs, seen: difference(&right, &lines) });
        }
    }
    let report = block_on(store.check()).map_err(|e| unreadable(&e))?;
    if !report.is_clean() {
        return Err(Finding { wrong: Wrong::Corrupt, seen: format!("{report:?}") });
    }
    integrity(path, vfs)?;
    writable(store)?;
    Ok(reached.state)
}

/// Where in its history a store is.
pub(crate) struct Reached {
    /// The last state that its feed has.
    pub state: usize,
    /// A call after it, of which it was answered that its outcome is unknown. In the life that was recorded it had not
    /// happened in the end; after a cut it may have, until something that came later has.
    pub unknown: Option<u64>,
}

/// The state that a store's feed ends with.
pub(crate) fn reached(rows: &[FeedRow], history: &History, bounds: Bounds) -> Result<Reached, Finding> {
    let right = history.feed();
    let same = rows.iter().zip(right).take_while(|(row, right)| row == right).count();
    let more = &rows[same..];
    let unknown = more.first().and_then(|row| row.call()).filter(|call| history.is_unknown(*call));
    if !more.iter().all(|row| unknown.is_some() && row.call() == unknown) {
        let seen = format!("row {same} of the feed is {:?} and was {:?}", more.first(), right.get(same));
        return Err(Finding { wrong: Wrong::Invented, seen });
    }
    let seen = || {
        let Bounds { least, most } = bounds;
        format!("the feed has {same} rows and {} more; {least} were acknowledged and {most} sent", more.len())
    };
    match history.state_of(same) {
        _ if same < bounds.least => Err(Finding { wrong: Wrong::Lost, seen: seen() }),
        _ if same > bounds.most => Err(Finding { wrong: Wrong::Invented, seen: seen() }),
        None => Err(Finding { wrong: Wrong::Torn, seen: seen() }),
        Some(state) => Ok(Reached { state, unknown }),
    }
}

/// What SQLite finds, asked by a connection that is not the store's.
fn integrity(path: &Path, vfs: &str) -> Result<(), Finding> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags_and_vfs(path, flags, vfs);
    let answer =
        conn.and_then(|conn| conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)));
    match answer {
        Ok(text) if text == "ok" => Ok(()),
        Ok(text) => Err(Finding { wrong: Wrong::Corrupt, seen: text }),
        Err(error) => Err(found(Wrong::Unreadable)(&error)),
    }
}

fn writable(store: &Store) -> Result<(), Finding> {
    let key = SessionKey::new("after", "", "", "", "the cut");
    let stuck = |e: &dyn fmt::Display| found(Wrong::Stuck)(e);
    block_on(store.append(&key, vec![NewMessage::new("user", "still here")])).map_err(|e| stuck(&e))?;
    let page = block_on(store.message_window(&key, Window::last(1))).map_err(|e| stuck(&e))?;
    match page.messages.first() {
        Some(message) if message.content.get() == "\"still here\"" => Ok(()),
        other => Err(stuck(&format!("it shows {other:?}"))),
    }
}
