//! Appends to each variant, many in a transaction and one.

use std::{fs, path::Path, sync::Arc};

use sessiondb::sqlite::Durability;

use super::{
    super::{
        append::{Load, all_stored, stored},
        by_hand::Settings,
        load::Arrivals,
        raw,
        report::{Report, Round},
    },
    Plan, Stores,
    variant::Variant,
};
use crate::{Outcome, sample::settle};

pub(super) const BATCHES: &str = "append, FULL, bursty, 64 in a transaction";
pub(super) const ALONE: &str = "append, FULL, bursty, 1 in a transaction";

/// Each round every variant in turn, beginning with another, on a copy of its store that is then thrown away: so a round is
/// not on a larger store than the one before, and no store falls out of the system's memory while others are measured.
pub(super) fn run(plan: &Plan, variants: &[Variant], stores: &Stores, report: &mut Report) -> Outcome<()> {
    let appending: Vec<(&Variant, Settings)> =
        variants.iter().filter_map(|variant| Some((variant, variant.writer?))).collect();
    let copy = plan.dir.join("copy.db");
    for round in 0..plan.rounds {
        for turn in 0..appending.len() {
            let (variant, settings) = appending[(turn + round) % appending.len()];
            fs::copy(stores.of(variant.change)?, &copy)?;
            settle()?;
            let mut first = stored(&copy)?;
            for (workload, callers) in [(BATCHES, 64), (ALONE, 1)] {
                first = append(plan, (variant, settings), (workload, callers), (&copy, first), report)?;
            }
            fs::remove_file(&copy)?;
        }
    }
    Ok(())
}

/// Answers how many messages are in the file afterwards.
fn append(
    plan: &Plan,
    (variant, settings): (&Variant, Settings),
    (workload, callers): (&str, usize),
    (file, first): (&Path, u64),
    report: &mut Report,
) -> Outcome<u64> {
    let load = Load {
        sample: Arc::clone(&plan.sample),
        seed: plan.content.seed,
        durability: Durability::Full,
        arrivals: Arrivals::Bursty,
        callers,
        first,
        time: plan.time,
    };
    let conn = settings.connect(file)?;
    let measured = raw::append(&conn, &variant.change.schema(), &load)?;
    drop(conn);
    let now = all_stored(variant.name, file, first, &measured)?;
    report.add(workload, variant.name, Round::new(measured));
    Ok(now)
}
