//! Windows: reading a part of a session's history.

use serde::Serialize;

use crate::{Error, Message, Result, limits};

/// Which messages of a session's view to read. Every window is bounded: at most
/// [`PAGE_MAX`](limits::PAGE_MAX) messages, and it costs the same wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Window {
    /// The newest `limit` messages.
    Last {
        /// How many at most.
        limit: usize,
    },
    /// The `limit` messages right before message `seq`, which is not included.
    Before {
        /// The message before which the window ends.
        seq: u64,
        /// How many at most.
        limit: usize,
    },
    /// The `limit` messages right after message `seq`, which is not included; after 0 begins at the start.
    After {
        /// The message after which the window begins.
        seq: u64,
        /// How many at most.
        limit: usize,
    },
}

impl Window {
    /// The newest `limit` messages.
    pub fn last(limit: usize) -> Window {
        Window::Last { limit }
    }

    /// The `limit` messages right before message `seq`.
    pub fn before(seq: u64, limit: usize) -> Window {
        Window::Before { seq, limit }
    }

    /// The `limit` messages right after message `seq`.
    pub fn after(seq: u64, limit: usize) -> Window {
        Window::After { seq, limit }
    }

    /// How many messages at most.
    pub fn limit(&self) -> usize {
        match self {
            Window::Last { limit } | Window::Before { limit, .. } | Window::After { limit, .. } => *limit,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_limit(self.limit())?;
        match self {
            Window::Before { seq, .. } | Window::After { seq, .. } if *seq > limits::COUNT_MAX => {
                Err(Error::Invalid("a sequence number exceeds 63 bits".into()))
            }
            _ => Ok(()),
        }
    }
}

/// A page's limit: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
pub(crate) fn validate_limit(limit: usize) -> Result<()> {
    if (1..=limits::PAGE_MAX).contains(&limit) {
        return Ok(());
    }
    Err(Error::Invalid(format!("a page of {limit} was asked for; 1 to {} are allowed", limits::PAGE_MAX)))
}

/// The messages of a window, oldest first, and what lies around them. There may be fewer than were asked for although
/// there are more: the flags tell, not the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessagePage {
    /// The messages, in the order of the view.
    pub messages: Vec<Message>,
    /// Whether the view has messages before the first of these.
    pub has_earlier: bool,
    /// Whether the view has messages after the last of these.
    pub has_later: bool,
}
