//! `sessiondb append`: one message, and streams of them.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use crate::support::{Place, Run, json, json_lines};

const KEY: &str = "main:cli::dm:ann";

/// The contents of the session's messages, in order.
fn contents(place: &Place) -> Vec<serde_json::Value> {
    let messages = json_lines(&place.ok(&["show", KEY, "--after", "0", "--last", "1000000", "-o", "jsonl"]));
    messages.into_iter().map(|mut message| message["content"].take()).collect()
}

#[test]
fn one_message_with_everything() {
    let place = Place::new();
    let at = "2026-02-15T12:00:00+02:00";
    let args = ["append", KEY, "--role", "assistant", "--content-json", "null", "--message-id", "m-1"];
    let args = [&args[..], &["--tool-calls", r#"[{"id": "c1"}]"#, "--at", at]].concat();
    assert_eq!(place.ok(&args), "{\"seq\":1,\"message_id\":\"m-1\"}\n");
    // Again, it is the message that is there.
    assert_eq!(place.ok(&args), "{\"seq\":1,\"message_id\":\"m-1\"}\n");
    let mut message = json(&place.ok(&["show", KEY, "-o", "jsonl"]));
    message["id"].take();
    assert_eq!(
        message,
        serde_json::json!({
            "seq": 1, "id": null, "role": "assistant", "content": null, "tool_calls": [{"id": "c1"}],
            "created_at": "2026-02-15T10:00:00.000000Z", "message_id": "m-1", "opens": ["c1"],
        })
    );
}

/// A call that was appended with --tool-calls was shown as one, but cut from its result.
#[test]
fn calls_of_the_command_line_are_kept_with_their_results() {
    let place = Place::new();
    let calls = r#"[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}}]"#;
    place.ok(&["append", KEY, "--role", "assistant", "--content", "", "--tool-calls", calls]);
    place.ok(&["append", KEY, "--role", "assistant", "--content", "", "--opens", "c2", "--opens", "c3"]);
    place.ok(&["append", KEY, "--role", "tool", "--content", "sun", "--closes", "c1", "--closes", "c2"]);
    let shown = json(&place.ok(&["show", KEY, "--last", "1", "-o", "json"]));
    assert_eq!(shown["messages"].as_array().unwrap().len(), 3, "{shown}");
    assert!(place.ok(&["repair", KEY]).contains('1'));
}

#[test]
fn text_is_said_by_the_user_unless_told() {
    let place = Place::new();
    assert_eq!(place.ok(&["append", KEY, "--content", "--not-a-flag"]), "{\"seq\":1}\n");
    let message = json(&place.ok(&["show", KEY, "-o", "jsonl"]));
    assert_eq!((&message["role"], &message["content"]), (&"user".into(), &"--not-a-flag".into()));
}

#[test]
fn every_message_has_its_acknowledgement_in_order() {
    let place = Place::new();
    let count = 1_700;
    let line = |n: usize| match n % 2 {
        0 => format!("{{\"role\":\"user\",\"content\":{n},\"message_id\":\"m{n}\"}}\n"),
        _ => format!("{{\"role\":\"user\",\"content\":{n}}}\n"),
    };
    let answer = |n: usize| match n % 2 {
        0 => format!("{{\"seq\":{},\"message_id\":\"m{n}\"}}\n", n + 1),
        _ => format!("{{\"seq\":{}}}\n", n + 1),
    };
    let answers = place.ok_with(&["append", KEY], (0..count).map(line).collect::<String>());
    assert_eq!(answers, (0..count).map(answer).collect::<String>());
    assert_eq!(contents(&place), (0..count).map(serde_json::Value::from).collect::<Vec<_>>());
}

/// A writer that waits for each acknowledgement before it says more must never wait in vain.
#[test]
fn a_slow_writer_is_answered_line_by_line() {
    let place = Place::new();
    let mut command = place.command(&["append", KEY]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 1..=5 {
        writeln!(stdin, "{{\"role\":\"user\",\"content\":{n}}}").unwrap();
        stdin.flush().unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), format!("{{\"seq\":{n}}}"));
        // Acknowledged means stored: another process sees it.
        assert_eq!(contents(&place).len(), n);
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_bad_line_is_named_and_what_came_before_is_stored() {
    let place = Place::new();
    let lines = "{\"role\":\"user\",\"content\":1}\n\n{\"role\":\"user\",\"content\":2}\n{\"role\":\"user\"}\n{\"role\":\"user\",\"content\":3}\n";
    let run = place.run_with(&["append", KEY], lines);
    assert_eq!((run.code, run.stdout.as_str()), (5, "{\"seq\":1}\n{\"seq\":2}\n"));
    assert_eq!(run.stderr, "error: line 4: column 15: missing field `content`\n");
    assert_eq!(contents(&place), [1, 2]);
}

#[test]
fn members_that_are_unknown_are_refused_by_name() {
    let place = Place::new();
    let run = place.run_with(&["append", KEY], "{\"role\":\"user\",\"content\":1,\"colour\":2}\n");
    assert_eq!(run.code, 5);
    assert!(
        run.stderr.starts_with("error: line 1: column 35: unknown field `colour`, expected one of"),
        "{run:?}"
    );
}

#[test]
fn a_message_that_the_store_refuses_is_named_too() {
    let place = Place::new();
    place.ok(&["append", KEY, "--content", "first", "--message-id", "m"]);
    let lines = "{\"role\":\"user\",\"content\":1}\n{\"role\":\"user\",\"content\":2}\n\
                 {\"role\":\"user\",\"content\":\"other\",\"message_id\":\"m\"}\n{\"role\":\"user\",\"content\":3}\n";
    let run = place.run_with(&["append", KEY], lines);
    assert_eq!((run.code, run.stdout.as_str()), (4, "{\"seq\":2}\n{\"seq\":3}\n"));
    assert!(
        run.stderr.starts_with("error: line 3: session main:cli::dm:ann: message id 'm' is message 1"),
        "{run:?}"
    );
    assert_eq!(contents(&place), [serde_json::json!("first"), 1.into(), 2.into()]);

    let run = place
        .run_with(&["append", KEY], "{\"role\":\"user\",\"content\":4}\n{\"role\":\"\",\"content\":5}\n");
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (5, "{\"seq\":4}\n", "error: line 2: role is empty\n")
    );
}

#[test]
fn a_stream_with_ids_may_be_sent_again() {
    let place = Place::new();
    let line = |n: usize| format!("{{\"role\":\"user\",\"content\":{n},\"message_id\":\"m{n}\"}}\n");
    let first = place.ok_with(&["append", KEY], (0..5).map(line).collect::<String>());
    let all = place.ok_with(&["append", KEY], (0..9).map(line).collect::<String>());
    assert!(all.starts_with(&first));
    assert_eq!((all.lines().count(), contents(&place).len()), (9, 9));
}

#[test]
fn content_is_kept_as_the_text_it_is() {
    let place = Place::new();
    let content = r#"{"big": 12345678901234567890123, "n": 1e400, "n": -0, "lone": "\ud800"}"#;
    place.ok_with(&["append", KEY], format!("{{\"role\": \"user\", \"content\": {content}}}\n"));
    let shown = place.ok(&["show", KEY, "-o", "jsonl"]);
    assert!(shown.contains(&format!("\"content\":{content}")), "{shown}");
}

#[test]
fn the_options_of_one_message_need_its_content() {
    let place = Place::new();
    for args in [
        &["append", KEY, "--role", "user"][..],
        &["append", KEY, "--message-id", "m"],
        &["append", KEY, "--content", "a", "--content-json", "1"],
        &["append", KEY, "--content", "a", "--at", "noon"],
        &["append"],
    ] {
        assert_eq!(place.run(args).code, 2, "{args:?}");
    }
    let run = place.run(&["append", KEY, "--content-json", "{"]);
    assert_eq!(run.code, 5);
    assert!(run.stderr.starts_with("error: --content-json: not JSON: "), "{run:?}");
}

#[test]
fn an_empty_stream_appends_nothing() {
    let place = Place::new();
    assert_eq!(place.ok_with(&["append", KEY], "\n  \n"), "");
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]), "");
}

/// Elsewhere a closed pipe is a reader that has seen enough; here it would take what is stored for not stored.
#[test]
fn a_writer_that_does_not_hear_the_answers_is_told() {
    let place = Place::new();
    let mut command = place.command(&["append", KEY]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    writeln!(child.stdin.take().unwrap(), "{{\"role\":\"user\",\"content\":1}}").unwrap();
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: stdout is closed"), "{run:?}");
    assert_eq!(contents(&place), [1]);
}
