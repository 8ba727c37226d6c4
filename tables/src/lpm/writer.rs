//! The writer: keeps the routes, and brings the structure that readers see after them.

use super::arch::Scalar;
use super::arena::{Arena, LINE, Lines};
use super::build::{Builder, Interval, collapse_below, cut, direct_bits, slot_span, sweep};
use super::node::{Entry, Kind, LEAF, direct_lines};
use super::rib::Rib;
use super::search::Nodes;
use super::{Address, Isa, Lpm, Prefix, Vrf};
use crate::id::{NextHopId, VrfId};
use crate::publish::{Qsbr, Retired};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Address space for the structure of one family. Only what is used gets memory.
const RESERVE: usize = 4 << 30;

/// Why the routing table refused a change.
#[derive(Debug, thiserror::Error)]
pub enum LpmError {
    /// The memory could not be reserved or is used up. A change that failed so is tried again with the next one.
    #[error("no memory for the routing table")]
    Memory(#[source] io::Error),
    /// The VRF has not been added.
    #[error("VRF {0} does not exist")]
    UnknownVrf(VrfId),
    /// The VRF's number is not below the maximum that the table was created with.
    #[error("VRF {vrf} is not below the limit of {max}")]
    VrfLimit {
        /// The number asked for.
        vrf: VrfId,
        /// VRFs that the table was created for.
        max: usize,
    },
    /// Next hop 0 means "no route", and ids have 28 bits.
    #[error("{0} is not a next-hop id that a route can have")]
    InvalidNextHop(NextHopId),
}

/// What the writer knows of a VRF.
#[derive(Debug)]
struct VrfState<A: Address> {
    rib: Rib<A>,
    /// Lines of the nodes that readers can find.
    lines: usize,
}

/// The writer's side: one per table.
///
/// A change is visible to readers when the call returns, or within a batch ([`begin`](LpmWriter::begin)) at
/// [`commit`](LpmWriter::commit).
#[derive(Debug)]
pub struct LpmWriter<A: Address> {
    table: Arc<Lpm<A>>,
    arena: Arena,
    vrfs: Vec<Option<VrfState<A>>>,
    retired: Retired<Lines>,
    /// Prefixes whose spans readers still see as they were.
    dirty: Vec<(VrfId, Prefix<A>)>,
    batch: bool,
}

impl<A: Address> LpmWriter<A> {
    /// An empty table for VRFs `0..max_vrfs`, whose readers are registered with `qsbr`.
    pub fn new(max_vrfs: usize, qsbr: Arc<Qsbr>) -> Result<(LpmWriter<A>, Arc<Lpm<A>>), LpmError> {
        LpmWriter::with_isa(max_vrfs, qsbr, Isa::best())
    }

    /// As [`new`](LpmWriter::new), with the instruction set of `lookup_burst` given: for comparing them. One that the
    /// processor does not have is replaced by its best.
    pub fn with_isa(
        max_vrfs: usize,
        qsbr: Arc<Qsbr>,
        isa: Isa,
    ) -> Result<(LpmWriter<A>, Arc<Lpm<A>>), LpmError> {
        let arena = Arena::new(RESERVE).map_err(LpmError::Memory)?;
        let table = Arc::new(Lpm {
            vrfs: (0..max_vrfs).map(|_| Vrf::default()).collect(),
            region: arena.region().clone(),
            qsbr,
            isa: if Isa::available().contains(&isa) {
                isa
            } else {
                Isa::best()
            },
            family: PhantomData,
        });
        let writer = LpmWriter {
            table: table.clone(),
            arena,
            vrfs: (0..max_vrfs).map(|_| None).collect(),
            retired: Retired::default(),
            dirty: Vec::new(),
            batch: false,
        };
        Ok((writer, table))
    }

    /// Adds a VRF without routes; nothing happens if it exists.
    pub fn add_vrf(&mut self, vrf: VrfId) -> Result<(), LpmError> {
        let max = self.vrfs.len();
        let state = self
            .vrfs
            .get_mut(vrf.index())
            .ok_or(LpmError::VrfLimit { vrf, max })?;
        state.get_or_insert_with(|| VrfState {
            rib: Rib::default(),
            lines: 0,
        });
        Ok(())
    }

    /// Removes a VRF and its routes, at once also in a batch.
    pub fn remove_vrf(&mut self, vrf: VrfId) -> Result<(), LpmError> {
        self.state(vrf)?;
        let slot = &self.table.vrfs[vrf.index()];
        slot.default.store(0, Ordering::Release);
        let old = Entry(slot.root.swap(Entry::NONE.0, Ordering::AcqRel));
        self.retire(vrf, old);
        self.vrfs[vrf.index()] = None;
        self.dirty.retain(|(dirty, _)| *dirty != vrf);
        self.reclaim();
        Ok(())
    }

    /// Adds or replaces a route; returns the next hop it had.
    pub fn insert(
        &mut self,
        vrf: VrfId,
        prefix: Prefix<A>,
        next_hop: NextHopId,
    ) -> Result<Option<NextHopId>, LpmError> {
        if next_hop.0 == 0 || next_hop.0 > super::node::INDEX {
            return Err(LpmError::InvalidNextHop(next_hop));
        }
        let old = self.state_mut(vrf)?.rib.insert(prefix, next_hop);
        if old != Some(next_hop) {
            self.changed(vrf, prefix)?;
        }
        Ok(old)
    }

    /// Removes a route; returns the next hop it had, `None` if there was no such route.
    pub fn remove(
        &mut self,
        vrf: VrfId,
        prefix: &Prefix<A>,
    ) -> Result<Option<NextHopId>, LpmError> {
        let old = self.state_mut(vrf)?.rib.remove(*prefix);
        if old.is_some() {
            self.changed(vrf, *prefix)?;
        }
        Ok(old)
    }

    /// The next hop of exactly this route.
    pub fn get(&self, vrf: VrfId, prefix: &Prefix<A>) -> Option<NextHopId> {
        self.state(vrf).ok()?.rib.get(*prefix)
    }

    /// Number of routes of a VRF; 0 if it does not exist.
    pub fn len(&self, vrf: VrfId) -> usize {
        self.state(vrf).map_or(0, |state| state.rib.len())
    }

    /// Whether a VRF has no route, or does not exist.
    pub fn is_empty(&self, vrf: VrfId) -> bool {
        self.len(vrf) == 0
    }

    /// All routes of a VRF in order: parents before children.
    pub fn iter(&self, vrf: VrfId) -> impl Iterator<Item = (Prefix<A>, NextHopId)> + '_ {
        self.state(vrf)
            .into_iter()
            .flat_map(|state| state.rib.within(Prefix::all()))
    }

    /// The route that `addr` takes, batched changes included.
    pub fn explain(&self, vrf: VrfId, addr: A) -> Option<(Prefix<A>, NextHopId)> {
        self.state(vrf).ok()?.rib.covering(Prefix::host(addr))
    }

    /// Begins a batch: changes become visible at [`commit`](LpmWriter::commit), every span being rebuilt once, however
    /// many changes met it.
    pub fn begin(&mut self) {
        self.batch = true;
    }

    /// Ends a batch: brings what readers see up to date, and takes back memory.
    pub fn commit(&mut self) -> Result<(), LpmError> {
        self.batch = false;
        let mut dirty = std::mem::take(&mut self.dirty);
        // Parents first: a span that was rebuilt for one change has met those inside it too.
        dirty.sort_unstable();
        dirty.dedup();
        let mut done: Option<(VrfId, Prefix<A>)> = None;
        let mut failed = None;
        for (vrf, prefix) in dirty {
            if done.is_some_and(|(v, span)| v == vrf && span.covers(prefix)) {
                continue;
            }
            match self.apply(vrf, prefix) {
                Ok(span) => done = span.map(|span| (vrf, span)),
                Err(error) => {
                    self.dirty.push((vrf, prefix));
                    failed = Some(error);
                }
            }
        }
        self.retired.seal(&self.table.qsbr);
        self.reclaim();
        failed.map_or(Ok(()), |error| Err(LpmError::Memory(error)))
    }

    /// Takes back memory that no worker can be reading any more. Cheap; called from the writer's tick.
    pub fn reclaim(&mut self) {
        let LpmWriter {
            table,
            arena,
            retired,
            ..
        } = self;
        retired.seal(&table.qsbr);
        retired.reclaim(&table.qsbr, |lines| arena.free(lines));
    }

    /// Bytes of the lookup structure of a VRF, as readers see it.
    pub fn memory_bytes(&self, vrf: VrfId) -> usize {
        self.state(vrf)
            .map_or(0, |state| state.lines * LINE + size_of::<Vrf>())
    }

    fn state(&self, vrf: VrfId) -> Result<&VrfState<A>, LpmError> {
        let state = self.vrfs.get(vrf.index()).and_then(Option::as_ref);
        state.ok_or(LpmError::UnknownVrf(vrf))
    }

    fn state_mut(&mut self, vrf: VrfId) -> Result<&mut VrfState<A>, LpmError> {
        let state = self.vrfs.get_mut(vrf.index()).and_then(Option::as_mut);
        state.ok_or(LpmError::UnknownVrf(vrf))
    }

    fn changed(&mut self, vrf: VrfId, prefix: Prefix<A>) -> Result<(), LpmError> {
        self.dirty.push((vrf, prefix));
        if self.batch { Ok(()) } else { self.commit() }
    }

    fn nodes(&self) -> Nodes {
        Nodes(self.arena.line(0).cast())
    }

    /// A word that readers read: a root, a direct slot, or a value of a chunk.
    fn word(&self, word: *const AtomicU32) -> &AtomicU32 {
        // SAFETY: the words given to this are roots, which live as long as the table, or come from `Nodes::step` on
        // nodes that are published, so neither freed nor moved; all access to them is atomic.
        unsafe { &*word }
    }

    /// Brings the structure up to date for a prefix whose route has changed. Returns the span that was rebuilt, which
    /// covers the prefix; `None` for the default route.
    fn apply(&mut self, vrf: VrfId, prefix: Prefix<A>) -> io::Result<Option<Prefix<A>>> {
        let root = &raw const self.table.vrfs[vrf.index()].root;
        if prefix.len() == 0 {
            let next_hop = self.cover(vrf, prefix, true);
            self.table.vrfs[vrf.index()]
                .default
                .store(next_hop, Ordering::Release);
            return Ok(None);
        }
        // Down to the smallest span with an entry of its own, noting the nodes on the way.
        let mut above: Vec<(*const AtomicU32, Prefix<A>, Kind)> = Vec::new();
        let (mut slot, mut span) = (root, Prefix::all());
        let several = loop {
            let entry = Entry(self.word(slot).load(Ordering::Relaxed));
            let kind = entry.kind();
            // SAFETY: only this writer frees nodes, and it is not doing so; `entry` is the one that names the span.
            let step = unsafe { self.nodes().step(Scalar, entry, prefix.addr(), span.len()) };
            let Some((child, end)) = step else { break None };
            let direct = matches!(kind, Kind::Direct8 | Kind::DirectWide);
            if prefix.len() < end {
                // Several slots of a direct node, or the chunk itself.
                break direct.then_some(kind);
            }
            if !direct && Entry(self.word(child).load(Ordering::Relaxed)).is_leaf() {
                break None;
            }
            above.push((slot, span, kind));
            (slot, span) = (child, Prefix::of(prefix.addr(), end));
        };
        let emptied = if let Some(kind) = several {
            let intervals = self.intervals(vrf, prefix);
            self.refresh(vrf, slot, span, prefix, &intervals)?;
            above.push((slot, span, kind));
            span = prefix;
            intervals.len() == 1
        } else {
            self.rebuild(vrf, slot, span)?;
            Entry(self.word(slot).load(Ordering::Relaxed)).is_leaf()
        };
        // Where something has become empty, the nodes above may hold too little to be what they are. (A chunk that holds
        // more keeps a boundary or two that nothing needs any more, until it is next rebuilt.)
        while emptied && let Some((slot, of, kind)) = above.pop() {
            let few = collapse_below(of, kind);
            let inside = self.vrfs[vrf.index()].as_ref().map_or(0, |state| {
                state
                    .rib
                    .within(of)
                    .filter(|(p, _)| p.len() > of.len())
                    .take(few + 1)
                    .count()
            });
            if inside > few {
                break;
            }
            self.rebuild(vrf, slot, of)?;
            span = of;
        }
        Ok(Some(span))
    }

    /// The next hop of the longest route that covers `prefix`; the default route only if it is asked for.
    fn cover(&self, vrf: VrfId, prefix: Prefix<A>, default: bool) -> u32 {
        let covering = self
            .state(vrf)
            .ok()
            .and_then(|state| state.rib.covering(prefix));
        covering
            .filter(|(p, _)| default || p.len() > 0)
            .map_or(0, |(_, next_hop)| next_hop.0)
    }

    fn intervals(&self, vrf: VrfId, span: Prefix<A>) -> Vec<Interval<A>> {
        let cover = self.cover(vrf, span, false);
        let routes = self
            .state(vrf)
            .into_iter()
            .flat_map(|state| state.rib.within(span));
        sweep(
            span,
            cover,
            routes.filter(|(prefix, _)| prefix.len() > span.len()),
        )
    }

    /// Builds the entry of a span anew and publishes it.
    fn rebuild(&mut self, vrf: VrfId, slot: *const AtomicU32, span: Prefix<A>) -> io::Result<()> {
        let intervals = self.intervals(vrf, span);
        self.replace(vrf, slot, span, &intervals)
    }

    fn replace(
        &mut self,
        vrf: VrfId,
        slot: *const AtomicU32,
        span: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<()> {
        let (entry, lines) = Builder::new(&mut self.arena).build(span, intervals)?;
        if let Some(state) = &mut self.vrfs[vrf.index()] {
            state.lines += lines as usize;
        }
        let old = Entry(self.word(slot).swap(entry.0, Ordering::AcqRel));
        self.retire(vrf, old);
        Ok(())
    }

    /// Brings those slots of a direct node up to date that lie in `part`, whose intervals are given; direct nodes
    /// below it stay in place.
    fn refresh(
        &mut self,
        vrf: VrfId,
        slot: *const AtomicU32,
        span: Prefix<A>,
        part: Prefix<A>,
        intervals: &[Interval<A>],
    ) -> io::Result<()> {
        let entry = Entry(self.word(slot).load(Ordering::Relaxed));
        let kind = entry.kind();
        if !matches!(kind, Kind::Direct8 | Kind::DirectWide)
            || part.covers(span) && intervals.len() == 1
        {
            return self.replace(vrf, slot, span, intervals);
        }
        let bits = direct_bits::<A>(kind);
        let within = part.len().saturating_sub(span.len());
        let count = 1u32 << (bits - within);
        let first = if within == 0 {
            0
        } else {
            part.addr().bits(span.len(), bits)
        };
        let node = self
            .arena
            .line(entry.index())
            .cast::<AtomicU32>()
            .cast_const();
        for index in first..first + count {
            let child = slot_span(span, bits, index);
            let inside = cut(intervals, child);
            self.refresh(
                vrf,
                node.wrapping_add(index as usize),
                child,
                child,
                &inside,
            )?;
        }
        Ok(())
    }

    /// Puts the nodes below an entry that no reader can find any more on the retired list.
    fn retire(&mut self, vrf: VrfId, entry: Entry) {
        let mut nodes = Vec::new();
        self.collect(entry, &mut nodes);
        if let Some(state) = &mut self.vrfs[vrf.index()] {
            state.lines -= nodes
                .iter()
                .map(|lines| lines.count as usize)
                .sum::<usize>();
        }
        nodes.into_iter().for_each(|lines| self.retired.push(lines));
    }

    fn collect(&self, entry: Entry, nodes: &mut Vec<Lines>) {
        let words = |line: usize, count: usize| {
            let first = self
                .arena
                .line(line as u32)
                .cast::<AtomicU32>()
                .cast_const();
            (0..count).map(move |i| Entry(self.word(first.wrapping_add(i)).load(Ordering::Relaxed)))
        };
        let first = entry.index();
        match entry.kind() {
            Kind::Leaf => {}
            kind @ (Kind::Direct8 | Kind::DirectWide) => {
                let bits = direct_bits::<A>(kind);
                for child in words(first as usize, 1 << bits).filter(|child| !child.is_leaf()) {
                    self.collect(child, nodes);
                }
                nodes.push(Lines {
                    first,
                    count: direct_lines(bits),
                });
            }
            Kind::Chunk(window, levels) => {
                let leaves = self.leaves(entry);
                for leaf in 0..leaves {
                    let line = first as usize + window.leaves_at(levels);
                    let values = line + leaf * window.leaf_lines() + window.key_lines();
                    for child in words(values, LEAF).filter(|child| !child.is_leaf()) {
                        self.collect(child, nodes);
                    }
                }
                nodes.push(Lines {
                    first,
                    count: window.chunk_lines(levels, leaves),
                });
            }
        }
    }

    /// Leaves of a chunk: found by going down its right edge.
    fn leaves(&self, entry: Entry) -> usize {
        let Kind::Chunk(window, levels) = entry.kind() else {
            return 0;
        };
        let (mut at, mut start, mut nodes) = (0, entry.index() as usize, 1);
        for _ in 1..levels {
            let line = self
                .arena
                .line((start + at * window.key_lines()) as u32)
                .cast_const();
            let used = (0..LEAF).take_while(|&i| {
                if window.is_wide() {
                    // SAFETY: a key node of a wide chunk: 16 u64, immutable.
                    unsafe { *line.cast::<u64>().add(i) != u64::MAX }
                } else {
                    // SAFETY: a key node of a narrow chunk: 16 u32, immutable.
                    unsafe { *line.add(i) != u32::MAX }
                }
            });
            at = at * super::node::FANOUT + used.count();
            start += nodes * window.key_lines();
            nodes *= super::node::FANOUT;
        }
        at + 1
    }
}
