//! The defects of the seed's routes that a copy would inherit.

use chrono::{DateTime, Utc};
use interview_session::{NewUtterance, SessionState, SessionStatus};
use serde_json::{Value, json};

use crate::Server;

fn body() -> Value {
    json!({"methodology": "mec", "concept_id": "oat-milk", "concept_name": "Oat milk"})
}

/// The seed's parameters of POST were taken from the query, while its tests sent JSON: 422 for what was right.
#[test]
fn defect_11_a_session_is_created_from_a_json_body() {
    let server = Server::start();
    let created = server.post("/sessions", &body());
    assert_eq!(created.status, 201);
    let session = created.json();
    assert_eq!(
        (&session["methodology"], &session["state"]["concept_name"]),
        (&json!("mec"), &json!("Oat milk"))
    );
    assert_eq!(created.header("location"), format!("/sessions/{}", session["id"].as_str().unwrap()));
    let in_query = server.post("/sessions?methodology=mec&concept_id=c1&concept_name=Oat", &json!({}));
    assert_eq!(in_query.status, 422);
    let stored = server.run(server.repository.get(session["id"].as_str().unwrap())).unwrap().unwrap();
    assert_eq!(stored.status, SessionStatus::Active);
}

/// The seed took an empty methodology.
#[test]
fn defect_11_an_empty_methodology_is_refused() {
    let server = Server::start();
    for methodology in ["", " ", "\n\t"] {
        let mut body = body();
        body["methodology"] = json!(methodology);
        let answer = server.post("/sessions", &body);
        assert_eq!(
            (answer.status, &answer.json()["detail"][0]["loc"]),
            (422, &json!(["body", "methodology"]))
        );
    }
    assert_eq!(server.get("/sessions").json()["total"], 0, "nothing was created");
}

/// FastAPI answered a slash too many with a redirect, which some clients follow without the body.
#[test]
fn defect_11_a_slash_at_the_end_is_not_redirected() {
    let server = Server::start();
    for answer in [server.get("/sessions/"), server.post("/sessions/", &body())] {
        assert_eq!((answer.status, answer.header("location")), (404, ""));
    }
}

/// The seed's times had no zone.
#[test]
fn defect_11_times_are_in_utc_and_say_so() {
    let server = Server::start();
    let before = Utc::now() - chrono::TimeDelta::microseconds(1);
    let session = server.post("/sessions", &body()).json();
    for name in ["created_at", "updated_at"] {
        let text = session[name].as_str().unwrap();
        let time: DateTime<Utc> = text.parse().unwrap();
        assert!(text.ends_with('Z') && before <= time && time <= Utc::now(), "{text}");
    }
}

/// Upstream answered `"config": {}` whatever was sent, and dropped `mode` in silence.
#[test]
fn defect_12_a_config_comes_back_and_nothing_is_dropped_in_silence() {
    let server = Server::start();
    let config = json!({"mode": "depth", "weights": {"recency": 0.1}, "tags": [null, 1e-300]});
    let mut with_config = body();
    with_config["config"] = config.clone();
    let created = server.post("/sessions", &with_config);
    assert_eq!(created.json()["config"], config);
    assert_eq!(server.get(created.header("location")).json()["config"], config);
    assert_eq!(server.get("/sessions").json()["sessions"][0]["config"], config);
    let mut with_mode = body();
    with_mode["mode"] = json!("depth");
    let refused = server.post("/sessions", &with_mode);
    assert_eq!((refused.status, &refused.json()["detail"][0]["loc"]), (422, &json!(["body", "mode"])));
}

/// What happens through the repository is seen over HTTP: there is one store, and nothing is cached.
#[test]
fn the_routes_answer_what_the_repository_did() {
    let server = Server::start();
    let created = server.post("/sessions", &body());
    let id = created.json()["id"].as_str().unwrap().to_owned();
    server.run(async {
        let state = SessionState {
            turn_count: 1,
            coverage_score: 0.1 + 0.2,
            ..SessionState::new("mec", "oat-milk", "Oat milk")
        };
        server.repository.record_turn(&id, &[NewUtterance::new("user", "Hello")], state).await.unwrap();
        server.repository.set_status(&id, SessionStatus::Completed).await.unwrap();
    });
    let session = server.get(created.header("location")).json();
    assert_eq!((&session["status"], &session["completed_at"]), (&json!("completed"), &session["updated_at"]));
    assert_eq!(session["state"]["coverage_score"], json!(0.1 + 0.2));
    assert_eq!(server.delete(created.header("location")).status, 204);
    assert_eq!(server.run(server.repository.get(&id)), Ok(None));
}
