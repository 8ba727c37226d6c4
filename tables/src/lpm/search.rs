//! The structure as a reader sees it, and the lookup of one address.

use super::arch::Simd;
use super::arena::LINE;
use super::build::key;
use super::node::{ASIDE, Entry, FANOUT, Kind, Packing};
use super::{Address, Scalar};
use crate::id::NextHopId;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

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

    /// The entry of `addr` in the node that `entry` names, whose span is `len` bits long, and the length of that entry's span; `None`
    /// for a leaf.
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
    ) -> Option<(Entry, u8)> {
        let node = self.line(entry);
        // SAFETY: a direct node has a word for every value of its bits; a leaf's 15 separators are below or not, and it has
        // 16 values; a packed chunk is as `node` describes.
        unsafe {
            let load = |node, index| {
                let word = self.word(node, index);
                simd.reads(word.cast());
                Entry((*word).load(Ordering::Acquire))
            };
            let (window, levels) = match entry.kind() {
                Kind::Leaf => return None,
                Kind::Direct8 => {
                    return Some((load(node, addr.bits(len, 8) as usize), len + 8));
                }
                Kind::DirectWide => {
                    let slot = addr.bits(len, A::WIDE_BITS) as usize;
                    return Some((load(node, slot), len + A::WIDE_BITS));
                }
                Kind::Chunk(window, levels) => (window, levels),
            };
            let key = key(window, addr);
            let end = window.end(A::BITS);
            if window.is_packed() {
                return Some((self.packed(simd, entry, key as usize), end));
            }
            macro_rules! below {
                ($line:expr) => {
                    if window.is_wide() {
                        simd.below_wide($line.cast(), key)
                    } else {
                        simd.below_narrow($line.cast(), key as u32)
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
            Some((load(values, below!(leaf)), end))
        }
    }

    /// The entry of `place` in the packed chunk that `entry` names.
    ///
    /// # Safety
    /// As [`Nodes`] says; it names one.
    #[inline(always)]
    unsafe fn packed<S: Simd>(self, simd: S, entry: Entry, place: usize) -> Entry {
        let packing = Packing::of(entry.tag());
        let (line, bit) = packing.spot(place);
        let line = self.line(entry).wrapping_add(line * LINE);
        simd.reads(line);
        // SAFETY: as `node` describes.
        unsafe {
            let mut index = bit;
            if !packing.is_direct() {
                let bits = *line.cast::<u64>().wrapping_add(bit / 64);
                let before = *line.wrapping_add(8 * packing.words() + bit / 64);
                index = (bits << (63 - bit % 64)).count_ones() as usize + before as usize;
            }
            let hop = line.wrapping_add(packing.hops_at()).cast::<AtomicU16>();
            let hop = (*hop.wrapping_add(index)).load(Ordering::Acquire);
            if hop & ASIDE == 0 {
                Entry::leaf(hop as u32)
            } else {
                simd.reads(self.line(entry).wrapping_add(packing.lines * LINE));
                self.aside(entry, hop)
            }
        }
    }

    /// The entry of a packed chunk's side line that one of its next hops stands for.
    ///
    /// # Safety
    /// As [`Nodes`] says; the next hop is of the chunk that `entry` names.
    #[inline(always)]
    pub unsafe fn aside(self, entry: Entry, hop: u16) -> Entry {
        let lines = Packing::of(entry.tag()).lines;
        let side = self.line(entry).wrapping_add(lines * LINE);
        // SAFETY: there is a side line, and the number is one of its entries.
        let word = unsafe { &*self.word(side, (hop - ASIDE - 1) as usize) };
        Entry(word.load(Ordering::Acquire))
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
        while let Some((next, end)) = unsafe { self.step(simd, entry, addr, len) } {
            (entry, len) = (next, end);
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
