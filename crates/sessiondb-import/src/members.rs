//! [`Members`]: one level of a JSON object, each member in the text it has in the source.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use sessiondb::{Time, time};

/// The members of an object in their order, also those with the same name. Nothing is decoded that is not asked for,
/// so a number too large or a lone surrogate in one member does not make the others unreadable.
pub(crate) struct Members<'a>(Vec<Member<'a>>);

/// A member: slices of the text that was read.
pub(crate) struct Member<'a> {
    /// The name with its quotes and escapes.
    name: &'a str,
    /// The value's text, without whitespace around it.
    pub value: &'a str,
}

impl<'a> Members<'a> {
    /// The members of the object that `text` is; `None` if it is something else.
    pub fn of(text: &'a str) -> Option<Members<'a>> {
        text.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// The value of the member with this name. Of several the last counts, as it does for JavaScript, which writes
    /// and reads these files.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|member| member.is(name)).map(|member| member.value)
    }

    /// The text of a member that is a string.
    pub fn string(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| serde_json::from_str(value).ok())
    }

    /// The members of a member that is an object.
    pub fn object(&self, name: &str) -> Option<Members<'a>> {
        self.get(name).and_then(Members::of)
    }

    /// The value at this path of members in members.
    pub fn at(&self, path: &[&str]) -> Option<&'a str> {
        match path {
            [] => None,
            [name] => self.get(name),
            [name, path @ ..] => self.object(name)?.at(path),
        }
    }

    /// The time that a member says in text; none if there is no such member or it is `null`.
    ///
    /// # Errors
    /// If it is something else, or a time that the store does not keep.
    pub fn time(&self, name: &str) -> Result<Option<Time>, ()> {
        if matches!(self.get(name), None | Some("null")) {
            return Ok(None);
        }
        let time = self.string(name).and_then(|text| time::from_text(&text).ok()).ok_or(())?;
        time::validate(time).map(|()| Some(time)).map_err(|_| ())
    }

    /// Whether the member is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The name and the value of the only member.
    pub fn only(&self) -> Option<(String, &'a str)> {
        let [member] = self.0.as_slice() else { return None };
        Some((serde_json::from_str(member.name).ok()?, member.value))
    }

    /// The last member.
    pub fn last(&self) -> Option<&Member<'a>> {
        self.0.last()
    }
}

impl<'a> Member<'a> {
    /// Whether the member has this name, however it is escaped.
    pub fn is(&self, name: &str) -> bool {
        let plain = self.name.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        plain == Some(name)
            || (self.name.contains('\\')
                && serde_json::from_str::<String>(self.name).is_ok_and(|text| text == name))
    }

    /// The name in the text it has in the source.
    pub fn name_text(&self) -> &'a str {
        self.name
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(Member { name: name.get(), value: value.get() });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The elements of the array that `text` is; none if it is something else.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}

/// Where `part` stands in `whole`; `None` if it is no slice of it.
pub(crate) fn range_in(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    whole.get(range.clone()).filter(|slice| std::ptr::eq(*slice, part)).map(|_| range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_the_slices_of_the_source() {
        let text = r#" { "a" : [ 1 ] , "b":1e999, "\ud800": "\udfff", "c":{"a":2} } "#;
        let members = Members::of(text).unwrap();
        assert_eq!(members.get("a"), Some("[ 1 ]"));
        assert_eq!(members.get("b"), Some("1e999"));
        assert_eq!(members.object("c").unwrap().get("a"), Some("2"));
        assert_eq!(members.string("a"), None);
        assert_eq!(&text[range_in(text, members.get("a").unwrap()).unwrap()], "[ 1 ]");
        assert_eq!(range_in(text, "[ 1 ]"), None);
    }

    #[test]
    fn of_members_with_one_name_the_last_counts_however_it_is_escaped() {
        let members = Members::of(r#"{"a":1,"\u0061":2,"b":3}"#).unwrap();
        assert_eq!(members.get("a"), Some("2"));
        assert!(members.last().unwrap().is("b"));
    }

    #[test]
    fn a_path_leads_through_members_and_no_further() {
        let members = Members::of(r#"{"a":{"b":{"c":1}},"d":[{"c":2}]}"#).unwrap();
        assert_eq!(members.at(&["a", "b", "c"]), Some("1"));
        assert_eq!(members.at(&["a", "b"]), Some(r#"{"c":1}"#));
        for path in [&["a", "c"][..], &["d", "c"], &["a", "b", "c", "d"], &[]] {
            assert_eq!(members.at(path), None);
        }
        assert_eq!(members.object("a").unwrap().only(), Some(("b".into(), r#"{"c":1}"#)));
        assert_eq!(members.only(), None);
    }

    #[test]
    fn a_time_is_none_only_where_there_is_none() {
        let time = |text: &str| Members::of(text).unwrap().time("t").map(|time| time.is_some());
        assert_eq!((time("{}"), time(r#"{"t":null}"#)), (Ok(false), Ok(false)));
        assert_eq!(time(r#"{"t":"2026-08-20T10:00:00Z"}"#), Ok(true));
        assert_eq!((time(r#"{"t":"yesterday"}"#), time(r#"{"t":1}"#)), (Err(()), Err(())));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["[1]", "\"{}\"", "12", "null", "", "{"] {
            assert!(Members::of(text).is_none(), "{text}");
        }
        assert_eq!(elements("[1, {\"a\": 2}]"), ["1", "{\"a\": 2}"]);
        assert!(elements("{}").is_empty());
    }
}
