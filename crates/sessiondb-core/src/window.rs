//! Windows: reading a part of a session's history.

use serde::{Deserialize, Serialize};

use crate::{Error, Message, Result, Time, calls, limits, time};

/// Which messages to read. Every window is bounded, and costs the same wherever it lies.
///
/// Messages are named by their `seq`, and a window follows the order of the session's view. Only [`Log`](Window::Log)
/// looks behind the view.
///
/// # Tool calls and their results
///
/// Where the store chooses an end of a window (the start of `Last`, `Before` and `Tokens`, the end of `After`), it never
/// chooses one that cuts a call from its result. So a window may have fewer messages than were asked for; and if the
/// smallest that cuts nothing is longer or heavier than was asked for, it is that, and the page says so
/// ([`exceeds`](MessagePage::exceeds)). A call and a result more than [`CALL_REACH`](limits::CALL_REACH) messages apart
/// are not kept together. An end that the caller names stays where it was named. Whatever is alone in a window, for
/// whichever reason, is named in [`unpaired`](MessagePage::unpaired).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The newest `limit` messages.
    Last {
        /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
        limit: usize,
    },
    /// The `limit` messages right before message `seq`, which is not included.
    Before {
        /// The message before which the window ends.
        seq: u64,
        /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
        limit: usize,
    },
    /// The `limit` messages right after message `seq`, which is not included; after 0 begins at the start.
    After {
        /// The message after which the window begins.
        seq: u64,
        /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
        limit: usize,
    },
    /// The messages from `first` to `last`, both included, in the order of the view. If there are more than
    /// [`PAGE_MAX`](limits::PAGE_MAX), the first of them, as for `After`.
    Range {
        /// The first message.
        first: u64,
        /// The last message.
        last: u64,
    },
    /// The newest messages that together weigh at most `max` tokens ([`Message::weight`]), at most
    /// [`PAGE_MAX`](limits::PAGE_MAX) of them.
    Tokens {
        /// How heavy at most.
        max: u64,
    },
    /// The latest `limit` messages of those written in an interval, by their `created_at`, which need not follow the
    /// order of the view; of the same time the one with the greater `seq` is the later. Here `has_earlier` and
    /// `has_later` are about the messages of the interval, and nothing is done to keep calls and results together. Unlike
    /// the others it may pass over messages of the interval that the view hides.
    Times {
        /// Only messages after this moment, which is not included.
        after: Option<Time>,
        /// Only messages before this moment, which is not included.
        before: Option<Time>,
        /// Only messages before this one: for the next page, the earliest time (in whole microseconds) and `seq` of the
        /// page before.
        cursor: Option<(Time, u64)>,
        /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
        limit: usize,
    },
    /// The `limit` messages after number `seq` in the whole log, whether the view shows them or hides them, a fork's
    /// inherited ones first: everything that ever happened, in the order of the numbers. Nothing is done to keep calls
    /// and results together.
    Log {
        /// The message after which the window begins; 0 for the start.
        seq: u64,
        /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
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

    /// The messages from `first` to `last`.
    pub fn range(first: u64, last: u64) -> Window {
        Window::Range { first, last }
    }

    /// The newest messages that weigh at most `max` tokens together.
    pub fn tokens(max: u64) -> Window {
        Window::Tokens { max }
    }

    /// The `limit` messages after number `seq`, whether the view shows them or not.
    pub fn log(seq: u64, limit: usize) -> Window {
        Window::Log { seq, limit }
    }

    /// How many messages are wanted at most.
    pub fn limit(&self) -> usize {
        match self {
            Window::Last { limit }
            | Window::Before { limit, .. }
            | Window::After { limit, .. }
            | Window::Times { limit, .. }
            | Window::Log { limit, .. } => *limit,
            Window::Range { .. } | Window::Tokens { .. } => limits::PAGE_MAX,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_limit(self.limit())?;
        if let Window::Range { first, last } = self
            && (*first == 0 || *last == 0)
        {
            return Err(Error::Invalid("there is no message 0; the first is 1".into()));
        }
        let numbers = match self {
            Window::Last { .. } => [0, 0],
            Window::Before { seq, .. } | Window::After { seq, .. } | Window::Log { seq, .. } => [*seq, 0],
            Window::Range { first, last } => [*first, *last],
            Window::Tokens { max } => [*max, 0],
            Window::Times { after, before, cursor, .. } => {
                let cursor_time = cursor.map(|(time, _)| time);
                for bound in [*after, *before, cursor_time] {
                    bound.map_or(Ok(()), time::validate)?;
                }
                [cursor.map_or(0, |(_, seq)| seq), 0]
            }
        };
        if numbers.into_iter().any(|number| number > limits::COUNT_MAX) {
            return Err(Error::Invalid("a sequence number or a count of tokens exceeds 63 bits".into()));
        }
        Ok(())
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessagePage {
    /// The messages, in the order of the view.
    pub messages: Vec<Message>,
    /// Whether the view has messages before the first of these.
    pub has_earlier: bool,
    /// Whether the view has messages after the last of these.
    pub has_later: bool,
    /// Whether the window is longer or heavier than was asked for, because less would have cut a tool call from its
    /// result.
    pub exceeds: bool,
    /// The tool calls of which only one half is in the window, each once: the other half lies outside an end that the
    /// caller named or too far off, was hidden, or never came (see [`Store::repair`](crate::Store::repair)).
    pub unpaired: Vec<String>,
    /// What the messages weigh together, in tokens.
    pub weight: u64,
    /// How many of the messages have no `token_count` and were weighed by their bytes.
    pub estimated: usize,
}

impl MessagePage {
    /// A page of these messages.
    pub fn new(messages: Vec<Message>, has_earlier: bool, has_later: bool, exceeds: bool) -> MessagePage {
        let weights = messages.iter().map(Message::weight);
        MessagePage {
            has_earlier,
            has_later,
            exceeds,
            unpaired: calls::unpaired_calls(&messages),
            weight: weights.clone().fold(0, |sum, weight| sum.saturating_add(weight.tokens)),
            estimated: weights.filter(|weight| weight.estimated).count(),
            messages,
        }
    }
}
