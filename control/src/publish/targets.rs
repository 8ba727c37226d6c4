//! What routes lead to, counted by its users: next hops exist while a route or a neighbour needs them.

use std::net::IpAddr;

use tables::group::Member;
use tables::id::{IfaceId, NextHopId, VrfId};
use tables::next_hop::{NextHop, NextHopKind};
use wire::ether::MacAddr;

use super::{PublishError, Publisher};
use crate::compile::routes::{Resolution, ResolvedHop as Hop};

/// A gateway or neighbour on a link.
#[derive(Debug)]
pub(super) struct Adjacency {
    pub(super) id: NextHopId,
    pub(super) mac: Option<MacAddr>,
    /// Routes and groups that lead here.
    pub(super) users: usize,
    /// Traffic seen at the last sample, packets.
    pub(super) sampled: u64,
}

impl Adjacency {
    /// One that nobody uses and whose MAC is not known.
    pub(super) fn new(id: NextHopId) -> Self {
        Self {
            id,
            mac: None,
            users: 0,
            sampled: 0,
        }
    }
}

/// An ECMP group.
#[derive(Debug)]
pub(super) struct Group {
    id: NextHopId,
    index: u16,
    users: usize,
}

/// Given up, but perhaps still found by readers until the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freed {
    NextHop(NextHopId),
    Group(u16),
}

/// What an installed route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Blackhole,
    Unreachable,
    Prohibit,
    /// Another router's table.
    Router(VrfId),
    Connected(IfaceId),
    Local(IfaceId),
    /// One gateway.
    Gateway(IfaceId, IpAddr),
    /// Several.
    Group(Vec<Hop>),
}

impl Target {
    pub(super) fn of(resolution: &Resolution) -> Self {
        match resolution {
            Resolution::Connected(iface) => Target::Connected(*iface),
            Resolution::Local(iface) => Target::Local(*iface),
            Resolution::Blackhole => Target::Blackhole,
            Resolution::Unreachable => Target::Unreachable,
            Resolution::Prohibit => Target::Prohibit,
            Resolution::Router(vrf) => Target::Router(*vrf),
            Resolution::Via(hops) => match hops.as_slice() {
                [hop] => Target::Gateway(hop.iface, hop.gateway),
                _ => Target::Group(hops.clone()),
            },
        }
    }
}

impl Publisher {
    /// The next-hop id of a target, counted as used once more. A group that takes the place of the group `old` keeps
    /// the flows of the members they share where they are.
    pub(super) fn acquire(
        &mut self,
        target: &Target,
        old: Option<&Target>,
    ) -> Result<NextHopId, PublishError> {
        let interface = |iface: &IfaceId| {
            let known = self.interfaces.get(iface);
            known.ok_or(PublishError::Interface(*iface))
        };
        match target {
            Target::Blackhole => Ok(self.fixed.blackhole),
            Target::Unreachable => Ok(self.fixed.unreachable),
            Target::Prohibit => Ok(self.fixed.prohibit),
            Target::Router(vrf) => self.acquire_router(*vrf),
            Target::Connected(iface) => Ok(interface(iface)?.glean),
            Target::Local(iface) => Ok(interface(iface)?.local),
            Target::Gateway(iface, address) => self.acquire_gateway(*iface, *address),
            Target::Group(hops) => {
                let like = match old {
                    Some(Target::Group(old)) => self.groups.get(old).map(|group| group.index),
                    _ => None,
                };
                self.acquire_group(hops, like)
            }
        }
    }

    /// All routes into a router's table share one next hop.
    fn acquire_router(&mut self, vrf: VrfId) -> Result<NextHopId, PublishError> {
        if let Some((id, users)) = self.routers.get_mut(&vrf) {
            *users += 1;
            return Ok(*id);
        }
        let id = self.tables.next_hops.alloc(NextHop {
            vrf,
            ..NextHop::of_kind(NextHopKind::Router)
        })?;
        self.routers.insert(vrf, (id, 1));
        Ok(id)
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
        let record = self.link(iface)?.adjacency(iface, address, None);
        let id = self.tables.next_hops.alloc(record)?;
        let fresh = Adjacency {
            users: 1,
            ..Adjacency::new(id)
        };
        self.adjacencies.insert((iface, address), fresh);
        Ok(id)
    }

    fn acquire_group(
        &mut self,
        hops: &[Hop],
        like: Option<u16>,
    ) -> Result<NextHopId, PublishError> {
        if let Some(group) = self.groups.get_mut(hops) {
            group.users += 1;
            return Ok(group.id);
        }
        let mut members = Vec::with_capacity(hops.len());
        match self.make_group(hops, like, &mut members) {
            Ok(group) => {
                let id = group.id;
                self.groups.insert(hops.to_vec(), group);
                Ok(id)
            }
            Err(error) => {
                for hop in &hops[..members.len()] {
                    self.release_gateway(hop.iface, hop.gateway);
                }
                Err(error)
            }
        }
    }

    /// Allocates a group; `members` tells how many gateways it has acquired for it.
    fn make_group(
        &mut self,
        hops: &[Hop],
        like: Option<u16>,
        members: &mut Vec<Member>,
    ) -> Result<Group, PublishError> {
        for hop in hops {
            let next_hop = self.acquire_gateway(hop.iface, hop.gateway)?;
            let weight = hop.weight.into();
            members.push(Member { next_hop, weight });
        }
        // Made like the one it replaces, then changed: only the buckets of members that left move.
        let model = like
            .and_then(|like| self.tables.groups.members(like))
            .map(<[Member]>::to_vec);
        let index = self
            .tables
            .groups
            .alloc(model.as_deref().unwrap_or(members))?;
        if model.is_some()
            && let Err(refused) = self.tables.groups.set(index, members)
        {
            self.tables.groups.free(index)?;
            return Err(refused.into());
        }
        let record = NextHop {
            group: index,
            ..NextHop::of_kind(NextHopKind::Group)
        };
        match self.tables.next_hops.alloc(record) {
            Ok(id) => Ok(Group {
                id,
                index,
                users: 1,
            }),
            Err(full) => {
                self.tables.groups.free(index)?;
                Err(full.into())
            }
        }
    }

    /// Counts one user less; what nobody uses any more is freed with the next commit.
    pub(super) fn release(&mut self, target: &Target) {
        match target {
            Target::Blackhole
            | Target::Unreachable
            | Target::Prohibit
            | Target::Connected(_)
            | Target::Local(_) => {}
            Target::Router(vrf) => {
                let Some((id, users)) = self.routers.get_mut(vrf) else {
                    return;
                };
                *users -= 1;
                if *users == 0 {
                    self.freed.push(Freed::NextHop(*id));
                    self.routers.remove(vrf);
                }
            }
            Target::Gateway(iface, address) => self.release_gateway(*iface, *address),
            Target::Group(hops) => {
                let Some(group) = self.groups.get_mut(hops) else {
                    return;
                };
                group.users -= 1;
                if group.users == 0 {
                    self.freed
                        .extend([Freed::NextHop(group.id), Freed::Group(group.index)]);
                    self.groups.remove(hops);
                    for hop in hops {
                        self.release_gateway(hop.iface, hop.gateway);
                    }
                }
            }
        }
    }

    fn release_gateway(&mut self, iface: IfaceId, address: IpAddr) {
        let Some(adjacency) = self.adjacencies.get_mut(&(iface, address)) else {
            return;
        };
        adjacency.users -= 1;
        if adjacency.users == 0 && adjacency.mac.is_none() {
            self.freed.push(Freed::NextHop(adjacency.id));
            self.adjacencies.remove(&(iface, address));
        }
    }
}
