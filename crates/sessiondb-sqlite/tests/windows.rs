//! Windows over long views, with calls answered at once, a few messages later, and about as far off as is still in reach:
//! this engine reads as little as it can around a window, the one in memory looks at everything, and they must agree.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "what a run needs to be repeated")]

use std::sync::Arc;

use pollster::block_on;
use sessiondb_core::{
    Commit, MemoryBackend, Message, MessagePage, NewMessage, Result, SessionKey, Store, Time, Window, Write,
};
use sessiondb_sqlite::{Options, SqliteBackend};

const CASES: u64 = 6;

/// Random numbers that a seed makes again (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    /// Mostly near, and now and then around the distances at which more is read.
    fn distance(&mut self) -> u64 {
        match self.below(10) {
            0..=4 => 1 + self.below(3),
            5 | 6 => 10 + self.below(12),
            7 => 30 + self.below(500),
            _ => 995 + self.below(10),
        }
    }
}

fn messages(random: &mut Random, count: u64) -> Vec<NewMessage> {
    let mut messages: Vec<NewMessage> = (0..count)
        .map(|n| NewMessage {
            token_count: Some(random.below(4)),
            created_at: Time::from_timestamp(1_795_132_800, 0),
            ..NewMessage::new("user", n.to_string())
        })
        .collect();
    let calls = random.below(count / 3);
    for call in 0..calls {
        // A few ids come again and again, as some models have it.
        let id =
            if random.below(5) == 0 { format!("id {}", random.below(3)) } else { format!("call {call}") };
        let at = random.below(count);
        messages[at as usize].opens.push(id.clone());
        let answers = if random.below(12) == 0 { 2 } else { u64::from(random.below(12) > 0) };
        for _ in 0..answers {
            if let Some(result) = messages.get_mut((at + random.distance()) as usize) {
                result.closes.push(id.clone());
            }
        }
    }
    messages
}

/// Stretches of the log, some left out, now and then in another order.
fn stretches(random: &mut Random, count: u64) -> Vec<(u64, u64)> {
    let mut cuts: Vec<u64> = (0..=random.below(30)).map(|_| 1 + random.below(count - 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut stretches, mut next) = (Vec::new(), 1);
    for cut in cuts.into_iter().chain([count]) {
        if next <= cut && random.below(10) > 0 {
            stretches.push((next, cut));
        }
        next = cut + 1;
    }
    if random.below(2) == 0 && !stretches.is_empty() {
        let middle = random.below(stretches.len() as u64) as usize;
        stretches.rotate_left(middle);
    }
    stretches
}

fn window(random: &mut Random, count: u64) -> Window {
    let limit = match random.below(6) {
        0 => 1,
        1 => 1 + random.below(20) as usize,
        2 => 1_000,
        3 => 15 + random.below(4) as usize,
        _ => 1 + random.below(300) as usize,
    };
    let seq = 1 + random.below(count);
    match random.below(7) {
        0 => Window::last(limit),
        1 | 2 => Window::before(seq, limit),
        3 | 4 => Window::after(seq, limit),
        5 => Window::tokens(random.below(6_000)),
        _ => Window::range(seq, seq + random.below(1_500)),
    }
}

#[test]
fn windows_of_long_views_are_what_they_are_in_memory() {
    let first: u64 =
        std::env::var("SEED").map_or_else(|_| std::process::id().into(), |seed| seed.parse().unwrap());
    for seed in first..first + CASES {
        println!("SEED={seed}");
        let dir = tempfile::tempdir().unwrap();
        let file = SqliteBackend::open(Options::new(dir.path().join("s.db"))).unwrap();
        let stores = [Store::new(Arc::new(MemoryBackend::new())), Store::new(Arc::new(file))];
        let key = SessionKey::new("main", "cli", "", "dm", "ann");
        let mut random = Random(seed);
        let count = 3_000 + random.below(1_500);
        let messages = messages(&mut random, count);
        let view = (random.below(2) == 0).then(|| stretches(&mut random, count));
        for store in &stores {
            for some in messages.chunks(2_000) {
                block_on(store.append(&key, some.to_vec())).unwrap();
            }
            if let Some(view) = &view {
                let set = Commit::new(key.clone()).write(Write::SetView(view.clone()));
                block_on(store.commit_one(set)).unwrap();
            }
        }
        for round in 0..60 {
            let window = window(&mut random, count);
            let [right, tried] =
                stores.each_ref().map(|store| seen(block_on(store.message_window(&key, window))));
            assert!(right == tried, "{window:?}\nright is    {}\nanswered is {}", told(&right), told(&tried));
            if round % 20 == 0 {
                let through = 1 + random.below(count);
                let compact = Write::Compact { through, summary: Vec::new() };
                let done = stores.each_ref().map(|store| {
                    let done = block_on(store.commit_one(Commit::new(key.clone()).write(compact.clone())));
                    let count = block_on(store.session(&key)).unwrap().unwrap().message_count;
                    (done.map(|receipt| receipt.changed), count)
                });
                assert_eq!(done[0], done[1], "compacted through {through}");
                for store in &stores {
                    block_on(store.undo(&key)).unwrap();
                }
            }
        }
    }
}

fn seen(page: Result<MessagePage>) -> Result<MessagePage> {
    let without_row = |message| Message { id: 0, ..message };
    page.map(|page| MessagePage { messages: page.messages.into_iter().map(without_row).collect(), ..page })
}

fn told(page: &Result<MessagePage>) -> String {
    match page {
        Err(error) => error.to_string(),
        Ok(MessagePage { messages, has_earlier, has_later, exceeds, unpaired, .. }) => format!(
            "{:?} to {:?}, {} messages, earlier {has_earlier}, later {has_later}, exceeds {exceeds}, unpaired {unpaired:?}",
            messages.first().map(|message| message.seq),
            messages.last().map(|message| message.seq),
            messages.len(),
        ),
    }
}
