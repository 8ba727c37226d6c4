//! The lookup: one address at a time, and a burst at once.
//!
//! A burst goes in stages over all its addresses, each stage asking for the cache lines of the next, so that the misses
//! of up to 64 lookups overlap. Addresses at different levels of different trees are told apart by bit masks, not by
//! branches: a stage is a loop over the bits of one mask.
//!
//! ```text
//!   wide direct nodes ──► tags ──► direct nodes of 8 bits, until none
//!                           ▲  └─► inner levels of the chunks ──► leaves ──► next hop
//!                           └───── values that go on in a later window ◄──┘  (0 -> the default route)
//! ```

use super::arch::{Simd, Tags};
use super::arena::LINE;
use super::build::key;
use super::node::{
    Entry, FANOUT, Kind, LEAVES_NARROW, LEAVES_WIDE, TAG_D4, TAG_DIRECT_WIDE, TAG_DIRECT8,
    TAG_WIDE, Window,
};
use super::{Address, Scalar};
use crate::id::NextHopId;
use crate::prefetch;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most addresses of one burst.
pub(super) const BURST: usize = 64;

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
    fn line(self, entry: Entry) -> *const u8 {
        self.0.wrapping_add(entry.index() as usize * LINE)
    }

    /// The entry at slot `index` of a direct node, or of a line of values.
    #[inline(always)]
    unsafe fn word(self, node: *const u8, index: usize) -> *const AtomicU32 {
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
        let below = |line: *const u8| {
            if window.is_wide() {
                // SAFETY: `line` is a key node of a wide chunk.
                unsafe { simd.below_wide(line.cast(), key) }
            } else {
                // SAFETY: `line` is a key node of a narrow chunk.
                unsafe { simd.below_narrow(line.cast(), key as u32) }
            }
        };
        let (mut at, mut level_start, mut nodes) = (0, 0, 1);
        for _ in 1..levels {
            let line = level_start + at * window.key_lines();
            at = at * FANOUT + below(node.wrapping_add(line * LINE));
            level_start += nodes * window.key_lines();
            nodes *= FANOUT;
        }
        let leaf = node.wrapping_add((level_start + at * window.leaf_lines()) * LINE);
        let values = leaf.wrapping_add(window.key_lines() * LINE);
        // SAFETY: a leaf's 15 separators are below or not, and it has 16 values.
        Some((
            unsafe { self.word(values, below(leaf)) },
            window.end(A::BITS),
        ))
    }
}

impl Start {
    /// The next hop of one address.
    ///
    /// # Safety
    /// As [`Nodes`] says.
    #[inline]
    pub unsafe fn find<A: Address>(self, addr: A) -> NextHopId {
        let (mut entry, mut len) = (self.root, 0);
        // SAFETY: the caller's promise; entries met on the way are of the same structure.
        while let Some((word, end)) = unsafe { self.nodes.step(Scalar, entry, addr, len) } {
            // SAFETY: `step` gives a word of a live node.
            entry = Entry(unsafe { &*word }.load(Ordering::Acquire));
            len = end;
        }
        NextHopId(if entry == Entry::NONE {
            self.default
        } else {
            entry.0
        })
    }
}

/// What is known of each address of a burst between stages. Only the first `n` are initialised.
struct Lanes {
    entry: [MaybeUninit<u32>; BURST],
    node: [MaybeUninit<*const u8>; BURST],
    key: [MaybeUninit<u64>; BURST],
    at: [MaybeUninit<u32>; BURST],
    tags: Tags,
}

/// The bits of a mask, lowest first.
#[inline(always)]
fn each(mut mask: u64, mut f: impl FnMut(usize)) {
    while mask != 0 {
        f(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// Reads or writes a lane without a bounds check.
///
/// WHY: the indices come from bit masks and loops below `n`; the checks are a tenth of the lookup's instructions.
macro_rules! lane {
    ($lanes:ident . $field:ident [$i:expr]) => {
        *$lanes.$field.get_unchecked($i).assume_init_ref()
    };
    ($lanes:ident . $field:ident [$i:expr] = $value:expr) => {
        $lanes.$field.get_unchecked_mut($i).write($value)
    };
}

impl Lanes {
    /// Notes the entry that lane `i` has come to, and asks for the lines that it will read first.
    ///
    /// # Safety
    /// `i < BURST`.
    #[inline(always)]
    unsafe fn enter(
        &mut self,
        nodes: Nodes,
        i: usize,
        entry: Entry,
        high: u64,
        low: impl Fn() -> u64,
        direct_shift: u8,
    ) {
        let tag = entry.tag();
        let node = nodes.line(entry);
        let mut first = node;
        let mut key = high >> if tag < TAG_DIRECT8 { 8 } else { 0 };
        if tag == TAG_DIRECT8 {
            let bits = if direct_shift >= 64 {
                high >> (direct_shift - 64)
            } else {
                low() >> direct_shift
            };
            first = node.wrapping_add((bits & 0xff) as usize * size_of::<u32>());
        } else if tag & TAG_WIDE != 0 {
            if tag >= TAG_D4 {
                key = low();
            }
            prefetch(node.wrapping_add(2 * LINE));
        }
        prefetch(first);
        prefetch(node.wrapping_add(LINE));
        // SAFETY: the caller's `i` is within the arrays.
        unsafe {
            lane!(self.entry[i] = entry.0);
            lane!(self.node[i] = node);
            lane!(self.key[i] = key);
            *self.tags.0.get_unchecked_mut(i) = tag;
        }
    }
}

/// The next hops of `n` addresses of one VRF. `high(i)` and `addr(i)` are the first half (as [`Address::high`]) and the whole of address `i`; the whole is
/// asked for only where a route is longer than 56 bits.
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
    let Start {
        nodes,
        root,
        default,
    } = from;
    let mut lanes = Lanes {
        entry: [MaybeUninit::uninit(); BURST],
        node: [MaybeUninit::uninit(); BURST],
        key: [MaybeUninit::uninit(); BURST],
        at: [MaybeUninit::uninit(); BURST],
        tags: Tags([0; BURST]),
    };
    let low = |i: usize| addr(i).low();
    // Shift of the byte that the first direct nodes of 8 bits look at, counted from the end of 128 bits.
    let top = if A::BITS == 32 { 96 } else { 128 };
    let mut shift = top - A::WIDE_END - 8;

    // SAFETY: for the whole of this function: lanes are below `n`, and initialised before they are read; `nodes` and the
    // entries that lead from one to another are as the caller promised.
    unsafe {
        // The wide direct nodes: for IPv6 a root and pages. Where the root's slot is no page, the "page's slot" is that
        // slot once more, which spares a branch.
        if root.tag() == TAG_DIRECT_WIDE {
            let bits = A::WIDE_BITS;
            let root = nodes.line(root);
            for i in 0..n {
                let high = high(i);
                let mut slot = nodes.word(root, (high >> (top - 64 - bits)) as usize);
                if A::WIDE_END > bits {
                    let entry = Entry((*slot).load(Ordering::Acquire));
                    let page = high >> (top - 64 - 2 * bits) & ((1 << bits) - 1);
                    let inside = nodes.word(nodes.line(entry), page as usize);
                    slot = if entry.tag() == TAG_DIRECT_WIDE {
                        inside
                    } else {
                        slot
                    };
                }
                prefetch(slot.cast());
                lane!(lanes.node[i] = slot.cast());
            }
            for i in 0..n {
                let slot = lane!(lanes.node[i]).cast::<AtomicU32>();
                let mut entry = Entry((*slot).load(Ordering::Acquire));
                if A::WIDE_END > bits && entry.tag() == TAG_DIRECT_WIDE {
                    // The writer has put a page there between our two looks.
                    let page = high(i) >> (top - 64 - 2 * bits) & ((1 << bits) - 1);
                    let slot = nodes.word(nodes.line(entry), page as usize);
                    entry = Entry((*slot).load(Ordering::Acquire));
                }
                lanes.enter(nodes, i, entry, high(i), || low(i), shift);
            }
        } else {
            for i in 0..n {
                lanes.enter(nodes, i, root, high(i), || low(i), shift);
            }
        }

        loop {
            let mut direct = simd.matching(&lanes.tags, 0xf, TAG_DIRECT8);
            while direct != 0 {
                let at = shift;
                shift = shift.wrapping_sub(8);
                each(direct, |i| {
                    let bits = if at >= 64 {
                        high(i) >> (at - 64)
                    } else {
                        low(i) >> at
                    };
                    let slot = nodes.word(lane!(lanes.node[i]), (bits & 0xff) as usize);
                    let entry = Entry((*slot).load(Ordering::Acquire));
                    lanes.enter(nodes, i, entry, high(i), || low(i), shift);
                });
                direct = simd.matching(&lanes.tags, 0xf, TAG_DIRECT8);
            }

            // Narrow chunks. Bits 0, 1 and 3 of a tag tell levels and width; windows A and B differ in bit 2 alone.
            let level = |levels: u8| simd.matching(&lanes.tags, TAG_WIDE | 3, levels);
            let (one, two, three) = (level(1), level(2), level(3));
            each(three, |i| {
                let node = lane!(lanes.node[i]);
                let at = simd.below_narrow(node.cast(), lane!(lanes.key[i]) as u32);
                lane!(lanes.at[i] = at as u32);
                prefetch(node.wrapping_add((1 + at) * LINE));
            });
            each(two, |i| {
                let node = lane!(lanes.node[i]);
                let at = simd.below_narrow(node.cast(), lane!(lanes.key[i]) as u32);
                let leaf = node.wrapping_add((LEAVES_NARROW[1] + 2 * at) * LINE);
                lane!(lanes.node[i] = leaf);
                prefetch(leaf);
                prefetch(leaf.wrapping_add(LINE));
            });
            each(three, |i| {
                let node = lane!(lanes.node[i]);
                let at = lane!(lanes.at[i]) as usize;
                let inner = node.wrapping_add((1 + at) * LINE);
                let at = at * FANOUT + simd.below_narrow(inner.cast(), lane!(lanes.key[i]) as u32);
                let leaf = node.wrapping_add((LEAVES_NARROW[2] + 2 * at) * LINE);
                lane!(lanes.node[i] = leaf);
                prefetch(leaf);
                prefetch(leaf.wrapping_add(LINE));
            });
            let narrow = one | two | three;
            let mut seen = 0;
            each(narrow, |i| {
                let leaf = lane!(lanes.node[i]);
                let at = simd.below_narrow(leaf.cast(), lane!(lanes.key[i]) as u32);
                let value = nodes.word(leaf.wrapping_add(LINE), at);
                let value = (*value).load(Ordering::Acquire);
                lane!(lanes.entry[i] = value);
                seen |= value;
            });

            // Chunks with 64-bit keys, and no wide direct node left among the tags.
            let wide = simd.matching(&lanes.tags, TAG_WIDE, TAG_WIDE);
            if wide != 0 {
                let level =
                    |levels: u8| simd.matching(&lanes.tags, TAG_WIDE | 3, TAG_WIDE | levels & 3);
                let (two, three, four) = (level(2), level(3), level(4));
                each(wide, |i| {
                    lane!(lanes.at[i] = 0);
                });
                let mut start = 0;
                let mut count = 1;
                for inner in [two | three | four, three | four, four] {
                    each(inner, |i| {
                        let node = lane!(lanes.node[i]);
                        let at = lane!(lanes.at[i]) as usize;
                        let line = node.wrapping_add((start + 2 * at) * LINE);
                        let at = at * FANOUT + simd.below_wide(line.cast(), lane!(lanes.key[i]));
                        lane!(lanes.at[i] = at as u32);
                        let tag = *lanes.tags.0.get_unchecked(i);
                        let levels = if tag & 3 == 0 { 4 } else { tag & 3 } as usize;
                        let leaves = LEAVES_WIDE[levels - 1];
                        let next = start + 2 * count;
                        let line = if leaves == next {
                            next + 3 * at
                        } else {
                            next + 2 * at
                        };
                        let line = node.wrapping_add(line * LINE);
                        prefetch(line);
                        prefetch(line.wrapping_add(LINE));
                        prefetch(line.wrapping_add(2 * LINE));
                    });
                    start += 2 * count;
                    count *= FANOUT;
                }
                each(wide, |i| {
                    let tag = *lanes.tags.0.get_unchecked(i);
                    let levels = if tag & 3 == 0 { 4 } else { tag & 3 } as usize;
                    let line = LEAVES_WIDE[levels - 1] + 3 * lane!(lanes.at[i]) as usize;
                    let leaf = lane!(lanes.node[i]).wrapping_add(line * LINE);
                    let at = simd.below_wide(leaf.cast(), lane!(lanes.key[i]));
                    let value = nodes.word(leaf.wrapping_add(2 * LINE), at);
                    let value = (*value).load(Ordering::Acquire);
                    lane!(lanes.entry[i] = value);
                    seen |= value;
                });
            }

            if Entry(seen).is_leaf() {
                break;
            }
            // Some go on in a later window: 56 or 64 bits in. Direct nodes there begin at bit 64.
            shift = 64 - 8;
            lanes.tags = Tags([0; BURST]);
            each(narrow | wide, |i| {
                let entry = Entry(lane!(lanes.entry[i]));
                if !entry.is_leaf() {
                    lanes.enter(nodes, i, entry, high(i), || low(i), shift);
                }
            });
        }

        for i in 0..n {
            let next_hop = lane!(lanes.entry[i]);
            out.add(i)
                .write(NextHopId(if next_hop == 0 { default } else { next_hop }));
        }
    }
}

/// The tag arithmetic above relies on this.
const _: () = {
    assert!(Window::A as u8 == 0 && Window::B as u8 == 1);
    assert!(TAG_D4 & 3 == 0 && TAG_D4 & TAG_WIDE != 0);
    assert!(TAG_DIRECT8 & 3 == 0 && TAG_DIRECT8 & TAG_WIDE == 0);
};
