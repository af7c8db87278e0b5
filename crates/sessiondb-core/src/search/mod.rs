//! [`Search`]: which messages say something, across sessions.
//!
//! A search is for whole words, in whatever case and with or without accents, each of which a message must have. What a
//! word is, [`Words`] says for every engine; engines may keep an index, and find what a look at every message would find.
//!
//! The messages that were stored last come first. That is an order that pages can be read in while more is stored, and the one
//! in which people look for what they remember; it is not the order of `created_at`, which imports give as they like.

mod snippet;
mod terms;
mod text;
mod words;

use serde::{Deserialize, Serialize};

pub use terms::Terms;
pub use text::said;
pub use words::Words;

use crate::{Error, Message, Result, Scope, SessionKey, Time, limits, time, window::validate_limit};

/// What to look for, and where. All conditions must hold.
///
/// ```
/// use sessiondb_core::{Scope, Search};
///
/// let search = Search { scope: Scope::agent("support"), limit: 20, ..Search::new("refund \"order 17\"")? };
/// # Ok::<(), sessiondb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// What a message must say; see [`Terms`].
    #[cfg_attr(feature = "openapi", param(value_type = String, min_length = 1, max_length = 1024, example = "weather"))]
    pub q: Terms,
    /// Only in this part of the address space, as `support:slack:*`; a whole key is one session, with what it inherited as a
    /// fork.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(value_type = String, default = "*"))]
    pub scope: Scope,
    /// Only what these have said; none means anybody.
    #[serde(rename = "role", default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Only what was said after this moment, which is not included.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime))]
    pub after: Option<Time>,
    /// Only what was said before this moment, which is not included.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime))]
    pub before: Option<Time>,
    /// Where to go on: the `next` of the page before ([`HitPage::next`]), asked with the same search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
    #[serde(default = "limit_default")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 1000, default = 100))]
    pub limit: usize,
}

fn limit_default() -> usize {
    limits::PAGE_DEFAULT
}

impl Search {
    /// For this, everywhere.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no word in it, or too many.
    pub fn new(text: &str) -> Result<Search> {
        Ok(Search {
            q: text.parse()?,
            scope: Scope::all(),
            roles: Vec::new(),
            after: None,
            before: None,
            cursor: None,
            limit: limits::PAGE_DEFAULT,
        })
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_limit(self.limit)?;
        if self.roles.len() > limits::PAGE_MAX {
            return Err(Error::Invalid(format!("a search names at most {} roles", limits::PAGE_MAX)));
        }
        for bound in [self.after, self.before] {
            bound.map_or(Ok(()), time::validate)?;
        }
        Ok(())
    }

    /// What it finds in a message: a snippet, with what was looked for; `None` if the message does not match. For
    /// engines, which have a look at every message that their index names: where it lies is not asked here.
    pub fn find(&self, message: &Message, words: &mut Words) -> Option<Vec<Piece>> {
        let in_time = self.after.is_none_or(|after| message.created_at > after)
            && self.before.is_none_or(|before| message.created_at < before);
        if !in_time || !(self.roles.is_empty() || self.roles.contains(&message.role)) {
            return None;
        }
        let text = said(message);
        words.read(&text);
        let found = self.q.find(words)?;
        Some(snippet::around(&text, &found))
    }
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hit {
    /// The session: the one that it was appended to, or, if that is deleted or out of scope, the oldest fork that inherited it.
    pub key: SessionKey,
    /// The message's number in it.
    pub seq: u64,
    /// Who said it.
    pub role: String,
    /// When it was said.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// Whether the session's view shows it: not what was compacted, rewound or popped, which can be read with `Window::Log`.
    pub shown: bool,
    /// What was found and the text around it: some 240 bytes, or as many as what was found has; cut at `…`.
    pub snippet: Vec<Piece>,
}

/// A stretch of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it is what was looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}

/// A page of hits. It may have fewer than were asked for, or none, although there are more: a page looks at so many messages and
/// no further. `next` tells, not the count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HitPage {
    /// The messages, the last stored first.
    pub hits: Vec<Hit>,
    /// What to give as [`Search::cursor`] for the next page; `None` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
