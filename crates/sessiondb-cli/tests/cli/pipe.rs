//! Closed pipes, and streams that are no terminal.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{Place, Run};

/// Runs a command whose reader goes away after so many lines.
fn run_read_by_head(place: &Place, args: &[&str], lines: usize) -> Run {
    let mut child = place
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    assert_eq!(stdout.lines().take(lines).filter(Result::is_ok).count(), lines);
    Run::of(child.wait_with_output().unwrap())
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let place = Place::new();
    // More than a pipe holds, so that the writer is certain to meet the closed end.
    let store = sessiondb::blocking::open(&place.url()).unwrap();
    for n in 0..40 {
        let key = sessiondb::SessionKey::new("main", "cli", "", "dm", format!("{n}-{}", "x".repeat(450)));
        let metadata = sessiondb::Json::parse(format!("{{\"title\": \"{}\"}}", "t".repeat(20_000))).unwrap();
        let opening = sessiondb::Opening { metadata: Some(metadata), ..Default::default() };
        store.session_open_with(&key, opening).unwrap();
        store.append(&key, vec![sessiondb::NewMessage::new("user", "m".repeat(100_000))]).unwrap();
    }
    store
        .append(
            &sessiondb::SessionKey::new("main", "cli", "", "dm", "long"),
            (0..40).map(|_| sessiondb::NewMessage::new("user", "m".repeat(10_000))).collect(),
        )
        .unwrap();
    store.close().unwrap();
    for args in [
        &["ls", "-o", "json"][..],
        &["ls", "-o", "jsonl"],
        &["ls", "-o", "csv"],
        &["show", "long"],
        &["show", "long", "--all"],
        &["show", "long", "-o", "json"],
        &["show", "long", "-o", "jsonl"],
    ] {
        let run = run_read_by_head(&place, args, 1);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn nobody_listening_at_all_is_fine_too() {
    let place = Place::new();
    place.sessions(3);
    for args in [
        &["ls"][..],
        &["show", "000"],
        &["show", "000", "--all"],
        &["stats"],
        &["stats", "000"],
        &["check"],
        &["patch", "000", "--status", "x"],
        &["compact", "000"],
        &["undo", "000"],
        &["fork", "000", "main:fork::dm:x"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let run = run_read_by_head(&place, args, 0);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn deleting_does_not_stop_when_nobody_reads_the_keys() {
    let place = Place::new();
    place.sessions(3);
    let run = run_read_by_head(&place, &["rm", "--yes", "000", "nobody", "001", "002"], 0);
    assert_eq!(run.code, 3);
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]), "");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    place.sessions(1);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::of(place.command(&["ls"]).stdout(full).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: cannot write the output: "), "{run:?}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let place = Place::new();
    place.sessions(1);
    place.ok(&["append", "000", "--content", "hi"]);
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        Run::of(place.command(args).envs(variables.iter().copied()).output().unwrap())
    };
    for args in [&["ls"][..], &["show", "000"], &["stats"], &["stats", "000"]] {
        assert!(!run(&[], args).stdout.contains('\x1b'), "{args:?}");
        assert!(run(&[("CLICOLOR_FORCE", "1")], args).stdout.contains('\x1b'), "{args:?}");
        assert!(
            !run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], args).stdout.contains('\x1b'),
            "{args:?}"
        );
    }
    for args in [&["show", "nobody"][..], &["nonsense"]] {
        assert!(!run(&[], args).stderr.contains('\x1b'), "{args:?}");
        assert!(run(&[("CLICOLOR_FORCE", "1")], args).stderr.contains('\x1b'), "{args:?}");
        assert!(
            !run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], args).stderr.contains('\x1b'),
            "{args:?}"
        );
    }
    for form in ["json", "jsonl", "csv"] {
        assert!(!run(&[("CLICOLOR_FORCE", "1")], &["ls", "-o", form]).stdout.contains('\x1b'), "{form}");
    }
}
