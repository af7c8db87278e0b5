//! A transcript in a file, imported once and again, and what must have become of its lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use pollster::block_on;
use serde_json::{Value, value::RawValue};
use sessiondb::{
    Document, DocumentFilter, Message, SessionFilter, SessionKey, Store, Time, Window, limits, time,
};
use sessiondb_import::{
    Format, ImportError, Outcome, Rehearsal, Source, Verdict, import, nothing_to_import,
    original_conversation, original_line, original_record,
};
use tempfile::TempDir;

use crate::observed::{archive, assert_restorable, assert_same, assert_sound, memory};

/// What may stand around the JSON of a line.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

thread_local! {
    /// The directory of all files of this thread. To make one for each input would cost most of its time.
    static DIRECTORY: TempDir = tempfile::tempdir().unwrap();
}

/// A store, and a file that is imported into it.
pub(crate) struct Desk {
    pub store: Store,
    source: Source,
}

/// Everything in a store that does not depend on when and in how many steps a file was imported.
#[derive(Debug, PartialEq)]
pub(crate) struct Content(Vec<SessionContent>);

#[derive(Debug, PartialEq)]
struct SessionContent {
    key: SessionKey,
    metadata: Value,
    tokens: u64,
    messages: Vec<Message>,
    documents: Vec<Kept>,
}

/// A document without what depends on when it was put.
type Kept = (String, String, String, Option<Vec<u8>>);

impl Desk {
    /// A store that is empty, and no file yet.
    pub fn new(format: Format, name: &str) -> Desk {
        let path: PathBuf = DIRECTORY.with(|directory| directory.path().join("-w").join(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Desk { store: memory(), source: Source { format, path, bytes: 0 } }
    }

    /// Imports the file as it is with these bytes. A rehearsal says the same before, and the file has nothing new
    /// afterwards.
    pub fn import(&mut self, bytes: &[u8]) -> Result<Verdict, ImportError> {
        fs::write(&self.source.path, bytes).unwrap();
        self.source.bytes = bytes.len() as u64;
        let before = archive(&self.store);
        let rehearsed = self.rehearse();
        assert_same(&archive(&self.store), &before);
        let imported = block_on(import(&self.store, &self.source, &mut |_| {}));
        assert_eq!(told(&rehearsed), told(&imported), "a rehearsal said something else");
        assert_sound(&self.store);
        let after = archive(&self.store);
        if let Ok(verdict) = &imported {
            assert_eq!(after == before, verdict.outcome == Outcome::Unchanged, "{verdict:#?}");
        }
        let again = block_on(import(&self.store, &self.source, &mut |_| {}));
        assert_same(&archive(&self.store), &after);
        assert_eq!(imported.is_ok(), again.is_ok());
        if let Ok(verdict) = again {
            assert_eq!((verdict.outcome, verdict.messages), (Outcome::Unchanged, 0));
        }
        imported
    }

    fn rehearse(&self) -> Result<Verdict, ImportError> {
        let rehearsal = Rehearsal::new(Some(self.store.clone()));
        block_on(rehearsal.import(&self.source, &mut |_| {}))
    }

    /// That it is known without a store whether a new one would get anything from the file.
    fn assert_foretold(&self, imported: &Verdict) {
        let nothing = block_on(nothing_to_import(&self.source)).unwrap();
        assert_eq!(nothing.is_some(), imported.outcome == Outcome::Unchanged);
        assert!(nothing.is_none_or(|nothing| nothing == *imported));
    }

    /// What the store has now. Times that are later than `since` are those of the import; so may be the times of messages
    /// that bear none.
    pub fn content(&self, since: Time) -> Content {
        let of = |key: SessionKey| {
            let session = block_on(self.store.session(&key)).unwrap().unwrap();
            let plain = |message: Message| {
                let timed = key.peer_kind == "conversation" || bears_time(&original_line(&message).unwrap());
                let created_at = if timed { message.created_at.min(since) } else { since };
                Message { id: 0, created_at, ..message }
            };
            let messages = messages(&self.store, &key).into_iter().map(plain).collect();
            let kept = |d: Document| (d.collection, d.id, d.body.get().to_owned(), d.blob);
            let documents = documents(&self.store, &key).into_iter().filter(|d| d.collection != "import");
            SessionContent {
                metadata: session.metadata.read().unwrap(),
                tokens: session.token_usage,
                messages,
                documents: documents.map(kept).collect(),
                key,
            }
        };
        let mut all: Vec<_> = keys(&self.store).into_iter().map(of).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        Content(all)
    }
}

/// Holds that an import of these bytes loses nothing. What stands before the first record separator is the file as it was
/// imported first, and the rest is what it was then replaced with; without a separator it grows by whole lines.
pub(crate) fn holds(format: Format, name: &str, data: &[u8]) {
    let separator = data.iter().position(|byte| *byte == 0x1e);
    let (first, second, grows) = match separator {
        Some(at) => (&data[..at], &data[at + 1..], false),
        None => (&data[..grown_from(data)], data, true),
    };
    let since = time::now();
    let mut desk = Desk::new(format, name);
    let begun = desk.import(first).unwrap();
    desk.assert_foretold(&begun);
    assert_nothing_lost(&desk.store, first, &begun, &[]);
    assert_counted(&begun, first);
    let went_on = desk.import(second).unwrap();
    // A file is known again by its last line. Then what stands before that is not looked at again: bad lines are not named
    // a second time, and a change there is not seen.
    let known = matches!(went_on.outcome, Outcome::Grown | Outcome::Unchanged) && went_on.key.is_some();
    let before: Vec<u64> = match known {
        true if second.starts_with(first) => begun.bad_lines.iter().map(|bad| bad.line).collect(),
        true => lines(first).map(|(number, _)| number).collect(),
        false => Vec::new(),
    };
    assert_nothing_lost(&desk.store, second, &went_on, &before);
    assert_restorable(&desk.store);
    if grows {
        let mut at_once = Desk::new(format, name);
        let verdict = at_once.import(data).unwrap();
        assert_counted(&verdict, data);
        assert_nothing_lost(&at_once.store, data, &verdict, &[]);
        assert_eq!(at_once.content(since), desk.content(since), "imported at once, and in two steps");
    }
}

/// The end of a line near the middle.
fn grown_from(data: &[u8]) -> usize {
    let middle = data.len() / 2;
    data[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// That what a first import of a file says about its lines is as many as it has.
fn assert_counted(verdict: &Verdict, file: &[u8]) {
    let lines = lines(file).filter(|(_, line)| !is_blank(line)).count() as u64;
    let torn =
        u64::from(verdict.torn_bytes > 0 && !is_blank(file.rsplit(|byte| *byte == b'\n').next().unwrap()));
    let bad = verdict.bad_lines.len() as u64;
    let kept = match verdict.key {
        Some(_) => verdict.messages + verdict.records.values().sum::<u64>(),
        None => {
            let sessions = verdict.sessions;
            sessions.new + sessions.grown + sessions.rewritten + sessions.unchanged + verdict.duplicates
        }
    };
    assert_eq!(kept + bad + torn, lines, "{verdict:#?}");
}

/// That the store has each line of the file which is not blank, torn, bad or one of those that were dealt with `before`.
/// Whitespace at the end of a line may be gone: it may have been written when the line was imported already.
fn assert_nothing_lost(store: &Store, file: &[u8], verdict: &Verdict, before: &[u64]) {
    let kept = kept(store);
    let bad: BTreeSet<u64> =
        verdict.bad_lines.iter().map(|bad| bad.line).chain(before.iter().copied()).collect();
    let last = file.split(|byte| *byte == b'\n').count() as u64;
    for (number, line) in lines(file) {
        let torn = number == last && verdict.torn_bytes > 0;
        if is_blank(line) || torn || bad.contains(&number) {
            continue;
        }
        let line = str::from_utf8(line).unwrap();
        let has = |line: &str| match verdict.key {
            Some(_) => {
                kept.records.get(&number).is_some_and(|kept| kept == line) || kept.texts.contains(line)
            }
            // Of lines that differ in the whitespace around them a file of conversations has one conversation.
            None => kept.texts.contains(bare(line)),
        };
        let found = has(line) || has(line.trim_end_matches(BLANKS));
        assert!(found, "line {number} is lost: {line:?}\n{verdict:#?}\n{kept:#?}");
    }
}

/// Whether a record says when it was written.
fn bears_time(line: &str) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(bare(line));
    members.is_ok_and(|members| members.get("timestamp").is_some_and(|at| at.get().starts_with('"')))
}

/// The lines that a store gives back.
#[derive(Debug, Default)]
struct Lines {
    /// The records, by the numbers of their lines.
    records: BTreeMap<u64, String>,
    /// The messages, and conversations without the whitespace around them.
    texts: BTreeSet<String>,
}

fn kept(store: &Store) -> Lines {
    let mut lines = Lines::default();
    for key in keys(store) {
        let messages = messages(store, &key);
        for document in documents(store, &key) {
            match document.collection.as_str() {
                "record" => {
                    lines.records.insert(document.id.parse().unwrap(), original_record(&document).unwrap());
                }
                "line" => {
                    let text = original_conversation(&document, &messages).unwrap();
                    lines.texts.insert(bare(&text).to_owned());
                }
                _ => {}
            }
        }
        let of_session = key.peer_kind != "conversation";
        lines
            .texts
            .extend(messages.iter().filter(|_| of_session).map(|message| original_line(message).unwrap()));
    }
    lines
}

fn lines(file: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    (1..).zip(file.split(|byte| *byte == b'\n'))
}

fn is_blank(line: &[u8]) -> bool {
    str::from_utf8(line).is_ok_and(|line| bare(line).is_empty())
}

/// The line without what may stand around its JSON.
fn bare(line: &str) -> &str {
    line.strip_prefix('\u{feff}').unwrap_or(line).trim_matches(BLANKS)
}

fn told(result: &Result<Verdict, ImportError>) -> Result<Verdict, String> {
    match result {
        Ok(verdict) => Ok(verdict.clone()),
        Err(error) => Err(error.to_string()),
    }
}

fn keys(store: &Store) -> Vec<SessionKey> {
    let filter = SessionFilter { limit: limits::PAGE_MAX, ..SessionFilter::default() };
    let page = block_on(store.session_list(&filter)).unwrap();
    assert_eq!(page.next, None);
    page.sessions.into_iter().map(|session| session.key).collect()
}

/// All messages of a session, also those that it hides.
fn messages(store: &Store, key: &SessionKey) -> Vec<Message> {
    let (mut all, mut seq) = (Vec::new(), 0);
    loop {
        let page = block_on(store.message_window(key, Window::log(seq, limits::PAGE_MAX))).unwrap();
        let Some(last) = page.messages.last() else { return all };
        seq = last.seq;
        all.extend(page.messages);
    }
}

fn documents(store: &Store, key: &SessionKey) -> Vec<Document> {
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
