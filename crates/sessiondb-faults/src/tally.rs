//! [`Tally`]: what came of many power cuts.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{judge::Wrong, medium::Damage, operation::Operation};

/// What came of many cuts.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many cuts were judged.
    pub cuts: u64,
    /// In how many of them the power went again while the store was opened and written to after the first.
    pub nested: u64,
    /// In how many of them something had not been synced.
    pub unsynced: u64,
    /// In how many of them a call was there that had not been answered.
    pub unanswered: u64,
    /// How often each operation was in flight under each damage.
    pub coverage: BTreeMap<(Operation, Damage), u64>,
    /// What was wrong, with what it takes to see it again.
    pub findings: Vec<(Wrong, String)>,
    /// How long it took.
    pub took: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.cuts += other.cuts;
        self.nested += other.nested;
        self.unsynced += other.unsynced;
        self.unanswered += other.unanswered;
        for (at, count) in other.coverage {
            *self.coverage.entry(at).or_default() += count;
        }
        self.findings.extend(other.findings);
    }

    /// What was in flight less than so often.
    pub fn gaps(&self, least: u64) -> Vec<(Operation, Damage)> {
        let all = Operation::all().flat_map(|operation| Damage::ALL.map(|damage| (operation, damage)));
        all.filter(|at| self.coverage.get(at).is_none_or(|count| *count < least)).collect()
    }

    /// How often this was wrong.
    pub fn count(&self, wrong: Wrong) -> usize {
        self.findings.iter().filter(|(found, _)| *found == wrong).count()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.cuts as f64 / self.took.as_secs_f64().max(0.001);
        writeln!(
            f,
            "{} cuts in {:.0} s ({rate:.0}/s): {} with something unsynced, {} with a call that was not yet answered, \
             {} cut twice",
            self.cuts,
            self.took.as_secs_f64(),
            self.unsynced,
            self.unanswered,
            self.nested
        )?;
        let wrongs = [
            Wrong::Lost,
            Wrong::Torn,
            Wrong::Invented,
            Wrong::Differs,
            Wrong::Corrupt,
            Wrong::Unreadable,
            Wrong::Stuck,
        ];
        for wrong in wrongs {
            write!(f, "{wrong:?} {}  ", self.count(wrong))?;
        }
        write!(f, "\n{:<16}", "in flight")?;
        Damage::ALL.iter().try_for_each(|damage| write!(f, "{:>11}", format!("{damage:?}")))?;
        for operation in Operation::all() {
            let counts =
                Damage::ALL.map(|damage| self.coverage.get(&(operation, damage)).copied().unwrap_or(0));
            write!(f, "\n{:<16}", format!("{operation:?}"))?;
            counts.iter().try_for_each(|count| write!(f, "{count:>11}"))?;
        }
        writeln!(f)
    }
}
