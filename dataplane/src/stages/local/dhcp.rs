//! DHCP for us: told by its UDP port, checked, and punted. Everything else is left to who asked.

use dpdk::Mbuf;
use tables::next_hop::NextHopKind;

use super::Verdict;
use super::datagram::{checked4, checked6, port};
use crate::forwarding::{Dhcp, Interface};
use crate::frame::Meta;
use crate::punt::PuntClass;
use crate::state::Context;

/// Ports of DHCPv6 (RFC 8415 section 7.2).
const CLIENT6: u16 = 546;
const SERVER6: u16 = 547;
/// Port of DHCPv4 servers and relay agents (RFC 2131 section 4.1).
const SERVER4: u16 = 67;

/// What is heard of a packet: by the interface that it came in by, and by the one that owns its destination.
pub(super) fn heard(cx: &Context<'_>, meta: &Meta, interface: Option<&Interface>) -> Dhcp {
    let next_hop = cx.next_hops.get(meta.next_hop);
    let owner = match next_hop.kind {
        NextHopKind::Local => cx.forwarding.interface(next_hop.iface),
        _ => None,
    };
    let of = |interface: Option<&Interface>| interface.map_or_else(Dhcp::default, |i| i.dhcp);
    of(interface).or(of(owner))
}

/// The verdict on a packet over IPv6 if it is DHCP that is heard.
pub(super) fn v6(mbuf: &Mbuf, meta: &Meta, heard: Dhcp) -> Option<Verdict> {
    let is_ours = match port(mbuf, meta)? {
        SERVER6 => heard.server6,
        CLIENT6 => heard.client6,
        _ => false,
    };
    is_ours.then(|| checked6(mbuf, meta, PuntClass::Dhcp6))
}

/// The verdict on a packet over IPv4 if it is DHCP that is heard.
pub(super) fn v4(mbuf: &Mbuf, meta: &Meta, heard: Dhcp) -> Option<Verdict> {
    let is_ours = port(mbuf, meta)? == SERVER4 && heard.server4;
    is_ours.then(|| checked4(mbuf, meta, PuntClass::Dhcp4))
}
