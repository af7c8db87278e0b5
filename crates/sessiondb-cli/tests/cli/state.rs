//! `sessiondb state`.

use crate::support::{Place, json_lines};

const ANN: &str = "shop:web:ann:*";

#[test]
fn state_is_set_shown_patched_and_removed() {
    let place = Place::new();
    place.ok(&["state", ANN, "theme", "--set", "\"dark\""]);
    place.ok(&["state", "shop:*", "theme", "--set", "1e400"]);
    place.ok(&["state", ANN, "cart", "--patch", r#"{"items":{"a":1}}"#]);
    place.ok(&["state", ANN, "cart", "--patch", r#"{"items":{"b":2}}"#]);
    assert_eq!(place.ok(&["state", ANN, "theme"]), "\"dark\"\n");
    assert_eq!(place.ok(&["state", "shop:*", "theme"]), "1e400\n");
    assert_eq!(place.ok(&["state", ANN]), "cart\t{\"items\":{\"a\":1,\"b\":2}}\ntheme\t\"dark\"\n");
    let all = json_lines(&place.ok(&["state", ANN, "-o", "jsonl"]));
    assert_eq!(
        (&all[0]["id"], &all[1]["body"], &all[1]["revision"]),
        (&"cart".into(), &"dark".into(), &1.into())
    );
    place.ok(&["state", ANN, "theme", "--rm"]);
    let run = place.run(&["state", ANN, "theme"]);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (3, "error: the state of shop:web:ann:* has nothing named theme\n")
    );
    assert_eq!(place.run(&["state", ANN, "theme", "--rm"]).code, 3);
    assert_eq!(place.ok(&["state", "nobody:*"]), "");
}

/// It is in no list, and in every archive.
#[test]
fn state_is_moved_with_the_sessions() {
    let place = Place::new();
    place.ok(&["append", "shop:web:ann:dm:1", "--content", "hello"]);
    for scope in ["*", "shop:*", ANN] {
        place.ok(&["state", scope, "theme", "--set", &format!("\"{scope}\"")]);
    }
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 1);
    let archive = place.ok(&["export", "-q"]);
    std::fs::write(place.path("a.jsonl"), &archive).unwrap();
    let other = Place::new();
    other.ok(&["import", "-q", place.path("a.jsonl").to_str().unwrap()]);
    for scope in ["*", "shop:*", ANN] {
        assert_eq!(other.ok(&["state", scope, "theme"]), format!("\"{scope}\"\n"));
    }
    assert_eq!(other.ok(&["export", "-q"]), archive);
    assert!(
        place.ok(&["check"]).contains("       1         1          3         0"),
        "{}",
        place.ok(&["check"])
    );
}

#[test]
fn what_is_no_scope_or_no_json_is_refused() {
    let place = Place::new();
    assert_eq!(place.run(&["state", "shop", "x", "--set", "1"]).code, 2);
    assert_eq!(place.run(&["state", "shop:*", "x", "--set", "{"]).code, 5);
    assert_eq!(place.run(&["state", "shop:*", "--set", "1"]).code, 2);
    assert!(!place.path("sessions.db").exists());
    // A whole key is a session, which must be there.
    assert_eq!(place.run(&["state", "a:b:c:d:e", "x", "--set", "1"]).code, 3);
}
