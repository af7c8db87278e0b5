//! [`Rehearsal`]: imports that write nothing, to see what real ones would do.
//!
//! It is the real import, into a store that reads what the real store has and keeps what is written in memory. So the
//! two cannot come to differ. What an import never reads back is not kept: of messages only a digest, by which they are
//! known again, and no records.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use sessiondb::{
    Backend, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, Json, MemoryBackend,
    Message, MessagePage, NewDocument, NewMessage, Opening, Receipt, Result, Session, SessionFilter,
    SessionKey, SessionPage, Store, Window, Write,
};
use xxhash_rust::xxh3::Xxh3;

use crate::{ImportError, Source, Verdict, import, openai::LINES, original::RECORDS};

/// How many messages of the real store are looked at at a time.
const PAGE: usize = 100;

/// Imports that write nothing.
///
/// Files that are rehearsed one after the other see what those before them would have brought. For each message that
/// would be new, and for each that is in a session which would change, some hundred bytes are kept until the rehearsal
/// is dropped.
///
/// ```
/// # use sessiondb_import::{Outcome, Rehearsal, find};
/// # pollster::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # std::fs::write(directory.path().join("train.jsonl"), "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n")?;
/// # let paths = [directory.path().to_owned()];
/// let store = sessiondb::open("memory:").await?;
/// let rehearsal = Rehearsal::new(Some(store.clone()));
/// for source in &find(None, &paths)?.sources {
///     let verdict = rehearsal.import(source, &mut |_bytes| {}).await?;
///     assert_eq!((verdict.outcome, verdict.messages), (Outcome::New, 1));
/// }
/// assert!(store.session_list(&Default::default()).await?.sessions.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Rehearsal {
    store: Store,
}

impl Rehearsal {
    /// Of imports into this store; into a new one if there is none.
    pub fn new(store: Option<Store>) -> Rehearsal {
        Rehearsal { store: Store::new(Arc::new(Overlay::over(store))) }
    }

    /// What [`import`](import()) would do with the file.
    ///
    /// # Errors
    /// As [`import`](import()).
    pub async fn import(
        &self,
        source: &Source,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Verdict, ImportError> {
        import(&self.store, source, progress).await
    }
}

/// An engine that reads from a store and writes to memory, as far as an import needs one.
#[derive(Clone)]
struct Overlay {
    real: Option<Store>,
    written: Store,
    /// The sessions that were copied from the real store and not changed yet. Revisions in memory are others than there,
    /// so what the first change of a session expects is not asked of its copy.
    copied: Arc<Mutex<HashSet<SessionKey>>>,
}

impl Overlay {
    fn over(real: Option<Store>) -> Overlay {
        let written = Store::new(Arc::new(MemoryBackend::new()));
        Overlay { real, written, copied: Arc::default() }
    }

    /// Copies a session that is going to be changed.
    async fn copy(&self, key: &SessionKey) -> Result<()> {
        let Some(real) = &self.real else { return Ok(()) };
        if self.written.session(key).await?.is_some() {
            return Ok(());
        }
        let Some(session) = real.session(key).await? else { return Ok(()) };
        let opening = Opening {
            family: Some(session.family),
            status: Some(session.status),
            metadata: Some(session.metadata),
        };
        let open = Commit::new(key.clone()).at(session.created_at).write(Write::Open(opening));
        self.written.commit_one(open).await?;
        let mut seq = 0;
        loop {
            let page = real.message_window(key, Window::after(seq, PAGE)).await?;
            seq = page.messages.last().map_or(seq, |message| message.seq);
            let messages = page.messages.into_iter().map(|message| digested(as_new(message))).collect();
            self.written.append(key, messages).await?;
            if !page.has_later {
                break;
            }
        }
        self.with_copied(|copied| copied.insert(key.clone()));
        Ok(())
    }

    fn with_copied<T>(&self, act: impl FnOnce(&mut HashSet<SessionKey>) -> T) -> T {
        act(&mut self.copied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Backend for Overlay {
    async fn commit(&self, mut commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        for commit in &mut commits {
            self.copy(&commit.key).await?;
            if self.with_copied(|copied| copied.contains(&commit.key)) {
                commit.expect.clear();
            }
            commit.writes = std::mem::take(&mut commit.writes).into_iter().filter_map(lightened).collect();
        }
        let receipts = self.written.commit(commits).await?;
        self.with_copied(|copied| copied.retain(|key| receipts.iter().all(|receipt| receipt.key != *key)));
        Ok(receipts)
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        match (self.written.session(key).await?, &self.real) {
            (None, Some(real)) => real.session(key).await,
            (written, _) => Ok(written),
        }
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        match (self.written.document(key, collection, id).await?, &self.real) {
            (None, Some(real)) => real.document(key, collection, id).await,
            (written, _) => Ok(written),
        }
    }

    async fn session_list(&self, _: &SessionFilter) -> Result<SessionPage> {
        Err(no_part())
    }

    async fn message_window(&self, _: &SessionKey, _: Window) -> Result<Option<MessagePage>> {
        Err(no_part())
    }

    async fn document_list(&self, _: &SessionKey, _: &DocumentFilter) -> Result<Option<DocumentPage>> {
        Err(no_part())
    }

    async fn check(&self) -> Result<CheckReport> {
        Err(no_part())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(Overlay { real: self.real.as_ref().map(Store::for_blocking), ..self.clone() })
    }
}

/// What no import does, and so nobody can ask of a rehearsal.
fn no_part() -> Error {
    Error::Invalid("that is no part of an import, and a rehearsal cannot do it".into())
}

/// A write without what is never read back; `None` if nothing is left of it.
fn lightened(write: Write) -> Option<Write> {
    match write {
        Write::Append(messages) => Some(Write::Append(messages.into_iter().map(digested).collect())),
        Write::PutDocument(document) if document.collection == RECORDS => None,
        // That it is there is all that an import asks.
        Write::PutDocument(NewDocument { collection, id, .. }) if collection == LINES => {
            Some(Write::PutDocument(NewDocument::new(collection, id, Json::object())))
        }
        write => Some(write),
    }
}

/// The message with a digest of what it says for its content: two that differ still differ.
fn digested(message: NewMessage) -> NewMessage {
    let NewMessage {
        role,
        content,
        tool_calls,
        created_at,
        message_id,
        opens,
        closes,
        token_count,
        attributes,
    } = message;
    let mut digest = Xxh3::new();
    let mut part = |text: Option<&str>| {
        digest.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        digest.update(text.unwrap_or_default().as_bytes());
    };
    part(Some(content.get()));
    part(tool_calls.as_ref().map(Json::get));
    part(attributes.as_ref().map(Json::get));
    for ids in [&opens, &closes] {
        part(Some(&ids.len().to_string()));
        ids.iter().for_each(|id| part(Some(id)));
    }
    let digest = format!("{:032x}", digest.digest128());
    NewMessage { created_at, message_id, token_count, ..NewMessage::new(role, digest) }
}

fn as_new(message: Message) -> NewMessage {
    NewMessage {
        role: message.role,
        content: message.content,
        tool_calls: message.tool_calls,
        created_at: Some(message.created_at),
        message_id: message.message_id,
        opens: message.opens,
        closes: message.closes,
        token_count: message.token_count,
        attributes: message.attributes,
    }
}
