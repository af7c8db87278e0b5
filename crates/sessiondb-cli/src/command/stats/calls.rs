//! [`Calls`]: counting tool calls and their results in a history of any length.

use std::collections::HashMap;

use serde::Serialize;
use sessiondb::{Message, limits::CALL_REACH};

/// The calls met so far. Those that were answered are forgotten when no result can belong to them any more, so what is
/// held grows with the calls that have no result, and not with the history.
#[derive(Default)]
pub struct Calls {
    /// By id, where the call stands and whether it was answered.
    open: HashMap<String, (u64, bool)>,
    place: u64,
    counts: CallsJson,
}

/// How many there are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CallsJson {
    pub made: u64,
    pub without_result: u64,
    pub results_without_call: u64,
}

impl Calls {
    /// Goes on with these messages.
    pub fn read(&mut self, messages: &[Message]) {
        for message in messages {
            self.place += 1;
            for id in &message.opens {
                self.counts.made += 1;
                // An id that is used again before its result came leaves the earlier call without one.
                if let Some((_, false)) = self.open.insert(id.clone(), (self.place, false)) {
                    self.counts.without_result += 1;
                }
            }
            for id in &message.closes {
                match self.open.get_mut(id) {
                    Some((_, answered)) => *answered = true,
                    None => self.counts.results_without_call += 1,
                }
            }
        }
        let place = self.place;
        self.open.retain(|_, (at, answered)| !*answered || place - *at <= CALL_REACH as u64);
    }

    /// The counts, after all messages.
    pub fn end(mut self) -> CallsJson {
        self.counts.without_result += self.open.values().filter(|(_, answered)| !answered).count() as u64;
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use sessiondb::{NewMessage, SessionKey, Window, blocking};

    use super::*;

    /// `a` opens a, `A` closes it, `-` does neither.
    fn counted(text: &str) -> [u64; 3] {
        let store = blocking::open("memory:").unwrap();
        let key = SessionKey::new("main", "cli", "", "dm", "ann");
        let messages = text.split(' ').map(|word| {
            let ids = |wanted: fn(&char) -> bool| -> Vec<String> {
                word.chars().filter(wanted).map(|c| c.to_ascii_lowercase().to_string()).collect()
            };
            let (opens, closes) = (ids(char::is_ascii_lowercase), ids(char::is_ascii_uppercase));
            NewMessage { opens, closes, ..NewMessage::new("x", "") }
        });
        store.append(&key, messages.collect()).unwrap();
        let mut calls = Calls::default();
        calls.read(&store.message_window(&key, Window::log(0, 1_000)).unwrap().messages);
        let CallsJson { made, without_result, results_without_call } = calls.end();
        [made, without_result, results_without_call]
    }

    #[test]
    fn halves_alone_are_counted() {
        assert_eq!(counted("-"), [0, 0, 0]);
        assert_eq!(counted("ab - B A A"), [2, 0, 0]);
        assert_eq!(counted("a a A B"), [2, 1, 1]);
        assert_eq!(counted("A a aA b"), [3, 2, 1]);
    }
}
