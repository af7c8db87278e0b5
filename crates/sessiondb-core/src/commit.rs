//! [`Commit`]: everything that changes a session, as one value.

use serde::{Deserialize, Serialize};

use crate::{
    Error, FAMILY_DEFAULT, Json, KEPT, LogId, NewDocument, NewMessage, Restore, Result, SessionKey, Time,
    document,
    fingerprint::Fingerprint,
    limits,
    message::{validate_id, validate_name},
    time,
    window::validate_limit,
};

/// The caller's own name for a commit, unique per session, at most
/// [`ID_BYTES_MAX`](limits::ID_BYTES_MAX) bytes. It makes the commit repeatable: the same id with the same content
/// is answered with the first receipt, and other content is a conflict.
pub type CommitId = String;

/// A change of one session: what must hold, and what is written then. It happens as a whole or not at all.
///
/// A commit is a value: it can be queued, batched, retried, exported and replayed.
///
/// ```
/// use sessiondb_core::{Commit, Expect, NewMessage, SessionKey, Write};
///
/// let key = SessionKey::new("main", "cli", "", "dm", "ann");
/// let commit = Commit::new(key)
///     .write(Write::open())
///     .write(Write::Append(vec![NewMessage::new("user", "hello")]))
///     .expect(Expect::Absent)
///     .id("turn-1");
/// # assert!(commit.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The session.
    pub key: SessionKey,
    /// The caller's name for this commit, which makes it repeatable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 512))]
    pub id: Option<CommitId>,
    /// When it happened, if not now. An import gives the times of its source; what is given is kept, but
    /// `updated_at` never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub at: Option<Time>,
    /// What must hold, or nothing is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expect>,
    /// What to write, in this order.
    pub writes: Vec<Write>,
}

/// What a commit expects to find. An absent session has revision 0, head 0 and no documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// There is no session under this key.
    Absent,
    /// The session is at this revision.
    State(u64),
    /// The last message is this one.
    Head(u64),
    /// The view ends with exactly these messages, by number and in this order; at most
    /// [`PAGE_MAX`](limits::PAGE_MAX). No numbers: the view is empty.
    Tail(Vec<u64>),
    /// The session is the one with this log, and not another that was opened under its key since.
    Log(LogId),
    /// The document is at this revision; 0 means that it is absent.
    Document {
        /// The document's collection.
        collection: String,
        /// The document's id.
        id: String,
        /// Its revision.
        revision: u64,
    },
}

/// One change. Every write but [`Open`](Write::Open) needs the session to exist, opened before or by an earlier write
/// of the same commit; otherwise the commit is [`Error::NotFound`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Write {
    /// Opens the session if there is none. If there is one, nothing changes; if it is of another family than the
    /// one named, that is a conflict.
    Open(Opening),
    /// Appends messages, in this order. Appends commute with everything: the session's revision stays.
    Append(Vec<NewMessage>),
    /// Sets the status: not empty, at most [`NAME_BYTES_MAX`](limits::NAME_BYTES_MAX) bytes.
    SetStatus(String),
    /// Replaces the metadata: a JSON object, at most [`METADATA_BYTES_MAX`](limits::METADATA_BYTES_MAX) bytes.
    SetMetadata(Json),
    /// Sets the count of tokens used.
    SetTokens(u64),
    /// Adds to the count of tokens used. Additions commute with everything: the session's revision stays.
    AddTokens(u64),
    /// Puts a document, new or in place of the one with its collection and id.
    PutDocument(NewDocument),
    /// Changes a document's body by a merge patch (RFC 7396); an absent one is made from the patch.
    PatchDocument {
        /// The document's collection.
        collection: String,
        /// The document's id.
        id: String,
        /// The patch.
        patch: Json,
    },
    /// Removes a document; if there is none, nothing changes.
    RemoveDocument {
        /// The document's collection.
        collection: String,
        /// The document's id.
        id: String,
    },
    /// Opens the session as a fork of another: it shows the same history, and what is appended to either is seen in
    /// that one alone. Nothing is copied. If there is a session under this key, that is a conflict.
    ///
    /// The fork numbers its messages from where the shown part of the parent's ends. It has the parent's family, and its
    /// status and metadata unless others are given; it has none of its documents and tokens.
    Fork(Fork),
    /// Hides the older messages of the view, up to message `through` and with it, behind a summary, which is appended
    /// and shown first; without a summary they are just hidden. What was appended meanwhile stays. If this would cut a
    /// tool call from its result, less is hidden; if nothing is hidden then, nothing happens at all.
    ///
    /// If message `through` is not in the view, that is a conflict.
    Compact {
        /// The last message to hide.
        through: u64,
        /// What stands in their place.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        summary: Vec<NewMessage>,
    },
    /// Shows what the last compaction hid, in the place of its summary. If there was none since the last reset, or all
    /// were taken back, or something of what it hid is shown already, nothing happens.
    Uncompact,
    /// Hides the newest messages of the view, as many as `count` or all that there are. Their numbers are in the receipt.
    Pop {
        /// How many: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
        count: usize,
    },
    /// Hides the messages after message `seq`; for 0, all of them. If that message is not in the view, that is a
    /// conflict.
    Rewind {
        /// The last message to show.
        seq: u64,
    },
    /// Takes back the last change of the view that was not taken back yet, whichever it was. What was appended since
    /// stays; what the change's own commit appended (a summary) is hidden. Without one, nothing happens.
    Undo,
    /// Sets the whole view: stretches of message numbers, each the first and the last, in the order in which they are to
    /// be read, of the session's own log and of what it inherited as a fork. No message may be in it twice. If a number
    /// does not exist, that is a conflict.
    SetView(Vec<(u64, u64)>),
    /// Puts something into this session as it was in another store; see [`Restore`].
    Restore(Restore),
    /// Deletes the session with all its messages and documents. It stands alone in its commit. Messages that a fork
    /// inherited stay readable through the fork, and go with the last fork that has them.
    ///
    /// With a commit id it can be sent again while the key is free. If somebody may open the key anew meanwhile, give
    /// [`Expect::State`] or [`Expect::Head`] along, since to the store the new session is another one.
    Delete,
}

/// How a session is forked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The session to fork.
    pub parent: SessionKey,
    /// The last message of the parent's view that the fork shows; `None` for all that is there, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The fork's status; `None` for the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The fork's metadata, an object; `None` for the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}

/// How a session is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The family; `None` for any that exists, and [`FAMILY_DEFAULT`](crate::FAMILY_DEFAULT) for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The status of a new session; `None` for [`STATUS_DEFAULT`](crate::STATUS_DEFAULT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The metadata of a new session, an object; `None` for `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}

impl Write {
    /// Opens a plain conversation if there is no session.
    pub fn open() -> Write {
        Write::Open(Opening::default())
    }

    /// Opens a session of this family if there is none.
    pub fn open_family(family: impl Into<String>) -> Write {
        Write::Open(Opening { family: Some(family.into()), ..Opening::default() })
    }

    /// Whether it changes the view, for all but a fork's first.
    pub fn changes_view(&self) -> bool {
        match self {
            Write::Compact { .. }
            | Write::Uncompact
            | Write::Pop { .. }
            | Write::Rewind { .. }
            | Write::Undo
            | Write::SetView(_) => true,
            Write::Open(_)
            | Write::Append(_)
            | Write::SetStatus(_)
            | Write::SetMetadata(_)
            | Write::SetTokens(_)
            | Write::AddTokens(_)
            | Write::PutDocument(_)
            | Write::PatchDocument { .. }
            | Write::RemoveDocument { .. }
            | Write::Fork(_)
            | Write::Restore(_)
            | Write::Delete => false,
        }
    }

    /// The single changes in this write.
    fn len(&self) -> usize {
        match self {
            Write::Append(messages) => messages.len(),
            Write::Compact { summary, .. } => 1 + summary.len(),
            Write::SetView(stretches) => stretches.len(),
            Write::Restore(restore) => restore.len(),
            _ => 1,
        }
    }

    /// The bytes of content in this write.
    fn bytes(&self) -> usize {
        match self {
            Write::Open(opening) => opening.metadata.as_ref().map_or(0, |json| json.get().len()),
            Write::Append(messages) | Write::Compact { summary: messages, .. } => {
                messages.iter().map(NewMessage::bytes).sum()
            }
            Write::Fork(fork) => fork.metadata.as_ref().map_or(0, |json| json.get().len()),
            Write::Restore(restore) => restore.bytes(),
            Write::SetMetadata(json) => json.get().len(),
            Write::PutDocument(document) => document.bytes(),
            Write::PatchDocument { patch, .. } => patch.get().len(),
            _ => 0,
        }
    }

    fn validate(&self) -> Result<()> {
        match self {
            Write::Open(opening) => {
                validate_name("family", opening.family.as_deref().unwrap_or(FAMILY_DEFAULT))?;
                opening.status.as_deref().map_or(Ok(()), |status| validate_name("status", status))?;
                opening.metadata.as_ref().map_or(Ok(()), validate_metadata)
            }
            Write::Append(messages) => validate_messages(messages),
            Write::Fork(fork) => {
                fork.parent.validate()?;
                validate_seq(fork.at.unwrap_or(0))?;
                fork.status.as_deref().map_or(Ok(()), |status| validate_name("status", status))?;
                fork.metadata.as_ref().map_or(Ok(()), validate_metadata)
            }
            Write::Compact { through, summary } => {
                validate_seq(*through)?;
                validate_messages(summary)
            }
            Write::Rewind { seq } => validate_seq(*seq),
            Write::Pop { count } => validate_limit(*count),
            Write::SetView(stretches) => validate_stretches(stretches),
            Write::Restore(restore) => restore.validate(),
            Write::SetStatus(status) => validate_name("status", status),
            Write::SetMetadata(metadata) => validate_metadata(metadata),
            Write::SetTokens(tokens) | Write::AddTokens(tokens) if *tokens > limits::COUNT_MAX => {
                Err(Error::Invalid("a count of tokens exceeds 63 bits".into()))
            }
            Write::SetTokens(_) | Write::AddTokens(_) | Write::Uncompact | Write::Undo | Write::Delete => {
                Ok(())
            }
            Write::PutDocument(document) => document.validate(),
            Write::PatchDocument { collection, id, .. } | Write::RemoveDocument { collection, id } => {
                document::validate_address(collection, id)
            }
        }
    }
}

fn validate_messages(messages: &[NewMessage]) -> Result<()> {
    messages.iter().zip(1..).try_for_each(|(message, number)| {
        message.validate().map_err(|error| match error {
            Error::Invalid(reason) if messages.len() > 1 => {
                Error::Invalid(format!("message {number} of {}: {reason}", messages.len()))
            }
            error => error,
        })
    })
}

fn validate_seq(seq: u64) -> Result<()> {
    if seq > limits::COUNT_MAX {
        return Err(Error::Invalid("a sequence number exceeds 63 bits".into()));
    }
    Ok(())
}

/// Stretches of message numbers that each go forward and of which no two have a number in common.
pub(crate) fn validate_stretches(stretches: &[(u64, u64)]) -> Result<()> {
    let mut sorted = stretches.to_vec();
    sorted.sort_unstable();
    for (first, last) in &sorted {
        validate_seq(*last)?;
        if *first == 0 || last < first {
            return Err(Error::Invalid(format!("{first} to {last} is no stretch of messages")));
        }
    }
    match sorted.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
        Some(pair) => Err(Error::Invalid(format!("message {} would be in the view twice", pair[1].0))),
        None => Ok(()),
    }
}

pub(crate) fn validate_metadata(metadata: &Json) -> Result<()> {
    if !metadata.is_object() {
        return Err(Error::Invalid("a session's metadata must be a JSON object".into()));
    }
    if metadata.get().len() > limits::METADATA_BYTES_MAX {
        return Err(Error::Invalid(format!(
            "a session's metadata has {} bytes; at most {} are allowed",
            metadata.get().len(),
            limits::METADATA_BYTES_MAX
        )));
    }
    Ok(())
}

impl Commit {
    /// A commit that writes nothing yet.
    pub fn new(key: SessionKey) -> Commit {
        Commit { key, id: None, at: None, expect: Vec::new(), writes: Vec::new() }
    }

    /// With one more write.
    pub fn write(mut self, write: Write) -> Commit {
        self.writes.push(write);
        self
    }

    /// With one more expectation.
    pub fn expect(mut self, expect: Expect) -> Commit {
        self.expect.push(expect);
        self
    }

    /// With a name that makes it repeatable.
    pub fn id(mut self, id: impl Into<CommitId>) -> Commit {
        self.id = Some(id.into());
        self
    }

    /// As of this moment.
    pub fn at(mut self, at: Time) -> Commit {
        self.at = Some(at);
        self
    }

    /// Whether the store accepts this commit at all, whatever it holds.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what is wrong or which limit is exceeded.
    pub fn validate(&self) -> Result<()> {
        self.validate_as(false)
    }

    /// The same, of a handle that may or may not write to the store's own addresses.
    fn validate_as(&self, system: bool) -> Result<()> {
        match self.writes.first() {
            _ if system => self.key.validate_any()?,
            // An archive also has what the store keeps for forks under addresses of its own.
            Some(Write::Restore(_)) if self.key.agent_id == KEPT => self.key.validate_any()?,
            _ => self.key.validate()?,
        }
        if !system {
            self.validate_place()?;
        }
        self.id.as_deref().map_or(Ok(()), |id| validate_id("commit id", id))?;
        self.at.map_or(Ok(()), time::validate)?;
        if self.writes.contains(&Write::Delete) && self.writes.len() > 1 {
            return Err(Error::Invalid("a delete stands alone in its commit".into()));
        }
        if self.writes.iter().skip(1).any(|write| matches!(write, Write::Fork(_))) {
            return Err(Error::Invalid("a fork is the first write of its commit".into()));
        }
        if self.writes.iter().filter(|write| write.changes_view()).count() > 1 {
            return Err(Error::Invalid("a commit changes the view at most once".into()));
        }
        let restores = self.writes.iter().filter(|write| matches!(write, Write::Restore(_))).count();
        if restores > 0 && (restores < self.writes.len() || self.id.is_some()) {
            return Err(Error::Invalid(
                "a commit that restores does nothing else and has no id: it can be sent again without one"
                    .into(),
            ));
        }
        for expect in &self.expect {
            match expect {
                Expect::Document { collection, id, .. } => document::validate_address(collection, id)?,
                Expect::Tail(seqs) if seqs.len() > limits::PAGE_MAX => {
                    let (count, max) = (seqs.len(), limits::PAGE_MAX);
                    return Err(Error::Invalid(format!(
                        "{count} messages are expected at the end of the view; at most {max} are allowed"
                    )));
                }
                Expect::Absent | Expect::State(_) | Expect::Head(_) | Expect::Tail(_) | Expect::Log(_) => {}
            }
        }
        self.writes.iter().try_for_each(Write::validate)
    }

    /// Every session that it writes or shows something of: its own, and of a fork or a restored one the parents.
    pub fn reads(&self) -> impl Iterator<Item = &SessionKey> {
        let others = self.writes.iter().flat_map(|write| match write {
            Write::Fork(fork) => vec![&fork.parent],
            Write::Restore(Restore::Session(session)) => session.ancestors.iter().map(|a| &a.key).collect(),
            _ => Vec::new(),
        });
        std::iter::once(&self.key).chain(others)
    }

    /// The bytes of content in this commit, which count against
    /// [`COMMIT_BYTES_MAX`](limits::COMMIT_BYTES_MAX).
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(Write::bytes).sum()
    }

    /// How many single changes and expectations are in this commit, which count against
    /// [`COMMIT_WRITES_MAX`](limits::COMMIT_WRITES_MAX).
    pub fn changes(&self) -> usize {
        self.writes.iter().map(Write::len).sum::<usize>() + self.expect.len()
    }

    /// What stands for the commit's content when its id comes again: a version, 1, and XXH3 (128 bits) of every field.
    pub fn digest(&self) -> [u8; 17] {
        let mut fields = Fingerprint::new();
        self.key.parts().into_iter().for_each(|part| fields.text(part));
        fields.text_opt(self.id.as_deref());
        fields.number_opt(self.at.map(|at| at.timestamp_micros().cast_unsigned()));
        fields.number(self.expect.len() as u64);
        self.expect.iter().for_each(|expect| expect.fingerprint(&mut fields));
        self.writes.iter().for_each(|write| write.fingerprint(&mut fields));
        let mut digest = [1; 17];
        digest[1..].copy_from_slice(&fields.digest());
        digest
    }
}

impl Expect {
    fn fingerprint(&self, fields: &mut Fingerprint) {
        match self {
            Expect::Absent => fields.text("absent"),
            Expect::State(revision) => {
                fields.text("state");
                fields.number(*revision);
            }
            Expect::Head(seq) => {
                fields.text("head");
                fields.number(*seq);
            }
            Expect::Tail(seqs) => {
                fields.text("tail");
                fields.number(seqs.len() as u64);
                seqs.iter().for_each(|seq| fields.number(*seq));
            }
            Expect::Log(log) => {
                fields.text("log");
                fields.number(log.0.cast_unsigned());
            }
            Expect::Document { collection, id, revision } => {
                fields.text("document");
                fields.text(collection);
                fields.text(id);
                fields.number(*revision);
            }
        }
    }
}

impl Write {
    fn fingerprint(&self, fields: &mut Fingerprint) {
        match self {
            Write::Open(Opening { family, status, metadata }) => {
                fields.text("open");
                fields.text_opt(family.as_deref());
                fields.text_opt(status.as_deref());
                fields.text_opt(metadata.as_ref().map(Json::get));
            }
            Write::Append(messages) => {
                fields.text("append");
                fields.number(messages.len() as u64);
                messages.iter().for_each(|message| message.fingerprint(fields));
            }
            Write::SetStatus(status) => {
                fields.text("set status");
                fields.text(status);
            }
            Write::SetMetadata(metadata) => {
                fields.text("set metadata");
                fields.text(metadata.get());
            }
            Write::SetTokens(tokens) => {
                fields.text("set tokens");
                fields.number(*tokens);
            }
            Write::AddTokens(tokens) => {
                fields.text("add tokens");
                fields.number(*tokens);
            }
            Write::PutDocument(NewDocument { collection, id, body, blob }) => {
                fields.text("put document");
                fields.text(collection);
                fields.text(id);
                fields.text(body.get());
                fields.bytes_opt(blob.as_deref());
            }
            Write::PatchDocument { collection, id, patch } => {
                fields.text("patch document");
                fields.text(collection);
                fields.text(id);
                fields.text(patch.get());
            }
            Write::RemoveDocument { collection, id } => {
                fields.text("remove document");
                fields.text(collection);
                fields.text(id);
            }
            Write::Fork(Fork { parent, at, status, metadata }) => {
                fields.text("fork");
                parent.parts().into_iter().for_each(|part| fields.text(part));
                fields.number_opt(*at);
                fields.text_opt(status.as_deref());
                fields.text_opt(metadata.as_ref().map(Json::get));
            }
            Write::Compact { through, summary } => {
                fields.text("compact");
                fields.number(*through);
                fields.number(summary.len() as u64);
                summary.iter().for_each(|message| message.fingerprint(fields));
            }
            Write::Uncompact => fields.text("uncompact"),
            Write::Pop { count } => {
                fields.text("pop");
                fields.number(*count as u64);
            }
            Write::Rewind { seq } => {
                fields.text("rewind");
                fields.number(*seq);
            }
            Write::Undo => fields.text("undo"),
            Write::SetView(stretches) => {
                fields.text("set view");
                fields.number(stretches.len() as u64);
                stretches.iter().for_each(|(first, last)| {
                    fields.number(*first);
                    fields.number(*last);
                });
            }
            // A commit that restores bears no id, and so has no use for a digest.
            Write::Restore(_) => fields.text("restore"),
            Write::Delete => fields.text("delete"),
        }
    }
}

/// Whether the store accepts these commits in one call.
///
/// # Errors
/// [`Error::Invalid`], saying what is wrong or which limit is exceeded.
pub(crate) fn validate_all(commits: &[Commit], system: bool) -> Result<()> {
    commits.iter().try_for_each(|commit| commit.validate_as(system))?;
    let count: usize = commits.iter().map(Commit::changes).sum();
    let bytes: usize = commits.iter().map(Commit::bytes).sum();
    if count.max(commits.len()) > limits::COMMIT_WRITES_MAX {
        return Err(Error::Invalid(format!(
            "a call of commit has {} changes; at most {} are allowed",
            count.max(commits.len()),
            limits::COMMIT_WRITES_MAX
        )));
    }
    if bytes > limits::COMMIT_BYTES_MAX {
        return Err(Error::Invalid(format!(
            "a call of commit has {bytes} bytes; at most {} are allowed",
            limits::COMMIT_BYTES_MAX
        )));
    }
    Ok(())
}

/// What a commit did. When the store hands it out, the commit is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The session.
    pub key: SessionKey,
    /// The session's revision after the commit; after a delete, the revision it had.
    pub revision: u64,
    /// The sequence number of each message in the commit's appends and summaries, in order, and of each message that it
    /// popped. A message that was in the session already (the same `message_id` and content) has the number it had.
    pub seqs: Vec<u64>,
    /// Whether anything was written; false if all was already as the commit would have it.
    pub changed: bool,
    /// True if a commit with this id had happened before: this is its receipt, and nothing was written now.
    pub replayed: bool,
}
