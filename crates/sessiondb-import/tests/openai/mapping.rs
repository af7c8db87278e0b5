//! What becomes of a conversation.

use std::fs;

use pollster::block_on;
use serde_json::json;
use sessiondb::{SessionKey, time};
use sessiondb_import::{Outcome, import, original_line};

use crate::desk::{Desk, chat, counts, documents, named, samples, sessions, source};

fn sample() -> Desk {
    let desk = Desk::with(fs::read(samples().join("support-bot.jsonl")).unwrap());
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages, &verdict.key), (Outcome::New, 18, &None));
    assert_eq!((verdict.sessions, verdict.bad_lines.len()), (counts(4, 0, 0, 0), 0));
    desk
}

fn key(id: &str) -> SessionKey {
    SessionKey::new("openai", "chats", "", "conversation", id)
}

#[test]
fn every_line_of_the_sample_is_a_session_and_given_back_byte_for_byte() {
    let desk = sample();
    assert_eq!(desk.sessions().len(), 4);
    desk.assert_whole();
    assert_eq!(block_on(desk.store.check()).unwrap().findings, []);
}

#[test]
fn every_line_is_given_back_with_other_line_ends_and_a_byte_order_mark() {
    let text = fs::read_to_string(samples().join("support-bot.jsonl")).unwrap();
    let desk = Desk::with(format!("\u{feff}{}", text.replace('\n', "\r\n")));
    desk.import();
    desk.assert_whole();
    // They are the same conversations all the same.
    desk.write(text);
    assert_eq!(desk.import().sessions, counts(0, 0, 0, 4));
}

#[test]
fn a_message_has_its_content_its_calls_and_its_place() {
    let messages = sample().messages(&key("order-status"));
    let roles: Vec<_> = messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]);
    assert_eq!(messages[1].content.get(), "\"Where is my order 1042?\"");
    assert_eq!(messages[1].message_id.as_deref(), Some("/messages/1"));
    assert_eq!(messages[1].attributes.as_ref().unwrap().get(), r#"{"role":"user","content":null}"#);
    assert_eq!(
        (messages[2].content.get(), messages[2].tool_calls.as_ref().unwrap().get()),
        (
            "null",
            r#"[{"id":"call_order","type":"function","function":{"name":"find_order","arguments":"{\"number\": 1042}"}}]"#
        )
    );
    assert_eq!((&messages[2].opens[..], &messages[2].closes[..]), (&["call_order".to_owned()][..], &[][..]));
    assert_eq!((&messages[3].opens[..], &messages[3].closes[..]), (&[][..], &["call_order".to_owned()][..]));
    assert_eq!(
        messages[3].attributes.as_ref().unwrap().get(),
        r#"{"role":"tool","tool_call_id":"call_order","content":null}"#
    );
}

#[test]
fn the_session_says_what_it_is_and_from_where() {
    let desk = sample();
    let session = desk.session(&key("two-at-once"));
    assert_eq!(session.family, "openai");
    assert_eq!(
        session.metadata.read::<serde_json::Value>().unwrap(),
        json!({"source": "openai", "title": "Do you have Dune and Solaris?"})
    );
    assert_eq!(time::to_text(session.created_at), "2026-01-02T11:04:05.000000Z");
    let documents = documents(&desk.store, &session.key);
    let ids: Vec<_> = documents.iter().map(|d| (d.collection.as_str(), d.id.as_str())).collect();
    assert_eq!(ids, [("import", "origin"), ("line", documents[1].id.as_str())]);
    assert_eq!(
        documents[0].body.read::<serde_json::Value>().unwrap(),
        json!({"path": desk.path.to_str().unwrap(), "line": 2, "document": documents[1].id})
    );
    let line = documents[1].body.get();
    assert!(line.contains(r#""messages":[null,null,null,null,null],"tools":[{"type""#), "{line}");
    assert!(line.ends_with(r#""parallel_tool_calls":true,"metadata":{"topic":"stock"}}"#), "{line}");
}

#[test]
fn the_store_on_disk_holds_the_same() {
    let (desk, disk) = (sample(), tempfile::tempdir().unwrap());
    let url = disk.path().join("sessions.db").display().to_string();
    let store = block_on(sessiondb::open(&url)).unwrap();
    for expected in [counts(4, 0, 0, 0), counts(0, 0, 0, 4)] {
        let verdict = block_on(import(&store, &source(&desk.path), &mut |_| {})).unwrap();
        assert_eq!(verdict.sessions, expected);
    }
    assert_eq!(crate::desk::content(&store), crate::desk::content(&desk.store));
    assert_eq!(sessions(&store).len(), 4);
    block_on(store.close()).unwrap();
}

#[test]
fn a_message_of_a_conversation_is_not_taken_for_a_line() {
    let desk = Desk::with(chat("a", &["1"]));
    desk.import();
    let message = desk.messages(&named("a")).remove(0);
    assert!(original_line(&message).unwrap_err().to_string().contains("message 1"));
}
