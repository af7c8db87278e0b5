//! The models of the families, as programs send them in JSON.

use std::fmt;

use ait42_session::{ChatMessage, WorktreeInstance, WorktreeSession};
use interview_session::{NewUtterance, Session, SessionState};
use serde::{Serialize, de::DeserializeOwned};
use sessiondb::{Commit, NewMessage};

/// Any bytes are a model or an error, and a model is read back as it was written.
pub fn holds(data: &[u8]) {
    assert_round_trip::<WorktreeSession>(data);
    assert_round_trip::<WorktreeInstance>(data);
    assert_round_trip::<ChatMessage>(data);
    assert_round_trip::<Session>(data);
    assert_round_trip::<SessionState>(data);
    assert_round_trip::<NewUtterance>(data);
    assert_round_trip::<NewMessage>(data);
    assert_round_trip::<Commit>(data);
}

fn assert_round_trip<M: DeserializeOwned + Serialize + PartialEq + fmt::Debug>(data: &[u8]) {
    let Ok(model) = serde_json::from_slice::<M>(data) else { return };
    let written = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<M>(&written).ok(), Some(model), "{written}");
}
