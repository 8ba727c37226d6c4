//! Sorts packets by output port and hands them to devices in bursts.
//!
//! A port's queue belongs to one worker. A worker without a queue of its own on a port reaches it by a hand-off ring to
//! the worker that has one; nothing is locked.

use dpdk::mbuf::flags;
use dpdk::offload::{self, Egress, OffloadError};
use dpdk::{Mbuf, Offloads, TxQueue};
use rtrb::{Consumer, Producer};
use tables::id::PortId;

use crate::counters::{PORTS, PortCounters, WorkerCounters};
use crate::drop::DropReason;
use crate::frame::{BURST, Frame};
use crate::graph::Stage;
use crate::state::{Context, Trash, WorkerState};

/// How often a device that does not take a burst is asked again before the rest is dropped.
const TRIES: usize = 3;

/// A packet on its way to the worker that owns the output queue.
#[derive(Clone, Copy, Debug)]
pub struct Handoff {
    /// The port it leaves by.
    pub port: PortId,
    /// The packet.
    pub mbuf: Mbuf,
    /// The port it came from, for the drop counters.
    pub from: PortId,
}

/// How this worker reaches a port.
pub enum Outlet {
    /// It has a queue of its own.
    Queue(TxQueue),
    /// By the worker that owns the queue: an index into [`TxPorts::peers`].
    Peer(usize),
}

struct TxPort {
    outlet: Option<Outlet>,
    offloads: Offloads,
    /// A waiting packet asks something of the device: the driver must see the burst before.
    prepare: bool,
    waiting: Vec<Mbuf>,
    /// Where the waiting packets came from.
    from: Vec<PortId>,
}

/// The output side of a worker.
pub struct TxPorts {
    ports: Vec<TxPort>,
    /// Ports with waiting packets, one bit each.
    pending: u64,
    peers: Vec<Producer<Handoff>>,
    owed: Vec<Consumer<Handoff>>,
}

const _: () = assert!(PORTS <= u64::BITS as usize);

impl TxPorts {
    /// No port yet. `peers`: rings to other workers; `owed`: rings from other workers.
    pub fn new(peers: Vec<Producer<Handoff>>, owed: Vec<Consumer<Handoff>>) -> Self {
        let port = || TxPort {
            outlet: None,
            offloads: Offloads::default(),
            prepare: false,
            waiting: Vec::with_capacity(BURST),
            from: Vec::with_capacity(BURST),
        };
        Self {
            ports: std::iter::repeat_with(port).take(PORTS).collect(),
            pending: 0,
            peers,
            owed,
        }
    }

    /// Connects or disconnects a port; what it was connected to comes back.
    pub fn connect(&mut self, port: PortId, outlet: Option<Outlet>) -> Option<Outlet> {
        let port = self.ports.get_mut(port.index())?;
        std::mem::replace(&mut port.outlet, outlet)
    }

    /// What the port's device does for packets that need finishing; nothing, unless told.
    pub fn set_offloads(&mut self, port: PortId, offloads: Offloads) {
        if let Some(port) = self.ports.get_mut(port.index()) {
            port.offloads = offloads;
        }
    }

    fn offloads(&self, port: PortId) -> Offloads {
        self.ports
            .get(port.index())
            .map_or_else(Offloads::default, |port| port.offloads)
    }

    /// The worker's own queue on a port.
    #[inline(always)]
    pub fn queue(&mut self, port: PortId) -> Option<&mut TxQueue> {
        match self.ports.get_mut(port.index())?.outlet.as_mut()? {
            Outlet::Queue(queue) => Some(queue),
            Outlet::Peer(_) => None,
        }
    }

    /// Whether nothing waits for this port, so that a burst may pass the buffer by without overtaking.
    #[inline(always)]
    pub fn is_idle(&self, port: PortId) -> bool {
        self.pending >> port.index() & 1 == 0
    }

    /// Puts a packet into the port's buffer; a full buffer is sent.
    #[inline(always)]
    pub fn put(
        &mut self,
        port: PortId,
        mbuf: Mbuf,
        from: PortId,
        counters: &WorkerCounters,
        trash: &mut Trash,
    ) {
        let Some(buffer) = self.ports.get_mut(port.index()) else {
            counters.port(from).drops[DropReason::TxPortDown.index()].add(1);
            trash.put(mbuf);
            return;
        };
        buffer.waiting.push(mbuf);
        buffer.from.push(from);
        buffer.prepare |= mbuf.ol_flags() & flags::TX_MASK != 0;
        self.pending |= 1 << port.index();
        if buffer.waiting.len() == BURST {
            self.flush_port(port, counters, trash);
        }
    }

    /// Sends everything that waits.
    #[inline(always)]
    pub fn flush(&mut self, counters: &WorkerCounters, trash: &mut Trash) {
        while self.pending != 0 {
            let port = PortId(self.pending.trailing_zeros() as u16);
            self.flush_port(port, counters, trash);
        }
    }

    /// Takes over what other workers want sent by this one.
    pub fn take_over(&mut self, counters: &WorkerCounters, trash: &mut Trash) -> usize {
        let mut taken = 0;
        for ring in 0..self.owed.len() {
            for _ in 0..BURST {
                let Ok(handoff) = self.owed[ring].pop() else {
                    break;
                };
                counters.taken_over.add(1);
                taken += 1;
                self.put(handoff.port, handoff.mbuf, handoff.from, counters, trash);
            }
        }
        taken
    }

    /// Disconnects every port and drops what waits, here and in the rings from other workers.
    pub fn close(&mut self, counters: &WorkerCounters, trash: &mut Trash) {
        for port in &mut self.ports {
            port.outlet = None;
        }
        while self.take_over(counters, trash) > 0 {}
        self.flush(counters, trash);
    }

    fn flush_port(&mut self, port: PortId, counters: &WorkerCounters, trash: &mut Trash) {
        self.pending &= !(1 << port.index());
        let TxPort {
            outlet,
            waiting,
            from,
            prepare,
            ..
        } = &mut self.ports[port.index()];
        let (sent, refused) = match outlet {
            Some(Outlet::Queue(queue)) => {
                let fit = if *prepare {
                    queue.tx_prepare(waiting)
                } else {
                    waiting.len()
                };
                let refused = if fit < waiting.len() {
                    DropReason::TxUnfit
                } else {
                    DropReason::TxFull
                };
                let fit = &waiting[..fit.min(waiting.len())];
                (
                    transmit(queue, fit, octets(fit), counters.port(port)),
                    refused,
                )
            }
            Some(Outlet::Peer(peer)) => {
                let ring = &mut self.peers[*peer];
                let handed = waiting.iter().zip(&*from).take_while(|(mbuf, from)| {
                    ring.push(Handoff {
                        port,
                        mbuf: **mbuf,
                        from: **from,
                    })
                    .is_ok()
                });
                let handed = handed.count();
                counters.handed_off.add(handed as u64);
                (handed, DropReason::TxHandoffFull)
            }
            None => (0, DropReason::TxPortDown),
        };
        for (mbuf, from) in waiting.iter().zip(&*from).skip(sent) {
            counters.port(*from).drops[refused.index()].add(1);
            trash.put(*mbuf);
        }
        waiting.clear();
        from.clear();
        *prepare = false;
    }
}

/// Hands a burst of `bytes` in all to the device; how many packets it took. Counts them.
#[inline(always)]
pub fn transmit(
    queue: &mut TxQueue,
    packets: &[Mbuf],
    bytes: u64,
    counters: &PortCounters,
) -> usize {
    let mut sent = queue.tx_burst(packets);
    for _ in 1..TRIES {
        if sent == packets.len() {
            break;
        }
        sent += queue.tx_burst(&packets[sent..]);
    }
    counters
        .tx
        .add(sent as u64, bytes - octets(&packets[sent..]));
    sent
}

/// Bytes of packets that are still ours.
fn octets(packets: &[Mbuf]) -> u64 {
    packets
        .iter()
        .map(|packet| u64::from(packet.pkt_len()))
        .sum()
}

/// Puts the packets of its list into their ports' buffers. Those that a virtual machine left unfinished (open
/// checksums, batches of segments) are finished here, by the device or in software.
pub fn tx(_: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Tx) {
        let (mut mbuf, meta) = (frame.mbuf(slot), frame[slot]);
        let offloads = w.tx.offloads(meta.out);
        if mbuf.nb_segs() > 1 && !offloads.tx_multi_segment && !mbuf.linearize() {
            frame.drop(slot, DropReason::TxUnfit);
        } else if !offload::needs_finishing(mbuf) {
            w.tx.put(meta.out, mbuf, meta.port, &w.counters, &mut w.trash);
        } else {
            let egress = Egress {
                offloads,
                mtu: meta.out_mtu,
                bare: false,
            };
            match finish(w, mbuf, meta.out, meta.port, &egress) {
                Ok(()) => {}
                Err(OffloadError::NoBuffers) => frame.drop(slot, DropReason::NoBuffer),
                Err(_) => frame.drop(slot, DropReason::TxUnfit),
            }
        }
    }
}

/// Sends what an unfinished packet becomes. On an error the packet is still there.
fn finish(
    w: &mut WorkerState,
    mbuf: Mbuf,
    port: PortId,
    from: PortId,
    egress: &Egress,
) -> Result<(), OffloadError> {
    let WorkerState {
        tx,
        pool,
        counters,
        trash,
        ..
    } = w;
    let mut became = 0u64;
    let result = offload::finish(mbuf, egress, pool, |packet| {
        became += 1;
        tx.put(port, packet, from, counters, trash);
    });
    // The packet itself is one of what it became, unless it is still there.
    counters.originated.add(if result.is_ok() {
        became.saturating_sub(1)
    } else {
        became
    });
    result
}
