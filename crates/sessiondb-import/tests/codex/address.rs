//! A file is the same session for ever, and no two threads are one.

use std::{fs, path::PathBuf};

use pollster::block_on;
use sessiondb_import::{Format, ImportError, Source, import};

use crate::desk::{Desk, THREAD, key, meta, source, testdata, user};

fn imported(desk: &Desk, name: &str, text: &str) -> Result<String, String> {
    let path = desk.home.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    match block_on(import(&desk.store, &source(&path), &mut |_| {})) {
        Ok(verdict) => Ok(verdict.key.unwrap().to_string()),
        Err(ImportError::NotATranscript { path: named, reason }) => {
            assert_eq!(named, path);
            Err(reason)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_name_counts_wherever_the_file_lies_and_whatever_is_in_it() {
    let (desk, other) = (Desk::with(""), "019c0000-0000-7000-8000-00000000000f");
    let name = format!("rollout-2026-08-20T10-00-00-{THREAD}.jsonl");
    for (name, text) in [
        (name.clone(), meta(other)),
        (format!("archived_sessions/{name}"), String::new()),
        (name, "{\"torn".into()),
    ] {
        assert_eq!(imported(&desk, &name, &text).unwrap(), format!("codex:::thread:{THREAD}"));
    }
    let page = format!("rollout-2026-08-20T10-00-00-{THREAD}_{other}.jsonl");
    assert_eq!(imported(&desk, &page, &meta(THREAD)).unwrap(), format!("codex:::thread:{THREAD}_{other}"));
}

#[test]
fn a_file_of_another_name_is_the_thread_of_its_first_record() {
    let desk = Desk::with("");
    let expected = format!("codex:::thread:{THREAD}");
    let parent = meta("019c0000-0000-7000-8000-00000000000f");
    for name in
        ["copy.bak", "rollout-x.jsonl", "rollout-2026-08-20T10-00-00-.jsonl", "rollout-2026-08-20-a.jsonl"]
    {
        assert_eq!(imported(&desk, name, &(meta(THREAD) + &parent)).unwrap(), expected, "{name}");
    }
    let head =
        format!("{{\"id\":\"{THREAD}\",\"timestamp\":\"2025-07-10T09:00:00Z\",\"instructions\":null}}\n");
    assert_eq!(imported(&desk, "old.jsonl", &head).unwrap(), expected);
    let reason = imported(&desk, "none.jsonl", &user(0, "x")).unwrap_err();
    assert_eq!(reason, "none of its first records names the session it belongs to");
}

#[test]
fn a_name_that_makes_no_key_is_refused() {
    let desk = Desk::with("");
    let refused = |name: &str| imported(&desk, name, &meta(THREAD)).unwrap_err();
    assert!(refused("rollout-2026-08-20T10-00-00-~x.jsonl").contains("begins with '~'"));
    assert!(imported(&desk, "x", &meta(&"y".repeat(513))).unwrap_err().contains("512"));
}

#[test]
fn a_page_of_a_thread_is_a_session_beside_it() {
    let store = block_on(sessiondb::open("memory:")).unwrap();
    let found = sessiondb_import::find(Some(Format::Codex), &[testdata("archived_sessions")]).unwrap();
    let keys: Vec<_> = found
        .sources
        .iter()
        .map(|source| block_on(import(&store, source, &mut |_| {})).unwrap().key)
        .collect();
    let thread = "019c0100-0000-7000-8000-00000000000b";
    assert_eq!(
        keys,
        [Some(key(thread)), Some(key(&format!("{thread}_019c0150-0000-7000-8000-0000000000aa")))]
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let desk = Desk::with("");
    let source = Source { format: Format::Codex, path: PathBuf::from("/nowhere/x.jsonl.zst"), bytes: 0 };
    let error = block_on(import(&desk.store, &source, &mut |_| {})).unwrap_err();
    assert!(
        matches!(error, ImportError::Read { .. }) && error.to_string().contains("/nowhere/x.jsonl.zst"),
        "{error}"
    );
}
