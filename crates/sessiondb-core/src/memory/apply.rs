//! A commit, applied in the plainest way.

use std::{collections::BTreeMap, sync::Arc};

use super::{Answered, Entry, Extent, State};
use crate::{
    Ancestor, Change, Commit, CommitId, Conflict, Document, Error, Expect, FAMILY_DEFAULT, Fork, Json, LogId,
    Message, NewDocument, NewMessage, Opening, Receipt, Result, STATUS_DEFAULT, Session, SessionKey, Time,
    View, ViewChange, Write, ancestors_of_fork, limits, time,
};

/// How to take back what a commit did.
pub(super) enum Undo {
    /// The session was opened by the commit.
    Remove(SessionKey),
    /// The session was changed: its fields, documents and changes before, and how many messages its log had.
    Restore(Box<Session>, Option<Documents>, Option<Vec<ViewChange>>, usize),
    /// The session was deleted.
    Insert(Box<Entry>),
    /// A log was shortened or removed.
    Log(LogId, Vec<Arc<Message>>),
    /// A deleted session was kept for its forks.
    Unkeep(SessionKey),
    /// One that had been kept was let go, or what is kept of it changed.
    Keep(SessionKey, Extent),
    /// The commit's id was noted.
    Forget(LogId, String),
}

type Documents = BTreeMap<(String, String), Arc<Document>>;

/// What the writes of one commit have done so far.
#[derive(Default)]
pub(super) struct Done {
    pub at: Time,
    /// The session's revision if its state changes.
    pub revision: u64,
    /// The session's last message before the commit.
    pub head_before: u64,
    pub seqs: Vec<u64>,
    /// Which kinds of things were changed, each once.
    pub what: Vec<&'static str>,
    pub state_changed: bool,
    /// Whether times and revision stay as they are, because they are restored.
    pub restored: bool,
}

impl Done {
    pub fn changed(&mut self, what: &'static str) {
        if !self.what.contains(&what) {
            self.what.push(what);
        }
    }

    pub fn state(&mut self, what: &'static str) {
        self.changed(what);
        self.state_changed = true;
    }
}

impl State {
    pub(super) fn apply(&mut self, commit: Commit, now: Time, undo: &mut Vec<Undo>) -> Result<Receipt> {
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
            let session = before.map(|entry| entry.session.clone());
            let session = session.ok_or_else(|| Error::NotFound(Box::new(key.clone())))?;
            self.delete(&key, undo);
            let receipt =
                Receipt { key, revision: session.revision, seqs: Vec::new(), changed: true, replayed: false };
            self.tell(session.log, &receipt, at, &["delete"], commit.id.as_ref());
            self.note(commit.id.zip(digest), session.log, &receipt, undo);
            return Ok(receipt);
        }

        let touches_documents = commit.writes.iter().any(|write| {
            matches!(
                write,
                Write::PutDocument(_)
                    | Write::PatchDocument { .. }
                    | Write::RemoveDocument { .. }
                    | Write::Restore(_)
            )
        });
        let touches_view =
            commit.writes.iter().any(|write| write.changes_view() || matches!(write, Write::Restore(_)));
        let kept = self.kept.get(&key).copied();
        // What is kept for forks is restored message by message, and may have been there before.
        undo.extend(kept.map(|kept| Undo::Keep(key.clone(), kept)));
        undo.push(match (before, kept) {
            (None, Some(kept)) => Undo::Log(kept.log, self.log(kept.log).to_vec()),
            (None, None) => Undo::Remove(key.clone()),
            (Some(entry), _) => Undo::Restore(
                Box::new(entry.session.clone()),
                touches_documents.then(|| entry.documents.clone()),
                touches_view.then(|| entry.changes.clone()),
                self.log(entry.session.log).len(),
            ),
        });

        let mut done = Done {
            at,
            revision: before.map_or(0, |entry| entry.session.revision) + 1,
            head_before: before.map_or(0, |entry| entry.session.head),
            ..Done::default()
        };
        for write in commit.writes {
            self.write(&key, write, &mut done)?;
        }
        let Some(entry) = self.sessions.get_mut(&key) else {
            // Nothing was written to a session that does not exist: expectations alone, or what is kept for forks.
            return Ok(Receipt {
                key,
                revision: 0,
                seqs: Vec::new(),
                changed: !done.what.is_empty(),
                replayed: false,
            });
        };
        let session = &mut entry.session;
        if done.state_changed {
            session.revision = done.revision;
            if let Some(change) = entry.changes.last_mut().filter(|change| change.revision == done.revision) {
                change.head_after = session.head;
            }
        }
        if !done.what.is_empty() && !done.restored {
            session.updated_at = session.updated_at.max(at);
        }
        let (log, revision) = (session.log, session.revision);
        let changed = !done.what.is_empty();
        let receipt = Receipt { key, revision, seqs: done.seqs, changed, replayed: false };
        if changed {
            self.tell(log, &receipt, at, &done.what, commit.id.as_ref());
        }
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
                Expect::Log(expected) => {
                    let current = entry.map(|entry| entry.session.log);
                    if current != Some(*expected) {
                        return refuse(Conflict::Log { expected: *expected, current });
                    }
                }
                Expect::Tail(expected) => {
                    let shown = entry.map_or_else(Vec::new, |entry| self.visible(&entry.session.view));
                    let from = shown.len().saturating_sub(expected.len().max(1));
                    let current: Vec<u64> = shown[from..].iter().map(|message| message.seq).collect();
                    if current != *expected {
                        let expected = expected.clone();
                        return refuse(Conflict::Tail { expected, current });
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

    /// Adds a line to the feed.
    fn tell(&mut self, log: LogId, receipt: &Receipt, at: Time, what: &[&str], id: Option<&CommitId>) {
        self.feed.push(Change {
            id: self.feed.last().map_or(0, |change| change.id) + 1,
            log,
            key: receipt.key.clone(),
            revision: receipt.revision,
            at,
            what: what.iter().map(|what| (*what).to_owned()).collect(),
            seqs: receipt.seqs.clone(),
            commit_id: id.cloned(),
        });
    }

    fn note(&mut self, id: Option<(String, [u8; 17])>, log: LogId, receipt: &Receipt, undo: &mut Vec<Undo>) {
        if let Some((id, digest)) = id {
            undo.push(Undo::Forget(log, id.clone()));
            self.answered.insert((log, id), Answered { digest, receipt: receipt.clone() });
        }
    }

    pub(super) fn take_back(&mut self, undo: Vec<Undo>) {
        for step in undo.into_iter().rev() {
            match step {
                Undo::Remove(key) => {
                    if let Some(entry) = self.sessions.remove(&key) {
                        self.logs.remove(&entry.session.log);
                    }
                    if let Some(kept) = self.kept.remove(&key) {
                        self.logs.remove(&kept.log);
                    }
                }
                Undo::Restore(session, documents, changes, messages) => {
                    self.logs.entry(session.log).or_default().truncate(messages);
                    if let Some(entry) = self.sessions.get_mut(&session.key) {
                        entry.session = *session;
                        entry.documents = documents.unwrap_or_else(|| std::mem::take(&mut entry.documents));
                        entry.changes = changes.unwrap_or_else(|| std::mem::take(&mut entry.changes));
                    }
                }
                Undo::Insert(entry) => {
                    self.sessions.insert(entry.session.key.clone(), *entry);
                }
                Undo::Log(log, messages) => {
                    self.logs.insert(log, messages);
                }
                Undo::Unkeep(key) => {
                    self.kept.remove(&key);
                }
                Undo::Keep(key, kept) => {
                    self.kept.insert(key, kept);
                }
                Undo::Forget(log, id) => {
                    self.answered.remove(&(log, id));
                }
            }
        }
    }

    /// Removes a session. Its log stays under an address of the store's own while a fork reads it, as far as it does;
    /// and what had been kept for this one alone goes.
    fn delete(&mut self, key: &SessionKey, undo: &mut Vec<Undo>) {
        let Some(entry) = self.sessions.remove(key) else { return };
        let (log, ancestors) = (entry.session.log, entry.ancestors.clone());
        let kept = Extent { log, first: entry.session.log_first, head: entry.session.head };
        undo.push(Undo::Insert(Box::new(entry)));
        let mut name = SessionKey::kept(key, log);
        // One from another store may have this name already.
        while self.kept.contains_key(&name) {
            name = SessionKey::kept(&name, log);
        }
        undo.push(Undo::Unkeep(name.clone()));
        self.kept.insert(name, kept);
        for log in ancestors.iter().map(|ancestor| ancestor.log).chain([log]) {
            self.let_go(log, undo);
        }
    }

    /// Shortens the log of a deleted session to what forks read of it.
    fn let_go(&mut self, log: LogId, undo: &mut Vec<Undo>) {
        let kept = self.kept.iter().find(|(_, kept)| kept.log == log);
        let Some((name, kept)) = kept.map(|(name, kept)| (name.clone(), *kept)) else { return };
        let read = self.sessions.values().flat_map(|entry| &entry.ancestors).filter(|a| a.log == log);
        let last = read.map(|ancestor| ancestor.last).max();
        let Some(messages) = self.logs.get_mut(&log) else { return };
        undo.extend([Undo::Log(log, messages.clone()), Undo::Keep(name.clone(), kept)]);
        match last {
            Some(last) => {
                messages.retain(|message| message.seq <= last);
                self.kept.insert(name, Extent { head: kept.head.min(last), ..kept });
            }
            None => {
                self.logs.remove(&log);
                self.kept.remove(&name);
            }
        }
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
        let log = self.new_log();
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
            log_first: 1,
            view: View::whole(log),
        };
        self.insert(session, Vec::new(), None);
        Ok(true)
    }

    /// Opens the session as a fork.
    fn fork(&mut self, key: &SessionKey, fork: Fork, at: Time) -> Result<()> {
        if let Some(entry) = self.sessions.get(key) {
            return Err(Error::conflict(key, Conflict::Exists { current: entry.session.revision }));
        }
        let parent = self.sessions.get(&fork.parent);
        let parent = parent.ok_or_else(|| Error::NotFound(Box::new(fork.parent.clone())))?;
        let of = parent.session.clone();
        let shown = match fork.at {
            None => of.view.clone(),
            Some(seq)
                if seq <= of.head
                    && let Some((shown, _)) = of.view.split_after(seq) =>
            {
                shown
            }
            Some(seq) => return Err(Error::conflict(&fork.parent, Conflict::NotInView { seq })),
        };
        let shown = shown.closed(of.head);
        let last = shown.greatest(of.head);
        let ancestors = ancestors_of_fork(&parent.ancestors, of.log, of.log_first, of.head, last);
        let log = self.new_log();
        let session = Session {
            log,
            key: key.clone(),
            family: of.family,
            status: fork.status.unwrap_or(of.status),
            metadata: fork.metadata.unwrap_or(of.metadata),
            message_count: self.visible(&shown).len() as u64,
            log_count: 0,
            token_usage: 0,
            created_at: at,
            updated_at: at,
            revision: 0,
            head: last,
            log_first: last + 1,
            view: View::of(shown.spans().iter().copied(), log, last),
        };
        self.insert(session, ancestors, Some((of.log, fork.at.or(shown.last()).unwrap_or(0))));
        self.keep_view_short(key);
        Ok(())
    }

    pub(super) fn new_log(&mut self) -> LogId {
        self.last_log += 1;
        LogId(self.last_log)
    }

    pub(super) fn insert(
        &mut self,
        session: Session,
        ancestors: Vec<Ancestor>,
        forked_from: Option<(LogId, u64)>,
    ) {
        self.logs.insert(session.log, Vec::new());
        let (documents, changes) = (BTreeMap::new(), Vec::new());
        self.sessions
            .insert(session.key.clone(), Entry { session, documents, ancestors, forked_from, changes });
    }

    fn write(&mut self, key: &SessionKey, write: Write, done: &mut Done) -> Result<()> {
        match write {
            Write::Open(opening) => {
                if self.open(key, opening, done.at)? {
                    done.changed("open");
                }
                return Ok(());
            }
            Write::Fork(fork) => {
                self.fork(key, fork, done.at)?;
                done.head_before = self.sessions.get(key).map_or(0, |entry| entry.session.head);
                done.changed("fork");
                return Ok(());
            }
            Write::Restore(restore) => return self.restore(key, restore, done),
            _ => {}
        }
        let Some(entry) = self.sessions.get_mut(key) else {
            return Err(Error::NotFound(Box::new(key.clone())));
        };
        match write {
            // These are done where the session may be absent.
            Write::Open(_) | Write::Fork(_) | Write::Restore(_) | Write::Delete => Ok(()),
            Write::Append(messages) => {
                for message in messages {
                    let seq = self.append(key, message, done)?;
                    done.seqs.push(seq);
                }
                Ok(())
            }
            Write::Compact { through, summary } => self.compact(key, through, summary, done),
            Write::Uncompact => {
                self.uncompact(key, done);
                Ok(())
            }
            Write::Pop { count } => {
                self.pop(key, count, done);
                Ok(())
            }
            Write::Rewind { seq } => self.rewind(key, seq, done),
            Write::Undo => {
                self.undo_view(key, done);
                Ok(())
            }
            Write::SetView(stretches) => self.set_view(key, &stretches, done),
            write => entry.write(write, done),
        }
    }

    pub(super) fn append(&mut self, key: &SessionKey, new: NewMessage, done: &mut Done) -> Result<u64> {
        let Some(entry) = self.sessions.get(key) else { return Ok(0) };
        if let Some(id) = &new.message_id
            && let Some(stored) = self.shown_with_id(&entry.session, id)
        {
            if new.is_same_as(&stored) {
                return Ok(stored.seq);
            }
            let conflict = Conflict::MessageId { id: id.clone(), seq: stored.seq };
            return Err(Error::conflict(key, conflict));
        }
        self.has_numbers(&entry.session)?;
        done.changed("append");
        Ok(self.push(key, new, done.at))
    }

    /// Whether another message can be numbered. Only by hand or by a restore can a session come to the end.
    pub(super) fn has_numbers(&self, session: &Session) -> Result<()> {
        if session.head + 1 < limits::COUNT_MAX {
            return Ok(());
        }
        Err(Error::Invalid(format!("session {}: no number is left for another message", session.key)))
    }

    /// The newest message of the view with this id.
    pub(super) fn shown_with_id(&self, session: &Session, id: &str) -> Option<Arc<Message>> {
        let spans = session.view.spans().iter().rev();
        let mut shown = spans
            .flat_map(|span| self.stretch(span.log, span.first, span.last.unwrap_or(u64::MAX)).iter().rev());
        shown.find(|message| message.message_id.as_deref() == Some(id)).cloned()
    }

    /// Puts a message at the end of the session's log.
    pub(super) fn push(&mut self, key: &SessionKey, new: NewMessage, at: Time) -> u64 {
        let Some(entry) = self.sessions.get_mut(key) else { return 0 };
        self.last_message += 1;
        let session = &mut entry.session;
        session.head += 1;
        session.message_count += 1;
        session.log_count += 1;
        self.logs.entry(session.log).or_default().push(Arc::new(Message {
            id: self.last_message,
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
        session.head
    }
}

impl Entry {
    fn write(&mut self, write: Write, done: &mut Done) -> Result<()> {
        match write {
            Write::SetStatus(status) => {
                self.session.status = status;
                done.state("status");
            }
            Write::SetMetadata(metadata) => {
                self.session.metadata = metadata;
                done.state("metadata");
            }
            Write::SetTokens(tokens) => {
                self.session.token_usage = tokens;
                done.state("tokens");
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
                done.changed("tokens");
            }
            Write::PutDocument(NewDocument { collection, id, body, blob }) => {
                let document = Document {
                    collection: collection.clone(),
                    id: id.clone(),
                    body,
                    blob,
                    revision: done.revision,
                    updated_at: done.at,
                };
                self.documents.insert((collection, id), Arc::new(document));
                done.state("document");
            }
            Write::PatchDocument { collection, id, patch } => {
                let address = (collection, id);
                let old = self.documents.get(&address);
                let (collection, id) = address.clone();
                let body = old.map_or_else(Json::object, |old| old.body.clone()).merge_patch(&patch)?;
                let patched =
                    NewDocument { collection, id, body, blob: old.and_then(|old| old.blob.clone()) };
                patched.validate()?;
                return self.write(Write::PutDocument(patched), done);
            }
            Write::RemoveDocument { collection, id }
                if self.documents.remove(&(collection.clone(), id.clone())).is_some() =>
            {
                done.state("document");
            }
            // There was no such document; or it is one of the others, which are the state's.
            _ => {}
        }
        Ok(())
    }
}
