//! What each request is answered.

use std::fmt::Write as _;

use axum::Router;
use chrono::{DateTime, Utc};
use interview_session::{SessionRepository, routes};
use serde_json::{Value, json};

use crate::{Answer, Server};

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn oat_milk() -> Value {
    json!({"id": ID, "methodology": "mec", "concept_id": "oat-milk", "concept_name": "Oat milk"})
}

/// The times of a session are other ones each time; that they are times is checked here.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if name.ends_with("_at") => {
                        let time: DateTime<Utc> = text.parse().unwrap();
                        assert!(text.ends_with('Z') && time <= Utc::now(), "{name}: {text}");
                        *value = "<time>".into();
                    }
                    _ => without_times(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

fn note(transcript: &mut String, case: &str, request: &str, answer: &Answer) {
    let mut body = serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body));
    without_times(&mut body);
    let _ = writeln!(transcript, "# {case}\n{request}\n{}", answer.status);
    for name in ["content-type", "location", "allow"] {
        if answer.headers.contains_key(name) {
            let _ = writeln!(transcript, "{name}: {}", answer.header(name));
        }
    }
    let _ = match body {
        Value::String(text) if text.is_empty() => writeln!(transcript),
        body => writeln!(transcript, "{body:#}\n"),
    };
}

#[test]
fn every_case_has_its_answer() {
    let server = Server::start();
    let mut transcript = String::new();
    let mut case = |case: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = server.send(method, path, headers, body.as_bytes());
        let shown: String = body.chars().take(100).collect();
        note(&mut transcript, case, format!("{method} {path} {shown}").trim_end(), &answer);
    };
    let json = [("content-type", "application/json")];
    let all = oat_milk().to_string();
    // By one byte: when the server notices, it has read all that the client sends, and no connection is reset.
    let too_large = format!("\"{}\"", "x".repeat((1 << 20) - 1));
    case("an empty list", "GET", "/sessions", &[], "");
    case("created", "POST", "/sessions", &json, &all);
    case("the id is taken", "POST", "/sessions", &json, &all);
    case("read", "GET", &format!("/sessions/{ID}"), &[], "");
    case("listed", "GET", "/sessions?status=active&status=paused&limit=10", &[], "");
    case("none of this status", "GET", "/sessions?status=completed", &[], "");
    case("not found", "GET", "/sessions/nobody", &[], "");
    case("an id that no session can have", "GET", "/sessions/~kept", &[], "");
    case("an id with all kinds of characters", "GET", "/sessions/a%2Fb%20%22c%22%C3%BC", &[], "");
    case("an id that is no text", "GET", "/sessions/%FF", &[], "");
    case("an id that is too long", "DELETE", &format!("/sessions/{}", "x".repeat(600)), &[], "");

    case(
        "a member is missing",
        "POST",
        "/sessions",
        &json,
        r#"{"concept_id":"c1","concept_name":"Oat milk"}"#,
    );
    case("all are missing", "POST", "/sessions", &json, "{}");
    case(
        "empty texts",
        "POST",
        "/sessions",
        &json,
        r#"{"methodology":"","concept_id":" \t","concept_name":"Oat milk"}"#,
    );
    case(
        "other types",
        "POST",
        "/sessions",
        &json,
        r#"{"methodology":7,"concept_id":null,"concept_name":["x"],"config":[],"id":1}"#,
    );
    case(
        "members that nobody knows",
        "POST",
        "/sessions",
        &json,
        r#"{"methodology":"mec","concept_id":"c1","concept_name":"Oat milk","mode":"depth","status":"completed"}"#,
    );
    case(
        "an id that is no UUID",
        "POST",
        "/sessions",
        &json,
        r#"{"methodology":"mec","concept_id":"c1","concept_name":"Oat milk","id":"../x"}"#,
    );
    case("no object", "POST", "/sessions", &json, r#"["mec"]"#);
    case("no JSON", "POST", "/sessions", &json, r#"{"methodology": "mec""#);
    case("a number that does not fit", "POST", "/sessions", &json, r#"{"config": {"n": 1e400}}"#);
    case("nested too deep", "POST", "/sessions", &json, &"[".repeat(10_000));
    case("no body", "POST", "/sessions", &json, "");
    case("another content type", "POST", "/sessions", &[("content-type", "text/plain")], &all);
    case("no content type", "POST", "/sessions", &[], &all);
    case("too large", "POST", "/sessions", &json, &too_large);

    case("a status that is none", "GET", "/sessions?status=abandoned", &[], "");
    case("limits that are none", "GET", "/sessions?limit=0", &[], "");
    case("limits that are none", "GET", "/sessions?limit=1001", &[], "");
    case("limits that are none", "GET", "/sessions?limit=many", &[], "");
    case("a place that is none", "GET", "/sessions?after=u1.1", &[], "");
    case("parameters that nobody knows", "GET", "/sessions?staus=active&limit=", &[], "");

    case("another method", "PUT", &format!("/sessions/{ID}"), &json, &all);
    case("another method", "DELETE", "/sessions", &[], "");
    case("a slash at the end", "GET", "/sessions/", &[], "");
    case("deleted", "DELETE", &format!("/sessions/{ID}"), &[], "");
    case("deleted already", "DELETE", &format!("/sessions/{ID}"), &[], "");
    insta::assert_snapshot!(transcript);
}

#[test]
fn nested_routes_are_found_and_say_where_a_session_is() {
    let nested = |repository: SessionRepository| Router::new().nest("/interviews", routes(repository));
    let server = Server::start_with(nested);
    let created = server.post("/interviews/sessions", &oat_milk());
    assert_eq!((created.status, created.header("location")), (201, &*format!("/interviews/sessions/{ID}")));
    assert_eq!(server.get(created.header("location")).body, created.body);
    assert_eq!(server.get("/sessions").status, 404);
    assert_eq!(
        server.send("PUT", "/interviews/sessions", &[], b"").json(),
        json!({"detail": "Method Not Allowed"})
    );
    assert_eq!(server.delete(created.header("location")).status, 204);
}

#[test]
fn routes_can_be_merged_into_a_router_with_a_fallback() {
    let merged = |repository: SessionRepository| {
        Router::new().fallback(async || "somebody else's").merge(routes(repository))
    };
    let server = Server::start_with(merged);
    assert_eq!(server.get("/elsewhere").body, "somebody else's");
    assert_eq!(server.get("/sessions").status, 200);
}

#[test]
fn what_is_behind_a_failure_is_not_told() {
    let server = Server::start();
    server.post("/sessions", &oat_milk());
    server.sql().execute("UPDATE sessions SET metadata = '{}'", []).unwrap();
    for path in [&format!("/sessions/{ID}"), "/sessions"] {
        let answer = server.get(path);
        // Which session it is, and not what is wrong with it.
        let detail = format!("session interview:interview::session:{ID}, metadata cannot be read");
        assert_eq!((answer.status, answer.json()), (500, json!({ "detail": detail })));
    }
    server.run(async { server.repository.sessiondb().await.unwrap().close().await }).unwrap();
    let closed = server.get("/sessions");
    assert_eq!(
        (closed.status, closed.json()),
        (503, json!({"detail": "The store is not available; try again later"}))
    );

    let nowhere = Server::start_with(|_| routes(SessionRepository::new("/")));
    let answer = nowhere.post("/sessions", &oat_milk());
    assert_eq!(
        (answer.status, answer.json()),
        (503, json!({"detail": "The store is not available; try again later"}))
    );
}

/// A status that is said again is no other condition: however often, it is no fault of a body that is not there.
#[test]
fn a_status_that_is_said_again_changes_nothing() {
    let server = Server::start();
    server.post("/sessions", &oat_milk());
    let once = server.get("/sessions?status=active");
    let again = server.get(&format!("/sessions?{}", ["status=active"; 1_001].join("&")));
    assert_eq!((again.status, again.body), (200, once.body));
}

/// What a browser or a monitor asks beside the routes.
#[test]
fn a_head_has_no_body_and_other_methods_are_told_which_there_are() {
    let server = Server::start();
    let created = server.post("/sessions", &oat_milk());
    for (path, status) in [("/sessions", 200), (created.header("location"), 200), ("/sessions/nobody", 404)] {
        let (head, get) = (server.send("HEAD", path, &[], b""), server.get(path));
        assert_eq!((head.status, &*head.body), (status, ""), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
    for (path, allow) in [("/sessions", "GET,HEAD,POST"), ("/sessions/nobody", "GET,HEAD,DELETE")] {
        let answer = server.send("OPTIONS", path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{path}");
    }
}
