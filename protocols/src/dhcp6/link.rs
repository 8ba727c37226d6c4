//! A link as the server looks at it: its configuration, indexed.

use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::time::SystemTime;

use ipnet::Ipv6Net;
use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::config::{Config, Lifetimes, PrefixPool, Reservation, Subnet};
use super::counters::Counters;
use super::settings::seconds;
use lease::{Book, RealmId, Resource, ScopeId, State, Wall};

/// A link that the server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkId {
    /// The link of one of our interfaces.
    Iface(IfaceId),
    /// A link behind relays, by a number of the configuration.
    Remote(u32),
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub vrf: VrfId,
    /// The router's, where its leases are.
    pub realm: RealmId,
    /// The interface's name, which leases with routes are stored with; empty for a link behind relays.
    pub name: Box<str>,
    pub config: Config,
    pub counters: Counters,
    /// Where leases of each subnet, and of each prefix pool, are kept.
    pub subnets: Vec<ScopeId>,
    pub pools: Vec<ScopeId>,
    pub by_duid: HashMap<Vec<u8>, usize>,
    pub by_mac: HashMap<MacAddr, usize>,
    pub by_subscriber: HashMap<Vec<u8>, usize>,
    /// Whose each reserved address and prefix is.
    pub reserved: HashMap<Resource, usize>,
    /// Reserved prefixes, in order; none overlaps another.
    reserved_prefixes: Vec<Ipv6Net>,
    /// Leases that overlapped a reserved prefix when it was reserved.
    overlapped: HashMap<Ipv6Net, Vec<Ipv6Net>>,
    /// Scopes that have been reported as used up.
    pub used_up: HashSet<ScopeId>,
}

impl Link {
    pub(super) fn new(vrf: VrfId, realm: RealmId, name: Box<str>, config: Config) -> Self {
        let mut link = Link {
            vrf,
            realm,
            name,
            counters: Counters::default(),
            subnets: config
                .subnets
                .iter()
                .map(|s| ScopeId::of(realm, &s.name))
                .collect(),
            pools: config
                .prefix_pools
                .iter()
                .map(|p| ScopeId::of(realm, &p.name))
                .collect(),
            by_duid: HashMap::new(),
            by_mac: HashMap::new(),
            by_subscriber: HashMap::new(),
            reserved: HashMap::new(),
            reserved_prefixes: Vec::new(),
            overlapped: HashMap::new(),
            used_up: HashSet::new(),
            config,
        };
        for (i, reservation) in link.config.reservations.iter().enumerate() {
            link.by_duid
                .extend(reservation.duid.clone().map(|duid| (duid, i)));
            link.by_mac.extend(reservation.mac.map(|mac| (mac, i)));
            let subscriber = reservation.subscriber_id.clone();
            link.by_subscriber.extend(subscriber.map(|id| (id, i)));
            link.reserved.extend(resources(reservation).map(|r| (r, i)));
            link.reserved_prefixes.extend(&reservation.prefixes);
        }
        link.reserved_prefixes.sort_unstable();
        link
    }

    /// Looks for leases that overlap a reserved prefix without being it: they were made before it was reserved. None can be
    /// made after.
    pub(super) fn find_overlapped(&mut self, book: &Book) {
        self.overlapped.clear();
        if self.reserved_prefixes.is_empty() {
            return;
        }
        let leases = book.iter().filter(|l| self.pools.contains(&l.scope));
        for lease in leases.filter(|l| l.state == State::Bound) {
            if let Resource::Prefix(prefix) = lease.resource
                && let Some(reserved) = self.overlapping(prefix)
                && reserved != prefix
            {
                self.overlapped.entry(reserved).or_default().push(prefix);
            }
        }
    }

    /// Whether a lease that is not the reserved prefix `reserved` still takes a part of it.
    pub(super) fn is_overlapped(&self, reserved: Ipv6Net, book: &Book) -> bool {
        let bound = |prefix: &Ipv6Net| {
            book.get(self.realm, Resource::Prefix(*prefix))
                .is_some_and(|l| l.state == State::Bound)
        };
        self.overlapped
            .get(&reserved)
            .is_some_and(|prefixes| prefixes.iter().any(bound))
    }

    /// Whether a prefix that is not reserved takes a part of one that is.
    pub(super) fn overlaps_reserved(&self, resource: Resource) -> bool {
        match resource {
            Resource::Prefix(prefix) => self.overlapping(prefix).is_some(),
            Resource::V6(_) | Resource::V4(_) => false,
        }
    }

    /// A reserved prefix that overlaps `prefix`.
    fn overlapping(&self, prefix: Ipv6Net) -> Option<Ipv6Net> {
        let after = self.reserved_prefixes.partition_point(|r| *r < prefix);
        let near = [after.checked_sub(1), Some(after)];
        let mut near = near
            .into_iter()
            .flatten()
            .filter_map(|i| self.reserved_prefixes.get(i));
        near.find(|r| r.contains(&prefix) || prefix.contains(*r))
            .copied()
    }

    /// The subnet or prefix pool that has `resource`.
    pub(super) fn scope_of(&self, resource: Resource) -> Option<ScopeId> {
        let config = &self.config;
        match resource {
            Resource::V6(address) => {
                let has = |s: &Subnet| s.prefix.contains(&address);
                config.subnets.iter().position(has).map(|i| self.subnets[i])
            }
            Resource::Prefix(prefix) => {
                let has = |p: &PrefixPool| p.prefix.contains(&prefix);
                config
                    .prefix_pools
                    .iter()
                    .position(has)
                    .map(|i| self.pools[i])
            }
            Resource::V4(_) => None,
        }
    }

    /// Where its leases are kept.
    pub(super) fn scopes(&self) -> impl Iterator<Item = ScopeId> {
        self.subnets.iter().chain(&self.pools).copied()
    }

    /// Whose `resource` is by configuration.
    pub(super) fn owner(&self, resource: Resource) -> Option<usize> {
        self.reserved.get(&resource).copied()
    }

    /// Whether `address` is appropriate for this link (RFC 8415 section 18.3.3).
    pub(super) fn is_on_link(&self, address: Ipv6Addr) -> bool {
        self.config
            .subnets
            .iter()
            .any(|subnet| subnet.prefix.contains(&address))
    }

    /// Whether a relay that gives this link-address means this link.
    pub(super) fn has_link_address(&self, address: Ipv6Addr) -> bool {
        let mut others = self.config.link_addresses.iter();
        self.is_on_link(address) || others.any(|prefix| prefix.contains(&address))
    }
}

/// What a reservation keeps.
pub(super) fn resources(reservation: &Reservation) -> impl Iterator<Item = Resource> {
    let addresses = reservation.addresses.iter().map(|a| Resource::V6(*a));
    addresses.chain(reservation.prefixes.iter().map(|p| Resource::Prefix(*p)))
}

/// Preferred and valid lifetime that a lease given now gets, seconds (RFC 8415 section 7.7).
pub(super) fn lifetimes(config: &Lifetimes, wall: SystemTime) -> (u32, u32) {
    let (mut preferred, mut valid) = (seconds(config.preferred), seconds(config.valid));
    if let Some(expiry) = config.expiry {
        let now = Wall::from(wall);
        preferred = preferred.min(Wall::from(expiry.preferred).left(now));
        valid = valid.min(Wall::from(expiry.valid).left(now));
    }
    (preferred.min(valid), valid)
}
