//! Everything that can be seen in a store, as one value, to say "and nothing else changed".

use std::{collections::HashSet, fmt};

use crate::{
    Commit, Document, DocumentFilter, Error, Message, Parts, Session, SessionFilter, SessionKey,
    SessionOrder, Store, View, Window, limits,
};

/// A store, read to the end: its sessions in the order they were opened, each with its messages and documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Observed(pub(super) Vec<(Session, Vec<Message>, Vec<Document>)>);

/// Cut short, for some of the stores in these tests are too large to be printed.
impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|session| writeln!(f, "{:.2000}", format!("{session:?}")))
    }
}

/// Reads everything, and holds what must be true of any store.
pub(super) async fn observe(store: &Store) -> Observed {
    let mut observed = Vec::new();
    let mut rows = HashSet::new();
    let order = SessionOrder::CreatedOldest;
    let all = SessionFilter { order, limit: limits::PAGE_MAX, ..SessionFilter::default() };
    for session in listed(store, &all).await {
        let key = &session.key;
        assert_eq!(store.session(key).await, Ok(Some(session.clone())), "{key} is another when read alone");
        let messages = history(store, key).await;
        let count = messages.len() as u64;
        assert_eq!(session.message_count, count, "{key} counts another number of messages than it shows");
        // The log, shown or hidden: numbered without gaps, what was inherited first.
        let log = log(store, key).await;
        assert!(log.iter().map(|message| message.seq).eq(1..=session.head), "{key}: {log:?}");
        assert_eq!(session.log_count, session.head + 1 - session.log_first, "{key}: {session:?}");
        let own = log.iter().filter(|message| message.seq >= session.log_first);
        assert!(own.clone().all(|message| rows.insert(message.id)), "{key}: two messages have one row");
        assert!(messages.iter().all(|message| log.contains(message)), "{key} shows what is not in its log");
        if session.view == View::whole(session.log) && session.log_first == 1 {
            assert_eq!(messages, log, "{key}");
        }
        assert!(session.updated_at >= session.created_at, "{key}: {session:?}");
        let documents = documents(store, key, &DocumentFilter::default()).await;
        assert!(
            documents.iter().all(|document| document.revision <= session.revision),
            "{key}: {documents:?}"
        );
        observed.push((session, messages, documents));
    }
    hold_parts(store, &all, &observed).await;
    Observed(observed)
}

/// Reading everything at once shows what was read one by one.
async fn hold_parts(store: &Store, all: &SessionFilter, observed: &[(Session, Vec<Message>, Vec<Document>)]) {
    let documents = observed.iter().flat_map(|(_, _, documents)| documents);
    let mut collections: Vec<String> = documents.map(|document| document.collection.clone()).collect();
    collections.sort();
    collections.dedup();
    let parts = Parts::documents(collections).with_messages();
    let (mut filter, mut read) = (all.clone(), 0);
    loop {
        let page = store.session_list_parts(&filter, &parts).await.unwrap();
        for one in &page.sessions {
            let (session, messages, documents) = &observed[read];
            assert_eq!(&one.session, session, "is another when read with its parts");
            assert_eq!(one.more_messages, messages.len() > limits::PARTS_MAX);
            assert_eq!(one.messages, messages[..messages.len().min(limits::PARTS_MAX)], "{}", session.key);
            assert_eq!(one.more_documents, documents.len() > limits::PARTS_MAX);
            assert_eq!(one.documents, documents[..documents.len().min(limits::PARTS_MAX)], "{}", session.key);
            read += 1;
        }
        filter.after = page.next;
        if filter.after.is_none() {
            assert_eq!(read, observed.len(), "sessions are missing when read with their parts");
            break;
        }
    }
}

/// All sessions that match, page by page. That pages before the last are full and show no session twice is held here,
/// and also brings the list of any engine to an end.
pub(super) async fn listed(store: &Store, filter: &SessionFilter) -> Vec<Session> {
    let (mut sessions, mut filter, mut seen) = (Vec::new(), filter.clone(), HashSet::new());
    loop {
        let page = store.session_list(&filter).await.unwrap();
        let again = page.sessions.iter().find(|session| !seen.insert(session.log));
        assert_eq!(again, None, "is listed twice");
        assert!(
            page.next.is_none() || page.sessions.len() == filter.limit,
            "more follow a page that is not full"
        );
        sessions.extend(page.sessions);
        filter.after = page.next;
        if filter.after.is_none() {
            return sessions;
        }
    }
}

/// All messages that a session shows.
pub(super) async fn history(store: &Store, key: &SessionKey) -> Vec<Message> {
    read(store, key, |from| Window::after(from, limits::PAGE_MAX)).await
}

/// All messages of a session, shown or hidden.
pub(super) async fn log(store: &Store, key: &SessionKey) -> Vec<Message> {
    read(store, key, |from| Window::log(from, limits::PAGE_MAX)).await
}

async fn read(store: &Store, key: &SessionKey, window: impl Fn(u64) -> Window) -> Vec<Message> {
    let (mut messages, mut seen) = (Vec::<Message>::new(), HashSet::new());
    loop {
        let from = messages.last().map_or(0, |message| message.seq);
        let page = store.message_window(key, window(from)).await.unwrap();
        assert!(page.messages.iter().all(|message| seen.insert(message.seq)), "is shown twice: {page:?}");
        assert_eq!(page.has_earlier, from > 0, "what comes before {from}");
        assert!(!page.has_later || !page.messages.is_empty(), "more follow an empty page");
        messages.extend(page.messages);
        if !page.has_later {
            return messages;
        }
    }
}

/// All documents of a session that match, page by page; see [`listed`].
pub(super) async fn documents(store: &Store, key: &SessionKey, filter: &DocumentFilter) -> Vec<Document> {
    let (mut documents, mut filter, mut seen) = (Vec::new(), filter.clone(), HashSet::new());
    loop {
        let page = store.document_list(key, &filter).await.unwrap();
        let again = page.documents.iter().find(|d| !seen.insert((d.collection.clone(), d.id.clone())));
        assert_eq!(again, None, "is listed twice");
        assert!(
            page.next.is_none() || page.documents.len() == filter.limit,
            "more follow a page that is not full"
        );
        documents.extend(page.documents);
        filter.after = page.next;
        if filter.after.is_none() {
            return documents;
        }
    }
}

/// What was said in a session, as the JSON texts of its messages.
pub(super) async fn texts(store: &Store, key: &SessionKey) -> Vec<String> {
    history(store, key).await.into_iter().map(|message| message.content.get().to_owned()).collect()
}

/// Sends a call that must be refused, and sees that nothing changed. Answers with the refusal.
pub(super) async fn refused(store: &Store, commits: Vec<Commit>) -> Error {
    let before = observe(store).await;
    let error = store.commit(commits).await.expect_err("the call should have been refused");
    let after = observe(store).await;
    assert!(after == before, "a refused call ({error}) changed\n{before}to\n{after}");
    error
}

/// Sends a call that must be refused as invalid, and sees that nothing changed.
pub(super) async fn refused_as_invalid(store: &Store, commits: Vec<Commit>) {
    let error = refused(store, commits).await;
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}
