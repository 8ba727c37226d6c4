//! Machines of tenants that are plugged into a network: guard and groups between them, from the router, and where frames go everywhere; by
//! lane and graph alike.

mod support;

use std::sync::Arc;

use dataplane::denied::Direction::{self, Egress, Ingress};
use dataplane::drop::DropReason;
use dataplane::forwarding::network::{Local, mapped};
use dataplane::forwarding::security::Anchor;
use dataplane::forwarding::{MacAddr, Tags};
use dataplane::guard::{Guard, LinkId};
use support::overlay::{A, B, C, RED, RED_MAC, change_network, neighbour, stretch};
use support::packet::Packet;
use support::tenants::{AT_A, AT_B, Groups, any, rule};
use support::*;
use tables::id::{AnchorId, PortId};

/// A station that nobody knows.
const NOBODY: MacAddr = [2, 0, 0, 0, 0xe, 1];

/// A at port 1, untagged, and B at port 0, untagged: machines of tenants. C is the operator's.
fn plugged(with_lane: bool, a: &Groups, b: &Groups) -> World {
    let mut world = World::new(with_lane);
    stretch(&mut world);
    for (number, port, anchor) in [(1, PORT1, AT_A), (2, PORT0, AT_B)] {
        world.configure(|forwarding| {
            let place = Local {
                network: RED,
                port,
                tags: Tags::None,
                anchor,
            };
            forwarding.attach(number, place);
        });
    }
    change_network(&mut world, |network| network.link = LinkId(1));
    protect(&mut world, AT_A, A, a);
    protect(&mut world, AT_B, B, b);
    for (anchor, mac, n) in [(AT_A, A, 0), (AT_B, B, 1)] {
        for is6 in [true, false] {
            let address = mapped(neighbour(n, is6).parse().unwrap());
            world.book.bind(anchor, address, mac, 0).unwrap();
        }
    }
    world
}

fn protect(world: &mut World, id: AnchorId, mac: MacAddr, groups: &Groups) {
    let guard = Guard {
        link: LinkId(1),
        macs: vec![mac],
        ..Guard::default()
    };
    let anchor = Anchor {
        id,
        guard: Some(guard),
        filter: Some(groups.compile()),
    };
    world.configure(|forwarding| forwarding.security.insert(Arc::new(anchor)));
}

fn open() -> Groups {
    Groups {
        ingress: vec![any(1, true), any(2, false)],
        egress: vec![any(3, true), any(4, false)],
        ..Groups::default()
    }
}

fn out_only() -> Groups {
    Groups {
        ingress: Vec::new(),
        ..open()
    }
}

/// UDP from one station to another.
fn udp(from: (MacAddr, usize), to: (MacAddr, usize), is6: bool, ports: (u16, u16)) -> Packet {
    let (source, destination) = (neighbour(from.1, is6), neighbour(to.1, is6));
    let packet = match is6 {
        true => Packet::udp6(to.0, &source, &destination, 40),
        false => Packet::udp4(to.0, &source, &destination, 40),
    };
    let l4 = if is6 { 40 } else { 20 };
    let [a, b] = ports.0.to_be_bytes();
    let [c, d] = ports.1.to_be_bytes();
    packet.set(l4, &[a, b, c, d]).from(from.0)
}

/// What came out of each port, why things did not, and how many packets took the lane.
fn say(world: &mut World, port: PortId, frame: &Packet) -> (Vec<u16>, Vec<(u16, DropReason)>, u64) {
    let before = world.lane_packets();
    world.receive(port, &frame.bytes());
    world.round();
    let outcome = world.outcome();
    let sent = outcome.sent.iter().map(|(port, _)| port.0).collect();
    let denied = outcome
        .denied
        .iter()
        .map(|said| (said.anchor.0, said.reason));
    (sent, denied.collect(), world.lane_packets() - before)
}

const STATION_A: (MacAddr, usize) = (A, 0);
const STATION_B: (MacAddr, usize) = (B, 1);
const STATION_C: (MacAddr, usize) = (C, 2);

#[test]
fn between_two_machines_stand_the_groups_of_both() {
    for with_lane in [true, false] {
        for is6 in [true, false] {
            let ask = udp(STATION_B, STATION_A, is6, (7, 53));
            let answer = udp(STATION_A, STATION_B, is6, (53, 7));
            let mut world = plugged(with_lane, &open(), &out_only());
            assert_eq!(say(&mut world, PORT0, &ask), (vec![1], vec![], 0));
            // Both have a flow of it now.
            let lane = u64::from(with_lane);
            assert_eq!(say(&mut world, PORT1, &answer), (vec![0], vec![], lane));
            assert_eq!(say(&mut world, PORT0, &ask), (vec![1], vec![], lane));
            assert_eq!(world.flows.count(AT_A), 1);
            assert_eq!(world.flows.count(AT_B), 1);
            let unasked = udp(STATION_A, STATION_B, is6, (54, 7));
            let denied = vec![(AT_B.0, DropReason::IngressDenied)];
            assert_eq!(say(&mut world, PORT1, &unasked), (vec![], denied, 0));
            drop(world);
            let strict = Groups {
                egress: vec![rule(5, is6, 6, None)],
                ..open()
            };
            let mut world = plugged(with_lane, &open(), &strict);
            let denied = vec![(AT_B.0, DropReason::EgressDenied)];
            assert_eq!(say(&mut world, PORT0, &ask), (vec![], denied, 0));
        }
    }
}

#[test]
fn the_operator_s_stations_meet_the_machine_s_groups_alone() {
    for with_lane in [true, false] {
        for is6 in [true, false] {
            let mut world = plugged(with_lane, &open(), &out_only());
            let ask = udp(STATION_B, STATION_C, is6, (7, 53));
            assert_eq!(say(&mut world, PORT0, &ask).0, [1]);
            let answer = udp(STATION_C, STATION_B, is6, (53, 7)).tagged(&[600, 601]);
            assert_eq!(say(&mut world, PORT1, &answer).0, [0]);
            let unasked = udp(STATION_C, STATION_B, is6, (9, 7)).tagged(&[600, 601]);
            let denied = vec![(AT_B.0, DropReason::IngressDenied)];
            assert_eq!(say(&mut world, PORT1, &unasked), (vec![], denied, 0));
        }
    }
}

#[test]
fn routed_packets_meet_the_groups_of_who_they_go_to() {
    for with_lane in [true, false] {
        for (is6, remote) in [(true, "2001:db8:3::10"), (false, "10.3.0.10")] {
            let to_b = |from: u16| {
                let packet = match is6 {
                    true => Packet::udp6(MAC1, remote, &neighbour(1, true), 40),
                    false => Packet::udp4(MAC1, remote, &neighbour(1, false), 40),
                };
                let [a, b] = from.to_be_bytes();
                packet
                    .set(if is6 { 40 } else { 20 }, &[a, b])
                    .tagged(&[100])
            };
            let mut world = plugged(with_lane, &open(), &out_only());
            let denied = vec![(AT_B.0, DropReason::IngressDenied)];
            assert_eq!(say(&mut world, PORT1, &to_b(5)), (vec![], denied, 0));
            let ask = match is6 {
                true => Packet::udp6(RED_MAC, &neighbour(1, true), remote, 40),
                false => Packet::udp4(RED_MAC, &neighbour(1, false), remote, 40),
            };
            let ask = ask.set(if is6 { 40 } else { 20 }, &[0, 53, 0, 5]).from(B);
            assert_eq!(say(&mut world, PORT0, &ask).0, [1]);
            let answer = to_b(5).set(if is6 { 42 } else { 22 }, &[0, 53]);
            assert_eq!(say(&mut world, PORT1, &answer).0, [0]);
        }
    }
}

#[test]
fn who_a_machine_says_it_is_comes_before_what_it_says() {
    for with_lane in [true, false] {
        for is6 in [true, false] {
            let mut world = plugged(with_lane, &open(), &open());
            let right = udp(STATION_B, STATION_A, is6, (7, 53));
            assert_eq!(say(&mut world, PORT0, &right).0, [1]);
            let spoofed = match is6 {
                true => DropReason::Ip6SourceSpoofed,
                false => DropReason::Ip4SourceSpoofed,
            };
            let other = udp((B, 2), STATION_A, is6, (7, 53));
            let (sent, denied, _) = say(&mut world, PORT0, &other);
            assert_eq!((sent, denied), (vec![], vec![(AT_B.0, spoofed)]));
            let mac = right.clone().from(C);
            let (sent, denied, _) = say(&mut world, PORT0, &mac);
            assert_eq!(
                (sent, denied),
                (vec![], vec![(AT_B.0, DropReason::MacSpoofed)])
            );
            // The flow that is known is nobody else's.
            assert_eq!(say(&mut world, PORT0, &right).0, [1]);
        }
    }
}

#[test]
fn what_goes_everywhere_reaches_no_port_of_another_mac() {
    for with_lane in [true, false] {
        let mut world = plugged(with_lane, &open(), &open());
        let frame = udp(STATION_C, (NOBODY, 9), true, (1, 2)).tagged(&[600, 601]);
        let (sent, denied, _) = say(&mut world, PORT1, &frame);
        // Tunnels hear it, machines do not.
        assert!(!sent.contains(&0), "{sent:?}");
        let mut denied: Vec<_> = denied
            .into_iter()
            .filter(|(_, why)| *why == DropReason::MacElsewhere)
            .collect();
        denied.sort_by_key(|(anchor, _)| *anchor);
        let both = [AT_A, AT_B].map(|anchor| (anchor.0, DropReason::MacElsewhere));
        assert_eq!(denied, both);
    }
}

#[test]
fn a_rogue_advertisement_does_not_leave_its_port() {
    for direction in [Egress, Ingress] {
        let mut world = plugged(false, &open(), &open());
        let advertisement = advertisement(direction);
        let port = if direction == Egress { PORT0 } else { PORT1 };
        let (sent, denied, _) = say(&mut world, port, &advertisement);
        match direction {
            Egress => assert_eq!(
                (sent, denied),
                (vec![], vec![(AT_B.0, DropReason::RaGuard)])
            ),
            // The operator's router is heard, by rules or without.
            Ingress => assert!(
                sent.contains(&0) && denied.is_empty(),
                "{sent:?} {denied:?}"
            ),
        }
    }
}

/// A router advertisement of B, or of C.
fn advertisement(direction: Direction) -> Packet {
    let (mac, tags): (_, &[u16]) = match direction {
        Egress => (B, &[]),
        Ingress => (C, &[600, 601]),
    };
    let mut message = vec![134, 0, 0, 0, 64, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0];
    let [source, group] = ["fe80::1", "ff02::1"];
    let ends = [source, group].map(|address| address.parse().unwrap());
    let sum = wire::checksum::checksum_v6(&ends[0], &ends[1], wire::ipv6::Protocol(58), &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let packet = Packet::ip6([0x33, 0x33, 0, 0, 0, 1], source, group, 58, &message);
    packet.set(7, &[255]).from(mac).tagged(tags)
}
