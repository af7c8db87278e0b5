//! `sessiondb rewind`, `pop`, `reset`, and `undo` of all of them.

use crate::support::{Place, json, json_lines, numbered, without_times};

const KEY: &str = "main:cli::dm:ann";

/// The numbers of the messages that are shown, in their order.
fn shown(place: &Place) -> Vec<u64> {
    let messages = json_lines(&place.ok(&["show", KEY, "-n", "100000", "-o", "jsonl"]));
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

#[test]
fn each_change_is_taken_back_the_last_one_first() {
    let place = numbered(12);
    place.ok(&["compact", KEY, "--keep", "8", "--summary", "s"]);
    assert_eq!(place.ok(&["rewind", KEY, "10"]), "2 messages hidden (11-12), 7 stay\n");
    assert_eq!(json(&place.ok(&["pop", KEY, "-o", "json"]))["content"], 10);
    place.ok(&["append", KEY, "--content", "since"]);
    let reset = place.run(&["reset", KEY]);
    assert_eq!((reset.code, reset.stdout.as_str()), (0, "7 messages hidden (5-9, 13-14)\n"));
    insta::assert_snapshot!(reset.stderr, @"hint: nothing is deleted: `sessiondb undo main:cli::dm:ann` brings it back");
    assert_eq!(shown(&place), [0; 0]);

    let undone: String = (0..5).map(|_| without_times(&place.ok(&["undo", KEY]))).collect();
    insta::assert_snapshot!(undone, @r"
    took back the reset of YYYY-MM-DD hh:mm:ss: 7 messages shown again (5-9, 13-14)
    took back the pop of YYYY-MM-DD hh:mm:ss: 1 message shown again (10)
    took back the rewind of YYYY-MM-DD hh:mm:ss: 2 messages shown again (11-12)
    took back the compaction of YYYY-MM-DD hh:mm:ss: 4 messages shown again (1-4), 1 hidden (13)
    nothing to take back
    ");
    // What was appended since stays; the summary went with its compaction.
    assert_eq!(shown(&place), (1..=12).chain([14]).collect::<Vec<_>>());
}

#[test]
fn json_says_what_was_taken_back() {
    let place = numbered(3);
    place.ok(&["rewind", KEY, "1"]);
    assert_eq!(
        json(&place.ok(&["undo", "ann", "-o", "json"])),
        serde_json::json!({"id": KEY, "changed": true, "hidden": [], "shown_again": [{"first": 2, "last": 3}],
            "message_count": 3, "revision": 2, "undone": "rewind"})
    );
    let nothing = json(&place.ok(&["undo", KEY, "-o", "json"]));
    assert_eq!((&nothing["changed"], &nothing["undone"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn many_changes_can_be_taken_back() {
    let place = numbered(130);
    for _ in 0..120 {
        place.ok(&["pop", KEY, "-o", "json"]);
    }
    for seq in 11..=130 {
        let undone = place.ok(&["undo", KEY]);
        assert!(undone.ends_with(&format!("1 message shown again ({seq})\n")), "{undone}");
        assert!(undone.starts_with("took back the pop of "), "{undone}");
    }
    assert_eq!(shown(&place), (1..=130).collect::<Vec<_>>());
}

#[test]
fn a_popped_message_is_printed_whole() {
    let place = Place::new();
    let text = format!("first\n{}", "x".repeat(300));
    place.ok(&["append", KEY, "--content", &text, "--at", "2026-02-15T10:00:00Z", "--message-id", "m"]);
    place.ok(&["append", KEY, "--content", "last", "--at", "2026-02-15T10:00:01Z"]);
    assert_eq!(place.ok(&["pop", KEY]), "#2 user 2026-02-15 10:00:01\n  last\n");
    let expected = format!("#1 user 2026-02-15 10:00:00\n  first\n  {}\n", "x".repeat(300));
    assert_eq!(place.ok(&["pop", KEY]), expected);
    let run = place.run(&["pop", KEY]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(run.stderr, "nothing to pop: the session shows no message\n");
    assert_eq!(place.ok(&["pop", KEY, "-o", "json"]), "null\n");
    // Its number is not given again.
    assert_eq!(place.ok(&["append", KEY, "--content", "new"]), "{\"seq\":3}\n");
}

#[test]
fn a_cut_between_a_call_and_its_result_is_told() {
    let place = numbered(1);
    let lines = "{\"role\":\"assistant\",\"content\":2,\"opens\":[\"c\"]}\n{\"role\":\"tool\",\"content\":3,\"closes\":[\"c\"]}\n";
    place.ok_with(&["append", KEY], lines);
    let hint = "hint: near its end is a tool's call without its result, or the reverse; `sessiondb repair main:cli::dm:ann` mends that\n";
    assert_eq!(place.run(&["pop", KEY]).stderr, hint);
    place.ok(&["undo", KEY]);
    assert_eq!(place.run(&["rewind", KEY, "2"]).stderr, hint);
    assert_eq!(place.run(&["rewind", KEY, "1"]).stderr, "");
}

#[test]
fn rewinding_to_the_last_message_changes_nothing() {
    let place = numbered(2);
    let said = place.ok(&["rewind", KEY, "2"]);
    assert_eq!(said, "nothing to hide: the session shows 2 messages, and 2 is the last\n");
    assert_eq!(place.ok(&["rewind", KEY, "0"]), "2 messages hidden (1-2), none stay\n");
    assert_eq!(place.ok(&["rewind", KEY, "0"]), "nothing to hide: the session shows no message\n");
    assert_eq!(place.ok(&["reset", KEY]), "nothing to hide: the session shows no message\n");
}

#[test]
fn a_message_that_is_not_shown_is_a_conflict() {
    let place = numbered(5);
    place.ok(&["rewind", KEY, "3"]);
    for seq in ["4", "6", "9223372036854775807"] {
        let run = place.run(&["rewind", KEY, seq]);
        assert_eq!((run.code, run.stdout.as_str()), (4, ""), "{run:?}");
        let expected = format!(
            "error: session {KEY}: message {seq} is not in its view\n\
             hint: `sessiondb show KEY --all` shows every message, and says which are hidden\n"
        );
        assert_eq!(run.stderr, expected);
    }
    assert_eq!(shown(&place), [1, 2, 3]);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let place = numbered(5);
    let cases: [(i32, &[&str]); 11] = [
        (2, &["rewind", KEY]),
        (2, &["rewind", KEY, "x"]),
        (2, &["rewind", KEY, "-1"]),
        (2, &["rewind", KEY, "99999999999999999999"]),
        (5, &["rewind", KEY, "18446744073709551615"]),
        (5, &["rewind", "a:b", "1"]),
        (3, &["rewind", "main:cli::dm:no", "1"]),
        (3, &["pop", "main:cli::dm:no"]),
        (3, &["reset", "main:cli::dm:no"]),
        (3, &["undo", "main:cli::dm:no"]),
        (3, &["undo", "nobody"]),
    ];
    for (code, args) in cases {
        let run = place.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{args:?}: {run:?}");
        assert!(run.stderr.starts_with("error: "), "{args:?}: {run:?}");
    }
    assert_eq!(shown(&place), (1..=5).collect::<Vec<_>>());
}
