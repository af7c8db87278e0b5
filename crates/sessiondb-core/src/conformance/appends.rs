//! Appending messages: their numbers, and what is kept of them.

use super::{
    examples::{json, key, open, receipt, said, say, second, session, to, unchanged},
    observed::{history, texts},
};
use crate::{Message, NewMessage, Store, Write, limits};

/// Messages are numbered 1, 2, 3, … in the order of the appends, and the receipt tells the numbers.
pub async fn messages_are_numbered_from_one_without_gaps(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    assert_eq!(store.commit_one(to("ann").write(say(&["a"]))).await, Ok(receipt("ann", 0, &[1])));
    assert_eq!(store.commit_one(to("ann").write(say(&["b", "c"]))).await, Ok(receipt("ann", 0, &[2, 3])));
    assert_eq!(store.commit_one(to("ann").write(say(&[]))).await, Ok(unchanged("ann", 0, &[])));
    let split = to("ann").write(say(&["d"])).write(Write::AddTokens(1)).write(say(&["e", "f"]));
    assert_eq!(store.commit_one(split).await, Ok(receipt("ann", 0, &[4, 5, 6])));

    let session = session(&store, "ann").await;
    assert_eq!((session.head, session.message_count, session.log_count), (6, 6, 6));
    let messages = history(&store, &key("ann")).await;
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let said: Vec<&str> = messages.iter().map(|message| message.content.get()).collect();
    assert_eq!(said, [r#""a""#, r#""b""#, r#""c""#, r#""d""#, r#""e""#, r#""f""#]);
}

/// Each session counts for itself, however appends to several are mixed.
pub async fn numbers_belong_to_the_session(store: Store) {
    for round in 1..=3 {
        for peer in ["ann", "bob", "eve"] {
            let answer = store.append(&key(peer), vec![said(&format!("{peer} {round}"))]).await;
            assert_eq!(answer, Ok(receipt(peer, 0, &[round])));
        }
    }
    for peer in ["ann", "bob", "eve"] {
        let expected: Vec<String> = (1..=3).map(|round| format!("\"{peer} {round}\"")).collect();
        assert_eq!(texts(&store, &key(peer)).await, expected);
    }
}

/// An append to a session that does not exist opens a plain conversation.
pub async fn an_append_opens_the_session(store: Store) {
    assert_eq!(store.append(&key("ann"), vec![said("hello")]).await, Ok(receipt("ann", 0, &[1])));
    assert_eq!(session(&store, "ann").await.family, "chat");
    assert_eq!(store.append(&key("bob"), Vec::new()).await, Ok(receipt("bob", 0, &[])));
    assert_eq!(session(&store, "bob").await.head, 0);
}

/// Of a message everything is kept, and nothing is made of what was not given: no text is not an empty text, JSON's
/// `null` is a value, and 0 is a count.
pub async fn every_field_of_a_message_is_kept(store: Store) {
    let full = NewMessage {
        role: "assistant".into(),
        content: json(r#"[{"type": "text"}]"#),
        tool_calls: Some(json(r#"[{"id": "call-1"}]"#)),
        created_at: Some(second(3)),
        message_id: Some("m-1".into()),
        opens: vec!["call-1".into(), "call,2".into(), "call\"3".into()],
        closes: vec!["call-0".into(), "call-0".into()],
        token_count: Some(limits::COUNT_MAX),
        attributes: Some(json(r#"{ "model": "x" }"#)),
    };
    let zero = NewMessage {
        tool_calls: Some(json("null")),
        token_count: Some(0),
        attributes: Some(json("{}")),
        ..NewMessage::new("tool", json("null"))
    };
    let least = NewMessage::new("x", "");
    let sent = [full, zero, least];
    store.commit_one(open("ann").write(Write::Append(sent.to_vec())).at(second(9))).await.unwrap();

    let stored = history(&store, &key("ann")).await;
    assert_eq!(stored.len(), sent.len());
    for ((sent, stored), seq) in sent.into_iter().zip(stored).zip(1..) {
        let expected = Message {
            id: stored.id,
            seq,
            role: sent.role,
            content: sent.content,
            tool_calls: sent.tool_calls,
            created_at: sent.created_at.unwrap_or(second(9)),
            message_id: sent.message_id,
            opens: sent.opens,
            closes: sent.closes,
            token_count: sent.token_count,
            attributes: sent.attributes,
        };
        assert_eq!(stored, expected);
    }
}

/// Who gives no id says the same thing as often as they say it.
pub async fn messages_without_an_id_are_never_taken_for_one(store: Store) {
    let same = NewMessage { created_at: Some(second(1)), ..said("again") };
    store.append(&key("ann"), vec![same.clone(), same.clone()]).await.unwrap();
    assert_eq!(store.append(&key("ann"), vec![same]).await, Ok(receipt("ann", 0, &[3])));
    assert_eq!(texts(&store, &key("ann")).await, [r#""again""#; 3]);
}

/// A long append is one append.
pub async fn a_long_append_is_whole_and_in_order(store: Store) {
    let long: Vec<NewMessage> = (1..=2_500).map(|n| said(&n.to_string())).collect();
    let answer = store.append(&key("ann"), long).await.unwrap();
    assert_eq!(answer.seqs, (1..=2_500).collect::<Vec<u64>>());
    let expected: Vec<String> = (1..=2_500).map(|n| format!("\"{n}\"")).collect();
    assert_eq!(texts(&store, &key("ann")).await, expected);
}
