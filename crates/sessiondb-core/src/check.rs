//! What [`Backend::check`](crate::Backend::check) reports.

use serde::{Deserialize, Serialize};

/// The result of looking at everything in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReport {
    /// How many sessions were looked at.
    pub sessions: u64,
    /// How many messages.
    pub messages: u64,
    /// How many documents.
    pub documents: u64,
    /// Everything that is not as it should be; empty in a sound store. At most
    /// [`FINDINGS_MAX`] are kept.
    pub findings: Vec<Finding>,
}

/// Most findings that a report keeps.
pub const FINDINGS_MAX: usize = 1_000;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// Where: a session by its key, a row by its table and number, or the file.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds a finding, unless there are too many already.
    pub fn found(&mut self, at: impl ToString, what: impl ToString) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { at: at.to_string(), what: what.to_string() });
        }
    }
}
