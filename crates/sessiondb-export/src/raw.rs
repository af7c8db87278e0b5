//! Reading JSON one level at a time, so that what is only shown stays the text it is: the order of members, big
//! numbers, and strings that Rust could not hold.

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The members of an object, each the text it is; `None` if it is no object.
pub type Members<'a> = IndexMap<String, &'a RawValue>;

/// Reads an object.
pub fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}

/// Reads a list.
pub fn items(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

/// Reads a string, or anything else that owns what it reads.
pub fn value<T: DeserializeOwned>(json: &str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// Whether this is JSON at all.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A member that is a string.
pub fn string(members: &Members, name: &str) -> Option<String> {
    members.get(name).and_then(|raw| value(raw.get()))
}

/// The text without the white space between its tokens.
pub fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        in_string || !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_takes_only_what_is_between_tokens() {
        let json = "{ \"b\" : [ 1 , \"x y \\\" z\\\\\" ] ,\n\t\"a\": 1e400 }";
        assert_eq!(compact(json), r#"{"b":[1,"x y \" z\\"],"a":1e400}"#);
    }

    #[test]
    fn members_keep_order_and_text() {
        let members = members(r#"{"z": 1e400, "a": "\ud800", "s": "x"}"#).unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["z", "a", "s"]);
        assert_eq!(members["z"].get(), "1e400");
        assert_eq!((string(&members, "s"), string(&members, "a")), (Some("x".into()), None));
        assert!(super::members("[1]").is_none() && items("{}").is_none());
    }
}
