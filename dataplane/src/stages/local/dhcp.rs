//! DHCP for us: told by its UDP port, checked, and punted. Everything else is left to who asked.
//!
//! The control plane is given no datagram whose length or checksum is wrong. A checksum that a device has verified, or
//! that a virtual machine leaves open because its packet never was on a wire, is not computed.

use dpdk::{Mbuf, mbuf};
use tables::next_hop::NextHopKind;
use wire::checksum::Sum;

use super::{UDP, Verdict, is_intact, upper, upper_len};
use crate::drop::DropReason;
use crate::forwarding::{Dhcp, Interface};
use crate::frame::Meta;
use crate::punt::PuntClass;
use crate::stages::route::{destination4, destination6, source4, source6};
use crate::state::Context;

/// Ports of DHCPv6 (RFC 8415 section 7.2).
const CLIENT6: u16 = 546;
const SERVER6: u16 = 547;
/// Port of DHCPv4 servers and relay agents (RFC 2131 section 4.1).
const SERVER4: u16 = 67;
/// Bytes of a UDP header.
const HEADER: u32 = 8;

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
    is_ours.then(|| {
        let mut sum = Sum::new();
        sum.add(&source6(mbuf, meta).to_be_bytes());
        sum.add(&destination6(mbuf, meta).to_be_bytes());
        checked(mbuf, meta, sum, false, PuntClass::Dhcp6)
    })
}

/// The verdict on a packet over IPv4 if it is DHCP that is heard.
pub(super) fn v4(mbuf: &Mbuf, meta: &Meta, heard: Dhcp) -> Option<Verdict> {
    let is_ours = port(mbuf, meta)? == SERVER4 && heard.server4;
    is_ours.then(|| {
        let mut sum = Sum::new();
        sum.add(&source4(mbuf, meta).to_be_bytes());
        sum.add(&destination4(mbuf, meta).to_be_bytes());
        checked(mbuf, meta, sum, true, PuntClass::Dhcp4)
    })
}

/// The destination port of a UDP datagram, if the packet reaches that far.
fn port(mbuf: &Mbuf, meta: &Meta) -> Option<u16> {
    if meta.protocol != UDP {
        return None;
    }
    let &[_, _, p0, p1] = upper(mbuf, meta)?;
    Some(u16::from_be_bytes([p0, p1]))
}

/// To the control plane if length and checksum are right; `addresses` is the sum of both addresses.
fn checked(
    mbuf: &Mbuf,
    meta: &Meta,
    addresses: Sum,
    may_lack_checksum: bool,
    class: PuntClass,
) -> Verdict {
    let Some(&[_, _, _, _, l0, l1, c0, c1]) = upper(mbuf, meta) else {
        return Verdict::Drop(DropReason::UdpBadLength);
    };
    let len = u32::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER || len > upper_len(meta) {
        return Verdict::Drop(DropReason::UdpBadLength);
    }
    let intact = || {
        let mut sum = addresses;
        sum.add_u32(len);
        sum.add_u32(UDP.into());
        is_intact(sum, mbuf, meta, len)
    };
    let is_absent = [c0, c1] == [0, 0];
    let right = match mbuf.ol_flags() & mbuf::flags::RX_L4_CKSUM_MASK {
        mbuf::flags::RX_L4_CKSUM_NONE => true,
        _ if is_absent => may_lack_checksum,
        mbuf::flags::RX_L4_CKSUM_GOOD => true,
        _ => intact(),
    };
    match right {
        true => Verdict::Punt(class),
        false => Verdict::Drop(DropReason::UdpBadChecksum),
    }
}
