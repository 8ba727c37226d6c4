//! May the machine of a tenant send this? The guard of its port says whether it is who it says it is, its security groups what it may say.
//!
//! Frames from devices at which machines are plugged come here first; those of other places on them pass unasked.

use tables::id::{AnchorId, AttachId, Place};

use crate::denied::Direction;
use crate::drop::DropReason;
use crate::forwarding::Selected;
use crate::frame::{Frame, Slot};
use crate::graph::Stage;
use crate::secure::{self, Asked};
use crate::stages::link::LinkLayer;
use crate::state::{Context, WorkerState};

/// Sorts the frames of its list.
pub fn admit(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Admit) {
        match one(cx, frame, slot, w) {
            Ok(Some(stage)) => frame.send(slot, stage),
            Ok(None) => {}
            Err(reason) => frame.drop(slot, reason),
        }
    }
}

/// The stage it goes to; none, if it waits.
fn one(
    cx: &Context<'_>,
    frame: &mut Frame,
    slot: Slot,
    w: &mut WorkerState,
) -> Result<Option<Stage>, DropReason> {
    let mut mbuf = frame.mbuf(slot);
    if mbuf.nb_segs() > 1 {
        // As the parse stage does it.
        let _ = mbuf.linearize();
    }
    let link = LinkLayer::read(&mbuf)?;
    let view = cx.forwarding.port(frame[slot].port);
    let view = view.ok_or(DropReason::UnknownVlan)?;
    let next = match view.switched {
        true => Stage::Switch,
        false => Stage::Parse,
    };
    // Whoever looks at what is not admitted sees where its headers are.
    frame[slot].l3 = link.len;
    let anchor = match link.select(view) {
        Selected::Nothing => return Err(DropReason::UnknownVlan),
        Selected::Interface(id) => {
            frame[slot].iface = id;
            cx.forwarding
                .interface(id)
                .map(|interface| interface.anchor)
        }
        Selected::Attachment(at) => at_place(cx, at),
    };
    let anchor = anchor.and_then(|anchor| cx.forwarding.security.get(anchor));
    let Some(anchor) = anchor else {
        return Ok(Some(next));
    };
    let packet = secure::Packet {
        mbuf,
        meta: frame[slot],
        ether_type: link.ether_type,
        l3: usize::from(link.len),
        direction: Direction::Egress,
        stage: Stage::Admit,
    };
    Ok(match secure::ask(cx, w, anchor, &packet)? {
        Asked::Pass(rule) => {
            // For whoever traces it.
            frame[slot].param = rule.0;
            Some(next)
        }
        Asked::Kept => None,
    })
}

/// The machine at a place of a network.
pub(super) fn at_place(cx: &Context<'_>, at: AttachId) -> Option<AnchorId> {
    let Place::Local(number) = at.place() else {
        return None;
    };
    cx.forwarding
        .networks
        .local(number)
        .map(|local| local.anchor)
}
