//! `sessiondb show`.

use crate::support::{Place, json, json_lines, without_times};

const KEY: &str = "main:cli::dm:ann";

/// A session of messages 1 to `count`, whose contents are their numbers.
fn numbered(count: u64) -> Place {
    let place = Place::new();
    let lines: String = (1..=count).map(|n| format!("{{\"role\":\"user\",\"content\":{n}}}\n")).collect();
    place.ok_with(&["append", KEY], lines);
    place
}

/// The numbers of the messages that are shown.
fn seqs(place: &Place, args: &[&str]) -> Vec<u64> {
    let run = place.run(&[&["show", KEY, "-o", "jsonl"], args].concat());
    assert_eq!(run.code, 0, "{run:?}");
    json_lines(&run.stdout).iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

#[test]
fn it_shows_the_newest_or_what_is_next_to_a_message() {
    let place = numbered(60);
    assert_eq!(seqs(&place, &[]), (11..=60).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["--last", "2"]), [59, 60]);
    assert_eq!(seqs(&place, &["--before", "4", "--last", "2"]), [2, 3]);
    assert_eq!(seqs(&place, &["--after", "57"]), [58, 59, 60]);
    assert_eq!(seqs(&place, &["--after", "0", "-n", "3"]), [1, 2, 3]);
    assert_eq!(seqs(&place, &["--before", "1"]), [0; 0]);
}

#[test]
fn long_stretches_are_read_page_by_page() {
    let count = 950;
    let place = numbered(count);
    assert_eq!(seqs(&place, &["--last", "1000000"]), (1..=count).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["--last", "501"]), (count - 500..=count).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["--last", "400", "--before", "800"]), (400..=799).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["--last", "450", "--after", "100"]), (101..=550).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["--last", "1000000", "--after", "0"]), (1..=count).collect::<Vec<_>>());
}

#[test]
fn hints_say_what_lies_around() {
    let place = numbered(10);
    let hints = |args: &[&str]| place.run(&[&["show", KEY], args].concat()).stderr;
    assert_eq!(hints(&[]), "");
    assert_eq!(hints(&["--last", "3"]), "hint: there are earlier messages: --before 8\n");
    assert_eq!(hints(&["--after", "0", "-n", "3"]), "hint: there are later messages: --after 3\n");
    assert_eq!(
        hints(&["--after", "3", "-n", "3"]),
        "hint: there are earlier messages: --before 4\nhint: there are later messages: --after 6\n"
    );
    assert_eq!(hints(&["--last", "3", "--quiet"]), "");
}

#[test]
fn json_is_one_object() {
    let place = numbered(5);
    let shown = json(&place.ok(&["show", KEY, "-o", "json", "--before", "4", "--last", "2"]));
    let names: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(names, ["has_earlier", "has_later", "messages", "session"]);
    assert_eq!((&shown["has_earlier"], &shown["has_later"]), (&true.into(), &true.into()));
    assert_eq!((&shown["session"]["id"], &shown["session"]["message_count"]), (&KEY.into(), &5.into()));
    assert_eq!(shown["messages"][1]["content"], 3);
    let empty = place.ok(&["show", KEY, "-o", "json", "--before", "1"]);
    assert!(empty.ends_with("\"messages\":[],\"has_earlier\":false,\"has_later\":true}\n"), "{empty}");
}

#[test]
fn a_transcript_is_for_reading() {
    let place = Place::new();
    place.ok(&["new", KEY, "--metadata", r#"{"title": "The weather"}"#]);
    let lines = [
        r#"{"role": "system", "content": "Be brief.", "created_at": "2026-02-15T10:00:00Z"}"#,
        r#"{"role": "user", "content": "What is the weather\nin Rome?", "created_at": "2026-02-15T10:00:01Z"}"#,
        r#"{"role": "assistant", "content": [{"type": "thinking", "thinking": "They ask\nabout Rome."},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome", "days": 1}}],
            "created_at": "2026-02-15T10:00:02Z", "opens": ["t1"]}"#,
        r#"{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny\n31 C\n"},
            {"type": "image", "source": {}}], "created_at": "2026-02-15T10:00:03Z", "closes": ["t1"]}"#,
        r#"{"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function",
            "function": {"name": "mail", "arguments": "{\"to\": \"ann\", \"text\": \"two\\nlines\"}"}}],
            "created_at": "2026-02-15T10:00:04Z"}"#,
        r#"{"role": "tool", "content": "sent", "created_at": "2026-02-15T10:00:05Z"}"#,
        r#"{"role": "assistant", "content": [{"type": "novelty", "n": 1}], "created_at": "2026-02-15T10:00:06Z"}"#,
    ];
    let lines: String = lines.iter().map(|line| line.replace('\n', " ") + "\n").collect();
    place.ok_with(&["append", KEY], lines);
    insta::assert_snapshot!("transcript-folded", without_header_times(&place.ok(&["show", KEY])));
    insta::assert_snapshot!("transcript-full", without_header_times(&place.ok(&["show", KEY, "--full"])));
}

/// The messages have times of their own; the session was made when the test ran.
fn without_header_times(shown: &str) -> String {
    let (header, messages) = shown.split_once("\n\n").unwrap();
    format!("{}\n\n{messages}", without_times(header))
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let place = numbered(1);
    for args in [&["--last", "0"][..], &["--before", "1", "--after", "1"], &["--after", "-1"], &["-o", "csv"]]
    {
        assert_eq!(place.run(&[&["show", KEY], args].concat()).code, 2, "{args:?}");
    }
    assert_eq!(place.run(&["show", KEY, "--after", "18446744073709551615"]).code, 5);
}
