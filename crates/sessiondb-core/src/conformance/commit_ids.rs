//! A commit that bears an id happens once, however often it is sent.

use super::{
    examples::{key, not_found, open, put, receipt, said, say, second, session, status, to, unchanged},
    observed::{observe, refused},
};
use crate::{Commit, Conflict, Error, Expect, NewMessage, Receipt, Store, Write};

fn conflict(peer: &str, id: &str) -> Error {
    Error::Conflict { key: Box::new(key(peer)), conflict: Conflict::CommitId { id: id.into() } }
}

fn replayed(receipt: Receipt) -> Receipt {
    Receipt { replayed: true, ..receipt }
}

/// Sent again, a commit is answered with its first receipt and writes nothing, whatever happened since: also if what
/// it expects no longer holds, and if the session is far ahead.
pub async fn a_repeated_commit_is_answered_with_its_first_receipt(store: Store) {
    let commit =
        open("ann").expect(Expect::Absent).write(say(&["a", "b"])).write(status("idle")).id("turn-1");
    let first = store.commit_one(commit.clone()).await.unwrap();
    assert_eq!(first, receipt("ann", 1, &[1, 2]));
    assert_eq!(store.commit_one(commit.clone()).await, Ok(replayed(first.clone())));

    store.commit_one(to("ann").write(say(&["c"])).write(status("done")).id("turn-2")).await.unwrap();
    store.commit_one(to("ann").write(put("notes", "1", "1"))).await.unwrap();
    let before = observe(&store).await;
    for _ in 0..2 {
        assert_eq!(store.commit_one(commit.clone()).await, Ok(replayed(first.clone())));
    }
    assert_eq!(observe(&store).await, before);
}

/// A replay tells all the numbers that the first receipt told, known messages among them, and also if it wrote
/// nothing.
pub async fn a_replay_tells_the_whole_receipt(store: Store) {
    store.append(&key("ann"), vec![said("known").message_id("m-1")]).await.unwrap();
    let mut messages: Vec<NewMessage> = (0..1_500).map(|n| said(&n.to_string())).collect();
    messages.insert(700, said("known").message_id("m-1"));
    let long = to("ann").write(Write::Append(messages)).id("long");
    let first = store.commit_one(long.clone()).await.unwrap();
    assert_eq!((first.seqs.len(), first.seqs[699], first.seqs[700], first.seqs[701]), (1_501, 701, 1, 702));
    assert_eq!(store.commit_one(long).await, Ok(replayed(first)));

    for nothing in [to("ann").id("nothing"), open("ann").id("open")] {
        assert_eq!(store.commit_one(nothing.clone()).await, Ok(unchanged("ann", 0, &[])));
        store.commit_one(to("ann").write(say(&["more"]))).await.unwrap();
        assert_eq!(store.commit_one(nothing).await, Ok(replayed(unchanged("ann", 0, &[]))));
    }
}

/// The same id with other content is a conflict, whether or not the other content's expectations hold.
pub async fn a_commit_id_with_other_content_is_a_conflict(store: Store) {
    let first = open("ann").write(say(&["a"])).at(second(1)).id("turn-1");
    store.commit_one(first.clone()).await.unwrap();
    let others = [
        open("ann").write(say(&["b"])).at(second(1)).id("turn-1"),
        open("ann").write(say(&["a"])).at(second(2)).id("turn-1"),
        open("ann").write(say(&["a"])).id("turn-1"),
        first.clone().write(status("idle")),
        first.clone().expect(Expect::State(0)),
        first.clone().expect(Expect::Absent),
        to("ann").id("turn-1"),
        to("ann").write(Write::Delete).id("turn-1"),
    ];
    for other in others {
        assert_eq!(refused(&store, vec![other.clone()]).await, conflict("ann", "turn-1"), "{other:?}");
    }
    assert_eq!(store.commit_one(first).await, Ok(replayed(receipt("ann", 0, &[1]))));
}

/// An id is the session's: other sessions may use it.
pub async fn commit_ids_belong_to_the_session(store: Store) {
    for (peer, text) in [("ann", "of ann"), ("bob", "of bob")] {
        let commit = open(peer).write(say(&[text])).id("turn-1");
        assert_eq!(store.commit_one(commit.clone()).await, Ok(receipt(peer, 0, &[1])));
        assert_eq!(store.commit_one(commit).await, Ok(replayed(receipt(peer, 0, &[1]))));
    }
}

/// Ids are compared byte by byte.
pub async fn commit_ids_are_compared_byte_by_byte(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    for (id, tokens) in ["c", "C", "c ", "é", "e\u{301}", "1", "01"].into_iter().zip(1..) {
        let answer = store.commit_one(to("ann").write(Write::AddTokens(1)).id(id)).await;
        assert_eq!(answer, Ok(receipt("ann", 0, &[])), "{id}");
        assert_eq!(session(&store, "ann").await.token_usage, tokens, "{id}");
    }
}

/// Within one call the same holds: what an earlier commit of the call did counts.
pub async fn a_commit_id_twice_in_one_call_happens_once(store: Store) {
    let commit = open("ann").write(say(&["a"])).id("turn-1");
    let other = to("ann").write(say(&["b"])).id("turn-2");
    let call = vec![commit.clone(), other.clone(), commit.clone()];
    let (first, second_one) = (receipt("ann", 0, &[1]), receipt("ann", 0, &[2]));
    assert_eq!(store.commit(call).await, Ok(vec![first.clone(), second_one.clone(), replayed(first)]));

    let new = to("ann").write(say(&["c"])).id("turn-3");
    let (last, among) = (receipt("ann", 0, &[3]), replayed(second_one));
    assert_eq!(store.commit(vec![other, new]).await, Ok(vec![among, last]));

    let same_id = [open("bob").id("turn-1"), to("bob").write(say(&["b"])).id("turn-1")];
    assert_eq!(refused(&store, same_id.to_vec()).await, conflict("bob", "turn-1"));
}

/// A delete whose answer was lost can be sent again like any other commit.
pub async fn a_repeated_delete_is_answered_with_its_first_receipt(store: Store) {
    store.commit_one(open("ann").write(status("idle"))).await.unwrap();
    let delete = to("ann").expect(Expect::State(1)).write(Write::Delete).id("bye");
    assert_eq!(store.commit_one(delete.clone()).await, Ok(receipt("ann", 1, &[])));
    assert_eq!(store.commit_one(delete.clone()).await, Ok(replayed(receipt("ann", 1, &[]))));
    assert_eq!(store.commit(vec![delete.clone(), delete.clone()]).await.unwrap().len(), 2);

    let others = [
        to("ann").write(Write::Delete).id("bye"),
        to("ann").write(Write::Delete).id("good bye"),
        to("ann").write(Write::Delete),
        to("ann").write(status("idle")).id("bye"),
    ];
    for other in others {
        assert_eq!(refused(&store, vec![other.clone()]).await, not_found("ann"), "{other:?}");
    }
    let of_bob = Commit { key: key("bob"), expect: Vec::new(), ..delete };
    assert_eq!(refused(&store, vec![of_bob]).await, not_found("bob"));
}

/// A session opened under the key of a deleted one has its own ids, and its own delete.
pub async fn ids_of_a_deleted_session_do_not_block_a_new_one(store: Store) {
    let begin = open("ann").write(say(&["a"])).id("begin");
    let delete = to("ann").write(Write::Delete).id("end");
    for revision in [3, 1, 2] {
        assert_eq!(store.commit_one(begin.clone()).await, Ok(receipt("ann", 0, &[1])));
        assert_eq!(store.commit_one(begin.clone()).await, Ok(replayed(receipt("ann", 0, &[1]))));
        for _ in 0..revision {
            store.commit_one(to("ann").write(status("idle"))).await.unwrap();
        }
        assert_eq!(store.commit_one(delete.clone()).await, Ok(receipt("ann", revision, &[])));
        // Of several deletes with this id, the last is the one that is repeated.
        assert_eq!(store.commit_one(delete.clone()).await, Ok(replayed(receipt("ann", revision, &[]))));
    }
    let other = open("ann").write(say(&["b", "c"])).id("begin");
    assert_eq!(store.commit_one(other).await, Ok(receipt("ann", 0, &[1, 2])));
}

/// A refused commit has not happened, so its id names nothing: it can be sent again when it can succeed, or be used
/// for something else.
pub async fn a_refused_commit_leaves_its_id_free(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    let early = to("ann").expect(Expect::State(1)).write(say(&["a"])).id("turn-1");
    refused(&store, vec![early.clone()]).await;
    store.commit_one(to("ann").write(status("idle"))).await.unwrap();
    assert_eq!(store.commit_one(early).await, Ok(receipt("ann", 1, &[1])));

    let undone = to("ann").write(say(&["b"])).id("turn-2");
    refused(&store, vec![undone, to("nobody").write(status("idle"))]).await;
    let other = to("ann").write(say(&["c"])).id("turn-2");
    assert_eq!(store.commit_one(other).await, Ok(receipt("ann", 1, &[2])));
}

/// An absent session has no place to note an id: a commit that finds none and makes none is asked anew.
pub async fn a_question_to_an_absent_session_is_asked_anew(store: Store) {
    let question = to("ann").expect(Expect::Absent).id("is ann there");
    for _ in 0..2 {
        assert_eq!(store.commit_one(question.clone()).await, Ok(unchanged("ann", 0, &[])));
    }
    store.session_open(&key("ann")).await.unwrap();
    let conflict = Conflict::Exists { current: 0 };
    assert_eq!(
        refused(&store, vec![question]).await,
        Error::Conflict { key: Box::new(key("ann")), conflict }
    );
}
