//! The charts that the documentation shows.

use std::{fs, path::Path};

use sessiondb::sqlite::Durability;

use super::{
    append,
    list::Depth,
    load::Arrivals,
    mutex::MutexConnection,
    ours::SessionDb,
    plot::{Bar, Group, chart},
    pool::Pool,
    raw::Raw,
    report::{Report, Round, Row},
    sqlx::Sqlx,
    window,
};
use crate::Outcome;

/// Draws what was measured into this folder; a chart of which nothing was measured is left out.
pub(super) fn draw(report: &Report, callers: &[usize], dir: &Path) -> Outcome<()> {
    fs::create_dir_all(dir)?;
    let write = |name: &str, title: &str, note: &str, groups: Vec<Group>| {
        let groups: Vec<_> = groups.into_iter().filter(|group| !group.bars.is_empty()).collect();
        match groups.is_empty() {
            true => Ok(()),
            false => fs::write(dir.join(name), chart(title, note, &groups)),
        }
    };
    let appends = |of: fn(&Round) -> f64| {
        let group = |callers: &usize| {
            let workload = append::workload(Durability::Full, Arrivals::Bursty, *callers);
            let candidates = [
                Raw::NAME,
                SessionDb::BLOCKING,
                SessionDb::MULTI_THREAD,
                MutexConnection::SAME_SCHEMA,
                Pool::NAME,
                Sqlx::ONE,
            ];
            let bars = candidates.iter().filter_map(|name| Some(bar(report.row(&workload, name)?, of)));
            let plural = if *callers == 1 { "" } else { "s" };
            Group { heading: format!("{callers} caller{plural}"), bars: bars.collect() }
        };
        callers.iter().map(group).collect()
    };
    write(
        "append.svg",
        "Messages appended a second, durably (synchronous=FULL)",
        "More is better. Messages of 400 bytes, 200 of 10,000 sessions live at a time. Bars: median of the rounds; lines: all rounds.",
        appends(|round| round.per_second),
    )?;
    write(
        "append-p99.svg",
        "How long the slowest hundredth of appends waits, in milliseconds (p99)",
        "Less is better. The same appends as in the chart of messages a second. Bars: median of the rounds; lines: all rounds.",
        appends(|round| round.p99_us / 1e3),
    )?;
    let all = |heading: &str, workload: &str| Group {
        heading: heading.to_owned(),
        bars: report
            .rows
            .iter()
            .filter(|row| row.workload == workload)
            .map(|row| bar(row, |round| round.p50_us))
            .collect(),
    };
    write(
        "window.svg",
        "The newest 50 messages of a session, in microseconds (p50)",
        "Less is better. Bars: median of the rounds; lines: all rounds.",
        vec![
            all("of sessions all over the store", window::WARM),
            all("of 100 sessions, again and again", window::LIVE),
        ],
    )?;
    let lists = Depth::ALL.map(|depth| all(depth.place(), depth.workload())).into_iter().collect();
    write(
        "list.svg",
        "A list of 50 of an agent's sessions, in microseconds (p50)",
        "Less is better. Bars: median of the rounds; lines: all rounds.",
        lists,
    )?;
    Ok(())
}

fn bar(row: &Row, of: fn(&Round) -> f64) -> Bar {
    let spread = row.spread(of);
    let ours = row.candidate.starts_with("SessionDB") || row.candidate.starts_with("aisopod-session");
    let (median, least, greatest) = (spread.median, spread.least, spread.greatest);
    Bar { label: row.candidate.clone(), median, least, greatest, ours }
}
