//! Merge patches: the text that comes out says what RFC 7396 says.

use serde_json::{Map, Value};
use sessiondb::Json;

/// What stands before the first NUL is a document, and what stands behind it a patch.
pub fn holds(data: &[u8]) {
    let Some((target, patch)) = str::from_utf8(data).ok().and_then(|text| text.split_once('\0')) else {
        return;
    };
    let (Ok(target), Ok(patch)) = (Json::parse(target), Json::parse(patch)) else { return };
    let values = target.read::<Value>().ok().zip(patch.read::<Value>().ok());
    let Ok(merged) = target.merge_patch(&patch) else {
        assert!(values.is_none(), "{target} cannot be patched by {patch}");
        return;
    };
    assert_eq!(
        Json::parse(merged.get()).as_ref(),
        Ok(&merged),
        "{target} patched by {patch} is no JSON of ours"
    );
    assert_eq!(merged.merge_patch(&patch).as_ref(), Ok(&merged), "{target} patched by {patch} a second time");
    if let Some((target_value, patch_value)) = values {
        let expected = patched(target_value, patch_value);
        assert_eq!(merged.read::<Value>(), Ok(expected), "{target} patched by {patch}");
    }
}

/// The RFC's own algorithm.
fn patched(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(&name);
        } else {
            let old = members.remove(&name).unwrap_or(Value::Null);
            members.insert(name, patched(old, change));
        }
    }
    Value::Object(members)
}
