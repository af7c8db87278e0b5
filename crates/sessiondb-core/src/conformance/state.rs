//! State of scopes: of an agent, a user, a workspace, of everything.

use super::{
    examples::{json, key, open, put, said, say, second},
    observed::refused,
};
use crate::{
    Commit, Conflict, Error, Expect, Fork, Json, NewDocument, Restore, RestoredAncestor, RestoredSession,
    STATE, Scope, Search, SessionFilter, SessionKey, Store, Write,
};

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn of(text: &str) -> SessionKey {
    SessionKey::of_scope(&scope(text))
}

const SCOPES: [&str; 6] =
    ["*", "shop:*", "shop:web:*", "shop:web:ann:*", "shop:web:ann:session:*", "shop::*"];

/// Also where one scope lies within another, and where a part is empty.
pub async fn each_scope_has_state_of_its_own(store: Store) {
    for text in SCOPES {
        assert_eq!(store.state(&scope(text), "theme").await, Ok(None));
        assert_eq!(store.state_list(&scope(text), None, 10).await.unwrap().documents, []);
        let receipt = store.state_put(&scope(text), "theme", Json::string(text)).await.unwrap();
        assert_eq!((receipt.key, receipt.revision), (of(text), 1));
    }
    for text in SCOPES {
        let theme = store.state(&scope(text), "theme").await.unwrap().unwrap();
        assert_eq!(theme.body, Json::string(text));
        assert_eq!(of(text).to_string().parse(), Ok(of(text)), "its address is no text");
    }
    let shop = scope("shop:*");
    store.state_patch(&shop, "cart", json(r#"{"items":{"a":1}}"#)).await.unwrap();
    store.state_patch(&shop, "cart", json(r#"{"items":{"b":2}}"#)).await.unwrap();
    let page = store.state_list(&shop, None, 1).await.unwrap();
    assert_eq!(page.documents[0].body, json(r#"{"items":{"a":1,"b":2}}"#));
    let rest = store.state_list(&shop, page.next.map(|(_, name)| name), 1).await.unwrap();
    assert_eq!((rest.documents[0].id.as_str(), rest.next), ("theme", None));
    assert_eq!(store.state_remove(&shop, "cart").await, Ok(true));
    assert_eq!(store.state_remove(&shop, "cart").await, Ok(false));
    assert_eq!(store.state_remove(&scope("nobody:*"), "cart").await, Ok(false));
    // Of a whole key it is the session's own, which must be there.
    let ann = scope(&key("ann").to_string());
    assert_eq!(store.state_put(&ann, "x", json("1")).await, Err(Error::NotFound(Box::new(key("ann")))));
    store.session_open(&key("ann")).await.unwrap();
    store.state_put(&ann, "x", json("1")).await.unwrap();
    assert!(store.document(&key("ann"), STATE, "x").await.unwrap().is_some());
}

/// A turn that is said and the state that it leaves are written together, or neither is.
pub async fn state_changes_together_with_sessions(store: Store) {
    let user = scope("main:cli:*");
    let theme = |value: &str| Write::PutDocument(NewDocument::new(STATE, "theme", json(value)));
    let call =
        vec![open("ann").write(say(&["a"])).id("turn"), Commit::of_scope(&user).write(theme("1")).id("turn")];
    let receipts = store.commit(call.clone()).await.unwrap();
    assert_eq!((receipts[0].seqs.as_slice(), receipts[1].revision), (&[1][..], 1));
    assert!(store.commit(call).await.unwrap().iter().all(|receipt| receipt.replayed));
    let stale = Expect::Document { collection: STATE.into(), id: "theme".into(), revision: 0 };
    let call = vec![open("ann").write(say(&["b"])), Commit::of_scope(&user).write(theme("2")).expect(stale)];
    let conflict = refused(&store, call).await;
    assert!(matches!(conflict, Error::Conflict { conflict: Conflict::Document { current: 1, .. }, .. }));
    assert_eq!(store.state(&user, "theme").await.unwrap().unwrap().body.get(), "1");
}

/// Lists and searches are of sessions; the feed tells of both. Who asks for the family has it.
pub async fn state_is_in_no_list_but_in_the_feed(store: Store) {
    store.append(&key("ann"), vec![said("word")]).await.unwrap();
    store.state_put(&scope("main:*"), "note", Json::string("word")).await.unwrap();
    let listed = store.session_list(&SessionFilter::default()).await.unwrap().sessions;
    assert_eq!(listed.iter().map(|session| &session.key).collect::<Vec<_>>(), [&key("ann")]);
    let family = SessionFilter { family: Some("scope".into()), ..SessionFilter::default() };
    let listed = store.session_list(&family).await.unwrap().sessions;
    assert_eq!(listed.iter().map(|session| &session.key).collect::<Vec<_>>(), [&of("main:*")]);
    assert_eq!(store.search(&Search::new("word").unwrap()).await.unwrap().hits.len(), 1);
    let changes = store.changes(Some(0), 10).await.unwrap().changes;
    assert_eq!((&changes[1].key, changes[1].what.join(" ")), (&of("main:*"), "open document".into()));
    let report = store.check().await.unwrap();
    assert_eq!((report.sessions, report.documents), (1, 1));
    assert_eq!(store.session_delete(&of("main:*")).await, Ok(true));
    assert_eq!(store.state(&scope("main:*"), "note").await, Ok(None));
}

/// A handle has the state of its scope and of what lies within it, and not of what it lies within.
pub async fn a_handle_sees_the_state_within_its_scope(store: Store) {
    for text in SCOPES {
        store.state_put(&scope(text), "theme", json("1")).await.unwrap();
    }
    let web = store.scoped(scope("shop:web:*")).unwrap();
    for text in SCOPES {
        let inside = text.starts_with("shop:web:");
        let found = web.state(&scope(text), "theme").await;
        assert_eq!(found.is_ok_and(|found| found.is_some()), inside, "{text}");
        let put = web.state_put(&scope(text), "theme", json("2")).await;
        assert_eq!(put.is_ok(), inside, "{text}");
        assert!(inside || matches!(put, Err(Error::OutOfScope { .. })), "{text}: {put:?}");
    }
    let family = SessionFilter { family: Some("scope".into()), ..SessionFilter::default() };
    assert_eq!(web.session_list(&family).await.unwrap().sessions.len(), 3);
    assert!(
        web.changes(Some(0), 100).await.unwrap().changes.iter().all(|change| change.key.channel == "web")
    );
}

/// No messages, no status, no forks; and nothing else is where state is.
pub async fn where_state_is_there_is_nothing_else(store: Store) {
    store.state_put(&scope("main:*"), "theme", json("1")).await.unwrap();
    let at = || Commit::new(of("main:*"));
    let fork = |parent: SessionKey| Write::Fork(Fork { parent, at: None, status: None, metadata: None });
    store.session_open(&key("ann")).await.unwrap();
    for commit in [
        at().write(say(&["a"])),
        at().write(Write::SetStatus("idle".into())),
        at().write(Write::SetMetadata(json("{}"))),
        at().write(Write::AddTokens(1)),
        at().write(Write::Pop { count: 1 }),
        at().write(Write::open()),
        at().write(Write::open_family("chat")),
        Commit::new(of("other:*")).write(fork(key("ann"))),
        Commit::new(key("bob")).write(fork(of("main:*"))),
        Commit::new(key("bob")).write(Write::open_family("scope")),
        Commit::new(SessionKey::new("main", "~other", "", "", "")).write(put(STATE, "a", "1")),
        Commit::new(SessionKey::new("main", "~scope", "", "", "x")).write(put(STATE, "a", "1")),
        Commit::new(SessionKey::new("main", "~scope", "~scope", "", "")).write(put(STATE, "a", "1")),
        Commit::new(SessionKey::new("~system", "~scope", "", "", "")).write(put(STATE, "a", "1")),
    ] {
        assert!(matches!(refused(&store, vec![commit.clone()]).await, Error::Invalid(_)), "{commit:?}");
    }
    // An archive can bring no history to it.
    let ancestors = vec![RestoredAncestor { key: key("ann"), first: 1, last: 1 }];
    let claims = [(2, ancestors), (2, Vec::new())].map(|(log_first, ancestors)| RestoredSession {
        family: "scope".into(),
        created_at: second(1),
        log_first,
        ancestors,
        forked_from: None,
    });
    for claim in claims {
        let claim = Commit::new(of("new:*")).write(Write::Restore(Restore::Session(Box::new(claim))));
        assert!(matches!(refused(&store, vec![claim]).await, Error::Invalid(_)));
    }
    // One that was never opened is told so.
    assert_eq!(
        refused(&store, vec![Commit::new(of("new:*")).write(put(STATE, "a", "1"))]).await,
        Error::NotFound(Box::new(of("new:*")))
    );
}
