//! [`Line`]: the lines of an archive, and what of the store's model each of them is.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sessiondb::{
    Document, Error, Message, RestoredAncestor, RestoredChange, RestoredSession, RestoredState, Session,
    SessionKey, Time, View, ViewChange, ViewChangeKind, time,
};

use crate::verbatim::Verbatim;

/// The version of the archives that this library writes, and the newest that it reads.
pub const ARCHIVE_VERSION: u64 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub sessiondb_archive: u64,
}

/// Every other line: an object with one member, whose name says what it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// A session begins. All that follows belongs to it, up to its state.
    Session(SessionLine),
    /// A stretch of a log begins that belongs to no session of the archive but is read by its forks.
    Kept(KeptLine),
    /// A message of the own log of what began last.
    Message(Box<MessageLine>),
    /// Numbers of that log whose messages are gone.
    Gap(GapLine),
    /// A document.
    Document(DocumentLine),
    /// A change of the view, the newest first.
    Change(ChangeLine),
    /// The session is complete with this.
    State(StateLine),
    /// The session, or the stretch, could not be written to its end, and is to be left out.
    Dropped(Dropped),
    /// The archive is complete.
    End(Counts),
}

/// How many lines of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub sessions: u64,
    pub kept: u64,
    pub messages: u64,
    pub gaps: u64,
    pub documents: u64,
    pub changes: u64,
    pub states: u64,
    pub dropped: u64,
}

impl Counts {
    pub fn count(&mut self, line: &Line) {
        let counter = match line {
            Line::Session(_) => &mut self.sessions,
            Line::Kept(_) => &mut self.kept,
            Line::Message(_) => &mut self.messages,
            Line::Gap(_) => &mut self.gaps,
            Line::Document(_) => &mut self.documents,
            Line::Change(_) => &mut self.changes,
            Line::State(_) => &mut self.states,
            Line::Dropped(_) => &mut self.dropped,
            Line::End(_) => return,
        };
        *counter += 1;
    }

    pub fn add(&mut self, other: Counts) {
        self.sessions += other.sessions;
        self.kept += other.kept;
        self.messages += other.messages;
        self.gaps += other.gaps;
        self.documents += other.documents;
        self.changes += other.changes;
        self.states += other.states;
        self.dropped += other.dropped;
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionLine {
    pub key: Key,
    pub family: String,
    pub created_at: Moment,
    pub log_first: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<AncestorLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFromLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptLine {
    pub key: Key,
    pub log_first: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<AncestorLine>,
    /// The first message that follows.
    pub first: u64,
    /// The last.
    pub last: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AncestorLine {
    pub key: Key,
    pub first: u64,
    pub last: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkedFromLine {
    /// The parent, if it is in the archive itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    pub at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageLine {
    pub seq: u64,
    pub role: String,
    pub created_at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
    pub content: Verbatim,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub tool_calls: Option<Verbatim>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub attributes: Option<Verbatim>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GapLine {
    pub first: u64,
    pub last: u64,
}

/// A member that is there is something, also if it says `null`.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Verbatim>, D::Error> {
    Verbatim::deserialize(deserializer).map(Some)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentLine {
    pub collection: String,
    pub id: String,
    pub revision: u64,
    pub updated_at: Moment,
    pub body: Verbatim,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Blob>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeLine {
    pub revision: u64,
    pub at: Moment,
    pub kind: ViewChangeKind,
    pub head_before: u64,
    pub head_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<u64>,
    /// The view before it, as stretches of numbers.
    pub before: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateLine {
    pub status: String,
    pub token_usage: u64,
    pub updated_at: Moment,
    pub revision: u64,
    pub head: u64,
    /// The view, as stretches of numbers; what is appended after `head` is shown too.
    pub view: Vec<(u64, u64)>,
    pub metadata: Verbatim,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dropped {
    /// Why.
    pub reason: String,
}

/// A key as its five parts in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(pub SessionKey);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.parts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let [agent, channel, account, kind, peer] = <[String; 5]>::deserialize(deserializer)?;
        Ok(Key(SessionKey::new(agent, channel, account, kind, peer)))
    }
}

/// A time in the store's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub Time);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::to_text(self.0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        time::from_text(&String::deserialize(deserializer)?).map(Moment).map_err(de::Error::custom)
    }
}

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Blob).map_err(|error| de::Error::custom(format!("not base64: {error}")))
    }
}

impl From<Message> for Line {
    fn from(message: Message) -> Line {
        // The row's number is the store's own.
        let Message {
            id: _,
            seq,
            role,
            content,
            tool_calls,
            created_at,
            message_id,
            opens,
            closes,
            token_count,
            attributes,
        } = message;
        Line::Message(Box::new(MessageLine {
            seq,
            role,
            created_at: Moment(created_at),
            message_id,
            opens,
            closes,
            token_count,
            content: Verbatim(content),
            tool_calls: tool_calls.map(Verbatim),
            attributes: attributes.map(Verbatim),
        }))
    }
}

impl From<MessageLine> for Message {
    fn from(line: MessageLine) -> Message {
        Message {
            id: 0,
            seq: line.seq,
            role: line.role,
            content: line.content.0,
            tool_calls: line.tool_calls.map(|json| json.0),
            created_at: line.created_at.0,
            message_id: line.message_id,
            opens: line.opens,
            closes: line.closes,
            token_count: line.token_count,
            attributes: line.attributes.map(|json| json.0),
        }
    }
}

impl From<Document> for Line {
    fn from(document: Document) -> Line {
        let Document { collection, id, body, blob, revision, updated_at } = document;
        let (updated_at, body, blob) = (Moment(updated_at), Verbatim(body), blob.map(Blob));
        Line::Document(DocumentLine { collection, id, revision, updated_at, body, blob })
    }
}

impl From<DocumentLine> for Document {
    fn from(line: DocumentLine) -> Document {
        Document {
            collection: line.collection,
            id: line.id,
            body: line.body.0,
            blob: line.blob.map(|blob| blob.0),
            revision: line.revision,
            updated_at: line.updated_at.0,
        }
    }
}

/// What a view shows if the last message is `head`, as stretches of numbers: whose they are is seen by the ancestors,
/// since no number occurs in two of the logs that a session may show.
pub(crate) fn stretches(view: &View, head: u64) -> Vec<(u64, u64)> {
    view.closed(head).spans().iter().map(|span| (span.first, span.last.unwrap_or(head))).collect()
}

impl From<ViewChange> for Line {
    fn from(change: ViewChange) -> Line {
        Line::Change(ChangeLine {
            revision: change.revision,
            at: Moment(change.at),
            kind: change.kind,
            before: stretches(&change.before, change.head_before),
            head_before: change.head_before,
            head_after: change.head_after,
            through: change.through,
            summary: change.summary,
            reverses: change.reverses,
            undone: change.undone,
        })
    }
}

impl From<ChangeLine> for RestoredChange {
    fn from(line: ChangeLine) -> RestoredChange {
        RestoredChange {
            revision: line.revision,
            at: line.at.0,
            kind: line.kind,
            before: line.before,
            head_before: line.head_before,
            head_after: line.head_after,
            through: line.through,
            summary: line.summary,
            reverses: line.reverses,
            undone: line.undone,
        }
    }
}

impl From<&Session> for StateLine {
    fn from(session: &Session) -> StateLine {
        StateLine {
            status: session.status.clone(),
            token_usage: session.token_usage,
            updated_at: Moment(session.updated_at),
            revision: session.revision,
            head: session.head,
            view: stretches(&session.view, session.head),
            metadata: Verbatim(session.metadata.clone()),
        }
    }
}

impl StateLine {
    pub fn with(self, changes: Vec<RestoredChange>) -> RestoredState {
        RestoredState {
            status: self.status,
            metadata: self.metadata.0,
            token_usage: self.token_usage,
            updated_at: self.updated_at.0,
            revision: self.revision,
            head: self.head,
            view: self.view,
            changes,
        }
    }
}

impl AncestorLine {
    pub fn restored(lines: Vec<AncestorLine>) -> Vec<RestoredAncestor> {
        let one =
            |line: AncestorLine| RestoredAncestor { key: line.key.0, first: line.first, last: line.last };
        lines.into_iter().map(one).collect()
    }
}

impl SessionLine {
    /// What opens the session. `nobody` stands for a parent that is not in the store.
    pub fn restored(self, nobody: SessionKey) -> RestoredSession {
        let parent = |line: ForkedFromLine| (line.key.map_or(nobody, |key| key.0), line.at);
        RestoredSession {
            family: self.family,
            created_at: self.created_at.0,
            log_first: self.log_first,
            ancestors: AncestorLine::restored(self.ancestors),
            forked_from: self.forked_from.map(parent),
        }
    }
}

impl Line {
    /// The line as text, with its end.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if JSON that the store holds is damaged.
    pub fn to_text(&self, of: &SessionKey) -> Result<Vec<u8>, Error> {
        let mut text = serde_json::to_vec(self).map_err(|error| {
            let row = match self {
                Line::Message(message) => format!("message {} of session {of}", message.seq),
                Line::Document(document) => {
                    format!("document {}/{} of session {of}", document.collection, document.id)
                }
                _ => format!("session {of}"),
            };
            Error::Undecodable { row, reason: format!("its JSON is damaged: {error}") }
        })?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::Json;

    use super::*;

    fn read(text: &str) -> Result<Line, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_stands_in_a_line_and_is_read_back() {
        let message = Message {
            id: 9,
            seq: 3,
            role: "user".into(),
            content: Json::parse("[1e400,\n\"\\ud800\"]").unwrap(),
            tool_calls: Some(Json::parse("null").unwrap()),
            created_at: time::from_text("2026-11-20T09:47:28.123456Z").unwrap(),
            message_id: Some("m".into()),
            opens: vec!["a".into()],
            closes: vec![],
            token_count: Some(0),
            attributes: Some(Json::parse(r#"{"x":-0, "x":1}"#).unwrap()),
        };
        let text = Line::from(message.clone()).to_text(&SessionKey::new("", "", "", "", "")).unwrap();
        let expected = concat!(
            r#"{"message":{"seq":3,"role":"user","created_at":"2026-11-20T09:47:28.123456Z","message_id":"m","#,
            r#""opens":["a"],"token_count":0,"content":{"sessiondb:text":"[1e400,\n\"\\ud800\"]"},"tool_calls":null,"#,
            r#""attributes":{"x":-0, "x":1}}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        let Ok(Line::Message(line)) = serde_json::from_slice(&text) else { panic!("not a message") };
        assert_eq!(Message::from(*line), Message { id: 0, ..message });
    }

    #[test]
    fn bytes_are_base64_and_nothing_else() {
        let document = r#"{"document":{"collection":"a","id":"b","revision":1,"updated_at":"2026-11-20T09:47:28Z","body":1,"blob":"AP8="}}"#;
        let Ok(Line::Document(line)) = read(document) else { panic!("not a document") };
        assert_eq!(line.blob, Some(Blob(vec![0, 255])));
        for bad in ["AP8", "AP9=", "AP8=\\n", "!"] {
            assert!(read(&document.replace("AP8=", bad)).unwrap_err().contains("not base64"), "{bad}");
        }
    }

    #[test]
    fn what_is_no_line_is_an_error() {
        let deep = format!(r#"{{"message":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let content = format!(
            r#"{{"message":{{"seq":1,"role":"u","created_at":"2026-11-20T09:47:28Z","content":{}{}}}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        for bad in [
            "",
            "1",
            "{}",
            r#"{"end":{}}"#,
            r#"{"novelty":1}"#,
            r#"{"dropped":{"reason":"x","y":1}}"#,
            &deep,
            &content,
        ] {
            assert!(read(bad).is_err(), "{bad:.60}");
        }
        assert!(read(&content).unwrap_err().contains("nested 100000 deep"));
    }
}
