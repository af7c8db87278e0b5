//! `sessiondb compact` and `sessiondb uncompact`.

use crate::support::{Place, json, json_lines, numbered};

const KEY: &str = "main:cli::dm:ann";

/// The numbers of the messages that are shown, in their order.
fn shown(place: &Place) -> Vec<u64> {
    let messages = json_lines(&place.ok(&["show", KEY, "-n", "100000", "-o", "jsonl"]));
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

#[test]
fn older_messages_are_hidden_behind_a_summary() {
    let place = numbered(100);
    let said = place.ok(&["compact", KEY, "--keep", "10", "--summary", "they counted"]);
    assert_eq!(said, "90 messages hidden behind summary 101 (1-90), 10 stay\n");
    assert_eq!(shown(&place), [101].into_iter().chain(91..=100).collect::<Vec<_>>());
    let summary = &json_lines(&place.ok(&["show", KEY, "-o", "jsonl"]))[0];
    assert_eq!((&summary["role"], &summary["content"]), (&"system".into(), &"they counted".into()));

    assert_eq!(place.ok(&["uncompact", KEY]), "90 messages shown again (1-90), 1 hidden (101)\n");
    assert_eq!(shown(&place), (1..=100).collect::<Vec<_>>());
    let nothing = place.ok(&["uncompact", KEY]);
    assert_eq!(nothing, "nothing to show again: there is no compaction to take back\n");
}

#[test]
fn without_a_summary_they_are_just_hidden() {
    let place = numbered(25);
    assert_eq!(place.ok(&["compact", KEY]), "5 messages hidden (1-5), 20 stay\n");
    assert_eq!(shown(&place), (6..=25).collect::<Vec<_>>());
    assert_eq!(place.ok(&["compact", KEY, "--keep", "0"]), "20 messages hidden (6-25), none stay\n");
    assert_eq!(shown(&place), [0; 0]);
}

#[test]
fn where_nothing_can_be_hidden_nothing_is_appended() {
    let place = numbered(7);
    let said = place.ok(&["compact", KEY, "--summary", "seven"]);
    assert_eq!(said, "nothing to hide: the session shows 7 messages\n");
    let done = json(&place.ok(&["compact", KEY, "--summary", "seven", "-o", "json"]));
    assert_eq!(
        done,
        serde_json::json!({"id": KEY, "changed": false, "hidden": [], "shown_again": [], "message_count": 7,
            "revision": 0})
    );
    assert_eq!(shown(&place), (1..=7).collect::<Vec<_>>());
}

#[test]
fn json_says_what_was_done() {
    let place = numbered(9);
    let args = ["compact", KEY, "--keep", "2", "--summary", "s", "-o", "json"];
    assert_eq!(
        json(&place.ok(&args)),
        serde_json::json!({"id": KEY, "changed": true, "hidden": [{"first": 1, "last": 7}], "shown_again": [],
            "message_count": 3, "revision": 1, "summary": 10})
    );
    let done = json(&place.ok(&["uncompact", "ann", "-o", "json"]));
    assert_eq!(
        done,
        serde_json::json!({"id": KEY, "changed": true, "hidden": [{"first": 10, "last": 10}],
            "shown_again": [{"first": 1, "last": 7}], "message_count": 9, "revision": 2})
    );
}

#[test]
fn a_summary_may_come_from_a_file_or_stdin_and_have_another_role() {
    let place = numbered(9);
    let file = place.path("summary.txt");
    std::fs::write(&file, "two\nlines\n").unwrap();
    place.ok(&["compact", KEY, "--keep", "4", "--summary-file", file.to_str().unwrap(), "--role", "user"]);
    place.ok_with(&["compact", KEY, "--keep", "2", "--summary-file", "-"], "from stdin\n");
    let log = json_lines(&place.ok(&["show", KEY, "--all", "-o", "jsonl"]));
    let said = |at: usize| (log[at]["role"].as_str().unwrap(), log[at]["content"].as_str().unwrap());
    assert_eq!((said(9), said(10)), (("user", "two\nlines"), ("system", "from stdin")));
}

#[test]
fn what_was_appended_meanwhile_stays() {
    let place = numbered(9);
    let said = place.ok(&["compact", KEY, "--through", "4", "--summary", "four"]);
    assert_eq!(said, "4 messages hidden behind summary 10 (1-4), 5 stay\n");
    assert_eq!(shown(&place), [10, 5, 6, 7, 8, 9]);
    assert_eq!(place.run(&["compact", KEY, "--through", "4"]).code, 4);
    let said = place.ok(&["compact", KEY, "--through", "0"]);
    assert_eq!(said, "nothing to hide: the session shows 6 messages\n");
}

#[test]
fn a_call_is_not_cut_from_its_result() {
    let place = numbered(3);
    let lines = "{\"role\":\"assistant\",\"content\":4,\"opens\":[\"c\"]}\n{\"role\":\"tool\",\"content\":5,\"closes\":[\"c\"]}\n";
    place.ok_with(&["append", KEY], lines);
    assert_eq!(place.ok(&["compact", KEY, "--keep", "1"]), "3 messages hidden (1-3), 2 stay\n");
    assert_eq!(shown(&place), [4, 5]);
}

#[test]
fn what_cannot_be_a_summary_is_refused() {
    let place = numbered(30);
    let latin = place.path("latin.txt");
    std::fs::write(&latin, b"caf\xe9").unwrap();
    let missing = place.path("missing.txt");
    let cases: [(i32, &[&str], &str); 13] = [
        (2, &["--keep", "-1"], "-1"),
        (2, &["--keep", "1001"], "1001 is not in 0..=1000"),
        (2, &["--keep", "some"], "--keep"),
        (2, &["--summary", "a", "--summary-file", "-"], "cannot be used with"),
        (2, &["--role", "user"], "--summary"),
        (2, &["--through", "x"], "--through"),
        (2, &["--through", "3", "--keep", "3"], "cannot be used with"),
        (4, &["--through", "31"], "message 31 is not in its view\nhint: "),
        (5, &["--through", "18446744073709551615"], "63 bits"),
        (5, &["--summary", " \n"], "the summary is empty"),
        (5, &["--summary", "s", "--role", ""], "role is empty"),
        (5, &["--summary-file", missing.to_str().unwrap()], "missing.txt: "),
        (5, &["--summary-file", latin.to_str().unwrap()], "not UTF-8 from byte 4 on"),
    ];
    for (code, args, why) in cases {
        let run = place.run(&[&["compact", KEY], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{args:?}: {run:?}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(why), "{args:?}: {run:?}");
    }
    assert_eq!(place.run(&["compact", "main:cli::dm:no"]).code, 3);
    assert_eq!(place.run(&["uncompact", "main:cli::dm:no"]).code, 3);
    assert_eq!(shown(&place), (1..=30).collect::<Vec<_>>());
}
