//! What the control plane sees of flows, while workers use them.

use std::sync::atomic::{Ordering, fence};

use super::entry::Flow;
use super::key::{Direction, FlowKey};
use super::state::State;
use super::table::FlowTable;
use super::timeouts::Timeouts;
use crate::id::{AnchorId, RuleId};

/// Packets and bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes, as [`Segment::bytes`] counts them.
    ///
    /// [`Segment::bytes`]: super::Segment::bytes
    pub bytes: u64,
}

/// A flow as it was at one moment; its counters may be of a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowInfo {
    /// What it is known by.
    pub key: FlowKey,
    /// The direction of its first packet.
    pub opened: Direction,
    /// Its state.
    pub state: State,
    /// Seconds since its first packet.
    pub age: u32,
    /// Seconds since its last packet.
    pub idle: u32,
    /// Seconds until it is forgotten, if no packet comes.
    pub seconds_left: u32,
    /// The generation of the rules that has allowed it.
    pub generation: u32,
    /// The rule that has.
    pub rule: RuleId,
    /// What came from the machine.
    pub egress: Traffic,
    /// What went to it.
    pub ingress: Traffic,
}

impl FlowTable {
    /// Flows of an anchor, or of all, `limit` at most, in no order. `now` in seconds of the workers' clock. Takes time: all of the
    /// table that was ever used is read.
    pub fn snapshot(&self, anchor: Option<AnchorId>, limit: usize, now: u32) -> Vec<FlowInfo> {
        let timeouts = self.timeouts();
        let used = self.used_from(1).filter_map(|number| self.entry(number));
        used.filter_map(|flow| flow.info(anchor, &timeouts, now))
            .take(limit)
            .collect()
    }

    /// Numbers of entries that were ever used, from one on.
    pub(super) fn used_from(&self, first: u32) -> impl Iterator<Item = u32> {
        self.cells
            .iter()
            .enumerate()
            .flat_map(move |(part, cells)| {
                let numbers = self.numbers(part);
                let behind = cells.used.load(Ordering::Relaxed).min(numbers.end);
                numbers.start.max(first)..behind
            })
    }
}

impl Flow {
    /// What it is; `None` if it is none, not of that anchor, or becomes another's just now.
    fn info(&self, anchor: Option<AnchorId>, timeouts: &Timeouts, now: u32) -> Option<FlowInfo> {
        let word = self.word();
        if !word.is_live() {
            return None;
        }
        let key = self.key();
        if anchor.is_some_and(|anchor| anchor != key.anchor) {
            return None;
        }
        let [egress, ingress] = [Direction::Egress, Direction::Ingress].map(|direction| {
            let (packets, bytes) = self.counts(direction);
            Traffic { packets, bytes }
        });
        let idle = self.idle(now);
        let info = FlowInfo {
            key,
            opened: word.opened(),
            state: word.state(),
            age: self.age(now),
            idle,
            seconds_left: timeouts.of(&key, word.state()).saturating_sub(idle),
            generation: self.generation(),
            rule: self.rule(),
            egress,
            ingress,
        };
        // Its life is the same after all of that was read, so all of it was this flow's.
        fence(Ordering::Acquire);
        (self.word().life() == word.life()).then_some(info)
    }
}
