//! Where the store is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use etcetera::BaseStrategy;
use pollster::block_on;
use sessiondb::{Error, Store};
use sessiondb_client::{HttpBackend, is_loopback};

use crate::exit::{Exit, Failure};

/// The address of the store: the one given; without one, the user's own store in the platform's place for data.
pub fn url(given: Option<&str>) -> Result<String, Failure> {
    // An empty variable means what an unset one does.
    given.filter(|url| !url.is_empty()).map_or_else(default_path, |url| Ok(url.to_owned()))
}

/// Opens the store at `url`. One that is not there is made only for a command that puts something in.
pub fn open(url: &str, make: bool) -> Result<Store, Failure> {
    if is_server(url) {
        return served(url);
    }
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
    if is_server(url) {
        return served(url).map(Some);
    }
    match block_on(sessiondb::open_existing(url)) {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the address is that of a server of a store.
pub fn is_server(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// The store of a server.
fn served(url: &str) -> Result<Store, Failure> {
    Ok(Store::new(Arc::new(server(url)?)))
}

/// A server. The token is that of the environment, or, for a server on this machine, the one beside the user's own
/// store: it is shown to no other machine. Its certificate must be one that a public authority vouches for, or one in the file that
/// `SESSIONDB_CA` names.
pub fn server(url: &str) -> Result<HttpBackend, Failure> {
    let given = env::var("SESSIONDB_TOKEN").ok().filter(|token| !token.is_empty());
    let token = match given {
        Some(token) => Some(token),
        None if is_loopback(url) => {
            token_file(&default_path()?).and_then(|file| fs::read_to_string(file).ok())
        }
        None => None,
    };
    let token = token.as_deref().map(str::trim);
    match env::var_os("SESSIONDB_CA").filter(|path| !path.is_empty()) {
        None => Ok(HttpBackend::open(url, token)?),
        Some(path) => {
            let pem = fs::read(&path).map_err(|error| {
                let path = Path::new(&path).display();
                Failure::new(
                    Exit::BadInput,
                    format!("SESSIONDB_CA names {path}, which cannot be read: {error}"),
                )
            })?;
            Ok(HttpBackend::open_trusting(url, token, &pem)?)
        }
    }
}

/// What only whoever has the store's file can do.
pub fn require_file(url: &str, what: &str) -> Result<(), Failure> {
    match is_server(url) {
        true => Err(Failure::new(
            Exit::Usage,
            format!("{what} needs the store itself, and {url} is a server of it"),
        )
        .hint("run it on the server's machine, with --db PATH")),
        false => Ok(()),
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::CannotOpen { reason, .. } if reason.ends_with("there is no store"))
}

/// The file that the address of an open store names, if it is one in a file.
pub fn file(url: &str) -> Option<&Path> {
    let path = match url.strip_prefix("sqlite:") {
        Some(address) => address.split_once('?').map_or(address, |(path, _)| path),
        None if url == "memory:" || is_server(url) => return None,
        None => url,
    };
    let plain = url.starts_with("sqlite:").then(|| path.strip_prefix("//")).flatten();
    Some(Path::new(plain.unwrap_or(path)))
}

/// The file beside the store with the token of whoever serves it; `None` for a store without a file.
pub fn token_file(url: &str) -> Option<PathBuf> {
    let mut name = file(url)?.as_os_str().to_owned();
    name.push("-token");
    Some(PathBuf::from(name))
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

    /// The token of this machine's store must not be shown to another machine.
    #[test]
    fn this_machine_is_told_from_others() {
        for here in ["http://localhost", "http://127.0.0.1:7878/", "https://[::1]:1", "http://localhost:7878"]
        {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "http://localhost.example",
            "http://127.0.0.1.example:80",
            "http://user@127.0.0.1",
            "http://localhost:80@evil.example/",
            "http://10.0.0.1",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }

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
        assert_eq!(file("http://127.0.0.1:7878"), None);
    }
}
