//! Times given as an option.

use chrono::{Days, Local, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use sessiondb::{Time, time};

/// Reads an RFC 3339 time, or a date, which stands for its first moment here: the lists show local times too.
pub fn parse(text: &str) -> Result<Time, String> {
    let parsed = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => first_moment(date, &Local),
        Err(_) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    };
    let parsed = parsed.ok_or("neither a time like 2026-11-20T09:47:28Z nor a date like 2026-11-20")?;
    time::validate(parsed).map_err(|error| error.to_string())?;
    Ok(parsed)
}

/// Midnight; on a day that has none because the clocks go forward then, the hour they go to.
fn first_moment(date: NaiveDate, zone: &impl TimeZone) -> Option<Time> {
    let midnight = date.and_time(NaiveTime::MIN);
    let moment = [midnight, midnight + TimeDelta::hours(1), midnight + Days::new(1)]
        .into_iter()
        .find_map(|time| zone.from_local_datetime(&time).earliest());
    moment.map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, Utc};

    use super::*;

    #[test]
    fn times_and_dates_are_read() {
        assert_eq!(
            time::to_text(parse("2026-02-15T12:00:00.5+02:00").unwrap()),
            "2026-02-15T10:00:00.500000Z"
        );
        let date = NaiveDate::from_ymd_opt(2026, 2, 15).unwrap();
        let at = |zone: &dyn Fn(NaiveDate) -> Option<Time>| time::to_text(zone(date).unwrap());
        assert_eq!(at(&|date| first_moment(date, &Utc)), "2026-02-15T00:00:00.000000Z");
        let tokyo = FixedOffset::east_opt(9 * 3600).unwrap();
        assert_eq!(at(&|date| first_moment(date, &tokyo)), "2026-02-14T15:00:00.000000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in ["", "yesterday", "2026-13-01", "2026-02-15 10:00", "10:00", "+262142-01-01"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
