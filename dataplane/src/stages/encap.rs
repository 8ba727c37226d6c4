//! Packs frames of networks, and packets of interfaces that are a tunnel, into outer packets, and routes those.
//!
//! An outer packet that has a neighbour to go to leaves at once. One that has not, or whose way is a network or a tunnel again,
//! takes the graph's ordinary way, as a packet of our own. One to a multicast group leaves by the interface that is configured for it.
//!
//! The outer packet is never fragmented (RFC 4459 section 3.2): what does not fit the path is dropped and counted, and hosts are
//! told the smaller MTU of their network before. Where the path to one peer carries less than its network, the sender of what does
//! not fit is told so (RFC 4459 section 3.3): of a routed packet as by any router, of a frame within the network by an interface of ours there.
//!
//! LIMIT: a path that does not carry 1280 bytes of IPv6 within is of no use for IPv6, and nobody is told of it; nor is the
//! sender of an IPv4 packet that may be fragmented.

use std::net::IpAddr;

use dpdk::offload::{self, Egress};
use dpdk::{Mbuf, Offloads};
use tables::id::{AttachId, IfaceId, NetworkId, Place, PortId, TunnelId};
use tables::next_hop::{NextHop, NextHopKind};
use wire::MacAddr;

use crate::drop::DropReason;
use crate::forwarding::Tunnel;
use crate::frame::{Family, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::stages::answer::link_header;
use crate::stages::link::ETHERNET;
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
            Ok(Done::TooBig(fits)) => match describe(cx, frame, slot, fits) {
                Some((meta, mtu)) => {
                    frame[slot] = meta;
                    frame.refuse(slot, DropReason::TunnelTooBig, mtu);
                }
                None => frame.drop(slot, DropReason::TunnelTooBig),
            },
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
    /// It does not fit the path, which carries inner packets, link-layer header included, of so many bytes.
    TooBig(usize),
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
    if let Some(by) = tunnel.out {
        return to_group(cx, frame, slot, w, (tunnel, key, by), len);
    }
    let id = match tunnel.remote {
        IpAddr::V6(to) => cx.lpm6.lookup(cx.reader, tunnel.vrf, to.to_bits()),
        IpAddr::V4(to) => cx.lpm4.lookup(cx.reader, tunnel.vrf, to.to_bits()),
    };
    let next_hop = cx.next_hops.get(id);
    let path = path_mtu(tunnel, next_hop);
    if path < len {
        w.counters.tunnel(tunnel.id).too_big.add(1);
        return Ok(Done::TooBig(path.saturating_sub(tunnel.overhead())));
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

/// Packs a frame into a packet of `len` bytes to a multicast group, which leaves by an interface whatever the routes.
fn to_group(
    cx: &Context<'_>,
    frame: &mut Frame,
    slot: Slot,
    w: &mut WorkerState,
    (tunnel, key, by): (&Tunnel, Option<u32>, IfaceId),
    len: usize,
) -> Result<Done, DropReason> {
    let (mut mbuf, meta) = (frame.mbuf(slot), frame[slot]);
    let interface = cx.forwarding.interface(by);
    let interface = interface.filter(|i| i.port != PortId::NETWORK && i.port != PortId::TUNNEL);
    let interface = interface.ok_or(DropReason::InterfaceDown)?;
    if usize::from(tunnel.mtu.min(interface.mtu)) < len {
        w.counters.tunnel(tunnel.id).too_big.add(1);
        return Err(DropReason::TunnelTooBig);
    }
    header::put(&mut mbuf, tunnel, key, false, cx.forwarding.flow_hash)?;
    let outer = outer(&meta, tunnel, len as u32);
    let group = match tunnel.remote {
        IpAddr::V6(group) => MacAddr::for_ipv6_multicast(&group),
        IpAddr::V4(group) => MacAddr::for_ipv4_multicast(group),
    };
    let (link, link_len) = link_header(interface, group.octets(), outer.family);
    if !mbuf.prepend(link_len as u16) {
        return Err(DropReason::NoHeadroom);
    }
    mbuf.data_mut()[..link_len].copy_from_slice(&link[..link_len]);
    w.counters.tunnel(tunnel.id).tx.add(1, len as u64);
    let interface_counters = w.counters.interface(by);
    let traffic = match outer.family {
        Family::V6 => &interface_counters.tx6,
        _ => &interface_counters.tx4,
    };
    traffic.add(1, len as u64);
    frame[slot] = Meta {
        l3: link_len as u16,
        out: interface.port,
        out_mtu: interface.mtu,
        ..outer
    };
    Ok(Done::Ready)
}

/// What is to be known of an IP packet that does not fit, so that its sender can be told what does, and that. `None` if nobody is
/// told.
fn describe(cx: &Context<'_>, frame: &Frame, slot: Slot, fits: usize) -> Option<(Meta, u32)> {
    let (mbuf, mut meta) = (frame.mbuf(slot), frame[slot]);
    let l3 = if meta.has(flags::BARE) { 0 } else { ETHERNET };
    let packet = mbuf.data().get(l3..)?;
    let is_bridged = !matches!(meta.from.place(), Place::Router(_)) && l3 != 0;
    if is_bridged {
        if mbuf.data().first()? & 1 != 0 {
            return None;
        }
        let network = cx.forwarding.networks.get(meta.network)?;
        let router = cx.forwarding.interface(*network.routers.first()?)?;
        (meta.iface, meta.vrf) = (router.id, router.vrf);
        (meta.family, meta.len) = match mbuf.data().get(12..ETHERNET)? {
            [0x86, 0xdd] => (Family::V6, 40 + u32::from(half(packet, 4)?)),
            [0x08, 0x00] => (Family::V4, u32::from(half(packet, 2)?)),
            _ => return None,
        };
        meta.l3 = l3 as u16;
    }
    let there = mbuf.pkt_len().checked_sub(l3 as u32)?;
    let (version, least) = match meta.family {
        Family::V6 => (6, LEAST6),
        Family::V4 => (4, LEAST4),
        Family::Arp => return None,
    };
    let may_be_cut = meta.family == Family::V4 && half(packet, 6)? & DONT_FRAGMENT == 0;
    let mtu = (fits.saturating_sub(l3) as u32).max(least);
    let right = packet.first()? >> 4 == version && meta.len <= there && mtu < meta.len;
    (right && !may_be_cut).then_some((meta, mtu))
}

/// Least MTUs that a host takes to heart (RFC 8200 section 5, RFC 791).
const LEAST6: u32 = 1280;
const LEAST4: u32 = 68;
/// The bit of an IPv4 header that has a packet dropped rather than cut.
const DONT_FRAGMENT: u16 = 0x4000;

fn half(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
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
