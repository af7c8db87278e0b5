//! [`Terms`]: what a caller looks for.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Words;
use crate::{
    Error, Result,
    limits::{SEARCH_BYTES_MAX, SEARCH_WORDS_MAX},
};

/// What a message must say, all of it, in any order.
///
/// - `refund order`: both words.
/// - `"order 17"`: these words one after the other, with whatever signs between them.
/// - `lib.rs`, `say_hello`, `数据库`: what is written together is looked for together, as in quotes.
/// - `comp*`: words that begin so; in quotes the last one, `"cargo te"*`.
///
/// Anything else is read as words and signs between them: no text is a mistake but one without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    text: String,
    terms: Vec<Term>,
}

/// Words that stand one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// At least one, in the form that is compared.
    words: Vec<String>,
    /// Whether the last is only how the word begins.
    begins: bool,
}

impl Terms {
    /// Where they are in a text: every place of each; `None` if one of them is nowhere. The places are in their order, and none
    /// overlaps another.
    pub(super) fn find(&self, words: &Words) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        for term in &self.terms {
            let before = found.len();
            let last = term.words.len() - 1;
            let stands = |first: &usize| {
                term.words.iter().enumerate().all(|(place, wanted)| {
                    words.word(first + place).is_some_and(|word| match term.begins && place == last {
                        true => word.starts_with(wanted.as_str()),
                        false => word == wanted,
                    })
                })
            };
            let places = (0..words.len().saturating_sub(last)).filter(stands);
            found.extend(places.filter_map(|first| words.place(first, first + last)));
            if found.len() == before {
                return None;
            }
        }
        found.sort_unstable_by_key(|place| (place.start, place.end));
        found.dedup_by(|next, place| {
            let overlaps = next.start < place.end;
            if overlaps {
                place.end = place.end.max(next.end);
            }
            overlaps
        });
        Some(found)
    }

    /// The terms, for an engine's index: the words of each, and whether the last of them is only a beginning.
    pub fn iter(&self) -> impl Iterator<Item = (&[String], bool)> {
        self.terms.iter().map(|term| (term.words.as_slice(), term.begins))
    }
}

impl FromStr for Terms {
    type Err = Error;

    fn from_str(text: &str) -> Result<Terms> {
        if text.len() > SEARCH_BYTES_MAX {
            let length = text.len();
            return Err(Error::Invalid(format!(
                "a search has {length} bytes; at most {SEARCH_BYTES_MAX} are allowed"
            )));
        }
        let (mut words, mut terms) = (Words::default(), Vec::new());
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (term, after) = match rest.strip_prefix('"') {
                // A quote that does not end goes to the end, as while somebody types.
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => {
                    rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len()))
                }
            };
            // The star is behind a quote, and at the end of what stands without.
            let (begins, after) = match after.strip_prefix('*') {
                Some(after) => (true, after),
                None => (term.ends_with('*'), after),
            };
            words.read(term);
            let own: Vec<String> =
                (0..words.len()).filter_map(|place| words.word(place).map(str::to_owned)).collect();
            if !own.is_empty() {
                terms.push(Term { words: own, begins });
            }
            rest = after.trim_start();
        }
        let count: usize = terms.iter().map(|term| term.words.len()).sum();
        match count {
            0 => Err(Error::Invalid("a search must have a word, of letters or digits".into())),
            _ if count > SEARCH_WORDS_MAX => Err(Error::Invalid(format!(
                "a search has {count} words; at most {SEARCH_WORDS_MAX} are allowed"
            ))),
            _ => Ok(Terms { text: text.to_owned(), terms }),
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Terms, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(terms: &str, text: &str) -> Option<Vec<String>> {
        let mut words = Words::default();
        words.read(text);
        let places = terms.parse::<Terms>().unwrap().find(&words)?;
        Some(places.into_iter().map(|place| text[place].to_owned()).collect())
    }

    #[test]
    fn every_term_must_be_there_in_any_order() {
        let text = "The refund for order 17, and the Order of things";
        assert_eq!(found("order refund", text).unwrap(), ["refund", "order", "Order"]);
        assert_eq!(found("order cake", text), None);
        assert_eq!(found("ord", text), None);
    }

    #[test]
    fn what_is_quoted_or_written_together_stands_together() {
        let text = "see crates/core/src/lib.rs and lib_rs, but not rs lib";
        assert_eq!(found("lib.rs", text).unwrap(), ["lib.rs", "lib_rs"]);
        assert_eq!(found("\"core src\"", text).unwrap(), ["core/src"]);
        assert_eq!(found("\"src core\"", text), None);
        assert_eq!(found("\"core src", text).unwrap(), ["core/src"]);
        assert_eq!(found("据库", "数据库").unwrap(), ["据库"]);
        assert_eq!(found("库据", "数据库"), None);
        assert_eq!(found("say\"core src\"", "say core src").unwrap(), ["say", "core src"]);
    }

    #[test]
    fn a_star_stands_for_the_rest_of_a_word() {
        let text = "compile, compaction, cargo test";
        assert_eq!(found("comp*", text).unwrap(), ["compile", "compaction"]);
        assert_eq!(found("\"cargo te\"*", text).unwrap(), ["cargo test"]);
        assert_eq!(found("\"ca te\"*", text), None);
    }

    #[test]
    fn places_that_overlap_are_one() {
        assert_eq!(found("\"a a\"", "a a a b a").unwrap(), ["a a a"]);
        assert_eq!(found("a \"a b\"", "a a b").unwrap(), ["a", "a b"]);
    }

    #[test]
    fn no_text_is_a_mistake_but_one_without_a_word_or_with_too_many() {
        for text in [
            "AND OR NOT",
            "a NEAR(b)",
            "col:x",
            "-x",
            "^x",
            "{a b}",
            "\"\"\" a",
            "a \"",
            "''a",
            "%_a",
            "a\0b",
        ] {
            assert!(text.parse::<Terms>().is_ok(), "{text}");
        }
        for text in ["", " ", "\"\"", "*", "&&", "…"] {
            assert!(text.parse::<Terms>().is_err(), "{text}");
        }
        assert!("a ".repeat(SEARCH_WORDS_MAX).parse::<Terms>().is_ok());
        assert!("a ".repeat(SEARCH_WORDS_MAX + 1).parse::<Terms>().is_err());
        assert!("a".repeat(SEARCH_BYTES_MAX + 1).parse::<Terms>().is_err());
    }
}
