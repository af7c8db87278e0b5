//! What is measured with: random numbers from a seed, medians, and a disk at rest.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::Outcome;

/// Random numbers that a seed makes again (splitmix64).
pub(crate) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// The times of one thing that was done many times.
#[derive(Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Does it once more.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0.push(start.elapsed());
        done
    }

    /// A time that was measured elsewhere.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that so many of a hundred did not exceed, in microseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }

    /// The mean, in microseconds.
    pub fn mean(&self) -> f64 {
        let sum: Duration = self.0.iter().sum();
        sum.as_secs_f64() * 1e6 / self.0.len().max(1) as f64
    }

    pub fn median(&self) -> f64 {
        self.percentile(50)
    }
}

/// The greatest of these by the least.
pub(crate) fn ratio(of: &[f64]) -> f64 {
    let (least, greatest) = of.iter().fold((f64::MAX, 0.0_f64), |(l, g), x| (l.min(*x), g.max(*x)));
    greatest / least
}

/// Waits until the system has written what it was given, so that it does not do so while something else is measured.
pub(crate) fn settle() -> Outcome<()> {
    if Command::new("sync").status()?.success() { Ok(()) } else { Err("sync failed".into()) }
}
