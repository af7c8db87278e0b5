//! JSON is kept as the text that it came as.

use super::{
    examples::{FRAGILE_JSON, deepest_json, json, key, put, said, session, to},
    observed::{documents, history},
};
use crate::{DocumentFilter, Json, NewMessage, Opening, Store, Write};

/// Text that reading and writing anew would change.
fn texts() -> Vec<Json> {
    FRAGILE_JSON.iter().map(|text| (*text).to_owned()).chain([deepest_json()]).map(json).collect()
}

/// Objects that have such text inside, for where an object is asked for.
fn objects() -> Vec<Json> {
    let inside = |json: Json| {
        if json.is_object() { json } else { self::json(format!(r#"{{ "a" : {json}, "a":1 }}"#)) }
    };
    // One more level around the deepest would be too deep; it is an object itself.
    texts().into_iter().map(inside).collect()
}

/// The content, the tool calls and the attributes of a message are read back byte for byte.
pub async fn the_json_of_messages_keeps_its_text(store: Store) {
    let message = |(json, object): (Json, Json)| NewMessage {
        tool_calls: Some(json.clone()),
        attributes: Some(object),
        ..NewMessage::new("user", json)
    };
    let messages: Vec<NewMessage> = texts().into_iter().zip(objects()).map(message).collect();
    store.append(&key("ann"), messages.clone()).await.unwrap();
    let stored = history(&store, &key("ann")).await;
    assert_eq!(stored.len(), messages.len());
    for (sent, stored) in messages.into_iter().zip(stored) {
        assert_eq!(stored.content.get(), sent.content.get());
        assert_eq!(stored.tool_calls, sent.tool_calls);
        assert_eq!(stored.attributes, sent.attributes);
    }
}

/// Metadata is read back byte for byte, of an opening and when it is set.
pub async fn the_json_of_metadata_keeps_its_text(store: Store) {
    for (n, object) in objects().into_iter().enumerate() {
        let (opened, set) = (format!("opened {n}"), format!("set {n}"));
        let opening = Opening { metadata: Some(object.clone()), ..Opening::default() };
        let set_later = to(&set).write(Write::open()).write(Write::SetMetadata(object.clone()));
        store.commit(vec![to(&opened).write(Write::Open(opening)), set_later]).await.unwrap();
        for peer in [opened, set] {
            assert_eq!(session(&store, &peer).await.metadata.get(), object.get());
        }
    }
}

/// The body of a document is read back byte for byte, alone and in a list.
pub async fn the_json_of_documents_keeps_its_text(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    let texts = texts();
    for (n, text) in texts.iter().enumerate() {
        store.commit_one(to("ann").write(put("notes", &format!("{n:02}"), text.get()))).await.unwrap();
        let document = store.document(&key("ann"), "notes", &format!("{n:02}")).await.unwrap().unwrap();
        assert_eq!(document.body.get(), text.get());
    }
    let listed: Vec<Json> = documents(&store, &key("ann"), &DocumentFilter::default())
        .await
        .into_iter()
        .map(|document| document.body)
        .collect();
    assert_eq!(listed, texts);
}

/// A NUL that is written as an escape is text like any other; only a real one is refused (and JSON has none).
pub async fn an_escaped_nul_is_text(store: Store) {
    let text = r#"{"a\u0000b":"\u0000"}"#;
    let message = NewMessage { attributes: Some(json(text)), ..NewMessage::new("user", json(text)) };
    let commit = to("ann").write(Write::open()).write(Write::Append(vec![message, said("\0")]));
    store
        .commit_one(commit.write(put("notes", "1", text)).write(Write::SetMetadata(json(text))))
        .await
        .unwrap();
    let messages = history(&store, &key("ann")).await;
    assert_eq!(messages[0].content.get(), text);
    assert_eq!(messages[0].attributes, Some(json(text)));
    assert_eq!(messages[1].content.get(), r#""\u0000""#);
    assert_eq!(documents(&store, &key("ann"), &DocumentFilter::default()).await[0].body.get(), text);
    assert_eq!(session(&store, "ann").await.metadata.get(), text);
}
