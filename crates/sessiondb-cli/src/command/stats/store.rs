//! What is in a store.

use serde::Serialize;
use sessiondb::{SessionFilter, SessionOrder, Status, Time, blocking::Store, time};

use crate::{exit::Failure, output::Output, table::Table, tally::Tally, transcript};

/// Sessions read at a time.
const PAGE: usize = 200;

/// The counts of a store.
pub struct StoreStats {
    all: Counts,
    groups: Tally<(String, String), Counts>,
    oldest: Option<Time>,
    newest: Option<Time>,
    size: Option<Size>,
}

#[derive(Default, Clone, Copy, Serialize)]
struct Counts {
    sessions: u64,
    shown: u64,
    stored: u64,
    tokens: u64,
}

/// Bytes on the disk.
#[derive(Clone, Copy, Serialize)]
struct Size {
    /// The database file.
    database: u64,
    /// SQLite's log beside it, of what is not in the database file yet.
    log: u64,
}

pub fn count(store: &Store) -> Result<StoreStats, Failure> {
    let mut stats =
        StoreStats { all: Counts::default(), groups: Tally::new(), oldest: None, newest: None, size: None };
    // A list by creation visits every session once, whatever changes meanwhile.
    let order = SessionOrder::CreatedNewest;
    let mut filter = SessionFilter { order, limit: PAGE, ..SessionFilter::default() };
    loop {
        let page = store.session_list(&filter)?;
        for session in &page.sessions {
            let group = (session.family.clone(), session.status.clone());
            for counts in [&mut stats.all, stats.groups.of(group)] {
                counts.sessions += 1;
                counts.shown += session.message_count;
                counts.stored += session.log_count;
                counts.tokens = counts.tokens.saturating_add(session.token_usage);
            }
            let (created, updated) = (session.created_at, session.updated_at);
            stats.oldest = Some(stats.oldest.map_or(created, |oldest| oldest.min(created)));
            stats.newest = Some(stats.newest.map_or(updated, |newest| newest.max(updated)));
        }
        if page.next.is_none() {
            break;
        }
        filter.after = page.next;
    }
    // A token that does not see the whole store is not told.
    let status = store.status().ok();
    let of_file = |status: Status| Some(Size { database: status.database_bytes?, log: status.log_bytes? });
    stats.size = status.and_then(of_file);
    Ok(stats)
}

impl StoreStats {
    pub fn print(&self, out: &mut Output) -> Result<(), Failure> {
        let local = |time: Option<Time>| time.map(transcript::local).unwrap_or_default();
        let mut all = Table::new(["SESSIONS", "SHOWN", "STORED", "TOKENS", "SIZE", "OLDEST", "LAST CHANGE"])
            .right_aligned(&[0, 1, 2, 3, 4]);
        let [sessions, shown, stored, tokens] = cells(&self.all);
        let size = self.size.map(|size| bytes(size.database + size.log)).unwrap_or_default();
        all.row([&sessions, &shown, &stored, &tokens, &size, &local(self.oldest), &local(self.newest)]);
        all.print(out)?;
        if self.all.sessions == 0 {
            return Ok(());
        }
        out.text("\n")?;
        let mut groups = Table::new(["FAMILY", "STATUS", "SESSIONS", "SHOWN", "STORED", "TOKENS"])
            .right_aligned(&[2, 3, 4, 5]);
        for (group, counts) in self.groups.rows() {
            let (family, status) = group.map_or(("(others)", ""), |(family, status)| (family, status));
            let [sessions, shown, stored, tokens] = cells(counts);
            groups.row([family, status, &sessions, &shown, &stored, &tokens]);
        }
        Ok(groups.print(out)?)
    }

    pub fn json(&self) -> StoreStatsJson<'_> {
        let groups = self.groups.rows().map(|(group, counts)| GroupJson {
            family: group.map(|(family, _)| family.as_str()),
            status: group.map(|(_, status)| status.as_str()),
            counts: *counts,
        });
        StoreStatsJson {
            counts: self.all,
            oldest: self.oldest.map(time::to_text),
            newest: self.newest.map(time::to_text),
            size: self.size,
            groups: groups.collect(),
        }
    }
}

fn cells(counts: &Counts) -> [String; 4] {
    [counts.sessions, counts.shown, counts.stored, counts.tokens].map(|count| count.to_string())
}

/// The counts as JSON. A group without a family is all that was too many to be counted apart.
#[derive(Serialize)]
pub struct StoreStatsJson<'a> {
    #[serde(flatten)]
    counts: Counts,
    oldest: Option<String>,
    newest: Option<String>,
    size: Option<Size>,
    groups: Vec<GroupJson<'a>>,
}

#[derive(Serialize)]
struct GroupJson<'a> {
    family: Option<&'a str>,
    status: Option<&'a str>,
    #[serde(flatten)]
    counts: Counts,
}

/// A size to read: `812 B`, `1.4 MiB`.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024 is one of the next.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_reading() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
