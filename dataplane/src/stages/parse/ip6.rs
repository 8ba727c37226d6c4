//! The IPv6 header and its extension headers.

use dpdk::Mbuf;
use wire::addr::v6;
use wire::ext_header::{self, Chain, ChainError};

use super::{Verdict, onward, short, trim};
use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::Interface;
use crate::frame::{Family, Meta, flags};
use crate::graph::Stage;

const HEADER: usize = 40;

pub(super) fn header(
    mbuf: &mut Mbuf,
    meta: &mut Meta,
    interface: &Interface,
    counters: &WorkerCounters,
) -> Verdict {
    use DropReason::*;
    meta.family = Family::V6;
    let l3 = usize::from(meta.l3);
    let Some(&bytes) = mbuf.data()[l3..].first_chunk::<HEADER>() else {
        return Verdict::Drop(short(mbuf, l3 + HEADER, Ip6Truncated));
    };
    if bytes[0] >> 4 != 6 {
        return Verdict::Drop(Ip6BadVersion);
    }
    let len = HEADER as u32 + u32::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    if l3 as u32 + len > mbuf.pkt_len() {
        return Verdict::Drop(Ip6BadLength);
    }
    meta.len = len;
    if len == HEADER as u32 && bytes[6] == 0 {
        return Verdict::Drop(Ip6Jumbogram);
    }
    trim(mbuf, meta);
    if !interface.ip6 {
        return Verdict::Drop(Ip6NotEnabled);
    }
    counters.interface(interface.id).rx6.add(1, u64::from(len));
    let (source, destination) = addresses(&bytes);
    if let Some(reason) = forbidden(source, destination) {
        return Verdict::Drop(reason);
    }
    let packet = &mbuf.data()[l3..];
    let chain = match ext_header::walk(packet) {
        Ok(chain) => chain,
        Err(error) => return broken(error, (packet.len() as u32) < len),
    };
    if let Some(reason) = note(meta, packet, &chain) {
        return Verdict::Drop(reason);
    }
    if v6::is_multicast(destination) {
        return match v6::multicast_scope(destination) {
            Some(v6::MulticastScope::Reserved0 | v6::MulticastScope::InterfaceLocal) => {
                Verdict::Drop(Ip6MulticastScope)
            }
            _ => Verdict::To(Stage::Local),
        };
    }
    if meta.has(flags::LINK_MULTICAST) {
        return Verdict::Drop(Ip6UnicastInMulticastFrame);
    }
    if v6::is_link_local(destination) {
        return Verdict::To(Stage::Local);
    }
    onward(interface.urpf6)
}

/// Source and destination of a header, as numbers.
fn addresses(header: &[u8; HEADER]) -> (u128, u128) {
    let at = |start: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[start..start + 16]);
        u128::from_be_bytes(octets)
    };
    (at(8), at(24))
}

/// Addresses that no packet from a link may carry. Those that may not be *forwarded* are the route stage's.
fn forbidden(source: u128, destination: u128) -> Option<DropReason> {
    use DropReason::*;
    let mapped = |a| v6::is_v4_mapped(a) || v6::is_v4_compatible(a);
    Some(match () {
        () if v6::is_multicast(source) => Ip6SourceMulticast,
        () if v6::is_loopback(source) => Ip6SourceLoopback,
        () if mapped(source) => Ip6SourceMapped,
        () if v6::is_unspecified(destination) => Ip6DestinationUnspecified,
        () if v6::is_loopback(destination) => Ip6DestinationLoopback,
        () if mapped(destination) => Ip6DestinationMapped,
        () => return None,
    })
}

/// Writes down what the walk found.
fn note(meta: &mut Meta, packet: &[u8], chain: &Chain) -> Option<DropReason> {
    meta.protocol = chain.protocol.0;
    meta.l4 = meta.l3 + chain.offset as u16;
    if let Some(fragment) = chain.fragment {
        if !fragment.is_atomic() {
            meta.flags |= flags::FRAGMENT;
        }
        if !fragment.is_first() {
            meta.flags |= flags::LATER_FRAGMENT;
        }
        let payload = meta.len as usize - chain.offset.min(meta.len as usize);
        if usize::from(fragment.offset) + payload > usize::from(u16::MAX) {
            return Some(DropReason::Ip6FragmentMalformed);
        }
    }
    if chain.hop_by_hop.is_some() && ext_header::router_alert(packet, chain).is_some() {
        meta.flags |= flags::ROUTER_ALERT;
    }
    None
}

/// The verdict on a chain that could not be walked. `cut`: the first segment ends before the packet.
fn broken(error: ChainError, cut: bool) -> Verdict {
    use DropReason::*;
    match error {
        ChainError::Truncated { .. } | ChainError::FirstFragmentIncomplete { .. } if cut => {
            Verdict::Drop(HeaderNotContiguous)
        }
        ChainError::Truncated { .. } => Verdict::Drop(Ip6ExtensionTruncated),
        ChainError::TooManyHeaders { .. } => Verdict::Drop(Ip6ExtensionTooMany),
        // RFC 8200 section 4: unrecognised next header, code 1.
        ChainError::HopByHopNotFirst { field } => {
            Verdict::Refuse(Ip6HopByHopNotFirst, field as u32)
        }
        // RFC 5095 section 3: as an unrecognised routing type; the pointer is to the type.
        ChainError::RoutingType0 { at } => Verdict::Refuse(Ip6RoutingHeader0, at as u32 + 2),
        // RFC 7112 section 5: code 3, pointer 0.
        ChainError::FirstFragmentIncomplete { .. } => {
            Verdict::Refuse(Ip6FirstFragmentIncomplete, 0)
        }
        ChainError::SecondFragmentHeader { .. } => Verdict::Drop(Ip6FragmentMalformed),
        ChainError::JumboPayload => Verdict::Drop(Ip6Jumbogram),
    }
}
