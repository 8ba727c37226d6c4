//! How a changed route reaches the nodes that readers see.
//!
//! ```text
//!   the changed prefix ── down to the smallest span with an entry of its own
//!     ├ every boundary that the route needs, or needed, is there: the next hop is stored in its intervals, in place
//!     ├ a direct node, the prefix covering several slots: those slots are built anew
//!     ├ a chunk: a copy of it with the intervals of the prefix replaced, and one store to publish it
//!     └ then, where something has become empty, the nodes above that now hold too little
//! ```
//!
//! Nodes below a chunk that a change does not touch stay where they are: both the old and the new chunk name them.
//!
//! # Invariant
//! Where neighbouring intervals have the same next hop, a route begins or ends there that exists, or went and is to be tidied
//! away. So nothing is left of it then: its own boundaries are those at which a splice looks whether they are still needed.

use super::arena::{Arena, Lines};
use super::build::{address, direct_bits, key, slot_span};
use super::chunk::{Chunk, Slot, Slots, word};
use super::node::{Entry, Kind};
use super::rib::Interval;
use super::writer::VrfState;
use super::{Address, Prefix, Vrf};
use crate::id::VrfId;
use crate::publish::Retired;
use std::io;
use std::sync::atomic::Ordering;

/// What has become of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// It came, or went.
    Presence,
    NextHop,
    /// It went some time ago, and left its boundaries behind.
    Tidy,
}

/// A change that readers do not see yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dirty<A: Address> {
    pub vrf: VrfId,
    pub prefix: Prefix<A>,
    pub change: Change,
    /// Whether readers see it by now.
    pub done: bool,
}

/// Where a VRF's lookups begin.
const ROOT: Slot = Slot::Word(0);

/// Where an entry stands, and what it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<A: Address> {
    pub slot: Slot,
    pub span: Prefix<A>,
}

/// Memory for what an update needs, used again and again.
#[derive(Debug)]
pub(super) struct Scratch<A: Address> {
    /// The nodes above the place of the change, outermost first.
    pub above: Vec<Place<A>>,
    pub intervals: Vec<Interval<A>>,
    pub gaps: Vec<(A, A)>,
    /// The parts of a chunk's span that have changed, in order.
    pub parts: Vec<Prefix<A>>,
    pub old: Slots,
    pub new: Slots,
    /// Nodes that the chunk in work no longer names.
    pub dropped: Vec<Entry>,
    pub fresh: Vec<Lines>,
}

impl<A: Address> Default for Scratch<A> {
    fn default() -> Self {
        Scratch {
            above: Vec::new(),
            intervals: Vec::new(),
            gaps: Vec::new(),
            parts: Vec::new(),
            old: Slots::default(),
            new: Slots::default(),
            dropped: Vec::new(),
            fresh: Vec::new(),
        }
    }
}

/// An update of one VRF.
pub(super) struct Update<'a, A: Address> {
    pub root: &'a Vrf,
    pub state: &'a mut VrfState<A>,
    pub arena: &'a mut Arena,
    pub retired: &'a mut Retired<Lines>,
    pub scratch: &'a mut Scratch<A>,
}

impl<A: Address> Update<'_, A> {
    /// Makes the first of the changes visible, and those others that are met on the way; marks them done. They are sorted by
    /// kind of change, VRF and prefix.
    pub fn apply(&mut self, dirty: &mut [Dirty<A>]) -> io::Result<()> {
        let Dirty { prefix, change, .. } = dirty[0];
        if prefix.len() == 0 {
            let next_hop = self.state.rib.get(prefix).map_or(0, |next_hop| next_hop.0);
            self.root.set_default(next_hop);
            dirty[0].done = true;
            return Ok(());
        }
        let place = self.descend(prefix);
        let kind = self.load(place.slot).kind();
        let direct = matches!(kind, Kind::Direct8 | Kind::DirectWide);
        // Whether both ends of the prefix are boundaries whatever becomes of the route.
        let bounded = direct || prefix.len() <= place.span.len();
        if self.in_place(place, prefix, change, bounded) {
            dirty[0].done = true;
            let empty = self.scratch.gaps == [(prefix.addr(), prefix.last())];
            if bounded && empty {
                self.emptied(place, prefix, direct)?;
            }
            return Ok(());
        }
        let fresh = match Chunk::of(self.load(place.slot)) {
            Some(chunk) if !bounded => self.splice_all(place, chunk, dirty)?,
            _ if direct => {
                self.refresh_part(place, prefix)?;
                prefix
            }
            _ => {
                self.rebuild(place)?;
                place.span
            }
        };
        let vrf = dirty[0].vrf;
        dirty
            .iter_mut()
            .take_while(|d| d.vrf == vrf && fresh.covers(d.prefix))
            // The default route is no part of any node.
            .filter(|d| d.prefix.len() > 0)
            .for_each(|d| d.done = true);
        let empty = if direct {
            self.scratch.intervals.len() == 1
        } else {
            self.load(place.slot).is_leaf()
        };
        if empty {
            self.emptied(place, prefix, direct)?;
        }
        Ok(())
    }

    pub(super) fn load(&self, slot: Slot) -> Entry {
        if slot == ROOT {
            return Entry(self.root.root.load(Ordering::Relaxed));
        }
        slot.load(self.arena)
    }

    /// Makes readers find another entry. Returns false if it does not go into the slot.
    pub(super) fn store(&self, slot: Slot, entry: Entry) -> bool {
        if slot == ROOT {
            self.root.root.store(entry.0, Ordering::Release);
            return true;
        }
        slot.store(self.arena, entry)
    }

    /// Down to the smallest span with an entry of its own that covers `prefix`, noting the nodes above.
    fn descend(&mut self, prefix: Prefix<A>) -> Place<A> {
        self.scratch.above.clear();
        let mut place = Place {
            slot: ROOT,
            span: Prefix::all(),
        };
        loop {
            let entry = self.load(place.slot);
            let (slot, end) = match entry.kind() {
                Kind::Leaf => return place,
                kind @ (Kind::Direct8 | Kind::DirectWide) => {
                    let (len, bits) = (place.span.len(), direct_bits::<A>(kind));
                    if prefix.len() < len + bits {
                        return place;
                    }
                    let slot = prefix.addr().bits(len, bits);
                    (Slot::Word(word(entry.index(), slot)), len + bits)
                }
                Kind::Chunk(window, _) => {
                    let end = window.end(A::BITS);
                    let Some(chunk) = Chunk::of(entry).filter(|_| prefix.len() >= end) else {
                        return place;
                    };
                    let slot = chunk.find(self.arena, key(window, prefix.addr())).slot;
                    if self.load(slot).is_leaf() {
                        return place;
                    }
                    (slot, end)
                }
            };
            self.scratch.above.push(place);
            place = Place {
                slot,
                span: Prefix::of(prefix.addr(), end),
            };
        }
    }

    /// Stores the next hop of `prefix` in the intervals that take it, if every boundary is there that this needs. What has
    /// been stored is right also where it is not enough. Unless it is `bounded` by what is not its own, a route that went
    /// leaves its boundaries behind so: they are tidied away later, if it has not come back.
    pub(super) fn in_place(
        &mut self,
        place: Place<A>,
        prefix: Prefix<A>,
        change: Change,
        bounded: bool,
    ) -> bool {
        let mut gaps = std::mem::take(&mut self.scratch.gaps);
        let (exists, next_hop) = self.state.rib.gaps(prefix, &mut gaps);
        let done = (exists || bounded || change != Change::Tidy)
            && gaps
                .iter()
                .all(|&(first, last)| self.assign(place, first, last, Entry::leaf(next_hop)));
        if done && !exists && !bounded {
            self.state.stale.push_back(prefix);
        }
        self.scratch.gaps = gaps;
        done
    }

    /// Stores `leaf` in all intervals from `first` to `last`, as far as they are in the place's span; stops at one that reaches
    /// further, or has no room for it.
    fn assign(&self, place: Place<A>, first: A, last: A, leaf: Entry) -> bool {
        let span = place.span;
        let entry = self.load(place.slot);
        let (from, to) = (first.max(span.addr()), last.min(span.last()));
        match entry.kind() {
            Kind::Leaf => {
                let whole = from == span.addr() && to == span.last();
                whole && (entry == leaf || self.store(place.slot, leaf))
            }
            kind @ (Kind::Direct8 | Kind::DirectWide) => {
                let bits = direct_bits::<A>(kind);
                (from.bits(span.len(), bits)..=to.bits(span.len(), bits)).all(|slot| {
                    let slot = Place {
                        slot: Slot::Word(word(entry.index(), slot)),
                        span: slot_span(span, bits, slot),
                    };
                    self.assign(slot, first, last, leaf)
                })
            }
            Kind::Chunk(window, _) => {
                let Some(chunk) = Chunk::of(entry) else {
                    return false;
                };
                let end = window.end(A::BITS);
                let top = key(window, to);
                let mut at = from;
                loop {
                    let found = chunk.find(self.arena, key(window, at));
                    let value = self.load(found.slot);
                    let behind = found.last.min(key(window, span.last()));
                    let inside = if value.is_leaf() {
                        let starts = found.first.max(key(window, span.addr()));
                        starts == key(window, at)
                            && at.network(end) == at
                            && (behind < top || behind == top && to.last(end) == to)
                    } else {
                        let site = Place {
                            slot: found.slot,
                            span: Prefix::of(at, end),
                        };
                        self.assign(site, first, last, leaf)
                    };
                    let change = value.is_leaf() && value != leaf;
                    if !inside || change && !self.store(found.slot, leaf) {
                        return false;
                    }
                    if behind >= top {
                        return true;
                    }
                    at = address(window, span, behind + 1);
                }
            }
        }
    }
}
