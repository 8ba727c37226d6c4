//! What becomes of plain packets once their next hops are known: the rewrite and tx stages, a burst at a time.

use dpdk::Mbuf;
use tables::fdb::StationKey;
use tables::id::{IfaceId, NextHopId, PortId};
use tables::next_hop::{NextHop, NextHopKind};

use super::encap::{Exits, Leaving, Outbound};
use super::{Entrance, LINK, Plain, bits, first};
use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::forwarding::Network;
use crate::frame::{BURST, Family, Meta};
use crate::stages::rewrite::{decrement, encapsulate};
use crate::stages::route::member;
use crate::stages::tx::transmit;
use crate::state::{Context, WorkerState};

/// Rewrites packets of one family for their next hops and sends them. Those whose next hop asks for more come back, by
/// their place, with those that are not `ready`.
#[inline(always)]
pub(super) fn rewrite_and_send<const V6: bool>(
    cx: &Context<'_>,
    w: &mut WorkerState,
    by: Entrance<'_>,
    packets: Plain<'_>,
    next_hops: &mut [NextHopId],
    ready: u64,
    leaving: &mut Leaving,
) -> u64 {
    // Out of this interface a redirect may be due: the graph's business.
    let back = if by.interface.redirects {
        by.interface.id
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
        let plain = (ready >> place & 1 != 0)
            & (next_hop.kind == NextHopKind::Forward)
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
    let mut bridged = 0;
    let barred = all & !ready;
    if rest & ready != 0 {
        bridged = batch.of_kind(NextHopKind::Bridge, rest & ready);
        rest = batch.rewrite_others::<V6>(cx, counters, back, rest & ready & !bridged) | barred;
    }
    batch.send::<V6>(w, by, all & !(rest | bridged));
    if bridged != 0 {
        rest |= batch.bridge::<V6>(cx, w, by, leaving, back, bridged);
    }
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
                // Padding holds no ports: the flow's key must not see it, as the graph's does not.
                unpad(mbuf, LINK as u32 + u32::from(len));
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

    /// Those among some packets whose next hops are of a kind.
    #[inline(always)]
    fn of_kind(&self, kind: NextHopKind, among: u64) -> u64 {
        bits(among)
            .filter(|&place| self.records[place].kind == kind)
            .fold(0, |found, place| found | 1 << place)
    }

    /// Sends packets to stations of networks. Those that remain ask for more.
    #[inline(always)]
    fn bridge<const V6: bool>(
        &self,
        cx: &Context<'r>,
        w: &mut WorkerState,
        by: Entrance<'_>,
        leaving: &mut Leaving,
        back: IfaceId,
        among: u64,
    ) -> u64 {
        let mut exits = Exits::new(leaving, by.port);
        let mut stations = [StationKey::NONE; BURST];
        // The interface that packets left by last, its network, how many packets there were, and their bytes.
        let mut last: Option<(IfaceId, &Network)> = None;
        let (mut odd, mut sent, mut received) = (0, (0, 0), (0, 0));
        for place in bits(among) {
            let next_hop = self.records[place];
            let [a, b, c, d, e, f, ..] = next_hop.header;
            if last.is_none_or(|(iface, _)| iface != next_hop.iface) {
                last = network(cx, next_hop.iface);
            }
            let Some((_, network)) = last else { continue };
            stations[place] = StationKey::new(network.id, [a, b, c, d, e, f]);
            cx.fdb.fetch(stations[place]);
        }
        last = None;
        for place in bits(among) {
            let (mbuf, len) = (self.packets.mbufs[place], self.packets.len[place]);
            let (next_hop, id) = (self.records[place], self.next_hops[place]);
            if last.is_none_or(|(iface, _)| iface != next_hop.iface) {
                count_sent::<V6>(w, last, sent);
                sent = (0, 0);
                last = network(cx, next_hop.iface);
            }
            let frame = Outbound {
                tags: 0,
                len: LINK as u32 + u32::from(len),
            };
            let fits = (usize::from(next_hop.header_len) == LINK)
                & (len <= next_hop.mtu)
                & (next_hop.iface != back);
            let exit = last.filter(|_| fits).and_then(|(_, network)| {
                let to = cx.fdb.find(stations[place])?.attach;
                let exit = exits.find(cx, w, network, to, mbuf, frame)?;
                Some((network.id, exit))
            });
            let Some((network, exit)) = exit else {
                odd |= 1 << place;
                continue;
            };
            if !relabel::<V6>(mbuf, len, next_hop) {
                odd |= 1 << place;
                continue;
            }
            w.counters.next_hop(id).add(1, u64::from(len));
            sent = (sent.0 + 1, sent.1 + u64::from(len));
            received = (received.0 + 1, received.1 + u64::from(len));
            exits.depart(cx, w, network, exit, mbuf, frame);
        }
        count_sent::<V6>(w, last, sent);
        if received.0 != 0 {
            let counters = w.counters.interface(by.interface.id);
            let counters = if V6 { &counters.rx6 } else { &counters.rx4 };
            counters.add(received.0, received.1);
        }
        exits.end(w);
        odd
    }

    /// Sends the packets whose bits are set.
    #[inline(always)]
    fn send<const V6: bool>(&self, w: &mut WorkerState, by: Entrance<'_>, ready: u64) {
        if ready == 0 {
            return;
        }
        let counters = &*w.counters;
        let n = u64::from(ready.count_ones());
        let received = counters.interface(by.interface.id);
        let received = if V6 { &received.rx6 } else { &received.rx4 };
        received.add(n, self.bytes);
        counters.run.lane.add(n);
        let first = self.records[0];
        let whole = ready == super::first(self.packets.mbufs.len());
        let direct = whole && !self.mixed && w.tx.is_idle(first.port);
        match w.tx.queue(first.port) {
            Some(queue) if direct => {
                let sent = counters.interface(first.iface);
                let sent = if V6 { &sent.tx6 } else { &sent.tx4 };
                sent.add(n, self.bytes);
                let out = self.packets.mbufs;
                let took = transmit(queue, out, self.frame_bytes, counters.port(first.port));
                for &mbuf in &out[took..] {
                    counters.port(by.port).drops[DropReason::TxFull.index()].add(1);
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
                    w.tx.put(next_hop.port, mbuf, by.port, counters, &mut w.trash);
                }
            }
        }
    }
}

/// An interface and the network that it is on.
#[inline(always)]
fn network<'r>(cx: &Context<'r>, iface: IfaceId) -> Option<(IfaceId, &'r Network)> {
    let interface = cx.forwarding.interface(iface)?;
    let network = cx.forwarding.networks.get(interface.network)?;
    Some((iface, network))
}

/// Counts what left by an interface on a network.
#[inline(always)]
fn count_sent<const V6: bool>(
    w: &WorkerState,
    last: Option<(IfaceId, &Network)>,
    (packets, bytes): (u64, u64),
) {
    if let Some((iface, _)) = last
        && packets != 0
    {
        let counters = w.counters.interface(iface);
        let counters = if V6 { &counters.tx6 } else { &counters.tx4 };
        counters.add(packets, bytes);
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
