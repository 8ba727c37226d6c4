//! Decrements the hop limit and puts the next hop's link-layer header in front of the packet.

use dpdk::Mbuf;
use tables::id::{AnchorId, AttachId, NetworkId, Place};
use tables::next_hop::{NextHop, NextHopKind};
use wire::checksum::update_ttl_decremented;

use crate::drop::DropReason;
use crate::frame::{Family, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::stages::switch::toward;
use crate::state::{Context, WorkerState};

/// Offset of the hop limit in an IPv6 header.
const HOP_LIMIT: usize = 7;
/// Offsets of TTL and header checksum in an IPv4 header.
const TTL: usize = 8;
const CHECKSUM: usize = 10;

/// EtherType bytes of a family.
#[inline(always)]
pub fn ether_type(family: Family) -> [u8; 2] {
    match family {
        Family::V6 => [0x86, 0xdd],
        Family::V4 => [0x08, 0x00],
        Family::Arp => [0x08, 0x06],
    }
}

/// Decrements the hop limit of the IP header at the start of `header`, which the caller has checked to be above 1.
#[inline(always)]
pub fn decrement(header: &mut [u8], family: Family) {
    match family {
        Family::V6 => {
            if let Some(hop_limit) = header.get_mut(HOP_LIMIT) {
                *hop_limit -= 1;
            }
        }
        Family::V4 => {
            if let Some(header) = header.first_chunk_mut::<20>() {
                header[TTL] -= 1;
                let sum = u16::from_be_bytes([header[CHECKSUM], header[CHECKSUM + 1]]);
                let sum = update_ttl_decremented(sum).to_be_bytes();
                header[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum);
            }
        }
        Family::Arp => {}
    }
}

/// Replaces the `l3` bytes in front of the IP header by the next hop's link-layer header. False, and nothing changed,
/// if there is no room for it.
#[inline(always)]
#[must_use]
pub fn encapsulate(mbuf: &mut Mbuf, l3: u16, next_hop: &NextHop, family: Family) -> bool {
    let len = u16::from(next_hop.header_len);
    let fits = match len.checked_sub(l3) {
        Some(more) => mbuf.prepend(more),
        None => mbuf.adj(l3 - len),
    };
    let len = len as usize;
    let Some(header) = next_hop.header.get(..len) else {
        return false;
    };
    if !fits || len < 2 {
        return false;
    }
    let Some(room) = mbuf.data_mut().get_mut(..len) else {
        return false;
    };
    room.copy_from_slice(header);
    room[len - 2..].copy_from_slice(&ether_type(family));
    true
}

/// Readies the packets of its list for their output ports.
pub fn rewrite(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Rewrite) {
        let meta = frame[slot];
        let mut mbuf = frame.mbuf(slot);
        let next_hop = cx.next_hops.get(meta.next_hop);
        frame[slot].out = next_hop.port;
        frame[slot].out_mtu = next_hop.mtu;
        if !meta.has(flags::OWN) {
            decrement(&mut mbuf.data_mut()[usize::from(meta.l3)..], meta.family);
        }
        if next_hop.kind == NextHopKind::Tunnel {
            // Cannot fail: the header was read there.
            let _ = mbuf.adj(meta.l3);
            frame[slot].l3 = 0;
            frame[slot].flags |= flags::BARE;
            count(w, next_hop, &meta);
            frame.send(slot, Stage::Encap);
            continue;
        }
        if !encapsulate(&mut mbuf, meta.l3, next_hop, meta.family) {
            frame.drop(slot, DropReason::NoHeadroom);
            continue;
        }
        frame[slot].l3 = u16::from(next_hop.header_len);
        count(w, next_hop, &meta);
        if next_hop.kind == NextHopKind::Bridge {
            bridge(cx, frame, slot, next_hop);
        } else {
            frame.send(slot, onward(cx, next_hop));
        }
    }
}

/// Where a packet goes that leaves by an interface on a device.
fn onward(cx: &Context<'_>, next_hop: &NextHop) -> Stage {
    let interface = cx.forwarding.interface(next_hop.iface);
    match interface.map(|interface| interface.anchor) {
        None | Some(AnchorId(0)) => Stage::Tx,
        Some(_) => Stage::Deliver,
    }
}

/// Sends a packet to a station of a network: as a frame that comes from our interface there.
fn bridge(cx: &Context<'_>, frame: &mut Frame, slot: Slot, next_hop: &NextHop) {
    let [a, b, c, d, e, f, ..] = next_hop.header;
    let interface = cx.forwarding.interface(next_hop.iface);
    let network = interface.map_or(NetworkId(0), |interface| interface.network);
    match toward(cx, network, [a, b, c, d, e, f]) {
        Ok((stage, to)) => {
            let meta = &mut frame[slot];
            (meta.network, meta.to) = (network, to);
            meta.from = AttachId::of(Place::Router(next_hop.iface));
            frame.send(slot, stage);
        }
        Err(reason) => frame.drop(slot, reason),
    }
}

fn count(w: &WorkerState, next_hop: &NextHop, meta: &Meta) {
    let interface = w.counters.interface(next_hop.iface);
    let traffic = if meta.family == Family::V6 {
        &interface.tx6
    } else {
        &interface.tx4
    };
    traffic.add(1, u64::from(meta.len));
    w.counters
        .next_hop(meta.next_hop)
        .add(1, u64::from(meta.len));
}
