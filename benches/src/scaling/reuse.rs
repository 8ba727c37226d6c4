//! How many accesses would a cache serve?
//!
//! By reuse distances (Mattson, Gecsei, Slutz, Traiger: "Evaluation techniques for storage hierarchies", 1970): an access hits a
//! cache of *n* lines that throws out what was used longest ago if fewer than *n* other lines were used since the line's last
//! access. So one pass tells about every size. Real caches have sets and other rules of replacement: near, not equal.

use std::collections::HashMap;

/// A pass over accesses.
#[derive(Debug)]
pub struct Reuse {
    /// By line, when it was last accessed.
    last: HashMap<u32, usize>,
    /// How many of the last accesses of lines were at each time: a Fenwick tree, from 1.
    tree: Vec<u32>,
    now: usize,
    sizes: Vec<usize>,
    misses: Vec<u64>,
    counted: u64,
}

impl Reuse {
    /// A pass of at most `accesses`, for caches of these sizes in lines.
    pub fn new(accesses: usize, sizes: &[usize]) -> Self {
        Self {
            last: HashMap::new(),
            tree: vec![0; accesses + 1],
            now: 0,
            sizes: sizes.to_vec(),
            misses: vec![0; sizes.len()],
            counted: 0,
        }
    }

    /// The next access; whether it is `counted`, or only takes room. A line's first is never counted.
    ///
    /// # Panics
    /// At more accesses than announced.
    pub fn access(&mut self, line: u32, counted: bool) {
        self.now += 1;
        assert!(self.now < self.tree.len(), "more accesses than announced");
        if let Some(before) = self.last.insert(line, self.now) {
            if counted {
                let others = self.last.len() - self.until(before);
                self.counted += 1;
                for (misses, &size) in self.misses.iter_mut().zip(&self.sizes) {
                    *misses += u64::from(size <= others);
                }
            }
            self.mark(before, u32::MAX);
        }
        self.mark(self.now, 1);
    }

    /// Different lines so far.
    pub fn lines(&self) -> usize {
        self.last.len()
    }

    /// By size, the share of the counted accesses that miss.
    pub fn miss_ratios(&self) -> Vec<f64> {
        let counted = self.counted.max(1) as f64;
        self.misses.iter().map(|&m| m as f64 / counted).collect()
    }

    /// Lines whose last access was at `time` or before.
    fn until(&self, time: usize) -> usize {
        let (mut at, mut sum) = (time, 0u32);
        while at > 0 {
            sum += self.tree[at];
            at &= at - 1;
        }
        sum as usize
    }

    /// Adds to a time; `u32::MAX` takes one away.
    fn mark(&mut self, time: usize, add: u32) {
        let mut at = time;
        while at < self.tree.len() {
            self.tree[at] = self.tree[at].wrapping_add(add);
            at += at & at.wrapping_neg();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::testing::Random;

    /// The share of misses of a cache that is played through.
    fn played(accesses: &[(u32, bool)], size: usize) -> f64 {
        let (mut recent, mut misses, mut all) = (Vec::<u32>::new(), 0, 0);
        for &(line, counted) in accesses {
            let hit = recent.contains(&line);
            misses += u32::from(counted && !hit);
            all += u32::from(counted);
            recent.retain(|&other| other != line);
            recent.push(line);
            if recent.len() > size {
                recent.remove(0);
            }
        }
        f64::from(misses) / f64::from(all)
    }

    #[test]
    fn it_agrees_with_a_cache_that_is_played_through() {
        let mut random = Random::new(3);
        let sizes = [1, 4, 20, 60, 100];
        let mut reuse = Reuse::new(5100, &sizes);
        // Every line once, so that no first access is counted.
        let first = (0..100).map(|line| (line, false));
        let all: Vec<(u32, bool)> = first
            .chain((0..5000).map(|_| {
                let line = random.below(100).min(random.below(100)) as u32;
                (line, random.below(3) > 0)
            }))
            .collect();
        for &(line, counted) in &all {
            reuse.access(line, counted);
        }
        assert_eq!(reuse.lines(), 100);
        for (ratio, size) in reuse.miss_ratios().into_iter().zip(sizes) {
            assert!((ratio - played(&all, size)).abs() < 1e-9, "{size}: {ratio}");
        }
        assert_eq!(reuse.miss_ratios()[4], 0.0);
    }

    #[test]
    fn a_lines_first_access_is_not_counted() {
        let mut reuse = Reuse::new(10, &[1]);
        reuse.access(1, true);
        reuse.access(2, true);
        assert_eq!(reuse.miss_ratios(), [0.0]);
        reuse.access(1, true);
        assert_eq!(reuse.miss_ratios(), [1.0]);
    }
}
