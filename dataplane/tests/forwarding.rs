//! What becomes of right packets: forwarded, spread, held, finished, refused, punted.

mod support;

use dataplane::drop::DropReason;
use dataplane::forwarding::Urpf;
use dataplane::punt::PuntClass;
use support::cases::Expect::{Held, Punt, Sent};
use support::cases::{check, through_both_ways, v4, v4_from, v6, v6_from};
use support::packet::{Packet, ethernet};
use support::*;
use tables::id::PortId;

#[test]
fn packets_to_resolved_neighbours_leave_with_a_lower_hop_limit() {
    let wan6 = || ethernet(HOST, MAC1, &[], 0x86dd);
    let wan4 = || ethernet(HOST, MAC1, &[], 0x0800);
    let lan6 = || ethernet(HOST, MAC0, &[], 0x86dd);
    check(vec![
        ("untagged", PORT0, v6("2001:db8:2::10"), Sent(PORT1, wan6())),
        (
            "untagged, IPv4",
            PORT0,
            v4("10.2.0.10"),
            Sent(PORT1, wan4()),
        ),
        (
            "to a VLAN",
            PORT0,
            v6("2001:db8:3::10"),
            Sent(PORT1, ethernet(HOST, MAC1, &[100], 0x86dd)),
        ),
        (
            "to a VLAN, IPv4",
            PORT0,
            v4("10.3.0.10"),
            Sent(PORT1, ethernet(HOST, MAC1, &[100], 0x0800)),
        ),
        (
            "to QinQ",
            PORT0,
            v6("2001:db8:4::10"),
            Sent(PORT1, ethernet(HOST, MAC1, &[200, 300], 0x86dd)),
        ),
        (
            "from a VLAN",
            PORT1,
            v6("2001:db8:1::10").to(MAC1).tagged(&[100]),
            Sent(PORT0, lan6()),
        ),
        (
            "from QinQ",
            PORT1,
            v6("2001:db8:1::10").to(MAC1).tagged(&[200, 300]),
            Sent(PORT0, lan6()),
        ),
        (
            "QinQ to VLAN",
            PORT1,
            v6("2001:db8:3::10").to(MAC1).tagged(&[200, 300]),
            Sent(PORT1, ethernet(HOST, MAC1, &[100], 0x86dd)),
        ),
        (
            "priority tag",
            PORT0,
            v6("2001:db8:2::10").tagged(&[0]),
            Sent(PORT1, wan6()),
        ),
        (
            "back out of its port",
            PORT0,
            v6("2001:db8:1::10"),
            Sent(PORT0, lan6()),
        ),
        (
            "by a gateway",
            PORT0,
            v6("2001:db8:8000::5"),
            Sent(PORT1, ethernet(GATEWAYS[0], MAC1, &[], 0x86dd)),
        ),
        (
            "by a gateway, IPv4",
            PORT0,
            v4("20.1.2.3"),
            Sent(PORT1, ethernet(GATEWAYS[0], MAC1, &[], 0x0800)),
        ),
        (
            "last hop but one",
            PORT0,
            v6("2001:db8:2::10").set(7, &[2]),
            Sent(PORT1, wan6()),
        ),
        (
            "padding is cut off",
            PORT0,
            Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 0).padded(18),
            Sent(PORT1, wan4()),
        ),
        (
            "padding behind IPv6",
            PORT0,
            v6("2001:db8:2::10").padded(6),
            Sent(PORT1, wan6()),
        ),
        (
            "just fits the MTU",
            PORT0,
            Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 1352),
            Sent(PORT1, wan6()),
        ),
        (
            "destination options",
            PORT0,
            Packet::ip6(
                MAC0,
                "2001:db8:1::10",
                "2001:db8:2::10",
                60,
                &[17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 0, 8, 0, 0],
            ),
            Sent(PORT1, wan6()),
        ),
        (
            "hop-by-hop options are not looked at",
            PORT0,
            Packet::ip6(
                MAC0,
                "2001:db8:1::10",
                "2001:db8:2::10",
                0,
                &[17, 0, 0xde, 4, 0, 0, 0, 0, 1, 2, 3, 4, 0, 8, 0, 0],
            ),
            Sent(PORT1, wan6()),
        ),
        (
            "later fragment",
            PORT0,
            Packet::ip6(
                MAC0,
                "2001:db8:1::10",
                "2001:db8:2::10",
                44,
                &[17, 0, 0, 8, 0, 0, 0, 9, 1, 2, 3],
            ),
            Sent(PORT1, wan6()),
        ),
        (
            "no next header",
            PORT0,
            Packet::ip6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 59, &[]),
            Sent(PORT1, wan6()),
        ),
        (
            "IPv4 options",
            PORT0,
            v4("10.2.0.10").options(&[7, 7, 4, 0, 0, 0, 0, 1]),
            Sent(PORT1, wan4()),
        ),
        (
            "IPv4 fragment",
            PORT0,
            v4("10.2.0.10").set(6, &[0x20, 0]).summed(),
            Sent(PORT1, wan4()),
        ),
        (
            "don't fragment",
            PORT0,
            v4("10.2.0.10").set(6, &[0x40, 0]).summed(),
            Sent(PORT1, wan4()),
        ),
    ]);
}

#[test]
fn the_lane_takes_plain_packets_and_only_those() {
    let plain = [
        v6("2001:db8:2::10"),
        v4("10.2.0.10"),
        v6("2001:db8:3::10"),
        v6("2001:db8:e::1"),
    ];
    for packet in plain {
        let (outcome, lane) = through_both_ways("plain", PORT0, &packet, |_| ());
        assert_eq!((outcome.sent.len(), lane), (1, 1), "{packet:?}");
    }
    let odd = [
        v6("2001:db8:2::10").tagged(&[0]),
        v4("10.2.0.10").options(&[1, 1, 1, 1]),
        v4("10.2.0.10").set(6, &[0x20, 0]).summed(),
        v6("2001:db8:1::1"),
    ];
    for packet in odd {
        let (_, lane) = through_both_ways("odd", PORT0, &packet, |_| ());
        assert_eq!(lane, 0, "{packet:?}");
    }
}

#[test]
fn neighbours_to_be_resolved_hold_the_packet() {
    check(vec![
        ("on the link", PORT0, v6("2001:db8:2::77"), Held),
        ("on the link, IPv4", PORT0, v4("10.2.0.77"), Held),
        ("gateway", PORT0, v6("2001:db8:d::1"), Held),
    ]);
}

#[test]
fn arp_goes_to_the_control_plane() {
    let mut arp = v4("10.2.0.10").to([0xff; 6]).ether_type(0x0806);
    let question = [0, 1, 8, 0, 6, 4, 0, 1];
    let asker = [&support::packet::SENDER[..], &[10, 1, 0, 10]].concat();
    arp.l3 = [&question[..], &asker, &[0; 6], &[10, 1, 0, 1]].concat();
    check(vec![("who has", PORT0, arp, Punt(PuntClass::Arp))]);
}

#[test]
fn reverse_path_check() {
    type Case = (
        &'static str,
        Urpf,
        &'static str,
        &'static str,
        Option<DropReason>,
    );
    let cases: [Case; 10] = [
        (
            "own network",
            Urpf::Strict,
            "2001:db8:1::10",
            "10.1.0.10",
            None,
        ),
        (
            "unresolved neighbour",
            Urpf::Strict,
            "2001:db8:1::99",
            "10.1.0.99",
            None,
        ),
        (
            "other network",
            Urpf::Strict,
            "2001:db8:3::10",
            "10.3.0.10",
            Some(DropReason::Urpf),
        ),
        (
            "other network, loose",
            Urpf::Loose,
            "2001:db8:3::10",
            "10.3.0.10",
            None,
        ),
        (
            "group elsewhere",
            Urpf::Strict,
            "2001:db8:e::1",
            "30.0.0.1",
            Some(DropReason::Urpf),
        ),
        (
            "group, loose",
            Urpf::Loose,
            "2001:db8:e::1",
            "30.0.0.1",
            None,
        ),
        (
            "no route",
            Urpf::Loose,
            "2001:db9::1",
            "99.0.0.1",
            Some(DropReason::Urpf),
        ),
        (
            "discard route",
            Urpf::Loose,
            "2001:db8:b0::1",
            "40.0.0.1",
            Some(DropReason::Urpf),
        ),
        (
            "one of ours",
            Urpf::Loose,
            "2001:db8:2::1",
            "10.2.0.1",
            Some(DropReason::Urpf),
        ),
        ("off", Urpf::Off, "2001:db9::1", "99.0.0.1", None),
    ];
    for (name, mode, source6, source4, fails) in cases {
        for packet in [v6_from(source6), v4_from(source4)] {
            for with_lane in [true, false] {
                let mut world = World::new(with_lane);
                world.change(LAN, |lan| {
                    lan.urpf6 = mode;
                    lan.urpf4 = mode;
                });
                world.receive(PORT0, &packet.bytes());
                world.round();
                let outcome = world.outcome();
                let want: Vec<_> = fails.iter().map(|reason| reason.label()).collect();
                assert_eq!(outcome.drops(), want, "{name}: {packet:?}");
                assert_eq!(outcome.sent.len(), 1 - want.len(), "{name}: {packet:?}");
            }
        }
    }
}

#[test]
fn a_group_spreads_flows_and_keeps_each_on_one_member() {
    let mut members = [0; 2];
    for flow in 0..20u16 {
        let port = (flow + 1000).to_be_bytes();
        let packets = [
            v6("2001:db8:e::1").set(40, &port),
            v4("30.0.0.1").set(20, &port),
        ];
        for packet in packets {
            let (once, _) = through_both_ways("flow", PORT0, &packet, |_| ());
            let (again, _) = through_both_ways("flow", PORT0, &packet, |_| ());
            assert_eq!(once.sent, again.sent);
            let to = &once.sent[0].1[..6];
            members[GATEWAYS.iter().position(|mac| to == mac).expect("a member")] += 1;
        }
    }
    assert!(members.iter().all(|&n| n > 8), "{members:?}");
}

/// A header without a payload, padded by what would be ports: the flow is the addresses' alone.
#[test]
fn padding_chooses_no_member_of_a_group() {
    let mut members: [Vec<Vec<u8>>; 2] = Default::default();
    for flow in 0..20u16 {
        let port = (flow + 1000).to_be_bytes();
        let packets = [
            v6("2001:db8:e::1").set(4, &[0, 0]).set(40, &port),
            v4("30.0.0.1").set(2, &[0, 20]).summed().set(20, &port),
        ];
        for (family, packet) in packets.into_iter().enumerate() {
            let (outcome, _) = through_both_ways("padding", PORT0, &packet, |_| ());
            assert_eq!(outcome.sent.len(), 1, "{packet:?}: {outcome:#?}");
            members[family].push(outcome.sent[0].1[..6].to_vec());
        }
    }
    for members in members {
        assert!(members.iter().all(|to| *to == members[0]), "{members:?}");
    }
}

#[test]
fn a_device_that_is_full_costs_named_drops() {
    for with_lane in [true, false] {
        let mut world = World::new(with_lane);
        world.limit_tx(PORT1, Some(3));
        for _ in 0..10 {
            world.receive(PORT0, &v6("2001:db8:2::10").bytes());
        }
        world.round();
        let outcome = world.outcome();
        assert_eq!(outcome.sent.len(), 3);
        assert_eq!(outcome.count("drop tx_full"), 7);
        assert_eq!(outcome.count("tx port 1 packets"), 3);
        let frame = v6("2001:db8:2::10").bytes().len() as u64;
        assert_eq!(outcome.count("tx port 1 bytes"), 3 * frame);
    }
}

#[test]
fn a_mixed_burst_comes_out_alike_and_in_order_per_flow() {
    let burst: Vec<Packet> = (0..64u16)
        .map(|n| match n % 8 {
            0 => v4("10.2.0.10"),
            1 => v6("2001:db8:3::10"),
            2 => v6("2001:db9::1"),
            3 => v6("2001:db8:1::10"),
            4 => v6("2001:db8:2::10").tagged(&[9]),
            5 => v4("10.3.0.10").options(&[1, 1, 1, 1]),
            _ => v6("2001:db8:2::10"),
        })
        .enumerate()
        .map(|(n, packet)| {
            let last = packet.l3.len() - 1;
            packet.set(last, &[n as u8])
        })
        .collect();
    let mut outcomes = [true, false].map(|with_lane| {
        let mut world = World::new(with_lane);
        burst
            .iter()
            .for_each(|packet| world.receive(PORT0, &packet.bytes()));
        world.round();
        world.outcome()
    });
    for outcome in &mut outcomes {
        let number = |frame: &(PortId, Vec<u8>)| frame.1.last().copied();
        let to_host = outcome.sent.iter().filter(|(port, frame)| {
            *port == PORT1 && frame[12..14] == [0x86, 0xdd] && frame[..6] == HOST
        });
        let order: Vec<_> = to_host.map(number).collect();
        assert!(order.is_sorted(), "{order:?}");
        outcome.sent.sort_by_key(|frame| (frame.0, frame.1.clone()));
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn headers_split_over_segments_are_gathered_or_dropped_by_name() {
    let packet = v6("2001:db8:2::10").bytes();
    for with_lane in [true, false] {
        let mut world = World::new(with_lane);
        let gathered = world.arena.chain(&[&packet[..30], &packet[30..]]);
        world.receive_mbuf(PORT0, gathered);
        world.round();
        let outcome = world.outcome();
        assert_eq!(outcome.sent.len(), 1, "{outcome:#?}");
        assert_eq!(outcome.sent[0].1[14..21], packet[14..21]);
        // The tail does not fit into the first buffer, whose header is cut.
        let mut long = Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:3::10", 1400).bytes();
        long.resize(3000, 0);
        let apart = world
            .arena
            .chain(&[&long[..30], &long[30..1500], &long[1500..]]);
        world.receive_mbuf(PORT0, apart);
        world.round();
        let outcome = world.outcome();
        assert_eq!(outcome.drops(), ["header_not_contiguous"], "{outcome:#?}");
    }
}

/// IPv6 and TCP with `size` bytes of data, the checksum left open as a virtual machine leaves it.
fn unfinished_tcp(size: usize) -> Packet {
    let mut tcp = vec![
        0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0,
    ];
    tcp.extend((0..size).map(|n| n as u8));
    let packet = Packet::ip6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 6, &tcp);
    let (source, destination) = (
        "2001:db8:1::10".parse().unwrap(),
        "2001:db8:2::10".parse().unwrap(),
    );
    let protocol = wire::Protocol::TCP;
    let sum = wire::checksum::Sum::pseudo_v6(&source, &destination, protocol, tcp.len());
    packet.set(40 + 16, &sum.fold().to_be_bytes())
}

fn has_right_checksum(frame: &[u8]) -> bool {
    let l3 = &frame[14..];
    let address = |at: usize| <[u8; 16]>::try_from(&l3[at..at + 16]).unwrap().into();
    wire::checksum::is_valid_v6(&address(8), &address(24), wire::Protocol::TCP, &l3[40..])
}

#[test]
fn what_a_virtual_machine_left_unfinished_is_finished() {
    use dpdk::mbuf::{flags, tx_offload};
    for with_lane in [true, false] {
        let mut world = World::new(with_lane);
        let mut open = world.arena.packet(&unfinished_tcp(100).bytes());
        open.set_ol_flags(flags::RX_L4_CKSUM_NONE);
        world.receive_mbuf(PORT0, open);
        world.round();
        let outcome = world.outcome();
        assert!(has_right_checksum(&outcome.sent[0].1), "{outcome:#?}");

        let mut batch = world.arena.packet(&unfinished_tcp(1800).bytes());
        batch.set_ol_flags(flags::RX_L4_CKSUM_NONE | flags::RX_LRO);
        batch.set_tx_offload(tx_offload(0, 0, 0, 500));
        world.receive_mbuf(PORT0, batch);
        world.round();
        let outcome = world.outcome();
        let sizes: Vec<_> = outcome
            .sent
            .iter()
            .map(|(_, frame)| frame.len() - 74)
            .collect();
        assert_eq!(sizes, [500, 500, 500, 300]);
        assert!(
            outcome
                .sent
                .iter()
                .all(|(_, frame)| has_right_checksum(frame))
        );
        assert_eq!(outcome.count("originated"), 3);

        // Segments that do not fit either: the sender must learn of the MTU.
        let mut batch = world.arena.packet(&unfinished_tcp(1800).bytes());
        batch.set_ol_flags(flags::RX_L4_CKSUM_NONE | flags::RX_LRO);
        batch.set_tx_offload(tx_offload(0, 0, 0, 1400));
        world.receive_mbuf(PORT0, batch);
        world.round();
        assert_eq!(world.outcome().drops(), ["ip6_packet_too_big"]);
    }
}

/// A virtual router's MAC: 1: IPv4, 2: IPv6 (RFC 9568 section 7.3).
const fn virtual_mac(block: u8, vrid: u8) -> [u8; 6] {
    [0, 0, 0x5e, 0, block, vrid]
}

#[test]
fn frames_to_active_virtual_routers_are_forwarded_in_the_lane_and_others_are_not() {
    use dataplane::forwarding::VirtualMacs;
    use std::sync::Arc;

    // One burst, in which addresses and families alternate.
    let packets: Vec<Packet> = (0..8)
        .flat_map(|_| {
            [
                v6("2001:db8:2::10"),
                v6("2001:db8:2::10").to(virtual_mac(2, 61)),
                v4("10.2.0.10").to(virtual_mac(1, 61)),
                v6("2001:db8:2::10").to(virtual_mac(2, 62)),
                v4("10.2.0.10").to(virtual_mac(1, 62)),
            ]
        })
        .collect();
    let run = |with_lane: bool| {
        let mut world = World::new(with_lane);
        let macs = Arc::new(VirtualMacs::default());
        for active in [virtual_mac(2, 61), virtual_mac(1, 61)] {
            macs.set(&active, true);
        }
        let shared = Arc::clone(&macs);
        world.change(LAN, |lan| lan.virtual_macs = Some(shared));
        for packet in &packets {
            world.receive(PORT0, &packet.bytes());
        }
        world.round();
        let first = world.outcome();
        let in_lane = world.lane_packets();
        // They become backups here, and one of the others active, without a new snapshot.
        macs.set(&virtual_mac(2, 61), false);
        macs.set(&virtual_mac(1, 62), true);
        for packet in &packets {
            world.receive(PORT0, &packet.bytes());
        }
        world.round();
        (first, world.outcome(), in_lane)
    };
    let (first, second, in_lane) = run(true);
    let (graph_first, graph_second, none) = run(false);
    assert_eq!(none, 0);
    assert_eq!(first.counters, graph_first.counters);
    assert_eq!(second.counters, graph_second.counters);
    assert_eq!(first.sent.len(), 24);
    let dropped = |outcome: &Outcome| outcome.count("drop virtual_router_backup");
    assert_eq!((dropped(&first), first.drops().len()), (16, 1));
    // Of each family those to the first one's address, and to one more.
    assert!(16 <= in_lane, "{in_lane} of 24");
    assert_eq!(second.sent.len(), 24, "own, IPv4 61, IPv4 62");
    assert_eq!(dropped(&second), 32);
}
