//! Shortening the results of tools. Pure: a message is never changed, another one is made of it.

use serde_json::{Map, Value};
use sessiondb::{Json, Message, NewMessage};

use crate::{Result, SessionKey, writes};

/// The member of a message's attributes that says of which message, by number, it is a shortened copy.
const SHORTENED: &str = "shortened_copy_of";

/// The shortened copy of a message that brings tool results longer than `max` characters; `None` if it brings none.
pub(crate) fn shortened(key: &SessionKey, message: &Message, max: usize) -> Result<Option<NewMessage>> {
    if message.role != "tool" && message.closes.is_empty() {
        return Ok(None);
    }
    let row = format!("message {} (row {})", message.seq, message.id);
    let content: Value = writes::read(&message.content, key, &row)?;
    let Some(content) = shorter(&message.role, &content, max) else { return Ok(None) };
    let mut attributes: Map<String, Value> = match &message.attributes {
        Some(attributes) => writes::read(attributes, key, &row)?,
        None => Map::new(),
    };
    attributes.insert(SHORTENED.into(), message.seq.into());
    let mut copy = NewMessage::new(message.role.clone(), Json::from_value(&content)?);
    copy.tool_calls.clone_from(&message.tool_calls);
    copy.created_at = Some(message.created_at);
    copy.opens.clone_from(&message.opens);
    copy.closes.clone_from(&message.closes);
    copy.attributes = Some(Json::from_value(&attributes)?);
    Ok(Some(copy))
}

/// Whether this message is a copy that [`shortened`] made.
pub(crate) fn is_shortened(message: &Message) -> bool {
    let attributes = message.attributes.as_ref().and_then(|json| json.read::<Map<String, Value>>().ok());
    attributes.is_some_and(|attributes| attributes.contains_key(SHORTENED))
}

/// The content with its results shortened: all of it where there are no blocks of type `tool_result`, else what stands
/// in these. `None` if all are short.
fn shorter(role: &str, content: &Value, max: usize) -> Option<Value> {
    let is_result = |block: &Value| block["type"] == "tool_result";
    match content.as_array() {
        Some(blocks) if blocks.iter().any(is_result) => replaced(blocks, |block| {
            let result = block.get("content").filter(|_| is_result(block))?;
            with(block, "content", shorter_result(result, max)?)
        }),
        // What is not a tool's message may say more than the result.
        _ if role != "tool" => None,
        _ => shorter_result(content, max),
    }
}

/// A result is text, or blocks of which those with a `text` can be shortened, or any other JSON, which becomes text.
fn shorter_result(result: &Value, max: usize) -> Option<Value> {
    match result {
        Value::String(text) => cut(text, max).map(Value::String),
        Value::Array(blocks) if blocks.iter().all(|block| block["type"].is_string()) => {
            replaced(blocks, |block| with(block, "text", cut(block["text"].as_str()?, max)?.into()))
        }
        other => cut(&other.to_string(), max).map(Value::String),
    }
}

/// The list with what `change` makes of each item; `None` if it changes none.
fn replaced(items: &[Value], change: impl Fn(&Value) -> Option<Value>) -> Option<Value> {
    let changed: Vec<Option<Value>> = items.iter().map(change).collect();
    let any = changed.iter().any(Option::is_some);
    let items = changed.into_iter().zip(items).map(|(new, old)| new.unwrap_or_else(|| old.clone()));
    any.then(|| items.collect())
}

fn with(object: &Value, name: &str, value: Value) -> Option<Value> {
    let mut object = object.as_object()?.clone();
    object.insert(name.into(), value);
    Some(Value::Object(object))
}

/// The beginning of a text that has more than `max` characters, and how many are missing; with that at most `max` where
/// there is room for it, so that nothing is shortened twice.
fn cut(text: &str, max: usize) -> Option<String> {
    // A text has no more characters than bytes.
    let count = if text.len() <= max { return None } else { text.chars().count() };
    if count <= max {
        return None;
    }
    let note = |kept: usize| format!("\n[{} of {count} characters left out]", count - kept);
    let kept = max.saturating_sub(note(0).chars().count());
    let beginning = |kept: usize| text.chars().take(kept).collect::<String>();
    Some(if kept == 0 { beginning(max) } else { beginning(kept) + &note(kept) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_cut_once_to_at_most_its_limit() {
        let text = "é".repeat(500);
        for max in [0, 1, 30, 40, 100, 499] {
            let short = cut(&text, max).unwrap();
            assert!(short.chars().count() <= max, "{max}: {}", short.chars().count());
            assert_eq!(cut(&short, max), None);
        }
        assert!(cut(&text, 100).unwrap().ends_with(" of 500 characters left out]"));
        assert_eq!(cut(&text, 500), None);
    }

    #[test]
    fn results_are_shortened_wherever_they_stand_and_nothing_else_is() {
        let long = "x".repeat(100);
        let short = cut(&long, 50).unwrap();
        let same = |role, content: Value| assert_eq!(shorter(role, &content, 50), None, "{content}");
        same("tool", json!("short"));
        same("tool", json!({"rows": [1, 2]}));
        same("user", json!(long));
        same("user", json!([{"type": "text", "text": long}, {"type": "tool_result", "content": "short"}]));
        same("tool", json!([{"type": "image", "data": long}]));
        let becomes = |role, content: Value, expected: Value| {
            assert_eq!(shorter(role, &content, 50), Some(expected));
        };
        becomes("tool", json!(long), json!(short));
        becomes("tool", json!([{"type": "text", "text": long}]), json!([{"type": "text", "text": short}]));
        let block = |text: &str| json!([{"type": "tool_result", "tool_use_id": long, "content": text}, {"type": "text", "text": long}]);
        becomes("user", block(&long), block(&short));
        let rows = json!({"rows": long});
        becomes("tool", rows.clone(), json!(cut(&rows.to_string(), 50).unwrap()));
    }
}
