//! The keys and contents of the load, made once.

use sessiondb::{Json, SessionKey};

use super::load::{self, CONTENTS, SESSIONS};
use crate::Outcome;

pub(super) struct Sample {
    pub keys: Vec<SessionKey>,
    contents: Vec<Json>,
}

impl Sample {
    pub fn new() -> Outcome<Sample> {
        Ok(Sample {
            keys: (0..SESSIONS).map(key).collect(),
            contents: (0..CONTENTS).map(|n| Json::parse(load::content(n))).collect::<Result<_, _>>()?,
        })
    }

    /// The content of the `n`th message.
    pub fn content(&self, n: u64) -> &Json {
        &self.contents[(n % CONTENTS) as usize]
    }
}

/// The key of the `n`th session.
pub(super) fn key(n: u64) -> SessionKey {
    let [agent, channel, account, kind, peer] = load::key(n);
    SessionKey::new(agent, channel, account, kind, peer)
}
