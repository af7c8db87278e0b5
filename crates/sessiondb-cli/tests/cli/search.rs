//! `sessiondb search`.

use crate::support::{Place, json, json_lines};

/// Two sessions in which things are said.
fn talked() -> Place {
    let place = Place::new();
    for (peer, role, text) in [
        ("ann", "user", "where is my Order 17?"),
        ("ann", "assistant", "it left\nyesterday,\nsays the order book"),
        ("bob", "user", "数据库很快"),
        ("bob", "user", "an order \u{1b}[2J for cargo test"),
    ] {
        let key = format!("main:cli::dm:{peer}");
        place.ok(&["append", &key, "--role", role, "--content", text]);
    }
    place
}

fn places(place: &Place, args: &[&str]) -> Vec<String> {
    let run = place.run(&[&["search", "-o", "jsonl"], args].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let hits = json_lines(&run.stdout);
    hits.iter().map(|hit| format!("{}{}", hit["key"]["peer_id"].as_str().unwrap(), hit["seq"])).collect()
}

#[test]
fn what_was_said_is_found() {
    let place = talked();
    assert_eq!(places(&place, &["order"]), ["bob2", "ann2", "ann1"]);
    assert_eq!(places(&place, &["order", "17"]), ["ann1"]);
    assert_eq!(places(&place, &["数据"]), ["bob1"]);
    assert_eq!(places(&place, &["\"cargo te\"*"]), ["bob2"]);
    assert_eq!(places(&place, &["order", "--role", "assistant"]), ["ann2"]);
    assert_eq!(places(&place, &["order", "--in", "ann"]), ["ann2", "ann1"]);
    assert_eq!(places(&place, &["order", "--in", "main:cli:*", "-n", "1"]), ["bob2"]);
    assert_eq!(places(&place, &["order", "--agent", "other"]), [""; 0]);
    assert_eq!(places(&place, &["order", "--said-after", "2100-01-01"]), [""; 0]);
    place.ok(&["rewind", "ann", "1"]);
    assert_eq!(places(&place, &["order", "--all"]), ["bob2", "ann2", "ann1"]);
}

#[test]
fn a_search_is_read_on_with_its_cursor() {
    let place = talked();
    let run = place.run(&["search", "order", "-n", "2"]);
    let cursor = run.stderr.split("--after ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_eq!(run.stderr, format!("hint: there are more: go on with --after {cursor}, or find --all\n"));
    assert_eq!(places(&place, &["order", "--after", &cursor]), ["ann1"]);
    let page = json(&place.ok(&["search", "order", "-n", "2", "-o", "json"]));
    assert_eq!((page["hits"].as_array().unwrap().len(), page["next"].to_string()), (2, cursor));
    let all = json(&place.ok(&["search", "order", "-o", "json"]));
    assert_eq!((all["hits"].as_array().unwrap().len(), &all["next"]), (3, &serde_json::Value::Null));
}

#[test]
fn hits_can_be_read() {
    let place = talked();
    let text = place.ok(&["search", "order"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "main:cli::dm:bob");
    assert!(lines[1].starts_with("#2 user 20"), "{text}");
    // What a terminal would obey is written out.
    assert_eq!(lines[2], "  an order \\u{1b}[2J for cargo test");
    assert_eq!(&lines[6..9], ["  it left", "  yesterday,", "  says the order book"]);
    place.ok(&["rewind", "ann", "1"]);
    let around = place.ok(&["search", "17", "-C", "5"]);
    let heads: Vec<&str> = around.lines().filter(|line| line.starts_with('#')).collect();
    assert!(heads[0].ends_with(" · found") && heads[1].ends_with(" · hidden"), "{around}");
}

#[test]
fn nothing_is_found_in_words() {
    let place = talked();
    let run = place.run(&["search", "orde"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert!(run.stderr.starts_with("hint: nothing was found: words are whole ones"), "{run:?}");
    let run = place.run(&["search", "&&"]);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (5, "error: a search must have a word, of letters or digits\n")
    );
    assert_eq!(place.run(&["search"]).code, 2);
    assert_eq!(place.run(&["search", "x", "--in", "nobody"]).code, 3);
}
