//! `sessiondb ait42`: from files to the store and back.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Place, Run, json, json_lines};

/// The text with the place's own path masked.
fn masked(place: &Place, text: &str) -> String {
    text.replace(place.path("").to_str().unwrap().trim_end_matches('/'), "HOME")
}

fn session(id: &str, status: &str) -> Value {
    json!({
        "id": id, "type": "competition", "task": format!("Task {id}"), "status": status,
        "createdAt": "2025-01-13T09:00:00.123Z", "updatedAt": "2025-01-13T10:00:00.123Z",
        "instances": [{"instanceId": 1, "worktreePath": "/w/1", "branch": "b1", "agentName": "claude", "status": "idle",
            "tmuxSessionId": "t1", "testsPassed": 3}],
        "chatHistory": [{"id": "msg-1", "role": "user", "content": "go", "timestamp": "2025-01-13T09:00:01Z"}]
    })
}

/// Files where AIT42 keeps them.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path(".ait42/sessions")).unwrap();
    put(&place, "abc", &[session("s1", "running"), session("s2", "completed")]);
    put(&place, "def", &[session("s1", "paused")]);
    place
}

fn put(place: &Place, hash: &str, sessions: &[Value]) {
    let path = place.path(".ait42/sessions").join(format!("{hash}.json"));
    fs::write(path, serde_json::to_string_pretty(sessions).unwrap()).unwrap();
}

/// What a run said, on both streams.
fn said(place: &Place, args: &[&str]) -> String {
    let Run { code, stdout, stderr } = place.run(&[&["ait42"], args].concat());
    masked(place, &format!("{stdout}--- {code}\n{stderr}"))
}

#[test]
fn help_of_every_move() {
    for name in ["import", "compare", "mirror", "cut-over", "rollback"] {
        insta::assert_snapshot!(format!("help-ait42-{name}"), Place::new().ok(&["ait42", name, "--help"]));
    }
}

#[test]
fn files_are_imported_cut_over_and_rolled_back() {
    let place = place();
    fs::write(place.path(".ait42/sessions/notes.txt"), "").unwrap();
    insta::assert_snapshot!(said(&place, &["import"]), @r"
    --- 0
    files: 2
    sessions: 3 new, 0 changed, 0 unchanged
    files passed over: 1
    ");
    put(&place, "def", &[session("s3", "failed")]);
    insta::assert_snapshot!(said(&place, &["compare"]), @r"
    def: s3: only the file has it
    def: s1: only the store has it
    --- 1
    workspaces: 2, sessions: 4, differences: 2
    ");
    insta::assert_snapshot!(said(&place, &["mirror"]), @r"
    --- 0
    files: 2
    sessions: 1 new, 0 changed, 2 unchanged, 1 removed
    files passed over: 1
    ");
    insta::assert_snapshot!(said(&place, &["cut-over"]), @r"
    --- 0
    workspaces: 2, sessions: 3, differences: 0
    the store is the authority now
    ");
    insta::assert_snapshot!(said(&place, &["cut-over"]), @r"
    --- 0
    the store is the authority already
    ");
    insta::assert_snapshot!(said(&place, &["import"]), @r"
    --- 4
    error: the store is the authority for HOME/.ait42/sessions, so nothing is imported from there; `sessiondb ait42 rollback` makes the files the authority again
    ");
    // AIT42 was not stopped.
    put(&place, "def", &[session("s3", "running")]);
    insta::assert_snapshot!(said(&place, &["mirror"]), @r"
    --- 1
    def: HOME/.ait42/sessions/def.json is not what was last written there from the store: somebody else changed it; `sessiondb ait42 mirror --overwrite` keeps theirs beside it and writes the store's
    files: 0 written, 1 behind
    ");
    insta::assert_snapshot!(said(&place, &["rollback"]), @r#"
    def: s3.status: file "running", store "failed"
    --- 1
    def: HOME/.ait42/sessions/def.json is not what was last written there from the store: somebody else changed it; `sessiondb ait42 mirror --overwrite` keeps theirs beside it and writes the store's
    workspaces: 2, sessions: 3, differences: 1
    nothing has moved: the store is the authority as before
    "#);
    insta::assert_snapshot!(said(&place, &["mirror", "--overwrite"]), @r"
    --- 0
    kept, as it was: HOME/.ait42/sessions/def.json.replaced-1
    files: 1 written, 0 behind
    ");
    insta::assert_snapshot!(said(&place, &["rollback"]), @r"
    --- 0
    workspaces: 2, sessions: 3, differences: 0
    the files are the authority now
    ");
    assert!(place.path(".ait42/sessions/def.json.replaced-1").exists());
    assert_eq!(place.run(&["ait42", "compare", "-q"]).stderr, "");
    assert_eq!(place.run(&["check"]).code, 0);
}

#[test]
fn what_is_left_out_is_named_and_the_exit_code_says_so() {
    let place = place();
    put(&place, "abc", &[session("s1", "done"), session("s2", "failed")]);
    fs::write(place.path(".ait42/sessions/torn.json"), "[{").unwrap();
    insta::assert_snapshot!(said(&place, &["import"]), @r"
    --- 1
    HOME/.ait42/sessions/abc.json: s1: sessions.status: 'done' is not one of running, completed, failed, paused (session s1)
    HOME/.ait42/sessions/torn.json: it is no list of sessions: EOF while parsing an object at line 1 column 2
    files: 3
    sessions: 2 new, 0 changed, 0 unchanged, 1 refused
    files that cannot be read: 1
    ");
    insta::assert_snapshot!(said(&place, &["cut-over"]), @r"
    abc: s1 in the file cannot be stored: sessions.status: 'done' is not one of running, completed, failed, paused (session s1)
    torn: the file cannot be read: HOME/.ait42/sessions/torn.json: it is no list of sessions: EOF while parsing an object at line 1 column 2
    --- 1
    workspaces: 3, sessions: 3, differences: 2
    nothing has moved: the files are the authority as before
    hint: mend what cannot be read or stored in the files, or take it out of them
    ");
    fs::remove_file(place.path(".ait42/sessions/torn.json")).unwrap();
    // Somebody changes the store by hand.
    place.ok(&["patch", "ait42:worktree:def:session:s1", "--status", "failed"]);
    put(&place, "abc", &[session("s2", "failed")]);
    put(&place, "def", &[session("s1", "completed")]);
    insta::assert_snapshot!(said(&place, &["import"]), @r"
    --- 1
    HOME/.ait42/sessions/def.json: s1: it was changed in the file and in the store after it was imported
    files: 2
    sessions: 0 new, 0 changed, 1 unchanged, 1 in conflict
    hint: `sessiondb ait42 compare` shows in what they differ; --overwrite takes what the files have
    ");
    insta::assert_snapshot!(said(&place, &["cut-over"]), @r#"
    def: s1.status: file "completed", store "failed"
    --- 1
    workspaces: 2, sessions: 2, differences: 1
    nothing has moved: the files are the authority as before
    hint: `sessiondb ait42 import --overwrite` makes the store say what the files say, and removes what they do not have any more
    "#);
    insta::assert_snapshot!(said(&place, &["import", "--overwrite"]), @r"
    --- 0
    files: 2
    sessions: 0 new, 1 changed, 1 unchanged
    ");
    // The store has one that no file ever had: no import takes it away.
    place.ok(&["fork", "ait42:worktree:def:session:s1", "ait42:worktree:def:session:mine"]);
    insta::assert_snapshot!(said(&place, &["cut-over"]), @r"
    def: mine: only the store has it
    --- 1
    workspaces: 2, sessions: 3, differences: 1
    nothing has moved: the files are the authority as before
    hint: `sessiondb ait42 import --overwrite` makes the store say what the files say, and removes what they do not have any more; a session that never came from them goes with `sessiondb rm ait42:worktree:HASH:session:ID`
    ");
    place.ok(&["rm", "ait42:worktree:def:session:mine", "--yes"]);
    insta::assert_snapshot!(said(&place, &["compare"]), @r"
    --- 0
    workspaces: 2, sessions: 2, differences: 0
    ");
}

#[test]
fn json_has_a_line_for_each_file_or_one_object() {
    let place = place();
    let dir = place.path(".ait42/sessions");
    let dir = dir.to_str().unwrap();
    let lines = json_lines(&place.ok(&["ait42", "import", dir, "-o", "json", "-q"]));
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["workspaceHash"], &lines[0]["new"]), (&json!("abc"), &json!(2)));
    assert_eq!(lines[1]["path"], json!(format!("{dir}/def.json")));
    put(&place, "def", &[session("s1", "running")]);
    let run = place.run(&["ait42", "compare", dir, "-o", "json", "-q"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        json(&run.stdout)["differences"],
        json!([{"workspaceHash": "def", "kind": "member", "sessionId": "s1", "path": "status", "file": "running",
            "store": "paused"}])
    );
    let moved = json(&place.ok(&["ait42", "cut-over", dir, "-o", "json", "-q"]));
    assert_eq!((&moved["authority"], &moved["changed"]), (&json!("store"), &json!(true)));
    let mirrored = json(&place.ok(&["ait42", "mirror", dir, "-o", "json", "-q"]));
    assert_eq!(mirrored, json!({"authority": "store", "written": 0, "pending": [], "kept": []}));
}

#[test]
fn a_workspaces_path_is_kept_with_it() {
    let place = place();
    let project = place.path("project");
    fs::create_dir(&project).unwrap();
    let hash = ait42_session::workspace_hash(&project);
    let project = project.to_str().unwrap();
    let refused = place.run(&["ait42", "import", "--workspace", project]);
    assert_eq!(refused.code, 5);
    assert!(refused.stderr.contains("has no sessions: there is no file") && refused.stderr.contains(&hash));
    assert!(!place.path("sessions.db").exists(), "no store is made for a path that is wrong");
    put(&place, &hash, &[session("s1", "running")]);
    assert_eq!(place.run(&["ait42", "import", "--workspace", project]).code, 0);
    let shown = place.ok(&["ls", "-o", "jsonl"]);
    assert!(shown.contains(project), "{shown}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let place = Place::new();
    insta::assert_snapshot!(said(&place, &["import"]), @r"
    --- 3
    error: there is no directory HOME/.ait42/sessions
    hint: name the directory that has AIT42's session files
    ");
    insta::assert_snapshot!(said(&place, &["compare", place.path("").to_str().unwrap()]), @r"
    --- 6
    error: cannot open HOME/sessions.db: there is no store
    hint: import, new and append make one; --db or SESSIONDB_URL names another
    ");
}
