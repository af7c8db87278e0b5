//! Stores, archives of them, and short ways to make both.

use pollster::block_on;
use sessiondb::{
    Commit, Json, MemoryBackend, NewDocument, NewMessage, Session, SessionFilter, SessionKey, SessionOrder,
    Store, Time, Write,
};
use sessiondb_export::{Choice, Restored, export, restore};
use tempfile::TempDir;

pub fn memory() -> Store {
    Store::new(std::sync::Arc::new(MemoryBackend::new()))
}

/// A store in a file, and the directory it is in.
pub fn file() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = block_on(sessiondb::open(&dir.path().join("s.db").display().to_string())).unwrap();
    (store, dir)
}

pub fn key(peer: &str) -> SessionKey {
    SessionKey::new("main", "cli", "", "dm", peer)
}

pub fn second(seconds: i64) -> Time {
    Time::from_timestamp(1_795_132_800 + seconds, 0).unwrap()
}

pub fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// One commit, at this second.
pub fn write(store: &Store, peer: &str, at: i64, writes: Vec<Write>) {
    let commit = Commit { writes, ..Commit::new(key(peer)).at(second(at)) };
    block_on(store.commit_one(commit)).unwrap();
}

pub fn say(texts: &[&str]) -> Write {
    Write::Append(texts.iter().map(|text| NewMessage::new("user", *text)).collect())
}

pub fn put(id: &str, body: &str, blob: Option<&[u8]>) -> Write {
    Write::PutDocument(NewDocument {
        blob: blob.map(<[u8]>::to_vec),
        ..NewDocument::new("notes", id, json(body))
    })
}

/// A store with something of everything: compaction, a fork of a fork, a deleted parent, documents, hidden messages.
pub fn rich(store: &Store) {
    write(store, "ann", 1, vec![Write::open(), say(&["a", "b", "c"]), put("1", "[1,\n2]", Some(b"\0\xff"))]);
    write(
        store,
        "ann",
        2,
        vec![Write::Compact { through: 2, summary: vec![NewMessage::new("system", "short")] }],
    );
    block_on(store.fork(&key("ann"), &key("bob"), None)).unwrap();
    write(store, "bob", 3, vec![say(&["d"]), Write::SetMetadata(json(r#"{"title": "Bob", "n": 1e400}"#))]);
    block_on(store.fork(&key("bob"), &key("cat"), None)).unwrap();
    write(store, "cat", 4, vec![say(&["e", "f"]), Write::Pop { count: 1 }]);
    block_on(store.session_delete(&key("bob"))).unwrap();
    write(store, "ann", 5, vec![say(&["g"]), put("2", "null", None), Write::AddTokens(7)]);
    write(store, "ann", 6, vec![Write::Uncompact]);
    write(store, "dot", 5, vec![Write::Open(Default::default()), Write::SetStatus("idle".into())]);
}

pub fn archive(store: &Store) -> String {
    archive_of(store, &Choice::all())
}

pub fn archive_of(store: &Store, choice: &Choice) -> String {
    let mut out = Vec::new();
    let exported = block_on(export(store, choice, &mut out, &mut |_, _| {})).unwrap();
    assert_eq!((exported.unread, exported.unsteady), (vec![], vec![]));
    String::from_utf8(out).unwrap()
}

pub fn read(store: &Store, archive: &str) -> Restored {
    block_on(restore(store, archive.as_bytes(), &mut |_| {})).unwrap()
}

/// Reads an archive, all of it, without a complaint.
pub fn read_whole(store: &Store, archive: &str) -> Restored {
    let restored = read(store, archive);
    assert!(restored.is_complete(), "{restored:#?}");
    sound(store);
    restored
}

pub fn sound(store: &Store) {
    let report = block_on(store.check()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// All sessions, in every order.
pub fn sessions(store: &Store) -> Vec<Session> {
    let mut all = Vec::new();
    for order in SessionOrder::ALL {
        let filter = SessionFilter { order, limit: 1000, ..SessionFilter::default() };
        all.extend(block_on(store.session_list(&filter)).unwrap().sessions);
    }
    all
}

/// What can be seen of all sessions in every order, whatever the numbers of the logs are.
pub fn seen(store: &Store) -> Vec<String> {
    let one = |session: Session| {
        let key = &session.key;
        let window = sessiondb::Window::after(0, 1000);
        let messages = block_on(store.message_window(key, window)).unwrap().messages;
        let texts: Vec<_> = messages.iter().map(|m| (m.seq, m.content.get().to_owned())).collect();
        format!("{key} {} {} {} {texts:?}", session.created_at, session.updated_at, session.revision)
    };
    sessions(store).into_iter().map(one).collect()
}
