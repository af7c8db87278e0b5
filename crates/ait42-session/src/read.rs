//! From the parts of a stored session to the models: pure functions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use sessiondb::{Document, Error, Json, Message, Session, SessionKey, SessionParts, Time, time};

use crate::{
    ChatMessage, RepositoryError, Workspace, WorktreeInstance, WorktreeSession,
    instant::instant,
    layout::{
        ACCESS, FAMILY, INSTANCE_MEMBERS, INSTANCES, InstanceMembers, LAST, MESSAGE_MEMBERS, MessageMembers,
        OUTPUTS, SESSION_MEMBERS, SessionMembers, WorkspaceMembers, others,
    },
    models::legal::shown,
    record::Record,
};

/// A session as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// The session.
    pub record: Record,
    /// Its revision: for [`Expect::State`](sessiondb::Expect::State).
    pub revision: u64,
    /// Its last message ever: for [`Expect::Head`](sessiondb::Expect::Head).
    pub head: u64,
    /// The numbers of its messages, one for each of the record's.
    pub seqs: Vec<u64>,
    /// How many messages it has, whether they were read or not.
    pub message_count: u64,
    /// When it was opened in the store: for the bounds of lists.
    pub opened_at: Time,
}

/// Whether to read the members that the models have no field for: it takes a second look at each JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// They are read.
    Read,
    /// They are left out. What is read so must not be written.
    Skip,
}

/// The session of these parts: with its documents of [`INSTANCES`] and [`OUTPUTS`], and its messages.
///
/// # Errors
/// [`RepositoryError::Database`] with an [`Error::Undecodable`] that names what cannot be read.
pub(crate) fn stored(parts: SessionParts, wanted: Others) -> Result<Stored, RepositoryError> {
    let SessionParts { session: row, documents, messages, .. } = parts;
    let (mut session, mut outputs) = (session(&row)?, BTreeMap::new());
    let mut instance_others = BTreeMap::new();
    for document in documents {
        match document.collection.as_str() {
            INSTANCES => {
                let instance = instance(&row.key, &document)?;
                if wanted == Others::Read {
                    let others = document_others(&row.key, &document)?;
                    keep(&mut instance_others, instance.instance_id, others);
                }
                session.instances.push(instance);
            }
            OUTPUTS => {
                outputs.insert(instance_id(&row.key, &document)?, document);
            }
            _ => {}
        }
    }
    session.instances.sort_unstable_by_key(|instance| instance.instance_id);
    for instance in &mut session.instances {
        if let Some(output) = outputs.remove(&instance.instance_id) {
            instance.output = Some(read(&row.key, || named(&output), &output.body)?);
        }
    }
    if let Some(output) = outputs.into_values().next() {
        return Err(undecodable(&row.key, named(&output), "there is no instance of this number"));
    }
    let mut message_others = BTreeMap::new();
    let mut seqs = Vec::with_capacity(messages.len());
    session.chat_history.reserve(messages.len());
    for message in messages {
        seqs.push(message.seq);
        if wanted == Others::Read
            && let Some(attributes) = &message.attributes
            && let Some(id) = &message.message_id
        {
            let others = others(attributes, MESSAGE_MEMBERS)
                .map_err(|error| undecodable(&row.key, format!("message {}", message.seq), error))?;
            keep(&mut message_others, id.clone(), others);
        }
        session.chat_history.push(chat_message(&row.key, message)?);
    }
    let others = match wanted {
        Others::Read => session_others(&row)?,
        Others::Skip => Map::new(),
    };
    Ok(Stored {
        record: Record { session, others, instance_others, message_others },
        revision: row.revision,
        head: row.head,
        seqs,
        message_count: row.message_count,
        opened_at: row.created_at,
    })
}

/// A session's own values, without its instances and messages.
///
/// # Errors
/// As [`stored`].
pub(crate) fn session(row: &Session) -> Result<WorktreeSession, RepositoryError> {
    if row.family != FAMILY {
        let reason = format!("it is a session of family '{}', not '{FAMILY}'", row.family);
        return Err(undecodable(&row.key, "it".into(), reason));
    }
    let mut members: SessionMembers<'_> = read(&row.key, || "its metadata".into(), &row.metadata)?;
    for (member, text) in [("createdAt", &members.created_at), ("updatedAt", &members.updated_at)] {
        if instant(text).is_none() {
            let reason = format!("its {member} is no RFC 3339 time: '{}'", shown(text));
            return Err(undecodable(&row.key, "its metadata".into(), reason));
        }
    }
    // It does not go back, also if it was written ahead of the store's clock.
    if row.head > members.updated_at_head && instant(&members.updated_at) <= Some(row.updated_at) {
        members.updated_at = time::to_text(row.updated_at).into();
    }
    let SessionKey { account_id, peer_id, .. } = &row.key;
    Ok(members.into_session(account_id.clone(), peer_id.clone(), row.status.clone()))
}

/// The members of a session that the models have no field for.
///
/// # Errors
/// As [`stored`].
pub(crate) fn session_others(row: &Session) -> Result<Map<String, Value>, RepositoryError> {
    others(&row.metadata, SESSION_MEMBERS)
        .map_err(|error| undecodable(&row.key, "its metadata".into(), error))
}

/// A workspace's metadata, or that of the claim of a path.
///
/// # Errors
/// As [`stored`].
pub(crate) fn workspace_members(row: &Session) -> Result<WorkspaceMembers, RepositoryError> {
    read(&row.key, || "its metadata".into(), &row.metadata)
}

/// A workspace, with its documents of [`ACCESS`].
///
/// # Errors
/// As [`stored`].
pub(crate) fn workspace(row: &Session, documents: &[Document]) -> Result<Workspace, RepositoryError> {
    let last = documents.iter().find(|document| document.collection == ACCESS && document.id == LAST);
    let last = last.ok_or_else(|| undecodable(&row.key, "it".into(), "it has no document access/last"))?;
    Ok(Workspace {
        hash: row.key.account_id.clone(),
        path: workspace_members(row)?.path,
        last_accessed: read(&row.key, || named(last), &last.body)?,
    })
}

/// The instance of a document of [`INSTANCES`], without its output.
///
/// # Errors
/// As [`stored`].
pub(crate) fn instance(key: &SessionKey, document: &Document) -> Result<WorktreeInstance, RepositoryError> {
    let instance_id = instance_id(key, document)?;
    let members: InstanceMembers<'_> = read(key, || named(document), &document.body)?;
    Ok(members.into_instance(key.peer_id.clone(), instance_id))
}

/// A message as the models have it.
///
/// # Errors
/// As [`stored`].
pub(crate) fn chat_message(key: &SessionKey, message: Message) -> Result<ChatMessage, RepositoryError> {
    let Message { seq, role, content, message_id, attributes, .. } = message;
    let name = || format!("message {seq}");
    let missing = |what: &str| undecodable(key, name(), format!("it has no {what}"));
    let attributes = attributes.ok_or_else(|| missing("attributes"))?;
    let members: MessageMembers<'_> = read(key, name, &attributes)?;
    Ok(ChatMessage {
        id: message_id.ok_or_else(|| missing("message_id"))?,
        session_id: key.peer_id.clone(),
        role,
        content: content.into_text().map_err(|error| undecodable(key, name(), error))?,
        timestamp: members.timestamp.into_owned(),
        instance_id: members.instance_id,
    })
}

fn instance_id(key: &SessionKey, document: &Document) -> Result<i64, RepositoryError> {
    // Only one text names a number, so that two documents cannot be one instance.
    let id = document.id.parse::<i64>().ok().filter(|id| id.to_string() == document.id);
    id.ok_or_else(|| undecodable(key, named(document), "its id is no number of an instance"))
}

fn document_others(key: &SessionKey, document: &Document) -> Result<Map<String, Value>, RepositoryError> {
    others(&document.body, INSTANCE_MEMBERS).map_err(|error| undecodable(key, named(document), error))
}

fn keep<K: Ord>(others: &mut BTreeMap<K, Map<String, Value>>, id: K, of_it: Map<String, Value>) {
    if !of_it.is_empty() {
        others.insert(id, of_it);
    }
}

fn read<'a, T: Deserialize<'a>>(
    key: &SessionKey,
    name: impl FnOnce() -> String,
    json: &'a Json,
) -> Result<T, RepositoryError> {
    json.read().map_err(|error| undecodable(key, name(), error))
}

fn named(document: &Document) -> String {
    format!("document {}/{}", document.collection, document.id)
}

/// That a part of a session cannot be read.
pub(crate) fn undecodable(key: &SessionKey, part: String, reason: impl ToString) -> RepositoryError {
    RepositoryError::Database(Error::Undecodable {
        row: format!("session {key}: {part}"),
        reason: reason.to_string(),
    })
}
