//! The lookup of a burst: stages over all its addresses, each asking for the cache lines of the next.
//!
//! So the misses of up to 64 lookups overlap. Addresses at different levels of different trees are told apart by bit masks,
//! not by branches: a stage is a loop over the bits of one mask.
//!
//! ```text
//!   small VRF:  the root's chunk, level by level ───────────────────────┐
//!   big VRF:    wide direct nodes ─► tags ─► levels ─► leaves ──────────┴─► next hop (0: the default route)
//!                                      └─ what is neither a leaf nor such a chunk: one by one, or `staged`
//! ```
//!
//! What is common has a way without detours. What is rare in a burst is looked up alone: a stage costs as much for one address
//! as for many.

use super::Address;
use super::arch::{Simd, Tags};
use super::arena::LINE;
use super::node::{Entry, FANOUT, LEAVES_NARROW, TAG, TAG_DIRECT_WIDE};
use super::search::{Nodes, Start};
use super::staged::staged;
use crate::id::NextHopId;
use crate::prefetch;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

/// Most addresses of one burst.
pub(super) const BURST: usize = 64;

/// So many stragglers are looked up one by one.
const FEW: u32 = 4;

/// The bits of a mask, lowest first.
#[inline(always)]
pub(super) fn each(mut mask: u64, mut f: impl FnMut(usize)) {
    while mask != 0 {
        f(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// Reads or writes a working array without a bounds check.
///
/// WHY: the indices come from bit masks and loops below `n`; the checks are a tenth of the lookup's instructions.
macro_rules! lane {
    ($lanes:ident[$i:expr]) => {
        *$lanes.get_unchecked($i).assume_init_ref()
    };
    ($lanes:ident[$i:expr] = $value:expr) => {
        $lanes.get_unchecked_mut($i).write($value)
    };
}

/// The next hops of `n` addresses of one VRF. `high(i)` and `addr(i)` are the first half (as [`Address::high`]) and the
/// whole of address `i`; the whole is asked for only where a route is longer than 56 bits.
///
/// # Safety
/// As [`Nodes`] says; `n <= BURST` and `out` has room for `n`.
#[inline(always)]
pub(super) unsafe fn burst<A: Address, S: Simd>(
    simd: S,
    from: Start,
    n: usize,
    high: impl Fn(usize) -> u64,
    addr: impl Fn(usize) -> A,
    out: *mut NextHopId,
) {
    let nodes = from.nodes;
    let burst = Burst {
        simd,
        nodes,
        n,
        entries: out.cast(),
    };
    let levels = from.root.tag() & 3;
    // SAFETY: the caller's promise, for each.
    unsafe {
        // Stragglers: those that are not at the end, and the length of the span they have come to.
        let (rest, len) = if from.root.tag() == TAG_DIRECT_WIDE {
            let (others, deep) = burst.through_wide::<A>(from.root, &high);
            if others != 0 {
                burst.finish(others, A::WIDE_END, &high, &addr);
            }
            (if deep { burst.unfinished() } else { 0 }, 64)
        } else if A::ROOT_TAGS.contains(&from.root.tag()) && levels <= 2 {
            (burst.through_root::<A>(from.root, levels, &high), 64)
        } else {
            for i in 0..n {
                burst.set(i, from.root);
            }
            (burst.unfinished(), 0)
        };
        burst.finish(rest, len, &high, &addr);
        for i in 0..n {
            let entry = burst.entry(i);
            let next_hop = if entry == Entry::NONE {
                from.default
            } else {
                entry.index()
            };
            out.add(i).write(NextHopId(next_hop));
        }
    }
}

/// A burst on its way: the entry that each address has come to.
///
/// # Invariant
/// `entries` has room for `n`, which is at most [`BURST`]; methods are called with `i < n` and masks of such.
struct Burst<S> {
    simd: S,
    nodes: Nodes,
    n: usize,
    entries: *mut u32,
}

impl<S: Simd> Burst<S> {
    #[inline(always)]
    unsafe fn entry(&self, i: usize) -> Entry {
        // SAFETY: the invariant.
        Entry(unsafe { *self.entries.add(i) })
    }

    #[inline(always)]
    unsafe fn set(&self, i: usize, entry: Entry) {
        // SAFETY: the invariant.
        unsafe { *self.entries.add(i) = entry.0 };
    }

    /// Those whose entry names a node.
    #[inline(always)]
    unsafe fn unfinished(&self) -> u64 {
        let mut unfinished = 0;
        for i in 0..self.n {
            // SAFETY: the invariant.
            unfinished |= u64::from(!unsafe { self.entry(i) }.is_leaf()) << i;
        }
        unfinished
    }

    /// Takes stragglers, which have come to spans of `len` bits, to their ends.
    #[inline(always)]
    unsafe fn finish<A: Address>(
        &self,
        mask: u64,
        len: u8,
        high: &impl Fn(usize) -> u64,
        addr: &impl Fn(usize) -> A,
    ) {
        if mask == 0 {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            if mask.count_ones() <= FEW {
                each(mask, |i| {
                    let entry = self.nodes.find(self.simd, self.entry(i), addr(i), len);
                    self.set(i, entry);
                });
            } else {
                staged(self.simd, self.nodes, mask, len, high, addr, self.entries);
            }
        }
    }

    /// Takes all through the one chunk that a small VRF begins with. Those that go on come back.
    #[inline(always)]
    unsafe fn through_root<A: Address>(
        &self,
        root: Entry,
        levels: u8,
        high: &impl Fn(usize) -> u64,
    ) -> u64 {
        let (n, node) = (self.n, self.nodes.line(root));
        // For IPv4 keys of 32 bits, for IPv6 of 64: a key node is one line or two.
        let narrow = A::BITS == 32;
        let key_lines = if narrow { 1 } else { 2 };
        let mut line = [MaybeUninit::<u32>::uninit(); BURST];
        let mut seen = 0;
        // SAFETY: the caller's promise; `line` is written before it is read.
        unsafe {
            let below = |line: *const u8, key: u64| {
                if narrow {
                    self.simd.below_narrow(line.cast(), key as u32)
                } else {
                    self.simd.below_wide(line.cast(), key)
                }
            };
            if levels == 2 {
                for i in 0..n {
                    let at = key_lines + below(node, high(i)) * (key_lines + 1);
                    for k in 0..=key_lines {
                        prefetch(node.wrapping_add((at + k) * LINE));
                    }
                    lane!(line[i] = at as u32);
                }
            }
            for i in 0..n {
                let at = if levels == 2 { lane!(line[i]) } else { 0 };
                let leaf = node.wrapping_add(at as usize * LINE);
                let values = leaf.wrapping_add(key_lines * LINE);
                let value = self.nodes.word(values, below(leaf, high(i)));
                let value = (*value).load(Ordering::Acquire);
                self.set(i, Entry(value));
                seen |= value;
            }
            if seen & TAG == 0 {
                return 0;
            }
            self.unfinished()
        }
    }

    /// Takes all through the wide direct nodes, and those that then come to a narrow chunk of the family's first window
    /// through it. Those that come to anything else but a leaf come back where the direct nodes ended; and whether
    /// any of those that came through has to go on.
    #[inline(always)]
    unsafe fn through_wide<A: Address>(
        &self,
        root: Entry,
        high: &impl Fn(usize) -> u64,
    ) -> (u64, bool) {
        let (simd, nodes, n) = (self.simd, self.nodes, self.n);
        let bits = A::WIDE_BITS;
        let top = if A::BITS == 32 { 32 } else { 64 };
        let key = |i: usize| (high(i) >> A::KEY_SHIFT) as u32;
        // By its offset, the line that each address has come to.
        let mut line = [MaybeUninit::<u32>::uninit(); BURST];
        let mut tags = Tags([0; BURST]);
        // SAFETY: the caller's promise; working arrays are written before they are read.
        unsafe {
            // For IPv6 a root and pages, for IPv4 a root.
            let root = nodes.line(root);
            for i in 0..n {
                let high = high(i);
                let slot = nodes.word(root, (high >> (top - bits)) as usize);
                let mut entry = Entry((*slot).load(Ordering::Acquire));
                if A::WIDE_END > bits {
                    // Where the root's slot is no page, the "page's slot" is that slot once more, which spares a branch.
                    let page = high >> (top - 2 * bits) & ((1 << bits) - 1);
                    let inside = nodes.word(nodes.line(entry), page as usize);
                    let paged = entry.tag() == TAG_DIRECT_WIDE;
                    let slot = if paged { inside } else { slot };
                    entry = Entry((*slot).load(Ordering::Acquire));
                }
                let node = nodes.line(entry);
                prefetch(node);
                prefetch(node.wrapping_add(LINE));
                self.set(i, entry);
                *tags.0.get_unchecked_mut(i) = entry.0 as u8;
            }

            let level = |levels: u8| simd.matching(&tags, TAG as u8, A::FIRST_TAG + levels - 1);
            let (one, two, three) = (level(1), level(2), level(3));
            const LINE32: u32 = LINE as u32;
            const LEAVES: [u32; 3] = [
                0,
                LEAVES_NARROW[1] as u32 * LINE32,
                LEAVES_NARROW[2] as u32 * LINE32,
            ];
            let at = |offset: u32| nodes.0.wrapping_add(offset as usize);
            let below = |offset: u32, i: usize| simd.below_narrow(at(offset).cast(), key(i)) as u32;
            let go_on = |leaf: u32| {
                prefetch(at(leaf));
                prefetch(at(leaf).wrapping_add(LINE));
                leaf
            };
            each(three, |i| {
                let root = self.entry(i).offset() as u32;
                let inner = root + (1 + below(root, i)) * LINE32;
                prefetch(at(inner));
                lane!(line[i] = inner);
            });
            each(two, |i| {
                let root = self.entry(i).offset() as u32;
                let leaf = root + LEAVES[1] + below(root, i) * (2 * LINE32);
                lane!(line[i] = go_on(leaf));
            });
            each(three, |i| {
                let root = self.entry(i).offset() as u32;
                let inner = lane!(line[i]);
                let before = (inner - root - LINE32) * (2 * FANOUT as u32);
                let leaf = root + LEAVES[2] + before + below(inner, i) * (2 * LINE32);
                lane!(line[i] = go_on(leaf));
            });
            let mut seen = 0;
            let mut end = |leaf: u32, i: usize| {
                let value = nodes.word(at(leaf).wrapping_add(LINE), below(leaf, i) as usize);
                let value = (*value).load(Ordering::Acquire);
                self.set(i, Entry(value));
                seen |= value;
            };
            each(one, |i| end(self.entry(i).offset() as u32, i));
            each(two | three, |i| end(lane!(line[i]), i));
            // Of those with a tag of another kind; 0, where tags beyond `n` are too, is a leaf.
            let others = !(one | two | three | simd.matching(&tags, TAG as u8, 0));
            (others, seen & TAG != 0)
        }
    }
}
