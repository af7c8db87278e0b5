//! Bodies that are read and written as they come: lines of messages, and the feed.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{Method, Request},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sessiondb::{NewMessage, SessionKey};
use tower::ServiceExt;

use crate::desk::{Desk, KEY, request};

fn lines(body: &[u8]) -> Vec<Value> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn post(desk: &Desk, body: Body) -> Request<Body> {
    Request::post(format!("/v1/sessions/{KEY}/messages"))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", desk.admin))
        .header("content-type", "application/x-ndjson")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn lines_are_appended_and_answered_one_by_one() {
    let desk = Desk::new().await;
    let body: String = (0..1_200)
        .map(|n| format!("{}\n", json!({ "role": "user", "content": n, "message_id": format!("m{n}") })))
        .collect();
    let answer = desk.call(post(&desk, Body::from(body.clone()))).await;
    let answers = lines(&answer.body);
    assert_eq!(
        (answers.len(), &answers[0], &answers[1_199]["seq"]),
        (1_200, &json!({ "seq": 1, "message_id": "m0" }), &json!(1_200))
    );
    // Sent again they are the same messages.
    assert_eq!(desk.call(post(&desk, Body::from(body))).await.body, answer.body);
    let read = desk
        .ask_with(
            Method::GET,
            &format!("/v1/sessions/{KEY}/messages?after=0"),
            &[("accept", "application/x-ndjson")],
            None,
        )
        .await;
    let messages = lines(&read.body);
    assert_eq!(messages.len(), 1_200);
    assert!(messages.iter().zip(1..).all(|(message, seq)| message["seq"] == seq));
}

/// What came before a bad line is stored and answered, the line is named, and nothing after it is stored.
#[tokio::test]
async fn a_bad_line_ends_the_stream_where_it_stands() {
    let desk = Desk::new().await;
    let good = |text: &str| json!({ "role": "user", "content": text }).to_string();
    for (bad, word) in [("nonsense", "line 3"), (r#"{"role":"","content":1}"#, "role is empty")] {
        let before =
            desk.store.session(&KEY.parse().unwrap()).await.unwrap().map_or(0, |session| session.head);
        let body = format!("{}\n{}\n{bad}\n{}\n", good("a"), good("b"), good("never"));
        let answers = lines(&desk.call(post(&desk, Body::from(body))).await.body);
        assert_eq!(answers.len(), 3, "{answers:?}");
        assert_eq!((&answers[0]["seq"], &answers[1]["seq"]), (&json!(before + 1), &json!(before + 2)));
        assert!(answers[2]["problem"]["detail"].as_str().unwrap().contains(word), "{answers:?}");
        assert_eq!(desk.store.session(&KEY.parse().unwrap()).await.unwrap().unwrap().head, before + 2);
    }
}

/// A slow sender is answered while it still sends.
#[tokio::test]
async fn a_line_is_answered_before_the_next_is_sent() {
    let desk = Desk::new().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let mut body =
        desk.router.clone().oneshot(post(&desk, Body::from_stream(stream))).await.unwrap().into_body();
    for seq in 1..=3 {
        sender.send(Ok(Bytes::from_static(b"{\"role\":\"user\",\"content\":1}\n"))).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(lines(&frame), [json!({ "seq": seq })]);
    }
    drop(sender);
    assert!(body.frame().await.is_none());
}

/// Reads events until there are so many; each is its place and its data.
async fn events(body: &mut Body, count: usize) -> Vec<(u64, Value)> {
    let (mut text, mut events) = (String::new(), Vec::new());
    while events.len() < count {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.expect("no event came");
        text.push_str(std::str::from_utf8(&frame.unwrap().unwrap().into_data().unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field =
                |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                events.push((id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
            }
            text = rest.to_owned();
        }
    }
    events
}

async fn follow(desk: &Desk, path: &str, token: &str, last: Option<u64>) -> Body {
    let mut request = request(Method::GET, path, Some(token), None);
    request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    if let Some(last) = last {
        request.headers_mut().insert("last-event-id", last.to_string().parse().unwrap());
    }
    let response = desk.router.clone().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    response.into_body()
}

async fn say(desk: &Desk, peer: &str) {
    let key = SessionKey::new("main", "cli", "", "dm", peer);
    desk.store.append(&key, vec![NewMessage::new("user", "hello")]).await.unwrap();
}

#[tokio::test]
async fn the_feed_is_followed_and_taken_up_again() {
    let desk = Desk::new().await;
    say(&desk, "early").await;
    let mut body = follow(&desk, "/v1/changes", &desk.admin, None).await;
    for peer in ["ann", "bob", "ann"] {
        say(&desk, peer).await;
    }
    let told = events(&mut body, 3).await;
    let peers: Vec<&str> = told.iter().map(|(_, data)| data["key"]["peer_id"].as_str().unwrap()).collect();
    assert_eq!(peers, ["ann", "bob", "ann"]);
    assert!(told.iter().all(|(id, data)| data["id"] == *id));
    drop(body);
    say(&desk, "meanwhile").await;
    let mut body = follow(&desk, "/v1/changes", &desk.admin, Some(told[1].0)).await;
    say(&desk, "later").await;
    let again = events(&mut body, 3).await;
    assert_eq!(again[0], told[2]);
    assert_eq!(
        (&again[1].1["key"]["peer_id"], &again[2].1["key"]["peer_id"]),
        (&json!("meanwhile"), &json!("later"))
    );
}

#[tokio::test]
async fn one_session_is_followed_and_no_other() {
    let desk = Desk::new().await;
    let mut body = follow(&desk, &format!("/v1/sessions/{KEY}/changes"), &desk.admin, None).await;
    for peer in ["bob", "ann", "bob", "ann"] {
        say(&desk, peer).await;
    }
    let told = events(&mut body, 2).await;
    assert_eq!((&told[0].1["seqs"], &told[1].1["seqs"]), (&json!([1]), &json!([2])));
}

#[tokio::test]
async fn a_scoped_token_follows_what_it_sees() {
    let desk = Desk::new().await;
    let scope = sessiondb::Scope::agent("other");
    let (_, token) = desk.token(sessiondb_server::Rights::all(), scope, None).await;
    let mut body = follow(&desk, "/v1/changes", &token, None).await;
    say(&desk, "ann").await;
    let theirs = SessionKey::new("other", "cli", "", "dm", "ann");
    desk.store.append(&theirs, vec![NewMessage::new("user", "hello")]).await.unwrap();
    assert_eq!(events(&mut body, 1).await[0].1["key"]["agent_id"], "other");
}

/// Who does not read falls behind the buffer, holds up nobody, and misses nothing.
#[tokio::test]
async fn who_falls_behind_misses_nothing() {
    let desk = Desk::new().await;
    let mut body = follow(&desk, "/v1/changes", &desk.admin, None).await;
    say(&desk, "p0").await;
    events(&mut body, 1).await;
    for n in 1..=1_000 {
        say(&desk, &format!("p{n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = events(&mut body, 1_000).await;
    let peers: Vec<String> =
        told.iter().map(|(_, data)| data["key"]["peer_id"].as_str().unwrap().to_owned()).collect();
    assert!(peers.iter().zip(1..).all(|(peer, n)| *peer == format!("p{n}")), "{:?}", &peers[..5]);
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let desk = Desk::new().await;
    for last in ["x", "-1", "99"] {
        let headers = [("accept", "text/event-stream"), ("last-event-id", last)];
        let answer = desk.ask_with(Method::GET, "/v1/changes", &headers, None).await;
        assert_eq!(answer.problem(), "invalid", "{last}");
    }
}

/// A stream went on for as long as its client liked, whatever became of the token.
#[tokio::test]
async fn streams_end_with_their_token() {
    let desk = Desk::new().await;
    let (id, token) = desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::all(), None).await;
    let mut feed = follow(&desk, "/v1/changes", &token, None).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let mut request = post(&desk, Body::from_stream(stream));
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut appended = desk.router.clone().oneshot(request).await.unwrap().into_body();
    let line = || Ok(Bytes::from_static(b"{\"role\":\"user\",\"content\":1}\n"));
    sender.send(line()).await.unwrap();
    assert_eq!(lines(&appended.frame().await.unwrap().unwrap().into_data().unwrap()), [json!({ "seq": 1 })]);
    events(&mut feed, 1).await;

    desk.tokens.revoke(&id).await.unwrap();
    // The server has looked it up just now, and believes that for a while: the feed ends when it looks again.
    while let Some(frame) = feed.frame().await {
        frame.unwrap();
    }
    sender.send(line()).await.unwrap();
    let answer = lines(&appended.frame().await.unwrap().unwrap().into_data().unwrap());
    assert_eq!(answer[0]["problem"]["type"], "urn:sessiondb:unauthenticated");
    assert!(appended.frame().await.is_none());
    assert_eq!(desk.store.session(&KEY.parse().unwrap()).await.unwrap().unwrap().head, 1);
}
