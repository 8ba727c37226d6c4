//! May this be sent to the machine of a tenant? Its security groups say so.
//!
//! What this router sends of its own (advertisements, ND, DHCP, ICMP errors, echo replies) passes unasked: it answers the machine, or
//! tells it what it must know.

use tables::id::{NextHopId, RuleId};
use wire::EtherType;

use super::admit::at_place;
use crate::denied::Direction;
use crate::drop::DropReason;
use crate::frame::{Family, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::secure::{self, Asked};
use crate::state::{Context, WorkerState};

/// Sorts the frames of its list.
pub fn deliver(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Deliver) {
        match one(cx, frame, slot, w) {
            Ok(Asked::Pass(rule)) => {
                // For whoever traces it.
                frame[slot].param = rule.0;
                frame.send(slot, Stage::Tx);
            }
            Ok(Asked::Kept) => {}
            Err(reason) => frame.drop(slot, reason),
        }
    }
}

fn one(
    cx: &Context<'_>,
    frame: &Frame,
    slot: Slot,
    w: &mut WorkerState,
) -> Result<Asked, DropReason> {
    let meta = frame[slot];
    if meta.has(flags::OWN | flags::OWN_FRAME) {
        return Ok(Asked::Pass(RuleId(0)));
    }
    let at = at_place(cx, meta.to).or_else(|| {
        let next_hop = cx.next_hops.get(meta.next_hop);
        Some(cx.forwarding.interface(next_hop.iface)?.anchor)
    });
    let Some(anchor) = at.and_then(|anchor| cx.forwarding.security.get(anchor)) else {
        return Ok(Asked::Pass(RuleId(0)));
    };
    let mut mbuf = frame.mbuf(slot);
    if mbuf.nb_segs() > 1 {
        let _ = mbuf.linearize();
    }
    let packet = secure::Packet {
        mbuf,
        meta,
        ether_type: ether_type(mbuf.data(), &meta),
        l3: usize::from(meta.l3),
        direction: Direction::Ingress,
        stage: Stage::Deliver,
    };
    secure::ask(cx, w, anchor, &packet)
}

/// What a frame carries. Of one that was only switched nothing else is known than what it says.
fn ether_type(data: &[u8], meta: &Meta) -> EtherType {
    if meta.next_hop != NextHopId(0) {
        return match meta.family {
            Family::V6 => EtherType::IPV6,
            Family::V4 => EtherType::IPV4,
            Family::Arp => EtherType::ARP,
        };
    }
    let l3 = usize::from(meta.l3);
    let at = data.get(l3.wrapping_sub(2)..l3);
    EtherType(at.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]])))
}
