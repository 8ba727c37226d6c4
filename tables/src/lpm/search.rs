//! The structure as a reader sees it, and the lookup of one address.

use super::arch::Simd;
use super::arena::LINE;
use super::build::key;
use super::node::{Entry, FANOUT, Kind};
use super::{Address, Scalar};
use crate::id::NextHopId;
use std::sync::atomic::{AtomicU32, Ordering};

/// The structure, from line 0 on, for the length of a lookup.
///
/// Whoever makes one sees to it that no node is reused while it exists, and that every entry given to it came from
/// that memory: then every line it computes is within the memory, and immutable but for the entries, which are atomic.
#[derive(Clone, Copy)]
pub(super) struct Nodes(pub *const u8);

/// A VRF, for the length of a lookup.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub nodes: Nodes,
    pub root: Entry,
    /// The next hop where there is no route but the default route; or 0.
    pub default: u32,
}

impl Nodes {
    #[inline(always)]
    pub fn line(self, entry: Entry) -> *const u8 {
        self.0.wrapping_add(entry.offset())
    }

    /// The entry at slot `index` of a direct node, or of a line of values.
    #[inline(always)]
    pub unsafe fn word(self, node: *const u8, index: usize) -> *const AtomicU32 {
        node.cast::<AtomicU32>().wrapping_add(index)
    }

    /// Where `addr`'s entry stands in the node that `entry` names, whose span is `len` bits long; `None` for a leaf.
    ///
    /// # Safety
    /// As [`Nodes`] says.
    #[inline(always)]
    pub unsafe fn step<A: Address, S: Simd>(
        self,
        simd: S,
        entry: Entry,
        addr: A,
        len: u8,
    ) -> Option<(*const AtomicU32, u8)> {
        let node = self.line(entry);
        let (window, levels) = match entry.kind() {
            Kind::Leaf => return None,
            Kind::Direct8 => {
                // SAFETY: a direct node has a word for every value of its bits.
                return Some((
                    unsafe { self.word(node, addr.bits(len, 8) as usize) },
                    len + 8,
                ));
            }
            Kind::DirectWide => {
                let slot = addr.bits(len, A::WIDE_BITS) as usize;
                // SAFETY: as above.
                return Some((unsafe { self.word(node, slot) }, len + A::WIDE_BITS));
            }
            Kind::Chunk(window, levels) => (window, levels),
        };
        let key = key(window, addr);
        macro_rules! below {
            ($line:expr) => {
                if window.is_wide() {
                    // SAFETY: it is a key node of a wide chunk.
                    unsafe { simd.below_wide($line.cast(), key) }
                } else {
                    // SAFETY: it is a key node of a narrow chunk.
                    unsafe { simd.below_narrow($line.cast(), key as u32) }
                }
            };
        }
        let (mut at, mut level_start, mut nodes) = (0, 0, 1);
        for _ in 1..levels {
            let line = level_start + at * window.key_lines();
            at = at * FANOUT + below!(node.wrapping_add(line * LINE));
            level_start += nodes * window.key_lines();
            nodes *= FANOUT;
        }
        let leaf = node.wrapping_add((level_start + at * window.leaf_lines()) * LINE);
        let values = leaf.wrapping_add(window.key_lines() * LINE);
        let at = below!(leaf);
        // SAFETY: a leaf's 15 separators are below or not, and it has 16 values.
        Some((unsafe { self.word(values, at) }, window.end(A::BITS)))
    }
}

impl Nodes {
    /// The leaf that `addr` comes to from `entry`, whose span is `len` bits long.
    ///
    /// # Safety
    /// As [`Nodes`] says.
    #[inline(always)]
    pub unsafe fn find<A: Address, S: Simd>(
        self,
        simd: S,
        mut entry: Entry,
        addr: A,
        mut len: u8,
    ) -> Entry {
        // SAFETY: the caller's promise; entries met on the way are of the same structure.
        while let Some((word, end)) = unsafe { self.step(simd, entry, addr, len) } {
            // SAFETY: `step` gives a word of a live node.
            entry = Entry(unsafe { &*word }.load(Ordering::Acquire));
            len = end;
        }
        entry
    }
}

impl Start {
    /// The next hop of one address.
    ///
    /// # Safety
    /// As [`Nodes`] says.
    #[inline]
    pub unsafe fn find<A: Address>(self, addr: A) -> NextHopId {
        // SAFETY: the caller's promise.
        let entry = unsafe { self.nodes.find(Scalar, self.root, addr, 0) };
        NextHopId(if entry == Entry::NONE {
            self.default
        } else {
            entry.index()
        })
    }
}
