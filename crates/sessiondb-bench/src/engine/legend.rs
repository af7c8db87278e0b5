//! What each candidate is and does, in words, for whoever reads the table.

use super::{mutex::MutexConnection, ours::SessionDb, pool::Pool, raw::Raw, sqlx::Sqlx};

/// What holds for all of them.
pub(super) const ALL: &str = "\
All: WAL, pages of 4096 bytes, foreign keys, prepared statements, page caches of 64 MiB to write and 8 MiB to read, a
checkpoint at 32 MiB of log within the measured time; synchronous is FULL or NORMAL as each line says. Sessions are found
by their five-part key. Before each line of appends the file is opened anew, and a quarter of the time warms up, which is
not counted; afterwards every message that was answered must be stored, and no other. Messages have 400 bytes of content.
By hand, as in SessionDB, a statement is compiled once for whatever is bound to it (SQLITE_DBCONFIG_ENABLE_QPSG; the SQLite
in sqlx does so without it), and whoever appends has the schema's triggers off, which are for rows of people who write SQL.
SessionDB overwrites what it deletes (secure_delete), the others do not, and checkpoints after its callers have their
answers, the others before. bursty: 200 of 10,000 sessions live at a time, about 40 messages each; uniform: any of the 10,000.";

/// How each appends.
pub(super) const CANDIDATES: [(&str, &str); 9] = [
    (
        Raw::NAME,
        "SessionDB's schema; one thread; for each message SELECT session, INSERT message, UPDATE session, INSERT feed",
    ),
    (SessionDb::BLOCKING, "SessionDB's schema; Store::append from a thread a caller"),
    (
        SessionDb::CURRENT_THREAD,
        "SessionDB's schema; Store::append from a task a caller, tokio on one thread",
    ),
    (SessionDb::MULTI_THREAD, "SessionDB's schema; Store::append from a task a caller, tokio with 2 workers"),
    (
        MutexConnection::SAME_SCHEMA,
        "one transaction an append, with the statements of raw; a thread a caller",
    ),
    (
        MutexConnection::SEED_001,
        "one transaction an append: SELECT session, INSERT message, UPDATE session; a thread a caller",
    ),
    (Pool::NAME, "the same transaction, BEGIN IMMEDIATE, busy_timeout 5 s; a thread a caller"),
    (
        Sqlx::ONE,
        "the same transaction, BEGIN IMMEDIATE, busy_timeout 30 s; a task a caller, tokio with 2 workers",
    ),
    (Sqlx::AS_SEED_003, "the same pool at NORMAL in every line; INSERT and UPDATE each commit by themselves"),
];
