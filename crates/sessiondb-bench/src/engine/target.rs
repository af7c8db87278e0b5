//! What the project promises of its speed, as ratios within one run, and whether it holds.

use serde::{Deserialize, Serialize};
use sessiondb::sqlite::Durability;

use super::{
    append,
    list::{self, Depth},
    load::Arrivals,
    mutex::MutexConnection,
    ours::SessionDb,
    raw::Raw,
    report::{Report, Round, Spread},
    sqlx::Sqlx,
    window,
};

/// One promise, and what was measured of it. What is divided was measured in the same round, so that what else happens on
/// the machine meets both.
#[derive(Serialize, Deserialize)]
pub(super) struct Target {
    what: String,
    measured: Spread,
    /// What is asked for of the median, in the unit of what was measured.
    wanted: f64,
    bound: Bound,
    unit: String,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum Bound {
    AtLeast,
    AtMost,
}

impl Target {
    pub fn new(what: String, rounds: Vec<f64>, bound: Bound, wanted: f64, unit: &str) -> Target {
        Target { what, measured: Spread::of(rounds), wanted, bound, unit: unit.to_owned() }
    }

    pub fn print(&self) {
        let Target { what, measured, wanted, bound, unit } = self;
        let Spread { median, least, greatest } = measured;
        let (holds, asked) = match bound {
            Bound::AtLeast => (median >= wanted, "at least"),
            Bound::AtMost => (median <= wanted, "at most"),
        };
        let holds = if holds { "pass " } else { "short" };
        println!("  {holds} {what}: {median:.2}{unit} ({least:.2}..{greatest:.2}); {asked} {wanted}{unit}");
    }
}

fn rate(round: &Round) -> f64 {
    round.per_second
}

fn p50(round: &Round) -> f64 {
    round.p50_us
}

fn p99(round: &Round) -> f64 {
    round.p99_us
}

/// The targets of which everything was measured.
pub(super) fn targets(report: &Report) -> Vec<Target> {
    let appends = |callers| append::workload(Durability::Full, Arrivals::Bursty, callers);
    let rounds = |workload: &str, candidate: &str, of: fn(&Round) -> f64| {
        Some(report.row(workload, candidate)?.rounds.iter().map(of).collect::<Vec<f64>>())
    };
    // How many times more of this the one has than the other, in each round.
    let by = |workload: &str, one: &str, other: &str, of: fn(&Round) -> f64| {
        let (one, other) = (rounds(workload, one, of)?, rounds(workload, other, of)?);
        Some(one.iter().zip(other).map(|(one, other)| one / other).collect())
    };
    let mut targets = Vec::new();
    let mut add = |what: String, rounds: Option<Vec<f64>>, bound, wanted, unit: &str| {
        targets.extend(rounds.map(|rounds| Target::new(what, rounds, bound, wanted, unit)));
    };

    let many = appends(64);
    for ours in [SessionDb::MULTI_THREAD, SessionDb::BLOCKING] {
        for (other, wanted) in [(Raw::NAME, 0.85), (MutexConnection::SAME_SCHEMA, 4.0), (Sqlx::ONE, 8.0)] {
            let what = format!("{many}: {ours}, messages a second by those of {other}");
            add(what, by(&many, ours, other, rate), Bound::AtLeast, wanted, "");
        }
        let other = MutexConnection::SAME_SCHEMA;
        let what = format!("{many}: {ours}, p99 by that of {other}");
        add(what, by(&many, ours, other, p99), Bound::AtMost, 0.2, "");
    }
    let alone = appends(1);
    for (ours, wanted) in
        [(SessionDb::BLOCKING, 0.9), (SessionDb::CURRENT_THREAD, 0.7), (SessionDb::MULTI_THREAD, 0.7)]
    {
        let what = format!("{alone}: {ours}, messages a second by those of {}", Raw::NAME);
        add(what, by(&alone, ours, Raw::NAME, rate), Bound::AtLeast, wanted, "");
    }
    for (ours, other) in [(window::MESSAGE, window::RAW), (window::STORED_MESSAGE, window::RAW_PARSED)] {
        let what = format!("{}: {ours}, speed (1/p50) by that of {other}", window::WARM);
        add(what, by(window::WARM, other, ours, p50), Bound::AtLeast, 0.8, "");
    }
    let what = format!("{}: {}, speed (1/p50) by that of {}", window::LIVE, window::MESSAGE, window::RAW);
    add(what, by(window::LIVE, window::RAW, window::MESSAGE, p50), Bound::AtLeast, 2.0, "");
    for depth in Depth::ALL {
        let what = format!("{}: {}, p50", depth.workload(), list::OURS);
        add(what, rounds(depth.workload(), list::OURS, p50), Bound::AtMost, 200.0, " us");
    }
    targets
}
