//! [`SessionKey`]: the five-part address of a session, and its text form.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};

use crate::{Error, LogId, Result, Scope, fingerprint::Fingerprint, limits};

/// The address of a session: who talks to whom, and where.
///
/// The five parts are the ones every chat system has in some shape (an agent, a channel, the account it uses there,
/// the kind of the other side and its id). They are stored byte for byte: nothing is trimmed, folded or lower-cased,
/// so two ids that differ only in case are two sessions. An empty part is legal.
///
/// A part has at most [`KEY_PART_BYTES_MAX`](limits::KEY_PART_BYTES_MAX) bytes, all five at most
/// [`KEY_BYTES_MAX`](limits::KEY_BYTES_MAX). NUL is refused, and so is a part that begins with `~`: those addresses
/// are the store's own, but for those of [scopes](SessionKey::of_scope).
///
/// # Text form
///
/// `Display` and `FromStr` give and take the canonical text: the parts joined by `:`. Inside a part, the characters
/// `:` `=` `/` `%` `?` `#` `\`, white space, control characters and others that are not seen are written as `=HH`, one for
/// each byte in hexadecimal.
/// The text has neither `%` nor `/`, so it can stand in a URL's path as it is, and parses back to the same key.
///
/// ```
/// use sessiondb_core::SessionKey;
///
/// let key = SessionKey::new("main", "matrix", "bot", "dm", "@ann:example.org");
/// assert_eq!(key.to_string(), "main:matrix:bot:dm:@ann=3Aexample.org");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionKey {
    /// Which agent owns the session.
    pub agent_id: String,
    /// The kind of channel: `discord`, `slack`, `cli`, or the system a transcript was imported from.
    pub channel: String,
    /// The agent's own account on that channel; a project or workspace where there are no accounts.
    pub account_id: String,
    /// What the other side is: `dm`, `group`, `session`, … An open vocabulary.
    pub peer_kind: String,
    /// The other side's id.
    pub peer_id: String,
}

/// The agent of the addresses under which deleted sessions are kept for their forks.
pub const KEPT: &str = "~kept";

/// The agent of the addresses under which programs around the store keep what is theirs (a server's tokens), beside the sessions
/// and out of their sight: see [`Store::system`](crate::Store::system).
pub const SYSTEM: &str = "~system";

/// The part of an address that says that a scope's state stands there: see [`SessionKey::of_scope`].
pub const SCOPE: &str = "~scope";

/// The names of a key's parts, in order.
pub const KEY_PARTS: [&str; 5] = ["agent_id", "channel", "account_id", "peer_kind", "peer_id"];

impl SessionKey {
    /// A key of these five parts. Whether the store accepts them is decided when it is used.
    pub fn new(
        agent_id: impl Into<String>,
        channel: impl Into<String>,
        account_id: impl Into<String>,
        peer_kind: impl Into<String>,
        peer_id: impl Into<String>,
    ) -> SessionKey {
        SessionKey {
            agent_id: agent_id.into(),
            channel: channel.into(),
            account_id: account_id.into(),
            peer_kind: peer_kind.into(),
            peer_id: peer_id.into(),
        }
    }

    /// The five parts in order.
    pub fn parts(&self) -> [&str; 5] {
        [&self.agent_id, &self.channel, &self.account_id, &self.peer_kind, &self.peer_id]
    }

    /// Where a scope's state is kept: the scope's parts, then [`SCOPE`] in the place of the next one, as `support:~scope:::`. Of a
    /// scope of five parts it is the session.
    pub fn of_scope(scope: &Scope) -> SessionKey {
        let marked = scope.parts().iter().map(String::as_str).chain([SCOPE]);
        let mut parts = marked.chain(std::iter::repeat(""));
        let mut next = || parts.next().unwrap_or_default();
        SessionKey::new(next(), next(), next(), next(), next())
    }

    /// Whether it is where a scope's state is kept.
    pub fn is_of_scope(&self) -> bool {
        let parts = self.parts();
        let place = parts.iter().position(|part| part.starts_with('~'));
        place.is_some_and(|place| {
            parts[place] == SCOPE && parts[place + 1..].iter().all(|part| part.is_empty())
        })
    }

    /// Whether the store accepts this key: that of a session, or of a scope's state.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the part: too long, with a NUL, or beginning with the reserved `~`.
    pub fn validate(&self) -> Result<()> {
        if self.is_of_scope() {
            return self.validate_any();
        }
        for (name, part) in KEY_PARTS.into_iter().zip(self.parts()) {
            if part.starts_with('~') {
                return Err(Error::Invalid(format!(
                    "the key's {name} begins with '~'; those addresses are reserved for the store itself"
                )));
            }
        }
        self.validate_any()
    }

    /// Where the messages of a deleted session stay while a fork shows them.
    pub fn kept(key: &SessionKey, log: LogId) -> SessionKey {
        let mut fields = Fingerprint::new();
        key.parts().into_iter().for_each(|part| fields.text(part));
        fields.number(log.0.cast_unsigned());
        let name: String = fields.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        SessionKey::new(KEPT, "", "", "log", name)
    }

    /// Reads a text that a store has written, which may be one of the store's own addresses. For backends.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no key's text.
    pub fn from_stored(text: &str) -> Result<SessionKey> {
        let key = unchecked(text)?;
        key.validate_any()?;
        Ok(key)
    }

    /// Whether it is an address of the store's own, which callers cannot name.
    pub fn is_reserved(&self) -> bool {
        !self.is_of_scope() && self.parts().iter().any(|part| part.starts_with('~'))
    }

    /// Whether it can be a key at all, the caller's or the store's own.
    pub(crate) fn validate_any(&self) -> Result<()> {
        for (name, part) in KEY_PARTS.into_iter().zip(self.parts()) {
            if part.len() > limits::KEY_PART_BYTES_MAX {
                return Err(Error::Invalid(format!(
                    "the key's {name} has {} bytes; at most {} are allowed",
                    part.len(),
                    limits::KEY_PART_BYTES_MAX
                )));
            }
            if part.contains('\0') {
                return Err(Error::Invalid(format!("the key's {name} contains a NUL character")));
            }
        }
        let bytes: usize = self.parts().iter().map(|part| part.len()).sum();
        if bytes > limits::KEY_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "the key has {bytes} bytes in all; at most {} are allowed",
                limits::KEY_BYTES_MAX
            )));
        }
        Ok(())
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts().into_iter().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write_part(f, part)?;
        }
        Ok(())
    }
}

/// One part of a key in canonical text: itself, with what must be escaped escaped.
pub(crate) fn write_part(f: &mut fmt::Formatter<'_>, part: &str) -> fmt::Result {
    let mut plain_from = 0;
    for (at, c) in part.char_indices() {
        if !matches!(c, ':' | '=' | '/' | '%' | '?' | '#' | '\\' | ' ') && !c.is_control() && !is_invisible(c)
        {
            continue;
        }
        f.write_str(&part[plain_from..at])?;
        plain_from = at + c.len_utf8();
        for byte in &part.as_bytes()[at..plain_from] {
            write!(f, "={byte:02X}")?;
        }
    }
    f.write_str(&part[plain_from..])
}

/// Characters that are not seen, or turn the direction of those that are: in a text that people compare and copy they
/// would hide what it says. White space, zero-width characters, marks and overrides of direction, byte order marks, tags.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The five parts, or the canonical text.
impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SessionKey, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

/// The five parts by their names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    agent_id: String,
    channel: String,
    account_id: String,
    peer_kind: String,
    peer_id: String,
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = SessionKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's key: its text, or an object of its five parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SessionKey, E> {
        text.parse().map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SessionKey, A::Error> {
        let Parts { agent_id, channel, account_id, peer_kind, peer_id } =
            Parts::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(SessionKey { agent_id, channel, account_id, peer_kind, peer_id })
    }
}

impl FromStr for SessionKey {
    type Err = Error;

    /// Takes the canonical text, and also text in which characters stand that the canonical form would escape, as
    /// long as it is clear where a part ends.
    fn from_str(text: &str) -> Result<SessionKey> {
        let key = unchecked(text)?;
        key.validate()?;
        Ok(key)
    }
}

fn unchecked(text: &str) -> Result<SessionKey> {
    let parts = text.split(':').map(unescape).collect::<Result<Vec<String>>>()?;
    let count = parts.len();
    let Ok([agent_id, channel, account_id, peer_kind, peer_id]) = <[String; 5]>::try_from(parts) else {
        return Err(Error::Invalid(format!(
            "'{}' is not a session key: it has {count} part{} where five are needed \
                 (agent:channel:account:kind:peer; a ':' inside a part is written =3A)",
            text.escape_debug(),
            if count == 1 { "" } else { "s" }
        )));
    };
    Ok(SessionKey { agent_id, channel, account_id, peer_kind, peer_id })
}

fn unescape(part: &str) -> Result<String> {
    let bad = |why: &str| {
        Error::Invalid(format!("'{}' is not a part of a session key: {why}", part.escape_debug()))
    };
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'=' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let hex = tail.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        let value = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(value.ok_or_else(|| bad("after '=' two hexadecimal digits must follow"))?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| bad("its escapes are not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn canonical_text_parses_back_and_survives_a_url(parts in proptest::collection::vec("[^\0~]{0,30}", 5)) {
            let key = SessionKey::new(&parts[0], &parts[1], &parts[2], &parts[3], &parts[4]);
            let text = key.to_string();
            prop_assert!(!text.contains(['/', '%', '?', '#', '\\', ' ']));
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(text.parse::<SessionKey>().unwrap(), key);
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".{0,80}") {
            if let Ok(key) = text.parse::<SessionKey>() {
                prop_assert_eq!(key.to_string().parse::<SessionKey>().unwrap(), key);
            }
        }
    }

    /// Defect i of the upstream chat store: ids that contain the separator collided ("a:b" + "c" = "a" + "b:c").
    #[test]
    fn defect_i_ids_with_colons_do_not_collide() {
        let one = SessionKey::new("a", "b:c", "d", "dm", "e").to_string();
        let two = SessionKey::new("a:b", "c", "d", "dm", "e").to_string();
        assert_ne!(one, two);
    }

    /// A key that holds characters which are not seen was printed in a way that read back as another key.
    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for c in ['\u{202e}', '\u{200b}', '\u{feff}', '\u{a0}', '\u{2028}', '\u{e0041}', '\u{ad}', '\u{85}'] {
            let key = SessionKey::new("a", "", "", "dm", format!("x{c}y"));
            let text = key.to_string();
            assert!(text.is_ascii(), "{text:?}");
            assert_eq!(text.parse(), Ok(key));
        }
        assert_eq!(SessionKey::new("é", "日本", "🦀", "", "").to_string(), "é:日本:🦀::");
    }

    #[test]
    fn what_no_key_may_contain_is_refused_by_name() {
        let of =
            |peer: &str| SessionKey::new("a", "b", "c", "dm", peer).validate().map_err(|e| e.to_string());
        assert_eq!(of("x\0y"), Err("the key's peer_id contains a NUL character".into()));
        assert!(of("~trash").unwrap_err().contains("reserved"));
        assert!(of(&"x".repeat(513)).unwrap_err().contains("513 bytes"));
        assert_eq!(of(&"é".repeat(256)), Ok(()));
        let wide = "x".repeat(500);
        assert!(SessionKey::new(&wide, &wide, &wide, "", "").validate().is_err());
        assert_eq!(SessionKey::new("", "", "", "", "").validate(), Ok(()));
    }

    #[test]
    fn text_that_is_no_key_says_why() {
        let why = |text: &str| text.parse::<SessionKey>().unwrap_err().to_string();
        assert!(why("a:b").contains("2 parts"));
        assert!(why("a:b:c:d:=4").contains("two hexadecimal digits"));
        assert!(why("a:b:c:d:=+1").contains("two hexadecimal digits"));
        assert!(why("a:b:c:d:=FF").contains("not UTF-8"));
        assert!(why("a:b:c:d:=00").contains("NUL"));
    }
}
