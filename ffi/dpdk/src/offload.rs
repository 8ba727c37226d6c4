//! What a device would have done, done in software before a packet leaves.
//!
//! A virtual machine leaves its checksums open and hands over TCP packets much larger than an
//! MTU, counting on the far side to finish them. The drivers say so in [`Mbuf::ol_flags`]:
//!
//! * `RX_L4_CKSUM_NONE`: the checksum field holds the pseudo-header's sum only;
//! * `RX_LRO`: a row of TCP segments in one packet, [`Mbuf::tso_segsz`] payload octets each; or a UDP
//!   datagram to be sent in fragments, as older guests hand over (`VIRTIO_NET_F_HOST_UFO`).
//!
//! [`needs_finishing`] is one test of one word; only packets that pass it go through [`finish`],
//! which asks the device where it can and otherwise does it here. Without it such TCP
//! connections stall: the first segment with an open checksum is dropped by its receiver.
//!
//! Segments are made by copying, not by DPDK's GSO library: that library (22.11) segments IPv4
//! only, and its segments are chains of two buffers, which not every device sends.
//!
//! A guest that asks for absurdly small pieces gets some of [`SMALLEST`] octets: no packet of it becomes
//! thousands.
//!
//! LIMIT: TCP and UDP directly behind IPv4 or IPv6 with extension headers. The payload of a
//! tunnel is not finished; a tunnel's own decapsulation must do that first.

mod checksum;
mod fragment;
mod layout;
mod segment;

use crate::mbuf::{self, Mbuf, flags};
use crate::mempool::Mempool;
use crate::port_config::Offloads;

use layout::{Layout, Protocol};

/// The port that a packet leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// What its device does ([`Configured::offloads`](crate::Configured::offloads)).
    pub offloads: Offloads,
    /// Octets of its largest packet, without the link header.
    pub mtu: u16,
    /// The packet has no link header: it begins with that of IP.
    pub bare: bool,
}

/// A packet cannot be finished. It is still the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffloadError {
    /// Not TCP or UDP over IP, or headers that are cut short.
    #[error("an unfinished packet has headers that cannot be read")]
    Headers,
    /// The MTU holds no payload beside its headers.
    #[error("the segments of a packet do not fit in the MTU")]
    SegmentTooLarge,
    /// The pool is exhausted. Segments that went to the sink before are valid packets.
    #[error("there are no buffers for the segments of a packet")]
    NoBuffers,
}

/// Least payload of a piece, octets: TCP's least maximum segment size in Linux.
const SMALLEST: u16 = 48;

/// What unfinished packets are told by.
const LARGE: u64 = flags::RX_LRO | flags::TX_TCP_SEG;

/// Whether the packet must go through [`finish`] before it is sent. False for nearly all.
#[inline(always)]
pub fn needs_finishing(packet: Mbuf) -> bool {
    is_open(packet) || packet.ol_flags() & LARGE != 0
}

#[inline(always)]
fn is_open(packet: Mbuf) -> bool {
    packet.ol_flags() & flags::RX_L4_CKSUM_MASK == flags::RX_L4_CKSUM_NONE
}

/// The octets, without the link header, of the largest packet that this one becomes on a wire:
/// what to compare with an MTU. `None`: it is sent as it is, its own length counts.
pub fn wire_len(packet: Mbuf) -> Option<u32> {
    if packet.ol_flags() & LARGE == 0 || packet.tso_segsz() == 0 {
        return None;
    }
    let layout = Layout::parse(packet.data(), false)?;
    let pieces = Pieces::of(packet, &layout);
    Some(pieces.headers + pieces.payload.min(pieces.size))
}

/// What a large packet is cut into.
struct Pieces {
    /// Octets in front of each piece's part, without the link header.
    headers: u32,
    /// Octets that are shared out.
    payload: u32,
    /// Octets of each piece's part, the last one's excepted.
    size: u32,
}

impl Pieces {
    fn of(packet: Mbuf, layout: &Layout) -> Self {
        // Segments have a TCP header each; of the fragments only the first has UDP's.
        let (start, more) = match layout.protocol {
            Protocol::Tcp => (layout.payload, 0),
            Protocol::Udp => (layout.l4, fragment::extra(layout)),
        };
        Pieces {
            headers: (start - layout.l3 + more) as u32,
            payload: packet.pkt_len().saturating_sub(start as u32),
            size: packet.tso_segsz().max(SMALLEST) as u32,
        }
    }
}

/// Makes the packet ready for `egress` and gives it, or its segments, to `sink` in order.
/// Segments come from `pool`; the packet itself is then freed.
///
/// Pieces that exceed the MTU are cut smaller; a sender that must learn of the MTU is told
/// before this, by [`wire_len`].
pub fn finish(
    packet: Mbuf,
    egress: &Egress,
    pool: &Mempool,
    sink: impl FnMut(Mbuf),
) -> Result<(), OffloadError> {
    let mut packet = packet;
    let Some(layout) = Layout::of(&mut packet, egress.bare) else {
        return Err(OffloadError::Headers);
    };
    let pieces = Pieces::of(packet, &layout);
    let cuttable = packet.ol_flags() & LARGE != 0 && packet.tso_segsz() != 0;
    let whole = pieces.headers + pieces.payload;
    if cuttable && (pieces.payload > pieces.size || whole > egress.mtu as u32) {
        return finish_large(packet, &layout, &pieces, egress, pool, sink);
    }
    let mut sink = sink;
    packet.set_ol_flags(packet.ol_flags() & !LARGE);
    if is_open(packet) {
        if egress.offloads.tx_l4_checksum && layout.fits_descriptor() {
            ask_for_checksum(&mut packet, &layout);
        } else {
            checksum::complete(&mut packet, &layout);
        }
    }
    sink(packet);
    Ok(())
}

fn finish_large(
    packet: Mbuf,
    layout: &Layout,
    pieces: &Pieces,
    egress: &Egress,
    pool: &Mempool,
    mut sink: impl FnMut(Mbuf),
) -> Result<(), OffloadError> {
    let room = (egress.mtu as u32)
        .checked_sub(pieces.headers)
        .filter(|&room| room > 0);
    let room = room.ok_or(OffloadError::SegmentTooLarge)?;
    let size = room.min(pieces.size) as u16;
    if layout.protocol == Protocol::Udp {
        return fragment::cut(packet, layout, size, egress, pool, sink);
    }
    let capable = egress.offloads.tx_tcp_segmentation && egress.offloads.tx_l4_checksum;
    if capable && layout.fits_descriptor() {
        let mut packet = packet;
        ask_for_segments(&mut packet, layout, size);
        sink(packet);
        return Ok(());
    }
    segment::cut(packet, layout, size, egress, pool, sink)
}

/// The field holds what the device wants already: the pseudo-header's sum.
fn ask_for_checksum(packet: &mut Mbuf, layout: &Layout) {
    let wanted = match layout.protocol {
        Protocol::Tcp => flags::TX_TCP_CKSUM,
        Protocol::Udp => flags::TX_UDP_CKSUM,
    };
    let kept = packet.ol_flags() & !(flags::RX_L4_CKSUM_MASK | flags::TX_L4_MASK);
    packet.set_ol_flags(kept | wanted | layout.family_flag());
    packet.set_tx_offload(mbuf::tx_offload(
        layout.l2_len(),
        layout.l3_len(),
        layout.l4_len(),
        0,
    ));
}

fn ask_for_segments(packet: &mut Mbuf, layout: &Layout, size: u16) {
    // Devices add each segment's length themselves, so the sum in the field leaves it out.
    layout.write_checksum(packet.data_mut(), layout.pseudo_header_sum(0));
    let kept = packet.ol_flags() & !(flags::RX_L4_CKSUM_MASK | flags::TX_L4_MASK | LARGE);
    let ipv4 = if layout.is_ipv4 {
        flags::TX_IP_CKSUM
    } else {
        0
    };
    packet.set_ol_flags(kept | flags::TX_TCP_SEG | layout.family_flag() | ipv4);
    packet.set_tx_offload(mbuf::tx_offload(
        layout.l2_len(),
        layout.l3_len(),
        layout.l4_len(),
        size,
    ));
}

#[cfg(test)]
mod tests;
