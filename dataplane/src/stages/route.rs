//! Where does the packet go? Longest-prefix match, group member, and whether it may go there at all.
//!
//! # Routes into another router's table
//!
//! A route may say that another router knows more ([`NextHopKind::Router`]): the packet is looked up there as well, and leaves by
//! what that says. The alternative would have been to copy the other's routes into the table of each router that is told of it.
//! Then such packets would take the lane; but each neighbour that comes and goes in a router that is shared by thousands would
//! be a change of thousands of tables. So the lookup goes on instead, in the graph: such a route costs one entry, holds for
//! what the other learns later, and a packet that takes it is dearer by a lookup. For all else it stays a packet of the router
//! that it came in by: errors about it go back there. Only what is for an address of the other itself is the other's.

use std::net::Ipv4Addr;

use dpdk::{Mbuf, offload};
use tables::hash::FlowKey;
use tables::id::{NextHopId, VrfId};
use tables::next_hop::{NextHop, NextHopKind};
use wire::addr::{v4, v6};

use crate::drop::DropReason;
use crate::frame::{BURST, Family, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// Routes the packets of its list, in batches of one family and routing domain.
pub fn route(cx: &Context<'_>, frame: &mut Frame, _: &mut WorkerState) {
    let mut rest = frame.take(Stage::Route);
    let mut batch = Batch::default();
    while let Some(first) = rest.next() {
        let Meta { family, vrf, .. } = frame[first];
        batch.begin(frame, first);
        let mut others = crate::frame::List::default();
        for slot in rest {
            if frame[slot].family == family && frame[slot].vrf == vrf {
                batch.add(frame, slot);
            } else {
                others.push(slot);
            }
        }
        rest = others;
        batch.look_up(cx, family, vrf);
        for k in 0..batch.len {
            decide(cx, frame, batch.slots[k], batch.next_hops[k]);
        }
    }
}

/// Addresses to be looked up together.
struct Batch {
    len: usize,
    slots: [Slot; BURST],
    to6: [u128; BURST],
    to4: [u32; BURST],
    next_hops: [NextHopId; BURST],
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            len: 0,
            slots: [Slot::default(); BURST],
            to6: [0; BURST],
            to4: [0; BURST],
            next_hops: [NextHopId(0); BURST],
        }
    }
}

impl Batch {
    fn begin(&mut self, frame: &Frame, slot: Slot) {
        self.len = 0;
        self.add(frame, slot);
    }

    fn add(&mut self, frame: &Frame, slot: Slot) {
        let (mbuf, meta) = (frame.mbuf(slot), &frame[slot]);
        self.slots[self.len] = slot;
        match meta.family {
            Family::V6 => self.to6[self.len] = destination6(&mbuf, meta),
            _ => self.to4[self.len] = destination4(&mbuf, meta),
        }
        self.len += 1;
    }

    fn look_up(&mut self, cx: &Context<'_>, family: Family, vrf: VrfId) {
        let (n, out) = (self.len, &mut self.next_hops);
        match family {
            Family::V6 => cx
                .lpm6
                .lookup_burst(cx.reader, vrf, &self.to6[..n], &mut out[..n]),
            _ => cx
                .lpm4
                .lookup_burst(cx.reader, vrf, &self.to4[..n], &mut out[..n]),
        }
    }
}

/// What the route says.
fn decide(cx: &Context<'_>, frame: &mut Frame, slot: Slot, id: NextHopId) {
    use DropReason::*;
    let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
    let is6 = meta.family == Family::V6;
    let look_up = |vrf| match meta.family {
        Family::V6 => cx.lpm6.lookup(cx.reader, vrf, destination6(&mbuf, &meta)),
        _ => cx.lpm4.lookup(cx.reader, vrf, destination4(&mbuf, &meta)),
    };
    let Some((id, owner)) = across(cx, meta.vrf, id, look_up) else {
        return frame.drop(slot, RouterLoop);
    };
    let id = member(cx, &mbuf, &meta, id);
    let next_hop = cx.next_hops.get(id);
    frame[slot].next_hop = id;
    match next_hop.kind {
        NextHopKind::NoRoute => frame.refuse(slot, if is6 { Ip6NoRoute } else { Ip4NoRoute }, 0),
        NextHopKind::Local => {
            // What answers belongs to the router whose address it is, and so does the way of the answer.
            frame[slot].vrf = owner;
            frame.send(slot, Stage::Local);
        }
        NextHopKind::Blackhole => frame.drop(slot, Blackhole),
        NextHopKind::Unreachable => frame.refuse(slot, Unreachable, 0),
        NextHopKind::Prohibit => frame.refuse(slot, Prohibited, 0),
        // A group is never a member of a group, nor is another router.
        NextHopKind::Group | NextHopKind::Router => frame.refuse(slot, GroupEmpty, 0),
        NextHopKind::Forward
        | NextHopKind::Bridge
        | NextHopKind::Tunnel
        | NextHopKind::Glean
        | NextHopKind::Incomplete => match may_leave(cx, &mbuf, &meta, next_hop) {
            Ok(stage) => frame.send(slot, stage),
            Err(Refusal {
                reason,
                param: None,
            }) => frame.drop(slot, reason),
            Err(Refusal {
                reason,
                param: Some(param),
            }) => frame.refuse(slot, reason, param),
        },
    }
}

/// So many routers' tables are looked up for one packet besides its own.
pub const MAX_ROUTERS: usize = 4;

/// Where a route leads that may lead into another router's table: the next hop in the end, and the router whose it is. `look_up`
/// asks a router's table. None when there is no end to it within [`MAX_ROUTERS`].
#[inline(always)]
pub fn across(
    cx: &Context<'_>,
    vrf: VrfId,
    id: NextHopId,
    look_up: impl Fn(VrfId) -> NextHopId,
) -> Option<(NextHopId, VrfId)> {
    let (mut id, mut vrf) = (id, vrf);
    for _ in 0..MAX_ROUTERS {
        let next_hop = cx.next_hops.get(id);
        if next_hop.kind != NextHopKind::Router {
            return Some((id, vrf));
        }
        vrf = next_hop.vrf;
        id = look_up(vrf);
    }
    let is_end = cx.next_hops.get(id).kind != NextHopKind::Router;
    is_end.then_some((id, vrf))
}

/// The member that this flow takes, if `id` is a group; else `id`.
pub fn member(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta, id: NextHopId) -> NextHopId {
    let next_hop = cx.next_hops.get(id);
    if next_hop.kind != NextHopKind::Group {
        return id;
    }
    let hash = cx.forwarding.flow_hash.hash(&flow_key(mbuf, meta));
    let member = cx.groups.select(cx.reader, next_hop.group, hash);
    // An empty group keeps its own id, so that it is not taken for a missing route.
    if member == NextHopId(0) { id } else { member }
}

/// Why a packet with a way out may not take it.
struct Refusal {
    reason: DropReason,
    /// What its ICMP error tells; `None` if there is none.
    param: Option<u32>,
}

/// Checks what only matters when a packet leaves again: scopes, hop limit, size.
fn may_leave(
    cx: &Context<'_>,
    mbuf: &Mbuf,
    meta: &Meta,
    next_hop: &NextHop,
) -> Result<Stage, Refusal> {
    if !meta.has(flags::OWN) {
        transit(cx, mbuf, meta, next_hop)?;
    }
    if !next_hop.kind.is_resolved() {
        return Ok(Stage::Hold);
    }
    let after = fits(mbuf, meta, next_hop)?;
    if redirects(cx, meta, next_hop) {
        Ok(Stage::Redirect)
    } else {
        Ok(after)
    }
}

/// Whether the packet goes back out of the interface it came in by, where redirects are sent.
fn redirects(cx: &Context<'_>, meta: &Meta, next_hop: &NextHop) -> bool {
    next_hop.iface == meta.iface
        && !meta.has(flags::OWN | flags::RELEASED)
        && cx
            .forwarding
            .interface(meta.iface)
            .is_some_and(|interface| interface.redirects)
}

fn transit(cx: &Context<'_>, mbuf: &Mbuf, meta: &Meta, next_hop: &NextHop) -> Result<(), Refusal> {
    use DropReason::*;
    let silent = |reason| {
        Err(Refusal {
            reason,
            param: None,
        })
    };
    let answered = |reason| {
        Err(Refusal {
            reason,
            param: Some(0),
        })
    };
    if meta.family == Family::V6 {
        let source = source6(mbuf, meta);
        if v6::is_unspecified(source) {
            return silent(Ip6SourceUnspecified);
        }
        // RFC 4443 section 3.1, code 2: beyond the scope of the source address.
        if v6::is_link_local(source) {
            return answered(Ip6SourceLinkLocal);
        }
    } else {
        let (source, destination) = (source4(mbuf, meta), destination4(mbuf, meta));
        if v4::is_unspecified(source) {
            return silent(Ip4SourceUnspecified);
        }
        if v4::is_link_local(source) {
            return silent(Ip4SourceLinkLocal);
        }
        if v4::is_link_local(destination) {
            return silent(Ip4DestinationLinkLocal);
        }
        let broadcast = |address| {
            let interface = cx.forwarding.interface(next_hop.iface);
            interface.is_some_and(|interface| interface.broadcast4.contains(&address))
        };
        if next_hop.kind == NextHopKind::Glean && broadcast(Ipv4Addr::from_bits(destination)) {
            return silent(Ip4DirectedBroadcast);
        }
    }
    match (hop_limit(mbuf, meta), meta.family) {
        (0 | 1, Family::V6) => answered(Ip6HopLimit),
        (0 | 1, _) => answered(Ip4TtlExceeded),
        _ => Ok(()),
    }
}

/// The stage for a packet of this size: on, or to be cut.
fn fits(mbuf: &Mbuf, meta: &Meta, next_hop: &NextHop) -> Result<Stage, Refusal> {
    use DropReason::*;
    let mtu = u32::from(next_hop.mtu);
    let too_big = |reason| {
        Err(Refusal {
            reason,
            param: Some(mtu),
        })
    };
    if size_on_wire(mbuf, meta) <= mtu {
        Ok(Stage::Rewrite)
    } else if meta.has(flags::OWN) && 0 < meta.tunnels {
        // An outer packet of ours is not fragmented, and there is nobody to tell but ourselves.
        Err(Refusal {
            reason: TunnelTooBig,
            param: None,
        })
    } else if meta.family == Family::V6 {
        too_big(Ip6PacketTooBig)
    } else if dont_fragment(mbuf, meta) {
        too_big(Ip4FragmentationNeeded)
    } else if offload::wire_len(*mbuf).is_some() {
        // What is to be cut anyway is cut to the MTU as it leaves.
        Ok(Stage::Rewrite)
    } else {
        Ok(Stage::Fragment)
    }
}

/// The stage that a packet which was found to fit or to be cuttable goes to after the redirect stage.
pub(super) fn after_redirect(mbuf: &Mbuf, meta: &Meta, next_hop: &NextHop) -> Stage {
    fits(mbuf, meta, next_hop).unwrap_or(Stage::Rewrite)
}

/// Bytes of the longest IP packet that this one becomes: a batch of TCP segments from a virtual machine is cut
/// before it is sent.
fn size_on_wire(mbuf: &Mbuf, meta: &Meta) -> u32 {
    offload::wire_len(*mbuf).unwrap_or(meta.len)
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// What the flow hash is taken of.
pub fn flow_key(mbuf: &Mbuf, meta: &Meta) -> FlowKey {
    let mut key = FlowKey {
        protocol: meta.protocol,
        ..FlowKey::default()
    };
    if meta.family == Family::V6 {
        key.src = source6(mbuf, meta);
        key.dst = destination6(mbuf, meta);
        let [_, b1, b2, b3] = field(mbuf, meta, 0);
        key.flow_label = u32::from_be_bytes([0, b1 & 0x0f, b2, b3]);
    } else {
        key.src = u128::from(source4(mbuf, meta));
        key.dst = u128::from(destination4(mbuf, meta));
    }
    // Every fragment of a packet takes the way of the first: no ports for any of them.
    if !meta.has(flags::FRAGMENT) && matches!(meta.protocol, TCP | UDP | SCTP) {
        let ports = mbuf
            .data()
            .get(usize::from(meta.l4)..)
            .and_then(|l4| l4.first_chunk());
        if let Some(&[s0, s1, d0, d1]) = ports {
            key.src_port = u16::from_be_bytes([s0, s1]);
            key.dst_port = u16::from_be_bytes([d0, d1]);
        }
    }
    key
}

/// `N` bytes of the IP header. The parse stage has found the header whole; an absent one reads as zeroes.
#[inline(always)]
fn field<const N: usize>(mbuf: &Mbuf, meta: &Meta, at: usize) -> [u8; N] {
    let bytes = mbuf
        .data()
        .get(usize::from(meta.l3) + at..)
        .and_then(|rest| rest.first_chunk());
    bytes.copied().unwrap_or([0; N])
}

/// Source of an IPv6 packet.
#[inline(always)]
pub fn source6(mbuf: &Mbuf, meta: &Meta) -> u128 {
    u128::from_be_bytes(field(mbuf, meta, 8))
}

/// Destination of an IPv6 packet.
#[inline(always)]
pub fn destination6(mbuf: &Mbuf, meta: &Meta) -> u128 {
    u128::from_be_bytes(field(mbuf, meta, 24))
}

/// Source of an IPv4 packet.
#[inline(always)]
pub fn source4(mbuf: &Mbuf, meta: &Meta) -> u32 {
    u32::from_be_bytes(field(mbuf, meta, 12))
}

/// Destination of an IPv4 packet.
#[inline(always)]
pub fn destination4(mbuf: &Mbuf, meta: &Meta) -> u32 {
    u32::from_be_bytes(field(mbuf, meta, 16))
}

/// Hop limit or TTL.
#[inline(always)]
pub fn hop_limit(mbuf: &Mbuf, meta: &Meta) -> u8 {
    let [value] = field(mbuf, meta, if meta.family == Family::V6 { 7 } else { 8 });
    value
}

fn dont_fragment(mbuf: &Mbuf, meta: &Meta) -> bool {
    let [flags] = field(mbuf, meta, 6);
    flags & 0x40 != 0
}
