//! The lookup of addresses that are at different places of the structure, all kinds of nodes among them, in stages.
//!
//! ```text
//!   entries ──► direct nodes of 8 bits, until none ──► inner levels of the chunks ──► leaves ──► next hop
//!      ▲                                                                                │
//!      └───────────────────── values that go on in a later window ◄─────────────────────┘
//! ```

use super::Address;
use super::arch::{Simd, Tags};
use super::arena::LINE;
use super::burst::{BURST, each};
use super::node::{
    Entry, FANOUT, LEAVES_NARROW, LEAVES_WIDE, TAG_D4, TAG_DIRECT8, TAG_PACKED, TAG_WIDE, Window,
};
use super::search::Nodes;
use crate::prefetch;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

/// What is known of each address of a burst between stages. Only those of the mask are initialised.
struct Lanes {
    node: [MaybeUninit<*const u8>; BURST],
    key: [MaybeUninit<u64>; BURST],
    at: [MaybeUninit<u32>; BURST],
    tags: Tags,
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
            lane!(self.node[i] = node);
            lane!(self.key[i] = key);
            *self.tags.0.get_unchecked_mut(i) = tag;
        }
    }
}

/// Takes the addresses of `mask` from their entries, the spans of which are `len` bits long, to the leaves. `high(i)` and
/// `addr(i)` are as for [`super::burst::burst`].
///
/// # Safety
/// As [`Nodes`] says; `entries` has initialised room for the bits of `mask`.
#[inline(always)]
pub(super) unsafe fn staged<A: Address, S: Simd>(
    simd: S,
    nodes: Nodes,
    mask: u64,
    len: u8,
    high: &impl Fn(usize) -> u64,
    addr: &impl Fn(usize) -> A,
    entries: *mut Entry,
) {
    let mut lanes = Lanes {
        node: [MaybeUninit::uninit(); BURST],
        key: [MaybeUninit::uninit(); BURST],
        at: [MaybeUninit::uninit(); BURST],
        tags: Tags([0; BURST]),
    };
    let low = |i: usize| addr(i).low();
    // Shift of the byte that the first direct nodes of 8 bits look at, counted from the end of 128 bits.
    let top = if A::BITS == 32 { 96 } else { 128 };
    let mut shift = (top - len).wrapping_sub(8);
    let mut mask = mask;

    // SAFETY: for the whole of this function: lanes are of the mask, and initialised before they are read; `nodes` and the
    // entries that lead from one to another are as the caller promised.
    unsafe {
        each!(mask, |i| {
            lanes.enter(nodes, i, *entries.add(i), high(i), || low(i), shift);
        });
        loop {
            let mut direct = simd.matching(&lanes.tags, TAG_PACKED | 0xf, TAG_DIRECT8);
            while direct != 0 {
                let at = shift;
                shift = shift.wrapping_sub(8);
                each!(direct, |i| {
                    let bits = if at >= 64 {
                        high(i) >> (at - 64)
                    } else {
                        low(i) >> at
                    };
                    let slot = nodes.word(lane!(lanes.node[i]), (bits & 0xff) as usize);
                    let entry = Entry((*slot).load(Ordering::Acquire));
                    *entries.add(i) = entry;
                    lanes.enter(nodes, i, entry, high(i), || low(i), shift);
                });
                direct = simd.matching(&lanes.tags, TAG_PACKED | 0xf, TAG_DIRECT8);
            }

            if A::BITS == 32 {
                // Few, as only some of what is rare has them.
                let packed = simd.matching(&lanes.tags, TAG_PACKED, TAG_PACKED);
                each!(packed, |i| {
                    let entry = *entries.add(i);
                    *entries.add(i) = nodes.find(simd, entry, addr(i), len);
                });
            }

            // Narrow chunks. Bits 0, 1 and 3 of a tag tell levels and width; windows A and B differ in bit 2 alone.
            macro_rules! level {
                ($mask:expr) => {
                    simd.matching(&lanes.tags, TAG_PACKED | TAG_WIDE | 3, $mask)
                };
            }
            let (one, two, three) = (level!(1), level!(2), level!(3));
            each!(three, |i| {
                let node = lane!(lanes.node[i]);
                let at = simd.below_narrow(node.cast(), lane!(lanes.key[i]) as u32);
                lane!(lanes.at[i] = at as u32);
                prefetch(node.wrapping_add((1 + at) * LINE));
            });
            each!(two, |i| {
                let node = lane!(lanes.node[i]);
                let at = simd.below_narrow(node.cast(), lane!(lanes.key[i]) as u32);
                let leaf = node.wrapping_add((LEAVES_NARROW[1] + 2 * at) * LINE);
                lane!(lanes.node[i] = leaf);
                prefetch(leaf);
                prefetch(leaf.wrapping_add(LINE));
            });
            each!(three, |i| {
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
            each!(narrow, |i| {
                let leaf = lane!(lanes.node[i]);
                let at = simd.below_narrow(leaf.cast(), lane!(lanes.key[i]) as u32);
                let value = nodes.word(leaf.wrapping_add(LINE), at);
                let value = (*value).load(Ordering::Acquire);
                *entries.add(i) = Entry(value);
                seen |= value;
            });

            // Chunks with 64-bit keys, and no wide direct node left among the tags.
            let wide = simd.matching(&lanes.tags, TAG_PACKED | TAG_WIDE, TAG_WIDE);
            if wide != 0 {
                let two = level!(TAG_WIDE | 2);
                let three = level!(TAG_WIDE | 3);
                let four = level!(TAG_WIDE);
                each!(wide, |i| {
                    lane!(lanes.at[i] = 0);
                });
                let mut start = 0;
                let mut count = 1;
                for inner in [two | three | four, three | four, four] {
                    each!(inner, |i| {
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
                each!(wide, |i| {
                    let tag = *lanes.tags.0.get_unchecked(i);
                    let levels = if tag & 3 == 0 { 4 } else { tag & 3 } as usize;
                    let line = LEAVES_WIDE[levels - 1] + 3 * lane!(lanes.at[i]) as usize;
                    let leaf = lane!(lanes.node[i]).wrapping_add(line * LINE);
                    let at = simd.below_wide(leaf.cast(), lane!(lanes.key[i]));
                    let value = nodes.word(leaf.wrapping_add(2 * LINE), at);
                    let value = (*value).load(Ordering::Acquire);
                    *entries.add(i) = Entry(value);
                    seen |= value;
                });
            }

            if Entry(seen).is_leaf() {
                break;
            }
            // Some go on in a later window: 56 or 64 bits in. Direct nodes there begin at bit 64.
            shift = 64 - 8;
            lanes.tags = Tags([0; BURST]);
            mask = narrow | wide;
            each!(mask, |i| {
                let entry = *entries.add(i);
                if !entry.is_leaf() {
                    lanes.enter(nodes, i, entry, high(i), || low(i), shift);
                }
            });
        }
    }
}

/// The tag arithmetic above relies on this.
const _: () = {
    assert!(Window::A as u8 == 0 && Window::B as u8 == 1);
    assert!(TAG_D4 & 3 == 0 && TAG_D4 & TAG_WIDE != 0);
    assert!(TAG_DIRECT8 & 3 == 0 && TAG_DIRECT8 & TAG_WIDE == 0);
};
