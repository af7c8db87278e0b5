//! What a commit expects to find, and what it is told when it does not.

use super::{
    examples::{key, not_found, open, put, receipt, remove, say, status, to, unchanged},
    observed::refused,
};
use crate::{Conflict, Error, Expect, LogId, Store, Write};

fn conflict(peer: &str, conflict: Conflict) -> Error {
    Error::Conflict { key: Box::new(key(peer)), conflict }
}

fn document(collection: &str, id: &str, revision: u64) -> Expect {
    Expect::Document { collection: collection.into(), id: id.into(), revision }
}

/// Sends a commit that must fail by this conflict, whatever it would write.
async fn fails(store: &Store, peer: &str, expect: Expect, with: Conflict) {
    for commit in [to(peer), open(peer), open(peer).write(say(&["hello"])).write(status("met"))] {
        let error = refused(store, vec![commit.expect(expect.clone())]).await;
        assert_eq!(error, conflict(peer, with.clone()), "{expect:?}");
    }
    let delete = to(peer).expect(expect.clone()).write(Write::Delete);
    assert_eq!(refused(store, vec![delete]).await, conflict(peer, with), "{expect:?}");
}

/// Revisions no session ever reaches, but that a caller may name.
const FAR: [u64; 3] = [i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX];

/// `Absent`: there is no session under this key.
pub async fn absent_is_expected(store: Store) {
    let first = open("ann").expect(Expect::Absent).write(status("idle"));
    assert_eq!(store.commit_one(first).await, Ok(receipt("ann", 1, &[])));
    fails(&store, "ann", Expect::Absent, Conflict::Exists { current: 1 }).await;
    store.session_delete(&key("ann")).await.unwrap();
    assert_eq!(store.commit_one(open("ann").expect(Expect::Absent)).await, Ok(receipt("ann", 0, &[])));
}

/// `State`: the session is at this revision. An absent one is at 0.
pub async fn a_revision_is_expected(store: Store) {
    fails(&store, "ann", Expect::State(1), Conflict::State { expected: 1, current: 0 }).await;
    let first = open("ann").expect(Expect::State(0)).write(status("a"));
    assert_eq!(store.commit_one(first).await, Ok(receipt("ann", 1, &[])));
    let second = to("ann").expect(Expect::State(1)).write(status("b"));
    assert_eq!(store.commit_one(second.clone()).await, Ok(receipt("ann", 2, &[])));
    assert_eq!(
        refused(&store, vec![second]).await,
        conflict("ann", Conflict::State { expected: 1, current: 2 })
    );
    for expected in [0, 1, 3].into_iter().chain(FAR) {
        fails(&store, "ann", Expect::State(expected), Conflict::State { expected, current: 2 }).await;
    }
    // Appends are no change of state.
    store.commit_one(to("ann").write(say(&["hello"])).write(Write::AddTokens(1))).await.unwrap();
    assert_eq!(store.commit_one(to("ann").expect(Expect::State(2))).await, Ok(unchanged("ann", 2, &[])));
}

/// `Head`: the last message is this one; 0 before the first, and of an absent session.
pub async fn a_head_is_expected(store: Store) {
    fails(&store, "ann", Expect::Head(1), Conflict::Head { expected: 1, current: 0 }).await;
    let first = open("ann").expect(Expect::Head(0)).write(say(&["a", "b"]));
    assert_eq!(store.commit_one(first).await, Ok(receipt("ann", 0, &[1, 2])));
    let second = to("ann").expect(Expect::Head(2)).write(say(&["c"]));
    assert_eq!(store.commit_one(second.clone()).await, Ok(receipt("ann", 0, &[3])));
    assert_eq!(
        refused(&store, vec![second]).await,
        conflict("ann", Conflict::Head { expected: 2, current: 3 })
    );
    for expected in [0, 2, 4].into_iter().chain(FAR) {
        fails(&store, "ann", Expect::Head(expected), Conflict::Head { expected, current: 3 }).await;
    }
    // A change of state is no message.
    store.commit_one(to("ann").write(status("idle"))).await.unwrap();
    assert_eq!(store.commit_one(to("ann").expect(Expect::Head(3))).await, Ok(unchanged("ann", 1, &[])));
}

/// `Document`: this document is at this revision; 0 if it is absent, as in an absent session.
pub async fn a_document_is_expected(store: Store) {
    let differs = |id: &str, expected: u64, current: u64| {
        let (collection, id) = ("notes".into(), id.into());
        Conflict::Document { collection, id, expected, current }
    };
    fails(&store, "ann", document("notes", "a", 1), differs("a", 1, 0)).await;
    let first = open("ann").expect(document("notes", "a", 0)).write(put("notes", "a", "1"));
    assert_eq!(store.commit_one(first).await, Ok(receipt("ann", 1, &[])));
    store.commit_one(to("ann").write(put("notes", "b", "1"))).await.unwrap();

    // Each document has its own revision, which others do not move.
    let both = to("ann").expect(document("notes", "a", 1)).expect(document("notes", "b", 2));
    assert_eq!(store.commit_one(both).await, Ok(unchanged("ann", 2, &[])));
    for expected in [0, 2].into_iter().chain(FAR) {
        fails(&store, "ann", document("notes", "a", expected), differs("a", expected, 1)).await;
    }
    fails(&store, "ann", document("notes", "b", 1), differs("b", 1, 2)).await;
    fails(&store, "ann", document("notes", "c", 1), differs("c", 1, 0)).await;
    fails(&store, "ann", document("notes", "A", 1), differs("A", 1, 0)).await;
    let elsewhere = to("ann").expect(document("others", "a", 0)).expect(document("notes", "c", 0));
    assert_eq!(store.commit_one(elsewhere).await, Ok(unchanged("ann", 2, &[])));

    store.commit_one(to("ann").write(remove("notes", "a"))).await.unwrap();
    fails(&store, "ann", document("notes", "a", 1), differs("a", 1, 0)).await;
    let anew = to("ann").expect(document("notes", "a", 0)).write(put("notes", "a", "2"));
    assert_eq!(store.commit_one(anew).await, Ok(receipt("ann", 4, &[])));
    fails(&store, "ann", document("notes", "a", 1), differs("a", 1, 4)).await;
}

/// Of several expectations, the first that does not hold is told.
pub async fn expectations_are_asked_in_their_order(store: Store) {
    store.commit_one(open("ann").write(say(&["a"]))).await.unwrap();
    let state = (Expect::State(5), Conflict::State { expected: 5, current: 0 });
    let head = (Expect::Head(6), Conflict::Head { expected: 6, current: 1 });
    let absent = (Expect::Absent, Conflict::Exists { current: 0 });
    let missing = Conflict::Document { collection: "c".into(), id: "d".into(), expected: 7, current: 0 };
    let missing = (document("c", "d", 7), missing);
    let all = [state, head, absent, missing];
    for first in 0..all.len() {
        let turned = all.iter().cycle().skip(first).take(all.len());
        let commit = turned
            .fold(to("ann").expect(Expect::State(0)), |commit, (expect, _)| commit.expect(expect.clone()));
        assert_eq!(refused(&store, vec![commit]).await, conflict("ann", all[first].1.clone()));
    }
}

/// Expectations are about what is before the commit's own writes, and after the commits before it in the same call.
pub async fn expectations_see_the_commits_before_them(store: Store) {
    let call = vec![
        open("ann")
            .expect(Expect::Absent)
            .expect(Expect::Head(0))
            .write(say(&["a"]))
            .write(put("notes", "1", "1")),
        to("ann")
            .expect(Expect::State(1))
            .expect(Expect::Head(1))
            .expect(document("notes", "1", 1))
            .write(status("b")),
        to("ann").expect(Expect::State(2)).write(Write::Delete),
        open("ann").expect(Expect::Absent).expect(document("notes", "1", 0)),
    ];
    let expected =
        vec![receipt("ann", 1, &[1]), receipt("ann", 2, &[]), receipt("ann", 2, &[]), receipt("ann", 0, &[])];
    assert_eq!(store.commit(call).await, Ok(expected));

    let stale = vec![to("ann").write(status("c")), to("ann").expect(Expect::State(0)).write(status("d"))];
    assert_eq!(refused(&store, stale).await, conflict("ann", Conflict::State { expected: 0, current: 1 }));
    let stale = vec![to("ann").write(say(&["c"])), to("ann").expect(Expect::Head(0)).write(say(&["d"]))];
    assert_eq!(refused(&store, stale).await, conflict("ann", Conflict::Head { expected: 0, current: 1 }));
}

/// What does not hold is told before what is missing.
pub async fn expectations_are_asked_before_anything_is_written(store: Store) {
    let write = to("ann").write(status("idle"));
    let state = Conflict::State { expected: 1, current: 0 };
    assert_eq!(refused(&store, vec![write.clone().expect(Expect::State(1))]).await, conflict("ann", state));
    assert_eq!(refused(&store, vec![write.expect(Expect::State(0))]).await, not_found("ann"));
    store.commit_one(to("ann").write(Write::open_family("interview"))).await.unwrap();
    let other_family = to("ann").expect(Expect::Absent).write(Write::open_family("chat"));
    assert_eq!(refused(&store, vec![other_family]).await, conflict("ann", Conflict::Exists { current: 0 }));
}

/// A session that was opened under the key of a deleted one is another one, however alike.
pub async fn a_log_is_expected(store: Store) {
    fails(&store, "ann", Expect::Log(LogId(1)), Conflict::Log { expected: LogId(1), current: None }).await;
    store.commit_one(open("ann").write(say(&["a"]))).await.unwrap();
    let first = store.session(&key("ann")).await.unwrap().unwrap().log;
    store.commit_one(to("ann").expect(Expect::Log(first)).write(say(&["b"]))).await.unwrap();
    store.session_delete(&key("ann")).await.unwrap();
    store.commit_one(open("ann").write(say(&["a", "b"]))).await.unwrap();
    let second = store.session(&key("ann")).await.unwrap().unwrap().log;
    let conflicting = Conflict::Log { expected: first, current: Some(second) };
    fails(&store, "ann", Expect::Log(first), conflicting.clone()).await;
    let delete = to("ann").expect(Expect::Log(first)).write(Write::Delete).id("delete");
    assert_eq!(refused(&store, vec![delete]).await, conflict("ann", conflicting));
}
