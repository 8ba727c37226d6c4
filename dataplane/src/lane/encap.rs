//! Where frames of networks leave: by a device, under its tags, or by a tunnel, in an outer packet. The egress, encap and tx
//! stages for the commonest frames.
//!
//! Frames of a burst mostly go few ways. What is the same of all outer packets of one way (the addresses, the tunnel's own
//! header, the route and the link-layer header to its next hop) is put together once in a burst, copied in front of each
//! frame, and filled in.

use dpdk::Mbuf;
use tables::id::{AnchorId, AttachId, NetworkId, NextHopId, Place, PortId, TunnelId};
use tables::next_hop::NextHop;
use wire::checksum::Sum;
use wire::traffic_class::{self, Dscp, Ecn, EcnMode};

use super::secure::delivers;
use crate::drop::DropReason;
use crate::forwarding::network::{Local, TunnelKind};
use crate::forwarding::{Network, Tags, Tunnel};
use crate::frame::{BURST, Family};
use crate::stages::answer::{CUSTOMER_TAG, SERVICE_TAG};
use crate::stages::encap::header::{self, FIRST_PORT, Inner, LONGEST};
use crate::stages::encap::leaves_at_once;
use crate::stages::link::TAG;
use crate::stages::rewrite::encapsulate;
use crate::stages::tx::transmit;
use crate::state::{Context, WorkerState};

/// Bytes of the two addresses of a frame.
const ADDRESSES: usize = 12;
/// A run of frames for one port that is so long is handed to the device as it stands.
const LONG: usize = 16;

/// Frames that leave by one port, one after the other.
pub(super) struct Leaving {
    mbufs: Vec<Mbuf>,
    port: PortId,
    bytes: u64,
}

impl Leaving {
    /// None. Made once per worker.
    pub fn new() -> Self {
        Self {
            mbufs: Vec::with_capacity(BURST),
            port: PortId(0),
            bytes: 0,
        }
    }

    /// Adds one; those for another port, or a full burst, go first.
    #[inline(always)]
    fn put(&mut self, w: &mut WorkerState, from: PortId, port: PortId, mbuf: Mbuf) {
        if port != self.port || self.mbufs.len() == BURST {
            self.send(w, from);
            self.port = port;
        }
        self.bytes += u64::from(mbuf.pkt_len());
        self.mbufs.push(mbuf);
    }

    /// Sends them.
    #[inline(always)]
    fn send(&mut self, w: &mut WorkerState, from: PortId) {
        let n = self.mbufs.len();
        w.counters.run.lane.add(n as u64);
        let direct = LONG <= n && w.tx.is_idle(self.port);
        match w.tx.queue(self.port) {
            Some(queue) if direct => {
                let counters = w.counters.port(self.port);
                let took = transmit(queue, &self.mbufs, self.bytes, counters);
                for &mbuf in &self.mbufs[took..] {
                    w.counters.port(from).drops[DropReason::TxFull.index()].add(1);
                    w.trash.put(mbuf);
                }
            }
            _ => {
                for &mbuf in &self.mbufs {
                    w.tx.put(self.port, mbuf, from, &w.counters, &mut w.trash);
                }
            }
        }
        self.mbufs.clear();
        self.bytes = 0;
    }
}

/// How a frame leaves, found by [`Exits::find`] and good for that frame.
#[derive(Clone, Copy)]
pub(super) enum Exit {
    Device,
    Tunnel,
}

/// A frame that is to leave.
#[derive(Clone, Copy)]
pub(super) struct Outbound {
    /// Bytes of tags that it has.
    pub tags: u16,
    /// Its bytes without them.
    pub len: u32,
}

/// The ways that a burst's frames take out of their networks.
pub(super) struct Exits<'r, 'l> {
    leaving: &'l mut Leaving,
    /// The port that the burst came from.
    from: PortId,
    device: Option<(AttachId, &'r Local)>,
    way: Option<Way<'r>>,
    /// The network that frames left last, how many, and their bytes.
    network: NetworkId,
    packets: u64,
    bytes: u64,
}

impl<'r, 'l> Exits<'r, 'l> {
    /// None is known yet.
    #[inline(always)]
    pub fn new(leaving: &'l mut Leaving, from: PortId) -> Self {
        Self {
            leaving,
            from,
            device: None,
            way: None,
            network: NetworkId(0),
            packets: 0,
            bytes: 0,
        }
    }

    /// How a frame of a network gets to a place; `None` if the graph must see to it.
    #[inline(always)]
    pub fn find(
        &mut self,
        cx: &Context<'r>,
        w: &WorkerState,
        network: &'r Network,
        to: AttachId,
        mbuf: Mbuf,
        frame: Outbound,
    ) -> Option<Exit> {
        let room = usize::from(mbuf.headroom() + frame.tags);
        match to.place() {
            Place::Local(number) => {
                if self.device.is_none_or(|(at, _)| at != to) {
                    let local = cx.forwarding.networks.local(number);
                    self.device = local.map(|local| (to, local));
                }
                let (_, local) = self.device?;
                let fits = local.network == network.id && vids(local.tags).len() * TAG <= room;
                let passes = |anchor| match anchor {
                    AnchorId(0) => true,
                    anchor => frame.tags == 0 && delivers(cx, w, anchor, &mbuf),
                };
                (fits && passes(local.anchor)).then_some(Exit::Device)
            }
            Place::Tunnel(id) => {
                let is_this = |way: &Way<'_>| (way.network, way.tunnel.id) == (network.id, id);
                if !self.way.as_ref().is_some_and(is_this) {
                    leave(w, self.way.take());
                    self.way = Way::find(cx, network, id);
                }
                let fits = |way: &Way<'_>| way.fits(frame.len as usize, room);
                self.way.as_ref().is_some_and(fits).then_some(Exit::Tunnel)
            }
            Place::Router(_) | Place::Nowhere => None,
        }
    }

    /// Sends a frame the way that was just found for it.
    #[inline(always)]
    pub fn depart(
        &mut self,
        cx: &Context<'r>,
        w: &mut WorkerState,
        network: NetworkId,
        exit: Exit,
        mut mbuf: Mbuf,
        frame: Outbound,
    ) {
        if self.network != network {
            self.count(w);
            self.network = network;
        }
        self.packets += 1;
        self.bytes += u64::from(frame.len);
        let port = match (exit, self.device, self.way.as_mut()) {
            (Exit::Device, Some((_, local)), _) => {
                retag(&mut mbuf, frame.tags, local.tags);
                local.port
            }
            (Exit::Tunnel, _, Some(way)) => {
                retag(&mut mbuf, frame.tags, Tags::None);
                way.pack(cx, &mut mbuf);
                way.next_hop.port
            }
            // Never: it was found.
            _ => PortId::NETWORK,
        };
        self.leaving.put(w, self.from, port, mbuf);
    }

    /// Sends and counts what has not been yet.
    #[inline(always)]
    pub fn end(mut self, w: &mut WorkerState) {
        self.count(w);
        leave(w, self.way.take());
        if !self.leaving.mbufs.is_empty() {
            self.leaving.send(w, self.from);
        }
    }

    #[inline(always)]
    fn count(&mut self, w: &WorkerState) {
        if self.packets != 0 {
            let counters = w.counters.network(self.network);
            counters.tx.add(self.packets, self.bytes);
            (self.packets, self.bytes) = (0, 0);
        }
    }
}

/// The TPIDs and VIDs of tags, outermost first.
#[inline(always)]
fn vids(tags: Tags) -> Vids {
    match tags {
        Tags::None => Vids([(CUSTOMER_TAG, 0); 2], 0),
        Tags::Vlan(vid) => Vids([(CUSTOMER_TAG, vid); 2], 1),
        Tags::QinQ { outer, inner } => Vids([(SERVICE_TAG, outer), (CUSTOMER_TAG, inner)], 2),
    }
}

struct Vids([([u8; 2], u16); 2], usize);

impl Vids {
    #[inline(always)]
    fn len(&self) -> usize {
        self.1
    }
}

/// Replaces the `before` bytes of a frame's tags by others. There is room for them.
#[inline(always)]
pub(super) fn retag(mbuf: &mut Mbuf, before: u16, tags: Tags) {
    let vids = vids(tags);
    let after = (vids.len() * TAG) as u16;
    if before == 0 && after == 0 {
        return;
    }
    let mut addresses = [0; ADDRESSES];
    if before != after {
        let Some(found) = mbuf.data().first_chunk() else {
            return;
        };
        addresses = *found;
        // Neither can fail: so much is there, and there is room.
        let _ = match after.checked_sub(before) {
            Some(more) => mbuf.prepend(more),
            None => mbuf.adj(before - after),
        };
    }
    let data = mbuf.data_mut();
    if before != after
        && let Some(room) = data.first_chunk_mut()
    {
        *room = addresses;
    }
    for (k, (tpid, vid)) in vids.0.into_iter().take(vids.1).enumerate() {
        if let Some([t0, t1, c0, c1]) = data
            .get_mut(ADDRESSES + k * TAG..)
            .and_then(|rest| rest.first_chunk_mut::<TAG>())
        {
            [*t0, *t1] = tpid;
            [*c0, *c1] = vid.to_be_bytes();
        }
    }
}

/// A tunnel as a network's frames take it, and the way of its outer packets.
struct Way<'r> {
    network: NetworkId,
    tunnel: &'r Tunnel,
    /// The outer headers, link layer excepted, with zeroes where packets differ.
    header: [u8; LONGEST],
    /// The sum over the outer IPv4 header as it stands in `header`.
    ip_sum: u32,
    /// The sum over what a UDP checksum covers of `header`, addresses and protocol included.
    udp_sum: u32,
    id: NextHopId,
    next_hop: &'r NextHop,
    family: Family,
    packets: u64,
    bytes: u64,
}

impl<'r> Way<'r> {
    /// `None` if outer packets need more than to be sent: a neighbour to be resolved, a choice of ways, a network again.
    #[inline(never)]
    fn find(cx: &Context<'r>, network: &Network, id: TunnelId) -> Option<Self> {
        let tunnel = cx.forwarding.networks.tunnel(id)?;
        let vni = network.vni(id)?;
        let id = match tunnel.remote {
            std::net::IpAddr::V6(to) => cx.lpm6.lookup(cx.reader, tunnel.vrf, to.to_bits()),
            std::net::IpAddr::V4(to) => cx.lpm4.lookup(cx.reader, tunnel.vrf, to.to_bits()),
        };
        let next_hop = cx.next_hops.get(id);
        if !leaves_at_once(next_hop, 0) || next_hop.header_len < 2 {
            return None;
        }
        let header = header::template(tunnel, vni);
        let ip_len = tunnel.ip_header_len();
        let sum = |bytes: &[u8]| {
            let mut sum = Sum::new();
            sum.add(bytes);
            u32::from(sum.fold())
        };
        let addresses = if ip_len == 40 { 8 } else { 12 };
        Some(Self {
            network: network.id,
            tunnel,
            ip_sum: sum(&header[..20]),
            udp_sum: sum(&header[addresses..tunnel.overhead()]) + u32::from(header::UDP),
            header,
            id,
            next_hop,
            family: header::family(tunnel),
            packets: 0,
            bytes: 0,
        })
    }

    /// Whether a frame of `len` bytes with `room` in front can be packed and sent.
    #[inline(always)]
    fn fits(&self, len: usize, room: usize) -> bool {
        let len = len + self.tunnel.overhead();
        let header = self.tunnel.overhead() + usize::from(self.next_hop.header_len);
        (len <= usize::from(self.tunnel.mtu))
            & leaves_at_once(self.next_hop, len)
            & (header <= room)
    }

    /// Packs a frame that fits.
    #[inline(always)]
    fn pack(&mut self, cx: &Context<'_>, mbuf: &mut Mbuf) {
        let tunnel = self.tunnel;
        let inner = Inner::of(mbuf.data(), false);
        let hash = cx.forwarding.flow_hash.hash(&inner.flow);
        let class = traffic_class::join(
            tunnel.dscp.outer(Dscp::of(inner.class)),
            traffic_class::encapsulate(Ecn::of(inner.class), EcnMode::Normal),
        );
        let in_udp = tunnel.kind != TunnelKind::Gre;
        let covered = if in_udp && tunnel.checksum {
            let mut sum = Sum::new();
            sum.add(mbuf.data());
            Some(u32::from(sum.fold()))
        } else {
            None
        };
        let is6 = matches!(self.family, Family::V6);
        let payload = mbuf.pkt_len() as usize + tunnel.kind.header_len();
        // Cannot fail: it fits.
        let _ = mbuf.prepend(tunnel.overhead() as u16);
        let data = mbuf.data_mut();
        // Sizes that are known when this is compiled: no call to copy them.
        let l4 = match (is6, in_udp) {
            (true, true) => self.begin6::<56>(data, class, payload, hash),
            (true, false) => self.begin6::<48>(data, class, payload, hash),
            (false, true) => self.begin4::<36>(data, class, payload),
            (false, false) => self.begin4::<28>(data, class, payload),
        };
        if in_udp
            && let Some(udp) = data
                .get_mut(l4..)
                .and_then(|rest| rest.first_chunk_mut::<8>())
        {
            let port = FIRST_PORT | (hash >> 16) as u16 & !FIRST_PORT;
            udp[..2].copy_from_slice(&port.to_be_bytes());
            udp[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
            if let Some(covered) = covered {
                // The length counts twice: in the header, and in the pseudo header.
                let sum = self.udp_sum + u32::from(port) + 2 * payload as u32 + covered;
                let sum = match !fold(sum) {
                    0 => 0xffff,
                    sum => sum,
                };
                udp[6..].copy_from_slice(&sum.to_be_bytes());
            }
        }
        let len = u64::from(mbuf.pkt_len());
        self.packets += 1;
        self.bytes += len;
        // Cannot fail: it fits.
        let _ = encapsulate(mbuf, 0, self.next_hop, self.family);
    }

    /// Writes `N` bytes of outer headers over IPv6; where the upper-layer header begins.
    #[inline(always)]
    fn begin6<const N: usize>(
        &self,
        data: &mut [u8],
        class: u8,
        payload: usize,
        hash: u32,
    ) -> usize {
        if let (Some(room), Some(header)) =
            (data.first_chunk_mut::<N>(), self.header.first_chunk::<N>())
        {
            *room = *header;
            let word = header::first_word6(class, hash);
            room[..4].copy_from_slice(&word.to_be_bytes());
            room[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
        }
        40
    }

    /// As [`Way::begin6`] over IPv4.
    #[inline(always)]
    fn begin4<const N: usize>(&self, data: &mut [u8], class: u8, payload: usize) -> usize {
        if let (Some(room), Some(header)) =
            (data.first_chunk_mut::<N>(), self.header.first_chunk::<N>())
        {
            *room = *header;
            let len = (payload + 20) as u16;
            room[1] = class;
            room[2..4].copy_from_slice(&len.to_be_bytes());
            let sum = !fold(self.ip_sum + u32::from(class) + u32::from(len));
            room[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        20
    }
}

/// Folds the carries of a sum of 16-bit words.
#[inline(always)]
const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Counts what went a way.
#[inline(always)]
fn leave(w: &WorkerState, way: Option<Way<'_>>) {
    let Some(way) = way.filter(|way| way.packets != 0) else {
        return;
    };
    let Way { packets, bytes, .. } = way;
    w.counters.tunnel(way.tunnel.id).tx.add(packets, bytes);
    let interface = w.counters.interface(way.next_hop.iface);
    let sent = match way.family {
        Family::V6 => &interface.tx6,
        _ => &interface.tx4,
    };
    sent.add(packets, bytes);
    w.counters.next_hop(way.id).add(packets, bytes);
}
