//! `sessiondb repair`.

use crate::support::{Place, json, json_lines};

const KEY: &str = "main:cli::dm:ann";

/// A result whose call is not there, a call that has its result, two calls of one message without.
fn broken() -> Place {
    let place = Place::new();
    let lines = [
        r#"{"role":"tool","content":1,"closes":["lost"]}"#,
        r#"{"role":"assistant","content":2,"opens":["a"]}"#,
        r#"{"role":"tool","content":3,"closes":["a"]}"#,
        r#"{"role":"assistant","content":4,"opens":["b","c"]}"#,
        r#"{"role":"user","content":5}"#,
    ];
    place.ok_with(&["append", KEY], lines.map(|line| line.to_owned() + "\n").concat());
    place
}

fn shown(place: &Place) -> Vec<u64> {
    let messages = json_lines(&place.ok(&["show", KEY, "-o", "jsonl"]));
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

#[test]
fn halves_of_calls_are_mended_and_that_can_be_taken_back() {
    let place = broken();
    assert_eq!(place.ok(&["repair", KEY]), "1 result appended (6), 1 message hidden (1)\n");
    assert_eq!(shown(&place), [2, 3, 4, 6, 5]);
    assert_eq!(place.ok(&["repair", KEY]), "nothing to repair\n");
    let undone = place.ok(&["undo", KEY]);
    assert!(undone.starts_with("took back the repair"), "{undone}");
    assert!(undone.ends_with(": 1 message shown again (1), 1 hidden (6)\n"), "{undone}");
    assert_eq!(shown(&place), [1, 2, 3, 4, 5]);
}

#[test]
fn json_says_what_was_done() {
    let place = broken();
    assert_eq!(
        json(&place.ok(&["repair", KEY, "-o", "json"])),
        serde_json::json!({"id": KEY, "changed": true, "hidden": [{"first": 1, "last": 1}], "shown_again": [],
            "message_count": 5, "revision": 1, "appended": [6]})
    );
    let nothing = json(&place.ok(&["repair", KEY, "-o", "json"]));
    assert_eq!((&nothing["changed"], &nothing["appended"]), (&false.into(), &serde_json::json!([])));
}

#[test]
fn a_session_that_is_not_there_cannot_be_repaired() {
    assert_eq!(broken().run(&["repair", "main:cli::dm:no"]).code, 3);
}
