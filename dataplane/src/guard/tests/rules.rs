//! Sources of IPv6, routers, neighbours: rule by rule.

use super::build::*;
use super::*;

const ALL_NODES: &str = "ff02::1";

/// What the same must be behind, to be told all the same.
pub const BEHIND: [&[Ext]; 6] = [
    &[],
    &[Ext::HopByHop],
    &[Ext::Destination(2)],
    &[Ext::Routing],
    &[Ext::Auth],
    &[
        Ext::HopByHop,
        Ext::Destination(1),
        Ext::Routing,
        Ext::Destination(3),
    ],
];

/// The same for what has an upper layer of at least 8 bytes and may be in fragments.
pub const IN_FRAGMENTS: [&[Ext]; 4] = [
    &[Ext::Fragment(0, false)],
    &[Ext::Fragment(0, true)],
    &[Ext::HopByHop, Ext::Fragment(0, true), Ext::Destination(1)],
    &[
        Ext::Destination(2),
        Ext::Fragment(0, false),
        Ext::Destination(4),
    ],
];

fn detection(target: &str) -> Six {
    let target = ip(target);
    let group = wire::addr::v6::solicited_node(target);
    nd(0, group, 135, Some(target), None)
}

#[test]
fn a_source_is_bound_to_the_port_and_its_mac() {
    let world = world();
    let cases = [
        ("2001:db8:1::7", Ok(Kind::Data)),
        ("fe80::7", Ok(Kind::Data)),
        ("2001:db8:1::8", Err(R::Ip6SourceSpoofed)),
        ("2001:db8:1::99", Err(R::Ip6SourceSpoofed)),
        ("2001:db8:2::7", Err(R::Ip6SourceSpoofed)),
        ("fe80::99", Err(R::Ip6SourceSpoofed)),
        ("::", Err(R::Ip6SourceSpoofed)),
        ("::1", Err(R::Ip6SourceSpoofed)),
        ("::ffff:192.0.2.7", Err(R::Ip6SourceSpoofed)),
        ("ff02::7", Err(R::Ip6SourceSpoofed)),
    ];
    for (source, expected) in cases {
        let source = u128::from_be_bytes(source.parse::<std::net::Ipv6Addr>().unwrap().octets());
        let udp = udp6(source, ip("2001:db8:5::1"), 1000, 53, b"question");
        let echo = icmp(source, ip("2001:db8:5::1"), 128, &[0; 8]);
        let tcp = Six {
            protocol: 6,
            upper: vec![0; 20],
            ..udp.clone()
        };
        let later = udp.behind(&[Ext::HopByHop, Ext::Fragment(1232, true)]);
        check(&world, &later.frame(), expected);
        for ext in BEHIND.into_iter().chain(IN_FRAGMENTS) {
            for packet in [&udp, &echo, &tcp] {
                check(&world, &packet.behind(ext).frame(), expected);
            }
        }
    }
    let udp = udp6(ip("2001:db8:1::7"), 1 << 64, 1000, 53, b"");
    check(&world, &udp.frame_of(OTHER), Err(R::MacSpoofed));
    check(&world, &udp.frame_of([0; 6]), Err(R::MacSpoofed));
    check(&world, &udp.frame_of([3; 6]), Err(R::SourceMacMulticast));
}

#[test]
fn where_any_mac_may_be_an_address_is_that_of_its_own() {
    let world = World {
        macs: Vec::new(),
        held_macs: HashMap::from([([2, 0, 0, 0, 0, 9], false), ([2, 0, 0, 0, 0, 10], true)]),
        ..world()
    };
    let udp = udp6(ip("2001:db8:1::7"), 1 << 64, 1000, 53, b"");
    check(&world, &udp.frame(), Ok(Kind::Data));
    check(&world, &udp.frame_of(OTHER), Err(R::Ip6SourceSpoofed));
    let detect = detection("2001:db8:1::77");
    check(&world, &detect.frame_of(OTHER), Ok(Kind::Neighbor));
    check(
        &world,
        &detect.frame_of([2, 0, 0, 0, 0, 10]),
        Ok(Kind::Neighbor),
    );
    check(
        &world,
        &detect.frame_of([2, 0, 0, 0, 0, 9]),
        Err(R::MacSpoofed),
    );
    check(&world, &detect.frame_of([0; 6]), Err(R::MacSpoofed));
}

#[test]
fn pairs_pass_whatever_is_bound() {
    let world = World {
        macs: vec![HOST, OTHER],
        pairs: vec![
            (ip("2001:db8:99::"), 64, None),
            (ip("2001:db8:98::1"), 128, Some(OTHER)),
            (ip("198.51.100.0"), 120, None),
        ],
        ..world()
    };
    let v6 = |source| udp6(ip(source), 1 << 64, 1000, 53, b"");
    check(&world, &v6("2001:db8:99::abcd").frame(), Ok(Kind::Data));
    check(
        &world,
        &v6("2001:db8:9a::abcd").frame(),
        Err(R::Ip6SourceSpoofed),
    );
    check(
        &world,
        &v6("2001:db8:98::1").frame_of(OTHER),
        Ok(Kind::Data),
    );
    check(
        &world,
        &v6("2001:db8:98::1").frame(),
        Err(R::Ip6SourceSpoofed),
    );
    let v4 = |source| v4(ip(source), ip("203.0.113.1"), 6, (0, false), &[0; 20]);
    check(&world, &v4("198.51.100.200"), Ok(Kind::Data));
    check(&world, &v4("198.51.101.200"), Err(R::Ip4SourceSpoofed));
    let from_pair = nd(
        ip("2001:db8:99::1"),
        ip(ALL_NODES),
        136,
        Some(ip("2001:db8:99::1")),
        None,
    );
    check(&world, &from_pair.frame(), Ok(Kind::Neighbor));
    check(
        &world,
        &arp(HOST, 1, (HOST, ip("198.51.100.9")), ip("198.51.100.9")),
        Ok(Kind::Arp),
    );
    check(
        &world,
        &arp(HOST, 1, (HOST, ip("198.51.101.9")), ip("198.51.101.9")),
        Err(R::ArpSpoofed),
    );
    let router = World {
        delegated: vec![(ip("2001:db8:97:100::"), 56, HOST)],
        ..world.clone()
    };
    check(&router, &v6("2001:db8:97:1ab::9").frame(), Ok(Kind::Data));
    let beside = v6("2001:db8:97:2ab::9");
    check(&router, &beside.frame(), Err(R::Ip6SourceSpoofed));
    let other = v6("2001:db8:97:1ab::9").frame_of(OTHER);
    check(&router, &other, Err(R::Ip6SourceSpoofed));
    let everything = World {
        pairs: vec![(0, 0, None)],
        ..world
    };
    check(&everything, &v6("2001:db8:abcd::1").frame(), Ok(Kind::Data));
    for never in [0, 1, ip("ff02::1"), ip("192.0.2.7")] {
        let udp = udp6(never, 1 << 64, 1000, 53, b"");
        check(&everything, &udp.frame(), Err(R::Ip6SourceSpoofed));
    }
    check(
        &everything,
        &self::v4(ip("203.0.113.9"), 0, 6, (0, false), &[0; 20]),
        Err(R::Ip4SourceSpoofed),
    );
}

#[test]
fn only_another_router_advertises_our_virtual_routers() {
    let machine = World {
        vrids: vec![(true, 61), (false, 62)],
        ..world()
    };
    let other_router = World {
        roles: Roles {
            vrrp: true,
            ..Roles::default()
        },
        ..machine.clone()
    };
    let six = |vrid: u8, len: usize| {
        let advertisement = [0x31, vrid, 255, 1, 0, 10, 0, 0];
        let udp = udp6(ip("fe80::7"), ip("ff02::12"), 0, 0, b"");
        Six {
            protocol: 112,
            upper: advertisement[..len].to_vec(),
            ..udp
        }
        .frame()
    };
    let four = |vrid: u8| {
        let advertisement = [0x31, vrid, 255, 1, 0, 10, 0, 0];
        self::v4(
            ip("192.0.2.7"),
            ip("224.0.0.18"),
            112,
            (0, false),
            &advertisement,
        )
    };
    for (frame, forged) in [
        (six(61, 8), true),
        // Its own with other machines.
        (six(62, 8), false),
        (four(62), true),
        (four(61), false),
    ] {
        let refused = if forged {
            Err(R::VrrpGuard)
        } else {
            Ok(Kind::Data)
        };
        check(&machine, &frame, refused);
        check(&other_router, &frame, Ok(Kind::Data));
    }
    check(&machine, &six(61, 1), Err(R::GuardUndecidable));
    // What the active one forwards comes from a virtual MAC, and from anybody's address.
    let virtual_mac = [0, 0, 0x5e, 0, 2, 61];
    let stranger = udp6(ip("2001:db8:ffff::9"), 1 << 64, 1000, 53, b"");
    let forwarded = stranger.frame_of(virtual_mac);
    check(&machine, &forwarded, Err(R::MacSpoofed));
    check(&other_router, &forwarded, Ok(Kind::Data));
    for of_others in [
        [0, 0, 0x5e, 0, 2, 62],
        [0, 0, 0x5e, 0, 1, 61],
        [0, 0, 0x5e, 0, 3, 61],
    ] {
        let frame = stranger.frame_of(of_others);
        check(&other_router, &frame, Err(R::MacSpoofed));
    }
    check(&other_router, &stranger.frame(), Err(R::Ip6SourceSpoofed));
}

#[test]
fn only_routers_advertise_redirect_and_query() {
    let world = world();
    let router = World {
        roles: Roles {
            router: true,
            ..Roles::default()
        },
        ..world.clone()
    };
    let own = ip("fe80::7");
    let cases = [
        (
            nd(own, ip(ALL_NODES), 134, None, Some((1, HOST))),
            R::RaGuard,
            Kind::Router,
        ),
        (
            nd(own, ip("fe80::9"), 137, Some(own), Some((2, OTHER))),
            R::RedirectGuard,
            Kind::Neighbor,
        ),
        (
            icmp(own, ip(ALL_NODES), 130, &[0; 24]),
            R::MldQueryGuard,
            Kind::Listener,
        ),
        (
            icmp(own, ip("ff02::6a"), 151, &[0; 4]),
            R::MldQueryGuard,
            Kind::Data,
        ),
    ];
    for (message, refused, kind) in cases {
        for ext in BEHIND {
            check(&world, &message.behind(ext).frame(), Err(refused));
            check(&router, &message.behind(ext).frame(), Ok(kind));
        }
        for ext in IN_FRAGMENTS {
            check(&world, &message.behind(ext).frame(), Err(refused));
            if kind != Kind::Data {
                check(&router, &message.behind(ext).frame(), Err(R::NdFragmented));
            }
        }
        // Nor from an address that is not the router's.
        let forged = message.from(ip("fe80::8"));
        check(&router, &forged.frame(), Err(R::Ip6SourceSpoofed));
    }
    let names_other = nd(own, ip(ALL_NODES), 134, None, Some((1, OTHER)));
    check(&router, &names_other.frame(), Err(R::NdSpoofed));
}

#[test]
fn discovery_and_reports_in_fragments_go_nowhere() {
    let world = world();
    let own = ip("2001:db8:1::7");
    let messages = [
        nd(own, ip("ff02::2"), 133, None, Some((1, HOST))),
        nd(
            own,
            ip("fe80::9"),
            135,
            Some(ip("fe80::9")),
            Some((1, HOST)),
        ),
        nd(own, ip(ALL_NODES), 136, Some(own), Some((2, HOST))),
        icmp(ip("fe80::7"), ip("ff02::16"), 143, &[0; 4]),
        icmp(own, ip("ff02::1"), 148, &[0; 8]),
    ];
    for message in messages {
        for ext in IN_FRAGMENTS {
            check(&world, &message.behind(ext).frame(), Err(R::NdFragmented));
        }
        for ext in BEHIND {
            assert!(
                verdict_of(&world, &message.behind(ext).frame())
                    .verdict
                    .is_ok()
            );
        }
    }
}

#[test]
fn a_neighbour_speaks_of_itself_alone() {
    let world = world();
    let (own, group) = (ip("2001:db8:1::7"), ip(ALL_NODES));
    let na = |source: &str, target: &str, mac| {
        nd(ip(source), group, 136, Some(ip(target)), Some((2, mac)))
    };
    let me = "2001:db8:1::7";
    let ns = |source, mac| {
        nd(
            source,
            ip("ff02::1:ff00:9"),
            135,
            Some(ip("2001:db8:1::9")),
            Some((1, mac)),
        )
    };
    let cases = [
        (na(me, me, HOST), Ok(Kind::Neighbor)),
        (na("fe80::7", me, HOST), Ok(Kind::Neighbor)),
        (na(me, me, OTHER), Err(R::NdSpoofed)),
        (na(me, "2001:db8:1::8", HOST), Err(R::AddressClaimed)),
        (
            na("2001:db8:1::8", "2001:db8:1::8", HOST),
            Err(R::AddressClaimed),
        ),
        (na(me, "2001:db8:1::99", HOST), Err(R::NdSpoofed)),
        (na("2001:db8:1::8", me, HOST), Err(R::NdSpoofed)),
        (na("::", me, HOST), Err(R::NdSpoofed)),
        (ns(own, HOST), Ok(Kind::Neighbor)),
        (ns(own, OTHER), Err(R::NdSpoofed)),
        (ns(ip("2001:db8:1::8"), HOST), Err(R::NdSpoofed)),
        (ns(ip("2001:db8:1::99"), HOST), Err(R::NdSpoofed)),
        (
            nd(own, ip("ff02::2"), 133, None, Some((1, HOST))),
            Ok(Kind::Router),
        ),
        (
            nd(own, ip("ff02::2"), 133, None, Some((1, OTHER))),
            Err(R::NdSpoofed),
        ),
        (nd(0, ip("ff02::2"), 133, None, None), Ok(Kind::Router)),
        (
            nd(0, ip("ff02::2"), 133, None, Some((1, HOST))),
            Err(R::Ip6SourceSpoofed),
        ),
        (
            nd(ip("fe80::8"), ip("ff02::2"), 133, None, None),
            Err(R::Ip6SourceSpoofed),
        ),
    ];
    for (message, expected) in cases {
        for ext in BEHIND {
            check(&world, &message.behind(ext).frame(), expected);
        }
        let crossed = Six {
            hop_limit: 254,
            ..message
        };
        check(&world, &crossed.frame(), Err(R::NdHopLimit));
    }
}

#[test]
fn options_that_cannot_be_read_are_not_believed() {
    let world = world();
    let own = ip("2001:db8:1::7");
    let mut message = nd(own, ip(ALL_NODES), 136, Some(own), Some((2, HOST)));
    let fine = message.upper.clone();
    message.upper[25] = 0;
    check(&world, &message.frame(), Err(R::GuardUndecidable));
    message.upper[25] = 2;
    check(&world, &message.frame(), Err(R::GuardUndecidable));
    // A second one names another, or is longer than an Ethernet address.
    for (option, expected) in [
        ([2, 1, 2, 0, 0, 0, 0, 7], Ok(Kind::Neighbor)),
        ([2, 1, 2, 0, 0, 0, 0, 8], Err(R::NdSpoofed)),
        ([14, 1, 2, 0, 0, 0, 0, 8], Ok(Kind::Neighbor)),
    ] {
        message.upper = [fine.as_slice(), &option].concat();
        check(&world, &message.frame(), expected);
    }
    message.upper = fine;
    message.upper[25] = 2;
    message.upper.extend([0; 8]);
    check(&world, &message.frame(), Err(R::NdSpoofed));
    message.upper.truncate(20);
    check(&world, &message.frame(), Err(R::GuardUndecidable));
}

#[test]
fn detection_of_a_free_address_passes_and_is_told() {
    let world = world();
    let claim = |frame: &[u8]| verdict_of(&world, frame).claim;
    let free = detection("2001:db8:1::77");
    check(&world, &free.frame(), Ok(Kind::Neighbor));
    let probes = |text| {
        Some(Claim {
            address: ip(text),
            saying: Saying::Probes,
        })
    };
    assert_eq!(claim(&free.frame()), probes("2001:db8:1::77"));
    let own = detection("2001:db8:1::7");
    check(&world, &own.frame(), Ok(Kind::Neighbor));
    assert_eq!(claim(&own.frame()), None);
    let taken = detection("2001:db8:1::8");
    check(&world, &taken.frame(), Err(R::AddressClaimed));
    assert_eq!(claim(&taken.frame()), probes("2001:db8:1::8"));
    // Of another prefix; to another group than the target's; with a link-layer address.
    check(
        &world,
        &detection("2001:db8:2::77").frame(),
        Err(R::NdSpoofed),
    );
    assert_eq!(claim(&detection("2001:db8:2::77").frame()), None);
    check(&world, &free.to(ip(ALL_NODES)).frame(), Err(R::NdSpoofed));
    let named = nd(
        0,
        free.destination,
        135,
        Some(ip("2001:db8:1::77")),
        Some((1, HOST)),
    );
    check(&world, &named.frame(), Err(R::NdSpoofed));

    let full = World {
        is_full: true,
        ..world.clone()
    };
    check(&full, &free.frame(), Err(R::AddressLimit));
    check(&full, &own.frame(), Ok(Kind::Neighbor));
    let fixed = World {
        learns: false,
        ..world.clone()
    };
    check(&fixed, &free.frame(), Err(R::NdSpoofed));
    check(&fixed, &own.frame(), Ok(Kind::Neighbor));
    assert_eq!(verdict_of(&fixed, &taken.frame()).claim, None);
    let mut tentative = world.clone();
    tentative.held.insert(ip("2001:db8:1::77"), true);
    check(&tentative, &free.frame(), Ok(Kind::Neighbor));
    assert_eq!(verdict_of(&tentative, &free.frame()).claim, None);
    let used = udp6(ip("2001:db8:1::77"), 1 << 64, 1, 2, b"");
    check(&tentative, &used.frame(), Err(R::Ip6SourceSpoofed));
    assert_eq!(verdict_of(&tentative, &used.frame()).claim, None);
    let uses = Some(Claim {
        address: ip("2001:db8:1::77"),
        saying: Saying::Uses,
    });
    assert_eq!(claim(&used.frame()), uses);
}
