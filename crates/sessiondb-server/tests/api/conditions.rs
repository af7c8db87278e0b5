//! What is done only as it was seen (`ETag`, `If-Match`), and once however often it is sent (`Idempotency-Key`, `message_id`).

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::desk::{Desk, said, session};

#[tokio::test]
async fn a_state_is_changed_only_as_it_was_seen() {
    let desk = Desk::furnished().await;
    let seen = desk.get(&session()).await;
    let tag = seen.header("etag").to_owned();
    // What is appended meanwhile does not count, but it is another answer.
    desk.ask(Method::POST, &format!("{}/messages", session()), Some(said("And in Oslo?"))).await;
    let idle = Some(json!({ "status": "idle", "metadata": { "a": 1 } }));
    let changed = desk.ask_with(Method::PATCH, &session(), &[("if-match", &tag)], idle.clone()).await;
    assert_eq!((changed.status, &changed.json()["status"]), (StatusCode::OK, &json!("idle")));
    let refused = desk.ask_with(Method::PATCH, &session(), &[("if-match", &tag)], idle).await;
    assert_eq!(
        (refused.status, &*refused.problem()),
        (StatusCode::PRECONDITION_FAILED, "precondition-failed")
    );
    assert_eq!(refused.json()["conflict"], json!({ "kind": "state", "expected": 1, "current": 2 }));
    let merged =
        desk.ask(Method::PATCH, &session(), Some(json!({ "metadata": { "b": 2, "a": null } }))).await;
    assert_eq!(merged.json()["metadata"], json!({ "b": 2 }));
    let refused = desk.ask_with(Method::DELETE, &session(), &[("if-match", &tag)], None).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    for bad in ["7", "\"x\"", "\"1.0.0\", \"2.0.0\""] {
        let refused = desk.ask_with(Method::DELETE, &session(), &[("if-match", bad)], None).await;
        assert_eq!((refused.status, &*refused.problem()), (StatusCode::BAD_REQUEST, "invalid"), "{bad}");
    }
    assert_eq!(desk.ask(Method::DELETE, &session(), None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(desk.ask(Method::DELETE, &session(), None).await.problem(), "not-found");
}

/// A delete whose answer was lost is sent again, and answered as the first time.
#[tokio::test]
async fn a_repeated_delete_is_one() {
    let desk = Desk::furnished().await;
    for _ in 0..2 {
        let deleted = desk.ask_with(Method::DELETE, &session(), &[("idempotency-key", "once")], None).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(desk.ask(Method::DELETE, &session(), None).await.problem(), "not-found");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let desk = Desk::furnished().await;
    for path in [session(), format!("{}/documents/notes/todo", session())] {
        let first = desk.get(&path).await;
        let tag = first.header("etag").to_owned();
        let same = desk.ask_with(Method::GET, &path, &[("if-none-match", &tag)], None).await;
        assert_eq!((same.status, same.body.len(), same.header("etag")), (StatusCode::NOT_MODIFIED, 0, &*tag));
        let other = desk.ask_with(Method::GET, &path, &[("if-none-match", "\"x\"")], None).await;
        assert_eq!((other.status, other.body), (StatusCode::OK, first.body));
    }
    let tag = desk.get(&session()).await.header("etag").to_owned();
    desk.ask(Method::POST, &format!("{}/messages", session()), Some(said("more"))).await;
    assert_eq!(
        desk.ask_with(Method::GET, &session(), &[("if-none-match", &tag)], None).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_document_is_changed_only_as_it_was_seen() {
    let desk = Desk::furnished().await;
    let path = format!("{}/documents/notes/todo", session());
    let tag = desk.get(&path).await.header("etag").to_owned();
    let done = Some(json!({ "done": true }));
    let created = desk.ask_with(Method::PUT, &path, &[("if-none-match", "*")], done.clone()).await;
    assert_eq!(created.status, StatusCode::PRECONDITION_FAILED);
    let put = desk.ask_with(Method::PUT, &path, &[("if-match", &tag)], done.clone()).await;
    assert_eq!((put.status, &put.json()["body"]), (StatusCode::OK, &json!({ "done": true })));
    let late = desk.ask_with(Method::PATCH, &path, &[("if-match", &tag)], Some(json!({ "by": "ann" }))).await;
    assert_eq!(late.json()["conflict"]["kind"], "document");
    let patched = desk.ask(Method::PATCH, &path, Some(json!({ "by": "ann" }))).await;
    assert_eq!(patched.json()["body"], json!({ "done": true, "by": "ann" }));
    // A name may have anything in it.
    let odd = format!("{}/documents/a%2Fb/%3F%20%C3%A9", session());
    assert_eq!(desk.ask_with(Method::PUT, &odd, &[("if-none-match", "*")], Some(json!(1))).await.status, 200);
    let read = desk.get(&odd).await.json();
    assert_eq!((&read["collection"], &read["id"]), (&json!("a/b"), &json!("? é")));
    assert_eq!(desk.ask(Method::DELETE, &odd, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(desk.ask(Method::DELETE, &odd, None).await.problem(), "not-found");
}

#[tokio::test]
async fn a_repeated_append_is_one() {
    let desk = Desk::new().await;
    let path = format!("{}/messages", session());
    let header = [("idempotency-key", "turn-1")];
    let first = desk.ask_with(Method::POST, &path, &header, Some(said("a"))).await;
    assert_eq!((first.status, first.json()["seqs"].clone()), (StatusCode::CREATED, json!([1])));
    let again = desk.ask_with(Method::POST, &path, &header, Some(said("a"))).await;
    assert_eq!(
        (again.status, &again.json()["replayed"], &again.json()["seqs"]),
        (StatusCode::OK, &json!(true), &json!([1]))
    );
    let other = desk.ask_with(Method::POST, &path, &header, Some(said("b"))).await;
    assert_eq!((other.status, &*other.problem()), (StatusCode::CONFLICT, "conflict"));
    assert_eq!(other.json()["conflict"], json!({ "kind": "commit_id", "id": "turn-1" }));
    let named = json!([{ "role": "user", "content": "c", "message_id": "m" }, said("d")]);
    assert_eq!(desk.ask(Method::POST, &path, Some(named)).await.json()["seqs"], json!([2, 3]));
    let named = json!({ "role": "user", "content": "c", "message_id": "m" });
    let again = desk.ask(Method::POST, &path, Some(named)).await;
    assert_eq!((again.status, again.json()["seqs"].clone()), (StatusCode::OK, json!([2])));
}

/// What is kept by number hides another thing when it is sent again.
#[tokio::test]
async fn a_compaction_that_is_repeatable_names_its_last_message() {
    let desk = Desk::furnished().await;
    let path = format!("{}/compact", session());
    let header = [("idempotency-key", "c1")];
    let refused = desk.ask_with(Method::POST, &path, &header, Some(json!({ "keep": 1 }))).await;
    assert_eq!(refused.problem(), "invalid");
    for replayed in [false, true] {
        let done = desk.ask_with(Method::POST, &path, &header, Some(json!({ "through": 1 }))).await.json();
        assert_eq!((&done["changed"], &done["replayed"]), (&json!(true), &json!(replayed)));
    }
}

/// A tag names its session too: another one that was opened under the key since is not meant by it.
#[tokio::test]
async fn a_session_that_was_opened_since_is_another_one() {
    let desk = Desk::furnished().await;
    let tag = desk.get(&session()).await.header("etag").to_owned();
    let once = [("idempotency-key", "once"), ("if-match", tag.as_str())];
    assert_eq!(desk.ask_with(Method::DELETE, &session(), &once, None).await.status, 204);
    assert_eq!(desk.ask_with(Method::DELETE, &session(), &once, None).await.status, 204, "it is repeated");
    // With as many revisions and messages as the one before.
    desk.ask(Method::POST, &format!("{}/messages", session()), Some(json!([said("a"), said("b")]))).await;
    desk.ask(Method::PUT, &format!("{}/documents/notes/todo", session()), Some(json!({}))).await;
    for (method, header) in [(Method::DELETE, &once[..]), (Method::PATCH, &once[1..])] {
        let refused = desk.ask_with(method, &session(), header, Some(json!({ "status": "idle" }))).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (412, "precondition-failed".into()));
    }
    assert_eq!(desk.get(&session()).await.status, 200);
}

/// Who sends a name relies on it. Where it means nothing it is refused, and not passed over.
#[tokio::test]
async fn a_name_is_taken_or_refused() {
    let desk = Desk::furnished().await;
    let (mut taken, mut refused) = (0, 0);
    for operation in crate::desk::operations() {
        if operation.method == Method::GET || operation.right.is_null() {
            continue;
        }
        let header = [("idempotency-key", "n")];
        let answer =
            desk.ask_with(operation.method.clone(), &operation.path, &header, operation.body.clone()).await;
        // A few that take it refuse it with some bodies, in other words.
        let whole = format!("{} {} takes no Idempotency-Key", operation.method, operation.path);
        let is_refused = answer.status == 400 && answer.json()["detail"] == whole;
        match operation.repeatable {
            true => taken += 1,
            false => refused += 1,
        }
        assert_eq!(is_refused, !operation.repeatable, "{operation:?}: {}", answer.status);
    }
    assert!(taken >= 14 && refused >= 12, "{taken} take a name, {refused} do not");
}
