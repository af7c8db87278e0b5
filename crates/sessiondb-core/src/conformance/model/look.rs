//! Reading two stores to see whether they look alike.
//!
//! What may differ is left out: the numbers of logs and of rows are each store's own. That sessions of one moment are
//! listed in the order of their numbers shows in the order of the lists.

use proptest::{collection::vec, option, prelude::*};

use super::{
    agree,
    draft::{FAMILIES, KEYS, PLACES, SPAN, STATUSES, document_filter, key, moment},
};
use crate::{
    Document, DocumentFilter, Hit, Lineage, LogId, Message, MessagePage, Parts, Result, Scope, Search,
    Session, SessionFilter, SessionKey, SessionOrder, SessionParts, Store, View, ViewChange, Window, limits,
};

/// How to look: everything is looked at, through pages, filters and windows of random size.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// How many sessions there are on a page of all sessions.
    page: usize,
    filter: SessionFilter,
    documents: DocumentFilter,
    windows: Vec<Window>,
    parts: Parts,
    pub(super) search: Search,
}

pub(super) fn look() -> impl Strategy<Value = Look> {
    (1_usize..=3, filter(), document_filter(), vec(window(), 3), parts(), search()).prop_map(
        |(page, filter, documents, windows, parts, search)| Look {
            page,
            filter,
            documents,
            windows,
            parts,
            search,
        },
    )
}

fn parts() -> impl Strategy<Value = Parts> {
    let collections = prop::sample::subsequence(vec!["a", "a b", "b", "none"], 0..=4);
    (collections, any::<bool>())
        .prop_map(|(collections, messages)| Parts { messages, ..Parts::documents(collections) })
}

fn filter() -> impl Strategy<Value = SessionFilter> {
    let part = |place: usize| {
        let parts: Vec<String> =
            KEYS.iter().map(|parts| parts[place].to_owned()).chain(["none".into()]).collect();
        option::weighted(0.15, prop::sample::select(parts))
    };
    let parts = (part(0), part(1), part(2), part(3), part(4));
    let family = option::weighted(0.2, prop::sample::select(&FAMILIES[..]));
    let statuses = prop_oneof![
        2 => Just(Vec::new()),
        1 => vec(prop::sample::select(&STATUSES[..]).prop_map(str::to_owned), 1..=2),
    ];
    let bound = || option::weighted(0.15, moment(SPAN));
    let bounds = (bound(), bound(), bound(), bound());
    let order = prop::sample::select(&SessionOrder::ALL[..]);
    (parts, family, statuses, bounds, order, 1_usize..=3).prop_map(
        |(parts, family, statuses, bounds, order, limit)| {
            let (agent_id, channel, account_id, peer_kind, peer_id) = parts;
            let (created_after, created_before, updated_after, updated_before) = bounds;
            let family = family.map(str::to_owned);
            SessionFilter {
                agent_id,
                channel,
                account_id,
                peer_kind,
                peer_id,
                family,
                statuses,
                created_after,
                created_before,
                updated_after,
                updated_before,
                order,
                after: None,
                limit,
            }
        },
    )
}

/// For what the drafts say, in all sessions, in an agent's or in one.
fn search() -> impl Strategy<Value = Search> {
    let q =
        prop::sample::select(&["e", "中", "\"e e\"", "1 2", "1*", "word", "wo*", "word 1", "\"word 0\""][..]);
    let scope = (0..KEYS.len(), prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(3), 1 => Just(5)]);
    let roles = prop_oneof![3 => Just(Vec::new()), 1 => Just(vec!["user".to_owned()])];
    let bound = || option::weighted(0.15, moment(SPAN));
    (q, scope, roles, bound(), bound(), 1_usize..=2).prop_map(
        |(q, (of, parts), roles, after, before, limit)| {
            let fixed = KEYS[of].iter().take(parts);
            let scope = fixed.fold(Scope::all(), |scope, part| scope.narrow(*part));
            Search { scope, roles, after, before, limit, ..Search::new(q).unwrap() }
        },
    )
}

fn window() -> impl Strategy<Value = Window> {
    let (limit, seq) = (1_usize..=6, prop_oneof![9 => 0_u64..20, 1 => Just(limits::COUNT_MAX)]);
    let times = (option::weighted(0.5, moment(SPAN)), option::weighted(0.5, moment(SPAN)));
    let cursor = option::weighted(0.5, (moment(SPAN), 0_u64..9));
    (0..8, seq, limit, times, cursor).prop_map(|(kind, seq, limit, (after, before), cursor)| match kind {
        0 | 1 => Window::last(limit),
        2 => Window::before(seq, limit),
        3 => Window::after(seq, limit),
        4 => Window::range(seq.min(19), seq.min(19) + limit as u64),
        5 => Window::tokens(seq),
        6 => Window::Times { after, before, cursor, limit },
        _ => Window::log(seq, limit),
    })
}

/// Everything that can be read of both stores, compared piece by piece.
pub(super) async fn look_alike(look: &Look, right: &Store, tried: &Store) -> Result<(), String> {
    for order in SessionOrder::ALL {
        let all = SessionFilter { order, limit: look.page, ..SessionFilter::default() };
        agree(
            &format!("all sessions by {order:?}"),
            sessions(right, &all).await,
            sessions(tried, &all).await,
        )?;
    }
    let filtered = sessions(right, &look.filter).await;
    agree(&format!("the sessions of {:?}", look.filter), filtered, sessions(tried, &look.filter).await)?;

    let about = format!("the sessions of {:?} with {:?}", look.filter, look.parts);
    let with_parts = list_with_parts(right, &look.filter, &look.parts).await;
    agree(&about, with_parts, list_with_parts(tried, &look.filter, &look.parts).await)?;
    // One of them twice, and one under which there is never anything.
    let absent = SessionKey::new("main", "cli", "", "dm", "nobody");
    let keys: Vec<SessionKey> = (0..KEYS.len()).map(key).chain([key(look.page), absent]).collect();
    let with_parts = with_parts_of(right, &keys, &look.parts).await;
    agree(
        &format!("sessions with {:?}", look.parts),
        with_parts,
        with_parts_of(tried, &keys, &look.parts).await,
    )?;

    let about = format!("what is found by {:?}", look.search);
    agree(&about, found(right, &look.search).await, found(tried, &look.search).await)?;

    for key in (0..KEYS.len()).map(key) {
        agree(&format!("session {key}"), session(right, &key).await, session(tried, &key).await)?;
        agree(&format!("the lineage of {key}"), lineage(right, &key).await, lineage(tried, &key).await)?;
        agree(&format!("the changes of {key}"), changes(right, &key).await, changes(tried, &key).await)?;
        let whole = [Window::after(0, limits::PAGE_MAX), Window::log(0, limits::PAGE_MAX)];
        for window in look.windows.iter().copied().chain(whole) {
            let about = format!("{window:?} of session {key}");
            agree(&about, messages(right, &key, window).await, messages(tried, &key, window).await)?;
        }
        let all = DocumentFilter { limit: look.documents.limit, ..DocumentFilter::default() };
        for filter in [&all, &look.documents] {
            let about = format!("the documents of session {key} in {filter:?}");
            agree(&about, documents(right, &key, filter).await, documents(tried, &key, filter).await)?;
        }
        let (collection, id) = PLACES[look.page];
        let (one, other) =
            (right.document(&key, collection, id).await, tried.document(&key, collection, id).await);
        agree(&format!("document {collection}/{id} of session {key}"), one, other)?;
    }
    Ok(())
}

/// More pages than there can be: the list of a broken engine may have no end.
const PAGES_MAX: usize = 100;

/// The pages of a list to its end.
async fn sessions(store: &Store, filter: &SessionFilter) -> Result<Vec<Vec<Session>>> {
    let (mut pages, mut filter) = (Vec::new(), filter.clone());
    while pages.len() < PAGES_MAX {
        let page = store.session_list(&filter).await?;
        pages.push(page.sessions.into_iter().map(without_number).collect());
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok(pages)
}

/// The pages of a search to its end, in one: how much is on a page is the engine's own.
async fn found(store: &Store, search: &Search) -> Result<Vec<Hit>> {
    let (mut hits, mut search) = (Vec::new(), search.clone());
    for _ in 0..PAGES_MAX {
        let page = store.search(&search).await?;
        hits.extend(page.hits);
        search.cursor = page.next;
        if search.cursor.is_none() {
            break;
        }
    }
    Ok(hits)
}

/// The pages of a list with parts to its end.
async fn list_with_parts(
    store: &Store,
    filter: &SessionFilter,
    parts: &Parts,
) -> Result<Vec<Vec<SessionParts>>> {
    let (mut pages, mut filter) = (Vec::new(), filter.clone());
    while pages.len() < PAGES_MAX {
        let page = store.session_list_parts(&filter, parts).await?;
        pages.push(page.sessions.into_iter().map(parts_without_numbers).collect());
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok(pages)
}

async fn with_parts_of(
    store: &Store,
    keys: &[SessionKey],
    parts: &Parts,
) -> Result<Vec<Option<SessionParts>>> {
    let found = store.session_parts_of(keys, parts).await?;
    Ok(found.into_iter().map(|session| session.map(parts_without_numbers)).collect())
}

fn parts_without_numbers(parts: SessionParts) -> SessionParts {
    SessionParts {
        session: without_number(parts.session),
        messages: parts.messages.into_iter().map(|message| Message { id: 0, ..message }).collect(),
        ..parts
    }
}

async fn session(store: &Store, key: &SessionKey) -> Result<Option<Session>> {
    Ok(store.session(key).await?.map(without_number))
}

/// The session as it would be if all logs had number 0: whose messages it shows is seen by their numbers.
fn without_number(session: Session) -> Session {
    Session { log: LogId(0), view: without_logs(&session.view), ..session }
}

fn without_logs(view: &View) -> View {
    let spans = view.spans().iter().map(|span| (0, span.first, span.last));
    View::from_text(&serde_json::to_string(&spans.collect::<Vec<_>>()).unwrap()).unwrap()
}

/// Where a session comes from. What is kept of deleted ones has a name of each store's own.
async fn lineage(store: &Store, key: &SessionKey) -> Result<Lineage> {
    let mut lineage = store.lineage(key).await?;
    for inherited in &mut lineage.inherited {
        inherited.log = LogId(0);
        inherited.key = inherited.key.take().filter(|key| !key.is_reserved());
    }
    Ok(lineage)
}

/// How a view changed, in pages of two.
async fn changes(store: &Store, key: &SessionKey) -> Result<Vec<ViewChange>> {
    let mut changes: Vec<ViewChange> = Vec::new();
    loop {
        let before = changes.last().map(|change| change.revision);
        let page = store.view_changes(key, before, 2).await?;
        if page.is_empty() || changes.len() > PAGES_MAX {
            return Ok(changes);
        }
        changes.extend(
            page.into_iter().map(|change| ViewChange { before: without_logs(&change.before), ..change }),
        );
    }
}

async fn messages(store: &Store, key: &SessionKey, window: Window) -> Result<MessagePage> {
    let page = store.message_window(key, window).await?;
    let messages = page.messages.into_iter().map(|message| Message { id: 0, ..message }).collect();
    Ok(MessagePage { messages, ..page })
}

/// The pages of a list to its end.
async fn documents(store: &Store, key: &SessionKey, filter: &DocumentFilter) -> Result<Vec<Vec<Document>>> {
    let (mut pages, mut filter) = (Vec::new(), filter.clone());
    while pages.len() < PAGES_MAX {
        let page = store.document_list(key, &filter).await?;
        pages.push(page.documents);
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok(pages)
}
