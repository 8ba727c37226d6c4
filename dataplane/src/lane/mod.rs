//! The fast lane: the graph's commonest way, as two dense loops.
//!
//! A packet is *plain* when nothing is left to ask about it but its route: whole headers in one segment, our MAC,
//! untagged, an intact IP header without options, extension headers or fragments, a hop limit to spare, and addresses
//! that may be forwarded. Plain packets of a burst are looked up together, rewritten in one loop and, when they all leave
//! by one port, sent as they stand. A packet whose next hop asks for more (not resolved, too big, local, a redirect) goes
//! back to the graph, unchanged.
//!
//! The lane is an optimisation, never a second opinion: same tables, counters and drop reasons. A test sends every
//! case through both ways and compares what came out.
//!
//! What matters, measured: checks as one comparison of vectors instead of one by one; loops so small that all they
//! work with stays in registers, so the commonest way has a loop to itself; records of next hops asked for together before
//! they are read; counters summed up over the burst; one transmit burst per frame; packets that come from memory asked for
//! ahead.
//!
//! LIMIT: tagged frames and interfaces with a reverse path check take the graph.

use dpdk::Mbuf;
use tables::id::{IfaceId, NextHopId, PortId};
use tables::lpm::Simd;
use tables::next_hop::{NextHop, NextHopKind};

use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::{Interface, Urpf};
use crate::frame::{BURST, Family, Frame, Meta};
use crate::graph::Stage;
use crate::stages::rewrite::{decrement, encapsulate};
use crate::stages::route::member;
use crate::stages::tx::transmit;
use crate::state::{Context, WorkerState};

mod plain;

use plain::{Notes, Said, Shape, destination6, is_ip6, ordinary};

/// Bytes of the link-layer header of a plain packet.
const LINK: usize = 14;
/// How many packets ahead are prefetched.
const AHEAD: usize = 8;

/// The lane's working arrays, made once per worker.
pub struct Lane {
    /// By number in the frame.
    seen6: Box<Notes>,
    seen4: Box<Notes>,
    /// The plain packets of one family, in order, when the burst holds others too.
    mbufs: Vec<Mbuf>,
    high: [u64; BURST],
    len: [u16; BURST],
    next_hops: [NextHopId; BURST],
}

/// Plain packets of one family, in order.
#[derive(Clone, Copy)]
struct Plain<'a> {
    mbufs: &'a [Mbuf],
    high: &'a [u64],
    len: &'a [u16],
}

/// The numbers of the bits that are set.
#[inline(always)]
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < BURST).then_some(bit)
    })
}

/// A mask of the first `n` packets.
#[inline(always)]
fn first(n: usize) -> u64 {
    u64::MAX.checked_shr((BURST - n) as u32).unwrap_or(0)
}

impl Lane {
    /// The arrays.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            seen6: Box::new(Notes::NONE),
            seen4: Box::new(Notes::NONE),
            mbufs: Vec::with_capacity(BURST),
            high: [0; BURST],
            len: [0; BURST],
            next_hops: [NextHopId(0); BURST],
        })
    }

    /// Sends the plain packets of a frame from `port` on their way; the others wait for the parse stage. How many
    /// packets the frame has, and their bytes.
    ///
    /// `simd` proves what the processor can do: call this in a function that is compiled for it.
    #[inline(always)]
    pub fn run<S: Simd>(
        &mut self,
        simd: S,
        cx: &Context<'_>,
        frame: &mut Frame,
        w: &mut WorkerState,
        port: PortId,
    ) -> (u64, u64) {
        let Some(interface) = open_to(cx, port) else {
            return enter_all(cx, frame, port);
        };
        let mbufs = frame.mbufs();
        let n = mbufs.len().min(BURST);
        // Most bursts hold one family: that of the first packet is looked for first.
        let (mut plain6, mut plain4, bytes);
        if mbufs.first().is_some_and(is_ip6) {
            (plain6, bytes) = self.classify::<true, S>(simd, mbufs, interface);
            plain4 = first(n) & !plain6;
            if plain4 != 0 {
                plain4 = self.reconsider::<false, S>(simd, mbufs, interface, plain4);
            }
        } else {
            (plain4, bytes) = self.classify::<false, S>(simd, mbufs, interface);
            plain6 = first(n) & !plain4;
            if plain6 != 0 {
                plain6 = self.reconsider::<true, S>(simd, mbufs, interface, plain6);
            }
        }
        let begin = from_device(cx, port);
        enter_odd(frame, first(n) & !(plain6 | plain4), begin);
        if plain6 != 0 {
            let odd = self.forward::<true, S>(simd, cx, frame, w, interface, plain6);
            enter_odd(frame, odd, begin);
        }
        if plain4 != 0 {
            let odd = self.forward::<false, S>(simd, cx, frame, w, interface, plain4);
            enter_odd(frame, odd, begin);
        }
        (n as u64, bytes)
    }

    /// What is noted of packets as ones of a family.
    #[inline(always)]
    fn seen<const V6: bool>(&mut self) -> &mut Notes {
        if V6 { &mut self.seen6 } else { &mut self.seen4 }
    }

    /// Looks at every packet of a burst as one of a family: which are plain, and the bytes of all.
    #[inline(always)]
    fn classify<const V6: bool, S: Simd>(
        &mut self,
        simd: S,
        mbufs: &[Mbuf],
        interface: &Interface,
    ) -> (u64, u64) {
        let (shape, seen) = (shape::<V6>(interface), self.seen::<V6>());
        let n = mbufs.len().min(BURST);
        let (mut bytes, mut said) = (0, Said::default());
        for mbuf in &mbufs[..n.min(AHEAD)] {
            mbuf.prefetch_data();
        }
        for (number, mbuf) in mbufs[..n].iter().enumerate() {
            // Beyond the end the last one is asked for again: cheaper than a branch.
            mbufs[(number + 2 * AHEAD).min(n - 1)].prefetch();
            mbufs[(number + AHEAD).min(n - 1)].prefetch_data();
            bytes += u64::from(mbuf.pkt_len());
            said.add(mbuf);
            seen.note::<V6, S>(simd, number, mbuf, &shape);
        }
        let mut plain = seen.judge::<V6, S>(simd) & first(n);
        if !said.nothing_special() {
            plain = only_ordinary(mbufs, plain);
        }
        (if speaks::<V6>(interface) { plain } else { 0 }, bytes)
    }

    /// Looks at some packets of a burst as ones of a family: which are plain.
    #[inline(always)]
    fn reconsider<const V6: bool, S: Simd>(
        &mut self,
        simd: S,
        mbufs: &[Mbuf],
        interface: &Interface,
        among: u64,
    ) -> u64 {
        if !speaks::<V6>(interface) {
            return 0;
        }
        let (shape, seen) = (shape::<V6>(interface), self.seen::<V6>());
        for number in bits(among) {
            seen.note::<V6, S>(simd, number, &mbufs[number], &shape);
        }
        only_ordinary(mbufs, seen.judge::<V6, S>(simd) & among)
    }

    /// Looks up the plain packets of one family, rewrites and sends them. The others come back: those whose next hop
    /// asks for more, unchanged.
    #[inline(always)]
    fn forward<const V6: bool, S: Simd>(
        &mut self,
        simd: S,
        cx: &Context<'_>,
        frame: &Frame,
        w: &mut WorkerState,
        interface: &Interface,
        plain: u64,
    ) -> u64 {
        let all = frame.mbufs();
        let whole = plain == first(all.len());
        let seen = if V6 { &*self.seen6 } else { &*self.seen4 };
        let packets = if whole {
            Plain {
                mbufs: all,
                high: &seen.high[..all.len()],
                len: &seen.len[..all.len()],
            }
        } else {
            self.mbufs.clear();
            for (place, number) in bits(plain).enumerate() {
                self.mbufs.push(all[number]);
                self.high[place] = seen.high[number];
                self.len[place] = seen.len[number];
            }
            let n = self.mbufs.len();
            Plain {
                mbufs: &self.mbufs,
                high: &self.high[..n],
                len: &self.len[..n],
            }
        };
        let next_hops = &mut self.next_hops[..packets.mbufs.len()];
        // Not by a closure: that might be compiled on its own, without the instructions that `simd` stands for.
        let (reader, vrf) = (cx.reader, interface.vrf);
        if V6 {
            let addr = |i: usize| packets.mbufs.get(i).map_or(0, destination6);
            cx.lpm6
                .lookup_lane(simd, reader, vrf, packets.high, addr, next_hops);
        } else {
            let addr = |i: usize| packets.high.get(i).map_or(0, |&high| high as u32);
            cx.lpm4
                .lookup_lane(simd, reader, vrf, packets.high, addr, next_hops);
        }
        let odd = rewrite_and_send::<V6>(cx, w, interface, packets, next_hops);
        if whole || odd == 0 {
            odd
        } else {
            spread(odd, plain)
        }
    }
}

/// The bits of `mask` whose ranks are set in `ranks`.
#[cold]
fn spread(ranks: u64, mask: u64) -> u64 {
    bits(mask)
        .enumerate()
        .filter(|(rank, _)| ranks >> rank & 1 != 0)
        .fold(0, |spread, (_, bit)| spread | 1 << bit)
}

/// Those among the packets that are ordinary.
fn only_ordinary(mbufs: &[Mbuf], among: u64) -> u64 {
    bits(among)
        .filter(|&number| ordinary(&mbufs[number]))
        .fold(0, |plain, number| plain | 1 << number)
}

#[inline(always)]
fn shape<const V6: bool>(interface: &Interface) -> Shape {
    if V6 {
        Shape::ip6(&interface.mac)
    } else {
        Shape::ip4(&interface.mac)
    }
}

#[inline(always)]
fn speaks<const V6: bool>(interface: &Interface) -> bool {
    if V6 { interface.ip6 } else { interface.ip4 }
}

/// Has the packets whose bits are set wait for the graph.
#[inline(always)]
fn enter_odd(frame: &mut Frame, odd: u64, (meta, stage): (Meta, Stage)) {
    for number in bits(odd) {
        frame.enter(number, meta, stage);
    }
}

/// Has every packet of a frame wait for the graph. How many there are, and their bytes.
pub fn enter_all(cx: &Context<'_>, frame: &mut Frame, port: PortId) -> (u64, u64) {
    let (meta, stage) = from_device(cx, port);
    let mut bytes = 0;
    for number in 0..frame.len() {
        bytes += u64::from(frame.mbufs()[number].pkt_len());
        frame.enter(number, meta, stage);
    }
    (frame.len() as u64, bytes)
}

/// What is known of a packet that a device has just delivered, and the stage that it begins at.
#[inline(always)]
fn from_device(cx: &Context<'_>, port: PortId) -> (Meta, Stage) {
    let switched = cx.forwarding.port(port).is_some_and(|port| port.switched);
    let stage = if switched {
        Stage::Switch
    } else {
        Stage::Parse
    };
    (Meta::from_port(port), stage)
}

/// The interface of the port's untagged frames, if the lane may take them.
#[inline(always)]
fn open_to<'r>(cx: &Context<'r>, port: PortId) -> Option<&'r Interface> {
    let view = cx.forwarding.port(port)?;
    let interface = cx.forwarding.interface(view.tags.untagged())?;
    let checked = interface.urpf6 != Urpf::Off || interface.urpf4 != Urpf::Off;
    (!view.observed && !checked).then_some(interface)
}

/// Rewrites packets of one family for their next hops and sends them. Those whose next hop asks for more come back, by
/// their place.
#[inline(always)]
fn rewrite_and_send<const V6: bool>(
    cx: &Context<'_>,
    w: &mut WorkerState,
    interface: &Interface,
    packets: Plain<'_>,
    next_hops: &mut [NextHopId],
) -> u64 {
    // Out of this interface a redirect may be due: the graph's business.
    let back = if interface.redirects {
        interface.id
    } else {
        IfaceId(0)
    };
    let counters = &*w.counters;
    // The records are asked for together: with many next hops each is a miss of the nearest cache.
    let mut records: [&NextHop; BURST] = [&NextHop::NO_ROUTE; BURST];
    for (record, &id) in records.iter_mut().zip(&*next_hops) {
        *record = cx.next_hops.fetch(id);
        counters.fetch_next_hop(id);
    }
    let to = way(records[0]);
    let (mut bytes, mut mixed, mut rest) = (0, 0, 0u64);
    // The commonest way alone, so that all of it is kept in registers: a neighbour on an untagged link.
    let notes = packets.mbufs.iter().zip(packets.len);
    let routes = next_hops.iter().zip(&records);
    for (place, ((&mbuf, &len), (&id, &next_hop))) in notes.zip(routes).enumerate() {
        let plain = (next_hop.kind == NextHopKind::Forward)
            & (usize::from(next_hop.header_len) == LINK)
            & (len <= next_hop.mtu)
            & (next_hop.iface != back);
        if !plain || !relabel::<V6>(mbuf, len, next_hop) {
            rest |= 1 << place;
            continue;
        }
        counters.next_hop(id).add(1, u64::from(len));
        mixed |= way(next_hop) ^ to;
        bytes += u64::from(len);
    }
    let all = first(packets.mbufs.len());
    let mut batch = Batch {
        packets,
        next_hops,
        records: &mut records,
        bytes,
        frame_bytes: bytes + u64::from((all & !rest).count_ones()) * LINK as u64,
        mixed: mixed != 0,
    };
    if rest != 0 {
        rest = batch.rewrite_others::<V6>(cx, counters, back, rest);
    }
    batch.send::<V6>(w, interface, all & !rest);
    rest
}

/// By what a packet leaves, as one word.
#[inline(always)]
fn way(next_hop: &NextHop) -> u32 {
    u32::from(next_hop.port.0) << 16 | u32::from(next_hop.iface.0)
}

/// Gives a packet the addresses of a next hop on an untagged link. False, and nothing changed, if it is too short, which
/// was ruled out before.
#[inline(always)]
fn relabel<const V6: bool>(mut mbuf: Mbuf, len: u16, next_hop: &NextHop) -> bool {
    let Some(header) = mbuf.data_mut().first_chunk_mut::<{ LINK + 20 }>() else {
        return false;
    };
    decrement(&mut header[LINK..], family::<V6>());
    // The EtherType is right already.
    header[..12].copy_from_slice(&next_hop.header[..12]);
    unpad(mbuf, LINK as u32 + u32::from(len));
    true
}

/// Cuts the padding off a packet of `len` bytes.
#[inline(always)]
fn unpad(mut mbuf: Mbuf, len: u32) {
    if mbuf.pkt_len() != len {
        // Cannot fail: the packet is longer.
        let _ = mbuf.truncate(len);
    }
}

const fn family<const V6: bool>() -> Family {
    if V6 { Family::V6 } else { Family::V4 }
}

/// Packets of one family with their next hops.
struct Batch<'a, 'r> {
    packets: Plain<'a>,
    next_hops: &'a mut [NextHopId],
    records: &'a mut [&'r NextHop; BURST],
    /// Bytes of the IP packets that are ready.
    bytes: u64,
    /// Bytes of their frames.
    frame_bytes: u64,
    /// Not all that are ready leave by the same interface.
    mixed: bool,
}

impl<'r> Batch<'_, 'r> {
    /// Readies packets that go to tagged links or have a choice of next hops. Those that remain ask for more.
    #[inline(always)]
    fn rewrite_others<const V6: bool>(
        &mut self,
        cx: &Context<'r>,
        counters: &WorkerCounters,
        back: IfaceId,
        others: u64,
    ) -> u64 {
        let mut odd = 0;
        for place in bits(others) {
            let (mut mbuf, len) = (self.packets.mbufs[place], self.packets.len[place]);
            if self.records[place].kind == NextHopKind::Group {
                self.next_hops[place] = choose::<V6>(cx, &mbuf, self.next_hops[place]);
                self.records[place] = cx.next_hops.get(self.next_hops[place]);
            }
            let next_hop = self.records[place];
            let header_len = usize::from(next_hop.header_len);
            let fits = (next_hop.kind == NextHopKind::Forward)
                & (len <= next_hop.mtu)
                & (next_hop.iface != back)
                & (usize::from(mbuf.headroom()) + LINK >= header_len);
            if !fits {
                odd |= 1 << place;
                continue;
            }
            unpad(mbuf, LINK as u32 + u32::from(len));
            decrement(&mut mbuf.data_mut()[LINK..], family::<V6>());
            // Cannot fail: there is room.
            let _ = encapsulate(&mut mbuf, LINK as u16, next_hop, family::<V6>());
            counters
                .next_hop(self.next_hops[place])
                .add(1, u64::from(len));
            self.bytes += u64::from(len);
            self.frame_bytes += u64::from(len) + header_len as u64;
            self.mixed |= way(next_hop) != way(self.records[0]);
        }
        odd
    }

    /// Sends the packets whose bits are set.
    #[inline(always)]
    fn send<const V6: bool>(&self, w: &mut WorkerState, interface: &Interface, ready: u64) {
        if ready == 0 {
            return;
        }
        let counters = &*w.counters;
        let n = u64::from(ready.count_ones());
        let received = counters.interface(interface.id);
        let received = if V6 { &received.rx6 } else { &received.rx4 };
        received.add(n, self.bytes);
        counters.run.lane.add(n);
        let from = interface.port;
        let first = self.records[0];
        let whole = ready == crate::lane::first(self.packets.mbufs.len());
        let direct = whole && !self.mixed && w.tx.is_idle(first.port);
        match w.tx.queue(first.port) {
            Some(queue) if direct => {
                let sent = counters.interface(first.iface);
                let sent = if V6 { &sent.tx6 } else { &sent.tx4 };
                sent.add(n, self.bytes);
                let out = self.packets.mbufs;
                let took = transmit(queue, out, self.frame_bytes, counters.port(first.port));
                for &mbuf in &out[took..] {
                    counters.port(from).drops[DropReason::TxFull.index()].add(1);
                    w.trash.put(mbuf);
                }
            }
            _ => {
                for place in bits(ready) {
                    let (next_hop, len) = (self.records[place], self.packets.len[place]);
                    let sent = counters.interface(next_hop.iface);
                    let sent = if V6 { &sent.tx6 } else { &sent.tx4 };
                    sent.add(1, u64::from(len));
                    let mbuf = self.packets.mbufs[place];
                    w.tx.put(next_hop.port, mbuf, from, counters, &mut w.trash);
                }
            }
        }
    }
}

/// The member of a group that the flow takes.
#[cold]
fn choose<const V6: bool>(cx: &Context<'_>, mbuf: &Mbuf, group: NextHopId) -> NextHopId {
    let (l4, protocol) = if V6 {
        (LINK + 40, LINK + 6)
    } else {
        (LINK + 20, LINK + 9)
    };
    let meta = Meta {
        family: if V6 { Family::V6 } else { Family::V4 },
        l3: LINK as u16,
        l4: l4 as u16,
        protocol: mbuf.data().get(protocol).copied().unwrap_or_default(),
        ..Meta::from_port(PortId(0))
    };
    member(cx, mbuf, &meta, group)
}
