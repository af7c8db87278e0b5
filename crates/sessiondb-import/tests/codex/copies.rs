//! Forks and sub-agents, whose files begin with what is their parent's.

use serde_json::json;

use crate::desk::Desk;

const PARENT: &str = "019c0000-0000-7000-8000-00000000000a";
const FORK: &str = "rollout-2026-08-20T11-30-00-019c0200-0000-7000-8000-00000000000c.jsonl";
const AGENT: &str = "rollout-2026-08-20T11-40-00-019c0300-0000-7000-8000-00000000000d.jsonl";

#[test]
fn a_fork_has_the_history_that_is_in_its_file_and_its_own() {
    let (desk, verdict) = Desk::of(FORK);
    let texts: Vec<_> = desk.said().into_iter().map(|said| said.1).collect();
    assert_eq!((texts.len(), verdict.duplicates), (8, 0));
    assert!(
        texts[1].contains("list   files") && texts[6].contains("and now?") && texts[7].contains("Nothing.")
    );
}

#[test]
fn the_tokens_of_the_history_are_not_counted_again() {
    let (desk, _) = Desk::of(FORK);
    assert_eq!(desk.tokens(), 10);
    let body = r#"{"input_tokens":7,"cached_input_tokens":0,"output_tokens":3,"reasoning_output_tokens":0,"total_tokens":10}"#;
    assert_eq!(desk.usages(), [("total:257/180/18/0".to_owned(), body.to_owned())]);
    assert_eq!(Desk::of(AGENT).0.tokens(), 22);
}

#[test]
fn the_metadata_are_its_own_and_name_the_parent() {
    let expected = json!({
        "source": "codex", "title": "and now?", "cwd": "/fork/sub", "version": "0.146.0", "origin": "vscode",
        "forked_from": PARENT,
    });
    assert_eq!(Desk::of(FORK).0.metadata(), expected);
    let expected = json!({
        "source": "codex", "cwd": "/w", "version": "0.146.0", "origin": "subagent:thread_spawn", "parent": PARENT,
    });
    assert_eq!(Desk::of(AGENT).0.metadata(), expected);
}

#[test]
fn a_fork_that_says_nothing_yet_is_called_after_its_history() {
    let (whole, _) = Desk::of(FORK);
    let text = std::fs::read_to_string(&whole.path).unwrap();
    let history: String = text.split_inclusive('\n').take(16).collect();
    let desk = Desk::with(history);
    desk.import();
    assert_eq!((desk.metadata()["title"].as_str(), desk.tokens()), (Some("list files"), 0));
    desk.write(text);
    desk.import();
    assert_eq!(desk.content(), whole.content());
}
