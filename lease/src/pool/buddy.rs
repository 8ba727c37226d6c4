//! Pools whose prefixes have several lengths: a buddy allocator, so that big prefixes stay available and none overlap.
//!
//! Free space is kept as aligned blocks, the largest possible ones; what is not free is covered by *holds*: excluded,
//! reserved and leased prefixes, which may overlap each other (a reservation made under a lease, a lease of an earlier
//! configuration). Every step is a few searches in sorted sets, one a prefix length at most.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::Half;
use super::slots::Use;

/// Why a prefix is not free; several reasons may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Excluded = 1,
    Reserved = 2,
    /// Bound, offered or declined.
    Leased = 4,
    /// Released, kept for its last holder.
    Kept = 8,
}

/// A prefix; ordered so that a prefix stands before those inside it, and these before its successor.
type Block = (u128, u8);

/// The space of some base prefixes.
#[derive(Clone, Debug)]
pub struct Buddy {
    bases: Vec<Ipv6Net>,
    /// The starts of the free blocks, by half and prefix length; those that are in both halves with the even ones.
    free: [Vec<BTreeSet<u128>>; 2],
    /// The length of a prefix whose last bit tells the half of all that is in it.
    split: u8,
    holds: BTreeMap<Block, u8>,
    /// How many holds have this length: those above a block are looked for only where there are any.
    lengths: [u32; 129],
    /// Kept prefixes that nothing else holds, by length.
    kept: BTreeSet<(u8, u128)>,
}

impl Buddy {
    /// All of the bases is free but for the excluded prefixes. Bases do not overlap. `split` is the length of the prefixes that
    /// belong to one half or the other.
    pub fn new(bases: &[Ipv6Net], exclude: &[Ipv6Net], split: u8) -> Self {
        let mut buddy = Self {
            bases: bases.to_vec(),
            free: [vec![BTreeSet::new(); 129], vec![BTreeSet::new(); 129]],
            split,
            holds: BTreeMap::new(),
            lengths: [0; 129],
            kept: BTreeSet::new(),
        };
        for base in bases {
            buddy.set_free(block(*base), true);
        }
        exclude
            .iter()
            .for_each(|x| buddy.hold(*x, Reason::Excluded));
        buddy
    }

    /// Whether the prefix is in the pool's space; excluded or not.
    pub fn contains(&self, prefix: Ipv6Net) -> bool {
        self.bases.iter().any(|base| base.contains(&prefix))
    }

    /// Whether an exclusion overlaps the prefix.
    pub fn is_excluded(&self, prefix: Ipv6Net) -> bool {
        self.overlapped(prefix, Reason::Excluded)
    }

    /// Whether a reservation overlaps the prefix.
    pub fn is_reserved(&self, prefix: Ipv6Net) -> bool {
        self.overlapped(prefix, Reason::Reserved)
    }

    fn overlapped(&self, prefix: Ipv6Net, reason: Reason) -> bool {
        let block = block(prefix);
        let has = |held: &u8| held & reason as u8 != 0;
        let above = self
            .above(block)
            .any(|b| self.holds.get(&b).is_some_and(has));
        above
            || self
                .holds
                .range(block..=end(block))
                .any(|(_, held)| has(held))
    }

    /// Whether nothing holds any part of the prefix.
    pub fn is_free(&self, prefix: Ipv6Net) -> bool {
        self.holder_of_free(block(prefix)).is_some()
    }

    /// Whether a hold on just this prefix is the only one that overlaps it.
    pub fn is_sole(&self, prefix: Ipv6Net) -> bool {
        let block = block(prefix);
        let mut inside = self.holds.range(block..=end(block));
        inside.next().is_some_and(|(held, _)| *held == block)
            && inside.next().is_none()
            && !self.above(block).any(|b| self.holds.contains_key(&b))
    }

    /// Sets what a lease makes of a prefix.
    pub fn mark(&mut self, prefix: Ipv6Net, of_lease: Use) {
        let (set, clear): (Option<Reason>, &[Reason]) = match of_lease {
            Use::Busy => (Some(Reason::Leased), &[Reason::Kept]),
            Use::Kept => (Some(Reason::Kept), &[Reason::Leased]),
            Use::Free => (None, &[Reason::Kept, Reason::Leased]),
        };
        // The new hold first: the space in between is not merged and split again.
        set.into_iter().for_each(|reason| self.hold(prefix, reason));
        clear.iter().for_each(|reason| self.unhold(prefix, *reason));
    }

    /// Holds a prefix for one more reason; one outside of the pool is ignored.
    pub fn hold(&mut self, prefix: Ipv6Net, reason: Reason) {
        let overlaps = |base: &Ipv6Net| base.contains(&prefix) || prefix.contains(base);
        if !self.bases.iter().any(overlaps) {
            return;
        }
        let block = block(prefix);
        let held = self.holds.entry(block).or_default();
        let is_new = *held == 0;
        *held |= reason as u8;
        let only_kept = *held == Reason::Kept as u8;
        self.note_kept(block, only_kept);
        if is_new {
            self.lengths[usize::from(block.1)] += 1;
            self.carve(block);
        }
    }

    /// Takes a reason back; the space is free again when it was the last one of all holds over it.
    pub fn unhold(&mut self, prefix: Ipv6Net, reason: Reason) {
        let block = block(prefix);
        let Some(held) = self.holds.get_mut(&block) else {
            return;
        };
        *held &= !(reason as u8);
        let left = *held;
        self.note_kept(block, left == Reason::Kept as u8);
        if left != 0 {
            return;
        }
        self.holds.remove(&block);
        self.lengths[usize::from(block.1)] -= 1;
        if !self.above(block).any(|b| self.holds.contains_key(&b)) {
            let inside: Vec<Block> = match self.bases.iter().any(|b| b.contains(&prefix)) {
                true => vec![block],
                // A hold larger than a base.
                false => self
                    .bases
                    .iter()
                    .filter(|b| prefix.contains(*b))
                    .map(|b| self::block(*b))
                    .collect(),
            };
            inside.into_iter().for_each(|block| self.free_around(block));
        }
    }

    fn note_kept(&mut self, (start, len): Block, kept: bool) {
        if kept {
            self.kept.insert((len, start));
        } else {
            self.kept.remove(&(len, start));
        }
    }

    /// A prefix of this length that may be given out, of a half if that is told: from the smallest block that is large enough, the
    /// first one from where `draw` points to. When none is free, a kept prefix of just this length that nothing else overlaps.
    pub fn find(&self, len: u8, draw: u64, half: Option<Half>) -> Option<Ipv6Net> {
        let base = self.bases.get(draw as usize % self.bases.len().max(1))?;
        let offset = u128::from(draw) << 64 | u128::from(draw.rotate_left(32));
        let from = base.network().to_bits() | (offset & !mask(base.prefix_len()));
        let of_length = |l: u8| {
            let sets = [0, 1].map(|half| &self.free[half][usize::from(l)]);
            let sets = match half {
                Some(half) if self.split <= l => [Some(sets[half as usize]), None],
                _ => sets.map(Some),
            };
            let sets = || sets.iter().flatten();
            let next = sets().filter_map(|blocks| blocks.range(from..).next());
            let first = || sets().filter_map(|blocks| blocks.first()).min();
            next.min().or_else(first).copied()
        };
        let start = (0..=len).rev().find_map(|l| Some((of_length(l)?, l)));
        let start = start.map(|(start, l)| match half {
            // The block is in both halves.
            Some(Half::Odd) if l < self.split => start | bit(self.split),
            _ => start,
        });
        let is_of_half =
            |start: u128| half.is_none_or(|half| self.half_at((start, len)) == half as usize);
        start.map(|start| net((start, len))).or_else(|| {
            let all = (len, 0)..=(len, u128::MAX);
            let kept = self.kept.range(all).filter(|(_, start)| is_of_half(*start));
            let mut kept = kept.map(|(len, start)| net((*start, *len)));
            kept.find(|prefix| self.is_sole(*prefix))
        })
    }

    fn half_at(&self, (start, len): Block) -> usize {
        let is_odd = self.split <= len && 0 < self.split && start & bit(self.split) != 0;
        usize::from(is_odd)
    }

    fn free_at(&self, block: Block) -> &BTreeSet<u128> {
        &self.free[self.half_at(block)][usize::from(block.1)]
    }

    /// Puts a free block in or takes it out; whether that changed anything.
    fn set_free(&mut self, block: Block, is_free: bool) -> bool {
        let blocks = &mut self.free[self.half_at(block)][usize::from(block.1)];
        match is_free {
            true => blocks.insert(block.0),
            false => blocks.remove(&block.0),
        }
    }

    /// The blocks that contain this one and may have a hold.
    fn above(&self, (start, len): Block) -> impl Iterator<Item = Block> {
        (0..len)
            .filter(|l| self.lengths[usize::from(*l)] > 0)
            .map(move |l| (start & mask(l), l))
    }

    /// The free block which this one is, or is a part of.
    fn holder_of_free(&self, (start, len): Block) -> Option<Block> {
        (0..=len)
            .rev()
            .map(|l| (start & mask(l), l))
            .find(|block| self.free_at(*block).contains(&block.0))
    }

    /// Takes the free space in a block away.
    fn carve(&mut self, block: Block) {
        let (start, len) = block;
        if let Some((around, l)) = self.holder_of_free(block) {
            self.set_free((around, l), false);
            for l in l + 1..=len {
                self.set_free(((start & mask(l)) ^ bit(l), l), true);
            }
            return;
        }
        let last = end(block).0;
        let lengths = usize::from(len) + 1..;
        for blocks in self.free.iter_mut().flat_map(|f| &mut f[lengths.clone()]) {
            while let Some(inside) = blocks.range(start..=last).next().copied() {
                blocks.remove(&inside);
            }
        }
    }

    /// Frees what no hold covers of a block that none covers whole.
    fn free_around(&mut self, block: Block) {
        let first = self.holds.range(block..=end(block)).next();
        match first.map(|(held, _)| *held) {
            None => self.give_back(block),
            Some(held) if held == block => {}
            Some(_) => {
                let (start, len) = (block.0, block.1 + 1);
                self.free_around((start, len));
                self.free_around((start | bit(len), len));
            }
        }
    }

    /// Makes a block free and merges it with its buddies, up to the base.
    fn give_back(&mut self, (mut start, mut len): Block) {
        let base = self
            .bases
            .iter()
            .find(|base| base.contains(&Ipv6Addr::from_bits(start)))
            .map_or(len, Ipv6Net::prefix_len);
        while len > base && self.set_free((start ^ bit(len), len), false) {
            start &= !bit(len);
            len -= 1;
        }
        self.set_free((start, len), true);
    }
}

fn block(prefix: Ipv6Net) -> Block {
    (prefix.network().to_bits(), prefix.prefix_len())
}

fn net((start, len): Block) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(start), len)
}

/// The last block inside of this one, in the order of blocks.
fn end((start, len): Block) -> Block {
    (start | !mask(len), 128)
}

/// The network bits of a prefix length.
fn mask(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
}

/// The last network bit of a prefix length above 0: it tells buddies apart.
fn bit(len: u8) -> u128 {
    1 << (128 - u32::from(len))
}
