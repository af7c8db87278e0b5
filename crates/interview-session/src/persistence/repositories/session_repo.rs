//! [`SessionRepository`]: what can be done with interview sessions.

use std::sync::Arc;

use sessiondb::{
    Commit, Conflict, Cursor, Expect, Parts, SessionOrder, SessionParts, SqlView, Store, Window, limits,
};
use tokio::sync::OnceCell;

use super::{
    reads,
    session_filter::{SessionFilter, SessionPage},
    writes,
};
use crate::{
    Config, Error, NewUtterance, Result, Session, SessionRecord, SessionState, SessionStatus, UtterancePage,
};

/// How often something that was decided on what was read is decided anew because somebody else was faster.
const ATTEMPTS: u32 = 100;

/// What these sessions are in SQL.
const VIEWS: &[SqlView] =
    &[SqlView { name: "interview_sessions", query: include_str!("../../../views/interview_sessions.sql") }];

/// A repository of interview sessions. It is cheap to clone; all clones are the same repository, and may be used from any
/// task. It runs on any async runtime.
///
/// What a method has done when it answers survives power loss. Nothing is cached: what is read is read from the database.
///
/// Every method can answer [`Error::Store`]: [`CannotOpen`](sessiondb::Error::CannotOpen) if it is the first and the
/// database cannot be opened; [`Undecodable`](sessiondb::Error::Undecodable) if a stored session cannot be read, which is
/// named then; [`Conflict`](sessiondb::Error::Conflict) if what has the id is a session of another family;
/// [`Busy`](sessiondb::Error::Busy), [`Full`](sessiondb::Error::Full), [`Stopped`](sessiondb::Error::Stopped) or
/// [`Storage`](sessiondb::Error::Storage) if the store cannot be read or written, and
/// [`Unknown`](sessiondb::Error::Unknown) if it cannot tell whether it was written. What else can go wrong stands at each
/// method.
#[derive(Clone)]
pub struct SessionRepository {
    db_path: Arc<str>,
    store: Arc<OnceCell<Store>>,
}

impl SessionRepository {
    /// The repository in this file, or in memory for `:memory:` (or `memory:`), where it ends with its last clone.
    /// Addresses such as `sqlite:interviews.db` are known too: see [`sessiondb::open`].
    ///
    /// Nothing is opened or made yet: the first call of another method does that, once, whoever comes first. If it
    /// fails, the next call tries again.
    pub fn new(db_path: impl Into<String>) -> SessionRepository {
        SessionRepository { db_path: db_path.into().into(), store: Arc::default() }
    }

    /// The same, opened now: for programs that want to fail at their start.
    ///
    /// # Errors
    /// [`CannotOpen`](sessiondb::Error::CannotOpen), with the reason; nothing was changed then.
    pub async fn open(db_path: impl Into<String>) -> Result<SessionRepository> {
        let repository = SessionRepository::new(db_path);
        repository.sessiondb().await?;
        Ok(repository)
    }

    /// The repository in a store that is open already. The SQL view `interview_sessions` is not made in it.
    ///
    /// A scoped store shows the interviews of its scope; what lies outside is not found.
    pub fn over(store: Store) -> SessionRepository {
        SessionRepository {
            db_path: "an open store".into(),
            store: Arc::new(OnceCell::new_with(Some(store))),
        }
    }

    /// Creates a session, with its state, its status and its times as they are given and an empty config. One that is
    /// completed already was so when it was last changed. Answers what is stored.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if there is a session of this id; [`Error::Invalid`] as [`Session::validate`] says.
    pub async fn create(&self, session: Session) -> Result<Session> {
        Ok(self.create_with_config(session, Config::new()).await?.session)
    }

    /// Creates a session with this config.
    ///
    /// # Errors
    /// As [`create`](SessionRepository::create).
    pub async fn create_with_config(&self, session: Session, config: Config) -> Result<SessionRecord> {
        session.validate()?;
        let id = session.id.clone();
        let key = writes::key(&id).ok_or_else(|| Error::invalid("id", "is none that a session can have"))?;
        let session = writes::stored(session);
        let commits = writes::create(key, &session, &config)?;
        match self.sessiondb().await?.commit(commits).await {
            Ok(receipts) => Ok(SessionRecord {
                completed_at: (session.status == SessionStatus::Completed).then_some(session.updated_at),
                session,
                config,
                revision: receipts.last().map_or(0, |receipt| receipt.revision),
            }),
            Err(sessiondb::Error::Conflict { conflict: Conflict::Exists { .. }, .. }) => {
                Err(Error::AlreadyExists(id))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The session of this id, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, id: &str) -> Result<Option<Session>> {
        Ok(self.get_record(id).await?.map(|record| record.session))
    }

    /// The session of this id with its config and when it was completed, if there is one: all as of one moment.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get_record(&self, id: &str) -> Result<Option<SessionRecord>> {
        self.find(id).await?.map(|parts| reads::record(&parts)).transpose()
    }

    /// Sets the state of a session, whatever it is at the moment: of two at the same time, the later stays. To be told
    /// instead, use [`update_state_at`](SessionRepository::update_state_at).
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotActive`] if it is completed (a paused session's state can be corrected);
    /// [`Error::Invalid`] as [`SessionState::validate`] says, and if its methodology or concept is not the session's.
    pub async fn update_state(&self, id: &str, state: SessionState) -> Result<()> {
        self.change(id, |row, record| {
            Ok(Some(Commit::new(row.key.clone()).write(writes::update_state(&record.session, &state)?)))
        })
        .await
    }

    /// Sets the state of a session if it is still as it was when it was read, at this
    /// [`revision`](SessionRecord::revision). Answers the revision after it.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it was changed meanwhile; otherwise as [`update_state`](SessionRepository::update_state).
    pub async fn update_state_at(&self, id: &str, state: SessionState, revision: u64) -> Result<u64> {
        self.change(id, |row, record| {
            if record.revision != revision {
                let (id, current) = (record.session.id.clone(), record.revision);
                return Err(Error::Conflict { id, expected: revision, current });
            }
            Ok(Some(Commit::new(row.key.clone()).write(writes::update_state(&record.session, &state)?)))
        })
        .await?;
        Ok(revision + 1)
    }

    /// Sets whether a session goes on, and with `completed` when it was completed. The status it has changes nothing.
    /// Answers the session as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if it is completed and shall be something else.
    pub async fn set_status(&self, id: &str, status: SessionStatus) -> Result<Session> {
        self.change(id, |row, record| {
            writes::set_status(row, &record.session, status, sessiondb::time::now())
        })
        .await?;
        self.existing(id).await
    }

    /// Records a turn: what was said in it, and the state after it, at once or not at all. The turn's number is the
    /// state's `turn_count`; it may be the number of the turn the session is at, for speakers who follow, or any later
    /// one. The same utterances with the same state again, while no later turn was recorded, change nothing. Answers the
    /// session as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotActive`] if it is paused or completed; [`Error::TurnPassed`] if it is past this
    /// turn; [`Error::Said`] if one of the speakers said something else in this turn; [`Error::Invalid`] as
    /// [`update_state`](SessionRepository::update_state), if nothing is said, a speaker speaks twice, or a text is not of
    /// 1 to 5,000 characters.
    pub async fn record_turn(
        &self,
        id: &str,
        utterances: &[NewUtterance],
        state: SessionState,
    ) -> Result<Session> {
        let recorded = self
            .change(id, |row, record| {
                let mut commit = Commit::new(row.key.clone());
                commit.writes = writes::record_turn(&record.session, utterances, &state)?;
                Ok(Some(commit))
            })
            .await;
        match recorded {
            Err(Error::Store(sessiondb::Error::Conflict {
                conflict: Conflict::MessageId { id: said, .. },
                ..
            })) => {
                let (id, speaker) = (id.to_owned(), writes::speaker_of(&said).to_owned());
                Err(Error::Said { id, turn_number: state.turn_count, speaker })
            }
            Err(error) => Err(error),
            Ok(()) => self.existing(id).await,
        }
    }

    /// What was said after utterance number `after` (0 for the beginning), in the order of the session: at most `limit`
    /// utterances, 1 to 1,000.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for another limit.
    pub async fn utterances(&self, id: &str, after: u64, limit: usize) -> Result<UtterancePage> {
        if !(1..=limits::PAGE_MAX).contains(&limit) {
            return Err(Error::invalid(
                "limit",
                format!("is {limit}; 1 to {} are allowed", limits::PAGE_MAX),
            ));
        }
        let not_found = || Error::NotFound(id.to_owned());
        let key = writes::key(id).ok_or_else(not_found)?;
        let store = self.sessiondb().await?;
        reads::ours(&store.session(&key).await?.ok_or_else(not_found)?)?;
        let page = store.message_window(&key, Window::after(after, limit)).await.map_err(|e| named(id, e))?;
        let next = page.messages.last().filter(|_| page.has_later).map(|message| message.seq);
        let utterances = page.messages.into_iter().map(|message| reads::utterance(&key, message));
        Ok(UtterancePage { utterances: utterances.collect::<Result<_>>()?, next })
    }

    /// How a session is to be led.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn config(&self, id: &str) -> Result<Config> {
        let record = self.get_record(id).await?.ok_or_else(|| Error::NotFound(id.to_owned()))?;
        Ok(record.config)
    }

    /// Merges a patch into the config of a session (RFC 7396): a member replaces the one of its name, objects are merged
    /// member by member, and `null` removes. Patches at the same time are all merged. An empty patch changes nothing. The
    /// session may have any status. Answers the config as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Invalid`](sessiondb::Error::Invalid) of the store if the config would be larger than 16 MiB.
    pub async fn merge_config(&self, id: &str, patch: &Config) -> Result<Config> {
        let parts = self.find(id).await?.ok_or_else(|| Error::NotFound(id.to_owned()))?;
        let record = reads::record(&parts)?;
        if patch.is_empty() {
            return Ok(record.config);
        }
        // The store merges, so it does not matter what else is merged at the same time.
        let commit = Commit::new(parts.session.key).write(writes::merge_config(patch)?);
        self.sessiondb().await?.commit_one(commit).await.map_err(|e| named(id, e))?;
        self.config(id).await
    }

    /// All active sessions, those that began last first; of the same moment, the one that was created last.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list_active(&self) -> Result<Vec<Session>> {
        let mut filter =
            SessionFilter { limit: limits::PAGE_MAX, ..SessionFilter::status(SessionStatus::Active) };
        let mut sessions = Vec::new();
        loop {
            let page = self.list(&filter).await?;
            sessions.extend(page.sessions.into_iter().map(|record| record.session));
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return Ok(sessions),
            }
        }
    }

    /// A page of the sessions that match, those that began last first; of the same moment, the one that was created last.
    /// This order stands still while sessions change.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit that cannot be; [`Invalid`](sessiondb::Error::Invalid) of the store for a cursor
    /// from elsewhere.
    pub async fn list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        filter.validate()?;
        let (store, parts) = (self.sessiondb().await?, Parts::documents([writes::STATE, writes::CONFIG]));
        let mut pages = writes::filter(filter);
        if filter.compares() {
            // Not one read for each session that is wanted, where few match; nor thousands of configs at once.
            pages.limit = pages.limit.max(limits::PAGE_DEFAULT);
        }
        let (mut sessions, mut last) = (Vec::new(), None);
        loop {
            let page = store.session_list_parts(&pages, &parts).await?;
            for parts in page.sessions {
                let record = reads::record(&parts)?;
                if !filter.takes(&record.session.methodology, &record.session.concept_id) {
                    continue;
                }
                if sessions.len() == filter.limit {
                    return Ok(SessionPage { sessions, next: last });
                }
                sessions.push(record);
                last = Some(Cursor::after(&parts.session, SessionOrder::CreatedNewest));
            }
            if page.next.is_none() || sessions.len() == filter.limit {
                return Ok(SessionPage { sessions, next: page.next });
            }
            pages.after = page.next;
        }
    }

    /// How many sessions match, whatever the filter's limit and cursor. It looks at each of them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn count(&self, filter: &SessionFilter) -> Result<usize> {
        let store = self.sessiondb().await?;
        let mut pages = writes::filter(filter);
        (pages.limit, pages.after) = (limits::PAGE_MAX, None);
        let mut count = 0;
        loop {
            let page = store.session_list(&pages).await?;
            for row in &page.sessions {
                let takes = !filter.compares() || {
                    let metadata = reads::metadata(row)?;
                    filter.takes(&metadata.methodology, &metadata.concept_id)
                };
                count += usize::from(takes);
            }
            match page.next {
                Some(next) => pages.after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Deletes a session with its state, its config and its utterances. Answers whether there was one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, id: &str) -> Result<bool> {
        let Some(key) = writes::key(id) else { return Ok(false) };
        let store = self.sessiondb().await?;
        let Some(row) = store.session(&key).await? else { return Ok(false) };
        reads::ours(&row)?;
        Ok(store.session_delete(&key).await?)
    }

    /// The store underneath, for what SessionDB does with any session, such as `fork`, `rewind` and `undo`, and for
    /// `close`. An interview is the session `("interview", "interview", "", "session", id)`.
    ///
    /// # Errors
    /// [`CannotOpen`](sessiondb::Error::CannotOpen) if it is opened only now and cannot be.
    pub async fn sessiondb(&self) -> Result<&Store> {
        let open = || async {
            let url = if &*self.db_path == ":memory:" { "memory:" } else { &*self.db_path };
            sessiondb::open_with_views(url, VIEWS).await
        };
        Ok(self.store.get_or_try_init(open).await?)
    }

    async fn find(&self, id: &str) -> Result<Option<SessionParts>> {
        let Some(key) = writes::key(id) else { return Ok(None) };
        let parts = Parts::documents([writes::STATE, writes::CONFIG]);
        Ok(self.sessiondb().await?.session_parts(&key, &parts).await?)
    }

    async fn existing(&self, id: &str) -> Result<Session> {
        self.get(id).await?.ok_or_else(|| Error::NotFound(id.to_owned()))
    }

    /// Makes the commit that `decide` makes of a session as it is, if any. If the session was changed between reading and
    /// writing, decides anew: each round that fails is one in which somebody else's change came through.
    async fn change(
        &self,
        id: &str,
        decide: impl Fn(&sessiondb::Session, &SessionRecord) -> Result<Option<Commit>>,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let parts = self.find(id).await?.ok_or_else(|| Error::NotFound(id.to_owned()))?;
            let Some(commit) = decide(&parts.session, &reads::record(&parts)?)? else { return Ok(()) };
            let commit = commit.expect(Expect::State(parts.session.revision));
            match self.sessiondb().await?.commit_one(commit).await {
                Ok(_) => return Ok(()),
                Err(sessiondb::Error::Conflict { conflict: Conflict::State { .. }, .. }) => {}
                Err(error) => return Err(named(id, error)),
            }
        }
        Err(Error::Store(sessiondb::Error::Busy(format!("session {id} is changed all the time"))))
    }
}

/// A session that is not there is named by its id, as it was asked for.
fn named(id: &str, error: sessiondb::Error) -> Error {
    match error {
        sessiondb::Error::NotFound(_) => Error::NotFound(id.to_owned()),
        error => Error::Store(error),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sessiondb::{Write, blocking};
    use tokio::runtime::Runtime;

    use super::*;

    /// A repository with one session, and somebody else who writes to it.
    async fn two() -> (SessionRepository, Session, blocking::Store) {
        let repository = SessionRepository::new("memory:");
        let session = repository.create(Session::new("mec", "oat-milk", "Oat milk")).await.unwrap();
        let other = repository.sessiondb().await.unwrap().clone().into();
        (repository, session, other)
    }

    /// The session is completed after it was read and before its state is written. The state must not be.
    #[test]
    fn what_was_decided_on_what_is_gone_is_decided_anew() {
        Runtime::new().unwrap().block_on(async {
            let (repository, session, other) = two().await;
            let state = SessionState { turn_count: 1, ..session.state.clone() };
            let rounds = Cell::new(0);
            let changed = repository.change(&session.id, |row, record| {
                rounds.set(rounds.get() + 1);
                let commit = Commit::new(row.key.clone());
                if rounds.get() == 1 {
                    other.commit_one(commit.clone().write(Write::SetStatus("completed".into())))?;
                }
                Ok(Some(commit.write(writes::update_state(&record.session, &state)?)))
            });
            let refused = changed.await.unwrap_err();
            assert!(matches!(refused, Error::NotActive { .. }), "{refused:?}");
            assert_eq!(rounds.get(), 2);
            assert_eq!(repository.get(&session.id).await.unwrap().unwrap().state, session.state);
        });
    }

    #[test]
    fn a_session_that_is_changed_all_the_time_is_busy() {
        Runtime::new().unwrap().block_on(async {
            let (repository, session, other) = two().await;
            let changed = repository.change(&session.id, |row, _| {
                let commit = Commit::new(row.key.clone()).write(Write::SetTokens(1));
                other.commit_one(commit.clone())?;
                Ok(Some(commit))
            });
            let busy = changed.await.unwrap_err();
            assert!(matches!(busy, Error::Store(sessiondb::Error::Busy(_))), "{busy:?}");
        });
    }
}
