//! Copies packets to the control plane, each class and port within its own rate.

use tables::id::PortId;
use tables::policer::{Rate, TokenBucket};

use crate::counters::PORTS;
use crate::drop::DropReason;
use crate::frame::{Frame, Meta};
use crate::graph::Stage;
use crate::punt::{PuntClass, PuntError, PuntMeta, PuntProducer};
use crate::state::{Context, WorkerState};

/// The worker's ends of the punt rings and the policers in front of them.
#[derive(Debug)]
pub struct Punts {
    ring: PuntProducer,
    /// What must not wait behind the rest.
    urgent: PuntProducer,
    policers: Box<[[TokenBucket; PuntClass::COUNT]]>,
}

impl Punts {
    /// Full buckets in front of both rings.
    pub fn new(ring: PuntProducer, urgent: PuntProducer) -> Self {
        Self {
            ring,
            urgent,
            policers: vec![[TokenBucket::new(0); PuntClass::COUNT]; PORTS].into(),
        }
    }

    /// Whether the class may punt one more packet from this port now.
    pub fn admit(&mut self, cx: &Context<'_>, class: PuntClass, port: PortId) -> bool {
        let rate = cx.forwarding.punt_rates[class.index()];
        let rate = Rate::new(rate.per_second, rate.burst, cx.hz);
        self.policers[port.index().min(PORTS - 1)][class.index()].take(&rate, cx.now)
    }

    /// Asks the control plane to resolve an address. The request is a message, not a packet: it is not counted in
    /// the conservation equation.
    pub fn resolve(&mut self, meta: PuntMeta) -> Result<(), PuntError> {
        self.ring.send(meta, 0, |_| ())
    }

    fn send(&mut self, frame: &Frame, slot: crate::frame::Slot) -> Result<(), PuntError> {
        let (mbuf, meta) = (frame.mbuf(slot), &frame[slot]);
        let ring = match meta.class.is_urgent() {
            true => &mut self.urgent,
            false => &mut self.ring,
        };
        ring.send(describe(meta), mbuf.pkt_len() as usize, |bytes| {
            mbuf.copy_to(bytes);
        })
    }
}

fn describe(meta: &Meta) -> PuntMeta {
    PuntMeta {
        class: meta.class,
        worker: 0,
        port: meta.port,
        iface: meta.iface,
        vrf: meta.vrf,
        l3_offset: meta.l3,
        address: [0; 16],
    }
}

/// Punts the packets of its list.
pub fn punt(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    for slot in frame.take(Stage::Punt) {
        let Meta { class, port, .. } = frame[slot];
        if !w.punts.admit(cx, class, port) {
            frame.drop(slot, DropReason::PuntPoliced);
            continue;
        }
        match w.punts.send(frame, slot) {
            Ok(()) => {
                w.counters.port(port).punts[class.index()].add(1);
                w.trash.put(frame.mbuf(slot));
            }
            Err(PuntError::RingFull) => frame.drop(slot, DropReason::PuntRingFull),
            Err(PuntError::TooBig) => frame.drop(slot, DropReason::PuntTooBig),
        }
    }
}
