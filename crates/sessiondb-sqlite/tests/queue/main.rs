//! The queue in thousands of orders of its threads: each test is run under a scheduler that draws at every lock, wait and
//! wake-up who goes on (`shuttle`), at random and with few changes of thread at random places (PCT).
//!
//! `SESSIONDB_SCHEDULES` is how many orders of each kind; `SEED` draws the same ones again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test's output, shown when it fails or is asked for")]

mod history;
#[path = "../../src/queue.rs"]
mod queue;
mod sync;

use std::{
    env,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use sessiondb_core::Error;
use shuttle::{
    Config, Runner,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};

use crate::{
    history::{AtCheckpoint, History, Recorder, commits},
    queue::Queue,
    sync::{Condvar, Mutex, block_on},
};

/// Limits so small that a few callers reach them.
mod options {
    pub const BATCH_CALLS_MAX: usize = 2;
    pub const BATCH_CHANGES_MAX: usize = 4;
    pub const BATCH_BYTES_MAX: usize = 100;
}

fn in_every_order(test: fn()) {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let orders = number("SESSIONDB_SCHEDULES", 10_000) as usize;
    let seed = number("SEED", std::process::id().into());
    println!("SEED={seed}");
    let run = |scheduler: Box<dyn Scheduler + Send>| Runner::new(scheduler, Config::new()).run(test);
    assert_eq!(run(Box::new(RandomScheduler::new_from_seed(seed, orders))), orders);
    assert_eq!(run(Box::new(PctScheduler::new_from_seed(seed, 3, orders))), orders);
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Blocking,
    Awaited,
    /// Handed over, and then the future is dropped.
    Dropped,
    /// The future is dropped before it was ever polled.
    Unasked,
}

/// One call, from its beginning to its answer.
fn call(queue: &Queue<Recorder>, history: &History, name: &str, manner: Manner) {
    if manner == Manner::Blocking {
        history.begun(name);
        return history.answered(name, queue.commit_blocking(commits(name)));
    }
    let mut future = pin!(queue.commit(commits(name)));
    history.begun(name);
    if manner == Manner::Unasked {
        return;
    }
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => history.answered(name, answer),
        Poll::Pending => {
            history.accepted(name);
            if manner == Manner::Awaited {
                history.answered(name, block_on(future));
            }
        }
    }
}

fn any_manner() -> Manner {
    [Manner::Blocking, Manner::Blocking, Manner::Awaited, Manner::Dropped, Manner::Unasked]
        [thread_rng().gen_range(0..5)]
}

fn start(recorder: Recorder) -> Arc<Queue<Recorder>> {
    Arc::new(Queue::start(recorder).unwrap())
}

/// Whoever comes in whichever manner, while others borrow the writer and two close the queue: each call is answered once
/// and by its own answer, written once or refused, and in the order in which the calls were handed over. The threads all
/// end, or the scheduler says that nobody can go on.
#[test]
fn every_call_is_written_once_in_its_turn_or_refused_as_closed() {
    in_every_order(|| {
        let history = History::default();
        let queue = start(Recorder::new(&history));
        let mut threads: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|caller| {
                let (queue, history) = (Arc::clone(&queue), history.clone());
                thread::spawn(move || {
                    for (n, kind) in ["small", "large long", "huge refused"].into_iter().enumerate() {
                        call(&queue, &history, &format!("{caller}{n} {kind}"), any_manner());
                    }
                })
            })
            .collect();
        let borrower = Arc::clone(&queue);
        threads.push(thread::spawn(move || {
            let borrowed = borrower.with_writer(|_| {
                thread::yield_now();
                Ok(())
            });
            assert!(matches!(borrowed, Ok(()) | Err(Error::Closed)));
        }));
        for _ in 0..2 {
            let (queue, history) = (Arc::clone(&queue), history.clone());
            threads.push(thread::spawn(move || {
                history.closing();
                queue.close().unwrap();
                history.closed();
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        call(&queue, &history, "after", any_manner());
        history.judge();
    });
}

/// Callers who only hand over, on a queue that stays open until all have their answers: nobody is forgotten.
#[test]
fn every_caller_of_an_open_queue_has_an_answer() {
    in_every_order(|| {
        let history = History::default();
        let queue = start(Recorder::new(&history));
        let threads: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|caller| {
                let (queue, history) = (Arc::clone(&queue), history.clone());
                thread::spawn(move || {
                    for n in 0..3 {
                        let manner = [Manner::Blocking, Manner::Awaited][thread_rng().gen_range(0..2)];
                        call(&queue, &history, &format!("{caller}{n}"), manner);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        history.judge();
        let written = history.groups().into_iter().flatten().count();
        assert_eq!(written, 9);
    });
}

/// Group commit: whoever waits while a transaction is written is written with the next one, as many as it takes.
#[test]
fn those_who_wait_are_written_together() {
    in_every_order(|| {
        let history = History::default();
        let queue = start(Recorder::new(&history));
        let handed_over = ["one", "two", "three", "four long", "five long"];
        let lent = queue.with_writer(|_| {
            for name in handed_over {
                call(&queue, &history, name, Manner::Dropped);
            }
            Ok(())
        });
        lent.unwrap();
        // It comes after those, though the writer may be idle for a moment.
        call(&queue, &history, "six", Manner::Blocking);
        history.judge();
        let groups: Vec<String> = history.groups().iter().map(|names| names.join("+")).collect();
        let last = groups.len() - 1;
        assert_eq!(groups[..2], ["one+two", "three+four long"]);
        assert!(matches!(groups[2..].join(" ").as_str(), "five long six" | "five long+six"), "{groups:?}");
        assert!(last <= 3);
    });
}

/// A caller who commits for itself has its answer before the checkpoint, which the queue's thread makes, though nobody
/// comes any more.
#[test]
fn the_checkpoint_that_a_lone_caller_leaves_is_made() {
    in_every_order(|| {
        let (history, told) = (History::default(), Arc::new((Mutex::new(false), Condvar::new())));
        let at_checkpoint = AtCheckpoint::Tell(Arc::clone(&told));
        let queue = start(Recorder { at_checkpoint, ..Recorder::new(&history) });
        call(&queue, &history, "one", Manner::Blocking);
        let mut done = told.0.lock();
        while !*done {
            told.1.wait(&mut done);
        }
        drop(done);
        call(&queue, &history, "two", Manner::Blocking);
        history.judge();
    });
}

/// A panic while something is written is an answer of "unknown" to everybody who was written with it, one after the
/// answers takes nothing from anybody; the queue's thread goes on, and the writer is told to stop.
#[test]
fn a_panic_of_the_writer_answers_everybody() {
    in_every_order(|| {
        let (history, in_checkpoint) = (History::default(), thread_rng().gen_range(0..2) == 0);
        let at_checkpoint = if in_checkpoint { AtCheckpoint::Panic } else { AtCheckpoint::Nothing };
        let queue = start(Recorder { at_checkpoint, ..Recorder::new(&history) });
        let name = |n: usize| if n == 1 && !in_checkpoint { "1 panic".to_owned() } else { n.to_string() };
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let (queue, history, name) = (Arc::clone(&queue), history.clone(), name(n));
                let manner = [Manner::Blocking, Manner::Awaited][thread_rng().gen_range(0..2)];
                thread::spawn(move || call(&queue, &history, &name, manner))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        history.closing();
        queue.close().unwrap();
        assert_eq!(queue.waiting(), 0, "a call waits in a queue that is closed");
        history.closed();
        history.judge();
        let unknown = |n: usize| matches!(history.answer(&name(n)).unwrap(), Err(Error::Unknown(_)));
        assert!(in_checkpoint || unknown(1));
        assert!(history.stopped());
    });
}
