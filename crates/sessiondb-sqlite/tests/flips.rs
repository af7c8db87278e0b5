//! A disk that turns a bit of the database file: what was said is never served changed without `check` seeing it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the seed, and what was seen")]

use std::{env, fs, path::Path, sync::Arc};

use sessiondb_core::{
    Commit, Document, DocumentFilter, Error, Json, Message, NewDocument, NewMessage, SessionKey, Store,
    Window, Write,
};
use sessiondb_sqlite::{Options, SqliteBackend};

const SESSIONS: usize = 6;

fn open(path: &Path) -> Result<Store, Error> {
    SqliteBackend::open(Options::new(path)).map(|backend| Store::new(Arc::new(backend)).for_blocking())
}

fn key(n: usize) -> SessionKey {
    SessionKey::new("a", "c", "", "dm", format!("p{n}"))
}

/// All that was said and all documents, as the store gives them.
type Content = Vec<(Vec<Message>, Vec<Document>)>;

fn content(store: &Store) -> Result<Content, Error> {
    let read = |n| {
        let page = pollster::block_on(store.message_window(&key(n), Window::log(0, 100)))?;
        let documents = pollster::block_on(store.document_list(&key(n), &DocumentFilter::default()))?;
        Ok((page.messages, documents.documents))
    };
    (0..SESSIONS).map(read).collect()
}

fn fill(path: &Path) -> Content {
    let store = open(path).unwrap();
    for n in 0..SESSIONS {
        for i in 0..12 {
            // One in twelve is longer than a page.
            let text = format!("{i} {}", "what was said ".repeat(if i == 7 { 900 } else { 20 + i }));
            let message = NewMessage::new("user", text).message_id(format!("m-{i}"));
            let body = Json::parse(r#"{"a": [1, 2, "three"]}"#).unwrap();
            let document = NewDocument::new("notes", format!("d-{i}"), body);
            let commit = Commit::new(key(n))
                .write(Write::open())
                .write(Write::Append(vec![message]))
                .write(Write::PutDocument(document));
            pollster::block_on(store.commit(vec![commit])).unwrap();
        }
    }
    let content = content(&store).unwrap();
    pollster::block_on(store.close()).unwrap();
    content
}

/// What became of a flip.
#[derive(Debug, Default)]
struct Seen {
    /// Nothing that the store gives is different, and `check` is clean: no row uses the byte.
    unused: usize,
    /// Nothing of the content is different, and `check` sees it: an index, a count, a free page.
    elsewhere: usize,
    /// `check` sees what is different.
    checked: usize,
    /// The store cannot be opened, or not be read, and says so.
    refused: usize,
}

#[test]
fn no_turned_bit_changes_what_was_said_without_check_seeing_it() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SESSIONDB_TEST_SEED").unwrap_or_else(|| std::process::id().into());
    let flips = number("SESSIONDB_TEST_FLIPS").unwrap_or(500);
    println!("SESSIONDB_TEST_SEED={seed} SESSIONDB_TEST_FLIPS={flips}");
    let dir = tempfile::tempdir().unwrap();
    let (sound, path) = (dir.path().join("sound.db"), dir.path().join("s.db"));
    let written = fill(&sound);
    let bytes = fs::read(&sound).unwrap();
    let mut seen = Seen::default();
    for flip in 0..flips {
        let mixed = (seed << 32 | flip).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bit = ((mixed ^ (mixed >> 27)) % (bytes.len() as u64 * 8)) as usize;
        let mut turned = bytes.clone();
        turned[bit / 8] ^= 1 << (bit % 8);
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
        fs::write(&path, &turned).unwrap();
        let Ok(store) = open(&path) else {
            seen.refused += 1;
            continue;
        };
        let read = content(&store);
        let clean = pollster::block_on(store.check()).is_ok_and(|report| report.is_clean());
        match read {
            Err(_) => seen.refused += 1,
            Ok(read) if read == written => *(if clean { &mut seen.unused } else { &mut seen.elsewhere }) += 1,
            Ok(_) => {
                assert!(!clean, "SESSIONDB_TEST_SEED={seed}: flip {flip}, of bit {bit}, was not seen");
                seen.checked += 1;
            }
        }
    }
    println!("{seen:?}");
    assert!(seen.checked > 0 && seen.refused > 0 && seen.unused > 0, "{seen:?}");
}
