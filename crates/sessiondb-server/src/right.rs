//! [`Right`]: what a token may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a caller may do, in the part of the store that its token covers. None of them includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Right {
    /// Read sessions, messages, documents, the feed.
    Read,
    /// Open sessions, append messages, count tokens used.
    Append,
    /// Change status, metadata, documents and what a session shows.
    State,
    /// Delete sessions.
    Delete,
    /// Read whole archives.
    Export,
    /// Put archives in.
    Import,
    /// Everything about the server and the whole store: tokens, check, optimize, metrics.
    Admin,
}

impl Right {
    /// All rights.
    pub const ALL: [Right; 7] =
        [Right::Read, Right::Append, Right::State, Right::Delete, Right::Export, Right::Import, Right::Admin];

    /// Its name: `read`.
    pub fn name(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Append => "append",
            Right::State => "state",
            Right::Delete => "delete",
            Right::Export => "export",
            Right::Import => "import",
            Right::Admin => "admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Right, String> {
        let names = || Right::ALL.map(Right::name).join(", ");
        let known = Right::ALL.into_iter().find(|right| right.name() == text);
        known.ok_or_else(|| format!("'{}' is no right; there are {}", text.escape_debug(), names()))
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

impl Rights {
    /// All of them.
    pub fn all() -> Rights {
        Right::ALL.into_iter().collect()
    }

    /// Whether this one is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// Those that are among them, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Rights {
        Rights(rights.into_iter().fold(0, |set, right| set | (1 << right as u8)))
    }
}
