//! What becomes of the records.

use std::{fs, path::Path};

use pollster::block_on;
use serde_json::json;
use sessiondb::{SessionFilter, Store, time};
use sessiondb_import::{find, import};

use crate::desk::{Desk, messages, user};

const ODD: &str = "testdata/claude/projects/-w/11111111-0000-4000-8000-000000000001.jsonl";

fn odd() -> Desk {
    let desk = Desk::with(fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(ODD)).unwrap());
    assert_eq!(desk.import().bad_lines, []);
    desk
}

#[test]
fn a_message_is_a_message_and_everything_else_is_kept_and_counted() {
    let desk = Desk::with(fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(ODD)).unwrap());
    let verdict = desk.import();
    assert_eq!((verdict.messages, verdict.duplicates), (8, 1));
    let records: Vec<_> = verdict.records.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let expected = [
        ("(none)", 7),
        ("ai-title", 2),
        ("assistant", 1),
        ("custom-title", 1),
        ("file-history-snapshot", 1),
        ("invented-tomorrow", 1),
        ("queue-operation", 1),
        ("summary", 1),
        ("system", 1),
        ("user", 10),
    ];
    assert_eq!(records, expected);
    let ids: Vec<_> = desk.messages().into_iter().filter_map(|message| message.message_id).collect();
    assert_eq!(ids, ["u-0", "u-1", "u-2", "u-3", "u-4", "u-5", "u-6", "u-7"]);
}

#[test]
fn a_message_has_the_role_content_time_and_calls_of_its_record() {
    let messages = odd().messages();
    assert_eq!((messages[1].role.as_str(), messages[1].content.get()), ("user", "\"list   files\""));
    assert_eq!(time::to_text(messages[1].created_at), "2026-01-02T03:04:05.678000Z");
    assert!(
        messages[1]
            .attributes
            .as_ref()
            .unwrap()
            .get()
            .contains(r#""message":{"role":"user","content":null}"#)
    );
    assert_eq!(
        (messages[3].role.as_str(), &messages[3].opens[..]),
        ("assistant", &["toolu_1".to_owned()][..])
    );
    assert_eq!(messages[4].closes, ["toolu_1"]);
    assert!(messages.iter().all(|message| message.tool_calls.is_none() && message.token_count.is_none()));
    assert_eq!(messages[5].content.get(), r#""line 1\nline 2 \u0000 \ud83d\ude00 \udc00""#);
}

#[test]
fn a_time_has_its_zone_and_a_message_without_one_has_the_newest_before_it() {
    let messages = odd().messages();
    assert_eq!(time::to_text(messages[6].created_at), "2026-01-02T02:04:13.000000Z");
    assert_eq!(time::to_text(messages[7].created_at), "2026-01-02T03:04:12.000000Z");
}

#[test]
fn a_session_is_of_the_family_and_as_old_as_its_records() {
    let session = odd().session().unwrap();
    assert_eq!(
        (session.family.as_str(), session.status.as_str()),
        ("claude-code", sessiondb::STATUS_DEFAULT)
    );
    assert_eq!(time::to_text(session.created_at), "2026-01-02T03:04:05.000000Z");
    assert_eq!(time::to_text(session.updated_at), "2026-01-02T03:04:12.000000Z");
}

#[test]
fn the_metadata_say_what_the_file_tells_and_nothing_else() {
    let expected = json!({
        "source": "claude-code", "title": "My listing", "cwd": "/w/sub", "git_branch": "main", "version": "2.1.1",
    });
    assert_eq!(odd().metadata(), expected);
    let desk = Desk::with("{\"type\":\"mode\"}\n");
    desk.import();
    assert_eq!(desk.metadata(), json!({"source": "claude-code"}));
}

#[test]
fn the_better_title_stays_when_the_file_grows() {
    let desk = Desk::with(user("a", " what  is this? "));
    desk.import();
    assert_eq!(desk.metadata()["title"], "what is this?");
    for (line, title) in [
        (user("b", "another text"), "what is this?"),
        ("{\"type\":\"summary\",\"summary\":\"S\"}\n".into(), "S"),
        ("{\"type\":\"custom-title\",\"customTitle\":\"C\"}\n".into(), "C"),
        ("{\"type\":\"ai-title\",\"aiTitle\":\"A\"}\n".into(), "C"),
        ("{\"type\":\"custom-title\",\"customTitle\":\"C2\"}\n".into(), "C2"),
    ] {
        desk.append(line);
        desk.import();
        assert_eq!(desk.metadata()["title"], title);
    }
}

#[test]
fn what_others_add_to_the_metadata_stays() {
    let desk = Desk::with(user("a", "hello"));
    desk.import();
    let theirs = sessiondb::Json::parse(r#"{"source":"claude-code","title":"mine","star":1e400}"#).unwrap();
    let change = sessiondb::Commit::new(desk.key()).write(sessiondb::Write::SetMetadata(theirs));
    block_on(desk.store.commit_one(change)).unwrap();

    desk.append(user("b", "more"));
    desk.import();
    assert!(desk.session().unwrap().metadata.get().contains(r#""title":"mine","star":1e400"#));

    desk.append("{\"type\":\"ai-title\",\"aiTitle\":\"A\",\"cwd\":\"/w\"}\n");
    desk.import();
    let metadata = desk.session().unwrap().metadata;
    assert_eq!(metadata.get(), r#"{"source":"claude-code","title":"A","star":1e400,"cwd":"/w"}"#);
}

#[test]
fn metadata_that_cannot_be_read_stay_and_stop_nothing() {
    let desk = Desk::with(user("a", "hello"));
    desk.import();
    let theirs = sessiondb::Json::parse(r#"{"\ud800":1}"#).unwrap();
    let change = sessiondb::Commit::new(desk.key()).write(sessiondb::Write::SetMetadata(theirs.clone()));
    block_on(desk.store.commit_one(change)).unwrap();
    desk.append("{\"type\":\"ai-title\",\"aiTitle\":\"A\"}\n");
    assert_eq!(desk.import().records["ai-title"], 1);
    assert_eq!(desk.session().unwrap().metadata, theirs);
}

#[test]
fn a_session_of_another_family_is_not_touched() {
    let desk = Desk::with(user("a", "hello"));
    block_on(desk.store.session_open(&desk.key())).unwrap();
    let error = desk.try_import().unwrap_err().to_string();
    assert!(error.contains("s-1.jsonl") && error.contains("family 'chat'"), "{error}");
    assert_eq!(desk.texts(), [""; 0]);
}

#[test]
fn sub_agents_are_sessions_of_their_own_in_every_layout() {
    let store: Store = block_on(sessiondb::open("memory:")).unwrap();
    let projects = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/claude/projects");
    for source in find(None, &[projects]).unwrap().sources {
        block_on(import(&store, &source, &mut |_| {})).unwrap();
    }
    let filter = SessionFilter { peer_kind: Some("subagent".into()), ..SessionFilter::default() };
    let mut agents: Vec<_> = block_on(store.session_list(&filter))
        .unwrap()
        .sessions
        .into_iter()
        .map(|session| (session.key.peer_id.clone(), session.key, session.metadata))
        .collect();
    agents.sort_by(|a, b| a.0.cmp(&b.0));
    for ((id, key, metadata), (expected, text)) in agents.iter().zip([
        ("agent-a1", "log files"),
        ("agent-c3", "old tests"),
        ("workflows/wf_1/agent-b2", "configuration"),
    ]) {
        assert_eq!(id, expected);
        assert_eq!((key.agent_id.as_str(), key.channel.as_str()), ("claude", "-w"));
        assert_eq!(key.account_id, "11111111-0000-4000-8000-000000000001");
        assert_eq!(messages(&store, key)[0].content.get(), format!("\"Look for the {text}\""));
        assert!(metadata.get().contains(&format!("\"title\":\"Look for the {text}\"")), "{metadata}");
    }
    assert_eq!(agents.len(), 3);
}
