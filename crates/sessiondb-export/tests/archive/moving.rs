//! Stores that change while they are exported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use pollster::block_on;
use sessiondb::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage,
    Lineage, MemoryBackend, MessagePage, NewMessage, Parts, PartsPage, Receipt, Result, Search, Session,
    SessionFilter, SessionKey, SessionPage, SessionParts, Store, ViewChange, Window, Write,
};
use sessiondb_export::{Choice, Exported, export, restore};

use crate::desk::{archive, json, key, memory, put, read_whole, say, seen, write};

/// What happens in a store while somebody reads it.
type Happening = dyn Fn(&Store, u32) + Send + Sync;

/// An engine in which something happens before each read, which is told how many there were.
struct Busy {
    inner: MemoryBackend,
    reads: AtomicU32,
    happens: Box<Happening>,
}

impl Busy {
    fn read(&self) {
        let before = self.reads.fetch_add(1, Ordering::Relaxed);
        (self.happens)(&Store::new(Arc::new(self.inner.clone())), before);
    }
}

#[async_trait]
impl Backend for Busy {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        self.inner.commit(commits).await
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.read();
        self.inner.session(key).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.inner.session_list(filter).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        self.inner.session_list_parts(filter, parts).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.inner.session_parts(keys, parts).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.read();
        self.inner.message_window(key, window).await
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        self.read();
        self.inner.lineage(key).await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.read();
        self.inner.view_changes(key, before, limit).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.inner.document(key, collection, id).await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.read();
        self.inner.document_list(key, filter).await
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.inner.changes(after, limit).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        self.inner.search(search).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.inner.check().await
    }

    async fn optimize(&self) -> Result<u64> {
        self.inner.optimize().await
    }

    async fn status(&self) -> Result<sessiondb::Status> {
        self.inner.status().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(self.inner.clone())
    }
}

/// A store in which this happens while it is exported.
fn busy(inner: &MemoryBackend, happens: impl Fn(&Store, u32) + Send + Sync + 'static) -> Store {
    Store::new(Arc::new(Busy { inner: inner.clone(), reads: AtomicU32::new(0), happens: Box::new(happens) }))
}

fn exported(store: &Store) -> (String, Exported) {
    let mut out = Vec::new();
    let exported = block_on(export(store, &Choice::all(), &mut out, &mut |_, _| {})).unwrap();
    (String::from_utf8(out).unwrap(), exported)
}

/// Whenever one turn of a session happens, the archive has all of it or nothing.
#[test]
fn a_session_is_of_one_moment() {
    for at in 0..16 {
        let inner = MemoryBackend::new();
        let plain = Store::new(Arc::new(inner.clone()));
        write(
            &plain,
            "ann",
            1,
            vec![Write::open(), say(&["a", "b"]), put("1", "1", None), put("2", "1", None)],
        );
        let before = archive(&plain);
        let store = busy(&inner, move |store, reads| {
            if reads == at {
                let remove = Write::RemoveDocument { collection: "notes".into(), id: "1".into() };
                let writes = vec![
                    say(&["c"]),
                    put("2", "2", None),
                    put("3", "2", None),
                    remove,
                    Write::Pop { count: 2 },
                ];
                write(store, "ann", 2, writes);
            }
        });
        let (text, told) = exported(&store);
        assert_eq!((told.unsteady.len(), told.unread.len()), (0, 0));
        let after = archive(&plain);
        // Messages that came late stand behind others, so what is compared is what is restored.
        let other = memory();
        read_whole(&other, &text);
        let restored = archive(&other);
        assert!(restored == before || restored == after, "at read {at}:\n{restored}");
    }
}

/// Appends leave the revision: a session that somebody talks in all the time can be exported.
#[test]
fn a_session_that_grows_all_the_time_is_exported() {
    let inner = MemoryBackend::new();
    write(&Store::new(Arc::new(inner.clone())), "ann", 1, vec![Write::open(), say(&["a"])]);
    let store = busy(&inner, |store, _| write(store, "ann", 2, vec![say(&["more"]), Write::AddTokens(1)]));
    let other = memory();
    assert_eq!(read_whole(&other, &exported(&store).0).sessions, 1);
}

#[test]
fn a_session_whose_state_changes_all_the_time_is_left_out_and_told() {
    let inner = MemoryBackend::new();
    let plain = Store::new(Arc::new(inner.clone()));
    write(&plain, "ann", 1, vec![Write::open(), say(&["a"])]);
    write(&plain, "bob", 1, vec![Write::open(), say(&["b"])]);
    let store = busy(&inner, |store, _| write(store, "ann", 2, vec![put("1", "1", None)]));
    let (text, told) = exported(&store);
    assert_eq!(told.unread.len(), 1);
    assert!(told.unread[0].error.to_string().contains("written to all the time"));
    let other = memory();
    let restored = block_on(restore(&other, text.as_bytes(), &mut |_| {})).unwrap();
    assert_eq!((restored.sessions, restored.dropped, restored.failed.len()), (1, 1, 0));
    assert!(restored.is_complete());
    assert_eq!(block_on(other.session(&key("ann"))), Ok(None));
}

/// Whenever a session is deleted, its fork is whole, and the session is in the archive whole or not at all.
#[test]
fn a_deleted_session_is_whole_or_absent_and_its_fork_is_there() {
    for at in 0..30 {
        let inner = MemoryBackend::new();
        let plain = Store::new(Arc::new(inner.clone()));
        write(&plain, "ann", 1, vec![Write::open(), say(&["a", "b"]), put("1", "1", None)]);
        let fork = sessiondb::Fork { parent: key("ann"), at: Some(1), status: None, metadata: None };
        block_on(plain.commit_one(Commit::new(key("bob")).write(Write::Fork(fork)))).unwrap();
        let store = busy(&inner, move |store, reads| {
            if reads == at {
                block_on(store.session_delete(&key("ann"))).unwrap();
                // Somebody else takes the key at once.
                block_on(store.append(&key("ann"), vec![NewMessage::new("user", "another")])).unwrap();
            }
        });
        let (text, told) = exported(&store);
        assert_eq!(told.unread, [], "at read {at}");
        let other = memory();
        read_whole(&other, &text);
        let shown = |peer: &str| {
            let page = block_on(other.message_window(&key(peer), Window::last(9)));
            page.map(|page| page.messages.iter().map(|m| m.content.get().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(shown("bob").unwrap(), [r#""a""#], "at read {at}");
        match shown("ann") {
            Ok(texts) => assert_eq!(texts, [r#""a""#, r#""b""#], "at read {at}"),
            Err(error) => assert!(matches!(error, Error::NotFound(_))),
        }
        assert!(!seen(&other).concat().contains("another"), "at read {at}");
    }
}

/// What is kept of a deleted session is read through one of its forks. Whenever that goes, and another session takes its
/// key, the next fork has all that it inherits.
#[test]
fn what_is_kept_is_whole_when_the_fork_that_it_is_read_through_goes() {
    for at in 0..30 {
        let inner = MemoryBackend::new();
        let plain = Store::new(Arc::new(inner.clone()));
        write(&plain, "ann", 1, vec![Write::open(), say(&["a", "b"])]);
        for peer in ["bob", "cat"] {
            block_on(plain.fork(&key("ann"), &key(peer), None)).unwrap();
        }
        block_on(plain.session_delete(&key("ann"))).unwrap();
        let store = busy(&inner, move |store, reads| {
            if reads == at {
                block_on(store.session_delete(&key("bob"))).unwrap();
                block_on(store.append(&key("bob"), vec![NewMessage::new("user", "another")])).unwrap();
            }
        });
        let (text, told) = exported(&store);
        assert_eq!(told.unread, [], "at read {at}");
        let other = memory();
        read_whole(&other, &text);
        let page = block_on(other.message_window(&key("cat"), Window::last(9))).unwrap();
        let texts: Vec<_> = page.messages.iter().map(|m| m.content.get().to_owned()).collect();
        assert_eq!(texts, [r#""a""#, r#""b""#], "at read {at}");
        assert!(!seen(&other).concat().contains("another"), "at read {at}");
    }
}

/// More documents than are held are written as they are read.
#[test]
fn many_large_documents_are_exported() {
    let inner = MemoryBackend::new();
    let plain = Store::new(Arc::new(inner.clone()));
    let body = format!("\"{}\"", "x".repeat(9 << 20));
    for id in ["1", "2", "3", "4"] {
        write(&plain, "ann", 1, vec![Write::open(), put(id, &body, None)]);
    }
    let first = archive(&plain);
    let other = memory();
    read_whole(&other, &first);
    assert!(archive(&other) == first);

    let moved = busy(&inner, |store, reads| {
        if reads == 4 {
            write(store, "ann", 2, vec![Write::SetMetadata(json("{\"a\":1}")), say(&["late"])]);
        }
    });
    let (text, told) = exported(&moved);
    assert_eq!(told.unsteady, [key("ann")]);
    let other = memory();
    read_whole(&other, &text);
    assert!(archive(&other) == archive(&plain));
}
