//! A handle with a scope sees nothing else.

use super::{
    examples::{put, said, say, second, status},
    observed::{listed, observe},
};
use crate::{
    Commit, DocumentFilter, Error, Expect, Parts, Restore, RestoredAncestor, RestoredSession, SYSTEM, Scope,
    SessionFilter, SessionKey, SessionOrder, Store, Window, Write,
};

const KEYS: [[&str; 5]; 6] = [
    ["support", "slack", "T1", "dm", "ann"],
    ["support", "slack", "T2", "dm", "ann"],
    ["support", "email", "T1", "dm", "ann"],
    ["support2", "slack", "T1", "dm", "ann"],
    ["suppor", "tslack", "T1", "dm", "ann"],
    ["slack", "support", "T1", "dm", "ann"],
];

fn key(number: usize) -> SessionKey {
    let [agent, channel, account, kind, peer] = KEYS[number];
    SessionKey::new(agent, channel, account, kind, peer)
}

async fn furnish(store: &Store) {
    let filled =
        |n| Commit::new(key(n)).write(Write::open()).write(say(&["hello"])).write(put("notes", "1", "1"));
    let call = (0..KEYS.len()).map(|n| filled(n).at(second(n as i64))).collect();
    store.commit(call).await.unwrap();
}

/// The numbers of the sessions that the handle lists.
async fn numbers(store: &Store, filter: &SessionFilter) -> Vec<usize> {
    let number = |key: &SessionKey| KEYS.iter().position(|parts| *parts == key.parts()).unwrap();
    listed(store, filter).await.iter().map(|session| number(&session.key)).collect()
}

/// A list shows what is inside the scope, whatever the filter asks for.
pub async fn a_scoped_list_shows_what_is_inside(store: Store) {
    furnish(&store).await;
    let all = SessionFilter { order: SessionOrder::CreatedOldest, ..SessionFilter::default() };
    let support = Scope::agent("support");
    let cases: [(Scope, &[usize]); 7] = [
        (Scope::all(), &[0, 1, 2, 3, 4, 5]),
        (support.clone(), &[0, 1, 2]),
        (support.clone().narrow("slack"), &[0, 1]),
        (support.clone().narrow("slack").narrow("T1"), &[0]),
        (support.clone().narrow("slack").narrow("T1").narrow("dm").narrow("ann"), &[0]),
        (support.clone().narrow("slack").narrow("T1").narrow("dm").narrow("bob"), &[]),
        (Scope::agent(""), &[]),
    ];
    for (scope, expected) in cases {
        let scoped = store.scoped(scope.clone()).unwrap();
        assert_eq!(scoped.scope(), &scope);
        assert_eq!(numbers(&scoped, &all).await, expected, "{scope}");
        let by_one = SessionFilter { limit: 1, ..all.clone() };
        assert_eq!(numbers(&scoped, &by_one).await, expected, "{scope}, page by page");
    }
    let scoped = store.scoped(support).unwrap();
    let by = |agent: &str, channel: &str| SessionFilter {
        agent_id: Some(agent.into()),
        channel: Some(channel.into()),
        ..all.clone()
    };
    assert_eq!(numbers(&scoped, &by("support", "slack")).await, [0, 1]);
    assert!(numbers(&scoped, &by("support2", "slack")).await.is_empty());
    assert!(numbers(&scoped, &by("slack", "support")).await.is_empty());
}

/// Inside its scope a handle does everything; outside it reads and writes nothing, and is told the same of what
/// exists and of what does not.
pub async fn nothing_outside_a_scope_is_read_or_written(store: Store) {
    furnish(&store).await;
    let scope = Scope::agent("support").narrow("slack");
    let scoped = store.scoped(scope.clone()).unwrap();
    let before = observe(&store).await;
    let absent = SessionKey::new("support", "sms", "", "dm", "ann");
    for outside in (2..KEYS.len()).map(key).chain([absent]) {
        let error = || Error::OutOfScope { key: Box::new(outside.clone()), scope: scope.clone() };
        assert_eq!(scoped.session(&outside).await, Err(error()));
        assert_eq!(scoped.session_open(&outside).await, Err(error()));
        assert_eq!(scoped.session_delete(&outside).await, Err(error()));
        assert_eq!(scoped.append(&outside, vec![said("hello")]).await, Err(error()));
        assert_eq!(scoped.message_window(&outside, Window::last(1)).await, Err(error()));
        assert_eq!(scoped.document(&outside, "notes", "1").await, Err(error()));
        assert_eq!(scoped.document_list(&outside, &DocumentFilter::default()).await, Err(error()));
        let inside = Commit::new(key(0)).write(status("idle"));
        let across = vec![inside, Commit::new(outside.clone()).write(Write::open())];
        assert_eq!(scoped.commit(across.clone()).await, Err(error()));
        assert_eq!(scoped.for_blocking().commit(across).await, Err(error()));
    }
    assert_eq!(observe(&store).await, before);

    let inside = key(0);
    let answer = scoped.append(&inside, vec![said("again")]).await.unwrap();
    assert_eq!(answer.seqs, [2]);
    assert_eq!(scoped.message_window(&inside, Window::last(9)).await.unwrap().messages.len(), 2);
    assert!(scoped.document(&inside, "notes", "1").await.unwrap().is_some());
    assert_eq!(scoped.document_list(&inside, &DocumentFilter::default()).await.unwrap().documents.len(), 1);
    assert_eq!(scoped.session_delete(&inside).await, Ok(true));
    assert_eq!(scoped.session(&inside).await, Ok(None));
}

/// A scope can be narrowed, never widened or changed.
pub async fn a_scope_can_only_be_narrowed(store: Store) {
    furnish(&store).await;
    let slack = store.scoped(Scope::agent("support").narrow("slack")).unwrap();
    let all = SessionFilter::default();
    for wider in [
        Scope::all(),
        Scope::agent("support"),
        Scope::agent("other"),
        Scope::agent("support").narrow("email"),
    ] {
        let refusal = slack.scoped(wider.clone()).err();
        assert!(matches!(refusal, Some(Error::Invalid(_))), "{wider}: {refusal:?}");
    }
    let same = slack.scoped(Scope::agent("support").narrow("slack")).unwrap();
    assert_eq!(numbers(&same, &all).await, [1, 0]);
    let narrower = slack.scoped(Scope::agent("support").narrow("slack").narrow("T2")).unwrap();
    assert_eq!(numbers(&narrower, &all).await, [1]);
    assert_eq!(numbers(&narrower.for_blocking(), &all).await, [1]);
    assert!(matches!(narrower.session(&key(0)).await, Err(Error::OutOfScope { .. })));
}

/// A check looks at everything and optimizing is for everything, so a handle that does not see everything may ask for
/// neither.
pub async fn a_scoped_handle_cannot_check_or_optimize(store: Store) {
    furnish(&store).await;
    let scoped = store.scoped(Scope::agent("support")).unwrap();
    assert!(matches!(scoped.check().await, Err(Error::Invalid(_))));
    assert!(matches!(scoped.optimize().await, Err(Error::Invalid(_))));
    assert!(store.scoped(Scope::all()).unwrap().check().await.unwrap().is_clean());
}

/// What programs around the store keep in it for themselves is seen by the handle for it and by no other. Who reaches the store
/// through a server has no such handle, and is told so.
pub async fn what_is_the_stores_own_is_seen_by_no_other_handle(store: Store) {
    furnish(&store).await;
    let before = (numbers(&store, &SessionFilter::default()).await, store.check().await.unwrap());
    let place = store.changes(None, 1).await.unwrap().last;
    let own = SessionKey::new(SYSTEM, "tokens", "", "", "");
    let system = store.system().unwrap();
    let kept =
        Commit::new(own.clone()).write(Write::open()).write(say(&["a"])).write(put("tokens", "1", "{}"));
    match system.commit_one(kept).await {
        Err(Error::Invalid(reason)) if reason.contains("reserved") => return,
        done => assert_eq!(done.unwrap().seqs, [1]),
    }
    assert_eq!(system.document(&own, "tokens", "1").await.unwrap().unwrap().body.get(), "{}");
    assert_eq!(system.session_list(&SessionFilter::default()).await.unwrap().sessions[0].key, own);
    assert_eq!(system.changes(Some(place), 9).await.unwrap().changes[0].key, own);
    let mine = |agent: &str| SessionKey::new(agent, "cli", "", "dm", "ann");
    assert!(matches!(system.append(&mine("support"), vec![said("a")]).await, Err(Error::OutOfScope { .. })));

    let scoped = store.scoped(Scope::agent("support")).unwrap();
    let invalid = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Invalid(_) | Error::OutOfScope { .. })), "{result:?}");
    };
    for handle in [&store, &store.for_blocking(), &scoped] {
        invalid(handle.session(&own).await.map(drop));
        invalid(handle.append(&own, vec![said("b")]).await.map(drop));
        invalid(handle.document(&own, "tokens", "1").await.map(drop));
        invalid(handle.session_delete(&own).await.map(drop));
        invalid(handle.fork(&own, &mine("support"), None).await.map(drop));
        invalid(handle.session_parts(&own, &Parts::documents(["tokens"])).await.map(drop));
        let asked = SessionFilter { agent_id: Some(SYSTEM.into()), ..SessionFilter::default() };
        assert_eq!(handle.session_list(&asked).await.unwrap().sessions, []);
        let told = handle.changes(Some(place), 9).await.unwrap();
        assert!(told.changes.is_empty() && told.last > place, "{told:?}");
    }
    // An archive that claims to have inherited it does not show it.
    let ancestors = vec![RestoredAncestor { key: own.clone(), first: 1, last: 1 }];
    let (family, created_at) = ("chat".to_owned(), second(1));
    let claim = RestoredSession { family, created_at, log_first: 2, ancestors, forked_from: None };
    let claim = Write::Restore(Restore::Session(Box::new(claim)));
    invalid(store.commit_one(Commit::new(mine("support")).write(claim)).await.map(drop));
    assert!(matches!(scoped.system().err(), Some(Error::Invalid(_))));
    assert_eq!(numbers(&store, &SessionFilter::default()).await, before.0);
    assert_eq!(store.check().await.unwrap(), before.1, "what is the store's own is counted");
    assert_eq!(system.session_delete(&own).await, Ok(true));
    assert_eq!(store.check().await.unwrap(), before.1);
}

/// What a program does for somebody and its note of it happen together, or neither; and only the handle for it can note.
pub async fn what_is_done_is_noted_with_it(store: Store) {
    let own = SessionKey::new(SYSTEM, "audit", "", "", "");
    let mine = |agent: &str| SessionKey::new(agent, "cli", "", "dm", "ann");
    let turn = |text: &str| vec![Commit::new(mine("support")).write(Write::open()).write(say(&[text]))];
    let note = || vec![Commit::new(own.clone()).write(Write::open()).write(say(&["noted"]))];
    let (system, scoped) = (store.system().unwrap(), store.scoped(Scope::agent("support")).unwrap());
    match system.commit_beside(&scoped, turn("done"), note()).await {
        Err(Error::Invalid(reason)) if reason.contains("reserved") => return,
        done => assert_eq!(done.unwrap().iter().map(|r| &r.key).collect::<Vec<_>>(), [&mine("support")]),
    }
    let stale = vec![Commit::new(mine("support")).expect(Expect::Absent).write(say(&["not done"]))];
    assert!(matches!(system.commit_beside(&scoped, stale, note()).await, Err(Error::Conflict { .. })));
    let foreign = vec![Commit::new(mine("sales")).write(Write::open())];
    assert!(matches!(system.commit_beside(&scoped, foreign, note()).await, Err(Error::OutOfScope { .. })));
    for (handle, commits) in [(&system, note()), (&store, turn("not done")), (&scoped, turn("not done"))] {
        let refused = handle.commit_beside(&scoped, commits, note()).await;
        assert!(matches!(refused, Err(Error::Invalid(_) | Error::OutOfScope { .. })), "{refused:?}");
    }
    for key in [&own, &mine("support")] {
        let handle = if *key == own { &system } else { &scoped };
        let said = handle.message_window(key, Window::last(9)).await.unwrap().messages;
        assert_eq!(said.len(), 1, "{key}: {said:?}");
    }
}
