//! Security groups beside a naive model: what comes out of the router, packet by packet, is what a list of rules and a map of flows say.
//!
//! Packets of both families and directions, plain, behind extension headers and in fragments; rules by protocol, port, prefix and set; rules
//! change in between. TCP and SCTP are followed by state machines, which `tables` compares with models of their own.

mod support;

use std::collections::HashSet;

use dataplane::denied::Direction::{self, Egress, Ingress};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::packet::Packet;
use support::tenants::{Groups, VM1, plug, secure};
use support::*;
use tables::classifier::{Protocol, Remote, Rule};
use tables::id::RuleId;

/// Other ends, of each family: their last 16 bits.
const PEERS: u16 = 6;
const PORTS_USED: u16 = 5;
/// Packets of one case, and how often the rules change.
const PACKETS: usize = 2_000;
const CHANGE: usize = 100;

#[derive(Clone, Copy, Debug)]
struct Said {
    direction: Direction,
    is6: bool,
    /// 0 UDP, 1 echo request, 2 echo reply, 3 protocol 99, 4 another ICMP message.
    kind: u8,
    peer: u16,
    local_port: u16,
    remote_port: u16,
    dress: u8,
}

fn said() -> impl Strategy<Value = Said> {
    let ports = (0..PORTS_USED, 0..PORTS_USED);
    (
        any::<bool>(),
        any::<bool>(),
        0..5u8,
        0..PEERS,
        ports,
        0..4u8,
    )
        .prop_map(
            |(out, is6, kind, peer, (local_port, remote_port), dress)| Said {
                direction: if out { Egress } else { Ingress },
                is6,
                kind,
                peer,
                local_port,
                remote_port,
                dress,
            },
        )
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocol = prop_oneof![
        Just(Protocol::Any),
        Just(Protocol::Number(17)),
        Just(Protocol::Number(58)),
        Just(Protocol::Number(1)),
        Just(Protocol::Number(99)),
    ];
    let ports = (0..PORTS_USED, 0..PORTS_USED, any::<bool>());
    let remote = (0..3u8, 0..PEERS, 0..20u8);
    (any::<bool>(), protocol, ports, remote).prop_map(
        |(v6, protocol, (a, b, ported), (kind, peer, less))| {
            let (low, high) = (a.min(b), a.max(b));
            let ports = match protocol {
                Protocol::Number(17) if ported => Some((low, high)),
                Protocol::Number(58) if ported => Some((128 << 8, 128 << 8 | 255)),
                Protocol::Number(1) if ported => Some((8 << 8, 8 << 8 | 255)),
                _ => None,
            };
            let remote = match kind {
                0 => Remote::Any,
                _ => Remote::Prefix {
                    address: peer_bits(v6, peer),
                    len: if v6 { 128 } else { 32 } - less,
                },
            };
            Rule {
                id: RuleId(1),
                v6,
                protocol,
                ports,
                remote,
            }
        },
    )
}

fn peer_bits(v6: bool, peer: u16) -> u128 {
    let text = peer_text(v6, peer);
    dataplane::forwarding::network::mapped(text.parse().unwrap())
}

fn peer_text(v6: bool, peer: u16) -> String {
    match v6 {
        true => format!("2001:db8:8000::{:x}", 0x1000 + 7 * peer),
        false => format!("20.0.0.{}", 100 + 7 * peer),
    }
}

impl Said {
    fn protocol(&self) -> u8 {
        match self.kind {
            0 => 17,
            3 => 99,
            _ if self.is6 => 58,
            _ => 1,
        }
    }

    /// Type of an ICMP message.
    fn icmp(&self) -> Option<u8> {
        match (self.kind, self.is6) {
            (1, true) => Some(128),
            (2, true) => Some(129),
            (1, false) => Some(8),
            (2, false) => Some(0),
            (4, true) => Some(200),
            (4, false) => Some(42),
            _ => None,
        }
    }

    fn payload(&self) -> Vec<u8> {
        let (from, to) = match self.direction {
            Egress => (self.local_port, self.remote_port),
            Ingress => (self.remote_port, self.local_port),
        };
        let mut out = match self.icmp() {
            Some(kind) => [
                &[kind, 0, 0, 0][..],
                &self.local_port.to_be_bytes(),
                &[0, 1],
            ]
            .concat(),
            None if self.kind == 0 => {
                [from.to_be_bytes(), to.to_be_bytes(), [0, 40], [0, 0]].concat()
            }
            None => vec![1; 8],
        };
        out.resize(40, 0x33);
        out
    }

    fn frames(&self, id: u32) -> Vec<Packet> {
        let (mac, vm, peer) = match self.direction {
            Egress => (
                MAC0,
                if self.is6 {
                    "2001:db8:1::10"
                } else {
                    "10.1.0.10"
                },
                peer_text(self.is6, self.peer),
            ),
            Ingress => (
                MAC1,
                if self.is6 {
                    "2001:db8:1::10"
                } else {
                    "10.1.0.10"
                },
                peer_text(self.is6, self.peer),
            ),
        };
        let (source, destination) = match self.direction {
            Egress => (vm, peer.as_str()),
            Ingress => (peer.as_str(), vm),
        };
        let (payload, protocol) = (self.payload(), self.protocol());
        let halves = payload.split_at(24);
        if self.is6 {
            let make = |next: u8, bytes: &[u8]| Packet::ip6(mac, source, destination, next, bytes);
            let piece = |start: u16, bytes: &[u8]| {
                let word = (start | u16::from(start == 0)).to_be_bytes();
                let id = id.to_be_bytes();
                let head = [protocol, 0, word[0], word[1], id[0], id[1], id[2], id[3]];
                make(44, &[&head, bytes].concat())
            };
            return match self.dress {
                0 => vec![make(protocol, &payload)],
                1 => vec![make(
                    60,
                    &[&[protocol, 0, 1, 4, 0, 0, 0, 0], &payload[..]].concat(),
                )],
                2 => vec![piece(0, halves.0), piece(24, halves.1)],
                _ => vec![piece(24, halves.1), piece(0, halves.0)],
            };
        }
        let make = |bytes: &[u8]| Packet::ip4(mac, source, destination, protocol, bytes);
        let piece = |start: u16, bytes: &[u8]| {
            let word = (start / 8) | (u16::from(start == 0) << 13);
            make(bytes)
                .set(4, &(id as u16).to_be_bytes())
                .set(6, &word.to_be_bytes())
                .summed()
        };
        match self.dress {
            0 => vec![make(&payload)],
            1 => vec![make(&payload).options(&[1, 1, 1, 0])],
            2 => vec![piece(0, halves.0), piece(24, halves.1)],
            _ => vec![piece(24, halves.1), piece(0, halves.0)],
        }
    }
}

/// Both ends of a flow, as plainly as can be.
type Ends = (bool, u8, u16, u16, u16, bool);

#[derive(Default)]
struct Naive {
    groups: Groups,
    /// Flows, and which way they were opened, and by which value of the rules' port.
    flows: HashSet<(Ends, bool, Option<u16>)>,
}

impl Naive {
    fn allows(
        &self,
        direction: Direction,
        is6: bool,
        protocol: u8,
        port: Option<u16>,
        peer: u16,
    ) -> bool {
        let rules = match direction {
            Egress => &self.groups.egress,
            Ingress => &self.groups.ingress,
        };
        rules.iter().filter(|rule| rule.v6 == is6).any(|rule| {
            let in_prefix = match rule.remote {
                Remote::Any => true,
                Remote::Prefix { address, len } => {
                    let away = u32::from(if is6 { 128 } else { 32 } - len);
                    address >> away == peer_bits(is6, peer) >> away
                }
                Remote::Set(_) => false,
            };
            let right_port = match (rule.ports, port) {
                (None, _) => true,
                (Some((low, high)), Some(port)) => (low..=high).contains(&port),
                (Some(_), None) => false,
            };
            let right_protocol = match rule.protocol {
                Protocol::Any => true,
                Protocol::Number(number) => number == protocol,
            };
            right_protocol && right_port && in_prefix
        })
    }

    fn judge(&mut self, said: &Said) -> bool {
        let protocol = said.protocol();
        let port = match (said.icmp(), said.kind) {
            (Some(kind), _) => Some(u16::from(kind) << 8),
            (None, 0) if said.direction == Egress => Some(said.remote_port),
            (None, 0) => Some(said.local_port),
            _ => None,
        };
        if said.kind == 4 {
            return self.allows(said.direction, said.is6, protocol, port, said.peer);
        }
        let out = said.direction == Egress;
        let ends = match said.kind {
            0 => (
                said.is6,
                protocol,
                said.local_port,
                said.remote_port,
                said.peer,
                true,
            ),
            3 => (said.is6, protocol, 0, 0, said.peer, true),
            // Who asks counts, also of an answer.
            kind => (
                said.is6,
                protocol,
                said.local_port,
                0,
                said.peer,
                out == (kind == 1),
            ),
        };
        let known = self.flows.iter().find(|(of, _, _)| *of == ends).copied();
        if let Some(flow @ (_, out, opened_by)) = known {
            let opened = if out { Egress } else { Ingress };
            let still = self.allows(opened, said.is6, protocol, opened_by, said.peer);
            if !still {
                self.flows.remove(&flow);
            }
            return still;
        }
        let passes = self.allows(said.direction, said.is6, protocol, port, said.peer);
        // An answer opens nothing.
        let passes = passes && said.kind != 2;
        if passes {
            self.flows.insert((ends, said.direction == Egress, port));
        }
        passes
    }
}

fn compare(
    with_lane: bool,
    script: &[Said],
    rules: &[(Vec<Rule>, Vec<Rule>)],
) -> Result<(), TestCaseError> {
    let mut world = World::new(with_lane);
    plug(&mut world);
    let mut naive = Naive::default();
    let mut rules = rules.iter().cycle();
    for (n, said) in script.iter().enumerate() {
        if n % CHANGE == 0
            && let Some((ingress, egress)) = rules.next()
        {
            naive.groups = Groups {
                ingress: ingress.clone(),
                egress: egress.clone(),
                generation: n as u32,
                ..Groups::default()
            };
            secure(&mut world, VM1, &naive.groups);
        }
        let port = match said.direction {
            Egress => PORT0,
            Ingress => PORT1,
        };
        let frames = said.frames(n as u32);
        for frame in &frames {
            world.receive(port, &frame.bytes());
        }
        world.round();
        let out = world.sent();
        let expected = if naive.judge(said) { frames.len() } else { 0 };
        prop_assert_eq!(out, expected, "packet {}: {:?}", n, said);
    }
    Ok(())
}

#[test]
fn packet_by_packet_as_a_naive_model_has_it() {
    let cases = 250;
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    });
    let rules = || proptest::collection::vec(rule(), 0..8);
    let rules = proptest::collection::vec((rules(), rules()), 1..8);
    let script = proptest::collection::vec(said(), PACKETS..=PACKETS);
    let result = runner.run(&(script, rules), |(script, rules)| {
        compare(true, &script, &rules)?;
        compare(false, &script, &rules)
    });
    assert!(result.is_ok(), "{result:?}");
}
