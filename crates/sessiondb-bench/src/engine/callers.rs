//! Callers: threads or tasks that call, each again when it was answered, until the time is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{Failure, Outcome};

/// What callers share: the number of the next call, and until when they call.
pub(super) struct Turn {
    next: AtomicU64,
    /// Calls that are answered earlier warm up and are not counted.
    counted_from: Instant,
    end: Instant,
}

impl Turn {
    /// Begins now: a quarter of the time to warm up, then the time itself.
    pub fn begin(first: u64, time: Duration) -> Turn {
        let counted_from = Instant::now() + time / 4;
        Turn { next: AtomicU64::new(first), counted_from, end: counted_from + time }
    }

    /// The number of the next call, until the time is over.
    pub fn next(&self) -> Option<u64> {
        (Instant::now() < self.end).then(|| self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// What was measured, from what each caller has noted.
    pub fn sum(&self, callers: Vec<Notes>) -> Measured {
        let last = callers.iter().filter_map(|notes| notes.last).max().unwrap_or(self.end);
        Measured {
            acknowledged: callers.iter().map(|notes| notes.acknowledged).sum(),
            time: last.duration_since(self.counted_from),
            latencies: callers.into_iter().flat_map(|notes| notes.latencies).collect(),
        }
    }
}

/// What one caller notes.
#[derive(Default)]
pub(super) struct Notes {
    acknowledged: u64,
    latencies: Vec<Duration>,
    last: Option<Instant>,
}

impl Notes {
    /// So many calls that began together at this moment were answered now.
    pub fn answered(&mut self, turn: &Turn, start: Instant, calls: usize) {
        let now = Instant::now();
        self.acknowledged += calls as u64;
        if now >= turn.counted_from {
            self.latencies.extend(std::iter::repeat_n(now.duration_since(start), calls));
            self.last = Some(now);
        }
    }
}

/// What came of all calls.
pub(super) struct Measured {
    /// Calls that were answered, those to warm up too.
    pub acknowledged: u64,
    /// From the end of the warming up to the last answer.
    pub time: Duration,
    /// Of each counted call, from the call to its answer.
    pub latencies: Vec<Duration>,
}

/// So many threads call.
pub(super) fn threads(
    count: usize,
    turn: &Turn,
    call: impl Fn(u64) -> Outcome<()> + Sync,
) -> Outcome<Measured> {
    let caller = || -> Outcome<Notes> {
        let mut notes = Notes::default();
        while let Some(n) = turn.next() {
            let start = Instant::now();
            call(n)?;
            notes.answered(turn, start, 1);
        }
        Ok(notes)
    };
    let notes: Outcome<Vec<Notes>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..count).map(|_| scope.spawn(caller)).collect();
        callers
            .into_iter()
            .map(|caller| caller.join().map_err(|_| Failure::from("a caller panicked"))?)
            .collect()
    });
    Ok(turn.sum(notes?))
}

/// So many tasks of this runtime call.
pub(super) fn tasks<F>(
    runtime: &Runtime,
    count: usize,
    turn: Turn,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Outcome<Measured>
where
    F: std::future::Future<Output = Outcome<()>> + Send,
{
    let turn = Arc::new(turn);
    let callers: Vec<_> = (0..count)
        .map(|_| {
            let (turn, call) = (Arc::clone(&turn), call.clone());
            runtime.spawn(async move {
                let mut notes = Notes::default();
                while let Some(n) = turn.next() {
                    let start = Instant::now();
                    call(n).await?;
                    notes.answered(&turn, start, 1);
                }
                Outcome::Ok(notes)
            })
        })
        .collect();
    let notes = runtime.block_on(async {
        let mut notes = Vec::with_capacity(count);
        for caller in callers {
            notes.push(caller.await??);
        }
        Outcome::Ok(notes)
    })?;
    Ok(turn.sum(notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_is_answered_while_warming_up_is_acknowledged_and_not_counted() {
        let (now, mut notes) = (Instant::now(), Notes::default());
        let next = || AtomicU64::new(0);
        notes.answered(&Turn { next: next(), counted_from: now + HOUR, end: now + 2 * HOUR }, now, 3);
        let turn = Turn { next: next(), counted_from: now, end: now + HOUR };
        notes.answered(&turn, now, 2);
        let measured = turn.sum(vec![notes]);
        assert_eq!((measured.acknowledged, measured.latencies.len()), (5, 2));
        assert!(measured.time < HOUR, "up to the last answer, and no further");
    }

    #[test]
    fn callers_take_numbers_until_the_time_is_over() {
        let now = Instant::now();
        let turn = Turn { next: AtomicU64::new(7), counted_from: now, end: now + HOUR };
        assert_eq!((turn.next(), turn.next()), (Some(7), Some(8)));
        let over = Turn { end: now, ..turn };
        assert_eq!(over.next(), None);
    }
}
