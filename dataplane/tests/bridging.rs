//! Layer-2 networks: frames that are switched, and routed packets to their stations, by lane and graph alike.

mod support;

use dataplane::drop::DropReason;
use dataplane::forwarding::network::UnknownUnicast;
use support::cases::{through_both_ways, v6};
use support::overlay::{
    A, B, C, RED, RED_MAC, TUNNELS, change_network, change_tunnel, ends, far, neighbour, outer,
    stretch,
};
use support::packet::{Packet, SENDER};
use support::*;

/// Through both ways, which must agree; and whether the lane took it.
fn taken(name: &str, packet: &Packet) -> (Outcome, bool) {
    let (outcome, lane) = through_both_ways(name, PORT0, packet, stretch);
    (outcome, lane == 1)
}

/// From a host on the LAN to a neighbour on the network.
fn to_neighbour(n: usize, is6: bool) -> Packet {
    match is6 {
        true => Packet::udp6(MAC0, "2001:db8:1::10", &neighbour(n, true), 40),
        false => Packet::udp4(MAC0, "10.1.0.10", &neighbour(n, false), 40),
    }
}

fn with_checksums(world: &mut World) {
    stretch(world);
    for n in 1..=TUNNELS.len() {
        change_tunnel(world, n as u16, |tunnel| tunnel.checksum = true);
    }
}

#[test]
fn routed_packets_reach_stations_on_devices_and_behind_tunnels() {
    for n in 0..3 + TUNNELS.len() {
        for is6 in [true, false] {
            for prepare in [stretch, with_checksums] {
                let packet = to_neighbour(n, is6);
                let (outcome, lane) = through_both_ways("routed", PORT0, &packet, prepare);
                assert_eq!(lane, 1, "{n}: {outcome:#?}");
                assert_eq!(outcome.sent.len(), 1, "{n}: {outcome:#?}");
                assert_eq!(outcome.count("network tx 1 packets"), 1, "{n}");
                let tunnels = (1..=TUNNELS.len()).map(|n| format!("tunnel tx {n} packets"));
                let packed: u64 = tunnels.map(|name| outcome.count(&name)).sum();
                assert_eq!(packed, u64::from(3 <= n), "{n}: {outcome:#?}");
            }
        }
    }
}

#[test]
fn what_is_packed_says_what_its_contents_say() {
    let cases = [
        (
            "class",
            to_neighbour(3, true).set(0, &[0x6b, 0x92, 0x34, 0x56]),
        ),
        (
            "class over IPv4",
            to_neighbour(4, true).set(0, &[0x6b, 0x92, 0x34, 0x56]),
        ),
        (
            "class of IPv4",
            to_neighbour(4, false).set(1, &[0xb9]).summed(),
        ),
        (
            "no ports",
            Packet::ip6(MAC0, "2001:db8:1::10", &neighbour(3, true), 59, &[]),
        ),
        (
            "odd length",
            Packet::udp6(MAC0, "2001:db8:1::10", &neighbour(7, true), 33),
        ),
        ("padded", to_neighbour(4, false).padded(9)),
    ];
    for (name, packet) in cases {
        let (outcome, lane) = through_both_ways(name, PORT0, &packet, with_checksums);
        assert_eq!((lane, outcome.sent.len()), (1, 1), "{name}: {outcome:#?}");
    }
}

#[test]
fn frames_are_switched_between_devices_and_into_tunnels() {
    let packet = |to, from| Packet::udp6(to, "2001:db8:5::10", "2001:db8:5::11", 40).from(from);
    let places: [(_, _, &[u16]); 3] = [
        (PORT1, A, &[500]),
        (PORT0, B, &[501]),
        (PORT1, C, &[600, 601]),
    ];
    for (port, from, tags) in places {
        let far = (1..=TUNNELS.len()).map(far);
        for to in [A, B, C].into_iter().chain(far).filter(|to| *to != from) {
            let frame = packet(to, from).tagged(tags);
            let (outcome, lane) = through_both_ways("switched", port, &frame, stretch);
            assert_eq!(
                (lane, outcome.sent.len()),
                (1, 1),
                "{from:?} {to:?}: {outcome:#?}"
            );
            let arp = frame.ether_type(0x0806);
            let (outcome, lane) = through_both_ways("not IP", port, &arp, with_checksums);
            assert_eq!(
                (lane, outcome.sent.len()),
                (1, 1),
                "{from:?} {to:?}: {outcome:#?}"
            );
        }
        let frame = Packet::udp6(RED_MAC, "2001:db8:5::10", "2001:db8:2::10", 40);
        let frame = frame.from(from).tagged(tags);
        let (outcome, lane) = through_both_ways("to the router", port, &frame, stretch);
        assert_eq!((lane, outcome.sent.len()), (1, 1), "{from:?}: {outcome:#?}");
    }
    for n in 1..=TUNNELS.len() {
        for to in [A, B, C] {
            let (outcome, lane) = taken("out of a tunnel", &outer(n, &packet(to, far(n))));
            assert!(lane && outcome.sent.len() == 1, "{n}: {outcome:#?}");
            assert_eq!(outcome.count("network tx 1 packets"), 1);
        }
        let to = neighbour(3, true);
        let again = Packet::udp6(RED_MAC, "2001:db8:5::99", &to, 40).from(far(n));
        let (outcome, lane) = taken("from tunnel to tunnel by the router", &outer(n, &again));
        assert!(lane && outcome.sent.len() == 1, "{n}: {outcome:#?}");
    }
}

#[test]
fn what_is_odd_about_frames_of_networks_is_left_to_the_graph() {
    use DropReason::*;
    let frame = |to, from| Packet::udp6(to, "2001:db8:5::10", "2001:db8:5::11", 40).from(from);
    let long = |to, size| Packet::udp6(to, "2001:db8:5::10", "2001:db8:5::11", size).from(A);
    let cases = [
        ("unknown destination", frame(SENDER, A).tagged(&[500]), None),
        ("unknown source", frame(B, SENDER).tagged(&[500]), None),
        ("source elsewhere", frame(C, B).tagged(&[500]), None),
        (
            "source ours",
            frame(B, RED_MAC).tagged(&[500]),
            Some(L2OwnSource),
        ),
        (
            "source a group",
            frame(B, [3, 0, 0, 0, 0, 1]).tagged(&[500]),
            Some(SourceMacMulticast),
        ),
        (
            "to a group",
            frame([0x33, 0x33, 0, 0, 0, 1], A).tagged(&[500]),
            None,
        ),
        ("same place", frame(A, A).tagged(&[500]), Some(L2SamePlace)),
        ("priority tag", frame(B, A).tagged(&[0]), None),
        ("priority tag outside", frame(B, A).tagged(&[0, 500]), None),
        (
            "three tags",
            frame(B, A).tagged(&[500, 501, 502]),
            Some(UnknownVlan),
        ),
        (
            "another VLAN",
            frame(B, A).tagged(&[499]),
            Some(UnknownVlan),
        ),
        ("too big", long(B, 1410).tagged(&[500]), Some(L2TooBig)),
        (
            "too big for the tunnel",
            long(far(1), 1350).tagged(&[500]),
            Some(TunnelTooBig),
        ),
        ("cut short", frame(B, A).tagged(&[500]).cut(0), None),
        (
            "for the router, link-local",
            Packet::udp6(RED_MAC, "fe80::5", "fe80::1", 9)
                .from(A)
                .tagged(&[500]),
            None,
        ),
        (
            "for the router, echo",
            Packet::ip6(
                RED_MAC,
                "2001:db8:5::10",
                "2001:db8:5::1",
                58,
                &[128, 0, 0, 0, 0, 1, 0, 1],
            )
            .from(A)
            .tagged(&[500]),
            None,
        ),
        (
            "an interface's VLAN",
            v6("2001:db8:1::10").to(MAC1).tagged(&[100]),
            None,
        ),
    ];
    for (name, packet, reason) in cases {
        let (outcome, _) = through_both_ways(name, PORT1, &packet, stretch);
        let reasons: Vec<_> = reason.iter().map(|reason| reason.label()).collect();
        let dropped = outcome
            .drops()
            .into_iter()
            .filter(|name| reasons.contains(name));
        assert_eq!(dropped.count(), reasons.len(), "{name}: {outcome:#?}");
    }
}

#[test]
fn outer_packets_that_ask_for_more_take_the_graph() {
    type Case = (&'static str, fn(&mut World), u64);
    let cases: [Case; 6] = [
        (
            "unresolved",
            |world| {
                let glean = world.lookup6("2001:db8:2::77");
                world.route(ends(true)[1], 128, glean);
            },
            0,
        ),
        (
            "a group of next hops",
            |world| {
                let group = world.lookup6("2001:db8:e::1");
                world.route(ends(true)[1], 128, group);
            },
            0,
        ),
        (
            "to a tagged link",
            |world| {
                let vlan = world.lookup6("2001:db8:3::10");
                world.route(ends(true)[1], 128, vlan);
            },
            1,
        ),
        (
            "discarded",
            |world| {
                let nowhere = world.lookup6("2001:db8:b0::1");
                world.route(ends(true)[1], 128, nowhere);
            },
            0,
        ),
        (
            "unknown station",
            |world| {
                world.stations.remove(RED, far(1));
            },
            0,
        ),
        (
            "unknown stations are dropped",
            |world| {
                world.stations.remove(RED, far(1));
                change_network(world, |network| {
                    network.unknown_unicast = UnknownUnicast::Drop;
                });
            },
            0,
        ),
    ];
    for (name, prepare, in_lane) in cases {
        let outcomes = [true, false].map(|with_lane| {
            let mut world = World::new(with_lane);
            stretch(&mut world);
            prepare(&mut world);
            world.receive(PORT0, &to_neighbour(3, true).bytes());
            world.round();
            (world.outcome(), world.lane_packets())
        });
        assert_eq!(outcomes[0].0, outcomes[1].0, "{name}");
        assert_eq!(outcomes[0].1, in_lane, "{name}");
    }
}

/// Runs for one port are sent as bursts, and in order.
#[test]
fn a_burst_of_frames_leaves_in_order() {
    let frames: Vec<Vec<u8>> = (0..64_u8)
        .map(|n| {
            let to = if n < 40 {
                B
            } else {
                [B, C, far(1)][usize::from(n % 3)]
            };
            let packet = Packet::udp6(to, "2001:db8:5::10", "2001:db8:5::11", 40).from(A);
            packet.set(60, &[n]).tagged(&[500]).bytes()
        })
        .collect();
    let outcomes = [true, false].map(|with_lane| {
        let mut world = World::new(with_lane);
        stretch(&mut world);
        frames.iter().for_each(|frame| world.receive(PORT1, frame));
        world.round();
        assert_eq!(world.lane_packets(), if with_lane { 64 } else { 0 });
        let mut outcome = world.outcome();
        // Of one flow, that is: what goes by a tunnel is a stage later in the graph.
        outcome
            .sent
            .sort_by_key(|(port, frame)| (*port, frame[..6].to_vec()));
        outcome
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0].sent.len(), 64);
}

#[test]
fn a_device_that_is_full_costs_named_drops_of_frames_too() {
    for with_lane in [true, false] {
        let mut world = World::new(with_lane);
        stretch(&mut world);
        world.limit_tx(PORT0, Some(3));
        let frame = Packet::udp6(B, "2001:db8:5::10", "2001:db8:5::11", 40).from(A);
        for _ in 0..20 {
            world.receive(PORT1, &frame.clone().tagged(&[500]).bytes());
        }
        world.round();
        let outcome = world.outcome();
        assert_eq!((outcome.sent.len(), outcome.count("drop tx_full")), (3, 17));
    }
}
