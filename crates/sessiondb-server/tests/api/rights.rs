//! Every route by every kind of caller. What a route asks for is read from the description, which is made of the router: a
//! route that is added is tried as well.

use axum::http::{Method, StatusCode};
use serde_json::Value;
use sessiondb::Scope;
use sessiondb_server::{Right, Rights};

use crate::desk::{Desk, KEY, Operation, operations, request};

async fn call(desk: &Desk, operation: &Operation, token: Option<&str>) -> (StatusCode, Vec<u8>) {
    let answer =
        desk.call(request(operation.method.clone(), &operation.path, token, operation.body.as_ref())).await;
    (answer.status, answer.body)
}

/// The rights that a route's example needs.
fn needed(operation: &Operation) -> Vec<Right> {
    match operation.right.as_str() {
        Some("as the body says") => vec![Right::Append, Right::State],
        Some(name) => vec![name.parse().unwrap()],
        None => Vec::new(),
    }
}

/// In the example's place stands a token that there is.
async fn at(desk: &Desk, operation: Operation) -> Operation {
    if !operation.template.starts_with("/v1/tokens/") {
        return operation;
    }
    let (id, _) = desk.token(Rights::default(), Scope::all(), None).await;
    Operation { path: format!("/v1/tokens/{id}"), ..operation }
}

#[tokio::test]
async fn every_route_has_a_right_or_tells_nothing() {
    let open: Vec<String> =
        operations().into_iter().filter(|operation| operation.right.is_null()).map(|o| o.template).collect();
    assert_eq!(open, ["/healthz", "/readyz"]);
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_that_is_valid() {
    let desk = Desk::furnished().await;
    let (id, revoked) = desk.token(Rights::all(), Scope::all(), None).await;
    desk.tokens.revoke(&id).await.unwrap();
    let stranger = Desk::new().await.admin;
    let other = if desk.admin.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{other}", &desk.admin[..desk.admin.len() - 1]);
    let expired = desk.expired().await;
    let refused = [
        None,
        Some("secret"),
        Some(mistyped.as_str()),
        Some(stranger.as_str()),
        Some(revoked.as_str()),
        Some(expired.as_str()),
    ];
    let mut tried = 0;
    for operation in operations().into_iter().filter(|operation| !operation.right.is_null()) {
        for token in refused {
            let (status, body) = call(&desk, &operation, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{operation:?} with {token:?}");
            assert!(!String::from_utf8_lossy(&body).contains("Rome"), "{operation:?}");
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} were tried");
}

#[tokio::test]
async fn nobody_does_what_the_token_has_no_right_to() {
    for operation in operations() {
        for right in needed(&operation) {
            let desk = Desk::furnished().await;
            let operation = at(&desk, operation.clone()).await;
            let before = desk.store.changes(None, 1).await.unwrap().last;
            let (status, body) = call(&desk, &operation, Some(&desk.lacking(right).await)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{operation:?} without {right}");
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(body["detail"].as_str().unwrap().contains(right.name()), "{body}");
            let changes = desk.store.changes(Some(before), 9).await.unwrap().changes;
            assert_eq!(changes, [], "{operation:?} was done without {right}");
        }
    }
}

/// The session of another agent is as one that does not exist, to the byte, and nothing of it is in any list.
#[tokio::test]
async fn nobody_sees_or_changes_what_lies_outside_the_scope() {
    for operation in operations().into_iter().filter(|operation| !operation.right.is_null()) {
        let (with, without) = (Desk::furnished().await, Desk::new().await);
        let foreign = Scope::agent("other");
        let operation = at(&with, operation).await;
        let (_, theirs) = with.token(Rights::all(), foreign.clone(), None).await;
        let (_, none) = without.token(Rights::all(), foreign, None).await;
        let before = with.store.changes(None, 1).await.unwrap().last;
        let (status, body) = call(&with, &operation, Some(&theirs)).await;
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("Rome"), "{operation:?}: {text}");
        let of_one = operation.path.contains(KEY) || operation.template.contains("/sessions/{id}");
        if of_one {
            assert_eq!(status, StatusCode::NOT_FOUND, "{operation:?}: {text}");
            let (status, missing) = call(&without, &operation, Some(&none)).await;
            assert_eq!((status, &missing), (StatusCode::NOT_FOUND, &body), "{operation:?}");
        }
        assert!(!status.is_server_error(), "{operation:?}");
        let changes = with.store.changes(Some(before), 9).await.unwrap().changes;
        assert!(changes.iter().all(|change| change.key.agent_id == "other"), "{operation:?}: {changes:?}");
    }
}

/// With exactly the rights that a route asks for its example is done.
#[tokio::test]
async fn who_has_the_right_comes_in() {
    for operation in operations() {
        let desk = Desk::furnished().await;
        let operation = at(&desk, operation).await;
        let mut rights = needed(&operation);
        // What answers what is stored asks for the right to read too.
        if operation.method != Method::GET && operation.method != Method::DELETE {
            rights.push(Right::Read);
        }
        // A token gives away no more than it has.
        if operation.template == "/v1/tokens" && operation.method == Method::POST {
            rights.extend([Right::Read, Right::Append]);
        }
        let (_, token) = desk.token(rights.into_iter().collect(), Scope::all(), None).await;
        let (status, body) = call(&desk, &operation, Some(&token)).await;
        assert!(status.is_success(), "{operation:?}: {status} {}", String::from_utf8_lossy(&body));
    }
}
