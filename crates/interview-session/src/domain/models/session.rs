//! [`Session`], its [`SessionState`] and its [`SessionStatus`].

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sessiondb::limits;
use uuid::Uuid;

use crate::{Error, Result};

/// Where an interview stands.
///
/// What is read from JSON is validated, as [`validate`](SessionState::validate) does; `turn_count`, `coverage_score` and
/// `last_strategy` may be absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StateFields")]
pub struct SessionState {
    /// How it is led: `mec` (means-end chain), `zmet`, … An open vocabulary.
    pub methodology: String,
    /// The id of what it is about.
    pub concept_id: String,
    /// The name of what it is about.
    pub concept_name: String,
    /// How many turns it has had: the number of the last one.
    pub turn_count: u32,
    /// How much of the concept is covered, from 0 to 1. It is read back exactly as it was given.
    pub coverage_score: f64,
    /// By which strategy the last question was chosen, if any was.
    pub last_strategy: Option<String>,
}

impl SessionState {
    /// The state at the beginning of an interview: no turns, nothing covered.
    pub fn new(
        methodology: impl Into<String>,
        concept_id: impl Into<String>,
        concept_name: impl Into<String>,
    ) -> SessionState {
        SessionState {
            methodology: methodology.into(),
            concept_id: concept_id.into(),
            concept_name: concept_name.into(),
            turn_count: 0,
            coverage_score: 0.0,
            last_strategy: None,
        }
    }

    /// Whether it is legal.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the field: a methodology, concept id or concept name of nothing but white space; a
    /// coverage score that is no number from 0 to 1.
    pub fn validate(&self) -> Result<()> {
        self.concept().into_iter().try_for_each(|(field, text)| not_blank(field, text))?;
        if !(0.0..=1.0).contains(&self.coverage_score) {
            let reason = format!("is {}; it is a number from 0 to 1", self.coverage_score);
            return Err(Error::invalid("coverage_score", reason));
        }
        Ok(())
    }

    fn concept(&self) -> [(&'static str, &str); 3] {
        [
            ("methodology", &self.methodology),
            ("concept_id", &self.concept_id),
            ("concept_name", &self.concept_name),
        ]
    }
}

/// An interview session.
///
/// What is read from JSON is validated, as [`validate`](Session::validate) does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SessionFields")]
pub struct Session {
    /// Its id: 1 to 512 bytes without a NUL, which do not begin with `~`.
    pub id: String,
    /// How it is led; the same as in its state.
    pub methodology: String,
    /// The id of what it is about; the same as in its state.
    pub concept_id: String,
    /// The name of what it is about; the same as in its state.
    pub concept_name: String,
    /// When it began, in whole microseconds; what is finer is cut when it is stored.
    pub created_at: DateTime<Utc>,
    /// When anything in it last changed. It never goes back.
    pub updated_at: DateTime<Utc>,
    /// Where it stands.
    pub state: SessionState,
    /// Whether it goes on.
    pub status: SessionStatus,
}

impl Session {
    /// An active session that begins now, with an id of its own: a random UUID (version 4). The id stands in URLs, where
    /// one that can be guessed, or that tells when the interview was, would say too much; lists are in the order of
    /// `created_at` and have no use for an id that is ordered too.
    pub fn new(
        methodology: impl Into<String>,
        concept_id: impl Into<String>,
        concept_name: impl Into<String>,
    ) -> Session {
        let state = SessionState::new(methodology, concept_id, concept_name);
        let now = sessiondb::time::now();
        Session {
            id: Uuid::new_v4().to_string(),
            methodology: state.methodology.clone(),
            concept_id: state.concept_id.clone(),
            concept_name: state.concept_name.clone(),
            created_at: now,
            updated_at: now,
            state,
            status: SessionStatus::Active,
        }
    }

    /// Whether it is legal.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the field: an id that no session can have; what
    /// [`SessionState::validate`] says; a methodology or concept that differs from the state's; an `updated_at` before
    /// `created_at`.
    pub fn validate(&self) -> Result<()> {
        validate_id(&self.id)?;
        self.concept().into_iter().try_for_each(|(field, text)| not_blank(field, text))?;
        self.state.validate().map_err(in_state)?;
        self.agrees_with(&self.state)?;
        if self.updated_at < self.created_at {
            let reason = format!("is {}, which is before created_at, {}", self.updated_at, self.created_at);
            return Err(Error::invalid("updated_at", reason));
        }
        Ok(())
    }

    /// Whether a state is of the same methodology and concept as the session.
    pub(crate) fn agrees_with(&self, state: &SessionState) -> Result<()> {
        for ((field, text), (_, of_state)) in self.concept().into_iter().zip(state.concept()) {
            if text != of_state {
                let reason = format!("is {of_state:?}, but the session's is {text:?}");
                return Err(Error::invalid(format!("state.{field}"), reason));
            }
        }
        Ok(())
    }

    fn concept(&self) -> [(&'static str, &str); 3] {
        [
            ("methodology", &self.methodology),
            ("concept_id", &self.concept_id),
            ("concept_name", &self.concept_name),
        ]
    }
}

/// The same value, named as a part of the session's state.
pub(crate) fn in_state(error: Error) -> Error {
    match error {
        Error::Invalid { field, reason } => Error::invalid(format!("state.{field}"), reason),
        error => error,
    }
}

fn validate_id(id: &str) -> Result<()> {
    let reason = match id {
        "" => "is empty".to_owned(),
        id if id.starts_with('~') => "begins with '~', which is reserved for the store itself".to_owned(),
        id if id.contains('\0') => "contains a NUL character".to_owned(),
        id if id.len() > limits::KEY_PART_BYTES_MAX => {
            format!("has {} bytes; at most {} are allowed", id.len(), limits::KEY_PART_BYTES_MAX)
        }
        _ => return Ok(()),
    };
    Err(Error::invalid("id", reason))
}

fn not_blank(field: &str, text: &str) -> Result<()> {
    match text.trim() {
        "" if text.is_empty() => Err(Error::invalid(field, "is empty")),
        "" => Err(Error::invalid(field, "is nothing but white space")),
        _ => Ok(()),
    }
}

/// Whether an interview goes on. As text, in JSON and in the database: `active`, `paused`, `completed`.
///
/// An active session can be paused, a paused one be active again, and either be completed. A completed one stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// It takes turns.
    #[default]
    Active,
    /// It waits.
    Paused,
    /// It is over.
    Completed,
}

impl SessionStatus {
    /// All statuses.
    pub const ALL: [SessionStatus; 3] =
        [SessionStatus::Active, SessionStatus::Paused, SessionStatus::Completed];

    /// Its text.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStatus::Active => "active",
            SessionStatus::Paused => "paused",
            SessionStatus::Completed => "completed",
        }
    }

    /// Whether a session of this status may get that one. Its own it may always get: nothing changes.
    pub fn may_become(self, to: SessionStatus) -> bool {
        self != SessionStatus::Completed || to == SessionStatus::Completed
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionStatus {
    type Err = Error;

    /// Takes the text of [`as_str`](SessionStatus::as_str), and no other.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the text and the three that are known.
    fn from_str(text: &str) -> Result<SessionStatus> {
        SessionStatus::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            Error::invalid("status", format!("is {text:?}; it is active, paused or completed"))
        })
    }
}

/// A [`SessionState`] as it comes in JSON.
#[derive(Deserialize)]
struct StateFields {
    methodology: String,
    concept_id: String,
    concept_name: String,
    #[serde(default)]
    turn_count: i64,
    #[serde(default)]
    coverage_score: f64,
    #[serde(default)]
    last_strategy: Option<String>,
}

impl TryFrom<StateFields> for SessionState {
    type Error = Error;

    fn try_from(fields: StateFields) -> Result<SessionState> {
        let turn_count = u32::try_from(fields.turn_count).map_err(|_| {
            let reason = format!("is {}; it is a count from 0 to {}", fields.turn_count, u32::MAX);
            Error::invalid("turn_count", reason)
        })?;
        let state = SessionState {
            methodology: fields.methodology,
            concept_id: fields.concept_id,
            concept_name: fields.concept_name,
            turn_count,
            coverage_score: fields.coverage_score,
            last_strategy: fields.last_strategy,
        };
        state.validate()?;
        Ok(state)
    }
}

/// A [`Session`] as it comes in JSON.
#[derive(Deserialize)]
struct SessionFields {
    id: String,
    methodology: String,
    concept_id: String,
    concept_name: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    state: SessionState,
    status: SessionStatus,
}

impl TryFrom<SessionFields> for Session {
    type Error = Error;

    fn try_from(fields: SessionFields) -> Result<Session> {
        let session = Session {
            id: fields.id,
            methodology: fields.methodology,
            concept_id: fields.concept_id,
            concept_name: fields.concept_name,
            created_at: fields.created_at,
            updated_at: fields.updated_at,
            state: fields.state,
            status: fields.status,
        };
        session.validate()?;
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn state_json() -> Value {
        json!({"methodology": "mec", "concept_id": "c1", "concept_name": "Oat milk"})
    }

    fn session_json() -> Value {
        json!({
            "id": "s1", "methodology": "mec", "concept_id": "c1", "concept_name": "Oat milk",
            "created_at": "2026-02-15T10:00:00Z", "updated_at": "2026-02-15T10:00:00.5Z",
            "state": state_json(), "status": "paused",
        })
    }

    fn session_error(change: impl FnOnce(&mut Value)) -> String {
        let mut json = session_json();
        change(&mut json);
        serde_json::from_value::<Session>(json).unwrap_err().to_string()
    }

    #[test]
    fn a_state_has_the_defaults_of_the_seed() {
        let state: SessionState = serde_json::from_value(state_json()).unwrap();
        assert_eq!(state, SessionState::new("mec", "c1", "Oat milk"));
        assert_eq!((state.turn_count, state.coverage_score, state.last_strategy.clone()), (0, 0.0, None));
        let json = r#"{"methodology":"mec","concept_id":"c1","concept_name":"Oat milk","turn_count":0,"coverage_score":0.0,"last_strategy":null}"#;
        assert_eq!(serde_json::to_string(&state).unwrap(), json);
    }

    #[test]
    fn a_session_is_the_json_of_the_seed() {
        let session: Session = serde_json::from_value(session_json()).unwrap();
        assert_eq!(session.status, SessionStatus::Paused);
        let json = serde_json::to_string(&session).unwrap();
        let members = [
            "id",
            "methodology",
            "concept_id",
            "concept_name",
            "created_at",
            "updated_at",
            "state",
            "status",
        ];
        let places: Vec<usize> =
            members.iter().map(|name| json.find(&format!("\"{name}\":")).expect(name)).collect();
        assert!(places.is_sorted(), "{json}");
        assert!(
            json.contains(r#""created_at":"2026-02-15T10:00:00Z","updated_at":"2026-02-15T10:00:00.500Z""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Session>(&json).unwrap(), session);
    }

    #[test]
    fn what_is_not_legal_is_named() {
        let cases = [
            (session_error(|s| s["id"] = json!("")), "id is empty"),
            (session_error(|s| s["id"] = json!("~kept")), "id begins with '~'"),
            (session_error(|s| s["id"] = json!("a\0b")), "id contains a NUL"),
            (session_error(|s| s["id"] = json!("x".repeat(513))), "id has 513 bytes; at most 512"),
            (session_error(|s| s["methodology"] = json!("")), "methodology is empty"),
            (session_error(|s| s["concept_id"] = json!(" \t")), "concept_id is nothing but white space"),
            (session_error(|s| s["concept_name"] = json!(null)), "null"),
            (session_error(|s| s["status"] = json!("abandoned")), "unknown variant `abandoned`"),
            (session_error(|s| s["created_at"] = json!("2026-02-16T00:00:00Z")), "updated_at is"),
            (session_error(|s| s["state"]["concept_name"] = json!("\n")), "concept_name is nothing but"),
            (
                session_error(|s| s["state"]["turn_count"] = json!(-1)),
                "turn_count is -1; it is a count from 0",
            ),
            (
                session_error(|s| s["state"]["turn_count"] = json!(5_000_000_000_u64)),
                "turn_count is 5000000000",
            ),
            (session_error(|s| s["state"]["coverage_score"] = json!(1.01)), "coverage_score is 1.01"),
            (session_error(|s| s["state"]["coverage_score"] = json!(-0.01)), "coverage_score is -0.01"),
            (session_error(|s| drop(s.as_object_mut().unwrap().remove("state"))), "missing field `state`"),
        ];
        for (error, expected) in cases {
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }

    #[test]
    fn a_score_is_a_number_from_0_to_1() {
        let with =
            |coverage_score| SessionState { coverage_score, ..SessionState::new("mec", "c1", "Oat milk") };
        for score in [0.0, -0.0, f64::MIN_POSITIVE, 0.5, 1.0] {
            assert_eq!(with(score).validate(), Ok(()));
        }
        for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0 + f64::EPSILON, -f64::MIN_POSITIVE] {
            let error = with(score).validate().unwrap_err().to_string();
            assert!(error.starts_with("coverage_score is"), "{error}");
        }
    }

    #[test]
    fn new_sessions_have_ids_of_their_own_and_are_legal() {
        let (one, other) = (Session::new("mec", "c1", "Oat milk"), Session::new("mec", "c1", "Oat milk"));
        assert_ne!(one.id, other.id);
        assert_eq!(one.validate(), Ok(()));
        assert_eq!((one.status, one.created_at), (SessionStatus::Active, one.updated_at));
        assert!(Session::new("", "c1", "Oat milk").validate().is_err());
    }

    #[test]
    fn a_status_has_one_spelling_and_completed_is_final() {
        for (status, text) in SessionStatus::ALL.into_iter().zip(["active", "paused", "completed"]) {
            assert_eq!(serde_json::to_value(status).unwrap(), text);
            assert_eq!(serde_json::from_value::<SessionStatus>(text.into()).unwrap(), status);
            assert_eq!((status.to_string().as_str(), text.parse()), (text, Ok(status)));
        }
        assert!("Active".parse::<SessionStatus>().is_err());
        use SessionStatus::{Active, Completed, Paused};
        let legal = SessionStatus::ALL.into_iter().flat_map(|from| {
            SessionStatus::ALL
                .into_iter()
                .filter(move |to| from != *to && from.may_become(*to))
                .map(move |to| (from, to))
        });
        let expected = [(Active, Paused), (Active, Completed), (Paused, Active), (Paused, Completed)];
        assert_eq!(legal.collect::<Vec<_>>(), expected);
    }

    proptest! {
        /// The default reader of JSON numbers is off by a bit for some.
        #[test]
        fn every_score_is_read_back_to_the_last_bit(score in 0.0..=1.0_f64) {
            let state = SessionState { coverage_score: score, ..SessionState::new("mec", "c1", "Oat milk") };
            let back: SessionState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            prop_assert_eq!(back.coverage_score.to_bits(), score.to_bits());
        }
    }
}
