//! Claude Code: what its transcripts are called and what their records mean.
//!
//! A session is one file, `<projects>/<project>/<session id>.jsonl`, that only grows. Its sub-agents write files of
//! their own: `<project>/<session id>/subagents/agent-<id>.jsonl` (those of a workflow in directories below), and
//! before version 2.1 `<project>/agent-<id>.jsonl` beside the session's.
//!
//! A line is a record, an object with a `type`. The messages are of type `user` and `assistant` and wrap a message of
//! Anthropic's API. One answer of the API is written as several records, one for each of its blocks, and all of them
//! repeat its `usage`. There are many more types, and new ones with every other version, so nothing here depends on
//! knowing them.

use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use sessiondb::{Json, NewMessage, SessionKey, limits};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    facts::{Facts, TitleOrigin},
    format::{Memory, Record, Transcript, Usage, acceptable},
    members::{Members, elements},
    original::Line,
};

pub(crate) const NAME: &str = "claude";

/// The format; see [`Format::Claude`](crate::Format::Claude).
pub(crate) struct Claude;

/// A record has at least one of these, as a string or null.
const MARKERS: [&str; 6] = ["sessionId", "uuid", "parentUuid", "leafUuid", "messageId", "session_id"];
/// How texts begin that stand in a user's record but were written by the agent's own machinery.
const MACHINE_TEXTS: [&str; 6] = [
    "<command-",
    "<local-command-",
    "<bash-",
    "<system-reminder",
    "<task-notification",
    "[Request interrupted",
];
/// What an answer's usage is the sum of.
const TOKEN_COUNTS: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
/// A larger count of tokens is a mistake and counts as none. So no file of a size that exists exceeds the 63 bits of
/// the session's sum, which would make the rest of it impossible to import.
const TOKENS_MAX: u64 = 1_000_000_000_000;

impl Transcript for Claude {
    fn family(&self) -> &'static str {
        "claude-code"
    }

    fn places(&self) -> Vec<PathBuf> {
        projects(std::env::var_os("CLAUDE_CONFIG_DIR"), std::env::home_dir()).into_iter().collect()
    }

    fn recognises(&self, record: &str) -> bool {
        Members::of(record).is_some_and(|members| {
            let marks = |value: &str| value.starts_with('"') || value == "null";
            members.string("type").is_some()
                && MARKERS.into_iter().any(|name| members.get(name).is_some_and(marks))
        })
    }

    fn key(&self, path: &Path, record: Option<&str>) -> Result<Option<SessionKey>, String> {
        let names: Vec<&str> = path
            .components()
            .filter(|component| matches!(component, Component::Normal(_)))
            .map(|component| component.as_os_str().to_str().ok_or("its path is not UTF-8"))
            .collect::<Result<_, _>>()?;
        let [directories @ .., file] = names.as_slice() else { return Err("it has no name".into()) };
        let stem = file.strip_suffix(".jsonl").unwrap_or(file);

        let of_agent = stem.starts_with("agent-");
        if of_agent
            && let Some(at) = directories.iter().rposition(|name| *name == "subagents")
            && let [.., project, parent] = &directories[..at]
        {
            let mut agent = directories[at + 1..].to_vec();
            agent.push(stem);
            return Ok(Some(SessionKey::new(NAME, *project, *parent, "subagent", agent.join("/"))));
        }
        let project = directories.last().copied().unwrap_or_default();
        if !of_agent {
            return Ok(Some(SessionKey::new(NAME, project, "", "session", stem)));
        }
        let members = record.and_then(Members::of);
        let parent =
            members.and_then(|record| record.string("sessionId").or_else(|| record.string("session_id")));
        let parent = parent.filter(|id| !id.is_empty());
        Ok(parent.map(|parent| SessionKey::new(NAME, project, parent, "subagent", stem)))
    }

    fn content_paths(&self) -> &'static [&'static [&'static str]] {
        &[&["message", "content"]]
    }

    fn record(&self, line: &Line, _: &mut Memory) -> Record {
        let members = Members::of(line.value.get());
        let kind = members.as_ref().and_then(|members| members.string("type"));
        let mut record = Record {
            kind: kind.unwrap_or_else(|| "(none)".into()),
            at: None,
            message: None,
            usage: None,
            facts: Facts::default(),
        };
        let Some(members) = members else { return record };
        record.at = members.time("timestamp").ok().flatten();
        let facts = &mut record.facts;
        facts.cwd(members.string("cwd"));
        facts.git_branch(members.string("gitBranch"));
        facts.version(members.string("version"));
        match record.kind.as_str() {
            "custom-title" => facts.title(TitleOrigin::Human, members.string("customTitle")),
            "ai-title" => facts.title(TitleOrigin::Agent, members.string("aiTitle")),
            "summary" => facts.title(TitleOrigin::Summary, members.string("summary")),
            "user" => facts.title(TitleOrigin::Text, human_text(&members)),
            _ => {}
        }
        if matches!(record.kind.as_str(), "user" | "assistant") {
            record.message = message(line, &members);
            record.usage = usage(&members);
        }
        record
    }

    fn tokens(&self, usage: &Json) -> u64 {
        tokens(usage.get())
    }
}

/// The directory of the projects, by the rules of Claude Code itself.
fn projects(config_dir: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let config_dir = config_dir.filter(|directory| !directory.is_empty()).map(PathBuf::from);
    Some(config_dir.or_else(|| home.map(|home| home.join(".claude")))?.join("projects"))
}

/// The message that a record is. `None` if it has no message that the store could keep and give back: no id (without
/// one, reading a file again would append it again), no role or content, a time that is none, or beyond a limit.
fn message(line: &Line, members: &Members<'_>) -> Option<NewMessage> {
    let at = members.time("timestamp").ok()?;
    let id = members.string("uuid")?;
    let api = members.object("message")?;
    let (content, rest) = line.cut(api.get("content")?)?;
    let mut message = NewMessage::new(api.string("role")?, content).message_id(id);
    message.created_at = at;
    (message.opens, message.closes) = calls(message.content.get());
    message.attributes = Some(rest);
    acceptable(message)
}

/// The ids of the tool calls that a content makes, and of those whose results it brings.
fn calls(content: &str) -> (Vec<String>, Vec<String>) {
    let (mut opens, mut closes) = (Vec::new(), Vec::new());
    for block in elements(content) {
        let Some(block) = Members::of(block) else { continue };
        let (calls, id) = match block.string("type").as_deref() {
            Some("tool_use") => (&mut opens, block.string("id")),
            Some("tool_result") => (&mut closes, block.string("tool_use_id")),
            _ => continue,
        };
        calls.extend(id.filter(|id| !id.is_empty()));
    }
    (opens, closes)
}

fn usage(members: &Members<'_>) -> Option<Usage> {
    let message = members.object("message")?;
    let body = message.get("usage").filter(|usage| Members::of(usage).is_some())?;
    let id = message.string("id").or_else(|| members.string("uuid"))?;
    let id = usage_id(&id, &members.string("requestId").unwrap_or_default());
    Some(Usage { id, tokens: tokens(body), body: Json::parse(body).ok()? })
}

/// `<message id>/<request id>`; a hash of them if that would be ambiguous or the store would not take it.
fn usage_id(message: &str, request: &str) -> String {
    let id = format!("{message}/{request}");
    if id.len() <= limits::ID_BYTES_MAX && id.matches('/').count() == 1 && !id.contains('\0') {
        return id;
    }
    format!("xxh3:{:032x}", xxh3_128(format!("{}:{id}", message.len()).as_bytes()))
}

fn tokens(usage: &str) -> u64 {
    let Some(usage) = Members::of(usage) else { return 0 };
    let count = |name| {
        usage.get(name).and_then(|count| count.parse::<u64>().ok()).filter(|count| *count <= TOKENS_MAX)
    };
    TOKEN_COUNTS.into_iter().filter_map(count).sum()
}

/// What a human said in a user's record, if one did.
fn human_text(members: &Members<'_>) -> Option<String> {
    if members.is_true("isMeta") || members.is_true("isCompactSummary") {
        return None;
    }
    let message = members.object("message")?;
    let texts = match message.string("content") {
        Some(text) => vec![text],
        None => elements(message.get("content")?)
            .into_iter()
            .filter_map(Members::of)
            .filter(|block| block.string("type").as_deref() == Some("text"))
            .filter_map(|block| block.string("text"))
            .collect(),
    };
    texts.into_iter().find(|text| {
        let text = text.trim_start();
        !text.is_empty() && !MACHINE_TEXTS.into_iter().any(|machine| text.starts_with(machine))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::original::Reading;

    fn record(text: &str) -> Record {
        match Reading::of(1, text.as_bytes()) {
            Reading::Line(line) => Claude.record(&line, &mut Memory::default()),
            _ => panic!("no JSON: {text}"),
        }
    }

    fn key(path: &str, record: Option<&str>) -> Option<String> {
        Claude.key(Path::new(path), record).unwrap().map(|key| key.parts().join("|"))
    }

    #[test]
    fn a_file_is_addressed_by_its_name_and_its_directories() {
        let id = "11111111-0000-4000-8000-000000000001";
        let of = |path: &str| key(path, None).unwrap();
        assert_eq!(of(&format!("/p/-w-x/{id}.jsonl")), format!("claude|-w-x||session|{id}"));
        assert_eq!(of("/p/-w/a.b.jsonl"), "claude|-w||session|a.b");
        assert_eq!(of("/p/-w/copy.jsonl.bak"), "claude|-w||session|copy.jsonl.bak");
        assert_eq!(of("/a.jsonl"), "claude|||session|a");
        assert_eq!(of("/p/-w/s1/subagents/agent-a.jsonl"), "claude|-w|s1|subagent|agent-a");
        assert_eq!(
            of("/p/-w/s1/subagents/workflows/wf_1/agent-a.jsonl"),
            "claude|-w|s1|subagent|workflows/wf_1/agent-a"
        );
        assert_eq!(of("/w/subagents/p/-w/s1.jsonl"), "claude|-w||session|s1");
    }

    #[test]
    fn an_older_sub_agents_file_is_addressed_by_the_first_record_that_names_the_session() {
        let path = "/p/-w/agent-a.jsonl";
        assert_eq!(key(path, None), None);
        assert_eq!(key(path, Some(r#"{"type":"summary","sessionId":""}"#)), None);
        assert_eq!(key(path, Some(r#"{"sessionId":"s1"}"#)).unwrap(), "claude|-w|s1|subagent|agent-a");
        assert_eq!(key(path, Some(r#"{"session_id":"s2"}"#)).unwrap(), "claude|-w|s2|subagent|agent-a");
    }

    #[test]
    fn a_record_is_recognised_by_its_type_and_a_mark() {
        for text in [
            r#"{"type":"summary","summary":"s","leafUuid":"u"}"#,
            r#"{"parentUuid":null,"type":"new-in-3.0"}"#,
            r#"{"type":"file-history-snapshot","messageId":"m","snapshot":{}}"#,
        ] {
            assert!(Claude.recognises(text), "{text}");
        }
        for text in [
            r#"{"display":"ls","project":"/w","sessionId":"s"}"#,
            r#"{"timestamp":"t","type":"session_meta","payload":{"sessionId":"s"}}"#,
            r#"{"type":1,"uuid":"u"}"#,
            r#"{"type":"x","uuid":1}"#,
            "[]",
        ] {
            assert!(!Claude.recognises(text), "{text}");
        }
    }

    #[test]
    fn calls_are_the_blocks_that_make_and_answer_them() {
        let content = r#"[{"type":"tool_use","id":"a","input":{"type":"tool_use","id":"no"}},{"type":"text","id":"no"},
            {"type":"tool_use","id":""},{"type":"tool_result","tool_use_id":"b"},{"type":"tool_use"},7]"#;
        assert_eq!(calls(content), (vec!["a".to_owned()], vec!["b".to_owned()]));
        assert_eq!(calls("\"text\""), (vec![], vec![]));
    }

    #[test]
    fn only_counts_are_counted() {
        let usage = r#"{"input_tokens":3,"output_tokens":9,"cache_creation_input_tokens":-1,
            "cache_read_input_tokens":1.5,"server_tool_use":{"input_tokens":100}}"#;
        assert_eq!(tokens(usage), 12);
        assert_eq!(tokens(r#"{"input_tokens":9223372036854775807,"output_tokens":"7"}"#), 0);
        assert_eq!(tokens("[]"), 0);
    }

    #[test]
    fn a_usage_belongs_to_an_answer_and_no_two_answers_share_an_id() {
        let id = |text: &str| record(text).usage.unwrap().id;
        let of = |rest: &str| id(&format!(r#"{{"type":"assistant","uuid":"u"{rest}}}"#));
        assert_eq!(of(r#","requestId":"r","message":{"id":"m","usage":{}}"#), "m/r");
        assert_eq!(of(r#","message":{"id":"m","usage":{}}"#), "m/");
        assert_eq!(of(r#","message":{"usage":{}}"#), "u/");
        let (one, two) = (usage_id("a/b", "c"), usage_id("a", "b/c"));
        assert_ne!(one, two);
        assert!(usage_id(&"x".repeat(600), "r").len() <= limits::ID_BYTES_MAX && one.starts_with("xxh3:"));
        assert!(record(r#"{"type":"assistant","message":{"usage":{}}}"#).usage.is_none());
    }

    #[test]
    fn what_a_human_said_is_not_what_the_machine_said_for_them() {
        let said = |rest: &str| {
            let text = format!(r#"{{"type":"user","message":{{"content":{rest}}}}}"#);
            human_text(&Members::of(&text).unwrap())
        };
        assert_eq!(said(r#""hello""#).as_deref(), Some("hello"));
        assert_eq!(
            said(r#"[{"type":"text","text":"<system-reminder>x"},{"type":"text","text":"hi"}]"#).as_deref(),
            Some("hi")
        );
        assert_eq!(said(r#"[{"type":"tool_result","content":"no"}]"#), None);
        assert_eq!(said(r#""<command-name>/clear</command-name>""#), None);
        for mark in ["isMeta", "isCompactSummary"] {
            let text = format!(r#"{{"type":"user","{mark}":true,"message":{{"content":"hello"}}}}"#);
            assert_eq!(human_text(&Members::of(&text).unwrap()), None);
        }
    }

    #[test]
    fn the_projects_are_where_claude_code_keeps_them() {
        let home = || Some(PathBuf::from("/home/ann"));
        assert_eq!(projects(None, home()), Some(PathBuf::from("/home/ann/.claude/projects")));
        assert_eq!(
            projects(Some(OsString::new()), home()),
            Some(PathBuf::from("/home/ann/.claude/projects"))
        );
        assert_eq!(projects(Some("/c".into()), home()), Some(PathBuf::from("/c/projects")));
        assert_eq!(projects(None, None), None);
    }
}
