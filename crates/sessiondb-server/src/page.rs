//! Messages as JSON, without reading again what in them is JSON already. The text is that of their `Serialize`, which reads it
//! once more; a test holds the two together.

use std::io::Write;

use sessiondb::{Json, Message, MessagePage, time};

/// A page of messages as one object.
pub(crate) fn to_json(page: &MessagePage) -> Vec<u8> {
    let contents: usize = page.messages.iter().map(|message| message.content.get().len()).sum();
    let mut out = Vec::with_capacity(contents + 256 * (page.messages.len() + 1));
    out.extend_from_slice(b"{\"messages\":[");
    for (place, message) in page.messages.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_message(&mut out, message);
    }
    let MessagePage { has_earlier, has_later, exceeds, weight, estimated, .. } = page;
    // Writing into a Vec does not fail.
    let _ = write!(
        out,
        "],\"has_earlier\":{has_earlier},\"has_later\":{has_later},\"exceeds\":{exceeds},\"unpaired\":"
    );
    write_texts(&mut out, &page.unpaired);
    let _ = write!(out, ",\"weight\":{weight},\"estimated\":{estimated}}}");
    out
}

/// The same messages, one a line. Line breaks that stand between the parts of a JSON text become spaces; in its strings none can
/// stand.
pub(crate) fn to_lines(page: &MessagePage) -> Vec<u8> {
    let mut out = Vec::new();
    for message in &page.messages {
        let begin = out.len();
        write_message(&mut out, message);
        out[begin..].iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        out.push(b'\n');
    }
    out
}

fn write_message(out: &mut Vec<u8>, message: &Message) {
    let raw = |out: &mut Vec<u8>, name: &str, json: &Option<Json>| {
        if let Some(json) = json {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(json.get().as_bytes());
        }
    };
    let _ = write!(out, "{{\"id\":{},\"seq\":{},\"role\":", message.id, message.seq);
    write_text(out, &message.role);
    out.extend_from_slice(b",\"content\":");
    out.extend_from_slice(message.content.get().as_bytes());
    raw(out, ",\"tool_calls\":", &message.tool_calls);
    let _ = write!(out, ",\"created_at\":\"{}\"", time::to_text(message.created_at));
    if let Some(id) = &message.message_id {
        out.extend_from_slice(b",\"message_id\":");
        write_text(out, id);
    }
    for (name, calls) in [(",\"opens\":", &message.opens), (",\"closes\":", &message.closes)] {
        if !calls.is_empty() {
            out.extend_from_slice(name.as_bytes());
            write_texts(out, calls);
        }
    }
    if let Some(count) = message.token_count {
        let _ = write!(out, ",\"token_count\":{count}");
    }
    raw(out, ",\"attributes\":", &message.attributes);
    out.push(b'}');
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    // A text can always be written.
    let _ = serde_json::to_writer(out, text);
}

fn write_texts(out: &mut Vec<u8>, texts: &[String]) {
    let _ = serde_json::to_writer(out, texts);
}

#[cfg(test)]
mod tests {
    use sessiondb::Time;

    use super::*;

    fn messages() -> Vec<Message> {
        let bare = Message {
            id: 7,
            seq: 1,
            role: "us\"er\n".into(),
            content: Json::parse("[ 1,\n 2 ,\"\\n\"]").unwrap(),
            tool_calls: None,
            created_at: Time::UNIX_EPOCH,
            message_id: None,
            opens: Vec::new(),
            closes: Vec::new(),
            token_count: None,
            attributes: None,
        };
        let full = Message {
            id: -1,
            seq: u64::MAX,
            content: Json::parse("1e400").unwrap(),
            tool_calls: Some(Json::parse("null").unwrap()),
            message_id: Some("é\u{1}".into()),
            opens: vec!["a".into(), "b\\".into()],
            closes: vec!["c".into()],
            token_count: Some(0),
            attributes: Some(Json::parse("{\"a\":1,\"a\":2}").unwrap()),
            ..bare.clone()
        };
        vec![bare, full]
    }

    #[test]
    fn a_page_is_written_as_serde_writes_it() {
        for messages in [Vec::new(), messages(), messages()[1..].to_vec()] {
            let mut page = MessagePage::new(messages, true, false, true);
            page.unpaired = vec!["\"".into()];
            assert_eq!(
                String::from_utf8(to_json(&page)),
                String::from_utf8(serde_json::to_vec(&page).unwrap())
            );
        }
    }

    /// A content with line breaks in it cut a line of the stream in two.
    #[test]
    fn a_message_is_one_line() {
        let page = MessagePage::new(messages(), false, false, false);
        let lines = String::from_utf8(to_lines(&page)).unwrap();
        let read: Vec<Message> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read[0].content.get(), "[ 1,  2 ,\"\\n\"]");
        assert_eq!(read[1], page.messages[1]);
    }
}
