//! Many callers at once. Nothing here depends on who is faster: what is asserted holds in every order of events.

use std::{
    sync::{Barrier, mpsc},
    task::{Context, Waker},
    thread,
};

use pollster::block_on;

use super::{
    examples::{key, not_found, open, put, said, say, session, status, to},
    observed::{history, observe, texts},
};
use crate::{Conflict, DocumentFilter, Error, Expect, Receipt, Scope, SessionFilter, Store, Window, Write};

const THREADS: usize = 8;

/// Runs `work` in eight threads at once, each with its number and a handle of its own: every second one the handle
/// for blocking callers. Answers with what each answered.
fn at_once<T: Send>(store: &Store, work: impl Fn(usize, Store) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let spawn = |n: usize| {
            let handle = if n.is_multiple_of(2) { store.for_blocking() } else { store.clone() };
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(n, handle)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Of eight answers, all but one must be this conflict about `ann`. Answers with the one's receipt and number.
fn only_one(answers: Vec<Result<Receipt, Error>>, conflict: Conflict) -> (usize, Receipt) {
    let refusal = Error::Conflict { key: Box::new(key("ann")), conflict };
    let mut winner = None;
    for (n, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(receipt) => assert!(winner.replace((n, receipt)).is_none(), "two commits succeeded"),
            Err(error) => assert_eq!(error, refusal),
        }
    }
    winner.expect("no commit succeeded")
}

/// Eight threads that open one new key get one session, and none of them an error.
pub async fn threads_that_open_one_key_get_one_session(store: Store) {
    for round in 0..10 {
        let key = key(&round.to_string());
        let sessions = at_once(&store, |_, store| block_on(store.session_open(&key)).unwrap());
        assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
    }
    assert_eq!(observe(&store).await.0.len(), 10);
}

/// Eight threads that append to one session: every message is there once, numbered without gaps, each thread's in its
/// own order and under the numbers that its receipts told.
pub async fn threads_that_append_lose_nothing(store: Store) {
    let told = at_once(&store, |n, store| {
        let append = |m: usize| {
            let (one, two) = (format!("{n}.{m}.1"), format!("{n}.{m}.2"));
            let receipt = block_on(store.append(&key("ann"), vec![said(&one), said(&two)])).unwrap();
            [(one, receipt.seqs[0]), (two, receipt.seqs[1])]
        };
        (0..25).flat_map(append).collect::<Vec<_>>()
    });
    let messages = history(&store, &key("ann")).await;
    assert_eq!(messages.len(), THREADS * 25 * 2);
    for of_thread in told {
        assert!(of_thread.is_sorted_by_key(|(_, seq)| *seq));
        // The two messages of one append stand side by side.
        assert!(of_thread.chunks(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{of_thread:?}");
        for (text, seq) in of_thread {
            assert_eq!(messages[seq as usize - 1].content.get(), format!("\"{text}\""));
        }
    }
    assert_eq!(observe(&store).await.0[0].0.head, 400);
}

/// Tokens that eight threads add are all counted.
pub async fn threads_that_add_tokens_lose_none(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    at_once(&store, |n, store| {
        for _ in 0..25 {
            block_on(store.commit_one(to("ann").write(Write::AddTokens(n as u64 + 1)))).unwrap();
        }
    });
    assert_eq!(session(&store, "ann").await.token_usage, 25 * (1..=8).sum::<u64>());
}

/// Of eight commits that expect the same revision and change it, one succeeds, and the others are told so.
pub async fn of_threads_that_expect_one_revision_one_succeeds(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    for revision in 0..10 {
        let change = |n: usize| to("ann").expect(Expect::State(revision)).write(status(&format!("of {n}")));
        let answers = at_once(&store, |n, store| block_on(store.commit_one(change(n))));
        let conflict = Conflict::State { expected: revision, current: revision + 1 };
        let (winner, receipt) = only_one(answers, conflict);
        assert_eq!(receipt.revision, revision + 1);
        assert_eq!(session(&store, "ann").await.status, format!("of {winner}"));
    }
}

/// The same of the last message, of a document, and of there being no session at all.
pub async fn of_threads_that_expect_the_same_one_succeeds(store: Store) {
    let first = open("ann").expect(Expect::Absent).write(status("first"));
    let answers = at_once(&store, |_, store| block_on(store.commit_one(first.clone())));
    only_one(answers, Conflict::Exists { current: 1 });

    let append = |n: usize| to("ann").expect(Expect::Head(0)).write(say(&[&format!("of {n}")]));
    let answers = at_once(&store, |n, store| block_on(store.commit_one(append(n))));
    let (winner, _) = only_one(answers, Conflict::Head { expected: 0, current: 1 });
    assert_eq!(texts(&store, &key("ann")).await, [format!("\"of {winner}\"")]);

    let absent = Expect::Document { collection: "notes".into(), id: "1".into(), revision: 0 };
    let write = |n: usize| to("ann").expect(absent.clone()).write(put("notes", "1", &n.to_string()));
    let answers = at_once(&store, |n, store| block_on(store.commit_one(write(n))));
    let (collection, id) = ("notes".into(), "1".into());
    let (winner, _) = only_one(answers, Conflict::Document { collection, id, expected: 0, current: 2 });
    let document = store.document(&key("ann"), "notes", "1").await.unwrap().unwrap();
    assert_eq!(document.body.get(), winner.to_string());
}

/// A commit that eight threads send at once, as one would after lost answers, happens once. So does a message.
pub async fn threads_that_send_the_same_do_it_once(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    for round in 1..=10 {
        let commit = to("ann").write(say(&["once"])).write(status("idle")).id(format!("turn-{round}"));
        let receipts = at_once(&store, |_, store| block_on(store.commit_one(commit.clone())).unwrap());
        assert_eq!(receipts.iter().filter(|receipt| !receipt.replayed).count(), 1);
        assert!(receipts.iter().all(|r| (&r.seqs[..], r.revision) == (&[round][..], round)), "{receipts:?}");
    }
    let message = said("also once").message_id("m-1");
    let receipts =
        at_once(&store, |_, store| block_on(store.append(&key("ann"), vec![message.clone()])).unwrap());
    assert!(receipts.iter().all(|receipt| receipt.seqs == [11]), "{receipts:?}");
    assert_eq!(history(&store, &key("ann")).await.len(), 11);
}

/// Calls over several sessions, named in different orders, neither block each other for ever nor mix.
pub async fn threads_that_write_two_sessions_in_either_order(store: Store) {
    at_once(&store, |n, store| {
        let (first, second) = if n < THREADS / 2 { ("ann", "bob") } else { ("bob", "ann") };
        for m in 0..20 {
            let text = format!("{n}.{m}");
            block_on(store.commit(vec![open(first).write(say(&[&text])), open(second).write(say(&[&text]))]))
                .unwrap();
        }
    });
    let of_ann = texts(&store, &key("ann")).await;
    assert_eq!(of_ann.len(), THREADS * 20);
    assert_eq!(
        of_ann,
        texts(&store, &key("bob")).await,
        "the calls were one after the other, so both logs agree"
    );
}

/// Eight threads that open, write and delete one session meet it or do not; nothing else happens.
pub async fn threads_that_delete_what_others_write(store: Store) {
    at_once(&store, |n, store| {
        for m in 0..20 {
            match (n + m) % 3 {
                0 => drop(block_on(store.append(&key("ann"), vec![said("hello")])).unwrap()),
                1 => drop(block_on(store.session_delete(&key("ann"))).unwrap()),
                _ => match block_on(store.commit_one(to("ann").write(put("notes", &m.to_string(), "1")))) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error, not_found("ann")),
                },
            }
        }
    });
    let there = store.session(&key("ann")).await.unwrap().is_some();
    assert_eq!(observe(&store).await.0.len(), usize::from(there));
}

/// A read sees every commit that was answered before it began, on whichever handle.
pub async fn a_read_sees_what_was_answered_before(store: Store) {
    let scoped = store.scoped(Scope::agent("main")).unwrap();
    let readers = [store.clone(), store.for_blocking(), scoped.for_blocking(), scoped];
    let (tell, told) = mpsc::sync_channel::<u64>(0);
    thread::scope(|scope| {
        let writer = store.for_blocking();
        scope.spawn(move || {
            for turn in 1..=100 {
                let commit =
                    open("ann").write(say(&["hello"])).write(put("notes", "turn", &turn.to_string()));
                block_on(writer.commit_one(commit)).unwrap();
                // Who reads may be gone after a failed assertion.
                let _ = tell.send(turn);
            }
        });
        for (turn, reader) in told.into_iter().zip(readers.iter().cycle()) {
            let session = block_on(reader.session(&key("ann"))).unwrap().unwrap();
            assert!(session.head >= turn && session.revision >= turn, "{session:?} after turn {turn}");
            let page = block_on(reader.message_window(&key("ann"), Window::last(1))).unwrap();
            assert!(page.messages[0].seq >= turn, "{page:?} after turn {turn}");
            let document = block_on(reader.document(&key("ann"), "notes", "turn")).unwrap().unwrap();
            assert!(document.body.read::<u64>().unwrap() >= turn, "{document:?} after turn {turn}");
            let listed = block_on(reader.session_list(&SessionFilter::default())).unwrap().sessions;
            assert!(listed[0].head >= turn, "{listed:?} after turn {turn}");
        }
    });
}

/// A read sees a call of `commit` wholly or not at all.
pub async fn a_read_sees_a_commit_wholly_or_not_at_all(store: Store) {
    let turn = |n: u64| {
        let text = n.to_string();
        let write = |peer: &str| {
            let both = open(peer).write(say(&[&text, &text])).write(status(&text)).write(Write::AddTokens(1));
            both.write(put("notes", "a", &text)).write(put("notes", "b", &text))
        };
        vec![write("ann"), write("bob")]
    };
    let read = |store: &Store| {
        let listed = block_on(store.session_list(&SessionFilter::default())).unwrap().sessions;
        for session in &listed {
            let n = session.revision;
            assert_eq!((session.head, session.message_count, session.token_usage), (2 * n, 2 * n, n));
            assert_eq!((&session.status, session.revision), (&n.to_string(), listed[0].revision));
        }
        let page = block_on(store.message_window(&key("ann"), Window::last(1_000))).unwrap();
        assert!(page.messages.len().is_multiple_of(2), "{} messages", page.messages.len());
        let documents =
            block_on(store.document_list(&key("bob"), &DocumentFilter::default())).unwrap().documents;
        assert_eq!((documents.len(), &documents[0].body), (2, &documents[1].body));
    };
    store.commit(turn(1)).await.unwrap();
    thread::scope(|scope| {
        let writer = store.for_blocking();
        let writing =
            scope.spawn(move || (2..=60).for_each(|n| drop(block_on(writer.commit(turn(n))).unwrap())));
        while !writing.is_finished() {
            read(&store);
            read(&store.for_blocking());
        }
    });
    read(&store);
    assert_eq!(session(&store, "ann").await.revision, 60);
}

/// A caller that stops waiting (its future is dropped) loses the answer and nothing else: the commit happens once or
/// not at all, a retry makes it happen once, and the store goes on.
pub async fn a_commit_that_nobody_waits_for_happens_once_or_not_at_all(store: Store) {
    store.session_open(&key("ann")).await.unwrap();
    let turn = |n: u64| {
        let (one, two) = (said(&format!("{n} one")).message_id(format!("m-{n}")), said(&format!("{n} two")));
        let between = put("notes", "turn", &n.to_string());
        let halves = to("ann").write(Write::Append(vec![one])).write(between).write(Write::Append(vec![two]));
        halves.id(format!("turn-{n}"))
    };
    for n in 0..20 {
        let handle = if n % 4 == 0 { store.for_blocking() } else { store.clone() };
        let mut waiting = Box::pin(handle.commit_one(turn(n)));
        let _ = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(waiting);
        store.append(&key("ann"), vec![said("goes on")]).await.unwrap();
        // Every third is not retried.
        if n % 3 > 0 {
            let receipt = store.commit_one(turn(n)).await.unwrap();
            assert_eq!(receipt.seqs[1], receipt.seqs[0] + 1);
        }
    }
    let texts = texts(&store, &key("ann")).await;
    for n in 0..20 {
        let place = |half: &str| {
            let text = format!("\"{n} {half}\"");
            let places: Vec<usize> = (0..texts.len()).filter(|place| texts[*place] == text).collect();
            assert!(places.len() <= 1, "{text} is there {} times", places.len());
            places.first().copied()
        };
        let (one, two) = (place("one"), place("two"));
        assert_eq!(one.map(|place| place + 1), two, "half of turn {n} is there");
        assert!(one.is_some() || n % 3 == 0, "turn {n} was answered and is not there");
    }
    assert_eq!(texts.iter().filter(|text| *text == "\"goes on\"").count(), 20);
}

/// Eight threads that pop get each message once, and together all of them.
pub async fn threads_that_pop_get_each_message_once(store: Store) {
    let count = 200_u64;
    store.append(&key("ann"), (1..=count).map(|n| said(&n.to_string())).collect()).await.unwrap();
    let popped = at_once(&store, |_, store| {
        let mut mine = Vec::new();
        while let Some(message) = block_on(store.pop(&key("ann"))).unwrap() {
            assert_eq!(message.content.get(), format!("\"{}\"", message.seq));
            mine.push(message.seq);
        }
        mine
    });
    assert!(popped.iter().all(|mine| mine.is_sorted_by(|a, b| a > b)), "{popped:?}");
    let mut all: Vec<u64> = popped.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=count).collect::<Vec<_>>());
    assert_eq!(history(&store, &key("ann")).await, []);
}

/// Of eight threads that replace the same end of a history, one does.
pub async fn of_threads_that_replace_one_suffix_one_succeeds(store: Store) {
    for round in 0..10_u64 {
        let receipt = store.append(&key("ann"), vec![said("old")]).await.unwrap();
        let answers = at_once(&store, |n, store| {
            block_on(store.replace_suffix(&key("ann"), &receipt.seqs, vec![said(&n.to_string())]))
        });
        let (n, receipt) =
            only_one(answers, Conflict::Tail { expected: receipt.seqs, current: vec![2 * round + 2] });
        assert_eq!(receipt.seqs, [2 * round + 1, 2 * round + 2]);
        assert_eq!(texts(&store, &key("ann")).await.last().unwrap(), &format!("\"{n}\""));
    }
}

/// Threads that change what a session shows lose nothing that others append meanwhile.
pub async fn threads_that_change_views_lose_no_append(store: Store) {
    store.append(&key("ann"), (0..20).map(|n| said(&n.to_string())).collect()).await.unwrap();
    at_once(&store, |n, store| {
        for round in 0..25 {
            let change = match (n % 4, round % 3) {
                (0, 0) => block_on(store.compact(&key("ann"), 3, Some(said("summary")))).map(drop),
                (0, 1) => block_on(store.uncompact(&key("ann"))).map(drop),
                (0, _) => block_on(store.undo(&key("ann"))).map(drop),
                (1, 0) => block_on(store.reset(&key("ann"))).map(drop),
                (1, _) => block_on(store.fork(&key("ann"), &key(&format!("{n}-{round}")), None)).map(drop),
                _ => block_on(store.append(&key("ann"), vec![said(&format!("t{n}-{round}"))])).map(drop),
            };
            match change {
                // Somebody else hid the message that the compaction went by.
                Ok(()) | Err(Error::Conflict { conflict: Conflict::NotInView { .. }, .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    // Every append is in the log, in its thread's order; observing holds the counts against what is there.
    let log = super::observed::log(&store, &key("ann")).await;
    for n in [2, 3, 6, 7] {
        let mine: Vec<&str> = log
            .iter()
            .map(|m| m.content.get().trim_matches('"'))
            .filter(|text| text.starts_with(&format!("t{n}-")))
            .collect();
        assert_eq!(mine, (0..25).map(|round| format!("t{n}-{round}")).collect::<Vec<_>>());
    }
    observe(&store).await;
    while store.undo(&key("ann")).await.unwrap() {}
    let shown = texts(&store, &key("ann")).await;
    assert_eq!(shown.iter().filter(|text| text.starts_with("\"t")).count(), 100, "{shown:?}");
}
