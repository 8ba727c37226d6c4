//! What a port's guard and its security groups say of a packet: asked by the stages admit (from the machine) and deliver (to it).
//!
//! ```text
//!   packet ──► guard (who says it?) ──► what must always work ──► flow? ──► stateless rules ──► rules ──► a new flow
//!                                                                   └─► its state; the rule that allowed it, if rules have changed
//! ```
//!
//! Later fragments share the verdict of the first one ([`fragments`]).

use dpdk::Mbuf;
use tables::flow::FlowWorker;
use tables::id::{NextHopId, RuleId};
use wire::EtherType;

use crate::denied::{Denials, Denied, Direction, SHOWN};
use crate::drop::DropReason;
use crate::forwarding::security::Anchor;
use crate::forwarding::{MacAddr, Network};
use crate::frame::Meta;
use crate::graph::Stage;
use crate::guard::{self, Guard, LinkId, Notes, Seen, Time};
use crate::stages::link::ETHERNET;
use crate::state::{Context, Entry, WorkerState};

pub mod always;
pub mod filter;
pub mod fragments;
pub mod upper;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod naive;
#[cfg(test)]
mod tests;

use fragments::{Fate, Fragments, Later, Whole};
use upper::{Piece, Upper};

/// What a worker keeps of guards, flows and fragments.
pub struct State {
    /// The worker's part of the flow table.
    pub flows: FlowWorker,
    /// Policers of guards.
    pub guard: guard::State,
    /// Tells of addresses that machines begin to use.
    pub notes: Notes,
    /// Packets in fragments.
    fragments: Fragments<Waiting>,
    /// Tells why packets did not pass.
    denials: Denials,
}

/// A fragment that waits for the first one of its packet.
struct Waiting {
    mbuf: Mbuf,
    meta: Meta,
    stage: Stage,
}

impl State {
    /// Nothing is known yet, of ids of anchors below `anchors`. `seed` is no one's business.
    pub fn new(
        flows: FlowWorker,
        notes: Notes,
        denials: Denials,
        anchors: usize,
        seed: u64,
    ) -> Self {
        Self {
            flows,
            guard: guard::State::new(anchors),
            notes,
            fragments: Fragments::new(seed),
            denials,
        }
    }

    /// How many fragments wait.
    pub fn held(&self) -> usize {
        self.fragments.held()
    }
}

/// A packet that a port is asked about.
#[derive(Clone, Copy)]
pub struct Packet {
    /// The frame, its headers in one segment.
    pub mbuf: Mbuf,
    /// What is known of it.
    pub meta: Meta,
    /// What it carries.
    pub ether_type: EtherType,
    /// Offset of the IP or ARP header.
    pub l3: usize,
    /// Which way it goes.
    pub direction: Direction,
    /// The stage that asks, and asks again if it has waited.
    pub stage: Stage,
}

/// What becomes of a packet that was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It goes on, by this rule; 0: nobody was asked, or it must always work.
    Pass(RuleId),
    /// It was kept, and comes again.
    Kept,
}

/// Asks. An error: that it does not pass; that is counted and told by then.
pub fn ask(
    cx: &Context<'_>,
    w: &mut WorkerState,
    anchor: &Anchor,
    packet: &Packet,
) -> Result<Asked, DropReason> {
    let asked = match guarded(cx, w, anchor, packet) {
        Ok(true) => Ok(Asked::Pass(RuleId(0))),
        Ok(false) => filtered(cx, w, anchor, packet),
        Err(reason) => Err((reason, RuleId(0))),
    };
    let counters = w.counters.anchor(anchor.id);
    match asked {
        Ok(asked) => {
            if let Asked::Pass(_) = asked {
                let passed = counters.passed(packet.direction);
                passed.add(1, u64::from(packet.mbuf.pkt_len()));
            }
            Ok(asked)
        }
        Err((reason, rule)) => {
            counters.drops(reason).add(1);
            tell(cx, w, anchor, packet, reason, rule, false);
            Err(reason)
        }
    }
}

/// Whether the guard of the port has found that what the machine sends needs no rule.
fn guarded(
    cx: &Context<'_>,
    w: &mut WorkerState,
    anchor: &Anchor,
    packet: &Packet,
) -> Result<bool, DropReason> {
    let Some(guard) = &anchor.guard else {
        return Ok(false);
    };
    let data = packet.mbuf.data();
    if packet.direction == Direction::Ingress {
        return match goes_elsewhere(data, guard) {
            true => Err(DropReason::MacElsewhere),
            false => Ok(false),
        };
    }
    let seen = Seen::of(data, packet.l3, packet.mbuf.pkt_len() as usize);
    let seen = seen.ok_or(DropReason::FrameTruncated)?;
    let time = Time {
        now: cx.now,
        hz: cx.hz,
    };
    let State {
        guard: state,
        notes,
        ..
    } = &mut w.secure;
    match guard::admit(&seen, guard, anchor.id, cx.known, state, notes, time) {
        guard::Verdict::Pass(kind) => Ok(kind.is_essential()),
        guard::Verdict::Drop(reason) => Err(reason),
        guard::Verdict::Observed(reason) => {
            w.counters.anchor(anchor.id).observed(reason).add(1);
            tell(cx, w, anchor, packet, reason, RuleId(0), true);
            Ok(false)
        }
    }
}

/// Whether a frame is one station's, and that is not the port's: a network that does not know the station sends it everywhere.
fn goes_elsewhere(frame: &[u8], guard: &Guard) -> bool {
    let to: Option<&MacAddr> = frame.first_chunk();
    to.is_some_and(|to| to[0] & 1 == 0 && !guard.macs.is_empty() && !guard.macs.contains(to))
}

/// Hears what is said of addresses at a place of a network that is no machine's.
pub fn overhear(cx: &Context<'_>, w: &mut WorkerState, network: &Network, mbuf: Mbuf) {
    if network.link == LinkId(0) {
        return;
    }
    let seen = Seen::of(mbuf.data(), ETHERNET, mbuf.pkt_len() as usize);
    let time = Time {
        now: cx.now,
        hz: cx.hz,
    };
    if let Some(seen) = seen {
        guard::overhear(&seen, network.link, cx.known, &mut w.secure.notes, time);
    }
}

/// Whether the groups of the port let it pass. An error has the rule that once did, if there was one.
fn filtered(
    cx: &Context<'_>,
    w: &mut WorkerState,
    anchor: &Anchor,
    packet: &Packet,
) -> Result<Asked, (DropReason, RuleId)> {
    let Some(filter) = &anchor.filter else {
        return Ok(Asked::Pass(RuleId(0)));
    };
    match packet.ether_type {
        EtherType::ARP => return Ok(Asked::Pass(RuleId(0))),
        EtherType::IPV6 | EtherType::IPV4 => {}
        _ => return Err((DropReason::EtherTypeDenied, RuleId(0))),
    }
    let data = packet.mbuf.data();
    let bytes = data.get(packet.l3..).unwrap_or_default();
    let upper = Upper::read(bytes).map_err(|reason| (reason, RuleId(0)))?;
    if upper.v6 != (packet.ether_type == EtherType::IPV6) {
        return Err((DropReason::EtherTypeDenied, RuleId(0)));
    }
    let whole = upper
        .piece
        .map(|piece| (whole(anchor, packet, &upper), piece));
    if let Some((whole, piece)) = whole
        && upper.is_later()
    {
        return later(cx, w, &whole, piece, packet);
    }
    // What a link has padded is no part of it.
    let bytes = &bytes[..bytes.len().min(upper.len)];
    let asked = filter::Asked {
        anchor: anchor.id,
        filter,
        direction: packet.direction,
        upper: &upper,
        bytes,
        switched: packet.meta.next_hop == NextHopId(0),
    };
    let verdict = filter::judge(cx, w, &asked);
    if let Some((whole, piece)) = whole {
        first(cx, w, &whole, piece, verdict.is_ok()).map_err(|reason| (reason, RuleId(0)))?;
    }
    let rule = verdict?;
    w.counters.rule(rule).add(1, upper.len as u64);
    Ok(Asked::Pass(rule))
}

/// Which packet a fragment is of.
fn whole(anchor: &Anchor, packet: &Packet, upper: &Upper) -> Whole {
    Whole {
        anchor: anchor.id,
        direction: packet.direction,
        source: upper.source,
        destination: upper.destination,
        id: upper.piece.map_or(0, |piece| piece.id),
        protocol: if upper.v6 { 0 } else { upper.protocol },
    }
}

/// Notes the verdict on a first fragment. Those that have waited for it come again.
fn first(
    cx: &Context<'_>,
    w: &mut WorkerState,
    whole: &Whole,
    piece: Piece,
    pass: bool,
) -> Result<(), DropReason> {
    let State { fragments, .. } = &mut w.secure;
    let (backlog, trash, counters) = (&mut w.backlog, &mut w.trash, &w.counters);
    let out = |waiting: Waiting, fate: Fate| {
        let entry = Entry {
            mbuf: waiting.mbuf,
            meta: waiting.meta,
            stage: waiting.stage,
        };
        let reason = match fate {
            Fate::Waited if backlog.push(entry) => return,
            Fate::Waited => DropReason::OriginatedFull,
            Fate::Lost => DropReason::FragmentUnknown,
        };
        counters.port(waiting.meta.port).drops[reason.index()].add(1);
        trash.put(waiting.mbuf);
    };
    let result = fragments.first(whole, piece, pass, milliseconds(cx), out);
    w.count_held();
    result
}

/// What becomes of a later fragment.
fn later(
    cx: &Context<'_>,
    w: &mut WorkerState,
    whole: &Whole,
    piece: Piece,
    packet: &Packet,
) -> Result<Asked, (DropReason, RuleId)> {
    let waiting = Waiting {
        mbuf: packet.mbuf,
        meta: packet.meta,
        stage: packet.stage,
    };
    let (trash, counters) = (&mut w.trash, &w.counters);
    let lost = |lost: Waiting| {
        counters.port(lost.meta.port).drops[DropReason::FragmentUnknown.index()].add(1);
        trash.put(lost.mbuf);
    };
    let fragments = &mut w.secure.fragments;
    let later = fragments.later(whole, piece, waiting, milliseconds(cx), lost);
    w.count_held();
    match later {
        Later::Pass => Ok(Asked::Pass(RuleId(0))),
        Later::Kept => Ok(Asked::Kept),
        Later::Drop(_, reason) => Err((reason, RuleId(0))),
    }
}

/// Ages flows and gives up fragments that have waited too long. Called once a round.
#[inline(always)]
pub fn tick(cx: &Context<'_>, w: &mut WorkerState) {
    w.secure.flows.expire(cx.seconds());
    if w.secure.held() != 0 {
        expire_fragments(cx, w);
    }
}

#[cold]
fn expire_fragments(cx: &Context<'_>, w: &mut WorkerState) {
    let (trash, counters) = (&mut w.trash, &w.counters);
    w.secure.fragments.expire(milliseconds(cx), |lost| {
        counters.port(lost.meta.port).drops[DropReason::FragmentUnknown.index()].add(1);
        trash.put(lost.mbuf);
    });
    w.count_held();
}

/// Gives up everything that waits: the worker stops.
pub fn close(w: &mut WorkerState) {
    let (trash, counters) = (&mut w.trash, &w.counters);
    w.secure.fragments.close(|lost| {
        counters.port(lost.meta.port).drops[DropReason::FragmentUnknown.index()].add(1);
        trash.put(lost.mbuf);
    });
    w.count_held();
}

fn milliseconds(cx: &Context<'_>) -> u64 {
    (u128::from(cx.now) * 1000 / u128::from(cx.hz.max(1))) as u64
}

/// Tells of a packet that did not pass.
fn tell(
    cx: &Context<'_>,
    w: &mut WorkerState,
    anchor: &Anchor,
    packet: &Packet,
    reason: DropReason,
    rule: RuleId,
    observed: bool,
) {
    let denied = || {
        let mut bytes = [0; SHOWN];
        let len = packet.mbuf.copy_to(&mut bytes);
        Denied {
            anchor: anchor.id,
            direction: packet.direction,
            reason,
            observed,
            rule,
            seconds: cx.seconds(),
            frame_len: packet.mbuf.pkt_len(),
            l3: packet.l3.min(SHOWN) as u8,
            len: len as u8,
            bytes,
        }
    };
    w.secure.denials.tell(denied, cx.now, cx.hz);
}
