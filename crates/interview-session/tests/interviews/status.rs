//! Whether a session goes on.

use interview_session::{Error, NewUtterance, Session, SessionFilter, SessionStatus};

use crate::{at, both, session, state};

const ALL: [SessionStatus; 3] = SessionStatus::ALL;

/// The model of the seed said `paused`, the CHECK of its table `abandoned`: pausing was an IntegrityError.
#[test]
fn defect_03_a_session_can_be_paused() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let paused = repository.set_status("s1", SessionStatus::Paused).await.unwrap();
        assert_eq!(paused.status, SessionStatus::Paused);
        assert_eq!(repository.get("s1").await.unwrap(), Some(paused));
        repository.create(Session { status: SessionStatus::Paused, ..session("s2") }).await.unwrap();
        assert_eq!(repository.get("s2").await.unwrap().unwrap().status, SessionStatus::Paused);
    });
}

/// The seed could not complete a session, and nothing ever set `completed_at`.
#[test]
fn defect_08_a_session_is_completed_once() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        assert_eq!(repository.get_record("s1").await.unwrap().unwrap().completed_at, None);
        let completed = repository.set_status("s1", SessionStatus::Completed).await.unwrap();
        let record = repository.get_record("s1").await.unwrap().unwrap();
        assert_eq!((record.completed_at, &record.session), (Some(completed.updated_at), &completed));
        repository.set_status("s1", SessionStatus::Completed).await.unwrap();
        assert_eq!(
            repository.get_record("s1").await.unwrap().unwrap(),
            record,
            "the second one changes nothing"
        );
    });
}

#[test]
fn every_transition_is_legal_or_refused_by_name() {
    both(async |repository| {
        let past = at("2025-01-31T10:00:00Z");
        for from in ALL {
            for to in ALL {
                let id = format!("{from}-{to}");
                let given = Session { created_at: past, updated_at: past, status: from, ..session(&id) };
                let created = repository.create(given).await.unwrap();
                let answered = repository.set_status(&id, to).await;
                let stored = repository.get(&id).await.unwrap().unwrap();
                if from == SessionStatus::Completed && to != from {
                    assert_eq!(answered, Err(Error::Transition { id, from, to }));
                    assert_eq!(stored, created);
                } else if from == to {
                    assert_eq!(answered, Ok(created.clone()), "nothing changes, updated_at neither");
                    assert_eq!(stored, created);
                } else {
                    assert_eq!((stored.status, answered), (to, Ok(stored.clone())));
                    assert!(stored.updated_at > past);
                }
            }
        }
    });
}

#[test]
fn a_completed_session_takes_no_state_and_no_turn() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.set_status("s1", SessionStatus::Completed).await.unwrap();
        let before = repository.get_record("s1").await.unwrap();
        let refused =
            |refused| Error::NotActive { id: "s1".into(), status: SessionStatus::Completed, refused };
        let said = [NewUtterance::new("user", "One more thing")];
        assert_eq!(repository.update_state("s1", state(1, 0.1)).await, Err(refused("update_state")));
        let revision = before.as_ref().unwrap().revision;
        let at = repository.update_state_at("s1", state(1, 0.1), revision).await;
        assert_eq!(at, Err(refused("update_state")));
        let turn = repository.record_turn("s1", &said, state(1, 0.1)).await;
        assert_eq!(turn, Err(refused("record_turn")));
        assert_eq!(refused("record_turn").to_string(), "Session s1 is completed: record_turn is refused");
        assert_eq!(repository.get_record("s1").await.unwrap(), before);
        assert_eq!(repository.utterances("s1", 0, 10).await.unwrap().utterances, []);
    });
}

#[test]
fn a_paused_session_takes_no_turn_until_it_is_active() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.set_status("s1", SessionStatus::Paused).await.unwrap();
        let said = [NewUtterance::new("user", "Hello")];
        let refused =
            Error::NotActive { id: "s1".into(), status: SessionStatus::Paused, refused: "record_turn" };
        assert_eq!(repository.record_turn("s1", &said, state(1, 0.1)).await, Err(refused));
        repository.update_state("s1", state(0, 0.1)).await.unwrap();
        repository.set_status("s1", SessionStatus::Active).await.unwrap();
        repository.record_turn("s1", &said, state(1, 0.1)).await.unwrap();
        let active = repository.list(&SessionFilter::status(SessionStatus::Active)).await.unwrap();
        assert_eq!(active.sessions[0].session.state, state(1, 0.1));
    });
}
