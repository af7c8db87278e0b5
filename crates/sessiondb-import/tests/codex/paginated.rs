//! What becomes of the records of a paginated thread.

use serde_json::json;

use crate::desk::Desk;

const PAGINATED: &str = "rollout-2026-08-20T12-00-00-019c0100-0000-7000-8000-00000000000b.jsonl";

#[test]
fn its_messages_are_the_items_of_its_turns() {
    let (desk, verdict) = Desk::of(PAGINATED);
    let said: Vec<_> = desk.said().into_iter().map(|(role, content)| format!("{role} {content}")).collect();
    let expected = [
        r#"user [{"type":"text","text":"list files","text_elements":[]}]"#,
        r#"assistant {"type":"Reasoning","id":"rs_1","summary_text":["**Listing**"],"raw_content":[]}"#,
        r#"assistant {"type":"CommandExecution","id":"call_1","command":["/bin/bash","-lc","ls"],"cwd":"/w","status":"completed","aggregated_output":"a.txt\n","exit_code":0}"#,
        r#"assistant {"type":"McpToolCall","id":"call_2","server":"s","tool":"t","arguments":{},"status":"completed","result":null}"#,
        r#"assistant "1. look""#,
        r#"system [{"text":"mind","hookRunId":"1"}]"#,
        r#"tool "42""#,
        r#"assistant [{"type":"Text","text":"There is a.txt."}]"#,
    ];
    assert_eq!(said, expected);
    let records: Vec<_> = verdict.records.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let expected = [
        ("event_msg/item_completed", 3),
        ("event_msg/token_count", 2),
        ("response_item/function_call", 1),
        ("response_item/function_call_output", 1),
        ("response_item/message", 3),
        ("response_item/reasoning", 1),
        ("session_meta", 1),
        ("token_usage_record", 3),
    ];
    assert_eq!(records, expected);
}

#[test]
fn a_call_and_its_answer_are_one_message() {
    let (desk, _) = Desk::of(PAGINATED);
    for (seq, id) in [(3, "call_1"), (4, "call_2")] {
        let message = &desk.messages()[seq - 1];
        assert_eq!((&message.opens[..], &message.closes[..]), (&[id.to_owned()][..], &[id.to_owned()][..]));
    }
}

#[test]
fn each_response_is_counted_once() {
    let (desk, _) = Desk::of(PAGINATED);
    assert_eq!(desk.tokens(), 33 + 44);
    let ids: Vec<_> = desk.usages().into_iter().map(|usage| usage.0).collect();
    assert_eq!(ids, ["response:resp_1", "response:resp_2"]);
}

#[test]
fn the_metadata_are_of_the_shown_messages() {
    let expected = json!({"source": "codex", "title": "list files", "cwd": "/w", "version": "0.146.0", "origin": "exec"});
    assert_eq!(Desk::of(PAGINATED).0.metadata(), expected);
    let (page, _) = Desk::of(
        "rollout-2026-08-20T13-00-00-019c0100-0000-7000-8000-00000000000b_019c0150-0000-7000-8000-0000000000aa.jsonl",
    );
    assert_eq!(page.metadata()["title"], "go on");
    assert_eq!(page.metadata()["forked_from"], "019c0100-0000-7000-8000-00000000000b");
}
