//! A SessionDB server as a store: [`HttpBackend`] speaks to `sessiondb serve`, and whoever has a
//! [`Store`](sessiondb_core::Store) over it need not know that it is one.
//!
//! ```no_run
//! use std::sync::Arc;
//! use sessiondb_client::HttpBackend;
//! use sessiondb_core::{SessionKey, Store, Window};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let token = std::env::var("SESSIONDB_TOKEN")?;
//! let store = Store::new(Arc::new(HttpBackend::open("http://127.0.0.1:7878", Some(&token))?));
//! # let key = SessionKey::new("main", "cli", "", "dm", "ann");
//! # let _ = async { store.message_window(&key, Window::last(50)).await };
//! # Ok(())
//! # }
//! ```
//!
//! What the server answers is what the store answers, errors too: a conflict is the same conflict. A write whose answer is lost
//! on the way is [`Error::Unknown`], since the server may have done it; with a commit id it can be sent again.

mod query;
mod reply;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use crossbeam_channel::{Sender, unbounded};
use futures_channel::oneshot;
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use sessiondb_core::{
    Backend, ChangePage, CheckReport, Commit, Document, DocumentFilter, DocumentPage, Error, HitPage,
    Lineage, MessagePage, Parts, PartsPage, Receipt, Result, Search, Session, SessionFilter, SessionKey,
    SessionPage, SessionParts, Status, ViewChange, Window,
};
use ureq::{
    Agent, http,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::reply::{Documents, Freed, Reply, Sessions};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take to begin. A server waits for its store for 30 s at most, and then says that it is busy.
const ANSWER: Duration = Duration::from_secs(120);
/// How long an answer may take to come to its end.
const BODY: Duration = Duration::from_secs(600);
/// What takes as long as the store is large, and may take any time.
const LONG: [&str; 2] = ["/v1/check", "/v1/optimize"];
/// Threads that wait for answers on behalf of async callers.
const THREADS: usize = 4;

/// A server of a store.
pub struct HttpBackend {
    server: Arc<Server>,
    /// Whether requests are made on the caller's thread.
    blocking: bool,
}

struct Server {
    agent: Agent,
    /// `http://127.0.0.1:7878`, without a slash at its end.
    address: String,
    authorization: Option<String>,
    /// What async callers ask; none before the first of them, and none after the end.
    jobs: Mutex<Jobs>,
}

enum Jobs {
    None,
    Waiting(Sender<Job>),
    Closed,
}

type Job = Box<dyn FnOnce(&Server) + Send>;

impl HttpBackend {
    /// The store of the server at this address, with this token. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`Error::CannotOpen`] if the address is none of `http://…` or `https://…`, or the token cannot stand in a header.
    pub fn open(address: &str, token: Option<&str>) -> Result<HttpBackend> {
        HttpBackend::reach(address, token, RootCerts::WebPki)
    }

    /// The same, for a server whose certificate no public authority vouches for: trusted are the certificates in this PEM, and no
    /// others.
    ///
    /// # Errors
    /// As [`open`](HttpBackend::open); also if there is no certificate in the PEM.
    pub fn open_trusting(address: &str, token: Option<&str>, pem: &[u8]) -> Result<HttpBackend> {
        let cannot = |reason: String| Error::CannotOpen { location: address.to_owned(), reason };
        let mut trusted = Vec::new();
        for item in parse_pem(pem) {
            let item =
                item.map_err(|error| cannot(format!("the certificates to trust cannot be read: {error}")))?;
            if let PemItem::Certificate(certificate) = item {
                trusted.push(certificate);
            }
        }
        if trusted.is_empty() {
            return Err(cannot("there is no certificate among those to trust (PEM)".into()));
        }
        HttpBackend::reach(address, token, RootCerts::from(trusted))
    }

    /// Asks on this thread what is the server's own and not the store's: its tokens, its audit log. `path` is one of those that
    /// `/openapi.json` describes. `None` is for what is not there.
    ///
    /// # Errors
    /// As the server's answer says; [`Error::Unknown`] if there was none.
    ///
    /// ```no_run
    /// # fn main() -> sessiondb_core::Result<()> {
    /// let server = sessiondb_client::HttpBackend::open("http://127.0.0.1:7878", Some("sdb_…"))?;
    /// let lines: Option<sessiondb_core::MessagePage> = server.request("GET", "/v1/audit", None::<&()>)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Option<T>> {
        self.server.is_open()?;
        self.server.send(method, path, body)?.read_found()
    }

    fn reach(address: &str, token: Option<&str>, trusted: RootCerts) -> Result<HttpBackend> {
        let cannot =
            |reason: &str| Error::CannotOpen { location: address.to_owned(), reason: reason.to_owned() };
        let uri: http::Uri = address.parse().map_err(|_| cannot("it is no address of a server"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.host().is_none()
            || uri.query().is_some()
        {
            return Err(cannot("it is no address of a server, as http://127.0.0.1:7878"));
        }
        let authorization = token.map(|token| format!("Bearer {token}"));
        if authorization.as_deref().is_some_and(|text| http::HeaderValue::from_str(text).is_err()) {
            return Err(cannot("the token has characters that no token has"));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(BODY))
            .tls_config(TlsConfig::builder().root_certs(trusted).build())
            .build();
        let server = Server {
            agent: agent.into(),
            address: address.trim_end_matches('/').to_owned(),
            authorization,
            jobs: Mutex::new(Jobs::None),
        };
        Ok(HttpBackend { server: Arc::new(server), blocking: false })
    }

    /// Asks on this thread, or on one that waits for it.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Server) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.blocking {
            self.server.is_open()?;
            return ask(&self.server);
        }
        let (answer, receiver) = oneshot::channel();
        let job: Job = Box::new(move |server| {
            // Who asked may not wait any more.
            let _ = answer.send(ask(server));
        });
        self.server.jobs()?.send(job).map_err(|_| Error::Closed)?;
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::Unknown("the thread that asked the server has ended".into())))
    }
}

impl Server {
    fn is_open(&self) -> Result<()> {
        match *self.jobs.lock() {
            Jobs::Closed => Err(Error::Closed),
            Jobs::None | Jobs::Waiting(_) => Ok(()),
        }
    }

    /// Where jobs are left, the threads begun for the first of them.
    fn jobs(self: &Arc<Server>) -> Result<Sender<Job>> {
        let mut jobs = self.jobs.lock();
        match &*jobs {
            Jobs::Closed => return Err(Error::Closed),
            Jobs::Waiting(sender) => return Ok(sender.clone()),
            Jobs::None => {}
        }
        let (sender, receiver) = unbounded::<Job>();
        for _ in 0..THREADS {
            // They hold what they need to ask, and not the sender: they end when the last handle is gone.
            let (receiver, server) = (receiver.clone(), Arc::downgrade(self));
            let run = move || {
                while let Ok(job) = receiver.recv() {
                    let Some(server) = server.upgrade() else { return };
                    job(&server);
                }
            };
            std::thread::Builder::new()
                .name("sessiondb-client".into())
                .spawn(run)
                .map_err(|e| Error::Storage(format!("a thread that asks the server did not start: {e}")))?;
        }
        *jobs = Jobs::Waiting(sender.clone());
        Ok(sender)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send("GET", path, None::<&()>)?.read()
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.send("POST", path, Some(body))?.read()
    }

    fn send(&self, method: &str, path: &str, body: Option<&impl Serialize>) -> Result<Reply> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some(authorization) = &self.authorization {
            request = request.header(http::header::AUTHORIZATION, authorization);
        }
        let bad = |e: http::Error| Error::Invalid(format!("the request cannot be written: {e}"));
        let answer = match body {
            None if LONG.contains(&path) => {
                let request = self.agent.configure_request(request.body(()).map_err(bad)?);
                self.agent.run(request.timeout_recv_response(None).build())
            }
            None => self.agent.run(request.body(()).map_err(bad)?),
            Some(body) => {
                let text = serde_json::to_vec(body)
                    .map_err(|e| Error::Invalid(format!("the request cannot be written as JSON: {e}")))?;
                let request = request.header(http::header::CONTENT_TYPE, "application/json");
                self.agent.run(request.body(text).map_err(bad)?)
            }
        };
        Reply::of(&self.address, answer)
    }
}

/// Whether the address is one of this machine's loopback.
pub fn is_loopback(address: &str) -> bool {
    let uri: Option<http::Uri> = address.parse().ok();
    let authority =
        uri.as_ref().and_then(http::Uri::authority).filter(|authority| !authority.as_str().contains('@'));
    matches!(authority.map(http::uri::Authority::host), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn session(key: &SessionKey) -> String {
    format!("/v1/sessions/{}", query::segment(&key.to_string()))
}

#[async_trait]
impl Backend for HttpBackend {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Receipt>> {
        self.ask(move |server| server.post("/v1/commits", &commits)).await
    }

    async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        let path = session(key);
        self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found()).await
    }

    async fn session_list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let path = format!("/v1/sessions?{}", query::filter(filter)?);
        self.ask(move |server| server.get::<Sessions>(&path)).await.map(SessionPage::from)
    }

    async fn session_list_parts(&self, filter: &SessionFilter, parts: &Parts) -> Result<PartsPage> {
        let body = serde_json::json!({
            "filter": query::sendable(filter), "collections": parts.collections, "messages": parts.messages,
        });
        self.ask(move |server| server.post("/v1/sessions/find", &body)).await
    }

    async fn session_parts(&self, keys: &[SessionKey], parts: &Parts) -> Result<Vec<Option<SessionParts>>> {
        let body = serde_json::json!({
            "keys": keys, "collections": parts.collections, "messages": parts.messages,
        });
        self.ask(move |server| server.post("/v1/sessions/read", &body)).await
    }

    async fn message_window(&self, key: &SessionKey, window: Window) -> Result<Option<MessagePage>> {
        let path = format!("{}/messages?{}", session(key), query::window(window)?);
        self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found()).await
    }

    async fn lineage(&self, key: &SessionKey) -> Result<Option<Lineage>> {
        let path = format!("{}/lineage", session(key));
        self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found()).await
    }

    async fn view_changes(
        &self,
        key: &SessionKey,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Vec<ViewChange>>> {
        let before = before.map_or(String::new(), |before| format!("&before={before}"));
        let path = format!("{}/view-changes?limit={limit}{before}", session(key));
        self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found()).await
    }

    async fn document(&self, key: &SessionKey, collection: &str, id: &str) -> Result<Option<Document>> {
        // No path can name these, and no document has such a name.
        if collection.is_empty() || id.is_empty() {
            return Ok(None);
        }
        let (collection, id) = (query::segment(collection), query::segment(id));
        let path = format!("{}/documents/{collection}/{id}", session(key));
        self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found()).await
    }

    async fn document_list(&self, key: &SessionKey, filter: &DocumentFilter) -> Result<Option<DocumentPage>> {
        let path = format!("{}/documents?{}", session(key), query::documents(filter)?);
        let page =
            self.ask(move |server| server.send("GET", &path, None::<&()>)?.read_found::<Documents>()).await?;
        page.map(Documents::page).transpose()
    }

    async fn changes(&self, after: Option<u64>, limit: usize) -> Result<ChangePage> {
        let after = after.map_or(String::new(), |after| format!("&after={after}"));
        let path = format!("/v1/changes?limit={limit}{after}");
        self.ask(move |server| server.get(&path)).await
    }

    async fn search(&self, search: &Search) -> Result<HitPage> {
        let path = format!("/v1/search?{}", query::search(search)?);
        self.ask(move |server| server.get(&path)).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.ask(|server| server.send("POST", "/v1/check", None::<&()>)?.read()).await
    }

    async fn optimize(&self) -> Result<u64> {
        let freed: Freed =
            self.ask(|server| server.send("POST", "/v1/optimize", None::<&()>)?.read()).await?;
        Ok(freed.freed)
    }

    async fn status(&self) -> Result<Status> {
        self.ask(|server| server.get("/v1/status")).await
    }

    /// Ends the use of the server by all handles of this store; the server and its store go on.
    async fn close(&self) -> Result<()> {
        *self.server.jobs.lock() = Jobs::Closed;
        Ok(())
    }

    fn blocking(&self) -> Arc<dyn Backend> {
        Arc::new(HttpBackend { server: Arc::clone(&self.server), blocking: true })
    }
}
