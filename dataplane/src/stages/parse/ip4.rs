//! The IPv4 header and its options.

use dpdk::{Mbuf, mbuf};
use wire::addr::v4;
use wire::ipv4::{Ipv4Header, Ipv4Packet};

use super::{Verdict, onward, short, trim};
use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::Interface;
use crate::frame::{Family, Meta, flags};
use crate::graph::Stage;

const HEADER: usize = 20;
const UDP: u8 = 17;

pub(super) fn header(
    mbuf: &mut Mbuf,
    meta: &mut Meta,
    interface: &Interface,
    counters: &WorkerCounters,
) -> Verdict {
    use DropReason::*;
    meta.family = Family::V4;
    let l3 = usize::from(meta.l3);
    let Some(&[version_ihl, _, len0, len1]) = mbuf.data()[l3..].first_chunk::<4>() else {
        return Verdict::Drop(short(mbuf, l3 + HEADER, Ip4Truncated));
    };
    let header_len = usize::from(version_ihl & 0xf) * 4;
    let len = u32::from(u16::from_be_bytes([len0, len1]));
    if version_ihl >> 4 != 4 {
        return Verdict::Drop(Ip4BadVersion);
    }
    if header_len < HEADER {
        return Verdict::Drop(Ip4BadHeaderLength);
    }
    if mbuf.data().len() < l3 + header_len {
        return Verdict::Drop(short(mbuf, l3 + header_len, Ip4Truncated));
    }
    if (len as usize) < header_len || l3 as u32 + len > mbuf.pkt_len() {
        return Verdict::Drop(Ip4BadLength);
    }
    meta.len = len;
    let checked = mbuf.ol_flags() & mbuf::flags::RX_IP_CKSUM_MASK;
    let packet = match Ipv4Header::parse_prefix(&mbuf.data()[l3..]) {
        Ok(packet) => packet,
        Err(_) => return Verdict::Drop(Ip4Truncated),
    };
    if checked != mbuf::flags::RX_IP_CKSUM_GOOD && packet.verify_checksum().is_err() {
        return Verdict::Drop(Ip4BadChecksum);
    }
    if !interface.ip4 {
        return Verdict::Drop(Ip4NotEnabled);
    }
    counters.interface(interface.id).rx4.add(1, u64::from(len));
    let verdict = examine(meta, &packet, interface);
    trim(mbuf, meta);
    verdict
}

fn examine(meta: &mut Meta, packet: &Ipv4Packet<'_>, interface: &Interface) -> Verdict {
    use DropReason::*;
    let header = packet.header;
    let (source, destination) = (header.source().to_bits(), header.destination().to_bits());
    meta.protocol = header.protocol().0;
    meta.l4 = meta.l3 + header.header_len() as u16;
    if !packet.options.is_empty() {
        if packet.options.into_iter().any(|option| option.is_err()) {
            return Verdict::Drop(Ip4Options);
        }
        // Refused in either form (RFC 7126 sections 4.3 and 4.4).
        if packet.options.has_source_route() {
            return Verdict::Drop(Ip4SourceRoute);
        }
        if packet.options.has_router_alert() {
            meta.flags |= flags::ROUTER_ALERT;
        }
    }
    if header.is_fragment() {
        meta.flags |= flags::FRAGMENT;
        if header.fragment_offset() != 0 {
            meta.flags |= flags::LATER_FRAGMENT;
        }
        let payload = header.total_len() - header.header_len();
        if header.fragment_offset() + payload > usize::from(u16::MAX) {
            return Verdict::Drop(Ip4FragmentMalformed);
        }
    }
    if let Some(reason) = forbidden(source, destination) {
        return Verdict::Drop(reason);
    }
    if v4::is_multicast(destination) {
        return Verdict::To(Stage::Local);
    }
    // A host without an address broadcasts to the DHCP server; which port that is, the local stage sees.
    let may_be_dhcp = interface.dhcp.server4 && meta.protocol == UDP && !meta.has(flags::FRAGMENT);
    if v4::is_limited_broadcast(destination) {
        return match may_be_dhcp {
            true => Verdict::To(Stage::Local),
            false => Verdict::Drop(Ip4Broadcast),
        };
    }
    if meta.has(flags::LINK_MULTICAST) {
        let directed = interface.broadcast4.contains(&header.destination());
        return match (directed, may_be_dhcp) {
            (true, true) => Verdict::To(Stage::Local),
            (true, false) => Verdict::Drop(Ip4DirectedBroadcast),
            (false, _) => Verdict::Drop(Ip4UnicastInMulticastFrame),
        };
    }
    onward(interface.urpf4)
}

/// Addresses that no packet from a link may carry (RFC 1812 section 5.3.7). `0.0.0.0` as source is judged by the
/// route stage: a host without an address may talk to us.
fn forbidden(source: u32, destination: u32) -> Option<DropReason> {
    use DropReason::*;
    Some(match () {
        () if v4::is_loopback(source) => Ip4SourceLoopback,
        () if v4::is_this_network(source) && source != 0 => Ip4SourceUnspecified,
        () if source >= 0xe000_0000 => Ip4SourceMulticast,
        () if v4::is_martian_destination(destination) => Ip4DestinationMartian,
        () => return None,
    })
}
