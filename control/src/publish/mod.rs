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
//!    freed after.
//! 2. A gateway has one next-hop id while any route uses it, `Incomplete` until its MAC is known: a MAC that comes,
//!    changes or goes is one store, whatever the number of routes behind it.
//! 3. A neighbour on a connected prefix of its interface has a host route, unless a configured route has the very
//!    same prefix.

mod link;

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use tables::group::{GroupWriter, Member};
use tables::id::{IfaceId, NextHopId, VrfId};
use tables::lpm::{LpmWriter, Prefix};
use tables::next_hop::{NextHop, NextHopKind, NextHopWriter};
use wire::ether::MacAddr;

pub use link::{Link, mapped};

use crate::compile::routes::{Resolution, ResolvedHop as Hop};

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

/// Why the tables refused a change; the route or neighbour is named. Nothing of that change is visible.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The routing table refused.
    #[error("route {prefix}")]
    Route {
        /// The route's prefix.
        prefix: IpNet,
        /// Why.
        #[source]
        source: tables::lpm::LpmError,
    },
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
    fixed: Fixed,
    interfaces: HashMap<IfaceId, Interface>,
    adjacencies: HashMap<(IfaceId, IpAddr), Adjacency>,
    groups: HashMap<Vec<Hop>, Group>,
    installed: HashMap<(VrfId, IpNet), Target>,
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

/// A gateway or neighbour on a link.
#[derive(Debug)]
struct Adjacency {
    id: NextHopId,
    mac: Option<MacAddr>,
    /// Routes and groups that lead here.
    users: usize,
    /// Traffic seen at the last sample, packets.
    sampled: u64,
}

#[derive(Debug)]
struct Group {
    id: NextHopId,
    index: u16,
    users: usize,
}

/// What an installed route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A next hop that outlives the route.
    Fixed(NextHopId),
    /// One gateway.
    Gateway(IfaceId, IpAddr),
    /// Several.
    Group(Vec<Hop>),
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
        Ok(Self {
            tables,
            fixed,
            interfaces: HashMap::new(),
            adjacencies: HashMap::new(),
            groups: HashMap::new(),
            installed: HashMap::new(),
        })
    }

    /// Makes a routing domain, empty at first; nothing happens if it exists.
    ///
    /// # Errors
    /// When the tables have no room for another.
    pub fn add_vrf(&mut self, vrf: VrfId) -> Result<(), PublishError> {
        let refused = |source| PublishError::Route {
            prefix: IpNet::default(),
            source,
        };
        self.tables.lpm6.add_vrf(vrf).map_err(refused)?;
        self.tables.lpm4.add_vrf(vrf).map_err(refused)
    }

    /// Removes a routing domain; its routes must have been withdrawn.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn remove_vrf(&mut self, vrf: VrfId) -> Result<(), PublishError> {
        let refused = |source| PublishError::Route {
            prefix: IpNet::default(),
            source,
        };
        self.tables.lpm6.remove_vrf(vrf).map_err(refused)?;
        self.tables.lpm4.remove_vrf(vrf).map_err(refused)
    }

    /// Adds an interface, or changes how its frames look: its next hops are rewritten in place.
    ///
    /// # Errors
    /// When the next-hop table is full.
    pub fn set_interface(&mut self, iface: IfaceId, link: Link) -> Result<(), PublishError> {
        if let Some(known) = self.interfaces.get_mut(&iface) {
            if known.link == link {
                return Ok(());
            }
            known.link = link;
            let (glean, local) = (known.glean, known.local);
            self.tables
                .next_hops
                .set(glean, link.special(iface, NextHopKind::Glean))?;
            self.tables
                .next_hops
                .set(local, link.special(iface, NextHopKind::Local))?;
            for ((on, address), adjacency) in &self.adjacencies {
                if *on == iface {
                    let record = link.adjacency(iface, *address, adjacency.mac);
                    self.tables.next_hops.set(adjacency.id, record)?;
                }
            }
            return Ok(());
        }
        let glean = self
            .tables
            .next_hops
            .alloc(link.special(iface, NextHopKind::Glean))?;
        let local = self
            .tables
            .next_hops
            .alloc(link.special(iface, NextHopKind::Local))?;
        self.interfaces.insert(
            iface,
            Interface {
                link,
                glean,
                local,
                connected: Vec::new(),
            },
        );
        Ok(())
    }

    /// Removes an interface with its neighbours; routes over it must have been withdrawn.
    ///
    /// # Errors
    /// When the tables refuse to give up what is theirs: a bug.
    pub fn remove_interface(&mut self, iface: IfaceId) -> Result<(), PublishError> {
        let neighbors: Vec<IpAddr> = self
            .adjacencies
            .keys()
            .filter(|(on, _)| *on == iface)
            .map(|(_, address)| *address)
            .collect();
        for address in neighbors {
            self.neighbor_down(iface, address)?;
        }
        if let Some(gone) = self.interfaces.remove(&iface) {
            self.tables.next_hops.free(gone.glean)?;
            self.tables.next_hops.free(gone.local)?;
        }
        Ok(())
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
        let key = (vrf, prefix);
        let Some(resolution) = resolution else {
            if let Some(old) = self.installed.remove(&key) {
                self.note_connected(&old, prefix, false);
                match self.neighbor_of_host_route(vrf, prefix) {
                    Some(id) => self.write(vrf, prefix, Some(id))?,
                    None => self.write(vrf, prefix, None)?,
                }
                self.release(&old)?;
                self.refresh_host_routes(&old, vrf)?;
            }
            return Ok(());
        };
        let target = self.target(resolution)?;
        if self.installed.get(&key) == Some(&target) {
            return Ok(());
        }
        let id = self.acquire(&target)?;
        if let Err(error) = self.write(vrf, prefix, Some(id)) {
            self.release(&target)?;
            return Err(error);
        }
        if let Some(old) = self.installed.insert(key, target.clone()) {
            self.note_connected(&old, prefix, false);
            self.release(&old)?;
            self.refresh_host_routes(&old, vrf)?;
        }
        self.note_connected(&target, prefix, true);
        self.refresh_host_routes(&target, vrf)
    }

    /// A neighbour's MAC is known, or is another one.
    ///
    /// # Errors
    /// When the tables have no room.
    pub fn neighbor_up(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        mac: MacAddr,
    ) -> Result<(), PublishError> {
        let interface = self
            .interfaces
            .get(&iface)
            .ok_or(PublishError::Interface(iface))?;
        let (link, vrf) = (interface.link, interface.link.vrf);
        let on_link = interface.connected.iter().any(|net| net.contains(&address));
        let record = link.adjacency(iface, address, Some(mac));
        let id = match self.adjacencies.get_mut(&(iface, address)) {
            Some(adjacency) => {
                adjacency.mac = Some(mac);
                self.tables.next_hops.set(adjacency.id, record)?;
                adjacency.id
            }
            None => {
                let id = self.tables.next_hops.alloc(record)?;
                let fresh = Adjacency {
                    id,
                    mac: Some(mac),
                    users: 0,
                    sampled: 0,
                };
                self.adjacencies.insert((iface, address), fresh);
                id
            }
        };
        let host = IpNet::from(address);
        if on_link && !self.installed.contains_key(&(vrf, host)) {
            self.write(vrf, host, Some(id))?;
        }
        Ok(())
    }

    /// A neighbour's MAC is not known any more: the next packet for it resolves it anew.
    ///
    /// # Errors
    /// When the tables refuse: a bug.
    pub fn neighbor_down(&mut self, iface: IfaceId, address: IpAddr) -> Result<(), PublishError> {
        let interface = self
            .interfaces
            .get(&iface)
            .ok_or(PublishError::Interface(iface))?;
        let link = interface.link;
        let Some(adjacency) = self.adjacencies.get_mut(&(iface, address)) else {
            return Ok(());
        };
        adjacency.mac = None;
        let (id, users) = (adjacency.id, adjacency.users);
        let host = IpNet::from(address);
        if !self.installed.contains_key(&(link.vrf, host)) && self.route_is(link.vrf, host, id) {
            self.write(link.vrf, host, None)?;
        }
        if users == 0 {
            self.adjacencies.remove(&(iface, address));
            self.tables.next_hops.free(id)?;
        } else {
            self.tables
                .next_hops
                .set(id, link.adjacency(iface, address, None))?;
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

    /// Whether a gateway's MAC is known.
    pub fn is_resolved(&self, iface: IfaceId, address: IpAddr) -> bool {
        self.adjacencies
            .get(&(iface, address))
            .is_some_and(|a| a.mac.is_some())
    }

    /// Begins a batch of route changes: readers see them at [`Publisher::commit`].
    pub fn begin(&mut self) {
        self.tables.lpm6.begin();
        self.tables.lpm4.begin();
    }

    /// Ends a batch.
    ///
    /// # Errors
    /// When the routing tables have no room.
    pub fn commit(&mut self) -> Result<(), PublishError> {
        let refused = |source| PublishError::Route {
            prefix: IpNet::default(),
            source,
        };
        self.tables.lpm6.commit().map_err(refused)?;
        self.tables.lpm4.commit().map_err(refused)
    }

    /// Takes back what no worker can be reading any more; call it now and then.
    pub fn reclaim(&mut self) {
        self.tables.lpm6.reclaim();
        self.tables.lpm4.reclaim();
        self.tables.next_hops.reclaim();
        self.tables.groups.reclaim();
    }

    fn target(&self, resolution: &Resolution) -> Result<Target, PublishError> {
        let of = |iface: &IfaceId| {
            self.interfaces
                .get(iface)
                .ok_or(PublishError::Interface(*iface))
        };
        Ok(match resolution {
            Resolution::Connected(iface) => Target::Fixed(of(iface)?.glean),
            Resolution::Local(iface) => Target::Fixed(of(iface)?.local),
            Resolution::Blackhole => Target::Fixed(self.fixed.blackhole),
            Resolution::Unreachable => Target::Fixed(self.fixed.unreachable),
            Resolution::Prohibit => Target::Fixed(self.fixed.prohibit),
            Resolution::Via(hops) => match hops.as_slice() {
                [hop] => Target::Gateway(hop.iface, hop.gateway),
                _ => Target::Group(hops.clone()),
            },
        })
    }

    /// The next-hop id of a target, counted as used once more.
    fn acquire(&mut self, target: &Target) -> Result<NextHopId, PublishError> {
        match target {
            Target::Fixed(id) => Ok(*id),
            Target::Gateway(iface, address) => self.acquire_gateway(*iface, *address),
            Target::Group(hops) => {
                if let Some(group) = self.groups.get_mut(hops) {
                    group.users += 1;
                    return Ok(group.id);
                }
                let mut members = Vec::with_capacity(hops.len());
                for hop in hops {
                    let id = self.acquire_gateway(hop.iface, hop.gateway)?;
                    members.push(Member {
                        next_hop: id,
                        weight: hop.weight.into(),
                    });
                }
                let index = self.tables.groups.alloc(&members)?;
                let record = NextHop {
                    group: index,
                    ..NextHop::of_kind(NextHopKind::Group)
                };
                let id = self.tables.next_hops.alloc(record)?;
                self.groups.insert(
                    hops.clone(),
                    Group {
                        id,
                        index,
                        users: 1,
                    },
                );
                Ok(id)
            }
        }
    }

    fn acquire_gateway(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
    ) -> Result<NextHopId, PublishError> {
        if let Some(adjacency) = self.adjacencies.get_mut(&(iface, address)) {
            adjacency.users += 1;
            return Ok(adjacency.id);
        }
        let link = self
            .interfaces
            .get(&iface)
            .ok_or(PublishError::Interface(iface))?
            .link;
        let id = self
            .tables
            .next_hops
            .alloc(link.adjacency(iface, address, None))?;
        self.adjacencies.insert(
            (iface, address),
            Adjacency {
                id,
                mac: None,
                users: 1,
                sampled: 0,
            },
        );
        Ok(id)
    }

    fn release(&mut self, target: &Target) -> Result<(), PublishError> {
        match target {
            Target::Fixed(_) => {}
            Target::Gateway(iface, address) => {
                let Some(adjacency) = self.adjacencies.get_mut(&(*iface, *address)) else {
                    return Ok(());
                };
                adjacency.users -= 1;
                if adjacency.users == 0 && adjacency.mac.is_none() {
                    let id = adjacency.id;
                    self.adjacencies.remove(&(*iface, *address));
                    self.tables.next_hops.free(id)?;
                }
            }
            Target::Group(hops) => {
                let Some(group) = self.groups.get_mut(hops) else {
                    return Ok(());
                };
                group.users -= 1;
                if group.users == 0 {
                    let (id, index) = (group.id, group.index);
                    self.groups.remove(hops);
                    self.tables.next_hops.free(id)?;
                    self.tables.groups.free(index)?;
                    for hop in hops {
                        self.release(&Target::Gateway(hop.iface, hop.gateway))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the list of connected prefixes per interface.
    fn note_connected(&mut self, target: &Target, prefix: IpNet, present: bool) {
        let Target::Fixed(id) = target else { return };
        if let Some(interface) = self.interfaces.values_mut().find(|i| i.glean == *id) {
            interface.connected.retain(|net| *net != prefix);
            if present {
                interface.connected.push(prefix);
            }
        }
    }

    /// After a connected prefix came or went: the neighbours of that interface get or lose their host routes.
    fn refresh_host_routes(&mut self, target: &Target, vrf: VrfId) -> Result<(), PublishError> {
        let Target::Fixed(id) = target else {
            return Ok(());
        };
        let Some((iface, interface)) = self.interfaces.iter().find(|(_, i)| i.glean == *id) else {
            return Ok(());
        };
        let (iface, connected) = (*iface, interface.connected.clone());
        let neighbors: Vec<(IpAddr, NextHopId)> = self
            .adjacencies
            .iter()
            .filter(|((on, _), adjacency)| *on == iface && adjacency.mac.is_some())
            .map(|((_, address), adjacency)| (*address, adjacency.id))
            .collect();
        for (address, id) in neighbors {
            let host = IpNet::from(address);
            if self.installed.contains_key(&(vrf, host)) {
                continue;
            }
            if connected.iter().any(|net| net.contains(&address)) {
                self.write(vrf, host, Some(id))?;
            } else if self.route_is(vrf, host, id) {
                self.write(vrf, host, None)?;
            }
        }
        Ok(())
    }

    /// The neighbour that a host prefix would lead to if no route were there.
    fn neighbor_of_host_route(&self, vrf: VrfId, prefix: IpNet) -> Option<NextHopId> {
        if prefix.prefix_len() != prefix.max_prefix_len() {
            return None;
        }
        let address = prefix.addr();
        self.interfaces
            .iter()
            .filter(|(_, i)| {
                i.link.vrf == vrf && i.connected.iter().any(|net| net.contains(&address))
            })
            .find_map(|(iface, _)| {
                let adjacency = self.adjacencies.get(&(*iface, address))?;
                adjacency.mac.map(|_| adjacency.id)
            })
    }

    fn route_is(&self, vrf: VrfId, prefix: IpNet, id: NextHopId) -> bool {
        let found = match prefix {
            IpNet::V6(net) => self.tables.lpm6.get(vrf, &Prefix::from(net)),
            IpNet::V4(net) => self.tables.lpm4.get(vrf, &Prefix::from(net)),
        };
        found == Some(id)
    }

    fn write(
        &mut self,
        vrf: VrfId,
        prefix: IpNet,
        id: Option<NextHopId>,
    ) -> Result<(), PublishError> {
        let done = match (prefix, id) {
            (IpNet::V6(net), Some(id)) => self
                .tables
                .lpm6
                .insert(vrf, Prefix::from(net), id)
                .map(drop),
            (IpNet::V4(net), Some(id)) => self
                .tables
                .lpm4
                .insert(vrf, Prefix::from(net), id)
                .map(drop),
            (IpNet::V6(net), None) => self.tables.lpm6.remove(vrf, &Prefix::from(net)).map(drop),
            (IpNet::V4(net), None) => self.tables.lpm4.remove(vrf, &Prefix::from(net)).map(drop),
        };
        done.map_err(|source| PublishError::Route { prefix, source })
    }
}
