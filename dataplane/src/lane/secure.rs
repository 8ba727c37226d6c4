//! Plain packets from the machine of a tenant, or to one: those of flows that are known go on, the others take the graph, which asks the
//! rules.
//!
//! Of all packets of a burst the buckets of their flows are asked for together, then the flows, then they are read. Nothing has changed
//! for a packet that does not pass here: the graph asks again.

use dpdk::Mbuf;
use tables::flow::{FlowHash, FlowKey, Verdict};
use tables::id::{AnchorId, NextHopId, Place, RuleId};

use super::plain::{at, is_ip6};
use super::{LINK, bits, only_ordinary};
use crate::denied::Direction;
use crate::forwarding::network::V4_MAPPED;
use crate::forwarding::security::{Anchor, Filter};
use crate::forwarding::{MacAddr, PortView, Selected};
use crate::frame::BURST;
use crate::guard::{Guard, is_control, source_ok};
use crate::secure::filter;
use crate::secure::upper::{TCP, UDP};
use crate::state::{Context, WorkerState};

/// What is noted of the packets of a burst, by their number.
pub(crate) struct Flows {
    keys: [FlowKey; BURST],
    hashes: [FlowHash; BURST],
}

impl Flows {
    pub const NONE: Self = Self {
        keys: [FlowKey::NONE; BURST],
        hashes: [FlowHash::NONE; BURST],
    };

    /// Those among plain packets of a family that pass: of a port with an anchor, with nothing left to ask.
    #[inline(always)]
    pub fn pass<const V6: bool>(
        &mut self,
        cx: &Context<'_>,
        w: &mut WorkerState,
        anchor: &Anchor,
        direction: Direction,
        mbufs: &[Mbuf],
        among: u64,
    ) -> u64 {
        let among = match (&anchor.guard, direction) {
            (Some(guard), Direction::Egress) => guarded::<V6>(cx, anchor, guard, mbufs, among),
            _ => among,
        };
        let Some(filter) = &anchor.filter else {
            count(w, anchor, direction, mbufs, among);
            return among;
        };
        // Nor are their lengths and upper layers looked at: there is nothing that they could get round.
        if let Some(rule) = filter.unasked(direction, V6) {
            count(w, anchor, direction, mbufs, among);
            let bytes =
                bits(among).map(|number| u64::from(packet_len(&mbufs[number & (BURST - 1)])));
            w.counters
                .rule(rule)
                .add(among.count_ones().into(), bytes.sum());
            return among;
        }
        let mut known = 0;
        for number in bits(among) {
            let number = number & (BURST - 1);
            let Some(key) = key::<V6>(anchor, direction, &mbufs[number]) else {
                continue;
            };
            self.hashes[number] = cx.flows.hash(&key);
            self.keys[number] = key;
            cx.flows.fetch(self.hashes[number]);
            known |= 1 << number;
        }
        for number in bits(known) {
            let hash = &mut self.hashes[number & (BURST - 1)];
            *hash = cx.flows.fetch_entry(*hash);
        }
        let mut passed = Passed::default();
        let mut done = 0;
        for number in bits(known) {
            let number = number & (BURST - 1);
            let mbuf = &mbufs[number];
            let (hash, key) = (self.hashes[number], &self.keys[number]);
            if let Some(rule) = one::<V6>(cx, filter, direction, hash, key, mbuf) {
                passed.count(w, rule, packet_len(mbuf), frame_len(mbuf, direction));
                done |= 1 << number;
            }
        }
        passed.end(w, anchor, direction);
        done
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
    flows.pass::<true>(cx, w, anchor, Direction::Egress, mbufs, is6)
        | flows.pass::<false>(cx, w, anchor, Direction::Egress, mbufs, ordinary & !is6)
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
    let mut barred = 0;
    while left != 0 {
        let anchor = anchors[left.trailing_zeros() as usize % BURST];
        let alike = bits(left).filter(|&place| anchors[place % BURST] == anchor);
        let alike = alike.fold(0, |alike, place| alike | 1 << place);
        left &= !alike;
        if let Some(anchor) = cx.forwarding.security.get(anchor) {
            barred |= alike & !flows.pass::<V6>(cx, w, anchor, Direction::Ingress, mbufs, alike);
        }
    }
    barred
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
    let mut last: Option<(MacAddr, u128)> = None;
    let mut passes = |number: usize| {
        let mbuf = &mbufs[number & (BURST - 1)];
        let Some((mac, source)) = source::<V6>(mbuf) else {
            return false;
        };
        // An IPv4-mapped address is nobody's in IPv6.
        if is_control(mbuf.data(), LINK) || V6 && source >> 32 == V4_MAPPED >> 32 {
            return false;
        }
        if last == Some((mac, source)) {
            return true;
        }
        let is_right = (guard.macs.is_empty() || guard.macs.contains(&mac))
            && source_ok(cx.known, anchor.id, &mac, source, seconds);
        if is_right {
            last = Some((mac, source));
        }
        is_right
    };
    let passed = bits(among).filter(|&number| passes(number));
    passed.fold(0, |passed, number| passed | 1 << number)
}

/// The source of a frame: MAC and address, IPv4 as an IPv4-mapped one.
#[inline(always)]
fn source<const V6: bool>(mbuf: &Mbuf) -> Option<(MacAddr, u128)> {
    if V6 {
        let head = mbuf.head::<{ LINK + 40 }>()?;
        Some((at(head, 6), u128::from_be_bytes(at(head, LINK + 8))))
    } else {
        let head = mbuf.head::<{ LINK + 20 }>()?;
        let source = u32::from_be_bytes(at(head, LINK + 12));
        Some((at(head, 6), V4_MAPPED | u128::from(source)))
    }
}

/// Counts packets that pass with nobody asked.
#[inline(always)]
fn count(w: &WorkerState, anchor: &Anchor, direction: Direction, mbufs: &[Mbuf], passed: u64) {
    let bytes =
        bits(passed).map(|number| u64::from(frame_len(&mbufs[number & (BURST - 1)], direction)));
    let traffic = w.counters.anchor(anchor.id).passed(direction);
    traffic.add(passed.count_ones().into(), bytes.sum());
}

/// Bytes of a plain IP packet.
#[inline(always)]
fn packet_len(mbuf: &Mbuf) -> u32 {
    let Some(head) = mbuf.head::<{ LINK + 6 }>() else {
        return 0;
    };
    match head[LINK] >> 4 {
        6 => 40 + u32::from(u16::from_be_bytes(at(head, LINK + 4))),
        _ => u32::from(u16::from_be_bytes(at(head, LINK + 2))),
    }
}

/// Bytes of a frame: as it came, or as it will go, without padding.
#[inline(always)]
fn frame_len(mbuf: &Mbuf, direction: Direction) -> u32 {
    match direction {
        Direction::Egress => mbuf.pkt_len(),
        Direction::Ingress => LINK as u32 + packet_len(mbuf),
    }
}

/// Whether the port that a frame goes to, without tags, lets it pass with nothing left to ask.
#[inline(always)]
pub(crate) fn delivers(cx: &Context<'_>, w: &WorkerState, id: AnchorId, mbuf: &Mbuf) -> bool {
    let Some(anchor) = cx.forwarding.security.get(id) else {
        return false;
    };
    let Some(filter) = &anchor.filter else {
        return true;
    };
    let is6 = is_ip6(mbuf);
    let key = match is6 {
        true => key::<true>(anchor, Direction::Ingress, mbuf),
        false => key::<false>(anchor, Direction::Ingress, mbuf),
    };
    let Some(key) = key else { return false };
    let hash = cx.flows.hash(&key);
    let rule = match is6 {
        true => one::<true>(cx, filter, Direction::Ingress, hash, &key, mbuf),
        false => one::<false>(cx, filter, Direction::Ingress, hash, &key, mbuf),
    };
    let Some(rule) = rule else { return false };
    let mut passed = Passed::default();
    let direction = Direction::Ingress;
    passed.count(w, rule, packet_len(mbuf), frame_len(mbuf, direction));
    passed.end(w, anchor, Direction::Ingress);
    true
}

/// The rule that lets a packet of a known flow pass; `None` if the graph is to be asked.
#[inline(always)]
fn one<const V6: bool>(
    cx: &Context<'_>,
    filter: &Filter,
    direction: Direction,
    hash: FlowHash,
    key: &FlowKey,
    mbuf: &Mbuf,
) -> Option<RuleId> {
    let flow = cx.flows.find(hash, key)?;
    if flow.generation() != filter.generation {
        return None;
    }
    let l3 = mbuf.data().get(LINK..)?;
    let liberal = !cx.forwarding.security.tcp_window_checks;
    let segment = filter::plain_segment::<V6>(l3, key.protocol, liberal)?;
    match flow.packet(direction, &segment, cx.seconds()) {
        Verdict::Pass => Some(flow.rule()),
        Verdict::Invalid | Verdict::Over => None,
    }
}

/// What a packet's flow is known by; `None` if it has extension headers, options or is a fragment, is neither TCP nor UDP, or ends before
/// its ports do: of frames of networks nobody has looked at the lengths.
#[inline(always)]
fn key<const V6: bool>(anchor: &Anchor, direction: Direction, mbuf: &Mbuf) -> Option<FlowKey> {
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
        anchor: anchor.id,
        v6: V6,
        protocol,
        local,
        remote,
    })
}

/// Packets that have passed, of the rule that was met last.
#[derive(Default)]
struct Passed {
    rule: RuleId,
    of_rule: (u64, u64),
    all: (u64, u64),
}

impl Passed {
    #[inline(always)]
    fn count(&mut self, w: &WorkerState, rule: RuleId, len: u32, frame_len: u32) {
        if rule != self.rule {
            self.count_rule(w);
            self.rule = rule;
        }
        self.of_rule = (self.of_rule.0 + 1, self.of_rule.1 + u64::from(len));
        self.all = (self.all.0 + 1, self.all.1 + u64::from(frame_len));
    }

    #[inline(always)]
    fn count_rule(&mut self, w: &WorkerState) {
        if self.of_rule.0 != 0 {
            w.counters
                .rule(self.rule)
                .add(self.of_rule.0, self.of_rule.1);
            self.of_rule = (0, 0);
        }
    }

    #[inline(always)]
    fn end(mut self, w: &WorkerState, anchor: &Anchor, direction: Direction) {
        self.count_rule(w);
        let traffic = w.counters.anchor(anchor.id).passed(direction);
        traffic.add(self.all.0, self.all.1);
    }
}
