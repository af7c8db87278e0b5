//! Searches in a store of many messages that say what people and agents say: words of the samples, as often as they occur there.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use sessiondb::{
    NewMessage, Scope, Search, SessionKey, blocking,
    search::{Words, said},
};
use sessiondb_import::{find, import};

use crate::{
    Outcome,
    engine::machine::Machine,
    sample::{Random, Times, settle},
};

/// Words of a message.
const WORDS: u64 = 60;
/// Messages of a session, sessions of an agent.
const OF_SESSION: u64 = 100;
const OF_AGENT: u64 = 30;
/// Messages of one append.
const APPEND: u64 = 50;
/// Hits on a page.
const LIMIT: usize = 20;
/// Transactions that are compared with and without an index.
const BATCHES: u64 = 400;
/// Messages of each of them.
const BATCH: u64 = 64;

/// Random messages.
struct Talk {
    words: Vec<String>,
    random: Random,
}

impl Talk {
    /// Of the words of all samples, each as often as it is there.
    fn of(samples: &Path, seed: u64) -> Outcome<Talk> {
        let store = pollster::block_on(sessiondb::open("memory:"))?;
        let mut words = Vec::new();
        for source in find(None, &[samples.to_owned()])?.sources {
            pollster::block_on(import(&store, &source, &mut |_| {}))?;
        }
        let store = blocking::Store::from(store);
        for session in store.session_list(&sessiondb::SessionFilter::default())?.sessions {
            let page = store.message_window(&session.key, sessiondb::Window::last(1_000))?;
            for message in &page.messages {
                let mut read = Words::default();
                read.read(&said(message));
                words.extend(read.compared().split_terminator(' ').map(str::to_owned));
            }
        }
        Ok(Talk { words, random: Random(seed) })
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..WORDS {
            let at = self.random.below(self.words.len() as u64) as usize;
            text += self.words.get(at).map_or("", String::as_str);
            text.push(' ');
        }
        // One word that few messages have.
        text + &format!("ticket{}", self.random.below(10_000))
    }
}

fn key(message: u64) -> SessionKey {
    let session = message / OF_SESSION;
    SessionKey::new(format!("agent-{}", session / OF_AGENT), "cli", "", "dm", format!("{session}"))
}

pub(crate) fn run(messages: u64, rounds: usize, samples: &Path, seed: u64) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("bench.db");
    Machine::here(dir.path(), seed).print();
    let mut talk = Talk::of(samples, seed)?;
    println!("{messages} messages of {WORDS} words, of the {} of the samples\n", talk.words.len());

    let store = blocking::open(&format!("sqlite:{}", path.display()))?;
    let begun = Instant::now();
    let mut written = Duration::ZERO;
    for from in (0..messages).step_by(APPEND as usize) {
        let batch = (0..APPEND).map(|_| NewMessage::new("user", talk.text())).collect();
        let append = Instant::now();
        store.append(&key(from), batch)?;
        written += append.elapsed();
    }
    println!(
        "appended, {APPEND} at a time by one caller: {:.1} s, {:.1} of them in the store",
        begun.elapsed().as_secs_f64(),
        written.as_secs_f64()
    );
    let newest = Search { limit: LIMIT, ..Search::new("nowhere0")? };
    let mut behind = Times::default();
    for _ in 0..5 {
        behind.measure(|| store.search(&newest))?;
    }
    println!(
        "a page of nothing while the index is behind, 4,000 messages looked at: {:.1} ms",
        behind.median() / 1e3
    );
    let begun = Instant::now();
    store.optimize()?;
    println!(
        "optimize, which brings the index up to date and makes it one piece: {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    bytes(&path, messages)?;
    settle()?;

    println!("\npages of {LIMIT}, {rounds} of each, in us: median, p99");
    let agent = Scope::agent(key(messages / 2).agent_id);
    let one = key(messages / 2).parts().into_iter().fold(Scope::all(), Scope::narrow);
    let frequent = ["the", "to", "and", "of", "in"];
    let mut random = Random(seed);
    let mut cases: Vec<(&str, Times)> = Vec::new();
    for _ in 0..rounds {
        let word = frequent[random.below(5) as usize];
        let other = frequent[random.below(5) as usize];
        let ticket = format!("ticket{}", random.below(10_000));
        let searches = [
            ("a word that some 30 messages have", Search::new(&ticket)?),
            ("a word that most messages have", Search::new(word)?),
            ("two such words", Search::new(&format!("{word} {other}"))?),
            ("two such words side by side", Search::new(&format!("\"{word} {other}\""))?),
            ("a rare word and a frequent one", Search::new(&format!("{ticket} {word}"))?),
            ("the beginning of a word", Search::new(&format!("{}*", &ticket[..8]))?),
            ("a word that none has", Search::new("nowhere0")?),
            ("a frequent word, in one agent", Search { scope: agent.clone(), ..Search::new(word)? }),
            ("a frequent word, in one session", Search { scope: one.clone(), ..Search::new(word)? }),
        ];
        for (name, search) in searches {
            let search = Search { limit: LIMIT, ..search };
            if !cases.iter().any(|(there, _)| *there == name) {
                // The first of each warms up.
                store.search(&search)?;
                cases.push((name, Times::default()));
            }
            if let Some((_, times)) = cases.iter_mut().find(|(there, _)| *there == name) {
                times.measure(|| store.search(&search))?;
            }
        }
    }
    for (name, times) in &cases {
        println!("  {name:36} {:8.0} {:8.0}", times.median(), times.percentile(99));
    }
    like(&path, rounds.min(5), seed)?;
    store.close()?;
    in_the_transaction(dir.path(), &mut talk)
}

fn bytes(path: &Path, messages: u64) -> Outcome<()> {
    let conn = Connection::open(path)?;
    let sum = |names: &str| -> Outcome<i64> {
        let sql =
            format!("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name {names}");
        Ok(conn.query_row(&sql, [], |row| row.get(0))?)
    };
    let (index, others) = (sum("LIKE 'search%'")?, sum("NOT LIKE 'search%'")?);
    println!(
        "bytes a message: {} of the index, {} of all else",
        index / messages as i64,
        others / messages as i64
    );
    Ok(())
}

/// What one does without an index.
fn like(path: &Path, rounds: usize, seed: u64) -> Outcome<()> {
    let conn = Connection::open(path)?;
    let (mut random, mut times) = (Random(seed), Times::default());
    for _ in 0..rounds {
        let pattern = format!("%ticket{}%", random.below(10_000));
        let sql = "SELECT id, content FROM messages WHERE content LIKE ?1 ORDER BY id DESC LIMIT 20";
        let found = times.measure(|| -> rusqlite::Result<usize> {
            conn.prepare_cached(sql)?
                .query_map([&pattern], |row| row.get::<_, String>(1))
                .map(Iterator::count)
        })?;
        assert!(found > 0, "{pattern}");
    }
    println!(
        "  {:36} {:8.0} {:8.0}",
        "the first of these, by LIKE in SQL",
        times.median(),
        times.percentile(99)
    );
    Ok(())
}

/// What an append would cost that puts its own words into the index: raw SQLite, FULL, without and with it, in turns.
fn in_the_transaction(dir: &Path, talk: &mut Talk) -> Outcome<()> {
    let open = |name: &str| -> Outcome<Connection> {
        let conn = Connection::open(dir.join(name))?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8192; \
             CREATE TABLE messages (id INTEGER PRIMARY KEY, content TEXT); \
             CREATE VIRTUAL TABLE search USING fts5 (words, content = '', contentless_delete = 1, tokenize = 'ascii');",
        )?;
        Ok(conn)
    };
    let stores = [(open("without.db")?, false), (open("with.db")?, true)];
    println!("\nraw SQLite, FULL, messages a second: without, and with the index in the transaction");
    for batch in [1, BATCH] {
        let mut times = [Times::default(), Times::default()];
        for _ in 0..BATCHES {
            let texts: Vec<String> = (0..batch).map(|_| talk.text()).collect();
            for ((conn, with), times) in stores.iter().zip(&mut times) {
                times.measure(|| -> rusqlite::Result<()> {
                    let tx = conn.unchecked_transaction()?;
                    for text in &texts {
                        let row = tx
                            .prepare_cached("INSERT INTO messages (content) VALUES (?1)")?
                            .insert([text])?;
                        if *with {
                            tx.prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?
                                .insert((row, text))?;
                        }
                    }
                    tx.commit()
                })?;
            }
        }
        let per_second = |times: &Times| batch as f64 * 1e6 / times.mean();
        let [without, with] = [per_second(&times[0]), per_second(&times[1])];
        println!("  {batch:2} a transaction: {without:.0}, {with:.0}; ratio {:.2}", with / without);
    }
    Ok(())
}
