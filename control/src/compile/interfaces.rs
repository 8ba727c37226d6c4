//! Interfaces of the model to what the workers and the devices need: the forwarding snapshot, and MAC filters.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use dataplane::forwarding::{self, Dhcp, Forwarding, IcmpLimits, Tags, VirtualMacs};
use dataplane::punt::PuntClass;
use ipnet::IpNet;
use protocols::vrrp::{self, Family};
use tables::hash::FlowHasher;
use tables::id::{IfaceId, NetworkId, PortId, TunnelId};
use wire::addr::v6;
use wire::ether::MacAddr;

use super::security::Anchors;
use super::{networks, relay};
use crate::model::{self, Carrier, Interface, Model, Router, Tag, Urpf, broadcast, solicited_node};

/// Least MTU of a link that carries IPv6 (RFC 8200 section 5).
const MIN_IPV6_MTU: u16 = 1280;
/// The same in every life of the router, so that a restart keeps flows on their paths.
const FLOW_HASH_SEED: u64 = 0x6865_7874_6574_0001;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// What compilation learns from the running router.
pub trait Learned {
    /// The MAC address of an open device; interfaces of others are left out.
    fn mac(&self, port: PortId) -> Option<MacAddr>;
    /// The MAC address of an interface of this name that is on no device.
    fn made_mac(&self, interface: &str) -> MacAddr;
    /// Whether an own address may be used: duplicate detection passed, or is off.
    fn is_valid(&self, iface: IfaceId, address: IpAddr) -> bool;
    /// The virtual routers of an interface: which are active.
    fn virtual_routers(&self, _: IfaceId) -> VirtualView {
        VirtualView::default()
    }
    /// What routers on the way of a tunnel's outer packets have said that fits, bytes, if they have.
    fn path_mtu(&self, tunnel: TunnelId) -> Option<u16>;
}

/// What is known of the virtual routers of an interface.
#[derive(Clone, Debug, Default)]
pub struct VirtualView {
    /// Where it is said which virtual MAC addresses are ours; `None` where there are no virtual routers.
    pub macs: Option<Arc<VirtualMacs>>,
    /// Addresses of active ones, with their MAC, and whether packets to them are accepted.
    pub addresses: Vec<(IpAddr, MacAddr, bool)>,
}

impl VirtualView {
    /// The IPv6 addresses.
    fn v6(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let all = self.addresses.iter();
        all.filter_map(|(address, ..)| match address {
            IpAddr::V6(v6) => Some(*v6),
            IpAddr::V4(_) => None,
        })
    }
}

/// An interface's MAC address: its own, its device's, or one made for it. `None` when its device is not open.
pub fn mac(interface: &Interface, learned: &impl Learned) -> Option<MacAddr> {
    interface.mac.or_else(|| match interface.carrier {
        Carrier::Device { port, .. } => learned.mac(port),
        Carrier::Network(_) | Carrier::Tunnel { .. } => Some(learned.made_mac(&interface.name)),
    })
}

/// A MAC address of local administration (IEEE 802 section 8.4) for an interface of the node with this identity: another for each name and
/// node, and the same after a restart.
pub fn make_mac(node: &[u8], interface: &str) -> MacAddr {
    // FNV-1a: nobody gains by choosing a name.
    let hash = node.iter().chain(interface.as_bytes());
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [_, _, a, b, c, d, e, f] = (hash ^ hash >> 48).to_be_bytes();
    MacAddr([a & 0xfc | 0x02, b, c, d, e, f])
}

/// The snapshot of all networks, and of all interfaces that are not on a closed device. `before` is one of the same model
/// with the same devices open, if there is one: networks are taken from there,
/// but for what is known of the paths of tunnels.
pub fn forwarding(
    model: &Model,
    learned: &impl Learned,
    before: Option<&Forwarding>,
) -> Forwarding {
    let mut snapshot = before.map(Forwarding::places).unwrap_or_default();
    let seed = FLOW_HASH_SEED;
    snapshot.flow_hash = if model.forwarding.symmetric_hash {
        FlowHasher::symmetric(seed)
    } else {
        FlowHasher::new(seed)
    };
    snapshot.icmp = IcmpLimits {
        per_interface: rate(model.forwarding.icmp_per_interface),
        per_destination: rate(model.forwarding.icmp_per_destination),
    };
    for class in [PuntClass::Dhcp6, PuntClass::Dhcp4] {
        snapshot.punt_rates[class.index()] = rate(model.forwarding.dhcp_per_device);
    }
    let anchors = Anchors::of(model);
    for (router, interface) in model.interfaces() {
        if let Some(mut view) = view(router, interface, learned) {
            view.anchor = anchors.interface(interface.id);
            snapshot.insert(view);
        }
    }
    match before {
        Some(_) => networks::follow_paths(&mut snapshot, model, learned),
        None => networks::insert(&mut snapshot, model, learned),
    }
    snapshot
}

/// An interface as the packet path sees it; `None` when its device is not open.
pub fn view(
    router: &Router,
    interface: &Interface,
    learned: &impl Learned,
) -> Option<forwarding::Interface> {
    let mac = mac(interface, learned)?;
    let (port, network, tunnel) = match interface.carrier {
        Carrier::Device { port, .. } => (port, NetworkId(0), None),
        Carrier::Network(network) => (PortId::NETWORK, network, None),
        Carrier::Tunnel { tunnel, key } => (PortId::TUNNEL, NetworkId(0), Some((tunnel, key))),
    };
    let valid = |address: &IpAddr| learned.is_valid(interface.id, *address);
    let link_local = interface.link_local_for(mac);
    let sources = icmp_sources(router, interface, learned);
    let virtual_routers = learned.virtual_routers(interface.id);
    let own = valid(&link_local.into()).then_some(link_local);
    let shared = virtual_routers.v6().filter(Ipv6Addr::is_unicast_link_local);
    let unaccepted = virtual_routers
        .addresses
        .iter()
        .filter(|(.., accept)| !accept);
    Some(forwarding::Interface {
        network,
        tunnel,
        mtu: interface.mtu,
        ip6: interface.mtu >= MIN_IPV6_MTU,
        // Without an IPv4 address too: its next hops may be IPv6 ones (RFC 8950).
        ip4: true,
        link_local: own.into_iter().chain(shared).collect(),
        unaccepted: unaccepted
            .map(|(address, ..)| match address {
                IpAddr::V6(v6) => *v6,
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            })
            .collect(),
        virtual_macs: virtual_routers.macs.clone(),
        bfd: !interface.bfd.is_empty(),
        anycast6: interface
            .anycast
            .iter()
            .copied()
            .chain(interface.subnet_router_anycast())
            .collect(),
        icmp_source6: sources.0,
        icmp_source4: sources.1,
        groups6: groups6(interface, mac)
            .into_iter()
            .chain(virtual_routers.v6().map(solicited_node))
            .collect(),
        all_solicited_nodes: proxies_a_prefix(interface),
        groups4: groups4(interface).into_iter().collect(),
        broadcast4: broadcasts(interface),
        urpf6: urpf(interface.urpf_v6),
        urpf4: urpf(interface.urpf_v4),
        redirects: interface.redirects,
        dhcp: Dhcp {
            server6: interface.serves_dhcp6() || relay::hears6(router, interface),
            server4: interface.serves_dhcp4() || relay::hears4(router, interface),
            client6: interface.dhcp6_client.is_some(),
        },
        ..forwarding::Interface::new(
            interface.id,
            port,
            tags(interface.carrier.tag()),
            mac.octets(),
            router.id,
        )
    })
}

/// Source addresses of ICMP errors: the interface's own first (RFC 1812 section 4.3.2.4), else another of its router.
fn icmp_sources(
    router: &Router,
    interface: &Interface,
    learned: &impl Learned,
) -> (Option<Ipv6Addr>, Option<Ipv4Addr>) {
    let others = router
        .interfaces
        .iter()
        .filter(|other| other.id != interface.id);
    let candidates: Vec<IpAddr> = std::iter::once(interface)
        .chain(others)
        .flat_map(|i| i.addresses.iter().map(|net| (i.id, net.addr())))
        .filter(|(id, address)| learned.is_valid(*id, *address))
        .map(|(_, address)| address)
        .collect();
    let v6 = candidates.iter().find_map(|address| match address {
        IpAddr::V6(v6) => Some(*v6),
        IpAddr::V4(_) => None,
    });
    let v4 = candidates.iter().find_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    (v6, v4)
}

/// IPv6 groups to join: all nodes, all routers, and the solicited-node group of each unicast and anycast address
/// (RFC 4291 section 2.8); with a DHCPv6 server also those that clients and relay agents ask (RFC 8415 section 7.1).
/// Tentative addresses count: duplicate detection listens there.
pub fn groups6(interface: &Interface, mac: MacAddr) -> BTreeSet<Ipv6Addr> {
    if interface.mtu < MIN_IPV6_MTU {
        return BTreeSet::new();
    }
    let own = interface
        .addresses
        .iter()
        .filter_map(|net| match net.addr() {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        });
    let proxied = interface
        .proxy_nd
        .iter()
        .filter(|net| net.prefix_len() == 128);
    let dhcp = interface
        .serves_dhcp6()
        .then_some([v6::ALL_DHCP_RELAY_AGENTS_AND_SERVERS, v6::ALL_DHCP_SERVERS]);
    // Relay agents are in the first group alone (RFC 8415 section 7.1).
    let relay = interface
        .relays_dhcp6()
        .then_some([v6::ALL_DHCP_RELAY_AGENTS_AND_SERVERS]);
    let dhcp = dhcp
        .into_iter()
        .flatten()
        .chain(relay.into_iter().flatten());
    own.chain([interface.link_local_for(mac)])
        .chain(interface.subnet_router_anycast())
        .chain(interface.anycast.iter().copied())
        .chain(proxied.map(|net| net.addr()))
        .map(solicited_node)
        .chain([ALL_NODES, ALL_ROUTERS])
        .chain(
            interface
                .speaks_vrrp(Family::V6)
                .then_some(vrrp::packet::GROUP6),
        )
        .chain(dhcp.map(Ipv6Addr::from_bits))
        .chain(
            interface
                .tunnel_groups
                .iter()
                .filter_map(|group| match group {
                    IpAddr::V6(group) => Some(*group),
                    IpAddr::V4(_) => None,
                }),
        )
        .collect()
}

/// IPv4 groups to join: all hosts (RFC 1112 section 4), and those by which tunnels flood.
pub fn groups4(interface: &Interface) -> BTreeSet<Ipv4Addr> {
    let groups = interface.tunnel_groups.iter();
    let groups = groups.filter_map(|group| match group {
        IpAddr::V4(group) => Some(*group),
        IpAddr::V6(_) => None,
    });
    let vrrp = interface.speaks_vrrp(Family::V4);
    groups
        .chain([ALL_HOSTS])
        .chain(vrrp.then_some(vrrp::packet::GROUP4))
        .collect()
}

fn broadcasts(interface: &Interface) -> Vec<Ipv4Addr> {
    let of = |net: &IpNet| match net {
        IpNet::V4(net) => broadcast(net),
        IpNet::V6(_) => None,
    };
    let set: BTreeSet<Ipv4Addr> = interface.addresses.iter().filter_map(of).collect();
    set.into_iter().collect()
}

pub(super) fn rate(rate: model::Rate) -> forwarding::Rate {
    forwarding::Rate {
        per_second: rate.per_second,
        burst: rate.burst,
    }
}

fn urpf(mode: Urpf) -> forwarding::Urpf {
    match mode {
        Urpf::Off => forwarding::Urpf::Off,
        Urpf::Strict => forwarding::Urpf::Strict,
        Urpf::Loose => forwarding::Urpf::Loose,
        Urpf::Station => forwarding::Urpf::Station,
    }
}

pub(super) fn tags(tag: Tag) -> Tags {
    match tag {
        Tag::Untagged => Tags::None,
        Tag::Vlan(vid) => Tags::Vlan(vid),
        Tag::QinQ { outer, inner, .. } => Tags::QinQ { outer, inner },
    }
}

/// Whether it answers for more addresses than can be listed, each with a solicited-node group of its own.
fn proxies_a_prefix(interface: &Interface) -> bool {
    interface.proxy_nd.iter().any(|net| net.prefix_len() < 128)
}

/// What a device must let in beside broadcasts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MacFilter {
    /// Unicast addresses beside the device's own.
    pub unicast: BTreeSet<MacAddr>,
    /// Multicast addresses.
    pub multicast: BTreeSet<MacAddr>,
    /// Every multicast: solicitations for the addresses of a proxied prefix go to more groups than can be listed.
    pub all_multicast: bool,
    /// Every frame: a network of it has stations anywhere.
    pub promiscuous: bool,
}

/// The MAC filter of each open device that has interfaces or networks.
pub fn mac_filters(model: &Model, learned: &impl Learned) -> BTreeMap<PortId, MacFilter> {
    let mut filters: BTreeMap<PortId, MacFilter> = BTreeMap::new();
    let locals = model.networks.iter().flat_map(|network| &network.locals);
    for local in locals.filter(|local| learned.mac(local.device).is_some()) {
        let filter = filters.entry(local.device).or_default();
        (filter.all_multicast, filter.promiscuous) = (true, true);
    }
    for (_, interface) in model.interfaces() {
        let Some(port) = interface.carrier.device() else {
            continue;
        };
        let Some(device_mac) = learned.mac(port) else {
            continue;
        };
        let filter = filters.entry(port).or_default();
        let mac = interface.mac.unwrap_or(device_mac);
        if mac != device_mac {
            filter.unicast.insert(mac);
        }
        let groups = groups6(interface, mac);
        filter
            .multicast
            .extend(groups.iter().map(MacAddr::for_ipv6_multicast));
        let groups = groups4(interface).into_iter();
        filter
            .multicast
            .extend(groups.map(MacAddr::for_ipv4_multicast));
        filter.all_multicast |= proxies_a_prefix(interface);
        // Also while they are backups: at a change there is no time to lose.
        for group in &interface.vrrp {
            let virtual_mac = group.virtual_mac.then_some(group.config.mac);
            filter.unicast.extend(virtual_mac);
            let addresses = group.addresses().iter();
            filter.multicast.extend(addresses.filter_map(|a| match a {
                IpAddr::V6(v6) => Some(MacAddr::for_ipv6_multicast(&solicited_node(*v6))),
                IpAddr::V4(_) => None,
            }));
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use dataplane::forwarding::Selected;

    struct AllValid;

    impl Learned for AllValid {
        fn mac(&self, port: PortId) -> Option<MacAddr> {
            (port == PortId(0)).then_some(MacAddr([2, 0, 0, 0, 0, 1]))
        }
        fn made_mac(&self, interface: &str) -> MacAddr {
            make_mac(&[1], interface)
        }
        fn is_valid(&self, _: IfaceId, address: IpAddr) -> bool {
            address != "2001:db8:2::1".parse::<IpAddr>().unwrap()
        }
        fn path_mtu(&self, tunnel: TunnelId) -> Option<u16> {
            (tunnel == TunnelId(1)).then_some(1400)
        }
    }

    /// As `AllValid`, later: the first tunnel's path has become narrower.
    struct Narrow;

    impl Learned for Narrow {
        fn mac(&self, port: PortId) -> Option<MacAddr> {
            AllValid.mac(port)
        }
        fn made_mac(&self, interface: &str) -> MacAddr {
            AllValid.made_mac(interface)
        }
        fn is_valid(&self, iface: IfaceId, address: IpAddr) -> bool {
            AllValid.is_valid(iface, address)
        }
        fn path_mtu(&self, tunnel: TunnelId) -> Option<u16> {
            (tunnel == TunnelId(1)).then_some(1290)
        }
    }

    const TEXT: &str = r#"
[[device]]
name = "lan"
kind = "null"
[[device]]
name = "closed"
kind = "null"
[[router]]
name = "main"
[[router.interface]]
name = "lan0"
device = "lan"
addresses = ["2001:db8:1::1:2345/64", "192.0.2.1/24", "192.0.2.2/24"]
anycast = ["2001:db8:1::53"]
urpf_v6 = "strict"
[[router.interface]]
name = "lan100"
device = "lan"
vlan = 100
outer_vlan = 7
mac = "02:00:00:00:00:64"
addresses = ["2001:db8:2::1/64"]
proxy_nd = ["2001:db8:9::/64"]
[[router.interface]]
name = "closed0"
device = "closed"
"#;

    fn model() -> Model {
        crate::config::parse(Path::new("t.toml"), TEXT)
            .unwrap()
            .model
    }

    #[test]
    fn the_snapshot_holds_interfaces_of_open_devices() {
        let snapshot = forwarding(&model(), &AllValid, None);
        assert_eq!(snapshot.interfaces().count(), 2);
        let lan = snapshot.interface(IfaceId(1)).unwrap();
        assert_eq!(
            lan.link_local,
            ["fe80::ff:fe00:1".parse::<Ipv6Addr>().unwrap()]
        );
        assert_eq!(lan.icmp_source4, Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(lan.broadcast4, [Ipv4Addr::new(192, 0, 2, 255)]);
        assert_eq!(
            (lan.urpf6, lan.urpf4),
            (forwarding::Urpf::Strict, forwarding::Urpf::Off)
        );
        let groups: Vec<String> = lan.groups6.iter().map(ToString::to_string).collect();
        assert_eq!(
            groups,
            [
                "ff02::1",
                "ff02::2",
                "ff02::1:ff00:0",
                "ff02::1:ff00:1",
                "ff02::1:ff00:53",
                "ff02::1:ff01:2345"
            ]
        );
        let vlan = snapshot.interface(IfaceId(2)).unwrap();
        assert_eq!(
            vlan.tags,
            Tags::QinQ {
                outer: 7,
                inner: 100
            }
        );
        assert_eq!(vlan.mac, [2, 0, 0, 0, 0, 0x64]);
        // Its own address is not valid: errors come from another of the router.
        assert_eq!(
            vlan.icmp_source6,
            Some("2001:db8:1::1:2345".parse().unwrap())
        );
        assert_eq!(
            snapshot.port(PortId(0)).unwrap().tags.select([7, 100], 2),
            Selected::Interface(IfaceId(2))
        );
    }

    #[test]
    fn a_dhcp_server_is_heard_and_in_its_groups() {
        let servers = |text: &str| {
            let loaded = crate::config::parse(Path::new("t.toml"), text).unwrap();
            let snapshot = forwarding(&loaded.model, &AllValid, None);
            let filters = mac_filters(&loaded.model, &AllValid);
            let lan = snapshot.interface(IfaceId(1)).unwrap();
            let joined = lan.groups6.iter().map(ToString::to_string);
            let joined: Vec<_> = joined
                .filter(|g| g.ends_with(":1:2") || g.ends_with(":1:3"))
                .collect();
            let filter = filters[&PortId(0)]
                .multicast
                .contains(&MacAddr([0x33, 0x33, 0, 1, 0, 2]));
            (lan.dhcp, joined, filter)
        };
        assert_eq!(servers(TEXT), (Dhcp::default(), vec![], false));
        let text = TEXT.replace(
            "urpf_v6 = \"strict\"",
            "[[router.interface.subnet]]\nprefix = \"2001:db8:1::/64\"\naddress_mode = \"dhcpv6-stateful\"",
        );
        let (dhcp, joined, filter) = servers(&text);
        assert_eq!(
            dhcp,
            Dhcp {
                server6: true,
                ..Dhcp::default()
            }
        );
        assert_eq!(joined, ["ff02::1:2", "ff05::1:3"]);
        let loaded = crate::config::parse(
            Path::new("t.toml"),
            &format!("[forwarding]\ndhcp_per_device = 7\n{TEXT}"),
        );
        let snapshot = forwarding(&loaded.unwrap().model, &AllValid, None);
        let of = |class: PuntClass| snapshot.punt_rates[class.index()].per_second;
        assert_eq!(
            (
                of(PuntClass::Dhcp6),
                of(PuntClass::Dhcp4),
                of(PuntClass::Nd)
            ),
            (7, 7, 1000)
        );
        assert!(filter);
    }

    #[test]
    fn a_tunnel_carries_what_its_path_is_known_to_carry() {
        let vtep = |name: &str, last: u8, mtu: u16| {
            format!(
                "[[vtep]]\nname = \"{name}\"\nkind = \"vxlan\"\nrouter = \"main\"\n\
                 local = \"2001:db8:1::1:2345\"\nremote = \"2001:db8:9::{last}\"\nmtu = {mtu}\n"
            )
        };
        for (mtu, expected) in [(1500, [1400, 1500]), (1300, [1300, 1300])] {
            let text = TEXT.to_owned() + &vtep("one", 1, mtu) + &vtep("two", 2, mtu);
            let loaded = crate::config::parse(Path::new("t.toml"), &text).unwrap();
            let before = forwarding(&loaded.model, &AllValid, None);
            let mtus =
                |of: &Forwarding| [1, 2].map(|id| of.networks.tunnel(TunnelId(id)).unwrap().mtu);
            assert_eq!(mtus(&before), expected);
            // The path is narrower by now: the next snapshot knows.
            let after = forwarding(&loaded.model, &Narrow, Some(&before));
            assert_eq!(mtus(&after), [1290, expected[1]]);
            assert_eq!(mtus(&before), expected);
        }
    }

    #[test]
    fn filters_let_in_what_the_interfaces_listen_to() {
        let filters = mac_filters(&model(), &AllValid);
        assert_eq!(filters.len(), 1);
        let filter = &filters[&PortId(0)];
        assert_eq!(
            filter.unicast,
            BTreeSet::from([MacAddr([2, 0, 0, 0, 0, 0x64])])
        );
        assert!(filter.all_multicast);
        assert!(
            filter
                .multicast
                .contains(&MacAddr([0x33, 0x33, 0xff, 1, 0x23, 0x45]))
        );
        assert!(filter.multicast.contains(&MacAddr([1, 0, 0x5e, 0, 0, 1])));
    }
}
