//! `sessiondb show`.

use crate::support::{Place, Run, json, json_lines, numbered, without_times};

const KEY: &str = "main:cli::dm:ann";

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
    assert_eq!(names, ["has_earlier", "has_later", "hidden", "lineage", "messages", "session"]);
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

/// A conversation that was compacted, popped from and talked on in.
fn compacted() -> Place {
    let place = Place::new();
    let lines: String = (1..=9)
        .map(|n| {
            format!("{{\"role\":\"user\",\"content\":\"m{n}\",\"created_at\":\"2026-02-15T10:00:0{n}Z\"}}\n")
        })
        .collect();
    place.ok_with(&["append", KEY], lines);
    place.ok(&["pop", KEY]);
    place.ok(&["compact", KEY, "--keep", "2", "--summary", "They counted."]);
    place.ok(&["append", KEY, "--content", "go on", "--role", "assistant"]);
    place
}

#[test]
fn what_is_hidden_is_named_and_marked() {
    let place = compacted();
    insta::assert_snapshot!("hidden-marked", without_times(&place.ok(&["show", KEY])));
    insta::assert_snapshot!("hidden-shown", without_times(&place.ok(&["show", KEY, "--all"])));
    let coloured =
        Run::of(place.command(&["show", KEY, "--log"]).env("CLICOLOR_FORCE", "1").output().unwrap());
    assert!(coloured.stdout.contains("\u{1b}[2mm1\u{1b}[0m"), "{}", coloured.stdout);
    assert!(coloured.stdout.contains("\n  m7\n"), "{}", coloured.stdout);
}

#[test]
fn json_names_what_is_hidden() {
    let place = compacted();
    let shown = json(&place.ok(&["show", KEY, "-o", "json"]));
    let mut hidden = shown["hidden"].clone();
    for hidden in hidden.as_array_mut().unwrap() {
        assert_eq!(hidden["at"].take().as_str().unwrap().len(), "2026-11-20T09:47:28.123456Z".len());
    }
    assert_eq!(
        hidden,
        serde_json::json!([
            {"first": 1, "last": 6, "by": "compact", "at": null, "summary": {"first": 10, "last": 10}},
            {"first": 9, "last": 9, "by": "pop", "at": null},
        ])
    );
    assert_eq!(shown["session"]["view"].as_array().unwrap().len(), 3);
    assert!(shown["messages"][0]["shown"].is_null());
    let flags = |args: &[&str]| -> Vec<(u64, bool)> {
        let messages =
            json_lines(&place.run(&[&["show", KEY, "--all", "-o", "jsonl"], args].concat()).stdout);
        messages.iter().map(|m| (m["seq"].as_u64().unwrap(), m["shown"].as_bool().unwrap())).collect()
    };
    let all: Vec<_> = (1..=11).map(|seq| (seq, [7, 8, 10, 11].contains(&seq))).collect();
    assert_eq!(flags(&[]), all);
    assert_eq!(flags(&["-n", "3"]), all[8..]);
    assert_eq!(flags(&["--before", "9", "-n", "2"]), all[6..8]);
    assert_eq!(flags(&["--after", "9"]), all[9..]);
    let all = json(&place.ok(&["show", KEY, "--all", "-o", "json", "--after", "8", "-n", "1"]));
    assert_eq!(all["messages"][0]["shown"], false);
    assert_eq!((&all["has_earlier"], &all["has_later"]), (&true.into(), &true.into()));
}

#[test]
fn the_whole_log_is_shown_however_long() {
    let place = numbered(230);
    place.ok(&["rewind", KEY, "7"]);
    assert_eq!(seqs(&place, &["--all"]), (1..=230).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &[]), (1..=7).collect::<Vec<_>>());
}

#[test]
fn hints_about_hidden_messages_lead_on() {
    let place = numbered(60);
    place.ok(&["rewind", KEY, "20"]);
    let run = place.run(&["show", KEY, "--all", "-n", "10"]);
    assert_eq!(run.stderr, "hint: there are earlier messages: --before 51\n");
    // A place that is hidden is none without --all.
    let run = place.run(&["show", KEY, "--before", "51"]);
    assert_eq!((run.code, run.stdout.as_str()), (4, ""));
    insta::assert_snapshot!(run.stderr, @r"
    error: session main:cli::dm:ann: message 51 is not in its view
    hint: `sessiondb show KEY --all` shows every message, and says which are hidden
    ");
}

/// Windows of the store are shorter or longer where they would cut a call from its result; pages go on all the same.
#[test]
fn pages_neither_skip_nor_double_where_calls_are_kept_whole() {
    let place = Place::new();
    let lines: String = (0..150)
        .map(|n| {
            format!(
                "{{\"role\":\"assistant\",\"content\":0,\"opens\":[\"c{n}\"]}}\n{{\"role\":\"user\",\"content\":1}}\n\
                 {{\"role\":\"tool\",\"content\":2,\"closes\":[\"c{n}\"]}}\n"
            )
        })
        .collect();
    place.ok_with(&["append", KEY], lines);
    assert_eq!(seqs(&place, &["-n", "100000"]), (1..=450).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["-n", "100000", "--after", "0"]), (1..=450).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["-n", "100"]), (352..=450).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["-n", "100", "--after", "0"]), (1..=99).collect::<Vec<_>>());
    assert_eq!(seqs(&place, &["-n", "1"]), [448, 449, 450]);
}

#[test]
fn what_one_change_hid_is_named_together_and_not_without_end() {
    let place = compacted();
    place.ok(&["compact", KEY, "--keep", "1", "--summary", "again"]);
    let header = |place: &Place| -> Vec<String> {
        let shown = without_times(&place.run(&["show", KEY, "-n", "1"]).stdout);
        shown.lines().skip(3).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(
        header(&place),
        [
            "1-6 hidden behind summary 10 (compacted YYYY-MM-DD hh:mm:ss)",
            "7-8, 10 hidden behind summary 12 (compacted YYYY-MM-DD hh:mm:ss)",
            "9 hidden (popped YYYY-MM-DD hh:mm:ss)",
        ]
    );
    for _ in 0..7 {
        place.ok(&["append", KEY, "--content", "stays"]);
        place.ok(&["append", KEY, "--content", "goes"]);
        place.ok(&["pop", KEY]);
    }
    let header = header(&place);
    assert_eq!(header.len(), 9);
    assert_eq!(header[8], "… and 2 hidden messages more; -o json names all");
}
