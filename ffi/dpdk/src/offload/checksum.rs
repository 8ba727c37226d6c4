//! The Internet checksum (RFC 1071) over chains of buffers.

use crate::mbuf::{Mbuf, flags};

use super::layout::{Layout, Protocol};

/// Ones' complement sum of big-endian words; an odd last octet is padded with zero.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0u64;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        // Whole words in machine order: the sum does not mind, but for the order of its octets.
        total += u32::from_ne_bytes([word[0], word[1], word[2], word[3]]) as u64;
    }
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    total += u32::from_ne_bytes(last) as u64;
    fold(total).to_be()
}

/// Ones' complement addition.
pub(super) fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// What goes into a checksum field for this sum.
pub(super) fn field(sum: u16, protocol: Protocol) -> u16 {
    match (!sum, protocol) {
        (0, Protocol::Udp) => 0xffff, // zero would mean "no checksum"
        (value, _) => value,
    }
}

/// Sums the packet from octet `from` on, across segments.
pub(super) fn sum_from(packet: Mbuf, from: usize) -> u16 {
    let (mut skip, mut total, mut odd) = (from, 0, false);
    for segment in packet.segments() {
        let data = segment.data();
        let part = &data[skip.min(data.len())..];
        skip = skip.saturating_sub(data.len());
        let s = sum(part);
        // A segment that starts at an odd octet has its words shifted by one.
        total = add(total, if odd { s.swap_bytes() } else { s });
        odd ^= part.len() % 2 == 1;
    }
    total
}

/// Completes a checksum whose field holds the pseudo-header's sum.
pub(super) fn complete(packet: &mut Mbuf, layout: &Layout) {
    trim_padding(packet, layout);
    let value = field(sum_from(*packet, layout.l4), layout.protocol);
    layout.write_checksum(packet.data_mut(), value);
    packet.set_ol_flags(packet.ol_flags() & !flags::RX_L4_CKSUM_MASK | flags::RX_L4_CKSUM_GOOD);
}

/// Octets behind the IP packet (a short Ethernet frame's padding) are in no checksum.
fn trim_padding(packet: &mut Mbuf, layout: &Layout) {
    let frame = packet.data();
    let at = layout.l3 + if layout.is_ipv4 { 2 } else { 4 };
    let stated = u16::from_be_bytes([frame[at], frame[at + 1]]) as usize;
    let len = layout.l3 + stated + if layout.is_ipv4 { 0 } else { 40 };
    if stated != 0 && len >= layout.payload {
        // False if the frame is shorter than stated: nothing to trim.
        let _ = packet.truncate(len as u32);
    }
}
