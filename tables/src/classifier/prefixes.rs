//! The longest of some prefixes that contains an address: binary search on the lengths that there are (Waldvogel, Varghese, Turner,
//! Plattner: "Scalable high speed IP routing lookups", SIGCOMM 1997).
//!
//! A hash table holds the prefixes, and for each one *markers*: its beginning, as long as the lengths at which the search for it
//! turns to longer ones. A marker knows the longest prefix that contains it, so that the search never turns back.

use hashbrown::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Slots looked at beyond the first: the table is built until nobody is farther away.
const FAR: usize = 4;

/// No prefix.
pub(super) const NONE: u32 = 0;

/// The bits of a prefix.
#[inline(always)]
pub(super) const fn mask(address: u128, len: u8) -> u128 {
    if len == 0 {
        0
    } else {
        address & (u128::MAX << (128 - len as u32))
    }
}

/// Half a cache line: none lies across two.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Slot {
    address: u128,
    /// Length and one; 0: free.
    tag: u16,
    /// The longest prefix that contains it, or `NONE`.
    node: u32,
}

/// The prefixes of one family, each with a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    /// Lengths in use, shortest first.
    lengths: Box<[u8]>,
    slots: Box<[Slot]>,
    seed: u64,
}

/// A prefix to compile, masked; it gets the number of its place in the list and one.
pub(super) type Prefix = (u128, u8);

impl Prefixes {
    /// Compiles prefixes, each there once. Also gives, for each, the number of the longest other one that contains it.
    pub fn new(prefixes: &[Prefix]) -> (Self, Vec<u32>) {
        let mut lengths: Vec<u8> = prefixes.iter().map(|&(_, len)| len).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let numbers: HashMap<Prefix, u32> = prefixes.iter().copied().zip(1..).collect();
        // The longest prefix around an address that is no longer than the lengths say.
        let longest = |address, lengths: &[u8]| {
            let mut around = lengths.iter().rev().map(|&len| (mask(address, len), len));
            around.find_map(|prefix| numbers.get(&prefix)).copied()
        };
        let mut entries = HashMap::<Prefix, u32>::new();
        let mut parents = Vec::with_capacity(prefixes.len());
        for &(address, len) in prefixes {
            let at = lengths.partition_point(|&l| l < len);
            parents.push(longest(address, &lengths[..at]).unwrap_or(NONE));
            let (mut low, mut high) = (0, lengths.len());
            loop {
                let middle = usize::midpoint(low, high);
                if middle > at {
                    high = middle;
                    continue;
                }
                let marker = (mask(address, lengths[middle]), lengths[middle]);
                entries
                    .entry(marker)
                    .or_insert_with(|| longest(address, &lengths[..=middle]).unwrap_or(NONE));
                if middle == at {
                    break;
                }
                low = middle + 1;
            }
        }
        (Self::table(lengths.into(), &entries), parents)
    }

    fn table(lengths: Box<[u8]>, entries: &HashMap<Prefix, u32>) -> Self {
        let mut size = (2 * entries.len()).next_power_of_two();
        // Seeds nobody knows: prefixes that all meet in one slot cannot be made up.
        let seeds = RandomState::new();
        for attempt in 0_u64.. {
            if attempt % 8 == 7 {
                size *= 2;
            }
            let mut table = Self {
                lengths: lengths.clone(),
                slots: vec![Slot::default(); size + FAR].into(),
                seed: seeds.hash_one(attempt),
            };
            let fits = entries
                .iter()
                .all(|(&prefix, &node)| table.insert(prefix, node));
            if fits {
                return table;
            }
        }
        unreachable!("a table of any size fits at last")
    }

    fn insert(&mut self, (address, len): Prefix, node: u32) -> bool {
        let first = self.slot(address, len);
        let slots = &mut self.slots[first..=first + FAR];
        let Some(slot) = slots.iter_mut().find(|slot| slot.tag == 0) else {
            return false;
        };
        *slot = Slot {
            address,
            tag: u16::from(len) + 1,
            node,
        };
        true
    }

    #[inline(always)]
    fn slot(&self, address: u128, len: u8) -> usize {
        let high = fold((address >> 64) as u64 ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        let low = address as u64 ^ u64::from(len);
        let hash = fold(
            high ^ low,
            self.seed.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93,
        );
        // All slots but those beyond the last one's reach are first ones.
        hash as usize & (self.slots.len() - FAR - 1)
    }

    #[inline(always)]
    fn get(&self, address: u128, len: u8) -> Option<u32> {
        let first = self.slot(address, len);
        let tag = u16::from(len) + 1;
        let slots = self.slots.get(first..=first + FAR)?;
        for slot in slots {
            if slot.tag == tag && slot.address == address {
                return Some(slot.node);
            }
            if slot.tag == 0 {
                return None;
            }
        }
        None
    }

    /// The number of the longest prefix that contains an address, or `NONE`.
    #[inline]
    pub fn longest(&self, address: u128) -> u32 {
        let (mut low, mut high) = (0, self.lengths.len());
        let mut best = NONE;
        while low < high {
            let middle = usize::midpoint(low, high);
            let len = self.lengths[middle];
            match self.get(mask(address, len), len) {
                Some(node) => {
                    best = node;
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        best
    }
}

/// Both halves of the product, folded.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_in_no_prefix() {
        let (none, parents) = Prefixes::new(&[]);
        assert_eq!((none.longest(7), parents.len()), (NONE, 0));
        assert_eq!(Prefixes::default().longest(7), NONE);
    }

    #[test]
    fn prefixes_of_every_length_nest() {
        let all: Vec<Prefix> = (0..=128).map(|len| (mask(u128::MAX, len), len)).collect();
        let (table, parents) = Prefixes::new(&all);
        assert!(parents.iter().zip(0..).all(|(&parent, n)| parent == n));
        assert_eq!(table.longest(u128::MAX), 129);
        for len in 0..128 {
            let address = u128::MAX ^ 1 << (127 - len);
            assert_eq!(table.longest(address), len + 1, "{len} bits in common");
        }
    }

    proptest! {
        #[test]
        fn the_longest_is_found(
            mut prefixes in proptest::collection::vec((0..0x1_0000_u128, 0..=128_u8), 0..80),
            addresses in proptest::collection::vec(0..0x1_0000_u128, 200),
        ) {
            // Few bits, spread, so that prefixes nest and addresses meet them.
            let spread = |bits: u128| (0..16).fold(0, |a, n| a | (bits >> n & 1) << (n * 8 + 7));
            for (address, len) in &mut prefixes {
                *address = mask(spread(*address), *len);
            }
            prefixes.sort_unstable();
            prefixes.dedup();
            let (table, parents) = Prefixes::new(&prefixes);
            let naive = |address, below: u8| {
                let around = prefixes.iter().zip(1..).filter(|&(&(p, len), _)| len < below && mask(address, len) == p);
                around.max_by_key(|&(&(_, len), _)| len).map_or(NONE, |(_, n)| n)
            };
            for address in addresses.into_iter().map(spread) {
                prop_assert_eq!(table.longest(address), naive(address, 129));
            }
            for (&(address, len), parent) in prefixes.iter().zip(parents) {
                prop_assert_eq!(table.longest(address | !mask(u128::MAX, len)) != NONE, true);
                prop_assert_eq!(parent, naive(address, len));
            }
        }
    }
}
