//! A burst of packets on its way through the graph.
//!
//! A frame holds up to [`BURST`] packets in numbered slots. Beside each mbuf stands its [`Meta`], what the stages
//! learn about it; and each stage has a list of the slots that wait for it. A slot is in exactly one list, or gone
//! (sent, held, freed); so nothing can be lost without its slot being forgotten by a stage, which the conservation
//! equation would show.
//!
//! # Invariant (of the unsafe code)
//!
//! `mbufs[..len]` are initialised: [`Frame::receive`] and [`Frame::push`] are the only places that raise `len`. A
//! [`Slot`] is made only for a number below `len`, and lists are emptied before a frame is used again.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::{Index, IndexMut};

use dpdk::Mbuf;
use tables::id::{AttachId, IfaceId, NetworkId, NextHopId, PortId, VrfId};

use crate::drop::DropReason;
use crate::graph::Stage;
use crate::punt::PuntClass;

/// Packets of a frame at most. Measured: more costs cache, fewer costs overlap.
pub const BURST: usize = 64;

/// The number of a packet within its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(u8);

impl Slot {
    /// As an index into arrays of [`BURST`] elements; the mask spares the bounds check.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self.0 as usize & (BURST - 1)
    }
}

/// Which protocol's header stands at [`Meta::l3`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// IPv6.
    #[default]
    V6,
    /// IPv4.
    V4,
    /// ARP.
    Arp,
}

/// Bits of [`Meta::flags`].
pub mod flags {
    /// Made by this router: the hop limit is not decremented, no ICMP error answers it.
    pub const OWN: u16 = 1;
    /// Came in a multicast or broadcast frame.
    pub const LINK_MULTICAST: u16 = 2;
    /// A fragment (any piece but an atomic one).
    pub const FRAGMENT: u16 = 4;
    /// A fragment other than the first: there is no upper-layer header.
    pub const LATER_FRAGMENT: u16 = 8;
    /// The IPv6 hop-by-hop header, or an IPv4 option, asks routers to look (RFC 2711, RFC 2113).
    pub const ROUTER_ALERT: u16 = 16;
    /// Came out of the hold table: its neighbour has just been resolved.
    pub const RELEASED: u16 = 32;
    /// Waits in the hold table for the station of its source, not of its destination.
    pub const SOURCE: u16 = 64;
    /// Has no link-layer header: came by an interface that is a tunnel.
    pub const BARE: u16 = 128;
    /// A frame that an interface of ours sends for itself: no security group is asked.
    pub const OWN_FRAME: u16 = 256;
}

/// What is known about one packet.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The next hop that the route stage found.
    pub next_hop: NextHopId,
    /// Bytes of the IP packet, header included, link-layer padding not.
    pub len: u32,
    /// What an ICMP error has to tell: the MTU, or the pointer to the offending byte (from the IP header's start).
    pub param: u32,
    /// The port it came from, [`NO_PORT`](crate::counters::NO_PORT) if from none.
    pub port: PortId,
    /// The interface it came in by, 0 if by none.
    pub iface: IfaceId,
    /// The routing domain.
    pub vrf: VrfId,
    /// The network of a frame, 0 if it is in none.
    pub network: NetworkId,
    /// The place in the network that it came from.
    pub from: AttachId,
    /// The place in the network that it goes to; nowhere as long as that is to be found out.
    pub to: AttachId,
    /// The port that it leaves by.
    pub out: PortId,
    /// Longest IP packet that may leave there, bytes.
    pub out_mtu: u16,
    /// Offset of the IP (or ARP) header from the first byte of the mbuf's data.
    pub l3: u16,
    /// Offset of the upper-layer header from the first byte of the mbuf's data.
    pub l4: u16,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Which header stands at `l3`.
    pub family: Family,
    /// Bits of [`flags`].
    pub flags: u16,
    /// Tunnel headers that were put in front of it or taken off.
    pub tunnels: u8,
    /// Why it is dropped (set together with the list `Drop` or `IcmpError`).
    pub reason: DropReason,
    /// How it is punted (set together with the list `Punt`).
    pub class: PuntClass,
}

impl Meta {
    /// Nothing known but where it came from.
    pub const fn from_port(port: PortId) -> Self {
        Self {
            next_hop: NextHopId(0),
            len: 0,
            param: 0,
            port,
            iface: IfaceId(0),
            vrf: VrfId(0),
            network: NetworkId(0),
            from: AttachId(0),
            to: AttachId(0),
            out: PortId(0),
            out_mtu: 0,
            l3: 0,
            l4: 0,
            protocol: 0,
            family: Family::V6,
            flags: 0,
            tunnels: 0,
            reason: DropReason::FrameTruncated,
            class: PuntClass::Local,
        }
    }

    /// Whether any of the given [`flags`] is set.
    #[inline(always)]
    pub const fn has(&self, bits: u16) -> bool {
        self.flags & bits != 0
    }
}

/// Slots that wait for a stage; also the iterator over them, in order.
#[derive(Clone, Copy, Debug)]
pub struct List {
    next: u8,
    len: u8,
    slots: [u8; BURST],
}

impl List {
    const EMPTY: Self = Self {
        next: 0,
        len: 0,
        slots: [0; BURST],
    };

    /// Adds a slot; a list never holds more than a frame has.
    #[inline(always)]
    pub fn push(&mut self, slot: Slot) {
        self.slots[self.len as usize & (BURST - 1)] = slot.0;
        self.len += 1;
    }

    /// How many.
    #[inline(always)]
    pub fn len(&self) -> usize {
        (self.len - self.next) as usize
    }

    /// Whether none waits.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == self.next
    }
}

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Iterator for List {
    type Item = Slot;

    #[inline(always)]
    fn next(&mut self) -> Option<Slot> {
        if self.is_empty() {
            return None;
        }
        let slot = self.slots[self.next as usize & (BURST - 1)];
        self.next += 1;
        Some(Slot(slot))
    }
}

/// A burst of packets.
pub struct Frame {
    mbufs: [MaybeUninit<Mbuf>; BURST],
    len: usize,
    meta: [Meta; BURST],
    lists: [List; Stage::COUNT],
    /// The stage that is running: where a packet may be sent depends on it.
    running: Option<Stage>,
    /// Trace or capture looks at this frame.
    pub observed: bool,
}

impl Frame {
    /// An empty frame; a worker makes its frames once.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            mbufs: [MaybeUninit::uninit(); BURST],
            len: 0,
            meta: [Meta::from_port(PortId(0)); BURST],
            lists: [List::EMPTY; Stage::COUNT],
            running: None,
            observed: false,
        })
    }

    /// Forgets all packets. Whoever calls it has seen to them.
    #[inline(always)]
    pub fn clear(&mut self) {
        debug_assert!(
            self.lists.iter().all(List::is_empty),
            "a stage left packets behind"
        );
        self.len = 0;
        self.observed = false;
    }

    /// Empties the frame and fills it by `burst`, which writes packets to the start of the slice and says how many.
    /// The packets wait for nothing yet.
    ///
    /// # Safety
    /// `burst` has initialised as many elements as it says.
    #[inline(always)]
    pub unsafe fn receive(
        &mut self,
        burst: impl FnOnce(&mut [MaybeUninit<Mbuf>]) -> usize,
    ) -> usize {
        self.clear();
        self.len = burst(&mut self.mbufs).min(BURST);
        self.len
    }

    /// Adds a packet that waits for `stage`; gives it back when the frame is full.
    pub fn push(&mut self, mbuf: Mbuf, meta: Meta, stage: Stage) -> Result<(), Mbuf> {
        if self.len == BURST {
            return Err(mbuf);
        }
        let slot = Slot(self.len as u8);
        self.mbufs[slot.index()] = MaybeUninit::new(mbuf);
        self.meta[slot.index()] = meta;
        self.len += 1;
        self.lists[stage.index()].push(slot);
        Ok(())
    }

    /// Packets in the frame, gone ones included.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every packet, for the loops over a whole frame.
    #[inline(always)]
    pub fn mbufs(&self) -> &[Mbuf] {
        // SAFETY: the first `len` elements are initialised (invariant); MaybeUninit<Mbuf> has the layout of Mbuf.
        unsafe { &*(std::ptr::from_ref(&self.mbufs[..self.len]) as *const [Mbuf]) }
    }

    /// The packet of a slot.
    #[inline(always)]
    pub fn mbuf(&self, slot: Slot) -> Mbuf {
        debug_assert!(slot.index() < self.len);
        // SAFETY: a slot is made only for a number below `len` (invariant).
        unsafe { self.mbufs[slot.index()].assume_init() }
    }

    /// The slot of a packet by its number; `None` beyond the frame.
    #[inline(always)]
    pub fn slot(&self, number: usize) -> Option<Slot> {
        (number < self.len).then_some(Slot(number as u8))
    }

    /// Takes the list of a stage, which begins to run.
    #[inline(always)]
    pub fn take(&mut self, stage: Stage) -> List {
        self.running = Some(stage);
        std::mem::replace(&mut self.lists[stage.index()], List::EMPTY)
    }

    /// The slots that wait for a stage.
    pub fn waiting(&self, stage: Stage) -> List {
        self.lists[stage.index()]
    }

    /// Sends a packet to a later stage.
    #[inline(always)]
    pub fn send(&mut self, slot: Slot, stage: Stage) {
        debug_assert!(
            self.running.is_none_or(|from| from.next().contains(&stage)),
            "the graph has no edge {:?} -> {stage:?}",
            self.running
        );
        self.lists[stage.index()].push(slot);
    }

    /// Drops a packet, silently but for its counter.
    #[inline(always)]
    pub fn drop(&mut self, slot: Slot, reason: DropReason) {
        self.meta[slot.index()].reason = reason;
        self.send(slot, Stage::Drop);
    }

    /// Drops a packet and answers it with the ICMP error that goes with the reason. `param`: see [`Meta::param`].
    #[inline(always)]
    pub fn refuse(&mut self, slot: Slot, reason: DropReason, param: u32) {
        let meta = &mut self.meta[slot.index()];
        meta.reason = reason;
        meta.param = param;
        self.send(slot, Stage::IcmpError);
    }

    /// Sends a packet to the control plane.
    #[inline(always)]
    pub fn punt(&mut self, slot: Slot, class: PuntClass) {
        self.meta[slot.index()].class = class;
        self.send(slot, Stage::Punt);
    }

    /// Enters a received packet: it waits for `stage`, one of the first two. Used before the graph runs.
    #[inline(always)]
    pub fn enter(&mut self, number: usize, meta: Meta, stage: Stage) {
        if let Some(slot) = self.slot(number) {
            self.meta[slot.index()] = meta;
            self.lists[stage.index()].push(slot);
        }
    }

    /// No stage runs any more.
    pub fn end(&mut self) {
        self.running = None;
    }
}

impl Index<Slot> for Frame {
    type Output = Meta;

    #[inline(always)]
    fn index(&self, slot: Slot) -> &Meta {
        &self.meta[slot.index()]
    }
}

impl IndexMut<Slot> for Frame {
    #[inline(always)]
    fn index_mut(&mut self, slot: Slot) -> &mut Meta {
        &mut self.meta[slot.index()]
    }
}
