//! A chat bot's sessions: get or create, append, list by agent, read the history.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use aisopod_session::{SessionFilter, SessionKey, SessionStore, StoredMessage};
use serde_json::json;

fn main() -> aisopod_session::Result<()> {
    let store = SessionStore::new_in_memory()?;
    let key = SessionKey {
        agent_id: "support".into(),
        channel: "discord".into(),
        account_id: "bot-1".into(),
        peer_kind: "dm".into(),
        peer_id: "ann".into(),
    };
    store.get_or_create(&key)?;
    store.append_messages(
        &key,
        &[
            StoredMessage::new("user", json!("Where is my order?")),
            StoredMessage::new("assistant", json!("On its way.")),
        ],
    )?;
    for session in store.list(&SessionFilter { agent_id: Some("support".into()), ..Default::default() })? {
        println!("{} has {} messages", session.key, session.message_count);
        for message in store.get_history(&session.key, Some(50))? {
            println!("  {}: {}", message.role, message.content);
        }
    }
    Ok(())
}
