//! What threads wait with. `tests/queue` compiles the queue with others of the same names, which try its orders.

use std::time::{Duration, Instant};

pub(crate) use std::thread::{Builder, JoinHandle, yield_now};

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use pollster::block_on;

/// Measures how long something takes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// One so-manieth of the time since then, and not more than `most`.
    pub(crate) fn share(self, parts: u32, most: Duration) -> Patience {
        Patience((self.0.elapsed() / parts).min(most))
    }
}

/// How long somebody waits.
#[derive(Clone, Copy)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) fn none() -> Patience {
        Patience(Duration::ZERO)
    }

    pub(crate) fn begin(self) -> Deadline {
        Deadline(Instant::now() + self.0)
    }
}

/// Until when somebody waits.
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }
}
