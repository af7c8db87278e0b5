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
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage, Json,
    Lineage, MemoryBackend, MessagePage, NewDocument, Parts, PartsPage, Receipt, Restore, RestoredSession,
    RestoredState, Result, Search, Session, SessionFilter, SessionKey, SessionPage, SessionParts, Store,
    ViewChange, Window, Write,
};

use crate::{
    ImportError, Source, Verdict, import,
    known::{PAGE, digested, digested_as_stored},
    openai::LINES,
    original::RECORDS,
};

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

/// What [`import`](import()) into a new store would answer if it would put nothing there, say because all lines of the
/// file are bad. `None` if it would; the file is then read only as far as to know that. So a store can be made only when
/// there is something to put in.
///
/// # Errors
/// [`ImportError::Read`] and [`ImportError::NotATranscript`], as [`import`](import()).
pub async fn nothing_to_import(source: &Source) -> Result<Option<Verdict>, ImportError> {
    let overlay = Overlay { is_closed: true, ..Overlay::over(None) };
    match import(&Store::new(Arc::new(overlay)), source, &mut |_| {}).await {
        Err(ImportError::Store { source: Error::Closed, .. }) => Ok(None),
        verdict => verdict.map(Some),
    }
}

/// An engine that reads from a store and writes to memory, as far as an import needs one.
#[derive(Clone)]
struct Overlay {
    /// Whether it takes no writes.
    is_closed: bool,
    real: Option<Store>,
    written: Store,
    /// The sessions that were copied from the real store and not changed yet. Their documents were not, so what the first
    /// change of a session expects is not asked of its copy.
    copied: Arc<Mutex<HashSet<SessionKey>>>,
}

impl Overlay {
    fn over(real: Option<Store>) -> Overlay {
        let written = Store::new(Arc::new(MemoryBackend::new()));
        Overlay { is_closed: false, real, written, copied: Arc::default() }
    }

    /// Copies a session that is going to be changed, with what its view hides, and with its numbers.
    async fn copy(&self, key: &SessionKey) -> Result<()> {
        let Some(real) = &self.real else { return Ok(()) };
        if self.written.session(key).await?.is_some() {
            return Ok(());
        }
        let Some(session) = real.session(key).await? else { return Ok(()) };
        let restore = |part| Commit::new(key.clone()).write(Write::Restore(part));
        let begun = RestoredSession {
            family: session.family.clone(),
            created_at: session.created_at,
            // What a fork inherited is not looked at as somebody else's.
            log_first: 1,
            ancestors: Vec::new(),
            forked_from: None,
        };
        let mut commits = vec![restore(Restore::Session(Box::new(begun)))];
        let mut seq = 0;
        while seq < session.head {
            let page = real.message_window(key, Window::log(seq, PAGE)).await?;
            // What was appended meanwhile is left to those who ask again.
            let messages = page.messages.into_iter().filter(|message| message.seq <= session.head);
            let messages: Vec<_> = messages.map(digested_as_stored).collect();
            let ends = !page.has_later || messages.is_empty();
            for run in messages.chunk_by(|a, b| a.seq + 1 == b.seq) {
                let [first, ..] = run else { continue };
                commits.extend(gap(seq + 1, first.seq - 1).map(restore));
                seq = first.seq + run.len() as u64 - 1;
                commits.push(restore(Restore::Messages(run.to_vec())));
            }
            if ends {
                commits.extend(gap(seq + 1, session.head).map(restore));
                break;
            }
        }
        commits.push(restore(Restore::State(Box::new(state_of(session)))));
        // One after the other, since together they may be more than a store takes; but nobody sees the copy before it is
        // whole, as all that a rehearsal does is done in turn.
        for commit in commits {
            self.written.commit_one(commit).await?;
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
        if self.is_closed {
            return Err(Error::Closed);
        }
        for commit in &mut commits {
            self.copy(&commit.key).await?;
            if self.with_copied(|copied| copied.contains(&commit.key)) {
                commit.expect.clear();
            }
            let writes = std::mem::take(&mut commit.writes).into_iter().map(lightened);
            commit.writes = writes.filter_map(Result::transpose).collect::<Result<_>>()?;
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

    async fn session_list_parts(&self, _: &SessionFilter, _: &Parts) -> Result<PartsPage> {
        Err(no_part())
    }

    async fn session_parts(&self, _: &[SessionKey], _: &Parts) -> Result<Vec<Option<SessionParts>>> {
        Err(no_part())
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        let store = match (self.written.session(key).await?, &self.real) {
            (None, Some(real)) => real,
            _ => &self.written,
        };
        match store.message_window(key, window).await {
            Err(Error::NotFound(_)) => Ok(None),
            page => page.map(Some),
        }
    }

    async fn lineage(&self, _: &SessionKey) -> Result<Option<Lineage>> {
        Err(no_part())
    }

    async fn view_changes(
        &self,
        _: &SessionKey,
        _: Option<u64>,
        _: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        Err(no_part())
    }

    async fn document_list(&self, _: &SessionKey, _: &DocumentFilter) -> Result<Option<DocumentPage>> {
        Err(no_part())
    }

    async fn changes(&self, _: Option<u64>, _: usize) -> Result<ChangePage> {
        Err(no_part())
    }

    async fn search(&self, _: &Search) -> Result<HitPage> {
        Err(no_part())
    }

    async fn check(&self) -> Result<CheckReport> {
        Err(no_part())
    }

    async fn optimize(&self) -> Result<u64> {
        Err(no_part())
    }

    async fn status(&self) -> Result<sessiondb::Status> {
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
///
/// # Errors
/// If no import writes such a thing.
fn lightened(write: Write) -> Result<Option<Write>> {
    match write {
        Write::Append(messages) => Ok(Some(Write::Append(messages.into_iter().map(digested).collect()))),
        Write::PutDocument(document) if document.collection == RECORDS => Ok(None),
        // That it is there is all that an import asks.
        Write::PutDocument(NewDocument { collection, id, .. }) if collection == LINES => {
            Ok(Some(Write::PutDocument(NewDocument::new(collection, id, Json::object()))))
        }
        Write::Open(_)
        | Write::PutDocument(_)
        | Write::SetMetadata(_)
        | Write::SetTokens(_)
        | Write::AddTokens(_) => Ok(Some(write)),
        // These change what was there before, or another session, of which the copy has not everything.
        Write::SetStatus(_)
        | Write::PatchDocument { .. }
        | Write::RemoveDocument { .. }
        | Write::Fork(_)
        | Write::Compact { .. }
        | Write::Uncompact
        | Write::Pop { .. }
        | Write::Rewind { .. }
        | Write::Undo
        | Write::SetView(_)
        | Write::Restore(_)
        | Write::Delete => Err(no_part()),
    }
}

/// The numbers of messages that somebody deleted by hand, if there are any.
fn gap(first: u64, last: u64) -> Option<Restore> {
    (first <= last).then_some(Restore::Gap { first, last })
}

/// All of a session but its messages, its documents and how its view came to be what it is.
fn state_of(session: Session) -> RestoredState {
    let head = session.head;
    let spans = session.view.spans().iter().map(|span| (span.first, span.last.unwrap_or(head)));
    RestoredState {
        view: spans.filter(|(first, last)| first <= last).collect(),
        status: session.status,
        metadata: session.metadata,
        token_usage: session.token_usage,
        updated_at: session.updated_at,
        revision: session.revision,
        head,
        changes: Vec::new(),
    }
}
