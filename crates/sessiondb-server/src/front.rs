//! What happens to every request before its route and after it: room, a name, whether it may come from where it comes, how long
//! it took. One function and not a layer each, since each layer costs every request.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    access,
    app::{App, Held},
    operations,
    problem::{Kind, Problem},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request, under which it stands in the server's log, in its answer and in the audit log.
#[derive(Clone)]
pub(crate) struct RequestId(pub HeaderValue);

impl RequestId {
    pub fn text(&self) -> &str {
        self.0.to_str().unwrap_or("")
    }
}

/// All of it.
pub(crate) async fn front(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // More than the server can hold is refused before anything else is done for it.
    let room = match find_room(&app, &request) {
        Ok(room) => room,
        Err(problem) => return problem.into_response(),
    };
    let id = RequestId(name(&request));
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let begun = Instant::now();
    let held = Held::default();
    request.extensions_mut().insert(held.clone());
    request.extensions_mut().insert(id.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match access::allowed_from(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    drop((room, held));
    let (status, took) = (response.status(), begun.elapsed());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    operations::measure(route, &method, status, took);
    tracing::debug!(request_id = id.text(), %method, path = uri.path(), status = status.as_u16(), micros = took.as_micros() as u64, "answered");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(REQUEST_ID, id.0);
    response
}

/// Room for as long as a request takes to be answered. What is asked of the server itself always has some.
///
/// There is no waiting: who is told at once can come again, and who waits holds up others, until clients give up on what is
/// still done for them.
fn find_room(app: &App, request: &Request) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, Problem> {
    if matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics") {
        return Ok(None);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let room = if reads { app.limits.read() } else { app.limits.write() };
    if room.is_some() {
        return Ok(room);
    }
    let of = if reads { "reads" } else { "writes" };
    metrics::counter!("sessiondb_http_refused_total", "of" => of).increment(1);
    let detail = format!("as many {of} as the server holds are under way; nothing was done");
    Err(Problem::new(Kind::Overloaded, detail).hint("try again after the time in Retry-After"))
}

/// The id of its sender, if that is fit, or a fresh one: what is random of each process, and a number.
fn name(request: &Request) -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        // An id that is not random is still an id.
        let _ = getrandom::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let fit = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    if let Some(given) = request.headers().get(&REQUEST_ID).filter(fit) {
        return given.clone();
    }
    let text = format!("{:016x}-{:x}", *PROCESS, NUMBER.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
