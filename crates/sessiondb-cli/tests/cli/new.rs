//! `sessiondb new`.

use crate::support::{Place, json};

const KEY: &str = "main:cli::dm:ann";

#[test]
fn a_new_session_has_what_it_was_given() {
    let place = Place::new();
    let args = ["new", KEY, "--family", "interview", "--status", "waiting", "--metadata", r#"{"n":1e400}"#];
    assert_eq!(place.ok(&args), format!("{KEY}\n"));
    let list = place.ok(&["ls", "-o", "jsonl"]);
    // What a JSON library may not hold stays as it was given.
    assert!(list.contains(r#""metadata":{"n":1e400}"#), "{list}");
    assert!(list.contains(r#""family":"interview","status":"waiting""#), "{list}");
}

#[test]
fn without_options_it_is_a_plain_conversation() {
    let place = Place::new();
    place.ok(&["new", KEY]);
    let session = json(&place.ok(&["ls", "-o", "jsonl"]));
    assert_eq!((&session["family"], &session["status"]), (&"chat".into(), &"active".into()));
    assert_eq!(session["metadata"], serde_json::json!({}));
}

#[test]
fn a_session_that_exists_is_a_conflict_and_stays() {
    let place = Place::new();
    place.ok(&["new", KEY, "--status", "first"]);
    let run = place.run(&["new", KEY, "--status", "second"]);
    assert_eq!((run.code, run.stdout.as_str()), (4, ""));
    insta::assert_snapshot!(run.stderr, @r"
    error: session main:cli::dm:ann: it exists already, at revision 0
    hint: append to it, or take another key
    ");
    assert_eq!(json(&place.ok(&["ls", "-o", "jsonl"]))["status"], "first");
}

#[test]
fn the_key_is_printed_in_its_canonical_form() {
    assert_eq!(Place::new().ok(&["new", "main:cli::dm:a=2d b"]), "main:cli::dm:a-=20b\n");
}

#[test]
fn what_is_no_key_or_no_metadata_is_bad_input() {
    let place = Place::new();
    for args in [
        ["new", "main:cli", "--status", "s"],
        ["new", "~x:cli::dm:ann", "--status", "s"],
        ["new", KEY, "--metadata", "[1]"],
        ["new", KEY, "--metadata", "{"],
        ["new", KEY, "--status", ""],
    ] {
        let run = place.run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
    }
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]), "");
}
