//! Where the headers of a frame lie.

use crate::mbuf::{Mbuf, flags};

use super::checksum;

/// The transport protocols that are finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

/// Offsets into the frame's first segment, which holds all headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The IP header.
    pub(super) l3: usize,
    /// The TCP or UDP header.
    pub(super) l4: usize,
    /// The octet behind it.
    pub(super) payload: usize,
    pub(super) protocol: Protocol,
    pub(super) is_ipv4: bool,
    /// The octet that names the transport protocol.
    pub(super) protocol_at: usize,
    /// Ones' complement sum of the addresses and the protocol number.
    addresses: u16,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Hop-by-hop options, routing, destination options: headers that a chain may pass through.
const PASSABLE: [u8; 3] = [0, 43, 60];
const ROUTING: u8 = 43;

impl Layout {
    /// The layout of a packet, gathered into one segment if its headers are spread.
    pub(super) fn of(packet: &mut Mbuf, bare: bool) -> Option<Layout> {
        Layout::parse(packet.data(), bare).or_else(|| {
            packet
                .linearize()
                .then(|| Layout::parse(packet.data(), bare))
                .flatten()
        })
    }

    /// The layout of a frame, or of an IP packet if it is `bare`.
    pub(super) fn parse(frame: &[u8], bare: bool) -> Option<Layout> {
        let (l3, ethertype) = match bare {
            true => (0, version(frame)?),
            false => link(frame)?,
        };
        let (l4, protocol_at, addresses) = match ethertype {
            ETHERTYPE_IPV4 => ipv4(frame, l3)?,
            ETHERTYPE_IPV6 => ipv6(frame, l3)?,
            _ => return None,
        };
        let next = *frame.get(protocol_at)?;
        let (protocol, l4_len) = match next {
            TCP => (Protocol::Tcp, (*frame.get(l4 + 12)? >> 4) as usize * 4),
            UDP => (Protocol::Udp, 8),
            _ => return None,
        };
        let payload = l4 + l4_len;
        let minimum = if protocol == Protocol::Tcp { 20 } else { 8 };
        if l4_len < minimum || payload > frame.len() {
            return None;
        }
        let addresses = checksum::add(checksum::sum(addresses), next as u16);
        let is_ipv4 = ethertype == ETHERTYPE_IPV4;
        Some(Layout {
            l3,
            l4,
            payload,
            protocol,
            is_ipv4,
            protocol_at,
            addresses,
        })
    }

    /// Octets of the link header, tags included.
    pub(super) fn l2_len(&self) -> u16 {
        self.l3 as u16
    }

    /// Octets of the IP header and its extensions.
    pub(super) fn l3_len(&self) -> u16 {
        (self.l4 - self.l3) as u16
    }

    /// Octets of the transport header.
    pub(super) fn l4_len(&self) -> u16 {
        (self.payload - self.l4) as u16
    }

    /// Whether a device can be told of such headers: 9 bits for the network header's octets.
    pub(super) fn fits_descriptor(&self) -> bool {
        self.l3_len() < 1 << 9
    }

    pub(super) fn family_flag(&self) -> u64 {
        if self.is_ipv4 {
            flags::TX_IPV4
        } else {
            flags::TX_IPV6
        }
    }

    /// The pseudo-header's sum for `len` octets of transport header and payload.
    pub(super) fn pseudo_header_sum(&self, len: u16) -> u16 {
        checksum::add(self.addresses, len)
    }

    pub(super) fn write_checksum(&self, frame: &mut [u8], value: u16) {
        let at = self.l4
            + match self.protocol {
                Protocol::Tcp => 16,
                Protocol::Udp => 6,
            };
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}

/// Offset of the IP header, and the EtherType in front of it.
fn link(frame: &[u8]) -> Option<(usize, u16)> {
    let mut at = 12;
    let mut ethertype = be16(frame, at)?;
    for _ in 0..2 {
        if ETHERTYPE_VLAN.contains(&ethertype) {
            at += 4;
            ethertype = be16(frame, at)?;
        }
    }
    Some((at + 2, ethertype))
}

/// The EtherType that a packet without a link header would have.
fn version(packet: &[u8]) -> Option<u16> {
    match packet.first()? >> 4 {
        4 => Some(ETHERTYPE_IPV4),
        6 => Some(ETHERTYPE_IPV6),
        _ => None,
    }
}

/// Offsets of the transport header and of the octet with its protocol, and the addresses.
fn ipv4(frame: &[u8], l3: usize) -> Option<(usize, usize, &[u8])> {
    let first = *frame.get(l3)?;
    let header = (first & 0xf) as usize * 4;
    // No fragment: flags and offset but DF are zero.
    if first >> 4 != 4 || header < 20 || be16(frame, l3 + 6)? & 0x3fff != 0 {
        return None;
    }
    Some((l3 + header, l3 + 9, frame.get(l3 + 12..l3 + 20)?))
}

fn ipv6(frame: &[u8], l3: usize) -> Option<(usize, usize, &[u8])> {
    if *frame.get(l3)? >> 4 != 6 {
        return None;
    }
    let (mut next_at, mut at) = (l3 + 6, l3 + 40);
    loop {
        let next = *frame.get(next_at)?;
        if !PASSABLE.contains(&next) {
            break;
        }
        // With segments left the pseudo-header holds an address of the routing header.
        if next == ROUTING && *frame.get(at + 3)? != 0 {
            return None;
        }
        next_at = at;
        at += (*frame.get(at + 1)? as usize + 1) * 8;
    }
    Some((at, next_at, frame.get(l3 + 8..l3 + 40)?))
}

fn be16(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?))
}
