//! Create, get, update the state, delete.

use interview_session::{Error, Session, SessionRepository, SessionState, SessionStatus, sessiondb};
use proptest::prelude::*;

use crate::{File, at, both, run, session, state};

#[test]
fn create_and_get() {
    both(async |repository| {
        assert_eq!(repository.get("s1").await.unwrap(), None);
        let created = repository.create(session("s1")).await.unwrap();
        assert_eq!((created.status, created.state.clone()), (SessionStatus::Active, state(0, 0.0)));
        assert_eq!(repository.get("s1").await.unwrap(), Some(created));
        assert_eq!(repository.get("S1").await.unwrap(), None, "ids are taken byte for byte");
    });
}

#[test]
fn update_state_sets_all_of_it() {
    both(async |repository| {
        let created = repository.create(session("s1")).await.unwrap();
        repository.create(session("s2")).await.unwrap();
        let state = SessionState { last_strategy: Some("ladder up".into()), ..state(7, 0.1 + 0.2) };
        repository.update_state("s1", state.clone()).await.unwrap();
        let updated = repository.get("s1").await.unwrap().unwrap();
        assert_eq!(updated, Session { updated_at: updated.updated_at, state, ..created.clone() });
        assert!(updated.updated_at >= created.updated_at);
        assert_eq!(repository.get("s2").await.unwrap().unwrap().state, crate::state(0, 0.0));
        repository.update_state("s1", crate::state(3, 0.0)).await.unwrap();
        assert_eq!(
            repository.get("s1").await.unwrap().unwrap().state.last_strategy,
            None,
            "it is set, not merged"
        );
    });
}

#[test]
fn update_state_at_a_revision_that_is_gone_is_refused() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let read = repository.get_record("s1").await.unwrap().unwrap();
        let revision = repository.update_state_at("s1", state(1, 0.25), read.revision).await.unwrap();
        assert_eq!(repository.get_record("s1").await.unwrap().unwrap().revision, revision);
        let late = repository.update_state_at("s1", state(9, 0.9), read.revision).await.unwrap_err();
        let expected = Error::Conflict { id: "s1".into(), expected: read.revision, current: revision };
        assert_eq!(late, expected);
        assert_eq!(repository.get("s1").await.unwrap().unwrap().state, state(1, 0.25));
    });
}

#[test]
fn delete_says_whether_there_was_one() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.create(session("s2")).await.unwrap();
        assert!(repository.delete("s1").await.unwrap());
        assert!(!repository.delete("s1").await.unwrap());
        assert_eq!(repository.get("s1").await.unwrap(), None);
        assert!(repository.get("s2").await.unwrap().is_some());
        let again = repository.create(session("s1")).await.unwrap();
        assert_eq!(repository.get("s1").await.unwrap(), Some(again), "its id is free");
    });
}

/// The seed opened a connection, wrote, and closed it without a commit: create answered, and nothing was there.
#[test]
fn defect_01_what_was_answered_is_in_the_file() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        repository.create(session("kept")).await.unwrap();
        repository.create(session("gone")).await.unwrap();
        repository.update_state("kept", state(4, 0.5)).await.unwrap();
        assert!(repository.delete("gone").await.unwrap());
        // Seen by another one while the first is open, and after it is closed.
        for _ in 0..2 {
            let other = file.repository();
            assert_eq!(other.get("kept").await.unwrap().unwrap().state, state(4, 0.5));
            assert_eq!(other.get("gone").await.unwrap(), None);
            repository.sessiondb().await.unwrap().close().await.unwrap();
        }
    });
}

/// The seed read and wrote a column that its table did not have.
#[test]
fn defect_02_the_last_strategy_is_kept() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        let strategy = |name: &str| SessionState { last_strategy: Some(name.into()), ..state(1, 0.0) };
        let mut first = session("s1");
        first.state = strategy("ladder up");
        repository.create(first).await.unwrap();
        assert_eq!(repository.get("s1").await.unwrap().unwrap().state, strategy("ladder up"));
        repository.update_state("s1", strategy("triad")).await.unwrap();
        assert_eq!(file.repository().get("s1").await.unwrap().unwrap().state, strategy("triad"));
    });
    let column = file.sql().query_row("SELECT last_strategy FROM interview_sessions", [], |row| row.get(0));
    assert_eq!(column, Ok("triad".to_owned()));
}

/// The seed set both times to now, left the state out, and answered what it was given.
#[test]
fn defect_04_what_create_answers_is_what_is_stored() {
    both(async |repository| {
        for (id, status) in ["a", "b", "c"].into_iter().zip(SessionStatus::ALL) {
            let given = Session {
                created_at: at("2025-01-31T23:59:59.123456789Z"),
                updated_at: at("2025-02-01T08:00:00.000000999Z"),
                state: SessionState { last_strategy: Some("triad".into()), ..state(12, 1.0 / 3.0) },
                status,
                ..session(id)
            };
            let answered = repository.create(given.clone()).await.unwrap();
            assert_eq!(answered.created_at, at("2025-01-31T23:59:59.123456Z"), "what is finer is cut");
            assert_eq!(answered.updated_at, at("2025-02-01T08:00:00Z"));
            let (created_at, updated_at) = (answered.created_at, answered.updated_at);
            assert_eq!(answered, Session { created_at, updated_at, ..given });
            assert_eq!(repository.get(id).await.unwrap(), Some(answered));
        }
        let record = repository.get_record("c").await.unwrap().unwrap();
        assert_eq!(record.completed_at, Some(record.session.updated_at));
        let created = repository.create_with_config(session("d"), Default::default()).await.unwrap();
        assert_eq!(repository.get_record("d").await.unwrap(), Some(created));
    });
}

/// The seed's times were text without a zone, of whole seconds: two changes in a second were at the same time.
#[test]
fn defect_05_times_are_in_microseconds_and_never_go_back() {
    both(async |repository| {
        let moment = at("2025-01-31T23:59:59.000001Z");
        let early = Session { created_at: moment, updated_at: moment, ..session("early") };
        repository.create(early).await.unwrap();
        repository.update_state("early", state(1, 0.1)).await.unwrap();
        let updated = repository.get("early").await.unwrap().unwrap();
        assert_eq!(updated.created_at, moment);
        assert!(updated.updated_at > moment);
        // Another computer's clock was ahead.
        let ahead = at("2999-01-01T00:00:00.000001Z");
        let late = Session { created_at: moment, updated_at: ahead, ..session("late") };
        repository.create(late).await.unwrap();
        repository.update_state("late", state(1, 0.1)).await.unwrap();
        let completed = repository.set_status("late", SessionStatus::Completed).await.unwrap();
        assert_eq!(completed.updated_at, ahead);
        let record = repository.get_record("late").await.unwrap().unwrap();
        assert_eq!(record.completed_at, Some(ahead));
    });
}

/// The seed never set `PRAGMA foreign_keys`: what belonged to a deleted session stayed behind.
#[test]
fn defect_06_delete_leaves_nothing_behind() {
    let file = File::new();
    let rows = |table: &str| -> i64 {
        file.sql().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    run(async {
        let repository = file.repository();
        repository.create(session("s1")).await.unwrap();
        let said = [interview_session::NewUtterance::new("user", "Hello")];
        repository.record_turn("s1", &said, state(1, 0.1)).await.unwrap();
        assert_eq!((rows("sessions"), rows("messages"), rows("documents")), (1, 1, 2));
        assert!(repository.delete("s1").await.unwrap());
    });
    for table in ["sessions", "messages", "documents", "interview_sessions"] {
        assert_eq!(rows(table), 0, "{table}");
    }
}

/// The seed updated no row and said nothing.
#[test]
fn defect_07_updating_what_is_not_there_is_an_error() {
    both(async |repository| {
        for id in ["nobody", "", "~kept", "a\0b", "x".repeat(600).as_str()] {
            let missing = Error::NotFound(id.to_owned());
            let said = [interview_session::NewUtterance::new("user", "Hello")];
            assert_eq!(repository.update_state(id, state(1, 0.1)).await, Err(missing.clone()));
            assert_eq!(repository.update_state_at(id, state(1, 0.1), 0).await, Err(missing.clone()));
            assert_eq!(repository.set_status(id, SessionStatus::Paused).await, Err(missing.clone()));
            assert_eq!(repository.record_turn(id, &said, state(1, 0.1)).await, Err(missing.clone()));
            assert_eq!(repository.config(id).await, Err(missing.clone()));
            assert_eq!(repository.merge_config(id, &Default::default()).await, Err(missing.clone()));
            assert_eq!(repository.utterances(id, 0, 10).await, Err(missing));
            assert_eq!(repository.get(id).await, Ok(None));
            assert_eq!(repository.delete(id).await, Ok(false));
        }
        assert_eq!(Error::NotFound("nobody".into()).to_string(), "Session nobody not found");
    });
}

/// In the seed a session and its state could be about different things; the state's was dropped in silence.
#[test]
fn defect_07_a_session_and_its_state_are_about_the_same_thing() {
    both(async |repository| {
        let mut torn = session("torn");
        torn.state.concept_id = "soy-milk".into();
        let error = repository.create(torn).await.unwrap_err();
        assert_eq!(error.to_string(), r#"state.concept_id is "soy-milk", but the session's is "oat-milk""#);
        assert_eq!(repository.get("torn").await.unwrap(), None);

        let created = repository.create(session("s1")).await.unwrap();
        let other = [
            SessionState { methodology: "zmet".into(), ..state(1, 0.1) },
            SessionState { concept_id: "soy-milk".into(), ..state(1, 0.1) },
            SessionState { concept_name: "Soy milk".into(), ..state(1, 0.1) },
        ];
        let said = [interview_session::NewUtterance::new("user", "Hello")];
        for (state, field) in other.into_iter().zip(["methodology", "concept_id", "concept_name"]) {
            for error in [
                repository.update_state("s1", state.clone()).await.unwrap_err(),
                repository.record_turn("s1", &said, state).await.unwrap_err(),
            ] {
                assert!(
                    matches!(&error, Error::Invalid { field: named, .. } if *named == format!("state.{field}"))
                );
            }
        }
        assert_eq!(repository.get("s1").await.unwrap(), Some(created));
        assert_eq!(repository.utterances("s1", 0, 10).await.unwrap().utterances, []);
    });
}

/// The seed let SQLite's IntegrityError through.
#[test]
fn defect_09_an_id_that_is_taken_is_named() {
    both(async |repository| {
        let first = repository.create(session("s1")).await.unwrap();
        let other = Session { status: SessionStatus::Paused, ..session("s1") };
        for again in [first.clone(), other] {
            let error = repository.create(again).await.unwrap_err();
            assert_eq!(error, Error::AlreadyExists("s1".into()));
            assert_eq!(error.to_string(), "Session s1 exists already");
        }
        assert_eq!(repository.get("s1").await.unwrap(), Some(first));
    });
}

/// In the seed a NULL score made a session unreadable, with an error that did not say which. Here none can get in, and
/// one that was put there by hand is named.
#[test]
fn defect_09_a_score_that_is_no_number_is_refused_and_one_by_hand_is_named() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        for score in [f64::NAN, f64::INFINITY, -0.5, 1.5] {
            let error = repository.update_state("s1", state(1, score)).await.unwrap_err();
            assert!(error.to_string().starts_with("state.coverage_score is"), "{error}");
            let mut bad = session("s2");
            bad.state.coverage_score = score;
            assert!(matches!(repository.create(bad).await, Err(Error::Invalid { .. })));
        }
        assert_eq!(repository.get("s1").await.unwrap().unwrap().state, state(0, 0.0));
        assert_eq!(repository.get("s2").await.unwrap(), None);
    });

    let file = File::new();
    run(async {
        let repository = file.repository();
        repository.create(session("good")).await.unwrap();
        for (id, score) in [("null", "null"), ("large", "1.5"), ("text", "\"high\"")] {
            repository.create(session(id)).await.unwrap();
            let by_hand =
                "UPDATE documents SET body = json_set(body, '$.coverage_score', json(?1)), checksum = NULL
                WHERE collection = 'state' AND session_id = (SELECT id FROM sessions WHERE peer_id = ?2)";
            assert_eq!(file.sql().execute(by_hand, [score, id]), Ok(1));
            let error = repository.get(id).await.unwrap_err();
            assert!(matches!(error, Error::Store(sessiondb::Error::Undecodable { .. })), "{error:?}");
            assert!(error.to_string().contains(&format!("interview:interview::session:{id}")), "{error}");
            assert!(repository.list_active().await.is_err(), "it is not skipped");
            assert!(repository.delete(id).await.unwrap(), "and can be deleted");
        }
        assert_eq!(repository.list_active().await.unwrap().len(), 1);
    });
}

#[test]
fn what_cannot_be_read_is_named() {
    let file = File::new();
    run(async {
        let repository = file.repository();
        repository.create(session("s1")).await.unwrap();
        for (by_hand, back, named) in [
            ("status = 'abandoned'", "status = 'active'", "status"),
            (
                "metadata = json_remove(metadata, '$.concept_id')",
                "metadata = json_set(metadata, '$.concept_id', 'oat-milk')",
                "concept_id",
            ),
            (
                "metadata = json_set(metadata, '$.methodology', ' ')",
                "metadata = json_set(metadata, '$.methodology', 'mec')",
                "methodology",
            ),
        ] {
            file.sql().execute(&format!("UPDATE sessions SET {by_hand}"), []).unwrap();
            let error = repository.get("s1").await.unwrap_err();
            assert!(matches!(error, Error::Store(sessiondb::Error::Undecodable { .. })), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("session:s1") && text.contains(named), "{text}");
            assert!(repository.update_state("s1", state(1, 0.1)).await.is_err());
            file.sql().execute(&format!("UPDATE sessions SET {back}"), []).unwrap();
        }
        assert!(repository.get("s1").await.unwrap().is_some());
    });
}

#[test]
fn of_many_who_delete_a_session_one_did() {
    both(async |repository| {
        for round in 0..5 {
            let id = format!("s{round}");
            repository.create(session(&id)).await.unwrap();
            let tasks = (0..8).map(|_| {
                let (repository, id) = (repository.clone(), id.clone());
                tokio::spawn(async move { repository.delete(&id).await.unwrap() })
            });
            let mut deleted = 0;
            for task in tasks.collect::<Vec<_>>() {
                deleted += usize::from(task.await.unwrap());
            }
            assert_eq!(deleted, 1);
        }
    });
}

/// Of a session with very many documents only the first are read with it. That its state is not among them is no reason to
/// answer the one at the beginning.
#[test]
fn a_state_that_was_not_read_is_not_made_up() {
    run(async {
        let repository = SessionRepository::new("memory:");
        repository.create(session("s1")).await.unwrap();
        let key = sessiondb::SessionKey::new("interview", "interview", "", "session", "s1");
        let mut commit = sessiondb::Commit::new(key);
        commit.writes = (0..sessiondb::limits::PARTS_MAX)
            .map(|n| sessiondb::NewDocument::new("config", format!("n{n}"), sessiondb::Json::object()))
            .map(sessiondb::Write::PutDocument)
            .collect();
        repository.sessiondb().await.unwrap().commit_one(commit).await.unwrap();
        let error = repository.get("s1").await.unwrap_err();
        assert!(matches!(error, Error::Store(sessiondb::Error::Undecodable { .. })), "{error:?}");
    });
}

/// A fork shows the utterances so far, and takes no documents along.
#[test]
fn a_session_without_documents_is_at_its_beginning() {
    both(async |repository| {
        let created = repository.create(session("s1")).await.unwrap();
        let said = [interview_session::NewUtterance::new("user", "Hello")];
        repository.record_turn("s1", &said, state(3, 0.5)).await.unwrap();
        let store = repository.sessiondb().await.unwrap();
        let key = |id: &str| sessiondb::SessionKey::new("interview", "interview", "", "session", id);
        store.fork(&key("s1"), &key("s2"), None).await.unwrap();
        let fork = repository.get_record("s2").await.unwrap().unwrap();
        assert_eq!((fork.session.state, fork.config), (created.state, Default::default()));
        assert_eq!(fork.session.concept_name, "Oat milk");
        assert_eq!(repository.utterances("s2", 0, 10).await.unwrap().utterances.len(), 1);
        assert_eq!(repository.list_active().await.unwrap().len(), 2);
        repository.update_state("s2", state(3, 0.5)).await.unwrap();
        assert_eq!(repository.get("s2").await.unwrap().unwrap().state, state(3, 0.5));
    });
}

#[test]
fn a_session_of_another_family_is_left_alone() {
    both(async |repository| {
        let store = repository.sessiondb().await.unwrap();
        let key = sessiondb::SessionKey::new("interview", "interview", "", "session", "s1");
        store.append(&key, vec![sessiondb::NewMessage::new("user", "a chat")]).await.unwrap();
        let conflict = |error: &Error| matches!(error, Error::Store(sessiondb::Error::Conflict { .. }));
        assert!(conflict(&repository.get("s1").await.unwrap_err()));
        assert!(conflict(&repository.update_state("s1", state(1, 0.1)).await.unwrap_err()));
        assert!(conflict(&repository.delete("s1").await.unwrap_err()));
        assert!(conflict(&repository.utterances("s1", 0, 10).await.unwrap_err()));
        assert_eq!(repository.create(session("s1")).await, Err(Error::AlreadyExists("s1".into())));
        assert_eq!(repository.list_active().await.unwrap(), []);
        assert_eq!(store.session(&key).await.unwrap().unwrap().message_count, 1);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is legal comes back as it was given, to the last bit.
    #[test]
    fn what_is_created_is_read_back(
        id in "[^~\0].{0,40}",
        texts in prop::array::uniform3("\\PC*[^\\s].{0,20}"),
        turn_count in any::<u32>(),
        score in 0.0..=1.0_f64,
        strategy in prop::option::of(".*"),
        (created, later) in (0_i64..4_000_000_000_000_000, 0_i64..4_000_000_000_000_000),
    ) {
        let [methodology, concept_id, concept_name] = texts;
        let mut given = Session::new(methodology, concept_id, concept_name);
        given.id = id;
        given.state.turn_count = turn_count;
        given.state.coverage_score = score;
        given.state.last_strategy = strategy;
        given.created_at = chrono::DateTime::from_timestamp_micros(created).unwrap();
        given.updated_at = chrono::DateTime::from_timestamp_micros(created + later).unwrap();
        prop_assume!(given.validate().is_ok());
        run(async {
            let repository = SessionRepository::new("memory:");
            let answered = repository.create(given.clone()).await.unwrap();
            let read = repository.get(&given.id).await.unwrap().unwrap();
            assert_eq!(read.state.coverage_score.to_bits(), score.to_bits());
            assert_eq!((&read, &answered), (&given, &given));
        });
    }
}
