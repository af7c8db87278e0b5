//! [`Restore`]: bringing a session into a store as it was in another one.

use serde::{Deserialize, Serialize};

use crate::{
    Document, Error, Json, KEPT, Message, NewDocument, NewMessage, Result, SessionKey, Time, ViewChangeKind,
    commit::{validate_metadata, validate_stretches},
    limits,
    message::validate_name,
    time,
};

/// A part of a session as it was in another store, with its numbers, revisions and times. It is what makes an archive
/// of a store read back to an equal store; ordinary writers have no use for it.
///
/// A session is restored in this order: itself, its messages and gaps, its documents, its state. Each part may be sent again:
/// what is there already and equal stays, and anything that differs is a conflict, so a restored session is never mixed
/// with another, and an interrupted restore is finished by doing it all again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Restore {
    /// Opens the session.
    Session(Box<RestoredSession>),
    /// Messages of its own log, in the order of their numbers. Their row ids are not kept.
    Messages(Vec<Message>),
    /// Numbers of its own log whose messages are gone, because somebody deleted their rows by hand. They stand in order
    /// among the messages, so that a message that was lost on the way is not taken for one that was deleted.
    #[expect(missing_docs, reason = "the first and the last of these numbers")]
    Gap { first: u64, last: u64 },
    /// Documents.
    Documents(Vec<Document>),
    /// Everything else about the session, when all its messages and documents are there.
    State(Box<RestoredState>),
}

/// What a session is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoredSession {
    /// Its family.
    pub family: String,
    /// When it was opened.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// The number of the first message of its own log: 1, or more in a fork.
    pub log_first: u64,
    /// What it inherited as a fork, in the order of the numbers, without gaps from 1 on.
    pub ancestors: Vec<RestoredAncestor>,
    /// The session that it was forked from, and at which message.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<serde_json::Value>>))]
    pub forked_from: Option<(SessionKey, u64)>,
}

/// A stretch of another session's log, which must be in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoredAncestor {
    /// Whose log: also one of the store's own addresses, where deleted sessions are kept for their forks.
    pub key: SessionKey,
    /// The first message.
    pub first: u64,
    /// The last message.
    pub last: u64,
}

/// A session but for its messages and documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoredState {
    /// Its status.
    pub status: String,
    /// Its metadata.
    pub metadata: Json,
    /// Its tokens.
    pub token_usage: u64,
    /// When it last changed.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Time,
    /// Its revision.
    pub revision: u64,
    /// Its last message, by which is seen whether all are there.
    pub head: u64,
    /// Its view, as stretches of numbers, the last of which may end with `head` or stand open after it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<u64>>))]
    pub view: Vec<(u64, u64)>,
    /// How its view changed, the oldest change first.
    pub changes: Vec<RestoredChange>,
}

/// A [`ViewChange`](crate::ViewChange) with its view as stretches of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is described at the field of ViewChange with its name")]
pub struct RestoredChange {
    pub revision: u64,
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Time,
    pub kind: ViewChangeKind,
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<u64>>))]
    pub before: Vec<(u64, u64)>,
    pub head_before: u64,
    pub head_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<u64>>))]
    pub summary: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<u64>,
}

impl Restore {
    pub(crate) fn len(&self) -> usize {
        match self {
            Restore::Session(session) => 1 + session.ancestors.len(),
            Restore::Messages(messages) => messages.len(),
            Restore::Documents(documents) => documents.len(),
            // The history of a view may be longer than a commit has changes. It counts by its bytes.
            Restore::Gap { .. } | Restore::State(_) => 1,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Restore::Session(_) | Restore::Gap { .. } => 0,
            Restore::Messages(messages) => messages.iter().map(|m| to_new(m).bytes()).sum(),
            Restore::Documents(documents) => documents
                .iter()
                .map(|document| document.body.get().len() + document.blob.as_ref().map_or(0, Vec::len))
                .sum(),
            Restore::State(state) => {
                let before: usize = state.changes.iter().map(|change| change.before.len()).sum();
                let stretches = (before + state.view.len()) * size_of::<(u64, u64)>();
                state.metadata.get().len() + stretches + state.changes.len() * size_of::<RestoredChange>()
            }
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        match self {
            Restore::Session(session) => session.validate(),
            Restore::Messages(messages) => messages.iter().try_for_each(|message| {
                if message.seq == 0 || message.seq >= limits::COUNT_MAX {
                    return Err(Error::Invalid(format!("a message cannot have the number {}", message.seq)));
                }
                to_new(message).validate()
            }),
            Restore::Gap { first, last } => {
                if *first == 0 || last < first || *last >= limits::COUNT_MAX {
                    return Err(Error::Invalid(format!("messages {first} to {last} cannot be a gap")));
                }
                Ok(())
            }
            Restore::Documents(documents) => documents.iter().try_for_each(|document| {
                time::validate(document.updated_at)?;
                let Document { collection, id, body, blob, .. } = document.clone();
                NewDocument { collection, id, body, blob }.validate()
            }),
            Restore::State(state) => state.validate(),
        }
    }
}

impl RestoredAncestor {
    /// The error for one whose log does not have all these numbers.
    #[doc(hidden)]
    pub fn lacking(&self) -> Error {
        let RestoredAncestor { key, first, last } = self;
        Error::Invalid(format!("session {key} does not have the messages {first} to {last} of its own log"))
    }
}

impl RestoredSession {
    fn validate(&self) -> Result<()> {
        validate_name("family", &self.family)?;
        time::validate(self.created_at)?;
        let mut next = 1;
        for ancestor in &self.ancestors {
            validate_ancestor(&ancestor.key)?;
            if ancestor.first != next || ancestor.last < ancestor.first {
                return Err(Error::Invalid(
                    "the ancestors' messages do not follow each other from 1 on".into(),
                ));
            }
            next = ancestor.last.saturating_add(1);
        }
        let mut keys: Vec<&SessionKey> = self.ancestors.iter().map(|ancestor| &ancestor.key).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Invalid(format!("session {} is an ancestor twice", pair[0])));
        }
        if self.log_first != next || next >= limits::COUNT_MAX {
            return Err(Error::Invalid(format!(
                "the log begins with message {}, but what comes before it ends with {}",
                self.log_first,
                next - 1
            )));
        }
        self.forked_from.as_ref().map_or(Ok(()), |(key, _)| validate_ancestor(key))
    }
}

/// An archive names what is kept for forks, and nothing else that is the store's own.
fn validate_ancestor(key: &SessionKey) -> Result<()> {
    if key.agent_id == KEPT { key.validate_any() } else { key.validate() }
}

impl RestoredState {
    fn validate(&self) -> Result<()> {
        validate_name("status", &self.status)?;
        validate_metadata(&self.metadata)?;
        time::validate(self.updated_at)?;
        let numbers = [self.revision, self.head];
        if numbers.into_iter().any(|number| number >= limits::COUNT_MAX)
            || self.token_usage > limits::COUNT_MAX
        {
            return Err(Error::Invalid("a number of the session exceeds 63 bits".into()));
        }
        validate_stretches(&self.view)?;
        let mut before = 0;
        for change in &self.changes {
            if change.revision <= before || change.revision > self.revision {
                return Err(Error::Invalid(
                    "the changes of the view are not in the order of their revisions".into(),
                ));
            }
            before = change.revision;
            change.validate(self.head, self.revision)?;
        }
        Ok(())
    }
}

impl RestoredChange {
    /// Whether it can have been made, in a session with this head and revision.
    fn validate(&self, head: u64, revision: u64) -> Result<()> {
        time::validate(self.at)?;
        validate_stretches(&self.before)?;
        let (before, after) = (self.head_before, self.head_after);
        let shown = |seq: u64| self.before.iter().any(|(first, last)| (*first..=*last).contains(&seq));
        let sound = before <= after
            && after <= head
            && self.before.iter().all(|(_, last)| *last <= before)
            && self.through.is_none_or(|through| shown(through) || (before < through && through <= after))
            && self.summary.is_none_or(|(first, last)| before < first && first <= last && last <= after)
            && [self.reverses, self.undone].into_iter().flatten().all(|other| other <= revision);
        if sound {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "the change of the view of revision {} cannot have been made",
            self.revision
        )))
    }
}

/// The message as a writer would append it.
pub(crate) fn to_new(message: &Message) -> NewMessage {
    NewMessage {
        role: message.role.clone(),
        content: message.content.clone(),
        tool_calls: message.tool_calls.clone(),
        created_at: Some(message.created_at),
        message_id: message.message_id.clone(),
        opens: message.opens.clone(),
        closes: message.closes.clone(),
        token_count: message.token_count,
        attributes: message.attributes.clone(),
    }
}
