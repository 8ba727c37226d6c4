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
//! Where there are networks, their frames come first: out of tunnels (`tunnel`), or by the tags that select one, to where
//! they go (`bridge`, `encap`). Those for interfaces of ours meet the same loops as packets from a device.
//!
//! What the machine of a tenant sends has its flow looked up first, what goes to one last (`secure`).
//!
//! LIMIT: the frames of machines that are plugged in with tags, tagged frames of interfaces, interfaces with a reverse path check, IP packets
//! in GRE without Ethernet, and tunnels whose peer is reached by a group of next hops or by a network take the graph.

use dpdk::Mbuf;
use tables::id::{AnchorId, NextHopId, PortId};
use tables::lpm::Simd;

use crate::forwarding::{Interface, MacAddr, PortView, Urpf, VirtualMacs};
use crate::frame::{BURST, Frame, Meta};
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

mod bridge;
mod encap;
mod plain;
mod rewrite;
pub(crate) mod secure;
mod tunnel;

use bridge::Inside;
use encap::{Exits, Leaving};
use plain::{Notes, Said, Shape, destination6, is_ip6, ordinary};
use rewrite::rewrite_and_send;
use secure::{Flows, admit_frames, barred, untagged_anchor};

/// Bytes of the link-layer header of a plain packet.
const LINK: usize = 14;
/// How many packets ahead are prefetched.
const AHEAD: usize = 8;

/// The lane's working arrays, made once per worker.
pub struct Lane {
    /// By number in the frame.
    seen6: Box<Notes>,
    seen4: Box<Notes>,
    inside: Box<Inside>,
    leaving: Leaving,
    flows: Box<Flows>,
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

/// How packets came in.
#[derive(Clone, Copy)]
struct Entrance<'a> {
    /// By which interface.
    interface: &'a Interface,
    /// From which port.
    port: PortId,
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
            inside: Box::new(Inside::NONE),
            leaving: Leaving::new(),
            flows: Box::new(Flows::NONE),
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
        let Some(view) = cx.forwarding.port(port).filter(|view| !view.observed) else {
            return enter_all(cx, frame, port);
        };
        let by = open_to(cx, view, port);
        if view.switched || cx.forwarding.networks.has_tunnels() {
            return self.run_networks(simd, cx, frame, w, (view, port), by);
        }
        let Some(by) = by else {
            return enter_all(cx, frame, port);
        };
        let interface = by.interface;
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
        // What is to another address of ours than the first packet.
        let rest = first(n) & !(plain6 | plain4);
        if rest != 0 && interface.virtual_macs.is_some() {
            plain6 |= self.reconsider::<true, S>(simd, mbufs, interface, rest);
            plain4 |= self.reconsider::<false, S>(simd, mbufs, interface, rest & !plain6);
        }
        if interface.anchor != AnchorId(0) {
            plain6 = self.admit::<true>(cx, w, interface, frame.mbufs(), plain6);
            plain4 = self.admit::<false>(cx, w, interface, frame.mbufs(), plain4);
        }
        enter_odd(frame, first(n) & !(plain6 | plain4), begin(view, port));
        let admitted = admitted(view, port);
        if plain6 != 0 {
            let odd = self.forward::<true, S>(simd, cx, frame, w, by, plain6);
            enter_odd(frame, odd, admitted);
        }
        if plain4 != 0 {
            let odd = self.forward::<false, S>(simd, cx, frame, w, by, plain4);
            enter_odd(frame, odd, admitted);
        }
        (n as u64, bytes)
    }

    /// Those among plain packets of a family that the port of the machine which sent them lets pass.
    #[inline(always)]
    fn admit<const V6: bool>(
        &mut self,
        cx: &Context<'_>,
        w: &mut WorkerState,
        interface: &Interface,
        mbufs: &[Mbuf],
        plain: u64,
    ) -> u64 {
        match cx.forwarding.security.get(interface.anchor) {
            Some(anchor) if plain != 0 => {
                let flows = &mut self.flows;
                flows.pass_from::<V6>(cx, w, anchor, mbufs, plain)
            }
            _ => plain,
        }
    }

    /// As `run`, where some packets may be of networks.
    #[inline(always)]
    fn run_networks<S: Simd>(
        &mut self,
        simd: S,
        cx: &Context<'_>,
        frame: &mut Frame,
        w: &mut WorkerState,
        (view, port): (&PortView, PortId),
        by: Option<Entrance<'_>>,
    ) -> (u64, u64) {
        let n = frame.len().min(BURST);
        let inside = &mut self.inside;
        let unpacked = match by {
            // What the machine of a tenant says is asked about first.
            Some(by)
                if cx.forwarding.networks.has_tunnels() && by.interface.anchor == AnchorId(0) =>
            {
                tunnel::unpack(simd, cx, w, frame.mbufs(), by.interface, inside)
            }
            _ => tunnel::none(frame.mbufs()),
        };
        let mut rest = first(n) & !unpacked.frames;
        let mut frames = unpacked.frames;
        if view.switched {
            let mbufs = frame.mbufs();
            let admitted = match untagged_anchor(cx, view) {
                Some(anchor) => admit_frames(cx, w, &mut self.flows, anchor, mbufs, rest),
                None => 0,
            };
            let entered = inside.enter(cx, view, mbufs, rest, admitted);
            rest &= !entered;
            frames |= entered;
        }
        let mut ours = 0;
        if frames != 0 {
            let mut exits = Exits::new(&mut self.leaving, port);
            ours = inside.switch(cx, frame, w, &mut exits, port, frames);
            exits.end(w);
        }
        while ours != 0 {
            let number = ours.trailing_zeros() as usize;
            let alike = self.inside.alike(number, ours);
            ours &= !alike;
            let interface = cx.forwarding.interface(self.inside.iface(number));
            let odd = match interface.filter(|interface| !is_checked(interface)) {
                Some(interface) => {
                    let by = Entrance { interface, port };
                    let (odd, refused) = self.route(simd, cx, frame, w, by, alike);
                    odd | refused
                }
                None => alike,
            };
            for number in bits(odd) {
                frame.enter(number, self.inside.routed(number, port), Stage::Parse);
            }
        }
        if rest != 0 {
            let (odd, refused) = match by {
                Some(by) => self.route(simd, cx, frame, w, by, rest),
                None => (0, rest),
            };
            enter_odd(frame, refused, begin(view, port));
            enter_odd(frame, odd, admitted(view, port));
        }
        (n as u64, unpacked.bytes)
    }

    /// Sends those packets among a burst's that are plain ones of an interface on their way. The others come back: those that were
    /// admitted, and those that were not.
    #[inline(always)]
    fn route<S: Simd>(
        &mut self,
        simd: S,
        cx: &Context<'_>,
        frame: &Frame,
        w: &mut WorkerState,
        by: Entrance<'_>,
        among: u64,
    ) -> (u64, u64) {
        let mbufs = frame.mbufs();
        let one = mbufs[among.trailing_zeros() as usize % BURST];
        let (mut plain6, mut plain4) = (0, 0);
        if is_ip6(&one) {
            plain6 = self.reconsider::<true, S>(simd, mbufs, by.interface, among);
        }
        if plain6 != among {
            plain4 = self.reconsider::<false, S>(simd, mbufs, by.interface, among & !plain6);
        }
        if !is_ip6(&one) && plain4 != among {
            plain6 = self.reconsider::<true, S>(simd, mbufs, by.interface, among & !plain4);
        }
        if by.interface.anchor != AnchorId(0) {
            plain6 = self.admit::<true>(cx, w, by.interface, frame.mbufs(), plain6);
            plain4 = self.admit::<false>(cx, w, by.interface, frame.mbufs(), plain4);
        }
        let refused = among & !(plain6 | plain4);
        let mut odd = 0;
        if plain6 != 0 {
            odd |= self.forward::<true, S>(simd, cx, frame, w, by, plain6);
        }
        if plain4 != 0 {
            odd |= self.forward::<false, S>(simd, cx, frame, w, by, plain4);
        }
        (odd, refused)
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
        let n = mbufs.len().min(BURST);
        let shape = shape::<V6>(interface, mbufs.first());
        let seen = self.seen::<V6>();
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
        let shape = shape::<V6>(interface, mbufs.get(among.trailing_zeros() as usize));
        let seen = self.seen::<V6>();
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
        by: Entrance<'_>,
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
        let (reader, vrf) = (cx.reader, by.interface.vrf);
        if V6 {
            let addr = |i: usize| packets.mbufs.get(i).map_or(0, destination6);
            cx.lpm6
                .lookup_lane(simd, reader, vrf, packets.high, addr, next_hops);
        } else {
            let addr = |i: usize| packets.high.get(i).map_or(0, |&high| high as u32);
            cx.lpm4
                .lookup_lane(simd, reader, vrf, packets.high, addr, next_hops);
        }
        let barred = if cx.forwarding.security.is_empty() {
            0
        } else {
            barred::<V6>(cx, w, &mut self.flows, packets.mbufs, next_hops)
        };
        let ready = first(packets.mbufs.len()) & !barred;
        let leaving = &mut self.leaving;
        let odd = rewrite_and_send::<V6>(cx, w, by, packets, next_hops, ready, leaving);
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
fn shape<const V6: bool>(interface: &Interface, like: Option<&Mbuf>) -> Shape {
    let mac = match &interface.virtual_macs {
        Some(macs) => active_destination(macs, like).unwrap_or(interface.mac),
        None => interface.mac,
    };
    if V6 {
        Shape::ip6(&mac)
    } else {
        Shape::ip4(&mac)
    }
}

/// Where a packet goes, if that is a virtual router which is active here: others of its burst are likely to go there too.
fn active_destination(macs: &VirtualMacs, mbuf: Option<&Mbuf>) -> Option<MacAddr> {
    let mac = mbuf?.data().first_chunk::<6>()?;
    macs.is_active(mac)?.then_some(*mac)
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
    let (meta, stage) = match cx.forwarding.port(port) {
        Some(view) => begin(view, port),
        None => (Meta::from_port(port), Stage::Parse),
    };
    let mut bytes = 0;
    for number in 0..frame.len() {
        bytes += u64::from(frame.mbufs()[number].pkt_len());
        frame.enter(number, meta, stage);
    }
    (frame.len() as u64, bytes)
}

/// As [`begin`], of a packet that may have come: no machine of a tenant has sent it, or its port lets it pass.
#[inline(always)]
fn admitted(view: &PortView, port: PortId) -> (Meta, Stage) {
    let stage = if view.switched {
        Stage::Switch
    } else {
        Stage::Parse
    };
    (Meta::from_port(port), stage)
}

/// What is known of a packet that a device has just delivered, and the stage that it begins at.
#[inline(always)]
fn begin(view: &PortView, port: PortId) -> (Meta, Stage) {
    match view.secured {
        true => (Meta::from_port(port), Stage::Admit),
        false => admitted(view, port),
    }
}

/// The interface of a port's untagged frames, if the lane may take them.
#[inline(always)]
fn open_to<'r>(cx: &Context<'r>, view: &PortView, port: PortId) -> Option<Entrance<'r>> {
    let interface = cx.forwarding.interface(view.tags.untagged())?;
    (!is_checked(interface)).then_some(Entrance { interface, port })
}

/// Whether sources are looked up in the table of routes.
#[inline(always)]
fn is_checked(interface: &Interface) -> bool {
    interface.urpf6 != Urpf::Off || interface.urpf4 != Urpf::Off
}
