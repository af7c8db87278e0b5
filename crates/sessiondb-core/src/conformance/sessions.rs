//! Opening sessions, and their state: status, metadata, tokens, revision.

use super::{
    examples::{
        json, key, not_found, open, patch, put, receipt, remove, said, say, second, session, status, to,
        unchanged,
    },
    observed::{observe, refused, refused_as_invalid},
};
use crate::{Commit, Conflict, Error, Opening, Session, Store, View, Write, limits};

/// A session opened without a word about it is an active, empty conversation.
pub async fn a_session_opens_with_the_defaults(store: Store) {
    assert_eq!(store.session(&key("ann")).await, Ok(None));
    assert_eq!(store.commit_one(open("ann").at(second(1))).await, Ok(receipt("ann", 0, &[])));
    let session = session(&store, "ann").await;
    let expected = Session {
        log: session.log,
        key: key("ann"),
        family: "chat".into(),
        status: "active".into(),
        metadata: json("{}"),
        message_count: 0,
        log_count: 0,
        token_usage: 0,
        created_at: second(1),
        updated_at: second(1),
        revision: 0,
        head: 0,
        log_first: 1,
        view: View::whole(session.log),
    };
    assert_eq!(session, expected);
}

/// Who opens a session says what it is.
pub async fn a_session_opens_as_it_is_told(store: Store) {
    let opening = Opening {
        family: Some("interview".into()),
        status: Some("waiting".into()),
        metadata: Some(json(r#"{ "topic": null }"#)),
    };
    let opened = store.session_open_with(&key("ann"), opening).await.unwrap();
    assert_eq!((&*opened.family, &*opened.status), ("interview", "waiting"));
    assert_eq!(opened.metadata.get(), r#"{ "topic": null }"#);
    assert_eq!(opened.revision, 0, "what it was opened with is no change");
    assert_eq!(session(&store, "ann").await, opened);
}

/// Opening is "get or create": what is there stays as it is, whatever the opening says, and is not touched.
pub async fn opening_again_changes_nothing(store: Store) {
    let first = Opening { status: Some("waiting".into()), ..Opening::default() };
    store.commit_one(to("ann").write(Write::Open(first)).write(say(&["hello"])).at(second(1))).await.unwrap();
    store.commit_one(to("ann").write(Write::SetTokens(5)).at(second(2))).await.unwrap();
    let before = observe(&store).await;

    let other = Opening { family: None, status: Some("done".into()), metadata: Some(json(r#"{"a":1}"#)) };
    let again = to("ann").write(Write::Open(other.clone())).at(second(9));
    assert_eq!(store.commit_one(again).await, Ok(unchanged("ann", 1, &[])));
    assert_eq!(store.session_open(&key("ann")).await.unwrap(), before.0[0].0);
    assert_eq!(store.session_open_with(&key("ann"), other).await.unwrap(), before.0[0].0);
    assert_eq!(observe(&store).await, before);
}

/// A session stays of the family it was opened as. Who names another is told which it is; who names none takes it.
pub async fn opening_as_another_family_is_a_conflict(store: Store) {
    store.commit_one(to("ann").write(Write::open_family("interview"))).await.unwrap();
    store.commit_one(open("bob")).await.unwrap();

    let conflict = |peer: &str, expected: &str, current: &str| {
        let conflict = Conflict::Family { expected: expected.into(), current: current.into() };
        Error::Conflict { key: Box::new(key(peer)), conflict }
    };
    let as_chat = to("ann").write(Write::open_family("chat")).write(say(&["hello"]));
    assert_eq!(refused(&store, vec![as_chat]).await, conflict("ann", "chat", "interview"));
    let other = Opening { family: Some("Chat".into()), ..Opening::default() };
    assert_eq!(store.session_open_with(&key("bob"), other).await, Err(conflict("bob", "Chat", "chat")));
    let both = to("eve").write(Write::open_family("a")).write(Write::open_family("b"));
    assert_eq!(refused(&store, vec![both]).await, conflict("eve", "b", "a"));

    assert_eq!(store.session_open(&key("ann")).await.unwrap().family, "interview");
    store.commit_one(to("ann").write(Write::open_family("interview"))).await.unwrap();
    store.commit_one(to("bob").write(Write::open_family("chat"))).await.unwrap();
    store.append(&key("ann"), vec![said("appended by one who does not know the family")]).await.unwrap();
}

/// Every change of state counts one revision, however much one commit changes, and even if the new value is the old.
pub async fn a_commit_that_changes_state_counts_one_revision(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    let changes = [
        status("idle"),
        status("idle"),
        Write::SetMetadata(json(r#"{"a":1}"#)),
        Write::SetTokens(7),
        put("notes", "1", "1"),
        patch("notes", "1", "{}"),
        patch("notes", "2", r#"{"new":true}"#),
        remove("notes", "1"),
    ];
    let count = changes.len() as u64;
    for (change, revision) in changes.clone().into_iter().zip(1..) {
        let answer = store.commit_one(to("ann").write(change.clone())).await;
        assert_eq!(answer, Ok(receipt("ann", revision, &[])), "{change:?}");
        assert_eq!(session(&store, "ann").await.revision, revision, "{change:?}");
    }
    let together = changes.into_iter().fold(to("ann"), Commit::write);
    assert_eq!(store.commit_one(together).await, Ok(receipt("ann", count + 1, &[])));
    assert_eq!(session(&store, "ann").await.revision, count + 1);
}

/// Appending and adding tokens commute with everything, so they leave the revision alone.
pub async fn appending_and_adding_tokens_leave_the_revision(store: Store) {
    store.commit_one(open("ann").write(status("idle")).at(second(1))).await.unwrap();
    let answer =
        store.commit_one(to("ann").write(say(&["a", "b"])).write(Write::AddTokens(9)).at(second(2))).await;
    assert_eq!(answer, Ok(receipt("ann", 1, &[1, 2])));
    let session = session(&store, "ann").await;
    assert_eq!((session.revision, session.token_usage, session.updated_at), (1, 9, second(2)));
}

/// A commit that changes nothing is no change: neither the revision nor `updated_at` moves.
pub async fn a_commit_without_effect_changes_nothing(store: Store) {
    store.commit_one(open("ann").write(put("notes", "1", "1")).at(second(1))).await.unwrap();
    let before = observe(&store).await;
    let nothing = [
        to("ann"),
        open("ann"),
        to("ann").write(Write::Append(Vec::new())),
        to("ann").write(remove("notes", "2")).write(remove("others", "1")),
    ];
    for commit in nothing {
        assert_eq!(store.commit_one(commit.at(second(5))).await, Ok(unchanged("ann", 1, &[])));
    }
    assert_eq!(observe(&store).await, before);
    assert_eq!(store.commit(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(observe(&store).await, before);
}

/// Metadata is replaced, not merged: a member that is null stays in it, and what is not named again is gone.
pub async fn metadata_is_replaced_as_it_is_given(store: Store) {
    store.commit_one(open("ann").write(Write::SetMetadata(json(r#"{"a":1}"#)))).await.unwrap();
    let text = r#"{ "z":null, "b" : [1,  2], "b":-0 }"#;
    store.commit_one(to("ann").write(Write::SetMetadata(json(text)))).await.unwrap();
    assert_eq!(session(&store, "ann").await.metadata.get(), text);
}

/// Tokens are set or added to; the sum may reach 63 bits and no further.
pub async fn tokens_add_up_to_63_bits(store: Store) {
    store.commit_one(open("ann").write(Write::AddTokens(3)).write(Write::AddTokens(4))).await.unwrap();
    assert_eq!(session(&store, "ann").await.token_usage, 7);
    store.commit_one(to("ann").write(Write::SetTokens(2))).await.unwrap();
    assert_eq!(session(&store, "ann").await.token_usage, 2);
    store.commit_one(to("ann").write(Write::AddTokens(limits::COUNT_MAX - 2))).await.unwrap();
    assert_eq!(session(&store, "ann").await.token_usage, limits::COUNT_MAX);

    refused_as_invalid(&store, vec![to("ann").write(Write::AddTokens(1))]).await;
    refused_as_invalid(&store, vec![to("ann").write(Write::AddTokens(limits::COUNT_MAX))]).await;
    let in_steps = open("bob").write(Write::AddTokens(limits::COUNT_MAX)).write(Write::AddTokens(1));
    refused_as_invalid(&store, vec![in_steps]).await;

    store.commit_one(to("ann").write(Write::AddTokens(0))).await.unwrap();
    store.commit_one(to("ann").write(Write::SetTokens(0))).await.unwrap();
    assert_eq!(session(&store, "ann").await.token_usage, 0);
}

/// The writes of a commit happen one after the other; the last word holds.
pub async fn writes_happen_in_their_order(store: Store) {
    let commit = open("ann")
        .write(status("first"))
        .write(status("second"))
        .write(Write::AddTokens(100))
        .write(Write::SetTokens(5))
        .write(Write::AddTokens(1))
        .write(put("notes", "kept", r#"{"a":1}"#))
        .write(patch("notes", "kept", r#"{"b":2}"#))
        .write(put("notes", "gone", "1"))
        .write(remove("notes", "gone"))
        .write(remove("notes", "made anew"))
        .write(put("notes", "made anew", "1"))
        .write(say(&["one"]))
        .write(say(&["two", "three"]));
    assert_eq!(store.commit_one(commit).await, Ok(receipt("ann", 1, &[1, 2, 3])));
    let observed = observe(&store).await;
    let (session, messages, documents) = &observed.0[0];
    assert_eq!((&*session.status, session.token_usage), ("second", 6));
    let texts: Vec<&str> = messages.iter().map(|message| message.content.get()).collect();
    assert_eq!(texts, [r#""one""#, r#""two""#, r#""three""#]);
    let documents: Vec<(&str, &str)> = documents.iter().map(|d| (&*d.id, d.body.get())).collect();
    assert_eq!(documents, [("kept", r#"{"a":1,"b":2}"#), ("made anew", "1")]);
}

/// A write to a session that nobody opened is refused, also if the same commit opens it later.
pub async fn a_write_to_a_session_that_nobody_opened_is_not_found(store: Store) {
    store.commit_one(open("bob")).await.unwrap();
    let writes = [
        say(&["hello"]),
        Write::Append(Vec::new()),
        status("idle"),
        Write::SetMetadata(json("{}")),
        Write::SetTokens(1),
        Write::AddTokens(1),
        put("notes", "1", "1"),
        patch("notes", "1", "{}"),
        remove("notes", "1"),
        Write::Delete,
    ];
    for write in writes {
        assert_eq!(
            refused(&store, vec![to("ann").write(write.clone())]).await,
            not_found("ann"),
            "{write:?}"
        );
    }
    assert_eq!(
        refused(&store, vec![to("ann").write(status("idle")).write(Write::open())]).await,
        not_found("ann")
    );
}

/// A commit that only asks is answered, whether the session exists or not, and makes none.
pub async fn a_commit_may_write_nothing(store: Store) {
    assert_eq!(store.commit_one(to("ann")).await, Ok(unchanged("ann", 0, &[])));
    assert_eq!(store.commit_one(to("ann").id("asked")).await, Ok(unchanged("ann", 0, &[])));
    assert_eq!(store.session(&key("ann")).await, Ok(None));
    store.commit_one(open("ann").write(status("idle"))).await.unwrap();
    assert_eq!(store.commit_one(to("ann")).await, Ok(unchanged("ann", 1, &[])));
}
