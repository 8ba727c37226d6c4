//! Random packets: none may panic the worker, none may be lost, and lane and graph must agree about every one.

mod support;

use proptest::prelude::*;
use support::overlay::{A, B, C, RED_MAC, far, outer, stretch};
use support::packet::Packet;
use support::*;

/// A right packet with some bytes changed, cut or extended.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let right = prop_oneof![
        Just(Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 32)),
        Just(Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:e::1", 32)),
        Just(Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::77", 32)),
        Just(Packet::udp6(MAC0, "fe80::5", "fe80::1", 32)),
        Just(Packet::udp6(MAC0, "fe80::5", "ff02::1", 32).to([0x33, 0x33, 0, 0, 0, 1])),
        Just(Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 32)),
        Just(Packet::udp4(MAC0, "10.1.0.10", "10.1.0.1", 32)),
        Just(Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 1420)),
        Just(Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 32).options(&[7, 7, 4, 0, 0, 0, 0, 1])),
        Just(Packet::ip6(
            MAC0,
            "2001:db8:1::10",
            "2001:db8:2::10",
            60,
            &[
                44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 0, 8, 0, 0
            ],
        )),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (right, changes, 0usize..2000, any::<bool>()).prop_map(|(packet, changes, len, resize)| {
        let mut bytes = packet.bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len().min(80));
            bytes[at] = value;
        }
        if resize {
            bytes.resize(len.max(1), 0);
        }
        bytes
    })
}

/// Frames of a network and outer packets of its tunnels, some of them broken.
fn overlay() -> impl Strategy<Value = Vec<u8>> {
    let station = |n: usize| match n {
        0 => A,
        1 => B,
        2 => C,
        n => far(n - 2),
    };
    let frame = (0usize..8, 0usize..10, 0usize..3).prop_map(move |(from, to, packet)| {
        let destination = match to {
            8 => RED_MAC,
            9 => [0xff; 6],
            to => station(to),
        };
        let packet = match packet {
            0 => Packet::udp6(destination, "2001:db8:5::10", "2001:db8:2::10", 32),
            1 => Packet::udp6(destination, "2001:db8:5::10", "2001:db8:5::13", 32),
            _ => Packet::udp4(destination, "10.5.0.16", "10.5.0.17", 32),
        };
        packet.from(station(from))
    });
    let placed = (frame, 0usize..10).prop_map(|(frame, place)| match place {
        0 => frame.tagged(&[500]),
        1 => frame.tagged(&[501]),
        2 => frame.tagged(&[600, 601]),
        3 => frame,
        4 => Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:5::14", 32),
        n => outer(n - 4, &frame),
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2);
    (placed, changes).prop_map(|(packet, changes)| {
        let mut bytes = packet.bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len().min(140));
            bytes[at] = value;
        }
        bytes
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_packet_ends_in_one_counter(
        bursts in prop::collection::vec(
            prop::collection::vec((0u16..2, prop_oneof![4 => mutated(), 1 => noise()]), 1..64),
            1..4,
        )
    ) {
        let outcomes = [true, false].map(|with_lane| {
            let mut world = World::new(with_lane);
            let mut outcome = Outcome::default();
            for burst in &bursts {
                for (port, bytes) in burst {
                    world.receive(tables::id::PortId(*port), bytes);
                }
                world.round();
                let after = world.outcome();
                outcome.sent.extend(after.sent);
                outcome.punted.extend(after.punted);
                outcome.counters = after.counters;
            }
            // Packets that the lane does not take may be overtaken by those that it takes.
            outcome.sent.sort();
            outcome.punted.sort_by_key(|(class, bytes)| (class.index(), bytes.clone()));
            outcome
        });
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
    }

    #[test]
    fn every_packet_of_a_network_ends_in_one_counter(
        bursts in prop::collection::vec(
            prop::collection::vec((0u16..2, overlay()), 1..64),
            1..4,
        )
    ) {
        let outcomes = [true, false].map(|with_lane| {
            let mut world = World::new(with_lane);
            stretch(&mut world);
            let mut outcome = Outcome::default();
            for burst in &bursts {
                for (port, bytes) in burst {
                    world.receive(tables::id::PortId(*port), bytes);
                }
                world.round();
                let after = world.outcome();
                outcome.sent.extend(after.sent);
                outcome.heard.extend(after.heard);
                outcome.punted.extend(after.punted);
                outcome.counters = after.counters;
            }
            outcome.sent.sort();
            // Which notes are told twice depends on the order.
            outcome.heard.sort_by_key(|heard| (heard.mac, heard.at));
            outcome.heard.dedup();
            outcome.punted.sort_by_key(|(class, bytes)| (class.index(), bytes.clone()));
            outcome
        });
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
    }

    #[test]
    fn chains_cut_anywhere_are_forwarded_or_dropped_by_name(
        cuts in prop::collection::btree_set(1usize..400, 0..6),
    ) {
        let packet = Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 400).bytes();
        let mut world = World::new(true);
        let mut segments: Vec<&[u8]> = Vec::new();
        let mut from = 0;
        for cut in cuts {
            segments.push(&packet[from..cut]);
            from = cut;
        }
        segments.push(&packet[from..]);
        let chain = world.arena.chain(&segments);
        world.receive_mbuf(PORT0, chain);
        world.round();
        let outcome = world.outcome();
        prop_assert_eq!(outcome.sent.len(), 1, "{:?}", outcome);
        prop_assert_eq!(&outcome.sent[0].1[22..], &packet[22..]);
    }
}
