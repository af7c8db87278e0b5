//! `sessiondb import`, on the bundled samples.

use std::{
    fs,
    path::{Path, PathBuf},
};

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
    insta::assert_snapshot!("import-samples", run.stderr.replace(samples, "SAMPLES"));

    let again = import(&place, &["claude", samples]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
    assert!(
        again.stderr.ends_with(
            "SAMPLES\nsessions: 0 new, 0 grown, 4 unchanged\nmessages: 0\n"
                .replace("SAMPLES", samples)
                .as_str()
        ),
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
    insta::assert_snapshot!("import-samples-codex", run.stderr.replace(codex.to_str().unwrap(), "SAMPLES"));
    insta::assert_snapshot!("show-sample-codex", place.ok(&["show", "019b04ae", "--last", "1000"]));

    // Where Codex keeps them, and compressed.
    let home = place.path(".codex").join("archived_sessions");
    fs::create_dir_all(&home).unwrap();
    let name = "rollout-2025-12-09T19-55-16-019b04ae-b1c6-7c72-a134-a4c2de66058c.jsonl";
    let text = fs::read(codex.join("2025/12/09").join(name)).unwrap();
    fs::write(home.join(format!("{name}.zst")), zstd::encode_all(&text[..], 3).unwrap()).unwrap();
    let run = import(&place, &["codex"]);
    assert_eq!(run.code, 0, "{run:?}");
    let packed = home.join(format!("{name}.zst")).metadata().unwrap().len();
    let found = run.stderr.replace(place.path(".codex").to_str().unwrap(), ".codex");
    let found = found.replace(&indicatif::HumanBytes(packed).to_string(), "SIZE");
    insta::assert_snapshot!(found, @r"
    found no codex transcripts in .codex/sessions, which does not exist
    found 1 codex transcript (SIZE) in .codex/archived_sessions
    sessions: 0 new, 0 grown, 1 unchanged
    messages: 0
    ");
}

#[test]
fn json_has_a_line_for_each_place_and_each_file() {
    let store = Place::new();
    let run = import(&store, &["auto", samples().to_str().unwrap(), "-o", "json", "--quiet"]);
    let lines = json_lines(&run.stdout);
    assert_eq!((run.code, lines.len()), (0, 5));
    let place = (&lines[0]["place"], &lines[0]["format"], &lines[0]["transcripts"], &lines[0]["bytes"]);
    assert_eq!(place, (&samples().to_str().unwrap().into(), &"claude".into(), &4.into(), &422_166.into()));
    for file in &lines[1..] {
        assert_eq!((&file["sessions"]["new"], &file["dry_run"]), (&1.into(), &false.into()), "{file}");
        assert_eq!((&file["outcome"], &file["format"]), (&"new".into(), &"claude".into()), "{file}");
        assert!(file["path"].as_str().unwrap().ends_with(".jsonl"), "{file}");
        assert!(file["messages"].as_u64().unwrap() > 0, "{file}");
        assert!(store.run(&["show", file["id"].as_str().unwrap()]).code == 0);
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

/// A transcript where Claude Code keeps them.
fn keep(place: &Place) -> PathBuf {
    let project = place.path(".claude").join("projects").join("-home-ann");
    fs::create_dir_all(&project).unwrap();
    let transcript = project.join("aaaaaaaa-0000-4000-8000-000000000001.jsonl");
    fs::write(&transcript, format!("{USER}\n")).unwrap();
    transcript
}

#[test]
fn without_paths_it_looks_where_the_agents_keep_them_and_says_what_is_there_before_it_starts() {
    let place = Place::new();
    fs::write(keep(&place).with_file_name("notes.txt"), "x").unwrap();
    let home = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let run = import(&place, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    insta::assert_snapshot!(run.stderr.replace(&home, "HOME"), @r"
    found 1 claude transcript (214 B) in HOME/.claude/projects
    found no codex transcripts in HOME/.codex/sessions, which does not exist
    found no codex transcripts in HOME/.codex/archived_sessions, which does not exist
    sessions: 1 new, 0 grown, 0 unchanged
    messages: 1
    files passed over: 1
    ");
    assert!(place.ok(&["show", "aaaa"]).ends_with("#1 user 2026-01-02 03:04:05\n  hello\n"));
    for (agent, count) in [("auto", 4), ("claude", 2)] {
        let again = import(&place, &[agent, "-o", "json"]);
        let lines = json_lines(&again.stdout);
        assert_eq!((again.code, lines.len()), (0, count), "{again:?}");
        assert_eq!(
            (&lines[0]["exists"], &lines[count - 1]["outcome"]),
            (&true.into(), &"unchanged".into()),
            "{again:?}"
        );
    }
}

#[test]
fn where_nothing_is_found_nothing_is_made() {
    let place = Place::new();
    let home = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let run = import(&place, &[]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
    insta::assert_snapshot!(run.stderr.replace(&home, "HOME"), @r"
    found no claude transcripts in HOME/.claude/projects, which does not exist
    found no codex transcripts in HOME/.codex/sessions, which does not exist
    found no codex transcripts in HOME/.codex/archived_sessions, which does not exist
    error: there are no transcripts to import
    hint: name the files or directories that have some
    ");
    let dry = import(&place, &["auto", "--dry-run"]);
    assert_eq!((dry.code, dry.stdout, dry.stderr), (run.code, run.stdout, run.stderr));
    let run = import(&place, &["auto", "-o", "json", "-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (3, "error: there are no transcripts to import\n"));
    let lines = json_lines(&run.stdout);
    for (line, format) in lines.iter().zip(["claude", "codex", "codex"]) {
        assert_eq!((&line["format"], &line["exists"]), (&format.into(), &false.into()), "{line}");
    }
    assert_eq!(lines.len(), 3);

    let run = import(&place, &["openai"]);
    assert_eq!(run.code, 2, "{run:?}");
    insta::assert_snapshot!(run.stderr, @r"
    error: openai transcripts have no place of their own
    hint: name the files or directories to import
    ");

    fs::create_dir(place.path("empty")).unwrap();
    let run = import(&place, &["auto", place.path("empty").to_str().unwrap()]);
    assert_eq!(run.code, 3, "{run:?}");
    let run = import(&place, &["auto", place.path("missing").to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.ends_with("sessions: 0 new, 0 grown, 0 unchanged, 1 failed\nmessages: 0\n"),
        "{}",
        run.stderr
    );
    let left: Vec<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["empty"]);
}

#[test]
fn of_files_with_nothing_but_bad_lines_no_store_is_made() {
    let place = Place::new();
    let write = |name: &str, text: &str| {
        fs::write(place.path(name), text).unwrap();
        place.path(name).to_str().unwrap().to_owned()
    };
    let bad = write("a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":[}]}\n");
    let also_bad = write("b.jsonl", "{\"messages\":[{\"role\":\"user\"},7]}\n");
    let good = write("c.jsonl", &format!("{}\n", CHATS[0]));
    let run = import(&place, &["openai", &bad, &also_bad]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("a.jsonl:1: not JSON: "), "{run:?}");
    assert!(run.stderr.contains("b.jsonl:1: its message 2: not a JSON object\n"), "{run:?}");
    assert!(run.stderr.contains("sessions: 0 new, 0 grown, 0 unchanged"), "{run:?}");
    assert!(!place.path("sessions.db").exists());
    let run = import(&place, &["openai", &also_bad, &good]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.ends_with("sessions: 1 new, 0 grown, 0 unchanged\nmessages: 1\nbad lines: 1\n"),
        "{run:?}"
    );
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 1);
}

#[test]
fn an_agent_that_is_not_known_is_wrong_usage() {
    let run = import(&Place::new(), &["emacs"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("[possible values: auto, claude, codex, openai]"), "{}", run.stderr);
}

#[test]
fn a_file_named_twice_is_imported_once() {
    let place = Place::new();
    let (file, dir) = (keep(&place), place.path(".claude"));
    let run = import(&place, &["auto", file.to_str().unwrap(), dir.to_str().unwrap(), "-o", "json"]);
    assert_eq!((run.code, json_lines(&run.stdout).len()), (0, 2), "{run:?}");
}

fn openai_sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/openai/support-bot.jsonl")
}

#[test]
fn a_file_of_conversations_is_a_session_for_each() {
    let place = Place::new();
    let run = import(&place, &["openai", openai_sample().to_str().unwrap(), "-o", "json"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr, "sessions: 4 new, 0 grown, 0 unchanged\nmessages: 18\n");
    let file = json(&run.stdout);
    assert_eq!(
        (&file["outcome"], &file["id"], &file["sessions"]),
        (
            &"new".into(),
            &serde_json::Value::Null,
            &serde_json::json!({"new": 4, "grown": 0, "rewritten": 0, "unchanged": 0})
        )
    );
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 4);
    insta::assert_snapshot!(place.ok(&["show", "two-at-once"]), @r#"
    openai:support-bot::conversation:two-at-once
    Do you have Dune and Solaris?
    openai · active · 5 messages · 0 tokens · revision 1
    opened 2026-01-02 11:04:05 · changed 2026-01-02 11:04:05

    #1 user 2026-01-02 11:04:05
      Do you have Dune and Solaris?

    #2 assistant 2026-01-02 11:04:05
      Let me look.
      ▸ find_book {"title":"Dune"}
      ▸ find_book {"title":"Solaris"}

    #3 tool 2026-01-02 11:04:05
      ◂ result: 3 copies

    #4 tool 2026-01-02 11:04:05
      ◂ result: none

    #5 assistant 2026-01-02 11:04:05
      Dune yes, three copies. Solaris is sold out.
    "#);
    let legacy = json_lines(&place.ok(&["ls", "-o", "jsonl"]))
        .into_iter()
        .find(|session| session["metadata"]["title"] == "When do you open?")
        .unwrap();
    let shown = place.ok(&["show", legacy["id"].as_str().unwrap()]);
    assert!(shown.contains("  ▸ opening_hours {}\n") && shown.contains("  ◂ result: {\"from\""), "{shown}");
}

const CHATS: [&str; 3] = [
    r#"{"id":"a","messages":[{"role":"user","content":"1"}]}"#,
    r#"{"id":"a","messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2"}]}"#,
    r#"{"id":"a","messages":[{"role":"user","content":"one"}]}"#,
];

#[test]
fn a_conversation_that_changed_is_named_and_kept_beside_the_other() {
    let place = Place::new();
    let chats = place.path("chats.jsonl");
    let chats = chats.to_str().unwrap();
    fs::write(chats, CHATS[0]).unwrap();
    place.ok(&["import", "auto", chats, "-q"]);
    fs::write(chats, CHATS[1]).unwrap();
    let run = import(&place, &["auto", chats]);
    assert_eq!((run.code, run.stderr.as_str()), (0, "sessions: 0 new, 1 grown, 0 unchanged\nmessages: 1\n"));
    fs::write(chats, CHATS[2]).unwrap();
    let run = import(&place, &["auto", chats]);
    insta::assert_snapshot!(run.stderr.replace(chats, "chats.jsonl"), @r"
    chats.jsonl:1: another conversation has its id; this one is openai:chats:5a3e240b68555666ac6cd2ea5dddb284:conversation:a
    sessions: 0 new, 0 grown, 0 unchanged, 1 rewritten
    messages: 1
    ");
    assert_eq!(place.ok(&["ls", "-o", "jsonl"]).lines().count(), 2);
    let run = import(&place, &["auto", chats, "-o", "json"]);
    assert_eq!(json(&run.stdout)["outcome"], "unchanged");
}

/// Every file below a directory, with its bytes.
fn everything(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_dry_run_says_what_would_come_of_each_file_and_writes_nothing() {
    let place = Place::new();
    let (transcript, chats) = (keep(&place), place.path("chats.jsonl"));
    fs::write(&chats, format!("{}\noops\n", CHATS[0])).unwrap();
    let home = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let dry = |more: &[&str]| {
        let before = everything(&place.path(""));
        let run = import(&place, &[&["auto", &home, "--dry-run"], more].concat());
        assert_eq!(everything(&place.path("")), before);
        run
    };
    // Without a store everything is new, and none is made.
    let run = dry(&[]);
    assert_eq!(run.code, 1, "{run:?}");
    insta::assert_snapshot!(run.stdout.replace(&home, "HOME"), @r"
    OUTCOME  MESSAGES  RECORDS  BAD LINES  FILE
    new             1        0          0  HOME/.claude/projects/-home-ann/aaaaaaaa-0000-4000-8000-000000000001.jsonl
    1 new           1        0          1  HOME/chats.jsonl
    ");
    insta::assert_snapshot!(run.stderr.replace(&home, "HOME"), @r"
    found 1 claude transcript (214 B) in HOME
    found 1 openai transcript (59 B) in HOME
    HOME/chats.jsonl:2: not JSON: expected value at column 1
    sessions: 2 new, 0 grown, 0 unchanged
    messages: 2
    bad lines: 1
    dry run: nothing was written
    ");

    // What it says is what then happens, as a whole and file by file.
    for (texts, outcomes) in [
        ([USER.to_owned(), CHATS[0].to_owned()], ["new", "new"]),
        ([USER.to_owned(), CHATS[0].to_owned()], ["unchanged", "unchanged"]),
        ([format!("{USER}\n{{\"type\":\"mode\"}}"), CHATS[1].to_owned()], ["grown", "grown"]),
        (
            ["{\"type\":\"mode\",\"sessionId\":\"s\"}".to_owned(), CHATS[2].to_owned()],
            ["rewritten", "rewritten"],
        ),
    ] {
        fs::write(&transcript, texts[0].clone() + "\n").unwrap();
        fs::write(&chats, texts[1].clone() + "\noops\n").unwrap();
        let rehearsed = dry(&["-o", "json"]);
        let done = import(&place, &["auto", &home, "-o", "json"]);
        let told: Vec<_> = json_lines(&done.stdout)[2..].iter().map(|file| file["outcome"].clone()).collect();
        assert_eq!(told, outcomes);
        assert_eq!(rehearsed.stdout.replace("\"dry_run\":true", "\"dry_run\":false"), done.stdout);
        assert_eq!(rehearsed.stderr, done.stderr + "dry run: nothing was written\n");
        assert_eq!((rehearsed.code, done.code), (1, 1));
    }
    let run = dry(&["-q"]);
    insta::assert_snapshot!(run.stdout.replace(&home, "HOME"), @r"
    OUTCOME      MESSAGES  RECORDS  BAD LINES  FILE
    unchanged           0        0          0  HOME/.claude/projects/-home-ann/aaaaaaaa-0000-4000-8000-000000000001.jsonl
    1 unchanged         0        0          1  HOME/chats.jsonl
    ");
}

#[test]
fn a_dry_run_says_of_the_samples_what_their_import_does() {
    let place = Place::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let samples = samples.to_str().unwrap();
    let rehearsed = import(&place, &["auto", samples, "--dry-run", "-o", "json"]);
    assert!(!place.path("sessions.db").exists());
    let done = import(&place, &["auto", samples, "-o", "json"]);
    assert_eq!((rehearsed.code, done.code), (0, 0));
    assert_eq!(rehearsed.stdout.replace("\"dry_run\":true", "\"dry_run\":false"), done.stdout);
}
