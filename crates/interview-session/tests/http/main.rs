//! The routes, over a socket that listens, with a client of HTTP that knows nothing of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::net::SocketAddr;

use axum::Router;
use interview_session::{SessionRepository, routes};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use ureq::http::{HeaderMap, Method, Request};

mod answers;
mod defects;
mod lists;

/// A server on a port of its own, until it is dropped.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    repository: SessionRepository,
    client: ureq::Agent,
    directory: TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    fn start() -> Server {
        Server::start_with(routes)
    }

    fn start_with(router: impl Fn(SessionRepository) -> Router) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("interviews.db").display().to_string();
        let repository = SessionRepository::new(path);
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(repository.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        let client = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let client = client.max_redirects_will_error(false).allow_non_standard_methods(true).build().into();
        Server { runtime, address, repository, client, directory }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() {
            self.client.run(request.body(()).unwrap())
        } else {
            self.client.run(request.body(body).unwrap())
        };
        let mut answer = answer.unwrap();
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().read_to_string().unwrap(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    fn run<T>(&self, test: impl Future<Output = T>) -> T {
        self.runtime.block_on(test)
    }

    fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.directory.path().join("interviews.db")).unwrap()
    }
}
