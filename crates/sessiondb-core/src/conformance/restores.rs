//! Restoring sessions as they were in another store.

use std::sync::Arc;

use super::{
    examples::{FRAGILE_JSON, json, key, open, put, put_blob, said, say, second, session, status, to},
    observed::{documents, log, observe, refused, refused_as_invalid, texts},
};
use crate::{
    Commit, Conflict, Document, DocumentFilter, Error, Json, LogId, MemoryBackend, Message, NewMessage,
    Restore, RestoredAncestor, RestoredChange, RestoredSession, RestoredState, Session, SessionFilter,
    SessionKey, Store, Time, View, ViewChange, ViewChangeKind, Window, Write, limits,
};

/// Another store, from which sessions come.
fn elsewhere() -> Store {
    Store::new(Arc::new(MemoryBackend::new()))
}

/// A session with something of everything.
async fn fill(store: &Store, peer: &str) {
    let attributes = Some(json(r#"{ "x" : 1e400 }"#));
    let all = NewMessage { attributes, token_count: Some(3), ..said("b").message_id("m-1") };
    let calls = NewMessage { opens: vec!["t".into()], tool_calls: Some(json("null")), ..said("c") };
    let fragile = FRAGILE_JSON.map(|text| NewMessage::new("user", json(text))).to_vec();
    let commits = vec![
        open(peer).write(Write::Append(vec![said("a"), all, calls])).at(second(1)),
        to(peer).write(put_blob("notes", "1", "[1,\n2]", b"\0\xff")).write(Write::AddTokens(7)).at(second(2)),
        to(peer).write(Write::Compact { through: 2, summary: vec![said("short")] }).at(second(3)),
        to(peer).write(Write::Append(fragile)).write(put("notes", "2", "null")).at(second(4)),
        to(peer).write(Write::Pop { count: 2 }).at(second(5)),
        to(peer).write(Write::Undo).at(second(6)),
        to(peer).write(Write::Uncompact).write(status("idle")).at(second(7)),
        to(peer).write(Write::SetMetadata(json(r#"{"a":1,"a":-0}"#))).at(second(8)),
    ];
    store.commit(commits).await.unwrap();
}

fn stretches(view: &View, head: u64) -> Vec<(u64, u64)> {
    view.closed(head).spans().iter().map(|span| (span.first, span.last.unwrap())).collect()
}

/// What restores this session, in the order in which it has to come.
pub(super) async fn parts(store: &Store, key: &SessionKey) -> Vec<Restore> {
    let session = store.session(key).await.unwrap().unwrap();
    let lineage = store.lineage(key).await.unwrap();
    let ancestor = |from: &crate::Inherited| RestoredAncestor {
        key: from.key.clone().unwrap(),
        first: from.first,
        last: from.last,
    };
    let parent = |from: crate::ForkedFrom| (from.key.unwrap_or_else(nobody), from.at);
    let opening = RestoredSession {
        family: session.family.clone(),
        created_at: session.created_at,
        log_first: session.log_first,
        ancestors: lineage.inherited.iter().map(ancestor).collect(),
        forked_from: lineage.forked_from.map(parent),
    };
    let mut messages = log(store, key).await;
    messages.retain(|message| message.seq >= session.log_first);
    let mut changes = store.view_changes(key, None, limits::PAGE_MAX).await.unwrap();
    changes.reverse();
    let change = |change: ViewChange| RestoredChange {
        revision: change.revision,
        at: change.at,
        kind: change.kind,
        before: stretches(&change.before, change.head_before),
        head_before: change.head_before,
        head_after: change.head_after,
        through: change.through,
        summary: change.summary,
        reverses: change.reverses,
        undone: change.undone,
    };
    let state = RestoredState {
        status: session.status.clone(),
        metadata: session.metadata.clone(),
        token_usage: session.token_usage,
        updated_at: session.updated_at,
        revision: session.revision,
        head: session.head,
        view: stretches(&session.view, session.head),
        changes: changes.into_iter().map(change).collect(),
    };
    vec![
        Restore::Session(Box::new(opening)),
        Restore::Messages(messages),
        Restore::Documents(documents(store, key, &DocumentFilter::default()).await),
        Restore::State(Box::new(state)),
    ]
}

fn restore(key: &SessionKey, parts: impl IntoIterator<Item = Restore>) -> Commit {
    Commit { writes: parts.into_iter().map(Write::Restore).collect(), ..Commit::new(key.clone()) }
}

/// An address at which nothing ever is.
fn nobody() -> SessionKey {
    kept_key("")
}

fn kept_key(name: &str) -> SessionKey {
    SessionKey::new(crate::KEPT, "", "", "log", name)
}

/// What opens a session that inherits from none.
fn opening() -> RestoredSession {
    let (family, created_at) = ("chat".into(), second(1));
    RestoredSession { family, created_at, log_first: 1, ancestors: Vec::new(), forked_from: None }
}

/// A state without anything special, of a session whose last message is this one and that shows all.
fn state(head: u64) -> RestoredState {
    RestoredState {
        status: "idle".into(),
        metadata: Json::object(),
        token_usage: 0,
        updated_at: second(9),
        revision: 1,
        head,
        view: if head == 0 { Vec::new() } else { vec![(1, head)] },
        changes: Vec::new(),
    }
}

fn message(seq: u64) -> Message {
    Message {
        id: 0,
        seq,
        role: "user".into(),
        content: json(seq.to_string()),
        tool_calls: None,
        created_at: second(1),
        message_id: None,
        opens: Vec::new(),
        closes: Vec::new(),
        token_count: None,
        attributes: None,
    }
}

fn messages(seqs: std::ops::RangeInclusive<u64>) -> Restore {
    Restore::Messages(seqs.map(message).collect())
}

/// A stretch that is kept for forks.
fn kept(name: &str, last: u64) -> Commit {
    restore(&kept_key(name), [Restore::Session(Box::new(opening())), messages(1..=last)])
}

/// A fork that inherits messages 1 to `last` from it and has no message of its own.
fn fork_of_kept(peer: &str, name: &str, last: u64) -> Commit {
    let ancestors = vec![RestoredAncestor { key: kept_key(name), first: 1, last }];
    let opening = RestoredSession { log_first: last + 1, ancestors, ..opening() };
    restore(&key(peer), [Restore::Session(Box::new(opening)), Restore::State(Box::new(state(last)))])
}

/// All of a store, but for what differs between two that are alike: numbers of logs and rows.
async fn seen(store: &Store) -> Vec<(Session, Vec<Message>, Vec<Document>, Vec<ViewChange>)> {
    let without = |view: &View| {
        let spans: Vec<_> = view.spans().iter().map(|span| (0, span.first, span.last)).collect();
        View::from_text(&serde_json::to_string(&spans).unwrap()).unwrap()
    };
    let mut all = Vec::new();
    for (session, _, documents) in observe(store).await.0 {
        let mut log = log(store, &session.key).await;
        log.iter_mut().for_each(|message| message.id = 0);
        let mut changes = store.view_changes(&session.key, None, limits::PAGE_MAX).await.unwrap();
        changes.iter_mut().for_each(|change| change.before = without(&change.before));
        let view = without(&session.view);
        all.push((Session { log: LogId(0), view, ..session }, log, documents, changes));
    }
    all
}

fn is_restored_conflict(error: &Error, about: &str) -> bool {
    matches!(error, Error::Conflict { conflict: Conflict::Restored { what }, .. } if what.contains(about))
}

/// Every number, time, text and byte is what it was.
pub async fn a_session_is_restored_as_it_was(store: Store) {
    let source = elsewhere();
    fill(&source, "ann").await;
    // In one commit, and part by part.
    fill(&source, "bob").await;
    let receipt = store.commit_one(restore(&key("ann"), parts(&source, &key("ann")).await)).await.unwrap();
    assert_eq!((receipt.revision, receipt.changed), (session(&source, "ann").await.revision, true));
    for part in parts(&source, &key("bob")).await {
        assert!(store.commit_one(restore(&key("bob"), [part])).await.unwrap().changed);
    }
    assert_eq!(seen(&store).await, seen(&source).await);
}

/// A restore that was interrupted is finished by doing it all again.
pub async fn restoring_again_changes_nothing(store: Store) {
    let source = elsewhere();
    fill(&source, "ann").await;
    let parts = parts(&source, &key("ann")).await;
    for part in &parts {
        assert!(store.commit_one(restore(&key("ann"), [part.clone()])).await.unwrap().changed);
        let before = (session(&store, "ann").await, log(&store, &key("ann")).await);
        assert!(!store.commit_one(restore(&key("ann"), [part.clone()])).await.unwrap().changed);
        assert_eq!((session(&store, "ann").await, log(&store, &key("ann")).await), before);
    }
    let before = observe(&store).await;
    for part in parts {
        assert!(!store.commit_one(restore(&key("ann"), [part])).await.unwrap().changed);
    }
    assert_eq!(observe(&store).await, before);
}

/// A restored session is never mixed with another one.
pub async fn what_differs_is_a_conflict_and_changes_nothing(store: Store) {
    let source = elsewhere();
    fill(&source, "ann").await;
    let all = parts(&source, &key("ann")).await;
    store.commit_one(restore(&key("ann"), all.clone())).await.unwrap();
    let [
        Restore::Session(opening),
        Restore::Messages(messages),
        Restore::Documents(documents),
        Restore::State(state),
    ] = &all[..]
    else {
        panic!("four parts");
    };
    let session = |opening: RestoredSession| Restore::Session(Box::new(opening));
    let state = |change: &dyn Fn(&mut RestoredState)| {
        let mut changed = state.clone();
        change(&mut changed);
        Restore::State(changed)
    };
    let message = |change: &dyn Fn(&mut Message)| {
        let mut changed = messages[1].clone();
        change(&mut changed);
        Restore::Messages(vec![changed])
    };
    let document = |change: &dyn Fn(&mut Document)| {
        let mut changed = documents[0].clone();
        change(&mut changed);
        Restore::Documents(vec![changed])
    };
    let cases = [
        (session(RestoredSession { family: "other".into(), ..(**opening).clone() }), "family"),
        (session(RestoredSession { created_at: second(0), ..(**opening).clone() }), "time of creation"),
        (message(&|message| message.content = json("1")), "message 2"),
        (message(&|message| message.created_at = second(0)), "message 2"),
        (message(&|message| message.opens = vec!["x".into()]), "message 2"),
        (message(&|message| message.message_id = None), "message 2"),
        (document(&|document| document.body = json("1")), "document notes/1"),
        (document(&|document| document.blob = None), "document notes/1"),
        (document(&|document| document.revision += 1), "document notes/1"),
        (state(&|state| state.head += 1), "last message"),
        (state(&|state| state.status = "x".into()), "state"),
        (state(&|state| state.metadata = Json::object()), "state"),
        (state(&|state| state.token_usage += 1), "state"),
        (state(&|state| state.updated_at = second(99)), "state"),
        (state(&|state| state.revision += 1), "state"),
        (state(&|state| state.view = vec![(1, 1)]), "state"),
        (state(&|state| state.changes[0].undone = None), "state"),
        (state(&|state| _ = state.changes.pop()), "state"),
    ];
    for (part, what) in cases {
        let commits = vec![open("new"), restore(&key("ann"), [part])];
        let error = refused(&store, commits).await;
        assert!(is_restored_conflict(&error, what), "{what}: {error:?}");
    }
}

/// What a fork inherits is restored first; then the fork shows it again.
pub async fn a_fork_is_restored_with_its_ancestors(store: Store) {
    let source = elsewhere();
    fill(&source, "ann").await;
    source.fork(&key("ann"), &key("bob"), None).await.unwrap();
    source.commit_one(to("bob").write(say(&["x", "y"])).at(second(9))).await.unwrap();
    source.fork(&key("bob"), &key("cat"), None).await.unwrap();
    source.commit_one(to("cat").write(Write::Rewind { seq: 3 }).write(say(&["z"]))).await.unwrap();
    let cat = parts(&source, &key("cat")).await;
    let missing = refused(&store, vec![restore(&key("cat"), cat.clone())]).await;
    assert_eq!(missing, Error::NotFound(Box::new(key("ann"))));
    for peer in ["ann", "bob", "cat"] {
        store.commit_one(restore(&key(peer), parts(&source, &key(peer)).await)).await.unwrap();
    }
    assert_eq!(seen(&store).await, seen(&source).await);
    for peer in ["ann", "bob", "cat"] {
        let (there, here) =
            (source.lineage(&key(peer)).await.unwrap(), store.lineage(&key(peer)).await.unwrap());
        let keys = |lineage: &crate::Lineage| {
            lineage.inherited.iter().map(|from| (from.key.clone(), from.first, from.last)).collect::<Vec<_>>()
        };
        assert_eq!((&here.forked_from, here.readers), (&there.forked_from, there.readers), "{peer}");
        assert_eq!(keys(&here), keys(&there), "{peer}");
    }
    // As a fork of another it would be another session.
    let Restore::Session(opening) = &cat[0] else { panic!("a session comes first") };
    let mut other = opening.clone();
    other.ancestors[0].key = key("cat");
    let error = refused(&store, vec![restore(&key("cat"), [Restore::Session(other)])]).await;
    assert!(is_restored_conflict(&error, "ancestry") || matches!(error, Error::Invalid(_)), "{error:?}");
}

/// What a deleted session left to its forks is restored under an address of the store's own, which no list shows.
pub async fn what_is_kept_for_forks_is_restored_and_in_no_list(store: Store) {
    store.commit(vec![kept("x", 3), fork_of_kept("fork", "x", 2)]).await.unwrap();
    assert!(!store.commit_one(kept("x", 3)).await.unwrap().changed, "the same again");
    let sessions = store.session_list(&SessionFilter::default()).await.unwrap().sessions;
    assert_eq!(sessions.iter().map(|session| session.key.clone()).collect::<Vec<_>>(), [key("fork")]);
    let texts: Vec<_> = log(&store, &key("fork")).await.iter().map(|m| m.content.get().to_owned()).collect();
    assert_eq!(texts, ["1", "2"]);
    let lineage = store.lineage(&key("fork")).await.unwrap();
    assert_eq!((lineage.inherited[0].key.clone(), lineage.readers), (Some(kept_key("x")), 0));
    assert_eq!(store.check().await.unwrap().sessions, 1);
    // It may grow, for a fork that shows more of it.
    let more = restore(&kept_key("x"), [messages(2..=4)]);
    assert!(store.commit(vec![more, fork_of_kept("longer", "x", 4)]).await.is_ok());
    assert_eq!(log(&store, &key("longer")).await.len(), 4);
}

/// Sends what must be refused, and sees that the session is as before.
async fn refused_with_gaps(store: &Store, part: Restore) -> Error {
    let before = (session(store, "ann").await, log(store, &key("ann")).await);
    let error = store.commit_one(restore(&key("ann"), [part])).await.unwrap_err();
    assert_eq!((session(store, "ann").await, log(store, &key("ann")).await), before, "{error}");
    error
}

async fn window(store: &Store, peer: &str, window: Window) -> (Vec<u64>, bool, bool) {
    let page = store.message_window(&key(peer), window).await.unwrap();
    (page.messages.iter().map(|message| message.seq).collect(), page.has_earlier, page.has_later)
}

/// Messages that somebody deleted by hand leave gaps in a log, also at its ends. It is restored with them.
pub async fn a_log_with_gaps_is_restored(store: Store) {
    let gap = |first, last| Restore::Gap { first, last };
    let state = RestoredState { view: vec![(1, 2), (4, 8)], ..state(8) };
    let parts = [
        Restore::Session(Box::new(opening())),
        gap(1, 2),
        messages(3..=3),
        gap(4, 4),
        messages(5..=6),
        gap(7, 8),
        Restore::State(Box::new(state)),
    ];
    // Part by part, each of them twice, and all of it again.
    for part in &parts {
        assert!(store.commit_one(restore(&key("ann"), [part.clone()])).await.unwrap().changed, "{part:?}");
        assert!(!store.commit_one(restore(&key("ann"), [part.clone()])).await.unwrap().changed, "{part:?}");
    }
    assert!(!store.commit_one(restore(&key("ann"), parts.clone())).await.unwrap().changed);
    // In one commit.
    store.commit_one(restore(&key("bob"), parts)).await.unwrap();
    for peer in ["ann", "bob"] {
        let session = session(&store, peer).await;
        assert_eq!((session.head, session.log_count, session.message_count), (8, 3, 2));
        assert_eq!(window(&store, peer, Window::last(9)).await, (vec![5, 6], false, false));
        assert_eq!(window(&store, peer, Window::last(1)).await, (vec![6], true, false));
        assert_eq!(window(&store, peer, Window::after(4, 1)).await, (vec![5], false, true));
        assert_eq!(window(&store, peer, Window::after(7, 9)).await, (vec![], true, false));
        assert_eq!(window(&store, peer, Window::before(6, 9)).await, (vec![5], false, true));
        assert_eq!(window(&store, peer, Window::log(0, 9)).await, (vec![3, 5, 6], false, false));
        assert_eq!(window(&store, peer, Window::log(3, 1)).await, (vec![5], true, true));
    }
    // Neither a gap over messages, nor a message in a gap, nor anything that does not follow.
    for (part, what) in [(gap(2, 3), "message 3"), (gap(6, 9), "message 6"), (messages(4..=4), "message 4")] {
        let error = refused_with_gaps(&store, part).await;
        assert!(is_restored_conflict(&error, what), "{error:?}");
    }
    for part in [gap(10, 11), messages(10..=10), gap(0, 1), gap(5, 4), gap(9, limits::COUNT_MAX)] {
        let error = refused_with_gaps(&store, part).await;
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
    // It goes on like any other.
    let appended = store.commit_one(to("ann").write(say(&["more"]))).await.unwrap();
    assert_eq!(appended.seqs, [9]);
    store.fork(&key("bob"), &key("cat"), None).await.unwrap();
    store.commit_one(to("bob").write(Write::Pop { count: 1 })).await.unwrap();
    assert_eq!(session(&store, "bob").await.message_count, 1);
    assert!(store.session_delete(&key("bob")).await.unwrap());
    assert_eq!(window(&store, "cat", Window::last(9)).await, (vec![5, 6], false, false));
    let cat = session(&store, "cat").await;
    assert_eq!((cat.head, cat.log_first, cat.message_count), (8, 9, 2));
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.messages, 4 + 3);
}

/// A fork inherits numbers, whether or not their messages are still there.
pub async fn what_is_kept_may_have_gaps(store: Store) {
    let gap = |first, last| restore(&kept_key("x"), [Restore::Gap { first, last }]);
    let kept = [Restore::Session(Box::new(opening())), Restore::Gap { first: 1, last: 1 }, messages(2..=2)];
    store.commit_one(restore(&kept_key("x"), kept)).await.unwrap();
    assert!(store.commit_one(gap(3, 3)).await.unwrap().changed);
    assert!(!store.commit_one(gap(3, 3)).await.unwrap().changed);
    store.commit_one(fork_of_kept("fork", "x", 3)).await.unwrap();
    assert_eq!(window(&store, "fork", Window::log(0, 9)).await, (vec![2], false, false));
    assert_eq!(session(&store, "fork").await.message_count, 1);
    let refused = async |commits: Vec<Commit>| {
        let error = store.commit(commits).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    };
    refused(vec![fork_of_kept("longer", "x", 4)]).await;
    // What is refused leaves no number behind.
    refused(vec![gap(4, 4), gap(6, 6)]).await;
    refused(vec![fork_of_kept("longer", "x", 4)]).await;
    // It grows for a fork that shows more of it, also where a gap was there in part; and shrinks with that fork.
    store.commit(vec![gap(3, 4), fork_of_kept("longer", "x", 4)]).await.unwrap();
    assert!(store.session_delete(&key("longer")).await.unwrap());
    refused(vec![fork_of_kept("longer", "x", 4)]).await;
    store.commit(vec![gap(4, 4), fork_of_kept("longer", "x", 4)]).await.unwrap();
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.sessions, report.messages), (2, 1));
}

/// The memory engine took back a refused restore of what is kept together with all that was kept before.
pub async fn a_refused_restore_leaves_what_is_kept(store: Store) {
    store.commit(vec![kept("x", 3), fork_of_kept("fork", "x", 3)]).await.unwrap();
    let other = Message { content: json("\"other\""), ..message(4) };
    store.commit_one(restore(&kept_key("x"), [Restore::Messages(vec![other])])).await.unwrap();
    let error = refused(&store, vec![kept("x", 5)]).await;
    assert!(is_restored_conflict(&error, "message 4"), "{error:?}");
    assert_eq!(log(&store, &key("fork")).await.len(), 3);
}

/// What is kept goes when the last fork that reads it goes; what was kept for others does not hold it.
pub async fn what_is_kept_goes_with_the_last_fork(store: Store) {
    let ancestor = |name: &str, first, last| RestoredAncestor { key: kept_key(name), first, last };
    let second_log = RestoredSession { log_first: 4, ancestors: vec![ancestor("x", 1, 3)], ..opening() };
    let kept_second = [Restore::Session(Box::new(second_log)), messages(4..=6)];
    let ancestors = vec![ancestor("x", 1, 3), ancestor("y", 4, 5)];
    let fork = RestoredSession { log_first: 6, ancestors, ..opening() };
    let fork = [Restore::Session(Box::new(fork)), Restore::State(Box::new(state(5)))];
    let commits = vec![
        kept("x", 3),
        restore(&kept_key("y"), kept_second),
        restore(&key("fork"), fork),
        fork_of_kept("short", "x", 2),
    ];
    store.commit(commits).await.unwrap();
    assert_eq!(store.check().await.unwrap().messages, 6);
    store.session_delete(&key("fork")).await.unwrap();
    assert_eq!(store.check().await.unwrap().messages, 2);
    assert_eq!(log(&store, &key("short")).await.len(), 2);
    store.session_delete(&key("short")).await.unwrap();
    assert_eq!(store.check().await.unwrap().messages, 0);
}

/// A fork that was deleted and restored was answered the messages that its numbers had before, which were in memory still.
pub async fn numbers_that_are_kept_again_have_other_messages(store: Store) {
    store
        .commit(vec![kept("x", 3), fork_of_kept("short", "x", 1), fork_of_kept("long", "x", 3)])
        .await
        .unwrap();
    let long = key("long");
    let said = async || {
        let page = store.message_window(&long, Window::last(50)).await.unwrap();
        assert_eq!(page.messages, log(&store, &long).await);
        page.messages.into_iter().map(|message| message.content.get().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(said().await, ["1", "2", "3"]);
    store.session_delete(&long).await.unwrap();
    let other = |seq| Message { content: json("\"other\""), ..message(seq) };
    let again = restore(&kept_key("x"), [Restore::Messages(vec![other(2), other(3)])]);
    store.commit(vec![again, fork_of_kept("long", "x", 3)]).await.unwrap();
    assert_eq!(said().await, ["1", "\"other\"", "\"other\""]);
}

/// A session that is deleted may leave its messages to forks under a name that something restored has already.
pub async fn what_is_restored_does_not_stand_in_the_way_of_a_delete(store: Store) {
    store.commit_one(open("ann").write(say(&["here"]))).await.unwrap();
    store.fork(&key("ann"), &key("bob"), None).await.unwrap();
    let name = SessionKey::kept(&key("ann"), session(&store, "ann").await.log);
    store
        .commit(vec![
            Commit { key: name.clone(), ..kept("x", 2) },
            Commit { key: SessionKey::kept(&name, session(&store, "ann").await.log), ..kept("y", 2) },
        ])
        .await
        .unwrap();
    let ancestors = vec![RestoredAncestor { key: name, first: 1, last: 2 }];
    let opening = RestoredSession { log_first: 3, ancestors, ..opening() };
    let fork = [Restore::Session(Box::new(opening)), Restore::State(Box::new(state(2)))];
    store.commit_one(restore(&key("fork"), fork)).await.unwrap();
    assert!(store.session_delete(&key("ann")).await.unwrap());
    assert_eq!(log(&store, &key("bob")).await[0].content.get(), "\"here\"");
    assert_eq!(log(&store, &key("fork")).await.len(), 2);
    let name_of = async |peer: &str| store.lineage(&key(peer)).await.unwrap().inherited[0].key.clone();
    let (bob, fork) = (name_of("bob").await, name_of("fork").await);
    assert!(bob.is_some() && fork.is_some() && bob != fork, "{bob:?} {fork:?}");
}

/// A restored session is a session like any other.
pub async fn restored_sessions_go_on(store: Store) {
    let source = elsewhere();
    fill(&source, "ann").await;
    source.fork(&key("ann"), &key("bob"), None).await.unwrap();
    source
        .commit_one(to("bob").write(Write::Compact { through: 2, summary: vec![said("s")] }))
        .await
        .unwrap();
    for peer in ["ann", "bob"] {
        store.commit_one(restore(&key(peer), parts(&source, &key(peer)).await)).await.unwrap();
    }
    for writes in [
        vec![say(&["more"]), put("notes", "1", "2")],
        vec![Write::Uncompact],
        vec![Write::Undo],
        vec![Write::Undo],
        vec![Write::Pop { count: 3 }],
        vec![Write::Undo, Write::Append(vec![said("b2").message_id("m-2")])],
        vec![Write::Append(vec![said("b2").message_id("m-2")])],
    ] {
        for peer in ["ann", "bob"] {
            let commit = Commit { writes: writes.clone(), ..to(peer) }.at(second(20));
            let (there, here) = (source.commit_one(commit.clone()).await, store.commit_one(commit).await);
            assert_eq!(here, there, "{peer}: {writes:?}");
        }
        assert_eq!(seen(&store).await, seen(&source).await, "after {writes:?}");
    }
}

/// Only a restore can name the store's own addresses.
pub async fn kept_addresses_are_written_by_restores_alone(store: Store) {
    store.commit(vec![kept("x", 1), fork_of_kept("fork", "x", 1)]).await.unwrap();
    let at = |write: Write| Commit::new(kept_key("x")).write(write);
    for write in [Write::open(), say(&["a"]), status("idle"), put("a", "1", "1"), Write::Undo, Write::Delete]
    {
        refused_as_invalid(&store, vec![at(write)]).await;
    }
    for part in [Restore::Documents(Vec::new()), Restore::State(Box::new(state(1)))] {
        refused_as_invalid(&store, vec![restore(&kept_key("x"), [part])]).await;
    }
    let other = SessionKey::new("~other", "", "", "log", "x");
    refused_as_invalid(&store, vec![Commit { key: other, ..kept("x", 1) }]).await;
    let part = SessionKey::new("main", "", "", "log", "~x");
    refused_as_invalid(&store, vec![Commit { key: part, ..kept("x", 1) }]).await;
    for window in [Window::last(1), Window::log(0, 1)] {
        assert!(matches!(store.message_window(&kept_key("x"), window).await, Err(Error::Invalid(_))));
    }
}

/// What cannot have been a session is refused, and nothing of it is written.
pub async fn a_restore_that_cannot_be_is_refused(store: Store) {
    store.commit_one(kept("x", 2)).await.unwrap();
    let begun = Restore::Session(Box::new(opening()));
    let session = |opening: RestoredSession| vec![Restore::Session(Box::new(opening))];
    let ancestor = |first, last| vec![RestoredAncestor { key: kept_key("x"), first, last }];
    let with_state = |head: u64, change: &dyn Fn(&mut RestoredState)| {
        let mut state = state(head);
        change(&mut state);
        vec![begun.clone(), messages(1..=head), Restore::State(Box::new(state))]
    };
    let change = RestoredChange {
        revision: 1,
        at: second(1),
        kind: crate::ViewChangeKind::Reset,
        before: vec![],
        head_before: 0,
        head_after: 0,
        through: None,
        summary: None,
        reverses: None,
        undone: None,
    };
    let late: Time = "+12000-01-01T00:00:00Z".parse().unwrap();
    let cases = [
        session(RestoredSession { family: String::new(), ..opening() }),
        session(RestoredSession { created_at: late, ..opening() }),
        session(RestoredSession { log_first: 0, ..opening() }),
        session(RestoredSession { log_first: 2, ..opening() }),
        session(RestoredSession { log_first: 3, ancestors: ancestor(2, 2), ..opening() }),
        session(RestoredSession { log_first: 1, ancestors: ancestor(1, 0), ..opening() }),
        // More than is there.
        session(RestoredSession { log_first: 4, ancestors: ancestor(1, 3), ..opening() }),
        vec![begun.clone(), messages(0..=0)],
        vec![begun.clone(), messages(2..=2)],
        vec![begun.clone(), messages(1..=1), messages(3..=3)],
        vec![begun.clone(), Restore::Messages(vec![Message { role: String::new(), ..message(1) }])],
        vec![begun.clone(), Restore::Messages(vec![Message { attributes: Some(json("1")), ..message(1) }])],
        with_state(1, &|state| state.view = vec![(1, 1), (1, 1)]),
        with_state(1, &|state| state.view = vec![(0, 1)]),
        with_state(1, &|state| state.status = String::new()),
        with_state(1, &|state| state.metadata = json("[]")),
        with_state(1, &|state| state.revision = u64::MAX),
        with_state(1, &|state| state.changes = vec![RestoredChange { revision: 2, ..change.clone() }]),
        with_state(1, &|state| {
            (state.revision, state.changes) = (3, vec![change.clone(), change.clone()]);
        }),
        with_state(1, &|state| {
            state.changes = vec![RestoredChange { before: vec![(2, 1)], ..change.clone() }]
        }),
    ];
    for parts in cases {
        refused_as_invalid(&store, vec![restore(&key("ann"), parts)]).await;
    }
    refused_as_invalid(&store, vec![restore(&key("ann"), [begun.clone()]).write(say(&["a"]))]).await;
    // What is not there, and what is not reached by the log.
    let unknown = restore(&key("ann"), [messages(1..=1)]);
    assert_eq!(refused(&store, vec![unknown]).await, Error::NotFound(Box::new(key("ann"))));
    let beyond = with_state(1, &|state| state.view = vec![(1, 2)]);
    let error = refused(&store, vec![restore(&key("ann"), beyond)]).await;
    assert!(is_restored_conflict(&error, "history"), "{error:?}");
    // A document of a revision that the session has not reached.
    let document = Document {
        collection: "a".into(),
        id: "1".into(),
        body: json("1"),
        blob: None,
        revision: 2,
        updated_at: second(1),
    };
    let parts = [begun, Restore::Documents(vec![document]), Restore::State(Box::new(state(0)))];
    let error = refused(&store, vec![restore(&key("ann"), parts)]).await;
    assert!(is_restored_conflict(&error, "revision"), "{error:?}");
}

/// A session whose view changed more often than a call may have changes can be restored.
pub async fn a_long_history_of_a_view_is_restored(store: Store) {
    let count = limits::COMMIT_WRITES_MAX as u64 + 10;
    let change = |revision: u64| RestoredChange {
        revision,
        at: second(1),
        kind: crate::ViewChangeKind::Pop,
        before: vec![(1, 1)],
        head_before: 1,
        head_after: 1,
        through: None,
        summary: None,
        reverses: None,
        undone: Some(revision),
    };
    let changes: Vec<_> = (1..=count).map(change).collect();
    let state = RestoredState { revision: count, changes, ..state(1) };
    let parts = [Restore::Session(Box::new(opening())), messages(1..=1), Restore::State(Box::new(state))];
    store.commit_one(restore(&key("ann"), parts)).await.unwrap();
    let oldest = store.view_changes(&key("ann"), Some(3), 9).await.unwrap();
    assert_eq!(oldest.iter().map(|change| change.revision).collect::<Vec<_>>(), [2, 1]);
}

/// What is kept of a view's changes is used when they are taken back, so it must be something that can have happened.
pub async fn a_change_that_cannot_have_been_made_is_refused(store: Store) {
    let sound = RestoredChange {
        revision: 1,
        at: second(1),
        kind: ViewChangeKind::Compact,
        before: vec![(1, 2)],
        head_before: 2,
        head_after: 3,
        through: Some(1),
        summary: Some((3, 3)),
        reverses: None,
        undone: None,
    };
    let begun = [Restore::Session(Box::new(opening())), messages(1..=3)];
    store.commit_one(restore(&key("ann"), begun)).await.unwrap();
    let far = u64::MAX;
    for (what, change) in [
        ("a head before that is not there", RestoredChange { head_before: far, ..sound.clone() }),
        ("a head after that is not there", RestoredChange { head_after: 4, ..sound.clone() }),
        ("heads the wrong way round", RestoredChange { head_before: 3, head_after: 2, ..sound.clone() }),
        ("a view beyond its head", RestoredChange { before: vec![(1, 3)], ..sound.clone() }),
        ("a message that was not shown", RestoredChange { through: Some(far), ..sound.clone() }),
        ("a summary from before", RestoredChange { summary: Some((2, 3)), ..sound.clone() }),
        ("a summary backwards", RestoredChange { summary: Some((3, 2)), ..sound.clone() }),
        ("what it cannot reverse", RestoredChange { reverses: Some(far), ..sound.clone() }),
        ("what cannot undo it", RestoredChange { undone: Some(2), ..sound.clone() }),
    ] {
        let state = RestoredState { revision: 1, changes: vec![change], ..state(3) };
        let error = refused(&store, vec![restore(&key("ann"), [Restore::State(Box::new(state))])]).await;
        assert!(matches!(error, Error::Invalid(_)), "{what}: {error:?}");
    }
    let state = RestoredState { revision: 1, changes: vec![sound], ..state(3) };
    store.commit_one(restore(&key("ann"), [Restore::State(Box::new(state))])).await.unwrap();
    assert!(store.undo(&key("ann")).await.unwrap());
    assert_eq!(texts(&store, &key("ann")).await, ["1", "2"]);
}

/// To a session that is finished, or was written to otherwise, a restore adds nothing.
pub async fn a_restore_adds_nothing_to_a_session_in_use(store: Store) {
    store.commit_one(open("ann").write(say(&["1"])).write(status("idle"))).await.unwrap();
    let document = Document {
        collection: "notes".into(),
        id: "a".into(),
        body: json("1"),
        blob: None,
        revision: 1,
        updated_at: second(1),
    };
    for part in [messages(2..=2), Restore::Gap { first: 2, last: 1_000 }, Restore::Documents(vec![document])]
    {
        let error = refused(&store, vec![restore(&key("ann"), [part])]).await;
        assert!(is_restored_conflict(&error, "state"), "{error:?}");
    }
}
