//! The audit log: who deleted what, made and revoked which token, and which tokens were refused.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::desk::{Desk, KEY, session};

/// What cannot be taken back has a line of who did it, which nobody can take away.
#[tokio::test]
async fn what_was_deleted_is_noted() {
    let desk = Desk::furnished().await;
    assert_eq!(desk.get("/v1/audit").await.json()["messages"], json!([]));
    desk.ask(Method::DELETE, &session(), None).await;
    desk.ask(Method::DELETE, &session(), None).await;
    desk.ask(
        Method::POST,
        "/v1/commits",
        Some(json!([{ "key": "ait42:worktree:0123456789abcdef:session:comp-1", "writes": ["delete"] }])),
    )
    .await;
    let made = desk
        .ask(
            Method::POST,
            "/v1/tokens",
            Some(json!({ "name": "x", "rights": ["read"], "scope": "main:*", "days": 1 })),
        )
        .await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    desk.ask(Method::DELETE, &format!("/v1/tokens/{id}"), None).await;
    let lines = desk.get("/v1/audit?after=0").await.json();
    assert!(lines["messages"].as_array().unwrap().iter().all(|line| line["content"]["request"].is_string()));
    let told: Vec<String> = lines["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            format!(
                "{} {}",
                line["content"]["action"].as_str().unwrap(),
                line["content"]["object"].as_str().unwrap()
            )
        })
        .collect();
    let revoked = format!("revoke a token {id}");
    assert_eq!(
        told,
        [
            &format!("delete {KEY}"),
            "delete ait42:worktree:0123456789abcdef:session:comp-1",
            "make a token x for main:*",
            &revoked
        ]
    );
    assert_eq!(desk.ask(Method::DELETE, "/v1/sessions/~system:audit:::", None).await.problem(), "invalid");
}

/// The token of this id with a secret that is not its own.
fn with_another_secret(token: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (named, digit) = (&token[..token.len() - 7], &token[token.len() - 7..][..1]);
    let other = format!("{named}{}", if digit == "x" { "y" } else { "x" });
    let crc = crc32fast::hash(other.as_bytes()) as usize;
    let check = (0..6).rev().map(|place| char::from(DIGITS[crc / 62_usize.pow(place) % 62]));
    format!("{other}{}", check.collect::<String>())
}

#[tokio::test]
async fn a_token_that_is_refused_is_noted_if_it_was_ever_one() {
    let desk = Desk::furnished().await;
    let (id, token) = desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::all(), None).await;
    let unknown = Desk::new().await.admin;
    let expired = desk.expired().await;
    let (revoked_id, revoked) =
        desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::all(), None).await;
    desk.tokens.revoke(&revoked_id).await.unwrap();
    let shows = async |token: &str| {
        let mut request = crate::desk::request(Method::GET, "/v1/usage", Some(token), None);
        request.headers_mut().insert("x-request-id", "r-1".parse().unwrap());
        desk.call(request).await
    };
    assert_eq!(shows(&token).await.status, 200);
    let wrong = shows(&with_another_secret(&token)).await;
    // Nothing tells it from a token that there never was.
    assert_eq!((wrong.status, wrong.json()), (StatusCode::UNAUTHORIZED, shows(&unknown).await.json()));
    for token in [&expired, &revoked] {
        assert_eq!(shows(token).await.status, 401);
    }
    // Once an hour each.
    assert_eq!(shows(&revoked).await.status, 401);
    let lines = desk.get("/v1/audit").await.json()["messages"].as_array().unwrap().clone();
    let mut told: Vec<String> = lines
        .iter()
        .map(|line| {
            let line = &line["content"];
            assert_eq!((&line["action"], &line["request"]), (&json!("refused"), &json!("r-1")));
            format!("{} {}", line["token"].as_str().unwrap(), line["why"].as_str().unwrap())
        })
        .collect();
    told.sort_unstable();
    let mut expected = [
        format!("{} expired", &expired[4..16]),
        format!("{id} another secret"),
        format!("{revoked_id} revoked"),
    ];
    expected.sort_unstable();
    assert_eq!(told, expected);
}
