//! Lists of sessions.

use chrono::TimeDelta;
use interview_session::{Error, Session, SessionFilter, SessionRepository, SessionStatus, sessiondb};

use crate::{at, both, run, session, state};

/// `n` sessions, one a minute, each third of one status; two of five are about another concept, by another methodology.
async fn many(repository: &SessionRepository, n: usize) {
    for index in 0..n {
        let created_at = at("2025-01-31T10:00:00Z") + TimeDelta::minutes(index as i64);
        let (methodology, concept_id) =
            if index % 5 < 2 { ("zmet", "soy-milk") } else { ("mec", "oat-milk") };
        let given = Session {
            id: format!("s{index}"),
            created_at,
            updated_at: created_at,
            status: SessionStatus::ALL[index % 3],
            ..Session::new(methodology, concept_id, "Milk")
        };
        repository.create(given).await.unwrap();
    }
}

async fn ids(repository: &SessionRepository, filter: SessionFilter) -> Vec<usize> {
    let page = repository.list(&filter).await.unwrap();
    page.sessions.iter().map(|record| record.session.id[1..].parse().unwrap()).collect()
}

#[test]
fn list_active_has_the_active_ones_newest_first() {
    both(async |repository| {
        assert_eq!(repository.list_active().await.unwrap(), []);
        many(repository, 9).await;
        let active = repository.list_active().await.unwrap();
        let ids: Vec<&str> = active.iter().map(|session| session.id.as_str()).collect();
        assert_eq!(ids, ["s6", "s3", "s0"]);
        assert_eq!(repository.get("s3").await.unwrap().as_ref(), Some(&active[1]));
        // A change moves nothing: the list is in the order of creation.
        repository
            .update_state("s0", interview_session::SessionState::new("zmet", "soy-milk", "Milk"))
            .await
            .unwrap();
        repository.set_status("s3", SessionStatus::Paused).await.unwrap();
        let active = repository.list_active().await.unwrap();
        assert_eq!(active.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["s6", "s0"]);
    });
}

/// In the seed sessions of the same second were in any order.
#[test]
fn defect_05_sessions_of_the_same_moment_have_an_order() {
    both(async |repository| {
        let moment = at("2025-01-31T10:00:00Z");
        for id in ["b", "c", "a"] {
            repository.create(Session { created_at: moment, ..session(id) }).await.unwrap();
        }
        for _ in 0..3 {
            let active = repository.list_active().await.unwrap();
            let ids: Vec<&str> = active.iter().map(|session| session.id.as_str()).collect();
            assert_eq!(ids, ["a", "c", "b"], "the one that was created last first");
        }
    });
}

/// The seed listed the active sessions, all of them, and no others.
#[test]
fn defect_08_sessions_of_every_status_are_listed_page_by_page() {
    both(async |repository| {
        many(repository, 11).await;
        let status = SessionFilter::status;
        assert_eq!(ids(repository, SessionFilter::default()).await, (0..11).rev().collect::<Vec<_>>());
        assert_eq!(ids(repository, status(SessionStatus::Completed)).await, [8, 5, 2]);
        let statuses = vec![SessionStatus::Active, SessionStatus::Paused];
        let open = SessionFilter { statuses, ..SessionFilter::default() };
        assert_eq!(ids(repository, open.clone()).await, [10, 9, 7, 6, 4, 3, 1, 0]);
        for (limit, pages) in [(1, 8), (3, 3), (4, 2), (8, 1), (1_000, 1)] {
            let (mut filter, mut seen, mut count) = (SessionFilter { limit, ..open.clone() }, Vec::new(), 0);
            loop {
                let page = repository.list(&filter).await.unwrap();
                assert!(page.sessions.len() <= limit);
                seen.extend(page.sessions.into_iter().map(|record| record.session.id));
                count += 1;
                match page.next {
                    Some(next) => filter.after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, ["s10", "s9", "s7", "s6", "s4", "s3", "s1", "s0"], "{limit} a page");
            assert_eq!(count, pages, "{limit} a page");
        }
    });
}

#[test]
fn all_conditions_of_a_list_hold() {
    both(async |repository| {
        many(repository, 20).await;
        let all = SessionFilter::default;
        let zmet = SessionFilter { methodology: Some("zmet".into()), ..all() };
        assert_eq!(ids(repository, zmet.clone()).await, [16, 15, 11, 10, 6, 5, 1, 0]);
        assert_eq!(repository.count(&zmet).await.unwrap(), 8);
        let oat = SessionFilter { concept_id: Some("oat-milk".into()), ..all() };
        assert_eq!(ids(repository, oat.clone()).await.len(), 12);
        assert_eq!(repository.count(&oat).await.unwrap(), 12);
        let neither = SessionFilter { concept_id: Some("oat-milk".into()), ..zmet.clone() };
        assert_eq!(ids(repository, neither).await, [0; 0]);
        let active = SessionFilter { statuses: vec![SessionStatus::Active], ..zmet.clone() };
        assert_eq!(ids(repository, active.clone()).await, [15, 6, 0]);
        // Pages of what is compared session by session.
        let (mut filter, mut seen) = (SessionFilter { limit: 2, ..active }, Vec::new());
        loop {
            let page = repository.list(&filter).await.unwrap();
            assert!(page.sessions.len() <= 2);
            seen.extend(page.sessions.into_iter().map(|record| record.session.id));
            let Some(next) = page.next else { break };
            filter.after = Some(next);
        }
        assert_eq!(seen, ["s15", "s6", "s0"]);
        assert_eq!(repository.count(&filter).await.unwrap(), 3, "whatever the page");

        let minute = |n: i64| Some(at("2025-01-31T10:00:00Z") + TimeDelta::minutes(n));
        let between = SessionFilter { created_after: minute(3), created_before: minute(6), ..all() };
        assert_eq!(ids(repository, between.clone()).await, [5, 4], "both ends are exclusive");
        assert_eq!(repository.count(&between).await.unwrap(), 2);
        assert_eq!(repository.count(&all()).await.unwrap(), 20);
    });
}

/// More than the store answers at once, of which few match: all are looked at, and each page has what it should.
#[test]
fn what_lies_far_apart_is_found_and_all_are_counted() {
    run(async {
        let repository = SessionRepository::new("memory:");
        for n in 0..1_101 {
            let rare = if n % 367 == 5 { "zmet" } else { "mec" };
            repository
                .create(Session { id: format!("s{n}"), ..Session::new(rare, "c1", "Milk") })
                .await
                .unwrap();
        }
        let rare = SessionFilter { methodology: Some("zmet".into()), limit: 2, ..SessionFilter::default() };
        assert_eq!(ids(&repository, SessionFilter { limit: 3, ..rare.clone() }).await, [739, 372, 5]);
        let page = repository.list(&rare).await.unwrap();
        assert_eq!(page.sessions.len(), 2);
        assert_eq!(ids(&repository, SessionFilter { after: page.next, ..rare.clone() }).await, [5]);
        assert_eq!(repository.count(&rare).await.unwrap(), 3);
        assert_eq!(repository.count(&SessionFilter::default()).await.unwrap(), 1_101);
        assert_eq!(repository.list_active().await.unwrap().len(), 1_101);
    });
}

#[test]
fn a_list_that_cannot_be_is_refused() {
    both(async |repository| {
        many(repository, 2).await;
        for limit in [0, 1_001, usize::MAX] {
            let error =
                repository.list(&SessionFilter { limit, ..SessionFilter::default() }).await.unwrap_err();
            assert!(matches!(&error, Error::Invalid { field, .. } if field == "limit"), "{error:?}");
        }
        let elsewhere: sessiondb::Cursor = "u1.1".parse().unwrap();
        let filter = SessionFilter { after: Some(elsewhere), ..SessionFilter::default() };
        let error = repository.list(&filter).await.unwrap_err();
        assert!(matches!(error, Error::Store(sessiondb::Error::Invalid(_))), "{error:?}");
    });
}

#[test]
fn a_list_has_each_session_as_it_is() {
    both(async |repository| {
        many(repository, 4).await;
        repository.update_state("s3", state_of_3()).await.unwrap();
        let patch = serde_json::Map::from_iter([("mode".to_owned(), "depth".into())]);
        repository.merge_config("s1", &patch).await.unwrap();
        for record in repository.list(&SessionFilter::default()).await.unwrap().sessions {
            assert_eq!(repository.get_record(&record.session.id).await.unwrap(), Some(record));
        }
    });
}

fn state_of_3() -> interview_session::SessionState {
    interview_session::SessionState { concept_name: "Milk".into(), ..state(2, 0.75) }
}
