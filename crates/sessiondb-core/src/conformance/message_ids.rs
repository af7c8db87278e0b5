//! A message that bears its writer's id is appended once, however often it is sent.

use super::{
    examples::{json, key, open, receipt, said, say, second, to, unchanged},
    observed::{observe, refused, texts},
};
use crate::{Conflict, Error, NewMessage, Store, Time, Write};

fn append(peer: &str, messages: &[NewMessage]) -> crate::Commit {
    to(peer).write(Write::Append(messages.to_vec()))
}

fn conflict(peer: &str, id: &str, seq: u64) -> Error {
    Error::Conflict { key: Box::new(key(peer)), conflict: Conflict::MessageId { id: id.into(), seq } }
}

/// Sent again, a message is the one that it was: its number is told, and nothing is appended or touched.
pub async fn a_message_sent_again_is_the_one_it_was(store: Store) {
    let (first, second_one) = (said("first").message_id("m-1"), said("second").message_id("m-2"));
    store.commit_one(open("ann").write(say(&["before"])).at(second(1))).await.unwrap();
    let both = [first.clone(), second_one.clone()];
    assert_eq!(store.commit_one(append("ann", &both).at(second(2))).await, Ok(receipt("ann", 0, &[2, 3])));
    let before = observe(&store).await;
    assert_eq!(store.commit_one(append("ann", &both).at(second(9))).await, Ok(unchanged("ann", 0, &[2, 3])));
    assert_eq!(
        store.commit_one(append("ann", &both[..1]).at(second(9))).await,
        Ok(unchanged("ann", 0, &[2]))
    );
    assert_eq!(observe(&store).await, before);

    let among_new = [said("third"), second_one, said("fourth").message_id("m-4"), first];
    assert_eq!(store.commit_one(append("ann", &among_new)).await, Ok(receipt("ann", 0, &[4, 3, 5, 2])));
    let expected = [r#""before""#, r#""first""#, r#""second""#, r#""third""#, r#""fourth""#];
    assert_eq!(texts(&store, &key("ann")).await, expected);
}

/// It is found however many messages came after it.
pub async fn a_message_sent_again_is_found_far_back(store: Store) {
    let early = said("early").message_id("m-early");
    store.append(&key("ann"), vec![early.clone()]).await.unwrap();
    for n in 0..3 {
        let many = (0..700).map(|m| said("later").message_id(format!("m-{n}-{m}"))).collect();
        store.append(&key("ann"), many).await.unwrap();
    }
    assert_eq!(store.append(&key("ann"), vec![early]).await, Ok(unchanged("ann", 0, &[1])));
    assert_eq!(store.append(&key("ann"), vec![said("end")]).await, Ok(receipt("ann", 0, &[2_102])));
}

/// Within one append, or two of one commit, the same holds.
pub async fn a_message_twice_in_one_commit_is_one(store: Store) {
    let message = said("once").message_id("m-1");
    let twice = open("ann").write(Write::Append(vec![message.clone(), said("between"), message.clone()]));
    assert_eq!(
        store.commit_one(twice.write(Write::Append(vec![message]))).await,
        Ok(receipt("ann", 0, &[1, 2, 1, 1]))
    );
    assert_eq!(texts(&store, &key("ann")).await, [r#""once""#, r#""between""#]);

    let differing = vec![said("one").message_id("m-9"), said("other").message_id("m-9")];
    let call = vec![to("ann").write(Write::Append(differing))];
    assert_eq!(refused(&store, call).await, conflict("ann", "m-9", 3));
}

/// The same id with anything else is a conflict that tells where the first stands, and nothing of the append stays.
pub async fn a_message_id_with_other_content_is_a_conflict(store: Store) {
    let first = NewMessage {
        role: "assistant".into(),
        content: json(r#"{"a": 1}"#),
        tool_calls: Some(json("[1]")),
        created_at: Some(second(5)),
        message_id: Some("m-1".into()),
        opens: vec!["a".into(), "b".into()],
        closes: vec!["c".into()],
        token_count: Some(7),
        attributes: Some(json(r#"{"x":1}"#)),
    };
    store.append(&key("ann"), vec![said("before"), first.clone()]).await.unwrap();
    let others = [
        NewMessage { role: "Assistant".into(), ..first.clone() },
        NewMessage { content: json(r#"{"a":1}"#), ..first.clone() },
        NewMessage { tool_calls: None, ..first.clone() },
        NewMessage { tool_calls: Some(json("[1 ]")), ..first.clone() },
        NewMessage { created_at: Some(second(6)), ..first.clone() },
        NewMessage { opens: vec!["b".into(), "a".into()], ..first.clone() },
        NewMessage { closes: Vec::new(), ..first.clone() },
        NewMessage { token_count: None, ..first.clone() },
        NewMessage { token_count: Some(8), ..first.clone() },
        NewMessage { attributes: None, ..first.clone() },
        NewMessage { attributes: Some(json(r#"{"x":2}"#)), ..first.clone() },
    ];
    for other in others {
        let call = vec![append("ann", &[said("not kept"), other.clone(), said("nor this")])];
        assert_eq!(refused(&store, call).await, conflict("ann", "m-1", 2), "{other:?}");
    }
    assert_eq!(store.append(&key("ann"), vec![first]).await, Ok(unchanged("ann", 0, &[2])));
}

/// A retry need not know when the message was said. If it says so, it must be right, as far as the store keeps it.
pub async fn a_retry_need_not_repeat_the_time(store: Store) {
    let fine = Time::from_timestamp(second(5).timestamp(), 1_999).unwrap();
    let at = |at: Option<Time>, id: &str| NewMessage { created_at: at, ..said("hello").message_id(id) };
    let both = [at(Some(fine), "dated"), at(None, "undated")];
    store.commit_one(open("ann").write(Write::Append(both.to_vec())).at(second(8))).await.unwrap();

    let kept = Time::from_timestamp(second(5).timestamp(), 1_000).unwrap();
    for (time, id, seq) in [
        (None, "dated", 1),
        (Some(fine), "dated", 1),
        (Some(kept), "dated", 1),
        (None, "undated", 2),
        (Some(second(8)), "undated", 2),
    ] {
        let answer = store.commit_one(append("ann", &[at(time, id)]).at(second(9))).await;
        assert_eq!(answer, Ok(unchanged("ann", 0, &[seq])), "{id} at {time:?}");
    }
    assert_eq!(
        refused(&store, vec![append("ann", &[at(Some(second(9)), "undated")])]).await,
        conflict("ann", "undated", 2)
    );
}

/// An id is the session's: another session may use it, and so may the next session under the same key.
pub async fn message_ids_belong_to_the_session(store: Store) {
    for peer in ["ann", "bob"] {
        let message = said(&format!("of {peer}")).message_id("m-1");
        assert_eq!(store.append(&key(peer), vec![message]).await, Ok(receipt(peer, 0, &[1])));
    }
    store.session_delete(&key("ann")).await.unwrap();
    let other = said("of another ann").message_id("m-1");
    assert_eq!(store.append(&key("ann"), vec![other]).await, Ok(receipt("ann", 0, &[1])));
    assert_eq!(texts(&store, &key("bob")).await, [r#""of bob""#]);
}

/// Ids are compared byte by byte.
pub async fn message_ids_are_compared_byte_by_byte(store: Store) {
    let ids = ["m", "M", "m ", " m", "é", "e\u{301}", "1", "01", "1.0", "%", "_"];
    for (id, seq) in ids.iter().zip(1..) {
        let message = said(id).message_id(*id);
        assert_eq!(store.append(&key("ann"), vec![message]).await, Ok(receipt("ann", 0, &[seq])), "{id}");
    }
}

/// What was refused left no id behind.
pub async fn a_refused_append_leaves_its_message_ids_free(store: Store) {
    store.append(&key("ann"), vec![said("first").message_id("m-1")]).await.unwrap();
    let refused_one = append("ann", &[said("a").message_id("m-2"), said("other").message_id("m-1")]);
    assert_eq!(refused(&store, vec![refused_one]).await, conflict("ann", "m-1", 1));
    let answer = store.append(&key("ann"), vec![said("b").message_id("m-2")]).await;
    assert_eq!(answer, Ok(receipt("ann", 0, &[2])));
}
