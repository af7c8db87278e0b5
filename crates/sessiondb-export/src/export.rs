//! [`export`]: a store as an archive.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
};

use sessiondb::{
    Document, DocumentFilter, Error, ErrorClass, Inherited, LogId, Message, Session, SessionKey, Store,
    Window, limits::PAGE_MAX,
};

use crate::{
    Choice, Exported,
    exported::Unread,
    line::{
        ARCHIVE_VERSION, AncestorLine, Counts, Dropped, ForkedFromLine, GapLine, Header, KeptLine, Key, Line,
        Moment, SessionLine, StateLine,
    },
    page::Page,
};

/// Documents of a session that are held back until it is known that they are of one moment, in bytes of lines.
const HELD_BYTES_MAX: usize = 32 << 20;
/// How often a session that changes while it is read is read anew.
const ATTEMPTS: u32 = 20;

/// Why an export ended before its end. What was written until then is no complete archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It could not be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Writes sessions as an archive, which [`restore`](crate::restore) reads back: one JSON object a line, in an order that
/// depends on the content of the store alone. `progress` is told how many sessions are done, and of how many.
///
/// What the archive has of a session is what the session was at one moment of the export; different sessions may be of
/// different moments, but a fork never lacks what it inherits. Sessions opened after the export began are not in it. If a
/// session has more documents than can be held in memory and is changed while they are read, they may be of several
/// moments, and [`Exported::unsteady`] names it. A session that is deleted meanwhile is left out.
///
/// What a chosen session inherits from one that is not chosen is in the archive too, as far as the chosen ones may show
/// it, without a session of its own.
///
/// A session that cannot be read (a damaged row) is left out, [`Exported::unread`] says why, and the rest goes on.
///
/// The keys of the sessions are held in memory, and a few pages. It writes on the thread that polls.
///
/// # Errors
/// [`ExportError::Write`]; [`ExportError::Store`] with [`Error::NotFound`] if a session that was named does not exist,
/// with [`Error::Invalid`] if the handle does not see the whole store, and for whatever else keeps the store from being
/// read.
pub async fn export<W: Write>(
    store: &Store,
    choice: &Choice,
    out: W,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let sessions = choice.sessions(store).await?;
    let total = sessions.len() as u64;
    let mut export = Export {
        store,
        out,
        counts: Counts::default(),
        sessions,
        missing: HashSet::new(),
        kept: HashMap::new(),
        exported: Exported::default(),
    };
    export.write_json(&Header { sessiondb_archive: ARCHIVE_VERSION })?;
    progress(0, total);
    for (at, done) in (1..=total).enumerate() {
        let Some((log, key)) = export.sessions.get(at).cloned() else { break };
        let begun = export.counts;
        if let Err(mut trouble) = export.session(log, &key).await {
            // The damage may be another session's that has the key by now.
            if let Trouble::Unread(_) = trouble
                && let Err(gone) = export.session_of(&key, log).await
            {
                trouble = gone;
            }
            export.drop_session(log, key, begun, trouble)?;
        }
        progress(done, total);
    }
    let end = Line::End(export.counts);
    export.write_json(&end)?;
    export.out.flush()?;
    Ok(export.exported)
}

struct Export<'a, W> {
    store: &'a Store,
    out: W,
    counts: Counts,
    /// The sessions that were chosen, by their logs.
    sessions: Vec<(LogId, SessionKey)>,
    /// Those of them that could not be written.
    missing: HashSet<LogId>,
    /// The names under which logs were written that are no chosen session's, and up to which message.
    kept: HashMap<LogId, (SessionKey, u64)>,
    exported: Exported,
}

/// Why a session was not written to its end.
enum Trouble {
    /// It was deleted meanwhile.
    Gone,
    /// It cannot be read, but others can.
    Unread(Error),
    /// The export cannot go on.
    Fatal(ExportError),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match error.class() {
            ErrorClass::NotFound => Trouble::Gone,
            ErrorClass::Undecodable => Trouble::Unread(error),
            _ => Trouble::Fatal(error.into()),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Fatal(error.into())
    }
}

/// Lines that are not written yet.
#[derive(Default)]
struct Held {
    text: Vec<u8>,
    counts: Counts,
}

impl Held {
    fn push(&mut self, line: &Line, of: &SessionKey) -> Result<(), Error> {
        self.text.append(&mut line.to_text(of)?);
        self.counts.count(line);
        Ok(())
    }
}

impl<W: Write> Export<'_, W> {
    fn write_json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.out.write_all(&text)
    }

    fn write(&mut self, line: &Line, of: &SessionKey) -> Result<(), Trouble> {
        self.out.write_all(&line.to_text(of)?)?;
        self.counts.count(line);
        Ok(())
    }

    fn write_held(&mut self, held: &Held) -> Result<(), Trouble> {
        self.out.write_all(&held.text)?;
        self.counts.add(held.counts);
        Ok(())
    }

    /// Says in the archive that what was begun is to be left out, if anything was.
    fn drop_session(
        &mut self,
        log: LogId,
        key: SessionKey,
        begun: Counts,
        trouble: Trouble,
    ) -> Result<(), ExportError> {
        self.missing.insert(log);
        let reason = match trouble {
            Trouble::Fatal(error) => return Err(error),
            Trouble::Gone => "it was deleted meanwhile".to_owned(),
            Trouble::Unread(error) => {
                let reason = error.to_string();
                self.exported.unread.push(Unread { key: key.clone(), error });
                reason
            }
        };
        if self.counts == begun {
            return Ok(());
        }
        let line = Line::Dropped(Dropped { reason });
        self.counts.count(&line);
        self.write_json(&line)?;
        Ok(())
    }

    async fn session(&mut self, log: LogId, key: &SessionKey) -> Result<(), Trouble> {
        let session = self.session_of(key, log).await?;
        let lineage = self.store.lineage(key).await?;
        let mut ancestors = Vec::new();
        for inherited in &lineage.inherited {
            let name = self.name_of(key, log, inherited, &ancestors).await?;
            let (first, last) = (inherited.first, inherited.last);
            ancestors.push(AncestorLine { key: Key(name), first, last });
        }
        let forked_from = match lineage.forked_from {
            None => None,
            Some(parent) => {
                Some(ForkedFromLine { key: self.written(parent.key).await?.map(Key), at: parent.at })
            }
        };
        let line = SessionLine {
            key: Key(key.clone()),
            family: session.family.clone(),
            created_at: Moment(session.created_at),
            log_first: session.log_first,
            ancestors,
            forked_from,
        };
        self.write(&Line::Session(line), key)?;
        self.content(session).await?;
        self.exported.sessions += 1;
        Ok(())
    }

    /// The session, unless another one has its key by now.
    async fn session_of(&self, key: &SessionKey, log: LogId) -> Result<Session, Trouble> {
        let session = self.store.session(key).await?;
        session.filter(|session| session.log == log).ok_or(Trouble::Gone)
    }

    /// The key, if the session that has it now is in the archive.
    async fn written(&self, key: Option<SessionKey>) -> Result<Option<SessionKey>, Trouble> {
        let Some(key) = key else { return Ok(None) };
        let log = self.store.session(&key).await?.map(|session| session.log);
        let chosen = log.is_some_and(|log| self.chosen(log).is_some());
        Ok(chosen.then_some(key))
    }

    /// The key of a chosen session that is in the archive, by its log.
    fn chosen(&self, log: LogId) -> Option<&SessionKey> {
        let at = self.sessions.binary_search_by_key(&log, |(log, _)| *log).ok()?;
        (!self.missing.contains(&log)).then_some(&self.sessions.get(at)?.1)
    }

    /// What a log is called in the archive that `key` inherits from. One that is in it neither as a chosen session nor,
    /// so far, for another fork is written first.
    async fn name_of(
        &mut self,
        key: &SessionKey,
        fork: LogId,
        inherited: &Inherited,
        before: &[AncestorLine],
    ) -> Result<SessionKey, Trouble> {
        let &Inherited { log, first, last, .. } = inherited;
        if let Some(chosen) = self.chosen(log) {
            return Ok(chosen.clone());
        }
        let (name, written) = match self.kept.get(&log) {
            Some((name, written)) => (name.clone(), Some(*written)),
            None => {
                let owner = inherited.key.as_ref().unwrap_or(key);
                let reserved = owner.is_reserved();
                (if reserved { owner.clone() } else { SessionKey::kept(owner, log) }, None)
            }
        };
        let from = written.map_or(first, |written| written + 1);
        if from <= last {
            let (kept, ancestors) = (Key(name.clone()), before.to_vec());
            let line = KeptLine { key: kept, log_first: first, ancestors, first: from, last };
            self.write(&Line::Kept(line), key)?;
            self.messages(key, fork, from, last).await?;
            self.kept.insert(log, (name.clone(), last));
        }
        Ok(name)
    }

    /// The messages `first` to `last` of what a session may show. What is missing among them was deleted by hand.
    async fn messages(&mut self, key: &SessionKey, log: LogId, first: u64, last: u64) -> Result<(), Trouble> {
        let (mut next, mut page) = (first, Page::new());
        while next <= last {
            let limit = page.items().min(usize::try_from(last - next + 1).unwrap_or(PAGE_MAX));
            let read = self.store.message_window(key, Window::log(next - 1, limit)).await?;
            // Another session that has the key by now lacks messages too.
            self.session_of(key, log).await?;
            page.weighed(read.messages.iter().map(weight).sum());
            let ends = !read.has_later;
            for message in read.messages {
                let seq = message.seq;
                self.gap(key, next, last.min(seq - 1))?;
                next = seq + 1;
                if seq > last {
                    return Ok(());
                }
                self.write(&Line::from(message), key)?;
            }
            if ends {
                break;
            }
        }
        self.gap(key, next, last)
    }

    /// Says that these messages are gone, if there are any.
    fn gap(&mut self, key: &SessionKey, first: u64, last: u64) -> Result<(), Trouble> {
        match first <= last {
            true => self.write(&Line::Gap(GapLine { first, last }), key),
            false => Ok(()),
        }
    }

    /// All of a session, as it is at one moment. What it shows and its documents change, unlike messages, so they are
    /// read until they were read without a change.
    async fn content(&mut self, mut session: Session) -> Result<(), Trouble> {
        let (key, log) = (session.key.clone(), session.log);
        let mut written = session.log_first - 1;
        for _ in 0..ATTEMPTS {
            self.messages(&key, log, written + 1, session.head).await?;
            written = session.head;
            let mut held = Held::default();
            if !self.hold_documents(&key, &mut held).await? {
                break;
            }
            self.hold_changes(&key, &mut held).await?;
            let now = self.session_of(&key, log).await?;
            if now.revision == session.revision {
                self.write_held(&held)?;
                return self.write(&Line::State(StateLine::from(&session)), &key);
            }
            session = now;
        }
        self.large_content(session, written).await
    }

    /// The same for one with more documents than can be held, or that changes all the time: the documents are written
    /// as they are read.
    async fn large_content(&mut self, begun: Session, mut written: u64) -> Result<(), Trouble> {
        let (key, log) = (begun.key.clone(), begun.log);
        let (mut filter, mut page) = (DocumentFilter::default(), Page::new());
        loop {
            filter.limit = page.items();
            let documents = self.store.document_list(&key, &filter).await?;
            page.weighed(documents.documents.iter().map(document_weight).sum());
            for document in documents.documents {
                self.write(&Line::from(document), &key)?;
            }
            filter.after = documents.next;
            if filter.after.is_none() {
                break;
            }
        }
        for _ in 0..ATTEMPTS {
            let session = self.session_of(&key, log).await?;
            self.messages(&key, log, written + 1, session.head).await?;
            written = session.head;
            let mut held = Held::default();
            self.hold_changes(&key, &mut held).await?;
            if self.session_of(&key, log).await?.revision == session.revision {
                if session.revision != begun.revision {
                    self.exported.unsteady.push(key.clone());
                }
                self.write_held(&held)?;
                return self.write(&Line::State(StateLine::from(&session)), &key);
            }
        }
        let message = format!("session {key} is written to all the time, and cannot be exported");
        Err(Trouble::Unread(Error::Busy(message)))
    }

    /// Answers whether they are few enough to be held.
    async fn hold_documents(&self, key: &SessionKey, held: &mut Held) -> Result<bool, Trouble> {
        let (mut filter, mut page) = (DocumentFilter::default(), Page::new());
        loop {
            filter.limit = page.items();
            let documents = self.store.document_list(key, &filter).await?;
            page.weighed(documents.documents.iter().map(document_weight).sum());
            for document in documents.documents {
                held.push(&Line::from(document), key)?;
            }
            if held.text.len() > HELD_BYTES_MAX {
                return Ok(false);
            }
            filter.after = documents.next;
            if filter.after.is_none() {
                return Ok(true);
            }
        }
    }

    async fn hold_changes(&self, key: &SessionKey, held: &mut Held) -> Result<(), Trouble> {
        let mut before = None;
        loop {
            let changes = self.store.view_changes(key, before, PAGE_MAX).await?;
            let Some(last) = changes.last() else { return Ok(()) };
            before = Some(last.revision);
            for change in changes {
                held.push(&Line::from(change), key)?;
            }
        }
    }
}

fn weight(message: &Message) -> usize {
    let text = |json: &Option<sessiondb::Json>| json.as_ref().map_or(0, |json| json.get().len());
    message.content.get().len() + text(&message.tool_calls) + text(&message.attributes)
}

fn document_weight(document: &Document) -> usize {
    document.body.get().len() + document.blob.as_ref().map_or(0, Vec::len)
}
