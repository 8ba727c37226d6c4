//! Counters: cells that only their worker writes and anyone may read at any time.
//!
//! A cell is added to by a load and a store, both relaxed: no locked instruction, because no other thread writes it.
//! Each worker has its own [`WorkerCounters`]; the control plane sums them when it is asked.

use std::sync::atomic::{AtomicU64, Ordering};

use tables::flow::Direction;
use tables::id::{AnchorId, IfaceId, NetworkId, NextHopId, PortId, RuleId, TunnelId};

use crate::drop::DropReason;
use crate::punt::PuntClass;

/// Ports a worker can count: DPDK's own limit, and one row for packets that came from no port.
pub const PORTS: usize = 33;
/// The row of packets that came from no port (injected or made here).
pub const NO_PORT: PortId = PortId(PORTS as u16 - 1);

/// One counter. Only its worker may call [`Cell::add`] or [`Cell::set`].
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds `n`.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// Replaces the value (gauges).
    #[inline(always)]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Packets and their bytes.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: Cell,
    /// Bytes: of the frame without FCS for ports, of the IP packet for interfaces and next hops.
    pub bytes: Cell,
}

impl Traffic {
    /// Counts `packets` of `bytes` in all.
    #[inline(always)]
    pub fn add(&self, packets: u64, bytes: u64) {
        self.packets.add(packets);
        self.bytes.add(bytes);
    }

    /// Both values now.
    pub fn get(&self) -> TrafficSum {
        TrafficSum {
            packets: self.packets.get(),
            bytes: self.bytes.get(),
        }
    }
}

/// A sum of [`Traffic`] cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficSum {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for TrafficSum {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// What a worker counts for one port.
#[derive(Debug)]
#[repr(align(64))]
pub struct PortCounters {
    /// Frames received.
    pub rx: Traffic,
    /// Frames that the device took.
    pub tx: Traffic,
    /// Packets that came from this port and were dropped, by [`DropReason::index`].
    pub drops: [Cell; DropReason::COUNT],
    /// Packets that came from this port and were punted, by [`PuntClass::index`].
    pub punts: [Cell; PuntClass::COUNT],
}

impl Default for PortCounters {
    fn default() -> Self {
        Self {
            rx: Traffic::default(),
            tx: Traffic::default(),
            drops: std::array::from_fn(|_| Cell::default()),
            punts: std::array::from_fn(|_| Cell::default()),
        }
    }
}

/// What a worker counts for one interface: IP packets by family.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct InterfaceCounters {
    /// IPv6 packets received, whatever became of them.
    pub rx6: Traffic,
    /// IPv6 packets handed to the port.
    pub tx6: Traffic,
    /// IPv4 packets received.
    pub rx4: Traffic,
    /// IPv4 packets handed to the port.
    pub tx4: Traffic,
}

/// What a worker counts for one network: frames, as they are without tags.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct NetworkCounters {
    /// Frames that came in.
    pub rx: Traffic,
    /// Frames that left for a place, copies included.
    pub tx: Traffic,
    /// Frames that went everywhere.
    pub flooded: Traffic,
    /// Questions for the owner of an address that were answered in its stead.
    pub answered: Traffic,
    /// Questions that went to the owner alone.
    pub directed: Traffic,
}

/// What a worker counts for one tunnel: outer IP packets.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct TunnelCounters {
    /// Packets that were unpacked.
    pub rx: Traffic,
    /// Packets that were packed.
    pub tx: Traffic,
    /// Packets that did not fit the path.
    pub too_big: Cell,
}

/// Reasons that a port's guard and groups have.
const SECURITY_REASONS: usize = *DropReason::SECURITY.end() + 1 - *DropReason::SECURITY.start();

/// What a worker counts for one anchor.
#[derive(Debug)]
#[repr(align(64))]
pub struct AnchorCounters {
    /// Packets that the machine sent and that passed.
    pub egress: Traffic,
    /// Packets that went to the machine.
    pub ingress: Traffic,
    /// The last ones are those of all other reasons.
    drops: [Cell; SECURITY_REASONS + 1],
    observed: [Cell; SECURITY_REASONS + 1],
}

impl Default for AnchorCounters {
    fn default() -> Self {
        Self {
            egress: Traffic::default(),
            ingress: Traffic::default(),
            drops: std::array::from_fn(|_| Cell::default()),
            observed: std::array::from_fn(|_| Cell::default()),
        }
    }
}

impl AnchorCounters {
    /// Packets that went this way and passed.
    #[inline(always)]
    pub fn passed(&self, direction: Direction) -> &Traffic {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    /// Packets that were dropped for a reason. Reasons that are not the guard's or the groups' own (headers that cannot be read) have
    /// one cell together.
    pub fn drops(&self, reason: DropReason) -> &Cell {
        &self.drops[Self::index(reason)]
    }

    /// Packets that would have been dropped for a reason, were they not only observed.
    pub fn observed(&self, reason: DropReason) -> &Cell {
        &self.observed[Self::index(reason)]
    }

    fn index(reason: DropReason) -> usize {
        let index = reason.index().wrapping_sub(*DropReason::SECURITY.start());
        index.min(SECURITY_REASONS)
    }
}

/// For how much there are cells; what is beyond is counted under id 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSizes {
    /// Interfaces.
    pub interfaces: usize,
    /// Next hops.
    pub next_hops: usize,
    /// Networks.
    pub networks: usize,
    /// Tunnels.
    pub tunnels: usize,
    /// Anchors.
    pub anchors: usize,
    /// Rules of security groups.
    pub rules: usize,
}

/// How busy the worker's loop is.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct LoopCounters {
    /// Time-stamp-counter ticks spent in rounds that found work.
    pub busy_cycles: Cell,
    /// Ticks since the worker started.
    pub total_cycles: Cell,
    /// Rounds of the loop.
    pub polls: Cell,
    /// Rounds that found nothing to do.
    pub empty_polls: Cell,
    /// Times the worker slept (adaptive idle).
    pub sleeps: Cell,
    /// Receive bursts that brought something.
    pub bursts: Cell,
    /// Packets of these bursts.
    pub packets: Cell,
    /// Packets that took the fast lane.
    pub lane: Cell,
}

/// Everything one worker counts.
#[derive(Debug)]
pub struct WorkerCounters {
    /// By [`PortId`]; the last row is [`NO_PORT`].
    pub ports: Box<[PortCounters]>,
    interfaces: Box<[InterfaceCounters]>,
    next_hops: Box<[Traffic]>,
    networks: Box<[NetworkCounters]>,
    tunnels: Box<[TunnelCounters]>,
    anchors: Box<[AnchorCounters]>,
    rules: Box<[Traffic]>,
    /// The loop.
    pub run: LoopCounters,
    /// Packets taken from the inject ring (frames and IP packets, not verdicts).
    pub injected: Cell,
    /// Packets made here: ICMP errors, echo replies, redirects, extra fragments, segments.
    pub originated: Cell,
    /// Copies of frames that went to several places of a network.
    pub replicated: Cell,
    /// Local packets that a reply took the place of.
    pub consumed: Cell,
    /// Notes of stations heard, and of addresses claimed, that the control plane had no room for.
    pub unheard: Cell,
    /// Packets waiting for a neighbour now (gauge).
    pub held: Cell,
    /// Packets handed to the worker that owns the output queue.
    pub handed_off: Cell,
    /// Packets taken over from other workers.
    pub taken_over: Cell,
    /// ICMP errors that were due and not sent because of a rate limit.
    pub icmp_limited: Cell,
    /// ICMP errors and redirects sent.
    pub icmp_sent: Cell,
    /// Echo requests answered.
    pub echo_replies: Cell,
    /// IPv4 packets fragmented.
    pub fragmented: Cell,
    /// Requests to resolve an address that were sent to the control plane.
    pub resolve_requests: Cell,
}

impl WorkerCounters {
    /// Cells for ids below these.
    pub fn new(sizes: CounterSizes) -> Self {
        fn cells<T: Default>(n: usize) -> Box<[T]> {
            std::iter::repeat_with(T::default).take(n.max(1)).collect()
        }
        Self {
            ports: cells(PORTS),
            interfaces: cells(sizes.interfaces),
            next_hops: cells(sizes.next_hops),
            networks: cells(sizes.networks),
            tunnels: cells(sizes.tunnels),
            anchors: cells(sizes.anchors),
            rules: cells(sizes.rules),
            run: LoopCounters::default(),
            injected: Cell::default(),
            originated: Cell::default(),
            replicated: Cell::default(),
            consumed: Cell::default(),
            unheard: Cell::default(),
            held: Cell::default(),
            handed_off: Cell::default(),
            taken_over: Cell::default(),
            icmp_limited: Cell::default(),
            icmp_sent: Cell::default(),
            echo_replies: Cell::default(),
            fragmented: Cell::default(),
            resolve_requests: Cell::default(),
        }
    }

    /// The port's cells.
    #[inline(always)]
    pub fn port(&self, port: PortId) -> &PortCounters {
        self.ports
            .get(port.index())
            .unwrap_or(&self.ports[PORTS - 1])
    }

    /// The interface's cells.
    #[inline(always)]
    pub fn interface(&self, iface: IfaceId) -> &InterfaceCounters {
        self.interfaces
            .get(iface.index())
            .unwrap_or(&self.interfaces[0])
    }

    /// The network's cells.
    #[inline(always)]
    pub fn network(&self, id: NetworkId) -> &NetworkCounters {
        self.networks.get(id.index()).unwrap_or(&self.networks[0])
    }

    /// The tunnel's cells.
    #[inline(always)]
    pub fn tunnel(&self, id: TunnelId) -> &TunnelCounters {
        self.tunnels.get(id.index()).unwrap_or(&self.tunnels[0])
    }

    /// The anchor's cells.
    #[inline(always)]
    pub fn anchor(&self, id: AnchorId) -> &AnchorCounters {
        self.anchors.get(id.index()).unwrap_or(&self.anchors[0])
    }

    /// The rule's cells: packets that passed because of it, those of flows that it allowed included.
    #[inline(always)]
    pub fn rule(&self, id: RuleId) -> &Traffic {
        self.rules.get(id.index()).unwrap_or(&self.rules[0])
    }

    /// The next hop's cells: packets that left by it.
    #[inline(always)]
    pub fn next_hop(&self, id: NextHopId) -> &Traffic {
        self.next_hops.get(id.index()).unwrap_or(&self.next_hops[0])
    }

    /// Asks for the next hop's cells to be in the cache soon.
    #[inline(always)]
    pub fn fetch_next_hop(&self, id: NextHopId) {
        tables::prefetch(std::ptr::from_ref(self.next_hop(id)).cast());
    }

    /// The worker's side of the conservation equation. Exact only at a quiet moment of the worker.
    pub fn accounting(&self) -> Accounting {
        let ports = || self.ports.iter();
        Accounting {
            rx: ports().map(|p| p.rx.packets.get()).sum(),
            injected: self.injected.get(),
            originated: self.originated.get(),
            replicated: self.replicated.get(),
            taken_over: self.taken_over.get(),
            tx: ports().map(|p| p.tx.packets.get()).sum(),
            dropped: ports().flat_map(|p| &p.drops).map(Cell::get).sum(),
            punted: ports().flat_map(|p| &p.punts).map(Cell::get).sum(),
            consumed: self.consumed.get(),
            held: self.held.get(),
            handed_off: self.handed_off.get(),
        }
    }
}

/// The conservation equation: what came in is what went out.
///
/// `rx + injected + originated + replicated + taken_over = tx + dropped + punted + consumed + held + handed_off`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Received from ports.
    pub rx: u64,
    /// Injected by the control plane.
    pub injected: u64,
    /// Made by the worker.
    pub originated: u64,
    /// Copied for several places of a network.
    pub replicated: u64,
    /// Taken over from other workers for sending.
    pub taken_over: u64,
    /// Accepted by devices.
    pub tx: u64,
    /// Dropped under a reason.
    pub dropped: u64,
    /// Copied to the control plane.
    pub punted: u64,
    /// Ended here because a reply took over.
    pub consumed: u64,
    /// Waiting for a neighbour.
    pub held: u64,
    /// Given to another worker for sending.
    pub handed_off: u64,
}

impl Accounting {
    /// In minus out: 0 when nothing was lost and nothing counted twice.
    pub fn balance(&self) -> i64 {
        let sources = self.rx + self.injected + self.originated + self.replicated + self.taken_over;
        let sinks =
            self.tx + self.dropped + self.punted + self.consumed + self.held + self.handed_off;
        sources.wrapping_sub(sinks) as i64
    }
}

impl std::ops::AddAssign for Accounting {
    fn add_assign(&mut self, other: Self) {
        self.rx += other.rx;
        self.injected += other.injected;
        self.originated += other.originated;
        self.replicated += other.replicated;
        self.taken_over += other.taken_over;
        self.tx += other.tx;
        self.dropped += other.dropped;
        self.punted += other.punted;
        self.consumed += other.consumed;
        self.held += other.held;
        self.handed_off += other.handed_off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: CounterSizes = CounterSizes {
        interfaces: 2,
        next_hops: 2,
        networks: 2,
        tunnels: 2,
        anchors: 2,
        rules: 2,
    };

    #[test]
    fn the_equation_sees_a_lost_and_a_doubled_packet() {
        let counters = WorkerCounters::new(SMALL);
        counters.port(PortId(0)).rx.add(3, 300);
        counters.port(PortId(1)).tx.add(1, 100);
        counters.port(PortId(0)).drops[DropReason::Urpf.index()].add(1);
        assert_eq!(counters.accounting().balance(), 1);
        counters.port(NO_PORT).punts[PuntClass::Arp.index()].add(1);
        assert_eq!(counters.accounting().balance(), 0);
        counters.held.set(1);
        assert_eq!(counters.accounting().balance(), -1);
    }

    #[test]
    fn ids_beyond_the_tables_are_counted_under_zero() {
        let counters = WorkerCounters::new(SMALL);
        counters.interface(IfaceId(7)).rx6.add(1, 60);
        counters.next_hop(NextHopId(1 << 20)).add(1, 60);
        assert_eq!(counters.interface(IfaceId(0)).rx6.get().packets, 1);
        assert_eq!(counters.next_hop(NextHopId(0)).get().bytes, 60);
    }
}
