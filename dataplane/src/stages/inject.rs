//! Packets of the control plane enter the graph. Not a stage: it feeds the backlog.

use dpdk::Mbuf;
use tables::id::{IfaceId, NetworkId, PortId, VrfId};
use wire::ext_header;
use wire::ipv4::Ipv4Header;

use crate::counters::NO_PORT;
use crate::drop::DropReason;
use crate::frame::{Family, Meta, flags};
use crate::graph::Stage;
use crate::stages::answer::of_router;
use crate::state::WorkerState;

/// Where an untagged frame's IP header begins: what a capture's filter reads.
const ETHERNET: usize = 14;

/// Sends a whole frame out of a port.
pub fn frame(w: &mut WorkerState, port: PortId, bytes: &[u8]) {
    w.counters.injected.add(1);
    match copy(w, bytes) {
        Some(mbuf) => {
            w.observer.sent(mbuf, ETHERNET, port, IfaceId(0));
            w.tx.put(port, mbuf, NO_PORT, &w.counters, &mut w.trash);
        }
        None => count_drop(w, DropReason::NoBuffer),
    }
}

/// Sends a whole frame into a network, as one of our interface.
pub fn network(w: &mut WorkerState, network: NetworkId, iface: IfaceId, bytes: &[u8]) {
    w.counters.injected.add(1);
    match copy(w, bytes) {
        Some(mbuf) => w.enter(mbuf, of_router(network, iface), Stage::Switch),
        None => count_drop(w, DropReason::NoBuffer),
    }
}

/// Routes an IP packet as one of our own.
pub fn routed(w: &mut WorkerState, vrf: VrfId, bytes: &[u8]) {
    w.counters.injected.add(1);
    let Some(meta) = describe(vrf, bytes) else {
        return count_drop(w, DropReason::InjectMalformed);
    };
    match copy(w, bytes) {
        Some(mbuf) => w.enter(mbuf, meta, Stage::Route),
        None => count_drop(w, DropReason::NoBuffer),
    }
}

/// Where the headers of an IP packet stand; `None` if it is none, or is not as long as it says.
fn describe(vrf: VrfId, bytes: &[u8]) -> Option<Meta> {
    let mut meta = Meta {
        vrf,
        flags: flags::OWN,
        ..Meta::from_port(NO_PORT)
    };
    match bytes.first()? >> 4 {
        6 => {
            let chain = ext_header::walk(bytes).ok()?;
            let payload = u16::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
            meta.family = Family::V6;
            meta.len = 40 + u32::from(payload);
            meta.protocol = chain.protocol.0;
            meta.l4 = chain.offset as u16;
        }
        4 => {
            let packet = Ipv4Header::parse(bytes).ok()?;
            meta.family = Family::V4;
            meta.len = packet.header.total_len() as u32;
            meta.protocol = packet.header.protocol().0;
            meta.l4 = packet.header.header_len() as u16;
        }
        _ => return None,
    }
    (meta.len as usize == bytes.len()).then_some(meta)
}

fn copy(w: &WorkerState, bytes: &[u8]) -> Option<Mbuf> {
    let mut mbuf = w.pool.alloc()?;
    if u16::try_from(bytes.len()).is_ok_and(|len| mbuf.append(len)) {
        mbuf.data_mut().copy_from_slice(bytes);
        return Some(mbuf);
    }
    mbuf.free();
    None
}

fn count_drop(w: &WorkerState, reason: DropReason) {
    w.counters.port(NO_PORT).drops[reason.index()].add(1);
}
