//! Chunks as the writer sees them: lists of keys and entries, written to and read back from the search tree that [`node`](super::node)
//! lays out.

use super::arena::{Arena, LINE, Lines};
use super::node::SIDE;
use super::node::{Entry, FANOUT, Kind, LEAF, Window};
use super::packed::{Outline, Packed, aside};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Where an entry stands that readers read, by its number in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A word. Number 0 is none of the arena's: the VRF's root.
    Word(u32),
    /// Half a word of a packed chunk: the next hop of a leaf.
    Half(u32),
}

impl Slot {
    /// The entry of a node that is published, or known to nobody else.
    pub fn load(self, arena: &Arena) -> Entry {
        match self {
            // SAFETY: such nodes are neither freed nor moved; all access to their entries is atomic, but for reads by the only
            // writer.
            Slot::Word(word) => Entry(unsafe { &*arena.word(word) }.load(Ordering::Relaxed)),
            Slot::Half(half) => {
                // SAFETY: as above.
                let hop = unsafe { &*arena.half(half) }.load(Ordering::Relaxed);
                Entry::leaf(hop as u32)
            }
        }
    }

    /// Makes readers find another entry. Returns false if it does not go into the slot.
    pub fn store(self, arena: &Arena, entry: Entry) -> bool {
        match self {
            Slot::Word(word) => {
                // SAFETY: as for `load`.
                unsafe { &*arena.word(word) }.store(entry.0, Ordering::Release);
            }
            Slot::Half(_) if aside(entry) => return false,
            Slot::Half(half) => {
                // SAFETY: as for `load`.
                unsafe { &*arena.half(half) }.store(entry.index() as u16, Ordering::Release);
            }
        }
        true
    }
}

/// The number of a word in the arena, by its line and its place from there.
pub(super) fn word(line: u32, index: u32) -> u32 {
    line * LEAF as u32 + index
}

/// The intervals of a chunk: the first key of each, in order, and its entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    pub keys: Vec<u64>,
    pub entries: Vec<Entry>,
}

impl Slots {
    pub fn clear(&mut self) {
        self.keys.clear();
        self.entries.clear();
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Appends an interval; none where a next hop goes on.
    #[inline(always)]
    pub fn push(&mut self, key: u64, entry: Entry) {
        if !entry.is_leaf() || self.entries.last() != Some(&entry) {
            self.keys.push(key);
            self.entries.push(entry);
        }
    }

    /// Appends intervals of another list as they are.
    pub fn extend(&mut self, other: &Slots, range: Range<usize>) {
        self.keys.extend_from_slice(&other.keys[range.clone()]);
        self.entries.extend_from_slice(&other.entries[range]);
    }

    /// The entries that go on in a later window.
    pub fn deep(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_leaf()).count()
    }
}

/// The interval of a chunk that holds a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where its entry stands.
    pub slot: Slot,
    /// Its first key, 0 where no separator is before it.
    pub first: u64,
    /// Its last key, all ones where no separator is behind it.
    pub last: u64,
}

/// A chunk that an entry names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub window: Window,
    /// Of a packed one its form.
    levels: u8,
    first: u32,
}

impl Chunk {
    /// The chunk that `entry` names, if it names one.
    pub fn of(entry: Entry) -> Option<Chunk> {
        match entry.kind() {
            Kind::Chunk(window, levels) => Some(Chunk {
                window,
                levels,
                first: entry.index(),
            }),
            Kind::Leaf | Kind::Direct8 | Kind::DirectWide => None,
        }
    }

    /// The chunk for these intervals, if they go into one of this window, and how many lines it takes. It is nowhere yet.
    pub fn plan(window: Window, slots: &Slots) -> Option<(Chunk, u32)> {
        let mut chunk = Chunk {
            window,
            levels: 0,
            first: 0,
        };
        if window.is_packed() {
            chunk.levels = Outline::of(slots).form(SIDE)?;
            return Some((chunk, chunk.packed().lines().count));
        }
        if slots.len() > window.capacity() {
            return None;
        }
        chunk.levels = window.levels(slots.len());
        let leaves = slots.len().div_ceil(LEAF);
        Some((chunk, window.chunk_lines(chunk.levels, leaves)))
    }

    /// As the packed chunk that it is.
    fn packed(self) -> Packed {
        Packed::new(self.first, self.levels)
    }

    /// Writes a chunk as [planned](Chunk::plan) for these intervals into fresh lines, from `first` on.
    pub fn write(self, arena: &Arena, first: u32, slots: &Slots) -> Entry {
        let chunk = Chunk { first, ..self };
        let Chunk { window, levels, .. } = chunk;
        if window.is_packed() {
            chunk.packed().write(arena, slots);
            return Entry::node(Kind::Chunk(window, levels), first);
        }
        // All ones where there is no separator: no key is above it.
        let separator = |index: usize| slots.keys.get(index).map_or(u64::MAX, |key| key - 1);
        for level in 0..levels - 1 {
            let stride = LEAF * FANOUT.pow((levels - 2 - level) as u32);
            for node in 0..FANOUT.pow(level as u32) {
                let separators =
                    std::array::from_fn(|c| separator((node * FANOUT + c + 1) * stride));
                chunk.write_keys(arena, chunk.inner(level, node), separators);
            }
        }
        let mut line = chunk.leaf(0);
        for (keys, entries) in slots.keys.chunks(LEAF).zip(slots.entries.chunks(LEAF)) {
            let mut separators = [u64::MAX; LEAF];
            for (separator, key) in separators.iter_mut().zip(&keys[1..]) {
                *separator = key - 1;
            }
            chunk.write_keys(arena, line, separators);
            let mut values = [Entry::NONE; LEAF];
            values[..entries.len()].copy_from_slice(entries);
            let at = arena.line(line + window.key_lines() as u32);
            // SAFETY: the last line of the leaf, 16 words, which nobody else knows yet.
            unsafe { at.cast::<[u32; LEAF]>().write(values.map(|entry| entry.0)) };
            line += window.leaf_lines() as u32;
        }
        Entry::node(Kind::Chunk(window, levels), first)
    }

    fn write_keys(self, arena: &Arena, line: u32, separators: [u64; LEAF]) {
        let at = arena.line(line);
        if self.window.is_wide() {
            // SAFETY: a wide key node is two lines, 16 aligned u64, which nobody else knows yet.
            unsafe { at.cast::<[u64; LEAF]>().write(separators) };
        } else {
            let narrow = separators.map(|separator| separator as u32);
            // SAFETY: a narrow key node is one line, 16 words, which nobody else knows yet.
            unsafe { at.cast::<[u32; LEAF]>().write(narrow) };
        }
    }

    /// The separators of a key node, those not used all ones.
    #[inline(always)]
    fn keys(self, arena: &Arena, line: u32) -> [u64; LEAF] {
        let at = arena.line(line);
        if self.window.is_wide() {
            // SAFETY: a key node of a wide chunk: 16 u64, immutable.
            unsafe { *at.cast::<[u64; LEAF]>() }
        } else {
            // SAFETY: a key node of a narrow chunk: 16 u32, immutable.
            let narrow = unsafe { *at.cast::<[u32; LEAF]>() };
            narrow.map(|separator| match separator {
                u32::MAX => u64::MAX,
                separator => separator as u64,
            })
        }
    }

    /// The line of an inner node, counted in its level.
    fn inner(self, level: u8, node: usize) -> u32 {
        let before = self.window.leaves_at(level + 1) + node * self.window.key_lines();
        self.first + before as u32
    }

    /// The first line of a leaf.
    fn leaf(self, leaf: usize) -> u32 {
        let before = self.window.leaves_at(self.levels) + leaf * self.window.leaf_lines();
        self.first + before as u32
    }

    /// The line of a leaf's values.
    fn values(self, leaf: usize) -> u32 {
        self.leaf(leaf) + self.window.key_lines() as u32
    }

    /// The words of all values that can go on, those not used included.
    pub fn words(self, arena: &Arena) -> impl Iterator<Item = u32> + use<> {
        let packed = self.window.is_packed();
        let leaves = if packed { 1 } else { self.leaves(arena) };
        (0..leaves).flat_map(move |leaf| {
            if packed {
                return self.packed().words();
            }
            let first = word(self.values(leaf), 0);
            first..first + LEAF as u32
        })
    }

    /// Number of leaves: found by going down the right edge.
    fn leaves(self, arena: &Arena) -> usize {
        let mut at = 0;
        for level in 0..self.levels - 1 {
            let separators = self.keys(arena, self.inner(level, at));
            at = at * FANOUT + separators.iter().filter(|&&s| s != u64::MAX).count();
        }
        at + 1
    }

    /// The memory of the chunk.
    pub fn lines(self, arena: &Arena) -> Lines {
        if self.window.is_packed() {
            return self.packed().lines();
        }
        let count = self.window.chunk_lines(self.levels, self.leaves(arena));
        Lines {
            first: self.first,
            count,
        }
    }

    /// Where the tree's last separator before a leaf stands, the leaf not being the first.
    fn separator_before(self, arena: &Arena, leaf: usize) -> u64 {
        let (mut node, mut level) = (leaf, self.levels - 2);
        while node.is_multiple_of(FANOUT) {
            node /= FANOUT;
            level -= 1;
        }
        self.keys(arena, self.inner(level, node / FANOUT))[node % FANOUT - 1]
    }

    /// Reads the chunk back: replaces `out` by what it was written from. `first` is the first key of its span.
    pub fn read(self, arena: &Arena, first: u64, out: &mut Slots) {
        if self.window.is_packed() {
            self.packed().read(arena, out);
            return;
        }
        out.clear();
        let leaves = self.leaves(arena);
        for leaf in 0..leaves {
            out.keys.push(match leaf {
                0 => first,
                _ => self.separator_before(arena, leaf) + 1,
            });
            let separators = self.keys(arena, self.leaf(leaf));
            let mut used = LEAF - 1;
            if leaf + 1 == leaves {
                used = separators.iter().filter(|&&s| s != u64::MAX).count();
            }
            out.keys.extend(separators[..used].iter().map(|s| s + 1));
            let values = arena.line(self.values(leaf)).cast::<[u32; LEAF]>();
            // SAFETY: the last line of a leaf, 16 words; readers do not change it, and this is the only writer.
            let values = unsafe { *values };
            out.entries
                .extend(values[..=used].iter().map(|&v| Entry(v)));
        }
        debug_assert_eq!(out.keys.len(), out.entries.len());
    }

    /// The interval that holds `key`.
    pub fn find(self, arena: &Arena, key: u64) -> Found {
        if self.window.is_packed() {
            return self.packed().find(arena, key);
        }
        let (mut first, mut last, mut at) = (0, u64::MAX, 0);
        let mut below = |separators: [u64; LEAF]| {
            let below = separators.iter().map(|&s| (s < key) as usize).sum();
            if below > 0 {
                first = separators[below - 1] + 1;
            }
            if below < LEAF {
                last = last.min(separators[below]);
            }
            below
        };
        for level in 0..self.levels - 1 {
            at = at * FANOUT + below(self.keys(arena, self.inner(level, at)));
        }
        let slot: usize = below(self.keys(arena, self.leaf(at)));
        Found {
            slot: Slot::Word(word(self.values(at), slot as u32)),
            first,
            last,
        }
    }
}

const _: () = assert!(LINE == LEAF * size_of::<u32>());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn a_chunk_of_every_size_is_read_as_it_was_written() {
        let mut arena = Arena::new(16 << 20).unwrap();
        let mut random = Random::new(4);
        let sizes = (1..=20).chain([272, 273, 289, 290, 1024, 4624]);
        for size in sizes.flat_map(|n| [(Window::A, n), (Window::B, n), (Window::D, n)]) {
            let (window, n) = size;
            let mut slots = Slots::default();
            let gap = if window.is_wide() { 1 << 40 } else { 1 << 18 };
            let mut key = random.below(gap);
            let first = key;
            for i in 0..n as u32 {
                slots.push(key, Entry::leaf(1 + i));
                key += 1 + random.below(gap);
            }
            let (plan, count) = Chunk::plan(window, &slots).unwrap();
            let lines = arena.alloc(count).unwrap();
            let entry = plan.write(&arena, lines.first, &slots);
            let chunk = Chunk::of(entry).unwrap();
            assert_eq!(chunk.lines(&arena), lines, "{window:?} {n}");
            let mut read = Slots::default();
            chunk.read(&arena, first, &mut read);
            assert_eq!((&read.keys, &read.entries), (&slots.keys, &slots.entries));
            for i in 0..n {
                let next = slots.keys.get(i + 1);
                for key in [slots.keys[i], next.map_or(u64::MAX >> 40, |k| k - 1)] {
                    let found = chunk.find(&arena, key.max(slots.keys[i]));
                    let value = found.slot.load(&arena);
                    assert_eq!(value, slots.entries[i], "{window:?} {n} {i}");
                    assert_eq!(found.first, if i == 0 { 0 } else { slots.keys[i] });
                    assert_eq!(found.last, next.map_or(u64::MAX, |k| k - 1));
                }
            }
        }
    }

    #[test]
    fn equal_neighbours_merge_unless_they_go_on() {
        let mut slots = Slots::default();
        let deep = Entry::node(Kind::Chunk(Window::D, 1), 7);
        for (key, entry) in [
            (0, Entry::leaf(5)),
            (3, Entry::leaf(5)),
            (4, deep),
            (5, deep),
            (9, Entry::leaf(5)),
        ] {
            slots.push(key, entry);
        }
        assert_eq!(slots.keys, [0, 4, 5, 9]);
        assert_eq!((slots.len(), slots.deep()), (4, 2));
    }
}
