//! OpenAI's chat form: what a line of it means, and how the store's parts give it back byte for byte.
//!
//! A line is one whole conversation, an object with the list `messages` and whatever else belongs to it (`tools`,
//! `parallel_tool_calls`, `metadata`, …). Fine-tuning data and logs of chat completions are kept in this form.
//!
//! The conversation is cut apart at byte offsets. Each message goes without its content and its tool calls into the
//! attributes of its own, with `null` where they were; the line goes without its messages, with `null` where each was,
//! into a document. So the document and the messages together are the line.

use std::{collections::HashMap, ops::Range, path::Path};

use sessiondb::{
    Document, Error, Json, Message, NewDocument, NewMessage, Result, SessionKey, Time, limits, time,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    facts::{Facts, TitleOrigin},
    members::{Members, elements, range_in},
    original::{Line, with_around},
};

pub(crate) const NAME: &str = "openai";
pub(crate) const FAMILY: &str = "openai";
/// The collection of the documents that keep the lines without their messages, each under the hash of its line.
pub(crate) const LINES: &str = "line";

/// A line that is a conversation.
pub(crate) struct Conversation {
    /// The number of its line in the file, from 1.
    pub number: u64,
    /// XXH3 (128 bits) of the line's JSON, in hexadecimal.
    pub hash: String,
    /// Its own id, if it has one that a session's address can have.
    id: Option<String>,
    /// When it was held, if it says so.
    pub at: Option<Time>,
    /// Its messages, each with the place in the line as its id.
    pub messages: Vec<NewMessage>,
    /// The line without them.
    pub line: NewDocument,
    pub facts: Facts,
}

/// Whether a JSON line is a conversation of this form.
pub(crate) fn recognises(line: &str) -> bool {
    let Some(messages) = Members::of(line).and_then(|members| members.get("messages")) else { return false };
    let first = elements(messages).first().copied().and_then(Members::of);
    first.is_some_and(|message| message.string("role").is_some())
}

/// What the sessions of the file at this path have in common: its name.
///
/// # Errors
/// Why its name cannot stand in their addresses.
pub(crate) fn channel(path: &Path) -> Result<String, String> {
    let name = path.file_name().ok_or("it has no name")?.to_str().ok_or("its name is not UTF-8")?;
    let name = name.strip_suffix(".zst").unwrap_or(name);
    let stem = name.strip_suffix(".jsonl").unwrap_or(name).to_owned();
    SessionKey::new(NAME, &stem, "", "", "").validate().map_err(|error| error.to_string())?;
    Ok(stem)
}

impl Conversation {
    /// Reads a line.
    ///
    /// # Errors
    /// Why the line is none, or cannot be kept.
    pub fn of(line: &Line) -> Result<Conversation, String> {
        let text = line.value.get();
        let members = Members::of(text).ok_or("not a JSON object")?;
        let list = members.get("messages").filter(|list| list.starts_with('['));
        let texts = elements(list.ok_or("it has no list of messages")?);
        if texts.is_empty() {
            return Err("its list of messages is empty".into());
        }
        let (mut messages, mut calls) = (Vec::with_capacity(texts.len()), LegacyCalls::default());
        for (index, text) in texts.iter().enumerate() {
            let read = message(index, text, &mut calls).and_then(|message| {
                message.validate().map_err(|error| error.to_string())?;
                Ok(message)
            });
            messages.push(read.map_err(|reason| format!("its message {}: {reason}", index + 1))?);
        }

        let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
        let gaps = texts.iter().map(|message| Some((range_in(text, message)?, "null")));
        let rest = gaps.collect::<Option<Vec<_>>>().and_then(|gaps| replaced(text, gaps));
        let rest = rest.and_then(|rest| Json::parse(rest).ok()).ok_or("its messages cannot be cut out")?;
        let mut document = NewDocument::new(LINES, &hash, rest);
        document.blob = line.around();
        document.validate().map_err(|error| error.to_string())?;

        let mut facts = Facts::default();
        facts.title(TitleOrigin::Text, title(&texts));
        let id = members.string("id").filter(|id| {
            !id.is_empty() && SessionKey::new(NAME, "", &hash, "conversation", id).validate().is_ok()
        });
        Ok(Conversation { number: line.number, hash, id, at: at(&members), messages, line: document, facts })
    }

    /// The sessions that it may be, in the order in which they are tried: that of its id, and beside it one of this very
    /// line, for the case that another conversation has the id. Without an id it is known by its line alone.
    pub fn keys(&self, channel: &str) -> Vec<SessionKey> {
        let key = |account: &str, peer: &str| SessionKey::new(NAME, channel, account, "conversation", peer);
        match &self.id {
            Some(id) => vec![key("", id), key(&self.hash, id)],
            None => vec![key("", &self.hash)],
        }
    }

    /// Its bytes, as they count against the limit of a commit.
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(NewMessage::bytes).sum::<usize>() + self.line.bytes()
    }
}

/// Calls in the form before `tool_calls`: a message makes at most one, and the next message of role `function` with its
/// name answers it. They have no ids, so each has its place in the line for one.
#[derive(Default)]
struct LegacyCalls(HashMap<String, String>);

fn message(index: usize, text: &str, legacy: &mut LegacyCalls) -> Result<NewMessage, String> {
    let members = Members::of(text).ok_or("not a JSON object")?;
    let role = members.string("role").ok_or("it has no role")?;
    let calls = members.get("tool_calls").filter(|calls| calls.starts_with('['));
    let legacy_call = members.get("function_call").filter(|call| call.starts_with('{'));
    let (content, beside) = (members.get("content"), calls.or(legacy_call));

    let gaps = content.into_iter().chain(beside).map(|part| Some((range_in(text, part)?, "null")));
    let rest = gaps.collect::<Option<Vec<_>>>().and_then(|gaps| replaced(text, gaps));
    let json = |text: &str| Json::parse(text).map_err(|error| error.to_string());
    let place = pointer(index);
    let mut message = NewMessage::new(role, json(content.unwrap_or("null"))?).message_id(&place);
    message.attributes = Some(json(&rest.ok_or("it cannot be cut apart")?)?);
    message.tool_calls = beside.map(json).transpose()?;

    let ids = elements(calls.unwrap_or_default()).into_iter().filter_map(Members::of);
    message.opens = ids.filter_map(|call| call.string("id")).filter(|id| can_be_noted(id)).collect();
    if let Some(name) = legacy_call.and_then(Members::of).and_then(|call| call.string("name")) {
        let id = format!("{place}/function_call");
        message.opens.push(id.clone());
        legacy.0.insert(name, id);
    }
    match message.role.as_str() {
        "tool" => message.closes.extend(members.string("tool_call_id").filter(|id| can_be_noted(id))),
        "function" => message.closes.extend(members.string("name").and_then(|name| legacy.0.remove(&name))),
        _ => {}
    }
    Ok(message)
}

/// Whether the store takes the id of a call. One that it does not is still in the message's text, and no reason to refuse
/// the conversation.
fn can_be_noted(id: &str) -> bool {
    !id.is_empty() && id.len() <= limits::ID_BYTES_MAX && !id.contains('\0')
}

/// Where a message stands in its line, as a JSON pointer (RFC 6901).
fn pointer(index: usize) -> String {
    format!("/messages/{index}")
}

/// The time of the objects of OpenAI's API: seconds since 1970, in `created` or `created_at`.
fn at(members: &Members<'_>) -> Option<Time> {
    let seconds = members.get("created").or_else(|| members.get("created_at"))?.parse().ok()?;
    Time::from_timestamp(seconds, 0).filter(|at| time::validate(*at).is_ok())
}

/// The first thing that the user said.
fn title(messages: &[&str]) -> Option<String> {
    messages.iter().filter_map(|text| Members::of(text)).find_map(|message| {
        if message.string("role").as_deref() != Some("user") {
            return None;
        }
        let parts =
            || elements(message.get("content").unwrap_or_default()).into_iter().filter_map(Members::of);
        let text = message.string("content").or_else(|| parts().find_map(|part| part.string("text")));
        text.filter(|text| !text.trim().is_empty())
    })
}

/// The text with each of these ranges, which do not overlap, replaced by a text.
fn replaced(text: &str, mut parts: Vec<(Range<usize>, &str)>) -> Option<String> {
    parts.sort_by_key(|(range, _)| range.start);
    let (mut made, mut from) = (String::with_capacity(text.len()), 0);
    for (range, part) in parts {
        made.push_str(text.get(from..range.start)?);
        made.push_str(part);
        from = range.end;
    }
    made.push_str(text.get(from..)?);
    Some(made)
}

/// The line that an imported conversation was, byte for byte, without its newline. `line` is a document of the
/// session's collection `line`, of which there is one for each state of the conversation that was imported;
/// `messages` are the session's messages, from the first at least to the last that the line has, also those that it hides
/// ([`Window::log`](sessiondb::Window::log)).
///
/// ```
/// # use sessiondb::{DocumentFilter, Window};
/// # use sessiondb_import::{Format, find, import, original_conversation};
/// # pollster::block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let text = r#"{"messages": [{"role": "user", "content": "hello"}], "metadata": {"topic": "greeting"}}"#;
/// # let path = directory.path().join("train.jsonl");
/// # std::fs::write(&path, format!("{text}\n"))?;
/// # let store = sessiondb::open("memory:").await?;
/// # for source in find(Some(Format::OpenAi), &[path])?.sources {
/// #     import(&store, &source, &mut |_| {}).await?;
/// # }
/// # let key = store.session_list(&Default::default()).await?.sessions.remove(0).key;
/// let lines = store.document_list(&key, &DocumentFilter::collection("line")).await?.documents;
/// let messages = store.message_window(&key, Window::last(1000)).await?.messages;
/// assert_eq!(original_conversation(&lines[0], &messages)?, text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Invalid`] if the document keeps no line, or a message of the line is missing or was not imported.
pub fn original_conversation(line: &Document, messages: &[Message]) -> Result<String> {
    let invalid = |why: String| Error::Invalid(format!("document {}/{}: {why}", line.collection, line.id));
    let no_line = || invalid("it keeps no imported conversation".into());
    if line.collection != LINES {
        return Err(no_line());
    }
    let by_place: HashMap<&str, &Message> =
        messages.iter().filter_map(|message| Some((message.message_id.as_deref()?, message))).collect();
    let text = line.body.get();
    let gaps = elements(Members::of(text).and_then(|members| members.get("messages")).ok_or_else(no_line)?);
    let mut originals = Vec::with_capacity(gaps.len());
    for (index, gap) in gaps.into_iter().enumerate() {
        let message = by_place.get(pointer(index).as_str()).and_then(|message| original_message(message));
        let message = message.ok_or_else(|| invalid(format!("its message {} is not there", index + 1)))?;
        originals.push((range_in(text, gap).ok_or_else(no_line)?, message));
    }
    let parts = originals.iter().map(|(range, message)| (range.clone(), message.as_str())).collect();
    replaced(text, parts).and_then(|json| with_around(json, line)).ok_or_else(no_line)
}

/// Whether a message is of a conversation: its id is a place in a line, and the rest of it begins no record.
pub(crate) fn is_message(message: &Message) -> bool {
    let place = message.message_id.as_deref().and_then(|id| id.strip_prefix("/messages/"));
    let role = |rest: &Json| Members::of(rest.get())?.string("role");
    place.is_some() && message.attributes.as_ref().and_then(role).is_some()
}

/// The text that a message was.
fn original_message(message: &Message) -> Option<String> {
    let text = message.attributes.as_ref()?.get();
    let members = Members::of(text)?;
    let gap = |name: &str| range_in(text, members.get(name).filter(|gap| *gap == "null")?);
    let mut parts = Vec::with_capacity(2);
    if members.get("content").is_some() {
        parts.push((gap("content")?, message.content.get()));
    }
    if let Some(calls) = &message.tool_calls {
        let name = if calls.get().starts_with('[') { "tool_calls" } else { "function_call" };
        parts.push((gap(name)?, calls.get()));
    }
    replaced(text, parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::original::Reading;

    fn read(text: &str) -> Result<Conversation, String> {
        match Reading::of(1, text.as_bytes()) {
            Reading::Line(line) => Conversation::of(&line),
            _ => panic!("no JSON: {text}"),
        }
    }

    fn conversation(text: &str) -> Conversation {
        read(text).unwrap_or_else(|reason| panic!("{reason}: {text}"))
    }

    /// The line of these messages, which the store would give back like this.
    fn original(conversation: Conversation) -> Result<String> {
        let line = Document {
            collection: conversation.line.collection,
            id: conversation.line.id,
            body: conversation.line.body,
            blob: conversation.line.blob,
            revision: 1,
            updated_at: time::now(),
        };
        let messages = conversation.messages.into_iter().zip(1..).map(|(new, seq)| Message {
            id: 0,
            seq,
            role: new.role,
            content: new.content,
            tool_calls: new.tool_calls,
            created_at: time::now(),
            message_id: new.message_id,
            opens: new.opens,
            closes: new.closes,
            token_count: new.token_count,
            attributes: new.attributes,
        });
        original_conversation(&line, &messages.collect::<Vec<_>>())
    }

    #[test]
    fn a_line_is_recognised_by_a_first_message_with_a_role() {
        assert!(recognises(r#"{"tools":[],"messages":[{"content":"x","role":"user"}]}"#));
        for text in [
            "[]",
            "{}",
            r#"{"messages":[]}"#,
            r#"{"messages":"x"}"#,
            r#"{"messages":[{"from":"human"}]}"#,
            r#"{"messages":[7,{"role":"user"}]}"#,
            r#"{"type":"user","uuid":"u","message":{"role":"user","content":"x"}}"#,
        ] {
            assert!(!recognises(text), "{text}");
        }
    }

    #[test]
    fn a_file_is_addressed_by_its_name() {
        assert_eq!(channel(Path::new("/data/a.b.jsonl")), Ok("a.b".to_owned()));
        assert_eq!(channel(Path::new("/data/export")), Ok("export".to_owned()));
        assert!(channel(Path::new("/data/~x.jsonl")).unwrap_err().contains('~'));
        assert!(channel(Path::new("/")).is_err());
    }

    #[test]
    fn a_conversation_is_addressed_by_its_id_and_without_one_by_its_text() {
        let keys = |text: &str| conversation(text).keys("f").into_iter().map(|key| key.parts().join("|"));
        let named = r#"{"id":"c1","messages":[{"role":"user","content":"x"}]}"#;
        let hash = conversation(named).hash;
        assert_eq!(
            keys(named).collect::<Vec<_>>(),
            ["openai|f||conversation|c1".to_owned(), format!("openai|f|{hash}|conversation|c1")]
        );
        for id in ["", "\"id\":7,", "\"id\":\"\",", "\"id\":null,", "\"id\":\"~x\",", "\"id\":\"\\u0000\","] {
            let text = format!(r#"{{{id}"messages":[{{"role":"user","content":"x"}}]}}"#);
            let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
            assert_eq!(keys(&text).collect::<Vec<_>>(), [format!("openai|f||conversation|{hash}")], "{id}");
        }
    }

    #[test]
    fn calls_are_opened_and_closed() {
        let read = conversation(
            r#"{"messages":[
                {"role":"assistant","tool_calls":[{"id":"a","function":{}},{"id":""},{"id":7},{"id":"b"}]},
                {"role":"tool","tool_call_id":"a","content":"1"},
                {"role":"user","tool_call_id":"b","content":"no tool"},
                {"role":"tool","content":"of no call"}]}"#,
        );
        let calls = |at: usize| (read.messages[at].opens.clone(), read.messages[at].closes.clone());
        assert_eq!(calls(0), (vec!["a".to_owned(), "b".to_owned()], vec![]));
        assert_eq!(calls(1), (vec![], vec!["a".to_owned()]));
        assert_eq!((calls(2), calls(3)), ((vec![], vec![]), (vec![], vec![])));
        assert!(read.messages[0].tool_calls.as_ref().unwrap().get().starts_with(r#"[{"id":"a","#));

        let long = "x".repeat(limits::ID_BYTES_MAX + 1);
        let odd = conversation(&format!(
            r#"{{"messages":[{{"role":"tool","tool_call_id":"\u0000","tool_calls":[{{"id":"{long}"}},{{"id":"b"}}]}}]}}"#
        ));
        assert_eq!(
            (&odd.messages[0].opens[..], &odd.messages[0].closes[..]),
            (&["b".to_owned()][..], &[][..])
        );
        assert_eq!(read.messages[0].content.get(), "null");
    }

    #[test]
    fn a_function_call_has_its_place_for_an_id_and_the_next_answer_of_its_name_closes_it() {
        let read = conversation(
            r#"{"messages":[
                {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
                {"role":"function","name":"g","content":"of no call"},
                {"role":"function","name":"f","content":"1"},
                {"role":"function","name":"f","content":"once more"},
                {"role":"assistant","function_call":"auto","content":"x"},
                {"role":"assistant","function_call":{"name":"f"},"tool_calls":[{"id":"a"}]}]}"#,
        );
        let opens: Vec<_> = read.messages.iter().map(|message| message.opens.join(" ")).collect();
        assert_eq!(opens, ["/messages/0/function_call", "", "", "", "", "a /messages/5/function_call"]);
        let closes: Vec<_> = read.messages.iter().map(|message| message.closes.join(" ")).collect();
        assert_eq!(closes, ["", "", "/messages/0/function_call", "", "", ""]);
        assert_eq!(read.messages[0].tool_calls.as_ref().unwrap().get(), r#"{"name":"f","arguments":"{}"}"#);
        assert!(read.messages[4].tool_calls.is_none());
        assert_eq!(read.messages[5].tool_calls.as_ref().unwrap().get(), r#"[{"id":"a"}]"#);
    }

    #[test]
    fn the_line_is_known_by_what_the_user_said_first_and_when() {
        let of = |rest: &str| {
            conversation(&format!(r#"{{"messages":[{{"role":"system","content":"s"}},{rest}]}}"#)).facts
        };
        let titled = |text: &str| {
            let mut facts = Facts::default();
            facts.title(TitleOrigin::Text, Some(text.into()));
            facts
        };
        assert_eq!(of(r#"{"role":"user","content":" "},{"role":"user","content":"hi"}"#), titled("hi"));
        let parts = r#"[{"type":"image_url","image_url":{}},{"type":"text","text":"what is this"}]"#;
        assert_eq!(of(&format!(r#"{{"role":"user","content":{parts}}}"#)), titled("what is this"));
        assert_eq!(of(r#"{"role":"assistant","content":"x"}"#), Facts::default());

        let at = |member: &str| {
            conversation(&format!(r#"{{{member}"messages":[{{"role":"user"}}]}}"#)).at.map(time::to_text)
        };
        assert_eq!(at("\"created\":1767323045,").as_deref(), Some("2026-01-02T03:04:05.000000Z"));
        assert_eq!(at("\"created_at\":0,").as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        for none in ["", "\"created\":\"2026\",", "\"created\":9223372036854775807,", "\"created\":1.5,"] {
            assert_eq!(at(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_no_conversation_says_why() {
        let why = |text: &str| read(text).err().unwrap();
        assert_eq!(why("[]"), "not a JSON object");
        assert_eq!(why(r#"{"prompt":"x"}"#), "it has no list of messages");
        assert_eq!(why(r#"{"messages":{}}"#), "it has no list of messages");
        assert_eq!(why(r#"{"messages":[]}"#), "its list of messages is empty");
        assert_eq!(why(r#"{"messages":[{"role":"user"},null]}"#), "its message 2: not a JSON object");
        assert_eq!(why(r#"{"messages":[{"content":"x"}]}"#), "its message 1: it has no role");
        assert_eq!(why(r#"{"messages":[{"role":""}]}"#), "its message 1: role is empty");
        let long = format!(r#"{{"messages":[{{"role":"{}"}}]}}"#, "x".repeat(65));
        assert!(why(&long).starts_with("its message 1: role has 65 bytes"), "{}", why(&long));
    }

    #[test]
    fn lines_of_every_shape_are_given_back() {
        for text in [
            r#" {"messages":[{"role":"user","content":null}]}	"#,
            r#"{"messages":[{"role":"user"}],"tools":[{"messages":[null]}]}"#,
            r#"{"messages":7,"messages" : [ {"content":"a","role":"user","content" : "b" } , {"tool_calls":null,"role":"x"} ] }"#,
            r#"{"m\u0065ssages":[{"role":"user","cont\u0065nt":1e999,"tool_calls":[],"function_call":{"name":"f"}}]}"#,
            r#"{"messages":[{"function_call":{"name":"f"},"tool_calls":null,"content":[],"role":"assistant"}]}"#,
            r#"{"messages":[{"tool_calls":{"odd":1},"role":"assistant","content":"x"}]}"#,
        ] {
            assert_eq!(original(conversation(text)).unwrap(), text);
        }
    }

    #[test]
    fn what_was_not_imported_is_not_given_back() {
        let text = r#"{"messages":[{"role":"user","content":"x"},{"role":"user","content":"y"}]}"#;
        let mut without_last = conversation(text);
        without_last.messages.pop();
        assert!(original(without_last).unwrap_err().to_string().ends_with("its message 2 is not there"));
        let mut changed = conversation(text);
        changed.messages[0].attributes = Some(Json::object());
        changed.messages[0].tool_calls = Some(Json::parse("[]").unwrap());
        assert!(original(changed).is_err());
        let mut other = conversation(text);
        other.line.collection = "record".into();
        assert!(original(other).unwrap_err().to_string().contains("keeps no imported conversation"));
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-0".to_owned()),
            Just(r#""\ud800 \"messages\":[null]""#.to_owned()),
            ".{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let name = prop_oneof![Just("messages"), Just("content"), Just("id"), Just("role")];
            prop_oneof![
                prop::collection::vec((name, inner.clone()), 0..3).prop_map(|members| {
                    let members: Vec<_> =
                        members.iter().map(|(name, value)| format!("\"{name}\" :{value}")).collect();
                    format!("{{{}}}", members.join(" ,"))
                }),
                prop::collection::vec(inner, 0..3).prop_map(|items| format!("[ {}]", items.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_conversation_is_given_back(
            parts in prop::collection::vec((value(), value(), "content|tool_calls|function_call|name"), 1..5),
            around in value(),
            space in "[ \t]{0,2}",
        ) {
            let messages: Vec<_> = parts
                .iter()
                .map(|(content, other, name)| {
                    format!(r#"{space}{{"content":{content},"{name}":{other}{space},"role":"user"}}"#)
                })
                .collect();
            let text = format!(r#"{space}{{"a":{around},"messages":[{}],"z":{around}}}{space}"#, messages.join(","));
            prop_assert_eq!(original(conversation(&text)).unwrap(), text);
        }

        #[test]
        fn no_json_is_a_panic(text in value()) {
            if let Ok(read) = read(&text) {
                prop_assert_eq!(original(read).unwrap(), text);
            }
        }
    }
}
