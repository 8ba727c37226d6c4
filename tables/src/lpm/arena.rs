//! Memory of the lookup structure: runs of 64-byte lines that never move, with free lists by size.

use crate::region::Region;
use hashbrown::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Bytes of a line.
pub(super) const LINE: usize = 64;

/// What fills freed nodes in debug builds: read as an entry, an impossible next hop.
pub(super) const POISON: u32 = 0x0bad_0bad;

/// A run of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Number of the first line; never 0.
    pub first: u32,
    /// Lines in use (the allocation may be a little longer).
    pub count: u32,
}

/// The writer's allocator over a region that readers only read.
#[derive(Debug)]
pub(super) struct Arena {
    region: Arc<Region>,
    /// First line never handed out.
    top: u32,
    /// Freed runs by allocated size.
    free: HashMap<u32, Vec<u32>>,
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
        Ok(Arena {
            region: Arc::new(region),
            top: 1,
            free: HashMap::new(),
        })
    }

    /// The memory itself, for those who read it.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
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

    /// Lines that an allocation of `count` takes: exact up to 32, above in eighths of the power of two.
    pub fn size_class(count: u32) -> u32 {
        let step = (count.max(1).ilog2()).saturating_sub(3);
        if count <= 32 {
            count
        } else {
            count.next_multiple_of(1 << step)
        }
    }

    /// Allocates `count` lines, whose content is undefined.
    pub fn alloc(&mut self, count: u32) -> io::Result<Lines> {
        let size = Arena::size_class(count);
        if let Some(first) = self.free.get_mut(&size).and_then(Vec::pop) {
            return Ok(Lines { first, count });
        }
        let first = self.top;
        self.region.open((first + size) as usize * LINE)?;
        self.top = first + size;
        Ok(Lines { first, count })
    }

    /// Takes back lines that no reader can be reading.
    pub fn free(&mut self, lines: Lines) {
        let size = Arena::size_class(lines.count);
        if cfg!(debug_assertions) {
            let start = self.line(lines.first);
            for word in 0..size as usize * LINE / size_of::<u32>() {
                // SAFETY: the run was allocated from the opened part of the region, and nobody else has it.
                unsafe { start.add(word).write(POISON) };
            }
        }
        self.free.entry(size).or_default().push(lines.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_runs_are_reused_by_size_and_waste_is_bounded() {
        let mut arena = Arena::new(4 << 20).unwrap();
        let a = arena.alloc(3).unwrap();
        let b = arena.alloc(100).unwrap();
        assert!(a.first > 0 && b.first >= a.first + 3);
        arena.free(a);
        assert_eq!(
            arena.alloc(2).unwrap().first,
            b.first + Arena::size_class(100)
        );
        assert_eq!(arena.alloc(3).unwrap(), a);
        for count in 1..20_000 {
            let size = Arena::size_class(count);
            assert!(
                size >= count && size as f64 <= count as f64 * 1.126,
                "{count} -> {size}"
            );
        }
        assert!(arena.alloc(1 << 20).is_err(), "more than was reserved");
    }
}
