//! Packs frames of networks, and packets of interfaces that are a tunnel, into outer packets, and routes those.
//!
//! An outer packet that has a neighbour to go to leaves at once. One that has not, or whose way is a network or a tunnel again,
//! takes the graph's ordinary way, as a packet of our own.
//!
//! The outer packet is never fragmented (RFC 4459 section 3.2): what does not fit the path is dropped and counted, and hosts are
//! told the smaller MTU of their network before.

use dpdk::offload::{self, Egress};
use dpdk::{Mbuf, Offloads};
use tables::id::{AttachId, IfaceId, NetworkId, Place, TunnelId};
use tables::next_hop::{NextHop, NextHopKind};

use crate::drop::DropReason;
use crate::forwarding::Tunnel;
use crate::frame::{Family, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::stages::rewrite::encapsulate;
use crate::state::{Context, WorkerState};

pub mod header;
#[cfg(test)]
mod tests;

/// Tunnels in tunnels at most: more is a route that leads a tunnel into itself.
pub const DEPTH: u8 = 2;

/// Packs the packets of its list.
pub fn encap(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Encap) {
        match one(cx, frame, slot, w) {
            Ok(Done::Ready) => frame.send(slot, Stage::Tx),
            Ok(Done::Gone) => {}
            Err(reason) => frame.drop(slot, reason),
        }
    }
}

/// What became of a packet.
enum Done {
    /// It leaves.
    Ready,
    /// It went on by the backlog.
    Gone,
}

fn one(
    cx: &Context<'_>,
    frame: &mut Frame,
    slot: Slot,
    w: &mut WorkerState,
) -> Result<Done, DropReason> {
    let (mut mbuf, meta) = (frame.mbuf(slot), frame[slot]);
    let (tunnel, key) = way(cx, &meta)?;
    if DEPTH <= meta.tunnels {
        return Err(DropReason::TunnelDepth);
    }
    // What a virtual machine left open is finished now: no device sees the inner packet any more.
    if offload::needs_finishing(mbuf) {
        return finish(w, mbuf, &meta);
    }
    let len = mbuf.pkt_len() as usize + tunnel.overhead();
    let id = match tunnel.remote {
        std::net::IpAddr::V6(to) => cx.lpm6.lookup(cx.reader, tunnel.vrf, to.to_bits()),
        std::net::IpAddr::V4(to) => cx.lpm4.lookup(cx.reader, tunnel.vrf, to.to_bits()),
    };
    let next_hop = cx.next_hops.get(id);
    if path_mtu(tunnel, next_hop) < len {
        w.counters.tunnel(tunnel.id).too_big.add(1);
        return Err(DropReason::TunnelTooBig);
    }
    header::put(
        &mut mbuf,
        tunnel,
        key,
        meta.has(flags::BARE),
        cx.forwarding.flow_hash,
    )?;
    w.counters.tunnel(tunnel.id).tx.add(1, len as u64);
    let outer = outer(&meta, tunnel, len as u32);
    if !leaves_at_once(next_hop, len) || !encapsulate(&mut mbuf, 0, next_hop, outer.family) {
        w.enter(mbuf, outer, Stage::Route);
        return Ok(Done::Gone);
    }
    frame[slot] = Meta {
        next_hop: id,
        l3: u16::from(next_hop.header_len),
        out: next_hop.port,
        out_mtu: next_hop.mtu,
        ..outer
    };
    count(w, next_hop, &frame[slot]);
    Ok(Done::Ready)
}

/// Longest outer packet: what the peer is configured to be reached by, or less where the way there begins.
fn path_mtu(tunnel: &Tunnel, next_hop: &NextHop) -> usize {
    let first = match next_hop.kind {
        NextHopKind::Forward => next_hop.mtu,
        _ => u16::MAX,
    };
    usize::from(tunnel.mtu.min(first))
}

/// Whether an outer packet of `len` bytes can be sent to a next hop as it stands.
#[inline(always)]
pub fn leaves_at_once(next_hop: &NextHop, len: usize) -> bool {
    next_hop.kind == NextHopKind::Forward && len <= usize::from(next_hop.mtu)
}

/// The tunnel that a packet takes, and under which identifier.
fn way<'r>(cx: &Context<'r>, meta: &Meta) -> Result<(&'r Tunnel, Option<u32>), DropReason> {
    let networks = &cx.forwarding.networks;
    let tunnel = |id: TunnelId| networks.tunnel(id).ok_or(DropReason::L2NoPlace);
    if meta.has(flags::BARE) {
        let next_hop = cx.next_hops.get(meta.next_hop);
        let interface = cx.forwarding.interface(next_hop.iface);
        let (id, key) = interface
            .and_then(|interface| interface.tunnel)
            .ok_or(DropReason::InterfaceDown)?;
        return Ok((tunnel(id)?, key));
    }
    let Place::Tunnel(id) = meta.to.place() else {
        return Err(DropReason::L2NoPlace);
    };
    let network = networks.get(meta.network);
    let vni = network.and_then(|network| network.vni(id));
    Ok((tunnel(id)?, Some(vni.ok_or(DropReason::L2NoPlace)?)))
}

/// What is known of the outer packet; it begins at its IP header.
fn outer(inner: &Meta, tunnel: &Tunnel, len: u32) -> Meta {
    let (family, protocol) = (header::family(tunnel), header::protocol(tunnel.kind));
    Meta {
        network: NetworkId(0),
        from: AttachId(0),
        to: AttachId(0),
        iface: IfaceId(0),
        vrf: tunnel.vrf,
        len,
        l3: 0,
        l4: tunnel.ip_header_len() as u16,
        protocol,
        family,
        flags: flags::OWN,
        tunnels: inner.tunnels + 1,
        ..Meta::from_port(inner.port)
    }
}

fn count(w: &WorkerState, next_hop: &NextHop, meta: &Meta) {
    let interface = w.counters.interface(next_hop.iface);
    let traffic = match meta.family {
        Family::V6 => &interface.tx6,
        _ => &interface.tx4,
    };
    traffic.add(1, u64::from(meta.len));
    w.counters
        .next_hop(meta.next_hop)
        .add(1, u64::from(meta.len));
}

/// Finishes a packet in software; what it becomes comes back here.
fn finish(w: &mut WorkerState, mbuf: Mbuf, meta: &Meta) -> Result<Done, DropReason> {
    let egress = Egress {
        offloads: Offloads::default(),
        mtu: meta.out_mtu,
        bare: meta.has(flags::BARE),
    };
    let (mut became, pool) = (0u64, w.pool.clone());
    let result = offload::finish(mbuf, &egress, &pool, |packet| {
        became += 1;
        w.enter(packet, *meta, Stage::Encap);
    });
    w.counters.originated.add(match result {
        Ok(()) => became.saturating_sub(1),
        Err(_) => became,
    });
    match result {
        Ok(()) => Ok(Done::Gone),
        Err(offload::OffloadError::NoBuffers) => Err(DropReason::NoBuffer),
        Err(_) => Err(DropReason::TxUnfit),
    }
}
