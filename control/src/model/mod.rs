//! What the router is meant to be: validated intent, free of any file format.
//!
//! ```text
//!   config (TOML) ──► model ──► compile ──► publish
//!   api (runtime routes) ────────▲
//! ```
//!
//! A [`Model`] is only made by a door that has validated it whole (`config`), so that everything behind can rely on:
//! names are unique, every reference leads somewhere, every number is in its range, no two interfaces of a router
//! share a subnet, and no two interfaces of a device share a tag.
//!
//! Ids are given by name: a reload keeps the id of whatever keeps its name ([`Model::keep_ids`]), because tables,
//! counters and traces speak of ids.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use dataplane::forwarding::DHCP_RATE;
use ipnet::{IpNet, Ipv6Net};
use tables::classifier::SetId;
use tables::id::{AnchorId, IfaceId, NetworkId, Place, PortId, RuleId, TunnelId, VrfId};
use wire::ether::MacAddr;

use protocols::vrrp::Family;
use protocols::{dhcp4, dhcp6, dhcp6_client, nd, ra};

mod bfd;
mod delegated;
mod device;
pub mod diff;
mod indexed;
pub mod network;
mod pair;
mod relay;
mod route;
pub mod security;
mod subnet;
mod vrrp;

pub use bfd::Bfd;
pub use delegated::{Delegated, PREFERRED, VALID};
pub use device::Device;
pub use diff::{Changes, diff};
pub use indexed::Indexed;
pub use network::{Network, Vtep};
pub use pair::Pair;
pub use relay::{Dhcp4Relay, Dhcp6Relay};
pub use route::{Hop, Route, RouteTarget};
use security::RuleRemote;
pub use security::{SecurityGroup, TenantPort};
pub use subnet::{
    Allocation, Gateway, LeaseTimes, Mode, Port, PortOption, RemoteLink, Subnet, Subnet4,
};
pub use vrrp::{Track, Vrrp, Watched};

/// The whole intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The process itself.
    pub system: System,
    /// What holds for all interfaces.
    pub forwarding: Forwarding,
    /// The other router of a pair, if there is one.
    pub pair: Option<Pair>,
    /// Ports of the dataplane.
    pub devices: Vec<Device>,
    /// Peers of tunnels.
    pub vteps: Vec<Vtep>,
    /// Layer-2 networks.
    pub networks: Vec<Network>,
    /// Routing domains.
    pub routers: Vec<Router>,
    /// What holds for all ports of tenants' machines.
    pub security: security::Security,
    /// Addresses that rules name together.
    pub address_groups: Vec<security::AddressGroup>,
    /// What may pass to and from ports.
    pub security_groups: Vec<SecurityGroup>,
    /// Where machines of tenants are plugged.
    pub ports: Vec<TenantPort>,
}

/// The process itself. Everything here but `log` holds for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Name in logs and metrics.
    pub name: String,
    /// Polling threads.
    pub workers: Workers,
    /// What a worker without packets does.
    pub idle: Idle,
    /// Memory for packet buffers and the dataplane, MiB.
    pub memory: u32,
    /// Whether to use hugepages.
    pub hugepages: Hugepages,
    /// Packet buffers.
    pub mbufs: u32,
    /// Octets of a packet that each has room for; `None`: as the devices' MTUs need.
    pub mbuf_size: Option<u16>,
    /// Routers at most.
    pub max_routers: u16,
    /// Interfaces of all routers at most.
    pub max_interfaces: u16,
    /// Layer-2 networks at most.
    pub max_networks: u16,
    /// Peers of tunnels at most.
    pub max_vteps: u16,
    /// Stations of all networks at most.
    pub max_stations: u32,
    /// Where state that outlives a restart is kept.
    pub state_dir: PathBuf,
    /// UNIX socket of the API.
    pub api_socket: PathBuf,
    /// Listen address of metrics and health, if wanted.
    pub metrics: Option<SocketAddr>,
    /// Log filter, in the words of `tracing_subscriber::EnvFilter`.
    pub log: String,
}

impl Default for System {
    fn default() -> Self {
        System {
            name: "hextet".into(),
            workers: Workers::Count(1),
            idle: Idle::Adaptive,
            memory: 256,
            hugepages: Hugepages::Auto,
            mbufs: 16384,
            mbuf_size: None,
            max_routers: 1024,
            max_interfaces: 4096,
            max_networks: 4096,
            max_vteps: 1024,
            max_stations: 65_536,
            state_dir: "/var/lib/hextet".into(),
            api_socket: "/run/hextet/api.sock".into(),
            metrics: None,
            log: "info".into(),
        }
    }
}

/// What holds for all interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// Keep both directions of a flow on one next hop.
    pub symmetric_hash: bool,
    /// ICMP errors about packets of one interface, per worker.
    pub icmp_per_interface: Rate,
    /// ICMP errors to one destination, per worker.
    pub icmp_per_destination: Rate,
    /// DHCP messages of one device and IP version, per worker.
    pub dhcp_per_device: Rate,
}

impl Default for Forwarding {
    fn default() -> Self {
        Forwarding {
            symmetric_hash: false,
            icmp_per_interface: Rate {
                per_second: 1000,
                burst: 100,
            },
            icmp_per_destination: Rate {
                per_second: 50,
                burst: 20,
            },
            dhcp_per_device: Rate {
                per_second: DHCP_RATE.per_second,
                burst: DHCP_RATE.burst,
            },
        }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: u32,
    /// Tokens at most.
    pub burst: u32,
}

/// How many workers, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workers {
    /// So many, on the first CPUs of our affinity mask.
    Count(u16),
    /// One on each of these CPUs.
    Cpus(Vec<u16>),
}

impl Workers {
    /// Number of workers; at least 1.
    pub fn count(&self) -> usize {
        match self {
            Workers::Count(count) => usize::from(*count),
            Workers::Cpus(cpus) => cpus.len(),
        }
    }
}

/// What a worker without packets does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleep when idle, wake quickly.
    Adaptive,
    /// Poll on.
    Poll,
}

/// Whether to use hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hugepages {
    /// When there are enough.
    Auto,
    /// Never.
    Never,
    /// Refuse to start without.
    Always,
}

/// A routing domain (VRF).
#[derive(Clone, Debug, PartialEq)]
pub struct Router {
    /// Its id.
    pub id: VrfId,
    /// Its name.
    pub name: String,
    /// Its layer-3 interfaces.
    pub interfaces: Vec<Interface>,
    /// Its static routes.
    pub routes: Vec<Route>,
    /// Links behind relay agents that its DHCPv6 server serves.
    pub remote_links: Vec<RemoteLink>,
}

/// A layer-3 interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its id; never 0.
    pub id: IfaceId,
    /// Its name, unique in the whole model.
    pub name: String,
    /// What carries its packets.
    pub carrier: Carrier,
    /// Its MAC address, when not the device's or one that is made.
    pub mac: Option<MacAddr>,
    /// Longest layer-3 packet, bytes.
    pub mtu: u16,
    /// Own addresses with their subnets; no link-local one.
    pub addresses: Vec<IpNet>,
    /// Link-local address, when not derived from the MAC.
    pub link_local: Option<Ipv6Addr>,
    /// Source check for IPv4.
    pub urpf_v4: Urpf,
    /// Source check for IPv6.
    pub urpf_v6: Urpf,
    /// Whether to send redirects.
    pub redirects: bool,
    /// Anycast addresses beside the subnet-router ones.
    pub anycast: Vec<Ipv6Addr>,
    /// Destinations to answer neighbour solicitations for.
    pub proxy_nd: Vec<Ipv6Net>,
    /// Static neighbours.
    pub neighbors: Vec<StaticNeighbor>,
    /// Neighbour discovery and ARP; `proxy_nd` is its `proxy`.
    pub nd: nd::Config,
    /// Router advertisements, with what follows from `subnets`; by default none are sent.
    pub ra: ra::Config,
    /// How hosts get addresses of its IPv6 prefixes.
    pub subnets: Vec<Subnet>,
    /// Subnets of delegated prefixes that it wants.
    pub delegated: Vec<Delegated>,
    /// Stations that get addresses or DHCP options of their own.
    pub ports: Vec<Port>,
    /// The DHCPv6 server's table, without what `subnets` and `ports` say. There is a server also when only they want one.
    pub dhcp6: Option<dhcp6::Config>,
    /// How hosts get addresses of its IPv4 prefixes.
    pub subnets4: Vec<Subnet4>,
    /// The DHCPv4 server's table, in the same way.
    pub dhcp4: Option<dhcp4::Config>,
    /// The DHCPv6 relay, on an interface without a server.
    pub dhcp6_relay: Option<Dhcp6Relay>,
    /// The DHCPv4 relay.
    pub dhcp4_relay: Option<Dhcp4Relay>,
    /// The DHCPv6 client; `None` when the interface is no uplink.
    pub dhcp6_client: Option<dhcp6_client::Config>,
    /// Virtual routers that it takes part in.
    pub vrrp: Vec<Vrrp>,
    /// Sessions with neighbours.
    pub bfd: Vec<Bfd>,
    /// Multicast groups by which tunnels flood over it.
    pub tunnel_groups: BTreeSet<IpAddr>,
}

impl Interface {
    /// Own IPv6 subnets' anycast addresses of all routers (RFC 4291 section 2.6.1): none on a /127 (RFC 6164) or /128.
    pub fn subnet_router_anycast(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.addresses.iter().filter_map(|address| match address {
            IpNet::V6(net) if net.prefix_len() < 127 => Some(net.network()),
            _ => None,
        })
    }

    /// Whether it takes part in virtual routers of this family.
    pub fn speaks_vrrp(&self, family: Family) -> bool {
        self.vrrp.iter().any(|group| group.family == family)
    }

    /// The link-local address, derived from `mac` when none is given.
    pub fn link_local_for(&self, mac: MacAddr) -> Ipv6Addr {
        self.link_local.unwrap_or_else(|| mac.link_local())
    }
}

/// What carries the packets of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A device.
    Device {
        /// Which.
        port: PortId,
        /// The interface's VLAN tags there.
        tag: Tag,
    },
    /// A layer-2 network.
    Network(NetworkId),
    /// A tunnel: IP packets in GRE, from point to point.
    Tunnel {
        /// Which.
        tunnel: TunnelId,
        /// The GRE key (RFC 2890).
        key: Option<u32>,
    },
}

impl Carrier {
    /// The device, if it is one.
    pub const fn device(self) -> Option<PortId> {
        match self {
            Carrier::Device { port, .. } => Some(port),
            _ => None,
        }
    }

    /// The network, if it is one.
    pub const fn network(self) -> Option<NetworkId> {
        match self {
            Carrier::Network(network) => Some(network),
            _ => None,
        }
    }

    /// Whether it is a tunnel: there are no stations and no link-layer addresses, so nothing is resolved.
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Carrier::Tunnel { .. })
    }

    /// The tags of frames: none where there is no device.
    pub const fn tag(self) -> Tag {
        match self {
            Carrier::Device { tag, .. } => tag,
            _ => Tag::Untagged,
        }
    }
}

/// How frames of an interface or a network are tagged on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Not at all.
    Untagged,
    /// 802.1Q, VLAN 1 to 4094.
    Vlan(u16),
    /// Two tags.
    QinQ {
        /// EtherType of the outer tag: 0x88a8 or 0x8100.
        outer_tpid: u16,
        /// Outer VLAN.
        outer: u16,
        /// Inner VLAN (0x8100).
        inner: u16,
    },
}

impl Tag {
    /// VLAN identifiers, outer first; 0 where there is none. Outer TPIDs are not told apart.
    pub const fn vlans(self) -> [u16; 2] {
        match self {
            Tag::Untagged => [0, 0],
            Tag::Vlan(vid) => [0, vid],
            Tag::QinQ { outer, inner, .. } => [outer, inner],
        }
    }
}

/// Unicast reverse path forwarding (RFC 3704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urpf {
    /// No check.
    #[default]
    Off,
    /// The route back must leave by the same interface.
    Strict,
    /// There must be a route back.
    Loose,
    /// The route back must lead to the station that sent the frame (RFC 7039).
    Station,
}

/// A neighbour that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StaticNeighbor {
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address.
    pub mac: MacAddr,
}

impl Model {
    /// All interfaces, each with its router.
    pub fn interfaces(&self) -> impl Iterator<Item = (&Router, &Interface)> {
        self.routers.iter().flat_map(|router| {
            router
                .interfaces
                .iter()
                .map(move |interface| (router, interface))
        })
    }

    /// All links behind relay agents, each with its router.
    pub fn remote_links(&self) -> impl Iterator<Item = (&Router, &RemoteLink)> {
        let of = |router| move |remote| (router, remote);
        self.routers
            .iter()
            .flat_map(move |router| router.remote_links.iter().map(of(router)))
    }

    /// The device with this id.
    pub fn device(&self, id: PortId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// The interface with this id.
    pub fn interface(&self, id: IfaceId) -> Option<&Interface> {
        self.interfaces()
            .map(|(_, interface)| interface)
            .find(|interface| interface.id == id)
    }

    /// The network with this id.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// The peer of tunnels with this id.
    pub fn vtep(&self, id: TunnelId) -> Option<&Vtep> {
        self.vteps.iter().find(|vtep| vtep.id == id)
    }

    /// The router with this name.
    pub fn router(&self, name: &str) -> Option<&Router> {
        self.routers.iter().find(|router| router.name == name)
    }

    /// The local places of networks, each by what it is known by: its network's name, its device's, and its tags.
    fn local_places(&self) -> impl Iterator<Item = ((&str, &str, Tag), u32)> {
        let names: HashMap<PortId, &str> = self
            .devices
            .iter()
            .map(|device| (device.id, device.name.as_str()))
            .collect();
        let all = self.networks.iter().flat_map(|network| {
            let locals = network.locals.iter();
            locals.map(move |local| (network, local))
        });
        all.map(move |(network, local)| {
            let device = names.get(&local.device).copied().unwrap_or_default();
            ((network.name.as_str(), device, local.tag), local.number)
        })
    }

    /// Renumbers this model so that whatever has a name that `old` knows has `old`'s id. New names get the smallest
    /// ids that neither uses, so that nothing takes an id in the same moment in which another loses it.
    pub fn keep_ids(&mut self, old: &Model) {
        let ports = renumber(
            old.devices
                .iter()
                .map(|device| (device.name.as_str(), device.id.0)),
            self.devices
                .iter()
                .map(|device| (device.name.as_str(), device.id.0)),
            0,
        );
        let vrfs = renumber(
            old.routers
                .iter()
                .map(|router| (router.name.as_str(), router.id.0)),
            self.routers
                .iter()
                .map(|router| (router.name.as_str(), router.id.0)),
            0,
        );
        let ifaces = renumber(
            old.interfaces()
                .map(|(_, interface)| (interface.name.as_str(), interface.id.0)),
            self.interfaces()
                .map(|(_, interface)| (interface.name.as_str(), interface.id.0)),
            1,
        );
        let remotes = renumber(
            old.remote_links()
                .map(|(_, remote)| (remote.name.as_str(), remote.id)),
            self.remote_links()
                .map(|(_, remote)| (remote.name.as_str(), remote.id)),
            0,
        );
        let tunnels = renumber(
            old.vteps.iter().map(|vtep| (vtep.name.as_str(), vtep.id.0)),
            self.vteps
                .iter()
                .map(|vtep| (vtep.name.as_str(), vtep.id.0)),
            1,
        );
        let networks = renumber(
            old.networks
                .iter()
                .map(|network| (network.name.as_str(), network.id.0)),
            self.networks
                .iter()
                .map(|network| (network.name.as_str(), network.id.0)),
            1,
        );
        let locals = renumber(old.local_places(), self.local_places(), 1);
        let sets = renumber(named_sets(old), named_sets(self), 1);
        let rules = renumber(old.rule_ids(), self.rule_ids(), 1);
        let anchors = renumber(
            old.ports.iter().map(|port| (port.name.as_str(), port.id.0)),
            self.ports
                .iter()
                .map(|port| (port.name.as_str(), port.id.0)),
            1,
        );
        for device in &mut self.devices {
            device.id = PortId(ports[&device.id.0]);
        }
        for vtep in &mut self.vteps {
            vtep.id = TunnelId(tunnels[&vtep.id.0]);
            vtep.router = VrfId(vrfs[&vtep.router.0]);
            vtep.out = vtep.out.map(|iface| IfaceId(ifaces[&iface.0]));
        }
        for network in &mut self.networks {
            network.id = NetworkId(networks[&network.id.0]);
            for local in &mut network.locals {
                local.number = locals[&local.number];
                local.device = PortId(ports[&local.device.0]);
            }
            for overlay in &mut network.overlays {
                for tunnel in &mut overlay.vteps {
                    *tunnel = TunnelId(tunnels[&tunnel.0]);
                }
                overlay.vteps.sort_unstable();
                let flood = overlay.flood;
                overlay.flood = flood.map(|tunnel| TunnelId(tunnels[&tunnel.0]));
            }
            for station in &mut network.stations {
                station.at = match station.at {
                    Place::Local(number) => Place::Local(locals[&number]),
                    Place::Tunnel(tunnel) => Place::Tunnel(TunnelId(tunnels[&tunnel.0])),
                    other => other,
                };
            }
        }
        for router in &mut self.routers {
            router.id = VrfId(vrfs[&router.id.0]);
            for interface in &mut router.interfaces {
                interface.id = IfaceId(ifaces[&interface.id.0]);
                interface.carrier = match interface.carrier {
                    Carrier::Device { port, tag } => Carrier::Device {
                        port: PortId(ports[&port.0]),
                        tag,
                    },
                    Carrier::Network(network) => Carrier::Network(NetworkId(networks[&network.0])),
                    Carrier::Tunnel { tunnel, key } => Carrier::Tunnel {
                        tunnel: TunnelId(tunnels[&tunnel.0]),
                        key,
                    },
                };
            }
            for remote in &mut router.remote_links {
                remote.id = remotes[&remote.id];
            }
            for route in &mut router.routes {
                match &mut route.target {
                    RouteTarget::Via(hops) => {
                        for id in hops.iter_mut().filter_map(|hop| hop.interface.as_mut()) {
                            *id = IfaceId(ifaces[&id.0]);
                        }
                    }
                    RouteTarget::Router(id) => *id = VrfId(vrfs[&id.0]),
                    RouteTarget::Blackhole | RouteTarget::Unreachable | RouteTarget::Prohibit => {}
                }
            }
        }
        let set = |id: &mut SetId| *id = SetId(sets[&id.0]);
        for group in &mut self.address_groups {
            set(&mut group.id);
        }
        for group in &mut self.security_groups {
            set(&mut group.id);
            for rule in &mut group.rules {
                rule.id = RuleId(rules[&rule.id.0]);
                if let RuleRemote::Group(id) | RuleRemote::Addresses(id) = &mut rule.says.remote {
                    set(id);
                }
            }
        }
        for port in &mut self.ports {
            port.id = AnchorId(anchors[&port.id.0]);
            port.device = PortId(ports[&port.device.0]);
            port.groups.iter_mut().for_each(set);
        }
    }
}

/// Each security group and address group by its kind and name, with its id.
fn named_sets(model: &Model) -> impl Iterator<Item = ((bool, &str), u32)> {
    model.set_ids().map(|(id, named)| (named, id.0))
}

/// From the new ids to those that keep `old`'s by name.
fn renumber<K, N>(
    old: impl Iterator<Item = (K, N)>,
    new: impl Iterator<Item = (K, N)>,
    first: u16,
) -> HashMap<N, N>
where
    K: Eq + Hash,
    N: Copy + Eq + Hash + TryFrom<u32>,
{
    let old: HashMap<K, N> = old.collect();
    let used: HashSet<N> = old.values().copied().collect();
    let numbers = u32::from(first)..=u32::MAX;
    let mut free = numbers
        .map_while(|id| N::try_from(id).ok())
        .filter(|id| !used.contains(id));
    new.map(|(name, id)| {
        let kept = old.get(&name).copied().or_else(|| free.next());
        (
            id,
            kept.unwrap_or_else(|| unreachable!("a model holds fewer names than there are ids")),
        )
    })
    .collect()
}

/// The solicited-node group of an address (RFC 4291 section 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The directed broadcast address of an IPv4 subnet, if it has one (RFC 3021: not on a /31).
pub fn broadcast(net: &ipnet::Ipv4Net) -> Option<Ipv4Addr> {
    (net.prefix_len() < 31).then(|| net.broadcast())
}

#[cfg(test)]
mod tests;
