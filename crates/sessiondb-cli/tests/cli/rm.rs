//! `sessiondb rm`. The question is asked on a terminal, which a test has not; the answer is read by a function with a
//! test of its own.

use crate::support::Place;

#[test]
fn deleted_keys_are_printed() {
    let place = Place::new();
    place.sessions(4);
    let deleted = place.ok(&["rm", "--yes", "main:cli::dm:001", "003", "003"]);
    assert_eq!(deleted, "main:cli::dm:001\nmain:cli::dm:003\n");
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 2);
}

#[test]
fn without_a_terminal_it_wants_a_yes() {
    let place = Place::new();
    place.sessions(1);
    let run = place.run_with(&["rm", "000"], "y\n");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(run.stderr, @r"
    error: there is no terminal to ask on
    hint: with --yes, rm deletes without asking
    ");
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 1);
}

#[test]
fn a_missing_one_is_an_error_but_the_others_go() {
    let place = Place::new();
    place.sessions(2);
    let run = place.run(&["rm", "--yes", "main:cli::dm:no", "000", "zz", "001"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, "main:cli::dm:000\nmain:cli::dm:001\n"));
    insta::assert_snapshot!(run.stderr, @r"
    error: session main:cli::dm:no does not exist
    hint: `sessiondb ls` shows the keys
    error: no session's peer_id begins with 'zz'
    hint: `sessiondb ls` shows the keys
    ");
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]), "");
}

#[test]
fn what_is_deleted_is_gone() {
    let place = Place::new();
    place.sessions(1);
    place.ok(&["append", "000", "--content", "secret"]);
    place.ok(&["rm", "--yes", "000"]);
    assert_eq!(place.run(&["show", "main:cli::dm:000"]).code, 3);
    assert!(place.ok(&["check"]).contains("       0         0          0         0"));
}
