//! What stages work with: the tables of this moment ([`Context`]) and what the worker owns ([`WorkerState`]).

use std::collections::VecDeque;
use std::sync::Arc;

use dpdk::{Mbuf, Mempool};
use tables::binding::{Bindings, Owners};
use tables::fdb::{Fdb, Stations};
use tables::flow::{FlowTable, Flows};
use tables::group::GroupTable;
use tables::id::PortId;
use tables::lpm::Lpm;
use tables::next_hop::{NextHopTable, NextHops};
use tables::publish::{Published, Reader};

use crate::claim::Claims;
use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::Forwarding;
use crate::frame::Meta;
use crate::graph::Stage;
use crate::guard::{Book, Known};
use crate::learn::Learner;
use crate::observer::Observer;
use crate::secure;
use crate::stages::{flood, hold, icmp_error, punt, tx};

/// The tables that all workers read.
#[derive(Clone, Debug)]
pub struct Tables {
    /// IPv6 routes of every VRF.
    pub lpm6: Arc<Lpm<u128>>,
    /// IPv4 routes of every VRF.
    pub lpm4: Arc<Lpm<u32>>,
    /// What the routes lead to.
    pub next_hops: Arc<NextHopTable>,
    /// Members of next-hop groups.
    pub groups: Arc<GroupTable>,
    /// Where the stations of networks are.
    pub fdb: Arc<Fdb>,
    /// Who has which address in networks.
    pub bindings: Arc<Bindings>,
    /// Which addresses are whose, at the ports of machines of tenants.
    pub book: Arc<Book>,
    /// Flows that the security groups of ports have let pass.
    pub flows: Arc<FlowTable>,
    /// Ports and interfaces.
    pub forwarding: Arc<Published<Forwarding>>,
}

impl Tables {
    /// The tables as they are now, until the reader's next quiescent state.
    #[inline(always)]
    pub fn read<'r>(&'r self, reader: &'r Reader, now: u64, hz: u64) -> Context<'r> {
        Context {
            reader,
            lpm6: &self.lpm6,
            lpm4: &self.lpm4,
            next_hops: self.next_hops.read(reader),
            groups: &self.groups,
            fdb: self.fdb.read(),
            bindings: self.bindings.read(),
            known: self.book.read(),
            flows: self.flows.read(reader),
            forwarding: self.forwarding.load(reader),
            now,
            hz,
        }
    }
}

/// What a burst is forwarded by: it stays the same while the burst is under way.
#[derive(Clone, Copy)]
pub struct Context<'r> {
    /// The worker's registration: whoever reads a table shows it.
    pub reader: &'r Reader,
    /// IPv6 routes.
    pub lpm6: &'r Lpm<u128>,
    /// IPv4 routes.
    pub lpm4: &'r Lpm<u32>,
    /// Next hops.
    pub next_hops: NextHops<'r>,
    /// Next-hop groups.
    pub groups: &'r GroupTable,
    /// Where the stations of networks are.
    pub fdb: Stations<'r>,
    /// Who has which address in networks.
    pub bindings: Owners<'r>,
    /// Which addresses are whose, at the ports of machines of tenants.
    pub known: Known<'r>,
    /// Flows that the security groups of ports have let pass.
    pub flows: Flows<'r>,
    /// Ports and interfaces.
    pub forwarding: &'r Forwarding,
    /// Ticks of the worker's clock, read once per round of the loop.
    pub now: u64,
    /// Ticks a second.
    pub hz: u64,
}

impl Context<'_> {
    /// Seconds of the worker's clock: by what the FDB notes when a station was heard.
    #[inline(always)]
    pub fn seconds(&self) -> u32 {
        (self.now / self.hz.max(1)) as u32
    }
}

/// What one worker owns.
pub struct WorkerState {
    /// The worker's number.
    pub index: u16,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Where it takes buffers for packets it makes.
    pub pool: Mempool,
    /// Packets that enter the graph in a frame to come.
    pub backlog: Backlog,
    /// Buffers of the output ports.
    pub tx: tx::TxPorts,
    /// The punt ring and its policers.
    pub punts: punt::Punts,
    /// Rate limits of ICMP errors.
    pub icmp: icmp_error::State,
    /// Packets that wait for neighbours.
    pub hold: hold::State,
    /// Policers of what goes everywhere in a network.
    pub flood: flood::State,
    /// Tells of stations that were heard.
    pub learner: Learner,
    /// Tells of addresses that stations claim.
    pub claims: Claims,
    /// What ports of tenants are asked with.
    pub secure: secure::State,
    /// Trace and capture.
    pub observer: Observer,
    /// Buffers to be freed.
    pub trash: Trash,
}

impl WorkerState {
    /// Brings a packet that was made here into the graph, at `stage`.
    pub fn originate(&mut self, mbuf: Mbuf, meta: Meta, stage: Stage) {
        self.counters.originated.add(1);
        self.enter(mbuf, meta, stage);
    }

    /// Brings a packet that is counted already (injected, held before) into the graph, at `stage`.
    pub fn enter(&mut self, mbuf: Mbuf, meta: Meta, stage: Stage) {
        if !self.backlog.push(Entry { mbuf, meta, stage }) {
            self.drop(mbuf, meta.port, DropReason::OriginatedFull);
        }
    }

    /// Has the gauge say how many packets wait.
    pub fn count_held(&self) {
        let held = self.hold.len() + self.secure.held();
        self.counters.held.set(held as u64);
    }

    /// Drops every packet it still has: nothing runs any more. The counters add up afterwards.
    pub fn close(&mut self) {
        hold::clear(self);
        secure::close(self);
        while let Some(entry) = self.backlog.pop() {
            self.drop(entry.mbuf, entry.meta.port, DropReason::InterfaceDown);
        }
        self.tx.close(&self.counters, &mut self.trash);
        self.trash.empty();
    }

    /// Counts and frees a packet that is in no frame.
    pub fn drop(&mut self, mbuf: Mbuf, port: PortId, reason: DropReason) {
        self.counters.port(port).drops[reason.index()].add(1);
        self.trash.put(mbuf);
    }
}

/// A packet on its way into the graph.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The packet.
    pub mbuf: Mbuf,
    /// What is known about it.
    pub meta: Meta,
    /// The stage it waits for.
    pub stage: Stage,
}

/// Packets that enter the graph from elsewhere than a device, in order. Never grows.
#[derive(Debug)]
pub struct Backlog(VecDeque<Entry>);

impl Backlog {
    /// Room for `capacity` packets.
    pub fn new(capacity: usize) -> Self {
        Self(VecDeque::with_capacity(capacity))
    }

    /// False if it is full.
    #[must_use]
    pub fn push(&mut self, entry: Entry) -> bool {
        let room = self.room() > 0;
        if room {
            self.0.push_back(entry);
        }
        room
    }

    /// The oldest packet.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Entry> {
        self.0.pop_front()
    }

    /// How many more fit.
    pub fn room(&self) -> usize {
        self.0.capacity() - self.0.len()
    }

    /// Whether nothing waits.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Buffers that are freed together. Never grows.
#[derive(Debug)]
pub struct Trash(Vec<Mbuf>);

impl Default for Trash {
    fn default() -> Self {
        Self(Vec::with_capacity(Self::ROOM))
    }
}

impl Trash {
    const ROOM: usize = 256;

    /// Takes a packet that nobody needs any more.
    #[inline(always)]
    pub fn put(&mut self, mbuf: Mbuf) {
        if self.0.len() == Self::ROOM {
            self.empty();
        }
        self.0.push(mbuf);
    }

    /// Frees what was collected.
    #[inline(always)]
    pub fn empty(&mut self) {
        if !self.0.is_empty() {
            Mbuf::free_bulk(&self.0);
            self.0.clear();
        }
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        self.empty();
    }
}
