//! The feed: what was committed, told to whoever follows.

use super::{
    examples::{json, key, open, put, said, say, second, status, to},
    observed::refused,
};
use crate::{Change, Error, Expect, Fork, Scope, SessionKey, Store, Write};

/// All of the feed after a place.
async fn after(store: &Store, place: u64) -> Vec<Change> {
    let page = store.changes(Some(place), 1_000).await.unwrap();
    assert!(!page.more);
    page.changes
}

fn kinds(changes: &[Change]) -> Vec<(&str, String)> {
    changes.iter().map(|change| (change.key.peer_id.as_str(), change.what.join(" "))).collect()
}

/// Each commit that changed something is a line: which session, what kinds of things, in order, as its receipt has it.
pub async fn the_feed_tells_what_was_committed(store: Store) {
    let first = open("ann").write(say(&["a", "b"])).write(status("busy")).write(say(&["c"])).id("turn-1");
    store.commit_one(first.at(second(3))).await.unwrap();
    store.commit_one(to("ann").write(put("notes", "1", "1")).write(Write::AddTokens(7))).await.unwrap();
    store
        .commit_one(to("ann").write(Write::SetMetadata(json("{}"))).write(Write::Pop { count: 2 }))
        .await
        .unwrap();
    let fork = Fork { parent: key("ann"), at: None, status: None, metadata: None };
    store.commit_one(to("bob").write(Write::Fork(fork))).await.unwrap();
    store.commit_one(to("ann").write(Write::Delete)).await.unwrap();
    let changes = after(&store, 0).await;
    assert_eq!(
        kinds(&changes),
        [
            ("ann", "open append status".into()),
            ("ann", "document tokens".into()),
            ("ann", "metadata view".into()),
            ("bob", "fork".into()),
            ("ann", "delete".into()),
        ]
    );
    let Change { id, log, key: named, revision, at, seqs, commit_id, .. } = &changes[0];
    assert_eq!((named, revision, at, seqs), (&key("ann"), &1, &second(3), &vec![1, 2, 3]));
    assert_eq!((commit_id.as_deref(), *id > 0), (Some("turn-1"), true));
    assert_eq!((&changes[2].seqs, changes[2].revision, changes[2].log), (&vec![2, 3], 3, *log));
    assert_eq!((changes[4].revision, changes[4].log), (3, *log));
    assert_ne!(changes[3].log, *log);
    assert!(changes.is_sorted_by(|a, b| a.id < b.id), "{changes:?}");
}

/// Pages of any size, one after the other, are the feed.
pub async fn the_feed_is_read_page_by_page(store: Store) {
    for n in 0..25 {
        store.append(&key(&format!("p{}", n % 3)), vec![said("a")]).await.unwrap();
    }
    let all = after(&store, 0).await;
    assert_eq!(all.len(), 25);
    for limit in [1, 7, 25] {
        let (mut read, mut place) = (Vec::new(), 0);
        loop {
            let page = store.changes(Some(place), limit).await.unwrap();
            assert!(page.changes.len() == limit || !page.more, "a page that is not full: {page:?}");
            read.extend(page.changes);
            place = page.last;
            if !page.more {
                break;
            }
        }
        assert_eq!(read, all, "in pages of {limit}");
        assert_eq!(place, all[24].id);
    }
    for limit in [0, 1_001] {
        assert!(matches!(store.changes(Some(0), limit).await, Err(Error::Invalid(_))));
    }
}

/// What was refused, changed nothing or was a repetition is no line.
pub async fn the_feed_tells_nothing_of_what_did_not_happen(store: Store) {
    store.commit_one(open("ann").write(say(&["a"])).id("once")).await.unwrap();
    let end = store.changes(None, 1).await.unwrap().last;
    refused(&store, vec![to("ann").write(say(&["b"])), to("ann").expect(Expect::Absent)]).await;
    store.commit_one(open("ann").write(say(&["a"])).id("once")).await.unwrap();
    store.commit_one(open("ann")).await.unwrap();
    store.commit_one(to("ann").id("nothing")).await.unwrap();
    store.commit_one(to("ann").write(Write::Uncompact)).await.unwrap();
    assert_eq!(after(&store, end).await, []);
    store.commit_one(to("ann").write(say(&["b"]))).await.unwrap();
    assert_eq!(kinds(&after(&store, end).await), [("ann", "append".into())]);
}

/// Without a place only the end of the feed is told, and from there on it tells what comes.
pub async fn a_feed_goes_on_from_its_end(store: Store) {
    let end = store.changes(None, 10).await.unwrap();
    assert_eq!((end.changes.len(), end.more), (0, false));
    assert_eq!(after(&store, end.last).await, []);
    store.append(&key("ann"), vec![said("a")]).await.unwrap();
    let changes = after(&store, end.last).await;
    assert_eq!(kinds(&changes), [("ann", "open append".into())]);
    let now = store.changes(None, 10).await.unwrap();
    assert_eq!((now.last, now.changes.len()), (changes[0].id, 0));
}

/// A session that was deleted has its key in all lines, also while a fork reads it; one that was opened under the same key
/// later is another.
pub async fn the_feed_names_sessions_that_are_gone(store: Store) {
    store.append(&key("ann"), vec![said("a")]).await.unwrap();
    store.append(&key("ann"), vec![said("b")]).await.unwrap();
    store.fork(&key("ann"), &key("bob"), None).await.unwrap();
    store.append(&key("eve"), vec![said("c")]).await.unwrap();
    store.append(&key("eve"), vec![said("d")]).await.unwrap();
    for peer in ["ann", "eve"] {
        store.session_delete(&key(peer)).await.unwrap();
    }
    store.append(&key("ann"), vec![said("anew")]).await.unwrap();
    let changes = after(&store, 0).await;
    let peers: Vec<&str> = changes.iter().map(|change| change.key.peer_id.as_str()).collect();
    assert_eq!(peers, ["ann", "ann", "bob", "eve", "eve", "ann", "eve", "ann"]);
    assert!(changes[0].log == changes[5].log && changes[7].log > changes[0].log, "{changes:?}");
}

/// A scoped handle is told of what is inside, and its place goes on past the rest.
pub async fn a_scoped_feed_tells_what_is_inside(store: Store) {
    let other = SessionKey::new("other", "cli", "", "dm", "ann");
    for key in [&key("ann"), &other, &other] {
        store.append(key, vec![said("a")]).await.unwrap();
    }
    store.session_delete(&other).await.unwrap();
    let all = after(&store, 0).await;
    let scoped = store.scoped(Scope::agent(key("ann").agent_id)).unwrap();
    let page = scoped.changes(Some(0), 1_000).await.unwrap();
    assert_eq!(page.changes, all[..1]);
    assert_eq!(page.last, all[3].id);
    let page = scoped.changes(Some(all[0].id), 2).await.unwrap();
    assert_eq!((page.changes.len(), page.last, page.more), (0, all[2].id, true));
    assert_eq!(scoped.changes(None, 1).await.unwrap().last, all[3].id);
}

/// Who was told of more than there is reads another store, and must know.
pub async fn a_place_behind_the_feed_is_refused(store: Store) {
    store.append(&key("ann"), vec![said("a")]).await.unwrap();
    let end = store.changes(None, 1).await.unwrap().last;
    assert_eq!(after(&store, end).await, []);
    for place in [end + 1, u64::MAX] {
        let error = store.changes(Some(place), 10).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(reason) if reason.contains("behind the end")), "{error}");
    }
}
