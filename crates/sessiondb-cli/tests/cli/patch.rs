//! `sessiondb patch`.

use crate::support::{Place, json};

const KEY: &str = "main:cli::dm:ann";

fn place() -> Place {
    let place = Place::new();
    place.ok(&["new", KEY, "--metadata", r#"{"title": "Old", "n": 1e400, "in": {"a": 1, "b": 2}}"#]);
    place
}

#[test]
fn everything_at_once_is_one_change() {
    let place = place();
    let args = [
        "patch",
        KEY,
        "--status",
        "done",
        "--metadata",
        r#"{"x":1}"#,
        "--set-tokens",
        "7",
        "--revision",
        "0",
    ];
    let session = json(&place.ok(&args));
    assert_eq!((&session["status"], &session["metadata"]), (&"done".into(), &serde_json::json!({"x": 1})));
    assert_eq!((&session["token_usage"], &session["revision"]), (&7.into(), &1.into()));
}

#[test]
fn a_merge_keeps_what_it_does_not_name() {
    let session = place().ok(&["patch", KEY, "--merge", r#"{"title": "New", "in": {"a": null}}"#]);
    assert!(session.contains(r#""metadata":{"title":"New","n":1e400,"in":{"b":2}}"#), "{session}");
}

#[test]
fn tokens_add_up_without_a_new_revision() {
    let place = place();
    place.ok(&["patch", KEY, "--add-tokens", "40"]);
    let session = json(&place.ok(&["patch", KEY, "--add-tokens", "2"]).replace("1e400", "1"));
    assert_eq!((&session["token_usage"], &session["revision"]), (&42.into(), &0.into()));
}

#[test]
fn another_revision_is_a_conflict_and_nothing_changes() {
    let place = place();
    place.ok(&["patch", KEY, "--status", "one"]);
    for change in [["--status", "two"], ["--merge", "{}"], ["--add-tokens", "1"]] {
        let run = place.run(&[&["patch", KEY, "--revision", "0"], &change[..]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (4, ""));
        assert!(run.stderr.contains("expected revision 0, but it is at revision 1"), "{run:?}");
    }
    let session = json(&place.ok(&["ls", "-o", "jsonl"]).replace("1e400", "1"));
    assert_eq!(
        (&session["status"], &session["token_usage"], &session["revision"]),
        (&"one".into(), &0.into(), &1.into())
    );
}

#[test]
fn merges_beside_each_other_all_happen() {
    let place = place();
    let patches: Vec<_> = (0..6).map(|n| format!("{{\"k{n}\": {n}}}")).collect();
    let children: Vec<_> = patches
        .iter()
        .map(|patch| {
            place
                .command(&["patch", KEY, "--quiet", "--merge", patch])
                .stdout(std::process::Stdio::null())
                .spawn()
        })
        .collect();
    for child in children {
        assert!(child.unwrap().wait().unwrap().success());
    }
    let session = json(&place.ok(&["ls", "-o", "jsonl"]).replace("1e400", "1"));
    for n in 0..6 {
        assert_eq!(session["metadata"][format!("k{n}")], n);
    }
}

#[test]
fn what_is_no_change_is_refused() {
    let place = place();
    for args in [
        &["patch", KEY][..],
        &["patch", KEY, "--revision", "0"],
        &["patch", KEY, "--metadata", "{}", "--merge", "{}"],
        &["patch", KEY, "--set-tokens", "1", "--add-tokens", "1"],
        &["patch", KEY, "--set-tokens", "-1"],
    ] {
        assert_eq!(place.run(args).code, 2, "{args:?}");
    }
    for args in [["--metadata", "[]"], ["--merge", "3"], ["--merge", "{"], ["--status", ""]] {
        assert_eq!(place.run(&[&["patch", KEY], &args[..]].concat()).code, 5, "{args:?}");
    }
}
