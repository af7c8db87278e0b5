//! [`Run`]: one pass over what is new in a file, batch by batch into the store.

use std::mem;

use sessiondb::{
    Commit, Conflict, Error, Expect, Json, Opening, Receipt, SessionKey, Store, Time, Write, limits,
};

use crate::{
    BadLine, ImportError, Outcome, Source, Verdict,
    batch::{BATCH_LINES_MAX, Batch, Batches, RecordLine},
    content::Content,
    facts::Facts,
    format::Transcript,
    known::Known,
    ledger::{Charge, Ledger},
    position::{Footing, Position},
};

/// Lines in a batch once a message's id was found taken by another message: such lines come in numbers, when a file
/// was rewritten, and each costs a try of its batch.
const BATCH_LINES_CONTESTED: u64 = 16;

/// Why a run ends early.
pub(crate) enum Stop {
    /// Somebody else imported the file or changed the session meanwhile: begin again from where it stands now.
    Overtaken(ImportError),
    /// It cannot go on.
    Failed(ImportError),
}

/// One pass over what is new in a file.
pub(crate) struct Run<'a> {
    store: &'a Store,
    source: &'a Source,
    transcript: &'static dyn Transcript,
    key: SessionKey,
    /// The number of the session's last message; `None` if the session does not exist yet.
    head: Option<u64>,
    batches: Batches,
    ledger: Ledger,
    outcome: Outcome,
    /// Where the next batch begins.
    position: Position,
    /// The revision of the position in the store; 0 if there is none.
    revision: u64,
    /// The facts that the metadata was given; `None` if nothing was imported yet.
    facts: Option<Facts>,
    /// The newest time of a record so far.
    newest: Option<Time>,
    /// Lines that turned out to be duplicates when they were committed. The next commit keeps them.
    late: Vec<RecordLine>,
    /// Lines read since the last commit that could not be kept.
    bad_lines: Vec<BadLine>,
    /// What the session has, if it hides something; `None` until that is asked.
    known: Option<Option<Known>>,
}

/// Metadata to write, and the session's revision on which they are founded.
struct Metadata {
    json: Json,
    revision: u64,
}

impl<'a> Run<'a> {
    /// Finds where to go on. `late` are the lines that a run before this one left to be kept.
    ///
    /// # Errors
    /// If the file or the store cannot be read.
    pub async fn begin(
        store: &'a Store,
        source: &'a Source,
        key: SessionKey,
        transcript: &'static dyn Transcript,
        late: Vec<RecordLine>,
    ) -> Result<Run<'a>, ImportError> {
        let read_error = |error| ImportError::Read { path: source.path.clone(), source: error };
        let store_error = |error| ImportError::Store { path: source.path.clone(), source: error };
        let (stored, revision) = Position::load(store, &key).await.map_err(store_error)?;
        let head = store.session(&key).await.map_err(store_error)?.map(|session| session.head);
        let mut file = Content::open(&source.path).map_err(read_error)?;

        let start = Position::start(head.is_some());
        let facts = stored.as_ref().map(|position| position.facts.clone());
        let (outcome, mut position, footing) = match stored {
            None => (Outcome::New, start, Footing::LineEnd),
            Some(position) => match position.footing(&mut file).map_err(read_error)? {
                Footing::Lost => (Outcome::Rewritten, start, Footing::LineEnd),
                footing => (Outcome::Grown, position, footing),
            },
        };
        position.path = source.path.display().to_string();
        let batches = Batches::after(&position, footing, file, transcript).map_err(read_error)?;
        let ledger = Ledger::new(head.is_some());
        let (newest, bad_lines) = (None, Vec::new());
        Ok(Run {
            store,
            source,
            transcript,
            key,
            head,
            batches,
            ledger,
            outcome,
            position,
            revision,
            facts,
            newest,
            late,
            bad_lines,
            known: None,
        })
    }

    /// The revision of the position at present; 0 if there is none.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The lines that are left to be kept by the next run.
    pub fn into_late(self) -> Vec<RecordLine> {
        self.late
    }

    /// Reads to the end of the file, and adds what is done to the verdict.
    pub async fn finish(
        &mut self,
        verdict: &mut Verdict,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Stop> {
        let mut lines_max = BATCH_LINES_MAX;
        loop {
            let read = self.batches.next(&mut self.position, lines_max);
            let mut batch = read.map_err(|error| {
                Stop::Failed(ImportError::Read { path: self.source.path.clone(), source: error })
            })?;
            if batch.lines == 0 && self.late.is_empty() {
                break;
            }
            self.bad_lines.append(&mut batch.bad_lines);
            // Lines of which nothing is kept do not make a session, but in one that exists the position passes them.
            if self.head.is_some() || !batch.keeps_nothing() {
                lines_max =
                    if self.commit(batch, verdict).await? { BATCH_LINES_CONTESTED } else { BATCH_LINES_MAX };
                progress(self.position.offset);
            }
        }
        verdict.bad_lines.append(&mut self.bad_lines);
        verdict.torn_bytes = self.batches.torn_bytes;
        Ok(())
    }

    /// Commits a batch. Answers whether ids in it were taken by other messages.
    async fn commit(&mut self, mut batch: Batch, verdict: &mut Verdict) -> Result<bool, Stop> {
        let usages = mem::take(&mut batch.usages);
        let charge = self.ledger.count(self.store, &self.key, self.transcript, usages).await;
        let charge = charge.map_err(|error| self.stop(error))?;
        batch.records = self.changed(mem::take(&mut batch.records)).await?;
        let mut contested = self.pass_hidden(&mut batch).await?;
        let metadata = self.metadata().await.map_err(|error| self.stop(error))?;
        let receipts = loop {
            let commits =
                self.commits(&batch, &charge, metadata.as_ref()).map_err(|error| self.stop(error))?;
            let error = match self.store.commit(commits).await {
                Ok(receipts) => break receipts,
                Err(error) => error,
            };
            // The batch has a message less with every turn, so there is a last one.
            let taken = match &error {
                Error::Conflict { conflict: Conflict::MessageId { id, .. }, .. } => batch.take_message(id),
                _ => None,
            };
            let record = taken.and_then(|line| line.into_record());
            let record = record.ok_or_else(|| self.stop(error))?;
            batch.records.extend(self.changed(vec![record]).await?);
            batch.duplicates += 1;
            contested = true;
        };
        self.committed(batch, receipts, verdict)?;
        Ok(contested)
    }

    async fn look_at_hidden(&self) -> Result<Option<Known>, Error> {
        match self.store.session(&self.key).await? {
            Some(session) => Known::of(self.store, &session).await,
            None => Ok(None),
        }
    }

    /// Takes the messages out of a batch that the session has, shown or hidden. Answers whether it has others under their
    /// ids; those in the batch become records.
    async fn pass_hidden(&mut self, batch: &mut Batch) -> Result<bool, Stop> {
        if !self.position.reread {
            return Ok(false);
        }
        if self.known.is_none() {
            let known = self.look_at_hidden().await.map_err(|error| self.stop(error))?;
            self.known = Some(known);
        }
        let Some(Some(known)) = &self.known else { return Ok(false) };
        let mut records = Vec::new();
        for line in mem::take(&mut batch.messages) {
            match known.has(&line.message) {
                Ok(false) => batch.messages.push(line),
                Ok(true) => {}
                Err(error) => records.push(line.into_record().ok_or_else(|| self.stop(error))?),
            }
        }
        batch.duplicates += records.len() as u64;
        let contested = !records.is_empty();
        batch.records.extend(self.changed(records).await?);
        Ok(contested)
    }

    /// The records of these that the store does not have as they are.
    async fn changed(&self, records: Vec<RecordLine>) -> Result<Vec<RecordLine>, Stop> {
        if !self.position.reread {
            return Ok(records);
        }
        let mut changed = Vec::new();
        for record in records {
            let RecordLine { document, .. } = &record;
            let stored = self.store.document(&self.key, &document.collection, &document.id).await;
            let stored = stored.map_err(|error| self.stop(error))?;
            if stored.is_none_or(|stored| (&stored.body, &stored.blob) != (&document.body, &document.blob)) {
                changed.push(record);
            }
        }
        Ok(changed)
    }

    /// The session's metadata with what the file says about it; `None` if it says nothing new. Metadata that cannot
    /// take ours, being full or unreadable, are somebody else's and stay as they are.
    async fn metadata(&self) -> Result<Option<Metadata>, Error> {
        let patch = self.position.facts.patch(self.facts.as_ref(), self.transcript.family())?;
        let Some(patch) = patch else { return Ok(None) };
        // Read anew each time: others may change them between two batches.
        let session = if self.head.is_some() { self.store.session(&self.key).await? } else { None };
        let (old, revision) =
            session.map_or_else(|| (Json::object(), 0), |session| (session.metadata, session.revision));
        let merged = old.merge_patch(&patch).ok();
        let fitting = merged.filter(|merged| merged.get().len() <= limits::METADATA_BYTES_MAX);
        Ok(fitting.map(|json| Metadata { json, revision }))
    }

    /// What brings a batch and the position behind it into the store.
    fn commits(
        &self,
        batch: &Batch,
        charge: &Charge,
        metadata: Option<&Metadata>,
    ) -> Result<Vec<Commit>, Error> {
        let mut opening = Opening { family: Some(self.transcript.family().to_owned()), ..Opening::default() };
        let mut commits = Vec::with_capacity(2);
        let mut commit = Commit::new(self.key.clone()).expect(Position::expect(self.revision));
        commit.at = batch.last_at.or(self.newest);
        if self.head.is_some() {
            commit = commit.write(Write::Open(opening));
            if let Some(Metadata { json, revision }) = metadata {
                commit = commit.expect(Expect::State(*revision)).write(Write::SetMetadata(json.clone()));
            }
        } else {
            // A commit of its own, so that the session is as old as its first record.
            opening.metadata = metadata.map(|metadata| metadata.json.clone());
            let mut open = Commit::new(self.key.clone()).expect(Expect::Absent).write(Write::Open(opening));
            open.at = batch.first_at;
            commits.push(open);
        }
        if !batch.messages.is_empty() {
            commit =
                commit.write(Write::Append(batch.messages.iter().map(|line| line.message.clone()).collect()));
        }
        let records = self.late.iter().chain(&batch.records).map(|record| &record.document);
        for document in records.chain(&charge.documents) {
            commit = commit.write(Write::PutDocument(document.clone()));
        }
        if charge.tokens > 0 {
            commit = commit.write(Write::AddTokens(charge.tokens));
        }
        commits.push(commit.write(Write::PutDocument(self.position.document()?)));
        Ok(commits)
    }

    /// Notes what was committed, here and in the verdict.
    fn committed(&mut self, batch: Batch, receipts: Vec<Receipt>, verdict: &mut Verdict) -> Result<(), Stop> {
        let Some(receipt) = receipts.into_iter().last() else {
            return Err(self.stop(Error::Storage("the engine gave no receipt".into())));
        };
        for record in self.late.drain(..).chain(batch.records) {
            *verdict.records.entry(record.kind).or_default() += 1;
        }
        verdict.duplicates += batch.duplicates;
        verdict.bad_lines.append(&mut self.bad_lines);
        if verdict.outcome == Outcome::Unchanged {
            verdict.outcome = self.outcome;
        }
        let head = self.head.unwrap_or(0);
        for (line, seq) in batch.messages.into_iter().zip(&receipt.seqs) {
            if *seq > head {
                verdict.messages += 1;
            } else if !self.position.reread {
                // The session has nothing but this file's earlier lines, and one of them is this message already.
                verdict.duplicates += 1;
                self.late.extend(line.into_record());
            }
        }
        self.head = Some(receipt.seqs.into_iter().fold(head, u64::max));
        self.revision = receipt.revision;
        self.newest = self.newest.max(batch.last_at);
        self.facts = Some(self.position.facts.clone());
        Ok(())
    }

    fn stop(&self, error: Error) -> Stop {
        let overtaken = matches!(
            error,
            Error::Conflict {
                conflict: Conflict::Document { .. } | Conflict::State { .. } | Conflict::Exists { .. },
                ..
            }
        );
        let error = ImportError::Store { path: self.source.path.clone(), source: error };
        if overtaken { Stop::Overtaken(error) } else { Stop::Failed(error) }
    }
}
