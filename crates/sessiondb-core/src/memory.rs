//! [`MemoryBackend`]: the executable specification of a storage engine.
//!
//! It keeps everything in maps behind one lock and does each thing in the plainest way. Where prose leaves a question
//! open, what this file does is the answer; the engines with files are tested against it. It shares no code with them
//! that applies a commit.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    Backend, CheckReport, Commit, Conflict, Cursor, Document, DocumentFilter, DocumentPage, Error, Expect,
    FAMILY_DEFAULT, Json, LogId, Message, MessagePage, NewDocument, NewMessage, Opening, Receipt, Result,
    STATUS_DEFAULT, Session, SessionFilter, SessionKey, SessionPage, Time, View, Window, Write, limits, time,
};

/// A store in memory: nothing survives the process. For tests, for trying things out, and as the specification that
/// other engines are tested against.
///
/// It is plain rather than fast: appending a message that has a `message_id` looks through the session's messages, and
/// a list looks at every session.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionKey, Entry>,
    /// What commits that bore an id answered, also of sessions deleted since.
    answered: HashMap<(LogId, String), Answered>,
    last_log: i64,
    last_message: i64,
    closed: bool,
}

#[derive(Clone)]
struct Entry {
    session: Session,
    /// By `seq`, without gaps.
    messages: Vec<Arc<Message>>,
    documents: BTreeMap<(String, String), Arc<Document>>,
}

#[derive(Clone)]
struct Answered {
    digest: [u8; 17],
    receipt: Receipt,
}

/// How to take back what a commit did to one session.
enum Undo {
    /// The session was opened by the commit.
    Remove(SessionKey),
    /// The session was changed: its fields and documents before, and how many messages it had.
    Restore(Box<Session>, Option<BTreeMap<(String, String), Arc<Document>>>, usize),
    /// The session was deleted.
    Insert(Box<Entry>),
    /// The commit's id was noted.
    Forget(LogId, String),
}

impl MemoryBackend {
    /// An empty store.
    pub fn new() -> MemoryBackend {
        MemoryBackend::default()
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        read(&mut state)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        self.with(|state| {
            let now = time::now();
            let (mut undo, mut receipts) = (Vec::new(), Vec::with_capacity(commits.len()));
            for commit in commits {
                match state.apply(commit, now, &mut undo) {
                    Ok(receipt) => receipts.push(receipt),
                    Err(error) => {
                        state.take_back(undo);
                        return Err(error);
                    }
                }
            }
            Ok(receipts)
        })
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        self.with(|state| Ok(state.sessions.get(key).map(|entry| entry.session.clone())))
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.with(|state| {
            let matching = state.sessions.values().map(|entry| &entry.session).filter(|s| matches(filter, s));
            let mut sessions: Vec<&Session> = matching.collect();
            let place = |session: &Session| (filter.order.time_of(session), session.log);
            sessions.sort_by_key(|session| place(session));
            if filter.order.newest_first() {
                sessions.reverse();
            }
            if let Some(after) = &filter.after {
                let after = (after.time, after.log);
                sessions.retain(|session| match filter.order.newest_first() {
                    true => place(session) < after,
                    false => place(session) > after,
                });
            }
            let more = sessions.len() > filter.limit;
            sessions.truncate(filter.limit);
            let next = sessions.last().filter(|_| more).map(|last| Cursor::after(last, filter.order));
            Ok(SessionPage { sessions: sessions.into_iter().cloned().collect(), next })
        })
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.with(|state| {
            let Some(entry) = state.sessions.get(key) else { return Ok(None) };
            let all = &entry.messages;
            let (from, to) = match window {
                Window::Last { limit } => (all.len().saturating_sub(limit), all.len()),
                Window::Before { seq, limit } => {
                    let to = all.partition_point(|message| message.seq < seq);
                    (to.saturating_sub(limit), to)
                }
                Window::After { seq, limit } => {
                    let from = all.partition_point(|message| message.seq <= seq);
                    (from, all.len().min(from + limit))
                }
            };
            Ok(Some(MessagePage {
                messages: all.iter().take(to).skip(from).map(|message| Message::clone(message)).collect(),
                has_earlier: from > 0,
                has_later: to < all.len(),
            }))
        })
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        self.with(|state| {
            let address = (collection.to_owned(), id.to_owned());
            let document = state.sessions.get(key).and_then(|entry| entry.documents.get(&address));
            Ok(document.map(|document| Document::clone(document)))
        })
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        self.with(|state| {
            let Some(entry) = state.sessions.get(key) else { return Ok(None) };
            let mut matching = entry.documents.iter().filter(|(address, _)| {
                filter.collection.as_ref().is_none_or(|collection| *collection == address.0)
                    && filter.after.as_ref().is_none_or(|after| *address > after)
            });
            let page: Vec<_> = matching.by_ref().take(filter.limit).collect();
            let more = matching.next().is_some();
            let next = page.last().filter(|_| more).map(|(address, _)| (*address).clone());
            Ok(Some(DocumentPage {
                documents: page.into_iter().map(|(_, d)| Document::clone(d)).collect(),
                next,
            }))
        })
    }

    async fn check(&self) -> Result<CheckReport> {
        self.with(|state| {
            let mut report = CheckReport::default();
            for (key, entry) in &state.sessions {
                let count = entry.messages.len() as u64;
                report.sessions += 1;
                report.messages += count;
                report.documents += entry.documents.len() as u64;
                if (entry.session.message_count, entry.session.log_count) != (count, count) {
                    report.found(
                        key,
                        format!("has {count} messages but counts {}", entry.session.message_count),
                    );
                }
                if entry.messages.iter().zip(1_u64..).any(|(message, seq)| message.seq != seq) {
                    report.found(key, "its messages are not numbered 1, 2, 3, …");
                }
            }
            Ok(report)
        })
    }

    async fn close(&self) -> Result<()> {
        self.state.lock().closed = true;
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }
}

fn matches(filter: &SessionFilter, session: &Session) -> bool {
    filter
        .key_parts()
        .into_iter()
        .zip(session.key.parts())
        .all(|(want, part)| want.as_ref().is_none_or(|w| w == part))
        && filter.family.as_ref().is_none_or(|family| *family == session.family)
        && (filter.statuses.is_empty() || filter.statuses.contains(&session.status))
        && filter.created_after.is_none_or(|bound| session.created_at > bound)
        && filter.created_before.is_none_or(|bound| session.created_at < bound)
        && filter.updated_after.is_none_or(|bound| session.updated_at > bound)
        && filter.updated_before.is_none_or(|bound| session.updated_at < bound)
}

impl State {
    fn apply(&mut self, commit: Commit, now: Time, undo: &mut Vec<Undo>) -> Result<Receipt> {
        let key = commit.key.clone();
        if let Some(receipt) = self.answered_before(&commit)? {
            return Ok(receipt);
        }
        self.expect(&commit)?;
        let digest = commit.id.as_ref().map(|_| commit.digest());

        let before = self.sessions.get(&key);
        let at = commit
            .at
            .map_or_else(|| before.map_or(now, |entry| entry.session.updated_at.max(now)), time::truncate);
        if commit.writes == [Write::Delete] {
            let entry = self.sessions.remove(&key).ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
            let (log, revision) = (entry.session.log, entry.session.revision);
            undo.push(Undo::Insert(Box::new(entry)));
            let receipt = Receipt { key, revision, seqs: Vec::new(), replayed: false };
            self.note(commit.id.zip(digest), log, &receipt, undo);
            return Ok(receipt);
        }

        let touches_documents = commit.writes.iter().any(|write| {
            matches!(
                write,
                Write::PutDocument(_) | Write::PatchDocument { .. } | Write::RemoveDocument { .. }
            )
        });
        undo.push(match before {
            None => Undo::Remove(key.clone()),
            Some(entry) => Undo::Restore(
                Box::new(entry.session.clone()),
                touches_documents.then(|| entry.documents.clone()),
                entry.messages.len(),
            ),
        });

        let mut done =
            Done { revision: before.map_or(0, |entry| entry.session.revision) + 1, ..Done::default() };
        for write in commit.writes {
            if let Write::Open(opening) = write {
                done.changed |= self.open(&key, opening, at)?;
                continue;
            }
            let Some(entry) = self.sessions.get_mut(&key) else { return Err(Error::NotFound(Box::new(key))) };
            entry.write(write, at, &mut self.last_message, &mut done)?;
        }
        let Some(entry) = self.sessions.get_mut(&key) else {
            // Nothing was written to a session that does not exist: expectations alone.
            return Ok(Receipt { key, revision: 0, seqs: Vec::new(), replayed: false });
        };
        let session = &mut entry.session;
        if done.state_changed {
            session.revision = done.revision;
        }
        if done.changed {
            session.updated_at = session.updated_at.max(at);
        }
        let (log, revision) = (session.log, session.revision);
        let receipt = Receipt { key, revision, seqs: done.seqs, replayed: false };
        self.note(commit.id.zip(digest), log, &receipt, undo);
        Ok(receipt)
    }

    /// The receipt of the commit with this id, if there was one.
    fn answered_before(&self, commit: &Commit) -> Result<Option<Receipt>> {
        let Some(id) = &commit.id else { return Ok(None) };
        let replay = |answered: &Answered| Receipt { replayed: true, ..answered.receipt.clone() };
        if let Some(entry) = self.sessions.get(&commit.key) {
            return match self.answered.get(&(entry.session.log, id.clone())) {
                None => Ok(None),
                Some(answered) if answered.digest == commit.digest() => Ok(Some(replay(answered))),
                Some(_) => Err(Error::conflict(&commit.key, Conflict::CommitId { id: id.clone() })),
            };
        }
        if commit.writes != [Write::Delete] {
            return Ok(None);
        }
        // The session may be gone because this very commit deleted it. Its digest has the key in it.
        let digest = commit.digest();
        let with_id =
            self.answered.iter().filter(|((_, noted), answered)| noted == id && answered.digest == digest);
        // Sessions that had this key one after the other may each have been deleted by it: the last of them counts.
        Ok(with_id.max_by_key(|((log, _), _)| *log).map(|(_, answered)| replay(answered)))
    }

    fn expect(&self, commit: &Commit) -> Result<()> {
        let entry = self.sessions.get(&commit.key);
        let refuse = |conflict| Err(Error::conflict(&commit.key, conflict));
        for expect in &commit.expect {
            match expect {
                Expect::Absent => {
                    if let Some(entry) = entry {
                        return refuse(Conflict::Exists { current: entry.session.revision });
                    }
                }
                Expect::State(expected) => {
                    let current = entry.map_or(0, |entry| entry.session.revision);
                    if current != *expected {
                        return refuse(Conflict::State { expected: *expected, current });
                    }
                }
                Expect::Head(expected) => {
                    let current = entry.map_or(0, |entry| entry.session.head);
                    if current != *expected {
                        return refuse(Conflict::Head { expected: *expected, current });
                    }
                }
                Expect::Document { collection, id, revision } => {
                    let (collection, id, expected) = (collection.clone(), id.clone(), *revision);
                    let address = (collection, id);
                    let current =
                        entry.and_then(|entry| entry.documents.get(&address)).map_or(0, |d| d.revision);
                    if current != expected {
                        let (collection, id) = address;
                        return refuse(Conflict::Document { collection, id, expected, current });
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens the session if there is none. Answers whether it did.
    fn open(&mut self, key: &SessionKey, opening: Opening, at: Time) -> Result<bool> {
        if let Some(entry) = self.sessions.get(key) {
            let current = &entry.session.family;
            return match opening.family {
                Some(expected) if expected != *current => {
                    Err(Error::conflict(key, Conflict::Family { expected, current: current.clone() }))
                }
                _ => Ok(false),
            };
        }
        self.last_log += 1;
        let log = LogId(self.last_log);
        let session = Session {
            log,
            key: key.clone(),
            family: opening.family.unwrap_or_else(|| FAMILY_DEFAULT.into()),
            status: opening.status.unwrap_or_else(|| STATUS_DEFAULT.into()),
            metadata: opening.metadata.unwrap_or_else(Json::object),
            message_count: 0,
            log_count: 0,
            token_usage: 0,
            created_at: at,
            updated_at: at,
            revision: 0,
            head: 0,
            view: View::whole(log),
        };
        self.sessions
            .insert(key.clone(), Entry { session, messages: Vec::new(), documents: BTreeMap::new() });
        Ok(true)
    }

    fn note(&mut self, id: Option<(String, [u8; 17])>, log: LogId, receipt: &Receipt, undo: &mut Vec<Undo>) {
        if let Some((id, digest)) = id {
            undo.push(Undo::Forget(log, id.clone()));
            self.answered.insert((log, id), Answered { digest, receipt: receipt.clone() });
        }
    }

    fn take_back(&mut self, undo: Vec<Undo>) {
        for step in undo.into_iter().rev() {
            match step {
                Undo::Remove(key) => {
                    self.sessions.remove(&key);
                }
                Undo::Restore(session, documents, messages) => {
                    if let Some(entry) = self.sessions.get_mut(&session.key) {
                        entry.session = *session;
                        entry.messages.truncate(messages);
                        entry.documents = documents.unwrap_or_else(|| std::mem::take(&mut entry.documents));
                    }
                }
                Undo::Insert(entry) => {
                    self.sessions.insert(entry.session.key.clone(), *entry);
                }
                Undo::Forget(log, id) => {
                    self.answered.remove(&(log, id));
                }
            }
        }
    }
}

/// What the writes of one commit have done so far.
#[derive(Default)]
struct Done {
    /// The session's revision if its state changes.
    revision: u64,
    seqs: Vec<u64>,
    changed: bool,
    state_changed: bool,
}

impl Entry {
    fn write(&mut self, write: Write, at: Time, last_message: &mut i64, done: &mut Done) -> Result<()> {
        match write {
            // Both are done where the session may be absent.
            Write::Open(_) | Write::Delete => {}
            Write::Append(messages) => {
                for message in messages {
                    done.seqs.push(self.append(message, at, last_message, &mut done.changed)?);
                }
            }
            Write::AddTokens(tokens) => {
                let sum = self.session.token_usage.saturating_add(tokens);
                if sum > limits::COUNT_MAX {
                    return Err(Error::Invalid(format!(
                        "session {}: its tokens would exceed 63 bits",
                        self.session.key
                    )));
                }
                self.session.token_usage = sum;
                done.changed = true;
            }
            Write::SetStatus(status) => {
                self.session.status = status;
                done.state();
            }
            Write::SetMetadata(metadata) => {
                self.session.metadata = metadata;
                done.state();
            }
            Write::SetTokens(tokens) => {
                self.session.token_usage = tokens;
                done.state();
            }
            Write::PutDocument(NewDocument { collection, id, body, blob }) => {
                let document = Document {
                    collection: collection.clone(),
                    id: id.clone(),
                    body,
                    blob,
                    revision: done.revision,
                    updated_at: at,
                };
                self.documents.insert((collection, id), Arc::new(document));
                done.state();
            }
            Write::PatchDocument { collection, id, patch } => {
                let address = (collection, id);
                let old = self.documents.get(&address);
                let (collection, id) = address.clone();
                let body = old.map_or_else(Json::object, |old| old.body.clone()).merge_patch(&patch)?;
                let patched =
                    NewDocument { collection, id, body, blob: old.and_then(|old| old.blob.clone()) };
                patched.validate()?;
                return self.write(Write::PutDocument(patched), at, last_message, done);
            }
            Write::RemoveDocument { collection, id } => {
                if self.documents.remove(&(collection, id)).is_some() {
                    done.state();
                }
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        new: NewMessage,
        at: Time,
        last_message: &mut i64,
        changed: &mut bool,
    ) -> Result<u64> {
        if let Some(id) = &new.message_id
            && let Some(stored) =
                self.messages.iter().rev().find(|stored| stored.message_id.as_ref() == Some(id))
        {
            if new.is_same_as(stored) {
                return Ok(stored.seq);
            }
            let conflict = Conflict::MessageId { id: id.clone(), seq: stored.seq };
            return Err(Error::conflict(&self.session.key, conflict));
        }
        *last_message += 1;
        let session = &mut self.session;
        session.head += 1;
        session.message_count += 1;
        session.log_count += 1;
        self.messages.push(Arc::new(Message {
            id: *last_message,
            seq: session.head,
            role: new.role,
            content: new.content,
            tool_calls: new.tool_calls,
            created_at: new.created_at.map_or(at, time::truncate),
            message_id: new.message_id,
            opens: new.opens,
            closes: new.closes,
            token_count: new.token_count,
            attributes: new.attributes,
        }));
        *changed = true;
        Ok(session.head)
    }
}

impl Done {
    fn state(&mut self) {
        self.changed = true;
        self.state_changed = true;
    }
}
