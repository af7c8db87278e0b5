//! Every limit holds exactly: at it the store takes and keeps what it is given, above it nothing is written.

use super::{
    examples::{json, key, open, patch, put, put_blob, receipt, said, session, status, to},
    observed::{documents, history, refused_as_invalid},
};
use crate::{Commit, DocumentFilter, Expect, Json, NewDocument, NewMessage, Opening, Store, Write, limits};

/// A JSON string that has this many bytes as JSON.
fn json_of(bytes: usize) -> Json {
    Json::string(&"x".repeat(bytes - 2))
}

/// An object that has this many bytes.
fn object_of(bytes: usize) -> Json {
    json(format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8)))
}

/// Sends what a text of the greatest length makes of a commit, which succeeds, then what one of a byte more makes of
/// it. Lengths count bytes, not characters.
async fn longest(store: &Store, bytes: usize, with: impl Fn(String) -> Commit) {
    let text = "é".repeat(bytes / 2);
    store.commit_one(with(text.clone())).await.unwrap();
    refused_as_invalid(store, vec![with(text + "x")]).await;
}

/// Roles, statuses and families have at most 64 bytes.
pub async fn names_have_at_most_64_bytes(store: Store) {
    let longest_name = "é".repeat(limits::NAME_BYTES_MAX / 2);
    longest(&store, 64, |role| open("ann").write(Write::Append(vec![NewMessage::new(role, "")]))).await;
    longest(&store, 64, |status| open("bob").write(Write::SetStatus(status))).await;
    longest(&store, 64, |family| to("eve").write(Write::open_family(family))).await;
    let opening = |status| Write::Open(Opening { status: Some(status), ..Opening::default() });
    longest(&store, 64, |status| to("joe").write(opening(status))).await;
    assert_eq!(history(&store, &key("ann")).await[0].role, longest_name);
    assert_eq!(session(&store, "bob").await.status, longest_name);
    assert_eq!(session(&store, "eve").await.family, longest_name);
    assert_eq!(session(&store, "joe").await.status, longest_name);
}

/// Ids of commits, messages, tool calls and documents, and the names of collections, have at most 512 bytes.
pub async fn ids_have_at_most_512_bytes(store: Store) {
    let with = |message: NewMessage| open("ann").write(Write::Append(vec![message]));
    longest(&store, 512, |id| open("ann").id(id)).await;
    longest(&store, 512, |id| with(said("").message_id(id))).await;
    longest(&store, 512, |id| with(NewMessage { opens: vec!["a".into(), id], ..said("") })).await;
    longest(&store, 512, |id| with(NewMessage { closes: vec!["a".into(), id], ..said("") })).await;
    longest(&store, 512, |id| open("ann").write(put("notes", &id, "1"))).await;
    longest(&store, 512, |id| open("ann").write(put(&id, "1", "1"))).await;
    longest(&store, 512, |id| open("ann").write(patch(&id, &id, "1"))).await;
    longest(&store, 512, |id| open("ann").write(Write::RemoveDocument { collection: "c".into(), id })).await;
    longest(&store, 512, |id| open("ann").write(Write::RemoveDocument { collection: id, id: "1".into() }))
        .await;
    let absent = |collection, id| Expect::Document { collection, id, revision: 0 };
    longest(&store, 512, |id| open("ann").expect(absent("c".into(), id))).await;
    longest(&store, 512, |id| open("ann").expect(absent(id, "2".into()))).await;

    let id = "é".repeat(256);
    let messages = history(&store, &key("ann")).await;
    assert_eq!(messages[0].message_id.as_ref(), Some(&id));
    assert_eq!((&messages[1].opens[1], &messages[2].closes[1]), (&id, &id));
    assert!(store.commit_one(open("ann").id(&*id)).await.unwrap().replayed);
    // Of the three that were put, one was removed.
    assert_eq!(documents(&store, &key("ann"), &DocumentFilter::default()).await.len(), 2);
}

/// A message has at most 16 MiB: its content, tool calls and attributes together.
pub async fn a_message_has_at_most_16_mib(store: Store) {
    let max = limits::MESSAGE_BYTES_MAX;
    let content = json_of(max - 100);
    let of = |calls, attributes| NewMessage {
        tool_calls: Some(json_of(calls)),
        attributes: Some(object_of(attributes)),
        ..NewMessage::new("user", content.clone())
    };
    assert_eq!(store.append(&key("ann"), vec![of(60, 40)]).await, Ok(receipt("ann", 0, &[1])));
    let stored = history(&store, &key("ann")).await.remove(0);
    assert!(stored.content == content, "the content is not what it was");
    assert_eq!(stored.tool_calls, Some(json_of(60)));
    assert_eq!(stored.attributes, Some(object_of(40)));
    for (calls, attributes) in [(61, 40), (60, 41)] {
        refused_as_invalid(
            &store,
            vec![to("ann").write(Write::Append(vec![said("a"), of(calls, attributes)]))],
        )
        .await;
    }
}

/// A document has at most 16 MiB, body and blob together, also when a patch makes it grow.
pub async fn a_document_has_at_most_16_mib(store: Store) {
    let max = limits::DOCUMENT_BYTES_MAX;
    let blob = vec![7; max - 20];
    store.commit_one(open("ann").write(put_blob("notes", "1", object_of(20).get(), &blob))).await.unwrap();
    let stored = store.document(&key("ann"), "notes", "1").await.unwrap().unwrap();
    assert_eq!(stored.body, object_of(20));
    assert!(stored.blob.as_ref() == Some(&blob), "the blob is not what it was");
    refused_as_invalid(&store, vec![to("ann").write(put_blob("notes", "2", object_of(21).get(), &blob))])
        .await;
    let grow = |text: &str| to("ann").write(patch("notes", "1", &format!(r#"{{"x":"{text}"}}"#)));
    refused_as_invalid(&store, vec![to("ann").write(status("idle")), grow("thirteen xxxx")]).await;
    store.commit_one(grow("and no more.")).await.unwrap();
}

/// Metadata has at most 1 MiB.
pub async fn metadata_has_at_most_1_mib(store: Store) {
    let (most, more) = (object_of(limits::METADATA_BYTES_MAX), object_of(limits::METADATA_BYTES_MAX + 1));
    let opening =
        |metadata: &Json| Write::Open(Opening { metadata: Some(metadata.clone()), ..Opening::default() });
    store.commit_one(to("ann").write(opening(&most))).await.unwrap();
    assert!(session(&store, "ann").await.metadata == most);
    refused_as_invalid(&store, vec![to("bob").write(opening(&more))]).await;
    store.commit_one(open("bob").write(Write::SetMetadata(most.clone()))).await.unwrap();
    assert!(session(&store, "bob").await.metadata == most);
    refused_as_invalid(&store, vec![to("bob").write(Write::SetMetadata(more))]).await;
}

/// A message opens and closes at most a thousand tool calls each.
pub async fn a_message_names_at_most_a_thousand_tool_calls(store: Store) {
    let calls = |count: usize| -> Vec<String> { (0..count).map(|n| format!("call {n}")).collect() };
    let max = limits::CALLS_PER_MESSAGE_MAX;
    let message = NewMessage { opens: calls(max), closes: calls(max), ..said("busy") };
    store.append(&key("ann"), vec![message.clone()]).await.unwrap();
    let stored = history(&store, &key("ann")).await.remove(0);
    assert_eq!((stored.opens, stored.closes), (calls(max), calls(max)));
    for more in [
        NewMessage { opens: calls(max + 1), ..message.clone() },
        NewMessage { closes: calls(max + 1), ..message.clone() },
    ] {
        refused_as_invalid(&store, vec![to("ann").write(Write::Append(vec![more]))]).await;
    }
}

/// Counts of tokens have at most 63 bits.
pub async fn counts_have_at_most_63_bits(store: Store) {
    let weighing = |count| Write::Append(vec![NewMessage { token_count: Some(count), ..said("heavy") }]);
    let make: [fn(u64) -> Write; 2] = [Write::SetTokens, Write::AddTokens];
    for (peer, make) in ["ann", "bob"].into_iter().zip(make) {
        store.commit_one(open(peer).write(make(limits::COUNT_MAX))).await.unwrap();
        assert_eq!(session(&store, peer).await.token_usage, limits::COUNT_MAX);
        for count in [limits::COUNT_MAX + 1, u64::MAX] {
            refused_as_invalid(&store, vec![open("eve").write(make(count))]).await;
        }
    }
    store.commit_one(open("ann").write(weighing(limits::COUNT_MAX))).await.unwrap();
    assert_eq!(history(&store, &key("ann")).await[0].token_count, Some(limits::COUNT_MAX));
    for count in [limits::COUNT_MAX + 1, u64::MAX] {
        refused_as_invalid(&store, vec![open("ann").write(weighing(count))]).await;
    }
}

/// One call has at most 10,000 changes, and at most as many commits; the messages of an append are one change each.
pub async fn a_call_has_at_most_10_000_changes(store: Store) {
    let max = limits::COMMIT_WRITES_MAX;
    let messages = |count: usize| Write::Append(vec![said("hello"); count]);
    let writes = |last: usize| vec![open("ann").write(messages(max - 100)), to("ann").write(messages(last))];
    let questions = |count: usize| vec![to("nobody"); count];

    refused_as_invalid(&store, writes(100)).await;
    refused_as_invalid(&store, questions(max + 1)).await;
    let answers = store.commit(writes(99)).await.unwrap();
    assert_eq!(answers[1].seqs.last(), Some(&(max as u64 - 1)));
    assert_eq!(store.commit(questions(max)).await.map(|answers| answers.len()), Ok(max));
    let additions = (0..max).fold(to("ann"), |commit, _| commit.write(Write::AddTokens(1)));
    store.commit_one(additions.clone()).await.unwrap();
    assert_eq!(session(&store, "ann").await.token_usage, max as u64);
    refused_as_invalid(&store, vec![additions, to("ann").write(status("idle"))]).await;
}

/// One call has at most 64 MiB of messages, documents and metadata.
pub async fn a_call_has_at_most_64_mib(store: Store) {
    let document = |n: usize, bytes: usize| NewDocument {
        blob: Some(vec![0; bytes - 2]),
        ..NewDocument::new("notes", n.to_string(), json("{}"))
    };
    let most = limits::DOCUMENT_BYTES_MAX;
    let rest = most - 80;
    let call = |over: usize| {
        let opening = Write::Open(Opening { metadata: Some(object_of(20)), ..Opening::default() });
        let full = to("ann").write(opening);
        let full = (0..3).fold(full, |commit, n| commit.write(Write::PutDocument(document(n, most))));
        let message = NewMessage { attributes: Some(json("{}")), ..NewMessage::new("user", json_of(18)) };
        let small = to("ann")
            .write(Write::PutDocument(document(3, rest)))
            .write(Write::Append(vec![message]))
            .write(patch("notes", "4", object_of(20 + over).get()))
            .write(Write::SetMetadata(object_of(20)));
        vec![full, small]
    };
    refused_as_invalid(&store, call(1)).await;
    assert_eq!(store.commit(call(0)).await, Ok(vec![receipt("ann", 1, &[]), receipt("ann", 2, &[1])]));
    for (n, bytes) in [(0, most), (2, most), (3, rest)] {
        let stored = store.document(&key("ann"), "notes", &n.to_string()).await.unwrap().unwrap();
        assert_eq!(stored.blob.map(|blob| blob.len()), Some(bytes - 2));
    }
}
