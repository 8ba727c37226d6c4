//! The reference that every other lookup is tested against: one exact-match map per prefix length, longest first.

use super::{Address, Prefix};
use crate::id::{NextHopId, VrfId};
use hashbrown::HashMap;

/// Longest prefix match that is right because there is nothing to it.
#[derive(Clone, Debug)]
pub struct NaiveLpm<A: Address> {
    routes: HashMap<(VrfId, Prefix<A>), NextHopId>,
}

impl<A: Address> Default for NaiveLpm<A> {
    fn default() -> Self {
        NaiveLpm {
            routes: HashMap::new(),
        }
    }
}

impl<A: Address> NaiveLpm<A> {
    /// Adds or replaces a route; returns the next hop it had.
    pub fn insert(
        &mut self,
        vrf: VrfId,
        prefix: Prefix<A>,
        next_hop: NextHopId,
    ) -> Option<NextHopId> {
        self.routes.insert((vrf, prefix), next_hop)
    }

    /// Removes a route; returns the next hop it had.
    pub fn remove(&mut self, vrf: VrfId, prefix: &Prefix<A>) -> Option<NextHopId> {
        self.routes.remove(&(vrf, *prefix))
    }

    /// The route that `addr` takes.
    pub fn explain(&self, vrf: VrfId, addr: A) -> Option<(Prefix<A>, NextHopId)> {
        (0..=A::BITS).rev().find_map(|len| {
            let prefix = Prefix::of(addr, len);
            self.routes
                .get(&(vrf, prefix))
                .map(|&next_hop| (prefix, next_hop))
        })
    }

    /// The next hop of `addr`; 0 if there is no route.
    pub fn lookup(&self, vrf: VrfId, addr: A) -> NextHopId {
        self.explain(vrf, addr)
            .map_or(NextHopId(0), |(_, next_hop)| next_hop)
    }

    /// All routes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (VrfId, Prefix<A>, NextHopId)> + '_ {
        self.routes
            .iter()
            .map(|(&(vrf, prefix), &next_hop)| (vrf, prefix, next_hop))
    }
}
