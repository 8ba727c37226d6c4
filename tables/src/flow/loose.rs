//! Flows that nobody has answered yet, and those that are over, by anchor: who has to make room for whom.
//!
//! A flow is put on its anchor's list when it is inserted. Its answer may come to another worker, so it is taken off later, and put
//! on again when it is over: when somebody looks. Inserting a flow looks at two old ones of the anchor, so that the lists stay about
//! as long as the answers are late.

use std::io;

use super::lists::{Chain, Chains, List, NOBODY};
use super::memory::Lines;
use crate::id::AnchorId;

/// Anchors there can be.
pub(super) const ANCHORS: usize = 1 << 16;
/// Anchors looked at for one with more.
const SAMPLE: usize = 4;

/// An anchor's loose flows. Zeroes: none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    list: List,
    count: u32,
    /// Its place among the active.
    place: u32,
}

/// The loose flows of one worker.
#[derive(Debug)]
pub(super) struct Loose {
    shares: Lines<Share>,
    /// Anchors with any, in no order.
    active: Vec<AnchorId>,
    /// The one that had most when somebody looked.
    heaviest: AnchorId,
    turn: usize,
}

impl Loose {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            shares: Lines::new(ANCHORS)?,
            active: Vec::with_capacity(ANCHORS),
            heaviest: AnchorId(0),
            turn: 0,
        })
    }

    fn count(&self, anchor: AnchorId) -> u32 {
        self.shares[anchor.index()].count
    }

    pub fn push(&mut self, chains: &mut Chains, anchor: AnchorId, number: u32) {
        let share = &mut self.shares[anchor.index()];
        if share.count == 0 {
            share.place = self.active.len() as u32;
            self.active.push(anchor);
        }
        share.count += 1;
        chains.push(Chain::Loose, &mut share.list, number);
        chains.of(number).is_loose = true;
        if share.count > self.count(self.heaviest) {
            self.heaviest = anchor;
        }
    }

    /// Takes a flow off, if it is on.
    pub fn unlink(&mut self, chains: &mut Chains, anchor: AnchorId, number: u32) {
        if !std::mem::take(&mut chains.of(number).is_loose) {
            return;
        }
        let share = &mut self.shares[anchor.index()];
        chains.unlink(Chain::Loose, &mut share.list, number);
        share.count -= 1;
        if share.count == 0 {
            let place = share.place as usize;
            self.active.swap_remove(place);
            if let Some(moved) = self.active.get(place) {
                self.shares[moved.index()].place = place as u32;
            }
        }
    }

    /// The oldest of an anchor.
    pub fn oldest(&self, anchor: AnchorId) -> Option<u32> {
        let head = self.shares[anchor.index()].list.head;
        (head != NOBODY).then_some(head)
    }

    /// The anchor with most, or nearly.
    pub fn heaviest(&mut self) -> Option<AnchorId> {
        for _ in 0..SAMPLE.min(self.active.len()) {
            self.turn = (self.turn + 1) % self.active.len();
            let other = self.active[self.turn];
            if self.count(other) > self.count(self.heaviest) {
                self.heaviest = other;
            }
        }
        (self.count(self.heaviest) != 0).then_some(self.heaviest)
    }
}
