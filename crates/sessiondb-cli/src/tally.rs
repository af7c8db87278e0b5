//! [`Tally`]: counts by names that writers choose, of which there may be any number.

use std::collections::BTreeMap;

/// Most names that are counted apart.
const NAMES_MAX: usize = 1_000;

/// Counts by name; when there are very many names, those that come late are counted together.
pub struct Tally<K, C> {
    named: BTreeMap<K, C>,
    others: Option<C>,
}

impl<K: Ord, C: Default> Tally<K, C> {
    /// Nothing counted yet.
    pub fn new() -> Tally<K, C> {
        Tally { named: BTreeMap::new(), others: None }
    }

    /// The counts of this name.
    pub fn of(&mut self, name: K) -> &mut C {
        if self.named.len() >= NAMES_MAX && !self.named.contains_key(&name) {
            return self.others.get_or_insert_default();
        }
        self.named.entry(name).or_default()
    }

    /// The names, in order, and their counts; last, without a name, the others.
    pub fn rows(&self) -> impl Iterator<Item = (Option<&K>, &C)> {
        let named = self.named.iter().map(|(name, counts)| (Some(name), counts));
        named.chain(self.others.iter().map(|counts| (None, counts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_names_the_late_ones_are_counted_together() {
        let mut tally = Tally::<usize, u64>::new();
        (0..NAMES_MAX + 5).chain([0, NAMES_MAX + 1]).for_each(|name| *tally.of(name) += 1);
        assert_eq!(tally.rows().next(), Some((Some(&0), &2)));
        assert_eq!((tally.rows().count(), tally.rows().last()), (NAMES_MAX + 1, Some((None, &6))));
    }
}
