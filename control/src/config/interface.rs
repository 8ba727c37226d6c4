//! The `[[router.interface]]` tables.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use dataplane::forwarding::network::TunnelKind;
use ipnet::IpNet;
use protocols::vrrp::Family;
use tables::id::{IfaceId, NetworkId, PortId, TunnelId};
use wire::MacAddr;

use super::document::{Seen, Subnets};
use super::fault::nearest;
use super::reader::Table;
use super::schema::{DHCP4, DHCP4_RELAY, DHCP6, DHCP6_RELAY, GRE, ND, NEIGHBOR, RA};
use super::{
    bfd, delegated, dhcp4, dhcp6, dhcp6_client, nd, net, port, ra, relay, subnet, vrrp, vtep,
};
use crate::model::{Carrier, Interface, Port, StaticNeighbor, Tag, Urpf};

/// Least MTU of a link that carries IPv6 (RFC 8200 section 5).
const MIN_IPV6_MTU: u16 = 1280;

/// Reads an interface; `None` when it cannot stand in the checks that follow.
pub(super) fn read(
    table: &Table<'_>,
    id: IfaceId,
    seen: &mut Seen,
    subnets: &mut Subnets,
) -> Option<Interface> {
    let name = seen.interfaces.take(table, "interface");
    let carrier = carrier(table, name.as_deref().unwrap_or_default(), seen);
    let mac = table.get("mac").and_then(|value| net::mac(&value));
    if let (Some((Carrier::Network(network), _)), Some(mac)) = (&carrier, mac) {
        claim_mac(table, seen, (*network, mac));
    }
    let mtu = mtu(table, carrier.as_ref().map(|(_, bound)| bound));
    let addresses = addresses(table, id, subnets);
    let urpf = urpf(table, "urpf").unwrap_or_default();
    let anycast = anycast(table, &addresses);
    let proxy_nd = table.list("proxy_nd", net::prefix_v6).unwrap_or_default();
    let link_local = table
        .get("link_local")
        .and_then(|value| net::link_local(&value));
    let neighbors = neighbors(table, &addresses, link_local);
    let mut nd = table
        .table("nd", &ND)
        .map_or_else(protocols::nd::Config::default, |t| nd::read(&t));
    nd.proxy = proxy_nd
        .iter()
        .map(|net| (IpAddr::V6(net.network()), net.prefix_len()))
        .collect();
    let ra_table = table.table("ra", &RA);
    let listed = ra_table
        .as_ref()
        .is_some_and(|ra| ra.get("prefix").is_some());
    let ra = ra_table.map(|table| ra::read(&table, &addresses, mtu));
    let (subnets, subnets4) = subnet::read(table, Some(&addresses));
    let ports = port::read(table, &addresses);
    let delegated = delegated::read(table, name.as_deref(), &mut seen.delegated);
    let dhcp6 = table
        .table("dhcp6", &DHCP6)
        .map(|table| dhcp6::read(&table));
    dhcp6::claim(table, seen, (&subnets, &ports), dhcp6.as_ref());
    let dhcp4 = table
        .table("dhcp4", &DHCP4)
        .map(|table| dhcp4::read(&table));
    dhcp4::claim(table, seen, &subnets4);
    let called = name.as_deref().unwrap_or_default();
    let dhcp6_relay = table
        .table("dhcp6_relay", &DHCP6_RELAY)
        .map(|t| relay::read6(&t, called, &addresses, &mut seen.relays));
    let dhcp4_relay = table
        .table("dhcp4_relay", &DHCP4_RELAY)
        .and_then(|t| relay::read4(&t, called, &addresses, mtu, &mut seen.relays));
    if dhcp6_relay.is_some() && (dhcp6.is_some() || subnets.iter().any(|s| s.has_dhcp())) {
        let why = "a DHCPv6 server on the same interface would answer the same clients: take away `dhcp6` and `address_mode`, or the relay";
        table.fault("dhcp6_relay", why);
    }
    if dhcp4_relay.is_some() && (dhcp4.is_some() || subnets4.iter().any(|s| s.enable_dhcp)) {
        let why = "a DHCPv4 server on the same interface would answer the same clients: take away `dhcp4` and `enable_dhcp`, or the relay";
        table.fault("dhcp4_relay", why);
    }
    let dhcp6_client = dhcp6_client::read(table, name.as_deref(), seen);
    let vrrp = vrrp::read(table, &addresses, link_local, seen);
    let bfd = bfd::read(table, &addresses, link_local, seen);
    if table.boolean("directed_broadcast") == Some(true) {
        let why = "packets to a subnet's broadcast address are never forwarded (RFC 2644)";
        table.fault("directed_broadcast", why);
    }
    let speaks_ipv6 = ra.is_some()
        || link_local.is_some()
        || dhcp6.is_some()
        || !delegated.is_empty()
        || dhcp6_relay.is_some()
        || dhcp6_client.is_some()
        || vrrp.iter().any(|group| group.family == Family::V6)
        || bfd.iter().any(|session| session.peer.is_ipv6())
        || !anycast.is_empty()
        || addresses.iter().any(|net| matches!(net, IpNet::V6(_)));
    if mtu < MIN_IPV6_MTU && speaks_ipv6 {
        let why = format!("{mtu} is too small for IPv6, which needs at least {MIN_IPV6_MTU}");
        table.fault("mtu", why);
    }
    let urpf_v4 = self::urpf(table, "urpf_v4").unwrap_or(urpf);
    let urpf_v6 = self::urpf(table, "urpf_v6").unwrap_or(urpf);
    let guarded = [urpf_v4, urpf_v6].contains(&Urpf::Station);
    if table.get("gre").is_some() {
        check_tunnel(table, guarded);
    }
    nd.first_come = guarded;
    let neighbors = if guarded {
        bound(neighbors, &ports)
    } else {
        neighbors
    };
    let redirects = table.boolean("redirects").unwrap_or(true);
    let given = ra.is_some();
    let mut ra = ra.unwrap_or_default();
    subnet::advertise(table, &mut ra, &subnets, given, listed);
    subnet::tell_ports(table, &mut ra, &subnets, &ports);
    let preferred = ra.prefixes.iter().any(|prefix| prefix.prefer_delegation)
        || delegated.iter().any(|d| d.subnet.prefer_delegation);
    let has_pool = dhcp6.as_ref().is_some_and(|d| !d.prefix_pools.is_empty());
    if preferred && !has_pool && dhcp6_relay.is_none() {
        let why = "prefer_delegation has hosts ask for prefixes, and there is neither a prefix_pool nor a relay: they will go on with the addresses they form";
        table.warn("dhcp6", why);
    }
    if let Some((Carrier::Network(_), _)) = carrier
        && MIN_IPV6_MTU <= mtu
    {
        // Hosts cannot know what lies between the segments.
        ra.link_mtu.get_or_insert(mtu.into());
    }
    // All keys are read by now: what follows may leave without hiding a fault.
    Some(Interface {
        id,
        urpf_v4,
        urpf_v6,
        redirects,
        name: name?,
        carrier: carrier.map_or(NOWHERE, |(carrier, _)| carrier),
        mac,
        mtu,
        addresses,
        link_local,
        anycast,
        proxy_nd,
        neighbors,
        nd,
        ra,
        subnets,
        delegated,
        ports,
        dhcp6,
        subnets4,
        dhcp4,
        dhcp6_relay,
        dhcp4_relay,
        dhcp6_client,
        vrrp,
        bfd,
        tunnel_groups: BTreeSet::new(),
    })
}

/// Where an interface is whose place was faulted.
const NOWHERE: Carrier = Carrier::Device {
    port: PortId(u16::MAX),
    tag: Tag::Untagged,
};

/// Longest packet that is carried, and by what.
type Bound = (u16, &'static str);

/// What carries the interface; `None` when that was faulted, here or where it stands.
fn carrier(table: &Table<'_>, name: &str, seen: &mut Seen) -> Option<(Carrier, Bound)> {
    let given = |name| table.get(name).is_some();
    let tag = tag(table);
    let places = ["device", "network", "gre"];
    let mut named = places.into_iter().filter(|place| given(place));
    let (Some(place), second) = (named.next(), named.next()) else {
        let why = "one of `device`, `network` and `gre` must say where the interface is";
        table.fault("device", why);
        return None;
    };
    if let Some(second) = second {
        table.fault(second, format_args!("`{place}` says already where it is"));
    }
    if place != "device" {
        for tag in ["vlan", "outer_vlan", "outer_tpid"] {
            if given(tag) {
                table.fault(tag, format_args!("goes with `device`, not with `{place}`"));
            }
        }
    }
    match place {
        "device" => {
            let (port, mtu) = device(table, seen)?;
            let tag = tag?;
            let fields = ["device", "vlan", "outer_vlan"];
            claim_tag(table, seen, (port, tag), ("an interface", name), fields);
            Some((Carrier::Device { port, tag }, (mtu, "the device's mtu")))
        }
        "network" => {
            let (network, mtu) = network(table, seen)?;
            Some((Carrier::Network(network), (mtu, "the network's mtu")))
        }
        _ => {
            let (tunnel, key, mtu) = gre(table, name, seen)?;
            let carrier = Carrier::Tunnel { tunnel, key };
            Some((carrier, (mtu, "what the tunnel carries")))
        }
    }
}

/// The device that is named, with its MTU; `None` without a fault when that device itself is faulty.
pub(super) fn device(table: &Table<'_>, seen: &Seen) -> Option<(PortId, u16)> {
    let value = table.require("device")?;
    let name = value.string()?;
    if let Some(device) = seen.device_mtu.get(name) {
        return Some(*device);
    }
    if !seen.devices.contains(name) {
        value.fault(format_args!(
            "there is no device \"{name}\"{}",
            hint(name, seen.devices.iter())
        ));
    }
    None
}

/// The network that is named, with its MTU; `None` without a fault when that network itself is faulty.
fn network(table: &Table<'_>, seen: &Seen) -> Option<(NetworkId, u16)> {
    let value = table.get("network")?;
    let name = value.string()?;
    let known = seen.networks.whole.get(name).copied();
    if known.is_none() && !seen.networks.names.contains(name) {
        let hint = hint(name, seen.networks.names.iter());
        value.fault(format_args!("there is no network \"{name}\"{hint}"));
    }
    known
}

/// The tunnel that the interface is, with its key and what it carries.
fn gre(table: &Table<'_>, name: &str, seen: &mut Seen) -> Option<(TunnelId, Option<u32>, u16)> {
    let gre = table.table("gre", &GRE)?;
    let key = gre.integer("key", 0..=u64::from(u32::MAX));
    let value = gre.require("vtep")?;
    let peer = value.string()?;
    let Some((vtep, _)) = seen.vteps.whole.get(peer) else {
        if !seen.vteps.names.contains(peer) {
            let hint = hint(peer, seen.vteps.names.iter());
            value.fault(format_args!("there is no vtep \"{peer}\"{hint}"));
        }
        return None;
    };
    if vtep.kind != TunnelKind::Gre {
        let kind = vtep::word(vtep.kind);
        value.fault(format_args!(
            "vtep \"{peer}\" is of kind {kind}; an interface is a tunnel of kind gre"
        ));
        return None;
    }
    if vtep.remote.is_multicast() {
        value.fault(format_args!(
            "vtep \"{peer}\" is a multicast group; a tunnel has one other end"
        ));
        return None;
    }
    let owner = seen.tunnels.entry((vtep.id, key));
    let owner = owner.or_insert_with(|| name.to_owned());
    if owner != name {
        let why = format!("interface \"{owner}\" is the tunnel to vtep \"{peer}\" with this key");
        gre.fault("key", why);
    }
    Some((vtep.id, key, vtep.packet_mtu()))
}

/// Faults what makes no sense where there are no stations.
fn check_tunnel(table: &Table<'_>, guarded: bool) {
    let of_links = [
        "mac",
        "neighbor",
        "nd",
        "ra",
        "proxy_nd",
        "subnet",
        "delegated",
        "port",
        "dhcp6",
        "dhcp4",
        "dhcp6_relay",
        "dhcp4_relay",
        "dhcp6_client",
        "vrrp",
        "bfd",
    ];
    for key in of_links {
        if table.get(key).is_some() {
            table.fault(key, "a tunnel has no stations, only its other end");
        }
    }
    if guarded {
        let why = "\"station\" tells stations apart, and a tunnel has none";
        table.fault("urpf", why);
    }
}

/// Faults a MAC address that another interface or a station has on the network.
fn claim_mac(table: &Table<'_>, seen: &mut Seen, key: (NetworkId, MacAddr)) {
    match seen.networks.macs.get(&key) {
        Some(other) => table.fault(
            "mac",
            format_args!("{} is the address of {other} on this network", key.1),
        ),
        None => {
            seen.networks.macs.insert(key, table.at.path.clone());
        }
    }
}

/// What may be meant instead of `name`, as the end of a sentence.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if known.is_empty() => "; the file defines none".into(),
        None if known.len() > 8 => String::new(),
        None => format!("; the file defines: {}", known.join(", ")),
    }
}

fn tag(table: &Table<'_>) -> Option<Tag> {
    let vlan: Option<u16> = table.integer("vlan", 1..=4094);
    let outer: Option<u16> = table.integer("outer_vlan", 1..=4094);
    let outer_tpid = table.choice("outer_tpid", &[("802.1ad", 0x88a8), ("802.1q", 0x8100)]);
    let given = |name| table.get(name).is_some();
    if given("outer_vlan") && !given("vlan") {
        table.fault("outer_vlan", "needs `vlan`, the inner tag");
        return None;
    }
    if given("outer_tpid") && !given("outer_vlan") {
        table.fault("outer_tpid", "needs `outer_vlan`");
    }
    match (vlan, outer) {
        (None, None) if given("vlan") || given("outer_vlan") => None,
        (None, None) => Some(Tag::Untagged),
        (Some(_), None) if given("outer_vlan") => None,
        (Some(vlan), None) => Some(Tag::Vlan(vlan)),
        (Some(inner), Some(outer)) => Some(Tag::QinQ {
            outer_tpid: outer_tpid.unwrap_or(0x88a8),
            outer,
            inner,
        }),
        (None, Some(_)) => None,
    }
}

/// The tag as the packet path knows it, which does not tell outer TPIDs apart.
pub(super) const fn same_tag(tag: Tag) -> Tag {
    match tag {
        Tag::QinQ { outer, inner, .. } => Tag::QinQ {
            outer_tpid: 0,
            outer,
            inner,
        },
        tag => tag,
    }
}

/// Faults a tag that another interface or network has on the device. The packet path does not tell outer TPIDs apart.
/// `owner` is a noun with its article, and a name; `fields` are the keys of device, VLAN and outer VLAN.
pub(super) fn claim_tag(
    table: &Table<'_>,
    seen: &mut Seen,
    (port, tag): (PortId, Tag),
    owner: (&'static str, &str),
    fields: [&'static str; 3],
) {
    let key = (port, same_tag(tag));
    if let Some((noun, other)) = seen.tags.get(&key) {
        let [device, vlan, outer_vlan] = fields;
        let (field, what) = match key.1 {
            Tag::Untagged => {
                let noun = noun.split(' ').next_back().unwrap_or(noun);
                (device, format!("an untagged {noun}"))
            }
            Tag::Vlan(vid) => (vlan, format!("{noun} of VLAN {vid}")),
            Tag::QinQ { outer, inner, .. } => {
                (outer_vlan, format!("{noun} of VLAN {outer}.{inner}"))
            }
        };
        table.fault(
            field,
            format_args!("the device has {what} already: \"{other}\""),
        );
    } else {
        let (noun, name) = owner;
        seen.tags.insert(key, (noun, name.to_owned()));
    }
}

fn mtu(table: &Table<'_>, bound: Option<&Bound>) -> u16 {
    let own: Option<u16> = table.integer("mtu", 68..=9600);
    if let (Some(own), Some((bound, whose))) = (own, bound)
        && own > *bound
    {
        table.fault("mtu", format_args!("{own} is above {whose}, {bound}"));
    }
    own.or(bound.map(|(mtu, _)| *mtu)).unwrap_or(1500)
}

fn addresses(table: &Table<'_>, id: IfaceId, subnets: &mut Subnets) -> Vec<IpNet> {
    let items = table
        .get("addresses")
        .and_then(|value| value.items())
        .unwrap_or_default();
    let mut addresses = Vec::new();
    for item in &items {
        let Some(net) = net::own_address(item) else {
            continue;
        };
        if let Some(other) = subnets.overlap(&net, id) {
            item.fault(format_args!(
                "\"{net}\" overlaps {other}: a router's subnets must not, or it could not tell where hosts are"
            ));
            continue;
        }
        subnets.insert(net, id, item.at.path.clone());
        addresses.push(net);
    }
    addresses
}

fn urpf(table: &Table<'_>, name: &'static str) -> Option<Urpf> {
    table.choice(
        name,
        &[
            ("off", Urpf::Off),
            ("strict", Urpf::Strict),
            ("loose", Urpf::Loose),
            ("station", Urpf::Station),
        ],
    )
}

fn anycast(table: &Table<'_>, addresses: &[IpNet]) -> Vec<Ipv6Addr> {
    let mut seen: HashSet<IpAddr> = addresses.iter().map(IpNet::addr).collect();
    let read = |value: &super::reader::Value<'_>| {
        let address = net::unicast_v6(value)?;
        if address.is_unicast_link_local() {
            value.fault(format_args!(
                "\"{address}\" is link-local; an anycast address is not"
            ));
            return None;
        }
        Some((address, value.at.clone()))
    };
    let mut anycast = Vec::new();
    for (address, at) in table.list("anycast", read).unwrap_or_default() {
        if seen.insert(address.into()) {
            anycast.push(address);
        } else {
            table.cx.fault(
                &at,
                format_args!("\"{address}\" is an address of this interface already"),
            );
        }
    }
    anycast
}

fn neighbors(
    table: &Table<'_>,
    addresses: &[IpNet],
    link_local: Option<Ipv6Addr>,
) -> Vec<StaticNeighbor> {
    let mut seen = HashSet::new();
    let mut neighbors = Vec::new();
    for entry in table.tables("neighbor", &NEIGHBOR) {
        let address = entry
            .require("address")
            .and_then(|value| net::unicast(&value));
        let mac = entry.require("mac").and_then(|value| net::mac(&value));
        let Some(address) = address else { continue };
        let own = addresses.iter().any(|net| net.addr() == address)
            || link_local.is_some_and(|own| address == own);
        if own {
            entry.fault("address", format_args!("{address} is the interface's own"));
        } else if !on_link(addresses, address) {
            let why = format!("{address} is neither link-local nor on a subnet of the interface");
            entry.fault("address", why);
        }
        if !seen.insert(address) {
            entry.fault(
                "address",
                format_args!("{address} is a static neighbour already"),
            );
        }
        if let Some(mac) = mac {
            neighbors.push(StaticNeighbor { address, mac });
        }
    }
    neighbors
}

/// Static neighbours, and where stations are told apart what ports have: nobody else can come first to it.
fn bound(mut neighbors: Vec<StaticNeighbor>, ports: &[Port]) -> Vec<StaticNeighbor> {
    for port in ports {
        let Some(mac) = port.mac else { continue };
        for &address in &port.addresses {
            if !neighbors.iter().any(|n| n.address == address) {
                neighbors.push(StaticNeighbor { address, mac });
            }
        }
    }
    neighbors
}

/// Whether `address` can be a neighbour on an interface with these own addresses.
pub(super) fn on_link(addresses: &[IpNet], address: IpAddr) -> bool {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    link_local || addresses.iter().any(|net| net.contains(&address))
}
