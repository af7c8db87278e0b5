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

/// A task that calls the blocking store many times without coming back to its runtime hung at the 128th: the answers
/// came through a channel that asks the runtime for permission to go on, which could not be given.
#[test]
fn inside_a_task_any_number_of_times() {
    for (_dir, store) in stores() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Other callers, so that the task's own commits are handed over.
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        store
                            .append(&SessionKey::new("b", "", "", "", ""), vec![NewMessage::new("user", "x")])
                            .unwrap();
                    }
                });
            }
            let store = store.clone();
            runtime.block_on(async move {
                tokio::spawn(async move { (0..300).for_each(|_| append_and_read(&store)) }).await.unwrap();
            });
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}

/// The same for reads of the async store, waited for in a way that the runtime knows nothing of.
#[test]
fn reads_waited_for_inside_a_task() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = sessiondb::open(&dir.path().join("s.db").display().to_string()).await.unwrap();
        let task = tokio::spawn(async move {
            (0..300).for_each(|_| assert!(pollster::block_on(store.session(&key())).unwrap().is_none()));
        });
        task.await.unwrap();
    });
}
