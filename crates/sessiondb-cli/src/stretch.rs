//! [`Stretch`]: message numbers that follow each other. What sets of messages have in common and not, as stretches.

use std::fmt;

use serde::Serialize;
use sessiondb::View;

/// The messages `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Stretch {
    pub first: u64,
    pub last: u64,
}

impl Stretch {
    /// How many numbers it has.
    pub fn len(self) -> u64 {
        self.last - self.first + 1
    }
}

impl fmt::Display for Stretch {
    /// `7` or `1-90`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// How many messages these are.
pub fn count(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(|stretch| stretch.len()).sum()
}

/// The stretches as text: `1-90, 95`; of very many, the first.
pub fn named(stretches: &[Stretch]) -> String {
    const NAMED_MAX: usize = 8;
    let named: Vec<_> = stretches.iter().take(NAMED_MAX).map(Stretch::to_string).collect();
    let more = if stretches.len() > NAMED_MAX { ", …" } else { "" };
    named.join(", ") + more
}

/// What a view shows when `head` is the last message, in the order of the numbers.
pub fn shown(view: &View, head: u64) -> Vec<Stretch> {
    let closed = view.closed(head);
    let spans =
        closed.spans().iter().filter_map(|span| Some(Stretch { first: span.first, last: span.last? }));
    joined(spans.filter(|stretch| stretch.first <= stretch.last).collect())
}

/// The numbers 1 to `last`.
pub fn up_to(last: u64) -> Vec<Stretch> {
    if last > 0 { vec![Stretch { first: 1, last }] } else { Vec::new() }
}

/// In order, with those that meet made one.
pub fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut joined: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match joined.last_mut() {
            Some(end) if stretch.first <= end.last.saturating_add(1) => end.last = end.last.max(stretch.last),
            _ => joined.push(stretch),
        }
    }
    joined
}

/// What is in `these` and in `those`, and what is in `these` alone. Both are in order and joined.
pub fn divided(these: &[Stretch], those: &[Stretch]) -> (Vec<Stretch>, Vec<Stretch>) {
    let (mut both, mut alone) = (Vec::new(), Vec::new());
    let mut others = those.iter().copied().peekable();
    for &Stretch { mut first, last } in these {
        while others.next_if(|other| other.last < first).is_some() {}
        while let Some(other) = others.peek().copied().filter(|other| other.first <= last) {
            if first < other.first {
                alone.push(Stretch { first, last: other.first - 1 });
            }
            both.push(Stretch { first: first.max(other.first), last: last.min(other.last) });
            first = other.last.saturating_add(1);
            if other.last >= last {
                break;
            }
            others.next();
        }
        if first <= last {
            alone.push(Stretch { first, last });
        }
    }
    (both, alone)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Vec<Stretch> {
        joined(numbers.into_iter().map(|n| Stretch { first: n, last: n }).collect())
    }

    fn numbers(stretches: &[Stretch]) -> Vec<u64> {
        stretches.iter().flat_map(|stretch| stretch.first..=stretch.last).collect()
    }

    proptest! {
        #[test]
        fn they_are_divided_as_sets_are(
            these in proptest::collection::btree_set(1_u64..40, 0..30),
            those in proptest::collection::btree_set(1_u64..40, 0..30),
        ) {
            let (both, alone) = divided(&of(these.clone()), &of(those.clone()));
            prop_assert_eq!(numbers(&both), these.intersection(&those).copied().collect::<Vec<_>>());
            prop_assert_eq!(numbers(&alone), these.difference(&those).copied().collect::<Vec<_>>());
            prop_assert_eq!(count(&of(these.clone())), these.len() as u64);
        }
    }

    #[test]
    fn they_are_named() {
        assert_eq!(named(&of([1, 2, 3, 7])), "1-3, 7");
        assert_eq!(named(&of((1..40).step_by(2))), "1, 3, 5, 7, 9, 11, 13, 15, …");
        assert_eq!(named(&[]), "");
    }
}
