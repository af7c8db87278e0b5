//! Routing: from where a message came in to the session that it belongs to.
//!
//! Nothing here is folded: ids are taken byte for byte, and a channel or a thread is not a group. Two peers share a
//! session only if somebody chose so, by [`normalize`] or [`main_session_key`].

use std::{convert::Infallible, fmt, hash, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::SessionKey;

/// What the other side is. An open vocabulary: what is not known here is [`Other`](PeerKind::Other), and every kind is
/// its text, in JSON and in a key too. Kinds with the same text are equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum PeerKind {
    /// One person: `dm`.
    Dm,
    /// Several people: `group`.
    Group,
    /// A channel of a workspace: `channel`.
    Channel,
    /// A thread in a channel or group: `thread`.
    Thread,
    /// Anything else, by its own text.
    Other(String),
}

impl PeerKind {
    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            PeerKind::Dm => "dm",
            PeerKind::Group => "group",
            PeerKind::Channel => "channel",
            PeerKind::Thread => "thread",
            PeerKind::Other(text) => text,
        }
    }
}

impl From<String> for PeerKind {
    /// The known kind of exactly this text, else [`Other`](PeerKind::Other).
    fn from(text: String) -> PeerKind {
        match text.as_str() {
            "dm" => PeerKind::Dm,
            "group" => PeerKind::Group,
            "channel" => PeerKind::Channel,
            "thread" => PeerKind::Thread,
            _ => PeerKind::Other(text),
        }
    }
}

impl From<&str> for PeerKind {
    fn from(text: &str) -> PeerKind {
        PeerKind::from(text.to_owned())
    }
}

impl FromStr for PeerKind {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<PeerKind, Infallible> {
        Ok(PeerKind::from(text))
    }
}

impl From<PeerKind> for String {
    fn from(kind: PeerKind) -> String {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for PeerKind {
    fn eq(&self, other: &PeerKind) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PeerKind {}

impl hash::Hash for PeerKind {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Where a message came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChannelContext {
    /// The kind of channel: `discord`, `slack`, `matrix`.
    pub channel: String,
    /// The agent's own account there.
    pub account_id: String,
    /// What the other side is.
    pub peer_kind: PeerKind,
    /// The other side's id, unique among the peers of its kind on this account. Where a thread's id is unique in its
    /// channel alone, as in Slack, it must name both: `C024BE91L/1733.0002`.
    pub peer_id: String,
}

impl ChannelContext {
    /// With the names of the channel and of the kind of peer [normalised](normalize), so that `Discord` and `discord`
    /// are one channel. The ids stay: whether two that differ in case are one peer is known to the channel alone (in
    /// Slack and Matrix they are not). Where they are, normalise `peer_id` yourself.
    #[must_use]
    pub fn normalized(self) -> ChannelContext {
        ChannelContext {
            channel: normalize(&self.channel),
            peer_kind: normalize(self.peer_kind.as_str()).as_str().into(),
            ..self
        }
    }
}

/// Without white space around it, in lower case. Only ever applied where a caller says so.
pub fn normalize(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The key of the session of this agent with this peer: the context's parts, byte for byte.
///
/// ```
/// use aisopod_session::{CanonicalString, ChannelContext, PeerKind, resolve_session_key};
///
/// let context = ChannelContext {
///     channel: "matrix".into(),
///     account_id: "bot".into(),
///     peer_kind: PeerKind::Dm,
///     peer_id: "@Ann:example.org".into(),
/// };
/// let key = resolve_session_key("support", &context);
/// assert_eq!(key.canonical_string(), "support:matrix:bot:dm:@Ann=3Aexample.org");
/// assert_eq!(key.canonical_string().parse(), Ok(key));
/// ```
pub fn resolve_session_key(agent_id: &str, context: &ChannelContext) -> SessionKey {
    SessionKey {
        agent_id: agent_id.into(),
        channel: context.channel.clone(),
        account_id: context.account_id.clone(),
        peer_kind: context.peer_kind.as_str().into(),
        peer_id: context.peer_id.clone(),
    }
}

/// The key of an agent's one main session (kind `main`, without channel, account and peer), for who wants all direct
/// messages in one conversation whichever way they came:
///
/// ```
/// # use aisopod_session::{ChannelContext, PeerKind, main_session_key, resolve_session_key};
/// # let context = ChannelContext {
/// #     channel: "signal".into(), account_id: "".into(), peer_kind: PeerKind::Dm, peer_id: "ann".into(),
/// # };
/// let key = match context.peer_kind {
///     PeerKind::Dm => main_session_key("support"),
///     _ => resolve_session_key("support", &context),
/// };
/// # assert_eq!(key.to_string(), "support:::main:");
/// ```
///
/// Everybody who writes to the agent then reads and writes one history: right for a personal assistant, wrong for a
/// bot that strangers write to.
pub fn main_session_key(agent_id: &str) -> SessionKey {
    SessionKey {
        agent_id: agent_id.into(),
        channel: String::new(),
        account_id: String::new(),
        peer_kind: "main".into(),
        peer_id: String::new(),
    }
}

/// A session key as one text.
pub trait CanonicalString {
    /// The five parts joined by `:`, with what would make that ambiguous escaped, so that it parses back to the same
    /// key, and keys that differ have texts that differ. It is the `Display` of a key.
    fn canonical_string(&self) -> String;
}

impl CanonicalString for SessionKey {
    fn canonical_string(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(kind: &str, peer: &str) -> ChannelContext {
        ChannelContext {
            channel: "Matrix".into(),
            account_id: " Bot".into(),
            peer_kind: kind.into(),
            peer_id: peer.into(),
        }
    }

    /// Defect j of the upstream store: peer ids were lower-cased, and channels and threads were made groups, so that
    /// different peers shared a session.
    #[test]
    fn defect_j_no_id_is_lower_cased_and_no_kind_is_folded() {
        let key = resolve_session_key("Agent", &context("dm", " U7ab "));
        assert_eq!(key.parts(), ["Agent", "Matrix", " Bot", "dm", " U7ab "]);
        let kinds = ["dm", "group", "channel", "thread", "Channel", "space"];
        let keys: std::collections::HashSet<SessionKey> =
            kinds.into_iter().map(|kind| resolve_session_key("a", &context(kind, "7"))).collect();
        assert_eq!(keys.len(), kinds.len());
        assert_ne!(
            resolve_session_key("a", &context("dm", "U7")),
            resolve_session_key("a", &context("dm", "u7"))
        );
    }

    /// Defect i of the upstream store: the parts were joined without escapes.
    #[test]
    fn defect_i_a_canonical_string_parses_back_and_does_not_collide() {
        let one = SessionKey::new("a", "b:c", "", "dm", "d");
        let two = SessionKey::new("a:b", "c", "", "dm", "d");
        assert_ne!(one.canonical_string(), two.canonical_string());
        for key in [one, two, resolve_session_key("a", &context("dm", "@ann:example.org"))] {
            assert_eq!(key.canonical_string().parse(), Ok(key));
        }
    }

    #[test]
    fn normalising_is_a_choice_and_leaves_ids_alone() {
        assert_eq!(normalize("  DisCord\n"), "discord");
        let key = resolve_session_key("a", &context(" DM", "U7").normalized());
        assert_eq!(key.parts(), ["a", "matrix", " Bot", "dm", "U7"]);
        assert_eq!(context(" DM", "U7").normalized().peer_kind, PeerKind::Dm);
    }

    #[test]
    fn a_kind_is_its_text() {
        for kind in [PeerKind::Dm, PeerKind::Group, PeerKind::Channel, PeerKind::Thread] {
            let text = kind.to_string();
            assert_eq!(serde_json::to_value(&kind).unwrap(), text.as_str());
            assert_eq!(serde_json::from_value::<PeerKind>(text.clone().into()).unwrap(), kind);
            assert_eq!(PeerKind::Other(text.clone()), kind, "equal text, equal kind");
            assert!(!matches!(text.parse(), Ok(PeerKind::Other(_))));
        }
        assert_eq!(PeerKind::from("space").as_str(), "space");
        assert_ne!(PeerKind::from("Dm"), PeerKind::Dm);
    }

    #[test]
    fn the_main_session_is_no_peers() {
        assert_eq!(main_session_key("a"), main_session_key("a"));
        assert_ne!(main_session_key("a"), main_session_key("b"));
        let empty = ChannelContext {
            channel: String::new(),
            account_id: String::new(),
            peer_kind: PeerKind::Dm,
            peer_id: String::new(),
        };
        assert_ne!(main_session_key("a"), resolve_session_key("a", &empty));
    }
}
