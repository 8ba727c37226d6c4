//! The same questions answered from the bytes in the plainest way: lists of rules, a map of flows, sets of fragments. What the packet path
//! is compared with.
//!
//! The states of TCP and SCTP are asked of a flow table of the model's own: `tables` compares those with models. When a flow is forgotten,
//! or has to make room, is the table's to say; the model says whether it may.

mod fragments;
mod read;
mod states;

use std::collections::HashMap;

use tables::classifier::{Member, Protocol, Remote, Rule};
use tables::flow::{Flow, FlowKey, FlowTable, State, Verdict as Step};
use tables::id::{AnchorId, RuleId};

use self::fragments::Fragments;
use self::read::{Reading, Says, TCP, UDP, u32_at};
use self::states::{States, segment};
use crate::denied::Direction;
use crate::drop::DropReason;
use DropReason as R;

/// Seconds after which the table looks at any flow again, and one more.
const LATE: u32 = 64;

/// A packet that a port is asked about.
#[derive(Clone, Debug)]
pub struct Offered {
    pub anchor: AnchorId,
    pub direction: Direction,
    /// No router has forwarded it.
    pub switched: bool,
    pub ether_type: u16,
    /// From the IP header on.
    pub bytes: Vec<u8>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It passes by this rule, 0: without one.
    Pass(u32),
    Drop(DropReason),
    /// It waits.
    Kept,
}

/// The rules of a direction, in order, and whether each is one without state.
pub type Rules = Vec<(Rule, bool)>;

/// How a flow was let pass.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    opened: Direction,
    port: Option<u16>,
    generation: u32,
    rule: u32,
}

/// What of a packet says which flow it is of: `None` if of none.
fn key(anchor: AnchorId, direction: Direction, packet: &Reading<'_>) -> Option<FlowKey> {
    let (from, to) = match packet.says {
        Says::Nothing => (0, 0),
        Says::Ports(from, to) => (from, to),
        Says::Query { is_answer, id } => {
            // Who has asked?
            let asked_by_local = (direction == Direction::Egress) != is_answer;
            let other = if asked_by_local { id } else { !id };
            match direction {
                Direction::Egress => (id, other),
                Direction::Ingress => (other, id),
            }
        }
        Says::Error | Says::Message(_) => return None,
    };
    let (source, destination) = ((packet.source, from), (packet.destination, to));
    let (local, remote) = match direction {
        Direction::Egress => (source, destination),
        Direction::Ingress => (destination, source),
    };
    Some(FlowKey {
        anchor,
        v6: packet.v6,
        protocol: packet.protocol,
        local,
        remote,
    })
}

/// Whether it must always work: RFC 4890, and DHCP on the link.
fn is_essential(offered: &Offered, packet: &Reading<'_>) -> bool {
    let link_local = |address: u128| address >> 118 == 0x3fa || address >> 112 == 0xff02;
    match packet.says {
        Says::Message(133..=137) => packet.v6 && packet.hop_limit == 255,
        Says::Message(130..=132 | 143) => packet.v6 && packet.hop_limit == 1,
        Says::Ports(from, to) if packet.protocol == UDP => {
            let is_from_link = offered.switched || offered.direction == Direction::Egress;
            let (client, server) = if packet.v6 { (546, 547) } else { (68, 67) };
            let ports = match offered.direction {
                Direction::Egress => (client, server),
                Direction::Ingress => (server, client),
            };
            let is_near = match (packet.v6, offered.direction) {
                (true, _) => link_local(packet.source) && link_local(packet.destination),
                (false, Direction::Egress) => packet.destination == 0xffff_ffff_ffff,
                (false, Direction::Ingress) => true,
            };
            is_from_link && (from, to) == ports && is_near
        }
        _ => false,
    }
}

/// Whether a prefix has an address; IPv4 addresses are the last 32 bits.
fn has(v6: bool, prefix: u128, len: u8, address: u128) -> bool {
    let bits = if v6 { 128 } else { 32 };
    (0..len.min(bits)).all(|bit| (prefix ^ address) >> (bits - 1 - bit) & 1 == 0)
}

/// A port's groups, and what they have let pass.
pub struct Model {
    pub ingress: Rules,
    pub egress: Rules,
    pub members: Vec<Member>,
    pub generation: u32,
    pub quota: u32,
    pub liberal: bool,
    flows: HashMap<FlowKey, Allowed>,
    fragments: Fragments,
    states: States,
    /// Fragments that have waited, and are asked about again.
    pub released: Vec<Offered>,
}

impl Model {
    pub fn new() -> Self {
        Self {
            ingress: Vec::new(),
            egress: Vec::new(),
            members: Vec::new(),
            generation: 0,
            quota: 0,
            liberal: false,
            flows: HashMap::new(),
            fragments: Fragments::default(),
            states: States::new(),
            released: Vec::new(),
        }
    }

    /// Forgets all that was seen.
    pub fn forget(&mut self) {
        for key in std::mem::take(&mut self.flows).keys() {
            self.states.remove(key);
        }
        self.states.tidy();
        self.fragments = Fragments::default();
        self.released.clear();
    }

    /// Flows that it knows.
    pub fn keys(&self) -> impl Iterator<Item = &FlowKey> {
        self.flows.keys()
    }

    /// Panics if a flow of the table is not as the model has it.
    pub fn check(&self, key: &FlowKey, flow: &Flow) {
        let allowed = &self.flows[key];
        assert_eq!(flow.opened(), allowed.opened, "{key:?}");
        assert_eq!(flow.generation(), allowed.generation, "{key:?}");
        assert_eq!(flow.rule(), RuleId(allowed.rule), "{key:?}");
        assert_eq!(flow.state(), self.states.get(key).state(), "{key:?}");
    }

    fn matches(&self, rule: &Rule, key: (bool, u8, Option<u16>, u128)) -> bool {
        let (v6, protocol, port, remote) = key;
        let is_remote = match rule.remote {
            Remote::Any => true,
            Remote::Prefix { address, len } => has(v6, address, len, remote),
            Remote::Set(set) => self.members.iter().any(|member| {
                member.set == set && member.v6 == v6 && has(v6, member.address, member.len, remote)
            }),
        };
        let is_port = match (rule.ports, port) {
            (None, _) => true,
            (Some((low, high)), Some(port)) => low <= port && port <= high,
            (Some(_), None) => false,
        };
        let is_protocol =
            rule.protocol == Protocol::Any || rule.protocol == Protocol::Number(protocol);
        rule.v6 == v6 && is_remote && is_port && is_protocol
    }

    /// The first rule that allows it, of those with or without state.
    fn rule(
        &self,
        direction: Direction,
        stateless: bool,
        asked: (bool, u8, Option<u16>, u128),
    ) -> Option<u32> {
        let rules = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let kind = rules.iter().filter(|(_, of)| *of == stateless);
        let mut rules = kind.map(|(rule, _)| rule);
        rules
            .find(|rule| self.matches(rule, asked))
            .map(|rule| rule.id.0)
    }

    /// Whether some rule makes flows.
    pub fn has_state(&self) -> bool {
        let mut rules = self.ingress.iter().chain(&self.egress);
        rules.any(|(_, stateless)| !stateless)
    }

    /// Whether a packet passes with nobody asked, where no rule makes flows: by a rule for everything. What cannot be read for its lengths
    /// passes too.
    pub fn passes_unasked(&self, offered: &Offered) -> bool {
        let rules = match offered.direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let mut rules = rules.iter().map(|(rule, _)| rule);
        let is_for_all = |rule: &Rule| {
            let is_any = (rule.protocol, rule.ports, rule.remote);
            is_any == (Protocol::Any, None, Remote::Any)
                && rule.v6 == (offered.ether_type == 0x86dd)
        };
        let is_read = matches!(
            Reading::of(&offered.bytes),
            Ok(_) | Err(R::Ip6Truncated | R::Ip4Truncated | R::UpperLayerTruncated)
        );
        is_read && rules.any(is_for_all)
    }

    /// What becomes of a packet. `stays`: whether a flow is in the table, now that the packet was judged there.
    pub fn judge(
        &mut self,
        offered: &Offered,
        now: u64,
        stays: &dyn Fn(&FlowKey) -> bool,
    ) -> Verdict {
        if offered.ether_type == 0x0806 {
            return Verdict::Pass(0);
        }
        let v6 = match offered.ether_type {
            0x86dd => true,
            0x0800 => false,
            _ => return Verdict::Drop(R::EtherTypeDenied),
        };
        let packet = match Reading::of(&offered.bytes) {
            Err(reason) => return Verdict::Drop(reason),
            Ok(packet) if packet.v6 != v6 => return Verdict::Drop(R::EtherTypeDenied),
            Ok(packet) => packet,
        };
        let whole = packet.piece.map(|piece| {
            let protocol = if v6 { 0 } else { packet.protocol };
            let (anchor, direction) = (offered.anchor.0, offered.direction);
            let ends = (packet.source, packet.destination);
            let whole = (anchor, direction, ends.0, ends.1, piece.id, protocol);
            (whole, piece)
        });
        match whole {
            Some((whole, piece)) if packet.is_later() => {
                self.fragments.later(whole, piece, offered, now)
            }
            Some((whole, piece)) => {
                let verdict = self.whole(offered, &packet, now, stays);
                let passes = matches!(verdict, Verdict::Pass(_));
                match self.fragments.first(whole, piece, passes, now) {
                    Ok(released) => {
                        self.released.extend(released);
                        verdict
                    }
                    Err(reason) => Verdict::Drop(reason),
                }
            }
            None => self.whole(offered, &packet, now, stays),
        }
    }

    /// As `judge`, of a packet whose upper layer is there.
    fn whole(
        &mut self,
        offered: &Offered,
        packet: &Reading<'_>,
        now: u64,
        stays: &dyn Fn(&FlowKey) -> bool,
    ) -> Verdict {
        if is_essential(offered, packet) {
            return Verdict::Pass(0);
        }
        let (direction, seconds) = (offered.direction, (now / 1000) as u32);
        let remote = match direction {
            Direction::Ingress => packet.source,
            Direction::Egress => packet.destination,
        };
        let asked = (packet.v6, packet.protocol, packet.port, remote);
        let denied = match direction {
            Direction::Ingress => Verdict::Drop(R::IngressDenied),
            Direction::Egress => Verdict::Drop(R::EgressDenied),
        };
        let stateless = self.rule(direction, true, asked).map(Verdict::Pass);
        let stateful = self.rule(direction, false, asked);
        if packet.says == Says::Error
            && let Some(rule) = self.cited(offered, packet)
        {
            return Verdict::Pass(rule);
        }
        let Some(key) = key(offered.anchor, direction, packet) else {
            let rule = stateless.or(stateful.map(Verdict::Pass));
            return rule.unwrap_or(denied);
        };
        let Some(segment) = segment(packet, self.liberal) else {
            return Verdict::Drop(R::UpperLayerTruncated);
        };
        if let Some(flow) = self.flows.get(&key).copied() {
            let asked = (key.v6, key.protocol, flow.port, key.remote.0);
            if flow.generation != self.generation {
                let Some(rule) = self.rule(flow.opened, false, asked) else {
                    self.remove(&key);
                    return stateless.unwrap_or(denied);
                };
                let allowed = Allowed {
                    generation: self.generation,
                    rule,
                    ..flow
                };
                self.flows.insert(key, allowed);
            }
            let rule = self.flows[&key].rule;
            match self.states.get(&key).packet(direction, &segment, seconds) {
                Step::Pass => return Verdict::Pass(rule),
                Step::Invalid => return Verdict::Drop(R::FlowInvalid),
                Step::Over => self.remove(&key),
            }
        }
        if let Some(pass) = stateless {
            return pass;
        }
        let Some(rule) = stateful else { return denied };
        let is_answer = matches!(
            packet.says,
            Says::Query {
                is_answer: true,
                ..
            }
        );
        if is_answer || !self.states.open(&key, direction, segment, seconds) {
            return Verdict::Drop(R::FlowInvalid);
        }
        let allowed = Allowed {
            opened: direction,
            port: packet.port,
            generation: self.generation,
            rule,
        };
        if !self.make_room(&key, stays) {
            self.states.remove(&key);
            return Verdict::Drop(R::FlowQuota);
        }
        self.flows.insert(key, allowed);
        Verdict::Pass(rule)
    }

    /// The rule of the flow of which an ICMP error cites a packet: of its own family, sent the other way, and not long ago.
    fn cited(&self, offered: &Offered, packet: &Reading<'_>) -> Option<u32> {
        let bytes = packet.upper.get(8..)?;
        let about = Reading::of(bytes).ok()?;
        if about.is_later() || about.v6 != packet.v6 {
            return None;
        }
        let sent = offered.direction.reverse();
        let key = key(offered.anchor, sent, &about)?;
        let flow = self.flows.get(&key)?;
        let sequence = match about.protocol {
            TCP => u32_at(about.upper, 4),
            _ => None,
        };
        let is_about = self.states.get(&key).cites(sent, sequence);
        (is_about && flow.generation == self.generation).then_some(flow.rule)
    }

    /// Has a port at its quota make room for a flow, if it can: only one that is loose goes.
    fn make_room(&mut self, new: &FlowKey, stays: &dyn Fn(&FlowKey) -> bool) -> bool {
        let own: Vec<FlowKey> = self.flows.keys().copied().collect();
        let own = own.into_iter().filter(|key| key.anchor == new.anchor);
        let own: Vec<FlowKey> = own.collect();
        let is_at_quota = self.quota as usize <= own.len();
        if !stays(new) {
            let is_unanswered =
                |state| matches!(state, State::Unreplied | State::SynSent | State::Init);
            let could = own
                .iter()
                .any(|key| is_unanswered(self.states.get(key).state()));
            assert!(
                is_at_quota && !could,
                "refused though there is room: {new:?}"
            );
            return false;
        }
        let gone: Vec<FlowKey> = own.into_iter().filter(|key| !stays(key)).collect();
        assert_eq!(gone.len(), usize::from(is_at_quota), "{gone:?} for {new:?}");
        for key in gone {
            assert!(
                self.states.get(&key).state().is_loose(),
                "{key:?} had to go"
            );
            self.remove(&key);
        }
        true
    }

    fn remove(&mut self, key: &FlowKey) {
        self.flows.remove(key);
        self.states.remove(key);
    }

    /// Time has passed. Forgets the flows that the table has forgotten, and panics if it should not have, or should have long ago.
    pub fn age(&mut self, info: &FlowTable, now: u64, stays: &dyn Fn(&FlowKey) -> bool) {
        let seconds = (now / 1000) as u32;
        let timeouts = info.timeouts();
        for seen in self.states.idle(seconds) {
            let (key, state, idle) = seen;
            let timeout = timeouts.of(&key, state);
            match stays(&key) {
                true => assert!(idle < timeout + LATE, "{key:?} stays after {idle} s"),
                false => {
                    assert!(timeout <= idle, "{key:?} is gone after {idle} s");
                    self.remove(&key);
                }
            }
        }
    }
}
