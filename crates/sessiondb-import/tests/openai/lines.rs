//! Lines that are no conversations: bad, blank, torn.

use sessiondb_import::{BadLine, Outcome};

use crate::desk::{Desk, chat, counts, named};

#[test]
fn a_bad_line_is_reported_and_the_rest_goes_on() {
    let desk = Desk::with(
        chat("a", &["1"])
            + "not json\n\n"
            + "{\"prompt\":\"x\"}\n"
            + "{\"id\":\"half\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"content\":\"y\"}]}\n"
            + &chat("b", &["2"]),
    );
    for sessions in [counts(2, 0, 0, 0), counts(0, 0, 0, 2)] {
        let verdict = desk.import();
        assert_eq!(verdict.sessions, sessions);
        let bad: Vec<_> = verdict.bad_lines.iter().map(|bad| (bad.line, bad.reason.as_str())).collect();
        let expected = [
            (2, "not JSON: expected ident at column 2"),
            (4, "it has no list of messages"),
            (5, "its message 2: it has no role"),
        ];
        assert_eq!(bad, expected);
    }
    assert_eq!(desk.sessions().len(), 2);
}

#[test]
fn invalid_utf_8_and_deep_nesting_are_bad_lines() {
    let mut text = chat("a", &["1"]).into_bytes();
    text.extend(b"{\"messages\":\"\xff\"}\n");
    text.extend(format!("{{\"messages\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000)).into_bytes());
    let desk = Desk::with(text);
    let bad = desk.import().bad_lines;
    assert_eq!(bad[0], BadLine { line: 2, reason: "not UTF-8 from byte 14 on".into() });
    assert!(bad[1].line == 3 && bad[1].reason.contains("nested 100001 deep"), "{bad:?}");
}

#[test]
fn a_torn_last_line_is_left_until_it_is_complete() {
    let (first, second) = (chat("a", &["1"]), chat("b", &["2"]));
    let desk = Desk::with("");
    for part in [1, 20, second.len() - 2] {
        desk.write(first.clone() + &second[..part]);
        let verdict = desk.import();
        assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (part as u64, 0));
    }
    desk.write(first + second.trim_end());
    let verdict = desk.import();
    assert_eq!((verdict.torn_bytes, verdict.sessions), (0, counts(1, 0, 0, 1)));
    assert_eq!(desk.texts(&named("b")), ["\"2\""]);
}

#[test]
fn a_file_without_a_conversation_makes_no_session() {
    for (text, torn, bad) in
        [("", 0, 0), ("\n\n", 0, 0), ("{\"messages\":[", 13, 0), ("oops\n", 0, 1), ("[1]", 3, 0)]
    {
        let desk = Desk::with(text);
        let verdict = desk.import();
        assert_eq!(verdict.outcome, Outcome::Unchanged, "{text:?}");
        assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (torn, bad), "{text:?}");
        assert!(desk.sessions().is_empty());
    }
}
