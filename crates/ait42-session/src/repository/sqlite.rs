//! [`SqliteSessionRepository`]: coding sessions in a SessionDB store.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future;
use serde_json::{Map, Value};
use sessiondb::{
    Commit, Conflict, DocumentFilter, Error, Parts, SessionFilter, SessionKey, SessionOrder, SessionParts,
    Store, Window, limits, time,
};

use crate::{
    change::{Change, exists, no_instance, other_message},
    db::DbPool,
    instant::instant,
    layout::{AGENT, CHANNEL, INSTANCES, OUTPUTS, SESSION, session_key},
    models::{
        ChatMessage, WorktreeSession, WorktreeSummary,
        legal::{shown, validate, validate_address, validate_instance_status, validate_message},
    },
    read::{self, Others, Stored},
    repository::{RepositoryError, SessionFilters, SessionRepository},
    search::{SummaryQuery, Wanted, ordered},
    writes,
};

/// How often a change is decided anew because another one came first, before it gives up as busy. Each time another
/// change has come through.
pub(crate) const ROUNDS_MAX: usize = 100;

/// How many sessions are read at once: few enough that reading some and making models of others overlap.
const PAGE: usize = 250;

/// Coding sessions in a SessionDB store: what [`SessionRepository`] promises, and more.
///
/// It is cheap to clone; all clones are the same store. Any number of tasks may use it at once: each change is one
/// commit, and one that was decided from what is no longer so is decided anew.
#[derive(Clone)]
pub struct SqliteSessionRepository {
    pool: Arc<DbPool>,
}

impl SqliteSessionRepository {
    /// Opens the store that `database_url` names, and makes it if it is not there; see [`DbPool::new`].
    ///
    /// # Errors
    /// [`RepositoryError::Database`] if it cannot be opened, with the reason.
    pub async fn new(database_url: &str) -> Result<SqliteSessionRepository, RepositoryError> {
        Ok(SqliteSessionRepository::from_pool(Arc::new(DbPool::new(database_url).await?)))
    }

    /// The sessions of a store that is open already.
    pub fn from_pool(pool: Arc<DbPool>) -> SqliteSessionRepository {
        SqliteSessionRepository { pool }
    }

    /// The store underneath.
    pub fn pool(&self) -> &Store {
        self.pool.pool()
    }

    /// As [`add_chat_message`](SessionRepository::add_chat_message), in this workspace. Answers the session then.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id; [`RepositoryError::Validation`] if a
    /// value is not legal, or the session has another message of this id.
    pub async fn add_chat_message_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        message: ChatMessage,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.change(workspace_hash, session_id, &Change::AddMessage(message), &[]).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// As [`update_instance_status`](SessionRepository::update_instance_status), in this workspace. Answers the session
    /// then.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id, or it has no such instance;
    /// [`RepositoryError::Validation`] if the status is not legal.
    pub async fn update_instance_status_in(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change(workspace_hash, session_id, &change, &[]).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// Makes an instance the winner and archives the others, and keeps how they were judged, if it is given, as the
    /// session's member `evaluation` ([`other_members`](SqliteSessionRepository::other_members)). All at once.
    ///
    /// # Errors
    /// [`RepositoryError::NotFound`] if the workspace has no session of this id, or it has no such instance.
    pub async fn select_winner(
        &self,
        workspace_hash: &str,
        session_id: &str,
        instance_id: i64,
        evaluation: Option<Value>,
    ) -> Result<WorktreeSession, RepositoryError> {
        let change = Change::SelectWinner { instance_id, evaluation };
        self.change(workspace_hash, session_id, &change, &[]).await?;
        self.get_session(workspace_hash, session_id).await
    }

    /// A session, and its revision: how often it was changed other than by adding messages.
    ///
    /// # Errors
    /// As [`get_session`](SessionRepository::get_session).
    pub async fn get_session_revised(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<(WorktreeSession, u64), RepositoryError> {
        validate_address(workspace_hash, session_id)?;
        let stored = self.read(workspace_hash, session_id, Others::Skip).await?;
        let stored = stored.ok_or_else(|| RepositoryError::NotFound(shown(session_id)))?;
        Ok((stored.record.session, stored.revision))
    }

    /// As [`update_session`](SessionRepository::update_session), if the session is still at this revision: so a change that
    /// was made of what somebody had read does not undo another's. Messages that were added meanwhile are in nobody's
    /// way.
    ///
    /// # Errors
    /// As there; [`RepositoryError::Database`] with a [`Conflict::State`] if somebody changed it: read it again.
    pub async fn update_session_at(
        &self,
        session: WorktreeSession,
        revision: u64,
    ) -> Result<WorktreeSession, RepositoryError> {
        validate(&session)?;
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        let before = self.stored(&workspace, &id).await?;
        let before = before.ok_or_else(|| RepositoryError::NotFound(shown(&id)))?;
        if before.revision != revision {
            let conflict = Conflict::State { expected: revision, current: before.revision };
            return Err(Error::Conflict { key: Box::new(session_key(&workspace, &id)), conflict }.into());
        }
        let now = time::now();
        let change = Change::Update(Box::new(session));
        let after = change.apply(&id, Some(before.record.clone()), &time::to_text(now))?;
        let commits = writes::commits(Some(&before), after.as_ref(), now)?;
        self.pool().commit(commits).await.map_err(|error| match error {
            // What is not there is at revision 0: it was deleted meanwhile.
            Error::Conflict { conflict: Conflict::State { current: 0, .. }, .. } => {
                RepositoryError::NotFound(shown(&id))
            }
            error => refused(&id, error),
        })?;
        self.get_session(&workspace, &id).await
    }

    /// The members of a session that the models have no field for, as they came with its JSON or from
    /// [`select_winner`](SqliteSessionRepository::select_winner).
    ///
    /// # Errors
    /// As [`get_session`](SessionRepository::get_session).
    pub async fn other_members(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<Map<String, Value>, RepositoryError> {
        validate_address(workspace_hash, session_id)?;
        let row = self.pool().session(&session_key(workspace_hash, session_id)).await?;
        read::session_others(&row.ok_or_else(|| RepositoryError::NotFound(shown(session_id)))?)
    }

    /// Makes a change of a session, together with these other commits: all or none. If the change finds everything as
    /// it would have it, nothing is committed.
    ///
    /// # Errors
    /// As [`Change::apply`]; [`RepositoryError::Database`] if the store cannot write, or others came first 100 times.
    pub(crate) async fn change(
        &self,
        workspace: &str,
        id: &str,
        change: &Change,
        beside: &[Commit],
    ) -> Result<(), RepositoryError> {
        validate_address(workspace, id)?;
        match change {
            Change::AddMessage(message) => return self.add(workspace, id, message, beside).await,
            Change::Delete => {
                return self.commit(id, vec![writes::delete(session_key(workspace, id))], beside).await;
            }
            Change::SetInstanceStatus { instance_id, status } => {
                validate_instance_status(id, *instance_id, status)?;
            }
            Change::Create(_) | Change::Update(_) | Change::SelectWinner { .. } => {}
        }
        for _ in 0..ROUNDS_MAX {
            match self.commit(id, self.decide(workspace, id, change).await?, beside).await {
                Err(RepositoryError::Database(Error::Conflict { key, conflict })) => {
                    match (change, &conflict) {
                        (Change::Create(session), Conflict::Exists { .. }) => return Err(exists(session)),
                        // One of the commits beside is its caller's to decide anew.
                        (_, Conflict::State { .. } | Conflict::MessageId { .. })
                            if *key == session_key(workspace, id) => {}
                        _ => return Err(Error::Conflict { key, conflict }.into()),
                    }
                }
                done => return done,
            }
        }
        Err(busy(format!("session {}", shown(id))))
    }

    /// The commits of a change, decided from what the session is now.
    async fn decide(
        &self,
        workspace: &str,
        id: &str,
        change: &Change,
    ) -> Result<Vec<Commit>, RepositoryError> {
        let not_found = || RepositoryError::NotFound(shown(id));
        if let Change::SetInstanceStatus { instance_id, status } = change {
            // Neither messages nor outputs are read. The commit expects the revision of what is read first.
            let key = session_key(workspace, id);
            let row = self.pool().session(&key).await?.ok_or_else(not_found)?;
            let document = self.pool().document(&key, INSTANCES, &instance_id.to_string()).await?;
            document.ok_or_else(|| no_instance(id, *instance_id))?;
            return Ok(vec![writes::set_instance_status(&row, *instance_id, status, time::now())?]);
        }
        // That there is none yet is what the commits of a new session expect.
        let before = match change {
            Change::Create(_) => None,
            _ => Some(self.stored(workspace, id).await?.ok_or_else(not_found)?),
        };
        let now = time::now();
        let record = before.as_ref().map(|before| before.record.clone());
        let after = change.apply(id, record, &time::to_text(now))?;
        writes::commits(before.as_ref(), after.as_ref(), now)
    }

    async fn commit(
        &self,
        id: &str,
        mut commits: Vec<Commit>,
        beside: &[Commit],
    ) -> Result<(), RepositoryError> {
        if commits.is_empty() {
            return Ok(());
        }
        commits.extend_from_slice(beside);
        self.pool().commit(commits).await.map(|_| ()).map_err(|error| refused(id, error))
    }

    /// Appends a message: what it costs does not depend on how many messages or sessions there are.
    async fn add(
        &self,
        workspace: &str,
        id: &str,
        message: &ChatMessage,
        beside: &[Commit],
    ) -> Result<(), RepositoryError> {
        validate_message(id, message)?;
        let key = session_key(workspace, id);
        let commit = writes::append(key.clone(), message)?;
        for _ in 0..ROUNDS_MAX {
            let seq = match self.commit(id, vec![commit.clone()], beside).await {
                Err(RepositoryError::Database(Error::Conflict {
                    conflict: Conflict::MessageId { seq, .. },
                    ..
                })) => seq,
                done => return done,
            };
            // It differs, but perhaps only in members that the models have no field for.
            let page = match self.pool().message_window(&key, Window::range(seq, seq)).await {
                // What stood in the way is not shown any more, or the session is gone.
                Err(Error::NotFound(_) | Error::Conflict { conflict: Conflict::NotInView { .. }, .. }) => {
                    continue;
                }
                page => page?,
            };
            let known =
                page.messages.into_iter().next().map(|known| read::chat_message(&key, known)).transpose()?;
            return match known.is_some_and(|known| writes::is_same(&known, message)) {
                true => Ok(()),
                false => Err(other_message(id, &message.id)),
            };
        }
        Err(busy(format!("session {}", shown(id))))
    }

    /// The workspace of the one session of this id.
    pub(crate) async fn workspace_of(&self, id: &str) -> Result<String, RepositoryError> {
        validate_address("any", id)?;
        let filter = SessionFilter { peer_id: Some(id.into()), limit: 2, ..sessions() };
        let mut found = self.pool().session_list(&filter).await?.sessions;
        match (found.pop(), found.pop()) {
            (None, _) => Err(RepositoryError::NotFound(shown(id))),
            (Some(one), None) => Ok(one.key.account_id),
            (Some(_), Some(_)) => Err(RepositoryError::Validation(format!(
                "sessions.id: {} is ambiguous, several workspaces have a session of this id; \
                 name the workspace with add_chat_message_in or update_instance_status_in",
                shown(id)
            ))),
        }
    }

    /// A session as the store has it; `None` if there is none.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if there can be none under this workspace and id; [`RepositoryError::Database`] if
    /// it cannot be read.
    pub(crate) async fn stored(&self, workspace: &str, id: &str) -> Result<Option<Stored>, RepositoryError> {
        validate_address(workspace, id)?;
        self.read(workspace, id, Others::Read).await
    }

    /// All sessions of a workspace as the store has them, the first created first.
    ///
    /// # Errors
    /// [`RepositoryError::Database`] if one cannot be read.
    pub(crate) async fn stored_all(&self, workspace: &str) -> Result<Vec<Stored>, RepositoryError> {
        self.read_list(in_workspace(workspace), &whole(), Others::Read).await
    }

    async fn read(
        &self,
        workspace: &str,
        id: &str,
        others: Others,
    ) -> Result<Option<Stored>, RepositoryError> {
        match self.pool().session_parts(&session_key(workspace, id), &whole()).await? {
            Some(parts) => self.read_on(parts, &whole(), others).await,
            None => Ok(None),
        }
    }

    /// The sessions of this list with these parts: a fixed number of statements a page. While a page is made into models,
    /// the next one is read, which happens on a thread of the store's. So each session is of one moment, but not all of
    /// them of the same.
    async fn read_list(
        &self,
        mut filter: SessionFilter,
        parts: &Parts,
        others: Others,
    ) -> Result<Vec<Stored>, RepositoryError> {
        filter.limit = PAGE;
        let mut all = Vec::new();
        let mut page = self.pool().session_list_parts(&filter, parts).await?;
        loop {
            filter.after = page.next;
            let reading = async {
                match filter.after {
                    Some(_) => self.pool().session_list_parts(&filter, parts).await.map(Some),
                    None => Ok(None),
                }
            };
            let making = async {
                for session in page.sessions {
                    // One that was deleted while the rest of it was read is not there any more.
                    all.extend(self.read_on(session, parts, others).await?);
                }
                Ok::<(), RepositoryError>(())
            };
            let (next, made) = future::join(reading, making).await;
            made?;
            match next? {
                Some(next) => page = next,
                None => return Ok(all),
            }
        }
    }

    /// The session that was read with these parts, and what did not fit into them; `None` if it was deleted meanwhile.
    async fn read_on(
        &self,
        mut session: SessionParts,
        parts: &Parts,
        others: Others,
    ) -> Result<Option<Stored>, RepositoryError> {
        for _ in 0..ROUNDS_MAX {
            if !session.more_documents && !session.more_messages {
                return read::stored(session, others).map(Some);
            }
            let key = session.session.key.clone();
            if self.fill(&mut session).await? {
                return read::stored(session, others).map(Some);
            }
            // It was changed while it was read: what was read is not of one moment.
            match self.pool().session_parts(&key, parts).await? {
                Some(again) => session = again,
                None => return Ok(None),
            }
        }
        Err(busy(format!("session {}", shown(&session.session.key.peer_id))))
    }

    /// Reads the rest of a session that is too large for one page. Answers whether it is of one moment.
    async fn fill(&self, parts: &mut SessionParts) -> Result<bool, RepositoryError> {
        let SessionParts { session, documents, messages, .. } = parts;
        let mut filter = DocumentFilter { limit: limits::PAGE_MAX, ..DocumentFilter::default() };
        filter.after = documents.last().map(|last| (last.collection.clone(), last.id.clone()));
        while parts.more_documents && filter.after.is_some() {
            let page = match self.pool().document_list(&session.key, &filter).await {
                Err(Error::NotFound(_)) => return Ok(false),
                page => page?,
            };
            let ours = |collection: &str| collection == INSTANCES || collection == OUTPUTS;
            documents.extend(page.documents.into_iter().filter(|document| ours(&document.collection)));
            filter.after = page.next;
        }
        while parts.more_messages
            && let Some(last) = messages.last()
        {
            let window = Window::after(last.seq, limits::PAGE_MAX);
            let page = match self.pool().message_window(&session.key, window).await {
                Err(Error::NotFound(_) | Error::Conflict { .. }) => return Ok(false),
                page => page?,
            };
            // What was appended meanwhile came after the moment that is read.
            let before = messages.len();
            messages.extend(page.messages.into_iter().filter(|message| message.seq <= session.head));
            parts.more_messages = page.has_later && messages.len() > before;
        }
        let now = self.pool().session(&session.key).await?;
        Ok(now.is_some_and(|now| (now.log, now.revision) == (session.log, session.revision)))
    }

    /// The sessions of a workspace that match, without their outputs and messages.
    async fn light(&self, workspace: &str, wanted: &Wanted) -> Result<Vec<Stored>, RepositoryError> {
        let filter = SessionFilter { statuses: wanted.statuses(), ..in_workspace(workspace) };
        let mut found = self.read_list(filter, &Parts::documents([INSTANCES]), Others::Skip).await?;
        found.retain(|stored| wanted.matches(&stored.record.session));
        Ok(found)
    }

    /// The sessions of a workspace that match, whole. First it is found which those are, then those are read.
    async fn search(
        &self,
        workspace: &str,
        wanted: &Wanted,
    ) -> Result<Vec<WorktreeSession>, RepositoryError> {
        let found = self.light(workspace, wanted).await?;
        let keys = found.iter().map(|stored| session_key(workspace, &stored.record.session.id));
        let keys: Vec<SessionKey> = keys.collect();
        let (mut read, mut rest) = (Vec::with_capacity(keys.len()), keys.as_slice());
        while !rest.is_empty() {
            let some = rest.get(..limits::PAGE_MAX).unwrap_or(rest);
            let answers = self.pool().session_parts_of(some, &whole()).await?;
            rest = rest.get(answers.len()..).unwrap_or(&[]);
            for session in answers.into_iter().flatten() {
                read.extend(self.read_on(session, &whole(), Others::Skip).await?);
            }
        }
        let mut sessions = newest_first(read);
        // One may have been changed between the two.
        sessions.retain(|session| wanted.matches(session));
        Ok(sessions)
    }

    /// The sessions of a workspace without their outputs and messages, the last changed first. An unknown workspace has
    /// none.
    ///
    /// # Errors
    /// As [`get_all_sessions`](SessionRepository::get_all_sessions).
    pub async fn list_summaries(
        &self,
        workspace_hash: &str,
    ) -> Result<Vec<WorktreeSummary>, RepositoryError> {
        self.search_summaries(workspace_hash, &SummaryQuery::default()).await
    }

    /// The sessions of a workspace that match, without their outputs and messages, in the order asked for.
    ///
    /// # Errors
    /// As [`search_sessions`](SessionRepository::search_sessions).
    pub async fn search_summaries(
        &self,
        workspace_hash: &str,
        query: &SummaryQuery,
    ) -> Result<Vec<WorktreeSummary>, RepositoryError> {
        let wanted = Wanted::new(&query.filters)?;
        if workspace_hash.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.light(workspace_hash, &wanted).await?;
        let summaries =
            found.into_iter().map(|stored| WorktreeSummary::of(stored.record.session, stored.message_count));
        Ok(ordered(summaries.collect(), query))
    }
}

/// A list of all sessions, the first created first: an order in which they stand still while they change.
pub(crate) fn sessions() -> SessionFilter {
    SessionFilter {
        agent_id: Some(AGENT.into()),
        channel: Some(CHANNEL.into()),
        peer_kind: Some(SESSION.into()),
        order: SessionOrder::CreatedOldest,
        limit: limits::PAGE_MAX,
        ..SessionFilter::default()
    }
}

/// The same list of one workspace.
fn in_workspace(hash: &str) -> SessionFilter {
    SessionFilter { account_id: Some(hash.into()), ..sessions() }
}

/// All parts of a session that make it whole.
fn whole() -> Parts {
    Parts::documents([INSTANCES, OUTPUTS]).with_messages()
}

/// These sessions by the moment of their last change, the last first; of the same moment, the greater id first.
fn newest_first(stored: Vec<Stored>) -> Vec<WorktreeSession> {
    by_update(stored.into_iter().map(|stored| stored.record.session))
}

/// The same of any sessions.
pub(crate) fn by_update(sessions: impl Iterator<Item = WorktreeSession>) -> Vec<WorktreeSession> {
    let mut sessions: Vec<_> = sessions.map(|session| (instant(&session.updated_at), session)).collect();
    sessions.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then_with(|| other.id.cmp(&one.id)));
    sessions.into_iter().map(|(_, session)| session).collect()
}

/// What the store says to a change of this session, in this crate's terms.
pub(crate) fn refused(id: &str, error: Error) -> RepositoryError {
    match error {
        Error::NotFound(_) => RepositoryError::NotFound(shown(id)),
        Error::Invalid(reason) => RepositoryError::Validation(format!("{reason} (session {})", shown(id))),
        error => error.into(),
    }
}

/// That others came first each time.
pub(crate) fn busy(what: String) -> RepositoryError {
    Error::Busy(format!("{what} was changed by others {ROUNDS_MAX} times in a row; try again")).into()
}

#[async_trait]
impl SessionRepository for SqliteSessionRepository {
    async fn create_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        validate(&session)?;
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        let create = Change::Create(Box::new(session));
        self.change(&workspace, &id, &create, &[]).await?;
        // What was created, also if somebody has changed or deleted it since.
        let created = create.apply(&id, None, "")?;
        created.map(|record| record.session).ok_or_else(|| RepositoryError::NotFound(shown(&id)))
    }

    async fn update_session(&self, session: WorktreeSession) -> Result<WorktreeSession, RepositoryError> {
        validate(&session)?;
        let (workspace, id) = (session.workspace_hash.clone(), session.id.clone());
        self.change(&workspace, &id, &Change::Update(Box::new(session)), &[]).await?;
        self.get_session(&workspace, &id).await
    }

    async fn get_session(
        &self,
        workspace_hash: &str,
        session_id: &str,
    ) -> Result<WorktreeSession, RepositoryError> {
        self.get_session_revised(workspace_hash, session_id).await.map(|(session, _)| session)
    }

    async fn get_all_sessions(&self, workspace_hash: &str) -> Result<Vec<WorktreeSession>, RepositoryError> {
        if workspace_hash.is_empty() {
            return Ok(Vec::new());
        }
        let filter = in_workspace(workspace_hash);
        Ok(newest_first(self.read_list(filter, &whole(), Others::Skip).await?))
    }

    async fn delete_session(&self, workspace_hash: &str, session_id: &str) -> Result<(), RepositoryError> {
        self.change(workspace_hash, session_id, &Change::Delete, &[]).await
    }

    async fn add_chat_message(&self, session_id: &str, message: ChatMessage) -> Result<(), RepositoryError> {
        validate_message(session_id, &message)?;
        let workspace = self.workspace_of(session_id).await?;
        self.change(&workspace, session_id, &Change::AddMessage(message), &[]).await
    }

    async fn update_instance_status(
        &self,
        session_id: &str,
        instance_id: i64,
        new_status: &str,
    ) -> Result<(), RepositoryError> {
        validate_instance_status(session_id, instance_id, new_status)?;
        let workspace = self.workspace_of(session_id).await?;
        let change = Change::SetInstanceStatus { instance_id, status: new_status.into() };
        self.change(&workspace, session_id, &change, &[]).await
    }

    async fn search_sessions(
        &self,
        workspace_hash: &str,
        filters: SessionFilters,
    ) -> Result<Vec<WorktreeSession>, RepositoryError> {
        let wanted = Wanted::new(&filters)?;
        if workspace_hash.is_empty() {
            return Ok(Vec::new());
        }
        self.search(workspace_hash, &wanted).await
    }
}
