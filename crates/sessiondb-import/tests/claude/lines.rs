//! Lines that are no records: bad, blank, torn.

use pollster::block_on;
use sessiondb::SessionFilter;
use sessiondb_import::{BadLine, Outcome};

use crate::desk::{Desk, user};

fn bad(desk: &Desk) -> Vec<BadLine> {
    desk.import().bad_lines
}

#[test]
fn a_bad_line_in_the_middle_is_reported_once_and_the_rest_goes_on() {
    let desk = Desk::with(user("a", "1") + "{\"type\":\n" + &user("b", "2") + "not json\n" + &user("c", "3"));
    let verdict = desk.import();
    assert_eq!(verdict.messages, 3);
    let lines: Vec<u64> = verdict.bad_lines.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [2, 4]);
    assert!(verdict.bad_lines[0].reason.starts_with("not JSON: EOF"), "{:?}", verdict.bad_lines);
    assert_eq!(desk.documents("import")[0].body.read::<serde_json::Value>().unwrap()["bad_lines"], 2);

    assert_eq!(bad(&desk), []);
    desk.append("}\n");
    assert_eq!(bad(&desk).iter().map(|bad| bad.line).collect::<Vec<_>>(), [6]);
    assert_eq!(bad(&desk), []);
}

#[test]
fn invalid_utf_8_is_a_bad_line() {
    let mut text = user("a", "1").into_bytes();
    text.extend(b"{\"type\":\"user\xff\"}\n");
    text.extend(user("b", "2").into_bytes());
    let desk = Desk::with(text);
    assert_eq!(bad(&desk), [BadLine { line: 2, reason: "not UTF-8 from byte 14 on".into() }]);
    assert_eq!(desk.texts(), ["\"1\"", "\"2\""]);
}

#[test]
fn a_line_nested_a_hundred_thousand_deep_is_a_bad_line() {
    let deep =
        format!(r#"{{"type":"user","uuid":"b","message":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let desk = Desk::with(user("a", "1") + &deep + "\n" + &user("c", "3"));
    let bad = bad(&desk);
    assert_eq!(bad[0].line, 2);
    assert!(bad[0].reason.contains("nested 100001 deep"), "{bad:?}");
    assert_eq!(desk.texts(), ["\"1\"", "\"3\""]);
}

#[test]
fn a_line_of_more_than_16_mib_is_a_bad_line_wherever_it_stands() {
    let long = user("long", &"x".repeat(16 << 20));
    let desk = Desk::with(user("a", "1") + &long + &user("b", "2") + &long);
    let lines: Vec<_> = bad(&desk).into_iter().map(|bad| (bad.line, bad.reason)).collect();
    let reason = "longer than 16777216 bytes".to_owned();
    assert_eq!(lines, [(2, reason.clone()), (4, reason)]);
    desk.append(user("c", "3"));
    assert_eq!(desk.import().outcome, Outcome::Grown);
    assert_eq!(desk.texts(), ["\"1\"", "\"2\"", "\"3\""]);
}

#[test]
fn the_longest_lines_are_kept_several_to_a_batch() {
    let long = |id: &str| user(id, &"x".repeat(10 << 20));
    let fits =
        |record: &str| format!("{{\"type\":\"{record}\",\"x\":\"{}\"}}\n", "x".repeat((16 << 20) - 27));
    let desk = Desk::with(user("a", "1") + &long("b") + &long("c") + &fits("record") + &user("d", "2"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.records["record"]), (4, 1));
    assert_eq!(verdict.bad_lines, []);
    desk.assert_whole();
}

#[test]
fn a_message_too_large_with_its_gap_is_kept_as_a_record() {
    let frame = user("a", "").len() - 1;
    let desk = Desk::with(user("a", &"x".repeat((16 << 20) - frame)));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.records["user"]), (0, 1));
    desk.assert_whole();
}

#[test]
fn blank_lines_count_as_lines_and_are_not_kept() {
    let desk = Desk::with(format!("\n{} \t\n\r\n{}\n", user("a", "1"), "{\"type\":\"x\"}"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.bad_lines.len()), (1, 0));
    assert_eq!(desk.records(), [(5, "{\"type\":\"x\"}".to_owned())]);
    desk.append("\n\n");
    assert_eq!(desk.import().outcome, Outcome::Grown);
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
}

#[test]
fn a_torn_last_line_is_left_until_it_is_complete() {
    let (line, next) = (user("b", "2"), user("c", "3"));
    let desk = Desk::with(user("a", "1"));
    for part in [10, 40, line.len() - 2] {
        desk.write(user("a", "1") + &line[..part]);
        let verdict = desk.import();
        assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (part as u64, 0));
        assert_eq!(desk.texts(), ["\"1\""]);
    }
    desk.write(user("a", "1") + &line + &next);
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.torn_bytes), (2, 0));
    desk.assert_whole();
}

#[test]
fn a_last_line_that_only_lacks_its_newline_is_complete() {
    let desk = Desk::with(user("a", "1") + user("b", "2").trim_end());
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.torn_bytes), (2, 0));
    assert_eq!(desk.import().outcome, Outcome::Unchanged);

    let before = desk.session().unwrap();
    desk.append("\n");
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.bad_lines.len()), (Outcome::Unchanged, 0));
    assert_eq!(desk.session().unwrap(), before);

    desk.append("{\"type\":\"x\"}");
    assert_eq!(desk.import().outcome, Outcome::Grown);
    assert_eq!(desk.records(), [(3, "{\"type\":\"x\"}".to_owned())]);
}

#[test]
fn what_follows_a_complete_record_in_its_line_is_a_bad_line() {
    let desk = Desk::with(user("a", "1").trim_end());
    desk.import();
    desk.append(format!(" and more\n{}", user("b", "2")));
    let verdict = desk.import();
    assert_eq!(verdict.bad_lines, [BadLine { line: 1, reason: "text follows the record".into() }]);
    assert_eq!((verdict.outcome, desk.texts().len()), (Outcome::Grown, 2));
}

#[test]
fn a_last_value_that_could_go_on_is_torn() {
    for (tail, torn) in [("12", 2), ("\"x\"", 3), ("[1]", 3), ("  ", 2), ("null", 4), ("\u{feff}", 3)] {
        let desk = Desk::with(user("a", "1") + tail);
        let verdict = desk.import();
        assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (torn, 0), "{tail:?}");
        assert!(desk.records().is_empty());
    }
}

#[test]
fn a_file_without_a_complete_record_makes_no_session() {
    for (text, torn, bad) in
        [("", 0, 0), ("\u{feff}", 3, 0), ("{\"type\":\"us", 11, 0), ("\n\n", 0, 0), ("oops\n", 0, 1)]
    {
        let desk = Desk::with(text);
        for _ in 0..2 {
            let verdict = desk.import();
            assert_eq!(verdict.outcome, Outcome::Unchanged, "{text:?}");
            assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (torn, bad), "{text:?}");
        }
        let sessions = block_on(desk.store.session_list(&SessionFilter::default())).unwrap().sessions;
        assert!(sessions.is_empty(), "{text:?}");
        desk.append(format!("\n{}", user("a", "1")));
        assert_eq!(desk.import().outcome, Outcome::New, "{text:?}");
    }
}

#[test]
fn a_file_without_messages_is_a_session_of_records() {
    let desk = Desk::with("{\"type\":\"mode\",\"sessionId\":\"s\"}\n[]\n");
    let verdict = desk.import();
    assert_eq!((verdict.outcome, verdict.messages), (Outcome::New, 0));
    assert_eq!(
        verdict.records.into_iter().collect::<Vec<_>>(),
        [("(none)".to_owned(), 1), ("mode".to_owned(), 1)]
    );
    assert_eq!(desk.session().unwrap().message_count, 0);
}
