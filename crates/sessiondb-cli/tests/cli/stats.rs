//! `sessiondb stats`.

use crate::support::{Place, json, numbered, without_times};

const KEY: &str = "main:cli::dm:ann";

/// A session of 9 messages, compacted to 3 and a summary, its fork, and an interview.
fn place() -> Place {
    let place = numbered(7);
    let lines = "{\"role\":\"assistant\",\"content\":8,\"opens\":[\"a\"],\"token_count\":30}\n{\"role\":\"tool\",\"content\":9,\"closes\":[\"a\"]}\n";
    place.ok_with(&["append", KEY], lines);
    place.ok(&["compact", KEY, "--keep", "3", "--summary", "so far"]);
    place.ok(&["patch", KEY, "--set-tokens", "1200"]);
    place.ok(&["fork", KEY, "main:cli::dm:bob"]);
    place.ok(&["new", "main:cli::dm:eve", "--family", "interview", "--status", "waiting"]);
    place
}

/// The table without the size, which depends on the engine.
fn without_size(text: &str) -> String {
    let size = text.split_whitespace().zip(text.split_whitespace().skip(1)).find(|(_, unit)| *unit == "KiB");
    let (number, _) = size.unwrap();
    assert!(number.parse::<f64>().unwrap() > 1.0, "{text}");
    text.replace(&format!("{number} KiB"), &"#".repeat(number.len() + 4))
}

#[test]
fn a_store_is_counted() {
    let place = place();
    let table = without_size(&without_times(&place.ok(&["stats"])));
    insta::assert_snapshot!(table, @r"
    SESSIONS  SHOWN  STORED  TOKENS       SIZE  OLDEST               LAST CHANGE
           3      8      10    1200  #########  YYYY-MM-DD hh:mm:ss  YYYY-MM-DD hh:mm:ss

    FAMILY     STATUS   SESSIONS  SHOWN  STORED  TOKENS
    chat       active          2      8      10    1200
    interview  waiting         1      0       0       0
    ");
    let mut stats = json(&place.ok(&["stats", "-o", "json"]));
    let size = stats["size"].take();
    assert_eq!(size["database"], std::fs::metadata(place.path("sessions.db")).unwrap().len());
    assert!(size["log"].is_u64());
    let (oldest, newest) = (stats["oldest"].take(), stats["newest"].take());
    assert!(oldest.as_str().unwrap() < newest.as_str().unwrap());
    assert_eq!(
        stats,
        serde_json::json!({"sessions": 3, "shown": 8, "stored": 10, "tokens": 1200,
            "size": null, "oldest": null, "newest": null, "groups": [
            {"family": "chat", "status": "active", "sessions": 2, "shown": 8, "stored": 10, "tokens": 1200},
            {"family": "interview", "status": "waiting", "sessions": 1, "shown": 0, "stored": 0, "tokens": 0},
        ]})
    );
}

#[test]
fn an_empty_store_has_nothing() {
    let place = Place::new();
    place.sessions(1);
    place.ok(&["rm", "--yes", "000"]);
    let table = place.ok(&["stats"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    let stats = json(&place.ok(&["stats", "-o", "json"]));
    assert_eq!((&stats["sessions"], &stats["oldest"]), (&0.into(), &serde_json::Value::Null));
}

#[test]
fn more_sessions_than_a_page_are_counted() {
    let place = Place::new();
    place.sessions(450);
    assert_eq!(json(&place.ok(&["stats", "-o", "json"]))["sessions"], 450);
}

#[test]
fn a_session_is_counted() {
    let place = place();
    insta::assert_snapshot!(without_times(&place.ok(&["stats", "ann"])), @r"
    main:cli::dm:ann
    chat · active · 4 messages · 1200 tokens · revision 2
    opened YYYY-MM-DD hh:mm:ss · changed YYYY-MM-DD hh:mm:ss
    1 fork shows messages of it
    1-6 hidden behind summary 10 (compacted YYYY-MM-DD hh:mm:ss)

    ROLE       SHOWN  LOG  WEIGHT
    assistant      1    1      30
    system         1    1       2
    tool           1    1       1
    user           1    7       1
    (all)          4   10      34

    TOOL CALLS  WITHOUT RESULT  RESULTS WITHOUT CALL
             1               0                     0
    ");
    let stats = json(&place.ok(&["stats", KEY, "-o", "json"]));
    assert_eq!((&stats["shown"], &stats["log"], &stats["estimated"]), (&4.into(), &10.into(), &3.into()));
    assert_eq!(
        stats["roles"][0],
        serde_json::json!({"role": "assistant", "shown": 1, "log": 1, "weight": 30})
    );
    assert_eq!(
        stats["calls"],
        serde_json::json!({"made": 1, "without_result": 0, "results_without_call": 0})
    );
    assert_eq!((&stats["session"]["id"], &stats["lineage"]["readers"]), (&KEY.into(), &1.into()));
    assert_eq!(stats["hidden"][0]["by"], "compact");
    // The hidden messages of a fork are its parent's.
    let fork = json(&place.ok(&["stats", "bob", "-o", "json"]));
    assert_eq!(
        (&fork["shown"], &fork["log"], &fork["hidden"][0]["by"]),
        (&4.into(), &10.into(), &"fork".into())
    );
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let place = place();
    assert_eq!(place.run(&["stats", "main:cli::dm:no"]).code, 3);
    assert_eq!(place.run(&["stats", "a:b"]).code, 5);
    assert_eq!(place.run(&["stats", "-o", "csv"]).code, 2);
    assert_eq!(Place::new().run(&["stats"]).code, 6);
}
