//! Rollouts are found, and nothing else is taken for one.

use std::fs;

use sessiondb_import::{Format, ImportError, find};

use crate::desk::{Desk, meta, testdata, user};

#[test]
fn a_directory_is_searched_and_what_is_no_transcript_is_passed_over() {
    for format in [None, Some(Format::Codex)] {
        let found = find(format, &[testdata("")]).unwrap();
        assert_eq!((found.sources.len(), found.passed_over), (6, 3));
        assert!(found.sources.iter().all(|source| source.format.to_string() == "codex"));
    }
    let found = find(Some(Format::Claude), &[testdata("")]).unwrap();
    assert_eq!((found.sources.len(), found.passed_over), (0, 9));
}

#[test]
fn a_compressed_rollout_is_found_too() {
    let desk = Desk::with(meta("a") + &user(1, "x"));
    let packed = desk.pack();
    fs::write(desk.home.path().join("other.zst"), fs::read(&packed).unwrap()).unwrap();
    let found = find(None, &[desk.home.path().to_owned()]).unwrap();
    let paths: Vec<_> = found.sources.iter().map(|source| &source.path).collect();
    assert_eq!(paths, [&desk.path, &packed]);
    assert_eq!(found.sources[1].bytes, fs::metadata(&packed).unwrap().len());
    assert_eq!(found.passed_over, 1);
}

#[test]
fn a_damaged_compressed_file_is_named_and_the_rest_is_found() {
    let desk = Desk::with(meta("a") + &user(1, "x"));
    let packed = desk.pack();
    fs::write(&packed, "{}\n").unwrap();
    let found = find(None, &[desk.home.path().to_owned()]).unwrap();
    assert_eq!((found.sources.len(), found.unread.len()), (1, 1));
    let error = found.unread[0].to_string();
    assert!(error.contains(packed.to_str().unwrap()) && error.contains("damaged or cut off"), "{error}");
    let error = find(None, std::slice::from_ref(&packed)).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
}
