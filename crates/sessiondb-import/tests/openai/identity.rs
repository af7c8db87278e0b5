//! Which conversation is which.

use std::fs;

use pollster::block_on;
use sessiondb_import::{ImportError, Outcome, import};

use crate::desk::{Desk, chat, counts, named, nameless, source};

#[test]
fn importing_twice_writes_nothing() {
    let desk = Desk::with(chat("a", &["1", "2"]) + &nameless(&["3"]));
    desk.import();
    let before = desk.sessions();
    let again = desk.import();
    assert_eq!((again.outcome, again.sessions), (Outcome::Unchanged, counts(0, 0, 0, 2)));
    assert_eq!((again.messages, again.duplicates), (0, 0));
    assert_eq!(desk.sessions(), before);
}

#[test]
fn lines_may_move_and_others_come_between() {
    let (a, b, c) = (nameless(&["a"]), chat("b", &["b"]), nameless(&["c"]));
    let desk = Desk::with(a.clone() + &b);
    desk.import();
    desk.write(c.clone() + &b + "\n" + &a);
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.sessions), (Outcome::Grown, counts(1, 0, 0, 2)));
    // A line that is gone takes nothing away.
    desk.write(c);
    assert_eq!(desk.import().sessions, counts(0, 0, 0, 1));
    assert_eq!(desk.sessions().len(), 3);
}

#[test]
fn the_same_line_twice_is_one_conversation() {
    let desk = Desk::with(nameless(&["a"]) + &nameless(&["a"]) + &chat("b", &["b"]) + &chat("b", &["b"]));
    let verdict = desk.import();
    assert_eq!((verdict.sessions, verdict.duplicates, verdict.messages), (counts(2, 0, 0, 0), 2, 2));
}

#[test]
fn files_with_other_names_are_apart_and_a_copy_with_the_same_name_is_not() {
    let desk = Desk::with(chat("a", &["1"]));
    desk.import();
    let other = desk.home.path().join("other.jsonl");
    fs::copy(&desk.path, &other).unwrap();
    assert_eq!(
        block_on(import(&desk.store, &source(&other), &mut |_| {})).unwrap().sessions,
        counts(1, 0, 0, 0)
    );
    fs::create_dir(desk.home.path().join("copy")).unwrap();
    let copy = desk.home.path().join("copy/chats.jsonl");
    fs::copy(&desk.path, &copy).unwrap();
    assert_eq!(
        block_on(import(&desk.store, &source(&copy), &mut |_| {})).unwrap().sessions,
        counts(0, 0, 0, 1)
    );
}

#[test]
fn a_name_that_makes_no_key_is_refused() {
    let desk = Desk::with("");
    let path = desk.home.path().join("~x.jsonl");
    fs::write(&path, chat("a", &["1"])).unwrap();
    let error = block_on(import(&desk.store, &source(&path), &mut |_| {})).unwrap_err();
    assert!(
        matches!(error, ImportError::NotATranscript { .. }) && error.to_string().contains("begins with '~'"),
        "{error}"
    );
}

#[test]
fn a_session_of_another_family_is_not_touched_and_the_line_is_reported() {
    let desk = Desk::with(chat("a", &["1"]) + "oops\n" + &chat("b", &["2"]));
    block_on(desk.store.session_open(&named("a"))).unwrap();
    let verdict = desk.import();
    assert_eq!(verdict.sessions, counts(1, 0, 0, 0));
    // In the order of the file, though the store is asked last.
    assert_eq!(verdict.bad_lines.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 2]);
    assert!(verdict.bad_lines[0].reason.contains("family 'chat'"), "{:?}", verdict.bad_lines);
    assert!(desk.texts(&named("a")).is_empty());
}
