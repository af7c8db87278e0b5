//! A directory with transcripts and a store to import them into.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use pollster::block_on;
use sessiondb::{Document, Message, Session, SessionKey, Store};
use sessiondb_import::{Format, ImportError, Source, Verdict, find, import};
use tempfile::TempDir;

pub use crate::kept::{Content, assert_whole, content, documents, messages};

pub const SESSION: &str = "s-1";

pub struct Desk {
    pub home: TempDir,
    pub store: Store,
    pub path: PathBuf,
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
