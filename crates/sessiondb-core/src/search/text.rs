//! [`said`]: what of a message is searched.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    Message,
    limits::{SEARCH_BLOB_BYTES, SEARCH_TEXT_BYTES_MAX},
};

/// How often JSON in a string may stand in a string again, as the arguments of a tool call do.
const NESTED_MAX: usize = 4;

/// The text of a message that a search looks at, a line for each string of it: the strings of its content and of its tool calls,
/// wherever they stand in the JSON, also in JSON that is written into a string, as the arguments of calls mostly are.
///
/// Not looked at are the names of members, the strings of members named `type` (a block's kind), numbers, and what is no
/// language: a string of more than [`SEARCH_BLOB_BYTES`] bytes of plain ASCII without a space, as an image has. Only the first
/// [`SEARCH_TEXT_BYTES_MAX`] bytes of the text count.
pub fn said(message: &Message) -> String {
    let mut text = String::new();
    gather(message.content.get(), 0, &mut text);
    if let Some(calls) = &message.tool_calls {
        gather(calls.get(), 0, &mut text);
    }
    if text.len() > SEARCH_TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SEARCH_TEXT_BYTES_MAX));
    }
    text
}

/// Adds the strings of a JSON text. It does not ask whether it is JSON: whatever stands between quotes is a string.
fn gather(json: &str, nested: usize, text: &mut String) {
    let (mut rest, mut name) = (json, None);
    while let Some(begin) = rest.find('"') {
        let (string, after) = string_of(&rest[begin + 1..]);
        rest = after;
        if let Some(value) = rest.trim_ascii_start().strip_prefix(':') {
            name = value.trim_ascii_start().starts_with('"').then_some(string);
            continue;
        }
        let is_kind = name.take().is_some_and(|name| name == "type");
        if !is_kind && !is_blob(&string) {
            add(&string, nested, text);
        }
        if text.len() > SEARCH_TEXT_BYTES_MAX {
            return;
        }
    }
}

fn add(string: &str, nested: usize, text: &mut String) {
    let may_be_json = nested < NESTED_MAX && string.trim_ascii_start().starts_with(['{', '[']);
    if may_be_json && serde_json::from_str::<&RawValue>(string).is_ok() {
        return gather(string, nested + 1, text);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(string);
}

fn is_blob(string: &str) -> bool {
    string.len() > SEARCH_BLOB_BYTES && string.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The string that begins here, without its escapes, and what comes after its end.
fn string_of(json: &str) -> (Cow<'_, str>, &str) {
    let mut text: Option<String> = None;
    let (mut rest, mut plain) = (json, 0);
    loop {
        let Some(at) = rest[plain..].find(['"', '\\']).map(|at| plain + at) else {
            let all = text.map_or(Cow::Borrowed(rest), |text| Cow::Owned(text + rest));
            return (all, "");
        };
        if rest.as_bytes()[at] == b'"' {
            let string = match text {
                None => Cow::Borrowed(&rest[..at]),
                Some(text) => Cow::Owned(text + &rest[..at]),
            };
            return (string, &rest[at + 1..]);
        }
        let text = text.get_or_insert_default();
        text.push_str(&rest[..at]);
        let (letter, after) = escaped(&rest[at + 1..]);
        text.push(letter);
        (rest, plain) = (after, 0);
    }
}

/// The letter that is written so behind a backslash, and what comes after it. Half a surrogate is U+FFFD.
fn escaped(rest: &str) -> (char, &str) {
    let Some(letter) = rest.chars().next() else { return (' ', rest) };
    let after = &rest[letter.len_utf8()..];
    let letter = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' | 'f' => ' ',
        'u' => return unicode(after),
        other => other,
    };
    (letter, after)
}

fn unicode(rest: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(first) = unit(rest) else { return (char::REPLACEMENT_CHARACTER, rest) };
    let after = &rest[4..];
    let second = after.strip_prefix("\\u").and_then(unit).filter(|low| (0xDC00..0xE000).contains(low));
    match (first, second) {
        (0xD800..0xDC00, Some(low)) => {
            let letter = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00));
            (letter.unwrap_or(char::REPLACEMENT_CHARACTER), &after[6..])
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Json, time};

    fn message(content: &str, tool_calls: Option<&str>) -> Message {
        Message {
            id: 1,
            seq: 1,
            role: "user".into(),
            content: Json::parse(content).unwrap(),
            tool_calls: tool_calls.map(|text| Json::parse(text).unwrap()),
            created_at: time::now(),
            message_id: None,
            opens: Vec::new(),
            closes: Vec::new(),
            token_count: None,
            attributes: None,
        }
    }

    #[test]
    fn what_is_searched_is_every_string_but_names_and_kinds() {
        let of = |content| said(&message(content, None));
        assert_eq!(of(r#""hello \"you\"\n\u00e9 \ud83d\ude00 \ud800!""#), "hello \"you\"\né 😀 \u{fffd}!");
        let blocks =
            r#"[{"type":"text","text":"a"},{"type" : "tool_use","input":{"cmd":["ls","-l"],"n":1}},"b"]"#;
        assert_eq!(of(blocks), "a\nls\n-l\nb");
        assert_eq!(of(r#"[{"type":1},"a"]"#), "a");
        assert_eq!(of("17"), "");
        assert_eq!(of(r#"{"a":{"type":{"x":"y"}},"b":["type","z"]}"#), "y\ntype\nz");
    }

    #[test]
    fn json_in_a_string_is_looked_into() {
        let calls = r#"[{"function":{"name":"run","arguments":"{\"command\":\"cargo test\\n--all\"}"}}]"#;
        assert_eq!(said(&message("\"see\"", Some(calls))), "see\nrun\ncargo test\n--all");
        assert_eq!(said(&message(r#""{not json""#, None)), "{not json");
        let mut deep = "\"x\"".to_owned();
        for _ in 0..6 {
            deep = serde_json::to_string(&format!("[{deep}]")).unwrap();
        }
        assert!(said(&message(&deep, None)).contains('x'));
    }

    #[test]
    fn what_is_no_language_is_left_out_and_text_is_bounded() {
        let image = "A".repeat(SEARCH_BLOB_BYTES + 1);
        assert_eq!(said(&message(&format!(r#"["see",{{"data":"{image}"}}]"#), None)), "see");
        let chinese = "数".repeat(SEARCH_BLOB_BYTES);
        assert_eq!(said(&message(&format!("\"{chinese}\""), None)), chinese);
        let long = "é ".repeat(SEARCH_TEXT_BYTES_MAX);
        let text = said(&message(&format!("\"{long}\""), None));
        assert_eq!(text.len(), SEARCH_TEXT_BYTES_MAX - 1);
    }

    proptest! {
        /// A string is read as serde_json reads it.
        #[test]
        fn strings_are_read_as_json_says(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(string_of(&json[1..]), (Cow::Owned(text), ""));
        }

        /// Whatever stands in the file, reading it ends and does not panic.
        #[test]
        fn any_text_is_read(text in any::<String>(), escapes in "[\\\\u\"d8-9a-f{}\\[:]{0,40}") {
            let mut said = String::new();
            gather(&text, 0, &mut said);
            gather(&escapes, 0, &mut said);
        }
    }
}
