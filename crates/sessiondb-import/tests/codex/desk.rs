//! A directory with a rollout and a store to import it into.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use pollster::block_on;
use sessiondb::{Document, Message, Session, SessionKey, Store};
use sessiondb_import::{Format, ImportError, Rehearsal, Source, Verdict, find, import};
use tempfile::TempDir;

pub use crate::kept::{Content, assert_whole, content, documents, messages};

/// The thread of the file on the desk.
pub const THREAD: &str = "019c0000-0000-7000-8000-000000000001";

pub struct Desk {
    pub home: TempDir,
    pub store: Store,
    pub path: PathBuf,
}

impl Desk {
    /// A desk with one rollout of these bytes.
    pub fn with(text: impl AsRef<[u8]>) -> Desk {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(format!("rollout-2026-08-20T10-00-00-{THREAD}.jsonl"));
        fs::write(&path, text).unwrap();
        Desk { home, store: block_on(sessiondb::open("memory:")).unwrap(), path }
    }

    /// A desk with a file of this crate's test data, and what came of it.
    pub fn of(name: &str) -> (Desk, Verdict) {
        let sources = find(None, &[testdata("")]).unwrap().sources;
        let source = sources.iter().find(|source| source.path.ends_with(name)).unwrap();
        let desk = Desk::with(fs::read(&source.path).unwrap());
        let verdict = desk.import();
        assert_eq!(verdict.bad_lines, []);
        desk.assert_whole();
        (desk, verdict)
    }

    pub fn key(&self) -> SessionKey {
        key(THREAD)
    }

    pub fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.path, text).unwrap();
    }

    pub fn append(&self, text: impl AsRef<[u8]>) {
        OpenOptions::new().append(true).open(&self.path).unwrap().write_all(text.as_ref()).unwrap();
    }

    pub fn import(&self) -> Verdict {
        self.try_import(&self.path).unwrap()
    }

    /// Imports a file, after a rehearsal that must have said the same.
    pub fn try_import(&self, path: &Path) -> Result<Verdict, ImportError> {
        let rehearsal = Rehearsal::new(Some(self.store.clone()));
        let before = self.session();
        let rehearsed = block_on(rehearsal.import(&source(path), &mut |_| {}));
        assert_eq!(self.session(), before);
        let result = block_on(import(&self.store, &source(path), &mut |_| {}));
        let text = |result: &Result<Verdict, ImportError>| format!("{result:?}");
        assert_eq!(text(&rehearsed), text(&result));
        result
    }

    /// Compresses the file as Codex does it, and answers where it is now.
    pub fn pack(&self) -> PathBuf {
        let packed = self.path.with_extension("jsonl.zst");
        fs::write(&packed, zstd::encode_all(&fs::read(&self.path).unwrap()[..], 3).unwrap()).unwrap();
        packed
    }

    pub fn session(&self) -> Option<Session> {
        block_on(self.store.session(&self.key())).unwrap()
    }

    pub fn metadata(&self) -> serde_json::Value {
        self.session().unwrap().metadata.read().unwrap()
    }

    pub fn tokens(&self) -> u64 {
        self.session().unwrap().token_usage
    }

    pub fn messages(&self) -> Vec<Message> {
        messages(&self.store, &self.key())
    }

    /// Role and content.
    pub fn said(&self) -> Vec<(String, String)> {
        let messages = self.messages().into_iter();
        messages.map(|message| (message.role, message.content.get().to_owned())).collect()
    }

    pub fn documents(&self, collection: &str) -> Vec<Document> {
        let documents = documents(&self.store, &self.key()).into_iter();
        documents.filter(|document| document.collection == collection).collect()
    }

    /// Collection `usage`: id and body.
    pub fn usages(&self) -> Vec<(String, String)> {
        let usages = self.documents("usage").into_iter();
        usages.map(|usage| (usage.id, usage.body.get().to_owned())).collect()
    }

    pub fn content(&self) -> Content {
        content(&self.store, &self.key())
    }

    /// That messages and records together are the lines of the file, byte for byte.
    pub fn assert_whole(&self) {
        assert_whole(&self.store, &self.key(), &fs::read(&self.path).unwrap());
    }
}

pub fn key(thread: &str) -> SessionKey {
    SessionKey::new("codex", "", "", "thread", thread)
}

pub fn source(path: &Path) -> Source {
    Source {
        format: Format::Codex,
        path: path.to_owned(),
        bytes: fs::metadata(path).map_or(0, |file| file.len()),
    }
}

pub fn testdata(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/codex").join(below)
}

/// All rollouts of the samples and of this crate's own test data.
pub fn all_samples() -> Vec<Source> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/codex");
    let sources = find(None, &[samples, testdata("")]).unwrap().sources;
    assert_eq!(sources.len(), 10);
    assert!(sources.iter().all(|source| source.format == Format::Codex));
    sources
}

/// The first line of a thread.
pub fn meta(thread: &str) -> String {
    line(0, "session_meta", &format!(r#"{{"id":"{thread}","cwd":"/w","cli_version":"0.146.0"}}"#))
}

/// A line with what the user said.
pub fn user(second: usize, text: &str) -> String {
    line(second, "response_item", &format!(r#"{{"type":"message","role":"user","content":"{text}"}}"#))
}

/// A line with the sum of tokens, and those of the last answer.
pub fn count(second: usize, total: u64, last: u64) -> String {
    let info = format!(
        r#"{{"total_token_usage":{{"input_tokens":{total}}},"last_token_usage":{{"input_tokens":{last}}}}}"#
    );
    line(second, "event_msg", &format!(r#"{{"type":"token_count","info":{info}}}"#))
}

/// A line so many seconds after the first.
pub fn line(second: usize, kind: &str, payload: &str) -> String {
    let (hour, minute, second) = (10 + second / 3600, second / 60 % 60, second % 60);
    format!(
        r#"{{"timestamp":"2026-08-20T{hour:02}:{minute:02}:{second:02}.000Z","type":"{kind}","payload":{payload}}}"#
    ) + "\n"
}

/// Many lines with messages.
pub fn users(range: std::ops::Range<usize>) -> String {
    range.map(|n| user(n, &format!("text {n}"))).collect()
}
