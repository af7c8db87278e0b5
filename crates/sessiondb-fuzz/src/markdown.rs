//! Markdown: whatever messages say, none of it poses as the document's own or swallows what follows.

use pollster::block_on;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use sessiondb::{Commit, Json, NewMessage, Opening, SessionKey, Write};
use sessiondb_export::{Choice, markdown};

use crate::observed::memory;

/// What parts a message's role, content and tool calls, as bytes; messages follow each other in the same way.
const SEPARATOR: char = '\u{1e}';

/// The texts between the separators are a title and then three for each message.
pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split(SEPARATOR);
    let title = parts.next().unwrap_or_default();
    let mut messages = Vec::new();
    while let Some(role) = parts.next() {
        let json = |text: &str| Json::parse(text).unwrap_or_else(|_| Json::string(text));
        let mut message = NewMessage::new(role, json(parts.next().unwrap_or_default()));
        message.tool_calls = parts.next().filter(|calls| !calls.is_empty()).map(json);
        if message.validate().is_ok() {
            messages.push(message);
        }
    }
    // What comes before it must not swallow it.
    messages.push(NewMessage::new("user", "the end"));
    let (store, count) = (memory(), messages.len());
    let metadata = Json::from_value(&serde_json::json!({ "title": title })).unwrap();
    let opening = Opening { metadata: Some(metadata), ..Opening::default() };
    let commit = Commit::new(SessionKey::new("a", "b", "", "dm", "c")).write(Write::Open(opening));
    block_on(store.commit_one(commit.write(Write::Append(messages)))).unwrap();

    let mut out = Vec::new();
    let written = block_on(markdown(&store, &Choice::all(), &mut out, &mut |_, _| {})).unwrap();
    assert_eq!((written.sessions, written.unread), (1, vec![]));
    let text = String::from_utf8(out).unwrap();
    let document = Outline::of(&text);
    assert_eq!(document, Outline { titles: 1, messages: count, others: 0 }, "{text}");
}

/// What stands in a document outside of its quotes.
#[derive(Debug, Default, PartialEq)]
struct Outline {
    /// Headings of the first level.
    titles: usize,
    /// Headings of the second level.
    messages: usize,
    /// Headings of other levels, HTML, links, pictures and tables: an export writes none.
    others: usize,
}

impl Outline {
    fn of(markdown: &str) -> Outline {
        let (mut outline, mut quotes) = (Outline::default(), 0);
        for event in Parser::new(markdown) {
            match event {
                Event::Start(Tag::BlockQuote(_)) => quotes += 1,
                Event::End(TagEnd::BlockQuote(_)) => quotes -= 1,
                _ if quotes > 0 => {}
                Event::Start(Tag::Heading { level, .. }) => match level as usize {
                    1 => outline.titles += 1,
                    2 => outline.messages += 1,
                    _ => outline.others += 1,
                },
                Event::Start(Tag::HtmlBlock | Tag::Link { .. } | Tag::Image { .. } | Tag::Table(_))
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::Rule => outline.others += 1,
                _ => {}
            }
        }
        outline
    }
}
