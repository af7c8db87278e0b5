//! [`SessionRecord`]: a session with what its JSON in the seed has no place for.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Session;

/// How an interview is to be led, by name: a JSON object.
pub type Config = Map<String, Value>;

/// A session and what is kept beside it, all as it was at one moment. In JSON the session's members come first, beside
/// the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionRecord {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// When it was completed, if it was.
    pub completed_at: Option<DateTime<Utc>>,
    /// How it is to be led; empty if nobody said.
    pub config: Config,
    /// How often its state, status or config changed: what
    /// [`update_state_at`](crate::SessionRepository::update_state_at) compares.
    pub revision: u64,
}
