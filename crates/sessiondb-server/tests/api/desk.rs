//! A server without a network: a store in memory, its routes, and tokens of every kind.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sessiondb::{
    Commit, Json, MemoryBackend, NewDocument, NewMessage, Scope, SessionKey, Store, Time, Write, time,
};
use sessiondb_server::{NewToken, Options, Right, Rights, Tokens, routes};
use tower::ServiceExt;

/// The session of the examples.
pub const KEY: &str = "main:cli::dm:ann";

/// Where that session is.
pub fn session() -> String {
    format!("/v1/sessions/{KEY}")
}

/// A message of a user.
pub fn said(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

pub struct Desk {
    pub store: Store,
    pub router: Router,
    pub tokens: Tokens,
    /// One that may do everything.
    pub admin: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The last part of a problem's type.
    pub fn problem(&self) -> String {
        let body = self.json();
        let kind = body["type"].as_str().unwrap().strip_prefix("urn:sessiondb:").unwrap().to_owned();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], self.status.as_u16());
        kind
    }
}

impl Desk {
    /// An empty store.
    pub async fn new() -> Desk {
        Desk::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Desk {
        let store = Store::new(Arc::new(MemoryBackend::new()));
        let (router, feed) = routes(store.clone(), &options).unwrap();
        tokio::spawn(feed);
        let tokens = Tokens::of(&store).unwrap();
        let mut desk = Desk { store, router, tokens, admin: String::new() };
        desk.admin = desk.token(Rights::all(), Scope::all(), None).await.1;
        desk
    }

    /// With the session of the examples: two messages, a document, a compaction that hid nothing yet.
    pub async fn furnished() -> Desk {
        let desk = Desk::new().await;
        let key: SessionKey = KEY.parse().unwrap();
        let said = |role: &str, text: &str| NewMessage::new(role, text);
        let todo = NewDocument::new("notes", "todo", serde_json::from_str(r#"{"done":false}"#).unwrap());
        let commit = Commit::new(key)
            .write(Write::open())
            .write(Write::Append(vec![
                said("user", "What is the weather in Rome?"),
                said("assistant", "It shines."),
            ]))
            .write(Write::PutDocument(todo));
        desk.store.commit_one(commit).await.unwrap();
        let theme = Json::parse(r#"{"colour":"blue"}"#).unwrap();
        desk.store.state_put(&"main:*".parse().unwrap(), "theme", theme).await.unwrap();
        desk.furnish_families().await;
        desk
    }

    /// With a coding session and an interview, those of the examples.
    async fn furnish_families(&self) {
        use ait42_session::{DbPool, SessionRepository as _, SqliteSessionRepository, WorktreeSession};
        use interview_session::{Session, SessionRepository};
        let coding = SqliteSessionRepository::from_pool(Arc::new(DbPool::from(self.store.clone())));
        let session: WorktreeSession = serde_json::from_value(json!({
            "id": "comp-1", "workspaceHash": "0123456789abcdef", "type": "competition", "task": "Fix the login",
            "status": "running", "createdAt": "2026-01-13T09:00:00Z", "updatedAt": "2026-01-13T09:00:00Z",
            "instances": [{"instanceId": 1, "worktreePath": "/w/1", "branch": "fix-1", "agentName": "claude",
                           "status": "running", "tmuxSessionId": "t1"}], "chatHistory": []
        }))
        .unwrap();
        coding.create_session(session).await.unwrap();
        let interview = Session {
            id: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
            ..Session::new("mec", "oat-milk", "Oat milk")
        };
        SessionRepository::over(self.store.clone()).create(interview).await.unwrap();
    }

    /// A token's id and text.
    pub async fn token(&self, rights: Rights, scope: Scope, expires_at: Option<Time>) -> (String, String) {
        let new = NewToken { name: "a test".into(), rights, scope, expires_at };
        let (token, info) = self.tokens.create(new).await.unwrap();
        (info.id, token.reveal())
    }

    pub async fn expired(&self) -> String {
        let past = time::now() - chrono::TimeDelta::seconds(1);
        self.token(Rights::all(), Scope::all(), Some(past)).await.1
    }

    pub async fn lacking(&self, right: Right) -> String {
        let others = Right::ALL.into_iter().filter(|one| *one != right).collect();
        self.token(others, Scope::all(), None).await.1
    }

    pub async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let streams = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        // What does not end is not read.
        let body = if streams { Vec::new() } else { body.collect().await.unwrap().to_bytes().to_vec() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request of who may do everything.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(method, path, &[], body).await
    }

    pub async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = request(method, path, Some(&self.admin), body.as_ref());
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        self.call(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }
}

pub fn request(method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    match body {
        None => request.body(Body::empty()),
        // What is no object and no list here is lines.
        Some(Value::String(lines)) if lines.ends_with('\n') => {
            request.header("content-type", "application/x-ndjson").body(Body::from(lines.clone()))
        }
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
    }
    .unwrap()
}

/// An operation of the description, with its example filled in.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    /// As in the description: `/v1/sessions/{key}`.
    pub template: String,
    /// With the examples of its parameters.
    pub path: String,
    pub body: Option<Value>,
    /// The right that it asks for; `null` if it needs no token.
    pub right: Value,
    /// Whether it takes an `Idempotency-Key`.
    pub repeatable: bool,
}

/// All of them, from the description that the server gives.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(sessiondb_server::description()).unwrap();
    let mut all = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let mut path = template.clone();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
                let name = parameter["name"].as_str().unwrap();
                let example = &parameter["example"];
                let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                assert!(!example.is_null(), "{method} {template}: {name} has no example");
                match parameter["in"] == "path" {
                    true => path = path.replace(&format!("{{{name}}}"), &text),
                    false => path = format!("{path}?{name}={text}"),
                }
            }
            let contents = &operation["requestBody"]["content"];
            let lines = &contents["application/x-ndjson"];
            let content = if lines.is_null() { &contents["application/json"] } else { lines };
            let body = match &content["example"] {
                Value::Null => example_of(&document, &content["schema"]),
                example => Some(example.clone()),
            };
            let needs_body = operation["requestBody"]["required"] == json!(true);
            assert!(body.is_some() || !needs_body, "{method} {template}: its body has no example");
            let right = operation["x-right"].clone();
            let repeatable = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            all.push(Operation { method, template: template.clone(), path, body, right, repeatable });
        }
    }
    all
}

/// A schema's example, or one made of its properties' examples.
fn example_of(document: &Value, schema: &Value) -> Option<Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return example_of(document, &document["components"]["schemas"][name.rsplit('/').next().unwrap()]);
    }
    if !schema["example"].is_null() {
        return Some(schema["example"].clone());
    }
    let properties = schema["properties"].as_object()?;
    let examples: BTreeMap<&str, Value> = properties
        .iter()
        .filter_map(|(name, schema)| Some((name.as_str(), example_of(document, schema)?)))
        .collect();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let whole = required.iter().all(|name| examples.contains_key(name.as_str().unwrap()));
    (whole && !examples.is_empty()).then(|| json!(examples))
}
