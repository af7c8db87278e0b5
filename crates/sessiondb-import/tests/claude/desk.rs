//! A directory with transcripts and a store to import them into.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use pollster::block_on;
use sessiondb::{Document, DocumentFilter, Message, Session, SessionKey, Store, Window, limits};
use sessiondb_import::{Format, ImportError, Source, Verdict, find, import, original_line, original_record};
use tempfile::TempDir;

pub const SESSION: &str = "s-1";

pub struct Desk {
    pub home: TempDir,
    pub store: Store,
    pub path: PathBuf,
}

/// Everything in a session that does not depend on when and in how many steps it was imported.
#[derive(Debug, PartialEq)]
pub struct Content {
    messages: Vec<Message>,
    documents: Vec<(String, String, String, Option<Vec<u8>>)>,
    metadata: serde_json::Value,
    tokens: u64,
}

impl Desk {
    /// A desk with one transcript, `-w/s-1.jsonl`, of these bytes.
    pub fn with(text: impl AsRef<[u8]>) -> Desk {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("-w").join(format!("{SESSION}.jsonl"));
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        Desk { home, store: block_on(sessiondb::open("memory:")).unwrap(), path }
    }

    pub fn key(&self) -> SessionKey {
        SessionKey::new("claude", "-w", "", "session", SESSION)
    }

    pub fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.path, text).unwrap();
    }

    pub fn append(&self, text: impl AsRef<[u8]>) {
        OpenOptions::new().append(true).open(&self.path).unwrap().write_all(text.as_ref()).unwrap();
    }

    pub fn import(&self) -> Verdict {
        self.try_import().unwrap()
    }

    pub fn try_import(&self) -> Result<Verdict, ImportError> {
        block_on(import(&self.store, &source(&self.path), &mut |_| {}))
    }

    pub fn session(&self) -> Option<Session> {
        block_on(self.store.session(&self.key())).unwrap()
    }

    pub fn metadata(&self) -> serde_json::Value {
        self.session().unwrap().metadata.read().unwrap()
    }

    pub fn messages(&self) -> Vec<Message> {
        messages(&self.store, &self.key())
    }

    pub fn texts(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.content.get().to_owned()).collect()
    }

    pub fn documents(&self, collection: &str) -> Vec<Document> {
        documents(&self.store, &self.key())
            .into_iter()
            .filter(|document| document.collection == collection)
            .collect()
    }

    /// Collection `record`: line number and body.
    pub fn records(&self) -> Vec<(u64, String)> {
        let records = self.documents("record").into_iter();
        records.map(|document| (document.id.parse().unwrap(), document.body.get().to_owned())).collect()
    }

    pub fn content(&self) -> Content {
        content(&self.store, &self.key())
    }

    /// That messages and records together are the lines of the file, byte for byte.
    pub fn assert_whole(&self) {
        assert_whole(&self.store, &self.key(), &fs::read(&self.path).unwrap());
    }
}

pub fn source(path: &Path) -> Source {
    Source { format: Format::Claude, path: path.to_owned(), bytes: fs::metadata(path).unwrap().len() }
}

/// All transcripts of the samples and of this crate's own test data.
pub fn all_samples() -> Vec<Source> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("../../samples/claude/projects"), here.join("testdata/claude/projects")];
    let sources = find(None, &places).unwrap().sources;
    assert_eq!(sources.len(), 8);
    sources
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

/// A line with a user's message.
pub fn user(id: &str, text: &str) -> String {
    format!(
        r#"{{"type":"user","uuid":"{id}","timestamp":"2026-01-02T03:04:05Z","message":{{"role":"user","content":"{text}"}}}}"#
    ) + "\n"
}

/// A line with a part of the answer `answer`, which so far has cost this many tokens.
pub fn assistant(id: &str, answer: &str, tokens: u64) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"{id}","requestId":"r","timestamp":"2026-01-02T03:04:06Z","message":{{"id":"{answer}","role":"assistant","content":[],"usage":{{"output_tokens":{tokens}}}}}}}"#
    ) + "\n"
}

/// Many lines with messages.
pub fn users(range: std::ops::Range<usize>) -> String {
    range.map(|n| user(&format!("u-{n}"), &format!("text {n}"))).collect()
}
