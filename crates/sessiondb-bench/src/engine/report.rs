//! What was measured, and the table of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::callers::Measured;

/// Everything that was measured: each workload in one piece, and these in the order in which they came first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub rows: Vec<Row>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// One thing that one candidate did.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub workload: String,
    pub candidate: String,
    pub rounds: Vec<Round>,
}

/// What came of it in one round. Rate and latencies are of the same calls.
#[derive(Serialize, Deserialize)]
pub(super) struct Round {
    pub calls: usize,
    pub per_second: f64,
    /// From call to answer, in microseconds.
    pub p50_us: f64,
    pub p99_us: f64,
    pub worst_us: f64,
}

impl Round {
    pub fn new(measured: Measured) -> Round {
        let Measured { time, mut latencies, .. } = measured;
        latencies.sort_unstable();
        let at = |hundredth: usize| {
            let place = (latencies.len() * hundredth / 100).min(latencies.len().saturating_sub(1));
            latencies.get(place).map_or(0.0, |latency: &Duration| latency.as_secs_f64() * 1e6)
        };
        Round {
            calls: latencies.len(),
            per_second: latencies.len() as f64 / time.as_secs_f64(),
            p50_us: at(50),
            p99_us: at(99),
            worst_us: at(100),
        }
    }
}

/// The median of the rounds, the least and the greatest.
#[derive(Serialize, Deserialize)]
pub(super) struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Spread { median: f64::midpoint(at(last / 2), at(values.len() / 2)), least: at(0), greatest: at(last) }
    }
}

impl Row {
    pub fn spread(&self, of: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(of).collect())
    }
}

impl Report {
    pub fn add(&mut self, workload: &str, candidate: &str, round: Round) {
        let found = self.rows.iter_mut().find(|row| row.workload == workload && row.candidate == candidate);
        match found {
            Some(row) => row.rounds.push(round),
            None => {
                let last = self.rows.iter().rposition(|row| row.workload == workload);
                let row = Row {
                    workload: workload.to_owned(),
                    candidate: candidate.to_owned(),
                    rounds: vec![round],
                };
                self.rows.insert(last.map_or(self.rows.len(), |last| last + 1), row);
            }
        }
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub fn row(&self, workload: &str, candidate: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.candidate == candidate)
    }

    /// Medians of the rounds; after them the least and the greatest round, and of the worst latencies the greatest.
    pub fn print(&self) {
        let mut workload = "";
        for row in &self.rows {
            if row.workload != workload {
                workload = &row.workload;
                println!("\n{workload}");
                println!(
                    "  {:<42} {:>26}  {:>24}  {:>24} {:>9}",
                    "", "a second (least..most)", "p50 us", "p99 us", "worst us"
                );
            }
            let rate = row.spread(|round| round.per_second);
            let (p50, p99) = (row.spread(|round| round.p50_us), row.spread(|round| round.p99_us));
            let worst = row.spread(|round| round.worst_us).greatest;
            println!(
                "  {:<42} {:>26}  {:>24}  {:>24} {worst:>9.0}",
                row.candidate,
                told(&rate, 0),
                told(&p50, 0),
                told(&p99, 0),
            );
        }
        println!();
        self.notes.iter().for_each(|note| println!("{note}"));
    }
}

/// The median, the least and the greatest, with so many digits after the point.
pub(super) fn told(spread: &Spread, digits: usize) -> String {
    let Spread { median, least, greatest } = spread;
    format!("{median:.digits$} ({least:.digits$}..{greatest:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(millis: &[u64]) -> Round {
        let latencies: Vec<_> = millis.iter().map(|millis| Duration::from_millis(*millis)).collect();
        Round::new(Measured { acknowledged: 0, time: latencies.iter().sum(), latencies })
    }

    #[test]
    fn a_round_tells_rate_and_latencies_of_the_same_calls() {
        let round = round(&(1..=200).rev().collect::<Vec<_>>());
        assert_eq!(round.calls, 200);
        assert_eq!((round.p50_us, round.p99_us, round.worst_us), (101e3, 199e3, 200e3));
        assert!((round.per_second - 200.0 / 20.1).abs() < 1e-9);
    }

    /// Whoever measures two things of one candidate before the next candidate's turn still has a table for each.
    #[test]
    fn what_belongs_to_a_workload_stands_together() {
        let mut report = Report::default();
        for (workload, candidate) in [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "1")] {
            report.add(workload, candidate, round(&[1]));
        }
        let rows: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.workload.as_str(), row.candidate.as_str(), row.rounds.len()))
            .collect();
        assert_eq!(rows, [("a", "1", 2), ("a", "2", 1), ("b", "1", 1), ("b", "2", 1)]);
    }

    #[test]
    fn a_spread_is_the_median_between_the_least_and_the_greatest_round() {
        let mut report = Report::default();
        for millis in [30, 10, 20, 1000] {
            report.add("workload", "candidate", round(&[millis]));
        }
        let row = report.row("workload", "candidate").unwrap();
        let spread = row.spread(|round| round.worst_us);
        assert_eq!((spread.least, spread.median, spread.greatest), (10e3, 25e3, 1000e3));
    }
}
