//! A file with conversations and a store to import it into.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use pollster::block_on;
use sessiondb::{
    Document, DocumentFilter, Message, Session, SessionFilter, SessionKey, Store, Window, limits,
};
use sessiondb_import::{
    Format, ImportError, Rehearsal, Sessions, Source, Verdict, import, original_conversation,
};
use tempfile::TempDir;

pub struct Desk {
    pub home: TempDir,
    pub store: Store,
    pub path: PathBuf,
}

/// Everything in a store that does not depend on when and in how many steps it was imported: for each session its
/// messages and its documents.
pub type Content = BTreeMap<String, (Vec<Message>, Vec<(String, String, String, Option<Vec<u8>>)>, String)>;

impl Desk {
    /// A desk with one file, `chats.jsonl`, of these bytes.
    pub fn with(text: impl AsRef<[u8]>) -> Desk {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("chats.jsonl");
        fs::write(&path, text).unwrap();
        Desk { home, store: block_on(sessiondb::open("memory:")).unwrap(), path }
    }

    pub fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.path, text).unwrap();
    }

    /// Imports the file, after a rehearsal that must have said the same.
    pub fn import(&self) -> Verdict {
        let before = content(&self.store);
        let rehearsal = Rehearsal::new(Some(self.store.clone()));
        let rehearsed = block_on(rehearsal.import(&source(&self.path), &mut |_| {})).unwrap();
        assert_eq!(content(&self.store), before);
        let verdict = self.try_import().unwrap();
        assert_eq!(rehearsed, verdict);
        verdict
    }

    pub fn try_import(&self) -> Result<Verdict, ImportError> {
        block_on(import(&self.store, &source(&self.path), &mut |_| {}))
    }

    pub fn sessions(&self) -> Vec<Session> {
        sessions(&self.store)
    }

    pub fn session(&self, key: &SessionKey) -> Session {
        block_on(self.store.session(key)).unwrap().unwrap()
    }

    pub fn messages(&self, key: &SessionKey) -> Vec<Message> {
        messages(&self.store, key)
    }

    pub fn texts(&self, key: &SessionKey) -> Vec<String> {
        self.messages(key).into_iter().map(|message| message.content.get().to_owned()).collect()
    }

    pub fn lines(&self, key: &SessionKey) -> Vec<Document> {
        documents(&self.store, key).into_iter().filter(|document| document.collection == "line").collect()
    }

    /// Every line that the store can give back.
    pub fn originals(&self) -> Vec<String> {
        let mut originals = Vec::new();
        for session in self.sessions() {
            let messages = self.messages(&session.key);
            originals.extend(
                self.lines(&session.key).iter().map(|line| original_conversation(line, &messages).unwrap()),
            );
        }
        originals.sort();
        originals
    }

    /// That the store gives back every line of the file, byte for byte.
    pub fn assert_whole(&self) {
        let originals = self.originals();
        for line in fs::read_to_string(&self.path).unwrap().split('\n').filter(|line| !line.is_empty()) {
            assert!(originals.iter().any(|original| original == line), "{line}");
        }
    }
}

pub fn source(path: &Path) -> Source {
    Source { format: Format::OpenAi, path: path.to_owned(), bytes: fs::metadata(path).unwrap().len() }
}

pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/openai")
}

/// The session of the conversation with this id.
pub fn named(id: &str) -> SessionKey {
    SessionKey::new("openai", "chats", "", "conversation", id)
}

/// So many of each: new, grown, rewritten, unchanged.
pub fn counts(new: u64, grown: u64, rewritten: u64, unchanged: u64) -> Sessions {
    Sessions { new, grown, rewritten, unchanged }
}

/// A line: a conversation with an id, in which the user says these things.
pub fn chat(id: &str, texts: &[&str]) -> String {
    let messages: Vec<_> =
        texts.iter().map(|text| format!(r#"{{"role":"user","content":"{text}"}}"#)).collect();
    format!("{{\"id\":\"{id}\",\"messages\":[{}]}}\n", messages.join(","))
}

/// A line: the same without an id.
pub fn nameless(texts: &[&str]) -> String {
    chat("", texts).replace("\"id\":\"\",", "")
}

/// A line of so many messages.
pub fn long(id: &str, count: usize) -> String {
    let texts: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    chat(id, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

pub fn sessions(store: &Store) -> Vec<Session> {
    let (mut all, mut filter) = (Vec::new(), SessionFilter { limit: limits::PAGE_MAX, ..Default::default() });
    loop {
        let page = block_on(store.session_list(&filter)).unwrap();
        all.extend(page.sessions);
        match page.next {
            None => return all,
            next => filter.after = next,
        }
    }
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
    let filter = DocumentFilter { limit: limits::PAGE_MAX, ..Default::default() };
    let page = block_on(store.document_list(key, &filter)).unwrap();
    assert!(page.next.is_none());
    page.documents
}

pub fn content(store: &Store) -> Content {
    let of = |session: Session| {
        let messages = messages(store, &session.key);
        let messages = messages.into_iter().map(|message| Message {
            id: 0,
            created_at: sessiondb::Time::UNIX_EPOCH,
            ..message
        });
        let documents = documents(store, &session.key).into_iter();
        let documents = documents.map(|d| (d.collection, d.id, d.body.get().to_owned(), d.blob));
        (
            session.key.to_string(),
            (messages.collect(), documents.collect(), session.metadata.get().to_owned()),
        )
    };
    sessions(store).into_iter().map(of).collect()
}
