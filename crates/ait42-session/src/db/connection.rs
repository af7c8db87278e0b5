//! [`DbPool`]: a store with this crate's SQL views in it.

use sessiondb::{Result, Store};

use crate::views::VIEWS;

/// An open store. The name is that of the pool of connections it takes the place of: one writer and a few readers, shared
/// by all who use it at once.
///
/// ```
/// use ait42_session::DbPool;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let dir = tempfile::tempdir().unwrap();
/// # let url = format!("sqlite://{}", dir.path().join("sessions.db").display());
/// let pool = DbPool::new(&url).await?;
/// assert!(pool.verify_integrity().await?);
/// pool.close().await?;
/// # Ok::<(), sessiondb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct DbPool {
    store: Store,
}

impl DbPool {
    /// Opens the store that `database_url` names, and makes it if it is not there or an empty file: `sqlite://PATH`, a
    /// plain path, or `memory:` for one that ends with the process. See [`sessiondb::open`].
    ///
    /// In a file it also makes the SQL views `ait42_workspaces`, `ait42_sessions`, `ait42_instances` and
    /// `ait42_chat_messages`, for people who read it with any SQLite shell.
    ///
    /// # Errors
    /// [`sessiondb::Error::CannotOpen`], with the reason. Nothing was changed then.
    pub async fn new(database_url: &str) -> Result<DbPool> {
        sessiondb::open_with_views(database_url, VIEWS).await.map(DbPool::from)
    }

    /// The store: for what this crate has no method for. Sessions of other families may lie in it too.
    pub fn pool(&self) -> &Store {
        &self.store
    }

    /// Finishes what was accepted, then closes the store for everybody who uses it.
    ///
    /// # Errors
    /// [`sessiondb::Error::Storage`] if the last of it could not be written.
    pub async fn close(self) -> Result<()> {
        self.store.close().await
    }

    /// Gives the space of what was deleted back to the file system, while the store is in use. What there is to know for
    /// choosing indexes needs no keeping up: each query names its own.
    ///
    /// # Errors
    /// [`sessiondb::Error::Busy`] or [`sessiondb::Error::Storage`] if the store cannot be written.
    pub async fn optimize(&self) -> Result<()> {
        self.store.optimize().await.map(|_| ())
    }

    /// Looks at everything in the store: recounts, re-reads, compares checksums. Answers whether all is well; what is not
    /// is told by [`check`](Store::check) of the [`pool`](DbPool::pool).
    ///
    /// # Errors
    /// [`sessiondb::Error::Storage`] if the store cannot be read at all.
    pub async fn verify_integrity(&self) -> Result<bool> {
        self.store.check().await.map(|report| report.is_clean())
    }
}

/// A store that is open already. It gets no SQL views.
impl From<Store> for DbPool {
    fn from(store: Store) -> DbPool {
        DbPool { store }
    }
}
