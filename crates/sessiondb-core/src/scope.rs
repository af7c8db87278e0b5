//! [`Scope`]: the part of the address space that a store handle may see.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Result, SessionKey, key};

/// Fixed leading parts of the address: everything of one agent, of one agent on one channel, and so on. A store with
/// a scope can neither read nor write, list nor count anything else.
///
/// ```
/// use sessiondb_core::{Scope, SessionKey};
///
/// let scope = Scope::agent("support").narrow("slack");
/// assert!(scope.contains(&SessionKey::new("support", "slack", "T1", "dm", "U7")));
/// assert!(!scope.contains(&SessionKey::new("support", "email", "", "dm", "ann")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    parts: Vec<String>,
}

impl Scope {
    /// Everything: the administrator's scope.
    pub fn all() -> Scope {
        Scope::default()
    }

    /// All sessions of one agent.
    pub fn agent(agent_id: impl Into<String>) -> Scope {
        Scope { parts: vec![agent_id.into()] }
    }

    /// Narrows the scope by its next part: after [`agent`](Scope::agent) the channel, then the account, the peer
    /// kind, the peer. A scope of five parts is one session; it cannot be narrowed further and stays as it is.
    pub fn narrow(mut self, part: impl Into<String>) -> Scope {
        if self.parts.len() < key::KEY_PARTS.len() {
            self.parts.push(part.into());
        }
        self
    }

    /// The fixed leading parts, none for [`all`](Scope::all).
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Whether a session with this key is inside.
    pub fn contains(&self, key: &SessionKey) -> bool {
        self.parts.iter().zip(key.parts()).all(|(fixed, part)| fixed == part)
    }

    /// Of this and that the one that lies within the other: what is in both; `None` if nothing is.
    pub fn within(&self, other: &Scope) -> Option<Scope> {
        let (longer, shorter) =
            if self.parts.len() >= other.parts.len() { (self, other) } else { (other, self) };
        longer.parts.starts_with(&shorter.parts).then(|| longer.clone())
    }

    /// # Errors
    /// [`Error::OutOfScope`] if the key is not inside.
    pub(crate) fn admit(&self, key: &SessionKey) -> Result<()> {
        if self.contains(key) {
            return Ok(());
        }
        Err(Error::OutOfScope { key: Box::new(key.clone()), scope: self.clone() })
    }
}

impl fmt::Display for Scope {
    /// The fixed parts as in a key's text, then `*`: `support:slack:*`; of one session its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            f.write_str(if place > 0 { ":" } else { "" })?;
            key::write_part(f, part)?;
        }
        match self.parts.len() {
            0 => f.write_str("*"),
            parts if parts < key::KEY_PARTS.len() => f.write_str(":*"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    /// Takes what `Display` gives, and a whole key for the scope of one session.
    ///
    /// ```
    /// use sessiondb_core::Scope;
    ///
    /// assert_eq!("support:slack:*".parse::<Scope>()?, Scope::agent("support").narrow("slack"));
    /// # Ok::<(), sessiondb_core::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Scope> {
        if text == "*" {
            return Ok(Scope::all());
        }
        let bad = || {
            let text = text.escape_debug();
            Error::Invalid(format!(
                "'{text}' is no scope: it is the leading parts of a key, then '*', as support:slack:*"
            ))
        };
        let fixed = text.strip_suffix(":*");
        let count = fixed.map_or(key::KEY_PARTS.len(), |fixed| fixed.split(':').count());
        if fixed.is_some() && count >= key::KEY_PARTS.len() {
            return Err(bad());
        }
        // The missing parts are empty ones, and the key says how the others are written.
        let missing = ":".repeat(key::KEY_PARTS.len() - count);
        let key: SessionKey = format!("{}{missing}", fixed.unwrap_or(text)).parse().map_err(|_| bad())?;
        Ok(Scope { parts: key.parts().into_iter().take(count).map(str::to_owned).collect() })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in ["*", "support:*", "support:slack:*", ":*", "a=3Ab::c:*", "a:b:c:d:*", "a:b:c:d:e"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text, "{text}");
        }
        assert_eq!("a:b:c:d:e".parse::<Scope>().unwrap().parts().len(), 5);
        for bad in ["", "support", "support*", "a:b:c:d:e:*", "a:b:c:d:e:f", "~system:*", "a=ZZ:*", "*:*:"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
