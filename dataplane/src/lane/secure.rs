//! Plain packets from the machine of a tenant, or to one: those of flows that are known go on, the others take the graph, which asks the
//! rules.
//!
//! Of all packets of a burst the buckets of their flows are asked for together, then the flows, then they are read. Nothing has changed
//! for a packet that does not pass here: the graph asks again.

use dpdk::Mbuf;
use tables::flow::{FlowKey, FlowWorker, Probe, Verdict};
use tables::id::{AnchorId, NextHopId, Place, RuleId};

use super::plain::{at, is_ip6};
use super::{LINK, bits, only_ordinary};
use crate::denied::Direction;
use crate::forwarding::network::V4_MAPPED;
use crate::forwarding::security::Anchor;
use crate::forwarding::{MacAddr, PortView, Selected};
use crate::frame::BURST;
use crate::guard::{Guard, is_control, source_ok};
use crate::secure::filter;
use crate::secure::upper::{TCP, UDP};
use crate::state::{Context, WorkerState};

/// The flows that packets of a burst are looked for by, by number.
pub(crate) struct Flows([Probe; BURST]);

impl Flows {
    pub const NONE: Self = Self([Probe::NONE; BURST]);

    /// Those among plain packets of a family from the machine at an anchor that pass with nothing left to ask.
    #[inline(always)]
    pub fn pass_from<const V6: bool>(
        &mut self,
        cx: &Context<'_>,
        w: &mut WorkerState,
        anchor: &Anchor,
        mbufs: &[Mbuf],
        among: u64,
    ) -> u64 {
        let among = match &anchor.guard {
            Some(guard) => guarded::<V6>(cx, anchor, guard, mbufs, among),
            None => among,
        };
        self.pass::<V6>(cx, w, Direction::Egress, mbufs, among, |_| Some(anchor))
    }

    /// Those among plain packets of a family, each to the machine at its anchor, that pass with nothing left to ask.
    #[inline(always)]
    pub fn pass_to<'r, const V6: bool>(
        &mut self,
        cx: &Context<'r>,
        w: &mut WorkerState,
        mbufs: &[Mbuf],
        among: u64,
        anchor: impl Fn(usize) -> Option<&'r Anchor>,
    ) -> u64 {
        self.pass::<V6>(cx, w, Direction::Ingress, mbufs, among, anchor)
    }

    /// Those among plain packets of a family that the groups of their anchors let pass with nothing left to ask.
    #[inline(always)]
    fn pass<'r, const V6: bool>(
        &mut self,
        cx: &Context<'r>,
        w: &mut WorkerState,
        direction: Direction,
        mbufs: &[Mbuf],
        among: u64,
        anchor: impl Fn(usize) -> Option<&'r Anchor>,
    ) -> u64 {
        let probes = &mut self.0;
        let (mut passed, mut known) = (Passed::new(direction), 0);
        for number in bits(among) {
            let number = number & (BURST - 1);
            let Some(anchor) = anchor(number) else {
                continue;
            };
            let mbuf = &mbufs[number];
            match free_rule::<V6>(anchor, direction) {
                Some(rule) => {
                    passed.count(w, number, anchor.id, rule, packet_len::<V6>(mbuf), mbuf)
                }
                None => {
                    if let Some(key) = key::<V6>(anchor.id, direction, mbuf) {
                        probes[number] = cx.flows.probe(&key);
                        known |= 1 << number;
                    }
                }
            }
        }
        for number in bits(known) {
            cx.flows.fetch(&mut probes[number & (BURST - 1)]);
        }
        let seconds = cx.seconds();
        for number in bits(known) {
            let number = number & (BURST - 1);
            let (mbuf, probe) = (&mbufs[number], &probes[number]);
            if let Some(anchor) = anchor(number)
                && let Some((rule, len)) =
                    one::<V6>(cx, &w.secure.flows, anchor, direction, probe, mbuf, seconds)
            {
                passed.count(w, number, anchor.id, rule, len, mbuf);
            }
        }
        passed.end(w)
    }
}

/// The rule that lets every packet of a family pass at an anchor, if there is one; [`NOBODY`] where there are no groups. Nor are lengths
/// and upper layers looked at then: there is nothing that they could get round.
#[inline(always)]
fn free_rule<const V6: bool>(anchor: &Anchor, direction: Direction) -> Option<RuleId> {
    match &anchor.filter {
        Some(filter) => filter.unasked(direction, V6),
        None => Some(NOBODY),
    }
}

/// The machine of a tenant whose untagged frames are a network's.
#[inline(always)]
pub(super) fn untagged_anchor<'r>(cx: &Context<'r>, view: &PortView) -> Option<&'r Anchor> {
    let Selected::Attachment(at) = view.tags.select([0; 2], 0) else {
        return None;
    };
    let Place::Local(number) = at.place() else {
        return None;
    };
    let local = cx.forwarding.networks.local(number)?;
    cx.forwarding.security.get(local.anchor)
}

/// Those among untagged frames of a machine that its port lets pass with nothing left to ask.
#[inline(never)]
pub(crate) fn admit_frames(
    cx: &Context<'_>,
    w: &mut WorkerState,
    flows: &mut Flows,
    anchor: &Anchor,
    mbufs: &[Mbuf],
    among: u64,
) -> u64 {
    let ordinary = only_ordinary(mbufs, among);
    let is6 = bits(ordinary).filter(|&number| is_ip6(&mbufs[number]));
    let is6 = is6.fold(0, |found, number| found | 1 << number);
    flows.pass_from::<true>(cx, w, anchor, mbufs, is6)
        | flows.pass_from::<false>(cx, w, anchor, mbufs, ordinary & !is6)
}

/// Those among packets, by their place, that go to machines of tenants and are not known to be let pass.
#[inline(never)]
pub(super) fn barred<const V6: bool>(
    cx: &Context<'_>,
    w: &mut WorkerState,
    flows: &mut Flows,
    mbufs: &[Mbuf],
    next_hops: &[NextHopId],
) -> u64 {
    let mut anchors = [AnchorId(0); BURST];
    let mut left = 0;
    for (place, (&id, anchor)) in next_hops.iter().zip(&mut anchors).enumerate() {
        let iface = cx.next_hops.get(id).iface;
        let interface = cx.forwarding.interface(iface);
        *anchor = interface.map_or(AnchorId(0), |interface| interface.anchor);
        left |= u64::from(*anchor != AnchorId(0)) << place;
    }
    if left == 0 {
        return 0;
    }
    let anchor = |place: usize| cx.forwarding.security.get(anchors[place]);
    left & !flows.pass_to::<V6>(cx, w, mbufs, left, anchor)
}

/// Those among packets of a family that are of no concern to a guard but for their source, and have one that is bound.
#[inline(always)]
fn guarded<const V6: bool>(
    cx: &Context<'_>,
    anchor: &Anchor,
    guard: &Guard,
    mbufs: &[Mbuf],
    among: u64,
) -> u64 {
    let seconds = cx.seconds();
    // Most bursts are one address's.
    let (mut last, mut passed) = (None, 0);
    for number in bits(among) {
        let mbuf = &mbufs[number & (BURST - 1)];
        let Some(says) = source::<V6>(mbuf) else {
            continue;
        };
        // Not by a closure: it is compiled on its own.
        if is_controls(mbuf) {
            continue;
        }
        if last == Some(says) {
            passed |= 1 << number;
        } else if is_bound::<V6>(cx, anchor, guard, says, seconds) {
            last = Some(says);
            passed |= 1 << number;
        }
    }
    passed
}

/// Whether a MAC and an address are those of the machine at an anchor.
#[inline(never)]
fn is_bound<const V6: bool>(
    cx: &Context<'_>,
    anchor: &Anchor,
    guard: &Guard,
    (mac, source): (MacAddr, [u8; 16]),
    seconds: u32,
) -> bool {
    let source = match V6 {
        true => u128::from_be_bytes(source),
        false => V4_MAPPED | u128::from(u32::from_be_bytes(at(&source, 12))),
    };
    // An IPv4-mapped address is nobody's in IPv6.
    (!V6 || source >> 32 != V4_MAPPED >> 32)
        && (guard.macs.is_empty() || guard.macs.contains(&mac))
        && source_ok(cx.known, anchor.id, &mac, source, seconds)
}

/// The source of a frame: MAC and address as they stand there, IPv4 at the end.
#[inline(always)]
fn source<const V6: bool>(mbuf: &Mbuf) -> Option<(MacAddr, [u8; 16])> {
    if V6 {
        let head = mbuf.head::<{ LINK + 40 }>()?;
        Some((at(head, 6), at(head, LINK + 8)))
    } else {
        let head = mbuf.head::<{ LINK + 20 }>()?;
        let mut address = [0; 16];
        address[12..].copy_from_slice(&head[LINK + 12..LINK + 16]);
        Some((at(head, 6), address))
    }
}

/// [`is_control`] of a frame; what is long enough for every header is looked at without asking for each byte whether it is there.
#[inline(always)]
fn is_controls(mbuf: &Mbuf) -> bool {
    const HEAD: usize = LINK + 60;
    match mbuf.head::<HEAD>() {
        Some(head) if HEAD <= mbuf.data_len() as usize => is_control(head, LINK),
        _ => is_control_of_short(mbuf),
    }
}

#[inline(never)]
fn is_control_of_short(mbuf: &Mbuf) -> bool {
    is_control(mbuf.data(), LINK)
}

/// Bytes of a plain IP packet.
#[inline(always)]
fn packet_len<const V6: bool>(mbuf: &Mbuf) -> u32 {
    let Some(head) = mbuf.head::<{ LINK + 6 }>() else {
        return 0;
    };
    match V6 {
        true => 40 + u32::from(u16::from_be_bytes(at(head, LINK + 4))),
        false => u32::from(u16::from_be_bytes(at(head, LINK + 2))),
    }
}

/// Whether the port that a frame goes to, without tags, lets it pass with nothing left to ask.
#[inline(always)]
pub(crate) fn delivers(cx: &Context<'_>, w: &WorkerState, id: AnchorId, mbuf: &Mbuf) -> bool {
    let Some(anchor) = cx.forwarding.security.get(id) else {
        return false;
    };
    match is_ip6(mbuf) {
        true => delivers_as::<true>(cx, w, anchor, mbuf),
        false => delivers_as::<false>(cx, w, anchor, mbuf),
    }
}

#[inline(always)]
fn delivers_as<const V6: bool>(
    cx: &Context<'_>,
    w: &WorkerState,
    anchor: &Anchor,
    mbuf: &Mbuf,
) -> bool {
    let direction = Direction::Ingress;
    // Not by a rule for everything: what is switched has had its headers looked at by nobody.
    let passes = match anchor.filter {
        None => Some((NOBODY, mbuf.pkt_len().saturating_sub(LINK as u32))),
        Some(_) => key::<V6>(anchor.id, direction, mbuf).and_then(|key| {
            let probe = cx.flows.probe(&key);
            one::<V6>(
                cx,
                &w.secure.flows,
                anchor,
                direction,
                &probe,
                mbuf,
                cx.seconds(),
            )
        }),
    };
    let Some((rule, len)) = passes else {
        return false;
    };
    let mut passed = Passed::new(direction);
    passed.count(w, 0, anchor.id, rule, len, mbuf);
    passed.end(w) != 0
}

/// The rule that lets a packet of a known flow pass, and the packet's bytes; `None` if the graph is to be asked.
#[inline(always)]
fn one<const V6: bool>(
    cx: &Context<'_>,
    flows: &FlowWorker,
    anchor: &Anchor,
    direction: Direction,
    probe: &Probe,
    mbuf: &Mbuf,
    seconds: u32,
) -> Option<(RuleId, u32)> {
    let filter = anchor.filter.as_ref()?;
    let flow = cx.flows.probed(probe)?;
    if flow.generation() != filter.generation {
        return None;
    }
    let l3 = mbuf.data().get(LINK..)?;
    let liberal = !cx.forwarding.security.tcp_window_checks;
    let segment = filter::plain_segment::<V6>(l3, probe.protocol(), liberal)?;
    match flow.packet_telling(direction, &segment, seconds, || flows.tell(flow)) {
        Verdict::Pass => Some((flow.rule(), segment.bytes)),
        Verdict::Invalid | Verdict::Over => None,
    }
}

/// What a packet's flow is known by; `None` if it has extension headers, options or is a fragment, is neither TCP nor UDP, or ends before
/// its ports do: of frames of networks nobody has looked at the lengths.
#[inline(always)]
fn key<const V6: bool>(anchor: AnchorId, direction: Direction, mbuf: &Mbuf) -> Option<FlowKey> {
    let (protocol, source, destination, ports) = if V6 {
        let head = mbuf.head::<{ LINK + 44 }>()?;
        let address = |offset| u128::from_be_bytes(at(head, offset));
        let ports: [u8; 4] = at(head, LINK + 40);
        let len = u16::from_be_bytes(at(head, LINK + 4));
        let is_short = len < 4 || usize::from(mbuf.data_len()) < LINK + 44;
        if at(head, 12) != [0x86, 0xdd] || head[LINK] >> 4 != 6 || is_short {
            return None;
        }
        (head[LINK + 6], address(LINK + 8), address(LINK + 24), ports)
    } else {
        let head = mbuf.head::<{ LINK + 24 }>()?;
        let address = |offset| V4_MAPPED | u128::from(u32::from_be_bytes(at(head, offset)));
        let ports: [u8; 4] = at(head, LINK + 20);
        let is_fragment = u16::from_be_bytes(at(head, LINK + 6)) & 0x3fff != 0;
        let len = u16::from_be_bytes(at(head, LINK + 2));
        let is_short = len < 24 || usize::from(mbuf.data_len()) < LINK + 24;
        if at(head, 12) != [0x08, 0x00] || head[LINK] != 0x45 || is_fragment || is_short {
            return None;
        }
        (
            head[LINK + 9],
            address(LINK + 12),
            address(LINK + 16),
            ports,
        )
    };
    if !matches!(protocol, TCP | UDP) {
        return None;
    }
    let [a, b, c, d] = ports;
    let source = (source, u16::from_be_bytes([a, b]));
    let destination = (destination, u16::from_be_bytes([c, d]));
    let (local, remote) = match direction {
        Direction::Egress => (source, destination),
        Direction::Ingress => (destination, source),
    };
    Some(FlowKey {
        anchor,
        v6: V6,
        protocol,
        local,
        remote,
    })
}

/// What stands for a rule where nobody was asked.
const NOBODY: RuleId = RuleId(0);

/// Packets that have passed, and those of the anchor and the rule that were met last.
struct Passed {
    direction: Direction,
    numbers: u64,
    anchor: AnchorId,
    rule: RuleId,
    packets: u64,
    /// Of the packets, and of their frames.
    bytes: (u64, u64),
}

impl Passed {
    #[inline(always)]
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            numbers: 0,
            anchor: AnchorId(0),
            rule: NOBODY,
            packets: 0,
            bytes: (0, 0),
        }
    }

    /// Counts a packet of `len` bytes.
    #[inline(always)]
    fn count(
        &mut self,
        w: &WorkerState,
        number: usize,
        anchor: AnchorId,
        rule: RuleId,
        len: u32,
        mbuf: &Mbuf,
    ) {
        if (anchor, rule) != (self.anchor, self.rule) {
            self.write(w);
            (self.anchor, self.rule) = (anchor, rule);
        }
        // As it came, or as it will go, without padding.
        let frame = match self.direction {
            Direction::Egress => mbuf.pkt_len(),
            Direction::Ingress => LINK as u32 + len,
        };
        self.numbers |= 1 << number;
        self.packets += 1;
        self.bytes.0 += u64::from(len);
        self.bytes.1 += u64::from(frame);
    }

    #[inline(always)]
    fn write(&mut self, w: &WorkerState) {
        if self.packets == 0 {
            return;
        }
        let anchor = w.counters.anchor(self.anchor);
        anchor
            .passed(self.direction)
            .add(self.packets, self.bytes.1);
        if self.rule != NOBODY {
            w.counters.rule(self.rule).add(self.packets, self.bytes.0);
        }
        (self.packets, self.bytes) = (0, (0, 0));
    }

    /// The numbers of all.
    #[inline(always)]
    fn end(mut self, w: &WorkerState) -> u64 {
        self.write(w);
        self.numbers
    }
}
