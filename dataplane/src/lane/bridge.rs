//! Frames of networks: the switch stage for known stations, a burst at a time.
//!
//! All buckets of the FDB are asked for before one is read. A frame whose source is known where it came from, and whose
//! destination is known, goes on here; every other one takes the graph, which learns, floods and drops.

use dpdk::Mbuf;
use tables::fdb::StationKey;
use tables::id::{AttachId, IfaceId, NetworkId, Place, PortId};

use super::{LINK, bits};
use crate::forwarding::Network;
use crate::frame::{BURST, Frame, Meta};
use crate::graph::Stage;
use crate::state::{Context, WorkerState};

/// What is known of frames of networks, by their number in the burst.
pub(super) struct Inside {
    network: [NetworkId; BURST],
    from: [AttachId; BURST],
    source: [StationKey; BURST],
    destination: [StationKey; BURST],
    /// Our interface that a frame is for.
    iface: [IfaceId; BURST],
}

impl Inside {
    pub const NONE: Self = Self {
        network: [NetworkId(0); BURST],
        from: [AttachId(0); BURST],
        source: [StationKey::NONE; BURST],
        destination: [StationKey::NONE; BURST],
        iface: [IfaceId(0); BURST],
    };

    /// Notes a frame, whose link-layer header is whole and without tags, and asks for what is known of its stations.
    #[inline(always)]
    pub fn note(
        &mut self,
        cx: &Context<'_>,
        number: usize,
        mbuf: &Mbuf,
        network: NetworkId,
        from: AttachId,
    ) {
        let number = number & (BURST - 1);
        let (mut source, mut destination) = ([0; 6], [0; 6]);
        if let Some(head) = mbuf.head::<LINK>() {
            destination.copy_from_slice(&head[..6]);
            source.copy_from_slice(&head[6..12]);
        }
        let (source, destination) = (
            StationKey::new(network, source),
            StationKey::new(network, destination),
        );
        let before = number.saturating_sub(1);
        if self.source[before] != source || number == 0 {
            cx.fdb.fetch(source);
        }
        if self.destination[before] != destination || number == 0 {
            cx.fdb.fetch(destination);
        }
        self.network[number] = network;
        self.from[number] = from;
        self.source[number] = source;
        self.destination[number] = destination;
    }

    /// What the graph is told of a frame that leaves the lane before it is known where it goes.
    pub fn unswitched(&self, number: usize, port: PortId) -> Meta {
        let from = self.from[number & (BURST - 1)];
        Meta {
            network: self.network[number & (BURST - 1)],
            from,
            tunnels: u8::from(matches!(from.place(), Place::Tunnel(_))),
            ..Meta::from_port(port)
        }
    }

    /// What the graph is told of a frame that was found to be for an interface of ours.
    pub fn routed(&self, number: usize, port: PortId) -> Meta {
        Meta {
            iface: self.iface[number & (BURST - 1)],
            l3: LINK as u16,
            ..self.unswitched(number, port)
        }
    }

    /// The interface that a frame is for.
    #[inline(always)]
    pub fn iface(&self, number: usize) -> IfaceId {
        self.iface[number & (BURST - 1)]
    }

    /// Which of the frames are for the same interface as one of them.
    #[inline(always)]
    pub fn alike(&self, number: usize, among: u64) -> u64 {
        let iface = self.iface(number);
        let alike = bits(among).filter(|&other| self.iface[other] == iface);
        alike.fold(0, |alike, other| alike | 1 << other)
    }

    /// Finds out where frames go; those that are for interfaces of ours come back. The others wait for the graph.
    #[inline(always)]
    pub fn switch(
        &mut self,
        cx: &Context<'_>,
        frame: &mut Frame,
        w: &WorkerState,
        port: PortId,
        among: u64,
    ) -> u64 {
        let (mut ours, mut last): (u64, Option<Last<'_>>) = (0, None);
        let seconds = cx.seconds();
        for number in bits(among) {
            let (id, mbuf) = (self.network[number], frame.mbufs()[number]);
            if last.as_ref().is_none_or(|last| last.network.id != id) {
                count(w, last.take());
                last = cx.forwarding.networks.get(id).map(Last::of);
            }
            let place = last
                .as_mut()
                .and_then(|last| self.place(cx, last, number, mbuf.pkt_len(), seconds));
            match place {
                Some(Place::Router(iface)) => {
                    self.iface[number] = iface;
                    ours |= 1 << number;
                }
                _ => frame.enter(number, self.unswitched(number, port), Stage::Switch),
            }
        }
        count(w, last);
        ours
    }

    /// Where a frame of `len` bytes goes, if that is known and right.
    #[inline(always)]
    fn place(
        &self,
        cx: &Context<'_>,
        last: &mut Last<'_>,
        number: usize,
        len: u32,
        seconds: u32,
    ) -> Option<Place> {
        let (source, destination) = (self.source[number], self.destination[number]);
        let from = self.from[number];
        let is_odd = source.is_group() | destination.is_group();
        if is_odd || len > u32::from(last.network.mtu) + LINK as u32 {
            return None;
        }
        if last.source != Some((source, from)) {
            last.source = None;
            match cx.fdb.find(source) {
                Some(entry) if entry.attach == from => cx.fdb.touch(entry.handle, seconds),
                None if !last.network.learning => {}
                _ => return None,
            }
            last.source = Some((source, from));
        }
        let to = match last.destination {
            Some((key, to)) if key == destination => to,
            _ => {
                let to = cx.fdb.find(destination)?.attach;
                last.destination = Some((destination, to));
                to
            }
        };
        let place = to.place();
        if matches!(place, Place::Router(_)) {
            last.packets += 1;
            last.bytes += u64::from(len);
        }
        Some(place)
    }
}

/// What was found last.
struct Last<'r> {
    network: &'r Network,
    /// A source that was found where it should be.
    source: Option<(StationKey, AttachId)>,
    destination: Option<(StationKey, AttachId)>,
    packets: u64,
    bytes: u64,
}

impl<'r> Last<'r> {
    #[inline(always)]
    fn of(network: &'r Network) -> Self {
        Self {
            network,
            source: None,
            destination: None,
            packets: 0,
            bytes: 0,
        }
    }
}

/// Counts what came into a network.
#[inline(always)]
fn count(w: &WorkerState, last: Option<Last<'_>>) {
    if let Some(last) = last
        && last.packets != 0
    {
        let counters = w.counters.network(last.network.id);
        counters.rx.add(last.packets, last.bytes);
    }
}
