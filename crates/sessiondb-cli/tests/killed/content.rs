//! All that can be seen of sessions, but for what is each store's own: numbers of rows and of logs.

use std::collections::BTreeMap;

use pollster::block_on;
use sessiondb::{
    Document, DocumentFilter, LogId, Message, Session, SessionFilter, SessionKey, Store, View, ViewChange,
    Window,
};

type Stretches = Vec<(u64, Option<u64>)>;

#[derive(Debug, PartialEq)]
pub struct Content {
    session: Session,
    view: Stretches,
    messages: Vec<Message>,
    documents: Vec<Document>,
    changes: Vec<(ViewChange, Stretches)>,
}

/// The sessions of an agent by their keys.
pub fn content(store: &Store, agent: &str) -> BTreeMap<String, Content> {
    let sessions = sessions(store, agent);
    sessions.into_iter().map(|session| (session.key.to_string(), of(store, session))).collect()
}

/// What an import leaves behind, wherever it was begun anew: without the moments and the revisions of its commits, and
/// without its own notes.
pub fn imported(store: &Store, agent: &str) -> BTreeMap<String, (Vec<Message>, Vec<Document>, u64)> {
    let of = |(key, content): (String, Content)| {
        let documents = content.documents.into_iter().filter(|document| document.collection != "import");
        let created = content.session.created_at;
        let documents =
            documents.map(|document| Document { revision: 0, updated_at: created, ..document }).collect();
        (key, (content.messages, documents, content.session.token_usage))
    };
    content(store, agent).into_iter().map(of).collect()
}

/// Every message of a session's log, in order.
pub fn log(store: &Store, key: &SessionKey) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |last| last.seq);
        let page = block_on(store.message_window(key, Window::log(after, 1_000))).unwrap();
        messages.extend(page.messages.into_iter().map(|message| Message { id: 0, ..message }));
        if !page.has_later {
            return messages;
        }
    }
}

fn sessions(store: &Store, agent: &str) -> Vec<Session> {
    let (mut sessions, mut after) = (Vec::new(), None);
    loop {
        let agent_id = Some(agent.to_owned());
        let filter = SessionFilter { agent_id, after, limit: 1_000, ..SessionFilter::default() };
        let page = block_on(store.session_list(&filter)).unwrap();
        sessions.extend(page.sessions);
        after = page.next;
        if after.is_none() {
            return sessions;
        }
    }
}

fn of(store: &Store, session: Session) -> Content {
    let key = &session.key;
    let filter = DocumentFilter { limit: 1_000, ..DocumentFilter::default() };
    let documents = block_on(store.document_list(key, &filter)).unwrap();
    assert!(documents.next.is_none(), "more documents than these scripts make");
    let changes = block_on(store.view_changes(key, None, 1_000)).unwrap().into_iter();
    let changes = changes.map(|change| {
        let before = stretches(&change.before);
        (ViewChange { before: nowhere(), ..change }, before)
    });
    Content {
        view: stretches(&session.view),
        messages: log(store, key),
        documents: documents.documents,
        changes: changes.collect(),
        session: Session { log: LogId(0), view: nowhere(), ..session },
    }
}

fn nowhere() -> View {
    View::whole(LogId(0))
}

fn stretches(view: &View) -> Stretches {
    view.spans().iter().map(|span| (span.first, span.last)).collect()
}
