//! What the lane asks: the common packet's source, at the price of one lookup.

use tables::id::AnchorId;

use super::book::Known;
use crate::forwarding::MacAddr;

const ICMPV6: u8 = 58;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// Begins to bring what [`source_ok`] will read.
#[inline(always)]
pub fn prefetch(known: Known<'_>, anchor: AnchorId, source: u128) {
    known.prefetch(anchor, source);
}

/// Whether an IPv6 source, or the IPv4 one that is mapped to `source`, is bound to the anchor and the frame's MAC: then
/// [`judge`](super::judge()) passes it too, and the binding is confirmed. If it is not, or [`is_control`], `judge` is to be asked.
///
/// An IPv6 packet's source must not be an IPv4-mapped address: the lane's packets have none.
#[inline(always)]
pub fn source_ok(
    known: Known<'_>,
    anchor: AnchorId,
    mac: &MacAddr,
    source: u128,
    seconds: u32,
) -> bool {
    match known.bound(anchor, source) {
        Some(found) if found.binding.mac == *mac => {
            known.touch(found.handle, seconds);
            true
        }
        _ => false,
    }
}

/// Whether more than the source of a frame is to be judged: `head` is its beginning, `l3` where its layer-3 header stands.
///
/// False for IPv6 without extension headers and unfragmented IPv4 without options whose upper layer is TCP, UDP of no port of DHCP,
/// ICMP, or ICMPv6 that is neither neighbour nor listener discovery; true for everything else, and what cannot be seen. Lengths are the
/// caller's to check.
#[inline(always)]
pub fn is_control(head: &[u8], l3: usize) -> bool {
    let Some(packet) = head.get(l3..) else {
        return true;
    };
    let Some(ether_type) = l3.checked_sub(2).and_then(|at| head.get(at..l3)) else {
        return true;
    };
    let ports = |at: usize| {
        let ports: Option<&[u8; 4]> = packet.get(at..).and_then(<[u8]>::first_chunk);
        ports.map(|&[s1, s0, d1, d0]| (u16::from_be_bytes([s1, s0]), u16::from_be_bytes([d1, d0])))
    };
    match (ether_type, packet) {
        ([0x86, 0xdd], [_, _, _, _, _, _, TCP, ..]) => packet.len() < 60,
        ([0x86, 0xdd], [_, _, _, _, _, _, UDP, ..]) => {
            ports(40).is_none_or(|(from, to)| matches!(from | 1, 547) || matches!(to | 1, 547))
        }
        ([0x86, 0xdd], [_, _, _, _, _, _, ICMPV6, ..]) => packet
            .get(40)
            .is_none_or(|&kind| matches!(kind, 130..=137 | 143 | 148 | 151 | 153)),
        ([0x08, 0x00], [0x45, _, _, _, _, _, f1, f0, _, protocol, ..]) => {
            if (f1 & 0x3f, *f0) != (0, 0) {
                return true;
            }
            match protocol {
                1 | 6 => false,
                17 => ports(20)
                    .is_none_or(|(from, to)| matches!(from, 67 | 68) || matches!(to, 67 | 68)),
                _ => true,
            }
        }
        _ => true,
    }
}
