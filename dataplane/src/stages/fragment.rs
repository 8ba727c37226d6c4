//! Cuts IPv4 packets to the MTU of their next hop. The pieces go on to `rewrite` by the backlog, as one packet would.

use dpdk::offload::{self, Egress};
use dpdk::{Mbuf, Mempool, Offloads};

use crate::drop::DropReason;
use crate::fragment::{Piece, Plan};
use crate::frame::{BURST, Frame, Meta, Slot, flags};
use crate::graph::Stage;
use crate::stages::answer::copy_from;
use crate::state::{Context, WorkerState};

#[cfg(test)]
mod tests;

/// Pieces of one packet at most: 64 KiB to an MTU of 1,024. Whoever asks for more gets none.
const MAX_PIECES: usize = BURST;

/// Cuts the packets of its list.
pub fn fragment(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Fragment) {
        if !cut(cx, frame, slot, w) {
            frame.drop(slot, DropReason::FragmentFailed);
        }
    }
}

/// Replaces one packet by its pieces; false, and nothing changed, if that cannot be done.
fn cut(cx: &Context<'_>, frame: &Frame, slot: Slot, w: &mut WorkerState) -> bool {
    let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
    let mtu = usize::from(cx.next_hops.get(meta.next_hop).mtu);
    let l3 = usize::from(meta.l3);
    if offload::needs_finishing(mbuf) && !complete(mbuf, &w.pool) {
        return false;
    }
    let Some(packet) = mbuf.data().get(l3..) else {
        return false;
    };
    let Ok(plan) = Plan::new(packet, meta.len as usize, mtu) else {
        return false;
    };
    let n = plan.pieces().count();
    if n > MAX_PIECES || n > w.backlog.room() {
        return false;
    }
    let mut made = [None; MAX_PIECES];
    for (piece, place) in plan.pieces().zip(&mut made) {
        *place = make(&w.pool, mbuf, &plan, piece, l3);
        if place.is_none() {
            for mbuf in made.into_iter().flatten() {
                mbuf.free();
            }
            return false;
        }
    }
    let mut first = true;
    for mbuf in made.into_iter().flatten() {
        let later = if first { 0 } else { flags::LATER_FRAGMENT };
        let header_len = u16::from(mbuf.data()[0] & 0x0f) * 4;
        let meta = Meta {
            len: mbuf.pkt_len(),
            l3: 0,
            l4: header_len,
            flags: meta.flags | flags::FRAGMENT | later,
            ..meta
        };
        // The packet itself is counted already; what is more than one is ours.
        if first {
            w.enter(mbuf, meta, Stage::Rewrite);
        } else {
            w.originate(mbuf, meta, Stage::Rewrite);
        }
        first = false;
    }
    w.counters.fragmented.add(1);
    w.trash.put(mbuf);
    true
}

/// Completes the checksum that a virtual machine left open: it is that of the whole. A packet that is no batch stays one.
fn complete(mbuf: Mbuf, pool: &Mempool) -> bool {
    let egress = Egress {
        offloads: Offloads::default(),
        mtu: u16::MAX,
        bare: false,
    };
    offload::finish(mbuf, &egress, pool, |_| ()).is_ok()
}

/// One piece in buffers of its own; several where one has no room for it.
fn make(pool: &Mempool, packet: Mbuf, plan: &Plan, piece: Piece, l3: usize) -> Option<Mbuf> {
    let (header, header_len) = plan.header(piece);
    let mut head = pool.alloc()?;
    if !head.append(header_len as u16) {
        head.free();
        return None;
    }
    head.data_mut().copy_from_slice(&header[..header_len]);
    let mut from = l3 + plan.header_len() + piece.start;
    let mut left = piece.len;
    let mut segment = head;
    while left > 0 {
        let old = usize::from(segment.data_len());
        let n = left.min(usize::from(segment.tailroom()));
        if n == 0 {
            let Some(next) = pool.alloc().filter(|next| next.tailroom() > 0) else {
                head.free();
                return None;
            };
            head.chain(next);
            segment = next;
            continue;
        }
        // Extends the last segment, which is `segment`.
        if !head.append(n as u16) || copy_from(packet, from, &mut segment.data_mut()[old..]) != n {
            head.free();
            return None;
        }
        from += n;
        left -= n;
    }
    Some(head)
}
