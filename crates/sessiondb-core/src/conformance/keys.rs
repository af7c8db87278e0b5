//! Keys and names are bytes: nothing is folded, trimmed, normalised or taken for something else.

use std::collections::HashSet;

use super::{
    examples::{json, open, put, said, status, to},
    observed::{documents, history, observe, refused_as_invalid, texts},
};
use crate::{
    Commit, DocumentFilter, Error, NewMessage, SessionFilter, SessionKey, Store, Window, Write, limits,
};

/// Parts of which any two are different, though some system would take them for one or for more than a text.
const ODD: [&str; 27] = [
    "",
    " ",
    "ann",
    "Ann",
    "ANN",
    " ann",
    "ann ",
    "ann\n",
    "a:b",
    "a=3Ab",
    "a/b",
    "a%2Fb",
    "%",
    "_",
    "a'b",
    "a\"b",
    "a\\b",
    "'; DROP TABLE sessions; --",
    "é",
    "e\u{301}",
    "ß",
    "ss",
    "中",
    "🦀",
    "\u{feff}ann",
    "0",
    "00",
];

/// Keys that differ in one part, each part in its turn.
fn odd_keys() -> Vec<SessionKey> {
    let mut keys = Vec::new();
    for place in 0..5 {
        for odd in ODD {
            let mut parts = ["v", "w", "x", "y", "z"];
            parts[place] = odd;
            let [agent, channel, account, kind, peer] = parts;
            keys.push(SessionKey::new(agent, channel, account, kind, peer));
        }
    }
    // Joined without care, these would be one.
    keys.extend([
        SessionKey::new("a", "b:c", "", "", ""),
        SessionKey::new("a:b", "c", "", "", ""),
        SessionKey::new("a", "b", "c", "", ""),
        SessionKey::new("ab", "", "c", "", ""),
        SessionKey::new("", "ab", "c", "", ""),
        SessionKey::new("", "", "", "", ""),
    ]);
    keys
}

/// Sessions whose keys differ by a byte are different sessions, each with its own messages, and their keys are told
/// as they were given.
pub async fn keys_that_differ_are_different_sessions(store: Store) {
    let keys = odd_keys();
    for (n, key) in keys.iter().enumerate() {
        let answer = store.append(key, vec![said(&n.to_string())]).await.unwrap();
        assert_eq!((&answer.key, &answer.seqs[..]), (key, &[1][..]), "{key:?} was taken for another");
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(store.session(key).await.unwrap().unwrap().key, *key);
        assert_eq!(texts(&store, key).await, [format!("\"{n}\"")]);
        let [agent_id, channel, account_id, peer_kind, peer_id] =
            key.parts().map(|part| Some(part.to_owned()));
        let filter =
            SessionFilter { agent_id, channel, account_id, peer_kind, peer_id, ..SessionFilter::default() };
        let listed = store.session_list(&filter).await.unwrap().sessions;
        assert_eq!(listed.iter().map(|session| &session.key).collect::<Vec<_>>(), [key]);
    }
    let listed: HashSet<SessionKey> =
        observe(&store).await.0.into_iter().map(|(session, _, _)| session.key).collect();
    assert_eq!(listed, keys.into_iter().collect());
}

/// Every name and id that a caller gives is told as it was given.
pub async fn names_and_ids_are_kept_byte_by_byte(store: Store) {
    let odd: Vec<&str> = ODD.into_iter().filter(|odd| !odd.is_empty()).collect();
    for (n, text) in odd.iter().enumerate() {
        let message = NewMessage {
            opens: vec![(*text).into(), "x".into()],
            closes: vec![(*text).into()],
            ..NewMessage::new(*text, "").message_id(*text)
        };
        let commit =
            open("ann").write(Write::Append(vec![message])).write(status(text)).write(put(text, text, "1"));
        let family = to(&format!("family {n}")).write(Write::open_family(*text));
        store.commit(vec![commit.id(*text), family]).await.unwrap();

        let session = store.session_open(&super::examples::key("ann")).await.unwrap();
        assert_eq!((&*session.status, session.head), (*text, n as u64 + 1));
        let page = store.message_window(&session.key, Window::last(1)).await.unwrap();
        let message = &page.messages[0];
        assert_eq!((&*message.role, message.message_id.as_deref()), (*text, Some(*text)));
        assert_eq!(
            (&message.opens[..], &message.closes[..]),
            (&[(*text).into(), "x".into()][..], &[(*text).into()][..])
        );
        let document = store.document(&session.key, text, text).await.unwrap().unwrap();
        assert_eq!((&*document.collection, &*document.id), (*text, *text));
        let filter = SessionFilter { family: Some((*text).into()), ..SessionFilter::default() };
        assert_eq!(store.session_list(&filter).await.unwrap().sessions.len(), 1);
        let filter = SessionFilter { statuses: vec![(*text).into()], ..SessionFilter::default() };
        assert_eq!(store.session_list(&filter).await.unwrap().sessions.len(), 1);
    }
    assert_eq!(
        documents(&store, &super::examples::key("ann"), &DocumentFilter::default()).await.len(),
        odd.len()
    );
    assert_eq!(history(&store, &super::examples::key("ann")).await.len(), odd.len());
}

/// A key may be as long as the limits say, counted in bytes, and is found again.
pub async fn keys_of_the_greatest_length_are_kept(store: Store) {
    let long = "é".repeat(limits::KEY_PART_BYTES_MAX / 2);
    for key in [SessionKey::new(&long, &long, "", "", ""), SessionKey::new("", "", "", &long, &long)] {
        store.append(&key, vec![said("hello")]).await.unwrap();
        assert_eq!(store.session(&key).await.unwrap().unwrap().key, key);
        assert_eq!(texts(&store, &key).await, [r#""hello""#]);
        let one_more = SessionKey { account_id: "x".into(), ..key };
        refused_as_invalid(&store, vec![Commit::new(one_more).write(Write::open())]).await;
    }
    let too_long = SessionKey::new(long + "x", "", "", "", "");
    refused_as_invalid(&store, vec![Commit::new(too_long).write(Write::open())]).await;
}

/// A key that the store does not take is refused by every method, also by those that only read.
pub async fn a_key_that_cannot_be_is_refused_everywhere(store: Store) {
    let long = "x".repeat(limits::KEY_PART_BYTES_MAX + 1);
    let wide = "x".repeat(limits::KEY_PART_BYTES_MAX);
    let mut keys = vec![SessionKey::new(&wide, &wide, "x", "", "")];
    for place in 0..5 {
        for bad in ["a\0", "~", "~trash", &long] {
            let mut parts = ["v", "w", "x", "y", "z"];
            parts[place] = bad;
            let [agent, channel, account, kind, peer] = parts;
            keys.push(SessionKey::new(agent, channel, account, kind, peer));
        }
    }
    for key in keys {
        let writes =
            [Write::open(), Write::Append(vec![said("hello")]), put("notes", "1", "1"), Write::Delete];
        for write in writes {
            refused_as_invalid(&store, vec![open("ann"), Commit::new(key.clone()).write(write)]).await;
        }
        let invalid =
            |error: Option<Error>| assert!(matches!(error, Some(Error::Invalid(_))), "{key:?}: {error:?}");
        invalid(store.session(&key).await.err());
        invalid(store.session_open(&key).await.err());
        invalid(store.session_delete(&key).await.err());
        invalid(store.append(&key, Vec::new()).await.err());
        invalid(store.message_window(&key, Window::last(1)).await.err());
        invalid(store.document(&key, "notes", "1").await.err());
        invalid(store.document_list(&key, &Default::default()).await.err());
    }
    // Elsewhere in a part the sign is a sign like any other.
    store
        .append(&SessionKey::new("a~", "b~c", "", " ~", "-"), vec![NewMessage::new("user", json("1"))])
        .await
        .unwrap();
}
