//! A router of two interfaces for stage tests: real tables, real buffers, fake devices, and the whole graph.
//!
//! ```text
//!   host 2001:db8:1::10, 192.0.2.10 ── lan: port 28, 2001:db8:1::1, 192.0.2.1 ── router ── wan: port 29, MTU 1280
//! ```
//!
//! Whatever a test does, the packets must add up in the end: [`Testbed`] checks it when it is dropped.

#![allow(missing_docs)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk::Offloads;
use dpdk::testing::{Arena, FakePort, bytes};
use etherparse::PacketBuilder;
use tables::binding::BindingWriter;
use tables::fdb::FdbWriter;
use tables::flow::FlowTable;
use tables::group::GroupWriter;
use tables::id::{IfaceId, NextHopId, PortId, VrfId};
use tables::lpm::{LpmWriter, Prefix};
use tables::next_hop::{NextHop, NextHopKind, NextHopWriter};
use tables::publish::{Published, Qsbr, Reader};

use crate::claim::claim_ring;
use crate::counters::{CounterSizes, PORTS, WorkerCounters};
use crate::denied::denied_ring;
use crate::drop::DropReason;
use crate::forwarding::{Forwarding, Interface, Tags};
use crate::frame::Frame;
use crate::graph;
use crate::guard::{BookWriter, note_ring};
use crate::learn::{HeardConsumer, learn_ring};
use crate::punt::{PuntClass, PuntConsumer, PuntMeta, PuntRingSize, punt_ring};
use crate::stages::tx::{Outlet, TxPorts};
use crate::stages::{flood, hold, icmp_error, punt};
use crate::state::{Backlog, Context, Tables, Trash, WorkerState};

pub const LAN: PortId = PortId(28);
pub const WAN: PortId = PortId(29);
pub const LAN_IFACE: IfaceId = IfaceId(1);
pub const WAN_IFACE: IfaceId = IfaceId(2);
pub const LAN_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub const WAN_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0x10];
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 2, 0x20];
pub const WAN_MTU: u16 = 1280;
pub const HZ: u64 = 1_000_000;
const VRF: VrfId = VrfId(0);

/// Fake ports are global to the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub struct Testbed {
    pub w: WorkerState,
    pub arena: Arena,
    /// Ticks of the clock, [`HZ`] a second.
    pub now: u64,
    tables: Tables,
    reader: Reader,
    frame: Box<Frame>,
    lpm6: LpmWriter<u128>,
    lpm4: LpmWriter<u32>,
    next_hops: NextHopWriter,
    forwarding: Forwarding,
    punts: PuntConsumer,
    urgent: PuntConsumer,
    pub watch: crate::observer::Watch,
    pub stations: FdbWriter,
    pub heard: HeardConsumer,
    received: u64,
    lan: FakePort,
    wan: FakePort,
    _one: MutexGuard<'static, ()>,
}

pub fn v6(address: &str) -> Ipv6Addr {
    address.parse().unwrap()
}

pub fn v4(address: &str) -> Ipv4Addr {
    address.parse().unwrap()
}

fn forward(port: PortId, iface: IfaceId, mtu: u16, to: [u8; 6], from: [u8; 6]) -> NextHop {
    let mut next_hop = NextHop::of_kind(NextHopKind::Forward);
    next_hop.header[..6].copy_from_slice(&to);
    next_hop.header[6..12].copy_from_slice(&from);
    NextHop {
        header_len: 14,
        port,
        iface,
        mtu,
        ..next_hop
    }
}

pub fn glean(iface: IfaceId, mtu: u16) -> NextHop {
    NextHop {
        iface,
        mtu,
        ..NextHop::of_kind(NextHopKind::Glean)
    }
}

/// The resolved host on the LAN.
pub fn host() -> NextHop {
    forward(LAN, LAN_IFACE, 1500, HOST_MAC, LAN_MAC)
}

/// A resolved router on the WAN.
pub fn peer() -> NextHop {
    forward(WAN, WAN_IFACE, WAN_MTU, PEER_MAC, WAN_MAC)
}

impl Testbed {
    pub fn new() -> Self {
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let qsbr = Qsbr::new(1);
        let reader = qsbr.register().unwrap();
        let (mut lpm6, lpm6_table) = LpmWriter::new(1, qsbr.clone()).unwrap();
        let (mut lpm4, lpm4_table) = LpmWriter::new(1, qsbr.clone()).unwrap();
        lpm6.add_vrf(VRF).unwrap();
        lpm4.add_vrf(VRF).unwrap();
        let (next_hops, next_hop_table) = NextHopWriter::new(256, qsbr.clone()).unwrap();
        let (stations, fdb) = FdbWriter::new(64, 1);
        let (_, owners) = BindingWriter::new(64, 1);
        let (_, groups) = GroupWriter::new(4, qsbr.clone()).unwrap();
        let (denials, _) = denied_ring(16);
        let (notes, _) = note_ring(16);
        let (_, book) = BookWriter::new(64, 8, 1);
        let (flows, mut parts) = FlowTable::new(64, 1, &qsbr, 1).unwrap();
        let mut lan = Interface::new(LAN_IFACE, LAN, Tags::None, LAN_MAC, VRF);
        lan.link_local = vec![v6("fe80::1")];
        lan.icmp_source6 = Some(v6("2001:db8:1::1"));
        lan.icmp_source4 = Some(v4("192.0.2.1"));
        lan.groups6 = vec![v6("ff02::2"), v6("ff02::1:ff00:1"), v6("ff02::5")];
        lan.groups4 = vec![v4("224.0.0.5")];
        lan.broadcast4 = vec![v4("192.0.2.255")];
        let mut wan = Interface::new(WAN_IFACE, WAN, Tags::None, WAN_MAC, VRF);
        wan.mtu = WAN_MTU;
        let mut forwarding = Forwarding::new();
        forwarding.insert(lan);
        forwarding.insert(wan);
        let published = Arc::new(Published::new(qsbr.clone(), Box::new(forwarding.clone())));
        let tables = Tables {
            lpm6: lpm6_table,
            lpm4: lpm4_table,
            next_hops: next_hop_table,
            groups,
            fdb,
            bindings: owners,
            book,
            flows,
            forwarding: published,
        };
        let (ring, punts) = punt_ring(
            0,
            PuntRingSize {
                slots: 32,
                jumbo_slots: 1,
            },
        );
        let (urgent_ring, urgent) = punt_ring(0, PuntRingSize::URGENT);
        let arena = Arena::new(512);
        let (observer, watch) = crate::observer::observer();
        let (learner, heard) = learn_ring(8);
        let (claims, _) = claim_ring(8);
        let w = WorkerState {
            index: 0,
            counters: Arc::new(WorkerCounters::new(CounterSizes {
                interfaces: 8,
                next_hops: 256,
                networks: 8,
                tunnels: 8,
                anchors: 8,
                rules: 64,
            })),
            pool: arena.pool().clone(),
            backlog: Backlog::new(128),
            tx: TxPorts::new(Vec::new(), Vec::new()),
            punts: punt::Punts::new(ring, urgent_ring),
            icmp: icmp_error::State::default(),
            hold: hold::State::default(),
            flood: flood::State::new(8),
            learner,
            claims,
            secure: crate::secure::State::new(parts.remove(0), notes, denials, 8, 1),
            observer,
            trash: Trash::default(),
        };
        let mut bed = Self {
            w,
            arena,
            now: 10 * HZ,
            tables,
            reader,
            frame: Frame::new(),
            lpm6,
            lpm4,
            next_hops,
            forwarding,
            punts,
            urgent,
            watch,
            stations,
            heard,
            received: 0,
            lan: FakePort::new(LAN.0, 1),
            wan: FakePort::new(WAN.0, 1),
            _one: one,
        };
        for (port, fake) in [(LAN, &bed.lan), (WAN, &bed.wan)] {
            let (_, tx) = fake.queues(0);
            assert!(bed.w.tx.connect(port, Some(Outlet::Queue(tx))).is_none());
            bed.w.tx.set_offloads(
                port,
                Offloads {
                    tx_multi_segment: true,
                    ..Offloads::default()
                },
            );
        }
        let own = |iface| NextHop {
            iface,
            ..NextHop::of_kind(NextHopKind::Local)
        };
        bed.route("2001:db8:1::1", 128, own(LAN_IFACE));
        bed.route("192.0.2.1", 32, own(LAN_IFACE));
        bed.route("2001:db8:1::", 64, glean(LAN_IFACE, 1500));
        bed.route("192.0.2.0", 24, glean(LAN_IFACE, 1500));
        bed.route("2001:db8:1::10", 128, host());
        bed.route("192.0.2.10", 32, host());
        bed.route("2001:db8:2::", 64, peer());
        bed.route("198.51.100.0", 24, peer());
        bed
    }

    /// Adds or replaces a route.
    pub fn route(&mut self, address: &str, len: u8, next_hop: NextHop) -> NextHopId {
        let id = self.next_hops.alloc(next_hop).unwrap();
        match address.parse().unwrap() {
            IpAddr::V6(address) => {
                let prefix = Prefix::new(address.to_bits(), len).unwrap();
                self.lpm6.insert(VRF, prefix, id).unwrap();
            }
            IpAddr::V4(address) => {
                let prefix = Prefix::new(address.to_bits(), len).unwrap();
                self.lpm4.insert(VRF, prefix, id).unwrap();
            }
        }
        id
    }

    /// Changes what a next hop stands for.
    pub fn change(&mut self, id: NextHopId, next_hop: NextHop) {
        self.next_hops.set(id, next_hop).unwrap();
    }

    /// Changes the snapshot of ports and interfaces.
    pub fn configure(&mut self, change: impl FnOnce(&mut Forwarding)) {
        change(&mut self.forwarding);
        self.tables
            .forwarding
            .publish(Box::new(self.forwarding.clone()));
        self.reader.quiescent();
    }

    /// Changes the LAN's interface.
    pub fn configure_lan(&mut self, change: impl FnOnce(&mut Interface)) {
        self.configure(|forwarding| {
            let mut lan = forwarding.interface(LAN_IFACE).unwrap().clone();
            change(&mut lan);
            forwarding.insert(lan);
        });
    }

    /// Does something with the tables of this moment, then lets everything run that came of it.
    pub fn with(&mut self, f: impl FnOnce(&Context<'_>, &mut WorkerState)) {
        let cx = self.tables.read(&self.reader, self.now, HZ);
        self.w.observer.follow(&cx);
        let watched = cx.forwarding.is_watched();
        self.frame.observed = watched;
        f(&cx, &mut self.w);
        graph::run(&cx, &mut self.frame, &mut self.w);
        self.frame.clear();
        while let Some(entry) = self.w.backlog.pop() {
            self.frame.observed = watched;
            self.frame
                .push(entry.mbuf, entry.meta, entry.stage)
                .unwrap();
            graph::run(&cx, &mut self.frame, &mut self.w);
            self.frame.clear();
        }
        self.w.tx.flush(&self.w.counters, &mut self.w.trash);
        self.w.trash.empty();
        self.reader.quiescent();
    }

    /// A frame that arrives at a port in segments, and all that comes of it.
    pub fn receive(&mut self, port: PortId, segments: &[&[u8]]) {
        self.receive_mbuf(port, self.arena.chain(segments));
    }

    /// The same of a frame whose checksum a virtual machine left open, or of a batch of pieces of `size` bytes.
    pub fn receive_unfinished(&mut self, port: PortId, frame: &[u8], size: Option<u16>) {
        use dpdk::mbuf::{flags, tx_offload};
        let mut mbuf = self.arena.packet(frame);
        let batch = if size.is_some() { flags::RX_LRO } else { 0 };
        mbuf.set_ol_flags(flags::RX_L4_CKSUM_NONE | batch);
        mbuf.set_tx_offload(tx_offload(0, 0, 0, size.unwrap_or(0)));
        self.receive_mbuf(port, mbuf);
    }

    fn receive_mbuf(&mut self, port: PortId, mbuf: dpdk::Mbuf) {
        self.received += 1;
        let len = u64::from(mbuf.pkt_len());
        self.w.counters.port(port).rx.add(1, len);
        let meta = crate::frame::Meta::from_port(port);
        let switched = self.forwarding.port(port).is_some_and(|port| port.switched);
        let stage = match switched {
            true => graph::Stage::Switch,
            false => graph::Stage::Parse,
        };
        assert!(self.frame.push(mbuf, meta, stage).is_ok());
        self.with(|_, _| ());
    }

    /// An IP packet in a frame from the host to the LAN's interface.
    pub fn hear_host(&mut self, packet: &[u8]) {
        self.receive(LAN, &[&framed(LAN_MAC, HOST_MAC, packet)]);
    }

    /// Frames that left by a port since it was last asked.
    pub fn sent(&mut self, port: PortId) -> Vec<Vec<u8>> {
        let fake = if port == LAN { &self.lan } else { &self.wan };
        let frames = |mbuf: dpdk::Mbuf| {
            let frame = bytes(mbuf);
            mbuf.free();
            frame
        };
        fake.sent(0).into_iter().map(frames).collect()
    }

    /// The one IP packet that went back to the host, its link-layer header checked and cut off.
    pub fn reply(&mut self) -> Vec<u8> {
        let mut sent = self.sent(LAN);
        assert_eq!(sent.len(), 1, "drops: {:?}", self.drops());
        let frame = sent.remove(0);
        assert_eq!(frame[..6], HOST_MAC);
        assert_eq!(frame[6..12], LAN_MAC);
        let ether_type = if frame[14] >> 4 == 6 {
            [0x86, 0xdd]
        } else {
            [8, 0]
        };
        assert_eq!(frame[12..14], ether_type);
        frame[14..].to_vec()
    }

    /// Asserts that nothing left by any port.
    pub fn silent(&mut self) {
        assert_eq!(self.sent(LAN), Vec::<Vec<u8>>::new());
        assert_eq!(self.sent(WAN), Vec::<Vec<u8>>::new());
    }

    /// What was punted since it was last asked, what is urgent first.
    pub fn punted(&mut self) -> Vec<(PuntMeta, Vec<u8>)> {
        let mut punted = Vec::new();
        for ring in [&mut self.urgent, &mut self.punts] {
            while let Some(punt) = ring.pop() {
                punted.push((punt.meta, punt.bytes().to_vec()));
            }
        }
        punted
    }

    /// The classes of what was punted since it was last asked.
    pub fn punted_classes(&mut self) -> Vec<PuntClass> {
        self.punted()
            .into_iter()
            .map(|(meta, _)| meta.class)
            .collect()
    }

    /// Drop reasons counted so far, and how often.
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let count = |reason: DropReason| {
            let ports = (0..PORTS as u16).map(PortId);
            ports
                .map(|port| self.w.counters.port(port).drops[reason.index()].get())
                .sum()
        };
        let all = DropReason::ALL
            .iter()
            .map(|&reason| (reason, count(reason)));
        all.filter(|&(_, n)| n > 0).collect()
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        for port in [LAN, WAN] {
            self.sent(port);
            self.w.tx.connect(port, None);
        }
        if std::thread::panicking() {
            return;
        }
        let accounting = self.w.counters.accounting();
        assert_eq!(accounting.rx, self.received);
        assert_eq!(accounting.balance(), 0, "{accounting:?}");
        assert_eq!(accounting.held, self.w.hold.len() as u64);
        hold::clear(&mut self.w);
        self.w.trash.empty();
        assert_eq!(self.w.counters.accounting().balance(), 0);
        assert_eq!(self.arena.in_use(), 0, "buffers leaked");
    }
}

/// An Ethernet frame around an IP packet.
pub fn framed(to: [u8; 6], from: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 6 {
        [0x86, 0xdd]
    } else {
        [8, 0]
    };
    [&to[..], &from, &ether_type, packet].concat()
}

/// A UDP packet of `len` bytes of payload.
pub fn udp(source: &str, destination: &str, hop_limit: u8, len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
    let mut packet = Vec::new();
    ip(source, destination, hop_limit)
        .udp(1024, 33434)
        .write(&mut packet, &payload)
        .unwrap();
    packet
}

/// A TCP segment of `len` bytes of payload.
pub fn tcp(source: &str, destination: &str, len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
    let mut packet = Vec::new();
    ip(source, destination, 64)
        .tcp(1024, 80, 1, 4096)
        .ack(1)
        .write(&mut packet, &payload)
        .unwrap();
    packet
}

/// An echo request of `len` bytes of payload.
pub fn echo(source: &str, destination: &str, len: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
    let mut packet = Vec::new();
    let step = ip(source, destination, 9);
    if source.contains(':') {
        step.icmpv6_echo_request(0x1234, 7)
            .write(&mut packet, &payload)
            .unwrap();
    } else {
        step.icmpv4_echo_request(0x1234, 7)
            .write(&mut packet, &payload)
            .unwrap();
    }
    packet
}

/// An ICMPv6 message of this type with `rest` behind its checksum.
pub fn icmp6(source: &str, destination: &str, hop_limit: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let word = [rest[0], rest[1], rest[2], rest[3]];
    ip(source, destination, hop_limit)
        .icmpv6_raw(kind, 0, word)
        .write(&mut packet, &rest[4..])
        .unwrap();
    packet
}

/// An IP packet of any protocol.
pub fn raw(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ip(source, destination, 64)
        .write(&mut packet, protocol.into(), payload)
        .unwrap();
    packet
}

fn ip(
    source: &str,
    destination: &str,
    hop_limit: u8,
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    match (source.parse().unwrap(), destination.parse().unwrap()) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            PacketBuilder::ipv6(source.octets(), destination.octets(), hop_limit)
        }
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            PacketBuilder::ipv4(source.octets(), destination.octets(), hop_limit)
        }
        mixed => panic!("{mixed:?}"),
    }
}
