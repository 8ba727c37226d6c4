//! The writer: keeps the routes, and brings the structure that readers see after them.

use super::arena::{Arena, LINE, Lines};
use super::node::Entry;
use super::rib::Rib;
use super::update::{Change, Dirty, Scratch, Update};
use super::{Address, Isa, Lpm, Prefix, Vrf};
use crate::id::{NextHopId, VrfId};
use crate::publish::{Qsbr, Retired};
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Address space for the structure of one family. Only what is used gets memory.
const RESERVE: usize = 4 << 30;

/// The boundaries of one route that went may stay in a table of that many. More would be faster where routes come back,
/// and take more memory.
const STALE_SHARE: usize = 32;

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
pub(super) struct VrfState<A: Address> {
    pub rib: Rib<A>,
    /// Lines of the nodes that readers can find.
    pub lines: usize,
    /// Routes that went and may have left boundaries behind, in the order in which they went.
    pub stale: VecDeque<Prefix<A>>,
}

/// The writer's side: one per table.
///
/// A change is visible to readers when the call returns, or within a batch ([`begin`](LpmWriter::begin)) at
/// [`commit`](LpmWriter::commit).
#[derive(Debug)]
pub struct LpmWriter<A: Address> {
    table: Arc<Lpm<A>>,
    pub(super) arena: Arena,
    vrfs: Vec<Option<VrfState<A>>>,
    retired: Retired<Lines>,
    /// Changes that readers do not see yet.
    dirty: Vec<Dirty<A>>,
    batch: bool,
    scratch: Scratch<A>,
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
            scratch: Scratch::default(),
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
            stale: VecDeque::new(),
        });
        Ok(())
    }

    /// Removes a VRF and its routes, at once also in a batch.
    pub fn remove_vrf(&mut self, vrf: VrfId) -> Result<(), LpmError> {
        self.state(vrf)?;
        let slot = &self.table.vrfs[vrf.index()];
        slot.set_default(0);
        let old = Entry(slot.root.swap(Entry::NONE.0, Ordering::AcqRel));
        if let Some(mut update) = self.update(vrf) {
            update.retire(old);
        }
        self.vrfs[vrf.index()] = None;
        self.dirty.retain(|dirty| dirty.vrf != vrf);
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
            let change = match old {
                Some(_) => Change::NextHop,
                None => Change::Presence,
            };
            self.changed(vrf, prefix, change)?;
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
            self.changed(vrf, *prefix, Change::Presence)?;
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

    /// Ends a batch: brings what readers see up to date, and takes back what earlier changes have replaced.
    pub fn commit(&mut self) -> Result<(), LpmError> {
        self.batch = false;
        // What the last change has replaced may be free by now.
        self.reclaim();
        let mut dirty = std::mem::take(&mut self.dirty);
        if dirty.len() > 1 {
            dirty.sort_unstable();
            dirty.dedup_by(|next, first| (next.vrf, next.prefix) == (first.vrf, first.prefix));
            // Where only next hops change it is done in place, when all boundaries stand.
            dirty.sort_by_key(|dirty| dirty.change);
        }
        let mut failed = self.apply(&mut dirty);
        for at in 0..dirty.len() {
            let vrf = dirty[at].vrf;
            if dirty.get(at + 1).is_none_or(|next| next.vrf != vrf) {
                failed = self.tidy(vrf).or(failed);
            }
        }
        dirty.retain(|dirty| !dirty.done);
        self.dirty = dirty;
        // Not to be had yet: the next change, or tick, takes it back.
        self.retired.seal(&self.table.qsbr);
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

    /// Makes all changes visible, in order; returns why some were not.
    fn apply(&mut self, dirty: &mut [Dirty<A>]) -> Option<io::Error> {
        let mut failed = None;
        for at in 0..dirty.len() {
            let Dirty { vrf, done, .. } = dirty[at];
            if !done
                && let Some(mut update) = self.update(vrf)
                && let Err(error) = update.apply(&mut dirty[at..])
            {
                failed = Some(error);
            }
        }
        failed
    }

    /// Removes what routes have left behind that went long ago, until that is little for the size of the table.
    fn tidy(&mut self, vrf: VrfId) -> Option<io::Error> {
        let VrfState { rib, stale, .. } = self.vrfs[vrf.index()].as_mut()?;
        let excess = stale.len().saturating_sub(rib.len() / STALE_SHARE);
        if excess == 0 {
            return None;
        }
        let gone = stale.drain(..excess);
        let gone = gone.filter(|prefix| rib.get(*prefix).is_none());
        let mut dirty: Vec<_> = gone
            .map(|prefix| Dirty {
                vrf,
                prefix,
                change: Change::Tidy,
                done: false,
            })
            .collect();
        dirty.sort_unstable();
        dirty.dedup();
        let failed = self.apply(&mut dirty);
        let left = dirty.iter().filter(|dirty| !dirty.done);
        let stale = &mut self.vrfs[vrf.index()].as_mut()?.stale;
        stale.extend(left.map(|dirty| dirty.prefix));
        failed
    }

    fn update(&mut self, vrf: VrfId) -> Option<Update<'_, A>> {
        Some(Update {
            root: &self.table.vrfs[vrf.index()],
            state: self.vrfs[vrf.index()].as_mut()?,
            arena: &mut self.arena,
            retired: &mut self.retired,
            scratch: &mut self.scratch,
        })
    }

    fn state(&self, vrf: VrfId) -> Result<&VrfState<A>, LpmError> {
        let state = self.vrfs.get(vrf.index()).and_then(Option::as_ref);
        state.ok_or(LpmError::UnknownVrf(vrf))
    }

    fn state_mut(&mut self, vrf: VrfId) -> Result<&mut VrfState<A>, LpmError> {
        let state = self.vrfs.get_mut(vrf.index()).and_then(Option::as_mut);
        state.ok_or(LpmError::UnknownVrf(vrf))
    }

    fn changed(&mut self, vrf: VrfId, prefix: Prefix<A>, change: Change) -> Result<(), LpmError> {
        self.dirty.push(Dirty {
            vrf,
            prefix,
            change,
            done: false,
        });
        if self.batch { Ok(()) } else { self.commit() }
    }
}
