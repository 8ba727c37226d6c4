//! What another router of a pair is told of flows, and what becomes of those that it tells of.
//!
//! ```text
//!   workers ──changes──► FlowPeer ──Change: a slot has this flow, or none──► the other router
//!                        FlowPeer ◄──set, clear─────────────────────────────┘
//!                           └──► a part of the table of its own
//! ```
//!
//! Each side tells the flows that its own workers have made or used, once both ends have had a part in them: whoever has begun
//! one that was not answered sends again. A *slot* is the number of the sender's entry; what is told of it replaces what was told before, so that a
//! lost note is made good by telling all slots, and two routers agree whatever happened between.
//!
//! A flow that was told is *kept* by the other router: it does not age here, and goes when the other says so. It bears
//! the generation [`FOREIGN`], so the first packet of it here is judged by the rules of this router. By that packet it becomes ours: it ages
//! from then on with all of its time, the other router has no say in it any more, and is told of it, as of any flow of ours. If the
//! connection to the other router is lost, flows that it keeps begin to age; if it has started anew, they are ours.
//!
//! Of a flow that both have, the one that has taken it over later has it (*handovers* counts how often that was), or else
//! the one that has used it in the last seconds.
//!
//! LIMIT: counters of a flow begin at 0 at each router. Windows are not told, as they change with every segment: see `tcp.rs` for what
//! is believed of the first ones. Two routers that both see the packets of one flow, each one direction, hand it over a few times, and then
//! each has a flow of its own.
//!
//! [`FOREIGN`]: super::FOREIGN

mod adopt;
mod export;

use std::sync::Arc;

use hashbrown::HashMap;

use super::entry::{Flow, Resumed};
use super::key::FlowKey;
use super::state::Progress;
use super::table::FlowTable;
use super::worker::FlowWorker;

/// What a table has for another router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// Flows of the other router that there can be. 0: there is no other router.
    pub flows: usize,
    /// Notes of flows that change, that wait at each worker at most.
    pub notes: usize,
}

/// A flow as routers of a pair tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is known by.
    pub key: FlowKey,
    /// What rules were asked for as the port.
    pub asked: u16,
    /// Its state.
    pub progress: Progress,
    /// SCTP: the tag of each side, and that of an INIT that waits. Else 0.
    pub tags: [[u32; 2]; 2],
    /// Seconds since its first packet.
    pub age: u32,
    /// Seconds since its last packet.
    pub idle: u32,
    /// How often it has gone from one router to the other.
    pub handovers: u8,
}

impl Record {
    pub(super) fn resumed(&self, now: u32) -> Resumed {
        let is_sctp = self.key.protocol == super::sctp::PROTOCOL;
        Resumed {
            tags: if is_sctp { self.tags } else { [[0; 2]; 2] },
            seen: now.wrapping_sub(self.idle.min(i32::MAX as u32)),
            created: now.wrapping_sub(self.age.min(i32::MAX as u32)),
        }
    }
}

/// What the other router is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A slot has this flow.
    Set {
        /// The slot.
        slot: u32,
        /// The flow.
        flow: Record,
    },
    /// A slot has none any more.
    Clear {
        /// The slot.
        slot: u32,
    },
}

/// Which flows of a part another router keeps.
#[derive(Debug)]
pub(super) struct Kept {
    /// The number of the part's first entry.
    first: u32,
    /// By entry: the other router's slot and one; 0: it is ours. Empty for workers.
    slots: Box<[u32]>,
    /// Since when the other router cannot be heard.
    gone: Option<u32>,
}

impl Kept {
    /// Of a worker: all of its flows are ours.
    pub fn none(first: u32) -> Self {
        Self {
            first,
            slots: Box::default(),
            gone: None,
        }
    }

    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    /// The other router's slot.
    pub fn slot(&self, number: u32) -> Option<u32> {
        let slot = self.slots.get(self.place(number))?;
        slot.checked_sub(1)
    }

    /// Seconds that a flow counts as not used: one that is kept does not age, and from when nobody keeps it any more.
    #[inline]
    pub fn idle(&self, number: u32, idle: u32, now: u32) -> u32 {
        match (self.slot(number), self.gone) {
            (None, _) => idle,
            (Some(_), None) => 0,
            (Some(_), Some(gone)) => idle.min((now.wrapping_sub(gone) as i32).max(0) as u32),
        }
    }

    /// It is ours.
    #[inline]
    pub fn release(&mut self, number: u32) {
        let place = self.place(number);
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = 0;
        }
    }

    fn keep(&mut self, number: u32, slot: u32) {
        let place = self.place(number);
        if let Some(kept) = self.slots.get_mut(place) {
            *kept = slot.wrapping_add(1);
        }
    }
}

/// What keeps another router informed of the flows of a table, and has its flows in a part of the table. To be called by one thread.
#[derive(Debug)]
pub struct FlowPeer {
    table: Arc<FlowTable>,
    /// The part with the other router's flows, and those that were.
    part: FlowWorker,
    /// By entry: the life that was told of it; 0: none.
    told: Box<[u32]>,
    /// By entry of the part: how often it was handed over, and in which bulk it was last told.
    handovers: Box<[u8]>,
    mentioned: Box<[u8]>,
    /// The number of the bulk that is being received, never 0.
    bulk: u8,
    /// Entries by the other router's slot. One that has another slot by now, or none, does not count.
    slots: HashMap<u32, u32>,
    /// The next entry of a bulk that is being told.
    next: Option<u32>,
    /// Whose ring is read next, and the notes that were lost up to the last time somebody asked.
    turn: usize,
    lost: u64,
    /// Notes that are being looked at.
    notes: Vec<u32>,
}

impl FlowPeer {
    pub(super) fn new(table: &Arc<FlowTable>, mut part: FlowWorker) -> Self {
        let numbers = table.numbers(table.cells.len() - 1);
        part.kept = Kept {
            first: numbers.start,
            slots: vec![0; numbers.len()].into_boxed_slice(),
            gone: None,
        };
        Self {
            table: table.clone(),
            part,
            told: vec![0; table.entries.len()].into_boxed_slice(),
            handovers: vec![0; numbers.len()].into_boxed_slice(),
            mentioned: vec![0; numbers.len()].into_boxed_slice(),
            bulk: 1,
            slots: HashMap::new(),
            next: None,
            turn: 0,
            lost: 0,
            notes: Vec::new(),
        }
    }

    /// Ages flows that are ours now, and lets entries be used again. Often, as a worker does: [`FlowWorker::expire`]. How many it
    /// has forgotten.
    pub fn expire(&mut self, now: u32) -> usize {
        self.part.expire(now)
    }

    /// Flows that the other router keeps.
    pub fn n_kept(&self) -> usize {
        self.slots.len()
    }

    /// Whether an entry is of the part with the other router's flows.
    fn is_of_part(&self, number: u32) -> bool {
        self.part.kept.place(number) < self.part.kept.slots.len()
    }

    /// How often a flow was handed over.
    fn handovers(&self, number: u32) -> u8 {
        let place = self.part.kept.place(number);
        self.handovers.get(place).copied().unwrap_or(0)
    }

    /// A flow that the other router keeps is ours: one of our workers has used it.
    fn take_over(&mut self, number: u32) {
        if let Some(slot) = self.part.kept.slot(number) {
            self.slots.remove(&slot);
            self.part.kept.release(number);
            let place = self.part.kept.place(number);
            if let Some(handovers) = self.handovers.get_mut(place) {
                *handovers = handovers.saturating_add(1);
            }
        }
    }
}

/// Whether one of our workers has used a flow since another router has told of it.
fn is_used(flow: &Flow) -> bool {
    flow.generation() != super::FOREIGN
}
