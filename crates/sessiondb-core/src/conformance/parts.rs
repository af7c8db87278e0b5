//! Sessions read with their documents and messages, many at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use pollster::block_on;

use super::{
    examples::{key, not_found, open, put, put_blob, remove, said, say, second, status, to},
    observed::{documents, history},
};
use crate::{
    DocumentFilter, Error, Fork, NewMessage, Parts, Scope, SessionFilter, SessionOrder, SessionParts, Store,
    Window, Write, limits,
};

/// Sessions with everything that parts can be: none, many, hidden, inherited.
async fn furnish(store: &Store) {
    let mut call = vec![
        open("bare").at(second(1)),
        open("spoken").write(say(&["a", "b", "c"])).at(second(2)),
        open("written")
            .write(put("notes", "2", r#""two""#))
            .write(put("notes", "10", r#""ten""#))
            .write(put("note", "1", "1"))
            .write(put_blob("state", "s", "{}", b"\0\xff"))
            .at(second(2)),
        open("both").write(say(&["d", "e", "f", "g"])).write(put("notes", "1", "1")).at(second(3)),
    ];
    let fork = Fork { parent: key("both"), at: None, status: None, metadata: None };
    call.push(
        to("forked").write(Write::Fork(fork)).write(say(&["h"])).write(put("state", "s", "[]")).at(second(4)),
    );
    store.commit(call).await.unwrap();
    let compact = Write::Compact { through: 2, summary: vec![said("in short")] };
    store.commit_one(to("both").write(compact).write(say(&["i"])).at(second(5))).await.unwrap();
    store.commit_one(to("spoken").write(Write::Rewind { seq: 0 }).at(second(6))).await.unwrap();
    store
        .commit_one(to("written").write(remove("notes", "2")).write(status("idle")).at(second(1)))
        .await
        .unwrap();
}

/// What reading a session's parts one by one shows.
async fn one_by_one(store: &Store, peer: &str, parts: &Parts) -> SessionParts {
    let key = key(peer);
    let mut read = documents(store, &key, &DocumentFilter::default()).await;
    read.retain(|document| parts.collections.contains(&document.collection));
    SessionParts {
        session: store.session(&key).await.unwrap().unwrap(),
        documents: read,
        more_documents: false,
        messages: if parts.messages { history(store, &key).await } else { Vec::new() },
        more_messages: false,
    }
}

/// Parts read with a list are those that are read one by one: in the order of the list, page by page, whichever parts are
/// asked for and in whichever order they are named.
pub async fn parts_are_what_is_read_one_by_one(store: Store) {
    furnish(&store).await;
    let named: [&[&str]; 5] =
        [&[], &["notes"], &["state", "notes"], &["notes", "note", "notes"], &["absent"]];
    for order in SessionOrder::ALL {
        for limit in [1, 2, 5, 100] {
            for (collections, messages) in named.into_iter().flat_map(|names| [(names, false), (names, true)])
            {
                let parts = Parts { messages, ..Parts::documents(collections.iter().copied()) };
                let mut filter = SessionFilter { order, limit, ..SessionFilter::default() };
                loop {
                    let list = store.session_list(&filter).await.unwrap();
                    let page = store.session_list_parts(&filter, &parts).await.unwrap();
                    assert_eq!(page.next, list.next, "{order:?}, {limit}");
                    assert_eq!(page.sessions.len(), list.sessions.len());
                    for (read, listed) in page.sessions.into_iter().zip(list.sessions) {
                        assert_eq!(read, one_by_one(&store, &listed.key.peer_id, &parts).await);
                    }
                    filter.after = page.next;
                    if filter.after.is_none() {
                        break;
                    }
                }
            }
        }
    }
}

/// One session's parts, and none of a session that is not there.
pub async fn parts_of_one_session_are_read(store: Store) {
    furnish(&store).await;
    let parts = Parts::documents(["notes", "state"]).with_messages();
    for peer in ["bare", "spoken", "written", "both", "forked"] {
        let read = store.session_parts(&key(peer), &parts).await.unwrap();
        assert_eq!(read, Some(one_by_one(&store, peer, &parts).await));
    }
    assert_eq!(store.session_parts(&key("bar"), &parts).await, Ok(None));
    store.session_delete(&key("both")).await.unwrap();
    assert_eq!(store.session_parts(&key("both"), &parts).await, Ok(None));
    let forked = store.session_parts(&key("forked"), &parts).await.unwrap().unwrap();
    assert_eq!(forked.messages.len(), 5, "a fork shows what it inherited from a session that is gone");
    assert_eq!(store.message_window(&key("both"), Window::last(1)).await, Err(not_found("both")));
}

/// Many sessions' parts by their keys: in the order of the keys, `None` where there is no session, also for a key that is
/// asked for twice.
pub async fn parts_of_many_keys_are_read(store: Store) {
    furnish(&store).await;
    let parts = Parts::documents(["state", "notes"]).with_messages();
    let peers = ["forked", "absent", "bare", "both", "bare", "written", "bar", "spoken"];
    let keys = peers.map(key);
    let read = store.session_parts_of(&keys, &parts).await.unwrap();
    assert_eq!(read.len(), peers.len());
    for (read, peer) in read.into_iter().zip(peers) {
        let expected = match peer {
            "absent" | "bar" => None,
            peer => Some(one_by_one(&store, peer, &parts).await),
        };
        assert_eq!(read, expected, "{peer}");
    }
    assert_eq!(store.session_parts_of(&[key("absent")], &parts).await, Ok(vec![None]));
    assert_eq!(store.session_parts_of(&[], &parts).await, Ok(vec![]));
    let most: Vec<_> = (0..limits::PAGE_MAX).map(|n| key(&n.to_string())).collect();
    assert_eq!(store.session_parts_of(&most, &parts).await.unwrap().len(), limits::PAGE_MAX);
    let too_many: Vec<_> = (0..=limits::PAGE_MAX).map(|n| key(&n.to_string())).collect();
    assert!(matches!(store.session_parts_of(&too_many, &parts).await, Err(Error::Invalid(_))));
    let scoped =
        store.scoped(Scope::agent("main").narrow("cli").narrow("").narrow("dm").narrow("bare")).unwrap();
    assert_eq!(scoped.session_parts_of(&[key("bare")], &parts).await.unwrap().len(), 1);
    let refused = scoped.session_parts_of(&[key("bare"), key("both")], &parts).await;
    assert!(matches!(refused, Err(Error::OutOfScope { .. })), "{refused:?}");
}

/// A page ends before the session with which it would have more messages than a page may; a session that has more alone
/// comes alone, with the first of them.
pub async fn pages_with_parts_are_bounded_in_messages(store: Store) {
    let max = limits::PARTS_MAX;
    let many = |n: usize| Write::Append((0..n).map(|i| NewMessage::new("user", i.to_string())).collect());
    for (peer, n) in [("a", 1), ("b", max - 2), ("c", 1), ("d", 1), ("e", max - 5), ("f", 0)] {
        store.commit_one(open(peer).write(many(n))).await.unwrap();
    }
    // Together one more than a commit may write.
    store.append(&key("e"), (0..7).map(|_| said("x")).collect()).await.unwrap();
    let parts = Parts::default().with_messages();
    let mut filter = SessionFilter { order: SessionOrder::CreatedOldest, ..SessionFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = store.session_list_parts(&filter, &parts).await.unwrap();
        let told = |s: &SessionParts| (s.session.key.peer_id.clone(), s.messages.len(), s.more_messages);
        pages.push(page.sessions.iter().map(told).collect::<Vec<_>>());
        for read in &page.sessions {
            assert!(read.messages.iter().map(|message| message.seq).eq(1..=read.messages.len() as u64));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let of = |peer: &str, n: usize, more: bool| (peer.to_owned(), n, more);
    assert_eq!(
        pages,
        [
            vec![of("a", 1, false), of("b", max - 2, false), of("c", 1, false)],
            vec![of("d", 1, false)],
            vec![of("e", max, true)],
            vec![of("f", 0, false)],
        ]
    );
    // By their keys the same: the answer is of the first keys, as many as fit.
    let asked: Vec<_> = ["a", "none", "b", "c", "none", "d", "e", "none", "f"].map(key).into();
    let mut answers = Vec::new();
    let mut rest = &asked[..];
    while !rest.is_empty() {
        let read = store.session_parts_of(rest, &parts).await.unwrap();
        let told = |s: &SessionParts| (s.session.key.peer_id.clone(), s.messages.len(), s.more_messages);
        answers.push(read.iter().map(|read| read.as_ref().map(told)).collect::<Vec<_>>());
        rest = &rest[read.len()..];
    }
    assert_eq!(
        answers,
        [
            vec![Some(of("a", 1, false)), None, Some(of("b", max - 2, false)), Some(of("c", 1, false)), None],
            vec![Some(of("d", 1, false))],
            vec![Some(of("e", max, true))],
            vec![None, Some(of("f", 0, false))],
        ]
    );
    // Without messages nothing bounds the page.
    let all = SessionFilter { order: SessionOrder::CreatedOldest, ..SessionFilter::default() };
    assert_eq!(store.session_list_parts(&all, &Parts::default()).await.unwrap().sessions.len(), 6);
}

/// The same in documents.
pub async fn pages_with_parts_are_bounded_in_documents(store: Store) {
    let max = limits::PARTS_MAX;
    let many = |commit: crate::Commit, from: usize, n: usize| {
        (from..from + n).fold(commit, |commit, i| commit.write(put("d", &format!("{i:05}"), "0")))
    };
    store.commit_one(many(open("a"), 0, 2)).await.unwrap();
    store.commit_one(many(open("b"), 0, max - 1)).await.unwrap();
    store.commit_one(many(to("b"), max - 1, 2)).await.unwrap();
    store.commit_one(many(open("c"), 0, 1).write(put("other", "1", "1"))).await.unwrap();
    let mut filter = SessionFilter { order: SessionOrder::CreatedNewest, ..SessionFilter::default() };
    let parts = Parts::documents(["d", "other"]);
    let mut pages = Vec::new();
    loop {
        let page = store.session_list_parts(&filter, &parts).await.unwrap();
        let told = |s: &SessionParts| (s.session.key.peer_id.clone(), s.documents.len(), s.more_documents);
        pages.push(page.sessions.iter().map(told).collect::<Vec<_>>());
        let in_order =
            |s: &SessionParts| s.documents.is_sorted_by_key(|d| (d.collection.clone(), d.id.clone()));
        assert!(page.sessions.iter().all(in_order));
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    let of = |peer: &str, n: usize, more: bool| (peer.to_owned(), n, more);
    assert_eq!(pages, [vec![of("c", 2, false)], vec![of("b", max, true)], vec![of("a", 2, false)]]);
}

/// A handle with a scope reads the parts of what is inside it, and of nothing else.
pub async fn parts_stay_inside_the_scope(store: Store) {
    furnish(&store).await;
    let parts = Parts::documents(["notes"]).with_messages();
    let elsewhere = store.scoped(Scope::agent("other")).unwrap();
    let page = elsewhere.session_list_parts(&SessionFilter::default(), &parts).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (0, None));
    let refused = elsewhere.session_parts(&key("both"), &parts).await;
    assert!(matches!(refused, Err(Error::OutOfScope { .. })), "{refused:?}");
    let asked = SessionFilter { agent_id: Some("main".into()), ..SessionFilter::default() };
    assert!(elsewhere.session_list_parts(&asked, &parts).await.unwrap().sessions.is_empty());
    let inside = store.scoped(Scope::agent("main")).unwrap();
    assert_eq!(inside.session_list_parts(&SessionFilter::default(), &parts).await.unwrap().sessions.len(), 5);
}

/// What cannot be a collection is refused, and so is a page of no size.
pub async fn parts_that_cannot_be_are_refused(store: Store) {
    let all = SessionFilter::default();
    for parts in [
        Parts::documents([""]),
        Parts::documents(["a\0b"]),
        Parts::documents(["x".repeat(limits::ID_BYTES_MAX + 1)]),
        Parts::documents((0..=limits::PAGE_MAX).map(|n| n.to_string())),
    ] {
        let refused = store.session_list_parts(&all, &parts).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
        let refused = store.session_parts(&key("ann"), &parts).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let none = SessionFilter { limit: 0, ..SessionFilter::default() };
    assert!(matches!(store.session_list_parts(&none, &Parts::default()).await, Err(Error::Invalid(_))));
}

/// A session and its parts are of one moment, and so are all sessions of a page: what is written together is read
/// together.
pub async fn parts_are_of_one_moment(store: Store) {
    let write = |n: usize| {
        let body = n.to_string();
        let of = |peer: &str| {
            open(peer).write(put("count", "n", &body)).write(say(&[&body])).write(status(&format!("s{n}")))
        };
        vec![of("ann"), of("bob")]
    };
    block_on(store.commit(write(1))).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (writer, done) = (store.for_blocking(), &done);
        scope.spawn(move || {
            (2..=100).for_each(|n| drop(block_on(writer.commit(write(n))).unwrap()));
            done.store(true, Ordering::Release);
        });
        let parts = Parts::documents(["count"]).with_messages();
        loop {
            // Asked before the read, so that the last read is one after the last write.
            let last = done.load(Ordering::Acquire);
            let page = block_on(store.session_list_parts(&SessionFilter::default(), &parts)).unwrap();
            let n = page.sessions[0].messages.len();
            for read in &page.sessions {
                assert_eq!(read.messages.len(), n);
                assert_eq!(read.documents[0].body.get(), n.to_string());
                assert_eq!(read.session.status, format!("s{n}"));
            }
            if last {
                assert_eq!(n, 100);
                break;
            }
        }
    });
}
