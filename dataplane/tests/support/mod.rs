//! A router of four interfaces on two ports, with real tables, real buffers and fake devices.
//!
//! ```text
//!   port 0: lan  2001:db8:1::/64 10.1.0.0/24
//!   port 1: wan  2001:db8:2::/64 10.2.0.0/24   untagged, MTU 1400, redirects
//!           vlan 2001:db8:3::/64 10.3.0.0/24   tag 100
//!           qinq 2001:db8:4::/64 10.4.0.0/24   tags 200, 300
//! ```
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod cases;
pub mod overlay;
pub mod packet;
pub mod tenants;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataplane::claim::{Claim, ClaimConsumer, claim_ring};
use dataplane::counters::{CounterSizes, PORTS, WorkerCounters};
use dataplane::denied::{DeniedConsumer, Direction, denied_ring};
use dataplane::drop::DropReason;
use dataplane::forwarding::{Forwarding, Interface, Rate, Tags};
use dataplane::frame::Frame;
use dataplane::guard::{BookWriter, Note, NoteConsumer, note_ring};
use dataplane::lane::Lane;
use dataplane::learn::{Heard, HeardConsumer, learn_ring};
use dataplane::punt::{PuntClass, PuntConsumer, PuntRingSize, punt_ring};
use dataplane::secure;
use dataplane::stages::tx::{Outlet, TxPorts};
use dataplane::stages::{flood, hold, icmp_error, punt};
use dataplane::state::{Backlog, Context, Tables, Trash, WorkerState};
use dataplane::worker::{drain_backlog, process};
use dpdk::testing::{Arena, FakePort, bytes};
use dpdk::{Mbuf, RxQueue};
use tables::binding::BindingWriter;
use tables::fdb::FdbWriter;
use tables::flow::FlowTable;
use tables::group::{GroupWriter, Member};
use tables::id::{AnchorId, IfaceId, NetworkId, NextHopId, PortId, RuleId, TunnelId, VrfId};
#[cfg(target_arch = "x86_64")]
use tables::lpm::{Avx2, Avx512};
use tables::lpm::{Isa, LpmWriter, Prefix, Scalar};
use tables::next_hop::{NextHop, NextHopKind, NextHopWriter};
use tables::publish::{Published, Qsbr, Reader};

pub const PORT0: PortId = PortId(0);
pub const PORT1: PortId = PortId(1);
pub const LAN: IfaceId = IfaceId(1);
pub const WAN: IfaceId = IfaceId(2);
pub const VLAN: IfaceId = IfaceId(3);
pub const QINQ: IfaceId = IfaceId(4);
pub const VRF: VrfId = VrfId(1);
pub const MAC0: [u8; 6] = [2, 0, 0, 0, 0, 0x10];
pub const MAC1: [u8; 6] = [2, 0, 0, 0, 0, 0x11];
/// The host behind an interface.
pub const HOST: [u8; 6] = [2, 0, 0, 0, 9, 0];
/// Two gateways on the wan.
pub const GATEWAYS: [[u8; 6]; 2] = [[2, 0, 0, 0, 8, 1], [2, 0, 0, 0, 8, 2]];

/// Fake ports are global to the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The router, driven packet by packet.
pub struct World {
    pub w: WorkerState,
    pub punts: PuntConsumer,
    pub urgent: PuntConsumer,
    pub forwarding: Forwarding,
    pub now: u64,
    /// What the lane and the lookup are told that the processor can do.
    pub isa: Isa,
    published: Arc<Published<Forwarding>>,
    lpm6: LpmWriter<u128>,
    lpm4: LpmWriter<u32>,
    next_hops: NextHopWriter,
    pub stations: FdbWriter,
    heard: HeardConsumer,
    pub bindings: BindingWriter,
    claims: ClaimConsumer,
    denied: DeniedConsumer,
    pub flows: Arc<FlowTable>,
    pub book: BookWriter,
    noted: NoteConsumer,
    tables: Tables,
    reader: Reader,
    frame: Box<Frame>,
    lane: Option<Box<Lane>>,
    rx: Vec<RxQueue>,
    ports: Vec<FakePort>,
    pub arena: Arena,
    _one: MutexGuard<'static, ()>,
}

/// What became of the packets since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Frames by the port that sent them.
    pub sent: Vec<(PortId, Vec<u8>)>,
    /// Counters that are not 0, by name.
    pub counters: BTreeMap<String, u64>,
    /// Punted packets.
    pub punted: Vec<(PuntClass, Vec<u8>)>,
    /// Stations that the control plane was told of.
    pub heard: Vec<Heard>,
    /// Claims of addresses that it was told of.
    pub claimed: Vec<Claim>,
    /// Packets of tenants that did not pass.
    pub denied: Vec<Said>,
    /// Addresses that machines of tenants begin to use.
    pub noted: Vec<Note>,
}

/// What is told of a packet that did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub anchor: AnchorId,
    pub direction: Direction,
    pub reason: DropReason,
    pub rule: RuleId,
}

impl Outcome {
    pub fn drops(&self) -> Vec<&str> {
        self.counters
            .keys()
            .filter_map(|name| name.strip_prefix("drop "))
            .collect()
    }

    pub fn count(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or_default()
    }
}

impl World {
    /// `with_lane`: plain packets take the fast lane; without, everything takes the graph.
    pub fn new(with_lane: bool) -> Self {
        Self::sized(with_lane, 4096)
    }

    pub fn sized(with_lane: bool, buffers: u32) -> Self {
        let one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let qsbr = Qsbr::new(1);
        let reader = qsbr.register().unwrap();
        let (mut lpm6, lpm6_table) = LpmWriter::new(8, qsbr.clone()).unwrap();
        let (mut lpm4, lpm4_table) = LpmWriter::new(8, qsbr.clone()).unwrap();
        let (mut next_hops, next_hop_table) = NextHopWriter::new(256, qsbr.clone()).unwrap();
        let (mut groups, group_table) = GroupWriter::new(4, qsbr.clone()).unwrap();
        lpm6.add_vrf(VRF).unwrap();
        lpm4.add_vrf(VRF).unwrap();
        routes(&mut lpm6, &mut lpm4, &mut next_hops, &mut groups);
        let forwarding = interfaces();
        let published = Arc::new(Published::new(qsbr.clone(), Box::new(forwarding.clone())));
        let (stations, fdb) = FdbWriter::new(64, 1);
        let (bindings, owners) = BindingWriter::new(64, 1);
        let (learner, heard) = learn_ring(128);
        let (claims, claimed) = claim_ring(128);
        let (denials, denied) = denied_ring(128);
        let (notes, noted) = note_ring(128);
        let (book_writer, book) = BookWriter::new(64, 8, 1);
        let (flows, mut parts) = FlowTable::new(1024, 1, &qsbr, 1).unwrap();
        let arena = Arena::with_data_room(buffers, 2048);
        let (urgent_ring, urgent) = punt_ring(0, PuntRingSize::URGENT);
        let (ring, punts) = punt_ring(
            0,
            PuntRingSize {
                slots: 128,
                jumbo_slots: 2,
            },
        );
        let mut w = WorkerState {
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
            backlog: Backlog::new(1024),
            tx: TxPorts::new(Vec::new(), Vec::new()),
            punts: punt::Punts::new(ring, urgent_ring),
            icmp: icmp_error::State::default(),
            hold: hold::State::default(),
            flood: flood::State::new(8),
            learner,
            claims,
            secure: secure::State::new(parts.remove(0), notes, denials, 8, 1),
            observer: dataplane::observer::observer().0,
            trash: Trash::default(),
        };
        let ports = vec![FakePort::new(0, 1), FakePort::new(1, 1)];
        let mut rx = Vec::new();
        for (n, port) in ports.iter().enumerate() {
            let (receive, transmit) = port.queues(0);
            rx.push(receive);
            w.tx.connect(PortId(n as u16), Some(Outlet::Queue(transmit)));
        }
        Self {
            w,
            punts,
            urgent,
            forwarding,
            now: 1 << 40,
            isa: Isa::best(),
            published,
            lpm6,
            lpm4,
            next_hops,
            stations,
            heard,
            bindings,
            claims: claimed,
            denied,
            flows: flows.clone(),
            book: book_writer,
            noted,
            tables: Tables {
                lpm6: lpm6_table,
                lpm4: lpm4_table,
                next_hops: next_hop_table,
                groups: group_table,
                fdb,
                bindings: owners,
                book,
                flows,
                forwarding: Arc::new(Published::new(qsbr, Box::default())),
            },
            reader,
            frame: Frame::new(),
            lane: with_lane.then(Lane::new),
            rx,
            ports,
            arena,
            _one: one,
        }
        .with_published()
    }

    fn with_published(mut self) -> Self {
        self.tables.forwarding = self.published.clone();
        self
    }

    /// Adds a route.
    pub fn route(&mut self, net: &str, len: u8, id: NextHopId) {
        self.route_in(VRF, net, len, id);
    }

    /// Adds a route of another router.
    pub fn route_in(&mut self, vrf: VrfId, net: &str, len: u8, id: NextHopId) {
        match net.parse().unwrap() {
            IpAddr::V6(net) => {
                let prefix = Prefix::new(net.to_bits(), len).unwrap();
                self.lpm6.insert(vrf, prefix, id).unwrap();
            }
            IpAddr::V4(net) => {
                let prefix = Prefix::new(net.to_bits(), len).unwrap();
                self.lpm4.insert(vrf, prefix, id).unwrap();
            }
        }
    }

    /// Adds a router without routes.
    pub fn add_vrf(&mut self, vrf: VrfId) {
        self.lpm6.add_vrf(vrf).unwrap();
        self.lpm4.add_vrf(vrf).unwrap();
    }

    /// A next hop that leads into another router's table.
    pub fn leak(&mut self, vrf: VrfId) -> NextHopId {
        let next_hop = NextHop {
            vrf,
            ..NextHop::of_kind(NextHopKind::Router)
        };
        self.next_hops.alloc(next_hop).unwrap()
    }

    /// A neighbour on an interface.
    pub fn neighbour(&mut self, iface: IfaceId, mac: [u8; 6]) -> NextHopId {
        let gateway = "fe80::8".parse().unwrap();
        self.next_hops
            .alloc(adjacency(iface, mac, gateway))
            .unwrap()
    }

    /// Where an address leads to.
    pub fn lookup6(&self, address: &str) -> NextHopId {
        let address: Ipv6Addr = address.parse().unwrap();
        self.tables
            .lpm6
            .lookup(&self.reader, VRF, address.to_bits())
    }

    /// Changes the snapshot.
    pub fn configure(&mut self, change: impl FnOnce(&mut Forwarding)) {
        change(&mut self.forwarding);
        self.published.publish(Box::new(self.forwarding.clone()));
        self.reader.quiescent();
    }

    /// Changes an interface.
    pub fn change(&mut self, iface: IfaceId, change: impl FnOnce(&mut Interface)) {
        let mut interface = self.forwarding.interface(iface).unwrap().clone();
        change(&mut interface);
        self.configure(|forwarding| forwarding.insert(interface));
    }

    /// The device of `port` will take only so many packets more.
    pub fn limit_tx(&self, port: PortId, room: Option<usize>) {
        self.ports[port.index()].set_tx_room(0, room);
    }

    /// A packet in a buffer, to be received.
    pub fn receive(&self, port: PortId, packet: &[u8]) {
        self.receive_mbuf(port, self.arena.packet(packet));
    }

    pub fn receive_mbuf(&self, port: PortId, mbuf: Mbuf) {
        self.ports[port.index()].receive(0, mbuf);
    }

    /// One round of the worker's loop.
    pub fn round(&mut self) {
        self.now += 1_000_000;
        let cx = self.tables.read(&self.reader, self.now, 1_000_000_000);
        for (port, rx) in self.rx.iter_mut().enumerate() {
            // SAFETY: `rx_burst` initialises as many packets as it says.
            #[allow(unsafe_code)]
            let n = unsafe { self.frame.receive(|out| rx.rx_burst(out)) };
            if n > 0 {
                let lane = self.lane.as_deref_mut();
                let (frame, w, port) = (&mut self.frame, &mut self.w, PortId(port as u16));
                process_by(self.isa, &cx, frame, lane, w, port);
            }
        }
        secure::tick(&cx, &mut self.w);
        drain_backlog(&cx, &mut self.frame, &mut self.w);
        self.w.tx.flush(&self.w.counters, &mut self.w.trash);
        self.w.trash.empty();
        self.reader.quiescent();
    }

    /// Asserts that no packet was lost, and reports what came out.
    pub fn outcome(&mut self) -> Outcome {
        let accounting = self.w.counters.accounting();
        assert_eq!(accounting.balance(), 0, "{accounting:?}");
        let mut outcome = Outcome {
            counters: self.counters(),
            ..Outcome::default()
        };
        for (n, port) in self.ports.iter().enumerate() {
            for mbuf in port.sent(0) {
                outcome.sent.push((PortId(n as u16), bytes(mbuf)));
                mbuf.free();
            }
        }
        while let Ok(heard) = self.heard.pop() {
            outcome.heard.push(heard);
        }
        while let Ok(claim) = self.claims.pop() {
            outcome.claimed.push(claim);
        }
        while let Ok(note) = self.noted.pop() {
            outcome.noted.push(note);
        }
        while let Ok(denied) = self.denied.pop() {
            outcome.denied.push(Said {
                anchor: denied.anchor,
                direction: denied.direction,
                reason: denied.reason,
                rule: denied.rule,
            });
        }
        for ring in [&mut self.urgent, &mut self.punts] {
            while let Some(punt) = ring.pop() {
                let punted = (punt.meta.class, punt.bytes().to_vec());
                outcome.punted.push(punted);
            }
        }
        assert_eq!(
            u64::from(self.arena.in_use()),
            accounting.held,
            "buffers leaked"
        );
        outcome
    }

    /// How many frames were sent; they, and what was punted or told, are thrown away.
    pub fn sent(&mut self) -> usize {
        while self.urgent.pop().is_some() || self.punts.pop().is_some() {}
        while self.denied.pop().is_ok() {}
        let sent = self.ports.iter().flat_map(|port| port.sent(0));
        sent.map(Mbuf::free).count()
    }

    /// Throws away what was sent and punted, without allocating.
    pub fn forget(&mut self) {
        while self.urgent.pop().is_some() || self.punts.pop().is_some() {}
        for port in &self.ports {
            port.sent(0).into_iter().for_each(Mbuf::free);
        }
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        let mut note = |name: String, value: u64| {
            if value != 0 {
                *all.entry(name).or_default() += value;
            }
        };
        let c = &self.w.counters;
        for port in (0..PORTS as u16).map(PortId) {
            let cells = c.port(port);
            for reason in DropReason::ALL {
                note(format!("drop {reason}"), cells.drops[reason.index()].get());
            }
            for class in PuntClass::ALL {
                note(format!("punt {class}"), cells.punts[class.index()].get());
            }
            note(format!("rx port {port} packets"), cells.rx.get().packets);
            note(format!("rx port {port} bytes"), cells.rx.get().bytes);
            note(format!("tx port {port} packets"), cells.tx.get().packets);
            note(format!("tx port {port} bytes"), cells.tx.get().bytes);
        }
        for iface in (0..8).map(IfaceId) {
            let i = c.interface(iface);
            for (name, cell) in [
                ("rx6", &i.rx6),
                ("tx6", &i.tx6),
                ("rx4", &i.rx4),
                ("tx4", &i.tx4),
            ] {
                note(format!("iface {iface} {name} packets"), cell.get().packets);
                note(format!("iface {iface} {name} bytes"), cell.get().bytes);
            }
        }
        for id in (0..256).map(NextHopId) {
            note(
                format!("next hop {id} packets"),
                c.next_hop(id).get().packets,
            );
            note(format!("next hop {id} bytes"), c.next_hop(id).get().bytes);
        }
        for id in 0..8 {
            let (network, tunnel) = (c.network(NetworkId(id)), c.tunnel(TunnelId(id)));
            for (name, cell) in [
                ("network rx", &network.rx),
                ("network tx", &network.tx),
                ("network flooded", &network.flooded),
                ("network answered", &network.answered),
                ("network directed", &network.directed),
                ("tunnel rx", &tunnel.rx),
                ("tunnel tx", &tunnel.tx),
            ] {
                note(format!("{name} {id} packets"), cell.get().packets);
                note(format!("{name} {id} bytes"), cell.get().bytes);
            }
            note(format!("tunnel {id} too big"), tunnel.too_big.get());
        }
        for id in 0..8 {
            let anchor = c.anchor(AnchorId(id));
            for (name, cell) in [("egress", &anchor.egress), ("ingress", &anchor.ingress)] {
                note(format!("anchor {id} {name} packets"), cell.get().packets);
                note(format!("anchor {id} {name} bytes"), cell.get().bytes);
            }
        }
        for id in 0..64 {
            let rule = c.rule(RuleId(id)).get();
            note(format!("rule {id} packets"), rule.packets);
            note(format!("rule {id} bytes"), rule.bytes);
        }
        note("originated".into(), c.originated.get());
        note("replicated".into(), c.replicated.get());
        note("unheard".into(), c.unheard.get());
        note("consumed".into(), c.consumed.get());
        note("held".into(), c.held.get());
        all
    }

    /// Packets that took the lane.
    pub fn lane_packets(&self) -> u64 {
        self.w.counters.run.lane.get()
    }
}

/// `process` compiled for the instructions, as the worker's loop is: outside of such a function a vector operation is a call.
#[allow(unsafe_code)]
fn process_by(
    isa: Isa,
    cx: &Context<'_>,
    frame: &mut Frame,
    lane: Option<&mut Lane>,
    w: &mut WorkerState,
    port: PortId,
) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn avx2(
            simd: Avx2,
            cx: &Context<'_>,
            frame: &mut Frame,
            lane: Option<&mut Lane>,
            w: &mut WorkerState,
            port: PortId,
        ) {
            process(simd, cx, frame, lane, w, port);
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn avx512(
            simd: Avx512,
            cx: &Context<'_>,
            frame: &mut Frame,
            lane: Option<&mut Lane>,
            w: &mut WorkerState,
            port: PortId,
        ) {
            process(simd, cx, frame, lane, w, port);
        }
        if isa != Isa::Scalar {
            assert!(is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("lzcnt"));
        }
        match isa {
            // SAFETY: `simd` is the proof of its instructions, the assertion of the others.
            Isa::Avx2 => return unsafe { avx2(Avx2::detect().unwrap(), cx, frame, lane, w, port) },
            Isa::Avx512 => {
                // SAFETY: as above.
                return unsafe { avx512(Avx512::detect().unwrap(), cx, frame, lane, w, port) };
            }
            Isa::Scalar => {}
        }
    }
    let _ = isa;
    process(Scalar, cx, frame, lane, w, port);
}

impl Drop for World {
    fn drop(&mut self) {
        self.w.close();
        self.rx.clear();
        for port in &self.ports {
            port.sent(0).into_iter().for_each(Mbuf::free);
            port.take_unreceived(0).into_iter().for_each(Mbuf::free);
        }
    }
}

fn interfaces() -> Forwarding {
    let mut forwarding = Forwarding::new();
    forwarding.punt_rates.fill(Rate {
        per_second: 1_000_000,
        burst: 1_000_000,
    });
    let specs = [
        (LAN, PORT0, Tags::None, MAC0, 1),
        (WAN, PORT1, Tags::None, MAC1, 2),
        (VLAN, PORT1, Tags::Vlan(100), MAC1, 3),
        (
            QINQ,
            PORT1,
            Tags::QinQ {
                outer: 200,
                inner: 300,
            },
            MAC1,
            4,
        ),
    ];
    for (id, port, tags, mac, net) in specs {
        let mut interface = Interface::new(id, port, tags, mac, VRF);
        interface.link_local = vec!["fe80::1".parse().unwrap()];
        interface.icmp_source6 = Some(Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, 1));
        interface.icmp_source4 = Some(Ipv4Addr::new(10, net as u8, 0, 1));
        interface.groups6 = vec!["ff02::1".parse().unwrap(), "ff02::2".parse().unwrap()];
        interface.broadcast4 = vec![Ipv4Addr::new(10, net as u8, 0, 255)];
        if id == WAN {
            interface.mtu = 1400;
        }
        forwarding.insert(interface);
    }
    forwarding
}

pub fn adjacency(iface: IfaceId, to: [u8; 6], gateway: Ipv6Addr) -> NextHop {
    let mut next_hop = NextHop::of_kind(NextHopKind::Forward);
    let (port, from, tags): (_, _, &[u16]) = match iface {
        LAN => (PORT0, MAC0, &[]),
        WAN => (PORT1, MAC1, &[]),
        VLAN => (PORT1, MAC1, &[100]),
        _ => (PORT1, MAC1, &[200, 300]),
    };
    let header = packet::ethernet(to, from, tags, 0);
    next_hop.header[..header.len()].copy_from_slice(&header);
    NextHop {
        header_len: header.len() as u8,
        port,
        iface,
        mtu: if iface == WAN { 1400 } else { 1500 },
        gateway: gateway.octets(),
        ..next_hop
    }
}

fn routes(
    lpm6: &mut LpmWriter<u128>,
    lpm4: &mut LpmWriter<u32>,
    next_hops: &mut NextHopWriter,
    groups: &mut GroupWriter,
) {
    let mut both = |net: &str, len6: u8, net4: &str, len4: u8, id: NextHopId| {
        let net6: Ipv6Addr = net.parse().unwrap();
        let net4: Ipv4Addr = net4.parse().unwrap();
        lpm6.insert(VRF, Prefix::new(net6.to_bits(), len6).unwrap(), id)
            .unwrap();
        lpm4.insert(VRF, Prefix::new(net4.to_bits(), len4).unwrap(), id)
            .unwrap();
    };
    for (n, iface) in [LAN, WAN, VLAN, QINQ].into_iter().enumerate() {
        let n = n + 1;
        let glean = NextHop {
            iface,
            mtu: 1500,
            ..NextHop::of_kind(NextHopKind::Glean)
        };
        let glean = next_hops.alloc(glean).unwrap();
        both(
            &format!("2001:db8:{n}::"),
            64,
            &format!("10.{n}.0.0"),
            24,
            glean,
        );
        let local = NextHop {
            iface,
            ..NextHop::of_kind(NextHopKind::Local)
        };
        let local = next_hops.alloc(local).unwrap();
        both(
            &format!("2001:db8:{n}::1"),
            128,
            &format!("10.{n}.0.1"),
            32,
            local,
        );
        let host: Ipv6Addr = format!("2001:db8:{n}::10").parse().unwrap();
        let host_id = next_hops.alloc(adjacency(iface, HOST, host)).unwrap();
        both(&host.to_string(), 128, &format!("10.{n}.0.10"), 32, host_id);
    }
    let via = GATEWAYS.map(|mac| {
        next_hops
            .alloc(adjacency(WAN, mac, "fe80::8".parse().unwrap()))
            .unwrap()
    });
    both("2001:db8:8000::", 33, "20.0.0.0", 8, via[0]);
    let members = via.map(|next_hop| Member {
        next_hop,
        weight: 1,
    });
    let group = groups.alloc(&members).unwrap();
    let ecmp = NextHop {
        group,
        ..NextHop::of_kind(NextHopKind::Group)
    };
    both(
        "2001:db8:e::",
        48,
        "30.0.0.0",
        8,
        next_hops.alloc(ecmp).unwrap(),
    );
    let group = groups.alloc(&[]).unwrap();
    let empty = NextHop {
        group,
        ..NextHop::of_kind(NextHopKind::Group)
    };
    both(
        "2001:db8:f::",
        48,
        "31.0.0.0",
        8,
        next_hops.alloc(empty).unwrap(),
    );
    let incomplete = NextHop {
        iface: WAN,
        mtu: 1400,
        gateway: "fe80::9".parse::<Ipv6Addr>().unwrap().octets(),
        ..NextHop::of_kind(NextHopKind::Incomplete)
    };
    both(
        "2001:db8:d::",
        48,
        "32.0.0.0",
        8,
        next_hops.alloc(incomplete).unwrap(),
    );
    for (n, kind) in [
        NextHopKind::Blackhole,
        NextHopKind::Unreachable,
        NextHopKind::Prohibit,
    ]
    .into_iter()
    .enumerate()
    {
        let id = next_hops.alloc(NextHop::of_kind(kind)).unwrap();
        both(
            &format!("2001:db8:b{n}::"),
            48,
            &format!("4{n}.0.0.0"),
            8,
            id,
        );
    }
}
