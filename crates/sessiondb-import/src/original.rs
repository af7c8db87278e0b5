//! A line as it came, and how the store's parts give it back byte for byte.
//!
//! Two things must survive that JSON does not know. A message is kept in two parts, its content and the rest of its
//! line; and a line may have whitespace around its JSON, in a file with CRLF line ends always. The first is solved by
//! cutting at byte offsets and leaving `null` in the gap, the second by noting what stood around: in a message as a
//! last member of its attributes, in a record as the document's blob.

use sessiondb::{Document, Error, Json, Message, NewDocument, Result, limits};

use std::ops::Range;

use crate::{
    Format,
    format::Layout,
    members::{Members, range_in},
    openai,
};

/// The collection of the documents that keep the records that are no messages.
pub(crate) const RECORDS: &str = "record";
/// The member that notes what stood before and after a message's JSON.
const AROUND: &str = "sessiondb:around";
/// JSON's whitespace, but for the newline that ends the line.
const BLANKS: [char; 3] = [' ', '\t', '\r'];
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What a line of a file turned out to be.
pub(crate) enum Reading {
    /// Nothing but whitespace.
    Blank,
    /// JSON.
    Line(Line),
    /// Something that cannot be kept, and why.
    Bad(String),
}

/// A line that is JSON.
pub(crate) struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The JSON.
    pub value: Json,
    /// What stands before it: whitespace, and on a file's first line perhaps a byte order mark.
    before: String,
    /// What stands behind it: whitespace.
    after: String,
}

impl Reading {
    /// Reads the bytes of a line, which have no newline.
    pub fn of(number: u64, bytes: &[u8]) -> Reading {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Reading::Bad(format!("not UTF-8 from byte {} on", error.valid_up_to() + 1)),
        };
        let marked = if number == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        let start = text.len() - marked.trim_start_matches(BLANKS).len();
        let value = text[start..].trim_end_matches(BLANKS);
        if value.is_empty() {
            return Reading::Blank;
        }
        let (before, after) = (text[..start].to_owned(), text[start + value.len()..].to_owned());
        match Json::parse(value) {
            Ok(value) => Reading::Line(Line { number, value, before, after }),
            // The message speaks of the line as a text of its own, which would be taken for a place in the file.
            Err(Error::Invalid(reason)) => Reading::Bad(reason.replace(" at line 1 column ", " at column ")),
            Err(error) => Reading::Bad(error.to_string()),
        }
    }
}

impl Line {
    /// The document that keeps the line verbatim; `None` if it is larger than the store's documents may be.
    pub fn document(&self) -> Option<NewDocument> {
        let mut document = NewDocument::new(RECORDS, format!("{:010}", self.number), self.value.clone());
        document.blob = self.around();
        (document.bytes() <= limits::DOCUMENT_BYTES_MAX).then_some(document)
    }

    /// A part of the line, and the line with `null` in its place, from which [`restored`] makes the line again.
    /// `content` is a slice of the line, at one of the places where a format has the content of its messages. `None`
    /// if there is nothing to cut, or if the line would be taken for one that was cut in another way.
    pub fn cut(&self, content: &str) -> Option<(Json, Json)> {
        let text = self.value.get();
        let place = range_in(text, content).filter(|_| content != "null")?;
        let mut rest = String::with_capacity(text.len() - content.len() + 4);
        rest.push_str(&text[..place.start]);
        rest.push_str("null");
        rest.push_str(&text[place.end..]);
        let members = Members::of(&rest)?;
        if members.get(AROUND).is_some() || gap(&members, &rest)?.start != place.start {
            return None;
        }
        if !self.is_bare() {
            rest.truncate(rest.len() - 1);
            rest.push_str(&format!(",\"{AROUND}\":{}}}", self.around_as_json()?));
        }
        // Parts of JSON that was checked are JSON, and nested no deeper.
        Some((Json::from_stored(content), Json::from_stored(rest)))
    }

    /// The whole line as a content, and what is left of it.
    pub fn whole(&self) -> Option<(Json, Json)> {
        let rest = format!("{{\"{AROUND}\":{}}}", self.around_as_json()?);
        self.value.is_object().then_some((self.value.clone(), Json::from_stored(rest)))
    }

    /// What stands around the JSON, as JSON.
    fn around_as_json(&self) -> Option<String> {
        serde_json::to_string(&(&self.before, &self.after)).ok()
    }

    /// What stands around the JSON, for the blob of the document that keeps the line; see [`with_around`].
    pub fn around(&self) -> Option<Vec<u8>> {
        // No line contains a newline, so it can mark where the JSON stood.
        (!self.is_bare()).then(|| format!("{}\n{}", self.before, self.after).into_bytes())
    }

    fn is_bare(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// The line from which [`Line::cut`] or [`Line::whole`] took this content, leaving this rest.
pub(crate) fn restored(content: &Json, rest: &Json) -> Option<String> {
    let (text, content) = (rest.get(), content.get());
    let members = Members::of(text)?;
    let Some(around) = members.last().filter(|last| last.is(AROUND)) else {
        let gap = gap(&members, text)?;
        return Some(format!("{}{content}{}", &text[..gap.start], &text[gap.end..]));
    };
    let (before, after): (String, String) = serde_json::from_str(around.value).ok()?;
    // The line was the content, and left nothing.
    let Some(comma) = range_in(text, around.name_text())?.start.checked_sub(1).filter(|at| *at > 0) else {
        return Some(format!("{before}{content}{after}"));
    };
    let gap = gap(&members, text)?;
    Some(format!("{before}{}{content}{}}}{after}", &text[..gap.start], text.get(gap.end..comma)?))
}

/// Where the content of a message is missing from its record: the first of all the places where it may stand that is
/// `null`.
fn gap(members: &Members<'_>, text: &str) -> Option<Range<usize>> {
    let places = Format::ALL.into_iter().map(|format| match format.layout() {
        Layout::Session(transcript) => transcript.content_paths(),
        Layout::Conversations => &[],
    });
    places
        .flatten()
        .filter_map(|path| members.at(path))
        .find(|value| *value == "null")
        .and_then(|gap| range_in(text, gap))
}

/// The line of the transcript that an imported message was, byte for byte, without its newline.
///
/// # Errors
/// [`Error::Invalid`] if the message was not imported, or was changed since: its attributes are not a transcript's
/// record with a gap where the content was.
pub fn original_line(message: &Message) -> Result<String> {
    // A message of a conversation has the gap where Codex's oldest records have theirs, but is no line.
    let rest = message.attributes.as_ref().filter(|_| !openai::is_message(message));
    let line = rest.and_then(|rest| restored(&message.content, rest));
    line.ok_or_else(|| {
        Error::Invalid(format!("message {} has no imported line in its attributes", message.seq))
    })
}

/// The line of the transcript that an imported record is (a document of the collection `record`), byte for byte,
/// without its newline.
///
/// # Errors
/// [`Error::Invalid`] if the document is no such record.
pub fn original_record(document: &Document) -> Result<String> {
    let invalid =
        || Error::Invalid(format!("document {}/{} is no imported record", document.collection, document.id));
    if document.collection != RECORDS {
        return Err(invalid());
    }
    with_around(document.body.get().to_owned(), document).ok_or_else(invalid)
}

/// A line's JSON with what stood around it, according to the blob of the document that keeps the line.
pub(crate) fn with_around(json: String, document: &Document) -> Option<String> {
    let Some(around) = &document.blob else { return Some(json) };
    let (before, after) = str::from_utf8(around).ok()?.split_once('\n')?;
    Some(format!("{before}{json}{after}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATH: [&str; 2] = ["message", "content"];

    fn line(text: &str) -> Line {
        match Reading::of(1, text.as_bytes()) {
            Reading::Line(line) => line,
            Reading::Blank => panic!("blank: {text:?}"),
            Reading::Bad(reason) => panic!("{reason}: {text:?}"),
        }
    }

    fn cut(line: &Line) -> Option<(Json, Json)> {
        line.cut(Members::of(line.value.get())?.at(&PATH)?)
    }

    fn assert_survives(text: &str, expected: &str) {
        let (content, rest) = cut(&line(text)).unwrap();
        assert_eq!(content.get(), expected, "{text}");
        assert!(rest.is_object());
        assert_eq!(restored(&content, &rest).as_deref(), Some(text));
        assert_eq!(Json::parse(content.get()).unwrap(), content);
        assert_eq!(Json::parse(rest.get()).unwrap(), rest);
    }

    #[test]
    fn the_content_is_cut_where_it_stands_and_nowhere_else() {
        for (text, expected) in [
            (r#"{"message":{"content":"hi"}}"#, r#""hi""#),
            (
                r#"{"toolUseResult":{"content":"no"},"message":{"content":[{"content":"yes"}]}}"#,
                r#"[{"content":"yes"}]"#,
            ),
            (r#"{"content":"no","message":{"inner":{"content":1},"content" : 2 }}"#, "2"),
            (r#"{"message":{"content":1},"message":{"content":2,"content":3}}"#, "3"),
            (
                r#"{"message":{"content":"\"content\":null"},"x":{"message":{"content":null}}}"#,
                r#""\"content\":null""#,
            ),
            (r#"{"m\u0065ssage":{"c\u006fntent":{"\ud800":1e999}},"\ud800":-0}"#, r#"{"\ud800":1e999}"#),
            ("{\"message\" :\t{ \"content\":[ ] } , \"a\" : 1 }", "[ ]"),
            ("\u{feff} {\"message\":{\"content\":7} }\t\r", "7"),
        ] {
            assert_survives(text, expected);
        }
    }

    #[test]
    fn nothing_is_cut_where_there_is_no_content_or_a_member_of_our_own_name() {
        for text in [
            "[]",
            "{}",
            r#"{"message":"content"}"#,
            r#"{"message":{"content":null}}"#,
            r#"{"message":{"content":1},"message":{}}"#,
            r#"{"message":{"content":1},"sessiondb:around":["",""]}"#,
        ] {
            assert!(cut(&line(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn a_line_that_would_be_taken_for_one_cut_elsewhere_is_not_cut() {
        let cut_at = |text: &str, path: &[&str]| {
            let line = line(text);
            let members = Members::of(line.value.get()).unwrap();
            line.cut(members.at(path).unwrap())
        };
        // Claude Code's place is looked at first.
        assert!(
            cut_at(r#"{"message":{"content":null},"payload":{"content":1}}"#, &["payload", "content"])
                .is_none()
        );
        assert!(
            cut_at(r#"{"message":{"content":2},"payload":{"content":1}}"#, &["payload", "content"]).is_some()
        );
        // No format has its content there.
        assert!(cut_at(r#"{"elsewhere":1}"#, &["elsewhere"]).is_none());
    }

    #[test]
    fn a_whole_line_survives_and_an_empty_rest_is_none_of_ours() {
        for text in [r#"{"type":"x"}"#, " {}\t\r", r#"{"sessiondb:around":["",""]}"#] {
            let (content, rest) = line(text).whole().unwrap();
            assert_eq!(restored(&content, &rest).as_deref(), Some(text));
        }
        assert!(line("[1]").whole().is_none());
        assert_eq!(restored(&Json::object(), &Json::object()), None);
    }

    #[test]
    fn a_byte_order_mark_is_one_only_at_the_start_of_the_file() {
        assert!(matches!(Reading::of(1, "\u{feff}{}".as_bytes()), Reading::Line(_)));
        assert!(matches!(Reading::of(2, "\u{feff}{}".as_bytes()), Reading::Bad(_)));
        assert!(matches!(Reading::of(1, "\u{feff} \r".as_bytes()), Reading::Blank));
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        let why = |bytes: &[u8]| match Reading::of(9, bytes) {
            Reading::Bad(reason) => reason,
            _ => panic!("not bad"),
        };
        assert_eq!(why(b"{\"a\":\xff}"), "not UTF-8 from byte 6 on");
        assert_eq!(why(b"{\"a\":}"), "not JSON: expected value at column 6");
        let deep = why(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes());
        assert!(deep.contains("nested 100000 deep"), "{deep}");
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-0".to_owned()),
            Just("1e999".to_owned()),
            Just(r#""\ud800 \"message\":{\"content\":null}""#.to_owned()),
            ".{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        let name =
            prop_oneof![Just("message"), Just("content"), Just("type"), Just("m\\u0065ssage"), Just("")];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let space = prop_oneof![Just(""), Just(" "), Just("\t")];
            let members =
                prop::collection::vec((name.clone(), space, inner.clone()), 0..4).prop_map(|members| {
                    let members: Vec<_> = members
                        .into_iter()
                        .map(|(name, space, value)| format!("{space}\"{name}\"{space}:{value}{space}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                });
            prop_oneof![
                members,
                prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")))
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_cut_is_restored_byte_for_byte(
            content in json(), rest in json(), around in json(), before in "[ \t]{0,2}", after in "[ \t\r]{0,2}",
        ) {
            prop_assume!(content != "null");
            let text = format!(
                r#"{before}{{"x":{around},"message":{{"content":1,"y":{rest},"content":{content}}},"z":{rest}}}{after}"#
            );
            assert_survives(&text, &content);
        }

        #[test]
        fn any_line_that_is_cut_is_restored_and_any_record_too(value in json(), before in "[ \t]{0,2}", after in "[ \t\r]{0,2}") {
            let text = format!("{before}{value}{after}");
            let line = line(&text);
            if let Some((content, rest)) = cut(&line) {
                prop_assert_eq!(restored(&content, &rest), Some(text.clone()));
            }
            if let Some((content, rest)) = line.whole() {
                prop_assert_eq!(restored(&content, &rest), Some(text.clone()));
            }
            let kept = line.document().unwrap();
            let document = Document {
                collection: kept.collection, id: kept.id, body: kept.body, blob: kept.blob,
                revision: 1, updated_at: sessiondb::time::now(),
            };
            prop_assert_eq!(original_record(&document).unwrap(), text);
        }
    }
}
