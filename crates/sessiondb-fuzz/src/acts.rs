//! Bytes as something that is done to a store: what a program could call, on a few sessions so that they meet.

use arbitrary::{Result, Unstructured};
use pollster::block_on;
use sessiondb::{
    Commit, Expect, Fork, Json, NewDocument, NewMessage, SessionKey, Store, Time, Window, Write,
};

const PEERS: [&str; 4] = ["ann", "Ann", "b:b", "\n"];
const IDS: [&str; 3] = ["1", "2", "é"];
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

/// Does one thing, if the bytes are enough for it and the store takes it.
pub(crate) fn play(store: &Store, bytes: &mut Unstructured<'_>) -> Result<()> {
    let key = key(bytes)?;
    let mut commit = Commit::new(key.clone()).at(second(bytes)?);
    if bytes.ratio(1, 4)? {
        commit = commit.id(*bytes.choose(&IDS)?);
    }
    if bytes.ratio(1, 8)? {
        commit = commit.expect(Expect::State(bytes.int_in_range(0..=5)?));
    }
    match bytes.int_in_range(0..=9)? {
        0 => commit = commit.write(Write::Delete),
        1..=2 => {
            let (parent, at) = (self::key(bytes)?, bytes.arbitrary::<bool>()?);
            let at = if at { Some(seq(store, &parent, bytes)?) } else { None };
            commit = commit.write(Write::Fork(Fork { parent, at, status: None, metadata: None }));
        }
        _ => {
            for _ in 0..bytes.int_in_range(1..=3)? {
                commit = commit.write(write(store, &key, bytes)?);
            }
        }
    }
    _ = block_on(store.commit_one(commit));
    Ok(())
}

fn write(store: &Store, key: &SessionKey, bytes: &mut Unstructured<'_>) -> Result<Write> {
    Ok(match bytes.int_in_range(0..=15)? {
        0..=1 => Write::open(),
        2..=5 => Write::Append(vec![message(bytes)?; bytes.int_in_range(1..=3)?]),
        6 => Write::PutDocument(NewDocument {
            blob: bytes.arbitrary()?,
            ..NewDocument::new("notes", *bytes.choose(&IDS)?, fragile(bytes)?)
        }),
        7 => Write::RemoveDocument { collection: "notes".into(), id: (*bytes.choose(&IDS)?).into() },
        8 => Write::SetMetadata(object(bytes)?),
        9 => Write::AddTokens(bytes.int_in_range(0..=9)?),
        10 => Write::Pop { count: bytes.int_in_range(1..=3)? },
        11 => Write::Undo,
        12 => Write::Uncompact,
        13 => Write::Rewind { seq: seq(store, key, bytes)? },
        14 => {
            let summary = if bytes.arbitrary()? { vec![message(bytes)?] } else { Vec::new() };
            Write::Compact { through: seq(store, key, bytes)?, summary }
        }
        _ => {
            let mut stretches = Vec::new();
            for _ in 0..bytes.int_in_range(0..=3)? {
                let first = seq(store, key, bytes)?;
                stretches.push((first, first + bytes.int_in_range(0..=2)?));
            }
            Write::SetView(stretches)
        }
    })
}

fn message(bytes: &mut Unstructured<'_>) -> Result<NewMessage> {
    let calls = |bytes: &mut Unstructured<'_>| -> Result<Vec<String>> {
        Ok(if bytes.ratio(1, 4)? { vec![(*bytes.choose(&IDS)?).to_owned()] } else { Vec::new() })
    };
    let mut message = NewMessage::new("user", fragile(bytes)?);
    message.tool_calls = if bytes.ratio(1, 4)? { Some(fragile(bytes)?) } else { None };
    message.attributes = if bytes.ratio(1, 4)? { Some(object(bytes)?) } else { None };
    message.created_at = if bytes.ratio(1, 4)? { Some(second(bytes)?) } else { None };
    message.message_id = if bytes.ratio(1, 4)? { Some((*bytes.choose(&IDS)?).to_owned()) } else { None };
    (message.opens, message.closes) = (calls(bytes)?, calls(bytes)?);
    message.token_count = bytes.arbitrary::<Option<u16>>()?.map(u64::from);
    Ok(message)
}

fn key(bytes: &mut Unstructured<'_>) -> Result<SessionKey> {
    Ok(SessionKey::new("main", "cli", "", "dm", *bytes.choose(&PEERS)?))
}

fn second(bytes: &mut Unstructured<'_>) -> Result<Time> {
    let seconds: i64 = bytes.int_in_range(0..=9)?;
    Ok(Time::from_timestamp(1_795_132_800 + seconds, 0).unwrap())
}

fn fragile(bytes: &mut Unstructured<'_>) -> Result<Json> {
    Ok(Json::parse(*bytes.choose(&FRAGILE)?).unwrap())
}

fn object(bytes: &mut Unstructured<'_>) -> Result<Json> {
    Ok(Json::parse(format!("{{ \"x\": {} }}", fragile(bytes)?)).unwrap())
}

/// The number of a message that the session shows, mostly.
fn seq(store: &Store, key: &SessionKey, bytes: &mut Unstructured<'_>) -> Result<u64> {
    let shown = block_on(store.message_window(key, Window::last(9)));
    let seqs: Vec<u64> = shown.iter().flat_map(|page| &page.messages).map(|message| message.seq).collect();
    if seqs.is_empty() || bytes.ratio(1, 8)? {
        bytes.int_in_range(0..=9)
    } else {
        bytes.choose(&seqs).copied()
    }
}
