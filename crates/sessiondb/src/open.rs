//! [`open`]: from the text that names a store to the store.

use std::sync::Arc;

use sessiondb_core::{Error, MemoryBackend, Result, Store};
use sessiondb_sqlite::{Durability, Options, Recovery, SqlView, SqliteBackend};

/// Opens the store that `url` names, and makes it if it is not there.
///
/// | `url` | the store |
/// |---|---|
/// | `sessions.db`, `/var/lib/agent/sessions.db` | this SQLite file |
/// | `sqlite:sessions.db`, `sqlite:///var/lib/agent/sessions.db` | the same; after a `?` options may stand |
/// | `memory:` | a new store in memory, which ends with the last handle |
///
/// Options of a `sqlite:` address: `vfs=NAME` goes through that SQLite VFS; `durability=normal` gives up the last
/// commits in a power cut for speed (see [`Durability`](crate::sqlite::Durability)). The path is taken as it is
/// written, without escapes; only what is an address of another kind (`http://…`, `file:…`) or begins with `~/` is
/// refused.
///
/// ```
/// # pollster::block_on(async {
/// let store = sessiondb::open("memory:").await?;
/// assert!(store.check().await?.is_clean());
/// # Ok::<(), sessiondb::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`Error::CannotOpen`], with the reason. Nothing was changed then.
pub async fn open(url: &str) -> Result<Store> {
    open_with(url, |options| options)
}

/// Opens the store that `url` names if it is there, and makes nothing: for programs that read what others wrote, where
/// a mistyped path should not become an empty store.
///
/// # Errors
/// As [`open`]; [`Error::CannotOpen`] if there is no store.
pub async fn open_existing(url: &str) -> Result<Store> {
    open_with(url, Options::existing)
}

/// Opens the store that `url` names with a family's SQL views in it, and makes what is not there. For families: a store
/// in memory has no views, and needs none.
///
/// # Errors
/// As [`open`]; [`Error::CannotOpen`] if a view cannot be made.
pub async fn open_with_views(url: &str, views: &'static [SqlView]) -> Result<Store> {
    open_with(url, |options| options.sql_views(views))
}

/// Makes the store that `url` names usable again, if [`open`] refuses it because its write-ahead log is damaged. A copy of
/// the log is kept; what its checksums prove is put right, and if that is not all, the store goes on with what comes before
/// the damage. A store that is sound is left as it is.
///
/// # Errors
/// [`Error::CannotOpen`], with the reason: there is no store, the copy cannot be written, another program has the store open
/// and still sees what is behind the damage, … [`Error::Busy`] if another program is reading it.
pub fn recover(url: &str) -> Result<Recovery> {
    let cannot = |reason: String| Error::CannotOpen { location: url.to_owned(), reason };
    if url == "memory:" {
        return Err(cannot("a store in memory has no log".into()));
    }
    sessiondb_sqlite::recover(sqlite_options(url).map_err(cannot)?)
}

fn open_with(url: &str, choose: impl FnOnce(Options) -> Options) -> Result<Store> {
    let cannot = |reason: String| Error::CannotOpen { location: url.to_owned(), reason };
    if url == "memory:" {
        return Ok(Store::new(Arc::new(MemoryBackend::new())));
    }
    let options = sqlite_options(url).map_err(cannot)?;
    SqliteBackend::open(choose(options)).map(|backend| Store::new(Arc::new(backend)))
}

/// A plain path is a path, whatever characters it has; only after `sqlite:` a `?` begins options.
fn sqlite_options(url: &str) -> Result<Options, String> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err("this version has no PostgreSQL engine; use sqlite:PATH".into());
    }
    let Some(address) = url.strip_prefix("sqlite:") else {
        if url.is_empty() {
            return Err("the path is empty".into());
        }
        if url.contains("://") || url.starts_with("file:") {
            return Err(
                "it is no kind of address known here; there are sqlite:PATH, memory: and plain paths".into(),
            );
        }
        return Ok(Options::new(not_a_home(url)?));
    };
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err("the address names no file; a store in memory is memory:".into());
    }
    let mut options = Options::new(not_a_home(path)?);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        options = match option.split_once('=') {
            Some(("vfs", name)) if !name.is_empty() => options.vfs(name),
            Some(("durability", "full")) => options.durability(Durability::Full),
            Some(("durability", "normal")) => options.durability(Durability::Normal),
            _ => {
                return Err(format!(
                    "'{option}' is no option; there are vfs=NAME and durability=full|normal"
                ));
            }
        };
    }
    Ok(options)
}

/// Shells put the home directory in the place of a `~` that begins a word, and only there: after `sqlite:` it would become
/// a directory of that name.
fn not_a_home(path: &str) -> Result<&str, String> {
    if path.starts_with("~/") {
        return Err("'~' is not known here; write the home directory out, or $HOME/ in a shell".into());
    }
    Ok(path)
}
