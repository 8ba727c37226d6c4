//! Pools whose resources all have one size: addresses, or prefixes of one length. They are numbered without gaps.

use std::ops::RangeInclusive;

use hashbrown::HashSet;

use super::bitmap::Bitmap;
use super::{Half, siphash};

/// A pool with at most so many slots has a bitmap from the start.
const SMALL: u128 = 1 << 16;
/// One with more gets its bitmap when more than a `1 / SPARSE` of it is taken.
const SPARSE: u128 = 4;
/// So many slots are tried at random: in a pool without bitmap all are taken with a probability below 4^-64.
const TRIES: u64 = 64;

/// What stands in the way of giving a slot out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing.
    Free,
    /// Its last holder may come back; given out when nothing is free.
    Kept,
    /// Bound, offered, declined or reserved.
    Busy,
}

/// Which values are in the pool, and which of them are in use.
#[derive(Clone, Debug)]
pub struct Slots {
    /// Disjoint, in order.
    segments: Vec<Segment>,
    size: u128,
    /// The slots that are never given out unasked.
    reserved: HashSet<u128>,
    bitmaps: Option<Bitmaps>,
    /// The same for who gives values of one half only: those of the other one are busy.
    of_half: Option<(Half, Bitmaps)>,
}

/// Consecutive values.
#[derive(Clone, Debug)]
struct Segment {
    first: u128,
    last: u128,
    /// The number of its first value.
    number: u128,
}

/// Kept and busy slots are in `taken`, busy ones in `busy`.
#[derive(Clone, Debug)]
struct Bitmaps {
    taken: Bitmap,
    busy: Bitmap,
}

impl Slots {
    /// The values in some ranges without the excluded ones; ranges may overlap and are in no order.
    pub fn new(ranges: &[RangeInclusive<u128>], exclude: &[RangeInclusive<u128>]) -> Self {
        let mut segments: Vec<Segment> = Vec::new();
        let mut size: u128 = 0;
        for range in subtract(merge(ranges), &merge(exclude)) {
            segments.push(Segment {
                first: *range.start(),
                last: *range.end(),
                number: size,
            });
            // All 2^128 addresses do not count that far: the last one is not given out.
            size = size.saturating_add((range.end() - range.start()).saturating_add(1));
        }
        let bitmaps = (size <= SMALL).then(|| Bitmaps::new(size as usize));
        Self {
            segments,
            size,
            reserved: HashSet::new(),
            bitmaps,
            of_half: None,
        }
    }

    /// How many values are in the pool.
    pub fn size(&self) -> u128 {
        self.size
    }

    /// The number of a value, when it is in the pool.
    pub fn number(&self, value: u128) -> Option<u128> {
        let after = self.segments.partition_point(|s| s.first <= value);
        let segment = &self.segments[after.checked_sub(1)?];
        let number = segment.number.checked_add(value - segment.first)?;
        (value <= segment.last && number < self.size).then_some(number)
    }

    fn value(&self, number: u128) -> u128 {
        let after = self.segments.partition_point(|s| s.number <= number);
        // `number` is below the size, so that there is a segment; the first one has number 0.
        self.segments
            .get(after.saturating_sub(1))
            .map_or(0, |s| s.first + (number - s.number))
    }

    /// Whether the value is reserved.
    pub fn is_reserved(&self, value: u128) -> bool {
        self.number(value)
            .is_some_and(|number| self.reserved.contains(&number))
    }

    /// Reserves a value or gives it free; `of_lease` is what its lease, if any, makes of it.
    pub fn reserve(&mut self, value: u128, reserve: bool, of_lease: Use) {
        if let Some(number) = self.number(value) {
            if reserve {
                self.reserved.insert(number);
            } else {
                self.reserved.remove(&number);
            }
            self.mark(value, of_lease);
        }
    }

    /// Notes what the lease of a value now makes of it.
    pub fn mark(&mut self, value: u128, of_lease: Use) {
        let Some(number) = self.number(value) else {
            return;
        };
        let of_lease = match self.reserved.contains(&number) {
            true => Use::Busy,
            false => of_lease,
        };
        if let Some(bitmaps) = &mut self.bitmaps {
            bitmaps.mark(number as usize, of_lease);
        }
        if let Some((half, bitmaps)) = &mut self.of_half
            && Half::of(value) == *half
        {
            bitmaps.mark(number as usize, of_lease);
        }
    }

    /// Prepares to look for values of one half, or no longer does: where there is a bitmap, there is one of the half, too.
    pub fn set_half(&mut self, half: Option<Half>) {
        self.of_half = None;
        let (Some(half), Some(all)) = (half, &self.bitmaps) else {
            return;
        };
        let mut bitmaps = all.clone();
        for segment in &self.segments {
            let values = segment.first..=segment.last;
            for value in values.filter(|value| Half::of(*value) != half) {
                bitmaps.mark(
                    (segment.number + (value - segment.first)) as usize,
                    Use::Busy,
                );
            }
        }
        self.of_half = Some((half, bitmaps));
    }

    /// Whether `leases` of them taken is so much that the pool needs a bitmap, which `build` makes.
    pub fn is_crowded(&self, leases: usize) -> bool {
        let taken = (leases + self.reserved.len()) as u128;
        self.bitmaps.is_none() && taken > self.size / SPARSE && usize::try_from(self.size).is_ok()
    }

    /// Makes the bitmap of a crowded pool from its leases; [`Slots::set_half`] is to be called anew.
    pub fn build(&mut self, leases: impl Iterator<Item = (u128, Use)>) {
        let Ok(size) = usize::try_from(self.size) else {
            return;
        };
        let mut bitmaps = Bitmaps::new(size);
        for number in &self.reserved {
            bitmaps.mark(*number as usize, Use::Busy);
        }
        self.bitmaps = Some(bitmaps);
        self.of_half = None;
        for (value, of_lease) in leases {
            self.mark(value, of_lease);
        }
    }

    /// A value that may be given out, of a half if that is told: the first free one from where `draw` points to; the first kept
    /// one when none is free. `leased` says what the leases of all pools make of a value; `leases` is how many there are.
    pub fn free(
        &self,
        draw: u64,
        half: Option<Half>,
        leases: usize,
        leased: impl Fn(u128) -> Use,
    ) -> Option<u128> {
        if self.size == 0 {
            return None;
        }
        let usable = |number: u128, worst: Use| {
            let value = self.value(number);
            if half.is_some_and(|half| Half::of(value) != half) {
                return None;
            }
            let use_ = leased(value);
            (!self.reserved.contains(&number) && (use_ == Use::Free || use_ == worst))
                .then_some(value)
        };
        let of_half = self.of_half.as_ref().filter(|(of, _)| half == Some(*of));
        let bitmaps = of_half.map(|(_, bitmaps)| bitmaps);
        if let Some(bitmaps) = bitmaps.or(self.bitmaps.as_ref()) {
            let start = (u128::from(draw) % self.size) as usize;
            // Pools do not overlap, so that the first one found is free; should they, the next ones are looked at, not
            // more of them than there are leases.
            let find = |bitmap: &Bitmap, worst| {
                let mut from = start;
                for _ in 0..=leases {
                    let found = bitmap.next_absent(from)?;
                    let value = usable(found as u128, worst);
                    if value.is_some() {
                        return value;
                    }
                    from = (found + 1) % self.size as usize;
                }
                None
            };
            return find(&bitmaps.taken, Use::Free).or_else(|| find(&bitmaps.busy, Use::Kept));
        }
        let tried = (0..TRIES)
            .map(|n| wide(draw, n) % self.size)
            .find_map(|number| usable(number, Use::Free));
        // Of more slots than there are leases and reservations one is free; of twice as many, one of each half.
        tried.or_else(|| {
            let steps = ((leases + self.reserved.len()) as u128 + 1) * 2;
            (0..steps.min(self.size))
                .map(|n| (u128::from(draw) % self.size + n) % self.size)
                .find_map(|number| usable(number, Use::Kept))
        })
    }
}

impl Bitmaps {
    fn new(size: usize) -> Self {
        Self {
            taken: Bitmap::new(size),
            busy: Bitmap::new(size),
        }
    }

    fn mark(&mut self, number: usize, of_lease: Use) {
        match of_lease {
            Use::Free => self.taken.remove(number),
            _ => self.taken.insert(number),
        }
        match of_lease {
            Use::Busy => self.busy.insert(number),
            _ => self.busy.remove(number),
        }
    }
}

/// The `n`-th of a sequence of 128-bit numbers that a draw gives.
fn wide(draw: u64, n: u64) -> u128 {
    let half = |which: u64| siphash([draw, n], &which.to_le_bytes());
    u128::from(half(0)) << 64 | u128::from(half(1))
}

/// The same values in disjoint ranges in order.
fn merge(ranges: &[RangeInclusive<u128>]) -> Vec<RangeInclusive<u128>> {
    let mut ranges: Vec<_> = ranges.iter().filter(|r| !r.is_empty()).cloned().collect();
    ranges.sort_by_key(|r| *r.start());
    let mut merged: Vec<RangeInclusive<u128>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// The values in the one and not in the other; both merged.
fn subtract(
    from: Vec<RangeInclusive<u128>>,
    what: &[RangeInclusive<u128>],
) -> Vec<RangeInclusive<u128>> {
    let mut left = Vec::new();
    for range in from {
        let (mut first, last) = range.into_inner();
        let behind = what.partition_point(|w| *w.end() < first);
        let mut rest = true;
        for hole in what[behind..].iter().take_while(|w| *w.start() <= last) {
            if first < *hole.start() {
                left.push(first..=hole.start() - 1);
            }
            match hole.end().checked_add(1).filter(|next| *next <= last) {
                Some(next) => first = next,
                None => {
                    rest = false;
                    break;
                }
            }
        }
        if rest {
            left.push(first..=last);
        }
    }
    left
}
