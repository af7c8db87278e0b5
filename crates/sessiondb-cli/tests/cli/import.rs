//! `sessiondb import`, on the bundled samples.

use std::path::{Path, PathBuf};

use crate::support::{Place, json, json_lines};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/claude/projects")
}

fn import(place: &Place, args: &[&str]) -> crate::support::Run {
    place.run(&[&["import"], args].concat())
}

#[test]
fn the_samples_are_imported_once() {
    let place = Place::new();
    let samples = samples();
    let samples = samples.to_str().unwrap();
    let run = import(&place, &["auto", samples]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    insta::assert_snapshot!("import-samples", run.stderr);

    let again = import(&place, &["claude", samples]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
    assert!(
        again.stderr.starts_with("sessions: 0 new, 0 grown, 4 unchanged\nmessages: 0\n"),
        "{}",
        again.stderr
    );
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 4);
    assert!(place.run(&["check"]).code == 0);
}

#[test]
fn quiet_is_quiet() {
    let place = Place::new();
    place.ok(&["import", "auto", samples().to_str().unwrap(), "--quiet"]);
}

#[test]
fn a_real_session_is_shown_with_its_tool_calls_folded() {
    let place = Place::new();
    place.ok(&["import", "claude", samples().to_str().unwrap(), "-q"]);
    let shown = place.ok(&["show", "7f2abd2d", "--last", "1000"]);
    insta::assert_snapshot!("show-sample", shown);
    let full = place.ok(&["show", "7f2abd2d", "--last", "1000", "--full"]);
    insta::assert_snapshot!("show-sample-full", full);
}

#[test]
fn every_sample_can_be_shown_in_every_form() {
    let place = Place::new();
    place.ok(&["import", "auto", samples().to_str().unwrap(), "-q"]);
    for session in json_lines(&place.ok(&["ls", "-o", "jsonl"])) {
        let (key, count) = (session["id"].as_str().unwrap(), session["message_count"].as_u64().unwrap());
        let messages = json_lines(&place.ok(&["show", key, "--last", "1000000", "-o", "jsonl"]));
        assert_eq!(messages.len() as u64, count);
        for args in [&["-o", "json"][..], &["--full"], &[]] {
            assert_eq!(place.run(&[&["show", key, "-n", "1000000"], args].concat()).code, 0);
        }
    }
}

#[test]
fn the_samples_of_codex_are_imported_and_shown() {
    let place = Place::new();
    let codex = samples().join("../../codex/sessions");
    let run = import(&place, &["codex", codex.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    insta::assert_snapshot!("import-samples-codex", run.stderr);
    insta::assert_snapshot!("show-sample-codex", place.ok(&["show", "019b04ae", "--last", "1000"]));

    // Where Codex keeps them, and compressed.
    let home = place.path(".codex").join("archived_sessions");
    std::fs::create_dir_all(&home).unwrap();
    let name = "rollout-2025-12-09T19-55-16-019b04ae-b1c6-7c72-a134-a4c2de66058c.jsonl";
    let text = std::fs::read(codex.join("2025/12/09").join(name)).unwrap();
    std::fs::write(home.join(format!("{name}.zst")), zstd::encode_all(&text[..], 3).unwrap()).unwrap();
    let run = import(&place, &["auto"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "sessions: 0 new, 0 grown, 1 unchanged\nmessages: 0\n"));
}

#[test]
fn json_has_a_line_for_each_file() {
    let place = Place::new();
    let run = import(&place, &["auto", samples().to_str().unwrap(), "-o", "json", "--quiet"]);
    let files = json_lines(&run.stdout);
    assert_eq!((run.code, files.len()), (0, 4));
    for file in &files {
        assert_eq!((&file["outcome"], &file["format"]), (&"new".into(), &"claude".into()), "{file}");
        assert!(file["path"].as_str().unwrap().ends_with(".jsonl"), "{file}");
        assert!(file["messages"].as_u64().unwrap() > 0, "{file}");
        assert!(place.run(&["show", file["id"].as_str().unwrap()]).code == 0);
        assert_eq!((&file["bad_lines"], &file["torn_bytes"]), (&serde_json::json!([]), &0.into()), "{file}");
    }
}

const USER: &str = r#"{"parentUuid":null,"type":"user","uuid":"11111111-0000-4000-8000-000000000001","timestamp":"2026-01-02T03:04:05.678Z","sessionId":"aaaaaaaa-0000-4000-8000-000000000001","message":{"role":"user","content":"hello"}}"#;

#[test]
fn bad_lines_and_bad_files_are_named_and_the_rest_goes_on() {
    let place = Place::new();
    std::fs::create_dir(place.path("project")).unwrap();
    let good = place.path("project").join("aaaaaaaa-0000-4000-8000-000000000001.jsonl");
    std::fs::write(
        &good,
        format!("{USER}\n{{\"broken\": \n{{\"type\":\"mode\",\"sessionId\":\"x\"}}\n{{\"torn\""),
    )
    .unwrap();
    let missing = place.path("missing.jsonl");
    let run = import(&place, &["claude", missing.to_str().unwrap(), good.to_str().unwrap(), "-o", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let file = json(&run.stdout);
    assert_eq!((&file["messages"], &file["bad_lines"][0]["line"]), (&1.into(), &2.into()), "{file}");
    assert_eq!((&file["records"]["mode"], &file["torn_bytes"]), (&1.into(), &7.into()), "{file}");
    assert!(run.stderr.contains(&format!("error: cannot read {}: ", missing.display())), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("{}:2: not JSON: ", good.display())), "{}", run.stderr);
    assert!(
        run.stderr.contains("sessions: 1 new, 0 grown, 0 unchanged, 1 failed\nmessages: 1\n"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("bad lines: 1\nfiles whose last line is not complete yet: 1\n"),
        "{}",
        run.stderr
    );

    // Now the file grows, its last line is completed, and only what is new is read.
    std::fs::write(
        &good,
        format!("{USER}\n{{\"broken\": \n{{\"type\":\"mode\",\"sessionId\":\"x\"}}\n{{\"torn\":1}}\n"),
    )
    .unwrap();
    let run = import(&place, &["claude", good.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.starts_with("sessions: 0 new, 1 grown, 0 unchanged\nmessages: 0\n"), "{}", run.stderr);
}

#[test]
fn without_paths_it_looks_where_the_agents_keep_them() {
    let place = Place::new();
    let run = import(&place, &["auto"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(run.stderr, @r"
    error: no known agent keeps transcripts on this machine
    hint: name the files or directories to import
    ");

    let project = place.path(".claude").join("projects").join("-home-ann");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join("aaaaaaaa-0000-4000-8000-000000000001.jsonl"), format!("{USER}\n")).unwrap();
    std::fs::write(project.join("notes.txt"), "x").unwrap();
    let run = import(&place, &["auto"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr, "sessions: 1 new, 0 grown, 0 unchanged\nmessages: 1\nfiles passed over: 1\n");
    assert!(place.ok(&["show", "aaaa"]).ends_with("#1 user 2026-01-02 03:04:05\n  hello\n"));
}

#[test]
fn an_agent_that_is_not_known_is_wrong_usage() {
    let run = import(&Place::new(), &["emacs"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("[possible values: claude, codex, auto]"), "{}", run.stderr);
}
