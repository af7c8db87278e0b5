//! One caller: candidates that do the same thing many times, in turns.

use std::time::{Duration, Instant};

use super::{
    callers::Measured,
    report::{Report, Round},
};
use crate::Outcome;

/// A candidate's name, and what it does as the `n`th time: it answers how long that alone took, and a number that comes
/// of everything it has read.
pub(super) type Call<'a> = (&'static str, Box<dyn FnMut(u64) -> Outcome<(Duration, u64)> + 'a>);

/// Each round every candidate does it so many times, beginning with another candidate each round; the first quarter
/// more, to warm up. All must have read the same.
pub(super) fn measure(
    report: &mut Report,
    workload: &str,
    rounds: usize,
    times: u64,
    candidates: &mut [Call<'_>],
) -> Outcome<()> {
    let warm = times / 4;
    for round in 0..rounds {
        let first = round as u64 * (warm + times);
        let mut read = Vec::new();
        for turn in 0..candidates.len() {
            let turn = (turn + round) % candidates.len();
            let (name, call) = &mut candidates[turn];
            let (mut latencies, mut sum) = (Vec::new(), 0_u64);
            for n in first..first + warm + times {
                let (latency, read) = call(n)?;
                if n >= first + warm {
                    latencies.push(latency);
                    sum = sum.wrapping_add(read);
                }
            }
            read.push((*name, sum));
            let (acknowledged, time) = (times, latencies.iter().sum());
            report.add(workload, name, Round::new(Measured { acknowledged, time, latencies }));
        }
        if let Some((other, _)) = read.iter().find(|(_, sum)| *sum != read[0].1) {
            return Err(format!("{workload}: {other} has read something else than {}", read[0].0).into());
        }
    }
    Ok(())
}

/// Does it, and answers how long it took.
pub(super) fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed(), done))
}
