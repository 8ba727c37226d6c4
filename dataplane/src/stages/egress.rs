//! A network's frame on its way out: tags for a device, or a tunnel.

use dpdk::Mbuf;
use tables::id::{AnchorId, Place};

use crate::drop::DropReason;
use crate::forwarding::Tags;
use crate::frame::{Frame, Slot};
use crate::graph::Stage;
use crate::stages::answer::{CUSTOMER_TAG, SERVICE_TAG};
use crate::stages::link::TAG;
use crate::state::{Context, WorkerState};

/// Readies the frames of its list for where they go.
pub fn egress(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Egress) {
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
    let meta = &mut frame[slot];
    let networks = &cx.forwarding.networks;
    let network = networks.get(meta.network);
    let network = network.ok_or(DropReason::InterfaceDown)?;
    let bytes = u64::from(mbuf.pkt_len());
    // What a virtual machine left unfinished is cut to this on either way.
    meta.out_mtu = network.mtu;
    let stage = match meta.to.place() {
        Place::Local(number) => {
            let local = networks.local(number);
            let local = local.filter(|local| local.network == network.id);
            let local = local.ok_or(DropReason::L2NoPlace)?;
            meta.l3 += tag(&mut mbuf, local.tags).ok_or(DropReason::NoHeadroom)?;
            meta.out = local.port;
            match local.anchor {
                AnchorId(0) => Stage::Tx,
                _ => Stage::Deliver,
            }
        }
        Place::Tunnel(_) => Stage::Encap,
        Place::Router(_) | Place::Nowhere => return Err(DropReason::L2NoPlace),
    };
    w.counters.network(network.id).tx.add(1, bytes);
    Ok(stage)
}

/// Puts tags into a frame that has none; by how many bytes it grows. `None` if there is no room.
fn tag(frame: &mut Mbuf, tags: Tags) -> Option<u16> {
    let vids: &[([u8; 2], u16)] = match tags {
        Tags::None => return Some(0),
        Tags::Vlan(vid) => &[(CUSTOMER_TAG, vid)],
        Tags::QinQ { outer, inner } => &[(SERVICE_TAG, outer), (CUSTOMER_TAG, inner)],
    };
    let more = vids.len() * TAG;
    if !frame.prepend(more as u16) {
        return None;
    }
    let data = frame.data_mut();
    let addresses = 12;
    data.copy_within(more..more + addresses, 0);
    for (&(tpid, vid), room) in vids.iter().zip(data[addresses..].chunks_exact_mut(TAG)) {
        room[..2].copy_from_slice(&tpid);
        room[2..].copy_from_slice(&vid.to_be_bytes());
    }
    Some(more as u16)
}
