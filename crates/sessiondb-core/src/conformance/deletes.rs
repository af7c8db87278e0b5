//! Deleting sessions.

use super::{
    examples::{key, not_found, open, put, put_blob, receipt, said, say, second, session, status, to},
    observed::{observe, refused},
};
use crate::{SessionFilter, Store, Window, Write};

/// A deleted session is gone with all that was in it.
pub async fn a_delete_removes_everything(store: Store) {
    let filled =
        open("ann").write(say(&["a", "b"])).write(put_blob("notes", "1", "1", b"blob")).write(status("idle"));
    store.commit_one(filled).await.unwrap();
    // The receipt tells the revision that the session had.
    assert_eq!(store.commit_one(to("ann").write(Write::Delete)).await, Ok(receipt("ann", 1, &[])));
    assert_eq!(store.session(&key("ann")).await, Ok(None));
    assert_eq!(store.session_list(&SessionFilter::default()).await.unwrap().sessions, []);
    assert_eq!(store.message_window(&key("ann"), Window::last(1)).await, Err(not_found("ann")));
    assert_eq!(store.document(&key("ann"), "notes", "1").await, Ok(None));
    assert_eq!(store.document_list(&key("ann"), &Default::default()).await, Err(not_found("ann")));
    let report = store.check().await.unwrap();
    assert_eq!((report.sessions, report.messages, report.documents), (0, 0, 0), "something was left behind");
}

/// A key whose session was deleted is free. Who opens it again finds nothing of the old one.
pub async fn a_session_opened_after_a_delete_begins_anew(store: Store) {
    let filled = open("ann")
        .write(Write::Append(vec![said("old").message_id("m-1"), said("old too")]))
        .write(put("notes", "1", "1"))
        .write(Write::SetTokens(7));
    store.commit_one(filled.at(second(5))).await.unwrap();
    let old = session(&store, "ann").await;
    assert_eq!(store.session_delete(&key("ann")).await, Ok(true));

    let anew = to("ann").write(Write::open_family("interview")).at(second(1));
    assert_eq!(store.commit_one(anew).await, Ok(receipt("ann", 0, &[])));
    let observed = observe(&store).await;
    let (new, messages, documents) = &observed.0[0];
    assert!(new.log > old.log, "the number of a log is never given twice: {:?} after {:?}", new.log, old.log);
    assert_eq!((&*new.family, &*new.status, new.metadata.get()), ("interview", "active", "{}"));
    assert_eq!((new.revision, new.head, new.message_count, new.token_usage), (0, 0, 0, 0));
    assert_eq!((new.created_at, new.updated_at), (second(1), second(1)));
    assert_eq!((&messages[..], &documents[..]), (&[][..], &[][..]));

    let first =
        to("ann").write(Write::Append(vec![said("new").message_id("m-1")])).write(put("notes", "1", "2"));
    assert_eq!(store.commit_one(first).await, Ok(receipt("ann", 1, &[1])));
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().revision, 1);
}

/// There is nothing to delete where there is no session, and nothing left after the first time.
pub async fn deleting_what_is_not_there_finds_nothing(store: Store) {
    assert_eq!(store.session_delete(&key("ann")).await, Ok(false));
    store.session_open(&key("ann")).await.unwrap();
    assert_eq!(store.session_delete(&key("ann")).await, Ok(true));
    assert_eq!(store.session_delete(&key("ann")).await, Ok(false));
    assert_eq!(refused(&store, vec![to("ann").write(Write::Delete)]).await, not_found("ann"));
}

/// Only the session under that very key is deleted.
pub async fn deleting_a_session_leaves_the_others(store: Store) {
    for peer in ["ann", "Ann", "ann "] {
        let commit = open(peer).write(Write::Append(vec![said("hello").message_id("m-1")])).id("same");
        store.commit_one(commit.write(put("notes", "1", "1")).at(second(1))).await.unwrap();
    }
    let before = observe(&store).await;
    store.session_delete(&key("Ann")).await.unwrap();
    let mut expected = before;
    expected.0.remove(1);
    assert_eq!(observe(&store).await, expected);
}

/// Deleting and opening again may stand together in one call.
pub async fn a_session_can_be_replaced_in_one_call(store: Store) {
    store.commit_one(open("ann").write(say(&["old", "old"])).write(status("idle"))).await.unwrap();
    let call = vec![
        to("ann").write(Write::Delete),
        open("ann").write(say(&["new"])),
        to("ann").write(say(&["newer"])),
    ];
    let expected = vec![receipt("ann", 1, &[]), receipt("ann", 0, &[1]), receipt("ann", 0, &[2])];
    assert_eq!(store.commit(call).await, Ok(expected));
    let observed = observe(&store).await;
    assert_eq!(observed.0[0].0.status, "active");
    assert_eq!(observed.0[0].1.len(), 2);

    let opened_and_deleted = vec![open("bob").write(say(&["hello"])), to("bob").write(Write::Delete)];
    assert_eq!(
        store.commit(opened_and_deleted).await,
        Ok(vec![receipt("bob", 0, &[1]), receipt("bob", 0, &[])])
    );
    assert_eq!(observe(&store).await, observed);
}
