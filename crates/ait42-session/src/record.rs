//! [`Record`]: a session with everything that its JSON has, whether this crate knows the member or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{ChatMessage, RepositoryError, WorktreeInstance, WorktreeSession};

/// A session, and the members of its JSON that the models have no field for (AIT42's screen writes `evaluation`,
/// `testsPassed` and others). They are kept wherever the session goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// The session. Its `workspace_hash` is set, and so is the `session_id` of its instances and messages.
    pub session: WorktreeSession,
    /// Other members of the session.
    pub others: Map<String, Value>,
    /// Other members of its instances, by their ids; none is empty.
    pub instance_others: BTreeMap<i64, Map<String, Value>>,
    /// Other members of its messages, by their ids; none is empty.
    pub message_others: BTreeMap<String, Map<String, Value>>,
}

impl Record {
    /// Reads one session of the file of this workspace. An optional member that is `null` is absent; instances are put
    /// into the order of their ids.
    ///
    /// # Errors
    /// Says which member is not what it must be, and what is there: `instances[1].branch: a text is needed, and it is 7`.
    /// Whether the values are legal is not looked at.
    pub(crate) fn from_json(workspace_hash: &str, json: &str) -> Result<Record, String> {
        let value: Value = serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        let mut members = Members::of(value, String::new())?;
        let id = members.text("id")?;
        members.same("workspaceHash", workspace_hash)?;
        let mut record = Record {
            session: WorktreeSession {
                workspace_hash: workspace_hash.to_owned(),
                r#type: members.text("type")?,
                task: members.text("task")?,
                status: members.text("status")?,
                created_at: members.text("createdAt")?,
                updated_at: members.text("updatedAt")?,
                completed_at: members.text_if_any("completedAt")?,
                model: members.text_if_any("model")?,
                timeout_seconds: members.integer_if_any("timeoutSeconds")?,
                preserve_worktrees: members.flag_if_any("preserveWorktrees")?,
                winner_id: members.integer_if_any("winnerId")?,
                runtime_mix: members.texts_if_any("runtimeMix")?,
                total_duration: members.integer_if_any("totalDuration")?,
                total_files_changed: members.integer_if_any("totalFilesChanged")?,
                total_lines_added: members.integer_if_any("totalLinesAdded")?,
                total_lines_deleted: members.integer_if_any("totalLinesDeleted")?,
                integration_phase: members.text_if_any("integrationPhase")?,
                integration_instance_id: members.integer_if_any("integrationInstanceId")?,
                instances: Vec::new(),
                chat_history: Vec::new(),
                id,
            },
            others: Map::new(),
            instance_others: BTreeMap::new(),
            message_others: BTreeMap::new(),
        };
        for members in members.objects("instances")? {
            record.read_instance(members)?;
        }
        twice(
            "instances",
            "instanceId",
            record.session.instances.iter().map(|instance| instance.instance_id),
        )?;
        record.session.instances.sort_by_key(|instance| instance.instance_id);
        for members in members.objects("chatHistory")? {
            record.read_message(members)?;
        }
        twice("chatHistory", "id", record.session.chat_history.iter().map(|message| &message.id))?;
        record.others = members.map;
        Ok(record)
    }

    fn read_instance(&mut self, mut members: Members) -> Result<(), String> {
        members.same("sessionId", &self.session.id)?;
        let instance = WorktreeInstance {
            instance_id: members.integer("instanceId")?,
            session_id: self.session.id.clone(),
            worktree_path: members.text("worktreePath")?,
            branch: members.text("branch")?,
            agent_name: members.text("agentName")?,
            status: members.text("status")?,
            tmux_session_id: members.text("tmuxSessionId")?,
            output: members.text_if_any("output")?,
            start_time: members.text_if_any("startTime")?,
            end_time: members.text_if_any("endTime")?,
            files_changed: members.integer_if_any("filesChanged")?,
            lines_added: members.integer_if_any("linesAdded")?,
            lines_deleted: members.integer_if_any("linesDeleted")?,
            runtime: members.text_if_any("runtime")?,
            model: members.text_if_any("model")?,
            runtime_label: members.text_if_any("runtimeLabel")?,
        };
        if !members.map.is_empty() {
            self.instance_others.insert(instance.instance_id, members.map);
        }
        self.session.instances.push(instance);
        Ok(())
    }

    fn read_message(&mut self, mut members: Members) -> Result<(), String> {
        members.same("sessionId", &self.session.id)?;
        let message = ChatMessage {
            id: members.text("id")?,
            session_id: self.session.id.clone(),
            role: members.text("role")?,
            content: members.text("content")?,
            timestamp: members.text("timestamp")?,
            instance_id: members.integer_if_any("instanceId")?,
        };
        if !members.map.is_empty() {
            self.message_others.insert(message.id.clone(), members.map);
        }
        self.session.chat_history.push(message);
        Ok(())
    }

    /// The session as AIT42 has it in a file: without the workspace's hash and the session's id in its parts.
    ///
    /// # Errors
    /// [`RepositoryError::Internal`] with what serde_json says; not met with records that were read.
    pub(crate) fn to_json(&self) -> Result<Value, RepositoryError> {
        serde_json::to_value(self).map_err(|error| self.unwritable(&error))
    }

    /// What tells this content from another: SHA-256, in hexadecimal, of the record's JSON with members in the order of
    /// their names.
    ///
    /// # Errors
    /// As [`to_json`](Record::to_json).
    pub(crate) fn digest(&self) -> Result<String, RepositoryError> {
        // The members of a `Value` are sorted, so however the record came, equal content is equal text.
        let text = serde_json::to_vec(&self.to_json()?).map_err(|error| self.unwritable(&error))?;
        Ok(sha256(&text))
    }

    fn unwritable(&self, error: &serde_json::Error) -> RepositoryError {
        RepositoryError::Internal(format!("session {} cannot be written as JSON: {error}", self.session.id))
    }
}

/// Refuses what has the id of an earlier one.
fn twice<T: Ord + fmt::Display>(list: &str, name: &str, ids: impl Iterator<Item = T>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (index, id) in ids.enumerate() {
        if let Some(id) = seen.replace(id) {
            return Err(format!("{list}[{index}].{name}: there is another {id} before it"));
        }
    }
    Ok(())
}

/// SHA-256 of these bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The members of one JSON object that are not taken out yet, and where the object is.
struct Members {
    map: Map<String, Value>,
    path: String,
}

impl Members {
    fn of(value: Value, path: String) -> Result<Members, String> {
        match value {
            Value::Object(map) => Ok(Members { map, path }),
            other => {
                let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
                Err(format!("{place}an object is needed, and it is {}", short(&other)))
            }
        }
    }

    fn at(&self, name: &str, what: impl fmt::Display) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}{name}: {what}", self.path)
    }

    /// Takes a member out; `null` is none.
    fn take<T>(
        &mut self,
        name: &str,
        needed: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, String> {
        match self.map.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(value).map(Some).map_err(|value| {
                self.at(name, format_args!("{needed} is needed, and it is {}", short(&value)))
            }),
        }
    }

    fn must<T>(&self, name: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| self.at(name, "it is missing"))
    }

    fn text_if_any(&mut self, name: &str) -> Result<Option<String>, String> {
        self.take(name, "a text", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        let text = self.text_if_any(name)?;
        self.must(name, text)
    }

    fn integer_if_any(&mut self, name: &str) -> Result<Option<i64>, String> {
        self.take(name, "a whole number of 64 bits", |value| value.as_i64().ok_or(value))
    }

    fn integer(&mut self, name: &str) -> Result<i64, String> {
        let integer = self.integer_if_any(name)?;
        self.must(name, integer)
    }

    fn flag_if_any(&mut self, name: &str) -> Result<Option<bool>, String> {
        self.take(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    fn texts_if_any(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        self.take(name, "a list of texts", |value| {
            let texts = value
                .as_array()
                .and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
            texts.ok_or(value)
        })
    }

    /// The objects in a list; without a list, none.
    fn objects(&mut self, name: &str) -> Result<Vec<Members>, String> {
        let list = self.take(name, "a list", |value| match value {
            Value::Array(list) => Ok(list),
            other => Err(other),
        })?;
        let place = |index| self.at(&format!("{name}[{index}]"), "").trim_end_matches(": ").to_owned();
        let objects = list.into_iter().flatten().enumerate();
        objects.map(|(index, value)| Members::of(value, place(index))).collect()
    }

    /// Takes out a member that says again what is known; some programs write it.
    fn same(&mut self, name: &str, known: &str) -> Result<(), String> {
        match self.text_if_any(name)? {
            Some(text) if text != known && !text.is_empty() => {
                Err(self.at(name, format_args!("'{known}' is needed, and it is '{text}'")))
            }
            _ => Ok(()),
        }
    }
}

/// A value for a message, not too long.
pub(crate) fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 80;
    let text = value.to_string();
    let count = text.chars().count();
    if count <= CHARS_MAX {
        return text;
    }
    let head: String = text.chars().take(CHARS_MAX).collect();
    format!("{head}… ({count} characters)")
}

impl Serialize for Record {
    /// As AIT42 writes it: its order of members, absent ones left out, then the others.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let session = &self.session;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &session.id)?;
        map.serialize_entry("type", &session.r#type)?;
        map.serialize_entry("task", &session.task)?;
        map.serialize_entry("status", &session.status)?;
        map.serialize_entry("createdAt", &session.created_at)?;
        map.serialize_entry("updatedAt", &session.updated_at)?;
        if_any(&mut map, "completedAt", session.completed_at.as_ref())?;
        map.serialize_entry("instances", &Instances(self))?;
        map.serialize_entry("chatHistory", &Messages(self))?;
        if_any(&mut map, "model", session.model.as_ref())?;
        if_any(&mut map, "timeoutSeconds", session.timeout_seconds)?;
        if_any(&mut map, "preserveWorktrees", session.preserve_worktrees)?;
        if_any(&mut map, "winnerId", session.winner_id)?;
        if_any(&mut map, "runtimeMix", session.runtime_mix.as_ref())?;
        if_any(&mut map, "totalDuration", session.total_duration)?;
        if_any(&mut map, "totalFilesChanged", session.total_files_changed)?;
        if_any(&mut map, "totalLinesAdded", session.total_lines_added)?;
        if_any(&mut map, "totalLinesDeleted", session.total_lines_deleted)?;
        if_any(&mut map, "integrationPhase", session.integration_phase.as_ref())?;
        if_any(&mut map, "integrationInstanceId", session.integration_instance_id)?;
        others(&mut map, Some(&self.others))?;
        map.end()
    }
}

struct Instances<'a>(&'a Record);

impl Serialize for Instances<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0.session.instances.iter().map(|instance| Instance {
                instance,
                others: self.0.instance_others.get(&instance.instance_id),
            }),
        )
    }
}

struct Instance<'a> {
    instance: &'a WorktreeInstance,
    others: Option<&'a Map<String, Value>>,
}

impl Serialize for Instance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instance = self.instance;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("instanceId", &instance.instance_id)?;
        map.serialize_entry("worktreePath", &instance.worktree_path)?;
        map.serialize_entry("branch", &instance.branch)?;
        map.serialize_entry("agentName", &instance.agent_name)?;
        map.serialize_entry("status", &instance.status)?;
        map.serialize_entry("tmuxSessionId", &instance.tmux_session_id)?;
        if_any(&mut map, "output", instance.output.as_ref())?;
        if_any(&mut map, "startTime", instance.start_time.as_ref())?;
        if_any(&mut map, "endTime", instance.end_time.as_ref())?;
        if_any(&mut map, "filesChanged", instance.files_changed)?;
        if_any(&mut map, "linesAdded", instance.lines_added)?;
        if_any(&mut map, "linesDeleted", instance.lines_deleted)?;
        if_any(&mut map, "runtime", instance.runtime.as_ref())?;
        if_any(&mut map, "model", instance.model.as_ref())?;
        if_any(&mut map, "runtimeLabel", instance.runtime_label.as_ref())?;
        others(&mut map, self.others)?;
        map.end()
    }
}

struct Messages<'a>(&'a Record);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .session
                .chat_history
                .iter()
                .map(|message| Message { message, others: self.0.message_others.get(&message.id) }),
        )
    }
}

struct Message<'a> {
    message: &'a ChatMessage,
    others: Option<&'a Map<String, Value>>,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &message.id)?;
        map.serialize_entry("role", &message.role)?;
        map.serialize_entry("content", &message.content)?;
        map.serialize_entry("timestamp", &message.timestamp)?;
        if_any(&mut map, "instanceId", message.instance_id)?;
        others(&mut map, self.others)?;
        map.end()
    }
}

fn if_any<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

fn others<M: SerializeMap>(map: &mut M, others: Option<&Map<String, Value>>) -> Result<(), M::Error> {
    for (name, value) in others.into_iter().flatten() {
        map.serialize_entry(name, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn full() -> Value {
        json!({
            "id": "s1", "type": "competition", "task": "sort", "status": "running",
            "createdAt": "2025-01-13T10:00:00.123Z", "updatedAt": "2025-01-13T10:00:00.123456789+00:00",
            "instances": [
                {"instanceId": 1, "worktreePath": "/w/1", "branch": "b1", "agentName": "claude", "status": "idle",
                 "tmuxSessionId": "t1", "output": "…", "filesChanged": 3, "runtime": "claude", "testsPassed": 7},
                {"instanceId": 2, "worktreePath": "/w/2", "branch": "b2", "agentName": "codex", "status": "running",
                 "tmuxSessionId": "t2"}
            ],
            "chatHistory": [
                {"id": "msg-1", "role": "user", "content": "go", "timestamp": "2025-01-13T10:00:01Z", "instanceId": 2,
                 "draft": null}
            ],
            "preserveWorktrees": false, "runtimeMix": ["claude", "codex"],
            "evaluation": {"score": 0.1234567890123, "by": ["judge"]}
        })
    }

    fn read(value: &Value) -> Result<Record, String> {
        Record::from_json("abc", &value.to_string())
    }

    #[test]
    fn what_is_read_is_written_again() {
        let record = read(&full()).unwrap();
        assert_eq!(record.to_json().unwrap(), full());
        assert_eq!(record.session.workspace_hash, "abc");
        assert_eq!(record.session.instances[1].session_id, "s1");
        assert_eq!(record.others["evaluation"]["score"], 0.1234567890123);
        assert_eq!(record.instance_others[&1]["testsPassed"], 7);
        assert!(record.message_others["msg-1"]["draft"].is_null());
    }

    /// Defect 5: the hash of the workspace and the id of the session were required of every JSON object, so no file
    /// that AIT42 had written could be read ("missing field `workspace_hash`").
    #[test]
    fn defect_05_sessions_without_workspace_hash_and_session_id_are_read() {
        let record = read(&full()).unwrap();
        assert_eq!((record.session.instances.len(), record.session.chat_history.len()), (2, 1));
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains("workspaceHash") && !text.contains("sessionId"), "{text}");
        // The public models read them too.
        let session: WorktreeSession = serde_json::from_value(full()).unwrap();
        assert_eq!(session.instances[0].instance_id, 1);
    }

    /// Defect 4, seen from the files: the mix of runtimes is an array there, and not a text that has one.
    #[test]
    fn defect_04_runtime_mix_is_an_array_in_files() {
        assert_eq!(read(&full()).unwrap().to_json().unwrap()["runtimeMix"], json!(["claude", "codex"]));
        let mut quoted = full();
        quoted["runtimeMix"] = json!("[\"claude\"]");
        assert_eq!(
            read(&quoted).unwrap_err(),
            r#"runtimeMix: a list of texts is needed, and it is "[\"claude\"]""#
        );
    }

    #[test]
    fn members_come_in_the_order_of_ait42() {
        let text = serde_json::to_string(&read(&full()).unwrap()).unwrap();
        let place = |name: &str| text.find(&format!("\"{name}\":")).unwrap();
        let names = [
            "id",
            "type",
            "task",
            "updatedAt",
            "instances",
            "chatHistory",
            "preserveWorktrees",
            "evaluation",
        ];
        assert!(names.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{text}");
    }

    #[test]
    fn null_is_absent_and_lists_may_be_missing() {
        let mut value = full();
        let map = value.as_object_mut().unwrap();
        map.remove("instances");
        map.insert("chatHistory".into(), Value::Null);
        map.insert("model".into(), Value::Null);
        let record = read(&value).unwrap();
        assert_eq!((record.session.model, record.session.instances.len()), (None, 0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |pointer: &str, value: Value| {
            let mut json = full();
            *json.pointer_mut(pointer).unwrap() = value;
            read(&json).unwrap_err()
        };
        assert_eq!(with("/task", Value::Null), "task: it is missing");
        assert_eq!(
            with("/instances/1/branch", json!(7)),
            "instances[1].branch: a text is needed, and it is 7"
        );
        assert_eq!(
            with("/instances/0/filesChanged", json!(1.5)),
            "instances[0].filesChanged: a whole number of 64 bits is needed, and it is 1.5"
        );
        assert_eq!(with("/instances/0", json!("x")), "instances[0]: an object is needed, and it is \"x\"");
        assert_eq!(
            with("/instances/1/instanceId", json!(1)),
            "instances[1].instanceId: there is another 1 before it"
        );
        assert_eq!(with("/chatHistory", json!({})), "chatHistory: a list is needed, and it is {}");
        assert_eq!(read(&json!([])).unwrap_err(), "an object is needed, and it is []");
        let mut other = full();
        other["workspaceHash"] = json!("def");
        assert_eq!(read(&other).unwrap_err(), "workspaceHash: 'abc' is needed, and it is 'def'");
        let mut again = full();
        again["chatHistory"] = json!([full()["chatHistory"][0], full()["chatHistory"][0]]);
        assert_eq!(read(&again).unwrap_err(), "chatHistory[1].id: there is another msg-1 before it");
        let long = with("/task", json!(["x".repeat(500)]));
        assert!(long.ends_with("… (504 characters)") && long.len() < 160, "{long}");
        assert!(Record::from_json("abc", r#"{"n": 1e999}"#).unwrap_err().contains("out of range"));
    }

    #[test]
    fn equal_content_has_one_digest() {
        let record = read(&full()).unwrap();
        // Members and instances in another order, and an absent member said to be null.
        let mut value = full();
        value["instances"].as_array_mut().unwrap().reverse();
        value["model"] = Value::Null;
        assert_eq!(read(&value).unwrap().digest().unwrap(), record.digest().unwrap());
        value["instances"][0]["testsPassed"] = json!(8);
        assert_ne!(read(&value).unwrap().digest().unwrap(), record.digest().unwrap());
        assert_eq!(record.digest().unwrap().len(), 64);
    }

    proptest! {
        /// Numbers are doubles to everybody who reads these files; none changes a bit on its way.
        #[test]
        fn unknown_members_keep_their_value(score in any::<f64>(), text in ".*", count in any::<i64>()) {
            prop_assume!(score.is_finite());
            let mut value = full();
            value["evaluation"] = json!({"score": score, text.clone(): [count, text]});
            prop_assert_eq!(read(&value).unwrap().to_json().unwrap(), value);
        }

        #[test]
        fn any_text_is_a_record_or_an_error(text in ".{0,80}") {
            let _ = Record::from_json("abc", &text);
        }
    }
}
