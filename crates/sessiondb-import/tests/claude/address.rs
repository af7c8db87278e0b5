//! Files that have no session, or cannot be read.

use std::{fs, path::PathBuf};

use pollster::block_on;
use sessiondb_import::{Format, ImportError, Source, import};

use crate::desk::{Desk, source, user};

fn why_not(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.home.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    match block_on(import(&desk.store, &source(&path), &mut |_| {})).unwrap_err() {
        ImportError::NotATranscript { path: named, reason } => {
            assert_eq!(named, path);
            reason
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_name_that_makes_no_key_is_refused() {
    let desk = Desk::with("");
    assert!(why_not(&desk, "-w/~x.jsonl", &user("a", "1")).contains("begins with '~'"));
    assert!(why_not(&desk, "~w/x.jsonl", &user("a", "1")).contains("begins with '~'"));
    let reason = why_not(&desk, "-w/agent-x.jsonl", &user("a", "1"));
    assert_eq!(reason, "none of its first records names the session it belongs to");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::with("");
    let path = desk.home.path().join(std::ffi::OsStr::from_bytes(b"\xff.jsonl"));
    fs::write(&path, user("a", "1")).unwrap();
    let error = block_on(import(&desk.store, &source(&path), &mut |_| {})).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn a_path_through_dots_is_the_same_session() {
    let desk = Desk::with(user("a", "1"));
    fs::create_dir(desk.path.with_file_name("deeper")).unwrap();
    for path in ["./-w/./s-1.jsonl", "-w/deeper/../s-1.jsonl"] {
        let path = desk.home.path().join(path);
        assert_eq!(block_on(import(&desk.store, &source(&path), &mut |_| {})).unwrap().key, Some(desk.key()));
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let desk = Desk::with("");
    let source = Source { format: Format::Claude, path: PathBuf::from("/nowhere/x.jsonl"), bytes: 0 };
    let error = block_on(import(&desk.store, &source, &mut |_| {})).unwrap_err();
    assert!(
        matches!(error, ImportError::Read { .. }) && error.to_string().contains("/nowhere/x.jsonl"),
        "{error}"
    );
}

#[test]
fn a_store_that_fails_is_an_error_that_names_the_file() {
    let desk = Desk::with(user("a", "1"));
    block_on(desk.store.close()).unwrap();
    let error = desk.try_import().unwrap_err();
    assert!(matches!(error, ImportError::Store { source: sessiondb::Error::Closed, .. }));
    assert!(error.to_string().contains("s-1.jsonl") && error.to_string().contains("closed"), "{error}");
}
