//! Codex: what its transcripts are called and what their records mean.
//!
//! A thread is one file, `<sessions>/<year>/<month>/<day>/rollout-<time>-<thread id>.jsonl`, that only grows. When it
//! has rested for a while, Codex compresses it (`….jsonl.zst`), and may move it to `archived_sessions`. A long thread
//! goes on in files of its own, `rollout-<time>-<thread id>_<page id>.jsonl`.
//!
//! A line is a record, `{"timestamp", "type", "payload"}`. In the oldest files it is the bare payload. What was said
//! stands in the file twice: as it went to the model and came from it (`response_item`), and as it was shown
//! (`event_msg`). Of a thread whose history is `legacy` the former are its messages, of one that is `paginated` the
//! latter (those that are `item_completed`), as for Codex itself. There are many more types, and new ones with every
//! other version, so nothing here depends on knowing them.

mod thread;

pub(crate) use thread::Thread;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use sessiondb::{Json, NewMessage, SessionKey};

use crate::{
    facts::{Facts, TitleOrigin},
    format::{Memory, Record, Transcript, acceptable},
    members::{Members, elements},
    original::Line,
};

pub(crate) const NAME: &str = "codex";

/// The format; see [`Format::Codex`](crate::Format::Codex).
pub(crate) struct Codex;

/// The types of records that have a payload. A file begins with one of these.
const ENVELOPES: [&str; 7] = [
    "session_meta",
    "turn_context",
    "response_item",
    "event_msg",
    "compacted",
    "token_usage_record",
    "world_state",
];
/// How texts begin that stand in a user's message of the oldest files but were written by the agent's own machinery.
const MACHINE_TEXTS: [&str; 2] = ["<", "# AGENTS.md"];
/// The time in a file's name, with a digit for each `0`.
const NAME_TIME: &str = "0000-00-00T00-00-00-";

impl Transcript for Codex {
    fn family(&self) -> &'static str {
        "codex"
    }

    fn places(&self) -> Vec<PathBuf> {
        let home = home(std::env::var_os("CODEX_HOME"), std::env::home_dir());
        home.map(|home| ["sessions", "archived_sessions"].map(|name| home.join(name)).to_vec())
            .unwrap_or_default()
    }

    fn recognises(&self, record: &str) -> bool {
        Members::of(record).is_some_and(|members| match members.string("type") {
            Some(kind) => ENVELOPES.contains(&kind.as_str()) && members.object("payload").is_some(),
            None => {
                flat_head(&members).is_some() || members.string("record_type").as_deref() == Some("state")
            }
        })
    }

    fn key(&self, path: &Path, record: Option<&str>) -> Result<Option<SessionKey>, String> {
        let name = path.file_name().ok_or("it has no name")?.to_str().ok_or("its name is not UTF-8")?;
        let id = named_thread(name).map(str::to_owned).or_else(|| {
            let members = Members::of(record?)?;
            match members.string("type") {
                Some(kind) if kind == "session_meta" => members.object("payload")?.string("id"),
                Some(_) => None,
                None => flat_head(&members),
            }
        });
        Ok(id.filter(|id| !id.is_empty()).map(|id| SessionKey::new(NAME, "", "", "thread", id)))
    }

    fn content_paths(&self) -> &'static [&'static [&'static str]] {
        // A reasoning with a summary often has a member `content` that is null, so that comes later.
        &[
            &["payload", "summary"],
            &["payload", "output"],
            &["payload", "content"],
            &["payload", "item", "content"],
            &["payload", "item", "text"],
            &["payload", "item", "fragments"],
            &["payload", "item", "output"],
            &["payload", "item"],
            &["payload"],
            &["summary"],
            &["output"],
            &["content"],
        ]
    }

    fn record(&self, line: &Line, memory: &mut Memory) -> Record {
        let thread = &mut memory.codex;
        let members = Members::of(line.value.get());
        let mut record =
            Record { kind: "(none)".into(), at: None, message: None, usage: None, facts: Facts::default() };
        let Some(members) = members else { return record };
        let kind = members.string("type");
        let time = members.time("timestamp");
        record.at = time.ok().flatten();
        let said = match (kind.as_deref(), members.object("payload")) {
            (Some(envelope), Some(payload)) => {
                let part = payload.string("type");
                thread.pass(envelope, part.as_deref(), &members, &payload, record.at);
                facts(&mut record.facts, thread, envelope, part.as_deref(), &payload);
                record.usage = match (envelope, part.as_deref()) {
                    ("event_msg", Some("token_count")) => thread.token_count(&payload),
                    ("token_usage_record", _) => thread.response_usage(&payload),
                    _ => None,
                };
                let said = match (envelope, part.as_deref()) {
                    ("response_item", part) if !thread.is_paginated() => {
                        said_of_response(part, &payload, members.get("payload"))
                    }
                    ("event_msg", Some("item_completed")) => said_of_turn(&payload, thread.is_paginated()),
                    _ => None,
                };
                record.kind = match part {
                    Some(part) => format!("{envelope}/{part}"),
                    None => envelope.to_owned(),
                };
                said
            }
            (Some(kind), None) => {
                let said = said_of_response(Some(kind), &members, Some(line.value.get()));
                record.facts.title(TitleOrigin::Text, said.as_ref().and_then(human_text));
                record.kind = kind.to_owned();
                said
            }
            (None, _) => {
                if let Some(head) = flat_head(&members) {
                    thread.begin(&head, record.at);
                    record.facts.git_branch(members.object("git").and_then(|git| git.string("branch")));
                }
                None
            }
        };
        if time.is_ok()
            && let Some(said) = said
            && let Some(message) = said.message(line)
        {
            let id = thread.message_id(record.at, line);
            record.message = acceptable(NewMessage { created_at: record.at, ..message.message_id(id) });
        }
        record
    }

    fn tokens(&self, usage: &Json) -> u64 {
        thread::tokens(usage.get())
    }
}

/// The directory of Codex, by its own rules.
fn home(codex_home: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let codex_home = codex_home.filter(|directory| !directory.is_empty()).map(PathBuf::from);
    codex_home.or_else(|| home.map(|home| home.join(".codex")))
}

/// The id in a file's name, `rollout-<time>-<id>.jsonl` or `….jsonl.zst`: the thread's, and `<thread>_<page>` for one
/// that goes on.
fn named_thread(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".zst").unwrap_or(name);
    let (time, id) =
        name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?.split_at_checked(NAME_TIME.len())?;
    let is_time = time.bytes().zip(NAME_TIME.bytes()).all(|(byte, pattern)| match pattern {
        b'0' => byte.is_ascii_digit(),
        mark => byte == mark,
    });
    (is_time && !id.is_empty()).then_some(id)
}

/// The thread's id, if this is the first record of a file of the oldest kind.
fn flat_head(record: &Members<'_>) -> Option<String> {
    let is_head = record.get("type").is_none()
        && record.string("timestamp").is_some()
        && (record.get("instructions").is_some() || record.get("git").is_some());
    record.string("id").filter(|_| is_head)
}

/// Something that was said, done or thought.
struct Said<'a> {
    role: String,
    /// A slice of the line, or all of it.
    content: &'a str,
    opens: Option<String>,
    closes: Option<String>,
}

impl<'a> Said<'a> {
    fn by(role: &str, content: Option<&'a str>) -> Option<Said<'a>> {
        let content = content?;
        Some(Said { role: role.to_owned(), content, opens: None, closes: None })
    }

    /// `None` if it cannot be taken out of its line and put back.
    fn message(self, line: &Line) -> Option<NewMessage> {
        let is_whole = std::ptr::eq(self.content, line.value.get());
        let (content, rest) = if is_whole { line.whole() } else { line.cut(self.content) }?;
        let calls = |id: Option<String>| id.into_iter().filter(|id| !id.is_empty()).collect();
        let mut message = NewMessage::new(self.role, content);
        (message.opens, message.closes) = (calls(self.opens), calls(self.closes));
        message.attributes = Some(rest);
        Some(message)
    }
}

/// What an item of the model's API says; `text` is all of it.
fn said_of_response<'a>(kind: Option<&str>, item: &Members<'a>, text: Option<&'a str>) -> Option<Said<'a>> {
    let call_id = || item.string("call_id");
    match kind {
        Some("message") => Said::by(&item.string("role")?, item.get("content")),
        // Early versions named neither the type nor the role of what the model said.
        None if item.get("role").is_none() => Said::by("assistant", item.get("content")),
        None => Said::by(&item.string("role")?, item.get("content")),
        // From one agent to another.
        Some("agent_message") => Said::by("user", item.get("content")),
        // What is thought only in secret is nothing to read.
        Some("reasoning") => {
            let texts = ["summary", "content"].map(|name| item.get(name));
            Said::by("assistant", texts.into_iter().flatten().find(|texts| !elements(texts).is_empty()))
        }
        Some("function_call" | "custom_tool_call" | "local_shell_call" | "tool_search_call") => {
            Some(Said { opens: call_id(), ..Said::by("assistant", text)? })
        }
        // The model's own service answers these.
        Some("web_search_call" | "image_generation_call") => Said::by("assistant", text),
        Some("function_call_output" | "custom_tool_call_output" | "tool_search_output") => {
            let output = item.get("output").filter(|output| *output != "null").or(text);
            Some(Said { closes: call_id(), ..Said::by("tool", output)? })
        }
        _ => None,
    }
}

/// What an item of a turn says, as Codex shows it. Of a legacy thread only what is nowhere else.
fn said_of_turn<'a>(event: &Members<'a>, paginated: bool) -> Option<Said<'a>> {
    let (text, item) = (event.get("item"), event.object("item")?);
    let kind = item.string("type")?;
    match kind.as_str() {
        "Plan" => Said::by("assistant", item.get("text")),
        _ if !paginated => None,
        "UserMessage" => Said::by("user", item.get("content")),
        "AgentMessage" => Said::by("assistant", item.get("content")),
        "HookPrompt" => Said::by("system", item.get("fragments")),
        "Reasoning" => {
            let texts = ["summary_text", "raw_content"].map(|name| item.get(name));
            let is_said = texts.into_iter().flatten().any(|texts| !elements(texts).is_empty());
            Said::by("assistant", text.filter(|_| is_said))
        }
        "FunctionCallOutput" => Said::by("tool", item.get("output")),
        // A call with its answer.
        "CommandExecution"
        | "DynamicToolCall"
        | "CollabAgentToolCall"
        | "McpToolCall"
        | "FileChange"
        | "WebSearch"
        | "ImageView"
        | "ImageGeneration"
        | "Extension" => {
            let id = item.string("id");
            Some(Said { opens: id.clone(), closes: id, ..Said::by("assistant", text)? })
        }
        _ => None,
    }
}

/// What a record says about the session. Of the history of another thread only what the human said counts, until
/// there is more.
fn facts(facts: &mut Facts, thread: &Thread, envelope: &str, part: Option<&str>, payload: &Members<'_>) {
    let origin = if thread.is_inherited() { TitleOrigin::Inherited } else { TitleOrigin::Text };
    match (envelope, part) {
        ("event_msg", Some("user_message")) => facts.title(origin, payload.string("message")),
        ("event_msg", Some("item_completed")) => {
            if let Some(item) = payload.object("item")
                && item.string("type").as_deref() == Some("UserMessage")
            {
                facts.title(origin, item.get("content").and_then(text));
            }
        }
        _ if thread.is_inherited() => {}
        ("event_msg", Some("thread_name_updated")) => {
            facts.title(TitleOrigin::Human, payload.string("thread_name"));
        }
        ("turn_context", _) => facts.cwd(payload.string("cwd")),
        ("session_meta", _) => {
            facts.cwd(payload.string("cwd"));
            facts.version(payload.string("cli_version"));
            facts.git_branch(payload.at(&["git", "branch"]).and_then(string));
            facts.origin(payload.get("source").and_then(self::origin));
            facts.forked_from(
                payload
                    .string("forked_from_id")
                    .or_else(|| payload.at(&["history_base", "thread_id"]).and_then(string)),
            );
            let spawn = ["source", "subagent", "thread_spawn", "parent_thread_id"];
            facts.parent(payload.string("parent_thread_id").or_else(|| payload.at(&spawn).and_then(string)));
        }
        _ => {}
    }
}

/// Where a thread was begun, in one word: `cli`, `vscode`, `exec`, `subagent:review`.
fn origin(source: &str) -> Option<String> {
    if let Some(word) = string(source) {
        return Some(word);
    }
    let (name, value) = Members::of(source)?.only()?;
    // What follows is not of one kind any more.
    let rest = origin(value);
    Some(rest.map_or_else(|| name.clone(), |rest| format!("{name}:{rest}")))
}

fn string(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// The texts of a content, one after the other.
fn text(content: &str) -> Option<String> {
    if let Some(text) = string(content) {
        return Some(text);
    }
    let texts = elements(content).into_iter().filter_map(|part| Members::of(part)?.string("text"));
    Some(texts.collect::<Vec<_>>().join(" "))
}

/// What a human said in a message of the oldest files, if one did.
fn human_text(said: &Said<'_>) -> Option<String> {
    let text = text(said.content).filter(|_| said.role == "user")?;
    let is_human = !MACHINE_TEXTS.into_iter().any(|machine| text.trim_start().starts_with(machine));
    Some(text).filter(|_| is_human)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_named_by_what_follows_the_time() {
        let of = |name: &str| named_thread(name).map(str::to_owned);
        assert_eq!(of("rollout-2026-08-20T10-00-00-a_b.jsonl").as_deref(), Some("a_b"));
        assert_eq!(of("rollout-2026-08-20T10-00-00-a.jsonl.zst").as_deref(), Some("a"));
        for other in [
            "rollout-2026-08-20T10-00-00-.jsonl",
            "rollout-2026-08-20T10-00-0é-a.jsonl",
            "rollout-2026-08-20-a.jsonl",
            "rollout-2026-08-20T10:00:00-a.jsonl",
            "rollout-2026-08-20T10-00-00-a.json",
            "x-2026-08-20T10-00-00-a.jsonl",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_record_is_recognised_by_its_envelope_or_as_the_first_of_an_old_file() {
        for text in [
            r#"{"timestamp":"t","type":"session_meta","payload":{}}"#,
            r#"{"type":"event_msg","payload":{"type":"x"}}"#,
            r#"{"id":"a","timestamp":"t","instructions":null}"#,
            r#"{"id":"a","timestamp":"t","git":{}}"#,
            r#"{"record_type":"state"}"#,
        ] {
            assert!(Codex.recognises(text), "{text}");
        }
        for text in [
            r#"{"type":"session_meta","payload":1}"#,
            r#"{"type":"user","payload":{}}"#,
            r#"{"session_id":"a","ts":1,"text":"x"}"#,
            r#"{"id":"a","timestamp":"t"}"#,
            r#"{"type":"message","role":"user","content":"x"}"#,
            "[]",
        ] {
            assert!(!Codex.recognises(text), "{text}");
        }
    }

    #[test]
    fn codex_is_where_it_keeps_its_things() {
        let ann = || Some(PathBuf::from("/home/ann"));
        assert_eq!(home(None, ann()), Some(PathBuf::from("/home/ann/.codex")));
        assert_eq!(home(Some(OsString::new()), ann()), Some(PathBuf::from("/home/ann/.codex")));
        assert_eq!(home(Some("/c".into()), ann()), Some(PathBuf::from("/c")));
        assert_eq!(home(None, None), None);
    }
}
