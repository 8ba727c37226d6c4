//! The lookup of a burst: stages over all its addresses, each asking for the cache lines of the next.
//!
//! So the misses of up to 64 lookups overlap. Addresses at different levels of different trees are told apart by bit masks,
//! not by branches: a stage is a loop over the bits of one mask.
//!
//! ```text
//!   small VRF:  the root's chunk, level by level ───────────────────────┐
//!   big VRF:    wide direct nodes ─► tags ─► levels ─► leaves ──────────┴─► next hop (0: the default route)
//!     (IPv4: burst4)                   └─ what is neither a leaf nor such a chunk: one by one, or `staged`
//! ```
//!
//! What is common has a way without detours. What is rare in a burst is looked up alone: a stage costs as much for one address
//! as for many.

use super::Address;
use super::arch::{Simd, Tags};
use super::arena::LINE;
use super::node::{Entry, FANOUT, LEAVES_NARROW, TAG, TAG_A4, TAG_DIRECT_WIDE};
use super::search::Start;
use super::staged::staged;
use crate::id::NextHopId;
use crate::prefetch;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

/// Most addresses of one burst.
pub(super) const BURST: usize = 64;

/// So many stragglers are looked up one by one.
const FEW: u32 = 4;

/// Does something for each bit of a mask, lowest first.
///
/// WHY a macro: a closure is a function of its own, and where the compiler does not inline it, it is compiled without the
/// instructions that its caller may use.
macro_rules! each {
    ($mask:expr, |$i:ident| $body:expr) => {{
        let mut rest: u64 = $mask;
        while rest != 0 {
            let $i = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            $body;
        }
    }};
}
pub(super) use each;

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
    let burst = Burst { simd, from, n, out };
    let mut entries = [MaybeUninit::uninit(); BURST];
    let tag = from.root.tag();
    // SAFETY: the caller's promise, for each.
    unsafe {
        // Stragglers have come no farther than the length of a span; and those that have come to the length of another.
        let (rest, len, deep) = if tag == TAG_DIRECT_WIDE {
            let (others, deep) = if A::BITS == 32 {
                burst.through_packed(&mut entries, &high)
            } else {
                burst.through_wide::<A>(&mut entries, &high)
            };
            (others, A::WIDE_END, deep)
        } else if A::ROOT_TAGS.contains(&tag) {
            (0, 0, burst.through_root::<A>(&mut entries, tag & 3, &high))
        } else {
            for i in 0..n {
                lane!(entries[i] = from.root);
            }
            let all = u64::MAX.checked_shr((BURST - n) as u32).unwrap_or(0);
            (if n == 0 { 0 } else { all }, 0, 0)
        };
        if rest != 0 {
            burst.finish(&mut entries, rest, len, &high, &addr);
        }
        if deep != 0 {
            let len = if A::BITS == 32 { 24 } else { 64 };
            burst.finish(&mut entries, deep, len, &high, &addr);
        }
    }
}

/// The entries that the addresses of a burst have come to.
pub(super) type Entries = [MaybeUninit<Entry>; BURST];

/// A burst on its way.
///
/// # Invariant
/// `out` has room for `n`, which is at most [`BURST`]; methods are called with `i < n`, and with masks of such whose entries
/// are initialised.
pub(super) struct Burst<S> {
    pub simd: S,
    pub from: Start,
    pub n: usize,
    pub out: *mut NextHopId,
}

impl<S: Simd> Burst<S> {
    /// Writes down a lookup's end.
    #[inline(always)]
    pub unsafe fn end(&self, i: usize, leaf: Entry) {
        let next_hop = if leaf == Entry::NONE {
            self.from.default
        } else {
            leaf.index()
        };
        // SAFETY: the invariant.
        unsafe { self.out.add(i).write(NextHopId(next_hop)) };
    }

    /// Takes stragglers, which have come to spans of `len` bits, to their ends.
    #[inline(always)]
    unsafe fn finish<A: Address>(
        &self,
        entries: &mut Entries,
        mask: u64,
        len: u8,
        high: &impl Fn(usize) -> u64,
        addr: &impl Fn(usize) -> A,
    ) {
        // SAFETY: the invariant.
        unsafe {
            if mask.count_ones() <= FEW {
                each!(mask, |i| {
                    let entry = lane!(entries[i]);
                    self.end(i, self.from.nodes.find(self.simd, entry, addr(i), len));
                });
            } else {
                let entries = entries.as_mut_ptr().cast();
                staged(self.simd, self.from.nodes, mask, len, high, addr, entries);
                each!(mask, |i| self.end(i, *entries.add(i)));
            }
        }
    }

    /// Takes all through the one chunk, of one level or two, that a small VRF begins with. Those that have to go on come
    /// back.
    #[inline(always)]
    unsafe fn through_root<A: Address>(
        &self,
        entries: &mut Entries,
        levels: u8,
        high: &impl Fn(usize) -> u64,
    ) -> u64 {
        let (n, node) = (self.n, self.from.nodes.line(self.from.root));
        // For IPv4 keys of 32 bits, for IPv6 of 64: a key node is one line or two.
        let narrow = A::BITS == 32;
        let key_lines = if narrow { 1 } else { 2 };
        let mut line = [MaybeUninit::<u32>::uninit(); BURST];
        // SAFETY: the invariant; `line` is written before it is read.
        unsafe {
            macro_rules! below {
                ($line:expr, $key:expr) => {
                    if narrow {
                        self.simd.below_narrow($line.cast(), $key as u32)
                    } else {
                        self.simd.below_wide($line.cast(), $key)
                    }
                };
            }
            if levels == 2 {
                for i in 0..n {
                    let at = key_lines + below!(node, high(i)) * (key_lines + 1);
                    for k in 0..=key_lines {
                        prefetch(node.wrapping_add((at + k) * LINE));
                    }
                    lane!(line[i] = at as u32);
                }
            }
            let mut seen = 0;
            for i in 0..n {
                let at = if levels == 2 { lane!(line[i]) } else { 0 };
                let leaf = node.wrapping_add(at as usize * LINE);
                let values = leaf.wrapping_add(key_lines * LINE);
                let word = self.from.nodes.word(values, below!(leaf, high(i)));
                let entry = Entry((*word).load(Ordering::Acquire));
                lane!(entries[i] = entry);
                self.end(i, entry);
                seen |= entry.0;
            }
            if seen & TAG == 0 {
                return 0;
            }
            (0..n).fold(0, |deep, i| {
                deep | u64::from(!lane!(entries[i]).is_leaf()) << i
            })
        }
    }

    /// For IPv6: takes all through the wide direct nodes, and those that then come to a chunk of window `A` through it. Come back: those at anything else but a leaf, where the direct nodes ended; and those that are through
    /// the chunk and have to go on.
    #[inline(always)]
    unsafe fn through_wide<A: Address>(
        &self,
        entries: &mut Entries,
        high: &impl Fn(usize) -> u64,
    ) -> (u64, u64) {
        let (simd, nodes, n) = (self.simd, self.from.nodes, self.n);
        let bits = A::WIDE_BITS;
        let top = 64;
        let key = |i: usize| (high(i) >> 8) as u32;
        // By its offset, the line that each address has come to.
        let mut line = [MaybeUninit::<u32>::uninit(); BURST];
        let mut tags = Tags([0; BURST]);
        // SAFETY: the invariant; working arrays are written before they are read.
        unsafe {
            // A root and pages.
            let root = nodes.line(self.from.root);
            for i in 0..n {
                let high = high(i);
                let slot = nodes.word(root, (high >> (top - bits)) as usize);
                let mut entry = Entry((*slot).load(Ordering::Acquire));
                // Where the root's slot is no page, it is read once more, which spares a branch; what it was counts.
                let page = high >> (top - 2 * bits) & ((1 << bits) - 1);
                let inside = nodes.word(nodes.line(entry), page as usize);
                let paged = entry.tag() == TAG_DIRECT_WIDE;
                let slot = if paged { inside } else { slot };
                let inside = Entry((*slot).load(Ordering::Acquire));
                entry = if paged { inside } else { entry };
                let node = nodes.line(entry);
                prefetch(node);
                prefetch(node.wrapping_add(LINE));
                lane!(entries[i] = entry);
                lane!(line[i] = entry.offset() as u32);
                *tags.0.get_unchecked_mut(i) = entry.0 as u8;
            }

            macro_rules! kind {
                ($tag:expr) => {
                    simd.matching(&tags, TAG as u8, $tag)
                };
            }
            let (one, two, three, four) = (kind!(1), kind!(2), kind!(3), kind!(TAG_A4));
            const LINE32: u32 = LINE as u32;
            const LEVELS: [u32; 4] = [
                LEAVES_NARROW[0] as u32 * LINE32,
                LEAVES_NARROW[1] as u32 * LINE32,
                LEAVES_NARROW[2] as u32 * LINE32,
                LEAVES_NARROW[3] as u32 * LINE32,
            ];
            let at = |offset: u32| nodes.0.wrapping_add(offset as usize);
            macro_rules! below {
                ($offset:expr, $i:expr) => {
                    simd.below_narrow(at($offset).cast(), key($i)) as u32
                };
            }
            let go_on = |line: u32| {
                prefetch(at(line));
                prefetch(at(line).wrapping_add(LINE));
                line
            };
            // A level's place from the one before: 17 children each, of one line, or of two where they are leaves.
            each!(two | three | four, |i| {
                let root = lane!(line[i]);
                let leaves = lane!(entries[i]).tag() == 2;
                let shift = LINE32.trailing_zeros() + u32::from(leaves);
                lane!(line[i] = go_on(root + LEVELS[1] + (below!(root, i) << shift)));
            });
            each!(four, |i| {
                let (root, inner) = (lane!(entries[i]).offset() as u32, lane!(line[i]));
                let before = (inner - root - LEVELS[1]) * FANOUT as u32;
                let inner = root + LEVELS[2] + before + below!(inner, i) * LINE32;
                prefetch(at(inner));
                lane!(line[i] = inner);
            });
            each!(three | four, |i| {
                let (entry, inner) = (lane!(entries[i]), lane!(line[i]));
                let last = if entry.tag() == TAG_A4 { 2 } else { 1 };
                let root = entry.offset() as u32;
                let before = (inner - root - LEVELS[last]) * (2 * FANOUT as u32);
                let leaf = root + LEVELS[last + 1] + before + below!(inner, i) * (2 * LINE32);
                lane!(line[i] = go_on(leaf));
            });
            macro_rules! value {
                ($i:expr) => {{
                    let leaf = lane!(line[$i]);
                    let value = nodes.word(at(leaf).wrapping_add(LINE), below!(leaf, $i) as usize);
                    Entry((*value).load(Ordering::Acquire))
                }};
            }
            let through = one | two | three | four;
            let mut seen = 0;
            macro_rules! finish {
                ($i:expr) => {{
                    let entry = value!($i);
                    self.end($i, entry);
                    seen |= entry.0;
                }};
            }
            let all = u64::MAX.checked_shr((BURST - n) as u32).unwrap_or(0);
            let mut others = 0;
            if through == all {
                for i in 0..n {
                    finish!(i);
                }
            } else {
                each!(through, |i| finish!(i));
                let leaves = all & kind!(0);
                each!(leaves, |i| self.end(i, lane!(entries[i])));
                others = all & !(through | leaves);
            }
            let mut deep = 0;
            if seen & TAG != 0 {
                each!(through, |i| {
                    // It may be another by now: the result is to be of the same.
                    let entry = value!(i);
                    self.end(i, entry);
                    lane!(entries[i] = entry);
                    deep |= u64::from(!entry.is_leaf()) << i;
                });
            }
            (others, deep)
        }
    }
}

const _: () = assert!(LEAVES_NARROW[1] == 1 && LEAVES_NARROW[0] == 0);
