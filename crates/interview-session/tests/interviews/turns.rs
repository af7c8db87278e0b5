//! Turns: what was said, and the state after it.

use interview_session::{Error, NewUtterance, SessionRepository, sessiondb};

use crate::{File, both, run, session, state};

fn said(speaker: &str, text: &str) -> NewUtterance {
    NewUtterance::new(speaker, text)
}

async fn heard(repository: &SessionRepository, id: &str) -> Vec<(u32, String, String)> {
    let page = repository.utterances(id, 0, 1_000).await.unwrap();
    assert_eq!(page.next, None);
    page.utterances.into_iter().map(|u| (u.turn_number, u.speaker, u.text)).collect()
}

fn line(turn: u32, speaker: &str, text: &str) -> (u32, String, String) {
    (turn, speaker.into(), text.into())
}

#[test]
fn a_turn_is_what_was_said_and_the_state_after_it() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        // The opening question stands before the first turn.
        repository.record_turn("s1", &[said("system", "Why oat milk?")], state(0, 0.0)).await.unwrap();
        let turn = [said("user", "I like it: \"oat\" \u{1F95B}"), said("system", "Why?")];
        let answered = repository.record_turn("s1", &turn, state(1, 0.25)).await.unwrap();
        assert_eq!(answered.state, state(1, 0.25));
        assert_eq!(repository.get("s1").await.unwrap(), Some(answered));
        let expected = [
            line(0, "system", "Why oat milk?"),
            line(1, "user", "I like it: \"oat\" \u{1F95B}"),
            line(1, "system", "Why?"),
        ];
        assert_eq!(heard(repository, "s1").await, expected);
    });
}

#[test]
fn a_turn_that_is_sent_again_changes_nothing() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let turn = [said("user", "Hello"), said("system", "Why?")];
        repository.record_turn("s1", &turn, state(1, 0.25)).await.unwrap();
        let before = repository.get_record("s1").await.unwrap();
        repository.record_turn("s1", &turn, state(1, 0.25)).await.unwrap();
        assert_eq!(repository.get_record("s1").await.unwrap(), before, "updated_at and revision neither");
        assert_eq!(heard(repository, "s1").await.len(), 2);
    });
}

#[test]
fn speakers_can_follow_in_the_same_turn() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.record_turn("s1", &[said("user", "Hello")], state(1, 0.0)).await.unwrap();
        repository.record_turn("s1", &[said("system", "Why?")], state(1, 0.5)).await.unwrap();
        assert_eq!(heard(repository, "s1").await, [line(1, "user", "Hello"), line(1, "system", "Why?")]);
        assert_eq!(repository.get("s1").await.unwrap().unwrap().state, state(1, 0.5));
    });
}

#[test]
fn another_utterance_of_a_speaker_in_a_turn_is_refused_by_name() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.record_turn("s1", &[said("user", "Hello")], state(1, 0.25)).await.unwrap();
        let before = repository.get_record("s1").await.unwrap();
        let turn = [said("system", "Why?"), said("user", "Good bye")];
        let error = repository.record_turn("s1", &turn, state(1, 0.5)).await.unwrap_err();
        assert_eq!(error, Error::Said { id: "s1".into(), turn_number: 1, speaker: "user".into() });
        assert_eq!(error.to_string(), "Session s1: user said something else in turn 1 already");
        assert_eq!(repository.get_record("s1").await.unwrap(), before, "the state neither");
        assert_eq!(heard(repository, "s1").await, [line(1, "user", "Hello")], "not even what would be new");
        repository.record_turn("s1", &[said("a:b", "Hello")], state(2, 0.5)).await.unwrap();
        let error =
            repository.record_turn("s1", &[said("a:b", "Good bye")], state(2, 0.5)).await.unwrap_err();
        assert_eq!(error, Error::Said { id: "s1".into(), turn_number: 2, speaker: "a:b".into() });
    });
}

#[test]
fn a_turn_that_has_passed_is_refused_by_name() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        repository.record_turn("s1", &[said("user", "Hello")], state(5, 0.25)).await.unwrap();
        let late = repository.record_turn("s1", &[said("user", "Wait")], state(4, 0.1)).await;
        assert_eq!(late, Err(Error::TurnPassed { id: "s1".into(), turn_number: 4, current: 5 }));
        assert_eq!(heard(repository, "s1").await.len(), 1);
    });
}

#[test]
fn a_turn_that_is_not_legal_writes_nothing() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let before = repository.get_record("s1").await.unwrap();
        let long = "x".repeat(5_001);
        for (turn, state, field) in [
            (vec![], state(1, 0.1), "utterances"),
            (vec![said("user", "a"), said("system", &long)], state(1, 0.1), "utterances[1].text"),
            (vec![said("user", "")], state(1, 0.1), "utterances[0].text"),
            (vec![said("user", "a"), said("user", "b")], state(1, 0.1), "utterances[1].speaker"),
            (vec![said("user", "a")], state(1, 2.0), "state.coverage_score"),
        ] {
            let error = repository.record_turn("s1", &turn, state).await.unwrap_err();
            assert!(matches!(&error, Error::Invalid { field: named, .. } if named == field), "{error:?}");
        }
        assert_eq!(repository.get_record("s1").await.unwrap(), before);
        assert_eq!(heard(repository, "s1").await, []);
    });
}

#[test]
fn utterances_are_read_page_by_page() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        for turn in 1..=7 {
            repository
                .record_turn("s1", &[said("user", &format!("answer {turn}"))], state(turn, 0.1))
                .await
                .unwrap();
        }
        let (mut turns, mut after) = (Vec::new(), Some(0));
        let mut pages = 0;
        while let Some(from) = after {
            let page = repository.utterances("s1", from, 3).await.unwrap();
            assert!(page.utterances.len() <= 3);
            turns.extend(page.utterances.iter().map(|utterance| utterance.turn_number));
            (after, pages) = (page.next, pages + 1);
        }
        assert_eq!((turns, pages), ((1..=7).collect(), 3));
        for limit in [0, 1_001] {
            let error = repository.utterances("s1", 0, limit).await.unwrap_err();
            assert_eq!(error.to_string(), format!("limit is {limit}; 1 to 1000 are allowed"));
        }
    });
}

#[test]
fn a_message_that_is_no_utterance_is_named() {
    both(async |repository| {
        repository.create(session("s1")).await.unwrap();
        let key = sessiondb::SessionKey::new("interview", "interview", "", "session", "s1");
        let note = sessiondb::NewMessage::new("user", "from elsewhere");
        repository.sessiondb().await.unwrap().append(&key, vec![note]).await.unwrap();
        let error = repository.utterances("s1", 0, 10).await.unwrap_err();
        assert!(matches!(error, Error::Store(sessiondb::Error::Undecodable { .. })), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("message 1") && text.contains("turn_number"), "{text}");
    });
}

/// Eight tasks take turns, over one repository and over two on one file: each turn is taken once, and none is lost.
#[test]
fn turns_at_the_same_time_are_each_taken_once() {
    async fn all_take_turns(repositories: [SessionRepository; 2]) {
        repositories[0].create(session("s1")).await.unwrap();
        let tasks = (0..8).map(|task| {
            let repository = repositories[task % 2].clone();
            tokio::spawn(async move {
                let mut taken = 0;
                while taken < 5 {
                    let mut state = repository.get("s1").await.unwrap().unwrap().state;
                    state.turn_count += 1;
                    let text = format!("task {task}, {taken}");
                    let turn = [said("user", &text), said("system", &text)];
                    match repository.record_turn("s1", &turn, state).await {
                        Ok(_) => taken += 1,
                        Err(Error::Said { .. } | Error::TurnPassed { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let heard = heard(&repositories[1], "s1").await;
        let turns: Vec<u32> = heard.iter().map(|(turn, ..)| *turn).collect();
        assert_eq!(turns, (1..=40).flat_map(|turn| [turn, turn]).collect::<Vec<_>>());
        assert!(heard.chunks(2).all(|turn| turn[0].2 == turn[1].2), "a turn is one task's");
        assert_eq!(repositories[0].get("s1").await.unwrap().unwrap().state.turn_count, 40);
    }
    let memory = SessionRepository::new(":memory:");
    run(all_take_turns([memory.clone(), memory]));
    let file = File::new();
    run(all_take_turns([file.repository(), file.repository()]));
}
