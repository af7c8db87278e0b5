//! The blocking store works wherever it is called.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use sessiondb::{NewMessage, SessionKey, Window, blocking};

fn key() -> SessionKey {
    SessionKey::new("a", "c", "", "dm", "p")
}

fn append_and_read(store: &blocking::Store) {
    let receipt = store.append(&key(), vec![NewMessage::new("user", "hello")]).unwrap();
    let page = store.message_window(&key(), Window::before(receipt.seqs[0] + 1, 1)).unwrap();
    assert_eq!(page.messages[0].seq, receipt.seqs[0]);
}

fn stores() -> Vec<(Option<tempfile::TempDir>, blocking::Store)> {
    let dir = tempfile::tempdir().unwrap();
    let store = blocking::open(&format!("sqlite:{}", dir.path().join("s.db").display())).unwrap();
    vec![(Some(dir), store), (None, blocking::open("memory:").unwrap())]
}

#[test]
fn outside_a_runtime() {
    stores().iter().for_each(|(_dir, store)| append_and_read(store));
}

#[tokio::test(flavor = "current_thread")]
async fn inside_a_runtime_with_one_thread() {
    stores().iter().for_each(|(_dir, store)| append_and_read(store));
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_runtime_with_many_threads() {
    for (_dir, store) in stores() {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { append_and_read(&store) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(store.session(&key()).unwrap().unwrap().message_count, 8);
        store.close().unwrap();
    }
}

/// The async store and its blocking twin are one store.
#[tokio::test(flavor = "current_thread")]
async fn beside_async_calls() {
    let dir = tempfile::tempdir().unwrap();
    let store = sessiondb::open(&dir.path().join("s.db").display().to_string()).await.unwrap();
    let twin = blocking::Store::from(store.clone());
    for _ in 0..20 {
        let one = store.append(&key(), vec![NewMessage::new("user", "async")]).await.unwrap().seqs[0];
        let two = twin.append(&key(), vec![NewMessage::new("user", "blocking")]).unwrap().seqs[0];
        assert_eq!(two, one + 1);
    }
    store.close().await.unwrap();
    assert_eq!(twin.session(&key()), Err(sessiondb::Error::Closed));
}
