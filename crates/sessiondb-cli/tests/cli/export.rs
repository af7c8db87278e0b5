//! `sessiondb export`, and `import` of what it wrote.

use std::{fs, path::Path, process::Stdio};

use crate::support::{Place, Run, json, json_lines};

fn filled() -> Place {
    let place = Place::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/claude/projects");
    place.ok(&["import", "auto", samples.to_str().unwrap(), "-q"]);
    place.ok(&["append", "main:cli::dm:ann", "--content", "one\u{1b}[2J"]);
    place
}

#[test]
fn an_archive_makes_an_equal_store() {
    let (place, other) = (filled(), Place::new());
    let archive = place.path("all.jsonl");
    let run = place.run(&["export", "--to", archive.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", "exported: 5 sessions\n"));
    let text = fs::read_to_string(&archive).unwrap();
    assert_eq!(place.ok(&["export", "-q"]), text, "stdout and a file have the same");

    let run = other.run(&["import", archive.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    assert!(run.stderr.starts_with("sessions: 5 restored, 0 unchanged\nmessages: "), "{}", run.stderr);
    assert_eq!(other.ok(&["export", "-q"]), text);
    assert_eq!(other.run(&["check"]).code, 0);

    let again = other.run(&["import", archive.to_str().unwrap(), "-o", "json", "-q"]);
    let told = json(&again.stdout);
    assert_eq!(
        (&told["format"], &told["sessions"], &told["unchanged"]),
        (&"archive".into(), &0.into(), &5.into())
    );
    assert_eq!((again.code, &told["incomplete"]), (0, &serde_json::Value::Null));
}

#[test]
fn an_archive_goes_through_a_pipe() {
    let (place, other) = (filled(), Place::new());
    let mut export = place.command(&["export", "-q"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut import = other.command(&["import", "-", "--db", &other.url()]);
    let run = Run::of(import.stdin(export.stdout.take().unwrap()).output().unwrap());
    assert!(export.wait().unwrap().success());
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(other.ok(&["export", "-q"]), place.ok(&["export", "-q"]));
}

#[test]
fn an_archive_that_is_cut_is_told_and_completed() {
    let (place, other) = (filled(), Place::new());
    let whole = place.ok(&["export", "-q"]);
    let run = other.run_with(&["import", "-", "-q"], &whole[..whole.len() / 2]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.starts_with("stdin: the archive is not whole: it ends early in session "), "{run:?}");
    other.ok_with(&["import", "-", "-q"], whole.clone());
    assert_eq!(other.ok(&["export", "-q"]), whole);
}

#[test]
fn a_session_with_other_content_and_a_bad_line_are_named() {
    let (place, other) = (Place::new(), Place::new());
    place.ok(&["append", "main:cli::dm:ann", "--content", "one"]);
    place.ok(&["append", "main:cli::dm:bob", "--content", "two"]);
    other.ok(&["append", "main:cli::dm:ann", "--content", "other"]);
    let archive = place.ok(&["export", "-q"]) + "nonsense\n";
    let run = other.run_with(&["import", "-", "-q"], archive);
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{run:?}");
    assert!(lines[0].starts_with("stdin:9: expected"), "{run:?}");
    assert!(lines[1].starts_with("stdin:2: session main:cli::dm:ann was left out: "), "{run:?}");
    assert_eq!(json_lines(&other.ok(&["ls", "-o", "jsonl"])).len(), 2);
}

#[test]
fn what_is_no_archive_is_refused() {
    let place = Place::new();
    let path = place.path("x.jsonl");
    fs::write(&path, "{\"type\":\"user\"}\n").unwrap();
    let run = place.run(&["import", path.to_str().unwrap()]);
    assert_eq!(run.code, 5);
    assert!(run.stderr.contains("x.jsonl: not an archive") && run.stderr.contains("hint: "), "{run:?}");
    fs::write(&path, "{\"sessiondb_archive\":9}\n").unwrap();
    let run = place.run(&["import", path.to_str().unwrap()]);
    assert!(run.code == 5 && run.stderr.contains("version 9"), "{run:?}");
    let run = place.run(&["import", "nonsense"]);
    assert!(run.code == 2 && run.stderr.contains("claude"), "{run:?}");
}

#[test]
fn some_sessions_are_exported() {
    let place = filled();
    let keys = |args: &[&str]| {
        let lines = json_lines(&place.ok(&[&["export", "-q"], args].concat()));
        lines.iter().filter(|line| line["session"].is_object()).count()
    };
    assert_eq!(keys(&["ann"]), 1);
    assert_eq!(keys(&["ann", "7f2abd2d", "main:cli::dm:ann"]), 2);
    assert_eq!(keys(&["--agent", "claude"]), 4);
    assert_eq!(keys(&["--family", "chat", "--status", "active"]), 1);
    assert_eq!(keys(&["--status", "nobody"]), 0);
    assert_eq!(place.run(&["export", "nobody"]).code, 3);
    assert_eq!(place.run(&["export", "main:cli::dm:nobody"]).code, 3);
    assert_eq!(place.run(&["export", "ann", "--agent", "main"]).code, 2);
    assert_eq!(Place::new().run(&["export"]).code, 6);
}

#[test]
fn a_file_is_never_written_over_and_never_half() {
    let place = filled();
    let path = place.path("out.jsonl");
    fs::write(&path, "precious").unwrap();
    let run = place.run(&["export", "--to", path.to_str().unwrap()]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("exists already"), "{run:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let run = place.run(&["export", "nobody", "--to", place.path("new.jsonl").to_str().unwrap()]);
    assert_eq!(run.code, 3);
    let run = place.run(&["export", "--to", place.path("no/where.jsonl").to_str().unwrap()]);
    assert!(run.code == 1 && run.stderr.contains("where.jsonl"), "{run:?}");
    let left: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().contains("partial")), "{left:?}");
    assert!(!place.path("new.jsonl").exists());
}

#[cfg(unix)]
#[test]
fn a_file_is_for_the_users_own_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let place = filled();
    let path = place.path("out.jsonl");
    place.ok(&["export", "-q", "--to", path.to_str().unwrap()]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What goes to people is made harmless; what is read back is not touched.
#[test]
fn markdown_is_harmless() {
    let place = filled();
    let text = place.ok(&["export", "ann", "-o", "markdown", "-q"]);
    assert!(text.contains("> one\\u{1b}[2J") && text.starts_with("# main:cli::dm:ann\n"), "{text}");
    let path = place.path("out.md");
    place.ok(&["export", "ann", "-o", "md", "-q", "--to", path.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    insta::assert_snapshot!("export-sample", place.ok(&["export", "7f2abd2d", "-o", "markdown", "-q"]));
}

#[test]
fn an_archive_that_is_not_there_is_named_and_no_agent() {
    let place = Place::new();
    for (path, why) in [("nosuch.jsonl", "No such file"), (".", "is a directory")] {
        let run = place.run(&["import", path]);
        assert_eq!(run.code, 5, "{run:?}");
        assert!(run.stderr.contains(why) && run.stderr.contains("import auto PATH"), "{}", run.stderr);
        assert!(!place.path("sessions.db").exists());
        let quiet = place.run(&["import", path, "-q"]);
        assert!(quiet.stderr.contains(why) && !quiet.stderr.contains("hint"), "{}", quiet.stderr);
    }
}
