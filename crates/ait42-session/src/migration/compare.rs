//! [`Comparison`]: in what the files of a directory and the store differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use serde::Serialize;
use serde_json::{Map, Value};
use sessiondb::time;

use crate::{
    RepositoryError, SqliteSessionRepository,
    migration::{
        files::{SessionFile, SessionFiles, on_thread},
        imported::{FILE, workspaces},
    },
    record::{Record, short},
    writes,
};

/// What came of comparing the files of a directory with the store.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Comparison {
    /// How many workspaces were compared.
    pub workspaces: u64,
    /// How many sessions were compared, on whichever side they are.
    pub sessions: u64,
    /// Every difference.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether both sides say the same.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// That of one workspace could not be compared.
    fn of(workspace_hash: &str, what: Disagreement) -> Comparison {
        let difference = Difference { workspace_hash: workspace_hash.to_owned(), what };
        Comparison { workspaces: 1, sessions: 0, differences: vec![difference] }
    }
}

/// One thing in which the two sides differ. Its text is for people:
/// `1f2e3d4c5b6a7988: s1.instances[2].status: file "running", store "completed"`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The workspace.
    pub workspace_hash: String,
    /// What differs there.
    #[serde(flatten)]
    pub what: Disagreement,
}

/// In what the two sides differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Disagreement {
    /// The workspace's file cannot be read, so nothing in it was compared.
    FileUnreadable {
        /// Why not.
        reason: String,
    },
    /// The store's sessions of the workspace cannot be read, so none was compared.
    StoreUnreadable {
        /// Why not.
        reason: String,
    },
    /// The file has something that is no session, or one that the store does not take.
    Refused {
        /// Which: its position in the file, and its id if it has one.
        session: String,
        /// Why.
        reason: String,
    },
    /// Only the file has this session.
    OnlyInFile {
        /// Its id.
        session_id: String,
    },
    /// Only the store has this session.
    OnlyInStore {
        /// Its id.
        session_id: String,
    },
    /// Both have the session, and a member of it differs.
    Member {
        /// Its id.
        session_id: String,
        /// Which member. `instances[2].status` is that of the instance with id 2; `chatHistory[5] (msg-7).content` that
        /// of the message at position 5, counted from 0 in the file, or in the store if the file has it not.
        path: String,
        /// The file's value; `None` if it has none.
        file: Option<Value>,
        /// The store's value; `None` if it has none.
        store: Option<Value>,
    },
    /// Both have the same messages, in another order.
    Order {
        /// The session's id.
        session_id: String,
        /// The first message of the file that stands elsewhere in the store.
        file: String,
        /// The store's message in that place.
        store: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.workspace_hash)?;
        match &self.what {
            Disagreement::FileUnreadable { reason } => write!(f, "the file cannot be read: {reason}"),
            Disagreement::StoreUnreadable { reason } => {
                write!(f, "the store's sessions cannot be read: {reason}")
            }
            Disagreement::Refused { session, reason } => {
                write!(f, "{session} in the file cannot be stored: {reason}")
            }
            Disagreement::OnlyInFile { session_id } => write!(f, "{session_id}: only the file has it"),
            Disagreement::OnlyInStore { session_id } => write!(f, "{session_id}: only the store has it"),
            Disagreement::Member { session_id, path, file, store } => {
                let (file, store) = shown(file.as_ref(), store.as_ref());
                write!(f, "{session_id}.{path}: file {file}, store {store}")
            }
            Disagreement::Order { session_id, file, store } => {
                write!(f, "{session_id}.chatHistory: the order differs: file {file}, store {store}")
            }
        }
    }
}

/// Two values for people. Of two long texts what they begin to differ with is shown.
fn shown(file: Option<&Value>, store: Option<&Value>) -> (String, String) {
    const LONG: usize = 60;
    if let (Some(Value::String(file)), Some(Value::String(store))) = (file, store) {
        let same = file.chars().zip(store.chars()).take_while(|(one, other)| one == other).count();
        if same > LONG {
            let from = |text: &str| {
                let rest: String = text.chars().skip(same).collect();
                format!("{} from character {same} on", short(&Value::String(rest)))
            };
            return (from(file), from(store));
        }
    }
    let one = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), short);
    (one(file), one(store))
}

/// Compares every workspace that has a file in this directory or is in the store. It changes nothing, and takes no lock:
/// what changes meanwhile may show as a difference.
///
/// # Errors
/// [`RepositoryError::Internal`] if there is no such directory; [`RepositoryError::Database`]. What cannot be read is a
/// difference.
pub async fn compare(
    dir: impl AsRef<Path>,
    repository: &SqliteSessionRepository,
) -> Result<Comparison, RepositoryError> {
    let files = SessionFiles::new(dir.as_ref());
    Ok(compare_all(&files, repository).await?.0)
}

/// The comparison, and the digest of each file that was compared: also of one that is not there, but could be.
pub(crate) async fn compare_all(
    files: &SessionFiles,
    repository: &SqliteSessionRepository,
) -> Result<(Comparison, BTreeMap<String, Option<String>>), RepositoryError> {
    let listing = on_thread({
        let files = files.clone();
        move || files.list()
    });
    let mut hashes: BTreeSet<String> = listing.await?.hashes.into_iter().collect();
    hashes.extend(workspaces(repository.pool(), FILE).await?.into_iter().map(|(hash, _)| hash));
    let (mut all, mut digests) = (Comparison::default(), BTreeMap::new());
    for hash in hashes {
        let stored = repository.stored_all(&hash).await;
        let file = on_thread({
            let (files, hash) = (files.clone(), hash.clone());
            // What has a name that no file can have, has no file.
            move || Ok(files.path(&hash).is_ok().then(|| files.read(&hash)).transpose())
        });
        let compared = match (file.await?, stored) {
            (Ok(file), Ok(stored)) => {
                if let Some(file) = &file {
                    digests.insert(hash.clone(), file.digest.clone());
                }
                let none = || SessionFile { entries: Vec::new(), digest: None, blank: true };
                let file = file.unwrap_or_else(none);
                let by_id = stored.iter().map(|one| (one.record.session.id.as_str(), &one.record)).collect();
                let why_not = |record: &Record| {
                    let created = writes::commits(None, Some(record), time::now());
                    created.err().map(|error| error.reason())
                };
                differences(&hash, &file, &by_id, why_not)?
            }
            (Err(error), _) => Comparison::of(&hash, Disagreement::FileUnreadable { reason: error.reason() }),
            (_, Err(error)) => {
                Comparison::of(&hash, Disagreement::StoreUnreadable { reason: error.reason() })
            }
        };
        all.workspaces += compared.workspaces;
        all.sessions += compared.sessions;
        all.differences.extend(compared.differences);
    }
    Ok((all, digests))
}

/// In what a workspace's file and the store's sessions of it differ.
pub(crate) fn differences(
    workspace_hash: &str,
    file: &SessionFile,
    store: &BTreeMap<&str, &Record>,
    why_not_stored: impl Fn(&Record) -> Option<String>,
) -> Result<Comparison, RepositoryError> {
    let mut found = Vec::new();
    let mut sessions = 0;
    let mut in_file = BTreeSet::new();
    for record in file.records() {
        let session_id = record.session.id.clone();
        sessions += 1;
        match store.get(session_id.as_str()) {
            Some(stored) => members(&session_id, &record.to_json()?, &stored.to_json()?, &mut found),
            None => found.push(match why_not_stored(record) {
                Some(reason) => Disagreement::Refused { session: session_id, reason },
                None => Disagreement::OnlyInFile { session_id },
            }),
        }
        in_file.insert(record.session.id.as_str());
    }
    for refused in file.refused() {
        sessions += 1;
        found.push(Disagreement::Refused { session: refused.name(), reason: refused.reason.clone() });
    }
    for session_id in store.keys().filter(|id| !in_file.contains(**id)) {
        sessions += 1;
        found.push(Disagreement::OnlyInStore { session_id: (*session_id).to_owned() });
    }
    let difference = |what| Difference { workspace_hash: workspace_hash.to_owned(), what };
    Ok(Comparison { workspaces: 1, sessions, differences: found.into_iter().map(difference).collect() })
}

fn members(session_id: &str, file: &Value, store: &Value, found: &mut Vec<Disagreement>) {
    if file == store {
        return;
    }
    let mut member = |path: String, file: Option<&Value>, store: Option<&Value>| {
        found.push(Disagreement::Member {
            session_id: session_id.to_owned(),
            path,
            file: file.cloned(),
            store: store.cloned(),
        });
    };
    let empty = Map::new();
    let of = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (mut file, mut store) = (of(file), of(store));
    let (file_instances, store_instances) = (list(&mut file, "instances"), list(&mut store, "instances"));
    let (file_messages, store_messages) = (list(&mut file, "chatHistory"), list(&mut store, "chatHistory"));
    values("", Some(&Value::Object(file)), Some(&Value::Object(store)), &mut member);

    let instances = |list: &[Value]| -> BTreeMap<i64, Value> {
        list.iter().map(|one| (one["instanceId"].as_i64().unwrap_or_default(), one.clone())).collect()
    };
    let (file_by_id, store_by_id) = (instances(&file_instances), instances(&store_instances));
    let ids: BTreeSet<&i64> = file_by_id.keys().chain(store_by_id.keys()).collect();
    for id in ids {
        values(&format!("instances[{id}]"), file_by_id.get(id), store_by_id.get(id), &mut member);
    }

    let id = |message: &Value| message["id"].as_str().unwrap_or_default().to_owned();
    let by_id = |list: &[Value]| -> BTreeMap<String, usize> {
        list.iter().enumerate().map(|(index, one)| (id(one), index)).collect()
    };
    let (file_places, store_places) = (by_id(&file_messages), by_id(&store_messages));
    for (index, message) in file_messages.iter().enumerate() {
        let stored = store_places.get(&id(message)).and_then(|index| store_messages.get(*index));
        values(&format!("chatHistory[{index}] ({})", id(message)), Some(message), stored, &mut member);
    }
    for (index, message) in store_messages.iter().enumerate() {
        if !file_places.contains_key(&id(message)) {
            member(format!("chatHistory[{index}] ({})", id(message)), None, Some(message));
        }
    }
    let common_in_file = file_messages.iter().map(&id).filter(|id| store_places.contains_key(id));
    let common_in_store = store_messages.iter().map(&id).filter(|id| file_places.contains_key(id));
    if let Some((file, store)) = common_in_file.zip(common_in_store).find(|(file, store)| file != store) {
        found.push(Disagreement::Order { session_id: session_id.to_owned(), file, store });
    }
}

fn list(map: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match map.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// Goes down as far as both sides are objects, or lists of one length.
fn values(
    path: &str,
    file: Option<&Value>,
    store: Option<&Value>,
    member: &mut impl FnMut(String, Option<&Value>, Option<&Value>),
) {
    match (file, store) {
        (file, store) if file == store => {}
        (Some(Value::Object(file)), Some(Value::Object(store))) => {
            let names: BTreeSet<&String> = file.keys().chain(store.keys()).collect();
            let dot = if path.is_empty() { "" } else { "." };
            for name in names {
                values(&format!("{path}{dot}{name}"), file.get(name), store.get(name), member);
            }
        }
        (Some(Value::Array(file)), Some(Value::Array(store))) if file.len() == store.len() => {
            for (index, (file, store)) in file.iter().zip(store).enumerate() {
                values(&format!("{path}[{index}]"), Some(file), Some(store), member);
            }
        }
        (file, store) => member(path.to_owned(), file, store),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session() -> Value {
        let instance = |id: i64| {
            json!({"instanceId": id, "worktreePath": "", "branch": "b", "agentName": "a", "status": "running",
                "tmuxSessionId": "", "testsPassed": 1})
        };
        let message = |id: &str| json!({"id": id, "role": "user", "content": id, "timestamp": ""});
        json!({"id": "s1", "type": "debate", "task": "t", "status": "running", "createdAt": "", "updatedAt": "",
            "instances": [instance(1), instance(2)],
            "chatHistory": [message("m1"), message("m2"), message("m3")],
            "evaluation": {"scores": [1, 2], "by": "judge"}})
    }

    fn compared(file: &[Value], store: &[Value]) -> Vec<String> {
        let text = Value::Array(file.to_vec()).to_string();
        let file = SessionFile::parse("w", text.as_bytes()).unwrap();
        let store: Vec<_> =
            store.iter().map(|one| Record::from_json("w", &one.to_string()).unwrap()).collect();
        let store = store.iter().map(|record| (record.session.id.as_str(), record)).collect();
        let bad = |record: &Record| (record.session.task == "bad").then(|| "no".to_owned());
        let comparison = differences("w", &file, &store, bad).unwrap();
        assert_eq!(comparison.is_equal(), comparison.differences.is_empty());
        comparison.differences.iter().map(ToString::to_string).collect()
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut session = session();
        *session.pointer_mut(pointer).unwrap() = value;
        session
    }

    #[test]
    fn equal_sides_have_no_difference() {
        assert!(compared(&[session()], &[session()]).is_empty());
        let mut reversed = session();
        reversed["instances"].as_array_mut().unwrap().reverse();
        assert!(compared(&[reversed], &[session()]).is_empty());
    }

    #[test]
    fn every_differing_member_is_named_with_both_values() {
        let one = |pointer: &str, value: Value| {
            let found = compared(&[session()], &[with(pointer, value)]);
            assert_eq!(found.len(), 1, "{found:?}");
            found.into_iter().next().unwrap()
        };
        assert_eq!(
            one("/instances/1/status", json!("completed")),
            r#"w: s1.instances[2].status: file "running", store "completed""#
        );
        assert_eq!(
            one("/instances/0/testsPassed", json!(2)),
            "w: s1.instances[1].testsPassed: file 1, store 2"
        );
        assert_eq!(one("/evaluation/scores/1", json!(3)), "w: s1.evaluation.scores[1]: file 2, store 3");
        assert_eq!(one("/evaluation/scores", json!([1])), "w: s1.evaluation.scores: file [1,2], store [1]");
        assert_eq!(
            one("/chatHistory/1/content", json!("other")),
            r#"w: s1.chatHistory[1] (m2).content: file "m2", store "other""#
        );
        let mut without = session();
        without.as_object_mut().unwrap().remove("evaluation");
        assert_eq!(
            compared(&[without], &[session()]),
            [r#"w: s1.evaluation: file nothing, store {"by":"judge","scores":[1,2]}"#]
        );
    }

    #[test]
    fn missing_and_moved_messages_are_told_apart() {
        let messages = |ids: &[usize]| {
            let all = session()["chatHistory"].clone();
            with("/chatHistory", ids.iter().map(|index| all[*index].clone()).collect())
        };
        assert_eq!(
            compared(&[messages(&[0, 1, 2])], &[messages(&[0, 2])]),
            [
                r#"w: s1.chatHistory[1] (m2): file {"content":"m2","id":"m2","role":"user","timestamp":""}, store nothing"#
            ]
        );
        assert_eq!(
            compared(&[messages(&[0])], &[messages(&[0, 2])])[0],
            r#"w: s1.chatHistory[1] (m3): file nothing, store {"content":"m3","id":"m3","role":"user","timestamp":""}"#
        );
        assert_eq!(
            compared(&[messages(&[0, 1, 2])], &[messages(&[0, 2, 1])]),
            ["w: s1.chatHistory: the order differs: file m2, store m3"]
        );
    }

    #[test]
    fn sessions_of_one_side_and_refused_ones_are_named() {
        let named = |id: &str| with("/id", json!(id));
        let mut bad = named("s3");
        bad["task"] = json!("bad");
        assert_eq!(
            compared(&[named("s1"), bad, json!({"id": "s4"})], &[named("s2")]),
            [
                "w: s1: only the file has it",
                "w: s3 in the file cannot be stored: no",
                "w: session 2 (s4) in the file cannot be stored: type: it is missing",
                "w: s2: only the store has it",
            ]
        );
    }

    #[test]
    fn of_long_texts_what_differs_is_shown() {
        let long = |end: &str| with("/task", json!(format!("{}{end}", "x".repeat(1_000))));
        assert_eq!(
            compared(&[long("A")], &[long(&"B".repeat(500))])[0].as_str(),
            format!(
                r#"w: s1.task: file "A" from character 1000 on, store "{}… (502 characters) from character 1000 on"#,
                "B".repeat(79)
            )
        );
    }
}
