//! The lookup of a burst of IPv4 addresses in a big VRF: the wide direct node, and packed chunks of 8 bits below it.
//!
//! ```text
//!   root ─► where in which line ─► bitmap ─► next hops
//!    │        (asks for it)          direct, and leaves: that of line 0, without bits
//!    └─ what is rare: longer than /24 by packed chunks again, all else comes back
//! ```
//!
//! All addresses take the same steps, whatever they come to, and the arithmetic between the loads is done for sixteen at a time:
//! plain loops of that length, which the compiler makes vectors of.

use super::arch::{Simd, Words};
use super::arena::{HOP_1, LINE, NO_BITS};
use super::burst::{BURST, Burst, Entries, each};
use super::node::{ASIDE, Entry, FORM_LINES, PLACES, TAG, TAG_BITS, TAG_PACKED};
use super::search::Nodes;
use crate::id::NextHopId;
use crate::prefetch;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU16, Ordering};

/// Addresses whose arithmetic is done at once.
const BLOCK: usize = 16;
const BLOCKS: usize = BURST / BLOCK;

/// A word for each address of a burst, initialised as far as there are blocks.
struct Lanes([MaybeUninit<Words>; BLOCKS]);

impl Lanes {
    #[inline(always)]
    fn new() -> Lanes {
        Lanes([const { MaybeUninit::uninit() }; BLOCKS])
    }

    /// As many words as lanes that can be written.
    #[inline(always)]
    fn words(&mut self) -> *mut u32 {
        self.0.as_mut_ptr().cast()
    }

    /// # Safety
    /// It has been written.
    #[inline(always)]
    unsafe fn get(&self, lane: usize) -> u32 {
        // SAFETY: the caller's promise; a word is initialised memory.
        unsafe { *self.0.as_ptr().cast::<u32>().add(lane) }
    }
}

/// Half a word for each address of a burst, initialised as far as there are blocks.
struct Hops([MaybeUninit<HalfWords>; BLOCKS]);

/// Half a word for each address of a block.
#[derive(Clone, Copy)]
struct HalfWords([u16; BLOCK]);

impl Hops {
    #[inline(always)]
    fn new() -> Hops {
        Hops([const { MaybeUninit::uninit() }; BLOCKS])
    }

    /// # Safety
    /// It has been written.
    #[inline(always)]
    unsafe fn get(&self, lane: usize) -> u16 {
        // SAFETY: the caller's promise.
        unsafe { *self.0.as_ptr().cast::<u16>().add(lane) }
    }
}

/// All ones for an entry that names a packed chunk, else 0.
#[inline(always)]
fn packed(entry: u32) -> u32 {
    0u32.wrapping_sub((entry / TAG_PACKED as u32) & 1)
}

/// Where in packed chunks addresses find their next hops.
struct Spots {
    /// The word of the bitmap, by its offset.
    bits: Lanes,
    /// By how much it is shifted for the bits up to the place.
    shift: Lanes,
    /// The number of bits before that word, by its offset.
    before: Lanes,
    /// The first next hop, by its number as a [`Slot::Half`](super::chunk::Slot).
    hops: Lanes,
}

impl Spots {
    #[inline(always)]
    fn new() -> Spots {
        Spots {
            bits: Lanes::new(),
            shift: Lanes::new(),
            before: Lanes::new(),
            hops: Lanes::new(),
        }
    }

    /// Finds those of block `b`, by the 8 bits of keys above `skip`. Where an entry names no packed chunk it is line 0.
    #[inline(always)]
    fn find(&mut self, b: usize, keys: &Words, skip: u32, entries: &Words) {
        let [mut bits, mut shift, mut before, mut hops] = [Words([0; BLOCK]); 4];
        for i in 0..BLOCK {
            let entry = entries.0[i];
            // As [`Packing`](super::node::Packing) does, by masks instead of choices: so the stores are plain ones, from which
            // loads need not wait.
            let packed = packed(entry);
            let lines = (entry & FORM_LINES as u32) + 1;
            let log = (lines >> 1).min(1) + (lines >> 2).min(1) + (lines >> 3);
            let some_words = (log >> 1 & log).wrapping_sub(1) & packed;
            let scaled = (keys.0[i] >> skip & (PLACES as u32 - 1)) * lines;
            let line = (entry & !TAG) + (scaled / PLACES as u32 * LINE as u32);
            let bit = (scaled % PLACES as u32) >> log;
            let words = 4 >> log;
            bits.0[i] = (line + bit / 64 * 8) & some_words | NO_BITS & !some_words;
            shift.0[i] = 63 - bit % 64;
            before.0[i] = (line + words * 8 + bit / 64) & some_words | NO_BITS & !some_words;
            let direct = bit & !some_words;
            let hop = line / 2 + (words * 9).div_ceil(2) + direct;
            hops.0[i] = hop & packed | HOP_1 & !packed;
        }
        self.bits.0[b].write(bits);
        self.shift.0[b].write(shift);
        self.before.0[b].write(before);
        self.hops.0[b].write(hops);
    }

    /// Asks for the lines of block `b`.
    ///
    /// # Safety
    /// They have been found.
    #[inline(always)]
    unsafe fn prefetch(&self, nodes: Nodes, b: usize) {
        for i in b * BLOCK..(b + 1) * BLOCK {
            // SAFETY: the caller's promise.
            let hop = unsafe { self.hops.get(i) } as usize;
            prefetch(nodes.0.cast::<AtomicU16>().wrapping_add(hop).cast());
        }
    }

    /// Finds the next hops of the first `n` addresses, as they stand there.
    ///
    /// # Safety
    /// As [`Nodes`] says; `n <= BURST`, and the places of those have been found.
    #[inline(always)]
    unsafe fn look_up(&self, nodes: Nodes, n: usize, found: &mut Hops) {
        let to = found.0.as_mut_ptr().cast::<u16>();
        macro_rules! look_up {
            ($i:expr) => {{
                let i = $i;
                let bits = *nodes
                    .0
                    .wrapping_add(self.bits.get(i) as usize)
                    .cast::<u64>();
                let before = *nodes.0.wrapping_add(self.before.get(i) as usize);
                let index = (bits << (self.shift.get(i) & 63)).count_ones() + before as u32;
                let hop = (self.hops.get(i) + index) as usize;
                let hop = nodes.0.cast::<AtomicU16>().wrapping_add(hop);
                to.add(i).write((*hop).load(Ordering::Acquire));
            }};
        }
        // SAFETY: the caller's promise, and as `node` describes; line 0 is always there.
        unsafe {
            for b in 0..n / BLOCK {
                for i in 0..BLOCK {
                    look_up!(b * BLOCK + i);
                }
            }
            if !n.is_multiple_of(BLOCK) {
                found.0[n / BLOCK].write(HalfWords([0; BLOCK]));
                for i in n / BLOCK * BLOCK..n {
                    look_up!(i);
                }
            }
        }
    }
}

impl<S: Simd> Burst<S> {
    /// Takes all through the wide direct node and the packed chunks below it. Come back: those at anything else behind the direct
    /// node, and those at anything else behind a packed chunk.
    #[inline(always)]
    pub unsafe fn through_packed(
        &self,
        rest: &mut Entries,
        high: &impl Fn(usize) -> u64,
    ) -> (u64, u64) {
        let (simd, nodes, n) = (self.simd, self.from.nodes, self.n);
        let n_blocks = n.div_ceil(BLOCK).min(BLOCKS);
        let root = nodes.line(self.from.root);
        let (mut keys, mut entries) = (Lanes::new(), Lanes::new());
        let mut spots = Spots::new();
        // SAFETY: the invariant; the direct node has a word for every value of 16 bits; what is read has been written, of all
        // blocks that `n` reaches into.
        unsafe {
            for b in 0..n_blocks {
                macro_rules! key {
                    ($i:expr) => {
                        high(b * BLOCK + $i) as u32
                    };
                }
                macro_rules! entry {
                    ($($i:expr),*) => {
                        [$((*nodes.word(root, (key!($i) >> 16) as usize)).load(Ordering::Acquire)),*]
                    };
                }
                if BLOCK <= n - b * BLOCK {
                    let mut key = Words([0; BLOCK]);
                    for i in 0..BLOCK {
                        key.0[i] = key!(i);
                    }
                    keys.0[b].write(key);
                    let entry = entry!(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                    entries.0[b].write(simd.collect(entry));
                } else {
                    let key = keys.0[b].write(Words([0; BLOCK]));
                    let entry = entries.0[b].write(Words([0; BLOCK]));
                    for i in 0..n - b * BLOCK {
                        key.0[i] = key!(i);
                        [entry.0[i]] = entry!(i);
                    }
                }
            }
            for b in 0..n_blocks {
                let (keys, entries) = (keys.0[b].assume_init_ref(), entries.0[b].assume_init_ref());
                spots.find(b, keys, 8, entries);
                spots.prefetch(nodes, b);
            }
            let mut hops = Hops::new();
            spots.look_up(nodes, n, &mut hops);
            let mut odd = Words([0; BLOCK]);
            for b in 0..n_blocks {
                self.end_block(
                    b,
                    entries.0[b].assume_init_ref(),
                    hops.0[b].assume_init_ref(),
                    &mut odd,
                );
            }
            if odd.0.iter().fold(0, |all, odd| all | odd) == 0 {
                return (0, 0);
            }
            self.odd(rest, &keys, &entries, &hops, &mut spots)
        }
    }

    /// Writes down the next hops of block `b`. Has a bit in `odd` where there is none yet.
    #[inline(always)]
    unsafe fn end_block(&self, b: usize, entries: &Words, hops: &HalfWords, odd: &mut Words) {
        let default = self.from.default;
        macro_rules! next_hop {
            ($i:expr) => {{
                let (entry, hop) = (entries.0[$i], hops.0[$i] as u32);
                let packed = packed(entry);
                odd.0[$i] |= hop & ASIDE as u32 & packed | entry & TAG & !packed;
                let next_hop = hop & packed | entry >> TAG_BITS & !packed;
                NextHopId(if next_hop == 0 { default } else { next_hop })
            }};
        }
        // SAFETY: the invariant.
        unsafe {
            let out = self.out.add(b * BLOCK);
            if BLOCK <= self.n - b * BLOCK {
                for i in 0..BLOCK {
                    out.add(i).write(next_hop!(i));
                }
            } else {
                for i in 0..self.n - b * BLOCK {
                    out.add(i).write(next_hop!(i));
                }
            }
        }
    }

    /// Takes on those that have come to neither a leaf nor a next hop. Come back, with their entries in `rest`: as from
    /// [`through_packed`](Burst::through_packed).
    #[inline(always)]
    unsafe fn odd(
        &self,
        rest: &mut Entries,
        keys: &Lanes,
        entries: &Lanes,
        hops: &Hops,
        spots: &mut Spots,
    ) -> (u64, u64) {
        let (nodes, n) = (self.from.nodes, self.n);
        let (mut others, mut inside, mut deep) = (0, 0, 0);
        let mut below = Lanes([const { MaybeUninit::new(Words([0; BLOCK])) }; BLOCKS]);
        // SAFETY: the invariant; a next hop is of the chunk that its entry names; what is read has been written.
        unsafe {
            let all = u64::MAX.checked_shr((BURST - n) as u32).unwrap_or(0);
            each!(all, |i| {
                let (entry, hop) = (Entry(entries.get(i)), hops.get(i));
                if packed(entry.0) == 0 {
                    rest[i].write(entry);
                    others |= u64::from(!entry.is_leaf()) << i;
                } else if hop & ASIDE != 0 {
                    let entry = nodes.aside(entry, hop);
                    rest[i].write(entry);
                    if entry.is_leaf() {
                        self.end(i, entry);
                    } else if packed(entry.0) != 0 {
                        below.words().add(i).write(entry.0);
                        inside |= 1 << i;
                    } else {
                        deep |= 1 << i;
                    }
                }
            });
            if inside != 0 {
                for b in 0..n.div_ceil(BLOCK).min(BLOCKS) {
                    let (keys, below) = (keys.0[b].assume_init_ref(), below.0[b].assume_init_ref());
                    spots.find(b, keys, 0, below);
                    spots.prefetch(nodes, b);
                }
                let mut hops = Hops::new();
                spots.look_up(nodes, n, &mut hops);
                each!(inside, |i| {
                    let hop = hops.get(i);
                    let entry = if hop & ASIDE == 0 {
                        Entry::leaf(hop as u32)
                    } else {
                        nodes.aside(Entry(below.get(i)), hop)
                    };
                    self.end(i, entry);
                });
            }
        }
        (others, deep)
    }
}
