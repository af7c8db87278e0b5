//! What no engine is ever given: the store refuses it before.

use super::{
    examples::{json, open, patch, put, remove, said, status, to},
    observed::refused_as_invalid,
};
use crate::{Commit, Expect, Json, NewMessage, Opening, Store, Time, Write, limits};

/// A text in every place that has a name or an id.
fn in_every_place(text: &str) -> Vec<Commit> {
    let append = |message: NewMessage| open("ann").write(Write::Append(vec![said("before"), message]));
    let opening = |family: Option<&str>, status: Option<&str>| {
        Write::Open(Opening {
            family: family.map(Into::into),
            status: status.map(Into::into),
            metadata: None,
        })
    };
    let document = |collection: &str, id: &str| Expect::Document {
        collection: collection.into(),
        id: id.into(),
        revision: 0,
    };
    vec![
        append(NewMessage::new(text, "")),
        append(said("").message_id(text)),
        append(NewMessage { opens: vec!["a".into(), text.into()], ..said("") }),
        append(NewMessage { closes: vec!["a".into(), text.into()], ..said("") }),
        to("ann").write(opening(Some(text), None)),
        to("ann").write(opening(None, Some(text))),
        open("ann").write(status(text)),
        open("ann").write(put(text, "1", "1")),
        open("ann").write(put("notes", text, "1")),
        open("ann").write(patch(text, "1", "{}")),
        open("ann").write(patch("notes", text, "{}")),
        open("ann").write(remove(text, "1")),
        open("ann").write(remove("notes", text)),
        open("ann").id(text),
        open("ann").expect(document(text, "1")),
        open("ann").expect(document("notes", text)),
    ]
}

/// Names and ids are not empty.
pub async fn empty_names_and_ids_are_refused(store: Store) {
    for commit in in_every_place("") {
        refused_as_invalid(&store, vec![open("bob"), commit]).await;
    }
}

/// No name and no id has a NUL, wherever in it.
pub async fn a_nul_is_refused_in_names_and_ids(store: Store) {
    for text in ["\0", "a\0", "\0a", "a\0b"] {
        for commit in in_every_place(text) {
            refused_as_invalid(&store, vec![open("bob"), commit]).await;
        }
    }
}

/// Metadata and attributes are objects.
pub async fn what_must_be_an_object_is_one(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    for text in ["null", "1", "\"{}\"", "[{}]", "true"] {
        let metadata = Some(json(text));
        refused_as_invalid(&store, vec![to("ann").write(Write::SetMetadata(json(text)))]).await;
        let opening = Opening { metadata: metadata.clone(), ..Opening::default() };
        refused_as_invalid(&store, vec![to("bob").write(Write::Open(opening))]).await;
        let message = NewMessage { attributes: metadata, ..said("hello") };
        refused_as_invalid(&store, vec![to("ann").write(Write::Append(vec![said("a"), message]))]).await;
    }
}

/// A delete stands alone in its commit.
pub async fn a_delete_stands_alone(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    for other in [Write::open(), status("idle"), Write::Append(Vec::new()), Write::Delete] {
        refused_as_invalid(&store, vec![to("ann").write(other.clone()).write(Write::Delete)]).await;
        refused_as_invalid(&store, vec![to("ann").write(Write::Delete).write(other)]).await;
    }
}

/// Times lie in the years 0 to 9999.
pub async fn times_outside_four_digits_are_refused(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    // The last nanosecond before the year 0 and the first moment after 9999.
    let outside = [(-62_167_219_201, 999_999_999), (253_402_300_800, 0)];
    for at in outside.map(|(seconds, nanos)| Time::from_timestamp(seconds, nanos).unwrap()) {
        refused_as_invalid(&store, vec![to("ann").write(status("idle")).at(at)]).await;
        refused_as_invalid(&store, vec![open("bob").at(at)]).await;
        let message = NewMessage { created_at: Some(at), ..said("hello") };
        refused_as_invalid(&store, vec![to("ann").write(Write::Append(vec![message]))]).await;
    }
}

/// One commit that cannot be refuses its whole call, whatever else is in it.
pub async fn a_commit_that_cannot_be_refuses_its_call(store: Store) {
    store.commit_one(open("ann")).await.unwrap();
    let good = to("ann").write(status("idle"));
    let bad = to("ann").write(status(""));
    let conflicting = to("ann").expect(Expect::State(9));
    refused_as_invalid(&store, vec![good.clone(), bad.clone()]).await;
    refused_as_invalid(&store, vec![bad.clone(), good]).await;
    refused_as_invalid(&store, vec![conflicting, bad]).await;
}

/// What is no JSON, or too deep, never becomes a `Json` that could be sent.
pub async fn json_that_cannot_be_read_cannot_be_sent(store: Store) {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for bad in ["", " ", "{", "nul", "'a'", "[1,]", "\"\0\"", "1 2", &nested(limits::JSON_DEPTH_MAX + 1)] {
        assert!(Json::parse(bad).is_err(), "{bad:?}");
    }
    let deepest = json(nested(limits::JSON_DEPTH_MAX));
    store.append(&super::examples::key("ann"), vec![NewMessage::new("user", deepest.clone())]).await.unwrap();
    let messages = super::observed::history(&store, &super::examples::key("ann")).await;
    assert_eq!(messages[0].content, deepest);
}
