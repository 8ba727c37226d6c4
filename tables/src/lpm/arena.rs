//! Memory of the lookup structure: runs of 64-byte lines that never move. Line 0 is never handed out: lookups that have
//! nothing to look for find there no bits, and a next hop.
//!
//! A freed run is first wanted again at its own size, so runs are kept by size, the smallest that fits being taken and cut. When
//! none fits and much has been freed, neighbouring runs are put together before more memory is taken.

use crate::region::Region;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32};

/// Bytes of a line.
pub(super) const LINE: usize = 64;

/// The offset of bitmaps without a bit.
pub(super) const NO_BITS: u32 = 0;

/// The number of the half word that is 1, whatever next hop that is.
pub(super) const HOP_1: u32 = LINE as u32 / 2 - 1;

/// What fills freed nodes in debug builds: read as an entry, an impossible next hop.
pub(super) const POISON: u32 = 0x0bad_0bad;

/// Runs are put together when one line in so many was freed since the last time.
const MERGE_SHARE: u32 = 16;

/// A run of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Number of the first line; never 0.
    pub first: u32,
    /// Number of lines.
    pub count: u32,
}

/// The writer's allocator over a region that readers only read.
#[derive(Debug)]
pub(super) struct Arena {
    region: Arc<Region>,
    /// First line never handed out.
    top: u32,
    /// The first lines of freed runs, by their size.
    free: BTreeMap<u32, Vec<u32>>,
    /// Lines freed since runs were last put together.
    unmerged: u32,
}

impl Arena {
    /// Reserves `bytes` of address space; if the system refuses, half, and so on.
    pub fn new(bytes: usize) -> io::Result<Arena> {
        let mut bytes = bytes;
        let region = loop {
            match Region::reserve(bytes) {
                Err(_) if bytes > 64 << 20 => bytes /= 2,
                result => break result?,
            }
        };
        region.open(LINE)?;
        // SAFETY: the first line has just been opened, and nobody else knows the region yet.
        unsafe {
            region.base().write_bytes(0, LINE);
            region.base().cast::<u16>().add(HOP_1 as usize).write(1);
        }
        Ok(Arena {
            region: Arc::new(region),
            top: 1,
            free: BTreeMap::new(),
            unmerged: 0,
        })
    }

    /// The memory itself, for those who read it.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Bytes from the first line to the last that was ever handed out.
    #[cfg(test)]
    pub fn used_bytes(&self) -> usize {
        self.top as usize * LINE
    }

    /// The first word of a line.
    pub fn line(&self, line: u32) -> *mut u32 {
        // SAFETY: lines are handed out within the region.
        unsafe { self.region.base().add(line as usize * LINE).cast() }
    }

    /// A word that readers may read, by its number: 16 to a line.
    pub fn word(&self, word: u32) -> *const AtomicU32 {
        let at = word as usize * size_of::<AtomicU32>();
        // SAFETY: words are of lines that were handed out, so within the region.
        unsafe { self.region.base().add(at).cast::<AtomicU32>().cast_const() }
    }

    /// Half a word that readers may read, by its number: 32 to a line.
    pub fn half(&self, half: u32) -> *const AtomicU16 {
        let at = half as usize * size_of::<AtomicU16>();
        // SAFETY: as above.
        unsafe { self.region.base().add(at).cast::<AtomicU16>().cast_const() }
    }

    /// Allocates `count` lines, whose content is undefined.
    pub fn alloc(&mut self, count: u32) -> io::Result<Lines> {
        let mut first = self.reuse(count);
        if first.is_none() && self.unmerged > self.top / MERGE_SHARE {
            self.merge();
            first = self.reuse(count);
        }
        if let Some(first) = first {
            return Ok(Lines { first, count });
        }
        let first = self.top;
        self.region.open((first + count) as usize * LINE)?;
        self.top = first + count;
        Ok(Lines { first, count })
    }

    /// Takes `count` lines from the smallest free run that has so many.
    fn reuse(&mut self, count: u32) -> Option<u32> {
        let (&size, runs) = self.free.range_mut(count..).next()?;
        let first = runs.pop()?;
        if runs.is_empty() {
            self.free.remove(&size);
        }
        if size > count {
            let rest = self.free.entry(size - count).or_default();
            rest.push(first + count);
        }
        Some(first)
    }

    /// Takes back lines that no reader can be reading.
    pub fn free(&mut self, lines: Lines) {
        if cfg!(debug_assertions) {
            let start = self.line(lines.first);
            for word in 0..lines.count as usize * LINE / size_of::<u32>() {
                // SAFETY: the run was allocated from the opened part of the region, and nobody else has it.
                unsafe { start.add(word).write(POISON) };
            }
        }
        self.unmerged += lines.count;
        self.free.entry(lines.count).or_default().push(lines.first);
    }

    /// Puts neighbouring free runs together, the last with what was never handed out.
    fn merge(&mut self) {
        self.unmerged = 0;
        let runs = std::mem::take(&mut self.free).into_iter();
        let runs = runs.flat_map(|(count, runs)| runs.into_iter().map(move |first| (first, count)));
        let mut runs: Vec<(u32, u32)> = runs.collect();
        runs.sort_unstable();
        runs.dedup_by(|next, run| {
            let adjacent = run.0 + run.1 == next.0;
            run.1 += if adjacent { next.1 } else { 0 };
            adjacent
        });
        if let Some(&(first, count)) = runs.last()
            && first + count == self.top
        {
            self.top = first;
            runs.pop();
        }
        for (first, count) in runs {
            self.free.entry(count).or_default().push(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn freed_runs_are_reused_cut_and_put_together() {
        let mut arena = Arena::new(4 << 20).unwrap();
        let [a, b, c] = [3, 100, 5].map(|count| arena.alloc(count).unwrap());
        assert!(a.first > 0 && b.first == a.first + 3 && c.first == b.first + 100);
        arena.free(b);
        arena.free(a);
        assert_eq!(arena.alloc(3).unwrap(), a);
        assert_eq!(arena.alloc(60).unwrap().first, b.first);
        assert_eq!(arena.alloc(40).unwrap().first, b.first + 60);
        arena.free(Lines {
            first: b.first + 20,
            count: 80,
        });
        arena.free(Lines {
            first: b.first,
            count: 20,
        });
        assert_eq!(arena.alloc(100).unwrap(), b);
        arena.free(c);
        arena.free(b);
        assert_eq!(
            arena.alloc(200).unwrap().first,
            b.first,
            "the top came down"
        );
        assert!(arena.alloc(1 << 20).is_err(), "more than was reserved");
    }

    #[test]
    fn runs_never_overlap_and_holes_stay_few() {
        let mut arena = Arena::new(64 << 20).unwrap();
        let mut random = Random::new(8);
        let mut live: Vec<Lines> = Vec::new();
        let (mut lines, mut most) = (0, 0);
        for _ in 0..50_000 {
            if live.len() > 500 || !live.is_empty() && random.below(3) == 0 {
                let run = live.swap_remove(random.below(live.len() as u64) as usize);
                lines -= run.count;
                arena.free(run);
            } else {
                let count = 1 + random.below(1 + random.clone().below(300)) as u32;
                live.push(arena.alloc(count).unwrap());
                lines += count;
                most = most.max(lines);
            }
        }
        live.sort_unstable_by_key(|run| run.first);
        assert!(
            live.windows(2)
                .all(|w| w[0].first + w[0].count <= w[1].first)
        );
        assert!(arena.top < most + most / 2, "{} for {most}", arena.top);
    }
}
