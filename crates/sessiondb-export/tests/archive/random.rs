//! Random stores: whatever was done to a store, its archive restores it.

use pollster::block_on;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use sessiondb::{Commit, Fork, Json, NewDocument, NewMessage, Store, Write};

use crate::desk::{archive, file, json, key, memory, read_whole, second, seen};

/// JSON that does not survive being read as a value and written again, or being put on a line.
const FRAGILE: [&str; 9] = [
    "-0",
    "1e400",
    "null",
    r#""\ud800""#,
    "[ 1 ,\t2,\n 3 ]",
    "{\r\n}",
    r#"{"a":1,"a":2}"#,
    r#"{"sessiondb:text":"1"}"#,
    "\"é \u{2028} \u{9b}\"",
];
const PEERS: [&str; 4] = ["ann", "Ann", "b:b", "\n"];

#[derive(Debug, Clone)]
enum Act {
    Write(usize, i64, Vec<Write>),
    Compact(usize, usize, bool),
    Rewind(usize, Index),
    Fork(usize, usize, Option<Index>),
    Delete(usize),
}

fn fragile() -> impl Strategy<Value = Json> {
    prop::sample::select(&FRAGILE[..]).prop_map(json)
}

fn object() -> impl Strategy<Value = Json> {
    fragile().prop_map(|value| json(&format!("{{ \"x\": {} }}", value.get())))
}

fn message() -> impl Strategy<Value = NewMessage> {
    let calls = || vec(prop::sample::select(&["c1", "c2", "\n\u{7}"][..]).prop_map(str::to_owned), 0..2);
    let times = option::of((0..9_i64).prop_map(second));
    let parts = (fragile(), option::of(fragile()), option::of(object()), calls(), calls());
    (parts, times, option::of(0..99_u64)).prop_map(
        |((content, tool_calls, attributes, opens, closes), created_at, token_count)| NewMessage {
            tool_calls,
            attributes,
            opens,
            closes,
            created_at,
            token_count,
            ..NewMessage::new("user", content)
        },
    )
}

fn write() -> impl Strategy<Value = Write> {
    let id = || prop::sample::select(&["1", "2", "é"][..]).prop_map(str::to_owned);
    prop_oneof![
        4 => vec(message(), 1..4).prop_map(Write::Append),
        2 => (id(), fragile(), option::of(vec(any::<u8>(), 0..5))).prop_map(|(id, body, blob)| {
            Write::PutDocument(NewDocument { blob, ..NewDocument::new("notes", id, body) })
        }),
        1 => id().prop_map(|id| Write::RemoveDocument { collection: "notes".into(), id }),
        1 => object().prop_map(Write::SetMetadata),
        1 => prop::sample::select(&["idle", "done"][..]).prop_map(|status| Write::SetStatus(status.into())),
        1 => (0..9_u64).prop_map(Write::AddTokens),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let peer = || 0..PEERS.len();
    let view = prop_oneof![
        2 => (1..3_usize).prop_map(|count| Write::Pop { count }),
        2 => Just(Write::Undo),
        1 => Just(Write::Uncompact),
        1 => Just(Write::Rewind { seq: 0 }),
    ];
    let writes = (vec(write(), 0..3), option::weighted(0.3, view), any::<bool>());
    let writes = writes.prop_map(|(mut writes, view, opens)| {
        writes.extend(view);
        if opens || writes.is_empty() {
            writes.insert(0, Write::open());
        }
        writes
    });
    prop_oneof![
        6 => (peer(), 0..9_i64, writes).prop_map(|(peer, at, writes)| Act::Write(peer, at, writes)),
        2 => (peer(), 0..4_usize, any::<bool>()).prop_map(|(peer, keep, summary)| Act::Compact(peer, keep, summary)),
        1 => (peer(), any::<Index>()).prop_map(|(peer, at)| Act::Rewind(peer, at)),
        3 => (peer(), peer(), option::of(any::<Index>())).prop_map(|(a, b, at)| Act::Fork(a, b, at)),
        1 => peer().prop_map(Act::Delete),
    ]
}

/// Does it, if it can be done.
async fn play(store: &Store, act: &Act) -> sessiondb::Result<()> {
    let shown = async |peer: usize, at: &Index| {
        let window = sessiondb::Window::last(100);
        let messages = store.message_window(&key(PEERS[peer]), window).await?.messages;
        Ok::<_, sessiondb::Error>((!messages.is_empty()).then(|| at.get(&messages).seq))
    };
    match act {
        Act::Write(peer, at, writes) => {
            let commit = Commit { writes: writes.clone(), ..Commit::new(key(PEERS[*peer])).at(second(*at)) };
            store.commit_one(commit).await?;
        }
        Act::Compact(peer, keep, summary) => {
            let summary = summary.then(|| NewMessage::new("system", "short"));
            store.compact(&key(PEERS[*peer]), *keep, summary).await?;
        }
        Act::Rewind(peer, at) => {
            let seq = shown(*peer, at).await?.unwrap_or(0);
            store.rewind(&key(PEERS[*peer]), seq).await?;
        }
        Act::Fork(parent, peer, at) => {
            let at = match at {
                Some(at) => shown(*parent, at).await?,
                None => None,
            };
            let fork = Fork { parent: key(PEERS[*parent]), at, status: None, metadata: None };
            // All sessions of one moment: lists break the tie by the numbers of the logs.
            let commit = Commit::new(key(PEERS[*peer])).at(second(3)).write(Write::Fork(fork));
            store.commit_one(commit).await?;
        }
        Act::Delete(peer) => {
            store.session_delete(&key(PEERS[*peer])).await?;
        }
    }
    Ok(())
}

fn holds(acts: &[Act], source: Store, target: Store) {
    let mut done = 0;
    for act in acts {
        done += u32::from(block_on(play(&source, act)).is_ok());
    }
    let first = archive(&source);
    read_whole(&target, &first);
    assert_eq!(archive(&target), first, "after {done} acts");
    assert_eq!(seen(&target), seen(&source));
    let again = read_whole(&target, &first);
    assert_eq!((again.sessions, again.messages), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_archive_restores_a_random_store(acts in vec(act(), 0..40)) {
        holds(&acts, memory(), memory());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_archive_goes_from_memory_into_a_file(acts in vec(act(), 0..40)) {
        let (target, _dir) = file();
        holds(&acts, memory(), target);
    }

    #[test]
    fn an_archive_goes_from_a_file_into_memory(acts in vec(act(), 0..40)) {
        let (source, _dir) = file();
        holds(&acts, source, memory());
    }
}
