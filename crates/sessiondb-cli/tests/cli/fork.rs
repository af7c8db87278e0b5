//! `sessiondb fork`.

use crate::support::{Place, json, json_lines, numbered, without_times};

const KEY: &str = "main:cli::dm:ann";
const FORK: &str = "main:cli::dm:bob";

fn contents(place: &Place, key: &str) -> Vec<serde_json::Value> {
    let messages = json_lines(&place.ok(&["show", key, "-n", "100000", "-o", "jsonl"]));
    messages.into_iter().map(|mut message| message["content"].take()).collect()
}

#[test]
fn a_fork_goes_its_own_way_from_a_message_on() {
    let place = numbered(5);
    assert_eq!(place.ok(&["fork", "ann", FORK, "--at", "3"]), format!("{FORK}\n"));
    assert_eq!(place.ok(&["append", FORK, "--content-json", "40"]), "{\"seq\":4}\n");
    assert_eq!(contents(&place, FORK), [1, 2, 3, 40]);
    assert_eq!(contents(&place, KEY), [1, 2, 3, 4, 5]);
    insta::assert_snapshot!(without_times(&place.run(&["show", FORK, "--after", "2"]).stdout), @r"
    main:cli::dm:bob
    chat · active · 4 messages · 0 tokens · revision 0
    opened YYYY-MM-DD hh:mm:ss · changed YYYY-MM-DD hh:mm:ss
    forked from main:cli::dm:ann at 3

    #3 user YYYY-MM-DD hh:mm:ss
      3

    #4 user YYYY-MM-DD hh:mm:ss
      40
    ");
}

#[test]
fn its_lineage_is_shown() {
    let place = numbered(5);
    place.ok(&["fork", KEY, FORK, "--at", "3"]);
    let of = |key: &str| json(&place.ok(&["show", key, "-o", "json"]))["lineage"].take();
    assert_eq!(of(KEY), serde_json::json!({"forked_from": null, "inherited": [], "readers": 1}));
    assert_eq!(
        of(FORK),
        serde_json::json!({"forked_from": {"id": KEY, "at": 3}, "readers": 0,
            "inherited": [{"log": 1, "id": KEY, "first": 1, "last": 3}]})
    );
    assert!(place.ok(&["show", KEY]).contains("\n1 fork shows messages of it\n"));
    // What is deleted has no name any more; what the fork shows of it stays.
    place.ok(&["rm", "--yes", KEY]);
    assert_eq!(
        of(FORK),
        serde_json::json!({"forked_from": {"id": null, "at": 3}, "readers": 0,
            "inherited": [{"log": 1, "id": null, "first": 1, "last": 3}]})
    );
    assert!(place.ok(&["show", FORK]).contains("\nforked from a session that was deleted at 3\n"));
    assert_eq!(contents(&place, FORK), [1, 2, 3]);
}

#[test]
fn a_fork_of_nothing_is_empty_and_one_without_a_place_is_whole() {
    let place = numbered(2);
    place.ok(&["fork", KEY, "main:cli::dm:none", "--at", "0"]);
    place.ok(&["fork", KEY, "main:cli::dm:whole"]);
    assert_eq!(contents(&place, "none"), [0; 0]);
    assert_eq!(contents(&place, "whole"), [1, 2]);
}

#[test]
fn what_cannot_be_forked_is_refused() {
    let place = numbered(5);
    place.ok(&["new", FORK]);
    place.ok(&["rewind", KEY, "4"]);
    let new = "main:cli::dm:new";
    let cases: [(i32, &[&str], &str); 10] = [
        (4, &[KEY, FORK], "it exists already, at revision 0\nhint: take another key\n"),
        (4, &[KEY, KEY], "it exists already, at revision 1\nhint: take another key\n"),
        (4, &[KEY, new, "--at", "5"], "message 5 is not in its view\nhint: `sessiondb show KEY --all` "),
        (4, &[KEY, new, "--at", "99"], "message 99 is not in its view\nhint: "),
        (3, &["main:cli::dm:no", new], "session main:cli::dm:no does not exist\nhint: "),
        (5, &[KEY, "new"], "NEW_KEY: "),
        (5, &[KEY, "~x:cli::dm:new"], "NEW_KEY: "),
        (5, &[KEY, new, "--at", "18446744073709551615"], "63 bits"),
        (2, &[KEY, new, "--at", "x"], "--at"),
        (2, &[KEY], "<NEW_KEY>"),
    ];
    for (code, args, why) in cases {
        let run = place.run(&[&["fork"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{args:?}: {run:?}");
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(why), "{args:?}: {run:?}");
    }
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 2);
}

#[test]
fn a_fork_that_ends_with_an_open_call_is_told() {
    let place = numbered(1);
    place.ok_with(&["append", KEY], "{\"role\":\"assistant\",\"content\":2,\"opens\":[\"c\"]}\n");
    let run = place.run(&["fork", KEY, FORK]);
    assert_eq!((run.code, run.stdout), (0, format!("{FORK}\n")));
    assert!(run.stderr.contains(&format!("`sessiondb repair {FORK}`")), "{}", run.stderr);
}
