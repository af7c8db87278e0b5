//! Forks: sessions that begin with another one's history.

use super::{
    examples::{key, open, put, said, say, second, session, status, to},
    observed::{log, observe, refused},
    views::shown,
};
use crate::{
    Commit, Conflict, Error, Fork, Json, Restore, RestoredAncestor, RestoredSession, Scope, SessionFilter,
    SessionKey, Store, Window, Write, limits,
};

async fn say_all(store: &Store, peer: &str, texts: &str) {
    let texts: Vec<&str> = texts.split_whitespace().collect();
    store.commit_one(open(peer).write(say(&texts))).await.unwrap();
}

async fn fork(store: &Store, from: &str, into: &str, at: Option<u64>) {
    store.fork(&key(from), &key(into), at).await.unwrap();
}

fn fork_commit(from: &str, into: &str, at: Option<u64>) -> Commit {
    to(into).write(Write::Fork(Fork { parent: key(from), at, status: None, metadata: None }))
}

/// A fork shows its parent's history up to a message, or all of it, and numbers its own from there on.
pub async fn a_fork_shows_the_history_up_to_a_message(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    let forked = store.fork(&key("ann"), &key("bob"), Some(2)).await.unwrap();
    assert_eq!((forked.message_count, forked.log_count, forked.head, forked.log_first), (2, 0, 2, 3));
    assert_eq!(shown(&store, "bob").await, "1 2");
    let receipt = store.append(&key("bob"), vec![said("b")]).await.unwrap();
    assert_eq!(receipt.seqs, [3]);
    assert_eq!(shown(&store, "bob").await, "1 2 b");
    assert_eq!(shown(&store, "ann").await, "1 2 3 4");
    fork(&store, "ann", "all", None).await;
    assert_eq!(shown(&store, "all").await, "1 2 3 4");
    fork(&store, "ann", "none", Some(0)).await;
    assert_eq!(shown(&store, "none").await, "");
    assert_eq!(store.append(&key("none"), vec![said("n")]).await.unwrap().seqs, [1]);
    store.commit_one(open("empty")).await.unwrap();
    fork(&store, "empty", "empty too", None).await;
    assert_eq!(shown(&store, "empty too").await, "");
}

/// After the fork, nothing that happens to one is seen in the other.
pub async fn a_fork_and_its_parent_go_on_apart(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    fork(&store, "ann", "bob", None).await;
    say_all(&store, "ann", "a").await;
    say_all(&store, "bob", "b").await;
    store.compact(&key("ann"), 1, Some(said("s"))).await.unwrap();
    store.rewind(&key("bob"), 2).await.unwrap();
    say_all(&store, "bob", "c").await;
    assert_eq!((shown(&store, "ann").await, shown(&store, "bob").await), ("s a".into(), "1 2 c".into()));
    assert!(store.undo(&key("bob")).await.unwrap());
    assert_eq!(shown(&store, "bob").await, "1 2 3 b c");
    // What was done to the parent before is not the fork's to take back.
    fork(&store, "ann", "cem", None).await;
    assert!(!store.undo(&key("cem")).await.unwrap() && !store.uncompact(&key("cem")).await.unwrap());
    assert_eq!(shown(&store, "cem").await, "s a");
}

/// A fork may be forked, and windows lead through all of them.
pub async fn a_fork_of_a_fork(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    fork(&store, "ann", "bob", Some(2)).await;
    say_all(&store, "bob", "b3 b4").await;
    fork(&store, "bob", "cem", Some(3)).await;
    say_all(&store, "cem", "c4 c5").await;
    assert_eq!(shown(&store, "cem").await, "1 2 b3 c4 c5");
    fork(&store, "cem", "dan", Some(1)).await;
    say_all(&store, "dan", "d2").await;
    assert_eq!(shown(&store, "dan").await, "1 d2");
    for (first, last, wanted) in [(1, 5, "1 2 b3 c4 c5"), (2, 4, "2 b3 c4"), (3, 3, "b3")] {
        let page = store.message_window(&key("cem"), Window::range(first, last)).await.unwrap();
        let texts: Vec<_> = page.messages.iter().map(|m| m.content.get().trim_matches('"')).collect();
        assert_eq!(texts.join(" "), wanted);
    }
    let lineage = store.lineage(&key("cem")).await.unwrap();
    let parent = lineage.forked_from.map(|parent| (parent.key, parent.at));
    assert_eq!(parent, Some((Some(key("bob")), 3)));
    let inherited: Vec<_> = lineage.inherited.into_iter().map(|i| (i.key, i.first, i.last)).collect();
    assert_eq!(inherited, [(Some(key("ann")), 1, 2), (Some(key("bob")), 3, 3)]);
    assert_eq!(store.lineage(&key("ann")).await.unwrap().readers, 3);
    assert_eq!(store.lineage(&key("cem")).await.unwrap().readers, 0);
}

/// A fork of a compacted session shows what that showed, and can show the rest.
pub async fn a_fork_of_a_compacted_session(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    store.compact(&key("ann"), 2, Some(said("s"))).await.unwrap();
    say_all(&store, "ann", "6").await;
    fork(&store, "ann", "bob", Some(3)).await;
    assert_eq!(shown(&store, "bob").await, "s 3");
    let receipt = store.append(&key("bob"), vec![said("b")]).await.unwrap();
    assert_eq!(receipt.seqs, [6], "its numbers follow the greatest that it shows");
    assert_eq!(shown(&store, "bob").await, "s 3 b");
    store.commit_one(to("bob").write(Write::SetView(vec![(1, 4), (6, 6)]))).await.unwrap();
    assert_eq!(shown(&store, "bob").await, "1 2 3 4 b");
    assert_eq!(log(&store, &key("bob")).await.len(), 6);
    // Where it was forked is the message that is read last, not the one with the greatest number.
    store.compact(&key("ann"), 1, Some(said("t"))).await.unwrap();
    store.fork(&key("ann"), &key("cem"), None).await.unwrap();
    assert_eq!(store.lineage(&key("cem")).await.unwrap().forked_from.map(|parent| parent.at), Some(6));
}

/// What a fork takes along is the family, the status and the metadata; documents and tokens stay.
pub async fn a_fork_takes_along_what_describes_it(store: Store) {
    let metadata = Json::parse(r#"{"title": "trip"}"#).unwrap();
    let parent = Commit::new(key("ann"))
        .write(Write::open_family("coding"))
        .write(say(&["1"]))
        .write(status("running"))
        .write(Write::SetMetadata(metadata.clone()))
        .write(Write::AddTokens(7))
        .write(put("notes", "a", "1"));
    store.commit_one(parent).await.unwrap();
    store.commit_one(fork_commit("ann", "bob", None).at(second(5))).await.unwrap();
    let bob = session(&store, "bob").await;
    assert_eq!((bob.family.as_str(), bob.status.as_str(), &bob.metadata), ("coding", "running", &metadata));
    assert_eq!((bob.token_usage, bob.revision, bob.created_at), (0, 0, second(5)));
    assert_eq!(store.document(&key("bob"), "notes", "a").await, Ok(None));
    let other = Json::parse("{}").unwrap();
    let told =
        Fork { parent: key("ann"), at: None, status: Some("idle".into()), metadata: Some(other.clone()) };
    store.commit_one(to("cem").write(Write::Fork(told)).write(say(&["c"]))).await.unwrap();
    let cem = session(&store, "cem").await;
    assert_eq!((cem.status.as_str(), &cem.metadata, cem.message_count), ("idle", &other, 2));
}

/// Deleting a parent frees its key at once, and harms no fork.
pub async fn deleting_a_parent_never_harms_its_forks(store: Store) {
    say_all(&store, "ann", "1 2 3 4").await;
    store.commit_one(to("ann").write(put("notes", "a", "1"))).await.unwrap();
    fork(&store, "ann", "bob", Some(3)).await;
    say_all(&store, "bob", "b").await;
    fork(&store, "bob", "cem", None).await;
    fork(&store, "ann", "dan", Some(1)).await;
    assert!(store.session_delete(&key("ann")).await.unwrap());
    assert_eq!(store.session(&key("ann")).await, Ok(None));
    assert_eq!(store.check().await.unwrap().sessions, 3);
    let all = store.session_list(&SessionFilter::default()).await.unwrap().sessions;
    assert!(all.iter().all(|session| !session.key.is_reserved()) && all.len() == 3, "{all:?}");
    assert_eq!(store.check().await.unwrap().messages, 4, "of the parent what is read, and the fork's own");
    // The key begins anew, and has nothing to do with what was.
    say_all(&store, "ann", "new").await;
    assert!(store.session_delete(&key("bob")).await.unwrap());
    assert_eq!(shown(&store, "cem").await, "1 2 3 b");
    assert_eq!(shown(&store, "dan").await, "1");
    assert_eq!(shown(&store, "ann").await, "new");
    let lineage = store.lineage(&key("cem")).await.unwrap();
    assert_eq!(lineage.forked_from.map(|parent| (parent.key, parent.at)), Some((None, 4)));
    assert!(lineage.inherited.iter().all(|i| i.key.as_ref().is_some_and(SessionKey::is_reserved)));
    // With the last that read it, it goes.
    assert!(store.session_delete(&key("cem")).await.unwrap());
    assert_eq!(store.check().await.unwrap().messages, 2, "one of the first parent, and the new one");
    assert_eq!(shown(&store, "dan").await, "1");
    assert!(store.session_delete(&key("dan")).await.unwrap());
    assert_eq!(store.check().await.unwrap().messages, 1);
}

/// A deletion that is taken back with its call leaves everything as it was.
pub async fn a_refused_delete_leaves_the_forks_as_they_were(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    fork(&store, "ann", "bob", Some(2)).await;
    let delete = |peer: &str| to(peer).write(Write::Delete);
    refused(&store, vec![delete("ann"), delete("bob"), delete("nobody")]).await;
    assert_eq!((shown(&store, "ann").await, shown(&store, "bob").await), ("1 2 3".into(), "1 2".into()));
    refused(&store, vec![fork_commit("ann", "cem", None), delete("ann"), to("nobody").write(status("x"))])
        .await;
    assert_eq!(store.lineage(&key("ann")).await.unwrap().readers, 1);
}

/// A fork needs a parent, a place in it that is shown, and a key that is free.
pub async fn a_fork_that_cannot_be_is_refused(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    store.compact(&key("ann"), 1, None).await.unwrap();
    say_all(&store, "bob", "b").await;
    let taken = Error::conflict(&key("bob"), Conflict::Exists { current: 0 });
    assert_eq!(refused(&store, vec![fork_commit("ann", "bob", None)]).await, taken);
    let itself = Error::conflict(&key("ann"), Conflict::Exists { current: 1 });
    assert_eq!(refused(&store, vec![fork_commit("ann", "ann", None)]).await, itself);
    let missing = Error::NotFound(Box::new(key("nobody")));
    assert_eq!(refused(&store, vec![fork_commit("nobody", "cem", None)]).await, missing);
    for seq in [1, 4, 1_000] {
        let hidden = Error::conflict(&key("ann"), Conflict::NotInView { seq });
        assert_eq!(refused(&store, vec![fork_commit("ann", "cem", Some(seq))]).await, hidden);
    }
    let late =
        open("cem").write(Write::Fork(Fork { parent: key("ann"), at: None, status: None, metadata: None }));
    assert!(matches!(refused(&store, vec![late]).await, Error::Invalid(_)));
    let far = fork_commit("ann", "cem", Some(limits::COUNT_MAX + 1));
    assert!(matches!(refused(&store, vec![far]).await, Error::Invalid(_)));
}

/// A fork that is sent again with its id happened once.
pub async fn a_repeated_fork_happens_once(store: Store) {
    say_all(&store, "ann", "1 2").await;
    let commit = fork_commit("ann", "bob", None).id("fork-1");
    let first = store.commit_one(commit.clone()).await.unwrap();
    assert!(first.changed && !first.replayed);
    say_all(&store, "ann", "3").await;
    assert!(store.commit_one(commit).await.unwrap().replayed);
    assert_eq!(shown(&store, "bob").await, "1 2");
}

/// A scoped handle forks within its scope, and is not told of what lies outside.
pub async fn forks_stay_within_the_scope(store: Store) {
    let other = SessionKey::new("other", "cli", "", "dm", "ann");
    say_all(&store, "ann", "1 2").await;
    store.append(&other, vec![said("secret")]).await.unwrap();
    let mine = store.scoped(Scope::agent("main")).unwrap();
    let before = observe(&store).await;
    assert!(matches!(mine.fork(&other, &key("bob"), None).await, Err(Error::OutOfScope { .. })));
    assert!(matches!(mine.fork(&key("ann"), &other, None).await, Err(Error::OutOfScope { .. })));
    assert_eq!(observe(&store).await, before);
    mine.fork(&key("ann"), &key("bob"), None).await.unwrap();
    // Who may see everything may give a part of one to another.
    store.fork(&other, &key("cem"), None).await.unwrap();
    let lineage = mine.lineage(&key("cem")).await.unwrap();
    assert_eq!(lineage.forked_from.and_then(|parent| parent.key), None);
    assert_eq!(lineage.inherited[0].key, None);
    assert_eq!(store.lineage(&key("cem")).await.unwrap().inherited[0].key, Some(other));
}

/// A fork and a change of what it shows may be one commit; taking that back shows what was forked.
pub async fn a_fork_may_be_changed_at_once(store: Store) {
    say_all(&store, "ann", "1 2 3").await;
    let forked = fork_commit("ann", "bob", None).write(Write::Pop { count: 1 }).write(say(&["b"]));
    assert_eq!(store.commit_one(forked).await.unwrap().seqs, [3, 4]);
    assert_eq!(shown(&store, "bob").await, "1 2 b");
    assert!(store.undo(&key("bob")).await.unwrap());
    assert_eq!(shown(&store, "bob").await, "1 2 3");
}

/// A restore names its parents, and they too must be within the scope.
pub async fn a_restored_fork_stays_within_the_scope(store: Store) {
    let other = SessionKey::new("other", "cli", "", "dm", "ann");
    store.append(&other, vec![said("secret")]).await.unwrap();
    let session = RestoredSession {
        family: "chat".into(),
        created_at: second(0),
        log_first: 2,
        ancestors: vec![RestoredAncestor { key: other.clone(), first: 1, last: 1 }],
        forked_from: None,
    };
    let commit = to("bob").write(Write::Restore(Restore::Session(Box::new(session))));
    let mine = store.scoped(Scope::agent("main")).unwrap();
    assert!(matches!(mine.commit_one(commit.clone()).await, Err(Error::OutOfScope { .. })));
    assert_eq!(store.session(&key("bob")).await, Ok(None));
    store.commit_one(commit).await.unwrap();
}
