//! Security groups: of every kind of rule the packet that passes and the one that must not, in both directions and families, first and
//! established, plain and behind extension headers and in fragments; by lane and graph alike.

mod support;

use std::sync::atomic::{AtomicU16, Ordering};

use dataplane::denied::Direction::{self, Egress, Ingress};
use dataplane::drop::DropReason;
use support::packet::Packet;
use support::tenants::{Groups, VM1, any, plug, rule, secure};
use support::*;
use tables::classifier::{Remote, Rule};

const VM6: &str = "2001:db8:1::10";
const PEER6: &str = "2001:db8:2::10";
const VM4: &str = "10.1.0.10";
const PEER4: &str = "10.2.0.10";

/// What a machine and its peer say to each other, and the rule that lets it begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Udp,
    Tcp,
    Sctp,
    Echo,
    Other,
}

const SPEECHES: [Speech; 5] = [
    Speech::Udp,
    Speech::Tcp,
    Speech::Sctp,
    Speech::Echo,
    Speech::Other,
];

impl Speech {
    const fn protocol(self, is6: bool) -> u8 {
        match self {
            Self::Udp => 17,
            Self::Tcp => 6,
            Self::Sctp => 132,
            Self::Echo => {
                if is6 {
                    58
                } else {
                    1
                }
            }
            Self::Other => 99,
        }
    }

    /// The rule for it, and one that differs in nothing but ports, type or protocol.
    fn rules(self, is6: bool) -> [Rule; 2] {
        let of = |id, ports| rule(id, is6, self.protocol(is6), ports);
        match self {
            Self::Udp | Self::Tcp | Self::Sctp => [of(1, (53, 80)), of(2, (54, 80))],
            Self::Echo => {
                let kind = if is6 { 128 } else { 8 };
                [
                    of(1, (kind << 8, kind << 8 | 255)),
                    of(2, (1 << 8, 1 << 8 | 255)),
                ]
            }
            Self::Other => [rule(1, is6, 99, None), rule(2, is6, 98, None)],
        }
    }

    /// What opens it, and the answer to that.
    fn payloads(self, is6: bool) -> [Vec<u8>; 2] {
        match self {
            Self::Udp => [udp(1234, 53), udp(53, 1234)],
            Self::Tcp => [
                tcp(1234, 53, 1000, 0, SYN),
                tcp(53, 1234, 5000, 1001, SYN | ACK),
            ],
            Self::Sctp => [sctp(1234, 53, 0, 1), sctp(53, 1234, 0xabcd, 2)],
            Self::Echo if is6 => [echo(128), echo(129)],
            Self::Echo => [echo(8), echo(0)],
            Self::Other => [vec![7; 64], vec![8; 64]],
        }
    }
}

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn udp(from: u16, to: u16) -> Vec<u8> {
    let mut out = [from.to_be_bytes(), to.to_be_bytes(), 64u16.to_be_bytes()].concat();
    out.resize(64, 0x11);
    out
}

fn tcp(from: u16, to: u16, seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut out = [from.to_be_bytes(), to.to_be_bytes()].concat();
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    out.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    // Data, so that the header fits into a first fragment.
    out.extend([0x44; 16]);
    out
}

/// A chunk of this kind; INIT and INIT ACK say which tag the other end is to use.
fn sctp(from: u16, to: u16, tag: u32, kind: u8) -> Vec<u8> {
    let mut out = [from.to_be_bytes(), to.to_be_bytes()].concat();
    out.extend(tag.to_be_bytes());
    out.extend([0; 4]);
    out.extend([kind, 0, 0, 20]);
    out.extend(0xabcd_u32.to_be_bytes());
    out.extend([0, 0, 0x20, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    out
}

fn echo(kind: u8) -> Vec<u8> {
    let mut out = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 1];
    out.resize(64, 0x22);
    out
}

/// How a packet is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dress {
    Plain,
    /// Options: hop-by-hop, or of IPv4.
    Options,
    /// Destination options, then a routing header.
    Headers,
    /// A fragment that is the whole packet.
    Atomic,
    /// Two fragments.
    Fragments,
    /// Two fragments, the later one first.
    Reordered,
}

const DRESSES: [Dress; 6] = [
    Dress::Plain,
    Dress::Options,
    Dress::Headers,
    Dress::Atomic,
    Dress::Fragments,
    Dress::Reordered,
];

/// The frames of a packet from the machine, or to it.
fn frames(
    direction: Direction,
    is6: bool,
    protocol: u8,
    payload: &[u8],
    dress: Dress,
) -> Vec<Packet> {
    let (mac, [source, destination]) = match (direction, is6) {
        (Egress, true) => (MAC0, [VM6, PEER6]),
        (Egress, false) => (MAC0, [VM4, PEER4]),
        (Ingress, true) => (MAC1, [PEER6, VM6]),
        (Ingress, false) => (MAC1, [PEER4, VM4]),
    };
    // Of each packet another one.
    static ID: AtomicU16 = AtomicU16::new(1);
    let id = ID.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    if is6 {
        let make = |next: u8, bytes: &[u8]| Packet::ip6(mac, source, destination, next, bytes);
        let fragment = |start: usize, more: bool, bytes: &[u8]| {
            let offset = (start as u16 | u16::from(more)).to_be_bytes();
            let head = [protocol, 0, offset[0], offset[1], 0, 0, id[0], id[1]];
            make(44, &[&head, bytes].concat())
        };
        return match dress {
            Dress::Plain => vec![make(protocol, payload)],
            Dress::Options => vec![make(
                0,
                &[&[protocol, 0, 1, 4, 0, 0, 0, 0], payload].concat(),
            )],
            Dress::Headers => {
                let options = [43, 0, 1, 4, 0, 0, 0, 0];
                let routing = [protocol, 0, 4, 0, 0, 0, 0, 0];
                vec![make(60, &[&options, &routing, payload].concat())]
            }
            Dress::Atomic => vec![fragment(0, false, payload)],
            Dress::Fragments | Dress::Reordered => {
                let (first, later) = payload.split_at(cut(payload));
                let mut both = vec![
                    fragment(0, true, first),
                    fragment(first.len(), false, later),
                ];
                if dress == Dress::Reordered {
                    both.reverse();
                }
                both
            }
        };
    }
    let make = |bytes: &[u8]| Packet::ip4(mac, source, destination, protocol, bytes);
    let fragment = |start: usize, more: bool, bytes: &[u8]| {
        let word = (start / 8) as u16 | (u16::from(more) << 13);
        let word = word.to_be_bytes();
        make(bytes).set(4, &id).set(6, &word).summed()
    };
    match dress {
        Dress::Plain | Dress::Headers | Dress::Atomic => vec![make(payload)],
        Dress::Options => vec![make(payload).options(&[1, 1, 1, 0])],
        Dress::Fragments | Dress::Reordered => {
            let (first, later) = payload.split_at(cut(payload));
            let mut both = vec![
                fragment(0, true, first),
                fragment(first.len(), false, later),
            ];
            if dress == Dress::Reordered {
                both.reverse();
            }
            both
        }
    }
}

/// Where a payload is cut: behind its header.
fn cut(payload: &[u8]) -> usize {
    (payload.len() / 2)
        .next_multiple_of(8)
        .max(24)
        .min(payload.len() - 1)
}

/// A router that is told of packets one after the other.
struct Talk {
    world: World,
    name: String,
}

impl Talk {
    fn new(name: impl Into<String>, with_lane: bool, groups: &Groups) -> Self {
        let mut world = World::new(with_lane);
        plug(&mut world);
        secure(&mut world, VM1, groups);
        let name = format!(
            "{} {}",
            name.into(),
            if with_lane { "lane" } else { "graph" }
        );
        Self { world, name }
    }

    /// Sends frames, and says how many came out and why the others did not.
    fn say(&mut self, direction: Direction, frames: &[Packet]) -> (usize, Vec<DropReason>) {
        let port = match direction {
            Egress => PORT0,
            Ingress => PORT1,
        };
        for frame in frames {
            self.world.receive(port, &frame.bytes());
        }
        self.world.round();
        let outcome = self.world.outcome();
        let denied = outcome.denied.iter();
        let reasons = denied.inspect(|said| assert_eq!(said.direction, direction, "{}", self.name));
        let reasons = reasons.map(|said| said.reason).collect();
        let out = outcome.sent.iter().filter(|(to, _)| *to != port).count();
        (out, reasons)
    }

    fn passes(&mut self, direction: Direction, frames: &[Packet]) {
        let (out, why) = self.say(direction, frames);
        assert_eq!(
            (out, &why[..]),
            (frames.len(), &[][..]),
            "{}: {frames:?}",
            self.name
        );
    }

    fn is_denied(&mut self, direction: Direction, frames: &[Packet], reason: DropReason) {
        let (out, why) = self.say(direction, frames);
        assert_eq!(out, 0, "{}: {why:?} {frames:?}", self.name);
        assert!(why.contains(&reason), "{}: {why:?} {frames:?}", self.name);
    }
}

fn denied(direction: Direction) -> DropReason {
    match direction {
        Egress => DropReason::EgressDenied,
        Ingress => DropReason::IngressDenied,
    }
}

const fn other(direction: Direction) -> Direction {
    direction.reverse()
}

fn groups(direction: Direction, rules: &[Rule]) -> Groups {
    match direction {
        Egress => Groups {
            egress: rules.to_vec(),
            ..Groups::default()
        },
        Ingress => Groups {
            ingress: rules.to_vec(),
            ..Groups::default()
        },
    }
}

/// Every speech in every dress, both ways, both families, by lane and graph.
fn every_case(mut case: impl FnMut(bool, Direction, bool, Speech, Dress)) {
    for with_lane in [true, false] {
        for direction in [Egress, Ingress] {
            for is6 in [true, false] {
                for speech in SPEECHES {
                    for dress in DRESSES {
                        case(with_lane, direction, is6, speech, dress);
                    }
                }
            }
        }
    }
}

#[test]
fn a_rule_lets_a_flow_begin_and_its_answers_come_back() {
    every_case(|with_lane, direction, is6, speech, dress| {
        let [allows, forbids] = speech.rules(is6);
        let [opens, answers] = speech.payloads(is6);
        let protocol = speech.protocol(is6);
        let name = format!("{speech:?} {dress:?} {direction:?} IPv6 {is6}");
        let open = frames(direction, is6, protocol, &opens, dress);
        let answer = frames(other(direction), is6, protocol, &answers, dress);
        let mut talk = Talk::new(&name, with_lane, &groups(direction, &[allows]));
        // Nobody has asked: the answer is none.
        let (out, _) = talk.say(other(direction), &answer);
        assert_eq!(out, 0, "{name}: an answer to nothing");
        let answer = frames(other(direction), is6, protocol, &answers, dress);
        talk.passes(direction, &open);
        talk.passes(other(direction), &answer);
        // The same rule the other way round, and a rule that differs a little, let nothing of it pass.
        drop(talk);
        let mut talk = Talk::new(&name, with_lane, &groups(other(direction), &[allows]));
        talk.is_denied(direction, &open, denied(direction));
        drop(talk);
        let mut talk = Talk::new(&name, with_lane, &groups(direction, &[forbids]));
        talk.is_denied(direction, &open, denied(direction));
        // Nor does a rule of the other family.
        let foreign = Rule { v6: !is6, ..allows };
        drop(talk);
        let mut talk = Talk::new(&name, with_lane, &groups(direction, &[foreign]));
        talk.is_denied(direction, &open, denied(direction));
    });
}

#[test]
fn a_stateless_rule_lets_no_answer_back() {
    every_case(|with_lane, direction, is6, speech, dress| {
        let [allows, _] = speech.rules(is6);
        let [opens, answers] = speech.payloads(is6);
        let protocol = speech.protocol(is6);
        let stateless = Groups {
            stateless: true,
            ..groups(direction, &[allows])
        };
        let mut talk = Talk::new("stateless", with_lane, &stateless);
        talk.passes(direction, &frames(direction, is6, protocol, &opens, dress));
        let back = other(direction);
        talk.is_denied(
            back,
            &frames(back, is6, protocol, &answers, dress),
            denied(back),
        );
        let both = Groups {
            ingress: vec![any(1, is6)],
            egress: vec![any(2, is6)],
            ..stateless
        };
        drop(talk);
        let mut talk = Talk::new("stateless", with_lane, &both);
        talk.passes(back, &frames(back, is6, protocol, &answers, dress));
        talk.passes(direction, &frames(direction, is6, protocol, &opens, dress));
    });
}

#[test]
fn a_rule_that_is_gone_stops_its_flows_with_the_next_packet() {
    every_case(|with_lane, direction, is6, speech, dress| {
        let [allows, forbids] = speech.rules(is6);
        let [opens, answers] = speech.payloads(is6);
        let protocol = speech.protocol(is6);
        let open = frames(direction, is6, protocol, &opens, dress);
        let back = other(direction);
        let answer = frames(back, is6, protocol, &answers, dress);
        let name = format!("{speech:?} {dress:?} {direction:?} IPv6 {is6} revoked");
        for established in [direction, back] {
            let mut talk = Talk::new(&name, with_lane, &groups(direction, &[allows]));
            talk.passes(direction, &open);
            talk.passes(back, &answer);
            // Another change leaves it alone.
            let wider = Groups {
                generation: 1,
                ..groups(direction, &[forbids, allows])
            };
            secure(&mut talk.world, VM1, &wider);
            talk.passes(back, &answer);
            let gone = Groups {
                generation: 2,
                ..groups(direction, &[forbids])
            };
            secure(&mut talk.world, VM1, &gone);
            let packet = if established == direction {
                &open
            } else {
                &answer
            };
            talk.is_denied(established, packet, denied(established));
        }
    });
}

#[test]
fn a_remote_prefix_is_heeded_in_both_families() {
    for with_lane in [true, false] {
        for direction in [Egress, Ingress] {
            for (is6, right, wrong) in [
                (true, ("2001:db8:2::", 64), ("2001:db8:2:0:8000::", 65)),
                (false, ("10.2.0.0", 24), ("10.2.0.128", 25)),
            ] {
                let prefix = |(address, len): (&str, u8)| {
                    let address = dataplane::forwarding::network::mapped(address.parse().unwrap());
                    Remote::Prefix { address, len }
                };
                let rule = |of| Rule {
                    remote: prefix(of),
                    ..any(1, is6)
                };
                let packet = frames(direction, is6, 17, &udp(1, 2), Dress::Plain);
                let mut talk = Talk::new("prefix", with_lane, &groups(direction, &[rule(right)]));
                talk.passes(direction, &packet);
                drop(talk);
                let mut talk = Talk::new("prefix", with_lane, &groups(direction, &[rule(wrong)]));
                talk.is_denied(direction, &packet, denied(direction));
            }
        }
    }
}

#[test]
fn tcp_is_followed_and_what_is_beside_its_window_goes_nowhere() {
    for with_lane in [true, false] {
        for is6 in [true, false] {
            let allow = groups(Egress, &[any(1, is6)]);
            let mut talk = Talk::new("tcp", with_lane, &allow);
            let say =
                |direction, payload: Vec<u8>| frames(direction, is6, 6, &payload, Dress::Plain);
            // Nothing of a connection that was never opened.
            let stray = say(Egress, tcp(9, 53, 1, 1, ACK));
            talk.is_denied(Egress, &stray, DropReason::FlowInvalid);
            talk.passes(Egress, &say(Egress, tcp(1234, 53, 1000, 0, SYN)));
            talk.passes(Ingress, &say(Ingress, tcp(53, 1234, 5000, 1001, SYN | ACK)));
            talk.passes(Egress, &say(Egress, tcp(1234, 53, 1001, 5001, ACK)));
            for reset in [5001 + 100_000, 5001_u32.wrapping_sub(100_000)] {
                let reset = say(Ingress, tcp(53, 1234, reset, 1001, RST));
                talk.is_denied(Ingress, &reset, DropReason::FlowInvalid);
            }
            let ahead = say(Ingress, tcp(53, 1234, 5001 + 200_000, 1001, ACK));
            talk.is_denied(Ingress, &ahead, DropReason::FlowInvalid);
            talk.passes(Ingress, &say(Ingress, tcp(53, 1234, 5001, 1001, ACK)));
            talk.passes(Ingress, &say(Ingress, tcp(53, 1234, 5001, 1001, RST)));
        }
    }
}

#[test]
fn icmp_errors_come_back_about_flows_that_are_and_no_others() {
    for with_lane in [true, false] {
        for is6 in [true, false] {
            let mut talk = Talk::new("errors", with_lane, &groups(Egress, &[any(1, is6)]));
            let cite = |from: u16| {
                let sent = frames(Egress, is6, 17, &udp(from, 53), Dress::Plain);
                let mut error = if is6 {
                    vec![2, 0, 0, 0, 0, 0, 5, 0]
                } else {
                    vec![3, 4, 0, 0, 0, 0, 5, 0]
                };
                error.extend(&sent[0].l3);
                frames(Ingress, is6, if is6 { 58 } else { 1 }, &error, Dress::Plain)
            };
            talk.passes(Egress, &frames(Egress, is6, 17, &udp(7, 53), Dress::Plain));
            talk.passes(Ingress, &cite(7));
            talk.is_denied(Ingress, &cite(8), DropReason::IngressDenied);
        }
    }
}

#[test]
fn fragments_that_overlap_go_nowhere() {
    for with_lane in [true, false] {
        for direction in [Egress, Ingress] {
            let mut talk = Talk::new("overlap", with_lane, &groups(direction, &[any(1, true)]));
            let both = frames(direction, true, 17, &udp(1, 2), Dress::Fragments);
            let over = both[1].clone().set(42, &(24u16).to_be_bytes());
            talk.passes(direction, &both[..1]);
            talk.is_denied(direction, &[over], DropReason::FragmentOverlap);
            talk.is_denied(direction, &both[1..], DropReason::FragmentUnknown);
        }
    }
}

#[test]
fn what_hides_its_upper_layer_does_not_pass() {
    for direction in [Egress, Ingress] {
        let mut talk = Talk::new(
            "hidden",
            false,
            &groups(direction, &[any(1, true), any(2, false)]),
        );
        // A first fragment that ends within the header (RFC 7112; RFC 1858).
        let head = [6, 0, 0, 1, 0, 0, 0, 9];
        let short = [&head[..], &tcp(1, 2, 3, 4, SYN)[..16]].concat();
        let packet = &frames(direction, true, 44, &short, Dress::Plain);
        let (out, _) = talk.say(direction, packet);
        assert_eq!(out, 0);
        let first = frames(
            direction,
            false,
            6,
            &tcp(1, 2, 3, 4, SYN)[..16],
            Dress::Plain,
        );
        let first = [first[0].clone().set(6, &[0x20, 0]).summed()];
        talk.is_denied(direction, &first, DropReason::UpperLayerTruncated);
    }
}

#[test]
fn a_port_has_as_many_flows_as_it_may_have() {
    for with_lane in [true, false] {
        let few = Groups {
            max_flows: Some(4),
            ..groups(Egress, &[any(1, true)])
        };
        let mut talk = Talk::new("quota", with_lane, &few);
        let ask = |port| frames(Egress, true, 17, &udp(port, 53), Dress::Plain);
        let answer = |port| frames(Ingress, true, 17, &udp(53, port), Dress::Plain);
        for port in 1..=4 {
            talk.passes(Egress, &ask(port));
            talk.passes(Ingress, &answer(port));
        }
        talk.is_denied(Egress, &ask(5), DropReason::FlowQuota);
        talk.passes(Ingress, &answer(1));
    }
}

#[test]
fn what_nobody_answers_yields_to_what_is_new() {
    let few = Groups {
        max_flows: Some(4),
        ..groups(Egress, &[any(1, true)])
    };
    let mut talk = Talk::new("embryos", true, &few);
    let ask = |port| frames(Egress, true, 17, &udp(port, 53), Dress::Plain);
    let answer = |port| frames(Ingress, true, 17, &udp(53, port), Dress::Plain);
    talk.passes(Egress, &ask(1));
    talk.passes(Ingress, &answer(1));
    for port in 2..100 {
        talk.passes(Egress, &ask(port));
    }
    talk.passes(Ingress, &answer(1));
    talk.is_denied(Ingress, &answer(50), DropReason::IngressDenied);
}

#[test]
fn rules_count_what_they_let_pass() {
    for with_lane in [true, false] {
        let mut talk = Talk::new("hits", with_lane, &groups(Egress, &[any(7, true)]));
        talk.passes(Egress, &frames(Egress, true, 17, &udp(1, 53), Dress::Plain));
        talk.passes(
            Ingress,
            &frames(Ingress, true, 17, &udp(53, 1), Dress::Plain),
        );
        talk.passes(Egress, &frames(Egress, true, 17, &udp(1, 53), Dress::Plain));
        let outcome = talk.world.outcome();
        assert_eq!(outcome.count("rule 7 packets"), 3);
        assert_eq!(outcome.count("rule 7 bytes"), 3 * (40 + 64));
        assert_eq!(outcome.count("anchor 1 egress packets"), 2);
        assert_eq!(outcome.count("anchor 1 ingress bytes"), 54 + 64);
        assert_eq!(talk.world.lane_packets(), if with_lane { 2 } else { 0 });
    }
}

#[test]
fn other_ethertypes_of_a_filtered_port_go_nowhere() {
    let mut talk = Talk::new(
        "ethertype",
        false,
        &groups(Egress, &[any(1, true), any(2, false)]),
    );
    let frame = frames(Egress, true, 17, &udp(1, 2), Dress::Plain);
    let strange = frame[0].clone().ether_type(0x88cc);
    talk.is_denied(Egress, &[strange], DropReason::EtherTypeDenied);
    let liar = frame[0].clone().ether_type(0x0800);
    talk.is_denied(Egress, &[liar], DropReason::EtherTypeDenied);
}
