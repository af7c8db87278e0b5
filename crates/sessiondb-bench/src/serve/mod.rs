//! The server: what HTTP costs beside the library, a thousand followers of the feed, and twice the load that it can carry.
//!
//! Client and server share the machine's cores, as in life they do not.

mod client;
mod followers;
mod overload;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use parking_lot::Mutex;
use sessiondb::{Json, NewMessage, SessionKey, Store};
use sessiondb_server::{NewToken, Rights, Tokens};
use tokio::{runtime::Runtime, sync::oneshot};

use self::client::Client;
use crate::Outcome;

#[derive(clap::Args)]
pub struct Options {
    /// How long each thing is measured, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often appends and windows are measured, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many connections append and read.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How many follow the feed; every tenth of them never reads.
    #[arg(long, default_value_t = 1_000)]
    followers: usize,
    /// How long twice the load comes, in seconds.
    #[arg(long, default_value_t = 30.0)]
    overload_seconds: f64,
}

/// How many sessions are appended to and read from.
const SESSIONS: u64 = 200;
/// Bytes of a message's content.
const CONTENT: usize = 400;

/// A server in this process, and a token for it.
struct Server {
    store: Store,
    address: SocketAddr,
    token: String,
    took: Took,
    end: oneshot::Sender<()>,
    runtime: Runtime,
    dir: tempfile::TempDir,
}

/// How long the server itself took for what it accepted.
type Took = Arc<Mutex<Vec<Duration>>>;

async fn note(State(took): State<Took>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    if response.status() == 201 {
        took.lock().push(begun.elapsed());
    }
    response
}

/// What was measured of many calls.
struct Measured {
    a_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Measured {
    fn of(mut latencies: Vec<Duration>, time: Duration) -> Measured {
        latencies.sort_unstable();
        let at = |share: f64| {
            latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default()
        };
        Measured { a_second: latencies.len() as f64 / time.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

pub fn run(options: &Options, seed: u64) -> Outcome<()> {
    println!("cargo run --release -p sessiondb-bench -- serve");
    println!(
        "{} connections, {} rounds of {} s; {SESSIONS} sessions, contents of {CONTENT} bytes; synchronous=FULL; client and server on \
         the same machine, each with a runtime of two workers; seed {seed}",
        options.connections, options.rounds, options.seconds
    );
    let time = Duration::from_secs_f64(options.seconds);
    let server = Server::start(sessiondb_server::Options {
        requests_per_second: 1_000_000,
        ..sessiondb_server::Options::default()
    })?;
    let client = Client::new(server.address, &server.token)?;
    beside_the_library(options, &server, &client, time)?;
    followers::run(options, &client, time)?;
    server.stop()?;
    overload::run(options, time)
}

/// Appends and windows over HTTP, and without it.
fn beside_the_library(options: &Options, server: &Server, client: &Client, time: Duration) -> Outcome<()> {
    let (mut appends, mut windows) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let embedded = server.embedded(options.connections, time)?;
        let http = client.appends(options.connections, time)?;
        show("append, the library, tasks", &embedded);
        show("append, HTTP", &http);
        appends.push(http.a_second / embedded.a_second);
        let bytes = client.one(&window(0))?;
        let (bare, _end) = bare(&server.runtime, bytes)?;
        let bare = Client::new(bare, &server.token)?.reads(options.connections, time, |_| "/".into())?;
        let http = client.reads(options.connections, time, |n| window(n % SESSIONS))?;
        show("window of 50, the same bytes without a store", &bare);
        show("window of 50, HTTP", &http);
        windows.push(http.a_second / bare.a_second);
    }
    target("appends over HTTP by those of the library", &mut appends, |ratio| ratio >= 0.4, "at least 0.4");
    target(
        "windows over HTTP by the same bytes without a store",
        &mut windows,
        |ratio| ratio >= 0.2,
        "at least 0.2",
    );
    Ok(())
}

fn show(name: &str, measured: &Measured) {
    let Measured { a_second, p50, p99 } = measured;
    println!(
        "  {name:<48} {a_second:>8.0} a second   p50 {:>7} us   p99 {:>7} us",
        p50.as_micros(),
        p99.as_micros()
    );
}

fn target(name: &str, ratios: &mut [f64], holds: impl Fn(f64) -> bool, wanted: &str) {
    ratios.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else { return };
    let median = ratios[ratios.len() / 2];
    let word = if holds(median) { "pass " } else { "short" };
    println!("  {word} {name}: {median:.2} ({least:.2}..{most:.2}); {wanted}");
}

fn key(n: u64) -> SessionKey {
    SessionKey::new("main", "bench", "", "dm", format!("peer-{n:03}"))
}

fn content() -> String {
    "what was said, and what came of it. ".chars().cycle().take(CONTENT).collect()
}

fn window(n: u64) -> String {
    format!("/v1/sessions/{}/messages?limit=50", key(n))
}

impl Server {
    fn start(options: sessiondb_server::Options) -> Outcome<Server> {
        let dir = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let url = dir.path().join("s.db").display().to_string();
        let store = runtime.block_on(sessiondb::open(&url))?;
        let said = |n: u64| NewMessage::new("user", format!("{n} {}", content()));
        for n in 0..SESSIONS {
            runtime.block_on(store.append(&key(n), (0..50).map(said).collect()))?;
        }
        let new = NewToken {
            name: "the bench".into(),
            rights: Rights::all(),
            scope: sessiondb::Scope::all(),
            expires_at: None,
        };
        let (token, _) = runtime.block_on(Tokens::of(&store)?.create(new))?;
        let (end, ended) = oneshot::channel::<()>();
        let (router, feed) = sessiondb_server::routes(store.clone(), &options)?;
        let took = Took::default();
        let router = router.layer(from_fn_with_state(took.clone(), note));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(feed);
        runtime.spawn(async move {
            drop(
                axum::serve(listener, router).with_graceful_shutdown(async move { drop(ended.await) }).await,
            );
        });
        Ok(Server { store, address, token: token.reveal(), took, end, runtime, dir })
    }

    /// The same appends from tasks, without HTTP.
    fn embedded(&self, tasks: usize, time: Duration) -> Outcome<Measured> {
        let next = Arc::new(AtomicU64::new(0));
        let text = Json::string(&content());
        let (begun, end) = (Instant::now(), Instant::now() + time);
        let callers: Vec<_> = (0..tasks)
            .map(|_| {
                let (store, next, text) = (self.store.clone(), Arc::clone(&next), text.clone());
                self.runtime.spawn(async move {
                    let mut latencies = Vec::new();
                    while Instant::now() < end {
                        let key = key(next.fetch_add(1, Ordering::Relaxed) % SESSIONS);
                        let start = Instant::now();
                        store.append(&key, vec![NewMessage::new("user", text.clone())]).await?;
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

    /// Stops, and looks whether the store is sound.
    fn stop(self) -> Outcome<()> {
        drop(self.end);
        let report = self.runtime.block_on(self.store.check())?;
        if !report.is_clean() {
            return Err(format!("the store is not sound: {:?}", report.findings).into());
        }
        self.runtime.block_on(self.store.close())?;
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        Ok(self.dir.close()?)
    }
}

/// A server that answers these bytes to whatever is asked.
fn bare(runtime: &Runtime, bytes: Vec<u8>) -> Outcome<(SocketAddr, oneshot::Sender<()>)> {
    let answer = move || {
        let bytes = bytes.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], bytes) }
    };
    let (end, ended) = oneshot::channel::<()>();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        let served = axum::serve(listener, Router::new().route("/", get(answer)));
        drop(served.with_graceful_shutdown(async move { drop(ended.await) }).await);
    });
    Ok((address, end))
}
