//! Packets that wait for a neighbour's link-layer address, and the requests to resolve it.
//!
//! The bounds and who yields are in [`crate::hold`]. The first packet for an address asks the control plane to resolve
//! it; the verdict comes back by the inject ring as [`release`] or [`fail`]. Without a verdict the packets are given up
//! after four seconds.

use std::hash::{BuildHasher, RandomState};

use dpdk::Mbuf;
use tables::id::IfaceId;
use tables::next_hop::{NextHop, NextHopKind};

use crate::drop::DropReason;
use crate::frame::{Family, Frame, Meta, flags};
use crate::graph::Stage;
use crate::hold::{Displaced, Hold, Key, Limits, Origin, Pushed};
use crate::punt::{PuntClass, PuntMeta};
use crate::stages::route::{destination4, destination6, source4, source6};
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Interfaces that may have packets waiting; on those beyond, packets for unresolved neighbours are dropped.
const INTERFACES: usize = 4096;
/// The table's clock: milliseconds.
const HZ: u64 = 1000;
/// Packets given up in one round of the worker's loop at most.
const EXPIRE_BUDGET: usize = 16;

/// The stage's own state.
pub struct State {
    table: Hold<(Mbuf, Meta)>,
}

impl Default for State {
    fn default() -> Self {
        Self::new(Limits::new(INTERFACES, HZ))
    }
}

impl State {
    /// An empty table of these sizes; its times are milliseconds.
    pub fn new(limits: Limits) -> Self {
        let seed = RandomState::new().hash_one(INTERFACES);
        Self {
            table: Hold::new(limits, seed),
        }
    }

    /// Packets waiting now.
    pub fn len(&self) -> usize {
        self.table.held()
    }

    /// Whether no packet waits.
    pub fn is_empty(&self) -> bool {
        self.table.held() == 0
    }
}

fn milliseconds(cx: &Context<'_>) -> u64 {
    cx.now / (cx.hz / HZ).max(1)
}

/// The neighbour that the packet waits for, and how it is asked for.
fn key(mbuf: &Mbuf, meta: &Meta, next_hop: &NextHop) -> (Key, Origin, PuntClass) {
    let iface = next_hop.iface;
    if next_hop.kind == NextHopKind::Incomplete {
        let key = Key {
            iface,
            address: next_hop.gateway,
        };
        return (key, Origin::Gateway, PuntClass::ResolveGateway);
    }
    // IPv4-mapped.
    let mapped = |address: u32| 0xffff << 32 | u128::from(address);
    let address = match (meta.family, meta.has(flags::SOURCE)) {
        (Family::V6, false) => destination6(mbuf, meta),
        (Family::V6, true) => source6(mbuf, meta),
        (_, false) => mapped(destination4(mbuf, meta)),
        (_, true) => mapped(source4(mbuf, meta)),
    };
    let address = address.to_be_bytes();
    (Key { iface, address }, Origin::Glean, PuntClass::Resolve)
}

/// Lets the packets of its list wait.
pub fn hold(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    let now = milliseconds(cx);
    for slot in frame.take(Stage::Hold) {
        let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        let (key, origin, class) = key(&mbuf, &meta, cx.next_hops.get(meta.next_hop));
        let (counters, trash) = (&w.counters, &mut w.trash);
        let displaced = |(mbuf, meta): (Mbuf, Meta), why| {
            let reason = match why {
                Displaced::ByNewer => DropReason::HoldDisplaced,
                Displaced::ByOther => DropReason::GleanLimited,
            };
            counters.port(meta.port).drops[reason.index()].add(1);
            trash.put(mbuf);
        };
        match w.hold.table.push(key, origin, (mbuf, meta), now, displaced) {
            Pushed::Held => {}
            Pushed::HeldRequest => {
                let request = PuntMeta {
                    port: meta.port,
                    vrf: meta.vrf,
                    ..PuntMeta::resolve(class, key.iface, key.address)
                };
                match w.punts.resolve(request) {
                    Ok(()) => w.counters.resolve_requests.add(1),
                    Err(_) => w.hold.table.request_lost(&key),
                }
            }
            Pushed::Full(_) => frame.drop(slot, DropReason::HoldFull),
        }
    }
    w.count_held();
}

/// The neighbour was resolved: its packets are routed again.
pub fn release(_: &Context<'_>, w: &mut WorkerState, iface: IfaceId, address: [u8; 16]) {
    let key = Key { iface, address };
    while let Some((mbuf, mut meta)) = w.hold.table.take_next(&key) {
        if meta.has(flags::SOURCE) {
            // Whose it is is known now: whether that is who sent it is still to be seen.
            meta.flags &= !flags::SOURCE;
            w.enter(mbuf, meta, Stage::Urpf);
            continue;
        }
        meta.flags |= flags::RELEASED;
        w.enter(mbuf, meta, Stage::Route);
    }
    w.count_held();
}

/// The neighbour does not answer: its packets are answered with address unreachable.
pub fn fail(_: &Context<'_>, w: &mut WorkerState, iface: IfaceId, address: [u8; 16]) {
    let key = Key { iface, address };
    while let Some((mbuf, meta)) = w.hold.table.take_next(&key) {
        give_up(w, mbuf, meta, DropReason::NeighbourFailed);
    }
    w.count_held();
}

/// Gives up what has waited too long; called once per round of the worker's loop.
pub fn expire(cx: &Context<'_>, w: &mut WorkerState) {
    if w.hold.is_empty() {
        return;
    }
    let now = milliseconds(cx);
    for _ in 0..EXPIRE_BUDGET {
        let Some((mbuf, meta)) = w.hold.table.expire_next(now) else {
            break;
        };
        give_up(w, mbuf, meta, DropReason::HoldTimeout);
    }
    w.count_held();
}

/// Gives up everything that waits (the worker stops): counted and freed, not answered.
pub fn clear(w: &mut WorkerState) {
    while let Some((mbuf, meta)) = w.hold.table.expire_next(u64::MAX) {
        w.drop(mbuf, meta.port, DropReason::HoldTimeout);
    }
    w.count_held();
}

/// Sends a packet to be answered with address unreachable (RFC 4861 section 7.2.2); one of unknown source is not answered.
fn give_up(w: &mut WorkerState, mbuf: Mbuf, meta: Meta, reason: DropReason) {
    if meta.has(flags::SOURCE) {
        w.drop(mbuf, meta.port, DropReason::SourceUnknown);
        return;
    }
    w.enter(mbuf, Meta { reason, ..meta }, Stage::IcmpError);
}
