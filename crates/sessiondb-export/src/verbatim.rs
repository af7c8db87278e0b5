//! [`Verbatim`]: stored JSON in a line of an archive.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use sessiondb::Json;

/// What a JSON text that cannot stand in a line as it is begins with there: `{"sessiondb:text":"…"}` has its text in a
/// string.
const MARK: &str = r#"{"sessiondb:text":"#;

/// A JSON text of the store. In an archive it stands as it is, byte for byte, unless it has line breaks between its
/// tokens, which would make two lines of one, or begins as the mark of such a text does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verbatim(pub Json);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    #[serde(rename = "sessiondb:text")]
    text: String,
}

impl Serialize for Verbatim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get();
        match text.contains(['\n', '\r']) || text.starts_with(MARK) {
            true => Marked { text: text.to_owned() }.serialize(serializer),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Verbatim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Verbatim, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let json = match raw.get().starts_with(MARK) {
            true => {
                let marked: Marked = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
                Json::parse(marked.text)
            }
            false => Json::from_raw(raw),
        };
        json.map(Verbatim).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        serde_json::to_string(&Verbatim(Json::parse(text).unwrap())).unwrap()
    }

    #[test]
    fn text_stands_as_it_is_where_it_can() {
        for text in
            ["-0", "1e400", r#""\ud800""#, "[ 1 ,\t2 ]", r#"{"a":1,"a":2}"#, r#"{ "sessiondb:text": 1}"#]
        {
            assert_eq!(line(text), text);
            assert_eq!(serde_json::from_str::<Verbatim>(text).unwrap().0.get(), text);
        }
    }

    #[test]
    fn what_would_break_the_line_is_marked_and_read_back() {
        let cases =
            ["[1,\n2]", "{\r\n\"a\": \"\\n\"}", r#"{"sessiondb:text":"x"}"#, r#"{"sessiondb:text":1e400}"#];
        for text in cases {
            let line = line(text);
            assert!(line.starts_with(MARK) && !line.contains(['\n', '\r']), "{line}");
            assert_eq!(serde_json::from_str::<Verbatim>(&line).unwrap().0.get(), text);
        }
    }

    #[test]
    fn a_mark_without_json_in_it_is_refused() {
        let deep = format!("{MARK}\"{}{}\"}}", "[".repeat(200), "]".repeat(200));
        for bad in
            [r#"{"sessiondb:text":"{"}"#, r#"{"sessiondb:text":1}"#, r#"{"sessiondb:text":"1","a":1}"#, &deep]
        {
            assert!(serde_json::from_str::<Verbatim>(bad).is_err(), "{bad}");
        }
    }
}
