//! Lines that are no records: bad, torn.

use sessiondb_import::{BadLine, Outcome};

use crate::desk::{Desk, THREAD, line, meta, user};

#[test]
fn a_bad_line_is_reported_once_and_the_rest_goes_on() {
    let desk = Desk::with(meta(THREAD) + "{\"type\":\n" + &user(1, "a") + "not json\n" + &user(2, "b"));
    let verdict = desk.import();
    let lines: Vec<u64> = verdict.bad_lines.iter().map(|bad| bad.line).collect();
    assert_eq!((verdict.messages, lines), (2, vec![2, 4]));
    assert_eq!(desk.import().bad_lines, []);
}

#[test]
fn a_thread_whose_first_line_is_bad_is_imported_all_the_same() {
    let desk = Desk::with("{\"timestamp\"\n".to_owned() + &user(1, "a"));
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.bad_lines.len(), verdict.key), (1, 1, Some(desk.key())));
}

#[test]
fn a_torn_last_line_is_left_until_it_is_complete() {
    let whole = meta(THREAD) + &user(1, "a") + &user(2, "b");
    let last = user(2, "b").len();
    let desk = Desk::with("");
    for missing in (1..last).rev().step_by(7) {
        desk.write(&whole[..whole.len() - missing]);
        let verdict = desk.import();
        // Without its newline the line is whole.
        let torn = if missing == 1 { 0 } else { last - missing };
        assert_eq!((verdict.torn_bytes, verdict.bad_lines.len()), (torn as u64, 0));
    }
    desk.write(&whole);
    desk.import();
    assert_eq!(desk.messages().len(), 2);
    desk.assert_whole();
}

#[test]
fn a_line_nested_too_deep_or_too_long_is_a_bad_line() {
    let deep = line(1, "response_item", &format!("{}1{}", "[".repeat(9000), "]".repeat(9000)));
    let long = user(2, &"x".repeat(16 << 20));
    let desk = Desk::with(meta(THREAD) + &deep + &long + &user(3, "a"));
    let verdict = desk.import();
    let [BadLine { line: 2, reason: deep }, BadLine { line: 3, reason: long }] = &verdict.bad_lines[..]
    else {
        panic!("{:?}", verdict.bad_lines)
    };
    assert!(deep.contains("nested") && long.contains("longer"), "{deep} {long}");
    assert_eq!(verdict.messages, 1);
}

#[test]
fn a_file_without_a_complete_record_makes_no_session() {
    let desk = Desk::with("{\"timestamp\":\"2026");
    assert_eq!(desk.import().outcome, Outcome::Unchanged);
    assert!(desk.session().is_none());
    desk.write(meta(THREAD));
    assert_eq!(desk.import().outcome, Outcome::New);
}
