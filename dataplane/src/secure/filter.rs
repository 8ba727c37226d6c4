//! What the security groups of a port say: established flows first, then the rules.

use tables::classifier::Query;
use tables::flow::{
    self, FOREIGN, Flow, FlowKey, New, Refused, Sctp, Segment, Tcp, Verdict, window_scale,
};
use tables::id::{AnchorId, RuleId};

use super::always;
use super::upper::{DCCP, ICMP, ICMPV6, SCTP, Says, TCP, UDP, UDPLITE, Upper};
use crate::denied::Direction;
use crate::drop::DropReason;
use crate::forwarding::security::{Filter, Rules};
use crate::state::{Context, WorkerState};

/// A packet, and whose groups are asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The port.
    pub anchor: AnchorId,
    /// Its groups.
    pub filter: &'a Filter,
    /// Which way the packet goes.
    pub direction: Direction,
    /// What it is.
    pub upper: &'a Upper,
    /// Its bytes from the IP header on, as far as the first segment has them, and none behind it.
    pub bytes: &'a [u8],
    /// No router of ours has forwarded it.
    pub switched: bool,
}

/// The rule that lets a packet pass; 0 for what needs none. An error: why it does not, and the rule that had let its flow pass.
pub fn judge(
    cx: &Context<'_>,
    w: &mut WorkerState,
    asked: &Asked<'_>,
) -> Result<RuleId, (DropReason, RuleId)> {
    let &Asked {
        filter,
        direction,
        upper,
        bytes,
        ..
    } = asked;
    let hop_limit = bytes.get(if upper.v6 { 7 } else { 8 });
    if always::passes(
        upper,
        direction,
        hop_limit.copied().unwrap_or(0),
        asked.switched,
    ) {
        return Ok(RuleId(0));
    }
    let rules = match direction {
        Direction::Ingress => &filter.ingress,
        Direction::Egress => &filter.egress,
    };
    if let Says::Error(..) = upper.says {
        return related(cx, asked)
            .or_else(|| lookup(cx, rules, &query(upper, direction)))
            .ok_or((denied(direction), RuleId(0)));
    }
    let Some(key) = key(asked.anchor, direction, upper) else {
        let rule = lookup(cx, rules, &query(upper, direction));
        return rule.ok_or((denied(direction), RuleId(0)));
    };
    let liberal = !cx.forwarding.security.tcp_window_checks;
    let segment =
        segment(upper, bytes, liberal).ok_or((DropReason::UpperLayerTruncated, RuleId(0)))?;
    let hash = cx.flows.hash(&key);
    if let Some(flow) = cx.flows.find(hash, &key) {
        if flow.generation() != filter.generation
            && let Err(gone) = reconsider(cx, w, asked, &key, flow)
        {
            // What a rule without state allows now needs no flow.
            let sets = &cx.forwarding.security.sets;
            let rule = rules.stateless.lookup(&query(upper, direction), sets);
            return rule.ok_or(gone);
        }
        let flows = &w.secure.flows;
        let tells = || flows.tell(flow);
        match flow.packet_telling(direction, &segment, cx.seconds(), tells) {
            Verdict::Pass => return Ok(flow.rule()),
            Verdict::Invalid => return Err((DropReason::FlowInvalid, flow.rule())),
            // What it begins is another one.
            Verdict::Over => w.secure.flows.remove(flow),
        }
    }
    let query = query(upper, direction);
    if let Some(rule) = rules.stateless.lookup(&query, &cx.forwarding.security.sets) {
        return Ok(rule);
    }
    let rule = rules.stateful.lookup(&query, &cx.forwarding.security.sets);
    let rule = rule.ok_or((denied(direction), RuleId(0)))?;
    if upper.is_answer() {
        // Nobody has asked.
        return Err((DropReason::FlowInvalid, rule));
    }
    let new = New {
        generation: filter.generation,
        rule,
        opened: direction,
        asked: upper.port().unwrap_or(0),
        quota: filter.max_flows,
        segment,
        now: cx.seconds(),
    };
    match w.secure.flows.insert(cx.reader, hash, &key, &new) {
        Ok(_) => Ok(rule),
        Err(Refused::Invalid) => Err((DropReason::FlowInvalid, rule)),
        Err(Refused::Quota) => Err((DropReason::FlowQuota, rule)),
        Err(Refused::Full) => Err((DropReason::FlowTableFull, rule)),
    }
}

/// Judges a flow anew by the rules as they are now: those of the direction that opened it.
fn reconsider(
    cx: &Context<'_>,
    w: &mut WorkerState,
    asked: &Asked<'_>,
    key: &FlowKey,
    flow: &Flow,
) -> Result<(), (DropReason, RuleId)> {
    let opened = flow.opened();
    let rules = match opened {
        Direction::Ingress => &asked.filter.ingress,
        Direction::Egress => &asked.filter.egress,
    };
    let query = Query {
        v6: key.v6,
        protocol: key.protocol,
        port: has_port(key.v6, key.protocol).then(|| flow.asked()),
        remote: key.remote.0,
    };
    let rule = rules.stateful.lookup(&query, &cx.forwarding.security.sets);
    let Some(rule) = rule else {
        let was = flow.rule();
        w.secure.flows.remove(flow);
        return Err((denied(asked.direction), was));
    };
    let was_foreign = flow.generation() == FOREIGN;
    flow.restamp(asked.filter.generation, rule);
    if was_foreign {
        // It is ours now.
        w.secure.flows.tell(flow);
    }
    Ok(())
}

/// Whether a packet about another one is about a flow of the port; the rule that let that one pass. What it cites was sent the other way.
fn related(cx: &Context<'_>, asked: &Asked<'_>) -> Option<RuleId> {
    let bytes = asked.bytes.get(asked.upper.offset + 8..)?;
    let cited = Upper::cited(bytes).filter(|cited| cited.v6 == asked.upper.v6)?;
    let sent = asked.direction.reverse();
    let key = key(asked.anchor, sent, &cited)?;
    let flow = cx.flows.find(cx.flows.hash(&key), &key)?;
    let sequence = bytes.get(cited.offset + 4..cited.offset + 8);
    let sequence = sequence.map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]]));
    let is_about = flow.cites(sent, sequence) && flow.generation() == asked.filter.generation;
    is_about.then(|| flow.rule())
}

/// The first rule that allows it.
fn lookup(cx: &Context<'_>, rules: &Rules, query: &Query) -> Option<RuleId> {
    let sets = &cx.forwarding.security.sets;
    let rule = rules.stateless.lookup(query, sets);
    rule.or_else(|| rules.stateful.lookup(query, sets))
}

/// What rules are asked about a packet.
fn query(upper: &Upper, direction: Direction) -> Query {
    Query {
        v6: upper.v6,
        protocol: upper.protocol,
        port: upper.port(),
        remote: match direction {
            Direction::Ingress => upper.source,
            Direction::Egress => upper.destination,
        },
    }
}

/// Whether rules ask for ports, or type and code, of a protocol. The ICMP of the other family is none.
const fn has_port(v6: bool, protocol: u8) -> bool {
    match protocol {
        ICMP => !v6,
        ICMPV6 => v6,
        _ => matches!(protocol, TCP | UDP | DCCP | SCTP | UDPLITE),
    }
}

/// What the flow of a packet is known by; `None` if it makes none: it is an ICMP message that nobody answers.
fn key(anchor: AnchorId, direction: Direction, upper: &Upper) -> Option<FlowKey> {
    let (local, remote) = match direction {
        Direction::Egress => (upper.source, upper.destination),
        Direction::Ingress => (upper.destination, upper.source),
    };
    let (from, to) = match upper.says {
        Says::Nothing => (0, 0),
        Says::Ports(source, destination) => (source, destination),
        Says::Query(_, _, id) => {
            let asked = match upper.is_answer() {
                true => direction.reverse(),
                false => direction,
            };
            return Some(FlowKey::query(anchor, upper.v6, id, local, remote, asked));
        }
        Says::Error(..) | Says::Message(..) => return None,
    };
    let (local_port, remote_port) = match direction {
        Direction::Egress => (from, to),
        Direction::Ingress => (to, from),
    };
    Some(FlowKey {
        anchor,
        v6: upper.v6,
        protocol: upper.protocol,
        local: (local, local_port),
        remote: (remote, remote_port),
    })
}

/// What the state of its flow is told of a packet; `None` if its header is not whole.
fn segment(upper: &Upper, bytes: &[u8], liberal: bool) -> Option<Segment> {
    let header = bytes.get(upper.offset..).unwrap_or_default();
    let payload = upper.len.saturating_sub(upper.offset) as u32;
    let says = match (upper.protocol, upper.says) {
        (TCP, _) => flow::Upper::Tcp(tcp(header, payload)?),
        (SCTP, _) => flow::Upper::Sctp(sctp(header)?),
        (_, Says::Query(..)) => flow::Upper::Query {
            is_request: !upper.is_answer(),
        },
        _ => flow::Upper::Other,
    };
    Some(Segment {
        bytes: upper.len as u32,
        upper: says,
        liberal,
    })
}

/// A TCP header, with `len` bytes of it and its data.
#[inline(always)]
pub fn tcp(header: &[u8], len: u32) -> Option<Tcp> {
    let fixed = header.first_chunk::<20>()?;
    let word =
        |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let header_len = usize::from(fixed[12] >> 4) * 4;
    let data = len.checked_sub(header_len as u32)?;
    let is_syn = fixed[13] & 2 != 0;
    let scale = match is_syn {
        true => window_scale(header.get(20..header_len)?),
        false => None,
    };
    (20 <= header_len).then_some(Tcp {
        flags: fixed[13],
        sequence: word(4),
        acknowledgment: word(8),
        window: u16::from_be_bytes([fixed[14], fixed[15]]),
        data,
        scale,
    })
}

/// An SCTP header and its first chunk (RFC 9260 section 3).
fn sctp(header: &[u8]) -> Option<Sctp> {
    let fixed = header.first_chunk::<16>()?;
    let word = |bytes: &[u8; 16], at: usize| {
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let initiate = header
        .get(16..20)
        .map(|tag| u32::from_be_bytes([tag[0], tag[1], tag[2], tag[3]]));
    let says_tag = matches!(fixed[12], 1 | 2);
    Some(Sctp {
        tag: word(fixed, 4),
        chunk: fixed[12],
        flags: fixed[13],
        initiate_tag: match says_tag {
            true => initiate?,
            false => 0,
        },
    })
}

/// As [`segment`], of a packet without options, extension headers or fragments that is TCP, or else UDP, from its IP header on.
#[inline(always)]
pub fn plain_segment<const V6: bool>(l3: &[u8], protocol: u8, liberal: bool) -> Option<Segment> {
    let header_len = if V6 { 40 } else { 20 };
    let len = match V6 {
        true => 40 + u32::from(u16::from_be_bytes([*l3.get(4)?, *l3.get(5)?])),
        false => u32::from(u16::from_be_bytes([*l3.get(2)?, *l3.get(3)?])),
    };
    let upper = match protocol {
        TCP => flow::Upper::Tcp(tcp(
            l3.get(header_len..)?,
            len.checked_sub(header_len as u32)?,
        )?),
        _ => flow::Upper::Other,
    };
    Some(Segment {
        bytes: len,
        upper,
        liberal,
    })
}

const fn denied(direction: Direction) -> DropReason {
    match direction {
        Direction::Ingress => DropReason::IngressDenied,
        Direction::Egress => DropReason::EgressDenied,
    }
}
