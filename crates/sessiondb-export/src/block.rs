//! [`Block`]: what a message consists of, read from the shapes that models' APIs give it.
//!
//! Content is any JSON; this knows the common shapes (a string, Anthropic's blocks, OpenAI's parts and tool calls, the
//! items of Codex) and hands everything else through as JSON. It is for showing only: nothing is stored in this form.

use sessiondb::{Json, Message};

use crate::raw::{self, Members};

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Something said.
    Text(String),
    /// What the model thought before; empty where it is encrypted.
    Thinking(String),
    /// A call of a tool.
    Call {
        /// The tool's name.
        name: String,
        /// What it is given: mostly a JSON object, as compact text.
        input: String,
    },
    /// What a tool answered.
    Result {
        /// The answer's text.
        text: String,
        /// Whether the tool says that it failed.
        failed: bool,
    },
    /// A picture.
    Image,
    /// Anything else, as compact JSON.
    Other(String),
}

/// The blocks of a message, in order: its content, then its tool calls.
pub fn blocks(message: &Message) -> Vec<Block> {
    let mut blocks = of_content(message.content.get());
    // OpenAI gives a tool's answer a message of its own, whose content is plain text.
    if matches!(message.role.as_str(), "tool" | "function") {
        for block in &mut blocks {
            if let Block::Text(text) = block {
                *block = Block::Result { text: std::mem::take(text), failed: false };
            }
        }
    }
    blocks.extend(message.tool_calls.as_ref().map(of_tool_calls).unwrap_or_default());
    blocks
}

fn of_content(content: &str) -> Vec<Block> {
    if let Some(text) = raw::value(content) {
        return vec![Block::Text(text)];
    }
    if let Some(items) = raw::items(content) {
        return items.into_iter().map(|item| of_item(item.get())).collect();
    }
    match content.trim_ascii() {
        // A message that is nothing but its tool calls.
        "null" => Vec::new(),
        _ => vec![of_item(content)],
    }
}

fn of_item(item: &str) -> Block {
    if let Some(text) = raw::value(item) {
        return Block::Text(text);
    }
    let known = raw::members(item).and_then(|members| of_members(&members));
    known.unwrap_or_else(|| Block::Other(raw::compact(item)))
}

fn of_members(members: &Members) -> Option<Block> {
    let block = match raw::string(members, "type")?.as_str() {
        "text" | "input_text" | "output_text" | "Text" => Block::Text(raw::string(members, "text")?),
        "summary_text" | "reasoning_text" => Block::Thinking(raw::string(members, "text")?),
        "Reasoning" => {
            Block::Thinking(texts(members, "summary_text").or_else(|| texts(members, "raw_content"))?)
        }
        "function_call" => Block::Call {
            name: raw::string(members, "name")?,
            input: arguments(members.get("arguments").map_or("", |arguments| arguments.get())),
        },
        "custom_tool_call" => {
            Block::Call { name: raw::string(members, "name")?, input: raw::string(members, "input")? }
        }
        kind @ ("local_shell_call" | "web_search_call") => Block::Call {
            name: kind.trim_end_matches("_call").to_owned(),
            input: raw::compact(members.get("action")?.get()),
        },
        "thinking" => Block::Thinking(raw::string(members, "thinking")?),
        "redacted_thinking" => Block::Thinking(String::new()),
        "tool_use" => Block::Call {
            name: raw::string(members, "name")?,
            input: members.get("input").map(|input| raw::compact(input.get())).unwrap_or_default(),
        },
        "tool_result" => Block::Result {
            text: members.get("content").map(|content| result_text(content.get())).unwrap_or_default(),
            failed: members.get("is_error").is_some_and(|failed| failed.get() == "true"),
        },
        "image" | "image_url" | "input_image" => Block::Image,
        _ => return None,
    };
    Some(block)
}

/// The text of a tool's answer, which is content like a message's own.
fn result_text(content: &str) -> String {
    let texts = of_content(content).into_iter().map(|block| match block {
        Block::Text(text) | Block::Other(text) => text,
        Block::Image => "[image]".into(),
        // An answer that contains calls or answers is nothing that an API has: it is shown as what it is.
        Block::Thinking(_) | Block::Call { .. } | Block::Result { .. } => raw::compact(content),
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn of_tool_calls(calls: &Json) -> Vec<Block> {
    match raw::items(calls.get()) {
        Some(calls) => calls.into_iter().map(|call| of_tool_call(call.get())).collect(),
        None => vec![of_tool_call(calls.get())],
    }
}

/// A tool call as OpenAI has it: `{"function": {"name": …, "arguments": "JSON in a string"}}`, or in the older form
/// what is inside there.
fn of_tool_call(call: &str) -> Block {
    let known = || {
        let members = raw::members(call)?;
        let function = match members.get("function") {
            Some(function) => raw::members(function.get())?,
            None => members,
        };
        let input = arguments(function.get("arguments").map_or("", |arguments| arguments.get()));
        Some(Block::Call { name: raw::string(&function, "name")?, input })
    };
    known().unwrap_or_else(|| Block::Other(raw::compact(call)))
}

/// The arguments of a call, which are JSON in a string.
fn arguments(json: &str) -> String {
    // Some servers give the arguments as JSON without the string around it.
    let input = raw::value::<String>(json).unwrap_or_else(|| json.to_owned());
    // A model may also write arguments that are no JSON; they are shown as they are.
    if raw::is_json(&input) { raw::compact(&input) } else { input }
}

/// The texts of a list, one paragraph each; none if there are no texts.
fn texts(members: &Members, name: &str) -> Option<String> {
    let texts: Vec<String> = raw::value(members.get(name)?.get())?;
    Some(texts.join("\n\n")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use sessiondb::{MemoryBackend, NewMessage, SessionKey, Store, Window, blocking};

    use super::*;

    /// What a store gives back for this message.
    fn stored(new: NewMessage) -> Message {
        let store = blocking::Store::from(Store::new(std::sync::Arc::new(MemoryBackend::new())));
        let key = SessionKey::new("a", "b", "c", "d", "e");
        store.append(&key, vec![new]).unwrap();
        store.message_window(&key, Window::last(1)).unwrap().messages.remove(0)
    }

    fn of(role: &str, content: &str) -> Vec<Block> {
        blocks(&stored(NewMessage::new(role, Json::parse(content).unwrap())))
    }

    fn text(text: &str) -> Block {
        Block::Text(text.into())
    }

    #[test]
    fn claude_blocks_are_known() {
        let content = r#"[
            {"type": "thinking", "thinking": "Let me\nsee", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "Here"},
            {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"z": "ls", "a": 1}},
            {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
            {"type": "novelty", "x": [1, 2]}
        ]"#;
        let expected = [
            Block::Thinking("Let me\nsee".into()),
            Block::Thinking(String::new()),
            text("Here"),
            Block::Call { name: "Bash".into(), input: r#"{"z":"ls","a":1}"#.into() },
            Block::Image,
            Block::Other(r#"{"type":"novelty","x":[1,2]}"#.into()),
        ];
        assert_eq!(of("assistant", content), expected);
    }

    #[test]
    fn results_are_text_or_blocks() {
        let content = r#"[
            {"type": "tool_result", "tool_use_id": "t1", "content": "one\ntwo"},
            {"type": "tool_result", "content": [{"type": "text", "text": "no"}, {"type": "image"}], "is_error": true},
            {"type": "tool_result", "tool_use_id": "t3"}
        ]"#;
        let result = |text: &str, failed| Block::Result { text: text.into(), failed };
        assert_eq!(
            of("user", content),
            [result("one\ntwo", false), result("no\n[image]", true), result("", false)]
        );
        assert_eq!(of("tool", r#""42""#), [result("42", false)]);
    }

    #[test]
    fn openai_tool_calls_follow_the_content() {
        let mut message = NewMessage::new("assistant", Json::parse("null").unwrap());
        let calls = r#"[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\": \"Rome\"}"}},
                        {"function":{"name":"raw","arguments":"not json"}}, {"odd": true}]"#;
        message.tool_calls = Some(Json::parse(calls).unwrap());
        let call = |name: &str, input: &str| Block::Call { name: name.into(), input: input.into() };
        let expected = [
            call("weather", r#"{"city":"Rome"}"#),
            call("raw", "not json"),
            Block::Other(r#"{"odd":true}"#.into()),
        ];
        assert_eq!(blocks(&stored(message)), expected);
    }

    #[test]
    fn a_function_call_in_the_older_form_is_known_and_so_is_its_answer() {
        let mut message = NewMessage::new("assistant", Json::parse("null").unwrap());
        message.tool_calls =
            Some(Json::parse(r#"{"name":"weather","arguments":"{\"city\": \"Rome\"}"}"#).unwrap());
        let call = Block::Call { name: "weather".into(), input: r#"{"city":"Rome"}"#.into() };
        assert_eq!(blocks(&stored(message)), [call]);
        assert_eq!(of("function", r#""31""#), [Block::Result { text: "31".into(), failed: false }]);
    }

    #[test]
    fn the_items_of_codex_are_known() {
        let call = |name: &str, input: &str| vec![Block::Call { name: name.into(), input: input.into() }];
        let thinking = |text: &str| vec![Block::Thinking(text.into())];
        for (content, blocks) in [
            (
                r#"{"type":"function_call","name":"shell","arguments":"{\"command\": [\"ls\"]}","call_id":"c"}"#,
                call("shell", r#"{"command":["ls"]}"#),
            ),
            (r#"{"type":"function_call","name":"shell","arguments":"{broken"}"#, call("shell", "{broken")),
            (
                r#"{"type":"custom_tool_call","name":"apply_patch","input":"*** Begin\n*** End"}"#,
                call("apply_patch", "*** Begin\n*** End"),
            ),
            (
                r#"{"type":"local_shell_call","action":{"type":"exec","command":["ls"]}}"#,
                call("local_shell", r#"{"type":"exec","command":["ls"]}"#),
            ),
            (
                r#"{"type":"web_search_call","action":{"query": "rust"}}"#,
                call("web_search", r#"{"query":"rust"}"#),
            ),
            (r#"[{"type":"summary_text","text":"**Listing**"}]"#, thinking("**Listing**")),
            (r#"{"type":"Reasoning","summary_text":["a","b"],"raw_content":[]}"#, thinking("a\n\nb")),
            (r#"{"type":"Reasoning","summary_text":[],"raw_content":["raw"]}"#, thinking("raw")),
            (r#"[{"type":"Text","text":"hello"}]"#, vec![text("hello")]),
        ] {
            assert_eq!(of("assistant", content), blocks, "{content}");
        }
        let result = Block::Result { text: "42".into(), failed: false };
        assert_eq!(of("tool", r#"[{"type":"input_text","text":"42"}]"#), [result]);
    }

    #[test]
    fn anything_else_is_shown_as_json() {
        assert_eq!(
            of("user", r#"["a", {"text": "no type"}]"#),
            [text("a"), Block::Other(r#"{"text":"no type"}"#.into())]
        );
        assert_eq!(of("user", r#""\ud800""#), [Block::Other(r#""\ud800""#.into())]);
        assert_eq!(of("user", "1e400"), [Block::Other("1e400".into())]);
        assert_eq!(of("user", r#"{"type": "text", "text": "alone"}"#), [text("alone")]);
    }
}
