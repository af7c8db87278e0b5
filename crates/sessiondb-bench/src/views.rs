//! Windows and forks of a long session.

use sessiondb::{NewMessage, Result, SessionKey, Window, blocking};

use crate::sample::{Random, Times, ratio};

/// Messages in a window.
const LIMIT: usize = 50;
/// How far around a place windows begin, so that not the same pages are read each time.
const AROUND: u64 = 5_000;

fn key(peer: &str) -> SessionKey {
    SessionKey::new("bench", "cli", "", "dm", peer)
}

/// About 400 bytes; every tenth message is a call, the next one its result.
fn message(n: u64) -> NewMessage {
    let call = || vec![format!("call-{}", n / 10)];
    let message = NewMessage::new("user", format!("message {n} {}", "x".repeat(380)));
    match n % 10 {
        1 => NewMessage { opens: call(), ..message },
        2 => NewMessage { closes: call(), ..message },
        _ => message,
    }
}

pub(crate) fn run(messages: u64, samples: usize, seed: u64) -> Result<()> {
    let dir = tempfile::tempdir().map_err(|e| sessiondb::Error::Storage(e.to_string()))?;
    let store = blocking::open(&format!("sqlite:{}", dir.path().join("bench.db").display()))?;
    let (long, short, fork) = (key("long"), key("short"), key("fork"));
    for from in (1..=messages).step_by(5_000) {
        store.append(&long, (from..from + 5_000).take_while(|n| *n <= messages).map(message).collect())?;
    }
    store.append(&short, (1..=10).map(message).collect())?;
    store.fork(&long, &fork, None)?;
    store.append(&fork, (1..=AROUND).map(|n| message(messages + n)).collect())?;
    println!(
        "a session of {messages} messages, and a fork of it with {AROUND} more; seed {seed}, {samples} samples"
    );

    windows(&store, &long, messages, samples, seed)?;
    windows(&store, &fork, messages + AROUND, samples, seed)?;

    let (mut of_long, mut of_short) = (Times::default(), Times::default());
    for n in 0..samples {
        of_long.measure(|| store.fork(&long, &key(&format!("long-{n}")), None))?;
        of_short.measure(|| store.fork(&short, &key(&format!("short-{n}")), None))?;
    }
    let (long, short) = (of_long.median(), of_short.median());
    println!(
        "fork of {messages} messages: median {long:.0} us; of 10: {short:.0} us; ratio {:.2}",
        long / short
    );
    store.close()
}

fn windows(
    store: &blocking::Store,
    key: &SessionKey,
    messages: u64,
    samples: usize,
    seed: u64,
) -> Result<()> {
    let mut random = Random(seed);
    let places = [("start", AROUND), ("middle", messages / 2), ("end", messages - AROUND)];
    for (name, after) in [("before", false), ("after", true)] {
        let mut times = [Times::default(), Times::default(), Times::default()];
        // In turns, so that what else happens on the machine meets all alike; the first round only warms up.
        for round in 0..=samples {
            for ((_, place), times) in places.iter().zip(&mut times) {
                let seq = place - AROUND / 2 + random.below(AROUND);
                let window = if after { Window::after(seq, LIMIT) } else { Window::before(seq, LIMIT) };
                let page = if round == 0 {
                    store.message_window(key, window)?
                } else {
                    times.measure(|| store.message_window(key, window))?
                };
                assert!(page.messages.len() + 2 >= LIMIT, "{window:?} has {}", page.messages.len());
            }
        }
        let medians = times.iter().map(Times::median).collect::<Vec<_>>();
        let told = places.iter().zip(&times).map(|((place, _), times)| {
            format!("{place} {:.0} (p99 {:.0})", times.median(), times.percentile(99))
        });
        let told = told.collect::<Vec<_>>().join(", ");
        println!("{} {name}: {told} us; ratio {:.2}", key.peer_id, ratio(&medians));
    }
    Ok(())
}
