//! A conversation, without async: open, append, read back.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use sessiondb::{NewMessage, SessionKey, Window, blocking};

fn main() -> sessiondb::Result<()> {
    let directory = std::env::temp_dir().join(format!("sessiondb-example-{}", std::process::id()));
    let store = blocking::open(&directory.join("blocking.db").display().to_string())?;

    let key = SessionKey::new("main", "cli", "", "dm", "ann");
    let question = NewMessage::new("user", "What is the weather in Rome?").message_id("m-1");
    let receipt = store.append(&key, vec![question.clone()])?;
    // From here on the message survives a power cut. Sending it again changes nothing:
    assert_eq!(store.append(&key, vec![question])?.seqs, receipt.seqs);

    for message in store.message_window(&key, Window::last(50))?.messages {
        println!("#{} {}: {}", message.seq, message.role, message.content);
    }
    store.close()?;
    std::fs::remove_dir_all(directory).map_err(|e| sessiondb::Error::Storage(e.to_string()))
}
