//! What an address names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use sessiondb::{Error, SessionKey, blocking};

fn refused(url: &str, why: &str) {
    let error = blocking::open(url).err().expect(url);
    assert!(matches!(error, Error::CannotOpen { .. }), "{url}: {error:?}");
    assert!(error.to_string().contains(why), "{url}: {error}");
}

#[test]
fn a_file_has_three_spellings() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd name?vfs=x.db").display().to_string();
    let key = SessionKey::new("a", "", "", "", "");
    blocking::open(&path).unwrap().session_open(&key).unwrap();
    assert!(std::fs::exists(&path).unwrap(), "a plain path is taken as it is");

    let path = dir.path().join("s.db").display().to_string();
    blocking::open(&path).unwrap().session_open(&key).unwrap();
    for url in [
        format!("sqlite:{path}"),
        format!("sqlite://{path}"),
        format!("sqlite:{path}?vfs=unix&durability=normal"),
    ] {
        assert!(blocking::open(&url).unwrap().session(&key).unwrap().is_some(), "{url}");
    }
}

#[test]
fn what_names_nothing_is_refused() {
    refused("", "the path is empty");
    refused("sqlite:", "memory:");
    refused("sqlite::memory:", "memory:");
    refused("sqlite:x.db?vfs=", "'vfs=' is no option");
    refused("sqlite:x.db?mode=ro", "'mode=ro' is no option");
    refused("http://localhost/x", "no kind of address known here");
    refused("file:x.db", "no kind of address known here");
    refused("~/x.db", "'~' is not known here");
    refused("sqlite:~/x.db", "'~' is not known here");
    refused("postgres://localhost/x", "no PostgreSQL engine");
    assert!(!std::fs::exists("x.db").unwrap() && !std::fs::exists("~").unwrap());
}

#[test]
fn a_store_in_memory_is_new_each_time() {
    let key = SessionKey::new("a", "", "", "", "");
    blocking::open("memory:").unwrap().session_open(&key).unwrap();
    assert_eq!(blocking::open("memory:").unwrap().session(&key).unwrap(), None);
}

#[test]
fn opening_what_exists_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/s.db").display().to_string();
    for url in [path.clone(), format!("sqlite:{path}")] {
        let error = blocking::open_existing(&url).err().unwrap();
        assert!(
            error.to_string().contains(&path) && error.to_string().contains("there is no store"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    blocking::open(&path).unwrap();
    assert!(blocking::open_existing(&path).is_ok());
}
