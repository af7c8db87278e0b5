//! Many who follow the feed, some of whom never read.

use std::{
    fs,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::{Request, body::Bytes};

use super::{
    Options, SESSIONS,
    client::{Client, connect},
    key, show, target,
};
use crate::Outcome;

pub(super) fn run(options: &Options, client: &Client, time: Duration) -> Outcome<()> {
    println!("  {} follow the feed, each that of one session; every tenth never reads", options.followers);
    let (mut rates, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let alone = client.appends(options.connections, time)?;
        let before = memory()?;
        let heard = Arc::new(AtomicU64::new(0));
        let followers: Vec<_> = (0..options.followers as u64)
            .map(|n| client.runtime.block_on(follow(client, n, Arc::clone(&heard))))
            .collect::<Outcome<_>>()?;
        let followed = client.appends(options.connections, time)?;
        let after = memory()?;
        for follower in followers {
            follower.abort();
        }
        show("append, HTTP, nobody follows", &alone);
        show("append, HTTP, followed", &followed);
        println!(
            "    {} events were read; this process (server and client) had {} MiB before and {} MiB then",
            heard.load(Ordering::Relaxed),
            before >> 20,
            after >> 20
        );
        rates.push(followed.a_second / alone.a_second);
        waits.push(followed.p99.as_secs_f64() / alone.p99.as_secs_f64());
        // Those who left are gone.
        std::thread::sleep(Duration::from_millis(500));
    }
    target("appends while followed by those while not", &mut rates, |ratio| ratio >= 0.9, "at least 0.9");
    target("p99 while followed by that while not", &mut waits, |ratio| ratio <= 1.5, "at most 1.5");
    Ok(())
}

/// One who follows a session; `heard` counts the bytes' events of those who read.
async fn follow(client: &Client, n: u64, heard: Arc<AtomicU64>) -> Outcome<tokio::task::JoinHandle<()>> {
    let mut connection = connect(client.address).await?;
    let request = Request::builder()
        .uri(format!("/v1/sessions/{}/changes", key(n % SESSIONS)))
        .header("host", "localhost")
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {}", client.token))
        .body(Full::new(Bytes::new()))?;
    let answer = connection.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("a follower was answered {}", answer.status()).into());
    }
    Ok(client.runtime.spawn(async move {
        // The connection lives as long as this does.
        let _connection = connection;
        let mut body = answer.into_body();
        if n.is_multiple_of(10) {
            std::future::pending::<()>().await;
        }
        while let Some(Ok(frame)) = body.frame().await {
            let events =
                frame.data_ref().map_or(0, |data| data.windows(6).filter(|part| part == b"data: ").count());
            heard.fetch_add(events as u64, Ordering::Relaxed);
        }
    }))
}

/// What this process has in memory, in bytes.
fn memory() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
