//! [`Json`]: JSON that stays the text it came as.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

use crate::{Error, Result, limits};

/// A JSON text, kept byte for byte, without white space around it.
///
/// The store never re-serialises what it was given: big integers, `1e400`, `-0`, duplicate members, lone surrogates
/// and the order of members all survive, which they would not in a `serde_json::Value`. Two values are equal when
/// their texts are.
///
/// What comes from a caller is checked once, when the `Json` is made: it is JSON, and nested at most
/// [`JSON_DEPTH_MAX`](limits::JSON_DEPTH_MAX) deep. What comes from the store is not checked again.
///
/// ```
/// use sessiondb_core::Json;
///
/// let json = Json::parse(r#"{"n": 12345678901234567890123, "n": 1e400}"#)?;
/// assert_eq!(json.get(), r#"{"n": 12345678901234567890123, "n": 1e400}"#);
/// assert!(Json::parse("{").is_err());
/// # Ok::<(), sessiondb_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Box<str>);

impl Json {
    /// Checks and keeps a JSON text.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not JSON (with line and column) or nested too deep.
    pub fn parse(text: impl Into<String>) -> Result<Json> {
        let raw = RawValue::from_string(text.into()).map_err(|e| Error::Invalid(format!("not JSON: {e}")))?;
        Json::from_raw(raw)
    }

    /// Keeps a raw value that serde_json has parsed already.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is nested too deep.
    pub fn from_raw(raw: Box<RawValue>) -> Result<Json> {
        let text: Box<str> = raw.into();
        let depth = depth(&text);
        if depth > limits::JSON_DEPTH_MAX {
            return Err(Error::Invalid(format!(
                "JSON nested {depth} deep; at most {} are allowed",
                limits::JSON_DEPTH_MAX
            )));
        }
        Ok(Json(text))
    }

    /// The JSON of anything that serde can serialise.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it cannot be serialised, or is nested too deep.
    pub fn from_value(value: &(impl Serialize + ?Sized)) -> Result<Json> {
        let raw = serde_json::value::to_raw_value(value)
            .map_err(|e| Error::Invalid(format!("cannot be written as JSON: {e}")))?;
        Json::from_raw(raw)
    }

    /// A JSON string with this text.
    pub fn string(text: &str) -> Json {
        // Serialising a str cannot fail; the fallback keeps the function total.
        Json(serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into()).into())
    }

    /// The empty object, `{}`.
    pub fn object() -> Json {
        Json("{}".into())
    }

    /// Text that a store has checked before it stored it. For backends: no check is made.
    pub fn from_stored(text: impl Into<Box<str>>) -> Json {
        Json(text.into())
    }

    /// The text.
    pub fn get(&self) -> &str {
        &self.0
    }

    /// Reads the text as a Rust type.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the text does not fit the type. A `serde_json::Value` holds less than JSON can say:
    /// `1e400` and lone surrogates do not fit it.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_str(&self.0).map_err(|e| Error::Invalid(format!("JSON of another shape: {e}")))
    }

    /// The text that a JSON string says. Without escapes in it, it is not copied.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no string, or one with a lone surrogate.
    pub fn into_text(self) -> Result<String> {
        let mut text = self.0.into_string();
        if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') && !text.contains('\\') {
            text.truncate(text.len() - 1);
            text.remove(0);
            return Ok(text);
        }
        serde_json::from_str(&text).map_err(|e| Error::Invalid(format!("JSON of another shape: {e}")))
    }

    /// Whether this is an object (`{…}`).
    pub fn is_object(&self) -> bool {
        self.0.trim_ascii_start().starts_with('{')
    }

    /// This JSON changed by a merge patch (RFC 7396): members of the patch replace those of an object, `null`
    /// removes, objects are merged member by member. What the patch does not touch keeps its text; of members with
    /// one name in an object that is merged, the last counts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a member's name is not readable text (a lone surrogate).
    pub fn merge_patch(&self, patch: &Json) -> Result<Json> {
        merge(Some(&self.0), &patch.0).map(|text| Json(text.into()))
    }
}

/// One level of an object whose members keep their text.
type Members = indexmap::IndexMap<String, Box<RawValue>>;

// As deep as the patch at most, which is bounded by JSON_DEPTH_MAX.
fn merge(target: Option<&str>, patch: &str) -> Result<String> {
    let invalid = |e: serde_json::Error| Error::Invalid(format!("cannot be merged: {e}"));
    if !patch.trim_ascii_start().starts_with('{') {
        return Ok(patch.to_owned());
    }
    let target = target.filter(|text| text.trim_ascii_start().starts_with('{')).unwrap_or("{}");
    let mut members: Members = serde_json::from_str(target).map_err(invalid)?;
    let changes: Members = serde_json::from_str(patch).map_err(invalid)?;
    for (name, change) in changes {
        if change.get() == "null" {
            members.shift_remove(&name);
            continue;
        }
        let merged = merge(members.get(&name).map(|old| old.get()), change.get())?;
        members.insert(name, RawValue::from_string(merged).map_err(invalid)?);
    }
    serde_json::to_string(&members).map_err(invalid)
}

/// How deep arrays and objects are nested in a valid JSON text. It does not recurse, so no text can exhaust the stack.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Json {
    /// Any JSON at all.
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
            .description(Some("any JSON, kept as the text that it came as"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Json {}

/// Text becomes a JSON string: what a caller means by `Message::new("user", "hello")`.
impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::string(text)
    }
}

/// Text becomes a JSON string.
impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::string(&text)
    }
}

impl Serialize for Json {
    /// Into JSON the text goes as it is (checked once more on its way out, so a damaged row cannot produce a
    /// damaged answer).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        Json::from_raw(Box::<RawValue>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Reads what is there, so that a `null` which is written out is one, and not a member that is missing.
pub(crate) fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_survives_where_a_value_would_lose_it() {
        let texts =
            ["-0", "1e400", "123456789012345678901234567890", r#"{"a":1,"a":2}"#, r#""\ud800""#, "[ 1 ,2 ]"];
        for text in texts {
            let json = Json::parse(text).unwrap();
            assert_eq!(json.get(), text);
            assert_eq!(serde_json::to_string(&json).unwrap(), text);
            assert_eq!(serde_json::from_str::<Json>(text).unwrap(), json);
        }
    }

    #[test]
    fn what_is_accepted_can_be_read_as_a_value() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let deepest = Json::parse(nested(limits::JSON_DEPTH_MAX)).unwrap();
        assert!(deepest.read::<serde_json::Value>().is_ok());
        for depth in [limits::JSON_DEPTH_MAX + 1, 100_000] {
            let error = Json::parse(nested(depth)).unwrap_err();
            assert!(error.to_string().contains(&format!("nested {depth} deep")), "{error}");
        }
        assert!(serde_json::from_str::<Json>(&nested(100_000)).is_err());
    }

    #[test]
    fn the_text_of_a_string_is_what_serde_json_reads() {
        let strings =
            [r#""""#, r#""a""#, "\"é 中 🦀\"", r#""a\"b""#, r#""\\""#, r#""\u0041\n""#, r#""ends with \"""#];
        for json in strings {
            let json = Json::parse(json).unwrap();
            assert_eq!(json.clone().into_text(), json.read::<String>(), "{json}");
        }
        for json in ["1", "null", "[\"a\"]", r#"{"a":"b"}"#, r#""\ud800""#] {
            assert!(Json::parse(json).unwrap().into_text().is_err(), "{json}");
        }
    }

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        assert_eq!(depth(r#"["[[[[", "\"[[[", {"a": "}"}]"#), 2);
    }

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn merge_patch_follows_rfc_7396() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, r#"null"#, r#"null"#),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, result) in cases {
            let merged = Json::parse(target).unwrap().merge_patch(&Json::parse(patch).unwrap()).unwrap();
            assert_eq!(merged.get(), result, "{target} patched by {patch}");
        }
    }

    #[test]
    fn a_merge_keeps_the_text_of_what_it_does_not_touch() {
        let document = Json::parse(r#"{"big":123456789012345678901,"in":{"x":1e400,"y":[ 1 ]}}"#).unwrap();
        let merged = document.merge_patch(&Json::parse(r#"{"in":{"z":-0}}"#).unwrap()).unwrap();
        assert_eq!(merged.get(), r#"{"big":123456789012345678901,"in":{"x":1e400,"y":[ 1 ],"z":-0}}"#);
    }
}
