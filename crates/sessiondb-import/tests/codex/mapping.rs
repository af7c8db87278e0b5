//! What becomes of the records of a legacy thread.

use serde_json::json;
use sessiondb::time;

use crate::desk::{Desk, THREAD, line, meta, user};

const ODD: &str = "rollout-2026-08-20T10-00-00-019c0000-0000-7000-8000-00000000000a.jsonl";
const FLAT: &str = "rollout-2025-07-10T09-00-00-019b0000-0000-4000-8000-00000000000e.jsonl";

fn said(desk: &Desk) -> Vec<String> {
    desk.said().into_iter().map(|(role, content)| format!("{role} {content}")).collect()
}

#[test]
fn what_was_said_is_taken_once_and_everything_else_is_kept_and_counted() {
    let (desk, verdict) = Desk::of(ODD);
    assert_eq!((verdict.messages, verdict.duplicates), (24, 0));
    let records: Vec<_> = verdict.records.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let expected = [
        ("(none)", 4),
        ("compacted", 1),
        ("event_msg/agent_message", 1),
        ("event_msg/item_completed", 2),
        ("event_msg/task_complete", 1),
        ("event_msg/task_started", 1),
        ("event_msg/thread_name_updated", 1),
        ("event_msg/token_count", 4),
        ("event_msg/turn_aborted", 1),
        ("event_msg/user_message", 1),
        ("invented-tomorrow/x", 1),
        ("response_item/compaction", 1),
        ("response_item/ghost_snapshot", 1),
        ("response_item/invented_tomorrow", 1),
        ("response_item/message", 7),
        ("response_item/reasoning", 1),
        ("session_meta", 2),
        ("turn_context", 1),
        ("world_state", 1),
    ];
    assert_eq!(records, expected);
    assert_eq!(desk.session().unwrap().message_count, 24);
}

#[test]
fn a_message_has_the_role_and_the_content_of_its_record() {
    let (desk, _) = Desk::of(ODD);
    let said = said(&desk);
    let input = |text: &str| format!(r#"user [{{"type":"input_text","text":"{text}"}}]"#);
    let expected = [
        input(r"<environment_context>\n  <cwd>/w</cwd>\n</environment_context>"),
        input("list   files"),
        r#"assistant [{"type":"summary_text","text":"**Listing**"}]"#.into(),
        r#"assistant {"type":"function_call","name":"shell","arguments":"{\"command\":\"ls\"}","call_id":"call_1"}"#
            .into(),
        r#"tool "a.txt\n""#.into(),
        r#"assistant [{"type":"output_text","text":"There is a.txt."}]"#.into(),
        r#"assistant [{"type":"reasoning_text","text":"raw"}]"#.into(),
        r#"assistant {"type":"custom_tool_call","status":"completed","call_id":"call_2","name":"apply_patch","input":"*** Begin Patch\n*** End Patch"}"#.into(),
        r#"tool [{"type":"input_text","text":"done"}]"#.into(),
        r#"assistant {"type":"local_shell_call","call_id":"call_3","status":"completed","action":{"type":"exec","command":["ls"]}}"#.into(),
        r#"tool {"content":"b.txt","success":true}"#.into(),
        r#"assistant {"type":"web_search_call","status":"completed","action":{"type":"search","query":"rust"}}"#.into(),
        r#"assistant {"type":"tool_search_call","call_id":"call_4","execution":"client","arguments":{}}"#.into(),
        r#"tool {"type":"tool_search_output","call_id":"call_4","status":"completed","tools":[]}"#.into(),
        input("go"),
        r#"assistant {"type":"image_generation_call","id":"ig_1","status":"completed","result":"AAAA"}"#.into(),
        input("continue"),
        input("continue"),
        input("continue"),
        r#"user "no type""#.into(),
        r#"assistant "1. look""#.into(),
        r#"user [ {"type":"input_text","text":"\ud800 \u0000 1e999","n":1e999} ]"#.into(),
        r#"user "last""#.into(),
        r#"assistant [{"type":"output_text","text":"no time"}]"#.into(),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_call_is_opened_and_closed_by_the_messages_that_make_and_answer_it() {
    let (desk, _) = Desk::of(ODD);
    let calls: Vec<_> = desk
        .messages()
        .into_iter()
        .filter(|message| !message.opens.is_empty() || !message.closes.is_empty())
        .map(|message| (message.seq, message.opens.join(","), message.closes.join(",")))
        .collect();
    let call = |seq, opens: &str, closes: &str| (seq, opens.to_owned(), closes.to_owned());
    let expected = [
        call(4, "call_1", ""),
        call(5, "", "call_1"),
        call(8, "call_2", ""),
        call(9, "", "call_2"),
        call(10, "call_3", ""),
        call(11, "", "call_3"),
        call(13, "call_4", ""),
        call(14, "", "call_4"),
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_message_has_the_time_of_its_record_or_the_newest_before_it() {
    let (desk, _) = Desk::of(ODD);
    let messages = desk.messages();
    let at = |seq: usize| time::to_text(messages[seq - 1].created_at);
    assert_eq!(at(2), "2026-08-20T10:00:01.002000Z");
    assert_eq!(at(22), "2026-08-20T10:00:09.000000Z");
    assert_eq!(at(24), "2026-08-20T10:00:10.000000Z");
    let session = desk.session().unwrap();
    assert_eq!(
        (session.family.as_str(), time::to_text(session.created_at).as_str()),
        ("codex", "2026-08-20T10:00:00.000000Z")
    );
    assert_eq!(time::to_text(session.updated_at), "2026-08-20T10:00:10.000000Z");
}

#[test]
fn records_of_one_moment_that_are_the_same_are_messages_of_their_own() {
    let desk = Desk::with(meta(THREAD) + &user(1, "continue").repeat(120) + &user(2, "continue"));
    let verdict = desk.import();
    // Beyond a hundred they are not told apart any more, and kept as records.
    assert_eq!((verdict.messages, verdict.duplicates), (102, 19));
    desk.assert_whole();
    let ids: std::collections::HashSet<_> =
        desk.messages().into_iter().map(|message| message.message_id).collect();
    assert_eq!(ids.len(), 102);
}

#[test]
fn the_metadata_say_what_the_file_tells_and_nothing_else() {
    let expected = json!({
        "source": "codex", "title": "My listing", "cwd": "/w", "git_branch": "feature", "version": "0.147.0",
        "origin": "cli",
    });
    assert_eq!(Desk::of(ODD).0.metadata(), expected);
    let desk = Desk::with(line(0, "world_state", "{}"));
    desk.import();
    assert_eq!(desk.metadata(), json!({"source": "codex"}));
}

#[test]
fn the_title_is_what_the_human_said_first_until_the_thread_is_named() {
    let shown = |second, text: &str| {
        line(second, "event_msg", &format!(r#"{{"type":"user_message","message":"{text}"}}"#))
    };
    let desk =
        Desk::with(meta(THREAD) + &user(1, "<environment_context>") + &shown(2, "one") + &shown(3, "two"));
    desk.import();
    assert_eq!(desk.metadata()["title"], "one");
    desk.append(
        line(4, "event_msg", r#"{"type":"thread_name_updated","thread_name":"named"}"#) + &shown(5, "three"),
    );
    desk.import();
    assert_eq!(desk.metadata()["title"], "named");
    desk.append(line(6, "event_msg", r#"{"type":"thread_name_updated","thread_name":null}"#));
    desk.import();
    assert_eq!(desk.metadata()["title"], "named");
}

#[test]
fn where_a_thread_was_begun_is_a_word() {
    for (source, origin) in [
        (r#""vscode""#, json!("vscode")),
        (r#"{"subagent":"review"}"#, json!("subagent:review")),
        (r#"{"subagent":{"other":"guardian"}}"#, json!("subagent:other:guardian")),
        (
            r#"{"subagent":{"thread_spawn":{"parent_thread_id":"p","depth":1}}}"#,
            json!("subagent:thread_spawn"),
        ),
        ("7", json!(null)),
    ] {
        let desk = Desk::with(line(0, "session_meta", &format!(r#"{{"id":"a","source":{source}}}"#)));
        desk.import();
        assert_eq!(desk.metadata()["origin"], origin, "{source}");
    }
}

#[test]
fn a_file_of_the_oldest_kind_has_messages_too() {
    let (desk, verdict) = Desk::of(FLAT);
    let expected = [
        r#"user [{"type":"input_text","text":"<environment_context>x"}]"#,
        r#"user [{"type":"input_text","text":"list files"}]"#,
        r#"assistant [{"type":"summary_text","text":"**Listing**"}]"#,
        r#"assistant {"type":"function_call","id":"fc_1","name":"shell","arguments":"{\"command\":[\"ls\"]}","call_id":"call_1"}"#,
        r#"tool "{\"output\":\"a.txt\"}""#,
        r#"assistant [{"type":"output_text","text":"There is a.txt."}]"#,
        r#"user [{"type":"input_text","text":"continue"}]"#,
        r#"user [{"type":"input_text","text":"continue"}]"#,
    ];
    assert_eq!(said(&desk), expected);
    assert_eq!((verdict.records["(none)"], verdict.records["invented-tomorrow"]), (3, 1));
    assert_eq!(desk.metadata(), json!({"source": "codex", "title": "list files", "git_branch": "old"}));
    let messages = desk.messages();
    assert_eq!(
        (&messages[3].opens, &messages[4].closes),
        (&vec!["call_1".to_owned()], &vec!["call_1".to_owned()])
    );
    assert!(
        messages.iter().all(|message| time::to_text(message.created_at) == "2025-07-10T09:00:00.000000Z")
    );
}

#[test]
fn what_names_neither_type_nor_role_was_said_by_the_model() {
    let desk = Desk::with(meta(THREAD) + &line(1, "response_item", r#"{"content":"hello"}"#));
    assert_eq!((desk.import().messages, said(&desk)), (1, vec![r#"assistant "hello""#.to_owned()]));
    desk.assert_whole();
}
