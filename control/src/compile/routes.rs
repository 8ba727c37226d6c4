//! The routing information base of one router: which route wins for a prefix, and where it leads in the end.
//!
//! Candidates of a prefix are ranked by distance, then by source; the first *usable* one wins. A candidate is usable
//! when its interface is up, or when one of its gateways resolves and is not known to have failed. A recursive gateway resolves by longest prefix
//! over the candidates: prefixes from long to short, in each the first usable candidate. A gateway met again on the
//! way to itself counts as unusable there, so loops resolve to what lies behind them, or to nothing.
//!
//! All of this is a function of the candidates and of the links alone, whatever the order of events: that is what
//! the proptests check against a computation from scratch.
//!
//! ```text
//!   prefix ──► candidates ──► hops ──► gateway ──► resolution (kept once per distinct gateway)
//!                 ▲                       │ consulted: addresses looked up, and down to which length
//!                 └── dependents ◄────────┘
//! ```
//!
//! Changing one candidate of prefix P asks only those gateways again that looked up an address in P and went as far
//! down as P's length; only when a gateway's resolution differs are the prefixes that use it computed again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;
use tables::id::{IfaceId, VrfId};

use crate::model::{Hop, Interface, Route, RouteTarget};

mod explain;
mod resolve;

pub use explain::{Explanation, Step, WhyNot};

/// Who made a route, in the order of preference at equal distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An own address.
    Local,
    /// The subnet of an own address.
    Connected,
    /// The configuration file.
    Static,
    /// The API, while the router runs.
    Api,
    /// DHCPv6: a prefix that our server has delegated (RFC 8415 section 6.3), or one that is delegated to us.
    Delegated,
}

/// Distance of routes to delegated prefixes: those that people make win.
pub const DELEGATED_DISTANCE: u8 = 2;

/// Distance of the routes for what is delegated to us and not assigned: every other wins.
pub const UNASSIGNED_DISTANCE: u8 = 255;

/// Where a candidate leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// To us.
    Local(IfaceId),
    /// To hosts on the link.
    Connected(IfaceId),
    /// Elsewhere.
    Route(RouteTarget),
}

/// A candidate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RibRoute {
    /// Destinations, without host bits.
    pub prefix: IpNet,
    /// Who made it.
    pub source: Source,
    /// Preference: the smallest wins. 0 for local and connected.
    pub distance: u8,
    /// Where it leads.
    pub target: Target,
}

impl RibRoute {
    /// A route of the configuration file.
    pub fn from_model(route: &Route) -> Self {
        RibRoute {
            prefix: route.prefix.trunc(),
            source: Source::Static,
            distance: route.distance,
            target: Target::Route(route.target.clone()),
        }
    }

    /// A route of the API: distance 1, so that the file's wins where both have one.
    pub fn from_api(prefix: IpNet, target: RouteTarget) -> Self {
        RibRoute {
            prefix: prefix.trunc(),
            source: Source::Api,
            distance: 1,
            target: Target::Route(target),
        }
    }

    /// The route to a delegated prefix.
    pub fn delegated(prefix: ipnet::Ipv6Net, hop: Hop) -> Self {
        RibRoute {
            prefix: IpNet::V6(prefix.trunc()),
            source: Source::Delegated,
            distance: DELEGATED_DISTANCE,
            target: Target::Route(RouteTarget::Via(vec![hop])),
        }
    }

    /// The route for what is delegated to us and not assigned (RFC 7084 WPD-5).
    pub fn unassigned(prefix: ipnet::Ipv6Net) -> Self {
        RibRoute {
            prefix: IpNet::V6(prefix.trunc()),
            source: Source::Delegated,
            distance: UNASSIGNED_DISTANCE,
            target: Target::Route(RouteTarget::Unreachable),
        }
    }

    /// What identifies it among the candidates of its prefix; also their order.
    fn rank(&self) -> (u8, Source, IfaceId) {
        let iface = match self.target {
            Target::Local(iface) | Target::Connected(iface) => iface,
            Target::Route(_) => IfaceId(0),
        };
        (self.distance, self.source, iface)
    }

    /// Its next hops, if it has any.
    pub fn hops(&self) -> &[Hop] {
        match &self.target {
            Target::Route(target) => target.hops(),
            Target::Local(_) | Target::Connected(_) => &[],
        }
    }

    /// Gateways that must be resolved.
    fn recursive_gateways(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.hops()
            .iter()
            .filter(|hop| hop.interface.is_none())
            .filter_map(|hop| hop.gateway)
    }

    /// Whether it depends on the interface directly.
    fn uses(&self, iface: IfaceId) -> bool {
        match self.target {
            Target::Local(own) | Target::Connected(own) => own == iface,
            Target::Route(_) => self.hops().iter().any(|hop| hop.interface == Some(iface)),
        }
    }
}

/// A next hop with nothing left to look up but its link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolvedHop {
    /// Outgoing interface.
    pub iface: IfaceId,
    /// Neighbour on its link.
    pub gateway: IpAddr,
    /// Share of the flows.
    pub weight: u16,
}

/// Where a prefix leads in the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Hosts on the interface's link: each is resolved by itself.
    Connected(IfaceId),
    /// Us; the interface owns the address.
    Local(IfaceId),
    /// Through neighbours, sorted, each once. Never empty.
    Via(Vec<ResolvedHop>),
    /// Dropped silently.
    Blackhole,
    /// Answered with no route.
    Unreachable,
    /// Answered with administratively prohibited.
    Prohibit,
    /// Where the table of another router says.
    Router(VrfId),
}

/// A prefix whose resolution changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The router.
    pub vrf: VrfId,
    /// The prefix.
    pub prefix: IpNet,
    /// Where it leads now; `None`: it is withdrawn.
    pub resolution: Option<Resolution>,
}

/// A change of the candidates.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Adds a route, or replaces the one of the same prefix, source and distance.
    Add(RibRoute),
    /// Removes the route of this prefix, source and distance.
    Remove(IpNet, Source, u8),
}

/// What routing needs to know of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether it forwards: routes through it are withdrawn while it does not. Own addresses stay.
    pub up: bool,
    /// Connected prefixes.
    pub subnets: BTreeSet<IpNet>,
    /// Own unicast and anycast addresses.
    pub locals: BTreeSet<IpAddr>,
    /// Neighbours that are not reached any more: next hops to them are not usable.
    pub failed: BTreeSet<IpAddr>,
}

impl Link {
    /// An interface whose own addresses are used when `valid` says so (duplicate detection passed). Anycast
    /// addresses are exempt from detection (RFC 4862 section 5.4). An IPv6 prefix is on link whether or not our address
    /// in it may be used: hosts that were told of it may have theirs before we have ours, and neighbours are asked for
    /// from the link-local address. ARP asks from an address of the subnet, so an IPv4 subnet waits for it.
    pub fn of(interface: &Interface, up: bool, valid: impl Fn(IpAddr) -> bool) -> Self {
        let (all, usable) = (&interface.addresses, |net: &&IpNet| valid(net.addr()));
        let on_link = all.iter().filter(|net| net.addr().is_ipv6() || usable(net));
        let anycast = interface
            .anycast
            .iter()
            .copied()
            .chain(interface.subnet_router_anycast());
        Link {
            up,
            subnets: on_link.map(IpNet::trunc).collect(),
            locals: all
                .iter()
                .filter(usable)
                .map(IpNet::addr)
                .chain(anycast.map(IpAddr::V6))
                .collect(),
            failed: BTreeSet::new(),
        }
    }
}

/// A prefix with its candidates, best first.
#[derive(Debug, Default)]
struct Entry {
    candidates: Vec<RibRoute>,
    /// The winner's rank and where it leads.
    active: Option<((u8, Source, IfaceId), Resolution)>,
}

/// A distinct recursive gateway.
#[derive(Debug, Default)]
struct Gateway {
    resolution: Option<Resolution>,
    /// Addresses looked up for it, each with the shortest prefix length that mattered.
    consulted: HashMap<IpAddr, u8>,
    /// Prefixes with candidates that use it, with how many of them.
    dependents: HashMap<IpNet, u32>,
}

/// The routing information base of one router.
#[derive(Debug)]
pub struct Rib {
    vrf: VrfId,
    links: HashMap<IfaceId, Link>,
    entries: HashMap<IpNet, Entry>,
    /// How many prefixes there are of each length: IPv6, IPv4.
    lengths: [Vec<u32>; 2],
    gateways: HashMap<IpAddr, Gateway>,
    /// From an address looked up to the gateways that did.
    consulted: BTreeMap<IpAddr, HashSet<IpAddr>>,
}

impl Rib {
    /// An empty table.
    pub fn new(vrf: VrfId) -> Self {
        Rib {
            vrf,
            links: HashMap::new(),
            entries: HashMap::new(),
            lengths: [vec![0; 129], vec![0; 33]],
            gateways: HashMap::new(),
            consulted: BTreeMap::new(),
        }
    }

    /// The router whose table this is.
    pub fn vrf(&self) -> VrfId {
        self.vrf
    }

    /// Makes `edits` in their order; returns the prefixes that lead elsewhere after all of them.
    pub fn apply(&mut self, edits: impl IntoIterator<Item = Edit>) -> Vec<Change> {
        let mut dirty = Dirty::default();
        for edit in edits {
            match edit {
                Edit::Add(route) => self.insert(route, &mut dirty),
                Edit::Remove(prefix, source, distance) => {
                    self.delete(prefix.trunc(), (distance, source, IfaceId(0)), &mut dirty);
                }
            }
        }
        self.settle(dirty)
    }

    /// Adds a route, or replaces the one of the same prefix, source and distance.
    pub fn add(&mut self, route: RibRoute) -> Vec<Change> {
        self.apply([Edit::Add(route)])
    }

    /// Removes a route; nothing changes when there is none.
    pub fn remove(&mut self, prefix: IpNet, source: Source, distance: u8) -> Vec<Change> {
        self.apply([Edit::Remove(prefix, source, distance)])
    }

    /// Takes what an interface is now, and withdraws or returns what depends on it.
    pub fn set_link(&mut self, iface: IfaceId, link: Link) -> Vec<Change> {
        let mut dirty = Dirty::default();
        let old = self.links.insert(iface, link.clone()).unwrap_or_default();
        if old.up != link.up || old.failed != link.failed {
            self.touch_users(iface, &mut dirty);
        }
        self.touch_gateways(old.failed.symmetric_difference(&link.failed), &mut dirty);
        self.exchange(iface, &old, &link, &mut dirty);
        self.settle(dirty)
    }

    /// Forgets an interface with its connected and local routes.
    pub fn remove_link(&mut self, iface: IfaceId) -> Vec<Change> {
        let Some(old) = self.links.remove(&iface) else {
            return Vec::new();
        };
        let mut dirty = Dirty::default();
        self.touch_users(iface, &mut dirty);
        self.touch_gateways(&old.failed, &mut dirty);
        self.exchange(iface, &old, &Link::default(), &mut dirty);
        self.settle(dirty)
    }

    /// Where a prefix leads, if it is in use.
    pub fn resolution(&self, prefix: &IpNet) -> Option<&Resolution> {
        self.entries
            .get(prefix)?
            .active
            .as_ref()
            .map(|(_, resolution)| resolution)
    }

    /// The candidate of this prefix, source and distance.
    pub fn route(&self, prefix: &IpNet, source: Source, distance: u8) -> Option<&RibRoute> {
        let candidates = &self.entries.get(prefix)?.candidates;
        candidates
            .iter()
            .find(|route| route.source == source && route.distance == distance)
    }

    /// All candidates in no order, each with its resolution when it is the one in use.
    pub fn iter(&self) -> impl Iterator<Item = (&RibRoute, Option<&Resolution>)> {
        self.entries.values().flat_map(|entry| {
            let active = entry.active.as_ref();
            entry.candidates.iter().map(move |route| {
                let used = active.filter(|(rank, _)| *rank == route.rank());
                (route, used.map(|(_, resolution)| resolution))
            })
        })
    }

    /// Everything in use, as it would be published from nothing, in no order.
    pub fn snapshot(&self) -> impl Iterator<Item = Change> + '_ {
        self.entries.iter().filter_map(|(prefix, entry)| {
            let (_, resolution) = entry.active.as_ref()?;
            Some(Change {
                vrf: self.vrf,
                prefix: *prefix,
                resolution: Some(resolution.clone()),
            })
        })
    }

    /// Number of prefixes in use: IPv6, IPv4.
    pub fn counts(&self) -> (usize, usize) {
        let active = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.active.is_some());
        active.fold((0, 0), |(v6, v4), (prefix, _)| match prefix {
            IpNet::V6(_) => (v6 + 1, v4),
            IpNet::V4(_) => (v6, v4 + 1),
        })
    }

    /// Marks every prefix with a candidate that uses the interface. A link changes seldom: all are looked at.
    fn touch_users(&self, iface: IfaceId, dirty: &mut Dirty) {
        let users = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.candidates.iter().any(|r| r.uses(iface)));
        dirty.prefixes.extend(users.map(|(prefix, _)| *prefix));
    }

    /// Marks the gateways for which one of these neighbours was looked up.
    fn touch_gateways<'a>(
        &self,
        neighbors: impl IntoIterator<Item = &'a IpAddr>,
        dirty: &mut Dirty,
    ) {
        let asked = neighbors.into_iter().filter_map(|n| self.consulted.get(n));
        dirty.gateways.extend(asked.flatten());
    }

    /// Exchanges an interface's connected and local candidates.
    fn exchange(&mut self, iface: IfaceId, old: &Link, new: &Link, dirty: &mut Dirty) {
        for prefix in old.subnets.difference(&new.subnets) {
            self.delete(*prefix, (0, Source::Connected, iface), dirty);
        }
        for address in old.locals.difference(&new.locals) {
            self.delete(IpNet::from(*address), (0, Source::Local, iface), dirty);
        }
        for prefix in new.subnets.difference(&old.subnets) {
            let target = Target::Connected(iface);
            let route = RibRoute {
                prefix: *prefix,
                source: Source::Connected,
                distance: 0,
                target,
            };
            self.insert(route, dirty);
        }
        for address in new.locals.difference(&old.locals) {
            let (prefix, target) = (IpNet::from(*address), Target::Local(iface));
            self.insert(
                RibRoute {
                    prefix,
                    source: Source::Local,
                    distance: 0,
                    target,
                },
                dirty,
            );
        }
    }

    fn insert(&mut self, route: RibRoute, dirty: &mut Dirty) {
        let prefix = route.prefix;
        self.delete(prefix, route.rank(), dirty);
        for gateway in route.recursive_gateways() {
            let state = self.gateways.entry(gateway).or_insert_with(|| {
                dirty.gateways.insert(gateway);
                Gateway::default()
            });
            *state.dependents.entry(prefix).or_default() += 1;
        }
        let entry = self.entries.entry(prefix).or_insert_with(|| {
            self.lengths[family(&prefix)][usize::from(prefix.prefix_len())] += 1;
            Entry::default()
        });
        let at = entry
            .candidates
            .partition_point(|other| other.rank() < route.rank());
        entry.candidates.insert(at, route);
        dirty.prefixes.insert(prefix);
    }

    fn delete(&mut self, prefix: IpNet, rank: (u8, Source, IfaceId), dirty: &mut Dirty) {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return;
        };
        let Some(at) = entry
            .candidates
            .iter()
            .position(|route| route.rank() == rank)
        else {
            return;
        };
        let route = entry.candidates.remove(at);
        dirty.prefixes.insert(prefix);
        for gateway in route.recursive_gateways() {
            let Some(state) = self.gateways.get_mut(&gateway) else {
                continue;
            };
            if let Some(count) = state.dependents.get_mut(&prefix) {
                *count -= 1;
                if *count == 0 {
                    state.dependents.remove(&prefix);
                }
            }
            // Without dependents it is dropped, but only in `settle`: a replacement may want it at once.
            if state.dependents.is_empty() {
                dirty.gateways.insert(gateway);
            }
        }
    }

    /// Brings resolutions up to date with the candidates and links.
    fn settle(&mut self, mut dirty: Dirty) -> Vec<Change> {
        let mut asked: HashSet<IpAddr> = dirty.gateways.drain().collect();
        for prefix in &dirty.prefixes {
            self.gateways_that_looked_at(prefix, &mut asked);
        }
        for gateway in asked {
            if self.refresh(gateway) {
                let state = &self.gateways[&gateway];
                dirty.prefixes.extend(state.dependents.keys());
            }
        }
        let mut changes = Vec::new();
        for prefix in dirty.prefixes {
            let active = self.select(&prefix);
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            let resolution =
                |active: &Option<(_, Resolution)>| active.as_ref().map(|(_, r)| r.clone());
            if resolution(&active) != resolution(&entry.active) {
                changes.push(Change {
                    vrf: self.vrf,
                    prefix,
                    resolution: resolution(&active),
                });
            }
            entry.active = active;
            if entry.candidates.is_empty() {
                self.entries.remove(&prefix);
                self.lengths[family(&prefix)][usize::from(prefix.prefix_len())] -= 1;
            }
        }
        changes
    }

    /// Collects the gateways whose lookups met `prefix`, or would have had it been there.
    fn gateways_that_looked_at(&self, prefix: &IpNet, asked: &mut HashSet<IpAddr>) {
        let (first, last) = match prefix {
            IpNet::V6(net) => (IpAddr::V6(net.network()), IpAddr::V6(net.broadcast())),
            IpNet::V4(net) => (IpAddr::V4(net.network()), IpAddr::V4(net.broadcast())),
        };
        for (address, gateways) in self.consulted.range(first..=last) {
            asked.extend(gateways.iter().filter(|gateway| {
                self.gateways[*gateway].consulted[address] <= prefix.prefix_len()
            }));
        }
    }

    /// Resolves a gateway again, or drops it when nobody uses it. Returns whether its resolution changed.
    fn refresh(&mut self, gateway: IpAddr) -> bool {
        let Some(state) = self.gateways.get(&gateway) else {
            return false;
        };
        let unused = state.dependents.is_empty();
        let (resolution, consulted) = if unused {
            (None, HashMap::new())
        } else {
            self.resolve(gateway)
        };
        let Some(state) = self.gateways.get_mut(&gateway) else {
            return false;
        };
        for gone in state
            .consulted
            .keys()
            .filter(|address| !consulted.contains_key(*address))
        {
            if let Some(set) = self.consulted.get_mut(gone) {
                set.remove(&gateway);
                if set.is_empty() {
                    self.consulted.remove(gone);
                }
            }
        }
        for address in consulted
            .keys()
            .filter(|address| !state.consulted.contains_key(*address))
        {
            self.consulted.entry(*address).or_default().insert(gateway);
        }
        if unused {
            self.gateways.remove(&gateway);
            return false;
        }
        let changed = state.resolution != resolution;
        state.resolution = resolution;
        state.consulted = consulted;
        changed
    }
}

/// What an edit touched.
#[derive(Default)]
struct Dirty {
    prefixes: HashSet<IpNet>,
    gateways: HashSet<IpAddr>,
}

/// Index of `Rib::lengths`.
fn family(prefix: &IpNet) -> usize {
    match prefix {
        IpNet::V6(_) => 0,
        IpNet::V4(_) => 1,
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
