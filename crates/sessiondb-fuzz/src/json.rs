//! [`Json`]: any text is kept byte for byte or refused, and serde_json agrees on what is JSON.

use serde_json::Value;
use sessiondb::Json;

/// JSON's own whitespace.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Any text is JSON or an error. The text is taken a second time for what a string says.
pub fn holds(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let value = serde_json::from_str::<Value>(text);
    match Json::parse(text) {
        Ok(json) => assert_kept(text, &json, value),
        Err(error) => assert!(value.is_err(), "serde_json reads {text:?}, which was refused: {error}"),
    }
    let string = Json::string(text);
    assert_eq!(Json::parse(string.get()), Ok(string.clone()));
    assert_eq!(string.read::<String>().as_deref(), Ok(text));
    assert_eq!(string.into_text().as_deref(), Ok(text));
}

fn assert_kept(text: &str, json: &Json, value: Result<Value, serde_json::Error>) {
    assert_eq!(json.get(), text.trim_matches(BLANKS));
    let inside = serde_json::to_string(&[json, json]).unwrap();
    assert_eq!(inside, format!("[{json},{json}]"));
    assert_eq!(serde_json::from_str::<Json>(text).as_ref().ok(), Some(json));
    assert_eq!(serde_json::from_str::<Vec<Json>>(&inside).unwrap(), [json.clone(), json.clone()]);
    assert_eq!(json.clone().into_text().ok(), json.read::<String>().ok());
    match value {
        Ok(value) => {
            assert_eq!(json.read::<Value>(), Ok(value.clone()));
            assert_eq!(json.is_object(), value.is_object());
            let written = Json::from_value(&value).unwrap();
            assert_eq!(written.read::<Value>(), Ok(value));
        }
        // What a `Value` cannot hold, and the store keeps all the same.
        Err(error) => {
            let why = error.to_string();
            let known = ["number out of range", "lone leading surrogate", "unexpected end of hex escape"];
            assert!(known.iter().any(|known| why.contains(known)), "{text:?} was taken: {why}");
        }
    }
}
