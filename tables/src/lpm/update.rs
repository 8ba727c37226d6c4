//! How a changed route reaches the nodes that readers see.
//!
//! ```text
//!   the changed prefix ── down to the smallest span with an entry of its own
//!     ├ every boundary that the route needs is there: its next hop is stored in the intervals that take it, in place
//!     ├ a direct node, the prefix covering several slots: those slots are built anew
//!     ├ a chunk: a copy of it with the intervals of the prefix replaced, and one store to publish it
//!     └ then, where something has become empty, the nodes above that now hold too little
//! ```
//!
//! Nodes below a chunk that a change does not touch stay where they are: both the old and the new chunk name them.
//!
//! # Invariant
//! Where neighbouring intervals have the same next hop, a route that exists begins or ends there. So nothing is left of a
//! removed route: its own boundaries are those at which a splice looks whether they are still needed.

use super::arena::{Arena, Lines};
use super::build::{
    Builder, address, collapse_below, cut, direct_bits, key, most, slot_span, too_deep,
};
use super::chunk::{Chunk, Slots, word};
use super::node::{Entry, Kind, direct_lines};
use super::rib::Interval;
use super::writer::VrfState;
use super::{Address, Prefix, Vrf};
use crate::id::VrfId;
use crate::publish::Retired;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// A change that readers do not see yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Dirty<A: Address> {
    pub vrf: VrfId,
    pub prefix: Prefix<A>,
    /// Whether the route existed before, with another next hop.
    pub next_hop_only: bool,
    /// Whether readers see it by now.
    pub done: bool,
}

/// Where an entry stands, and what it is about.
#[derive(Clone, Copy, Debug)]
struct Place<A: Address> {
    /// Number of the word in the arena; 0 for the VRF's root.
    word: u32,
    span: Prefix<A>,
}

/// Memory for what an update needs, used again and again.
#[derive(Debug)]
pub(super) struct Scratch<A: Address> {
    /// The nodes above the place of the change, outermost first.
    above: Vec<Place<A>>,
    intervals: Vec<Interval<A>>,
    gaps: Vec<(A, A)>,
    /// The parts of a chunk's span that have changed, in order.
    parts: Vec<Prefix<A>>,
    old: Slots,
    new: Slots,
    /// Nodes that the chunk in work no longer names.
    dropped: Vec<Entry>,
    fresh: Vec<Lines>,
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
    /// Makes the first of the changes visible, and those others that are met on the way; marks them done. First come
    /// those that are not of a next hop only; both kinds are sorted by VRF and prefix.
    pub fn apply(&mut self, dirty: &mut [Dirty<A>]) -> io::Result<()> {
        let prefix = dirty[0].prefix;
        if prefix.len() == 0 {
            let next_hop = self.state.rib.get(prefix).map_or(0, |next_hop| next_hop.0);
            self.root.default.store(next_hop, Ordering::Release);
            dirty[0].done = true;
            return Ok(());
        }
        let place = self.descend(prefix);
        let kind = self.load(place.word).kind();
        let direct = matches!(kind, Kind::Direct8 | Kind::DirectWide);
        // Whether both ends of the prefix are boundaries whatever becomes of the route.
        let bounded = direct || prefix.len() <= place.span.len();
        if self.in_place(place, prefix, bounded) {
            dirty[0].done = true;
            let empty = self.scratch.gaps == [(prefix.addr(), prefix.last())];
            if bounded && empty {
                self.emptied(place, prefix, direct)?;
            }
            return Ok(());
        }
        let fresh = match Chunk::of(self.load(place.word)) {
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
            .for_each(|d| d.done = true);
        let empty = if direct {
            self.scratch.intervals.len() == 1
        } else {
            self.load(place.word).is_leaf()
        };
        if empty {
            self.emptied(place, prefix, direct)?;
        }
        Ok(())
    }

    /// A word that readers read.
    fn word(&self, word: u32) -> &AtomicU32 {
        if word == 0 {
            return &self.root.root;
        }
        // SAFETY: words are slots or values of nodes that are published, so neither freed nor moved; all access to them is
        // atomic, but for reads by the only writer.
        unsafe { &*self.arena.word(word) }
    }

    fn load(&self, word: u32) -> Entry {
        Entry(self.word(word).load(Ordering::Relaxed))
    }

    /// Down to the smallest span with an entry of its own that covers `prefix`, noting the nodes above.
    fn descend(&mut self, prefix: Prefix<A>) -> Place<A> {
        self.scratch.above.clear();
        let mut place = Place {
            word: 0,
            span: Prefix::all(),
        };
        loop {
            let entry = self.load(place.word);
            let (slot, end) = match entry.kind() {
                Kind::Leaf => return place,
                kind @ (Kind::Direct8 | Kind::DirectWide) => {
                    let (len, bits) = (place.span.len(), direct_bits::<A>(kind));
                    if prefix.len() < len + bits {
                        return place;
                    }
                    let slot = prefix.addr().bits(len, bits);
                    (word(entry.index(), slot), len + bits)
                }
                Kind::Chunk(window, _) => {
                    let end = window.end(A::BITS);
                    let Some(chunk) = Chunk::of(entry).filter(|_| prefix.len() >= end) else {
                        return place;
                    };
                    let slot = chunk.find(self.arena, key(window, prefix.addr())).word;
                    if self.load(slot).is_leaf() {
                        return place;
                    }
                    (slot, end)
                }
            };
            self.scratch.above.push(place);
            place = Place {
                word: slot,
                span: Prefix::of(prefix.addr(), end),
            };
        }
    }

    /// Stores the next hop of `prefix` in the intervals that take it, if every boundary is there that this needs. What has
    /// been stored is right also where it is not enough. A route that does not exist leaves its boundaries behind, so
    /// there it is done only if `bounded`: they are not its own.
    fn in_place(&mut self, place: Place<A>, prefix: Prefix<A>, bounded: bool) -> bool {
        let mut gaps = std::mem::take(&mut self.scratch.gaps);
        let (exists, next_hop) = self.state.rib.gaps(prefix, &mut gaps);
        let done = (exists || bounded)
            && gaps
                .iter()
                .all(|&(first, last)| self.assign(place, first, last, Entry::leaf(next_hop)));
        self.scratch.gaps = gaps;
        done
    }

    /// Stores `leaf` in all intervals from `first` to `last`, as far as they are in the place's span; stops at one that reaches
    /// further.
    fn assign(&self, place: Place<A>, first: A, last: A, leaf: Entry) -> bool {
        let span = place.span;
        let entry = self.load(place.word);
        let (from, to) = (first.max(span.addr()), last.min(span.last()));
        match entry.kind() {
            Kind::Leaf => {
                let whole = from == span.addr() && to == span.last();
                if whole && entry != leaf {
                    self.word(place.word).store(leaf.0, Ordering::Release);
                }
                whole
            }
            kind @ (Kind::Direct8 | Kind::DirectWide) => {
                let bits = direct_bits::<A>(kind);
                (from.bits(span.len(), bits)..=to.bits(span.len(), bits)).all(|slot| {
                    let slot = Place {
                        word: word(entry.index(), slot),
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
                    let value = self.load(found.word);
                    let behind = found.last.min(key(window, span.last()));
                    let inside = if value.is_leaf() {
                        let starts = found.first.max(key(window, span.addr()));
                        starts == key(window, at)
                            && at.network(end) == at
                            && (behind < top || behind == top && to.last(end) == to)
                    } else {
                        let site = Place {
                            word: found.word,
                            span: Prefix::of(at, end),
                        };
                        self.assign(site, first, last, leaf)
                    };
                    if !inside {
                        return false;
                    }
                    if value.is_leaf() && value != leaf {
                        self.word(found.word).store(leaf.0, Ordering::Release);
                    }
                    if behind >= top {
                        return true;
                    }
                    at = address(window, span, behind + 1);
                }
            }
        }
    }

    /// Splices the first of the changes into the chunk, and with it all others that the chunk holds. Returns the span that is now
    /// as it should be.
    fn splice_all(
        &mut self,
        place: Place<A>,
        chunk: Chunk,
        dirty: &mut [Dirty<A>],
    ) -> io::Result<Prefix<A>> {
        let end = chunk.window.end(A::BITS);
        let Dirty {
            vrf, next_hop_only, ..
        } = dirty[0];
        let part = |prefix: Prefix<A>| Prefix::of(prefix.addr(), prefix.len().min(end));
        self.scratch.parts.clear();
        self.scratch.parts.push(part(dirty[0].prefix));
        let mut count = 1;
        for d in &mut dirty[1..] {
            let alike = (d.vrf, d.next_hop_only) == (vrf, next_hop_only);
            if !alike || !place.span.covers(d.prefix) {
                break;
            }
            count += 1;
            let known = |part: &Prefix<A>| part.covers(d.prefix);
            if d.done || self.scratch.parts.last().is_some_and(known) {
                continue;
            }
            if self.in_place(place, d.prefix, false) {
                d.done = true;
                continue;
            }
            if d.prefix.len() > end {
                let slot = chunk.find(self.arena, key(chunk.window, d.prefix.addr()));
                if !self.load(slot.word).is_leaf() {
                    // A matter of the node there.
                    continue;
                }
            }
            self.scratch.parts.push(part(d.prefix));
        }
        if !self.splice(place, chunk)? {
            return Ok(place.span);
        }
        let mut parts = self.scratch.parts.iter().peekable();
        for d in &mut dirty[..count] {
            while parts
                .next_if(|part| part.last() < d.prefix.addr())
                .is_some()
            {}
            d.done |= parts.peek().is_some_and(|part| part.covers(d.prefix));
        }
        Ok(dirty[0].prefix)
    }

    /// Replaces the chunk at `place` by one in which `scratch.parts` are as the routes say. Returns false if the whole span was
    /// rebuilt, as the outcome is no such chunk any more.
    fn splice(&mut self, place: Place<A>, chunk: Chunk) -> io::Result<bool> {
        let (span, window) = (place.span, chunk.window);
        let top = key(window, span.last());
        let Scratch {
            intervals,
            parts,
            old,
            new,
            dropped,
            fresh,
            ..
        } = &mut *self.scratch;
        chunk.read(self.arena, key(window, span.addr()), old);
        new.clear();
        dropped.clear();
        let mut builder = Builder::new(self.arena, fresh);
        let mut at = 0;
        for (i, &part) in parts.iter().enumerate() {
            let (first, last) = (key(window, part.addr()), key(window, part.last()));
            let from = at + old.keys[at..].partition_point(|&key| key < first);
            let to = from + old.keys[from..].partition_point(|&key| key <= last);
            new.extend(old, at..from);
            dropped.extend(old.entries[from..to].iter().filter(|e| !e.is_leaf()));
            at = to;
            self.state.rib.intervals(part, intervals);
            if let Err(error) = builder.slots(window, part, intervals, new) {
                builder.discard();
                return Err(error);
            }
            let next = parts.get(i + 1).map(|next| key(window, next.addr()));
            if last == top || next == Some(last + 1) {
                continue;
            }
            if old.keys.get(to) == Some(&(last + 1)) {
                new.push(last + 1, old.entries[to]);
                at += 1;
            } else {
                // What goes on behind the part is what was at its end; not a node, behind which there is a boundary.
                new.push(last + 1, old.entries[to - 1]);
            }
        }
        new.extend(old, at..old.len());
        let deep = new.deep();
        if new.len() > most(span, window) || too_deep(window, new.len(), deep) && deep > old.deep()
        {
            builder.discard();
            self.rebuild(place)?;
            return Ok(false);
        }
        let entry = match new.entries[..] {
            [only] if only.is_leaf() => only,
            _ => builder
                .chunk(window, new)
                .inspect_err(|_| builder.discard())?,
        };
        self.publish(place, entry);
        self.retire_lines(chunk.lines(self.arena));
        while let Some(entry) = self.scratch.dropped.pop() {
            self.retire(entry);
        }
        Ok(true)
    }

    /// Builds the entry of a span anew and publishes it.
    fn rebuild(&mut self, place: Place<A>) -> io::Result<()> {
        let mut intervals = std::mem::take(&mut self.scratch.intervals);
        self.state.rib.intervals(place.span, &mut intervals);
        let result = self.replace(place, &intervals);
        self.scratch.intervals = intervals;
        result
    }

    fn replace(&mut self, place: Place<A>, intervals: &[Interval<A>]) -> io::Result<()> {
        let old = self.load(place.word);
        let mut builder = Builder::new(self.arena, &mut self.scratch.fresh);
        let built = builder.entry(place.span, intervals);
        let entry = built.inspect_err(|_| builder.discard())?;
        self.publish(place, entry);
        self.retire(old);
        Ok(())
    }

    /// Builds those slots of a direct node anew that lie in `part`.
    fn refresh_part(&mut self, place: Place<A>, part: Prefix<A>) -> io::Result<()> {
        let mut intervals = std::mem::take(&mut self.scratch.intervals);
        self.state.rib.intervals(part, &mut intervals);
        let result = self.refresh(place, part, &intervals);
        self.scratch.intervals = intervals;
        result
    }

    /// Brings a span up to date as far as it lies in `part`, whose intervals are given; direct nodes stay in place.
    fn refresh(
        &mut self,
        place: Place<A>,
        part: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<()> {
        let (span, entry) = (place.span, self.load(place.word));
        let kind = entry.kind();
        if !matches!(kind, Kind::Direct8 | Kind::DirectWide)
            || part.covers(span) && intervals.len() == 1
        {
            return self.replace(place, intervals);
        }
        let bits = direct_bits::<A>(kind);
        let (first, last) = (part.addr().max(span.addr()), part.last().min(span.last()));
        for slot in first.bits(span.len(), bits)..=last.bits(span.len(), bits) {
            let child = Place {
                word: word(entry.index(), slot),
                span: slot_span(span, bits, slot),
            };
            self.refresh(child, child.span, cut(intervals, child.span))?;
        }
        Ok(())
    }

    /// Takes away what is no longer needed above a part that has become empty: of a direct node if `direct`, else the
    /// whole of the place.
    fn emptied(&mut self, place: Place<A>, part: Prefix<A>, direct: bool) -> io::Result<()> {
        let mut part = if direct { part } else { place.span };
        if direct {
            self.scratch.above.push(place);
        }
        while let Some(place) = self.scratch.above.pop() {
            if let Some(chunk) = Chunk::of(self.load(place.word)) {
                // A site without boundaries inside: perhaps it needs none of its own.
                self.scratch.parts.clear();
                self.scratch.parts.push(part);
                self.splice(place, chunk)?;
                if !self.load(place.word).is_leaf() {
                    break;
                }
            } else {
                let few = collapse_below(place.span);
                let inside = self.state.rib.within(place.span);
                let longer = inside.filter(|(prefix, _)| prefix.len() > place.span.len());
                if longer.take(few + 1).count() > few {
                    break;
                }
                self.rebuild(place)?;
            }
            part = place.span;
        }
        Ok(())
    }

    /// Makes readers find what has been built.
    fn publish(&mut self, place: Place<A>, entry: Entry) {
        let fresh = self.scratch.fresh.iter().map(|lines| lines.count as usize);
        self.state.lines += fresh.sum::<usize>();
        self.word(place.word).store(entry.0, Ordering::Release);
    }

    /// Puts an entry's nodes, which no reader can find any more, on the retired list.
    pub fn retire(&mut self, entry: Entry) {
        match entry.kind() {
            Kind::Leaf => {}
            kind @ (Kind::Direct8 | Kind::DirectWide) => {
                let bits = direct_bits::<A>(kind);
                for slot in 0..1 << bits {
                    self.retire(self.load(word(entry.index(), slot)));
                }
                self.retire_lines(Lines {
                    first: entry.index(),
                    count: direct_lines(bits),
                });
            }
            Kind::Chunk(..) => {
                let Some(chunk) = Chunk::of(entry) else {
                    return;
                };
                for value in chunk.words(self.arena) {
                    self.retire(self.load(value));
                }
                self.retire_lines(chunk.lines(self.arena));
            }
        }
    }

    fn retire_lines(&mut self, lines: Lines) {
        self.state.lines -= lines.count as usize;
        self.retired.push(lines);
    }
}
