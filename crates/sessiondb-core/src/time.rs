//! Times as the store keeps them: UTC, whole microseconds, one width of text, so that the order of texts is the order
//! of times.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound, Timelike, Utc};

use crate::{Error, Result};

/// A moment, in UTC. The store keeps microseconds and cuts what is finer.
pub type Time = DateTime<Utc>;

/// The present moment, in the store's precision.
pub fn now() -> Time {
    truncate(Utc::now())
}

/// The moment without what is finer than a microsecond.
pub fn truncate(time: Time) -> Time {
    // A leap second is written by chrono as nanosecond 1_000_000_000 and more; the store has 60 seconds a minute.
    let time = if time.nanosecond() >= 1_000_000_000 {
        time.with_nanosecond(999_999_000).unwrap_or(time)
    } else {
        time
    };
    time.trunc_subsecs(6)
}

/// The first moment of the store's precision that is not before this one. What the store keeps lies before `time`
/// exactly if it lies before this.
pub fn round_up(time: Time) -> Time {
    let down = truncate(time);
    if down < time { down + chrono::TimeDelta::microseconds(1) } else { down }
}

/// `2026-11-20T09:47:28.123456Z`: ISO 8601, always 27 characters. For a moment that the store cannot keep (see
/// [`validate`]) it is some other text.
pub fn to_text(time: Time) -> String {
    let time = truncate(time);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    // Digit by digit: a formatter of all the ways in which a time can be written takes ten times as long.
    let mut put = |from: usize, to: usize, mut number: u32| {
        for place in text[from..to].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, time.year().unsigned_abs());
    put(5, 7, time.month());
    put(8, 10, time.day());
    put(11, 13, time.hour());
    put(14, 16, time.minute());
    put(17, 19, time.second());
    put(20, 26, time.timestamp_subsec_micros());
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether the store can keep this moment: years 0000 to 9999, which fit the fixed width.
///
/// # Errors
/// [`Error::Invalid`] if not.
pub fn validate(time: Time) -> Result<()> {
    if (0..=9999).contains(&time.year()) {
        return Ok(());
    }
    Err(Error::Invalid(format!("the time {time} is outside the years 0000 to 9999")))
}

/// Reads the store's own text, any RFC 3339 time, and what SQLite's `datetime()` writes (UTC, a space for the `T`),
/// since rows may be inserted by hand.
///
/// # Errors
/// [`Error::Invalid`] if it is none of these, or a time that the store cannot keep.
pub fn from_text(text: &str) -> Result<Time> {
    if let Some(time) = own(text.as_bytes()) {
        return Ok(time);
    }
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc)).or_else(|error| {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"))
            .map(|time| time.and_utc())
            .map_err(|_| error)
    });
    match parsed {
        Ok(time) => validate(time).map(|()| truncate(time)),
        Err(_) => Err(Error::Invalid(format!("'{}' is not an ISO 8601 time", text.escape_debug()))),
    }
}

/// The store's own text, which nearly every row has, without a parser of all the ways in which a time can be written.
fn own(text: &[u8]) -> Option<Time> {
    let text: &[u8; 27] = text.try_into().ok()?;
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if separated.into_iter().any(|(place, separator)| text[place] != separator) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let date = NaiveDate::from_ymd_opt(number(0, 4)?.cast_signed(), number(5, 7)?, number(8, 10)?)?;
    // A leap second is none here, and left to the other way.
    let time = date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 26)?)?;
    Some(time.and_utc())
}

/// How serde writes and reads a time: as [`to_text`] and [`from_text`] do. For `#[serde(with = "time::text")]`.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{Time, from_text, to_text};

    #[expect(missing_docs, clippy::missing_errors_doc, reason = "the two functions that serde asks for")]
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(*time))
    }

    #[expect(missing_docs, clippy::missing_errors_doc, reason = "the two functions that serde asks for")]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        from_text(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The same for a time that may be missing.
pub mod text_opt {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::{Time, from_text, to_text};

    #[expect(missing_docs, clippy::missing_errors_doc, reason = "the two functions that serde asks for")]
    pub fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(to_text).serialize(serializer)
    }

    #[expect(missing_docs, clippy::missing_errors_doc, reason = "the two functions that serde asks for")]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| from_text(&text).map_err(de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_of_texts_is_the_order_of_times(a in 0_i64..253_402_300_799_999_999, b in 0_i64..253_402_300_799_999_999) {
            let (a, b) = (DateTime::from_timestamp_micros(a).unwrap(), DateTime::from_timestamp_micros(b).unwrap());
            prop_assert_eq!(to_text(a).cmp(&to_text(b)), a.cmp(&b));
            prop_assert_eq!(to_text(a), a.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            prop_assert_eq!(to_text(a).len(), 27);
            prop_assert_eq!(from_text(&to_text(a)).unwrap(), a);
        }
    }

    proptest! {
        /// The short way reads what the long way reads, and nothing else.
        #[test]
        fn the_stores_own_text_is_read_as_any_time_is(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}[Z+]") {
            let long = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Utc));
            match own(text.as_bytes()) {
                Some(time) => prop_assert_eq!(Some(time), long),
                None => prop_assert!(long.is_none_or(|time| time.nanosecond() >= 1_000_000_000 || &text[10..11] == " ")),
            }
        }
    }

    /// No character between the digits is taken for another.
    #[test]
    fn the_stores_own_text_has_its_own_separators() {
        let text = "2026-02-15T10:00:00.500000Z";
        assert!(own(text.as_bytes()).is_some());
        for (place, _) in text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()) {
            let mut other = text.as_bytes().to_vec();
            other[place] = b',';
            assert_eq!(own(&other), None, "{place}");
        }
    }

    #[test]
    fn hand_written_times_are_read() {
        let expected = "2026-02-15T10:00:00.500000Z";
        for text in
            ["2026-02-15T10:00:00.5Z", "2026-02-15T12:00:00.5+02:00", "2026-02-15 10:00:00.5", expected]
        {
            assert_eq!(to_text(from_text(text).unwrap()), expected);
        }
        assert_eq!(
            to_text(from_text("2026-02-15T10:00:00.123456789+00:00").unwrap()),
            "2026-02-15T10:00:00.123456Z"
        );
        assert_eq!(to_text(from_text("2016-12-31T23:59:60Z").unwrap()), "2016-12-31T23:59:59.999999Z");
        assert!(from_text("yesterday").is_err());
    }

    /// The last hours of the year 9999 in the west, and the first of the year 0 in the east, were read as times of the years
    /// 10000 and -1. They were written in another width, and could not be read back from a cursor or an archive.
    #[test]
    fn what_is_read_can_be_kept() {
        for text in [
            "9999-12-31T23:59:59-10:00",
            "0000-01-01T00:00:00+01:00",
            "+10000-01-01T00:00:00",
            "-0001-12-31 23:59:59",
        ] {
            assert!(from_text(text).unwrap_err().to_string().contains("outside the years"), "{text}");
        }
    }
}
