//! A store's handles, its check, and its end.

use super::{
    examples::{key, open, put, receipt, said, say, status, to},
    observed::observe,
};
use crate::{DocumentFilter, Error, Parts, Scope, SessionFilter, Store, Window};

/// A new store is empty and sound.
pub async fn a_new_store_is_empty(store: Store) {
    assert_eq!(observe(&store).await.0, []);
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.sessions, report.messages, report.documents), (0, 0, 0));
}

/// A check counts what there is.
pub async fn a_check_counts_what_there_is(store: Store) {
    store.commit_one(open("ann").write(say(&["a", "b"])).write(put("notes", "1", "1"))).await.unwrap();
    store
        .commit_one(open("bob").write(say(&["c"])).write(put("x", "1", "1")).write(put("x", "2", "2")))
        .await
        .unwrap();
    store.commit_one(open("eve")).await.unwrap();
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.sessions, report.messages, report.documents), (3, 3, 3));
}

/// All handles are the same store, those for blocking callers too.
pub async fn all_handles_are_the_same_store(store: Store) {
    let handles = [store.clone(), store.for_blocking(), store.for_blocking().for_blocking()];
    for (handle, seq) in handles.iter().zip(1..) {
        let text = format!("{seq}");
        assert_eq!(handle.append(&key("ann"), vec![said(&text)]).await, Ok(receipt("ann", 0, &[seq])));
        for other in &handles {
            let page = other.message_window(&key("ann"), Window::last(1)).await.unwrap();
            assert_eq!((page.messages[0].seq, page.messages[0].content.get()), (seq, &*format!("\"{seq}\"")));
        }
    }
    let seen = observe(&store).await;
    for handle in &handles {
        assert_eq!(observe(handle).await, seen);
    }
}

/// Optimizing changes nothing that is seen, neither in a store that is empty nor in one of which much was deleted.
pub async fn optimizing_changes_nothing_that_is_seen(store: Store) {
    store.optimize().await.unwrap();
    for peer in ["ann", "bob", "eve"] {
        let many = (0..300).map(|n| said(&format!("{n} {}", "x".repeat(1_000)))).collect();
        store.append(&key(peer), many).await.unwrap();
    }
    store.session_delete(&key("bob")).await.unwrap();
    let before = observe(&store).await;
    for handle in [store.clone(), store.for_blocking()] {
        handle.optimize().await.unwrap();
        assert_eq!(observe(&store).await, before);
    }
}

/// A closed store answers everything with `Closed`, through all its handles. Closing it again is no mistake.
pub async fn a_closed_store_says_so(store: Store) {
    store.commit_one(open("ann").write(say(&["hello"]))).await.unwrap();
    let scoped = store.scoped(Scope::agent("main")).unwrap();
    let handles = [store.clone(), store.for_blocking(), scoped.for_blocking(), scoped];
    assert_eq!(handles[1].close().await, Ok(()));
    for handle in &handles {
        assert_eq!(handle.commit(vec![to("ann").write(status("idle"))]).await, Err(Error::Closed));
        assert_eq!(handle.commit_one(to("ann")).await, Err(Error::Closed));
        assert_eq!(handle.append(&key("ann"), vec![said("hello")]).await, Err(Error::Closed));
        assert_eq!(handle.session(&key("ann")).await, Err(Error::Closed));
        assert_eq!(handle.session_open(&key("ann")).await, Err(Error::Closed));
        assert_eq!(handle.session_delete(&key("ann")).await, Err(Error::Closed));
        assert_eq!(handle.session_list(&SessionFilter::default()).await, Err(Error::Closed));
        assert_eq!(
            handle.session_list_parts(&SessionFilter::default(), &Parts::default()).await,
            Err(Error::Closed)
        );
        assert_eq!(handle.session_parts(&key("ann"), &Parts::default()).await, Err(Error::Closed));
        assert_eq!(handle.message_window(&key("ann"), Window::last(1)).await, Err(Error::Closed));
        assert_eq!(handle.document(&key("ann"), "notes", "1").await, Err(Error::Closed));
        assert_eq!(handle.document_list(&key("ann"), &DocumentFilter::default()).await, Err(Error::Closed));
        assert_eq!(handle.close().await, Ok(()));
    }
    assert_eq!(store.check().await, Err(Error::Closed));
    assert_eq!(store.optimize().await, Err(Error::Closed));
}
