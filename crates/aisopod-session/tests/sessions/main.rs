//! The promises of seeds 000 to 002 and of what follows them, and the defects of the upstream implementation that a copy
//! would inherit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{thread, time::Duration};

use aisopod_session::{HistoryQuery, SessionKey, SessionStore, StoredMessage};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use tempfile::TempDir;

mod compaction;
mod history;
mod scoped;
mod store;

fn key(agent: &str, channel: &str, peer: &str) -> SessionKey {
    SessionKey {
        agent_id: agent.into(),
        channel: channel.into(),
        account_id: "bot".into(),
        peer_kind: "dm".into(),
        peer_id: peer.into(),
    }
}

fn on_disk() -> (TempDir, SessionStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SessionStore::new(&dir.path().join("sessions.db")).unwrap();
    (dir, store)
}

/// Each promise holds in a file and in memory.
fn both(test: impl Fn(&SessionStore)) {
    let (_dir, store) = on_disk();
    test(&store);
    test(&SessionStore::new_in_memory().unwrap());
}

fn said(text: &str) -> StoredMessage {
    StoredMessage::new("user", json!(text))
}

fn texts(store: &SessionStore, key: &SessionKey, limit: Option<usize>) -> Vec<String> {
    texts_of(store, key, &HistoryQuery { limit, ..HistoryQuery::default() })
}

fn texts_of(store: &SessionStore, key: &SessionKey, query: &HistoryQuery) -> Vec<String> {
    let history = store.get_history(key, query).unwrap();
    history.messages.iter().map(|message| message.content.as_str().unwrap().to_owned()).collect()
}

/// Waits until the clock has moved on, so that "later" is later in microseconds too.
fn tick() {
    let before = Utc::now();
    while Utc::now() - before < TimeDelta::microseconds(2) {
        thread::sleep(Duration::from_micros(5));
    }
}
