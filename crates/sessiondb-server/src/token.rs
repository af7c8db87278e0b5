//! [`Token`]: the text that a caller shows.
//!
//! `sdb_<id>_<secret><check>`: 12 characters that name the token, 43 that only its owner knows (256 bits), and 6 that are
//! the CRC-32 of all before them, all of base 62. So a mistyped token is refused without looking for it, and scanners of source
//! code find lost ones. What is stored of the secret is its SHA-256.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "sdb_";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token as its owner has it. It is shown once, and never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: String,
}

/// What is stored of a token's secret.
#[derive(Clone, Copy)]
pub(crate) struct Hash([u8; 32]);

impl Token {
    /// A new one, of the system's random bytes.
    ///
    /// # Errors
    /// If the system has none.
    pub fn generate() -> Result<Token, getrandom::Error> {
        Ok(Token { id: random(ID_LEN)?, secret: random(SECRET_LEN)? })
    }

    /// Reads the text; `None` if it is no token, or one with a typing error.
    pub fn parse(text: &str) -> Option<Token> {
        let rest = text.strip_prefix(PREFIX)?;
        let right = rest.len() == ID_LEN + 1 + SECRET_LEN + CHECK_LEN && rest.is_ascii();
        let (id, rest) = right.then(|| rest.split_at(ID_LEN))?;
        let (secret, check) = rest.strip_prefix('_')?.split_at(SECRET_LEN);
        let digits = |text: &str| text.bytes().all(|byte| DIGITS.contains(&byte));
        let token = (digits(id) && digits(secret)).then(|| Token { id: id.into(), secret: secret.into() })?;
        (token.check() == check).then_some(token)
    }

    /// What names it, and is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}{}", self.id, self.secret, self.check())
    }

    pub(crate) fn hash(&self) -> Hash {
        Hash(Sha256::digest(self.secret.as_bytes()).into())
    }

    fn check(&self) -> String {
        let mut rest = crc32fast::hash(format!("{PREFIX}{}_{}", self.id, self.secret).as_bytes()) as usize;
        let mut digits = [b'0'; CHECK_LEN];
        for digit in digits.iter_mut().rev() {
            (*digit, rest) = (DIGITS[rest % DIGITS.len()], rest / DIGITS.len());
        }
        digits.iter().map(|digit| char::from(*digit)).collect()
    }
}

/// Without the secret, so that no log has it by accident.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

impl Hash {
    /// What no token has: to compare with where there is none, so that it takes as long.
    pub const NONE: Hash = Hash([0; 32]);

    /// Compares in a time that says nothing of where they differ.
    pub fn is(&self, other: &Hash) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub fn to_text(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn from_text(text: &str) -> Option<Hash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Hash(bytes))
    }
}

/// So many random digits of base 62, all equally likely.
fn random(len: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes)?;
        // Bytes from 248 on would make the first digits likelier.
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < 4 * DIGITS.len());
        text.extend(fair.map(|byte| char::from(DIGITS[byte % DIGITS.len()])).take(len - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_mistyped_one_is_not() {
        let token = Token::generate().unwrap();
        let text = token.reveal();
        assert_eq!(Token::parse(&text), Some(token.clone()));
        assert_eq!(text.len(), 4 + 12 + 1 + 43 + 6);
        for place in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(Token::parse(&String::from_utf8(other).unwrap()), None, "at {place} of {text}");
        }
        for bad in
            ["", "sdb_", "Bearer", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &"é".repeat(33)]
        {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
        assert_ne!(Token::generate().unwrap(), Token::generate().unwrap());
    }

    #[test]
    fn nothing_that_is_printed_has_the_secret() {
        let token = Token::generate().unwrap();
        assert_eq!(format!("{token:?}"), format!("sdb_{}_…", token.id()));
    }

    #[test]
    fn hashes_are_read_back_and_compared() {
        let hash = Token::generate().unwrap().hash();
        assert!(Hash::from_text(&hash.to_text()).unwrap().is(&hash));
        assert!(!Hash::NONE.is(&hash));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Hash::from_text(bad).is_none(), "{bad}");
        }
    }
}
