//! What the promises are told with: a few sessions, messages, documents and moments.

use crate::{Commit, Error, Json, NewDocument, NewMessage, Receipt, Session, SessionKey, Store, Time, Write};

/// JSON that does not survive being read as a value and written again.
pub(super) const FRAGILE_JSON: [&str; 16] = [
    "-0",
    "1e400",
    "1.0",
    "1E5",
    "-12345678901234567890123456789012345678901234567890.000100",
    "null",
    r#""""#,
    r#""\ud800""#,
    r#""\u0000 \u00e9 \/""#,
    "\"é e\u{301} 中 🦀\"",
    "[ 1 ,\t2,\n 3 ]",
    "[]",
    r#"{"b":1,"a":2}"#,
    r#"{"a":1,"a":2,"":{"a":null}}"#,
    r#"{"\ud800":"\udc00\ud800"}"#,
    r#"{"quote":"'\";--","percent":"%_?1:$2"}"#,
];

/// JSON nested as deep as the store takes.
pub(super) fn deepest_json() -> String {
    let depth = crate::limits::JSON_DEPTH_MAX;
    format!("{}{}", r#"{"a":"#.repeat(depth - 1) + "[", "]".to_owned() + &"}".repeat(depth - 1))
}

/// The session of this peer.
pub(super) fn key(peer: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", peer)
}

/// A commit to the session of this peer that opens it, if it is not there, as a plain conversation.
pub(super) fn open(peer: &str) -> Commit {
    to(peer).write(Write::open())
}

/// A commit to the session of this peer.
pub(super) fn to(peer: &str) -> Commit {
    Commit::new(key(peer))
}

/// A moment of one day in 2026, by its seconds.
pub(super) fn second(seconds: i64) -> Time {
    Time::from_timestamp(1_795_132_800 + seconds, 0).unwrap()
}

pub(super) fn json(text: impl Into<String>) -> Json {
    Json::parse(text).unwrap()
}

pub(super) fn said(text: &str) -> NewMessage {
    NewMessage::new("user", text)
}

/// One append of these texts.
pub(super) fn say(texts: &[&str]) -> Write {
    Write::Append(texts.iter().map(|text| said(text)).collect())
}

pub(super) fn status(status: &str) -> Write {
    Write::SetStatus(status.into())
}

pub(super) fn put(collection: &str, id: &str, body: &str) -> Write {
    Write::PutDocument(NewDocument::new(collection, id, json(body)))
}

pub(super) fn put_blob(collection: &str, id: &str, body: &str, blob: &[u8]) -> Write {
    Write::PutDocument(NewDocument {
        blob: Some(blob.to_vec()),
        ..NewDocument::new(collection, id, json(body))
    })
}

pub(super) fn patch(collection: &str, id: &str, patch: &str) -> Write {
    Write::PatchDocument { collection: collection.into(), id: id.into(), patch: json(patch) }
}

pub(super) fn remove(collection: &str, id: &str) -> Write {
    Write::RemoveDocument { collection: collection.into(), id: id.into() }
}

/// The receipt of a commit to this peer's session that happened now.
pub(super) fn receipt(peer: &str, revision: u64, seqs: &[u64]) -> Receipt {
    Receipt { key: key(peer), revision, seqs: seqs.to_vec(), changed: true, replayed: false }
}

/// The receipt of one that found everything as it would have it.
pub(super) fn unchanged(peer: &str, revision: u64, seqs: &[u64]) -> Receipt {
    Receipt { changed: false, ..receipt(peer, revision, seqs) }
}

/// The session of this peer, which must be there.
pub(super) async fn session(store: &Store, peer: &str) -> Session {
    store.session(&key(peer)).await.unwrap().unwrap_or_else(|| panic!("there is no session of {peer}"))
}

pub(super) fn not_found(peer: &str) -> Error {
    Error::NotFound(Box::new(key(peer)))
}
