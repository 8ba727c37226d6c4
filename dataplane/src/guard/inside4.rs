//! ARP and IPv4: what a machine says of its address, and whether it may.

use wire::addr::v4;
use wire::arp::{ArpPacket, Operation};
use wire::ipv4::Ipv4Header;
use wire::ipv6::Protocol;

use super::judge::{Case, NotOwned};
use super::note::Saying;
use super::{Kind, OVERLAP};
use crate::drop::DropReason;

/// Ports of DHCP (RFC 2131 section 4.1).
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// The first byte of a client's message (RFC 951).
const BOOTREQUEST: u8 = 1;
/// IGMP's membership query (RFC 3376 section 4).
const IGMP_QUERY: u8 = 0x11;

const fn mapped(address: u32) -> u128 {
    0xffff << 32 | address as u128
}

pub(super) fn judge_arp(case: &mut Case<'_>) -> Result<Kind, DropReason> {
    let arp = ArpPacket::parse(case.seen.packet).map_err(|_| DropReason::ArpMalformed)?;
    if arp.sender_mac().octets() != case.seen.source {
        return Err(DropReason::ArpSpoofed);
    }
    let (sender, target) = (arp.sender_ip().to_bits(), arp.target_ip().to_bits());
    if !v4::is_unspecified(sender) {
        let owned = owns(case, sender);
        return owned
            .map(|()| Kind::Arp)
            .map_err(|_| DropReason::ArpSpoofed);
    }
    // RFC 5227 section 2.1.1: a probe asks with no address of its own.
    if arp.operation() != Operation::Request {
        return Err(DropReason::ArpSpoofed);
    }
    match case.owns(mapped(target), Saying::Probes) {
        Ok(()) | Err(NotOwned::New | NotOwned::Tentative) => Ok(Kind::Arp),
        Err(NotOwned::Full) => Err(DropReason::AddressLimit),
        Err(NotOwned::Claimed) => Err(DropReason::AddressClaimed),
        Err(NotOwned::Never) => Err(DropReason::ArpSpoofed),
    }
}

fn owns(case: &mut Case<'_>, address: u32) -> Result<(), NotOwned> {
    case.owns(mapped(address), Saying::Uses)
}

pub(super) fn judge(case: &mut Case<'_>) -> Result<Kind, DropReason> {
    let seen = case.seen;
    let Ok(packet) = Ipv4Header::parse_prefix(seen.packet) else {
        return Err(
            match seen.packet.first().map(|first| (first >> 4, first & 0xf)) {
                Some((4, ihl)) if ihl < 5 => DropReason::Ip4BadHeaderLength,
                Some((4, ihl)) if usize::from(ihl) * 4 <= seen.packet.len() => {
                    DropReason::Ip4BadLength
                }
                Some((4, _)) | None => DropReason::Ip4Truncated,
                Some(_) => DropReason::Ip4BadVersion,
            },
        );
    };
    let header = packet.header;
    if seen.is_whole && seen.packet.len() < header.total_len() {
        return Err(DropReason::Ip4BadLength);
    }
    let len = header.total_len() - header.header_len();
    let upper = &packet.payload[..len.min(packet.payload.len())];
    let (source, destination) = (header.source().to_bits(), header.destination().to_bits());
    let mut kind = Kind::Data;
    let mut asks_for_address = false;
    if header.fragment_offset() != 0 {
        // None that begins so early can be told from one that writes over what the first has shown (RFC 1858).
        if header.fragment_offset() < OVERLAP {
            return Err(DropReason::GuardUndecidable);
        }
    } else {
        if upper.len() < shown(header.protocol(), header.more_fragments()) {
            return Err(DropReason::GuardUndecidable);
        }
        match header.protocol() {
            Protocol::UDP => {
                let ports = dhcp(case, upper)?;
                let is_broadcast = v4::is_limited_broadcast(destination);
                asks_for_address = ports == Some((CLIENT, SERVER)) && is_broadcast;
                if asks_for_address || ports.is_some() && case.guard.roles.dhcp4_server {
                    kind = Kind::Dhcp;
                }
            }
            Protocol::VRRP => match case.guard.forges(false, upper) {
                Some(true) => return Err(DropReason::VrrpGuard),
                Some(false) => {}
                None => return Err(DropReason::GuardUndecidable),
            },
            Protocol::IGMP => {
                if upper.first() == Some(&IGMP_QUERY) && !case.guard.roles.router {
                    return Err(DropReason::MldQueryGuard);
                }
                if v4::is_multicast(destination) {
                    kind = Kind::Listener;
                }
            }
            _ => {}
        }
    }
    // RFC 2131 section 4.1: a client without an address asks from none.
    if !(asks_for_address && v4::is_unspecified(source)) {
        owns(case, source).map_err(|_| DropReason::Ip4SourceSpoofed)?;
    }
    Ok(kind)
}

/// How much of its upper layer a packet shows, and a first fragment too.
const fn shown(protocol: Protocol, is_fragment: bool) -> usize {
    match protocol {
        Protocol::TCP if is_fragment => 20,
        Protocol::UDP | Protocol::IGMP => 8,
        _ => 0,
    }
}

/// The ports of a message of DHCP. An error: its sender may not send it.
fn dhcp(case: &Case<'_>, upper: &[u8]) -> Result<Option<(u16, u16)>, DropReason> {
    let word = |at| u16::from_be_bytes([upper[at], upper[at + 1]]);
    let (from, to) = (word(0), word(2));
    if !matches!(from, SERVER | CLIENT) && !matches!(to, SERVER | CLIENT) {
        return Ok(None);
    }
    if case.guard.roles.dhcp4_server {
        return Ok(Some((from, to)));
    }
    if from == SERVER || to == CLIENT {
        return Err(DropReason::Dhcp4Guard);
    }
    if to == SERVER {
        // RFC 2131 section 2: op, htype, hlen; giaddr and chaddr further on.
        let message = &upper[8..];
        let (Some(&[op, htype, hlen]), Some(ends)) = (message.first_chunk(), message.get(24..34))
        else {
            return Err(DropReason::GuardUndecidable);
        };
        let (giaddr, chaddr) = ends.split_at(4);
        let is_own = chaddr.first_chunk().is_some_and(|mac| case.is_own_mac(mac));
        if op != BOOTREQUEST || (htype, hlen) != (1, 6) || giaddr != [0; 4] || !is_own {
            return Err(DropReason::Dhcp4Guard);
        }
    }
    Ok(Some((from, to)))
}
