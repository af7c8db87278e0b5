//! How the server speaks HTTP: what it finds, how pages lead to each other, what it refuses.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use serde_json::{Value, json};
use sessiondb_server::{BODY_BYTES_MAX, Options};

use crate::desk::{Desk, KEY, said, session};

#[tokio::test]
async fn a_session_is_opened_once_and_found_then() {
    let desk = Desk::new().await;
    let new = json!({ "key": KEY, "status": "idle", "metadata": { "title": "Rome" } });
    let opened = desk.ask(Method::POST, "/v1/sessions", Some(new.clone())).await;
    assert_eq!((opened.status, opened.header("location")), (StatusCode::CREATED, &*session()));
    let found = desk.ask(Method::POST, "/v1/sessions", Some(new)).await;
    assert_eq!(found.status, StatusCode::OK);
    assert_eq!(found.json(), opened.json());
    let parts = json!({ "agent_id": "main", "channel": "cli", "account_id": "", "peer_kind": "dm", "peer_id": "ann" });
    assert_eq!(opened.json()["key"], parts);
    let again = desk.ask(Method::POST, "/v1/sessions", Some(json!({ "key": parts }))).await;
    assert_eq!((again.status, &again.json()["id"]), (StatusCode::OK, &json!(KEY)));
}

/// Numbers that no double holds, the order of members, members twice: all comes back as it was sent.
#[tokio::test]
async fn json_stays_the_text_that_it_was() {
    let desk = Desk::new().await;
    let text = r#"{"n":123456789012345678901234567890,"e":1e400,"z":-0,"a":1,"a":2,"s":"\ud800"}"#;
    let body = format!(r#"{{"role":"user","content":{text}}}"#);
    let request = Request::post(format!("{}/messages", session()))
        .header("host", "localhost")
        .header("authorization", format!("Bearer {}", desk.admin))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(desk.call(request).await.status, StatusCode::CREATED);
    let page = String::from_utf8(desk.get(&format!("{}/messages", session())).await.body).unwrap();
    assert!(page.contains(&format!(r#""content":{text},"#)), "{page}");
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let desk = Desk::new().await;
    let path = format!("{}/messages", session());
    let messages: Vec<Value> = (1..=25).map(|n| said(&n.to_string())).collect();
    desk.ask(Method::POST, &path, Some(json!(messages))).await;
    let seqs = |page: &Value| -> Vec<u64> {
        page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect()
    };
    let (mut all, mut next) = (Vec::new(), Some(format!("{path}?limit=10")));
    while let Some(path) = next {
        let page = desk.get(&path).await;
        all.splice(0..0, seqs(&page.json()));
        next = linked(page.header("link"), "prev");
    }
    assert_eq!(all, (1..=25).collect::<Vec<_>>());
    for window in ["after=20", "first=21&last=25", "log=20", "since=2000-01-01T00:00:00Z&limit=5", "limit=5"]
    {
        let page = desk.get(&format!("{path}?{window}")).await;
        assert_eq!(seqs(&page.json()), [21, 22, 23, 24, 25], "{window}");
    }
    for n in 0..7 {
        desk.ask(Method::POST, "/v1/sessions", Some(json!({ "key": format!("main:cli::dm:p{n}") }))).await;
    }
    let (mut count, mut next) =
        (0, Some("/v1/sessions?limit=3&agent_id=main&order=created_oldest".to_owned()));
    while let Some(path) = next {
        let page = desk.get(&path).await;
        count += page.json()["sessions"].as_array().unwrap().len();
        assert_eq!(page.json()["next"].is_null(), page.header("link").is_empty());
        next = linked(page.header("link"), "next");
    }
    assert_eq!(count, 8);
}

/// The address that a `Link` header gives for this relation.
fn linked(header: &str, rel: &str) -> Option<String> {
    let one = header.split(", <").find(|one| one.ends_with(&format!("rel=\"{rel}\"")))?;
    Some(one.trim_start_matches('<').split('>').next()?.to_owned())
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let desk = Desk::furnished().await;
    let path = format!("{}/messages", session());
    for (query, word) in [
        ("limit=0", "1 to 1000"),
        ("limit=x", "limit"),
        ("nope=1", "nope"),
        ("before=2&after=1", "another window"),
        ("first=1", "together"),
        ("tokens=9&limit=2", "limit"),
        ("cursor=1", "cursor"),
        ("since=yesterday", "yesterday"),
    ] {
        let refused = desk.get(&format!("{path}?{query}")).await;
        assert_eq!((refused.status, &*refused.problem()), (StatusCode::BAD_REQUEST, "invalid"), "{query}");
        let text = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(text.contains(word), "{query}: {text}");
    }
    for body in [
        json!({}),
        json!({ "role": "user" }),
        json!({ "role": "", "content": 1 }),
        json!(1),
        json!({ "role": "user", "content": 1, "extra": 2 }),
    ] {
        let refused = desk.ask(Method::POST, &path, Some(body.clone())).await;
        assert_eq!((refused.status, &*refused.problem()), (StatusCode::BAD_REQUEST, "invalid"), "{body}");
    }
    assert_eq!(desk.get("/v1/sessions/nonsense").await.problem(), "invalid");
    assert_eq!(desk.get("/v1/sessions/~system:tokens:::").await.problem(), "invalid");
    assert_eq!(desk.get("/v1/nothing").await.problem(), "no-such-route");
    let wrong = desk.ask(Method::PUT, &session(), None).await;
    assert_eq!((&*wrong.problem(), wrong.header("allow")), ("method-not-allowed", "GET,HEAD,PATCH,DELETE"));
}

#[tokio::test]
async fn a_body_says_what_it_is_and_is_not_too_large() {
    let desk = Desk::new().await;
    let post = |kind: Option<&str>, body: Body| {
        let mut request = Request::post(format!("{}/messages", session()))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", desk.admin));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.body(body).unwrap()
    };
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("image/svg+json")]
    {
        let refused = desk.call(post(kind, Body::from(said("a").to_string()))).await;
        assert_eq!(
            (refused.status, &*refused.problem()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
            "{kind:?}"
        );
    }
    let taken =
        desk.call(post(Some("Application/JSON; charset=utf-8"), Body::from(said("a").to_string()))).await;
    assert_eq!(taken.status, StatusCode::CREATED);
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(desk.call(post(Some("application/json"), Body::from(large))).await.problem(), "too-large");
    let message = said(&"x".repeat(17 << 20)).to_string();
    assert_eq!(desk.call(post(Some("application/json"), Body::from(message))).await.problem(), "invalid");
}

#[tokio::test]
async fn heads_and_options_are_answered() {
    let desk = Desk::furnished().await;
    let head = desk.ask(Method::HEAD, &session(), None).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert!(!head.header("etag").is_empty() && !head.header("x-request-id").is_empty());
    let options = desk.ask(Method::OPTIONS, &session(), None).await;
    assert_eq!((options.status, options.header("allow")), (StatusCode::NO_CONTENT, "GET,HEAD,PATCH,DELETE"));
}

/// Front ends of the interview system know its routes at the root.
#[tokio::test]
async fn interviews_stand_at_the_root_where_that_is_wanted() {
    let new = json!({ "methodology": "mec", "concept_id": "c1", "concept_name": "Oat milk" });
    let desk = Desk::with(Options { interview_at_root: true, ..Options::default() }).await;
    let mut places = Vec::new();
    for path in ["/sessions", "/v1/interview/sessions"] {
        let created = desk.ask(Method::POST, path, Some(new.clone())).await;
        assert_eq!(created.status, StatusCode::CREATED);
        let place = created.header("location").to_owned();
        assert!(place.starts_with(&format!("{path}/")), "{place}");
        assert_eq!(desk.get(&place).await.json(), created.json());
        assert_eq!(desk.get(path).await.json()["total"], places.len() as u64 + 1);
        places.push(place);
    }
    for place in places {
        assert_eq!(desk.ask(Method::DELETE, &place, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.get(&place).await.status, StatusCode::NOT_FOUND);
    }
    let (_, reader) = desk
        .token([sessiondb_server::Right::Read].into_iter().collect(), sessiondb::Scope::all(), None)
        .await;
    let refused = desk.call(crate::desk::request(Method::POST, "/sessions", Some(&reader), Some(&new))).await;
    assert_eq!(refused.problem(), "forbidden");
    assert_eq!(Desk::new().await.get("/sessions").await.problem(), "no-such-route");
    let named = desk
        .ask_with(
            Method::POST,
            "/sessions",
            &[("idempotency-key", "n")],
            Some(json!({ "methodology": "mec" })),
        )
        .await;
    assert_eq!(named.problem(), "invalid");
}

/// A page of another site cannot use the browser of somebody who has a token, nor a name that it has made lead here.
#[tokio::test]
async fn other_sites_are_kept_out() {
    let desk = Desk::with(Options { hosts: vec!["sessions.example.org".into()], ..Options::default() }).await;
    for (headers, problem) in [
        (vec![("host", "evil.example")], Some("wrong-host")),
        (vec![("host", "127.0.0.1.evil.example:7878")], Some("wrong-host")),
        (vec![("origin", "https://evil.example")], Some("cross-site")),
        (vec![("origin", "null")], Some("cross-site")),
        (vec![("sec-fetch-site", "cross-site")], Some("cross-site")),
        (vec![("host", "sessions.example.org"), ("origin", "https://sessions.example.org")], None),
        (vec![("origin", "http://localhost:7878"), ("sec-fetch-site", "same-origin")], None),
    ] {
        let answer = desk.ask_with(Method::GET, "/v1/sessions", &headers, None).await;
        match problem {
            Some(problem) => assert_eq!(answer.problem(), problem, "{headers:?}"),
            None => assert_eq!(answer.status, StatusCode::OK, "{headers:?}"),
        }
        assert!(answer.header("access-control-allow-origin").is_empty());
    }
}

#[tokio::test]
async fn too_much_at_once_is_told_when_to_come_again() {
    let desk = Desk::with(Options { requests_per_second: 3, ..Options::default() }).await;
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(desk.get("/v1/sessions").await);
    }
    let refused = answers.iter().find(|answer| answer.status != StatusCode::OK).unwrap();
    assert_eq!((refused.status, &*refused.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.json()["retryable"], true);
    // Another token has its own measure.
    let (_, other) = desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::all(), None).await;
    let answer = desk.call(crate::desk::request(Method::GET, "/v1/sessions", Some(&other), None)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let desk = Desk::with(Options { writes_max: 0, reads_max: 0, ..Options::default() }).await;
    for answer in [
        desk.get("/v1/sessions").await,
        desk.ask(Method::POST, "/v1/sessions", Some(json!({ "key": KEY }))).await,
    ] {
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn usage_is_what_the_token_sees() {
    let desk = Desk::furnished().await;
    desk.ask(Method::PATCH, &session(), Some(json!({ "token_usage": 7 }))).await;
    let all = desk.get("/v1/usage").await.json();
    assert_eq!(all["total"], json!({ "sessions": 4, "messages": 2, "stored": 2, "token_usage": 7 }));
    assert_eq!(all["groups"].as_array().unwrap().len(), 4);
    let chats = desk.get("/v1/usage?family=chat&status=active").await.json();
    let chat = json!({ "family": "chat", "status": "active", "sessions": 1, "messages": 2, "stored": 2, "token_usage": 7 });
    assert_eq!(chats["groups"], json!([chat]));
    let (_, other) =
        desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::agent("other"), None).await;
    let answer = desk.call(crate::desk::request(Method::GET, "/v1/usage", Some(&other), None)).await;
    assert_eq!(answer.json()["total"]["sessions"], 0);
}

/// A summary that is an array of messages was refused with words that said nothing of it, and an array of strings was taken for
/// a message.
#[tokio::test]
async fn where_messages_belong_one_or_more_are_taken() {
    let desk = Desk::furnished().await;
    let (messages, compact) = (format!("{}/messages", session()), format!("{}/compact", session()));
    let summary = |text: &str| json!({ "role": "system", "content": text });
    let three = json!([said("3"), said("4"), said("5")]);
    assert_eq!(desk.ask(Method::POST, &messages, Some(three)).await.json()["seqs"], json!([3, 4, 5]));
    let one = json!({ "through": 3, "summary": summary("of three") });
    assert_eq!(desk.ask(Method::POST, &compact, Some(one)).await.json()["seqs"], json!([6]));
    let two = json!({ "through": 4, "summary": [summary("of four"), summary("and more")] });
    assert_eq!(desk.ask(Method::POST, &compact, Some(two)).await.json()["seqs"], json!([7, 8]));
    for (path, body) in [
        (&compact, json!({ "through": 5, "summary": ["system", "short"] })),
        (&compact, json!({ "through": 5, "summary": "short" })),
        (&messages, json!(["user", "hello"])),
        (&messages, json!("hello")),
        (&messages, Value::Null),
    ] {
        let answer = desk.ask(Method::POST, path, Some(body.clone())).await;
        assert_eq!(answer.problem(), "invalid", "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("an object"), "{body}: {detail}");
    }
    assert_eq!(desk.get(&session()).await.json()["head"], 8);
}

/// A conflict told what is stored to a token that may not read it, and an empty commit needed no right at all.
#[tokio::test]
async fn what_is_expected_is_told_only_to_who_may_read() {
    let desk = Desk::furnished().await;
    let (_, writer) = desk
        .token([sessiondb_server::Right::Append].into_iter().collect(), sessiondb::Scope::all(), None)
        .await;
    for commit in [
        json!({ "key": KEY, "expect": [{ "tail": [1] }], "writes": [] }),
        json!({ "key": KEY, "writes": [] }),
        json!({ "key": KEY, "expect": [{ "state": 99 }], "writes": [{ "append": [said("a")] }] }),
    ] {
        let request =
            crate::desk::request(Method::POST, "/v1/commits", Some(&writer), Some(&json!([commit])));
        assert_eq!(desk.call(request).await.problem(), "forbidden", "{commit}");
    }
    let commit = json!([{ "key": KEY, "writes": [{ "append": [said("a")] }] }]);
    let request = crate::desk::request(Method::POST, "/v1/commits", Some(&writer), Some(&commit));
    assert_eq!(desk.call(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_does_not_outlive_its_maker() {
    let desk = Desk::new().await;
    let soon = sessiondb::time::now() + chrono::TimeDelta::days(7);
    let maker = desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::all(), Some(soon)).await.1;
    let make = async |days: Value| {
        let mut body = json!({ "name": "a bot", "rights": ["read"] });
        if !days.is_null() {
            body["days"] = days;
        }
        desk.call(crate::desk::request(Method::POST, "/v1/tokens", Some(&maker), Some(&body))).await
    };
    for days in [json!(0), json!(8), json!(90)] {
        let refused = make(days).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (403, "forbidden".into()));
    }
    assert_eq!(make(json!(6)).await.status, 201);
    let made = make(Value::Null).await;
    assert_eq!(made.json()["expires_at"], sessiondb::time::to_text(sessiondb::time::truncate(soon)));
}

/// What a search finds, page by page, as the library does.
#[tokio::test]
async fn what_was_said_is_found() {
    let desk = Desk::furnished().await;
    let page = desk.get("/v1/search?q=weather&limit=1").await;
    let hit = &page.json()["hits"][0];
    assert_eq!((&hit["key"]["peer_id"], &hit["seq"]), (&json!("ann"), &json!(1)));
    assert_eq!(
        hit["snippet"],
        json!([{"text": "What is the "}, {"text": "weather", "found": true}, {"text": " in Rome?"}])
    );
    for n in 0..5 {
        desk.ask(Method::POST, &format!("{}/messages", session()), Some(said(&format!("weather {n}")))).await;
    }
    let (mut path, mut seqs) = (Some("/v1/search?q=weather&limit=2&scope=main:*".to_owned()), Vec::new());
    while let Some(next) = path {
        let page = desk.get(&next).await;
        seqs.extend(page.json()["hits"].as_array().unwrap().iter().map(|hit| hit["seq"].as_u64().unwrap()));
        path = linked(page.header("link"), "next");
    }
    assert_eq!(seqs, [7, 6, 5, 4, 3, 1]);
    for bad in [
        "q=",
        "q=%26%26",
        "",
        "q=a&limit=0",
        "q=a&scope=main",
        "q=a&x=1",
        "q=a&cursor=-1",
        "q=a&after=yesterday",
    ] {
        let refused = desk.get(&format!("/v1/search?{bad}")).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (400, "invalid".into()), "{bad}");
    }
    let (_, other) =
        desk.token(sessiondb_server::Rights::all(), sessiondb::Scope::agent("other"), None).await;
    let nothing =
        desk.call(crate::desk::request(Method::GET, "/v1/search?q=weather", Some(&other), None)).await;
    assert_eq!(nothing.json(), json!({ "hits": [] }));
}

/// State stands above sessions, changes together with them, and is no session.
#[tokio::test]
async fn state_of_a_scope_is_a_document() {
    let desk = Desk::furnished().await;
    let path = "/v1/state/main:cli:*/cart";
    let put = desk.ask_with(Method::PUT, path, &[("if-none-match", "*")], Some(json!({ "a": 1 }))).await;
    assert_eq!((put.status.as_u16(), &put.json()["body"]), (200, &json!({ "a": 1 })));
    let tag = put.header("etag").to_owned();
    let patched = desk.ask_with(Method::PATCH, path, &[("if-match", &tag)], Some(json!({ "b": 2 }))).await;
    assert_eq!(patched.json()["body"], json!({ "a": 1, "b": 2 }));
    let late = desk.ask_with(Method::PUT, path, &[("if-match", &tag)], Some(json!({}))).await;
    assert_eq!(late.status, 412);
    let commits = json!([
        { "key": KEY, "writes": [{ "append": [said("hello")] }] },
        { "key": "main:cli:~scope::", "expect": [{ "document": { "collection": "state", "id": "cart", "revision": 2 } }],
          "writes": [{ "open": { "family": "scope" } }, { "put_document": { "collection": "state", "id": "cart", "body": 7 } }] }
    ]);
    assert_eq!(desk.ask(Method::POST, "/v1/commits", Some(commits.clone())).await.status, 200);
    assert_eq!(desk.ask(Method::POST, "/v1/commits", Some(commits)).await.status, 409);
    assert_eq!(desk.get(path).await.json()["body"], 7);
    let list = desk.get("/v1/state/main:cli:*").await.json();
    assert_eq!((list["documents"].as_array().unwrap().len(), &list["next"]), (1, &Value::Null));
    assert_eq!(desk.get("/v1/state/nobody:*").await.json()["documents"], json!([]));
    let sessions = desk.get("/v1/sessions?agent_id=main").await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(desk.ask(Method::DELETE, path, None).await.status, 204);
    assert_eq!(desk.ask(Method::DELETE, path, None).await.problem(), "not-found");
    assert_eq!(desk.get("/v1/state/main/cart").await.problem(), "invalid");
}

/// What one server gives another takes, to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_goes_from_server_to_server() {
    let (desk, other) = (Desk::furnished().await, Desk::new().await);
    desk.ask(Method::PUT, "/v1/state/*/theme", Some(json!("dark"))).await;
    let fork = json!({ "key": "main:cli::dm:fork", "at": 1 });
    desk.ask(Method::POST, &format!("{}/fork", session()), Some(fork)).await;
    let archive = desk.get("/v1/export").await;
    assert_eq!((archive.status.as_u16(), archive.header("content-type")), (200, "application/x-ndjson"));
    let text = String::from_utf8(archive.body).unwrap();
    let restored = other.ask(Method::POST, "/v1/import", Some(Value::String(text.clone()))).await.json();
    assert_eq!((&restored["complete"], &restored["failed"]), (&json!(true), &json!([])), "{restored}");
    assert_eq!(String::from_utf8(other.get("/v1/export").await.body).unwrap(), text);
    let again = other.ask(Method::POST, "/v1/import", Some(Value::String(text.clone()))).await.json();
    assert_eq!((&again["sessions"], &again["unchanged"]), (&json!(0), &restored["sessions"]));

    let one = desk.get(&format!("/v1/export?key={KEY}")).await;
    assert!(
        String::from_utf8(one.body).unwrap().lines().filter(|line| line.starts_with("{\"session\"")).count()
            == 1
    );
    assert_eq!(desk.get("/v1/export?key=a:b:c:d:e").await.problem(), "not-found");
    assert_eq!(desk.get(&format!("/v1/export?key={KEY}&agent_id=main")).await.problem(), "invalid");
    let bad = other.ask(Method::POST, "/v1/import", Some(Value::String("{\"x\":1}\n".into()))).await;
    assert_eq!((bad.status.as_u16(), bad.problem()), (400, "invalid".into()));
    assert_eq!(other.ask(Method::POST, "/v1/import", Some(json!({}))).await.problem(), "media-type");
    let cut: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    let third = Desk::new().await;
    let cut = third.ask(Method::POST, "/v1/import", Some(Value::String(cut))).await.json();
    assert_eq!((&cut["complete"], cut["incomplete"].is_string()), (&json!(false), true), "{cut}");
    // A token of one agent takes no whole store, and puts nothing outside.
    let (_, scoped) =
        third.token(sessiondb_server::Rights::all(), sessiondb::Scope::agent("other"), None).await;
    let whole = third.call(crate::desk::request(Method::GET, "/v1/export", Some(&scoped), None)).await;
    assert_eq!(whole.problem(), "forbidden");
    let lines = Value::String(text);
    let refused =
        third.call(crate::desk::request(Method::POST, "/v1/import", Some(&scoped), Some(&lines))).await;
    assert!(!refused.json()["failed"].as_array().unwrap().is_empty(), "{}", refused.json());
    assert_eq!(third.get("/v1/sessions").await.json()["sessions"], json!([]));
}

/// A workspace with a control character in its name ended in an answer that could not be sent (found by schemathesis).
#[tokio::test]
async fn where_a_session_is_to_be_found_can_be_sent_and_asked_for() {
    let desk = Desk::new().await;
    let session = json!({ "id": "comp 2/é", "type": "competition", "task": "Fix", "status": "running", "instances": [],
        "createdAt": "2026-01-13T09:00:00Z", "updatedAt": "2026-01-13T09:00:00Z", "chatHistory": [] });
    let made = desk.ask(Method::POST, "/v1/worktree/%C3%A8%01%2A/sessions", Some(session)).await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (201, "/v1/worktree/%C3%A8%01*/sessions/comp%202%2F%C3%A9")
    );
    assert_eq!(desk.get(made.header("location")).await.json()["id"], "comp 2/é");
    let opened = desk.ask(Method::POST, "/v1/sessions", Some(json!({ "key": "a:é:b:c:d" }))).await;
    assert_eq!(opened.header("location"), "/v1/sessions/a:%C3%A9:b:c:d");
    assert_eq!(desk.get(opened.header("location")).await.status, 200);
}

/// A body that did not say how long it is took as much room as the longest.
#[tokio::test]
async fn a_body_takes_the_room_that_it_needs() {
    let options =
        sessiondb_server::Options { body_bytes_max: 1 << 20, ..sessiondb_server::Options::default() };
    let desk = Desk::with(options).await;
    let post = |text: String, chunked: bool| {
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(format!("{}/messages", session()))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", desk.admin));
        let body = match chunked {
            true => axum::body::Body::from_stream(futures_util::stream::iter(
                text.into_bytes()
                    .chunks(1_000)
                    .map(|some| Ok::<_, std::io::Error>(some.to_vec()))
                    .collect::<Vec<_>>(),
            )),
            false => axum::body::Body::from(text),
        };
        desk.call(request.body(body).unwrap())
    };
    let small = || said(&"x".repeat(100_000)).to_string();
    let large = || said(&"x".repeat(2 << 20)).to_string();
    assert_eq!(post(small(), false).await.status, 201);
    assert_eq!(post(small(), true).await.status, 201);
    // More than there ever is: to come again would not help.
    assert_eq!(post(large(), false).await.problem(), "too-large");
    assert_eq!(post(large(), true).await.problem(), "overloaded");
    assert_eq!(post(small(), true).await.status, 201, "the room was given back");
}
