//! What the store has kept of a transcript.

use std::collections::BTreeMap;

use pollster::block_on;
use sessiondb::{Document, DocumentFilter, Message, SessionKey, Store, Window, limits};
use sessiondb_import::{original_line, original_record};

/// Everything in a session that does not depend on when and in how many steps it was imported.
#[derive(Debug, PartialEq)]
pub struct Content {
    messages: Vec<Message>,
    documents: Vec<(String, String, String, Option<Vec<u8>>)>,
    metadata: serde_json::Value,
    tokens: u64,
}

pub fn messages(store: &Store, key: &SessionKey) -> Vec<Message> {
    let (mut all, mut seq) = (Vec::new(), 0);
    loop {
        let page = block_on(store.message_window(key, Window::after(seq, limits::PAGE_MAX))).unwrap();
        all.extend(page.messages);
        match page.has_later {
            true => seq = all.last().unwrap().seq,
            false => return all,
        }
    }
}

pub fn documents(store: &Store, key: &SessionKey) -> Vec<Document> {
    let (mut all, mut filter) =
        (Vec::new(), DocumentFilter { limit: limits::PAGE_MAX, ..Default::default() });
    loop {
        let page = block_on(store.document_list(key, &filter)).unwrap();
        all.extend(page.documents);
        match page.next {
            None => return all,
            next => filter.after = next,
        }
    }
}

pub fn content(store: &Store, key: &SessionKey) -> Content {
    let session = block_on(store.session(key)).unwrap().unwrap();
    let messages: Vec<_> =
        messages(store, key).into_iter().map(|message| Message { id: 0, ..message }).collect();
    assert_eq!(session.message_count, messages.len() as u64);
    let documents = documents(store, key).into_iter().filter(|document| document.collection != "import");
    Content {
        messages,
        documents: documents.map(|d| (d.collection, d.id, d.body.get().to_owned(), d.blob)).collect(),
        metadata: session.metadata.read().unwrap(),
        tokens: session.token_usage,
    }
}

pub fn assert_whole(store: &Store, key: &SessionKey, file: &[u8]) {
    let mut records: BTreeMap<usize, String> = documents(store, key)
        .iter()
        .filter(|document| document.collection == "record")
        .map(|document| (document.id.parse().unwrap(), original_record(document).unwrap()))
        .collect();
    let mut messages = messages(store, key).into_iter();
    for (line, text) in str::from_utf8(file).unwrap().split('\n').enumerate() {
        if text.trim_matches(['\u{feff}', ' ', '\t', '\r']).is_empty() {
            continue;
        }
        let kept = records.remove(&(line + 1));
        let kept = kept.unwrap_or_else(|| original_line(&messages.next().unwrap()).unwrap());
        assert_eq!(kept, text, "line {}", line + 1);
    }
    assert!(records.is_empty() && messages.next().is_none());
}
