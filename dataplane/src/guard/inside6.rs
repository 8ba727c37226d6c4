//! IPv6: what stands behind the extension headers, and whether its sender may say it.

use wire::addr::v6;
use wire::ext_header::{self, Chain, ChainError};
use wire::icmpv6::{is_listener_discovery, message};
use wire::ipv6::{Ipv6Header, Protocol};
use wire::nd;
use wire::nd_option::{NdOption, OptionError, Options, kind};

use super::judge::{Case, NotOwned};
use super::note::Saying;
use super::{Kind, OVERLAP};
use crate::drop::DropReason;

/// Certification path solicitation (RFC 3971), of whose fragments RFC 6980 section 5 speaks too.
const PATH_SOLICITATION: u8 = 148;
/// Multicast router advertisement and termination (RFC 4286): who says them draws groups to itself.
const MULTICAST_ROUTER: [u8; 2] = [151, 153];
/// Kept for experiments (RFC 3692), and extension headers in IANA's list: what is behind them is not known.
const EXPERIMENTS: [Protocol; 2] = [Protocol(253), Protocol(254)];

/// Ports of DHCPv6 (RFC 9915 section 7.2).
const CLIENT: u16 = 546;
const SERVER: u16 = 547;

/// An IPv6 packet that has been found to be one.
struct Packet<'a> {
    header: &'a Ipv6Header,
    chain: Chain,
    /// The upper layer, as much as is to be seen.
    upper: &'a [u8],
    source: u128,
    destination: u128,
}

pub(super) fn judge(case: &mut Case<'_>) -> Result<Kind, DropReason> {
    let seen = case.seen;
    let Ok((header, _)) = Ipv6Header::parse_prefix(seen.packet) else {
        return Err(match seen.packet.len() < Ipv6Header::LEN {
            true => DropReason::Ip6Truncated,
            false => DropReason::Ip6BadVersion,
        });
    };
    let end = Ipv6Header::LEN + header.payload_len();
    if seen.is_whole && seen.packet.len() < end {
        return Err(DropReason::Ip6BadLength);
    }
    let bytes = &seen.packet[..end.min(seen.packet.len())];
    let chain = ext_header::walk(bytes).map_err(|error| match error {
        ChainError::RoutingType0 { .. } => DropReason::Ip6RoutingHeader0,
        _ => DropReason::GuardUndecidable,
    })?;
    let packet = Packet {
        header,
        upper: bytes.get(chain.offset..).unwrap_or_default(),
        chain,
        source: header.source().to_bits(),
        destination: header.destination().to_bits(),
    };
    fragment(&packet)?;
    if !packet.chain.has_upper_layer() {
        return data(case, &packet);
    }
    match packet.chain.protocol {
        Protocol::ICMPV6 => icmp(case, &packet),
        Protocol::UDP => udp(case, &packet),
        Protocol::VRRP => vrrp(case, &packet),
        protocol if EXPERIMENTS.contains(&protocol) => Err(DropReason::GuardUndecidable),
        _ => data(case, &packet),
    }
}

/// No later fragment can write over what is seen of the first.
fn fragment(packet: &Packet<'_>) -> Result<(), DropReason> {
    let Some(fragment) = packet.chain.fragment.filter(|f| !f.is_atomic()) else {
        return Ok(());
    };
    let hides = match fragment.is_first() {
        true => {
            let shown = match packet.chain.protocol {
                Protocol::TCP => 20,
                Protocol::NO_NEXT_HEADER => 0,
                _ => 8,
            };
            packet.chain.offset + shown > fragment.at + 8 + OVERLAP
        }
        false => usize::from(fragment.offset) < OVERLAP,
    };
    match hides {
        true => Err(DropReason::GuardUndecidable),
        false => Ok(()),
    }
}

/// A packet of which nothing but the source matters here.
fn data(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<Kind, DropReason> {
    source(case, packet)?;
    Ok(Kind::Data)
}

/// Who says that it is a virtual router of ours takes all of its traffic.
fn vrrp(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<Kind, DropReason> {
    match case.guard.forges(true, packet.upper) {
        Some(true) => Err(DropReason::VrrpGuard),
        Some(false) => data(case, packet),
        None => Err(DropReason::GuardUndecidable),
    }
}

fn source(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<(), DropReason> {
    owns(case, packet.source).map_err(|_| DropReason::Ip6SourceSpoofed)
}

/// The same of a message from which nobody learns whose its source is: a host may send one from a link-local address that it has just
/// begun to use, or to look for, and that nobody else has (RFC 4862 section 5.4.2, RFC 4429).
fn begun(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<(), DropReason> {
    match owns(case, packet.source) {
        Err(NotOwned::New | NotOwned::Tentative) if v6::is_link_local(packet.source) => Ok(()),
        owned => owned.map_err(|_| DropReason::Ip6SourceSpoofed),
    }
}

fn owns(case: &mut Case<'_>, address: u128) -> Result<(), NotOwned> {
    own(case, address, Saying::Uses)
}

fn own(case: &mut Case<'_>, address: u128, saying: Saying) -> Result<(), NotOwned> {
    // It would be taken for a binding of IPv4.
    if v6::is_v4_mapped(address) {
        return Err(NotOwned::Never);
    }
    case.owns(address, saying)
}

// ----- ICMPv6 -----

fn icmp(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<Kind, DropReason> {
    let &message_type = packet.upper.first().ok_or(DropReason::GuardUndecidable)?;
    let is_listener = is_listener_discovery(message_type);
    let is_discovery = matches!(
        message_type,
        message::ROUTER_SOLICITATION..=message::REDIRECT | PATH_SOLICITATION
    );
    if !case.guard.roles.router {
        match message_type {
            message::ROUTER_ADVERTISEMENT => return Err(DropReason::RaGuard),
            message::REDIRECT => return Err(DropReason::RedirectGuard),
            message::MLD_QUERY => return Err(DropReason::MldQueryGuard),
            other if MULTICAST_ROUTER.contains(&other) => return Err(DropReason::MldQueryGuard),
            _ => {}
        }
    }
    if packet.chain.fragment.is_some() && (is_discovery || is_listener) {
        return Err(DropReason::NdFragmented);
    }
    if is_listener {
        return listener(case, packet, message_type);
    }
    if !is_discovery || message_type == PATH_SOLICITATION {
        return data(case, packet);
    }
    if packet.header.hop_limit() != nd::HOP_LIMIT {
        return Err(DropReason::NdHopLimit);
    }
    let fixed_len = match message_type {
        message::ROUTER_SOLICITATION => 8,
        message::ROUTER_ADVERTISEMENT => 16,
        message::REDIRECT => 40,
        _ => 24,
    };
    let (fixed, options) = packet
        .upper
        .split_at_checked(fixed_len)
        .ok_or(DropReason::GuardUndecidable)?;
    let options = Options::new(options);
    options.check().map_err(|_| DropReason::GuardUndecidable)?;
    let target = || u128::from_be_bytes(std::array::from_fn(|n| fixed[8 + n]));
    match message_type {
        message::ROUTER_SOLICITATION | message::ROUTER_ADVERTISEMENT => {
            router(case, packet, message_type, options)
        }
        message::NEIGHBOR_SOLICITATION => solicitation(case, packet, target(), options),
        message::NEIGHBOR_ADVERTISEMENT => advertisement(case, packet, target(), options),
        // A redirect, from who may send it, names the link-layer address of another.
        _ => {
            source(case, packet)?;
            Ok(Kind::Neighbor)
        }
    }
}

/// Whether the link-layer addresses in a message are the sender's own.
fn names_itself(case: &Case<'_>, options: Options<'_>) -> Result<(), DropReason> {
    for option in options {
        let is_own = match option {
            Ok(NdOption::SourceLinkLayer(mac) | NdOption::TargetLinkLayer(mac)) => {
                case.is_own_mac(&mac.octets())
            }
            // One that cannot be read is not that of an Ethernet station.
            Err(OptionError::BadLength { kind, .. } | OptionError::BadValue { kind, .. }) => {
                !matches!(kind, kind::SOURCE_LINK_LAYER | kind::TARGET_LINK_LAYER)
            }
            _ => true,
        };
        if !is_own {
            return Err(DropReason::NdSpoofed);
        }
    }
    Ok(())
}

fn router(
    case: &mut Case<'_>,
    packet: &Packet<'_>,
    message_type: u8,
    options: Options<'_>,
) -> Result<Kind, DropReason> {
    names_itself(case, options)?;
    let says_nothing =
        message_type == message::ROUTER_SOLICITATION && !options.has(kind::SOURCE_LINK_LAYER);
    match says_nothing {
        // RFC 4861 section 4.1: a host without an address asks from none.
        true if v6::is_unspecified(packet.source) => {}
        true => begun(case, packet)?,
        false => source(case, packet)?,
    }
    Ok(Kind::Router)
}

fn solicitation(
    case: &mut Case<'_>,
    packet: &Packet<'_>,
    target: u128,
    options: Options<'_>,
) -> Result<Kind, DropReason> {
    names_itself(case, options)?;
    if !v6::is_unspecified(packet.source) {
        owns(case, packet.source).map_err(|_| DropReason::NdSpoofed)?;
        return Ok(Kind::Neighbor);
    }
    // RFC 4861 section 7.1.1: duplicate address detection goes to the target's group, and says no link-layer address.
    let is_detection =
        packet.destination == v6::solicited_node(target) && !options.has(kind::SOURCE_LINK_LAYER);
    if !is_detection {
        return Err(DropReason::NdSpoofed);
    }
    match own(case, target, Saying::Probes) {
        Ok(()) | Err(NotOwned::New | NotOwned::Tentative) => Ok(Kind::Neighbor),
        Err(NotOwned::Full) => Err(DropReason::AddressLimit),
        Err(NotOwned::Claimed) => Err(DropReason::AddressClaimed),
        Err(NotOwned::Never) => Err(DropReason::NdSpoofed),
    }
}

fn advertisement(
    case: &mut Case<'_>,
    packet: &Packet<'_>,
    target: u128,
    options: Options<'_>,
) -> Result<Kind, DropReason> {
    names_itself(case, options)?;
    owns(case, target).map_err(|not| match not {
        NotOwned::Claimed => DropReason::AddressClaimed,
        NotOwned::Full => DropReason::AddressLimit,
        _ => DropReason::NdSpoofed,
    })?;
    if packet.source != target {
        owns(case, packet.source).map_err(|_| DropReason::NdSpoofed)?;
    }
    Ok(Kind::Neighbor)
}

fn listener(
    case: &mut Case<'_>,
    packet: &Packet<'_>,
    message_type: u8,
) -> Result<Kind, DropReason> {
    // RFC 3590 section 4: reports come from none while the link-local address is tentative. A query never does.
    match message_type != message::MLD_QUERY {
        true if v6::is_unspecified(packet.source) => {}
        true => begun(case, packet)?,
        false => source(case, packet)?,
    }
    Ok(match v6::is_multicast(packet.destination) {
        true => Kind::Listener,
        false => Kind::Data,
    })
}

// ----- DHCPv6 -----

/// Whether a message that goes to servers is none of a client: ADVERTISE, REPLY, RECONFIGURE, RELAY-FORW, RELAY-REPL,
/// LEASEQUERY-REPLY and -DONE and -DATA, ADDR-REG-REPLY.
const fn is_from_server(message_type: u8) -> bool {
    matches!(message_type, 2 | 7 | 10 | 12 | 13 | 15..=17 | 37)
}

fn udp(case: &mut Case<'_>, packet: &Packet<'_>) -> Result<Kind, DropReason> {
    let Some(&[s1, s0, d1, d0]) = packet.upper.first_chunk() else {
        return Err(DropReason::GuardUndecidable);
    };
    let (from, to) = (u16::from_be_bytes([s1, s0]), u16::from_be_bytes([d1, d0]));
    if !case.guard.roles.dhcp6_server {
        if to == CLIENT || from == SERVER {
            return Err(DropReason::Dhcp6Guard);
        }
        if to == SERVER {
            let &message_type = packet.upper.get(8).ok_or(DropReason::GuardUndecidable)?;
            if is_from_server(message_type) {
                return Err(DropReason::Dhcp6Guard);
            }
        }
    }
    source(case, packet)?;
    let is_dhcp = matches!((from, to), (_, SERVER | CLIENT) | (SERVER, _));
    Ok(match is_dhcp && stays_near(packet.destination) {
        true => Kind::Dhcp,
        false => Kind::Data,
    })
}

/// Whether a message of DHCPv6 reaches nobody but servers, or hosts of the link.
fn stays_near(destination: u128) -> bool {
    const ALL_SERVERS: u128 = 0xff05 << 112 | 0x1_0003;
    v6::stays_on_link(destination) || destination == ALL_SERVERS
}
