//! A turn of an agent as one commit: the tool's result, the answer, the tokens, the new state of a plan. It happens as
//! a whole or not at all, only if nobody changed the plan meanwhile, and can be sent again safely.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use sessiondb::{Commit, Expect, Json, NewDocument, NewMessage, SessionKey, Window, Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> sessiondb::Result<()> {
    let store = sessiondb::open("memory:").await?;
    let key = SessionKey::new("main", "cli", "", "dm", "ann");

    let mut call =
        NewMessage::new("assistant", Json::parse(r#"[{"type":"tool_use","id":"t1","name":"weather"}]"#)?);
    call.opens = vec!["t1".into()];
    let mut result = NewMessage::new("tool", "21 degrees");
    result.closes = vec!["t1".into()];

    let plan = NewDocument::new("plan", "current", Json::parse(r#"{"step":"answered"}"#)?);
    let turn = Commit::new(key.clone())
        .id("turn-1")
        .expect(Expect::Document { collection: "plan".into(), id: "current".into(), revision: 0 })
        .write(Write::open())
        .write(Write::Append(vec![
            NewMessage::new("user", "Weather?"),
            call,
            result,
            NewMessage::new("assistant", "21 °C"),
        ]))
        .write(Write::PutDocument(plan))
        .write(Write::AddTokens(214));

    let receipt = store.commit_one(turn.clone()).await?;
    assert_eq!(receipt.seqs, [1, 2, 3, 4]);
    // The answer got lost on the way? The same commit again is answered with the same receipt.
    assert!(store.commit_one(turn).await?.replayed);

    let page = store.message_window(&key, Window::last(2)).await?;
    println!(
        "{} messages before these two: {}",
        if page.has_earlier { "More" } else { "No" },
        page.messages.len()
    );
    Ok(())
}
