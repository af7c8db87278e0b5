//! All or nothing: of a refused call nothing stays.

use super::{
    examples::{
        json, key, not_found, open, patch, put, put_blob, receipt, remove, said, say, second, session,
        status, to,
    },
    observed::{observe, refused, refused_as_invalid},
};
use crate::{Commit, Conflict, Error, Expect, Receipt, Store, Write, limits};

/// Two sessions with something of everything, and a commit id of each.
async fn furnish(store: &Store) {
    let ann = open("ann")
        .write(Write::Append(vec![said("hello").message_id("m-1"), said("again")]))
        .write(put("notes", "1", r#"{"a":1}"#))
        .write(put_blob("notes", "2", "2", b"\0blob"))
        .write(Write::SetTokens(7))
        .write(Write::SetMetadata(json(r#"{"x": null}"#)))
        .id("ann-1");
    let bob = to("bob").write(Write::open_family("interview")).write(say(&["hi"])).id("bob-1");
    store.commit(vec![ann.at(second(1)), bob.at(second(1))]).await.unwrap();
}

/// Commits that change everything that can be changed in the furnished store.
fn upheaval() -> Vec<Commit> {
    vec![
        to("ann")
            .write(Write::Append(vec![said("more"), said("even more").message_id("m-2")]))
            .write(status("idle"))
            .write(Write::SetMetadata(json("{}")))
            .write(Write::SetTokens(1))
            .write(Write::AddTokens(1))
            .write(put("notes", "1", "9"))
            .write(patch("notes", "2", r#"{"b":1}"#))
            .write(put("notes", "3", "3"))
            .id("ann-2"),
        to("ann").write(remove("notes", "1")).write(remove("notes", "3")).id("ann-3"),
        to("bob").write(Write::Delete).id("bob-2"),
        open("bob").write(say(&["anew"])).write(put("notes", "1", "1")).id("bob-1"),
        open("eve").write(say(&["first"])).write(put("notes", "1", "1")).id("eve-1"),
        to("eve").write(Write::Delete).id("eve-2"),
        open("eve").write(say(&["second"])).id("eve-1"),
        to("ann").write(Write::Delete).id("ann-4"),
    ]
    .into_iter()
    .map(|commit| commit.at(second(5)))
    .collect()
}

/// Whatever commits before it did, if one is refused nothing of the call stays, and its ids are free.
pub async fn a_refused_commit_undoes_the_whole_call(store: Store) {
    furnish(&store).await;
    let failures = [
        (to("nobody").write(status("idle")), not_found("nobody")),
        (
            to("eve").expect(Expect::State(9)),
            Error::Conflict {
                key: Box::new(key("eve")),
                conflict: Conflict::State { expected: 9, current: 0 },
            },
        ),
        (
            open("eve").write(say(&["other"])).id("eve-1"),
            Error::Conflict {
                key: Box::new(key("eve")),
                conflict: Conflict::CommitId { id: "eve-1".into() },
            },
        ),
    ];
    for (failure, expected) in failures {
        let call = upheaval().into_iter().chain([failure]).collect();
        assert_eq!(refused(&store, call).await, expected);
    }
    let overflow = open("eve").write(Write::AddTokens(limits::COUNT_MAX)).write(Write::AddTokens(1));
    refused_as_invalid(&store, upheaval().into_iter().chain([overflow]).collect()).await;

    // The ids of before still answer; those of the refused calls are free, so that the same call succeeds now.
    let hello =
        to("bob").write(Write::open_family("interview")).write(say(&["hi"])).at(second(1)).id("bob-1");
    assert!(store.commit_one(hello).await.unwrap().replayed);
    let expected = vec![
        receipt("ann", 2, &[3, 4]),
        receipt("ann", 3, &[]),
        receipt("bob", 0, &[]),
        receipt("bob", 1, &[1]),
        receipt("eve", 1, &[1]),
        receipt("eve", 1, &[]),
        receipt("eve", 0, &[1]),
        receipt("ann", 3, &[]),
    ];
    assert_eq!(store.commit(upheaval()).await, Ok(expected));
}

/// It does not matter where in the call the refused commit stands.
pub async fn a_call_is_undone_from_wherever_it_fails(store: Store) {
    furnish(&store).await;
    let failure = to("nobody").write(status("idle"));
    for place in 0..=upheaval().len() {
        let mut call = upheaval();
        call.insert(place, failure.clone());
        assert_eq!(refused(&store, call).await, not_found("nobody"), "at {place}");
    }
}

/// Within one commit, too: a write that fails undoes those before it.
pub async fn a_refused_write_undoes_the_writes_before_it(store: Store) {
    furnish(&store).await;
    let overflow = Write::AddTokens(limits::COUNT_MAX);
    let all = upheaval().swap_remove(0).write(remove("notes", "2"));
    refused_as_invalid(&store, vec![all.write(overflow.clone())]).await;
    for write in upheaval().swap_remove(0).writes {
        refused_as_invalid(&store, vec![to("ann").write(write).write(overflow.clone()).at(second(5))]).await;
    }
    let opened = open("eve").write(say(&["hello"])).write(Write::AddTokens(1)).write(overflow);
    refused_as_invalid(&store, vec![opened]).await;
}

/// After a refused call everything goes on where it was: no number was used up.
pub async fn a_refused_call_uses_up_no_numbers(store: Store) {
    furnish(&store).await;
    refused(&store, upheaval().into_iter().chain([to("nobody").write(status("idle"))]).collect()).await;
    let next = to("ann").write(say(&["next"])).write(put("notes", "new", "1")).id("ann-2");
    assert_eq!(store.commit_one(next).await, Ok(receipt("ann", 2, &[3])));
    assert_eq!(store.document(&key("ann"), "notes", "new").await.unwrap().unwrap().revision, 2);
    assert_eq!(store.commit_one(open("eve").write(say(&["first"]))).await, Ok(receipt("eve", 0, &[1])));
}

/// A session may occur several times in one call; each commit finds what those before it did.
pub async fn a_session_may_occur_several_times_in_one_call(store: Store) {
    let call = vec![
        open("ann").write(say(&["a"])).at(second(1)),
        open("bob").write(say(&["b"])).at(second(1)),
        to("ann").write(say(&["c"])).write(status("idle")).at(second(3)),
        to("bob").write(put("notes", "1", "1")).at(second(2)),
        to("ann").write(status("done")).write(say(&["d", "e"])).at(second(2)),
    ];
    let expected: Vec<Receipt> = vec![
        receipt("ann", 0, &[1]),
        receipt("bob", 0, &[1]),
        receipt("ann", 1, &[2]),
        receipt("bob", 1, &[]),
        receipt("ann", 2, &[3, 4]),
    ];
    assert_eq!(store.commit(call).await, Ok(expected));
    let ann = session(&store, "ann").await;
    assert_eq!((ann.head, ann.revision, &*ann.status, ann.updated_at), (4, 2, "done", second(3)));
    assert_eq!(session(&store, "bob").await.updated_at, second(2));
    assert_eq!(observe(&store).await.0.len(), 2);
}
