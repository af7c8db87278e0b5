//! [`Utterance`]: what somebody said in a turn.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sessiondb::limits;

use crate::{Error, Result};

/// Longest text of an utterance, in characters.
pub const TEXT_CHARS_MAX: usize = 5_000;

/// What somebody says, to be recorded in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUtterance {
    /// Who speaks: `user`, `system`, … An open vocabulary, not empty, at most 64 bytes.
    pub speaker: String,
    /// What is said: 1 to 5,000 characters.
    pub text: String,
}

impl NewUtterance {
    /// An utterance of this speaker.
    pub fn new(speaker: impl Into<String>, text: impl Into<String>) -> NewUtterance {
        NewUtterance { speaker: speaker.into(), text: text.into() }
    }
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Its number in the session: 1, 2, 3, …, in the order of recording. Pages are read by it.
    pub seq: u64,
    /// The turn it belongs to. Together with the speaker it is unique in the session.
    pub turn_number: u32,
    /// Who spoke.
    pub speaker: String,
    /// What was said.
    pub text: String,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A page of utterances, in the order of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtterancePage {
    /// The utterances.
    pub utterances: Vec<Utterance>,
    /// After which to go on; `None` at the end.
    pub next: Option<u64>,
}

/// Whether these can be said in one turn: at least one, each of another speaker.
pub(crate) fn validate(utterances: &[NewUtterance]) -> Result<()> {
    if utterances.is_empty() {
        let reason = "is empty; a turn has at least one. To change the state alone, use update_state";
        return Err(Error::invalid("utterances", reason));
    }
    let mut speakers = HashSet::new();
    for (index, utterance) in utterances.iter().enumerate() {
        let invalid =
            |field: &str, reason: String| Err(Error::invalid(format!("utterances[{index}].{field}"), reason));
        let speaker = utterance.speaker.as_str();
        if speaker.trim().is_empty() {
            return invalid("speaker", "is empty".into());
        }
        if speaker.len() > limits::NAME_BYTES_MAX || speaker.contains('\0') {
            let reason =
                format!("is {speaker:?}; at most {} bytes without a NUL are allowed", limits::NAME_BYTES_MAX);
            return invalid("speaker", reason);
        }
        if !speakers.insert(speaker) {
            return invalid("speaker", format!("is {speaker:?} for the second time in one turn"));
        }
        let chars = utterance.text.chars().count();
        if !(1..=TEXT_CHARS_MAX).contains(&chars) {
            return invalid("text", format!("has {chars} characters; 1 to {TEXT_CHARS_MAX} are allowed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_utterance_has_1_to_5000_characters_and_a_speaker() {
        let said = |speaker: &str, text: &str| NewUtterance::new(speaker, text);
        let longest = "é".repeat(TEXT_CHARS_MAX);
        assert_eq!(validate(&[said("user", "?"), said("system", &longest)]), Ok(()));
        for (utterances, expected) in [
            (vec![], "utterances is empty"),
            (vec![said("user", "")], "utterances[0].text has 0 characters; 1 to 5000"),
            (
                vec![said("user", "a"), said("system", &(longest + "e"))],
                "utterances[1].text has 5001 characters",
            ),
            (vec![said("", "a")], "utterances[0].speaker is empty"),
            (vec![said(&"s".repeat(65), "a")], "at most 64 bytes"),
            (vec![said("a\0", "a")], "without a NUL"),
            (
                vec![said("user", "a"), said("user", "a")],
                "utterances[1].speaker is \"user\" for the second time",
            ),
        ] {
            let error = validate(&utterances).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }
}
