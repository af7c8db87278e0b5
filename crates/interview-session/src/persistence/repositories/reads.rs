//! From what the store has to this family's models. Pure: no store is touched here.

use std::fmt;

use serde::de::DeserializeOwned;
use sessiondb::{Json, Message, SessionKey, SessionParts};

use super::writes::{CONFIG, FAMILY, Metadata, STATE, StateDocument, UtteranceAttributes};
use crate::{Config, Error, Result, Session, SessionRecord, SessionState, Utterance};

/// # Errors
/// [`Undecodable`](sessiondb::Error::Undecodable) if something of it cannot be read or is not legal;
/// [`Conflict`](sessiondb::Error::Conflict) if it is a session of another family.
pub(super) fn record(parts: &SessionParts) -> Result<SessionRecord> {
    let row = &parts.session;
    ours(row)?;
    let key = &row.key;
    let Metadata { methodology, concept_id, concept_name, completed_at } = metadata(row)?;
    if parts.more_documents {
        // Ours might be among those that were not read.
        return Err(undecodable(
            key,
            "state",
            &"it has thousands of documents in the collections of its own two",
        ));
    }
    let document = |name: &str| {
        let of_name = |document: &&sessiondb::Document| document.collection == name && document.id == name;
        parts.documents.iter().find(of_name).map(|document| &document.body)
    };
    let mut state = SessionState::new(methodology.as_str(), concept_id.as_str(), concept_name.as_str());
    if let Some(body) = document(STATE) {
        let stored: StateDocument = read(body, key, "state")?;
        state.turn_count = stored.turn_count;
        state.coverage_score = stored.coverage_score;
        state.last_strategy = stored.last_strategy;
    }
    let config: Config = document(CONFIG).map_or(Ok(Config::new()), |body| read(body, key, "config"))?;
    let session = Session {
        id: key.peer_id.clone(),
        methodology,
        concept_id,
        concept_name,
        created_at: row.created_at,
        updated_at: row.updated_at,
        state,
        status: row.status.parse().map_err(|e: Error| undecodable(key, "status", &e))?,
    };
    session.validate().map_err(|e| undecodable(key, "its values", &e))?;
    Ok(SessionRecord { session, completed_at, config, revision: row.revision })
}

pub(super) fn metadata(row: &sessiondb::Session) -> Result<Metadata> {
    read(&row.metadata, &row.key, "metadata")
}

/// # Errors
/// [`Conflict`](sessiondb::Error::Conflict) if it is a session of another family.
pub(super) fn ours(row: &sessiondb::Session) -> Result<()> {
    if row.family == FAMILY {
        return Ok(());
    }
    let conflict = sessiondb::Conflict::Family { expected: FAMILY.into(), current: row.family.clone() };
    Err(Error::Store(sessiondb::Error::Conflict { key: Box::new(row.key.clone()), conflict }))
}

pub(super) fn utterance(key: &SessionKey, message: Message) -> Result<Utterance> {
    let what = |part: &str| format!("{part} of message {} (row {})", message.seq, message.id);
    let none = Json::object();
    let attributes = message.attributes.as_ref().unwrap_or(&none);
    let UtteranceAttributes { turn_number } = read(attributes, key, &what("attributes"))?;
    Ok(Utterance {
        seq: message.seq,
        turn_number,
        text: read(&message.content, key, &what("content"))?,
        speaker: message.role,
        created_at: message.created_at,
    })
}

fn read<T: DeserializeOwned>(json: &Json, key: &SessionKey, what: &str) -> Result<T> {
    json.read().map_err(|e| undecodable(key, what, &e))
}

fn undecodable(key: &SessionKey, what: &str, error: &dyn fmt::Display) -> Error {
    let row = format!("session {key}, {what}");
    Error::Store(sessiondb::Error::Undecodable { row, reason: error.to_string() })
}
