//! `seed001-sqlx DATABASE normal|full CACHE`: chat sessions in seed 001's tables (the database is made by `sessiondb-bench`),
//! through a pool of 5 connections of sqlx, as seed 003 uses it, each with a page cache of so many KiB. It does what the lines of its input say, and answers each
//! with a line.
//!
//! | line | answer |
//! |---|---|
//! | `append one\|two CALLERS NANOSECONDS FIRST SEED bursty\|uniform` | calls answered, nanoseconds they took, and those of each |
//! | `window SESSION LIMIT` | nanoseconds, and the sum of the rows' ids |
//! | `list AGENT TIME ID LIMIT` | nanoseconds, and the sum of the rows' ids |
//! | `version` | SQLite's |
//!
//! `append` begins with message FIRST. With `one` an append is one transaction; with `two` the insert and the update
//! commit by themselves, as seed 003 adds a message. Callers, sessions and messages are the very code of `sessiondb-bench`.

#[expect(dead_code, reason = "the rest of the file is for the candidates that live in the benchmark itself")]
#[path = "../../../../crates/sessiondb-bench/src/engine/callers.rs"]
mod callers;
#[expect(dead_code, reason = "the rest of the file is for the candidates that live in the benchmark itself")]
#[path = "../../../../crates/sessiondb-bench/src/engine/load.rs"]
mod load;

use std::{
    fmt::Write as _,
    io::{self, BufRead, Write},
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, Utc};
use sqlx::{
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
    ConnectOptions, FromRow, SqliteConnection,
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    callers::{tasks, Turn},
    load::Arrivals,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

/// A message, as it is read.
#[derive(FromRow)]
#[expect(dead_code, reason = "what is read is read whole, as a caller would have it")]
struct Message {
    id: i64,
    role: String,
    content: String,
    tool_calls: Option<String>,
    created_at: String,
}

/// A session, as it is read.
#[derive(FromRow)]
#[expect(dead_code, reason = "what is read is read whole, as a caller would have it")]
struct Session {
    id: i64,
    agent_id: String,
    channel: String,
    account_id: String,
    peer_kind: String,
    peer_id: String,
    status: String,
    metadata: String,
    message_count: i64,
    token_usage: i64,
    created_at: String,
    updated_at: String,
}

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (Some(database), Some(durability), Some(cache)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: seed001-sqlx DATABASE normal|full CACHE".into());
    };
    let synchronous = match &*durability {
        "normal" => SqliteSynchronous::Normal,
        "full" => SqliteSynchronous::Full,
        _ => return Err(format!("{durability}: not normal or full").into()),
    };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let pool = runtime.block_on(open(&database, synchronous, cache.parse()?))?;
    for line in io::stdin().lock().lines() {
        let answer = answer(&runtime, &pool, &line?)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    runtime.block_on(pool.close());
    Ok(())
}

/// Seed 003's pool; the cache and the checkpoints are those that all candidates have. The candidates by hand also keep SQLite
/// from compiling a statement anew for what is bound to its LIMIT (SQLITE_DBCONFIG_ENABLE_QPSG): sqlx has no option for that,
/// and the SQLite in it, 3.44, does not look at a LIMIT, so that nothing here is compiled anew either.
async fn open(database: &str, synchronous: SqliteSynchronous, cache_kib: i64) -> Outcome<SqlitePool> {
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{database}"))?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
        .pragma("cache_size", (-cache_kib).to_string())
        .pragma("wal_autocheckpoint", "8192")
        .pragma("temp_store", "2")
        .disable_statement_logging();
    // Seed 003 waits 10 s for a connection, which many callers would exceed.
    let pool = SqlitePoolOptions::new().max_connections(5).acquire_timeout(Duration::from_secs(60));
    Ok(pool.connect_with(options).await?)
}

fn answer(runtime: &Runtime, pool: &SqlitePool, line: &str) -> Outcome<String> {
    let words = line.split(' ').collect::<Vec<_>>();
    match words[..] {
        ["append", commits, callers, nanos, first, seed, arrivals] => {
            let (one, seed) = (commits == "one", seed.parse()?);
            let arrivals = match arrivals {
                "bursty" => Arrivals::Bursty,
                "uniform" => Arrivals::Uniform,
                _ => return Err(format!("{arrivals}: not bursty or uniform").into()),
            };
            let turn = Turn::begin(first.parse()?, Duration::from_nanos(nanos.parse()?));
            append(runtime, pool, callers.parse()?, turn, one, arrivals, seed)
        }
        ["window", session, limit] => {
            let (session, limit) = (session.parse()?, limit.parse()?);
            runtime.block_on(window(pool, session, limit))
        }
        ["list", agent, time, id, limit] => {
            let (id, limit) = (id.parse()?, limit.parse()?);
            runtime.block_on(list(pool, agent, time, id, limit))
        }
        ["version"] => {
            let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool);
            Ok(runtime.block_on(version)?)
        }
        _ => Err(format!("{line}: not a command").into()),
    }
}

fn append(
    runtime: &Runtime,
    pool: &SqlitePool,
    callers: usize,
    turn: Turn,
    one: bool,
    arrivals: Arrivals,
    seed: u64,
) -> Outcome<String> {
    let keys: Arc<Vec<_>> = Arc::new((0..load::SESSIONS).map(load::key).collect());
    let contents: Arc<Vec<_>> = Arc::new((0..load::CONTENTS).map(load::content).collect());
    let pool = pool.clone();
    let measured = tasks(runtime, callers, turn, move |n| {
        let (pool, keys, contents) = (pool.clone(), Arc::clone(&keys), Arc::clone(&contents));
        async move {
            let key = &keys[arrivals.session(seed, n) as usize];
            let content = &contents[(n % load::CONTENTS) as usize];
            if one {
                append_one(&pool, key, content).await
            } else {
                append_two(&pool, key, content).await
            }
        }
    })?;
    let mut answer = format!("{} {}", measured.acknowledged, measured.time.as_nanos());
    for latency in measured.latencies {
        write!(answer, " {}", latency.as_nanos())?;
    }
    Ok(answer)
}

const SESSION: &str = "SELECT id FROM sessions \
     WHERE agent_id = ? AND channel = ? AND account_id = ? AND peer_kind = ? AND peer_id = ?";
const INSERT: &str = "INSERT INTO messages (session_id, role, content, created_at) VALUES (?, 'user', ?, ?)";
const UPDATE: &str = "UPDATE sessions SET message_count = message_count + 1, updated_at = ? WHERE id = ?";

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// One transaction, which takes the lock when it begins: one that reads first could not write afterwards while others do.
async fn append_one(pool: &SqlitePool, key: &[String; 5], content: &str) -> Outcome<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    let id = session(&mut conn, key).await?;
    let at = now();
    sqlx::query(INSERT).bind(id).bind(content).bind(&at).execute(&mut *conn).await?;
    sqlx::query(UPDATE).bind(&at).bind(id).execute(&mut *conn).await?;
    sqlx::query("COMMIT").execute(&mut *conn).await?;
    Ok(())
}

/// Each statement on a connection of the pool, as seed 003 does; it has the session's id at hand, so that is not counted
/// as a third.
async fn append_two(pool: &SqlitePool, key: &[String; 5], content: &str) -> Outcome<()> {
    let id = session(&mut *pool.acquire().await?, key).await?;
    let at = now();
    sqlx::query(INSERT).bind(id).bind(content).bind(&at).execute(pool).await?;
    sqlx::query(UPDATE).bind(&at).bind(id).execute(pool).await?;
    Ok(())
}

async fn session(conn: &mut SqliteConnection, key: &[String; 5]) -> Outcome<i64> {
    let mut query = sqlx::query_scalar(SESSION);
    for part in key {
        query = query.bind(part);
    }
    Ok(query.fetch_one(conn).await?)
}

async fn window(pool: &SqlitePool, session_number: u64, limit: i64) -> Outcome<String> {
    let key = load::key(session_number);
    let start = Instant::now();
    let mut conn = pool.acquire().await?;
    let id = session(&mut conn, &key).await?;
    let mut messages: Vec<Message> = sqlx::query_as(
        "SELECT id, role, content, tool_calls, created_at FROM messages WHERE session_id = ? \
         ORDER BY id DESC LIMIT ?",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    messages.reverse();
    let time = start.elapsed();
    Ok(format!("{} {}", time.as_nanos(), messages.iter().map(|message| message.id).sum::<i64>()))
}

async fn list(pool: &SqlitePool, agent: &str, time: &str, id: i64, limit: i64) -> Outcome<String> {
    let start = Instant::now();
    let sessions: Vec<Session> = sqlx::query_as(
        "SELECT id, agent_id, channel, account_id, peer_kind, peer_id, status, metadata, message_count, \
                token_usage, created_at, updated_at \
         FROM sessions WHERE agent_id = ? AND (updated_at, id) < (?, ?) \
         ORDER BY updated_at DESC, id DESC LIMIT ?",
    )
    .bind(agent)
    .bind(time)
    .bind(id)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let time = start.elapsed();
    Ok(format!("{} {}", time.as_nanos(), sessions.iter().map(|session| session.id).sum::<i64>()))
}
