//! What the model test tries: calls drawn at random, in terms of what will be there.
//!
//! An expectation that is a random number would hardly ever hold, and a random id would never come again. So a draft
//! says "the revision that it will have" or "an earlier commit, once more", and is resolved against the store in
//! memory when its turn comes.

use chrono::TimeDelta;
use proptest::{collection::vec, option, prelude::*, sample::Index};

use super::{Told, look::Look};
use crate::{
    Commit, DocumentFilter, Expect, Fork, Json, NewDocument, NewMessage, Opening, Restore, SessionKey, Store,
    Time, Window, Write,
    conformance::{
        examples::{FRAGILE_JSON, json, second},
        restores,
    },
    limits,
};

/// One call, and how to look at the stores after it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Whether to close and open the store before, where that is tried.
    pub(super) reopen: bool,
    /// Whether to give space back before.
    pub(super) optimize: bool,
    commits: Vec<Draft>,
    pub(super) look: Look,
}

#[derive(Debug, Clone)]
enum Draft {
    New {
        key: usize,
        id: Option<u8>,
        at: Time,
        expect: Vec<Claim>,
        writes: Vec<Write>,
        /// A change of the view, after the other writes.
        view: Option<Change>,
    },
    /// A fork of another session, with what follows.
    /// If `over`, a session that stands in its place is deleted first.
    Fork {
        key: usize,
        parent: usize,
        at: Option<Place>,
        status: Option<&'static str>,
        metadata: Option<Json>,
        time: Time,
        writes: Vec<Write>,
        over: bool,
    },
    /// What restores another session, as it is, under this key. If `over`, a session that stands in its place is deleted
    /// first.
    Restore { key: usize, from: usize, which: Which, over: bool },
    /// A commit of an earlier call that bore an id, once more; at another time if it is `altered`.
    Again { which: Index, altered: bool },
}

/// Which parts of a session are restored, of the four that there are. The last, its state, is always among them: a restore
/// that was broken off before is told by `check`, of which the specification in memory has none.
#[derive(Debug, Clone)]
enum Which {
    All,
    Twice,
    Without(usize),
}

/// An expectation, in terms of what is there before the call. If the call writes to the session more than once, the
/// later commits may be mistaken; that is counted like any other failure.
#[derive(Debug, Clone)]
struct Claim {
    about: About,
    wrongly: bool,
}

/// A change of a view, in terms of what it shows.
#[derive(Debug, Clone)]
enum Change {
    Compact(Place, Vec<NewMessage>),
    Uncompact,
    Pop(usize),
    Rewind(Place),
    Undo,
    /// Stretches of the log, cut at these places, every second of them left out, and turned round if so wanted.
    Set(Vec<Index>, bool),
}

/// A message.
#[derive(Debug, Clone)]
enum Place {
    /// One that is shown.
    Shown(Index),
    /// One of the log, shown or not.
    Any(Index),
    /// The number 0, or one that does not exist yet.
    None(bool),
}

#[derive(Debug, Clone)]
enum About {
    /// That there is no session. If there is one, this becomes a claim about its revision, but not `wrongly`.
    Absence,
    /// That the revision is the present one; `wrongly` one more. And so on.
    State,
    Head,
    /// That so many messages are the last shown ones.
    Tail(usize),
    Document(usize),
}

/// Four keys that differ in little and share parts, for the filters.
pub(super) const KEYS: [[&str; 5]; 4] = [
    ["main", "cli", "", "dm", "ann"],
    ["main", "cli", "", "dm", "Ann"],
    ["main", "web", "T_1", "dm", "ann"],
    ["other", "cli", "", "group", "%:'é"],
];
pub(super) const FAMILIES: [&str; 2] = ["chat", "interview"];
pub(super) const STATUSES: [&str; 3] = ["active", "idle", "done"];
/// The documents: collection and id.
pub(super) const PLACES: [(&str, &str); 5] = [("a", "x"), ("a", "X"), ("a b", "x"), ("b", "é"), ("b", "z")];

pub(super) fn key(number: usize) -> SessionKey {
    let [agent, channel, account, kind, peer] = KEYS[number];
    SessionKey::new(agent, channel, account, kind, peer)
}

/// One of so many seconds. They are few, so that many times are the same; some are finer than what is kept.
pub(super) fn moment(seconds: i64) -> impl Strategy<Value = Time> {
    let nanos = prop_oneof![4 => Just(0), 1 => Just(1_000), 1 => Just(1_999)];
    (0..seconds, nanos).prop_map(|(n, nanos)| second(n) + TimeDelta::nanoseconds(nanos))
}

/// How many seconds the times of a case span.
pub(super) const SPAN: i64 = CALLS_MAX as i64 / 2 + 8;
const CALLS_MAX: usize = 30;

/// The calls of one case: of every kind, or most of them about what sessions show.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A draw from few shrinks to one; with a fixed number it could not.
    let commits = prop_oneof![
        4 => vec(draft(), 1..=1),
        4 => vec(draft(), 1..=2),
        3 => vec(draft(), 1..=4),
    ];
    let about_views = prop_oneof![
        8 => vec(draft_about_views(), 1..=1),
        1 => vec(draft_about_views(), 1..=2),
    ];
    prop_oneof![3 => some_steps(commits.boxed()), 2 => some_steps(about_views.boxed())]
}

fn some_steps(commits: BoxedStrategy<Vec<Draft>>) -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::bool::weighted(0.1), prop::bool::weighted(0.05), commits, super::look::look());
    let step = step.prop_map(|(reopen, optimize, commits, look)| Step { reopen, optimize, commits, look });
    vec(step, 1..=CALLS_MAX)
}

fn draft() -> impl Strategy<Value = Draft> {
    let id = option::weighted(0.3, 0_u8..30);
    let new = (0..KEYS.len(), id, moment(8), expect(), writes(), option::weighted(0.45, change()));
    let new = new.prop_map(|(key, id, at, expect, writes, view)| {
        // A delete stands alone.
        let view = view.filter(|_| !writes.contains(&Write::Delete));
        Draft::New { key, id, at, expect, writes, view }
    });
    let fork = (0..KEYS.len(), 0..KEYS.len(), option::weighted(0.7, place()), moment(8), vec(write(), 0..=2));
    let other = (option::weighted(0.3, prop::sample::select(&STATUSES[..])), option::weighted(0.3, object()));
    let fork = (fork, other, any::<bool>()).prop_map(
        |((key, parent, at, time, writes), (status, metadata), over)| Draft::Fork {
            key,
            parent,
            at,
            status,
            metadata,
            time,
            writes,
            over,
        },
    );
    let which = prop_oneof![3 => Just(Which::All), 1 => Just(Which::Twice), 1 => (0..3_usize).prop_map(Which::Without)];
    let restore = (0..KEYS.len(), 0..KEYS.len(), which, any::<bool>())
        .prop_map(|(key, from, which, over)| Draft::Restore { key, from, which, over });
    let again = any::<Index>().prop_flat_map(|which| {
        prop::bool::weighted(0.4).prop_map(move |altered| Draft::Again { which, altered })
    });
    prop_oneof![20 => new, 3 => fork, 3 => restore, 2 => again]
}

/// Three sessions that grow, are changed in what they show, forked, and now and then deleted.
fn draft_about_views() -> impl Strategy<Value = Draft> {
    let new = |key, time, writes: Vec<Write>, view| {
        let writes = if writes.contains(&Write::Delete) {
            writes
        } else {
            std::iter::once(Write::open()).chain(writes).collect()
        };
        Draft::New { key, id: None, at: time, expect: Vec::new(), writes, view }
    };
    let append = || vec(message(), 1..=4).prop_map(|messages| vec![Write::Append(messages)]);
    let keys = || 0..3_usize;
    prop_oneof![
        8 => (keys(), moment(8), append()).prop_map(move |(key, at, writes)| new(key, at, writes, None)),
        8 => (keys(), moment(8), change())
            .prop_map(move |(key, at, change)| new(key, at, Vec::new(), Some(change))),
        2 => (keys(), moment(8), append(), change())
            .prop_map(move |(key, at, writes, change)| new(key, at, writes, Some(change))),
        3 => (keys(), keys(), option::weighted(0.7, place()), moment(8)).prop_map(|(key, parent, at, time)| {
            Draft::Fork {
                key,
                parent,
                at,
                status: None,
                metadata: None,
                time,
                writes: Vec::new(),
                over: true,
            }
        }),
        1 => (keys(), moment(8)).prop_map(move |(key, at)| new(key, at, vec![Write::Delete], None)),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        5 => any::<Index>().prop_map(Place::Shown),
        2 => any::<Index>().prop_map(Place::Any),
        3 => any::<bool>().prop_map(Place::None),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (place(), vec(message(), 0..=2)).prop_map(|(place, summary)| Change::Compact(place, summary)),
        8 => Just(Change::Uncompact),
        2 => (1_usize..=4).prop_map(Change::Pop),
        2 => place().prop_map(Change::Rewind),
        4 => Just(Change::Undo),
        2 => (vec(any::<Index>(), 0..=4), any::<bool>()).prop_map(|(cuts, turned)| Change::Set(cuts, turned)),
    ]
}

fn expect() -> impl Strategy<Value = Vec<Claim>> {
    let about = prop_oneof![
        4 => Just(About::Absence),
        2 => Just(About::State),
        3 => Just(About::Head),
        2 => (0_usize..3).prop_map(About::Tail),
        2 => (0..PLACES.len()).prop_map(About::Document),
    ];
    let claim = (about, prop::bool::weighted(0.4)).prop_map(|(about, wrongly)| Claim { about, wrongly });
    prop_oneof![3 => Just(Vec::new()), 2 => vec(claim, 1..=2)]
}

/// The writes of one commit: most begin by opening the session, some delete it, a few write to it as if it were open.
fn writes() -> impl Strategy<Value = Vec<Write>> {
    let opened = (opening(), vec(write(), 0..=4)).prop_map(|(opening, mut writes)| {
        writes.insert(0, opening);
        writes
    });
    prop_oneof![
        12 => opened,
        3 => vec(write(), 0..=3),
        2 => Just(vec![Write::Delete]),
    ]
}

fn opening() -> impl Strategy<Value = Write> {
    let family = prop_oneof![8 => Just(None), 8 => Just(Some(FAMILIES[0])), 1 => Just(Some(FAMILIES[1]))];
    let status = option::weighted(0.3, prop::sample::select(&STATUSES[..]));
    (family, status, option::weighted(0.3, object())).prop_map(|(family, status, metadata)| {
        Write::Open(Opening { family: family.map(Into::into), status: status.map(Into::into), metadata })
    })
}

fn write() -> impl Strategy<Value = Write> {
    let few = 0_u64..5;
    let place =
        || prop::sample::select(&PLACES[..]).prop_map(|(collection, id)| (collection.into(), id.into()));
    let blob =
        prop_oneof![3 => Just(None), 1 => Just(Some(Vec::new())), 2 => vec(0_u8..3, 1..4).prop_map(Some)];
    prop_oneof![
        6 => vec(message(), 0..=3).prop_map(Write::Append),
        2 => prop::sample::select(&STATUSES[..]).prop_map(|status| Write::SetStatus(status.into())),
        2 => object().prop_map(Write::SetMetadata),
        2 => prop_oneof![5 => few.clone(), 1 => Just(limits::COUNT_MAX - 1)].prop_map(Write::SetTokens),
        3 => prop_oneof![5 => few, 1 => Just(limits::COUNT_MAX)].prop_map(Write::AddTokens),
        3 => (place(), object(), blob).prop_map(|((collection, id), body, blob)| {
            Write::PutDocument(NewDocument { collection, id, body, blob })
        }),
        3 => (place(), merge_patch()).prop_map(|((collection, id), patch)| {
            Write::PatchDocument { collection, id, patch }
        }),
        3 => place().prop_map(|(collection, id)| Write::RemoveDocument { collection, id }),
        1 => Just(Write::open()),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    prop::sample::select(&FRAGILE_JSON[..]).prop_map(json)
}

/// Objects that overlap in their members, and some that lose something if they are read as a value.
fn object() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => prop::sample::select(&["{}", r#"{ "a":null }"#, r#"{"a":{"b":-0,"c":[ 1 ]}}"#, r#"{"b":1e400}"#][..])
            .prop_map(json),
        1 => any_json().prop_map(|inside| json(format!(r#"{{"a":{inside},"d": {{"e":{inside}}} }}"#))),
    ]
}

/// Patches, some of which cannot be merged: they name half of a surrogate pair.
fn merge_patch() -> impl Strategy<Value = Json> {
    prop_oneof![
        8 => object(),
        4 => prop::sample::select(&[r#"{"a":{"b":null}}"#, r#"{"a":null,"d":{"f":1}}"#, "null", "[ 1 ]"][..])
            .prop_map(json),
        1 => Just(json(r#"{"a":1,"\ud800":2}"#)),
    ]
}

/// Messages. One with an id says nearly always what the other ones with this id say.
fn message() -> impl Strategy<Value = NewMessage> {
    let plain = (any_json(), option::weighted(0.3, any_json()), option::weighted(0.3, object())).prop_map(
        |(content, tool_calls, attributes)| NewMessage {
            tool_calls,
            attributes,
            ..NewMessage::new("user", content)
        },
    );
    let plain = (plain, option::weighted(0.3, moment(8)))
        .prop_map(|(message, created_at)| NewMessage { created_at, ..message });
    let named = (0_u8..4, 0_u8..5, prop::bool::weighted(0.1)).prop_map(|(id, other, dated)| NewMessage {
        content: json(if other == 0 { "\"word 0\"" } else { "\"word 1\"" }),
        opens: if other < 3 { vec![format!("call {id}")] } else { Vec::new() },
        closes: if other % 2 == 1 { vec![format!("call {}", (id + 3) % 4)] } else { Vec::new() },
        token_count: Some(id.into()),
        created_at: dated.then(|| second(3)),
        ..NewMessage::new("tool", "").message_id(format!("m-{id}"))
    });
    prop_oneof![2 => plain, 3 => named]
}

impl Step {
    /// The call that this step means, now that it is known what is there and what was.
    pub(super) async fn resolve(&self, right: &Store, story: &[Told]) -> Vec<Commit> {
        let mut call = Vec::with_capacity(self.commits.len());
        for draft in &self.commits {
            let commit = draft.resolve(right, story).await;
            let over = match draft {
                Draft::Fork { over, key, parent, .. } => *over && key != parent,
                Draft::Restore { over, .. } => *over,
                Draft::New { .. } | Draft::Again { .. } => false,
            };
            if over && matches!(right.session(&commit.key).await, Ok(Some(_))) {
                call.push(Commit::new(commit.key.clone()).write(Write::Delete));
            }
            call.push(commit);
        }
        call
    }
}

impl Draft {
    async fn resolve(&self, right: &Store, story: &[Told]) -> Commit {
        match self {
            Draft::Fork { key: number, parent, at, status, metadata, time, writes, over: _ } => {
                let parent = key(*parent);
                let at = match at {
                    Some(place) => Some(place.resolve(&parent, right).await),
                    None => None,
                };
                let status = status.map(str::to_owned);
                let fork = Fork { parent, at, status, metadata: metadata.clone() };
                let time = *time + TimeDelta::seconds(story.len() as i64 / 2);
                let fork = Commit::new(key(*number)).at(time).write(Write::Fork(fork));
                writes.iter().cloned().fold(fork, Commit::write)
            }
            Draft::Restore { key: number, from, which, over: _ } => {
                let mut parts = restored(&key(*from), right).await;
                match which {
                    Which::All => {}
                    Which::Twice => parts.extend(parts.clone()),
                    Which::Without(part) if *part < parts.len() => _ = parts.remove(*part),
                    Which::Without(_) => {}
                }
                parts
                    .into_iter()
                    .map(Write::Restore)
                    .fold(Commit::new(key(*number)).at(second(0)), Commit::write)
            }
            Draft::New { key: number, id, at, expect, writes, view } => {
                let mut resolved = Vec::with_capacity(expect.len());
                for claim in expect {
                    resolved.push(claim.resolve(&key(*number), right).await);
                }
                let id = id.map(|id| format!("c-{id}"));
                // Time goes on by and by, and now and then back.
                let at = *at + TimeDelta::seconds(story.len() as i64 / 2);
                let mut writes = writes.clone();
                if let Some(change) = view {
                    writes.push(change.resolve(&key(*number), right).await);
                }
                Commit { key: key(*number), id, at: Some(at), expect: resolved, writes }
            }
            Draft::Again { which, altered } => {
                let done = story.iter().filter(|told| told.answer.is_ok()).flat_map(|told| &told.call);
                let with_id: Vec<&Commit> = done.filter(|commit| commit.id.is_some()).collect();
                if with_id.is_empty() {
                    return Commit::new(key(0)).at(second(0)).write(Write::open()).id("c-0");
                }
                let mut commit = (*which.get(&with_id)).clone();
                if *altered {
                    commit.at = Some(second(9));
                }
                commit
            }
        }
    }
}

/// What restores a session elsewhere; nothing, if there is none or it inherited from one that was deleted, which has a name
/// of each store's own.
async fn restored(key: &SessionKey, right: &Store) -> Vec<Restore> {
    let Ok(lineage) = right.lineage(key).await else { return Vec::new() };
    let parent = lineage.forked_from.iter().filter_map(|from| from.key.as_ref());
    let named = lineage.inherited.iter().all(|from| from.key.is_some());
    let mut inherited = lineage.inherited.iter().filter_map(|from| from.key.as_ref()).chain(parent);
    if !named || inherited.any(SessionKey::is_reserved) {
        return Vec::new();
    }
    restores::parts(right, key).await
}

/// The numbers of all messages of a session, shown and hidden ones; and of those that it shows.
async fn numbers(key: &SessionKey, right: &Store) -> (Vec<u64>, Vec<u64>) {
    let read = async |window| {
        let page = right.message_window(key, window).await;
        page.map_or(Vec::new(), |page| page.messages.iter().map(|message| message.seq).collect())
    };
    (read(Window::log(0, limits::PAGE_MAX)).await, read(Window::after(0, limits::PAGE_MAX)).await)
}

impl Place {
    async fn resolve(&self, key: &SessionKey, right: &Store) -> u64 {
        let (log, shown) = numbers(key, right).await;
        match self {
            Place::Shown(index) if !shown.is_empty() => *index.get(&shown),
            Place::Any(index) if !log.is_empty() => *index.get(&log),
            Place::None(true) => log.len() as u64 + 1,
            _ => 0,
        }
    }
}

impl Change {
    async fn resolve(&self, key: &SessionKey, right: &Store) -> Write {
        match self {
            Change::Compact(place, summary) => {
                Write::Compact { through: place.resolve(key, right).await, summary: summary.clone() }
            }
            Change::Uncompact => Write::Uncompact,
            Change::Pop(count) => Write::Pop { count: *count },
            Change::Rewind(place) => Write::Rewind { seq: place.resolve(key, right).await },
            Change::Undo => Write::Undo,
            Change::Set(cuts, turned) => {
                let (log, _) = numbers(key, right).await;
                let mut cuts: Vec<u64> =
                    cuts.iter().filter(|_| !log.is_empty()).map(|cut| *cut.get(&log)).collect();
                cuts.sort_unstable();
                cuts.dedup();
                let mut stretches: Vec<(u64, u64)> =
                    cuts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                if *turned {
                    stretches.reverse();
                }
                Write::SetView(stretches)
            }
        }
    }
}

impl Claim {
    async fn resolve(&self, key: &SessionKey, right: &Store) -> Expect {
        let session = right.session(key).await.ok().flatten();
        let of = |field: fn(&crate::Session) -> u64| session.as_ref().map_or(0, field);
        let error = u64::from(self.wrongly);
        match self.about {
            About::Absence if session.is_none() || self.wrongly => Expect::Absent,
            About::Absence => Expect::State(of(|session| session.revision)),
            About::State => Expect::State(of(|session| session.revision) + error),
            About::Head => Expect::Head(of(|session| session.head) + error),
            About::Tail(count) => {
                let (_, shown) = numbers(key, right).await;
                let count = if shown.is_empty() { 0 } else { count.max(1) };
                let mut tail = shown[shown.len().saturating_sub(count)..].to_vec();
                tail.extend(self.wrongly.then_some(99));
                Expect::Tail(tail)
            }
            About::Document(place) => {
                let (collection, id) = PLACES[place];
                let document = right.document(key, collection, id).await.ok().flatten();
                let revision = document.map_or(0, |document| document.revision) + error;
                Expect::Document { collection: collection.into(), id: id.into(), revision }
            }
        }
    }
}

/// A page of documents, of any size and from any place.
pub(super) fn document_filter() -> impl Strategy<Value = DocumentFilter> {
    let place =
        prop::sample::select(&PLACES[..]).prop_map(|(collection, id)| (collection.to_owned(), id.to_owned()));
    let collection = prop::sample::select(&["a", "a b", "b", "none"][..]).prop_map(str::to_owned);
    (option::weighted(0.5, collection), option::weighted(0.3, place), 1_usize..=3)
        .prop_map(|(collection, after, limit)| DocumentFilter { collection, after, limit })
}
