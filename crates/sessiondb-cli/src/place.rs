//! Where the store is.

use std::path::Path;

use etcetera::BaseStrategy;
use pollster::block_on;
use sessiondb::{Error, Store};

use crate::exit::{Exit, Failure};

/// The address of the store: the one given; without one, the user's own store in the platform's place for data.
pub fn url(given: Option<&str>) -> Result<String, Failure> {
    // An empty variable means what an unset one does.
    given.filter(|url| !url.is_empty()).map_or_else(default_path, |url| Ok(url.to_owned()))
}

/// Opens the store at `url`. One that is not there is made only for a command that puts something in.
pub fn open(url: &str, make: bool) -> Result<Store, Failure> {
    if make {
        return Ok(block_on(sessiondb::open(url))?);
    }
    block_on(sessiondb::open_existing(url)).map_err(|error| {
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
pub fn open_if_there(url: &str) -> Result<Option<Store>, Failure> {
    match block_on(sessiondb::open_existing(url)) {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::CannotOpen { reason, .. } if reason.ends_with("there is no store"))
}

/// The file that the address of an open store names, if it is one in a file.
pub fn file(url: &str) -> Option<&Path> {
    let path = match url.strip_prefix("sqlite:") {
        Some(address) => address.split_once('?').map_or(address, |(path, _)| path),
        None if url == "memory:" => return None,
        None => url,
    };
    let plain = url.starts_with("sqlite:").then(|| path.strip_prefix("//")).flatten();
    Some(Path::new(plain.unwrap_or(path)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_an_address_is_the_one_that_is_opened() {
        for (url, path) in [
            ("sqlite:a/s.db", "a/s.db"),
            ("sqlite:///a/s.db?durability=normal", "/a/s.db"),
            ("sqlite:/a/s.db", "/a/s.db"),
            ("//a/s.db", "//a/s.db"),
            ("a?b.db", "a?b.db"),
        ] {
            assert_eq!(file(url), Some(Path::new(path)), "{url}");
        }
        assert_eq!(file("memory:"), None);
    }
}
