//! Frames of networks: the switch stage for known stations, a burst at a time.
//!
//! All buckets of the FDB are asked for before one is read. A frame whose source is known where it came from, and whose
//! destination is known, goes on here; every other one takes the graph, which learns, floods and drops. As long as it is not
//! known where a frame goes it keeps its tags.

use dpdk::Mbuf;
use tables::fdb::StationKey;
use tables::id::{AnchorId, AttachId, IfaceId, NetworkId, Place, PortId};
use wire::EtherType;

use super::encap::{Exits, Outbound, retag};
use super::plain::{at, ordinary};
use super::{LINK, bits};
use crate::forwarding::{Network, Networks, PortView, Selected, Tags};
use crate::frame::{BURST, Frame, Meta};
use crate::graph::Stage;
use crate::stages::link::TAG;
use crate::stages::suppress::is_discovery;
use crate::state::{Context, WorkerState};

/// Bytes of the longest link-layer header.
const LONGEST: usize = LINK + 2 * TAG;

/// What is known of frames of networks, by their number in the burst.
pub(super) struct Inside {
    network: [NetworkId; BURST],
    from: [AttachId; BURST],
    source: [StationKey; BURST],
    destination: [StationKey; BURST],
    /// Bytes of the tags that a frame has.
    tags: [u8; BURST],
    /// Our interface that a frame is for.
    iface: [IfaceId; BURST],
}

impl Inside {
    pub const NONE: Self = Self {
        network: [NetworkId(0); BURST],
        from: [AttachId(0); BURST],
        source: [StationKey::NONE; BURST],
        destination: [StationKey::NONE; BURST],
        tags: [0; BURST],
        iface: [IfaceId(0); BURST],
    };

    /// Notes those among a burst's frames whose tags select a network, and says which they are. What the machine of a tenant sends
    /// must have been `admitted`.
    #[inline(always)]
    pub fn enter(
        &mut self,
        cx: &Context<'_>,
        view: &PortView,
        mbufs: &[Mbuf],
        among: u64,
        admitted: u64,
    ) -> u64 {
        let mut found = 0;
        // What the last frame's tags were, and what they have selected.
        let mut last: Option<(Seen, AttachId, NetworkId)> = None;
        for number in bits(among) {
            let mbuf = &mbufs[number];
            let Some(seen) = mbuf.head::<LONGEST>().and_then(Seen::of) else {
                continue;
            };
            let tags = seen.n * TAG;
            if !ordinary(mbuf) || usize::from(mbuf.data_len()) < LINK + tags {
                continue;
            }
            let (from, network) = match last {
                Some((of, from, network)) if of == seen => (from, network),
                _ => {
                    let Selected::Attachment(from) = view.tags.select(seen.vids, seen.n) else {
                        continue;
                    };
                    let Place::Local(local) = from.place() else {
                        continue;
                    };
                    let Some(local) = cx.forwarding.networks.local(local) else {
                        continue;
                    };
                    if local.anchor != AnchorId(0) && admitted >> number & 1 == 0 {
                        continue;
                    }
                    last = Some((seen, from, local.network));
                    (from, local.network)
                }
            };
            self.note(cx, number, mbuf, network, from);
            self.tags[number] = tags as u8;
            found |= 1 << number;
        }
        found
    }

    /// Notes a frame, whose link-layer header is whole and without tags unless they are noted too, and asks for what is known of its stations.
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
        self.tags[number] = 0;
    }

    /// What the graph is told of a frame that leaves the lane before it is known where it goes.
    pub fn unswitched(&self, number: usize, port: PortId) -> Meta {
        match self.from[number & (BURST - 1)].place() {
            Place::Tunnel(_) => self.switched(number, port),
            _ => Meta::from_port(port),
        }
    }

    /// What is known of a frame that is in its network, without tags.
    fn switched(&self, number: usize, port: PortId) -> Meta {
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
            ..self.switched(number, port)
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

    /// Finds out where frames go, and sends them there; those that are for interfaces of ours come back, without tags. What
    /// is not known, or not right, waits for the graph.
    #[inline(always)]
    pub fn switch<'r>(
        &mut self,
        cx: &Context<'r>,
        frame: &mut Frame,
        w: &mut WorkerState,
        exits: &mut Exits<'r, '_>,
        port: PortId,
        among: u64,
    ) -> u64 {
        let (mut ours, mut last): (u64, Option<Last<'_>>) = (0, None);
        let seconds = cx.seconds();
        for number in bits(among) {
            let (id, mut mbuf) = (self.network[number], frame.mbufs()[number]);
            if last.as_ref().is_none_or(|last| last.network.id != id) {
                count(w, last.take());
                last = cx.forwarding.networks.get(id).map(Last::of);
            }
            let tags = u16::from(self.tags[number]);
            let outbound = Outbound {
                tags,
                len: mbuf.pkt_len() - u32::from(tags),
            };
            let done = last.as_mut().is_some_and(|last| {
                if last.network.suppression && is_discovery(&mbuf, tags.into()) {
                    return false;
                }
                let Some(to) = self.place(cx, last, number, outbound.len, seconds) else {
                    return false;
                };
                if let Place::Router(iface) = to.place() {
                    retag(&mut mbuf, tags, Tags::None);
                    self.iface[number] = iface;
                    ours |= 1 << number;
                } else {
                    if !Networks::may_pass(self.from[number], to) {
                        return false;
                    }
                    let exit = exits.find(cx, w, last.network, to, mbuf, outbound);
                    let Some(exit) = exit else { return false };
                    exits.depart(cx, w, id, exit, mbuf, outbound);
                }
                last.packets += 1;
                last.bytes += u64::from(outbound.len);
                true
            });
            if !done {
                frame.enter(number, self.unswitched(number, port), Stage::Switch);
            }
        }
        count(w, last);
        ours
    }

    /// Where a frame of `len` bytes goes, if that is known and its source is right.
    #[inline(always)]
    fn place(
        &self,
        cx: &Context<'_>,
        last: &mut Last<'_>,
        number: usize,
        len: u32,
        seconds: u32,
    ) -> Option<AttachId> {
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
        match last.destination {
            Some((key, to)) if key == destination => Some(to),
            _ => {
                let to = cx.fdb.find(destination)?.attach;
                last.destination = Some((destination, to));
                Some(to)
            }
        }
    }
}

/// The tags of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    vids: [u16; 2],
    n: usize,
}

impl Seen {
    /// `None` if there are more than two, or a priority tag.
    #[inline(always)]
    fn of(head: &[u8; LONGEST]) -> Option<Self> {
        let word = |offset| u16::from_be_bytes(at(head, offset));
        let is_tag = |offset| EtherType(word(offset)).is_vlan();
        let vids = [word(LINK) & 0xfff, word(LINK + TAG) & 0xfff];
        let (n, right) = if !is_tag(12) {
            (0, true)
        } else if !is_tag(12 + TAG) {
            (1, vids[0] != 0)
        } else {
            let right = vids[0] != 0 && vids[1] != 0 && !is_tag(12 + 2 * TAG);
            (2, right)
        };
        let vids = match n {
            0 => [0; 2],
            1 => [vids[0], 0],
            _ => vids,
        };
        right.then_some(Self { vids, n })
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
