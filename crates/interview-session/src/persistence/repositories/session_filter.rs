//! [`SessionFilter`] and [`SessionPage`]: lists of sessions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sessiondb::{Cursor, limits};

use crate::{Error, Result, SessionRecord, SessionStatus};

/// Which sessions to list. All conditions must hold; the default lists every session, 100 a page.
///
/// Conditions on the time of creation are looked up in an index. The status is compared inside the database as the list is
/// read, methodology and concept outside of it: a page of what is rare reads past what lies between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFilter {
    /// Any of these statuses; an empty list is no condition.
    pub statuses: Vec<SessionStatus>,
    /// Only this methodology.
    pub methodology: Option<String>,
    /// Only what is about the concept of this id.
    pub concept_id: Option<String>,
    /// Only what began after this moment, which is not included.
    pub created_after: Option<DateTime<Utc>>,
    /// Only what began before this moment, which is not included.
    pub created_before: Option<DateTime<Utc>>,
    /// Where to go on: the [`next`](SessionPage::next) of the page before, asked with the same filter.
    pub after: Option<Cursor>,
    /// How many at most: 1 to 1,000.
    pub limit: usize,
}

impl Default for SessionFilter {
    fn default() -> SessionFilter {
        SessionFilter {
            statuses: Vec::new(),
            methodology: None,
            concept_id: None,
            created_after: None,
            created_before: None,
            after: None,
            limit: limits::PAGE_DEFAULT,
        }
    }
}

impl SessionFilter {
    /// Only sessions of this status.
    pub fn status(status: SessionStatus) -> SessionFilter {
        SessionFilter { statuses: vec![status], ..SessionFilter::default() }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if (1..=limits::PAGE_MAX).contains(&self.limit) {
            return Ok(());
        }
        Err(Error::invalid("limit", format!("is {}; 1 to {} are allowed", self.limit, limits::PAGE_MAX)))
    }

    /// Whether it has conditions that the store cannot look up.
    pub(crate) fn compares(&self) -> bool {
        self.methodology.is_some() || self.concept_id.is_some()
    }

    /// Whether those conditions hold.
    pub(crate) fn takes(&self, methodology: &str, concept_id: &str) -> bool {
        self.methodology.as_ref().is_none_or(|wanted| wanted == methodology)
            && self.concept_id.as_ref().is_none_or(|wanted| wanted == concept_id)
    }
}

/// A page of sessions, those that began last first; of the same moment, the one that was created last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionRecord>,
    /// What to give as [`SessionFilter::after`] for the next page; `None` at the end. The page after it may be empty.
    pub next: Option<Cursor>,
}
