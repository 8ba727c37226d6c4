//! A link as the server looks at it: its configuration, indexed, and what it tells the book.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use tables::id::{IfaceId, VrfId};
use wire::MacAddr;

use super::config::{Allocation, Config, Range, Subnet};
use super::counters::Counters;
use super::error::ConfigError;
use lease::{self, Book, Pool, PoolError, RealmId, Resource, ScopeId};

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
    pub id: LinkId,
    pub vrf: VrfId,
    /// The router's, where its leases are.
    pub realm: RealmId,
    pub config: Config,
    pub counters: Counters,
    /// Where leases of each subnet are kept.
    pub scopes: Vec<ScopeId>,
    pub by_mac: HashMap<MacAddr, usize>,
    pub by_client_id: HashMap<Vec<u8>, usize>,
    pub by_duid: HashMap<Vec<u8>, usize>,
    /// Whose each reserved address is.
    reserved: HashMap<Ipv4Addr, usize>,
    /// Scopes that have been reported as used up.
    pub used_up: HashSet<ScopeId>,
}

impl Link {
    pub(super) fn new(id: LinkId, vrf: VrfId, realm: RealmId, config: Config) -> Self {
        let scopes = config.subnets.iter().map(|s| ScopeId::of(realm, &s.name));
        let mut link = Link {
            id,
            vrf,
            realm,
            counters: Counters::default(),
            scopes: scopes.collect(),
            by_mac: HashMap::new(),
            by_client_id: HashMap::new(),
            by_duid: HashMap::new(),
            reserved: HashMap::new(),
            used_up: HashSet::new(),
            config,
        };
        for (i, reservation) in link.config.reservations.iter().enumerate() {
            link.by_mac.extend(reservation.mac.map(|mac| (mac, i)));
            let id = reservation.client_id.clone();
            link.by_client_id.extend(id.map(|id| (id, i)));
            let duid = reservation.duid.clone();
            link.by_duid.extend(duid.map(|duid| (duid, i)));
            link.reserved
                .extend(reservation.addresses.iter().map(|a| (*a, i)));
        }
        link
    }

    /// The subnet that has `address`, by its index.
    pub(super) fn subnet_of(&self, address: Ipv4Addr) -> Option<usize> {
        let has = |s: &Subnet| s.prefix.contains(&address);
        self.config.subnets.iter().position(has)
    }

    /// Whose an address is by configuration.
    pub(super) fn owner(&self, address: Ipv4Addr) -> Option<usize> {
        self.reserved.get(&address).copied()
    }

    /// Whether a relay that gives this address means this link.
    pub(super) fn has_relay_address(&self, address: Ipv4Addr) -> bool {
        let mut others = self.config.link_addresses.iter();
        self.subnet_of(address).is_some() || others.any(|prefix| prefix.contains(&address))
    }

    /// Our address to speak as, to a client of `subnet`.
    pub(super) fn server_address(&self, subnet: Option<usize>) -> Option<Ipv4Addr> {
        let prefix = subnet.and_then(|i| self.config.subnets.get(i));
        let own = &self.config.own;
        let on_subnet = own
            .iter()
            .find(|a| prefix.is_some_and(|s| s.prefix.contains(*a)));
        on_subnet.or(own.first()).copied()
    }

    /// The pools of its subnets, for the book.
    pub(super) fn make_pools(&self, secret: [u64; 2]) -> Result<Vec<(ScopeId, Pool)>, ConfigError> {
        let mut pools = Vec::new();
        let subnets = self.config.subnets.iter().zip(&self.scopes).enumerate();
        for (i, (subnet, scope)) in subnets.filter(|(_, (s, _))| !s.pools.is_empty()) {
            let fault = |error: PoolError| ConfigError::Pool {
                field: format!("subnets[{i}].pools"),
                error,
            };
            let range = |range: &Range| range.start..=range.end;
            let edge = |address| address..=address;
            let edges = [subnet.prefix.network(), subnet.prefix.broadcast()];
            let exclude: Vec<_> = subnet.exclude.iter().map(range).collect();
            let exclude = [exclude, edges.map(edge).to_vec()].concat();
            let ranges: Vec<_> = subnet.pools.iter().map(range).collect();
            let pool = Pool::v4(&ranges, &exclude).map_err(fault)?;
            let allocation = match subnet.allocation {
                Allocation::Deterministic => lease::Allocation::Deterministic { secret },
                Allocation::Random => lease::Allocation::Random,
            };
            pools.push((*scope, pool.with_allocation(allocation)));
        }
        Ok(pools)
    }

    /// Tells the book, so far as `old`, which was this link before, has not told the same: a new pool looks through all leases.
    pub(super) fn enter(&self, old: Option<&Link>, pools: Vec<(ScopeId, Pool)>, book: &mut Book) {
        let before = old.map(Link::kept).unwrap_or_default();
        let now = self.kept();
        for (scope, resource) in before.difference(&now) {
            book.unreserve(*scope, *resource);
        }
        for scope in old.into_iter().flat_map(|old| &old.scopes) {
            if !pools.iter().any(|(new, _)| new == scope) {
                book.remove_pool(*scope);
            }
        }
        for (scope, pool) in pools {
            if !old.is_some_and(|old| self.gives_the_same(old, scope)) {
                book.set_pool(scope, pool);
            }
        }
        for (scope, resource) in now.difference(&before) {
            book.reserve(*scope, *resource);
        }
    }

    /// Takes all of that back; leases stay.
    pub(super) fn leave(&self, book: &mut Book) {
        for (scope, resource) in self.kept() {
            book.unreserve(scope, resource);
        }
        for scope in &self.scopes {
            book.remove_pool(*scope);
        }
    }

    /// What is reserved, with where it is.
    fn kept(&self) -> HashSet<(ScopeId, Resource)> {
        let each = |address: &Ipv4Addr| {
            let scope = self.scopes[self.subnet_of(*address)?];
            Some((scope, Resource::V4(*address)))
        };
        self.reserved.keys().filter_map(each).collect()
    }

    /// Whether a subnet has the same to give as before; for how long does not matter here.
    fn gives_the_same(&self, old: &Link, scope: ScopeId) -> bool {
        let gives = |link: &Link| {
            let i = link.scopes.iter().position(|s| *s == scope)?;
            let s = link.config.subnets.get(i)?;
            Some((s.pools.clone(), s.exclude.clone(), s.allocation))
        };
        gives(self) == gives(old)
    }
}
