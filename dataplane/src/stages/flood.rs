//! Frames to groups and to unknown stations: a copy to every place of the network but where it came from.
//!
//! Copies are counted as replicated, and go on by the backlog. What goes everywhere is policed per network.
//!
//! LIMIT: nothing is known of who listens to a group (RFC 4541). Who would know, from MLD and IGMP that pass the switch stage, has its say in
//! `places`, which every frame to a group takes; without a querier in the network it would have none.

use dpdk::Mbuf;
use tables::id::{AttachId, IfaceId, Place};
use tables::policer::{Rate, TokenBucket};
use wire::addr::v6;

use crate::drop::DropReason;
use crate::forwarding::{Interface, MacAddr, Network, Networks};
use crate::frame::{Frame, Meta};
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// The policers, by network. Networks beyond share the first.
#[derive(Debug)]
pub struct State {
    policers: Box<[TokenBucket]>,
}

impl State {
    /// Full buckets for networks below this id.
    pub fn new(networks: usize) -> Self {
        Self {
            policers: vec![TokenBucket::new(0); networks.max(1)].into(),
        }
    }

    fn admit(&mut self, cx: &Context<'_>, network: &Network) -> bool {
        let limit = network.flood_rate;
        let rate = Rate::new(limit.per_second, limit.burst, cx.hz);
        let index = match network.id.index() {
            index if index < self.policers.len() => index,
            _ => 0,
        };
        self.policers[index].take(&rate, cx.now)
    }
}

/// Copies the frames of its list.
pub fn flood(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Flood) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        if let Err(reason) = everywhere(cx, mbuf, &meta, w) {
            frame.drop(slot, reason);
        }
    }
}

/// Sends a frame everywhere; the frame itself is the last of its copies.
fn everywhere(
    cx: &Context<'_>,
    mbuf: Mbuf,
    meta: &Meta,
    w: &mut WorkerState,
) -> Result<(), DropReason> {
    let network = cx.forwarding.networks.get(meta.network);
    let network = network.ok_or(DropReason::InterfaceDown)?;
    if !w.flood.admit(cx, network) {
        return Err(DropReason::L2StormPoliced);
    }
    let mut last = None;
    for (meta, stage) in routers(cx, &mbuf, meta, network).chain(places(meta, network)) {
        if let Some((meta, stage)) = last.replace((meta, stage)) {
            replicate(mbuf, meta, stage, w);
        }
    }
    let (last, stage) = last.ok_or(DropReason::L2Nobody)?;
    w.counters
        .network(network.id)
        .flooded
        .add(1, u64::from(mbuf.pkt_len()));
    w.enter(mbuf, last, stage);
    Ok(())
}

/// The places that a frame goes to.
fn places<'a>(meta: &'a Meta, network: &'a Network) -> impl Iterator<Item = (Meta, Stage)> + 'a {
    let local = network.local.iter().copied();
    let segments = network.segments.iter();
    let tunnels = segments.flat_map(|segment| segment.flooded());
    let tunnels = tunnels.map(|&tunnel| AttachId::of(Place::Tunnel(tunnel)));
    local
        .chain(tunnels)
        .filter(|&to| Networks::may_pass(meta.from, to))
        .map(|to| (Meta { to, ..*meta }, Stage::Egress))
}

/// The interfaces of ours that want a frame.
fn routers<'a>(
    cx: &'a Context<'_>,
    mbuf: &Mbuf,
    meta: &'a Meta,
    network: &'a Network,
) -> impl Iterator<Item = (Meta, Stage)> + 'a {
    let to = mbuf.data().first_chunk().copied().unwrap_or_default();
    let from_us = match meta.from.place() {
        Place::Router(iface) => iface,
        _ => IfaceId(0),
    };
    let others = network.routers.iter().filter(move |&&id| id != from_us);
    others.filter_map(move |&iface| {
        let interface = cx.forwarding.interface(iface)?;
        wants(interface, to).then_some((Meta { iface, ..*meta }, Stage::Parse))
    })
}

/// Whether an interface looks at frames to a group.
fn wants(interface: &Interface, group: MacAddr) -> bool {
    match group {
        // Unknown unicast is for nobody here: our own stations are in the FDB.
        [first, ..] if first & 1 == 0 => false,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => true,
        [0x33, 0x33, low @ ..] => {
            let low = u32::from_be_bytes(low);
            let joined = |group: u128| group as u32 == low;
            let solicited = interface.all_solicited_nodes && low >> 24 == 0xff;
            joined(v6::ALL_NODES)
                || solicited
                || interface
                    .groups6
                    .iter()
                    .any(|group| joined(group.to_bits()))
        }
        [0x01, 0x00, 0x5e, low @ ..] => {
            let joined =
                |group: u32| group & 0x007f_ffff == u32::from_be_bytes([0, low[0], low[1], low[2]]);
            joined(wire::addr::v4::ALL_SYSTEMS)
                || interface
                    .groups4
                    .iter()
                    .any(|group| joined(group.to_bits()))
        }
        _ => false,
    }
}

/// One more of a frame.
fn replicate(mbuf: Mbuf, meta: Meta, stage: Stage, w: &mut WorkerState) {
    w.counters.replicated.add(1);
    match mbuf.copy(&w.pool) {
        Some(copy) => w.enter(copy, meta, stage),
        None => w.counters.port(meta.port).drops[DropReason::NoBuffer.index()].add(1),
    }
}
