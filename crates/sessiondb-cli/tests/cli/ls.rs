//! `sessiondb ls`.

use std::collections::HashSet;

use crate::support::{Place, json, json_lines, without_times};

/// The ids of a list in JSON lines.
fn ids(jsonl: &str) -> Vec<String> {
    json_lines(jsonl).iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn paging_visits_every_session_once() {
    let place = Place::new();
    place.sessions(23);
    for order in [&["--order", "created"][..], &["--order", "updated"], &["--order", "created", "--reverse"]]
    {
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut args = vec!["ls", "--limit", "5", "-o", "json"];
            args.extend(order);
            if let Some(cursor) = &after {
                args.extend(["--after", cursor]);
            }
            let page = json(&place.ok(&args));
            let sessions = page["sessions"].as_array().unwrap();
            assert!(sessions.len() <= 5);
            seen.extend(sessions.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (23, 23));
        let mut all = vec!["ls", "--all", "-o", "jsonl"];
        all.extend(order);
        assert_eq!(ids(&place.ok(&all)), seen);
    }
}

#[test]
fn a_long_list_is_read_in_several_pages() {
    let place = Place::new();
    place.sessions(1_003);
    let all = ids(&place.ok(&["ls", "--all", "--order", "created", "--reverse", "-o", "jsonl"]));
    assert_eq!(all.len(), 1_003);
    assert_eq!((all[0].as_str(), all[1_002].as_str()), ("main:cli::dm:000", "main:cli::dm:1002"));
    let limited = place.run(&["ls", "--limit", "1002", "-o", "jsonl"]);
    assert_eq!((limited.code, limited.stdout.lines().count()), (0, 1_002));
    assert!(limited.stderr.starts_with("hint: there are more"), "{}", limited.stderr);
    // The header stands once, above all of it.
    let table = place.ok(&["ls", "--all"]);
    assert_eq!((table.lines().count(), table.matches("KEY").count()), (1_004, 1));
}

#[test]
fn the_table_is_for_reading() {
    let place = Place::new();
    place.ok(&["new", "main:cli::dm:ann", "--metadata", r#"{"title": "The weather"}"#]);
    place.ok(&["append", "ann", "--content", "hi"]);
    place.ok(&["patch", "ann", "--set-tokens", "1200"]);
    place.ok(&["new", "main:slack:T1:group:C42", "--family", "interview", "--status", "waiting"]);
    let table = place.ok(&["ls", "--order", "created", "--reverse"]);
    insta::assert_snapshot!(without_times(&table), @r"
    UPDATED              MESSAGES  TOKENS  STATUS   FAMILY     TITLE        KEY
    YYYY-MM-DD hh:mm:ss         1    1200  active   chat       The weather  main:cli::dm:ann
    YYYY-MM-DD hh:mm:ss         0       0  waiting  interview               main:slack:T1:group:C42
    ");
}

#[test]
fn where_the_list_is_cut_a_hint_says_how_to_go_on() {
    let place = Place::new();
    place.sessions(3);
    let run = place.run(&["ls", "--limit", "2"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 3));
    let cursor = run.stderr.split_once("--after ").unwrap().1.split_once(',').unwrap().0;
    assert_eq!(place.ok(&["ls", "--limit", "2", "--after", cursor]).lines().count(), 2);
    assert_eq!(place.run(&["ls", "--limit", "2", "--quiet"]).stderr, "");
}

#[test]
fn json_has_every_field() {
    let place = Place::new();
    place.ok(&["new", "main:cli::dm:=20ann", "--metadata", r#"{"title":"T","n":1e400}"#]);
    place.ok(&["append", "main:cli::dm:=20ann", "--content", "hi"]);
    let list = place.ok(&["ls", "-o", "json"]);
    assert!(list.contains(r#""metadata":{"title":"T","n":1e400}"#), "{list}");
    let list = json(&list.replace("1e400", "1"));
    assert_eq!(list["next"], serde_json::Value::Null);
    let session = list["sessions"][0].as_object().unwrap();
    let names: Vec<_> = session.keys().map(String::as_str).collect();
    let mut expected = [
        "id",
        "key",
        "family",
        "status",
        "metadata",
        "message_count",
        "log_count",
        "token_usage",
        "created_at",
        "updated_at",
        "revision",
        "head",
        "log",
        "view",
    ];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(session["id"], "main:cli::dm:=20ann");
    assert_eq!(
        session["key"],
        serde_json::json!({"agent_id": "main", "channel": "cli", "account_id": "", "peer_kind": "dm", "peer_id": " ann"})
    );
    assert_eq!((&session["message_count"], &session["head"]), (&1.into(), &1.into()));
    assert_eq!(session["updated_at"].as_str().unwrap().len(), "2026-11-20T09:47:28.123456Z".len());
    assert_eq!(place.ok(&["ls", "-o", "json", "--agent", "nobody"]), "{\"sessions\":[],\"next\":null}\n");
}

#[test]
fn filters_hold_together() {
    let place = Place::new();
    for (key, status) in [
        ("main:cli::dm:ann", "active"),
        ("main:cli:x:dm:bob", "waiting"),
        ("main:slack::group:c", "waiting"),
        ("other:cli::dm:ann", "done"),
    ] {
        place.ok(&["new", key, "--status", status]);
    }
    let found = |args: &[&str]| {
        let mut ids = ids(&place.ok(&[&["ls", "-o", "jsonl"], args].concat()));
        ids.sort();
        ids
    };
    assert_eq!(found(&["--agent", "main"]).len(), 3);
    assert_eq!(found(&["--agent", "main", "--channel", "cli"]), ["main:cli::dm:ann", "main:cli:x:dm:bob"]);
    assert_eq!(found(&["--account", "x"]), ["main:cli:x:dm:bob"]);
    assert_eq!(found(&["--peer-kind", "group"]), ["main:slack::group:c"]);
    assert_eq!(found(&["--peer-id", "ann"]), ["main:cli::dm:ann", "other:cli::dm:ann"]);
    assert_eq!(found(&["--status", "done", "--status", "active"]), ["main:cli::dm:ann", "other:cli::dm:ann"]);
    assert_eq!(found(&["--family", "interview"]), [""; 0]);
    assert_eq!(found(&["--created-after", "2020-01-01", "--updated-after", "2020-01-01T00:00:00Z"]).len(), 4);
    assert_eq!(found(&["--created-before", "2020-01-01"]), [""; 0]);
    assert_eq!(found(&["--updated-before", "2020-01-01"]), [""; 0]);
}

#[test]
fn csv_is_safe_to_open_in_a_spreadsheet() {
    let place = Place::new();
    let metadata = r#"{"title": "=cmd|' /C calc'!A0"}"#;
    place.ok(&["new", "=2Dagent:@x:+1:dm:two words, \"quoted\"", "--metadata", metadata]);
    let csv = place.ok(&["ls", "-o", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let record = reader.records().next().unwrap().unwrap();
    let field = |name: &str| &record[header.iter().position(|header| header == name).unwrap()];
    assert_eq!(field("title"), "'=cmd|' /C calc'!A0");
    assert_eq!((field("agent_id"), field("channel"), field("account_id")), ("'-agent", "'@x", "'+1"));
    assert_eq!(field("peer_id"), "two words, \"quoted\"");
    assert_eq!(field("metadata"), metadata);
    assert!(!record.iter().any(|field| field.starts_with(['=', '+', '-', '@', '\t', '\r'])));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let place = Place::new();
    place.sessions(3);
    let wrong_usage = [
        &["ls", "--limit", "0"][..],
        &["ls", "--limit", "many"],
        &["ls", "--all", "--limit", "3"],
        &["ls", "--after", "nonsense"],
        &["ls", "--updated-after", "yesterday"],
        &["ls", "-o", "xml"],
    ];
    for args in wrong_usage {
        assert_eq!(place.run(args).code, 2, "{args:?}");
    }
    let next = json(&place.ok(&["ls", "--limit", "1", "-o", "json"]))["next"].as_str().unwrap().to_owned();
    let run = place.run(&["ls", "--order", "created", "--after", &next]);
    assert_eq!((run.code, run.stderr.as_str()), (5, "error: the cursor is from a list of another order\n"));
}
