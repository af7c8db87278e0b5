//! [`ContextWindowGuard`]: when a session grows out of its model's context.

use serde::{Deserialize, Serialize};

/// When to compact: limits in tokens, compared with what a history weighs ([`History::weight`](crate::History)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextWindowGuard {
    /// From how many tokens on it warns.
    pub warn_threshold: u64,
    /// How many tokens the model's context holds.
    pub hard_limit: u64,
    /// How many of them must stay free, for the answer.
    pub min_available: u64,
}

/// How a history fits into a model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextFit {
    /// It fits.
    Fits,
    /// It fits, and has reached the threshold: compact soon.
    Warn,
    /// It does not fit, or leaves too little for the answer: compact first.
    Full,
}

impl ContextWindowGuard {
    /// How a history of this weight fits. A pure function: nothing is read, nothing is done.
    pub fn check(&self, weight: u64) -> ContextFit {
        match self.hard_limit.checked_sub(weight) {
            Some(available) if available >= self.min_available => {
                if weight >= self.warn_threshold {
                    ContextFit::Warn
                } else {
                    ContextFit::Fits
                }
            }
            _ => ContextFit::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_fits_warns_and_is_full() {
        let guard = ContextWindowGuard { warn_threshold: 70, hard_limit: 100, min_available: 10 };
        let fits = [0, 69, 70, 90, 91, 100, 101, u64::MAX].map(|weight| guard.check(weight));
        use ContextFit::{Fits, Full, Warn};
        assert_eq!(fits, [Fits, Fits, Warn, Warn, Full, Full, Full, Full]);
        let all = ContextWindowGuard { warn_threshold: u64::MAX, hard_limit: 100, min_available: 0 };
        assert_eq!((all.check(100), all.check(101)), (Fits, Full));
    }
}
