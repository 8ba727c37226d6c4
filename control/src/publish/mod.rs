//! Publish: *how do resolved routes and neighbours become what the workers read?*
//!
//! ```text
//!   compile::routes ── (VRF, prefix, resolution) ──► Publisher ──► LPM, next hops, groups   (tables/, read by workers)
//!   protocols::nd ──── neighbour up, down ─────────►
//! ```
//!
//! One [`Publisher`] is the only writer of the tables. Invariants:
//!
//! 1. A route is replaced by one store: the new next hop exists before the route leads to it, and the old one is
//!    freed once no reader can find a route to it any more.
//! 2. A gateway has one next-hop id while any route uses it, `Incomplete` until its MAC is known: a MAC that comes,
//!    changes or goes is one store, whatever the number of routes behind it.
//! 3. A neighbour on a connected prefix of its interface has a host route, unless a route has the very same prefix.
//!    Where several interfaces have the neighbour, the one with the smallest id has the host route.
//!
//! The routing tables are always in a batch; a call that is not part of the caller's own ([`Publisher::begin`])
//! commits before it returns.

mod hosts;
mod link;
mod targets;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use tables::group::GroupWriter;
use tables::id::{IfaceId, NextHopId, VrfId};
use tables::lpm::{LpmError, LpmWriter, Prefix};
use tables::next_hop::{NextHop, NextHopKind, NextHopWriter};
use wire::ether::MacAddr;

pub use link::{Link, mapped, tagged};

use crate::compile::routes::{Resolution, ResolvedHop as Hop};
use targets::{Adjacency, Freed, Group, Target};

/// The writers of the tables, as the dataplane hands them over.
#[derive(Debug)]
pub struct Writers {
    /// IPv6 routes.
    pub lpm6: LpmWriter<u128>,
    /// IPv4 routes.
    pub lpm4: LpmWriter<u32>,
    /// What routes lead to.
    pub next_hops: NextHopWriter,
    /// ECMP groups.
    pub groups: GroupWriter,
}

/// Why the tables refused a change. Nothing of that change is visible, but for [`PublishError::Commit`].
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The routing table refused a route.
    #[error("route {prefix}")]
    Route {
        /// The route's prefix.
        prefix: IpNet,
        /// Why.
        #[source]
        source: LpmError,
    },
    /// The routing table refused a routing domain.
    #[error("routing domain {vrf}")]
    Vrf {
        /// The routing domain.
        vrf: VrfId,
        /// Why.
        #[source]
        source: LpmError,
    },
    /// Readers do not see all routes yet; what is missing is tried again with the next change.
    #[error("some routes could not be brought to the workers")]
    Commit(#[source] LpmError),
    /// The next-hop table refused.
    #[error("next hop")]
    NextHop(#[from] tables::next_hop::NextHopError),
    /// The group table refused.
    #[error("next-hop group")]
    Group(#[from] tables::group::GroupError),
    /// The interface is not published.
    #[error("interface {0} is not known to the dataplane")]
    Interface(IfaceId),
}

/// Owner of the tables; see the module.
#[derive(Debug)]
pub struct Publisher {
    tables: Writers,
    /// The caller's batch is open.
    batch: bool,
    /// What is freed when readers have the routes as they are now.
    freed: Vec<Freed>,
    fixed: Fixed,
    interfaces: HashMap<IfaceId, Interface>,
    /// Sorted, so that those of one interface are together.
    adjacencies: BTreeMap<(IfaceId, IpAddr), Adjacency>,
    groups: HashMap<Vec<Hop>, Group>,
    /// Next hops that lead into routers' tables, with how many routes each has.
    routers: HashMap<VrfId, (NextHopId, usize)>,
    installed: HashMap<(VrfId, IpNet), Target>,
    /// Interfaces on which an address is resolved.
    resolved: HashMap<(VrfId, IpAddr), BTreeSet<IfaceId>>,
    /// Host routes of neighbours.
    hosts: HashMap<(VrfId, IpAddr), NextHopId>,
}

/// Next hops that exist once.
#[derive(Debug)]
struct Fixed {
    blackhole: NextHopId,
    unreachable: NextHopId,
    prohibit: NextHopId,
}

#[derive(Debug)]
struct Interface {
    link: Link,
    glean: NextHopId,
    local: NextHopId,
    connected: Vec<IpNet>,
}

impl Publisher {
    /// Takes over the tables.
    ///
    /// # Errors
    /// When even the first next hops do not fit.
    pub fn new(mut tables: Writers) -> Result<Self, PublishError> {
        let mut fixed = |kind| tables.next_hops.alloc(NextHop::of_kind(kind));
        let fixed = Fixed {
            blackhole: fixed(NextHopKind::Blackhole)?,
            unreachable: fixed(NextHopKind::Unreachable)?,
            prohibit: fixed(NextHopKind::Prohibit)?,
        };
        tables.lpm6.begin();
        tables.lpm4.begin();
        Ok(Self {
            tables,
            batch: false,
            freed: Vec::new(),
            fixed,
            interfaces: HashMap::new(),
            adjacencies: BTreeMap::new(),
            groups: HashMap::new(),
            routers: HashMap::new(),
            installed: HashMap::new(),
            resolved: HashMap::new(),
            hosts: HashMap::new(),
        })
    }

    /// Makes a routing domain, empty at first; nothing happens if it exists.
    ///
    /// # Errors
    /// When the tables have no room for another.
    pub fn add_vrf(&mut self, vrf: VrfId) -> Result<(), PublishError> {
        let refused = |source| PublishError::Vrf { vrf, source };
        self.tables.lpm6.add_vrf(vrf).map_err(refused)?;
        self.tables.lpm4.add_vrf(vrf).map_err(refused)
    }

    /// Removes a routing domain; its routes must have been withdrawn.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn remove_vrf(&mut self, vrf: VrfId) -> Result<(), PublishError> {
        let refused = |source| PublishError::Vrf { vrf, source };
        self.tables.lpm6.remove_vrf(vrf).map_err(refused)?;
        self.tables.lpm4.remove_vrf(vrf).map_err(refused)
    }

    /// Adds an interface, or changes how its frames look: its next hops are rewritten in place. An interface stays in its
    /// routing domain: one that moves is removed and added.
    ///
    /// # Errors
    /// When the next-hop table is full.
    pub fn set_interface(&mut self, iface: IfaceId, link: Link) -> Result<(), PublishError> {
        let (glean, local) = (link.connected(iface), link.local(iface));
        let next_hops = &mut self.tables.next_hops;
        if let Some(known) = self.interfaces.get_mut(&iface) {
            if known.link == link {
                return Ok(());
            }
            next_hops.set(known.glean, glean)?;
            next_hops.set(known.local, local)?;
            known.link = link;
        } else {
            let glean = next_hops.alloc(glean)?;
            let local = match next_hops.alloc(local) {
                Ok(local) => local,
                Err(full) => {
                    next_hops.free(glean)?;
                    return Err(full.into());
                }
            };
            let connected = Vec::new();
            self.interfaces.insert(
                iface,
                Interface {
                    link,
                    glean,
                    local,
                    connected,
                },
            );
        }
        for (address, adjacency) in on(&self.adjacencies, iface) {
            let record = link.adjacency(iface, address, adjacency.mac);
            self.tables.next_hops.set(adjacency.id, record)?;
        }
        Ok(())
    }

    /// Removes an interface with its neighbours; routes over it must have been withdrawn.
    ///
    /// # Errors
    /// When the tables refuse to give up what is theirs: a bug.
    pub fn remove_interface(&mut self, iface: IfaceId) -> Result<(), PublishError> {
        let neighbors: Vec<IpAddr> = on(&self.adjacencies, iface)
            .map(|(address, _)| address)
            .collect();
        for address in neighbors {
            self.lose_neighbor(iface, address)?;
        }
        if let Some(gone) = self.interfaces.remove(&iface) {
            self.freed
                .extend([gone.glean, gone.local].map(Freed::NextHop));
        }
        self.finish()
    }

    /// Installs, replaces or (with `None`) withdraws one route.
    ///
    /// # Errors
    /// When the tables have no room; the route is as it was.
    pub fn route(
        &mut self,
        vrf: VrfId,
        prefix: IpNet,
        resolution: Option<&Resolution>,
    ) -> Result<(), PublishError> {
        let done = match resolution {
            Some(resolution) => self.install(vrf, prefix, resolution),
            None => self.withdraw(vrf, prefix),
        };
        let finished = self.finish();
        done.and(finished)
    }

    fn install(
        &mut self,
        vrf: VrfId,
        prefix: IpNet,
        resolution: &Resolution,
    ) -> Result<(), PublishError> {
        let key = (vrf, prefix);
        let target = Target::of(resolution);
        if self.installed.get(&key) == Some(&target) {
            return Ok(());
        }
        let old = self.installed.get(&key).cloned();
        let id = self.acquire(&target, old.as_ref())?;
        if let Err(error) = self.write(vrf, prefix, Some(id)) {
            self.release(&target);
            return Err(error);
        }
        if prefix.prefix_len() == prefix.max_prefix_len() {
            // The neighbour's host route has just been overwritten.
            self.hosts.remove(&(vrf, prefix.addr()));
        }
        if let Some(old) = self.installed.insert(key, target.clone()) {
            self.release(&old);
            self.set_connected(&old, vrf, prefix, false)?;
        }
        self.set_connected(&target, vrf, prefix, true)
    }

    fn withdraw(&mut self, vrf: VrfId, prefix: IpNet) -> Result<(), PublishError> {
        let Some(old) = self.installed.remove(&(vrf, prefix)) else {
            return Ok(());
        };
        let written = self.write(vrf, prefix, None);
        self.release(&old);
        self.set_connected(&old, vrf, prefix, false)?;
        if prefix.prefix_len() == prefix.max_prefix_len() {
            self.settle_host(vrf, prefix.addr())?;
        }
        written
    }

    /// A neighbour's MAC is known, or is another one.
    ///
    /// # Errors
    /// When the tables have no room, or the interface is gone.
    pub fn neighbor_up(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        mac: MacAddr,
    ) -> Result<(), PublishError> {
        let link = self.link(iface)?;
        let record = link.adjacency(iface, address, Some(mac));
        match self.adjacencies.get_mut(&(iface, address)) {
            Some(adjacency) => {
                if adjacency.mac != Some(mac) {
                    self.tables.next_hops.set(adjacency.id, record)?;
                }
                adjacency.mac = Some(mac);
            }
            None => {
                let id = self.tables.next_hops.alloc(record)?;
                let fresh = Adjacency {
                    mac: Some(mac),
                    ..Adjacency::new(id)
                };
                self.adjacencies.insert((iface, address), fresh);
            }
        }
        let on = self.resolved.entry((link.vrf, address)).or_default();
        on.insert(iface);
        self.settle_host(link.vrf, address)?;
        self.finish()
    }

    /// A neighbour's MAC is not known any more: the next packet for it resolves it anew. Nothing happens when it, or its
    /// interface, is gone already.
    ///
    /// # Errors
    /// When the tables refuse: a bug.
    pub fn neighbor_down(&mut self, iface: IfaceId, address: IpAddr) -> Result<(), PublishError> {
        self.lose_neighbor(iface, address)?;
        self.finish()
    }

    /// The MAC of a neighbour, if it is known.
    pub fn neighbor_mac(&self, iface: IfaceId, address: IpAddr) -> Option<MacAddr> {
        self.adjacencies.get(&(iface, address))?.mac
    }

    /// No neighbour's MAC is known any more.
    ///
    /// # Errors
    /// When the tables refuse: a bug.
    pub fn forget_neighbors(&mut self) -> Result<(), PublishError> {
        let known: Vec<(IfaceId, IpAddr)> = self
            .adjacencies
            .iter()
            .filter(|(_, adjacency)| adjacency.mac.is_some())
            .map(|(key, _)| *key)
            .collect();
        for (iface, address) in known {
            self.lose_neighbor(iface, address)?;
        }
        self.finish()
    }

    fn lose_neighbor(&mut self, iface: IfaceId, address: IpAddr) -> Result<(), PublishError> {
        let (Some(interface), Some(adjacency)) = (
            self.interfaces.get(&iface),
            self.adjacencies.get_mut(&(iface, address)),
        ) else {
            return Ok(());
        };
        let link = interface.link;
        let (id, used) = (adjacency.id, adjacency.users != 0);
        if used && adjacency.mac.is_some() {
            let record = link.adjacency(iface, address, None);
            self.tables.next_hops.set(id, record)?;
        }
        adjacency.mac = None;
        if let Some(on) = self.resolved.get_mut(&(link.vrf, address)) {
            on.remove(&iface);
            if on.is_empty() {
                self.resolved.remove(&(link.vrf, address));
            }
        }
        self.settle_host(link.vrf, address)?;
        if !used {
            self.adjacencies.remove(&(iface, address));
            self.freed.push(Freed::NextHop(id));
        }
        Ok(())
    }

    /// Neighbours that carried packets since the last call; `packets` gives a next hop's count so far.
    pub fn sample_use(
        &mut self,
        mut packets: impl FnMut(NextHopId) -> u64,
    ) -> Vec<(IfaceId, IpAddr)> {
        let mut used = Vec::new();
        for ((iface, address), adjacency) in &mut self.adjacencies {
            let now = packets(adjacency.id);
            if adjacency.mac.is_some() && now != adjacency.sampled {
                used.push((*iface, *address));
            }
            adjacency.sampled = now;
        }
        used
    }

    /// What a next hop is now.
    pub fn next_hop(&self, id: NextHopId) -> Option<NextHop> {
        self.tables.next_hops.get(id)
    }

    /// Whether packets can be sent to a gateway: its MAC is known, or none is needed.
    pub fn is_resolved(&self, iface: IfaceId, address: IpAddr) -> bool {
        let on = self.interfaces.get(&iface);
        let adjacency = self.adjacencies.get(&(iface, address));
        on.zip(adjacency)
            .is_some_and(|(on, adjacency)| on.link.reaches(adjacency.mac))
    }

    /// Begins a batch of route changes: readers see them at [`Publisher::commit`].
    pub fn begin(&mut self) {
        self.batch = true;
    }

    /// Ends a batch.
    ///
    /// # Errors
    /// When the routing tables have no room; what readers lack is tried again with the next change.
    pub fn commit(&mut self) -> Result<(), PublishError> {
        self.batch = false;
        let done6 = self.tables.lpm6.commit();
        let done4 = self.tables.lpm4.commit();
        self.tables.lpm6.begin();
        self.tables.lpm4.begin();
        done6.and(done4).map_err(PublishError::Commit)?;
        // Only now no reader finds a route to these any more.
        for freed in std::mem::take(&mut self.freed) {
            match freed {
                Freed::NextHop(id) => self.tables.next_hops.free(id)?,
                Freed::Group(index) => self.tables.groups.free(index)?,
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PublishError> {
        if self.batch { Ok(()) } else { self.commit() }
    }

    /// Takes back what no worker can be reading any more; call it now and then.
    pub fn reclaim(&mut self) {
        self.tables.lpm6.reclaim();
        self.tables.lpm4.reclaim();
        self.tables.next_hops.reclaim();
        self.tables.groups.reclaim();
    }

    fn link(&self, iface: IfaceId) -> Result<Link, PublishError> {
        let interface = self.interfaces.get(&iface);
        interface
            .map(|interface| interface.link)
            .ok_or(PublishError::Interface(iface))
    }

    fn write(
        &mut self,
        vrf: VrfId,
        prefix: IpNet,
        id: Option<NextHopId>,
    ) -> Result<(), PublishError> {
        let Writers { lpm6, lpm4, .. } = &mut self.tables;
        let done = match (prefix, id) {
            (IpNet::V6(net), Some(id)) => lpm6.insert(vrf, Prefix::from(net), id),
            (IpNet::V4(net), Some(id)) => lpm4.insert(vrf, Prefix::from(net), id),
            (IpNet::V6(net), None) => lpm6.remove(vrf, &Prefix::from(net)),
            (IpNet::V4(net), None) => lpm4.remove(vrf, &Prefix::from(net)),
        };
        done.map(drop)
            .map_err(|source| PublishError::Route { prefix, source })
    }
}

/// An interface's adjacencies.
fn on(
    adjacencies: &BTreeMap<(IfaceId, IpAddr), Adjacency>,
    iface: IfaceId,
) -> impl Iterator<Item = (IpAddr, &Adjacency)> {
    let first = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let last = IpAddr::V6(std::net::Ipv6Addr::from(u128::MAX));
    adjacencies
        .range((iface, first)..=(iface, last))
        .map(|((_, address), adjacency)| (*address, adjacency))
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod tests;
