//! [`Run`]: one pass over the lines of an archive.

use std::{collections::HashSet, mem};

use sessiondb::{
    Document, DocumentFilter, Error, ErrorClass, FAMILY_DEFAULT, KEPT, Restore, RestoredChange,
    RestoredSession, STATUS_DEFAULT, Session, SessionKey, Store, Time, View, limits,
};

use crate::{
    Restored,
    batch::{BATCH_BYTES, BATCH_CHANGES, Pending, Progress, nobody},
    line::{
        AncestorLine, ChangeLine, Counts, DocumentLine, GapLine, KeptLine, Line, MessageLine, SessionLine,
        StateLine,
    },
    page::Page,
    reader::{LINE_BYTES_MAX, Reading},
};

/// What lines belong to at present.
pub(crate) struct Current {
    pub key: SessionKey,
    pub line: u64,
    pub ancestors: Vec<SessionKey>,
    pub kind: Kind,
    pub progress: Progress,
    /// The number of the next message.
    pub next: u64,
    pub documents: u64,
    /// The newest first.
    pub changes: Vec<RestoredChange>,
    pub changes_bytes: usize,
}

pub(crate) enum Kind {
    /// A session to be written, or to be finished.
    Open,
    /// A session that is there already: it is compared and not written to. It has messages up to this one.
    There { head: u64 },
    /// A stretch of a log for forks, up to this message.
    Kept { last: u64 },
}

pub(crate) struct Run<'a> {
    pub store: &'a Store,
    pub restored: Restored,
    pub counts: Counts,
    pub pending: Vec<Pending>,
    /// What is kept for forks, of which none could be restored so far.
    pub deferred: Vec<Pending>,
    pub pending_changes: usize,
    pub pending_bytes: usize,
    /// What waited when the last of it began.
    pub pending_before: (usize, usize),
    pub current: Option<Current>,
    /// Whether lines are passed over until another session begins.
    pub passing: bool,
    pub seen: HashSet<SessionKey>,
    pub failed: HashSet<SessionKey>,
    pub ended: bool,
}

/// A line that its session fails by.
pub(crate) enum Refusal {
    /// What is wrong.
    Because(String),
    /// The store cannot go on.
    Fatal(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match is_about_the_session(&error) {
            true => Refusal::Because(error.to_string()),
            false => Refusal::Fatal(error),
        }
    }
}

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Because(reason.into()))
}

/// Whether only this session is concerned; else it would be the same with every other one.
pub(crate) fn is_about_the_session(error: &Error) -> bool {
    matches!(
        error.class(),
        ErrorClass::Invalid
            | ErrorClass::NotFound
            | ErrorClass::Conflict
            | ErrorClass::OutOfScope
            | ErrorClass::Undecodable
    )
}

impl<'a> Run<'a> {
    pub(crate) fn new(store: &'a Store) -> Run<'a> {
        Run {
            store,
            restored: Restored::default(),
            counts: Counts::default(),
            pending: Vec::new(),
            deferred: Vec::new(),
            pending_changes: 0,
            pending_bytes: 0,
            pending_before: (0, 0),
            current: None,
            passing: false,
            seen: HashSet::new(),
            failed: HashSet::new(),
            ended: false,
        }
    }

    pub(crate) async fn line(&mut self, reading: Reading, number: u64, text: &[u8]) -> Result<(), Error> {
        if reading != Reading::TooLong && text.trim_ascii().is_empty() {
            return Ok(());
        }
        let line = match reading {
            Reading::TooLong => Err(format!("longer than {LINE_BYTES_MAX} bytes")),
            Reading::Whole | Reading::Unended => {
                serde_json::from_slice::<Line>(text).map_err(|error| error.to_string())
            }
        };
        let refusal = match line {
            // A last line that was cut is no bad line: the archive ends early.
            Err(_) if reading == Reading::Unended => return Ok(()),
            Err(reason) => {
                self.restored.bad_line(number, reason);
                Err(Refusal::Because(format!("line {number} cannot be read")))
            }
            Ok(_) if self.ended => {
                let reason = "it stands behind the end of the archive".into();
                self.restored.bad_line(number, reason);
                return Ok(());
            }
            Ok(line) => {
                self.counts.count(&line);
                let told = self.take(line, number).await;
                told.map_err(|refusal| match refusal {
                    Refusal::Because(reason) => Refusal::Because(format!("line {number}: {reason}")),
                    fatal => fatal,
                })
            }
        };
        match refusal {
            Ok(()) => {}
            Err(Refusal::Fatal(error)) => return Err(error),
            Err(Refusal::Because(reason)) => self.fail_current(Some(reason)).await?,
        }
        if self.pending_changes >= BATCH_CHANGES || self.pending_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn take(&mut self, line: Line, number: u64) -> Result<(), Refusal> {
        match line {
            Line::Session(line) => return self.begin(line, number).await,
            Line::Kept(line) => return self.begin_kept(line, number).await,
            Line::End(counts) => {
                self.leave("it ends without its state").await?;
                self.ended = true;
                if counts != self.counts && self.restored.bad_lines.is_empty() {
                    self.restored.incomplete = Some("lines are missing in it, or are there twice".into());
                }
                return Ok(());
            }
            Line::Dropped(_) => {
                self.restored.dropped += 1;
                // Whoever made the archive was told.
                return self.fail_current(None).await.map_err(Refusal::Fatal);
            }
            Line::Message(_) | Line::Gap(_) | Line::Document(_) | Line::Change(_) | Line::State(_) => {}
        }
        let Some(current) = &self.current else {
            if !mem::replace(&mut self.passing, true) {
                let reason = "it belongs to no session".into();
                self.restored.bad_line(number, reason);
            }
            return Ok(());
        };
        if matches!(current.kind, Kind::Kept { .. }) && !matches!(line, Line::Message(_) | Line::Gap(_)) {
            return refuse("only messages are kept for forks");
        }
        match line {
            Line::Message(line) => self.message(*line),
            Line::Gap(line) => self.gap(line),
            Line::Document(line) => self.document(line).await,
            Line::Change(line) => self.change(line),
            Line::State(line) => self.state(line).await,
            _ => Ok(()),
        }
    }

    async fn begin(&mut self, line: SessionLine, number: u64) -> Result<(), Refusal> {
        self.leave("it ends without its state").await?;
        let key = line.key.0.clone();
        let first = self.seen.insert(key.clone());
        let ancestors: Vec<_> = line.ancestors.iter().map(|ancestor| ancestor.key.0.clone()).collect();
        let progress = Progress::default();
        let current = Current {
            key: key.clone(),
            line: number,
            ancestors: ancestors.clone(),
            kind: Kind::Open,
            progress,
            next: line.log_first,
            documents: 0,
            changes: Vec::new(),
            changes_bytes: 0,
        };
        self.current = Some(current);
        if !first {
            return refuse("the session occurs in the archive a second time");
        }
        key.validate()?;
        self.inherits(&ancestors)?;
        let deferred = self.take_deferred(&ancestors);
        self.pending.extend(deferred);
        let there = self.store.session(&key).await?;
        let (fresh, kind) = match &there {
            None => (true, Kind::Open),
            Some(session) if is_begun(session) => (false, Kind::Open),
            Some(session) => (false, Kind::There { head: session.head }),
        };
        if let Some(current) = &mut self.current {
            (current.kind, current.progress.fresh) = (kind, fresh);
        }
        let mut opening = line.restored(nobody());
        let known = |key: &SessionKey| self.seen.contains(key) && !self.failed.contains(key);
        if let Some((parent, _)) = &mut opening.forked_from
            && !known(parent)
        {
            *parent = nobody();
        }
        self.push(Restore::Session(Box::new(opening)), 1 + ancestors.len(), 0);
        Ok(())
    }

    async fn begin_kept(&mut self, line: KeptLine, number: u64) -> Result<(), Refusal> {
        self.leave("it ends without its state").await?;
        let key = line.key.0;
        self.seen.insert(key.clone());
        // One that was dropped in its midst may come again from its beginning, for another fork.
        if line.first == line.log_first {
            self.failed.remove(&key);
        }
        let ancestors: Vec<_> = line.ancestors.iter().map(|ancestor| ancestor.key.0.clone()).collect();
        let kind = Kind::Kept { last: line.last };
        self.current = Some(Current {
            key: key.clone(),
            line: number,
            ancestors: ancestors.clone(),
            kind,
            progress: Progress::default(),
            next: line.first,
            documents: 0,
            changes: Vec::new(),
            changes_bytes: 0,
        });
        if key.agent_id != KEPT {
            return refuse(format!("{key} is not an address of what is kept for forks"));
        }
        if line.first < line.log_first || line.last < line.first {
            return refuse(format!("{} to {} is no stretch of messages", line.first, line.last));
        }
        self.inherits(&ancestors)?;
        let deferred = self.take_deferred(&[ancestors.as_slice(), std::slice::from_ref(&key)].concat());
        self.pending.extend(deferred);
        let count = ancestors.len();
        let opening = RestoredSession {
            family: FAMILY_DEFAULT.into(),
            created_at: Time::UNIX_EPOCH,
            log_first: line.log_first,
            ancestors: AncestorLine::restored(line.ancestors),
            forked_from: None,
        };
        self.push(Restore::Session(Box::new(opening)), 1 + count, 0);
        Ok(())
    }

    fn message(&mut self, line: MessageLine) -> Result<(), Refusal> {
        let ends = self.advance(line.seq, line.seq)?;
        let bytes = bytes_of(&line);
        let pending = self.open_pending();
        pending.messages += 1;
        match pending.parts.last_mut() {
            Some(Restore::Messages(messages)) => messages.push(line.into()),
            _ => pending.parts.push(Restore::Messages(vec![line.into()])),
        }
        self.pending_changes += 1;
        self.pending_bytes += bytes;
        self.end_kept(ends);
        Ok(())
    }

    fn gap(&mut self, line: GapLine) -> Result<(), Refusal> {
        let GapLine { first, last } = line;
        if last < first {
            return refuse(format!("{first} to {last} is no gap"));
        }
        let ends = self.advance(first, last)?;
        self.push(Restore::Gap { first, last }, 1, 0);
        self.end_kept(ends);
        Ok(())
    }

    /// Goes on in the log over these numbers, which must be the next ones. Answers whether a stretch for forks ends.
    fn advance(&mut self, first: u64, last: u64) -> Result<bool, Refusal> {
        let Some(current) = &mut self.current else { return Ok(false) };
        if first != current.next {
            return refuse(format!("message {first} stands where message {} should", current.next));
        }
        match current.kind {
            Kind::There { head } if last > head => {
                return refuse(format!("the session exists and has no message {last}"));
            }
            Kind::Kept { last: end } if last > end => {
                return refuse(format!("message {last} stands behind the end of what is kept"));
            }
            _ => {}
        }
        current.next = last.saturating_add(1);
        Ok(matches!(current.kind, Kind::Kept { last: end } if last == end))
    }

    fn end_kept(&mut self, ends: bool) {
        if ends {
            self.open_pending().complete = true;
            (self.current, self.passing) = (None, false);
        }
    }

    async fn document(&mut self, line: DocumentLine) -> Result<(), Refusal> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.documents += 1;
        if let Kind::There { .. } = current.kind {
            let document = Document::from(line);
            let key = current.key.clone();
            let stored = self.store.document(&key, &document.collection, &document.id).await?;
            return match stored == Some(document) {
                true => Ok(()),
                false => refuse("the session exists and has another document there, or none"),
            };
        }
        let bytes = line.body.0.get().len() + line.blob.as_ref().map_or(0, |blob| blob.0.len());
        let pending = self.open_pending();
        pending.documents += 1;
        match pending.parts.last_mut() {
            Some(Restore::Documents(documents)) => documents.push(line.into()),
            _ => pending.parts.push(Restore::Documents(vec![line.into()])),
        }
        self.pending_changes += 1;
        self.pending_bytes += bytes;
        Ok(())
    }

    fn change(&mut self, line: ChangeLine) -> Result<(), Refusal> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.changes_bytes += size_of::<RestoredChange>() + line.before.len() * size_of::<(u64, u64)>();
        if current.changes_bytes > limits::COMMIT_BYTES_MAX {
            return refuse("it has more changes of its view than can be restored");
        }
        current.changes.push(line.into());
        Ok(())
    }

    async fn state(&mut self, line: StateLine) -> Result<(), Refusal> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let mut changes = mem::take(&mut current.changes);
        changes.reverse();
        if let (Kind::There { .. }, key, documents) = (&current.kind, current.key.clone(), current.documents)
            && count_documents(self.store, &key, documents).await? != documents
        {
            return refuse("the session exists and has other documents besides");
        }
        let bytes = line.metadata.0.get().len();
        self.push(Restore::State(Box::new(line.with(changes))), 1, bytes);
        self.open_pending().complete = true;
        (self.current, self.passing) = (None, false);
        Ok(())
    }

    /// Another session begins, or the end is reached: one that is not complete fails.
    async fn leave(&mut self, reason: &str) -> Result<(), Refusal> {
        self.passing = false;
        if self.current.is_some() {
            self.fail_current(Some(reason.to_owned())).await.map_err(Refusal::Fatal)?;
            self.passing = false;
        }
        Ok(())
    }

    /// Leaves out what lines belong to at present.
    async fn fail_current(&mut self, reason: Option<String>) -> Result<(), Error> {
        self.passing = true;
        let Some(current) = self.current.take() else { return Ok(()) };
        self.pending.retain(|pending| pending.line != current.line);
        self.fail(current.key, current.line, current.progress, reason).await
    }

    pub(crate) async fn finish(mut self) -> Result<Restored, Error> {
        if !self.ended {
            let at = match &self.current {
                Some(current) => format!(" in session {}", current.key),
                None => String::new(),
            };
            self.restored.incomplete =
                Some(format!("it ends early{at}; what is missing comes when all of it is imported"));
            self.fail_current(None).await?;
            // What is kept for a fork that did not come.
            while self.pending.pop_if(|last| last.is_kept()).is_some() {}
        }
        self.flush().await?;
        Ok(self.restored)
    }
}

/// Whether a session is as one that is opened by a restore and not finished.
fn is_begun(session: &Session) -> bool {
    session.revision == 0
        && session.status == STATUS_DEFAULT
        && session.metadata.get() == "{}"
        && session.token_usage == 0
        && session.updated_at == session.created_at
        && session.view == View::of([], session.log, session.log_first - 1)
}

/// How many documents a session has; if more than so many, some number above that.
async fn count_documents(store: &Store, key: &SessionKey, enough: u64) -> Result<u64, Error> {
    let (mut filter, mut page, mut count) = (DocumentFilter::default(), Page::new(), 0);
    loop {
        filter.limit = page.items();
        let documents = store.document_list(key, &filter).await?;
        count += documents.documents.len() as u64;
        let bytes =
            |document: &Document| document.body.get().len() + document.blob.as_ref().map_or(0, Vec::len);
        page.weighed(documents.documents.iter().map(bytes).sum());
        filter.after = documents.next;
        if filter.after.is_none() || count > enough {
            return Ok(count);
        }
    }
}

fn bytes_of(line: &MessageLine) -> usize {
    let text = |json: &Option<crate::verbatim::Verbatim>| json.as_ref().map_or(0, |json| json.0.get().len());
    let calls: usize = line.opens.iter().chain(&line.closes).map(String::len).sum();
    line.content.0.get().len() + text(&line.tool_calls) + text(&line.attributes) + calls
}
