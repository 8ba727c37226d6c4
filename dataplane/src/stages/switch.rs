//! Where in its network does a frame go: to a router of ours, to one place, or everywhere?
//!
//! Frames come here from devices that carry networks, out of tunnels ([`Meta::from`] says which), and from interfaces of ours
//! that are on a network. Within a network frames have no tags: those that select it on a device are taken off here and put on
//! by the egress stage. What the FDB does not know, or knows elsewhere, is told to the control plane, which alone writes it.

use dpdk::{Mbuf, mbuf, offload};
use tables::id::{AnchorId, AttachId, NetworkId, Place};

use crate::drop::DropReason;
use crate::forwarding::network::UnknownUnicast;
use crate::forwarding::virtual_macs::is_virtual;
use crate::forwarding::{MacAddr, Network, Networks, Selected};
use crate::frame::{Frame, Slot};
use crate::graph::Stage;
use crate::learn::Heard;
use crate::secure;
use crate::stages::admit::at_place;
use crate::stages::link::{ETHERNET, LinkLayer};
use crate::stages::suppress;
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Sorts the frames of its list.
pub fn switch(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Switch) {
        match one(cx, frame, slot, w) {
            Ok(stage) => frame.send(slot, stage),
            Err(reason) => frame.drop(slot, reason),
        }
    }
}

fn one(
    cx: &Context<'_>,
    frame: &mut Frame,
    slot: Slot,
    w: &mut WorkerState,
) -> Result<Stage, DropReason> {
    let mut mbuf = frame.mbuf(slot);
    let link = LinkLayer::read(&mbuf)?;
    if frame[slot].from == AttachId(0) {
        let port = cx.forwarding.port(frame[slot].port);
        let selected = port.map_or(Selected::Nothing, |port| link.select(port));
        let at = match selected {
            Selected::Nothing => return Err(DropReason::UnknownVlan),
            Selected::Interface(_) => return Ok(Stage::Parse),
            Selected::Attachment(at) => at,
        };
        let Place::Local(number) = at.place() else {
            return Err(DropReason::InterfaceDown);
        };
        let local = cx.forwarding.networks.local(number);
        let local = local.ok_or(DropReason::InterfaceDown)?;
        frame[slot].from = at;
        frame[slot].network = local.network;
        untag(&mut mbuf, &link);
    } else if usize::from(link.len) != ETHERNET {
        // RFC 7348 section 6.1: a frame in a tunnel has no tag.
        return Err(DropReason::TunnelInnerTag);
    }
    let meta = &mut frame[slot];
    meta.l3 = ETHERNET as u16;
    let (from, id) = (meta.from, meta.network);
    let network = cx.forwarding.networks.get(id);
    let network = network.ok_or(DropReason::InterfaceDown)?;
    if longest(mbuf) > u32::from(network.mtu) {
        return Err(DropReason::L2TooBig);
    }
    let is_ours = matches!(from.place(), Place::Router(_));
    if !is_ours {
        hear(cx, w, network, link.source, from)?;
        if at_place(cx, from).is_none_or(|anchor| anchor == AnchorId(0)) {
            secure::overhear(cx, w, network, mbuf);
        }
        w.counters.network(id).rx.add(1, u64::from(mbuf.pkt_len()));
    }
    if network.suppression
        && let Some(stage) = suppress::heed(cx, frame, slot, w, network, &link)
    {
        return Ok(stage);
    }
    if link.is_group() {
        return Ok(Stage::Flood);
    }
    match cx.fdb.lookup(id, link.destination) {
        Some(entry) => match entry.attach.place() {
            Place::Router(_) if is_ours => Err(DropReason::L2SamePlace),
            Place::Router(iface) => {
                frame[slot].iface = iface;
                Ok(Stage::Parse)
            }
            _ => {
                passes(from, entry.attach)?;
                frame[slot].to = entry.attach;
                Ok(Stage::Egress)
            }
        },
        None => unknown(network),
    }
}

/// Bytes of the longest IP packet that a frame becomes.
fn longest(mbuf: Mbuf) -> u32 {
    let whole = mbuf.pkt_len().saturating_sub(ETHERNET as u32);
    offload::wire_len(mbuf).unwrap_or(whole)
}

/// Whether a frame may go from one place to another.
fn passes(from: AttachId, to: AttachId) -> Result<(), DropReason> {
    if from == to {
        Err(DropReason::L2SamePlace)
    } else if Networks::may_pass(from, to) {
        Ok(())
    } else {
        Err(DropReason::L2SplitHorizon)
    }
}

/// What becomes of a frame to a station that nobody has heard of.
pub(super) fn unknown(network: &Network) -> Result<Stage, DropReason> {
    match network.unknown_unicast {
        UnknownUnicast::Flood => Ok(Stage::Flood),
        UnknownUnicast::Drop => Err(DropReason::L2UnknownUnicast),
    }
}

/// The stage for a frame of our router to a station of a network, and where that is.
pub(super) fn toward(
    cx: &Context<'_>,
    network: NetworkId,
    destination: MacAddr,
) -> Result<(Stage, AttachId), DropReason> {
    let network = cx.forwarding.networks.get(network);
    let network = network.ok_or(DropReason::InterfaceDown)?;
    match cx.fdb.lookup(network.id, destination) {
        Some(entry) => Ok((Stage::Egress, entry.attach)),
        None => Ok((unknown(network)?, AttachId(0))),
    }
}

/// Notes who sent the frame. An error: that it cannot have.
fn hear(
    cx: &Context<'_>,
    w: &mut WorkerState,
    network: &Network,
    source: MacAddr,
    from: AttachId,
) -> Result<(), DropReason> {
    match cx.fdb.lookup(network.id, source) {
        Some(entry) if entry.attach == from => {
            cx.fdb.touch(entry.handle, cx.seconds());
            return Ok(());
        }
        // Another router believes that it is active too: what it says of that settles it.
        Some(entry) if matches!(entry.attach.place(), Place::Router(_)) && is_virtual(&source) => {
            return Ok(());
        }
        Some(entry) if matches!(entry.attach.place(), Place::Router(_)) => {
            return Err(DropReason::L2OwnSource);
        }
        Some(entry) if entry.is_static() => return Err(DropReason::L2StationElsewhere),
        _ => {}
    }
    if network.learning {
        let heard = Heard {
            network: network.id,
            mac: source,
            at: from,
        };
        if !w.learner.tell(heard, cx.now, cx.hz) {
            w.counters.unheard.add(1);
        }
    }
    Ok(())
}

/// Takes the tags off a frame that have selected its network.
fn untag(frame: &mut Mbuf, link: &LinkLayer) {
    // What a device has taken out of the data has done its work.
    frame.set_ol_flags(frame.ol_flags() & !mbuf::flags::RX_VLAN_STRIPPED);
    let tags = usize::from(link.len) - ETHERNET;
    if tags == 0 {
        return;
    }
    let addresses = 2 * link.destination.len();
    frame.data_mut().copy_within(..addresses, tags);
    // Cannot fail: the header was read there.
    let _ = frame.adj(tags as u16);
}
