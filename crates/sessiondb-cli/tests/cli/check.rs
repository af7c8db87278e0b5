//! `sessiondb check`.

use crate::support::{Place, json};

fn place() -> Place {
    let place = Place::new();
    place.sessions(2);
    place.ok(&["append", "000", "--content", "one"]);
    place.ok(&["append", "000", "--content", "two"]);
    place
}

/// Changes the file as a bad disk or a stray hand would.
fn damage(place: &Place, sql: &str) {
    let connection = rusqlite::Connection::open(place.path("sessions.db")).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
}

#[test]
fn a_sound_store_has_no_findings() {
    let place = place();
    insta::assert_snapshot!(place.ok(&["check"]), @r"
    SESSIONS  MESSAGES  DOCUMENTS  FINDINGS
           2         2          0         0
    ");
    let report = json(&place.ok(&["check", "-o", "json"]));
    assert_eq!(report, serde_json::json!({"sessions": 2, "messages": 2, "documents": 0, "findings": []}));
}

#[test]
fn findings_are_named_and_the_exit_code_says_so() {
    let place = place();
    damage(&place, "UPDATE messages SET content = '\"tow\"' WHERE seq = 2");
    let run = place.run(&["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    assert!(run.stdout.contains("AT ") && run.stdout.contains("main:cli::dm:000"), "{}", run.stdout);
    let run = place.run(&["check", "-o", "json"]);
    assert_eq!((run.code, run.stdout.lines().count()), (1, 1));
    let report = json(&run.stdout);
    assert!(!report["findings"].as_array().unwrap().is_empty(), "{report}");
    assert!(report["findings"][0]["at"].is_string() && report["findings"][0]["what"].is_string(), "{report}");
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_that_names_it() {
    let place = place();
    damage(&place, "UPDATE messages SET created_at = 'never' WHERE seq = 2");
    let run = place.run(&["show", "000"]);
    assert_eq!(run.code, 6);
    assert!(run.stderr.starts_with("error: ") && run.stderr.contains("cannot be read"), "{run:?}");
    assert!(run.stderr.contains("hint: run `sessiondb check`"), "{run:?}");
    // The rest stays readable.
    assert!(place.ok(&["show", "001"]).starts_with("main:cli::dm:001\n"));
}
