//! What an update builds anew: chunks with a part replaced, slots of direct nodes, whole spans.

use super::arena::Lines;
use super::build::{
    Builder, collapse_below, cut, direct_bits, key, most, packs, slot_span, too_deep,
};
use super::chunk::{Chunk, Slot, word};
use super::node::{Entry, Kind, direct_lines};
use super::rib::Interval;
use super::update::{Dirty, Place, Scratch, Update};
use super::{Address, Prefix};
use std::io;

impl<A: Address> Update<'_, A> {
    /// Splices the first of the changes into the chunk, and with it all others that the chunk holds. Returns the span that is now
    /// as it should be.
    pub(super) fn splice_all(
        &mut self,
        place: Place<A>,
        chunk: Chunk,
        dirty: &mut [Dirty<A>],
    ) -> io::Result<Prefix<A>> {
        let end = chunk.window.end(A::BITS);
        let Dirty { vrf, change, .. } = dirty[0];
        let part = |prefix: Prefix<A>| Prefix::of(prefix.addr(), prefix.len().min(end));
        self.scratch.parts.clear();
        self.scratch.parts.push(part(dirty[0].prefix));
        let mut count = 1;
        for d in &mut dirty[1..] {
            let alike = (d.vrf, d.change) == (vrf, change);
            if !alike || !place.span.covers(d.prefix) {
                break;
            }
            count += 1;
            let known = |part: &Prefix<A>| part.covers(d.prefix);
            if d.done || self.scratch.parts.last().is_some_and(known) {
                continue;
            }
            if self.in_place(place, d.prefix, change, false) {
                d.done = true;
                continue;
            }
            if d.prefix.len() > end {
                let found = chunk.find(self.arena, key(chunk.window, d.prefix.addr()));
                if !self.load(found.slot).is_leaf() {
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
            d.done |= d.prefix.len() > 0 && parts.peek().is_some_and(|part| part.covers(d.prefix));
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
        let deeper = too_deep(window, new.len(), deep) && deep > old.deep();
        let entry = match new.entries[..] {
            [only] if only.is_leaf() => Some(only),
            _ if new.len() > most(span, window) || deeper || packs(span, window, new) => None,
            _ => builder
                .chunk(window, new)
                .inspect_err(|_| builder.discard())?,
        };
        let Some(entry) = entry else {
            builder.discard();
            self.rebuild(place)?;
            return Ok(false);
        };
        self.publish(place, entry);
        self.retire_lines(chunk.lines(self.arena));
        while let Some(entry) = self.scratch.dropped.pop() {
            self.retire(entry);
        }
        Ok(true)
    }

    /// Builds the entry of a span anew and publishes it.
    pub(super) fn rebuild(&mut self, place: Place<A>) -> io::Result<()> {
        let mut intervals = std::mem::take(&mut self.scratch.intervals);
        self.state.rib.intervals(place.span, &mut intervals);
        let result = self.replace(place, &intervals);
        self.scratch.intervals = intervals;
        result
    }

    fn replace(&mut self, place: Place<A>, intervals: &[Interval<A>]) -> io::Result<()> {
        let old = self.load(place.slot);
        let mut builder = Builder::new(self.arena, &mut self.scratch.fresh);
        let built = builder.entry(place.span, intervals);
        let entry = built.inspect_err(|_| builder.discard())?;
        self.publish(place, entry);
        self.retire(old);
        Ok(())
    }

    /// Builds those slots of a direct node anew that lie in `part`.
    pub(super) fn refresh_part(&mut self, place: Place<A>, part: Prefix<A>) -> io::Result<()> {
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
        let (span, entry) = (place.span, self.load(place.slot));
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
                slot: Slot::Word(word(entry.index(), slot)),
                span: slot_span(span, bits, slot),
            };
            self.refresh(child, child.span, cut(intervals, child.span))?;
        }
        Ok(())
    }

    /// Takes away what is no longer needed above a part that has become empty: of a direct node if `direct`, else the
    /// whole of the place.
    pub(super) fn emptied(
        &mut self,
        place: Place<A>,
        part: Prefix<A>,
        direct: bool,
    ) -> io::Result<()> {
        let mut part = if direct { part } else { place.span };
        if direct {
            self.scratch.above.push(place);
        }
        while let Some(place) = self.scratch.above.pop() {
            if let Some(chunk) = Chunk::of(self.load(place.slot)) {
                // A site without boundaries inside: perhaps it needs none of its own.
                self.scratch.parts.clear();
                self.scratch.parts.push(part);
                self.splice(place, chunk)?;
                if !self.load(place.slot).is_leaf() {
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
        let stored = self.store(place.slot, entry);
        debug_assert!(stored, "places are words");
    }

    /// Puts an entry's nodes, which no reader can find any more, on the retired list.
    pub fn retire(&mut self, entry: Entry) {
        match entry.kind() {
            Kind::Leaf => {}
            kind @ (Kind::Direct8 | Kind::DirectWide) => {
                let bits = direct_bits::<A>(kind);
                for slot in 0..1 << bits {
                    self.retire(self.load(Slot::Word(word(entry.index(), slot))));
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
                    self.retire(self.load(Slot::Word(value)));
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
