//! Changing a document by a merge patch (RFC 7396).

use super::{
    examples::{key, open, patch, put, put_blob, receipt, said, second, to},
    observed::refused_as_invalid,
};
use crate::Store;

/// Puts a body, patches it, and answers with the body then.
async fn patched(store: &Store, body: &str, with: &str) -> String {
    store.commit_one(open("ann").write(put("notes", "1", body))).await.unwrap();
    store.commit_one(to("ann").write(patch("notes", "1", with))).await.unwrap();
    store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().body.get().to_owned()
}

/// Members of the patch replace, `null` removes, objects are merged, and what is no object replaces the whole.
pub async fn a_patch_is_merged_by_rfc_7396(store: Store) {
    let cases = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"x":null}"#, r#"{"a":"b"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (
            r#"{"a":{"b":"c","d":1}}"#,
            r#"{"a":{"b":"e","d":null,"f":{"g":null}}}"#,
            r#"{"a":{"b":"e","f":{}}}"#,
        ),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"b"}"#, "null", "null"),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r#"{"a":"b"}"#, "{}", r#"{"a":"b"}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
    ];
    for (body, with, expected) in cases {
        assert_eq!(patched(&store, body, with).await, expected, "{body} patched by {with}");
    }
}

/// What the patch does not touch keeps its text, and what it brings keeps its own.
pub async fn a_patch_keeps_the_text_that_it_does_not_touch(store: Store) {
    let body = r#"{"big":12345678901234567890123,"in":{"x":1e400,"y":[ 1 ,2 ],"s":"\ud800"},"b":-0,"a":1.0}"#;
    let with = r#"{"in":{"z":[ -0 , 1E5 ]},"new":"\u00e9 🦀"}"#;
    let expected = r#"{"big":12345678901234567890123,"in":{"x":1e400,"y":[ 1 ,2 ],"s":"\ud800","z":[ -0 , 1E5 ]},"b":-0,"a":1.0,"new":"\u00e9 🦀"}"#;
    assert_eq!(patched(&store, body, with).await, expected);
}

/// An absent document is made from the patch, as if it had been `{}`.
pub async fn a_patch_of_an_absent_document_makes_it(store: Store) {
    for (id, with, expected) in [
        ("1", r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
        ("2", "{}", "{}"),
        ("3", "[1, null]", "[1, null]"),
        ("4", "null", "null"),
    ] {
        store.commit_one(open("ann").write(patch("notes", id, with)).at(second(3))).await.unwrap();
        let made = store.document(&key("ann"), "notes", id).await.unwrap().unwrap();
        assert_eq!((made.body.get(), made.blob, made.updated_at), (expected, None, second(3)));
    }
}

/// A patch changes the body and leaves the blob. The document is written anew, even if it says what it said.
pub async fn a_patch_keeps_the_blob(store: Store) {
    let first = open("ann")
        .write(put_blob("notes", "1", r#"{"a":1}"#, b"\0blob"))
        .write(put_blob("notes", "2", "2", b""));
    store.commit_one(first.at(second(1))).await.unwrap();
    let patches =
        to("ann").write(patch("notes", "1", r#"{"a":1}"#)).write(patch("notes", "2", "3")).at(second(2));
    assert_eq!(store.commit_one(patches).await, Ok(receipt("ann", 2, &[])));
    for (id, body, blob) in [("1", r#"{"a":1}"#, &b"\0blob"[..]), ("2", "3", &b""[..])] {
        let document = store.document(&key("ann"), "notes", id).await.unwrap().unwrap();
        assert_eq!((document.body.get(), document.blob.as_deref()), (body, Some(blob)));
        assert_eq!((document.revision, document.updated_at), (2, second(2)));
    }
}

/// Patches of one commit are merged one after the other, also into what the commit itself put.
pub async fn patches_of_one_commit_are_merged_in_order(store: Store) {
    let commit = open("ann")
        .write(put("notes", "1", r#"{"a":1}"#))
        .write(patch("notes", "1", r#"{"a":null,"b":1}"#))
        .write(patch("notes", "1", r#"{"a":2}"#))
        .write(patch("notes", "2", r#"{"x":1}"#))
        .write(patch("notes", "2", r#"{"y":2}"#));
    assert_eq!(store.commit_one(commit).await, Ok(receipt("ann", 1, &[])));
    for (id, body) in [("1", r#"{"b":1,"a":2}"#), ("2", r#"{"x":1,"y":2}"#)] {
        assert_eq!(store.document(&key("ann"), "notes", id).await.unwrap().unwrap().body.get(), body);
    }
}

/// A merge needs the names of members as text. Where one is none (half of a surrogate pair), the patch is refused
/// with all that came with it.
pub async fn a_patch_that_cannot_be_merged_is_refused(store: Store) {
    store.append(&key("ann"), vec![said("hello")]).await.unwrap();
    store.commit_one(to("ann").write(put("notes", "1", r#"{"\ud800":1}"#))).await.unwrap();
    store.commit_one(to("ann").write(put("notes", "2", r#"{"a":{"\ud800":1}}"#))).await.unwrap();
    for (id, with) in [("1", r#"{"a":1}"#), ("2", r#"{"a":{"b":1}}"#), ("3", r#"{"\udc00":1}"#)] {
        refused_as_invalid(
            &store,
            vec![to("ann").write(put("notes", "4", "4")).write(patch("notes", id, with))],
        )
        .await;
    }
    // Where the merge does not look inside, such names are text like any other.
    store.commit_one(to("ann").write(patch("notes", "2", r#"{"b":{"c":1}}"#))).await.unwrap();
    let body = store.document(&key("ann"), "notes", "2").await.unwrap().unwrap().body;
    assert_eq!(body.get(), r#"{"a":{"\ud800":1},"b":{"c":1}}"#);
}
