//! What asks ports in a worker, without devices: the stages admit and deliver, and the lane's part, with true tables and buffers.
//!
//! ```text
//!   anchor 1: an interface on port 0          anchor 2: a place of a network, on port 1
//! ```

use std::sync::Arc;

use dpdk::Mbuf;
use dpdk::testing::Arena;
use tables::binding::BindingWriter;
use tables::fdb::FdbWriter;
use tables::flow::{Flow, FlowKey, FlowTable};
use tables::group::GroupWriter;
use tables::id::{AttachId, IfaceId, NetworkId, NextHopId, PortId, VrfId};
use tables::lpm::LpmWriter;
use tables::next_hop::{NextHop, NextHopKind, NextHopWriter};
use tables::publish::{Published, Qsbr, Reader};

use super::packet::{INTERFACES, Made, NETWORKS};
use crate::claim::claim_ring;
use crate::counters::{CounterSizes, WorkerCounters};
use crate::denied::{Direction, denied_ring};
use crate::forwarding::network::Local;
use crate::forwarding::{Forwarding, Interface, Tags};
use crate::frame::{Family, Frame, Meta};
use crate::graph::Stage;
use crate::guard::{BookWriter, note_ring};
use crate::lane;
use crate::learn::learn_ring;
use crate::punt::{PuntRingSize, punt_ring};
use crate::secure::naive::{Offered, Verdict};
use crate::secure::{self, State};
use crate::stages::tx::TxPorts;
use crate::stages::{admit, deliver, flood, hold, icmp_error, punt};
use crate::state::{Backlog, Context, Entry, Tables, Trash, WorkerState};

/// Ticks of the clock a second.
const HZ: u64 = 1_000;
/// Longer than fragments wait.
const FORGET: u64 = 6_000;
const LAN: IfaceId = IfaceId(1);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub struct Bed {
    pub forwarding: Forwarding,
    pub flows: Arc<FlowTable>,
    /// Milliseconds.
    pub now: u64,
    w: WorkerState,
    arena: Arena,
    frame: Box<Frame>,
    lane: lane::secure::Flows,
    tables: Tables,
    reader: Reader,
    /// Leads to the machine at the interface.
    next_hop: NextHopId,
    attachment: AttachId,
}

impl Bed {
    pub fn new() -> Self {
        let qsbr = Qsbr::new(1);
        let reader = qsbr.register().unwrap();
        let (_, lpm6) = LpmWriter::new(1, qsbr.clone()).unwrap();
        let (_, lpm4) = LpmWriter::new(1, qsbr.clone()).unwrap();
        let (mut next_hop_writer, next_hops) = NextHopWriter::new(8, qsbr.clone()).unwrap();
        let (_, groups) = GroupWriter::new(4, qsbr.clone()).unwrap();
        let (_, fdb) = FdbWriter::new(16, 1);
        let (_, bindings) = BindingWriter::new(16, 1);
        let (_, book) = BookWriter::new(16, 8, 1);
        let (flows, mut parts) = FlowTable::new(256, 1, &qsbr, 1).unwrap();
        let (denials, _) = denied_ring(1);
        let (notes, _) = note_ring(1);
        let (learner, _) = learn_ring(1);
        let (claims, _) = claim_ring(1);
        let (punts, _) = punt_ring(
            0,
            PuntRingSize {
                slots: 1,
                jumbo_slots: 1,
            },
        );
        let (urgent, _) = punt_ring(0, PuntRingSize::URGENT);
        let next_hop = NextHop {
            iface: LAN,
            ..NextHop::of_kind(NextHopKind::Forward)
        };
        let next_hop = next_hop_writer.alloc(next_hop).unwrap();
        let mut forwarding = Forwarding::new();
        let mut lan = Interface::new(LAN, PortId(0), Tags::None, MAC, VrfId(0));
        lan.anchor = INTERFACES;
        forwarding.insert(lan);
        let attachment = forwarding.attach(
            1,
            Local {
                network: NetworkId(1),
                port: PortId(1),
                tags: Tags::None,
                anchor: NETWORKS,
            },
        );
        let arena = Arena::new(128);
        let w = WorkerState {
            index: 0,
            counters: Arc::new(WorkerCounters::new(CounterSizes {
                interfaces: 2,
                next_hops: 8,
                networks: 2,
                tunnels: 2,
                anchors: 4,
                rules: 16,
            })),
            pool: arena.pool().clone(),
            backlog: Backlog::new(64),
            tx: TxPorts::new(Vec::new(), Vec::new()),
            punts: punt::Punts::new(punts, urgent),
            icmp: icmp_error::State::default(),
            hold: hold::State::default(),
            flood: flood::State::new(2),
            learner,
            claims,
            secure: State::new(parts.remove(0), notes, denials, 4, 1),
            observer: crate::observer::observer().0,
            trash: Trash::default(),
        };
        let tables = Tables {
            lpm6,
            lpm4,
            next_hops,
            groups,
            fdb,
            bindings,
            book,
            flows: flows.clone(),
            forwarding: Arc::new(Published::new(qsbr, Box::default())),
        };
        Self {
            forwarding,
            flows,
            now: 10 * HZ,
            w,
            arena,
            frame: Frame::new(),
            lane: lane::secure::Flows::NONE,
            tables,
            reader,
            next_hop,
            attachment,
        }
    }

    /// What the packet path says of a packet.
    pub fn packet(&mut self, made: &Made) -> Verdict {
        let offered = &made.offered;
        let frame = frame(offered);
        let mbuf = match made.cut {
            Some(cut) if 14 <= cut && cut < frame.len() => {
                self.arena.chain(&[&frame[..cut], &frame[cut..]])
            }
            _ => self.arena.packet(&frame),
        };
        if made.in_lane && self.lane_passes(offered, &frame, mbuf) {
            mbuf.free();
            return Verdict::Pass(LANE);
        }
        let port = PortId(u16::from(offered.anchor == NETWORKS));
        let mut meta = Meta::from_port(port);
        let stage = match offered.direction {
            Direction::Egress => Stage::Admit,
            Direction::Ingress => Stage::Deliver,
        };
        if offered.direction == Direction::Ingress {
            meta.l3 = 14;
            match offered.anchor {
                NETWORKS => meta.to = self.attachment,
                _ => meta.next_hop = self.next_hop,
            }
            meta.family = match offered.ether_type {
                0x86dd => Family::V6,
                _ => Family::V4,
            };
        }
        self.ask(Entry { mbuf, meta, stage })
    }

    /// What it says of the next fragment that has waited; `None` if there is none.
    pub fn again(&mut self) -> Option<Verdict> {
        let entry = self.w.backlog.pop()?;
        Some(self.ask(entry))
    }

    fn ask(&mut self, entry: Entry) -> Verdict {
        let Entry { mbuf, meta, stage } = entry;
        assert!(self.frame.push(mbuf, meta, stage).is_ok());
        let cx = Context {
            forwarding: &self.forwarding,
            ..self.tables.read(&self.reader, self.now, HZ)
        };
        let (frame, w) = (&mut self.frame, &mut self.w);
        match stage {
            Stage::Admit => admit::admit(&cx, frame, w),
            _ => deliver::deliver(&cx, frame, w),
        }
        let passed = [Stage::Parse, Stage::Switch, Stage::Tx].map(|stage| frame.take(stage));
        let passed = passed.into_iter().flatten().next();
        let dropped = frame.take(Stage::Drop).next();
        let verdict = match (passed, dropped) {
            (Some(slot), None) => Verdict::Pass(frame[slot].param),
            (None, Some(slot)) => Verdict::Drop(frame[slot].reason),
            (None, None) => Verdict::Kept,
            both => unreachable!("a packet goes one way: {both:?}"),
        };
        frame.end();
        frame.clear();
        if verdict != Verdict::Kept {
            mbuf.free();
        }
        verdict
    }

    /// Whether the lane lets it pass. It is asked about what it may meet: what guards have nothing to ask of but the source, and what is
    /// routed has been checked.
    fn lane_passes(&mut self, offered: &Offered, frame: &[u8], mbuf: Mbuf) -> bool {
        let cx = Context {
            forwarding: &self.forwarding,
            ..self.tables.read(&self.reader, self.now, HZ)
        };
        let Some(anchor) = cx.forwarding.security.get(offered.anchor) else {
            return false;
        };
        let mbufs = [mbuf];
        let (lane, w) = (&mut self.lane, &mut self.w);
        match (offered.direction, offered.switched) {
            (Direction::Egress, _) => {
                !crate::guard::is_control(frame, 14)
                    && lane::secure::admit_frames(&cx, w, lane, anchor, &mbufs, 1) != 0
            }
            (Direction::Ingress, true) => {
                mbuf.nb_segs() == 1 && lane::secure::delivers(&cx, w, anchor.id, &mbuf)
            }
            (Direction::Ingress, false) => {
                let is_plain = mbuf.nb_segs() == 1 && is_plain(&offered.bytes);
                let of = |_| Some(anchor);
                is_plain
                    && match offered.ether_type {
                        0x86dd => lane.pass_to::<true>(&cx, w, &mbufs, 1, of) != 0,
                        _ => lane.pass_to::<false>(&cx, w, &mbufs, 1, of) != 0,
                    }
            }
        }
    }

    /// Time passes.
    pub fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.reader.quiescent();
        let cx = Context {
            forwarding: &self.forwarding,
            ..self.tables.read(&self.reader, self.now, HZ)
        };
        secure::tick(&cx, &mut self.w);
    }

    /// Whether there is such a flow.
    pub fn has(&self, key: &FlowKey) -> bool {
        let flows = self.flows.read(&self.reader);
        flows.find(flows.hash(key), key).is_some()
    }

    /// Looks at a flow that must be there.
    pub fn with_flow(&self, key: &FlowKey, f: impl FnOnce(&Flow)) {
        let flows = self.flows.read(&self.reader);
        match flows.find(flows.hash(key), key) {
            Some(flow) => f(flow),
            None => panic!("only the model knows the flow {key:?}"),
        }
    }

    /// How many flows there are.
    pub fn count(&self) -> u32 {
        [INTERFACES, NETWORKS]
            .map(|anchor| self.flows.count(anchor))
            .iter()
            .sum()
    }

    /// Removes the flows and forgets the fragments. Nothing else may be left.
    pub fn clear<'k>(&mut self, keys: impl Iterator<Item = &'k FlowKey>) {
        for key in keys {
            let flows = self.flows.read(&self.reader);
            if let Some(flow) = flows.find(flows.hash(key), key) {
                self.w.secure.flows.remove(flow);
            }
        }
        assert_eq!(self.count(), 0);
        self.wait(FORGET);
        while self.w.secure.held() != 0 {
            self.wait(1);
        }
        self.w.trash.empty();
        assert!(self.w.backlog.is_empty());
        assert_eq!(self.arena.in_use(), 0, "buffers leaked");
    }
}

/// The rule that the lane tells of: none.
pub const LANE: u32 = u32::MAX;

fn frame(offered: &Offered) -> Vec<u8> {
    let (to, from) = match offered.direction {
        Direction::Egress => (MAC, HOST),
        Direction::Ingress => (HOST, MAC),
    };
    let ether_type = offered.ether_type.to_be_bytes();
    [&to[..], &from, &ether_type, &offered.bytes].concat()
}

/// Whether a packet is one that the lane routes: without options, extension headers or fragments, and whole.
fn is_plain(packet: &[u8]) -> bool {
    match packet {
        [0x60..=0x6f, _, _, _, l1, l0, next, ..] => {
            let is_extended = matches!(next, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140);
            let len = 40 + usize::from(u16::from_be_bytes([*l1, *l0]));
            !is_extended && len <= packet.len()
        }
        [0x45, _, l1, l0, _, _, f1, f0, ..] => {
            let len = usize::from(u16::from_be_bytes([*l1, *l0]));
            f1 & 0x3f == 0 && *f0 == 0 && (20..=packet.len()).contains(&len)
        }
        _ => false,
    }
}
