//! A chat bot's sessions: route, append, list by agent, compact, read the history.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use aisopod_session::{
    CanonicalString, ChannelContext, CompactionStrategy, HistoryQuery, PeerKind, SessionFilter, SessionStore,
    StoredMessage, resolve_session_key,
};
use serde_json::json;

fn main() -> aisopod_session::Result<()> {
    let store = SessionStore::new_in_memory()?.scoped("support")?;
    let from = ChannelContext {
        channel: "discord".into(),
        account_id: "bot-1".into(),
        peer_kind: PeerKind::Dm,
        peer_id: "ann".into(),
    };
    let key = resolve_session_key("support", &from);
    store.get_or_create(&key)?;
    let call = StoredMessage {
        tool_calls: Some(json!([{"id": "c1", "function": {"name": "order_status", "arguments": "{}"}}])),
        ..StoredMessage::new("assistant", json!(""))
    };
    store.append_messages(
        &key,
        &[
            StoredMessage::new("user", json!("Hello!")),
            StoredMessage::new("assistant", json!("Hello Ann, what can I do for you?")),
            StoredMessage::new("user", json!("Where is my order?")),
            call,
            StoredMessage::tool_result("c1", json!({"order": 66, "state": "shipped"})),
            StoredMessage::new("assistant", json!("On its way.")),
        ],
    )?;
    show(&store)?;

    println!("compacted; the tool call and its result stay together:");
    let strategy = CompactionStrategy::Summarize { keep_recent: 3 };
    store.compact(&key, &strategy, Some("Ann asked for her order."))?;
    show(&store)
}

fn show(store: &SessionStore) -> aisopod_session::Result<()> {
    for session in store.list(&SessionFilter::default())? {
        println!("{} has {} messages", session.key.canonical_string(), session.message_count);
        for message in store.get_history(&session.key, &HistoryQuery::newest(50))?.messages {
            println!("  {}: {}", message.role, message.content);
        }
    }
    Ok(())
}
