//! A line for each variant, divided by the layout as it is.

use serde::Serialize;

use super::{
    super::report::{Report, Round, Spread, told},
    variant::{AS_IT_IS, Variant},
};

/// What a variant comes to.
#[derive(Serialize)]
pub(super) struct Line {
    name: String,
    bytes_a_message: f64,
    /// By the layout as it is.
    bytes_ratio: f64,
    /// One for each column, where it was measured.
    measured: Vec<Option<Compared>>,
    /// Of an index that is missing: what it is for.
    serves: Option<Served>,
}

/// One thing that was measured.
#[derive(Serialize)]
pub(super) struct Compared {
    median: f64,
    /// By the layout as it is, in the same round; above 1 is faster.
    ratio: Spread,
}

/// A read, with its index and without it.
#[derive(Serialize)]
pub(super) struct Served {
    what: String,
    with_us: f64,
    without_us: f64,
    /// How many times longer it takes without.
    longer: Spread,
}

/// A workload, and which of its figures is shown.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub heading: &'static str,
    pub workload: &'static str,
    pub figure: Figure,
}

#[derive(Clone, Copy)]
pub(super) enum Figure {
    /// So many a second.
    Rate,
    /// The median latency in microseconds.
    P50,
}

/// The median of one variant, and how it compares round by round with another.
fn compare(report: &Report, workload: &str, figure: Figure, name: &str, with: &str) -> Option<Compared> {
    let of: fn(&Round) -> f64 = match figure {
        Figure::Rate => |round| round.per_second,
        Figure::P50 => |round| round.p50_us,
    };
    let (row, base) = (report.row(workload, name)?, report.row(workload, with)?);
    let ratios = row.rounds.iter().zip(&base.rounds).map(|(row, base)| match figure {
        Figure::Rate => of(row) / of(base),
        Figure::P50 => of(base) / of(row),
    });
    Some(Compared { median: row.spread(of).median, ratio: Spread::of(ratios.collect()) })
}

/// All lines. Of each variant goes how many bytes of its file a message takes.
pub(super) fn lines(report: &Report, columns: &[Column], variants: &[(&Variant, f64)]) -> Vec<Line> {
    let as_it_is = variants.first().map_or(f64::NAN, |(_, bytes)| *bytes);
    let line = |(variant, bytes): &(&Variant, f64)| Line {
        name: variant.name.to_owned(),
        bytes_a_message: *bytes,
        bytes_ratio: bytes / as_it_is,
        measured: columns
            .iter()
            .map(|column| compare(report, column.workload, column.figure, variant.name, AS_IT_IS))
            .collect(),
        serves: variant.serves.and_then(|read| {
            let with = compare(report, read.what, Figure::P50, AS_IT_IS, variant.name)?;
            let without = compare(report, read.what, Figure::P50, variant.name, AS_IT_IS)?;
            let (with_us, without_us) = (with.median, without.median);
            Some(Served { what: read.what.to_owned(), with_us, without_us, longer: with.ratio })
        }),
    };
    variants.iter().map(line).collect()
}

/// The table, and below it what the indexes are for.
pub(super) fn print(lines: &[Line], columns: &[Column]) {
    print!("  {:<30}", "");
    columns.iter().for_each(|column| print!(" {:>27}", column.heading));
    println!(" {:>16}", "bytes a message");
    for line in lines {
        print!("  {:<30}", line.name);
        for compared in &line.measured {
            let cell = compared
                .as_ref()
                .map(|Compared { median, ratio }| format!("{median:.0}  {}", told(ratio, 2)));
            print!(" {:>27}", cell.as_deref().unwrap_or("-"));
        }
        println!(" {:>16}", format!("{:.0}  {:.2}", line.bytes_a_message, line.bytes_ratio));
    }
    println!(
        "\nwhat an index is for, with it and without it, p50 us; how many times longer it takes without"
    );
    for line in lines {
        if let Some(Served { what, with_us, without_us, longer }) = &line.serves {
            println!("  {:<30} {what:<66} {with_us:>7.0} {without_us:>7.0}  {}", line.name, told(longer, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::callers::Measured;

    fn report(rounds: &[(&'static str, u64)]) -> Report {
        let mut report = Report::default();
        for (name, millis) in rounds {
            let time = Duration::from_millis(*millis);
            let measured = Measured { acknowledged: 1, time, latencies: vec![time] };
            report.add("workload", name, Round::new(measured));
        }
        report
    }

    #[test]
    fn above_1_is_faster_in_rates_and_in_latencies() {
        let report =
            report(&[("ours", 20), ("other", 10), ("ours", 20), ("other", 40), ("ours", 30), ("other", 30)]);
        for figure in [Figure::Rate, Figure::P50] {
            let ratio = compare(&report, "workload", figure, "other", "ours").unwrap().ratio;
            let near = |is: f64, wanted: f64| (is - wanted).abs() < 1e-9;
            assert!(near(ratio.least, 0.5) && near(ratio.median, 1.0) && near(ratio.greatest, 2.0));
        }
        assert!(compare(&report, "workload", Figure::Rate, "not measured", "ours").is_none());
    }
}
