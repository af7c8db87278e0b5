//! The promises of `sessiondb_core::conformance`, kept by this engine through both kinds of handles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{path::Path, sync::Arc};

use sessiondb_core::{Store, conformance};
use sessiondb_sqlite::{Options, SqliteBackend};
use tempfile::TempDir;

fn open(directory: &Path) -> Store {
    Store::new(Arc::new(SqliteBackend::open(Options::new(directory.join("s.db"))).unwrap()))
}

fn fresh() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()), dir)
}

fn fresh_blocking() -> (Store, TempDir) {
    let (store, dir) = fresh();
    (store.for_blocking(), dir)
}

mod for_async_callers {
    sessiondb_core::conformance_tests!(super::fresh);
}

mod for_blocking_callers {
    sessiondb_core::conformance_tests!(super::fresh_blocking);
}

#[test]
fn random_commits_leave_the_store_that_they_leave_in_memory() {
    conformance::random_commits_agree(fresh, 200);
}

#[test]
fn random_commits_are_all_there_when_the_store_is_opened_again() {
    conformance::random_commits_agree_when_reopened(fresh_blocking, |dir| open(dir.path()), 50);
}
