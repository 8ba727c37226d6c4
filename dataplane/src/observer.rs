//! Joins trace and capture to the graph, from outside: no stage knows that it is watched.
//!
//! While something is armed, the frames of observed ports and of the backlog run by [`run`] instead of
//! [`crate::graph::run`]. It lets the same stages work and looks afterwards into which list each packet went; a packet
//! that is in none has left, by the stage's nature sent, punted, dropped, consumed or held.
//!
//! LIMIT: a packet that is dropped outside of the graph (a full device queue, a displaced one in the hold table) is
//! counted and not captured.

use tables::id::{IfaceId, NetworkId, NextHopId, PortId};

use crate::capture::{CaptureFilter, CaptureMeta, CaptureReader, Capturer, Point, capture_ring};
use crate::counters::NO_PORT;
use crate::frame::{Frame, Meta, Slot};
use crate::graph::Stage;
use crate::observe::Summary;
use crate::stages::answer::copy_from;
use crate::state::{Context, WorkerState};
use crate::trace::{Assembler, Outcome, Start, Step, TraceFilter, Tracer, trace_ring};

#[cfg(test)]
mod tests;

/// Records of the trace ring: some hundred packets on their way to the control plane.
const TRACE_RECORDS: usize = 8192;
/// Bytes of the capture ring.
const CAPTURE_BYTES: usize = 2 << 20;

/// The worker's side: what is armed, and where it goes.
#[derive(Debug)]
pub struct Observer {
    trace: Option<TraceFilter>,
    capture: Option<CaptureFilter>,
    tracer: Tracer,
    capturer: Capturer,
    /// The worker's clock at the start of the round.
    now: u64,
}

/// The control plane's side.
#[derive(Debug)]
pub struct Watch {
    /// Traced packets.
    pub traces: Assembler,
    /// Captured packets.
    pub captures: CaptureReader,
}

/// Makes the two sides for one worker.
pub fn observer() -> (Observer, Watch) {
    let (tracer, traces) = trace_ring(TRACE_RECORDS);
    let (capturer, captures) = capture_ring(CAPTURE_BYTES);
    let observer = Observer {
        trace: None,
        capture: None,
        tracer,
        capturer,
        now: 0,
    };
    (observer, Watch { traces, captures })
}

impl Observer {
    /// Does as the snapshot says. Called once a round.
    #[inline(always)]
    pub fn follow(&mut self, cx: &Context<'_>) {
        let forwarding = cx.forwarding;
        if forwarding.is_watched() || self.trace.is_some() || self.capture.is_some() {
            (self.trace, self.capture) = (forwarding.trace, forwarding.capture);
            self.now = cx.now;
        }
    }

    /// Notes a frame that leaves without passing the graph's last stages; its IP header is at `l3`.
    #[inline]
    pub fn sent(&mut self, mbuf: dpdk::Mbuf, l3: usize, port: PortId, iface: IfaceId) {
        self.capture(mbuf, l3, port, iface, Point::Tx);
    }

    fn capture(&mut self, mbuf: dpdk::Mbuf, l3: usize, port: PortId, iface: IfaceId, point: Point) {
        if let Some(filter) = &self.capture {
            let meta = CaptureMeta {
                time: self.now,
                port,
                iface,
                point,
                len: mbuf.pkt_len(),
            };
            let copy = |skip: usize, out: &mut [u8]| copy_from(mbuf, skip, out);
            self.capturer.offer(filter, meta, mbuf.data(), l3, copy);
        }
    }

    fn start(&mut self, slot: Slot, mbuf: dpdk::Mbuf, meta: &Meta) {
        if let Some(filter) = self.trace {
            let start = Start {
                time: self.now,
                port: meta.port,
                iface: meta.iface,
                len: mbuf.pkt_len(),
                summary: summary(mbuf, meta),
            };
            self.tracer.start(slot.index(), &filter, start);
        }
    }
}

/// The packet in words; one whose link-layer header could not be read is no IP packet.
fn summary(mbuf: dpdk::Mbuf, meta: &Meta) -> Summary {
    if meta.port != NO_PORT && meta.l3 == 0 && meta.len == 0 {
        return Summary::default();
    }
    Summary::of(mbuf.data().get(usize::from(meta.l3)..).unwrap_or_default())
}

/// Runs the graph as [`crate::graph::run`] does, and looks on.
#[cold]
pub fn run(cx: &Context<'_>, frame: &mut Frame, w: &mut WorkerState) {
    // Packets that were made here or released begin at the stage they wait for; of the others the first stage tells what they are.
    let later = |stage: &&Stage| !matches!(stage, Stage::Admit | Stage::Switch | Stage::Parse);
    for &stage in Stage::ALL.iter().filter(later) {
        for slot in frame.waiting(stage) {
            w.observer.start(slot, frame.mbuf(slot), &frame[slot]);
        }
    }
    for &stage in Stage::ALL {
        let list = frame.waiting(stage);
        if list.is_empty() {
            continue;
        }
        for slot in list {
            before(cx, frame, slot, stage, w);
        }
        stage.run(cx, frame, w);
        for slot in list {
            if is_told_now(frame, slot, stage) {
                let (mbuf, meta) = (frame.mbuf(slot), frame[slot]);
                let l3 = usize::from(meta.l3);
                w.observer
                    .capture(mbuf, l3, meta.port, meta.iface, Point::Rx);
                w.observer.start(slot, mbuf, &meta);
            }
            if w.observer.tracer.active() {
                after(frame, slot, stage, w);
            }
        }
    }
    w.observer.tracer.end_frame();
    frame.end();
}

/// Whether this is the stage after which it is known what came: the switch stage for frames of networks, the parse stage for
/// others, the admit stage for what it does not admit.
fn is_told_now(frame: &Frame, slot: Slot, stage: Stage) -> bool {
    let of_network = frame[slot].network != NetworkId(0);
    let waits = |stage| frame.waiting(stage).any(|waiting| waiting == slot);
    match stage {
        Stage::Admit => !waits(Stage::Switch) && !waits(Stage::Parse),
        Stage::Switch => of_network || !waits(Stage::Parse),
        Stage::Parse => !of_network,
        _ => false,
    }
}

/// Captures a packet at the stage that ends it, while its bytes are still there.
fn before(cx: &Context<'_>, frame: &Frame, slot: Slot, stage: Stage, w: &mut WorkerState) {
    let (mbuf, meta) = (frame.mbuf(slot), &frame[slot]);
    let l3 = usize::from(meta.l3);
    match stage {
        Stage::Tx => {
            // A frame that was only switched has no interface.
            let iface = match meta.next_hop {
                NextHopId(0) => IfaceId(0),
                id => cx.next_hops.get(id).iface,
            };
            w.observer.capture(mbuf, l3, meta.out, iface, Point::Tx);
        }
        Stage::Drop => {
            w.observer
                .capture(mbuf, l3, meta.port, meta.iface, Point::Drop(meta.reason));
        }
        _ => {}
    }
}

/// Notes where a stage has sent a packet.
fn after(frame: &Frame, slot: Slot, stage: Stage, w: &mut WorkerState) {
    let meta = &frame[slot];
    let mut later = stage.next().iter();
    let next = later.find(|&&next| frame.waiting(next).any(|waiting| waiting == slot));
    if let Some(next) = next {
        let detail = match stage {
            Stage::Route => meta.next_hop.0,
            Stage::Admit | Stage::Deliver => meta.param,
            _ => 0,
        };
        let step = Step {
            stage: stage.label(),
            verdict: next.label(),
            detail,
        };
        w.observer.tracer.step(slot.index(), step);
        return;
    }
    let outcome = match stage {
        Stage::Tx => Outcome::Tx(meta.out),
        Stage::Drop => Outcome::Drop(meta.reason),
        Stage::Punt => Outcome::Punt(meta.class),
        Stage::Hold | Stage::Admit | Stage::Deliver => Outcome::Held,
        // An echo request that was answered, a packet that went on in pieces.
        _ => Outcome::Consumed,
    };
    w.observer.tracer.end(slot.index(), outcome);
}
