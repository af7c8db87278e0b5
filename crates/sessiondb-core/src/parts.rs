//! Sessions with their parts: documents and messages read together with the sessions themselves, for many at once.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Document, Error, Message, Result, Session, limits, message::validate_id};

/// Which parts of a session to read with it.
///
/// ```
/// use sessiondb_core::Parts;
///
/// let parts = Parts::documents(["instances"]).with_messages();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// The documents of these collections; none by default.
    #[serde(default)]
    pub collections: Vec<String>,
    /// The messages of its present history.
    #[serde(default)]
    pub messages: bool,
}

impl Parts {
    /// The documents of these collections.
    pub fn documents<C: Into<String>>(collections: impl IntoIterator<Item = C>) -> Parts {
        Parts { collections: collections.into_iter().map(Into::into).collect(), messages: false }
    }

    /// The messages too.
    pub fn with_messages(mut self) -> Parts {
        self.messages = true;
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.collections.len() > limits::PAGE_MAX {
            return Err(Error::Invalid(format!("at most {} collections can be named", limits::PAGE_MAX)));
        }
        self.collections.iter().try_for_each(|name| validate_id("a document's collection", name))
    }
}

/// A session and the parts of it that were asked for, as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionParts {
    /// The session.
    pub session: Session,
    /// Its documents of the collections asked for, ordered by collection and id.
    pub documents: Vec<Document>,
    /// Whether it has more of these documents: read on with [`DocumentFilter::after`](crate::DocumentFilter::after).
    pub more_documents: bool,
    /// The messages of its view in their order, if they were asked for.
    pub messages: Vec<Message>,
    /// Whether its view has more messages: read on with [`Window::After`](crate::Window::After).
    pub more_messages: bool,
}

/// A page of sessions with their parts. It may have fewer than were asked for although there are more: `next` tells,
/// not the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartsPage {
    /// The sessions, in the order asked for.
    pub sessions: Vec<SessionParts>,
    /// What to give as [`SessionFilter::after`](crate::SessionFilter::after) for the next page; `None` at the end.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub next: Option<Cursor>,
}

/// How many of these sessions fit into one page, given how many documents and messages each brings: as many as bring at
/// most [`PARTS_MAX`](limits::PARTS_MAX) of each together, and at least the first.
///
/// For backends.
pub fn fitting(parts: impl IntoIterator<Item = (u64, u64)>) -> usize {
    let max = limits::PARTS_MAX as u64;
    let (mut documents, mut messages) = (0_u64, 0_u64);
    let fits = |(more_documents, more_messages): &(u64, u64)| {
        documents = documents.saturating_add(*more_documents);
        messages = messages.saturating_add(*more_messages);
        documents <= max && messages <= max
    };
    parts.into_iter().take_while(fits).count().max(1)
}
