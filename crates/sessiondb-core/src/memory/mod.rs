//! [`MemoryBackend`]: the executable specification of a storage engine.
//!
//! It keeps everything in maps behind one lock and does each thing in the plainest way. Where prose leaves a question
//! open, what this file does is the answer; the engines with files are tested against it. It shares no code with them
//! that applies a commit.

mod apply;
mod history;
mod restore;
mod search;
mod window;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    Ancestor, Backend, Change, ChangePage, CheckReport, Commit, Cursor, Document, DocumentFilter,
    DocumentPage, Error, FAMILY_SCOPE, ForkedFrom, HitPage, Inherited, Lineage, LogId, Message, MessagePage,
    Parts, PartsPage, Receipt, Result, SYSTEM, Search, Session, SessionFilter, SessionKey, SessionPage,
    SessionParts, Status, View, ViewChange, Window, limits, parts, time,
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
    /// The messages of each log by `seq`: of every session's, and of those deleted sessions that a fork reads.
    logs: HashMap<LogId, Vec<Arc<Message>>>,
    /// What those deleted sessions are called, and what numbers their logs have.
    kept: HashMap<SessionKey, Extent>,
    /// What commits that bore an id answered, also of sessions deleted since.
    answered: HashMap<(LogId, String), Answered>,
    /// What was committed, in order.
    feed: Vec<Change>,
    last_log: i64,
    last_message: i64,
    closed: bool,
}

/// The numbers of a log. Rows may be gone among them, also the first and the last.
#[derive(Clone, Copy)]
struct Extent {
    log: LogId,
    first: u64,
    /// The last; the one before `first` if there is none.
    head: u64,
}

#[derive(Clone)]
struct Entry {
    session: Session,
    documents: BTreeMap<(String, String), Arc<Document>>,
    /// What it inherited as a fork.
    ancestors: Vec<Ancestor>,
    /// The log that it was forked from, and at which message.
    forked_from: Option<(LogId, u64)>,
    /// How its view changed, the oldest change first.
    changes: Vec<ViewChange>,
}

#[derive(Clone)]
struct Answered {
    digest: [u8; 17],
    receipt: Receipt,
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
            let told = state.feed.len();
            for commit in commits {
                match state.apply(commit, now, &mut undo) {
                    Ok(receipt) => receipts.push(receipt),
                    Err(error) => {
                        state.take_back(undo);
                        state.feed.truncate(told);
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
        self.with(|state| Ok(state.list(filter)))
    }

    async fn session_list_parts(&self, filter: &SessionFilter, wanted: &Parts) -> Result<PartsPage> {
        self.with(|state| {
            let SessionPage { sessions, mut next } = state.list(filter);
            let listed = sessions.len();
            let sessions = state.parts_of(sessions.into_iter().map(Some).collect(), wanted);
            let sessions: Vec<SessionParts> = sessions.into_iter().flatten().collect();
            if sessions.len() < listed {
                next = sessions.last().map(|last| Cursor::after(&last.session, filter.order));
            }
            Ok(PartsPage { sessions, next })
        })
    }

    async fn session_parts(&self, keys: &[SessionKey], wanted: &Parts) -> Result<Vec<Option<SessionParts>>> {
        self.with(|state| {
            let session = |key| state.sessions.get(key).map(|entry| entry.session.clone());
            Ok(state.parts_of(keys.iter().map(session).collect(), wanted))
        })
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        self.with(|state| state.sessions.get(key).map(|entry| state.window(entry, window)).transpose())
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        self.with(|state| Ok(state.sessions.get(key).map(|entry| state.lineage(entry))))
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        self.with(|state| {
            let Some(entry) = state.sessions.get(key) else { return Ok(None) };
            let changes = entry.changes.iter().rev();
            let wanted = changes.filter(|change| before.is_none_or(|before| change.revision < before));
            Ok(Some(wanted.take(limit).cloned().collect()))
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

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.with(|state| {
            let end = state.feed.last().map_or(0, |change| change.id);
            let Some(after) = after else { return Ok(ChangePage { last: end, ..ChangePage::default() }) };
            if after > end {
                return Err(Error::behind_the_feed(after, end));
            }
            let from = state.feed.partition_point(|change| change.id <= after);
            let changes: Vec<Change> = state.feed[from..].iter().take(limit).cloned().collect();
            let last = changes.last().map_or(after, |change| change.id);
            Ok(ChangePage { more: last < end, last, changes })
        })
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        self.with(|state| Ok(state.search(search)))
    }

    async fn check(&self) -> Result<CheckReport> {
        self.with(|state| {
            let mut report = CheckReport::default();
            for (key, entry) in &state.sessions {
                let session = &entry.session;
                report.sessions += u64::from(!session.key.is_reserved() && !session.key.is_of_scope());
                if session.key.agent_id != SYSTEM {
                    report.documents += entry.documents.len() as u64;
                }
                let shown = state.visible(&session.view).len() as u64;
                if shown != session.message_count {
                    report.found(
                        key,
                        format!("its view has {shown} messages but counts {}", session.message_count),
                    );
                }
                let log = state.log(session.log);
                if log.len() as u64 != session.log_count {
                    report.found(
                        key,
                        format!("its log has {} messages but counts {}", log.len(), session.log_count),
                    );
                }
                // A restored log may have gaps.
                let mut next = session.log_first;
                let ascending = log.iter().all(|message| {
                    let follows = message.seq >= next && message.seq <= session.head;
                    next = message.seq + 1;
                    follows
                });
                if !ascending {
                    report.found(key, "its messages are not numbered in order");
                }
            }
            let own = |entry: &&Entry| entry.session.key.agent_id == SYSTEM;
            let own: Vec<LogId> =
                state.sessions.values().filter(own).map(|entry| entry.session.log).collect();
            let counted = state.logs.iter().filter(|(log, _)| !own.contains(log));
            report.messages = counted.map(|(_, log)| log.len() as u64).sum();
            Ok(report)
        })
    }

    async fn optimize(&self) -> Result<u64> {
        self.with(|_| Ok(0))
    }

    async fn status(&self) -> Result<Status> {
        self.with(|_| Ok(Status::default()))
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
    // What is the store's own is listed only for who asks for it.
    let own = filter.agent_id.as_deref().is_some_and(|agent| agent.starts_with('~'));
    (session.key.agent_id.starts_with('~') == own || session.key.is_of_scope())
        && filter
            .key_parts()
            .into_iter()
            .zip(session.key.parts())
            .all(|(want, part)| want.as_ref().is_none_or(|w| w == part))
        && filter.family.as_ref().map_or(session.family != FAMILY_SCOPE, |family| *family == session.family)
        && (filter.statuses.is_empty() || filter.statuses.contains(&session.status))
        && filter.created_after.is_none_or(|bound| session.created_at > bound)
        && filter.created_before.is_none_or(|bound| session.created_at < bound)
        && filter.updated_after.is_none_or(|bound| session.updated_at > bound)
        && filter.updated_before.is_none_or(|bound| session.updated_at < bound)
}

impl State {
    /// A page of the sessions that match.
    fn list(&self, filter: &SessionFilter) -> SessionPage {
        let matching = self.sessions.values().map(|entry| &entry.session).filter(|s| matches(filter, s));
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
        SessionPage { sessions: sessions.into_iter().cloned().collect(), next }
    }

    /// As many of these as fit into a page, with the parts asked for.
    fn parts_of(&self, sessions: Vec<Option<Session>>, wanted: &Parts) -> Vec<Option<SessionParts>> {
        let mut sessions: Vec<Option<SessionParts>> =
            sessions.into_iter().map(|session| session.map(|session| self.parts(session, wanted))).collect();
        let size = |s: &SessionParts| (s.documents.len() as u64, s.messages.len() as u64);
        sessions.truncate(parts::fitting(sessions.iter().map(|s| s.as_ref().map_or((0, 0), size))));
        for session in sessions.iter_mut().flatten() {
            session.more_documents = session.documents.len() > limits::PARTS_MAX;
            session.documents.truncate(limits::PARTS_MAX);
            session.more_messages = session.messages.len() > limits::PARTS_MAX;
            session.messages.truncate(limits::PARTS_MAX);
        }
        sessions
    }

    /// A session with all of the parts asked for.
    fn parts(&self, session: Session, wanted: &Parts) -> SessionParts {
        let documents = self.sessions.get(&session.key).map(|entry| entry.documents.values());
        let of_interest = |document: &&Arc<Document>| wanted.collections.contains(&document.collection);
        let documents = documents.into_iter().flatten().filter(of_interest);
        let messages = if wanted.messages { self.visible(&session.view) } else { Vec::new() };
        SessionParts {
            documents: documents.map(|document| Document::clone(document)).collect(),
            more_documents: false,
            messages: messages.iter().map(|message| Message::clone(message)).collect(),
            more_messages: false,
            session,
        }
    }

    /// The messages of a log.
    fn log(&self, log: LogId) -> &[Arc<Message>] {
        self.logs.get(&log).map_or(&[], Vec::as_slice)
    }

    /// The numbers of the log of a session, or of what is kept of a deleted one.
    fn extent(&self, key: &SessionKey) -> Option<Extent> {
        let session = self.sessions.get(key).map(|entry| &entry.session);
        let extent = session.map(|s| Extent { log: s.log, first: s.log_first, head: s.head });
        extent.or_else(|| self.kept.get(key).copied())
    }

    /// Those from `first` to `last`.
    fn stretch(&self, log: LogId, first: u64, last: u64) -> &[Arc<Message>] {
        let log = self.log(log);
        let from = log.partition_point(|message| message.seq < first);
        let to = log.partition_point(|message| message.seq <= last);
        log.get(from..to).unwrap_or(&[])
    }

    /// The messages that a view shows, in its order.
    fn visible(&self, view: &View) -> Vec<Arc<Message>> {
        let spans = view.spans().iter();
        spans
            .flat_map(|span| self.stretch(span.log, span.first, span.last.unwrap_or(u64::MAX)))
            .cloned()
            .collect()
    }

    fn lineage(&self, entry: &Entry) -> Lineage {
        let key_of = |log: LogId| {
            let session =
                self.sessions.values().map(|entry| &entry.session).find(|session| session.log == log);
            session.map(|session| session.key.clone())
        };
        let kept =
            |log: LogId| self.kept.iter().find(|(_, kept)| kept.log == log).map(|(key, _)| key.clone());
        let inherited = entry.ancestors.iter().map(|&Ancestor { log, first, last }| Inherited {
            log,
            key: key_of(log).or_else(|| kept(log)),
            first,
            last,
        });
        let own = entry.session.log;
        let reads = |entry: &&Entry| entry.ancestors.iter().any(|ancestor| ancestor.log == own);
        Lineage {
            forked_from: entry.forked_from.map(|(log, at)| ForkedFrom { key: key_of(log), at }),
            inherited: inherited.collect(),
            readers: self.sessions.values().filter(reads).count() as u64,
        }
    }
}
