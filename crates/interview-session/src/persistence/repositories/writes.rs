//! From this family's verbs to commits. Pure: no store is touched here.

use serde::{Deserialize, Serialize, Serializer};
use sessiondb::{
    Commit, Expect, Json, NewDocument, NewMessage, Opening, SessionKey, SessionOrder, Time, Write,
};

use super::session_filter::SessionFilter;
use crate::{
    Config, Error, NewUtterance, Result, Session, SessionState, SessionStatus,
    domain::models::{session::in_state, utterance},
};

/// What these sessions are in SessionDB, and the first parts of their keys.
pub(super) const FAMILY: &str = "interview";
/// The collections that hold a session's state and its config, each one document of the same name.
pub(super) const STATE: &str = "state";
pub(super) const CONFIG: &str = "config";

/// What describes an interview and does not change while it goes on.
#[derive(Serialize, Deserialize)]
pub(super) struct Metadata {
    pub methodology: String,
    pub concept_id: String,
    pub concept_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_the_others")]
    pub completed_at: Option<Time>,
}

/// In the one width in which the store keeps times, so that texts can be compared in SQL.
fn as_the_others<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(sessiondb::time::to_text).serialize(serializer)
}

/// The state without what the metadata has.
#[derive(Serialize, Deserialize)]
pub(super) struct StateDocument {
    pub turn_count: u32,
    pub coverage_score: f64,
    pub last_strategy: Option<String>,
}

/// What belongs to an utterance beside its speaker and its text.
#[derive(Serialize, Deserialize)]
pub(super) struct UtteranceAttributes {
    pub turn_number: u32,
}

/// Where the session of this id is kept; `None` for an id that no session can have.
pub(super) fn key(id: &str) -> Option<SessionKey> {
    let key = SessionKey::new(FAMILY, FAMILY, "", "session", id);
    (!id.is_empty() && key.validate().is_ok()).then_some(key)
}

/// The commits, all or none, that create a session. There are two since it began at one time and was changed last at
/// another.
pub(super) fn create(key: SessionKey, session: &Session, config: &Config) -> Result<Vec<Commit>> {
    let metadata = Metadata {
        methodology: session.methodology.clone(),
        concept_id: session.concept_id.clone(),
        concept_name: session.concept_name.clone(),
        completed_at: (session.status == SessionStatus::Completed)
            .then(|| sessiondb::time::truncate(session.updated_at)),
    };
    let opening = Opening {
        family: Some(FAMILY.into()),
        status: Some(session.status.as_str().into()),
        metadata: Some(Json::from_value(&metadata)?),
    };
    let open =
        Commit::new(key.clone()).expect(Expect::Absent).at(session.created_at).write(Write::Open(opening));
    let config = NewDocument::new(CONFIG, CONFIG, Json::from_value(config)?);
    let fill = Commit::new(key)
        .at(session.updated_at)
        .write(put_state(&session.state)?)
        .write(Write::PutDocument(config));
    Ok(vec![open, fill])
}

/// The session as it is stored: its times in whole microseconds.
pub(super) fn stored(session: Session) -> Session {
    Session {
        created_at: sessiondb::time::truncate(session.created_at),
        updated_at: sessiondb::time::truncate(session.updated_at),
        ..session
    }
}

/// The write that sets the state, which belongs to this session.
pub(super) fn update_state(session: &Session, state: &SessionState) -> Result<Write> {
    if session.status == SessionStatus::Completed {
        return Err(not_active(session, "update_state"));
    }
    validate_state(session, state)?;
    put_state(state)
}

/// The writes that record a turn: nothing if it was recorded already.
pub(super) fn record_turn(
    session: &Session,
    utterances: &[NewUtterance],
    state: &SessionState,
) -> Result<Vec<Write>> {
    if session.status != SessionStatus::Active {
        return Err(not_active(session, "record_turn"));
    }
    validate_state(session, state)?;
    utterance::validate(utterances)?;
    let (turn_number, current) = (state.turn_count, session.state.turn_count);
    if turn_number < current {
        return Err(Error::TurnPassed { id: session.id.clone(), turn_number, current });
    }
    let messages = utterances.iter().map(|utterance| {
        let mut message = NewMessage::new(utterance.speaker.as_str(), Json::string(&utterance.text))
            .message_id(message_id(turn_number, &utterance.speaker));
        message.attributes = Some(Json::from_value(&UtteranceAttributes { turn_number })?);
        Ok(message)
    });
    let mut writes = vec![Write::Append(messages.collect::<Result<_>>()?)];
    // Sent again, it shall change nothing.
    if *state != session.state {
        writes.push(put_state(state)?);
    }
    Ok(writes)
}

/// A turn's number and its speaker are unique in a session.
fn message_id(turn_number: u32, speaker: &str) -> String {
    format!("{turn_number}:{speaker}")
}

/// The speaker in such an id.
pub(super) fn speaker_of(message_id: &str) -> &str {
    message_id.split_once(':').map_or(message_id, |(_, speaker)| speaker)
}

/// The commit that sets this status of a session that was read; `None` if it has it. When it is completed is the time of
/// the commit.
pub(super) fn set_status(
    row: &sessiondb::Session,
    session: &Session,
    to: SessionStatus,
    now: Time,
) -> Result<Option<Commit>> {
    if session.status == to {
        return Ok(None);
    }
    if !session.status.may_become(to) {
        return Err(Error::Transition { id: session.id.clone(), from: session.status, to });
    }
    // It never goes back, also where the clock does.
    let now = now.max(row.updated_at);
    let mut commit = Commit::new(row.key.clone()).at(now).write(Write::SetStatus(to.as_str().into()));
    if to == SessionStatus::Completed {
        let completed_at = sessiondb::time::to_text(now);
        let completed = Json::from_value(&serde_json::json!({ "completed_at": completed_at }))?;
        commit = commit.write(Write::SetMetadata(row.metadata.merge_patch(&completed)?));
    }
    Ok(Some(commit))
}

/// The write that merges a patch into the config.
pub(super) fn merge_config(patch: &Config) -> Result<Write> {
    Ok(Write::PatchDocument { collection: CONFIG.into(), id: CONFIG.into(), patch: Json::from_value(patch)? })
}

pub(super) fn filter(filter: &SessionFilter) -> sessiondb::SessionFilter {
    sessiondb::SessionFilter {
        agent_id: Some(FAMILY.into()),
        channel: Some(FAMILY.into()),
        account_id: Some(String::new()),
        peer_kind: Some("session".into()),
        family: Some(FAMILY.into()),
        // Each once: the store takes so many and no more.
        statuses: SessionStatus::ALL
            .into_iter()
            .filter(|status| filter.statuses.contains(status))
            .map(|status| status.to_string())
            .collect(),
        created_after: filter.created_after,
        created_before: filter.created_before,
        order: SessionOrder::CreatedNewest,
        after: filter.after,
        limit: filter.limit,
        ..sessiondb::SessionFilter::default()
    }
}

fn validate_state(session: &Session, state: &SessionState) -> Result<()> {
    state.validate().map_err(in_state)?;
    session.agrees_with(state)
}

fn put_state(state: &SessionState) -> Result<Write> {
    let document = StateDocument {
        turn_count: state.turn_count,
        coverage_score: state.coverage_score,
        last_strategy: state.last_strategy.clone(),
    };
    Ok(Write::PutDocument(NewDocument::new(STATE, STATE, Json::from_value(&document)?)))
}

fn not_active(session: &Session, refused: &'static str) -> Error {
    Error::NotActive { id: session.id.clone(), status: session.status, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_no_session_can_have_is_kept_nowhere() {
        for id in ["", "~kept", "a\0b", "x".repeat(513).as_str()] {
            assert_eq!(key(id), None, "{id:?}");
        }
        assert_eq!(key("s 1/ü").unwrap().to_string(), "interview:interview::session:s=201=2Fü");
    }

    /// Its own time of completion is never before what happened last, whatever the clock says.
    #[test]
    fn a_completion_is_not_before_the_last_change() {
        let session = Session::new("mec", "c1", "Oat milk");
        let key = key(&session.id).unwrap();
        let late = session.updated_at + chrono::TimeDelta::hours(1);
        let row = sessiondb::Session {
            log: sessiondb::LogId(1),
            key,
            family: FAMILY.into(),
            status: "active".into(),
            metadata: Json::parse(r#"{"methodology":"mec","note": 1e400}"#).unwrap(),
            message_count: 0,
            log_count: 0,
            token_usage: 0,
            created_at: session.created_at,
            updated_at: late,
            revision: 1,
            head: 0,
            log_first: 1,
            view: sessiondb::View::whole(sessiondb::LogId(1)),
        };
        let commit =
            set_status(&row, &session, SessionStatus::Completed, session.created_at).unwrap().unwrap();
        assert_eq!(commit.at, Some(late));
        let Some(Write::SetMetadata(metadata)) = commit.writes.last() else { panic!("{commit:?}") };
        let text = metadata.get();
        let expected = format!("\"completed_at\":\"{}\"", sessiondb::time::to_text(late));
        assert!(text.contains(&expected) && text.contains("\"note\":1e400"), "{text}");
    }
}
