//! Documents: putting, reading, listing and removing them.

use super::{
    examples::{
        json, key, not_found, open, put, put_blob, receipt, remove, said, second, status, to, unchanged,
    },
    observed::{documents, observe},
};
use crate::{Commit, Document, DocumentFilter, Error, Store, Write, limits};

/// A document is read back as it was put, with the session's revision that wrote it.
pub async fn a_document_is_read_back_as_it_was_put(store: Store) {
    store.commit_one(open("ann").write(status("idle"))).await.unwrap();
    let all_bytes: Vec<u8> = (0..=255).chain([0, 0]).collect();
    let blobs: [Option<Vec<u8>>; 4] = [None, Some(Vec::new()), Some(vec![0]), Some(all_bytes)];
    for (n, blob) in blobs.into_iter().enumerate() {
        let (id, revision) = (format!("doc {n}"), n as u64 + 2);
        let mut write = put("notes", &id, r#"{ "a": null }"#);
        if let Write::PutDocument(document) = &mut write {
            document.blob = blob.clone();
        }
        let answer = store.commit_one(to("ann").write(write).at(second(n as i64))).await;
        assert_eq!(answer, Ok(receipt("ann", revision, &[])));
        let expected = Document {
            collection: "notes".into(),
            id: id.clone(),
            body: json(r#"{ "a": null }"#),
            blob,
            revision,
            updated_at: second(n as i64),
        };
        assert_eq!(store.document(&key("ann"), "notes", &id).await, Ok(Some(expected)));
    }
}

/// Put again, a document is replaced with body and blob. Other documents stay as they are.
pub async fn a_document_put_again_is_replaced(store: Store) {
    let first = open("ann")
        .write(put_blob("notes", "1", r#"{"a":1}"#, b"old"))
        .write(put_blob("notes", "2", "2", b""));
    store.commit_one(first.at(second(1))).await.unwrap();
    let other = store.document(&key("ann"), "notes", "2").await.unwrap();
    store.commit_one(to("ann").write(put("notes", "1", r#"{"b":2}"#)).at(second(2))).await.unwrap();
    let replaced = store.document(&key("ann"), "notes", "1").await.unwrap().unwrap();
    assert_eq!((replaced.body.get(), replaced.blob), (r#"{"b":2}"#, None));
    assert_eq!((replaced.revision, replaced.updated_at), (2, second(2)));
    assert_eq!(store.document(&key("ann"), "notes", "2").await.unwrap(), other);
}

/// A document's revision is that of the session when it was written, the same for all of one commit. It never comes
/// again: a document that is removed and made anew goes on.
pub async fn a_document_revision_never_comes_again(store: Store) {
    store.commit_one(open("ann").write(put("notes", "1", "1")).write(put("notes", "2", "1"))).await.unwrap();
    store.commit_one(to("ann").write(remove("notes", "1"))).await.unwrap();
    store.commit_one(to("ann").write(put("notes", "1", "1")).write(put("notes", "3", "1"))).await.unwrap();
    store.commit_one(to("ann").write(remove("notes", "1")).write(put("notes", "1", "1"))).await.unwrap();
    let revisions: Vec<(String, u64)> = documents(&store, &key("ann"), &DocumentFilter::default())
        .await
        .into_iter()
        .map(|document| (document.id, document.revision))
        .collect();
    assert_eq!(revisions, [("1".into(), 4), ("2".into(), 1), ("3".into(), 3)]);
}

/// What is removed is gone; removing what is not there is no change.
pub async fn a_removed_document_is_gone(store: Store) {
    let both = open("ann").write(put_blob("notes", "1", "1", b"blob")).write(put("others", "1", "1"));
    store.commit_one(both.at(second(1))).await.unwrap();
    assert_eq!(store.commit_one(to("ann").write(remove("notes", "1"))).await, Ok(receipt("ann", 2, &[])));
    assert_eq!(store.document(&key("ann"), "notes", "1").await, Ok(None));
    let before = observe(&store).await;
    assert_eq!(before.0[0].2.len(), 1, "the document of that name in another collection stays");
    for absent in [remove("notes", "1"), remove("notes", "2"), remove("Others", "1")] {
        assert_eq!(store.commit_one(to("ann").write(absent)).await, Ok(unchanged("ann", 2, &[])));
    }
    assert_eq!(observe(&store).await, before);
    // Put back, it has no memory of its blob.
    store.commit_one(to("ann").write(put("notes", "1", "1"))).await.unwrap();
    assert_eq!(store.document(&key("ann"), "notes", "1").await.unwrap().unwrap().blob, None);
}

/// A document that does not exist is none, and so is one of a session that does not exist. The list of such a
/// session is not found.
pub async fn a_missing_document_is_none(store: Store) {
    store.commit_one(open("bob").write(put("notes", "1", "1"))).await.unwrap();
    for (peer, collection, id) in
        [("ann", "notes", "1"), ("bob", "notes", "2"), ("bob", "other", "1"), ("bob", "", "")]
    {
        assert_eq!(store.document(&key(peer), collection, id).await, Ok(None), "{peer} {collection} {id}");
    }
    assert_eq!(store.document_list(&key("ann"), &DocumentFilter::default()).await, Err(not_found("ann")));
    let none = store.document_list(&key("bob"), &DocumentFilter::collection("other")).await.unwrap();
    assert_eq!((none.documents, none.next), (Vec::new(), None));
}

/// Addresses whose byte order is not the order of any language.
const ADDRESSES: [(&str, &str); 13] = [
    (" ", "z"),
    ("A", "a"),
    ("A", "aa"),
    ("AB", "a"),
    ("a", "A"),
    ("a", "a"),
    ("a", "a b"),
    ("a", "b"),
    ("a b", "a"),
    ("ab", "a"),
    ("e\u{301}", "1"),
    ("é", "1"),
    ("🦀", "\u{ffff}"),
];

fn filter(collection: Option<&str>, after: Option<(&str, &str)>, limit: usize) -> DocumentFilter {
    let after = after.map(|(collection, id)| (collection.into(), id.into()));
    DocumentFilter { collection: collection.map(Into::into), after, limit }
}

async fn addresses(
    store: &Store,
    filter: &DocumentFilter,
) -> (Vec<(String, String)>, Option<(String, String)>) {
    let page = store.document_list(&key("ann"), filter).await.unwrap();
    (page.documents.into_iter().map(|document| (document.collection, document.id)).collect(), page.next)
}

/// Documents are listed by collection and id, byte by byte, page by page, from any place, and each is itself: no two
/// addresses are taken for one.
pub async fn documents_are_listed_byte_by_byte(store: Store) {
    let body = |collection: &str, id: &str| crate::Json::string(&format!("{collection}|{id}"));
    let mut mixed = ADDRESSES;
    mixed.reverse();
    mixed.swap(3, 9);
    let put_all = |commit: Commit, (collection, id): &(&str, &str)| {
        commit.write(put(collection, id, body(collection, id).get()))
    };
    store.commit_one(mixed.iter().fold(open("ann"), put_all)).await.unwrap();
    store.commit_one(open("bob").write(put("a", "a", "0")).write(put("a", "a1", "0"))).await.unwrap();

    let all: Vec<(String, String)> = ADDRESSES.iter().map(|(c, id)| ((*c).into(), (*id).into())).collect();
    for document in documents(&store, &key("ann"), &DocumentFilter::default()).await {
        assert_eq!(document.body, body(&document.collection, &document.id));
    }
    for collection in [None, Some("a"), Some("A"), Some("é"), Some("none")] {
        let expected: Vec<_> =
            all.iter().filter(|(c, _)| collection.is_none_or(|only| only == c)).cloned().collect();
        for limit in 1..=expected.len() + 1 {
            let listed = documents(&store, &key("ann"), &filter(collection, None, limit)).await;
            let listed: Vec<_> =
                listed.into_iter().map(|document| (document.collection, document.id)).collect();
            assert_eq!(listed, expected, "{collection:?} by {limit}");
        }
        // A place need not be one that a page ended at, nor lie in the collection.
        for after in
            ADDRESSES.into_iter().chain([("", ""), ("a", ""), ("a", "aZ"), ("aa", ""), ("\u{10ffff}", "z")])
        {
            let (rest, _) = addresses(&store, &filter(collection, Some(after), 100)).await;
            let after: (String, String) = (after.0.into(), after.1.into());
            let expected: Vec<_> = expected.iter().filter(|address| **address > after).cloned().collect();
            assert_eq!(rest, expected, "{collection:?} after {after:?}");
        }
    }
}

/// A document belongs to its session.
pub async fn documents_belong_to_their_session(store: Store) {
    for peer in ["ann", "bob"] {
        store.commit_one(open(peer).write(put("notes", "1", &json_of(peer)))).await.unwrap();
    }
    store.commit_one(to("ann").write(remove("notes", "1"))).await.unwrap();
    assert_eq!(store.document(&key("ann"), "notes", "1").await, Ok(None));
    let of_bob = store.document(&key("bob"), "notes", "1").await.unwrap().unwrap();
    assert_eq!((of_bob.body.get(), of_bob.revision), (&*json_of("bob"), 1));
}

fn json_of(text: &str) -> String {
    format!("\"{text}\"")
}

/// A page has 1 to 1,000 documents.
pub async fn a_page_has_at_most_a_thousand_documents(store: Store) {
    store.append(&key("ann"), vec![said("hello")]).await.unwrap();
    let many = (0..=limits::PAGE_MAX)
        .fold(to("ann"), |commit, n| commit.write(put("notes", &format!("{n:04}"), "1")));
    store.commit_one(many).await.unwrap();
    let (page, next) = addresses(&store, &filter(None, None, limits::PAGE_MAX)).await;
    assert_eq!((page.len(), next.clone()), (limits::PAGE_MAX, Some(("notes".into(), "0999".into()))));
    let (last, end) = addresses(&store, &DocumentFilter { after: next, ..DocumentFilter::default() }).await;
    assert_eq!((last, end), (vec![("notes".into(), "1000".into())], None));
    assert_eq!(addresses(&store, &DocumentFilter::default()).await.0.len(), limits::PAGE_DEFAULT);
    for limit in [0, limits::PAGE_MAX + 1, usize::MAX] {
        let answer = store.document_list(&key("ann"), &filter(None, None, limit)).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
    }
}
