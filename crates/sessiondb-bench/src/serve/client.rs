//! A client with many connections, each of which asks again when it was answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Runtime};

use super::{Measured, SESSIONS, content, key};
use crate::Outcome;

pub(super) struct Client {
    pub runtime: Runtime,
    pub address: SocketAddr,
    pub token: Arc<str>,
}

pub(super) type Connection = SendRequest<Full<Bytes>>;

impl Client {
    pub fn new(address: SocketAddr, token: &str) -> Outcome<Client> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Client { runtime, address, token: token.into() })
    }

    /// The body of one answer.
    pub fn one(&self, path: &str) -> Outcome<Vec<u8>> {
        self.runtime.block_on(async {
            let mut connection = connect(self.address).await?;
            let answer = connection.send_request(request("GET", path, &self.token, Bytes::new())?).await?;
            if !answer.status().is_success() {
                return Err(format!("{path}: {}", answer.status()).into());
            }
            Ok(answer.into_body().collect().await?.to_bytes().to_vec())
        })
    }

    pub fn appends(&self, connections: usize, time: Duration) -> Outcome<Measured> {
        let body = append_body();
        self.many(connections, time, move |n| {
            ("POST", format!("/v1/sessions/{}/messages", key(n % SESSIONS)), body.clone())
        })
    }

    pub fn reads(
        &self,
        connections: usize,
        time: Duration,
        path: impl Fn(u64) -> String + Clone + Send + 'static,
    ) -> Outcome<Measured> {
        self.many(connections, time, move |n| ("GET", path(n), Bytes::new()))
    }

    fn many(
        &self,
        connections: usize,
        time: Duration,
        call: impl Fn(u64) -> (&'static str, String, Bytes) + Clone + Send + 'static,
    ) -> Outcome<Measured> {
        let next = Arc::new(AtomicU64::new(0));
        let (begun, end) = (Instant::now(), Instant::now() + time);
        let callers: Vec<_> = (0..connections)
            .map(|_| {
                let (call, next, token, address) =
                    (call.clone(), Arc::clone(&next), Arc::clone(&self.token), self.address);
                self.runtime.spawn(async move {
                    let mut connection = connect(address).await?;
                    let mut latencies = Vec::new();
                    while Instant::now() < end {
                        let (method, path, body) = call(next.fetch_add(1, Ordering::Relaxed));
                        let start = Instant::now();
                        let answer = ask(&mut connection, request(method, &path, &token, body)?).await?;
                        if answer >= 300 {
                            return Err(format!("{path}: {answer}").into());
                        }
                        latencies.push(start.elapsed());
                    }
                    Outcome::Ok(latencies)
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for caller in callers {
            latencies.extend(self.runtime.block_on(caller)??);
        }
        Ok(Measured::of(latencies, begun.elapsed()))
    }
}

pub(super) fn append_body() -> Bytes {
    Bytes::from(serde_json::json!({ "role": "user", "content": content() }).to_string())
}

pub(super) async fn connect(address: SocketAddr) -> Outcome<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

pub(super) fn request(method: &str, path: &str, token: &str, body: Bytes) -> Outcome<Request<Full<Bytes>>> {
    Ok(Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(body))?)
}

/// Asks, reads the answer to its end, and says its status.
pub(super) async fn ask(connection: &mut Connection, request: Request<Full<Bytes>>) -> Outcome<u16> {
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status().as_u16();
    let mut body: Incoming = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(status)
}
