//! The outer headers: IP, UDP where the kind has it, and the tunnel's own.

use std::net::IpAddr;

use dpdk::Mbuf;
use tables::hash::{FlowHasher, FlowKey};
use wire::checksum::Sum;
use wire::traffic_class::{self, Dscp, Ecn, EcnMode};

use crate::drop::DropReason;
use crate::forwarding::Tunnel;
use crate::forwarding::network::{TunnelKind, mapped};
use crate::frame::Family;
use crate::stages::link::ETHERNET;

/// Protocol numbers.
pub const UDP: u8 = 17;
/// Generic routing encapsulation.
pub const GRE: u8 = 47;
/// What stands for the protocol of frames that are no IP packets.
const NO_NEXT_HEADER: u8 = 59;
/// Bytes of a UDP header.
const UDP_LEN: usize = 8;
/// Longest outer header in front of the link-layer header: IPv6, UDP, VXLAN.
pub const LONGEST: usize = 40 + 16;
/// Source ports of outer UDP packets: the dynamic ones (RFC 6335), as RFC 7348 section 5 recommends.
pub const FIRST_PORT: u16 = 49152;

/// EtherTypes in GRE and Geneve headers.
const BRIDGED: [u8; 2] = [0x65, 0x58];
const IP6: [u8; 2] = [0x86, 0xdd];
const IP4: [u8; 2] = [0x08, 0x00];

/// The family of a tunnel's outer packets.
#[inline(always)]
pub const fn family(tunnel: &Tunnel) -> Family {
    match tunnel.remote {
        IpAddr::V6(_) => Family::V6,
        IpAddr::V4(_) => Family::V4,
    }
}

/// The protocol of a kind's outer packets.
#[inline(always)]
pub const fn protocol(kind: TunnelKind) -> u8 {
    match kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => UDP,
        TunnelKind::Gre => GRE,
    }
}

/// Puts the outer headers, link layer excepted, in front of a frame, or of an IP packet if it is `bare`.
///
/// # Errors
/// There is no room in front of it.
#[inline]
pub fn put(
    mbuf: &mut Mbuf,
    tunnel: &Tunnel,
    key: Option<u32>,
    bare: bool,
    hasher: FlowHasher,
) -> Result<(), DropReason> {
    let inner = Inner::of(mbuf.data(), bare);
    let hash = hasher.hash(&inner.flow);
    let own = match (tunnel.kind, key) {
        (TunnelKind::Gre, None) => 4,
        (kind, _) => kind.header_len(),
    };
    let (ip_len, payload) = (tunnel.ip_header_len(), mbuf.pkt_len() as usize + own);
    let class = traffic_class::join(
        tunnel.dscp.outer(Dscp::of(inner.class)),
        traffic_class::encapsulate(Ecn::of(inner.class), EcnMode::Normal),
    );
    let mut header = [0; LONGEST];
    write(
        &mut header,
        tunnel,
        key,
        &Filled {
            class,
            payload,
            hash,
            ether_type: inner.ether_type,
        },
    );
    if !mbuf.prepend((ip_len + own) as u16) {
        return Err(DropReason::NoHeadroom);
    }
    let Some(room) = mbuf.data_mut().get_mut(..ip_len + own) else {
        return Err(DropReason::NoHeadroom);
    };
    room.copy_from_slice(&header[..ip_len + own]);
    if tunnel.checksum && protocol(tunnel.kind) == UDP {
        fill_checksum(mbuf, tunnel, ip_len, payload);
    }
    Ok(())
}

/// What differs among the outer headers of a tunnel.
struct Filled {
    class: u8,
    /// Bytes behind the outer IP header.
    payload: usize,
    hash: u32,
    ether_type: [u8; 2],
}

/// Writes the outer headers, UDP's checksum excepted.
fn write(header: &mut [u8; LONGEST], tunnel: &Tunnel, key: Option<u32>, filled: &Filled) {
    let (ip, rest) = header.split_at_mut(tunnel.ip_header_len());
    write_ip(ip, tunnel, filled.class, filled.payload, filled.hash);
    match tunnel.kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => {
            let port = FIRST_PORT | (filled.hash >> 16) as u16 & !FIRST_PORT;
            rest[..2].copy_from_slice(&port.to_be_bytes());
            rest[2..4].copy_from_slice(&tunnel.port.to_be_bytes());
            rest[4..6].copy_from_slice(&(filled.payload as u16).to_be_bytes());
            let own = &mut rest[UDP_LEN..];
            if tunnel.kind == TunnelKind::Vxlan {
                own[0] = 0x08;
            } else {
                own[2..4].copy_from_slice(&BRIDGED);
            }
            let vni = key.unwrap_or_default() << 8;
            own[4..8].copy_from_slice(&vni.to_be_bytes());
        }
        TunnelKind::Gre => {
            rest[2..4].copy_from_slice(&filled.ether_type);
            if let Some(key) = key {
                rest[0] = 0x20;
                rest[4..8].copy_from_slice(&key.to_be_bytes());
            }
        }
    }
}

/// The outer headers of frames that go by a tunnel under an identifier, with zeroes for what differs among them: lengths,
/// traffic class, flow label, source port and checksums.
pub fn template(tunnel: &Tunnel, key: u32) -> [u8; LONGEST] {
    let mut header = [0; LONGEST];
    let filled = Filled {
        class: 0,
        payload: 0,
        hash: 0,
        ether_type: BRIDGED,
    };
    write(&mut header, tunnel, Some(key), &filled);
    let ip_len = tunnel.ip_header_len();
    if tunnel.remote.is_ipv4() {
        header[2..4].fill(0);
        header[10..12].fill(0);
    }
    if protocol(tunnel.kind) == UDP {
        header[ip_len..ip_len + 2].fill(0);
    }
    header
}

/// The first word of an outer IPv6 header. RFC 6438: the flow label spreads what has no ports, and what has.
#[inline(always)]
pub const fn first_word6(class: u8, hash: u32) -> u32 {
    6 << 28 | (class as u32) << 20 | hash & 0xf_ffff
}

/// Writes the outer IP header for `payload` bytes.
#[inline(always)]
fn write_ip(ip: &mut [u8], tunnel: &Tunnel, class: u8, payload: usize, hash: u32) {
    match (tunnel.local, tunnel.remote) {
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            ip[..4].copy_from_slice(&first_word6(class, hash).to_be_bytes());
            ip[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
            ip[6] = protocol(tunnel.kind);
            ip[7] = tunnel.hop_limit;
            ip[8..24].copy_from_slice(&local.octets());
            ip[24..40].copy_from_slice(&remote.octets());
        }
        (local, remote) => {
            ip[0] = 0x45;
            ip[1] = class;
            ip[2..4].copy_from_slice(&((payload + 20) as u16).to_be_bytes());
            // Don't fragment.
            ip[6] = 0x40;
            ip[8] = tunnel.hop_limit;
            ip[9] = protocol(tunnel.kind);
            ip[12..16].copy_from_slice(&(mapped(local) as u32).to_be_bytes());
            ip[16..20].copy_from_slice(&(mapped(remote) as u32).to_be_bytes());
            let mut sum = Sum::new();
            sum.add(ip);
            let sum = sum.finish().to_be_bytes();
            ip[10..12].copy_from_slice(&sum);
        }
    }
}

/// Computes the UDP checksum of an outer packet, over all its segments.
fn fill_checksum(mbuf: &mut Mbuf, tunnel: &Tunnel, ip_len: usize, len: usize) {
    let mut sum = Sum::new();
    match (tunnel.local, tunnel.remote) {
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            sum.add(&local.octets());
            sum.add(&remote.octets());
        }
        (local, remote) => {
            sum.add(&(mapped(local) as u32).to_be_bytes());
            sum.add(&(mapped(remote) as u32).to_be_bytes());
        }
    }
    sum.add_u32(len as u32);
    sum.add_u32(u32::from(UDP));
    let mut skip = ip_len;
    for segment in mbuf.segments() {
        sum.add(segment.data().get(skip..).unwrap_or_default());
        skip = 0;
    }
    let sum = sum.finish_udp();
    if let Some(field) = mbuf.data_mut().get_mut(ip_len + 6..ip_len + 8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// What the outer headers take from what they carry.
pub struct Inner {
    /// What its flow is known by.
    pub flow: FlowKey,
    /// Its traffic class.
    pub class: u8,
    /// What it is, as GRE has it.
    pub ether_type: [u8; 2],
}

impl Inner {
    /// Of a frame, or of an IP packet if it is `bare`. What is no IP packet is known by its stations, and has no class.
    #[inline(always)]
    pub fn of(data: &[u8], bare: bool) -> Self {
        let (link, packet) = data.split_at_checked(ETHERNET).unwrap_or_default();
        let (packet, kind) = if bare {
            let is6 = data.first().is_some_and(|byte| byte >> 4 == 6);
            (data, if is6 { IP6 } else { IP4 })
        } else {
            (
                packet,
                [link.get(12), link.get(13)].map(|byte| byte.copied().unwrap_or_default()),
            )
        };
        let known = match kind {
            IP6 => of_ip6(packet),
            IP4 => of_ip4(packet),
            _ => None,
        };
        let (flow, class) = known.unwrap_or_else(|| (of_stations(link), 0));
        Self {
            flow,
            class,
            ether_type: if bare { kind } else { BRIDGED },
        }
    }
}

fn of_ip6(packet: &[u8]) -> Option<(FlowKey, u8)> {
    let header = packet.first_chunk::<40>()?;
    let word = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        u128::from_be_bytes(octets)
    };
    let flow = FlowKey {
        src: address(8),
        dst: address(24),
        protocol: header[6],
        flow_label: word & 0xf_ffff,
        ..FlowKey::default()
    };
    Some((with_ports(flow, packet.get(40..)), (word >> 20) as u8))
}

fn of_ip4(packet: &[u8]) -> Option<(FlowKey, u8)> {
    let header = packet.first_chunk::<20>()?;
    let address = |at: usize| {
        u128::from(u32::from_be_bytes([
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
        ]))
    };
    let flow = FlowKey {
        src: address(12),
        dst: address(16),
        protocol: header[9],
        ..FlowKey::default()
    };
    // A fragment goes the way of all fragments of its packet.
    let is_fragment = header[6] & 0x3f != 0 || header[7] != 0;
    let ports = (!is_fragment).then(|| packet.get(usize::from(header[0] & 0xf) * 4..));
    Some((with_ports(flow, ports.flatten()), header[1]))
}

#[inline(always)]
fn with_ports(mut flow: FlowKey, upper: Option<&[u8]>) -> FlowKey {
    const TCP: u8 = 6;
    const SCTP: u8 = 132;
    if let Some(&[s0, s1, d0, d1]) = upper.and_then(<[u8]>::first_chunk)
        && matches!(flow.protocol, TCP | UDP | SCTP)
    {
        flow.src_port = u16::from_be_bytes([s0, s1]);
        flow.dst_port = u16::from_be_bytes([d0, d1]);
    }
    flow
}

fn of_stations(link: &[u8]) -> FlowKey {
    let mut octets = [0; 16];
    octets[..link.len().min(12)].copy_from_slice(&link[..link.len().min(12)]);
    FlowKey {
        src: u128::from_be_bytes(octets),
        protocol: NO_NEXT_HEADER,
        ..FlowKey::default()
    }
}
