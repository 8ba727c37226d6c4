//! Every class of malformed or forbidden packet, and the one name under which it is dropped.

mod support;

use dataplane::drop::DropReason::*;
use support::cases::Expect::Drop;
use support::cases::{check, check_with, v4, v4_from, v6, v6_from};
use support::packet::Packet;
use support::*;

#[test]
fn malformed_link_layer_frames_are_dropped_by_name() {
    let short = |len: usize| {
        let mut packet = v6("2001:db8:2::10");
        packet.l3.clear();
        packet.padding = 0;
        assert!(len >= 14);
        packet
    };
    check(vec![
        ("no IP header at all", PORT0, short(14), Drop(Ip6Truncated)),
        (
            "other station",
            PORT0,
            v6("2001:db8:2::10").to([2, 9, 9, 9, 9, 9]),
            Drop(NotOurMac),
        ),
        (
            "group as sender",
            PORT0,
            v6("2001:db8:2::10").from([3, 0, 0, 0, 0, 1]),
            Drop(SourceMacMulticast),
        ),
        (
            "unknown VLAN",
            PORT0,
            v6("2001:db8:2::10").tagged(&[100]),
            Drop(UnknownVlan),
        ),
        (
            "unknown inner tag",
            PORT1,
            v6("2001:db8:1::10").to(MAC1).tagged(&[200, 301]),
            Drop(UnknownVlan),
        ),
        (
            "outer tag alone",
            PORT1,
            v6("2001:db8:1::10").to(MAC1).tagged(&[200]),
            Drop(UnknownVlan),
        ),
        (
            "three tags",
            PORT1,
            v6("2001:db8:1::10").to(MAC1).tagged(&[200, 300, 1]),
            Drop(UnknownVlan),
        ),
        (
            "length instead of a type",
            PORT0,
            v6("2001:db8:2::10").ether_type(100),
            Drop(UnknownEtherType),
        ),
        (
            "LLDP",
            PORT0,
            v6("2001:db8:2::10").ether_type(0x88cc),
            Drop(UnknownEtherType),
        ),
        (
            "broadcast to a unicast address",
            PORT0,
            v6("2001:db8:2::10").to([0xff; 6]),
            Drop(Ip6UnicastInMulticastFrame),
        ),
        (
            "broadcast to a unicast address, IPv4",
            PORT0,
            v4("10.2.0.10").to([0xff; 6]),
            Drop(Ip4UnicastInMulticastFrame),
        ),
        (
            "ARP cut short",
            PORT0,
            v4("10.2.0.10").ether_type(0x0806).cut(20),
            Drop(ArpMalformed),
        ),
    ]);
    let mut world = World::new(true);
    world.receive(PORT0, &[2, 0, 0, 0, 0, 0x10, 2, 0, 0]);
    world.round();
    assert_eq!(world.outcome().drops(), ["frame_truncated"]);
}

#[test]
fn malformed_and_forbidden_ipv6_packets_are_dropped_by_name() {
    let chain =
        |next, payload: &[u8]| Packet::ip6(MAC0, "2001:db8:1::10", "2001:db8:2::10", next, payload);
    let routing0 = [
        17, 2, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 2, 0, 8,
        0, 0,
    ];
    let many: Vec<u8> = [60, 0, 1, 4, 0, 0, 0, 0].repeat(20);
    check(vec![
        (
            "cut in the header",
            PORT0,
            v6("2001:db8:2::10").cut(39),
            Drop(Ip6Truncated),
        ),
        (
            "version 5",
            PORT0,
            v6("2001:db8:2::10").set(0, &[0x50]),
            Drop(Ip6BadVersion),
        ),
        (
            "longer than its frame",
            PORT0,
            v6("2001:db8:2::10").cut(80),
            Drop(Ip6BadLength),
        ),
        (
            "jumbogram",
            PORT0,
            chain(0, &[17, 0, 0xc2, 4, 0, 1, 0, 0]).set(4, &[0, 0]),
            Drop(Ip6Jumbogram),
        ),
        (
            "multicast source",
            PORT0,
            v6_from("ff02::1"),
            Drop(Ip6SourceMulticast),
        ),
        (
            "loopback source",
            PORT0,
            v6_from("::1"),
            Drop(Ip6SourceLoopback),
        ),
        (
            "mapped source",
            PORT0,
            v6_from("::ffff:10.0.0.1"),
            Drop(Ip6SourceMapped),
        ),
        (
            "compatible source",
            PORT0,
            v6_from("::10.0.0.1"),
            Drop(Ip6SourceMapped),
        ),
        (
            "unspecified source",
            PORT0,
            v6_from("::"),
            Drop(Ip6SourceUnspecified),
        ),
        (
            "link-local source",
            PORT0,
            v6_from("fe80::5"),
            Drop(Ip6SourceLinkLocal),
        ),
        ("to ::", PORT0, v6("::"), Drop(Ip6DestinationUnspecified)),
        (
            "to loopback",
            PORT0,
            v6("::1"),
            Drop(Ip6DestinationLoopback),
        ),
        (
            "to a mapped address",
            PORT0,
            v6("::ffff:10.2.0.10"),
            Drop(Ip6DestinationMapped),
        ),
        (
            "reserved multicast scope",
            PORT0,
            v6("ff00::1").to([0x33, 0x33, 0, 0, 0, 1]),
            Drop(Ip6MulticastScope),
        ),
        (
            "interface-local multicast",
            PORT0,
            v6("ff01::1").to([0x33, 0x33, 0, 0, 0, 1]),
            Drop(Ip6MulticastScope),
        ),
        (
            "routing header 0",
            PORT0,
            chain(43, &routing0),
            Drop(Ip6RoutingHeader0),
        ),
        (
            "extension header cut short",
            PORT0,
            chain(60, &[17, 9, 0, 0, 0, 0, 0, 0]),
            Drop(Ip6ExtensionTruncated),
        ),
        (
            "too many extension headers",
            PORT0,
            chain(60, &many),
            Drop(Ip6ExtensionTooMany),
        ),
        (
            "hop-by-hop behind another",
            PORT0,
            chain(60, &[0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]),
            Drop(Ip6HopByHopNotFirst),
        ),
        (
            "first fragment without its upper layer",
            PORT0,
            chain(44, &[17, 0, 0, 1, 0, 0, 0, 9, 1, 2]),
            Drop(Ip6FirstFragmentIncomplete),
        ),
        (
            "two fragment headers",
            PORT0,
            chain(44, &[44, 0, 0, 1, 0, 0, 0, 9, 17, 0, 0, 1, 0, 0, 0, 9]),
            Drop(Ip6FragmentMalformed),
        ),
        (
            "fragment beyond 64 KiB",
            PORT0,
            chain(44, &[17, 0, 0xff, 0xf8, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8]),
            Drop(Ip6FragmentMalformed),
        ),
        (
            "hop limit 1",
            PORT0,
            v6("2001:db8:2::10").set(7, &[1]),
            Drop(Ip6HopLimit),
        ),
        (
            "hop limit 0",
            PORT0,
            v6("2001:db8:2::10").set(7, &[0]),
            Drop(Ip6HopLimit),
        ),
        ("no route", PORT0, v6("2001:db9::1"), Drop(Ip6NoRoute)),
        (
            "discard route",
            PORT0,
            v6("2001:db8:b0::1"),
            Drop(Blackhole),
        ),
        (
            "unreachable route",
            PORT0,
            v6("2001:db8:b1::1"),
            Drop(Unreachable),
        ),
        (
            "prohibit route",
            PORT0,
            v6("2001:db8:b2::1"),
            Drop(Prohibited),
        ),
        ("empty group", PORT0, v6("2001:db8:f::1"), Drop(GroupEmpty)),
        (
            "too big",
            PORT0,
            Packet::udp6(MAC0, "2001:db8:1::10", "2001:db8:2::10", 1353),
            Drop(Ip6PacketTooBig),
        ),
    ]);
    check_with(
        vec![(
            "IPv6 is off",
            PORT0,
            v6("2001:db8:2::10"),
            Drop(Ip6NotEnabled),
        )],
        |world| {
            world.change(LAN, |lan| lan.ip6 = false);
        },
    );
}

#[test]
fn malformed_and_forbidden_ipv4_packets_are_dropped_by_name() {
    let good = || v4("10.2.0.10");
    check(vec![
        (
            "cut in the header",
            PORT0,
            good().cut(19),
            Drop(Ip4Truncated),
        ),
        (
            "cut in the options",
            PORT0,
            good().set(0, &[0x4f]).cut(40),
            Drop(Ip4Truncated),
        ),
        (
            "version 5",
            PORT0,
            good().set(0, &[0x55]),
            Drop(Ip4BadVersion),
        ),
        (
            "header of 16 bytes",
            PORT0,
            good().set(0, &[0x44]),
            Drop(Ip4BadHeaderLength),
        ),
        (
            "longer than its frame",
            PORT0,
            good().cut(60),
            Drop(Ip4BadLength),
        ),
        (
            "shorter than its header",
            PORT0,
            good().set(2, &[0, 19]),
            Drop(Ip4BadLength),
        ),
        (
            "checksum",
            PORT0,
            good().set(10, &[1, 2]),
            Drop(Ip4BadChecksum),
        ),
        (
            "loose source route",
            PORT0,
            good().options(&[131, 7, 4, 10, 2, 0, 10, 0]),
            Drop(Ip4SourceRoute),
        ),
        (
            "strict source route",
            PORT0,
            good().options(&[137, 7, 4, 10, 2, 0, 10, 0]),
            Drop(Ip4SourceRoute),
        ),
        (
            "option of length 0",
            PORT0,
            good().options(&[7, 0, 0, 0]),
            Drop(Ip4Options),
        ),
        (
            "option beyond the header",
            PORT0,
            good().options(&[7, 9, 4, 0]),
            Drop(Ip4Options),
        ),
        (
            "source 0.0.0.0",
            PORT0,
            v4_from("0.0.0.0"),
            Drop(Ip4SourceUnspecified),
        ),
        (
            "source 0.1.2.3",
            PORT0,
            v4_from("0.1.2.3"),
            Drop(Ip4SourceUnspecified),
        ),
        (
            "source 127.0.0.1",
            PORT0,
            v4_from("127.0.0.1"),
            Drop(Ip4SourceLoopback),
        ),
        (
            "multicast source",
            PORT0,
            v4_from("224.0.0.1"),
            Drop(Ip4SourceMulticast),
        ),
        (
            "broadcast source",
            PORT0,
            v4_from("255.255.255.255"),
            Drop(Ip4SourceMulticast),
        ),
        (
            "link-local source",
            PORT0,
            v4_from("169.254.1.1"),
            Drop(Ip4SourceLinkLocal),
        ),
        (
            "to 0.0.0.0",
            PORT0,
            v4("0.0.0.0"),
            Drop(Ip4DestinationMartian),
        ),
        (
            "to loopback",
            PORT0,
            v4("127.0.0.1"),
            Drop(Ip4DestinationMartian),
        ),
        (
            "to a reserved address",
            PORT0,
            v4("240.0.0.1"),
            Drop(Ip4DestinationMartian),
        ),
        (
            "limited broadcast",
            PORT0,
            v4("255.255.255.255").to([0xff; 6]),
            Drop(Ip4Broadcast),
        ),
        (
            "directed broadcast",
            PORT0,
            v4("10.2.0.255"),
            Drop(Ip4DirectedBroadcast),
        ),
        (
            "directed broadcast on its link",
            PORT0,
            v4("10.1.0.255").to([0xff; 6]),
            Drop(Ip4DirectedBroadcast),
        ),
        (
            "fragment beyond 64 KiB",
            PORT0,
            good().set(6, &[0x1f, 0xff]).summed(),
            Drop(Ip4FragmentMalformed),
        ),
        (
            "TTL 1",
            PORT0,
            good().set(8, &[1]).summed(),
            Drop(Ip4TtlExceeded),
        ),
        (
            "TTL 0",
            PORT0,
            good().set(8, &[0]).summed(),
            Drop(Ip4TtlExceeded),
        ),
        ("no route", PORT0, v4("99.0.0.1"), Drop(Ip4NoRoute)),
        ("discard route", PORT0, v4("40.0.0.1"), Drop(Blackhole)),
        (
            "unreachable route",
            PORT0,
            v4("41.0.0.1"),
            Drop(Unreachable),
        ),
        ("prohibit route", PORT0, v4("42.0.0.1"), Drop(Prohibited)),
        ("empty group", PORT0, v4("31.0.0.1"), Drop(GroupEmpty)),
        (
            "too big with DF",
            PORT0,
            Packet::udp4(MAC0, "10.1.0.10", "10.2.0.10", 1400)
                .set(6, &[0x40, 0])
                .summed(),
            Drop(Ip4FragmentationNeeded),
        ),
    ]);
    check_with(
        vec![
            ("IPv4 is off", PORT0, good(), Drop(Ip4NotEnabled)),
            (
                "ARP is off",
                PORT0,
                good().ether_type(0x0806),
                Drop(ArpNotEnabled),
            ),
        ],
        |world| world.change(LAN, |lan| lan.ip4 = false),
    );
}
