//! What is known of a tunnel's outer headers before a packet comes, worked out once for each snapshot: so that the lane
//! compares, where the graph parses.

use std::net::IpAddr;

use super::network::{Tunnel, TunnelKind};

/// Bytes of a frame that [`Opening`] tells about, link-layer header included.
pub const HEAD: usize = 64;
/// Bytes of the link-layer header in front.
const LINK: usize = 14;
/// Bytes of a UDP header.
const UDP_LEN: usize = 8;
/// Bytes of a tunnel's own header, options excepted.
pub const OWN_LEN: usize = 8;

/// Protocol numbers.
const UDP: u8 = 17;
const GRE: u8 = 47;

/// What the commonest packets of a tunnel begin with: an untagged frame, an IP header without options or extension headers,
/// unfragmented, the tunnel's own header without options, and a frame in it. Others may be the tunnel's too.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Opening {
    /// Bits that are known of the frame's first bytes, its addresses excepted ...
    pub mask: [u8; HEAD],
    /// ... and their values.
    pub value: [u8; HEAD],
    /// Bits that are known of the tunnel's own header, first byte highest ...
    own_mask: u64,
    /// ... and their values.
    own_value: u64,
    /// Where the network's identifier stands in that word.
    key_shift: u32,
    key_mask: u32,
    /// Whether the outer packets are IPv6.
    pub is6: bool,
    /// Whether there is a UDP header.
    pub in_udp: bool,
}

impl Opening {
    /// Of a tunnel's packets; `None` if its addresses are such that its packets are to be looked at more closely.
    pub fn of(tunnel: &Tunnel) -> Option<Self> {
        let in_udp = tunnel.kind != TunnelKind::Gre;
        let (own_mask, own_value) = match tunnel.kind {
            TunnelKind::Vxlan => (0x0800_0000_0000_0000, 0x0800_0000_0000_0000),
            // No options, no control packet; a frame.
            TunnelKind::Geneve => (0xffc0_ffff_0000_0000, 0x0000_6558_0000_0000),
            // A key and nothing else; a frame.
            TunnelKind::Gre => (0xfc07_ffff_0000_0000, 0x2000_6558_0000_0000),
        };
        let mut opening = Self {
            mask: [0; HEAD],
            value: [0; HEAD],
            own_mask,
            own_value,
            key_shift: if in_udp { 8 } else { 0 },
            key_mask: if in_udp { 0x00ff_ffff } else { u32::MAX },
            is6: tunnel.remote.is_ipv6(),
            in_udp,
        };
        let protocol = if in_udp { UDP } else { GRE };
        match (tunnel.local, tunnel.remote) {
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                let is_common = |address: u128| {
                    let high = (address >> 112) as u16;
                    high != 0 && high < 0xfe00
                };
                if !is_common(local.to_bits()) || !is_common(remote.to_bits()) {
                    return None;
                }
                opening.know(12, &[0x86, 0xdd]);
                opening.know_bits(LINK, 0xf0, 0x60);
                opening.know(LINK + 6, &[protocol]);
                opening.know(LINK + 8, &remote.octets());
                opening.know(LINK + 24, &local.octets());
            }
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let is_common = |[first, second, ..]: [u8; 4]| {
                    (1..224).contains(&first) && first != 127 && (first, second) != (169, 254)
                };
                if !is_common(local.octets()) || !is_common(remote.octets()) {
                    return None;
                }
                opening.know(12, &[0x08, 0x00]);
                opening.know(LINK, &[0x45]);
                opening.know_bits(LINK + 6, 0x3f, 0);
                opening.know(LINK + 7, &[0]);
                opening.know(LINK + 9, &[protocol]);
                opening.know(LINK + 12, &remote.octets());
                opening.know(LINK + 16, &local.octets());
            }
            _ => return None,
        }
        if in_udp {
            opening.know(opening.l4() + 2, &tunnel.port.to_be_bytes());
        }
        Some(opening)
    }

    fn know(&mut self, at: usize, bytes: &[u8]) {
        self.mask[at..at + bytes.len()].fill(0xff);
        self.value[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn know_bits(&mut self, at: usize, mask: u8, value: u8) {
        (self.mask[at], self.value[at]) = (mask, value);
    }

    /// Offset of what follows the outer IP header.
    #[inline(always)]
    pub const fn l4(&self) -> usize {
        if self.is6 { LINK + 40 } else { LINK + 20 }
    }

    /// Offset of the tunnel's own header.
    #[inline(always)]
    pub const fn own_at(&self) -> usize {
        self.l4() + if self.in_udp { UDP_LEN } else { 0 }
    }

    /// The network's identifier in the tunnel's own header (its bytes, first one highest), if that is a common one.
    #[inline(always)]
    pub const fn key(&self, own: u64) -> Option<u32> {
        if own & self.own_mask == self.own_value {
            Some((own >> self.key_shift) as u32 & self.key_mask)
        } else {
            None
        }
    }
}
