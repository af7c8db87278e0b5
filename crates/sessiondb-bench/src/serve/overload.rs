//! Twice the load that the server can carry, from clients that do not wait for each other.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use parking_lot::Mutex;

use super::{
    Measured, Options, SESSIONS, Server,
    client::{Client, append_body, ask, connect, request},
    key, show, target,
};
use crate::Outcome;

/// Connections of those who come whether the others were answered or not.
const CONNECTIONS: usize = 1_000;

pub(super) fn run(options: &Options, time: Duration) -> Outcome<()> {
    let server = Server::start(sessiondb_server::Options {
        requests_per_second: 1_000_000,
        ..sessiondb_server::Options::default()
    })?;
    let client = Client::new(server.address, &server.token)?;
    let carried = client.appends(options.connections, time)?;
    show("append, HTTP, as much as it can carry", &carried);
    took(&server, time);
    let rate = carried.a_second;
    let before = stored(&server)?;
    let long = Duration::from_secs_f64(options.overload_seconds);
    // As long as the other, so that the log is copied and the index follows in both.
    let (nominal, _) = open(&client, rate * 0.5, long)?;
    let nominal_took = took(&server, long);
    let (twice, statuses) = open(&client, rate * 2.0, long)?;
    let twice_took = took(&server, long);
    show("append, HTTP, half of it, as it comes", &nominal);
    show("  in the server, from head to answer", &nominal_took);
    show("append, HTTP, twice as much, those accepted", &twice);
    show("  in the server, from head to answer", &twice_took);
    println!("    answers: {statuses:?}");
    let accepted = statuses.get(&201).copied().unwrap_or(0);
    let now = stored(&server)?;
    let nominal_accepted = (nominal.a_second * long.as_secs_f64()).round() as u64;
    println!(
        "    {accepted} of these and some {nominal_accepted} before were acknowledged; {} more are stored",
        now - before
    );
    if now - before < accepted {
        return Err("acknowledged messages are missing".into());
    }
    let others: u64 = statuses
        .iter()
        .filter(|(status, _)| ![201, 429, 503].contains(*status))
        .map(|(_, count)| count)
        .sum();
    target("answers that are none of 201, 429, 503", &mut [others as f64], |count| count == 0.0, "none");
    let ratio = |twice: &Measured, nominal: &Measured| [twice.p99.as_secs_f64() / nominal.p99.as_secs_f64()];
    let holds = |ratio| ratio <= 5.0;
    target(
        "p99 of those accepted by the nominal one, in the server",
        &mut ratio(&twice_took, &nominal_took),
        holds,
        "at most 5",
    );
    target(
        "the same as clients see it, who wait for the cores too",
        &mut ratio(&twice, &nominal),
        holds,
        "at most 5",
    );
    server.stop()
}

/// How long the server took since the last time it was asked.
fn took(server: &Server, time: Duration) -> Measured {
    Measured::of(std::mem::take(&mut *server.took.lock()), time)
}

fn stored(server: &Server) -> Outcome<u64> {
    let mut messages = 0;
    for n in 0..SESSIONS {
        messages += server.runtime.block_on(server.store.session(&key(n)))?.map_or(0, |session| session.head);
    }
    Ok(messages)
}

/// So many requests a second, whether those before were answered or not. Latencies are those of the accepted, from when they
/// were to be sent.
fn open(client: &Client, rate: f64, time: Duration) -> Outcome<(Measured, BTreeMap<u16, u64>)> {
    let statuses = Arc::new(Mutex::new(BTreeMap::new()));
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let next = Arc::new(AtomicU64::new(0));
    let body: Bytes = append_body();
    let begin = Instant::now() + Duration::from_millis(500);
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (statuses, latencies, next) =
                (Arc::clone(&statuses), Arc::clone(&latencies), Arc::clone(&next));
            let (token, address, body) = (Arc::clone(&client.token), client.address, body.clone());
            client.runtime.spawn(async move {
                let mut connection = connect(address).await?;
                loop {
                    // Whoever is free takes the next request, at the time at which it is due.
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let due = begin + Duration::from_secs_f64(n as f64 / rate);
                    if due > begin + time {
                        return Outcome::Ok(());
                    }
                    tokio::time::sleep_until(due.into()).await;
                    let path = format!("/v1/sessions/{}/messages", key(n % SESSIONS));
                    let start = Instant::now();
                    let status = ask(&mut connection, request("POST", &path, &token, body.clone())?).await?;
                    *statuses.lock().entry(status).or_insert(0) += 1;
                    if status == 201 {
                        latencies.lock().push(start.elapsed());
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        client.runtime.block_on(caller)??;
    }
    let (latencies, statuses) =
        (std::mem::take(&mut *latencies.lock()), std::mem::take(&mut *statuses.lock()));
    Ok((Measured::of(latencies, time), statuses))
}
