//! A set of small numbers that finds the next one *not* in it in a handful of steps, however full it is.

/// Bits in levels: bit `i` of level 0 is member `i`; bit `w` of a higher level says that word `w` below is all ones.
#[derive(Clone, Debug)]
pub struct Bitmap {
    levels: Vec<Vec<u64>>,
    size: usize,
}

impl Bitmap {
    /// An empty set of numbers below `size`. The words are zero pages until they are written to.
    pub fn new(size: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = size;
        loop {
            let mut words = vec![0; bits.div_ceil(64)];
            // What lies behind the end is never free.
            if let (Some(last), used @ 1..) = (words.last_mut(), bits % 64) {
                *last = u64::MAX << used;
            }
            bits = words.len();
            levels.push(words);
            if bits <= 1 {
                return Self { levels, size };
            }
        }
    }

    /// Whether the number is in the set.
    #[cfg(test)]
    pub fn contains(&self, n: usize) -> bool {
        self.levels[0][n / 64] >> (n % 64) & 1 != 0
    }

    /// Puts a number below `size` in.
    pub fn insert(&mut self, mut n: usize) {
        for level in &mut self.levels {
            let word = &mut level[n / 64];
            *word |= 1 << (n % 64);
            if *word != u64::MAX {
                return;
            }
            n /= 64;
        }
    }

    /// Takes a number below `size` out.
    pub fn remove(&mut self, mut n: usize) {
        for level in &mut self.levels {
            let word = &mut level[n / 64];
            let was_full = *word == u64::MAX;
            *word &= !(1 << (n % 64));
            if !was_full {
                return;
            }
            n /= 64;
        }
    }

    /// The smallest number at or after `from` that is not in the set.
    fn next_absent_up(&self, from: usize) -> Option<usize> {
        let mut from = from;
        for (height, level) in self.levels.iter().enumerate() {
            let absent = !level.get(from / 64)? & u64::MAX << (from % 64);
            if absent != 0 {
                let found = from / 64 * 64 + absent.trailing_zeros() as usize;
                // Down again: each word below has a zero, or its bit here would be set.
                let below = self.levels[..height].iter().rev();
                return Some(
                    below.fold(found, |n, level| n * 64 + level[n].trailing_ones() as usize),
                );
            }
            from = from / 64 + 1;
        }
        None
    }

    /// The next number at or after `from` that is not in the set, going round at the end.
    pub fn next_absent(&self, from: usize) -> Option<usize> {
        if self.size == 0 {
            return None;
        }
        self.next_absent_up(from).or_else(|| self.next_absent_up(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_full_one_says_so() {
        for size in [0, 1, 63, 64, 65, 4096, 4097, 300_000] {
            let mut bitmap = Bitmap::new(size);
            (0..size).for_each(|n| bitmap.insert(n));
            assert_eq!(bitmap.next_absent(0), None, "{size}");
            if size > 0 {
                bitmap.remove(size / 2);
                assert_eq!(bitmap.next_absent(size - 1), Some(size / 2), "{size}");
            }
        }
    }

    proptest! {
        #[test]
        fn like_a_plain_set(
            size in 1usize..9000,
            runs in prop::collection::vec((any::<usize>(), 0usize..3000, any::<bool>()), 0..12),
            asked in prop::collection::vec(any::<usize>(), 1..20),
        ) {
            let (mut bitmap, mut plain) = (Bitmap::new(size), BTreeSet::new());
            for (start, len, put) in runs {
                let start = start % size;
                for n in start..(start + len).min(size) {
                    if put {
                        bitmap.insert(n);
                        plain.insert(n);
                    } else {
                        bitmap.remove(n);
                        plain.remove(&n);
                    }
                }
            }
            for from in asked {
                let from = from % size;
                let expected = (from..size).chain(0..from).find(|n| !plain.contains(n));
                prop_assert_eq!(bitmap.next_absent(from), expected);
                prop_assert_eq!(bitmap.contains(from), plain.contains(&from));
            }
        }
    }
}
