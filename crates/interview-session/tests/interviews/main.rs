//! The promises of seed 004 and of what follows it, and the defects of the seed that a copy would inherit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use interview_session::{Session, SessionRepository, SessionState};
use tempfile::TempDir;
use tokio::runtime::Runtime;

mod config;
mod lists;
mod opening;
mod sessions;
mod sql;
mod status;
mod turns;

/// A file for a repository, in a directory of its own.
struct File {
    directory: TempDir,
}

impl File {
    fn new() -> File {
        File { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("interviews.db")
    }

    /// One more repository on it, with connections of its own.
    fn repository(&self) -> SessionRepository {
        SessionRepository::new(self.path().display().to_string())
    }

    /// The file as anybody's program sees it.
    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(test)
}

/// Each promise holds in a file and in memory.
fn both(test: impl AsyncFn(&SessionRepository)) {
    let file = File::new();
    run(test(&file.repository()));
    run(test(&SessionRepository::new(":memory:")));
}

fn session(id: &str) -> Session {
    Session { id: id.into(), ..Session::new("mec", "oat-milk", "Oat milk") }
}

fn state(turn_count: u32, coverage_score: f64) -> SessionState {
    SessionState { turn_count, coverage_score, ..SessionState::new("mec", "oat-milk", "Oat milk") }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
