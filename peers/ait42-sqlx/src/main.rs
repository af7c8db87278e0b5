//! `ait42-sqlx DATABASE normal|full`: does what the lines of its input say, and answers each with a line.
//!
//! | line | answer |
//! |---|---|
//! | `create SESSION` (as JSON) | nanoseconds |
//! | `add ID MESSAGE` (as JSON) | nanoseconds |
//! | `get-all WORKSPACE` | nanoseconds, and how many sessions |
//! | `search WORKSPACE TEXT` | nanoseconds, and how many sessions |
//! | `show WORKSPACE` | its sessions as JSON |
//!
//! The time is that of the repository's method alone, from the call to the answer.

use std::{
    error::Error,
    io::{self, BufRead, Write},
    sync::Arc,
    time::Instant,
};

use ait42_session::{DbPool, SessionFilters, SessionRepository, SqliteSessionRepository};
use sqlx::sqlite::SqliteSynchronous;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(database), Some(durability)) = (args.next(), args.next()) else {
        return Err("usage: ait42-sqlx DATABASE normal|full".into());
    };
    let synchronous = match &*durability {
        "normal" => SqliteSynchronous::Normal,
        "full" => SqliteSynchronous::Full,
        _ => return Err(format!("{durability}: not normal or full").into()),
    };
    let pool = DbPool::with_synchronous(&format!("sqlite://{database}"), synchronous).await?;
    let repository = SqliteSessionRepository::from_pool(Arc::new(pool));
    for line in io::stdin().lock().lines() {
        let answer = answer(&repository, &line?).await?;
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

async fn answer(repository: &SqliteSessionRepository, line: &str) -> Result<String, Box<dyn Error>> {
    let (command, rest) = line.split_once(' ').ok_or("a line without a space")?;
    match command {
        "create" => {
            let session = serde_json::from_str(rest)?;
            let start = Instant::now();
            repository.create_session(session).await?;
            Ok(start.elapsed().as_nanos().to_string())
        }
        "add" => {
            let (session, message) = rest.split_once(' ').ok_or("no message")?;
            let message = serde_json::from_str(message)?;
            let start = Instant::now();
            repository.add_chat_message(session, message).await?;
            Ok(start.elapsed().as_nanos().to_string())
        }
        "get-all" => {
            let start = Instant::now();
            let sessions = repository.get_all_sessions(rest).await?;
            Ok(format!("{} {}", start.elapsed().as_nanos(), sessions.len()))
        }
        "search" => {
            let (workspace, text) = rest.split_once(' ').ok_or("no text")?;
            let filters = SessionFilters { search_query: Some(text.to_owned()), ..Default::default() };
            let start = Instant::now();
            let sessions = repository.search_sessions(workspace, filters).await?;
            Ok(format!("{} {}", start.elapsed().as_nanos(), sessions.len()))
        }
        "show" => Ok(serde_json::to_string(&repository.get_all_sessions(rest).await?)?),
        _ => Err(format!("{command}: not a command").into()),
    }
}
