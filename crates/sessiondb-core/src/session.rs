//! Sessions, and the lists of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Json, LogId, Result, SessionKey, Time, View, limits, time, window::validate_limit};

/// The family of a session that was opened without naming one: a plain conversation.
pub const FAMILY_DEFAULT: &str = "chat";
/// The family of what is kept at the addresses of [scopes](crate::SessionKey::of_scope). Lists have it only where they are asked
/// for it.
pub const FAMILY_SCOPE: &str = "scope";
/// The status of a session that was opened without naming one.
pub const STATUS_DEFAULT: &str = "active";

/// A session: everything about it but its messages and documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The number of its own log in this store, and the tie-break of lists.
    pub log: LogId,
    /// Its address.
    pub key: SessionKey,
    /// Which kind of session it is, and so who knows what its statuses and documents mean. Fixed when it is opened.
    pub family: String,
    /// Its status, in its family's vocabulary.
    pub status: String,
    /// Whatever describes it: a JSON object, in the text it came as.
    pub metadata: Json,
    /// How many messages its view has: what reading all of its history returns.
    pub message_count: u64,
    /// How many messages its own log has.
    pub log_count: u64,
    /// Tokens used in it, as its writers counted.
    pub token_usage: u64,
    /// When it was opened.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Time,
    /// When anything in it last changed. It never goes back.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Time,
    /// How often its state changed (status, metadata, view, tokens set, documents). Appending messages and adding
    /// tokens do not count: they commute with every other change.
    pub revision: u64,
    /// The sequence number of the last message ever appended, or inherited if it is a fork without messages of its own;
    /// 0 if there was none.
    pub head: u64,
    /// The sequence number with which its own log begins: 1, or more in a fork.
    pub log_first: u64,
    /// Which messages are its present history.
    pub view: View,
}

impl Session {
    /// Whether nothing but messages has been written to it: what a session is while it is restored, before its state is.
    pub fn is_begun(&self) -> bool {
        self.status == STATUS_DEFAULT
            && self.metadata == Json::object()
            && (self.token_usage, self.revision) == (0, 0)
            && self.updated_at == self.created_at
            && self.view == View::of([], self.log, self.log_first.saturating_sub(1))
    }
}

/// What a list of sessions is ordered by. Sessions with the same time are ordered by their number, newest first in
/// the `Newest` orders, oldest first in the `Oldest` ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionOrder {
    /// The last changed first.
    #[default]
    UpdatedNewest,
    /// The longest unchanged first.
    UpdatedOldest,
    /// The last opened first.
    CreatedNewest,
    /// The first opened first.
    CreatedOldest,
}

impl SessionOrder {
    /// All orders.
    pub const ALL: [SessionOrder; 4] = [
        SessionOrder::UpdatedNewest,
        SessionOrder::UpdatedOldest,
        SessionOrder::CreatedNewest,
        SessionOrder::CreatedOldest,
    ];

    /// Whether the order follows `updated_at`; else `created_at`.
    pub fn by_update(self) -> bool {
        matches!(self, SessionOrder::UpdatedNewest | SessionOrder::UpdatedOldest)
    }

    /// Whether the newest comes first.
    pub fn newest_first(self) -> bool {
        matches!(self, SessionOrder::UpdatedNewest | SessionOrder::CreatedNewest)
    }

    /// The time of a session that this order follows.
    pub fn time_of(self, session: &Session) -> Time {
        if self.by_update() { session.updated_at } else { session.created_at }
    }
}

/// Which sessions to list. All conditions must hold; the default lists every session, the last changed first.
///
/// A list of all sessions or of an agent's finds them in each order without passing over others; one of an agent's channel
/// and account, or of an agent's peer, in the `Created` orders. Any other condition passes over what does not match.
///
/// ```
/// use sessiondb_core::SessionFilter;
///
/// let filter = SessionFilter { agent_id: Some("support".into()), limit: 20, ..SessionFilter::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct SessionFilter {
    /// Only this agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Only this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Only this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Only this kind of peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_kind: Option<String>,
    /// Only this peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
    /// Only this family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Only these statuses; none means any.
    #[serde(rename = "status", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Only what was opened after this moment, which is not included.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime), schema(value_type = Option<String>, format = DateTime))]
    pub created_after: Option<Time>,
    /// Only what was opened before this moment, which is not included.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime), schema(value_type = Option<String>, format = DateTime))]
    pub created_before: Option<Time>,
    /// Only what last changed after this moment, which is not included.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime), schema(value_type = Option<String>, format = DateTime))]
    pub updated_after: Option<Time>,
    /// Only what last changed before this moment, which is not included.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::text_opt")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = DateTime), schema(value_type = Option<String>, format = DateTime))]
    pub updated_before: Option<Time>,
    /// What to order by.
    #[cfg_attr(feature = "openapi", param(inline))]
    pub order: SessionOrder,
    /// Where to go on: the `next` of the page before ([`SessionPage::next`]), asked with the same filter.
    #[serde(rename = "cursor", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>), schema(value_type = Option<String>))]
    pub after: Option<Cursor>,
    /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
    #[cfg_attr(
        feature = "openapi",
        param(minimum = 1, maximum = 1000, default = 100),
        schema(minimum = 1, maximum = 1000, default = 100)
    )]
    pub limit: usize,
}

impl Default for SessionFilter {
    fn default() -> SessionFilter {
        SessionFilter {
            agent_id: None,
            channel: None,
            account_id: None,
            peer_kind: None,
            peer_id: None,
            family: None,
            statuses: Vec::new(),
            created_after: None,
            created_before: None,
            updated_after: None,
            updated_before: None,
            order: SessionOrder::default(),
            after: None,
            limit: limits::PAGE_DEFAULT,
        }
    }
}

impl SessionFilter {
    /// The five parts of the key, in order, each with the part it must be, if any.
    pub fn key_parts(&self) -> [&Option<String>; 5] {
        [&self.agent_id, &self.channel, &self.account_id, &self.peer_kind, &self.peer_id]
    }

    /// The same parts, to set.
    pub(crate) fn key_parts_mut(&mut self) -> [&mut Option<String>; 5] {
        [&mut self.agent_id, &mut self.channel, &mut self.account_id, &mut self.peer_kind, &mut self.peer_id]
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_limit(self.limit)?;
        if self.statuses.len() > limits::PAGE_MAX {
            return Err(Error::Invalid(format!("a filter names at most {} statuses", limits::PAGE_MAX)));
        }
        for bound in [self.created_after, self.created_before, self.updated_after, self.updated_before] {
            bound.map_or(Ok(()), time::validate)?;
        }
        match &self.after {
            Some(cursor) if cursor.order != self.order => {
                Err(Error::Invalid("the cursor is from a list of another order".into()))
            }
            _ => Ok(()),
        }
    }
}

/// A place in a list of sessions. Its text form is for handing through; what it says is the store's own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The order of the list it is from.
    pub order: SessionOrder,
    /// The time of the last session of the page, by that order.
    pub time: Time,
    /// The number of that session.
    pub log: LogId,
}

impl Cursor {
    /// The place right after this session.
    pub fn after(session: &Session, order: SessionOrder) -> Cursor {
        Cursor { order, time: order.time_of(session), log: session.log }
    }
}

const ORDER_TAGS: [(char, SessionOrder); 4] = [
    ('u', SessionOrder::UpdatedNewest),
    ('U', SessionOrder::UpdatedOldest),
    ('c', SessionOrder::CreatedNewest),
    ('C', SessionOrder::CreatedOldest),
];

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = ORDER_TAGS.iter().find(|(_, order)| *order == self.order).map_or('u', |(tag, _)| *tag);
        write!(f, "{tag}{}.{}", self.time.timestamp_micros(), self.log.0)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        let parse = || {
            let (_, order) = ORDER_TAGS.iter().find(|(tag, _)| text.starts_with(*tag))?;
            let (micros, log) = text.get(1..)?.split_once('.')?;
            let time = Time::from_timestamp_micros(micros.parse().ok()?)?;
            time::validate(time).ok()?;
            Some(Cursor { order: *order, time, log: LogId(log.parse().ok()?) })
        };
        parse().ok_or_else(|| Error::Invalid(format!("'{}' is not a cursor", text.escape_debug())))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A page of sessions. It may have fewer than were asked for although there are more: `next` tells, not the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage {
    /// The sessions, in the order asked for.
    pub sessions: Vec<Session>,
    /// What to give as [`SessionFilter::after`] for the next page; `None` at the end.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_and_nonsense_is_refused() {
        for order in SessionOrder::ALL {
            let cursor = Cursor { order, time: time::now(), log: LogId(42) };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in [
            "",
            "u",
            "u1",
            "u.1",
            "x1.1",
            "u1.1.1",
            "u99999999999999999999.1",
            "é1.1",
            "u9223372036854775807.1",
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
