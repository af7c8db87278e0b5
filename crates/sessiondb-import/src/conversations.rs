//! [`import`]: a file of conversations, one a line, each into a session of its own.
//!
//! No position is kept: any line may have changed, so each import reads all of them. What the store has of a line is
//! known by the document that keeps the line, which is put by the same commit as the line's last message; and each
//! message has its place in the line for an id. So a line that is there costs one look, and one that is there in part,
//! because it has grown or because an import was interrupted, is simply appended as a whole: the store adds what it does
//! not have, and refuses what says something else.

use std::{borrow::Cow, collections::HashSet, io::BufReader, mem, path::Path};

use serde::Serialize;
use sessiondb::{
    Commit, Conflict, Error, Expect, Json, NewDocument, NewMessage, Opening, Receipt, SessionKey, Store,
    Write, limits,
};

use crate::{
    BadLine, ImportError, Outcome, Source, Variant, Verdict,
    content::Content,
    known::Known,
    lines::{LINE_BYTES_MAX, Lines},
    openai::{self, Conversation, FAMILY, LINES},
    original::Reading,
};

/// Most lines between two commits.
const BATCH_LINES_MAX: u64 = 500;
/// The bytes of conversations after which a batch is committed. The one that fills it may be one of the longest; that
/// stays far below what the store takes in one call.
const BATCH_BYTES: usize = 4 << 20;
/// Single changes of a commit beside its messages: expectation, opening, two documents.
const CHANGES_BESIDE: usize = 4;
/// Most messages in a commit. A conversation that has more is committed in several.
const MESSAGES_MAX: usize = limits::COMMIT_WRITES_MAX - CHANGES_BESIDE;
/// How often somebody else may change a session between the look at it and the commit before this gives up.
const STALLS_MAX: u32 = 100;

/// Imports a file; see [`import`](crate::import()). `path` is the absolute one.
pub(crate) async fn import(
    store: &Store,
    source: &Source,
    path: &Path,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, ImportError> {
    let not = |reason| ImportError::NotATranscript { path: source.path.clone(), reason };
    let read_error = |error| ImportError::Read { path: source.path.clone(), source: error };
    let channel = openai::channel(path).map_err(not)?;
    let file = Content::open(&source.path).map_err(read_error)?;
    let mut lines = Lines::new(BufReader::with_capacity(64 << 10, file), 0, 0);
    let mut intake = Intake::new(store, source, channel);
    let (mut buffer, mut batch_lines, mut offset) = (Vec::new(), 0, 0);
    loop {
        let place = match lines.next(&mut buffer) {
            Ok(Some(place)) => place,
            Ok(None) => break,
            Err(error) => {
                // What stands before it is imported.
                intake.commit().await?;
                return Err(read_error(error));
            }
        };
        let reading = match place.too_long {
            true => Reading::Bad(format!("longer than {LINE_BYTES_MAX} bytes")),
            false => Reading::of(place.number, &buffer),
        };
        let complete = place.terminated || matches!(&reading, Reading::Line(line) if line.value.is_object());
        if !complete {
            intake.verdict.torn_bytes = place.end - place.start;
            break;
        }
        match reading {
            Reading::Blank => {}
            Reading::Bad(reason) => intake.bad(place.number, reason),
            Reading::Line(line) => match Conversation::of(&line) {
                Ok(conversation) => intake.take(conversation).await?,
                Err(reason) => intake.bad(place.number, reason),
            },
        }
        (batch_lines, offset) = (batch_lines + 1, place.end);
        if batch_lines == BATCH_LINES_MAX || intake.bytes >= BATCH_BYTES {
            intake.commit().await?;
            progress(offset);
            batch_lines = 0;
        }
    }
    intake.commit().await?;
    if batch_lines > 0 {
        progress(offset);
    }
    Ok(intake.verdict())
}

/// What is read and not committed yet, and what came of the rest.
struct Intake<'a> {
    store: &'a Store,
    source: &'a Source,
    channel: String,
    /// The hashes of all lines read so far.
    seen: HashSet<String>,
    waiting: Vec<Waiting>,
    /// Single changes that the conversations waiting make together.
    changes: usize,
    /// Their bytes.
    bytes: usize,
    verdict: Verdict,
}

/// A conversation that the store does not have as it is.
struct Waiting {
    conversation: Conversation,
    key: SessionKey,
    /// The session that it is if the first one is another conversation.
    variant: Option<SessionKey>,
    is_variant: bool,
}

/// Where a conversation was found: the document `import/origin` of its session.
#[derive(Serialize)]
struct Origin<'a> {
    path: String,
    line: u64,
    /// The id of the document in the collection `line` that keeps it.
    document: &'a str,
}

impl Intake<'_> {
    fn new<'a>(store: &'a Store, source: &'a Source, channel: String) -> Intake<'a> {
        let (seen, verdict) = (HashSet::new(), Verdict::new(None));
        Intake { store, source, channel, seen, waiting: Vec::new(), changes: 0, bytes: 0, verdict }
    }

    /// Takes a conversation, and lets it wait if the store does not have it.
    async fn take(&mut self, conversation: Conversation) -> Result<(), ImportError> {
        if !self.seen.insert(conversation.hash.clone()) {
            self.verdict.duplicates += 1;
            return Ok(());
        }
        let keys = conversation.keys(&self.channel);
        let changes = conversation.messages.len() + CHANGES_BESIDE;
        // What waits for the same session comes first, and is seen by the look at the store.
        let same = self.waiting.iter().any(|waiting| keys.contains(&waiting.key));
        if same || self.changes + changes > limits::COMMIT_WRITES_MAX {
            self.commit().await?;
        }
        for key in &keys {
            let stored = self.store.document(key, LINES, &conversation.hash).await;
            if stored.map_err(|error| self.failed(error))?.is_some() {
                self.verdict.sessions.count(Outcome::Unchanged);
                return Ok(());
            }
        }
        let mut keys = keys.into_iter();
        if let Some(key) = keys.next() {
            self.changes += changes;
            self.bytes += conversation.bytes();
            self.waiting.push(Waiting { conversation, key, variant: keys.next(), is_variant: false });
        }
        Ok(())
    }

    /// Commits all that waits: together if the store takes it so, or else one after the other.
    async fn commit(&mut self) -> Result<(), ImportError> {
        (self.changes, self.bytes) = (0, 0);
        let waiting = mem::take(&mut self.waiting);
        if waiting.len() > 1 {
            match self.commit_together(&waiting).await {
                Ok(()) => return Ok(()),
                Err(error) if is_about_one_session(&error) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        for waiting in waiting {
            self.commit_alone(waiting).await?;
        }
        Ok(())
    }

    async fn commit_together(&mut self, waiting: &[Waiting]) -> Result<(), Error> {
        let (mut commits, mut heads) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
        for one in waiting {
            let (head, messages) = self.missing(one).await?;
            commits.push(self.commit_of(one, &messages, true, head)?);
            heads.push(head);
        }
        let receipts = self.store.commit(commits).await?;
        for ((one, head), receipt) in waiting.iter().zip(heads).zip(&receipts) {
            self.done(one, head, appended(head, receipt));
        }
        Ok(())
    }

    async fn commit_alone(&mut self, mut waiting: Waiting) -> Result<(), ImportError> {
        let mut stalls = 0;
        loop {
            let error = match self.try_alone(&waiting).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                Error::Conflict { conflict: Conflict::MessageId { .. }, .. } if waiting.variant.is_some() => {
                    if let Some(variant) = waiting.variant.take() {
                        (waiting.key, waiting.is_variant) = (variant, true);
                    }
                }
                Error::Conflict { conflict: Conflict::Exists { .. } | Conflict::Head { .. }, .. }
                    if stalls < STALLS_MAX =>
                {
                    stalls += 1;
                }
                _ if is_about_one_session(&error) => {
                    self.bad(waiting.conversation.number, error.to_string());
                    return Ok(());
                }
                _ => return Err(self.failed(error)),
            }
        }
    }

    async fn try_alone(&mut self, waiting: &Waiting) -> Result<(), Error> {
        let (before, messages) = self.missing(waiting).await?;
        let (mut head, mut count, mut rest) = (before, 0, &*messages);
        loop {
            let (part, later) = rest.split_at(rest.len().min(MESSAGES_MAX));
            let commit = self.commit_of(waiting, part, later.is_empty(), head)?;
            let receipt = self.store.commit_one(commit).await?;
            count += appended(head, &receipt);
            head = Some(receipt.seqs.into_iter().fold(head.unwrap_or(0), u64::max));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        self.done(waiting, before, count);
        Ok(())
    }

    /// The number of the last message of a conversation's session, and its messages without those that the session hides;
    /// without a number if there is no such session.
    async fn missing<'b>(&self, waiting: &'b Waiting) -> Result<(Option<u64>, Cow<'b, [NewMessage]>), Error> {
        let all = waiting.conversation.messages.as_slice();
        let Some(session) = self.store.session(&waiting.key).await? else { return Ok((None, all.into())) };
        let Some(known) = Known::of(self.store, &session).await? else {
            return Ok((Some(session.head), all.into()));
        };
        let mut missing = Vec::new();
        for message in all {
            if !known.has(message)? {
                missing.push(message.clone());
            }
        }
        Ok((Some(session.head), missing.into()))
    }

    /// What brings these messages of a conversation into the store, and with the last of them the rest of its line.
    fn commit_of(
        &self,
        waiting: &Waiting,
        messages: &[NewMessage],
        last: bool,
        head: Option<u64>,
    ) -> Result<Commit, Error> {
        let Waiting { conversation, key, .. } = waiting;
        let opening = Opening {
            family: Some(FAMILY.into()),
            metadata: conversation.facts.patch(None, FAMILY)?,
            ..Opening::default()
        };
        let mut commit = Commit::new(key.clone())
            .expect(head.map_or(Expect::Absent, Expect::Head))
            .write(Write::Open(opening));
        if !messages.is_empty() {
            commit = commit.write(Write::Append(messages.to_vec()));
        }
        commit.at = conversation.at;
        if last {
            let path = self.source.path.display().to_string();
            let origin = Origin { path, line: conversation.number, document: &conversation.hash };
            let origin = NewDocument::new("import", "origin", Json::from_value(&origin)?);
            commit =
                commit.write(Write::PutDocument(conversation.line.clone())).write(Write::PutDocument(origin));
        }
        Ok(commit)
    }

    /// Notes what was committed.
    fn done(&mut self, waiting: &Waiting, before: Option<u64>, messages: u64) {
        self.verdict.messages += messages;
        self.verdict.sessions.count(match (waiting.is_variant, before) {
            (true, _) => Outcome::Rewritten,
            (false, None) => Outcome::New,
            (false, Some(_)) => Outcome::Grown,
        });
        if waiting.is_variant {
            self.verdict
                .variants
                .push(Variant { line: waiting.conversation.number, key: waiting.key.clone() });
        }
    }

    fn bad(&mut self, line: u64, reason: String) {
        self.verdict.bad_lines.push(BadLine { line, reason });
    }

    fn failed(&self, error: Error) -> ImportError {
        ImportError::Store { path: self.source.path.clone(), source: error }
    }

    fn verdict(mut self) -> Verdict {
        self.verdict.outcome = self.verdict.sessions.outcome();
        // A line that only the store refuses is known as bad later than those behind it.
        self.verdict.bad_lines.sort_by_key(|bad| bad.line);
        self.verdict
    }
}

/// How many messages a commit added.
fn appended(head: Option<u64>, receipt: &Receipt) -> u64 {
    receipt.seqs.iter().filter(|seq| **seq > head.unwrap_or(0)).count() as u64
}

/// Whether the store refused the one session, and would take the next.
fn is_about_one_session(error: &Error) -> bool {
    matches!(error, Error::Conflict { .. } | Error::Invalid(_))
}
