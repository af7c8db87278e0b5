//! Where the store is.

use etcetera::BaseStrategy;
use pollster::block_on;
use sessiondb::{Error, Store};

use crate::exit::{Exit, Failure};

/// Opens the store at `url`; without one, the user's own store in the platform's place for data. One that is not there
/// is made only for a command that puts something in.
pub fn open(url: Option<&str>, make: bool) -> Result<Store, Failure> {
    let url = url_or_default(url)?;
    if make {
        return Ok(block_on(sessiondb::open(&url))?);
    }
    block_on(sessiondb::open_existing(&url)).map_err(|error| {
        let missing = is_missing(&error);
        let failure = Failure::from(error);
        if missing {
            failure.hint("import, new and append make one; --db or SESSIONDB_URL names another")
        } else {
            failure
        }
    })
}

/// Opens the same store if it is there, and makes nothing.
pub fn open_if_there(url: Option<&str>) -> Result<Option<Store>, Failure> {
    match block_on(sessiondb::open_existing(&url_or_default(url)?)) {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::CannotOpen { reason, .. } if reason.ends_with("there is no store"))
}

fn url_or_default(url: Option<&str>) -> Result<String, Failure> {
    // An empty variable means what an unset one does.
    url.filter(|url| !url.is_empty()).map_or_else(default_path, |url| Ok(url.to_owned()))
}

/// As a plain path, in which a `?` is no more than itself. The engine makes missing directories, for the user's own
/// eyes only.
fn default_path() -> Result<String, Failure> {
    let unknown = |why: String| {
        Failure::new(Exit::Store, why).hint("name the store with --db or the variable SESSIONDB_URL")
    };
    let base = etcetera::choose_base_strategy().map_err(|error| unknown(error.to_string()))?;
    let path = base.data_dir().join("sessiondb").join("sessions.db");
    path.into_os_string().into_string().map_err(|path| unknown(format!("the path {path:?} is not UTF-8")))
}
