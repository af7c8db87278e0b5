//! SessionDB's SQLite engine: one file, one writer with group commit, a pool of readers.
//!
//! Most programs open a store with the `sessiondb` crate. This one is for those who choose [`Options`] themselves.
//!
//! ```
//! use std::sync::Arc;
//! use sessiondb_core::{NewMessage, SessionKey, Store};
//! use sessiondb_sqlite::{Options, SqliteBackend};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("sessions.db");
//! # pollster::block_on(async {
//! let store = Store::new(Arc::new(SqliteBackend::open(Options::new(path))?));
//! let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! store.append(&key, vec![NewMessage::new("user", "hello")]).await?;
//! # store.close().await
//! # }).unwrap();
//! ```
//!
//! The way of an append: [`SqliteBackend`] (this file) → `queue` → `transaction` (one for all who wait) →
//! `apply` (from a commit to rows). The way of a read: this file → `reader` (the pool) → `query`, `window` and `parts` (the
//! SQL) → `row`; what was read last of a session is kept in `ends`.
//!
//! What the file promises: an answered commit survives power loss ([`Durability::Full`]); the tables are plain rows
//! that any SQLite shell can read (`schema.sql`); several processes may write one file.

mod apply;
mod check;
mod checkpoint;
mod connection;
mod descriptor;
mod ends;
mod error;
mod feed;
mod fork;
mod history;
mod index;
mod lock;
mod migrate;
mod optimize;
mod options;
mod parts;
mod query;
mod queue;
mod reader;
mod recovery;
mod restore;
mod row;
mod search;
mod sql_view;
mod sync;
mod times;
mod transaction;
mod wal;
mod window;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_channel::oneshot;
use rusqlite::Connection;
use sessiondb_core::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage,
    Lineage, MessagePage, Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter, SessionKey,
    SessionPage, SessionParts, Status, ViewChange, Window,
};

pub use migrate::SCHEMA_VERSION;
pub use options::{Durability, Options};
pub use recovery::{Recovery, recover};
pub use sql_view::SqlView;

use crate::{
    checkpoint::Checkpointer, connection::Role, ends::Ends, error::Failure, index::Indexer, queue::Queue,
    reader::Readers, transaction::WriteConnection,
};

/// A store in a SQLite file.
#[derive(Clone)]
pub struct SqliteBackend {
    engine: Arc<Engine>,
    /// Whether callers may block their thread, so that work can be done on it.
    blocking: bool,
}

struct Engine {
    /// Where it is, if it is a file of the system's.
    database: Option<PathBuf>,
    ends: Arc<Ends>,
    indexer: Indexer,
    readers: Arc<Readers>,
    queue: Arc<Queue<WriteConnection>>,
}

impl Engine {
    fn close(&self) -> Result<()> {
        self.indexer.close();
        // The last connection to close cleans up the log, and that must be one that can write.
        self.readers.close();
        self.queue.close()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

impl SqliteBackend {
    /// Opens a store, and makes it if it is not there.
    ///
    /// # Errors
    /// [`Error::CannotOpen`], with the reason: a directory, not a database, somebody else's database, a newer
    /// schema, no right to write, … Nothing was changed then.
    pub fn open(options: Options) -> Result<SqliteBackend> {
        let (place, lock, conn) = connection::open(&options, Role::Writer)?;
        // A VFS that was asked for may keep its files anywhere.
        let database = options.vfs.is_none().then(|| place.path().to_owned());
        let (there, of_readers) = (place.clone(), options.clone());
        let reader = move || connection::reopen(&there, &of_readers, Role::Reader);
        let of_checkpoints = Box::new(reader.clone());
        let writer = WriteConnection::new(place, conn, lock, |lock| {
            Checkpointer::new(of_checkpoints, database.clone(), lock)
        })?;
        let (queue, readers) = (Arc::new(Queue::start(writer)?), Arc::new(Readers::new(Box::new(reader))));
        Ok(SqliteBackend {
            engine: Arc::new(Engine {
                database,
                ends: Arc::new(Ends::new()),
                indexer: Indexer::new(),
                readers,
                queue,
            }),
            blocking: false,
        })
    }

    /// Does what takes long on a thread of its own, or on the caller's if that may block.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Engine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.blocking {
            return work(&self.engine);
        }
        let (engine, (answer, receiver)) = (Arc::clone(&self.engine), oneshot::channel());
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let done = work(&engine);
                // Whoever has the answer may drop the store, and is the last to do so: it is closed then, and not some time later.
                drop(engine);
                let _ = answer.send(done);
            })
            .map_err(|e| Error::Storage(format!("no thread named {name}: {e}")))?;
        receiver.await.unwrap_or_else(|_| Err(Error::Storage(format!("the thread {name} panicked"))))
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        if self.blocking {
            return self.engine.readers.read_blocking(read);
        }
        self.engine.readers.read(read).await
    }
}

/// A plain connection to a store, for those who speak SQL: made like the engine's own (foreign keys on, write-ahead
/// log, durable commits), the file created and its schema brought up to date first. It copies the log into the database at
/// 4 MiB, at the end of a commit.
///
/// # Errors
/// As [`SqliteBackend::open`].
pub fn open_connection(path: &Path) -> Result<Connection> {
    let (_, lock, mut conn) = connection::open(&Options::new(path), Role::Guest)?;
    checkpoint::of_guest(&mut conn, lock).map_err(|e| error::store_error(&e))?;
    Ok(conn)
}

/// Brings the schema of a database up to date. On one that is there already nothing is written.
///
/// # Errors
/// [`Error::CannotOpen`] if the database is somebody else's or its schema is newer; [`Error::Busy`] or
/// [`Error::Storage`] if SQLite could not do it. A step that fails leaves the version before it.
pub fn migrate(conn: &Connection) -> Result<()> {
    migrate::run(conn).map_err(Error::from)
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        let Engine { indexer, readers, queue, .. } = self.engine.as_ref();
        let receipts = match self.blocking {
            true => queue.commit_blocking(commits)?,
            false => queue.commit(commits).await?,
        };
        indexer.committed(readers, queue);
        Ok(receipts)
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        let key = key.clone();
        self.read(move |conn| query::session(conn, &key)).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let filter = filter.clone();
        self.read(move |conn| query::session_list(conn, &filter)).await
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        let (filter, parts) = (filter.clone(), parts.clone());
        self.read(move |conn| parts::session_list_parts(conn, &filter, &parts)).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        let (keys, parts) = (keys.to_vec(), parts.clone());
        self.read(move |conn| parts::session_parts(conn, &keys, &parts)).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        let (key, ends) = (key.clone(), Arc::clone(&self.engine.ends));
        self.read(move |conn| match query::session(conn, &key)? {
            Some(session) => window::message_window(conn, &ends, &session, window).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        let key = key.clone();
        self.read(move |conn| match query::session_id(conn, &key)? {
            Some(log) => query::lineage(conn, log).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        let key = key.clone();
        self.read(move |conn| match query::session_id(conn, &key)? {
            Some(log) => query::view_changes(conn, log, before, limit).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        let (key, collection, id) = (key.clone(), collection.to_owned(), id.to_owned());
        self.read(move |conn| match query::session_id(conn, &key)? {
            Some(log) => query::document(conn, log, &collection, &id),
            None => Ok(None),
        })
        .await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        let (key, filter) = (key.clone(), filter.clone());
        self.read(move |conn| match query::session_id(conn, &key)? {
            Some(log) => query::document_list(conn, log, &filter).map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        self.read(move |conn| feed::changes(conn, after, limit)).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        let search = search.clone();
        let (page, behind) =
            self.read(move |conn| Ok((search::search(conn, &search)?, index::behind(conn)?))).await?;
        if behind > index::BEHIND_SOME {
            let Engine { indexer, readers, queue, .. } = self.engine.as_ref();
            indexer.committed(readers, queue);
        }
        Ok(page)
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = self
            .read(|conn| {
                let mut report = CheckReport::default();
                check::file(conn, &mut report);
                Ok(report)
            })
            .await?;
        // A page of sessions a snapshot: one for all would keep the log from being checkpointed.
        let mut after = Some(0);
        while let Some(from) = after {
            (after, report) = self
                .read(move |conn| {
                    let after = check::sessions(conn, from, &mut report);
                    Ok((after, report))
                })
                .await?;
        }
        Ok(report)
    }

    async fn optimize(&self) -> Result<u64> {
        self.on_a_thread("sessiondb-optimize", |engine| {
            match index::bring_up_to_date(&engine.readers, &engine.queue) {
                // Where there is no room, giving some back comes first.
                Err(error @ Error::Full(_)) => tracing::warn!(%error, "the index of words is left as it is"),
                done => done?,
            }
            engine.queue.optimize()
        })
        .await
    }

    async fn status(&self) -> Result<Status> {
        let unindexed = self.read(|conn| Ok(index::behind(conn)?)).await?;
        let length = |end: &str| {
            let mut name = self.engine.database.as_ref()?.as_os_str().to_owned();
            name.push(end);
            // The log comes with the first write.
            Some(std::fs::metadata(name).map_or(0, |file| file.len()))
        };
        Ok(Status {
            database_bytes: length(""),
            log_bytes: length("-wal"),
            waiting: self.engine.queue.waiting() as u64,
            unindexed,
        })
    }

    async fn close(&self) -> Result<()> {
        self.on_a_thread("sessiondb-close", Engine::close).await
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(SqliteBackend { engine: Arc::clone(&self.engine), blocking: true })
    }
}
