//! Which route does this address take?
//!
//! Longest prefix match over many VRFs, looked up by every worker while one writer changes it.
#![allow(unsafe_code)]

mod address;
mod naive;

pub use address::{Address, Prefix, PrefixLenError};
pub use naive::NaiveLpm;

use crate::id::{NextHopId, VrfId};
use crate::publish::{Qsbr, Reader};
use std::sync::{Arc, RwLock};

/// Why the routing table refused a change.
#[derive(Debug, thiserror::Error)]
pub enum LpmError {
    /// The memory could not be reserved or is used up.
    #[error("no memory for the routing table")]
    Memory(#[source] std::io::Error),
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

/// The readers' side: shared by all workers.
#[derive(Debug)]
pub struct Lpm<A: Address> {
    qsbr: Arc<Qsbr>,
    routes: RwLock<NaiveLpm<A>>,
}

impl<A: Address> Lpm<A> {
    /// The next hop of `addr`; 0 if the VRF has no route for it, or does not exist.
    pub fn lookup(&self, reader: &Reader, vrf: VrfId, addr: A) -> NextHopId {
        let mut out = [NextHopId(0)];
        self.lookup_burst(reader, vrf, &[addr], &mut out);
        out[0]
    }

    /// The next hops of a burst of addresses of one VRF.
    ///
    /// # Panics
    /// If `out` is shorter than `addrs`, or `reader` belongs to another [`Qsbr`] than the table.
    pub fn lookup_burst(&self, reader: &Reader, vrf: VrfId, addrs: &[A], out: &mut [NextHopId]) {
        assert!(
            reader.belongs_to(&self.qsbr),
            "reader of another QSBR instance"
        );
        let routes = self
            .routes
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for (addr, out) in addrs.iter().zip(&mut out[..addrs.len()]) {
            *out = routes.lookup(vrf, *addr);
        }
    }
}

/// The writer's side: one per table.
#[derive(Debug)]
pub struct LpmWriter<A: Address> {
    table: Arc<Lpm<A>>,
    vrfs: Vec<bool>,
}

impl<A: Address> LpmWriter<A> {
    /// An empty table for VRFs `0..max_vrfs`, whose readers are registered with `qsbr`.
    pub fn new(max_vrfs: usize, qsbr: Arc<Qsbr>) -> Result<(LpmWriter<A>, Arc<Lpm<A>>), LpmError> {
        let table = Arc::new(Lpm {
            qsbr,
            routes: RwLock::default(),
        });
        Ok((
            LpmWriter {
                table: table.clone(),
                vrfs: vec![false; max_vrfs],
            },
            table,
        ))
    }

    /// Adds a VRF without routes; nothing happens if it exists.
    pub fn add_vrf(&mut self, vrf: VrfId) -> Result<(), LpmError> {
        let max = self.vrfs.len();
        *self
            .vrfs
            .get_mut(vrf.index())
            .ok_or(LpmError::VrfLimit { vrf, max })? = true;
        Ok(())
    }

    /// Removes a VRF and its routes.
    pub fn remove_vrf(&mut self, vrf: VrfId) -> Result<(), LpmError> {
        self.check(vrf)?;
        let all: Vec<_> = self.iter(vrf).collect();
        for (prefix, _) in all {
            self.remove(vrf, &prefix)?;
        }
        self.vrfs[vrf.index()] = false;
        Ok(())
    }

    /// Adds or replaces a route, visible to readers at once; returns the next hop it had.
    pub fn insert(
        &mut self,
        vrf: VrfId,
        prefix: Prefix<A>,
        next_hop: NextHopId,
    ) -> Result<Option<NextHopId>, LpmError> {
        self.check(vrf)?;
        if next_hop.0 == 0 || next_hop.0 >= 1 << 28 {
            return Err(LpmError::InvalidNextHop(next_hop));
        }
        Ok(self.routes_mut().insert(vrf, prefix, next_hop))
    }

    /// Removes a route, at once; returns the next hop it had, `None` if there was no such route.
    pub fn remove(
        &mut self,
        vrf: VrfId,
        prefix: &Prefix<A>,
    ) -> Result<Option<NextHopId>, LpmError> {
        self.check(vrf)?;
        Ok(self.routes_mut().remove(vrf, prefix))
    }

    /// The next hop of exactly this route.
    pub fn get(&self, vrf: VrfId, prefix: &Prefix<A>) -> Option<NextHopId> {
        self.iter(vrf)
            .find(|(p, _)| p == prefix)
            .map(|(_, next_hop)| next_hop)
    }

    /// All routes of a VRF in order: parents before children.
    pub fn iter(&self, vrf: VrfId) -> impl Iterator<Item = (Prefix<A>, NextHopId)> {
        let routes = self
            .table
            .routes
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut all: Vec<_> = routes
            .iter()
            .filter(|(v, ..)| *v == vrf)
            .map(|(_, p, n)| (p, n))
            .collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// The route that `addr` takes.
    pub fn explain(&self, vrf: VrfId, addr: A) -> Option<(Prefix<A>, NextHopId)> {
        let routes = self
            .table
            .routes
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        routes.explain(vrf, addr)
    }

    /// Begins a batch: changes are visible to readers at [`commit`](LpmWriter::commit), every part of the table being
    /// rebuilt once however many changes met it.
    pub fn begin(&mut self) {}

    /// Ends a batch.
    pub fn commit(&mut self) -> Result<(), LpmError> {
        Ok(())
    }

    /// Takes back memory that no worker can be reading any more. Cheap; called from the writer's tick.
    pub fn reclaim(&mut self) {}

    /// Bytes of the lookup structure of a VRF.
    pub fn memory_bytes(&self, vrf: VrfId) -> usize {
        self.iter(vrf).count() * size_of::<Prefix<A>>()
    }

    fn check(&self, vrf: VrfId) -> Result<(), LpmError> {
        match self.vrfs.get(vrf.index()) {
            Some(true) => Ok(()),
            _ => Err(LpmError::UnknownVrf(vrf)),
        }
    }

    fn routes_mut(&mut self) -> std::sync::RwLockWriteGuard<'_, NaiveLpm<A>> {
        self.table
            .routes
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
