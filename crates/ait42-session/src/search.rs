//! Which sessions are found, and in which order: pure functions.

use std::cmp::Ordering;

use chrono::{Days, NaiveDate, NaiveTime};

use crate::{
    RepositoryError, SessionFilters, WorktreeSession, WorktreeSummary,
    instant::{Instant, instant},
    models::legal::shown,
};

/// What to find among summaries, and how to order it. The default finds all, the last changed first.
///
/// ```
/// use ait42_session::{SessionFilters, SummaryOrder, SummaryQuery, SummarySort};
///
/// let longest = SummaryQuery {
///     filters: SessionFilters { status: Some(vec!["completed".into()]), ..SessionFilters::default() },
///     sort: SummarySort::Duration,
///     order: SummaryOrder::Descending,
///     limit: Some(10),
/// };
/// ```
#[derive(Debug, Clone, Default)]
pub struct SummaryQuery {
    /// Which sessions.
    pub filters: SessionFilters,
    /// By what to order them.
    pub sort: SummarySort,
    /// In which direction.
    pub order: SummaryOrder,
    /// How many at most; `None` for all.
    pub limit: Option<usize>,
}

/// What summaries are ordered by. Those that have no such value come last in both directions; those with the same one
/// are ordered by their ids, in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SummarySort {
    /// When anything last changed.
    #[default]
    UpdatedAt,
    /// When it was created.
    CreatedAt,
    /// How long it took.
    Duration,
    /// Files changed by all instances together.
    FilesChanged,
}

/// In which direction summaries are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SummaryOrder {
    /// The least or earliest first.
    Ascending,
    /// The greatest or latest first.
    #[default]
    Descending,
}

/// [`SessionFilters`], understood.
#[derive(Debug)]
pub(crate) struct Wanted {
    types: Vec<String>,
    statuses: Vec<String>,
    from: Option<Instant>,
    to: Option<Until>,
    text: String,
}

#[derive(Debug)]
enum Until {
    /// This moment, which is included.
    At(Instant),
    /// The day's end: this moment, which is the next day's.
    Before(Instant),
}

impl Wanted {
    /// What these filters want.
    ///
    /// # Errors
    /// [`RepositoryError::Validation`] if a date is neither an RFC 3339 time nor a day.
    pub(crate) fn new(filters: &SessionFilters) -> Result<Wanted, RepositoryError> {
        let from = filters.date_from.as_deref().map(|text| moment("date_from", text)).transpose()?;
        let to = filters.date_to.as_deref().map(|text| moment("date_to", text)).transpose()?;
        Ok(Wanted {
            types: filters.session_type.clone().unwrap_or_default(),
            statuses: filters.status.clone().unwrap_or_default(),
            from: from.map(|(from, _)| from),
            to: to.map(|(from, day_after)| day_after.map_or(Until::At(from), Until::Before)),
            text: folded(filters.search_query.as_deref().unwrap_or_default()),
        })
    }

    /// The statuses it wants; none means any.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.statuses.clone()
    }

    /// Whether it wants this session, of which neither outputs nor messages count.
    pub(crate) fn matches(&self, session: &WorktreeSession) -> bool {
        let any = |wanted: &[String], value: &String| wanted.is_empty() || wanted.contains(value);
        any(&self.types, &session.r#type)
            && any(&self.statuses, &session.status)
            && self.is_in_range(session)
            && self.is_in_text(session)
    }

    fn is_in_range(&self, session: &WorktreeSession) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        instant(&session.created_at).is_some_and(|created| {
            self.from.is_none_or(|from| from <= created)
                && self.to.as_ref().is_none_or(|to| match to {
                    Until::At(to) => created <= *to,
                    Until::Before(end) => created < *end,
                })
        })
    }

    fn is_in_text(&self, session: &WorktreeSession) -> bool {
        let agents = session.instances.iter().map(|instance| &instance.agent_name);
        let mut texts = [&session.task, &session.id].into_iter().chain(agents);
        self.text.is_empty() || texts.any(|text| folded(text).contains(&self.text))
    }
}

/// The moment that a date begins with, and for a day that of the next one.
fn moment(field: &str, text: &str) -> Result<(Instant, Option<Instant>), RepositoryError> {
    if let Some(moment) = instant(text) {
        return Ok((moment, None));
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    match day.and_then(|day| Some((start(day), start(day.checked_add_days(Days::new(1))?)))) {
        Some((from, next)) => Ok((from, Some(next))),
        None => Err(RepositoryError::Validation(format!(
            "{field}: '{}' is neither a day (2025-01-31) nor an RFC 3339 time (2025-01-31T09:30:00Z)",
            shown(text)
        ))),
    }
}

/// The text without what tells cases apart, in any script. Through upper case, which joins what lower case keeps apart: the
/// two small sigmas, `ß` and `ss`, the dotless i and the other. What is left of a dotted `İ` is an i with a dot more.
fn folded(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    let folded: String = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    folded.replace("i\u{307}", "i")
}

/// In this order, and no more than that many.
pub(crate) fn ordered(mut found: Vec<WorktreeSummary>, query: &SummaryQuery) -> Vec<WorktreeSummary> {
    let key = |summary: &WorktreeSummary| match query.sort {
        SummarySort::UpdatedAt => instant(&summary.updated_at).map(Key::At),
        SummarySort::CreatedAt => instant(&summary.created_at).map(Key::At),
        SummarySort::Duration => summary.total_duration.map(Key::Count),
        SummarySort::FilesChanged => summary.total_files_changed.map(Key::Count),
    };
    let directed = |ordering: Ordering| match query.order {
        SummaryOrder::Ascending => ordering,
        SummaryOrder::Descending => ordering.reverse(),
    };
    found.sort_by(|a, b| {
        let (key_a, key_b) = (key(a), key(b));
        let missing = key_a.is_none().cmp(&key_b.is_none());
        missing.then_with(|| directed(key_a.cmp(&key_b).then_with(|| a.id.cmp(&b.id))))
    });
    found.truncate(query.limit.unwrap_or(usize::MAX));
    found
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    At(Instant),
    Count(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(task: &str, created_at: &str) -> WorktreeSession {
        let new = WorktreeSession::new("s1".into(), "w".into(), "debate".into(), task.into());
        WorktreeSession { created_at: created_at.into(), ..new }
    }

    fn finds(filters: SessionFilters, task: &str, created_at: &str) -> Option<bool> {
        Wanted::new(&filters).ok().map(|wanted| wanted.matches(&session(task, created_at)))
    }

    fn text(query: &str) -> SessionFilters {
        SessionFilters { search_query: Some(query.into()), ..SessionFilters::default() }
    }

    fn dates(from: Option<&str>, to: Option<&str>) -> SessionFilters {
        SessionFilters {
            date_from: from.map(Into::into),
            date_to: to.map(Into::into),
            ..SessionFilters::default()
        }
    }

    #[test]
    fn case_does_not_matter_in_any_script() {
        for (query, task) in [
            ("FIX", "please fix it"),
            ("fix", "Please FIX it"),
            ("認証", "ログイン認証を直す"),
            ("ＡＰＩ", "ａｐｉ を直す"),
            ("ΟΔΌΣ", "η οδός"),
            ("οδόσ", "Η ΟΔΌΣ ΜΟΥ"),
            ("istanbul", "İSTANBUL"),
            ("İstanbul", "istanbul"),
            ("ISPARTA", "ısparta"),
            ("strasse", "Die STRAẞE"),
            ("straße", "DIE STRASSE"),
            ("ПРИВЕТ", "привет"),
        ] {
            assert_eq!(finds(text(query), task, "2025-01-01T00:00:00Z"), Some(true), "{query} in {task}");
        }
        assert_eq!(finds(text("認可"), "ログイン認証を直す", "2025-01-01T00:00:00Z"), Some(false));
    }

    #[test]
    fn a_day_is_all_of_it_and_a_moment_is_included() {
        let at = |filters: SessionFilters, created_at: &str| finds(filters, "t", created_at);
        let day = || dates(Some("2025-01-31"), Some("2025-01-31"));
        assert_eq!(at(day(), "2025-01-31T00:00:00Z"), Some(true));
        assert_eq!(at(day(), "2025-01-31T23:59:59.999999999Z"), Some(true));
        assert_eq!(at(day(), "2025-02-01T00:00:00Z"), Some(false));
        assert_eq!(at(day(), "2025-01-30T23:59:59.999Z"), Some(false));
        // The day is UTC's, wherever the session was created.
        assert_eq!(at(day(), "2025-02-01T08:59:59+09:00"), Some(true));
        let moment = "2025-01-31T12:00:00.123Z";
        assert_eq!(at(dates(Some(moment), Some(moment)), "2025-01-31T12:00:00.123000000+00:00"), Some(true));
        assert_eq!(at(dates(None, Some(moment)), "2025-01-31T12:00:00.123000001Z"), Some(false));
        assert_eq!(at(dates(Some(moment), None), "2025-01-31T12:00:00.122999999Z"), Some(false));
        for bad in ["", "2025-1-1", "2025-02-30", "31.01.2025", "2025-01-31T12:00:00"] {
            let error = Wanted::new(&dates(None, Some(bad))).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains("date_to")), "{bad}");
        }
    }

    #[test]
    fn summaries_are_ordered_both_ways_and_what_is_missing_comes_last() {
        let summary = |id: &str, duration: Option<i64>| {
            let session = session("t", "2025-01-01T00:00:00Z");
            WorktreeSummary::of(WorktreeSession { id: id.into(), total_duration: duration, ..session }, 0)
        };
        let found =
            vec![summary("a", None), summary("b", Some(5)), summary("c", Some(-1)), summary("d", Some(5))];
        let ids = |order: SummaryOrder, limit: Option<usize>| {
            let query = SummaryQuery { sort: SummarySort::Duration, order, limit, ..SummaryQuery::default() };
            ordered(found.clone(), &query).into_iter().map(|summary| summary.id).collect::<String>()
        };
        assert_eq!(ids(SummaryOrder::Ascending, None), "cbda");
        assert_eq!(ids(SummaryOrder::Descending, None), "dbca");
        assert_eq!(ids(SummaryOrder::Descending, Some(2)), "db");
        assert_eq!(ids(SummaryOrder::Descending, Some(0)), "");
    }
}
