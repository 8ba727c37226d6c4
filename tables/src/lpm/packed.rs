//! Packed chunks as the writer sees them; [`node`](super::node) has their layout.

use super::arena::{Arena, LINE, Lines};
use super::chunk::{Found, Slot, Slots, word};
use super::node::{ASIDE, DIRECT_LINES, Entry, FORM_SIDE, PLACES, Packing, SIDE};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// What decides the form of a packed chunk: where its intervals begin, a bit for each place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outline {
    starts: [u64; PLACES / 64],
    /// Those of the starts whose entries take one of the side line.
    aside: [u64; PLACES / 64],
}

impl Outline {
    /// The outline of these intervals.
    pub fn of(slots: &Slots) -> Outline {
        let mut outline = Outline::default();
        for (&key, &entry) in slots.keys.iter().zip(&slots.entries) {
            outline.add(key, aside(entry));
        }
        outline
    }

    /// Notes an interval's start.
    pub fn add(&mut self, place: u64, aside: bool) {
        let (word, bit) = (place as usize / 64, place % 64);
        self.starts[word] |= 1 << bit;
        self.aside[word] |= u64::from(aside) << bit;
    }

    /// The smallest form for the intervals; `None` if more than `most` entries would be in its side line.
    pub fn form(&self, most: usize) -> Option<u8> {
        // How many intervals begin before a place.
        let mut before = [0; PLACES + 1];
        for place in 0..PLACES {
            before[place + 1] = before[place] + bit(&self.starts, place) as usize;
        }
        for lines in 1..DIRECT_LINES {
            let packing = Packing { lines };
            let (mut fits, mut aside) = (true, count(&self.aside));
            for line in 0..lines {
                let (first, end) = (packing.first(line), packing.first(line + 1));
                // One that reaches in from the line before is in both.
                let cut = !bit(&self.starts, first);
                fits &= before[end] - before[first] + cut as usize <= packing.capacity();
                aside += (cut && self.is_aside(first)) as usize;
            }
            if fits {
                return form(lines, aside, most);
            }
        }
        let mut aside = 0;
        if count(&self.aside) > 0 {
            aside = (0..PLACES).filter(|&place| self.is_aside(place)).count();
        }
        form(DIRECT_LINES, aside, most)
    }

    /// Whether the entry of the interval that holds `place` is one of the side line.
    fn is_aside(&self, place: usize) -> bool {
        let start = (0..=place).rev().find(|&place| bit(&self.starts, place));
        start.is_some_and(|start| bit(&self.aside, start))
    }
}

fn form(lines: usize, aside: usize, most: usize) -> Option<u8> {
    let side = if aside > 0 { FORM_SIDE } else { 0 };
    (aside <= most).then_some((lines - 1) as u8 | side)
}

fn bit(words: &[u64], place: usize) -> bool {
    words[place / 64] >> (place % 64) & 1 == 1
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Whether an entry does not go into 15 bits.
pub(super) fn aside(entry: Entry) -> bool {
    !entry.is_leaf() || entry.index() >= ASIDE as u32
}

/// A packed chunk that an entry names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    first: u32,
    form: u8,
}

impl Packed {
    pub fn new(first: u32, form: u8) -> Packed {
        Packed { first, form }
    }

    /// The memory of the chunk.
    pub fn lines(self) -> Lines {
        let count = self.packing().lines as u32 + self.has_side() as u32;
        Lines {
            first: self.first,
            count,
        }
    }

    fn packing(self) -> Packing {
        Packing::of(self.form)
    }

    fn has_side(self) -> bool {
        self.form & FORM_SIDE != 0
    }

    /// The number of the side line.
    fn side(self) -> u32 {
        self.first + self.packing().lines as u32
    }

    /// The words of the side line: all values that can go on.
    pub fn words(self) -> Range<u32> {
        let first = word(self.side(), 0);
        first..first + if self.has_side() { SIDE as u32 } else { 0 }
    }

    /// Writes the chunk into fresh lines. The form is the one for these intervals, the first of which begins at place 0.
    pub fn write(self, arena: &Arena, slots: &Slots) {
        let packing = self.packing();
        let mut side = [Entry::NONE; SIDE];
        let mut n_side = 0;
        let mut hop = |entry: Entry| {
            if !aside(entry) {
                return entry.index() as u16;
            }
            side[n_side] = entry;
            n_side += 1;
            ASIDE | n_side as u16
        };
        let mut at = 0;
        for line in 0..packing.lines {
            let end = packing.first(line + 1);
            let (mut from, mut used) = (packing.first(line), 0);
            let (mut bits, mut bytes) = ([0u64; 4], [0u8; LINE]);
            while from < end {
                let next = slots.keys.get(at + 1).map_or(PLACES, |&key| key as usize);
                if next <= from {
                    at += 1;
                    continue;
                }
                if used > 0 && !packing.is_direct() {
                    let (_, bit) = packing.spot(from);
                    bits[bit / 64] |= 1 << (bit % 64);
                }
                let to = packing.hops_at() + 2 * used;
                bytes[to..to + 2].copy_from_slice(&hop(slots.entries[at]).to_ne_bytes());
                used += 1;
                from = if packing.is_direct() { from + 1 } else { next };
            }
            let words = packing.words();
            for (i, bits) in bits.iter().enumerate().take(words) {
                bytes[8 * i..8 * i + 8].copy_from_slice(&bits.to_ne_bytes());
            }
            for i in 0..words {
                bytes[8 * words + i] = count(&bits[..i]) as u8;
            }
            let to = arena.line(self.first + line as u32);
            // SAFETY: a line, which nobody else knows yet.
            unsafe { to.cast::<[u8; LINE]>().write(bytes) };
        }
        if self.has_side() {
            let to = arena.line(self.side());
            // SAFETY: as above.
            unsafe { to.cast::<[u32; SIDE]>().write(side.map(|entry| entry.0)) };
        }
    }

    /// A line's bitmaps.
    fn bits(self, arena: &Arena, line: usize) -> [u64; 4] {
        let at = arena.line(self.first + line as u32).cast::<u64>();
        let mut bits = [0; 4];
        for (i, bits) in bits.iter_mut().enumerate().take(self.packing().words()) {
            // SAFETY: a line begins with them, immutable.
            *bits = unsafe { *at.add(i) };
        }
        bits
    }

    /// Where the entry of next hop `index` of a line stands.
    fn slot(self, arena: &Arena, line: usize, index: usize) -> Slot {
        let halves = LINE / size_of::<u16>();
        let half = (self.first as usize + line) * halves + self.packing().hops_at() / 2 + index;
        // SAFETY: a next hop of a node that is published, or known to nobody else; all access to them is atomic.
        let hop = unsafe { &*arena.half(half as u32) }.load(Ordering::Relaxed);
        if hop & ASIDE == 0 {
            Slot::Half(half as u32)
        } else {
            Slot::Word(word(self.side(), (hop - ASIDE - 1) as u32))
        }
    }

    /// Reads the chunk back: replaces `out` by the intervals it was written from. Of equal neighbours in a direct one it makes one.
    pub fn read(self, arena: &Arena, out: &mut Slots) {
        out.clear();
        let packing = self.packing();
        for line in 0..packing.lines {
            let bits = self.bits(arena, line);
            let first = packing.first(line);
            let mut index = 0;
            for place in first..packing.first(line + 1) {
                let (_, at) = packing.spot(place);
                let begins = bit(&bits, at);
                index += begins as usize;
                if packing.is_direct() {
                    index = at;
                } else if place != first && !begins {
                    continue;
                }
                let entry = self.slot(arena, line, index).load(arena);
                if begins {
                    out.keys.push(place as u64);
                    out.entries.push(entry);
                } else {
                    // That it begins where a line or a place does may be due to that.
                    out.push(place as u64, entry);
                }
            }
        }
    }

    /// The interval that holds `place`, as far as it lies in the line.
    pub fn find(self, arena: &Arena, place: u64) -> Found {
        let packing = self.packing();
        let (line, at) = packing.spot(place as usize);
        if packing.is_direct() {
            return Found {
                slot: self.slot(arena, line, at),
                first: place,
                last: place,
            };
        }
        let bits = self.bits(arena, line);
        let begins = |place: &usize| bit(&bits, packing.spot(*place).1);
        let (start, end) = (packing.first(line), packing.first(line + 1));
        let place = place as usize;
        let first = (start + 1..=place).rev().find(begins).unwrap_or(start);
        let next = (place + 1..end).find(begins).unwrap_or(end);
        let index = (start + 1..=place).filter(begins).count();
        Found {
            slot: self.slot(arena, line, index),
            first: first as u64,
            last: next as u64 - 1,
        }
    }
}
