//! Packets for one of our own addresses or groups: answered here, sorted for the control plane, or dropped.
//!
//! Echo requests are answered by the worker (`echo`). Neighbour discovery, router discovery, MLD, IGMP and ARP are
//! punted, each class behind its own policer, and so are DHCP (`dhcp`), VRRP and BFD (`bfd`) where they are on. Any other UDP datagram is
//! answered with port unreachable, an unknown protocol with protocol unreachable (RFC 1122 section 3.2.2.1, RFC 8200
//! section 4). TCP is dropped in silence: its own answer, a reset, is not made here.
//!
//! Fragments for one of our addresses, or for the groups of DHCPv6 servers where one is on, are punted, to be put together
//! there; fragments for other groups are dropped.

use std::net::Ipv4Addr;

use dpdk::Mbuf;
use tables::next_hop::NextHopKind;
use wire::addr::{v4, v6};
use wire::checksum::Sum;
use wire::ext_header;

use crate::drop::DropReason;
use crate::forwarding::{Dhcp, Interface};
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::icmp::{self, source};
use crate::path_mtu;
use crate::punt::PuntClass;
use crate::stages::route::{destination4, destination6, hop_limit, source4, source6};
use crate::state::{Context, WorkerState};

mod bfd;
mod datagram;
mod decap;
mod dhcp;
mod echo;
#[cfg(test)]
mod tests;

const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const NO_NEXT_HEADER: u8 = 59;
const VRRP: u8 = 112;

/// ICMPv6 types that are for the control plane.
const MLD_QUERY: u8 = 130;
const MLD_REPORT: u8 = 131;
const MLD_DONE: u8 = 132;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const MLD2_REPORT: u8 = 143;

/// What becomes of a packet for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// To the control plane.
    Punt(PuntClass),
    /// Away.
    Drop(DropReason),
    /// Away with an ICMP error; the parameter is [`Meta::param`].
    Refuse(DropReason, u32),
    /// An echo request: answered from this address.
    Echo6(u128),
    /// As `Echo6`.
    Echo4(u32),
}

/// Sees to the packets of its list.
pub fn local(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Local) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        if decap::is_ours(cx, &mbuf, &meta) {
            match decap::unpack(cx, mbuf, &meta, w) {
                Ok((inner, stage)) => w.enter(mbuf, inner, stage),
                Err(reason) => frame.drop(slot, reason),
            }
            continue;
        }
        let interface = cx.forwarding.interface(meta.iface);
        let heard = dhcp::heard(cx, &meta, interface);
        let verdict = match meta.family {
            Family::V6 => {
                let anycast = is_anycast(cx, &mbuf, &meta);
                ip6(&mbuf, &meta, interface, heard, anycast)
            }
            Family::V4 => ip4(&mbuf, &meta, interface, heard),
            Family::Arp => Verdict::Punt(PuntClass::Arp),
        };
        let verdict = match verdict {
            verdict if is_unaccepted(cx, &mbuf, &meta, interface) => unaccepted(verdict),
            Verdict::Drop(DropReason::IcmpIgnored) if is_of_a_tunnel(cx, &mbuf, &meta) => {
                Verdict::Punt(PuntClass::PathMtu)
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Punt(class) => frame.punt(slot, class),
            Verdict::Drop(reason) => frame.drop(slot, reason),
            Verdict::Refuse(reason, param) => frame.refuse(slot, reason, param),
            Verdict::Echo6(own) => echo::reply6(cx, mbuf, &meta, own, w),
            Verdict::Echo4(own) => echo::reply4(cx, mbuf, &meta, own, w),
        }
    }
}

/// Whether an ICMP message for us, its checksum verified, says that an outer packet of a tunnel of ours did not fit.
fn is_of_a_tunnel(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta) -> bool {
    let networks = &cx.forwarding.networks;
    if !networks.has_tunnels() || meta.has(flags::LINK_MULTICAST) {
        return false;
    }
    let packet = mbuf.data().get(usize::from(meta.l3)..);
    let told = packet.and_then(path_mtu::read);
    told.is_some_and(|told| networks.sender(meta.vrf, &told).is_some())
}

/// Whether an IPv6 packet went to an anycast address of ours: the interface that owns it stands in the next hop.
pub(super) fn is_anycast(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta) -> bool {
    let next_hop = cx.next_hops.get(meta.next_hop);
    let owner = cx.forwarding.interface(next_hop.iface);
    let address = || destination6(mbuf, meta);
    next_hop.kind == NextHopKind::Local
        && owner.is_some_and(|owner| owner.anycast6.iter().any(|own| own.to_bits() == address()))
}

/// Whether a packet went to an address of a virtual router that does not accept packets: the interface that has it stands in the
/// next hop, of a link-local address it is the one that the packet came in by.
fn is_unaccepted(
    cx: &Context<'_>,
    mbuf: &Mbuf,
    meta: &Meta,
    interface: Option<&Interface>,
) -> bool {
    let next_hop = cx.next_hops.get(meta.next_hop);
    let owner = match next_hop.kind {
        NextHopKind::Local => cx.forwarding.interface(next_hop.iface),
        _ => None,
    };
    let mut of = interface.into_iter().chain(owner);
    let address = || match meta.family {
        Family::V6 => destination6(mbuf, meta).into(),
        _ => Ipv4Addr::from(destination4(mbuf, meta)).to_ipv6_mapped(),
    };
    of.any(|of| !of.unaccepted.is_empty() && of.unaccepted.contains(&address()))
}

/// What becomes of it: routers and hosts find each other, and get their addresses, all the same.
fn unaccepted(verdict: Verdict) -> Verdict {
    use PuntClass::{Arp, Dhcp4, Dhcp6, Nd, Rs, Vrrp};
    match verdict {
        Verdict::Punt(Nd | Rs | Arp | Dhcp6 | Dhcp4 | Vrrp) | Verdict::Drop(_) => verdict,
        _ => Verdict::Drop(DropReason::UnacceptedAddress),
    }
}

fn ip6(
    mbuf: &Mbuf,
    meta: &Meta,
    interface: Option<&Interface>,
    heard: Dhcp,
    anycast: bool,
) -> Verdict {
    let destination = destination6(mbuf, meta);
    let link_local = |interface: &Interface| {
        interface
            .link_local
            .iter()
            .any(|own| own.to_bits() == destination)
    };
    if v6::is_link_local(destination) && !interface.is_some_and(link_local) {
        return Verdict::Drop(DropReason::Ip6DestinationLinkLocal);
    }
    let group = v6::is_multicast(destination);
    if group && !is_mld_for_routers(mbuf, meta) && !has_joined6(interface, destination) {
        return Verdict::Drop(DropReason::Ip6NoGroup);
    }
    let mut next_header_at = 6;
    if usize::from(meta.l4) != usize::from(meta.l3) + 40 {
        let packet = mbuf.data().get(usize::from(meta.l3)..).unwrap_or_default();
        // The parse stage has walked this chain already.
        let Ok(chain) = ext_header::walk(packet) else {
            return Verdict::Drop(DropReason::Ip6ExtensionTruncated);
        };
        next_header_at = chain.protocol_field as u32;
        // Headers are processed in their order (RFC 8200 section 4).
        let routed_at = chain.routing.filter(|r| r.segments_left > 0).map(|r| r.at);
        if let Some(at) = ext_header::refused_option(packet, &chain)
            && routed_at.is_none_or(|routed_at| at < routed_at)
        {
            // RFC 8200 section 4.2: 01 is discarded in silence, 10 and 11 are answered.
            return match packet.get(at).map_or(0, |kind| kind >> 6) {
                0b01 => Verdict::Drop(DropReason::Ip6OptionUnknown),
                _ => Verdict::Refuse(DropReason::Ip6OptionUnknown, at as u32),
            };
        }
        // RFC 8200 section 4.4: no routing type is processed here; the pointer is to the type.
        if let Some(at) = routed_at {
            return Verdict::Refuse(DropReason::Ip6RoutingHeader, at as u32 + 2);
        }
    }
    if meta.has(flags::FRAGMENT) {
        return fragment(group && !(heard.server6 && is_for_dhcp_servers(destination)));
    }
    match meta.protocol {
        icmp::PROTOCOL_ICMPV6 => icmp6(mbuf, meta, interface, destination, anycast),
        NO_NEXT_HEADER => Verdict::Drop(DropReason::NoProtocol),
        VRRP if hears_vrrp(interface) => vrrp(mbuf, meta),
        protocol => {
            let bfd = bfd::v6(mbuf, meta, interface).filter(|_| !group);
            let dhcp = || dhcp::v6(mbuf, meta, heard);
            bfd.or_else(dhcp).unwrap_or_else(|| {
                let joined = group && is_for_others_to_sort(destination);
                other(protocol, joined, group, next_header_at)
            })
        }
    }
}

/// The groups that a client or relay agent asks (RFC 8415 section 7.1). What it asks may be long.
fn is_for_dhcp_servers(group: u128) -> bool {
    [v6::ALL_DHCP_RELAY_AGENTS_AND_SERVERS, v6::ALL_DHCP_SERVERS].contains(&group)
}

/// A piece of a packet for us. `group`: for one whose packets are not put together.
fn fragment(group: bool) -> Verdict {
    if group {
        Verdict::Drop(DropReason::LocalFragment)
    } else {
        Verdict::Punt(PuntClass::Fragment)
    }
}

/// Whether a group was joined for a protocol that is not looked into here.
fn is_for_others_to_sort(group: u128) -> bool {
    group != v6::ALL_NODES && !is_for_dhcp_servers(group) && !v6::is_solicited_node(group)
}

/// A protocol without an answer of its own. `joined`: to a group that was joined for its sake (routing, VRRP).
fn other(protocol: u8, joined: bool, group: bool, next_header_at: u32) -> Verdict {
    match protocol {
        _ if joined => Verdict::Punt(PuntClass::Local),
        UDP if !group => Verdict::Refuse(DropReason::NoListener, 0),
        UDP | TCP => Verdict::Drop(DropReason::NoListener),
        _ if group => Verdict::Drop(DropReason::NoProtocol),
        _ => Verdict::Refuse(DropReason::NoProtocol, next_header_at),
    }
}

fn hears_vrrp(interface: Option<&Interface>) -> bool {
    interface.is_some_and(|interface| interface.virtual_macs.is_some())
}

/// RFC 9568 section 7.1: what is not 255 has come through a router.
fn vrrp(mbuf: &Mbuf, meta: &Meta) -> Verdict {
    match hop_limit(mbuf, meta) {
        255 => Verdict::Punt(PuntClass::Vrrp),
        _ => Verdict::Drop(DropReason::VrrpHopLimit),
    }
}

fn has_joined6(interface: Option<&Interface>, group: u128) -> bool {
    let joined = |interface: &Interface| {
        interface
            .groups6
            .iter()
            .any(|joined| joined.to_bits() == group)
    };
    let proxied =
        |interface: &Interface| interface.all_solicited_nodes && v6::is_solicited_node(group);
    // Every node is a member of all-nodes (RFC 4291 section 2.8).
    interface.is_some_and(|i| group == v6::ALL_NODES || joined(i) || proxied(i))
}

/// Whether this is a multicast listener message that asks routers to look, whatever its group (RFC 3810 section 5).
fn is_mld_for_routers(mbuf: &Mbuf, meta: &Meta) -> bool {
    meta.has(flags::ROUTER_ALERT)
        && meta.protocol == icmp::PROTOCOL_ICMPV6
        && matches!(
            mbuf.data().get(usize::from(meta.l4)),
            Some(&(MLD_QUERY | MLD_REPORT | MLD_DONE | MLD2_REPORT))
        )
}

fn icmp6(
    mbuf: &Mbuf,
    meta: &Meta,
    interface: Option<&Interface>,
    destination: u128,
    anycast: bool,
) -> Verdict {
    let Some(&[kind, code, _, _]) = upper(mbuf, meta) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    let source = source6(mbuf, meta);
    let mut sum = Sum::new();
    sum.add(&source.to_be_bytes());
    sum.add(&destination.to_be_bytes());
    sum.add_u32(upper_len(meta));
    sum.add_u32(meta.protocol.into());
    if upper_len(meta) < 4 || !is_intact(sum, mbuf, meta, upper_len(meta)) {
        return Verdict::Drop(DropReason::IcmpMalformed);
    }
    // RFC 4861 section 6.1: what is not 255 has come through a router.
    let discovery = |class| match hop_limit(mbuf, meta) {
        255 => Verdict::Punt(class),
        _ => Verdict::Drop(DropReason::NdHopLimit),
    };
    match kind {
        icmp::V6_ECHO_REQUEST if upper_len(meta) < 8 || code != 0 => {
            Verdict::Drop(DropReason::IcmpMalformed)
        }
        icmp::V6_ECHO_REQUEST => {
            let from = echo_source6(source, destination, interface, anycast);
            from.map_or(Verdict::Drop(DropReason::IcmpIgnored), Verdict::Echo6)
        }
        NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT => discovery(PuntClass::Nd),
        ROUTER_SOLICITATION => discovery(PuntClass::Rs),
        ROUTER_ADVERTISEMENT => discovery(PuntClass::Ra),
        icmp::V6_REDIRECT => discovery(PuntClass::Redirect),
        MLD_QUERY | MLD_REPORT | MLD_DONE | MLD2_REPORT => Verdict::Punt(PuntClass::Mld),
        _ => Verdict::Drop(DropReason::IcmpIgnored),
    }
}

/// The address an echo request is answered from; `None` if it is not answered. RFC 4443 section 4.2: a group or anycast
/// address does not name its answerer, so a unicast address of the receiving interface does.
fn echo_source6(
    source: u128,
    destination: u128,
    interface: Option<&Interface>,
    anycast: bool,
) -> Option<u128> {
    if v6::is_unspecified(source) || v6::is_multicast(source) {
        return None;
    }
    let group = v6::is_multicast(destination);
    if !group && !anycast {
        return Some(destination);
    }
    let interface = interface.filter(|interface| anycast || interface.echo_multicast)?;
    let own = interface
        .link_local
        .iter()
        .copied()
        .chain(interface.icmp_source6);
    source::v6(source.into(), own).map(u128::from)
}

fn ip4(mbuf: &Mbuf, meta: &Meta, interface: Option<&Interface>, heard: Dhcp) -> Verdict {
    let destination = destination4(mbuf, meta);
    let group = v4::is_multicast(destination);
    // The parse stage lets through what may be DHCP, and nothing else.
    if v4::is_limited_broadcast(destination) {
        return dhcp::v4(mbuf, meta, heard).unwrap_or(Verdict::Drop(DropReason::Ip4Broadcast));
    }
    if meta.has(flags::LINK_MULTICAST) && !group {
        let other = Verdict::Drop(DropReason::Ip4DirectedBroadcast);
        return dhcp::v4(mbuf, meta, heard).unwrap_or(other);
    }
    let igmp_for_routers = meta.protocol == IGMP && meta.has(flags::ROUTER_ALERT);
    if group && !igmp_for_routers && !has_joined4(interface, destination) {
        return Verdict::Drop(DropReason::Ip4NoGroup);
    }
    if meta.has(flags::FRAGMENT) {
        return fragment(group);
    }
    match meta.protocol {
        icmp::PROTOCOL_ICMP => icmp4(mbuf, meta, destination),
        IGMP => Verdict::Punt(PuntClass::Igmp),
        VRRP if hears_vrrp(interface) => vrrp(mbuf, meta),
        protocol => {
            let service = if group {
                None
            } else {
                bfd::v4(mbuf, meta, interface).or_else(|| dhcp::v4(mbuf, meta, heard))
            };
            let joined = group && destination != v4::ALL_SYSTEMS;
            // 9: the offset of the protocol field.
            service.unwrap_or_else(|| other(protocol, joined, group, 9))
        }
    }
}

fn has_joined4(interface: Option<&Interface>, group: u32) -> bool {
    let joined = |interface: &Interface| {
        interface
            .groups4
            .iter()
            .any(|joined| joined.to_bits() == group)
    };
    // Every host is a member of all-systems (RFC 1112 section 4).
    interface.is_some_and(|interface| group == v4::ALL_SYSTEMS || joined(interface))
}

fn icmp4(mbuf: &Mbuf, meta: &Meta, destination: u32) -> Verdict {
    let Some(&[kind, code, _, _]) = upper(mbuf, meta) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    if upper_len(meta) < 8 || !is_intact(Sum::new(), mbuf, meta, upper_len(meta)) {
        return Verdict::Drop(DropReason::IcmpMalformed);
    }
    let source = source4(mbuf, meta);
    match (kind, code) {
        // RFC 1812 section 4.3.3.6: an echo request to a group is not answered.
        (icmp::V4_ECHO_REQUEST, 0) if !v4::is_multicast(destination) && source != 0 => {
            Verdict::Echo4(destination)
        }
        _ => Verdict::Drop(DropReason::IcmpIgnored),
    }
}

/// Bytes of the upper-layer packet.
fn upper_len(meta: &Meta) -> u32 {
    (u32::from(meta.l3) + meta.len).saturating_sub(u32::from(meta.l4))
}

/// The first bytes of the upper-layer packet, if it has them and they are in the first segment.
fn upper<'a, const N: usize>(mbuf: &'a Mbuf, meta: &Meta) -> Option<&'a [u8; N]> {
    let end = (u32::from(meta.l3) + meta.len) as usize;
    let data = mbuf.data();
    data.get(usize::from(meta.l4)..data.len().min(end))?
        .first_chunk()
}

/// Whether the first `len` bytes of the upper-layer packet, with what `sum` holds already, carry their right checksum;
/// across segments.
fn is_intact(mut sum: Sum, mbuf: &Mbuf, meta: &Meta, len: u32) -> bool {
    let (mut skip, mut left) = (usize::from(meta.l4), len as usize);
    for segment in mbuf.segments() {
        let data = segment.data();
        let part = data.get(skip.min(data.len())..).unwrap_or_default();
        skip -= skip.min(data.len());
        let part = &part[..part.len().min(left)];
        left -= part.len();
        sum.add(part);
    }
    left == 0 && sum.is_valid()
}
