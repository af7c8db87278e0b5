//! The description: what clients are made from.

use crate::desk::{Desk, operations};

/// A change of this file is a change of the API.
#[test]
fn the_description_of_the_routes() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&sessiondb_server::description()).unwrap());
}

#[tokio::test]
async fn the_server_describes_itself() {
    let desk = Desk::new().await;
    let answer = desk.call(crate::desk::request(axum::http::Method::GET, "/openapi.json", None, None)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["openapi"], "3.1.0");
    assert_eq!(answer.json(), serde_json::to_value(sessiondb_server::description()).unwrap());
}

#[tokio::test]
async fn the_routes_can_be_read() {
    let desk = Desk::new().await;
    let answer = desk.call(crate::desk::request(axum::http::Method::GET, "/docs", None, None)).await;
    let page = String::from_utf8(answer.body.clone()).unwrap();
    for operation in operations() {
        let shown = format!("<b>{}</b> <code>{}</code>", operation.method, operation.template);
        assert!(page.contains(&shown), "{shown}");
    }
    // Nothing is loaded from elsewhere, and nothing is run.
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    for word in ["<script", "http://", "https://", "src="] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn all_operations_are_described() {
    let operations = operations();
    assert!(operations.len() > 45, "{}", operations.len());
    assert!(operations.iter().all(|operation| !operation.path.contains('{')), "{operations:#?}");
}
