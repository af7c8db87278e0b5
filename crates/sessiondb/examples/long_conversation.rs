//! A conversation that outgrows a model's context: what to send, how to compact, how to try another way.

#![allow(clippy::print_stdout, reason = "an example's output")]

use sessiondb::{Commit, NewMessage, SessionKey, Window, Write, blocking};

fn main() -> sessiondb::Result<()> {
    let store = blocking::open("memory:")?;
    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    for n in 1..=40 {
        let call = vec![format!("call-{n}")];
        let question =
            NewMessage { opens: call.clone(), ..NewMessage::new("assistant", format!("look up {n}")) };
        let answer = NewMessage { closes: call, ..NewMessage::new("tool", format!("{n} is found")) };
        store.append(&key, vec![question, answer])?;
    }

    // What fits into so many tokens. It never begins with a tool's result whose call is missing.
    let context = store.message_window(&key, Window::tokens(50))?;
    println!("{} of 80 messages weigh {} tokens", context.messages.len(), context.weight);

    // A summary takes time to write. It stands for what was read, up to the last message of that, and what is appended
    // meanwhile stays.
    let read = store.message_window(&key, Window::after(0, 60))?;
    let through = read.messages.last().map_or(0, |message| message.seq);
    let summary = vec![NewMessage::new("system", "Thirty things were looked up and found.")];
    store.append(&key, vec![NewMessage::new("user", "and now?")])?;
    store.commit_one(Commit::new(key.clone()).write(Write::Compact { through, summary }))?;
    let shown = store.message_window(&key, Window::last(100))?.messages;
    println!("shown now: {} messages, the first is {}", shown.len(), shown[0].content);

    // Another way, from an earlier point; the session itself stays as it is.
    let other = SessionKey::new("main", "cli", "", "dm", "ann-again");
    let fork = store.fork(&key, &other, Some(70))?;
    println!("the fork shows {} messages and goes on with number {}", fork.message_count, fork.head + 1);

    // Nothing was destroyed.
    store.undo(&key)?;
    println!("shown again: {} messages", store.message_window(&key, Window::last(100))?.messages.len());
    Ok(())
}
