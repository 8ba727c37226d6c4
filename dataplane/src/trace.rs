//! A packet's way through the graph, stage by stage.
//!
//! The worker writes fixed-size records into a ring of its own; the control plane puts those of one packet together
//! again ([`Assembler`]). A packet is traced from its first stage to the verdict that ends it, or not at all: it is
//! begun only when the ring has room for the longest way. While no filter is armed a worker never gets here.

use std::fmt;

use rtrb::{Consumer, Producer, RingBuffer};
use tables::id::{IfaceId, PortId};

use crate::drop::DropReason;
use crate::observe::{Filter, Summary};
use crate::punt::PuntClass;

#[cfg(test)]
mod tests;

/// What to trace: the part of a forwarding snapshot that arms the workers.
pub type TraceFilter = Filter;

/// Records a packet may take: its beginning, a step for each stage, its end. The graph has no cycle but the one of a
/// packet that is routed again as an error, so this is generous.
const RECORDS_PER_PACKET: usize = 24;
/// Packets of a frame that may be traced at once.
const FRAME: usize = 64;

/// What ended a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent out of a port.
    Tx(PortId),
    /// Dropped.
    Drop(DropReason),
    /// Copied to the control plane.
    Punt(PuntClass),
    /// Ended here: a reply took over.
    Consumed,
    /// Waits for a neighbour.
    Held,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tx(port) => write!(f, "tx {port}"),
            Self::Drop(reason) => write!(f, "drop {reason}"),
            Self::Punt(class) => write!(f, "punt {class}"),
            Self::Consumed => f.write_str("consumed"),
            Self::Held => f.write_str("held"),
        }
    }
}

/// One stage's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage's name in the graph.
    pub stage: &'static str,
    /// The edge it chose.
    pub verdict: &'static str,
    /// A number that explains it: a next hop's id, a rule's; 0 if there is nothing to say.
    pub detail: u32,
}

/// How a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Ticks of the worker's clock.
    pub time: u64,
    /// Port it came from.
    pub port: PortId,
    /// Interface it came in by.
    pub iface: IfaceId,
    /// Bytes of the frame.
    pub len: u32,
    /// What its first bytes say.
    pub summary: Summary,
}

/// What travels in the ring. The number tells the packets of one worker apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Start(u32, Start),
    Step(u32, Step),
    End(u32, Outcome),
}

/// The worker's end: knows which slots of the present frame are traced.
#[derive(Debug)]
pub struct Tracer {
    ring: Producer<Record>,
    /// Bit per slot of the frame.
    traced: u64,
    ids: [u32; FRAME],
    next: u32,
    missed: u64,
}

/// The control plane's end: yields whole packets.
#[derive(Debug)]
pub struct Assembler {
    ring: Consumer<Record>,
    open: Vec<(u32, Trace)>,
}

/// One packet's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// How it came in.
    pub start: Start,
    /// Stages in order.
    pub steps: Vec<Step>,
    /// What ended it.
    pub outcome: Outcome,
}

/// Makes the two ends for one worker; `capacity` records, at least what one packet needs.
pub fn trace_ring(capacity: usize) -> (Tracer, Assembler) {
    let (producer, consumer) = RingBuffer::new(capacity.max(RECORDS_PER_PACKET));
    let tracer = Tracer {
        ring: producer,
        traced: 0,
        ids: [0; FRAME],
        next: 0,
        missed: 0,
    };
    (
        tracer,
        Assembler {
            ring: consumer,
            open: Vec::new(),
        },
    )
}

impl Tracer {
    /// Whether any packet of the frame is traced: stages ask once a frame.
    #[inline(always)]
    pub fn active(&self) -> bool {
        self.traced != 0
    }

    /// Begins to trace the packet in `slot`, if it matches and there is room for its whole way.
    pub fn start(&mut self, slot: usize, filter: &TraceFilter, start: Start) {
        debug_assert!(slot < FRAME);
        if !filter.matches(start.iface, &start.summary) {
            return;
        }
        let running = self.traced.count_ones() as usize;
        if self.ring.slots() < (running + 1) * RECORDS_PER_PACKET {
            self.missed += 1;
            return;
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.traced |= 1 << slot;
        self.ids[slot] = id;
        self.push(Record::Start(id, start));
    }

    /// Notes a stage's verdict about the packet in `slot`.
    #[inline]
    pub fn step(&mut self, slot: usize, step: Step) {
        if self.traced >> slot & 1 != 0 {
            self.push(Record::Step(self.ids[slot], step));
        }
    }

    /// Notes what ended the packet in `slot`.
    #[inline]
    pub fn end(&mut self, slot: usize, outcome: Outcome) {
        if self.traced >> slot & 1 != 0 {
            self.traced &= !(1 << slot);
            self.push(Record::End(self.ids[slot], outcome));
        }
    }

    /// Forgets whatever is traced: the frame is over. Packets are ended by their verdict before this; one that was not
    /// would otherwise lend its number to the next packet in its slot.
    #[inline]
    pub fn end_frame(&mut self) {
        self.traced = 0;
    }

    /// Packets that matched and were not traced, because the control plane does not keep up.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn push(&mut self, record: Record) {
        if self.ring.push(record).is_err() {
            // A way longer than RECORDS_PER_PACKET: its tail is lost, and the assembler drops what stays open.
            self.missed += 1;
        }
    }
}

/// Unfinished packets the assembler keeps: those of a few frames.
const MAX_OPEN: usize = 4 * FRAME;

impl Assembler {
    /// The next packet whose way is complete.
    pub fn pop(&mut self) -> Option<Trace> {
        while let Ok(record) = self.ring.pop() {
            match record {
                Record::Start(id, start) => {
                    if self.open.len() == MAX_OPEN {
                        // The oldest will not end any more: its last record was lost.
                        self.open.remove(0);
                    }
                    let trace = Trace {
                        start,
                        steps: Vec::new(),
                        outcome: Outcome::Consumed,
                    };
                    self.open.push((id, trace));
                }
                Record::Step(id, step) => {
                    if let Some((_, trace)) = self.open.iter_mut().find(|(open, _)| *open == id) {
                        trace.steps.push(step);
                    }
                }
                Record::End(id, outcome) => {
                    if let Some(at) = self.open.iter().position(|(open, _)| *open == id) {
                        let (_, trace) = self.open.remove(at);
                        return Some(Trace { outcome, ..trace });
                    }
                }
            }
        }
        None
    }

    /// Whether the worker is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}
