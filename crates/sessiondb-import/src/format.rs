//! [`Format`]: the agents whose transcripts are known, and what each must say about its own.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sessiondb::{Commit, Json, NewMessage, SessionKey, Time, Write};

use crate::{
    claude::{self, Claude},
    codex::{self, Codex, Thread},
    facts::Facts,
    openai,
    original::Line,
};

/// Which agent's transcripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Claude Code: `~/.claude/projects/<project>/<session>.jsonl`, and the files of its sub-agents.
    Claude,
    /// Codex: `~/.codex/sessions/<year>/<month>/<day>/rollout-<time>-<thread>.jsonl`, also compressed as `.jsonl.zst`.
    Codex,
    /// OpenAI's chat form, one whole conversation a line: `{"messages": […], …}`. It has no place of its own.
    OpenAi,
}

/// How the files of a format hold sessions.
pub(crate) enum Layout {
    /// A file is a session, and a line is a record of it.
    Session(&'static dyn Transcript),
    /// A line is a session.
    Conversations,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 3] = [Format::Claude, Format::Codex, Format::OpenAi];

    /// The directories where the agent keeps transcripts on this machine, whether they exist or not; none for a format
    /// that is no agent's own.
    pub fn places(self) -> Vec<PathBuf> {
        match self.layout() {
            Layout::Session(transcript) => transcript.places(),
            Layout::Conversations => Vec::new(),
        }
    }

    pub(crate) fn layout(self) -> Layout {
        match self {
            Format::Claude => Layout::Session(&Claude),
            Format::Codex => Layout::Session(&Codex),
            Format::OpenAi => Layout::Conversations,
        }
    }

    /// Whether a JSON line is one of this format.
    pub(crate) fn recognises(self, line: &str) -> bool {
        match self.layout() {
            Layout::Session(transcript) => transcript.recognises(line),
            Layout::Conversations => openai::recognises(line),
        }
    }
}

impl fmt::Display for Format {
    /// The short name: `claude`, `codex`, `openai`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Claude => claude::NAME,
            Format::Codex => codex::NAME,
            Format::OpenAi => openai::NAME,
        })
    }
}

/// What a format whose files are sessions knows of them. It looks at texts and names only; files and the store are the
/// importer's.
pub(crate) trait Transcript: Sync {
    /// The family of its sessions, which is also the `source` in their metadata.
    fn family(&self) -> &'static str;

    /// The directories where the agent keeps transcripts on this machine, whether they exist or not.
    fn places(&self) -> Vec<PathBuf>;

    /// Whether a JSON line is a record of this format.
    fn recognises(&self, record: &str) -> bool;

    /// The session that the file at this absolute path is imported into; `None` if its name alone does not tell. Then
    /// it is asked again with each of the file's first records, until one does. A file must have the same session for
    /// ever, so nothing may count that changes while it grows.
    ///
    /// # Errors
    /// Why the file has none.
    fn key(&self, path: &Path, record: Option<&str>) -> Result<Option<SessionKey>, String>;

    /// Where in a record the content of a message may stand. A path that was here once must stay, and keep its place
    /// among the others: by it the messages that were imported are put together again.
    fn content_paths(&self) -> &'static [&'static [&'static str]];

    /// What a line says, in the light of the lines before it.
    fn record(&self, line: &Line, memory: &mut Memory) -> Record;

    /// The tokens that a usage counts.
    fn tokens(&self, usage: &Json) -> u64;
}

/// What a format must know of a file's earlier lines to understand those that follow. It is kept with the position, so
/// it must stay small.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    #[serde(default)]
    pub codex: Thread,
}

impl Memory {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        *self == Memory::default()
    }
}

/// What a format reads from a line.
pub(crate) struct Record {
    /// The type, by which the records that are no messages are counted.
    pub kind: String,
    /// When it was written, if it says so in a way that the store can keep.
    pub at: Option<Time>,
    /// The message that it is; `None` for anything that is kept as it stands.
    pub message: Option<NewMessage>,
    /// What it says about tokens.
    pub usage: Option<Usage>,
    /// What it says about the session.
    pub facts: Facts,
}

/// What an answer of the model cost.
pub(crate) struct Usage {
    /// Which answer: several lines may speak of the same one.
    pub id: String,
    /// The usage in the words of its record.
    pub body: Json,
    /// The tokens that it counts.
    pub tokens: u64,
}

/// The message, if the store takes it.
pub(crate) fn acceptable(message: NewMessage) -> Option<NewMessage> {
    // The store's own word on what it takes; it needs a commit to say it about.
    let commit = Commit::new(SessionKey::new("", "", "", "", "")).write(Write::Append(vec![message]));
    commit.validate().ok()?;
    commit.writes.into_iter().find_map(|write| match write {
        Write::Append(messages) => messages.into_iter().next(),
        _ => None,
    })
}
