//! Texts of times, which stand in rows that people write by hand, in archives and in cursors.

use chrono::DateTime;
use sessiondb::{Time, time};

/// Each line is a time that the store can keep, or an error. The order of the texts that the store writes is the order of
/// the times.
pub fn holds(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let times: Vec<Time> = text.lines().filter_map(read).collect();
    for (a, b) in times.iter().zip(times.iter().skip(1)) {
        assert_eq!(time::to_text(*a).cmp(&time::to_text(*b)), a.cmp(b));
    }
}

fn read(text: &str) -> Option<Time> {
    let standard = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    let Ok(at) = time::from_text(text) else {
        let keepable = standard.is_some_and(|standard| time::validate(standard).is_ok());
        assert!(!keepable, "{text:?} is a time, and was refused");
        return None;
    };
    if let Some(standard) = standard {
        assert_eq!(at, time::truncate(standard), "{text:?}");
        assert!(time::round_up(standard) >= standard && time::round_up(at) == at, "{text:?}");
    }
    assert_eq!(time::validate(at), Ok(()), "{text:?}");
    let written = time::to_text(at);
    assert_eq!(written.len(), 27, "{text:?} is written as {written:?}");
    assert_eq!(time::from_text(&written), Ok(at), "{text:?} is written as {written:?}");
    Some(at)
}
