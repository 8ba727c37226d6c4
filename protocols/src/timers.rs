//! One-shot timers of a machine, by key: what `next_deadline` looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one timer for each key; arming again moves it.
#[derive(Debug)]
pub struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    armed: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Timers {
            queue: BTreeSet::new(),
            armed: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Lets `key` go off at `at`, and not when it was to go off before.
    pub fn arm(&mut self, key: K, at: Instant) {
        self.cancel(key);
        self.queue.insert((at, key));
        self.armed.insert(key, at);
    }

    /// Forgets the timer of `key`.
    pub fn cancel(&mut self, key: K) {
        if let Some(at) = self.armed.remove(&key) {
            self.queue.remove(&(at, key));
        }
    }

    /// When `key` goes off.
    pub fn at(&self, key: K) -> Option<Instant> {
        self.armed.get(&key).copied()
    }

    /// When the next timer goes off.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one timer that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.cancel(key);
        Some(key)
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether none is armed.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn arming_again_moves_and_due_ones_come_in_order() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::default();
        timers.arm('a', at(1));
        timers.arm('b', at(2));
        timers.arm('a', at(3));
        assert_eq!((timers.len(), timers.next()), (2, Some(at(2))));
        assert_eq!(timers.pop_due(at(1)), None);
        assert_eq!(timers.pop_due(at(5)), Some('b'));
        assert_eq!(timers.pop_due(at(5)), Some('a'));
        assert!(timers.is_empty() && timers.next().is_none());
    }
}
