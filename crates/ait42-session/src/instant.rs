//! The moments that RFC 3339 texts name: what sessions are ordered by.

use chrono::{DateTime, Utc};

/// A moment in UTC, as fine as the text that named it.
pub(crate) type Instant = DateTime<Utc>;

/// The moment that this RFC 3339 text names; `None` if it is no such text.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Defect 10: as texts, what JavaScript writes sorts after what chrono writes in the same millisecond.
    #[test]
    fn texts_of_several_writers_are_ordered_by_what_they_mean() {
        let times = [
            "2025-01-13T09:00:00+09:00",
            "2025-01-13T00:00:00.123Z",
            "2025-01-13T00:00:00.123456789+00:00",
            "2025-01-12T23:00:00.2-01:00",
        ];
        assert!(times.windows(2).all(|pair| instant(pair[0]) < instant(pair[1])));
        assert_eq!(instant("2025-01-13"), None);
        assert_eq!(instant("2025-01-13T00:00:00"), None);
    }
}
