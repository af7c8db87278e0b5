//! Messages: what a caller appends, and what the store returns.

use serde::{Deserialize, Serialize};

use crate::{Error, Json, Result, Time, fingerprint::Fingerprint, json, limits, time};

/// A message to append. The store numbers it; everything else is the caller's, and kept as it is.
///
/// ```
/// use sessiondb_core::NewMessage;
///
/// let question = NewMessage::new("user", "What is the weather in Rome?").message_id("m-1");
/// assert_eq!(question.content.get(), "\"What is the weather in Rome?\"");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// Who speaks: `user`, `assistant`, `system`, `tool`, … An open vocabulary, not empty,
    /// at most [`NAME_BYTES_MAX`](limits::NAME_BYTES_MAX) bytes.
    pub role: String,
    /// What is said: any JSON, a string or a list of blocks as the model's API has it.
    pub content: Json,
    /// Tool calls, where the API keeps them beside the content.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::there")]
    pub tool_calls: Option<Json>,
    /// When it was said, if not now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub created_at: Option<Time>,
    /// The caller's own id. While a message with this id is in the session's view, the same id with the same content
    /// is that message (nothing is appended), and with other content a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The ids of the tool calls that this message makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
    /// The ids of the tool calls whose results this message brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<String>,
    /// How many tokens it weighs, if the writer knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
    /// Whatever else belongs to the message: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Json>,
}

impl NewMessage {
    /// A message of this role. Text given as content becomes a JSON string; a [`Json`] stays what it is.
    pub fn new(role: impl Into<String>, content: impl Into<Json>) -> NewMessage {
        NewMessage {
            role: role.into(),
            content: content.into(),
            tool_calls: None,
            created_at: None,
            message_id: None,
            opens: Vec::new(),
            closes: Vec::new(),
            token_count: None,
            attributes: None,
        }
    }

    /// With the caller's own id, which makes appending it repeatable.
    pub fn message_id(mut self, id: impl Into<String>) -> NewMessage {
        self.message_id = Some(id.into());
        self
    }

    /// The bytes that count against [`MESSAGE_BYTES_MAX`](limits::MESSAGE_BYTES_MAX).
    pub fn bytes(&self) -> usize {
        let text = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.get().len());
        let calls: usize = self.opens.iter().chain(&self.closes).map(String::len).sum();
        self.content.get().len() + text(&self.tool_calls) + text(&self.attributes) + calls
    }

    /// Whether the store accepts this message.
    ///
    /// # Errors
    /// [`Error::Invalid`], saying what is wrong or which limit is exceeded.
    pub fn validate(&self) -> Result<()> {
        validate_name("role", &self.role)?;
        if self.bytes() > limits::MESSAGE_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a message has {} bytes; at most {} are allowed",
                self.bytes(),
                limits::MESSAGE_BYTES_MAX
            )));
        }
        if let Some(id) = &self.message_id {
            validate_id("message_id", id)?;
        }
        for (name, calls) in [("opens", &self.opens), ("closes", &self.closes)] {
            if calls.len() > limits::CALLS_PER_MESSAGE_MAX {
                return Err(Error::Invalid(format!(
                    "a message's {name} has {} tool calls; at most {} are allowed",
                    calls.len(),
                    limits::CALLS_PER_MESSAGE_MAX
                )));
            }
            calls.iter().try_for_each(|call| validate_id(name, call))?;
        }
        if self.token_count.is_some_and(|count| count > limits::COUNT_MAX) {
            return Err(Error::Invalid("a message's token_count exceeds 63 bits".into()));
        }
        if self.attributes.as_ref().is_some_and(|attributes| !attributes.is_object()) {
            return Err(Error::Invalid("a message's attributes must be a JSON object".into()));
        }
        self.created_at.map_or(Ok(()), time::validate)
    }

    /// Adds every field to the digest of a commit.
    pub(crate) fn fingerprint(&self, fields: &mut Fingerprint) {
        fields.text(&self.role);
        fields.number_opt(self.created_at.map(|at| at.timestamp_micros().cast_unsigned()));
        fields.text_opt(self.message_id.as_deref());
        fields.number_opt(self.token_count);
        fields.texts(&self.opens);
        fields.texts(&self.closes);
        fields.text(self.content.get());
        fields.text_opt(self.tool_calls.as_ref().map(Json::get));
        fields.text_opt(self.attributes.as_ref().map(Json::get));
    }

    /// Whether appending this again would append what `stored` is already.
    pub fn is_same_as(&self, stored: &Message) -> bool {
        self.role == stored.role
            && self.content == stored.content
            && self.tool_calls == stored.tool_calls
            && self.created_at.is_none_or(|at| time::truncate(at) == stored.created_at)
            && self.opens == stored.opens
            && self.closes == stored.closes
            && self.token_count == stored.token_count
            && self.attributes == stored.attributes
    }
}

/// A message as the store has it. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// The row's number in this store. Another store may give the same message another one.
    pub id: i64,
    /// The message's number in its session: 1, 2, 3, … given inside the transaction, never given twice. This, and
    /// not the time, is the order of messages.
    pub seq: u64,
    /// Who speaks.
    pub role: String,
    /// What is said, in the JSON text it came as.
    pub content: Json,
    /// Tool calls, where the API keeps them beside the content.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json::there")]
    pub tool_calls: Option<Json>,
    /// When it was said, or when it was appended if the writer did not say.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// The writer's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The ids of the tool calls that this message makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
    /// The ids of the tool calls whose results this message brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<String>,
    /// How many tokens it weighs, if the writer knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
    /// Whatever else belongs to the message: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Json>,
}

/// What a message weighs in a model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// In tokens.
    pub tokens: u64,
    /// Whether that is the store's own guess, and not what the writer counted.
    pub estimated: bool,
}

/// The weight of a message: what the writer counted, else a quarter of its bytes, rounded up.
pub(crate) fn weigh(token_count: Option<u64>, bytes: u64) -> Weight {
    match token_count {
        Some(tokens) => Weight { tokens, estimated: false },
        None => Weight { tokens: bytes.div_ceil(4), estimated: true },
    }
}

impl Message {
    /// What it weighs: its `token_count`, else a quarter of the bytes of its content and tool calls, rounded up.
    pub fn weight(&self) -> Weight {
        let calls = self.tool_calls.as_ref().map_or(0, |calls| calls.get().len());
        weigh(self.token_count, (self.content.get().len() + calls) as u64)
    }

    /// The checksum that the store keeps beside a message, so that `check` finds a bit that flipped on the disk:
    /// XXH3 (64 bits) over every field but the row id.
    pub fn checksum(&self) -> i64 {
        let mut fields = Fingerprint::new();
        fields.number(self.seq);
        fields.text(&self.role);
        fields.number(self.created_at.timestamp_micros().cast_unsigned());
        fields.text_opt(self.message_id.as_deref());
        fields.number_opt(self.token_count);
        fields.texts(&self.opens);
        fields.texts(&self.closes);
        fields.text(self.content.get());
        fields.text_opt(self.tool_calls.as_ref().map(Json::get));
        fields.text_opt(self.attributes.as_ref().map(Json::get));
        fields.checksum()
    }
}

pub(crate) fn validate_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::Invalid(format!("{what} is empty")));
    }
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(Error::Invalid(format!(
            "{what} has {} bytes; at most {} are allowed",
            name.len(),
            limits::NAME_BYTES_MAX
        )));
    }
    refuse_nul(what, name)
}

pub(crate) fn validate_id(what: &str, id: &str) -> Result<()> {
    if id.is_empty() {
        return Err(Error::Invalid(format!("{what} is empty")));
    }
    if id.len() > limits::ID_BYTES_MAX {
        return Err(Error::Invalid(format!(
            "{what} has {} bytes; at most {} are allowed",
            id.len(),
            limits::ID_BYTES_MAX
        )));
    }
    refuse_nul(what, id)
}

fn refuse_nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::Invalid(format!("{what} contains a NUL character")));
    }
    Ok(())
}
