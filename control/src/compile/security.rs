//! Ports and security groups of the model to what the workers ask of each packet.
//!
//! ```text
//!   model ──► anchors (which place is whose) ──► interfaces, networks
//!        ├──► guard (who a port may say that it is)
//!        ├──► effective rules of a port ──┐
//!        └──► members of groups ◄─ learned ┴──► Filters ──► dataplane::forwarding::Security
//! ```
//!
//! A flow bears the generation of the filter that allowed it. [`Filters`] gives a port a new one when what its rules allow is another
//! thing than before: a rule, a group of the port, or the members of a group that its rules name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use dataplane::forwarding::network::mapped;
use dataplane::guard::{Guard, LinkId, Pair, VirtualRouters};
use ipnet::IpNet;
use protocols::vrrp::Family;
use tables::classifier::{Member, Remote, Rule, SetId};
use tables::flow::Direction;
use tables::id::{AnchorId, IfaceId, NetworkId};

use crate::model::security::{RuleRemote, SecurityGroup, SecurityRule, TenantPort};
use crate::model::{Carrier, Model, Tag};

mod filters;

pub use filters::Filters;

/// Bits of an IPv4-mapped address before the IPv4 one.
const MAPPED: u8 = 96;
/// Links that are interfaces have numbers from here on; those below are networks. There are fewer than so many of either.
const INTERFACES: u16 = 0x8000;

/// The link that a network is.
pub const fn network_link(network: NetworkId) -> LinkId {
    LinkId(network.0)
}

/// The link that an interface on a device is on.
pub const fn interface_link(iface: IfaceId) -> LinkId {
    LinkId(INTERFACES | iface.0)
}

/// Which places are ports. One without port security is none: nothing is asked there.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    locals: HashMap<u32, AnchorId>,
    interfaces: HashMap<IfaceId, AnchorId>,
    links: HashMap<AnchorId, LinkId>,
}

impl Anchors {
    /// Those of a model.
    pub fn of(model: &Model) -> Self {
        let mut anchors = Self::default();
        if model.ports.is_empty() {
            return anchors;
        }
        let at = |port: &TenantPort| ((port.device, port.tag.vlans()), port.id);
        let secure = model.ports.iter().filter(|port| port.port_security);
        let places: HashMap<_, AnchorId> = secure.map(at).collect();
        let find = |device, tag: Tag| places.get(&(device, tag.vlans())).copied();
        for network in &model.networks {
            for local in &network.locals {
                if let Some(id) = find(local.device, local.tag) {
                    anchors.locals.insert(local.number, id);
                    anchors.links.insert(id, network_link(network.id));
                }
            }
        }
        for (_, interface) in model.interfaces() {
            if let Carrier::Device { port, tag } = interface.carrier
                && let Some(id) = find(port, tag)
            {
                anchors.interfaces.insert(interface.id, id);
                anchors.links.insert(id, interface_link(interface.id));
            }
        }
        anchors
    }

    /// The port at a local place of a network; 0: none.
    pub fn local(&self, number: u32) -> AnchorId {
        self.locals.get(&number).copied().unwrap_or_default()
    }

    /// The port at an interface; 0: none.
    pub fn interface(&self, iface: IfaceId) -> AnchorId {
        self.interfaces.get(&iface).copied().unwrap_or_default()
    }

    /// The link of a port; 0: it is plugged nowhere.
    pub fn link(&self, anchor: AnchorId) -> LinkId {
        self.links.get(&anchor).copied().unwrap_or_default()
    }

    /// Links with ports.
    pub fn links(&self) -> HashSet<LinkId> {
        self.links.values().copied().collect()
    }
}

/// Who the machine of a port may say that it is. `on_link` are the prefixes of its link.
pub fn guard(
    port: &TenantPort,
    link: LinkId,
    on_link: &[IpNet],
    virtual_routers: VirtualRouters,
) -> Guard {
    let pairs = port.pairs.iter().map(|allowed| Pair {
        mac: allowed.mac.or(port.mac).map(|mac| mac.octets()),
        ..pair(&allowed.prefix)
    });
    // Without a MAC to bind them to, its own addresses are its with whatever MAC it has.
    let unbound = port.fixed_ips.iter().filter(|_| port.mac.is_none());
    let pairs = pairs.chain(unbound.map(|&address| pair(&address.into())));
    let families = [true, false].into_iter().flat_map(|v6| {
        let of = on_link.iter().filter(move |net| net.addr().is_ipv6() == v6);
        let known: Vec<Pair> = of.map(pair).collect();
        // Nothing is known of this family: it may be any of its addresses.
        match known.is_empty() {
            true => vec![every(v6)],
            false => known,
        }
    });
    Guard {
        mode: port.mode,
        link,
        macs: port.macs().iter().map(|mac| mac.octets()).collect(),
        pairs: pairs.collect(),
        roles: port.roles,
        virtual_routers,
        learning: port.learning,
        on_link: families.collect(),
        max_addresses: port.max_addresses,
        ..Guard::default()
    }
}

/// A prefix as guards compare it.
fn pair(net: &IpNet) -> Pair {
    let len = match net {
        IpNet::V6(net) => net.prefix_len(),
        IpNet::V4(net) => MAPPED + net.prefix_len(),
    };
    Pair {
        prefix: mapped(net.network()),
        len,
        mac: None,
    }
}

/// Every address of a family.
fn every(v6: bool) -> Pair {
    let (prefix, len) = match v6 {
        true => (0, 0),
        false => (mapped(IpAddr::V4([0; 4].into())), MAPPED),
    };
    Pair {
        prefix,
        len,
        mac: None,
    }
}

/// The prefixes of each link that has ports: those of our interfaces there.
pub fn prefixes(model: &Model, anchors: &Anchors) -> HashMap<LinkId, Vec<IpNet>> {
    let links = anchors.links();
    let mut prefixes: HashMap<LinkId, Vec<IpNet>> = HashMap::new();
    if links.is_empty() {
        return prefixes;
    }
    for (_, interface) in model.interfaces() {
        let link = match interface.carrier {
            Carrier::Network(network) => network_link(network),
            Carrier::Device { .. } => interface_link(interface.id),
            Carrier::Tunnel { .. } => continue,
        };
        if links.contains(&link) {
            let own = interface.addresses.iter().map(IpNet::trunc);
            prefixes.entry(link).or_default().extend(own);
        }
    }
    prefixes
}

/// Virtual routers of our interfaces on each link.
pub fn virtual_routers(model: &Model) -> HashMap<LinkId, VirtualRouters> {
    let mut all: HashMap<LinkId, VirtualRouters> = HashMap::new();
    for (_, interface) in model.interfaces() {
        let link = match interface.carrier {
            Carrier::Network(network) => network_link(network),
            Carrier::Device { .. } => interface_link(interface.id),
            Carrier::Tunnel { .. } => continue,
        };
        for group in &interface.vrrp {
            let of_link = all.entry(link).or_default();
            of_link.insert(group.family == Family::V6, group.vrid);
        }
    }
    all
}

/// What the groups of a port say together, in the order of the groups and their rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// Rules of stateful groups: to the machine, and from it.
    pub stateful: [Vec<Rule>; 2],
    /// Rules of stateless groups.
    pub stateless: [Vec<Rule>; 2],
}

impl Effective {
    /// Those of a port.
    pub fn of(port: &TenantPort, groups: &HashMap<SetId, &SecurityGroup>) -> Self {
        let mut effective = Self::default();
        let groups = port.groups.iter().filter_map(|id| groups.get(id));
        for group in groups {
            let [ingress, egress] = match group.stateful {
                true => &mut effective.stateful,
                false => &mut effective.stateless,
            };
            for rule in &group.rules {
                let list = match rule.says.direction {
                    Direction::Ingress => &mut *ingress,
                    Direction::Egress => &mut *egress,
                };
                list.push(compiled(rule));
            }
        }
        effective
    }

    /// The sets that its rules name.
    pub fn sets(&self) -> BTreeSet<SetId> {
        let lists = self.stateful.iter().chain(&self.stateless);
        let rules = lists.flatten();
        let sets = rules.filter_map(|rule| match rule.remote {
            Remote::Set(set) => Some(set),
            Remote::Any | Remote::Prefix { .. } => None,
        });
        sets.collect()
    }
}

/// A rule as the workers ask it.
fn compiled(rule: &SecurityRule) -> Rule {
    let says = rule.says;
    Rule {
        id: rule.id,
        v6: says.v6,
        protocol: says.protocol,
        ports: says.ports,
        remote: match says.remote {
            RuleRemote::Any => Remote::Any,
            RuleRemote::Prefix(net) => {
                let (_, address, len) = range(&net);
                Remote::Prefix { address, len }
            }
            RuleRemote::Group(set) | RuleRemote::Addresses(set) => Remote::Set(set),
        },
    }
}

/// A prefix: whether it is IPv6, its address in host order, its length.
pub type Range = (bool, u128, u8);

fn range(net: &IpNet) -> Range {
    match net {
        IpNet::V6(net) => (true, net.network().to_bits(), net.prefix_len()),
        IpNet::V4(net) => (false, u128::from(net.network().to_bits()), net.prefix_len()),
    }
}

/// The members of every set that a rule names.
pub type Members = BTreeMap<SetId, BTreeSet<Range>>;

/// Members of the sets that rules of the model name. Of a security group: what its ports have by configuration, and what they have
/// `learned`.
///
/// A set holds for all links, so that nobody may get into it by what is checked on his own link alone:
///
/// - Link-local addresses are no members. Each link has its own, and on another one a stranger can have the same.
/// - What was learned counts in the prefixes of the link. On a link that has none of a family any address can be learned, and a member
///   could make the world a member.
pub fn members(
    model: &Model,
    anchors: &Anchors,
    learned: &HashMap<AnchorId, BTreeSet<IpAddr>>,
) -> Members {
    let named = model.rules().filter_map(|(_, rule)| rule.says.remote.set());
    let mut members: Members = named.map(|set| (set, BTreeSet::new())).collect();
    if members.is_empty() {
        return members;
    }
    for group in &model.address_groups {
        if let Some(members) = members.get_mut(&group.id) {
            members.extend(group.addresses.iter().map(range));
        }
    }
    let on_link = prefixes(model, anchors);
    let mut reserved = reservations(model, anchors);
    for port in &model.ports {
        let groups = port.groups.iter();
        let groups: Vec<SetId> = groups
            .copied()
            .filter(|id| members.contains_key(id))
            .collect();
        if groups.is_empty() {
            continue;
        }
        let on_link = on_link.get(&anchors.link(port.id));
        let on_link = on_link.map_or(&[][..], Vec::as_slice);
        let learned = learned.get(&port.id).into_iter().flatten().copied();
        let learned = learned.filter(|address| on_link.iter().any(|net| net.contains(address)));
        let single = port.fixed_ips.iter().copied().chain(learned);
        let single = single.chain(reserved.remove(&port.id).unwrap_or_default());
        let pairs = port.pairs.iter().map(|pair| pair.prefix);
        let nets = single.map(IpNet::from).chain(pairs);
        let nets = nets.filter(|net| !is_link_local(net));
        let all: BTreeSet<Range> = nets.map(|net| range(&net)).collect();
        for id in groups {
            if let Some(members) = members.get_mut(&id) {
                members.extend(&all);
            }
        }
    }
    members
}

/// Whether it begins with a link-local address (RFC 4291 section 2.5.6, RFC 3927).
fn is_link_local(net: &IpNet) -> bool {
    match net.network() {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(address) => address.is_link_local(),
    }
}

/// Members as the workers look them up.
fn flat(members: &Members) -> impl Iterator<Item = Member> + '_ {
    members.iter().flat_map(|(set, ranges)| {
        ranges.iter().map(|(v6, address, len)| Member {
            set: *set,
            v6: *v6,
            address: *address,
            len: *len,
        })
    })
}

/// The addresses that DHCP servers of ours keep for the machine of each port, which they know by its MAC.
pub fn reservations(model: &Model, anchors: &Anchors) -> HashMap<AnchorId, Vec<IpAddr>> {
    let mut by_mac = HashMap::new();
    for port in &model.ports {
        if let Some(mac) = port.mac {
            by_mac.insert((anchors.link(port.id), mac), port.id);
        }
    }
    let mut reserved: HashMap<AnchorId, Vec<IpAddr>> = HashMap::new();
    if by_mac.is_empty() {
        return reserved;
    }
    for (_, interface) in model.interfaces() {
        let link = match interface.carrier {
            Carrier::Network(network) => network_link(network),
            Carrier::Device { .. } => interface_link(interface.id),
            Carrier::Tunnel { .. } => continue,
        };
        for known in &interface.ports {
            let port = known.mac.and_then(|mac| by_mac.get(&(link, mac)));
            if let Some(port) = port {
                let addresses = reserved.entry(*port).or_default();
                addresses.extend(&known.addresses);
            }
        }
    }
    reserved
}

#[cfg(test)]
mod tests;
